"""A reply as the value that was asked for: JSON that meets a schema, one of some choices, or plain text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from evalkit.core.asking import Reply, Request
from evalkit.core.errors import Malformed

Parse = Callable[[Reply], Any]


def parser_of(request: Request) -> Parse:
    """What turns the reply to a request into its value; it raises `Malformed` for one that is something else."""
    if request.schema is not None:
        schema = request.schema
        return lambda reply: parsed(reply.text, schema)
    if request.choices:
        return lambda reply: chosen(reply.text, request.choices)
    return _text


def parsed(text: str, schema: Mapping[str, Any]) -> Any:
    """A reply as JSON that meets ``schema``; a code fence around it is accepted, anything else is not.

    Raises:
        Malformed: it is no JSON, or breaks the schema; the message quotes its beginning.
    """
    body = text.strip()
    if body.startswith("```"):
        body = body.partition("\n")[2].rpartition("```")[0]
    try:
        value = msgspec.json.decode(body.encode())
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise Malformed(f"the reply is not JSON: {shown(text)}") from error
    written = json.dumps(schema, sort_keys=True)
    surely = _plain(written)
    if surely is not None and surely(value):
        return value
    broken = next(_validator(written).iter_errors(value), None)
    if broken is not None:
        raise Malformed(f"the reply does not fit its schema ({broken.message}): {shown(text)}")
    return value


def chosen(text: str, choices: tuple[str, ...]) -> str:
    """The choice that a reply is, white space around it apart.

    Raises:
        Malformed: it is none of them.
    """
    said = text.strip()
    if said in choices:
        return said
    raise Malformed(f"the reply is none of {', '.join(map(repr, choices))}: {shown(text)}")


def shown(text: str, longest: int = 80) -> str:
    """The beginning of a reply, as a message quotes it."""
    return repr(text if len(text) <= longest else text[: longest - 3] + "…")


def _text(reply: Reply) -> str:
    return reply.text


@lru_cache(maxsize=64)
def _plain(schema: str) -> Callable[[Any], bool] | None:
    """Whether a value surely meets an object of texts and choices, in a tenth of the time; None: the schema is no such one.

    It says yes only where jsonschema would; whatever it does not know is left to that.
    """
    told = json.loads(schema)
    if not isinstance(told, dict) or told.keys() != {"type", "properties", "required", "additionalProperties"}:
        return None
    if told["type"] != "object" or told["additionalProperties"] is not False:
        return None
    allowed: dict[str, frozenset[tuple[type, Any]] | None] = {}  # None: any text
    for name, part in told["properties"].items():
        if part == {"type": "string"}:
            allowed[name] = None
        elif isinstance(part, dict) and part.keys() == {"enum"} and all(type(choice) in (int, str) for choice in part["enum"]):
            allowed[name] = frozenset((type(choice), choice) for choice in part["enum"])
        else:
            return None
    required = frozenset(told["required"])

    def fits(name: str, value: Any) -> bool:
        choices = allowed[name]
        return type(value) is str if choices is None else type(value) in (int, str) and (type(value), value) in choices

    def surely(value: Any) -> bool:
        if type(value) is not dict or not required <= value.keys() <= allowed.keys():
            return False
        return all(fits(name, inner) for name, inner in value.items())

    return surely


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema))
