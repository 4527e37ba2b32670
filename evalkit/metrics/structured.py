"""Outputs that must be JSON, and JSON of a given shape."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, NoReturn

import numpy as np

from evalkit.core.batch import Batch
from evalkit.core.content import Document
from evalkit.core.errors import quote
from evalkit.core.registry import metric
from evalkit.core.rows import Rows
from evalkit.metrics.share import Share, hits

Extract = Literal["whole", "fenced", "first"]

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n]*\n(.*?)^[ \t]*\1", re.DOTALL | re.MULTILINE)
_OPENING = re.compile(r"[{\[]")
_STARTS = 200  # brackets at which `first` looks for a value before it gives up
_LONGEST = 300  # characters of a reason
PATIENCE_S = 1.0  # for one pattern of a schema on one text
_TOO_DEEP = "the output is nested too deeply to be read"


class NotJson(ValueError):
    """A text is not JSON; says where and why."""


@metric("json_valid")
@dataclass(frozen=True)
class JsonValid(Share):
    """Share of outputs that are JSON (RFC 8259: no NaN, no trailing comma, no comment).

    ``extract`` says what of the output must be JSON: the ``whole``; the first ``fenced`` code block, or the whole where
    there is no fence; or the ``first`` object or array that stands anywhere in it.

    Misleads: `null`, a bare number or an empty object are JSON too: it says nothing of the content.

    Source: RFC 8259.
    """

    needs = ("output",)
    extract: Extract = "whole"

    def measure(self, batch: Batch) -> Rows:
        found = np.zeros(len(batch))
        errors: dict[int, str] = {}
        reasons: dict[int, str] = {}
        for index, text in enumerate(batch.texts("output")):
            try:
                extracted(text, self.extract)
                found[index] = 1
            except NotJson as error:
                reasons[index] = str(error)
            except RecursionError:
                errors[index] = _TOO_DEEP
        return hits(found, errors, reasons)


@metric("json_schema")
@dataclass(frozen=True)
class JsonSchema(Share):
    """Share of outputs that are JSON and meet a JSON schema.

    The schema is a mapping, or a JSON or YAML file; ``$schema`` names its draft, 2020-12 when it does not say.
    References into the schema and to the drafts themselves are followed, none over the network.  ``formats: true`` also
    checks ``format`` (date, email …), which the specification leaves optional.  ``extract`` is that of `json_valid`.

    Misleads: it holds an output to the schema and no more: a schema without `required` and `additionalProperties: false`
    lets nearly everything pass, and values of the right type may all be wrong.

    Source: JSON Schema, 2020-12 and earlier drafts.
    """

    needs = ("output",)
    schema: Document | Mapping[str, Any]
    extract: Extract = "whole"
    formats: bool = False

    def __post_init__(self) -> None:
        self._validator()

    def measure(self, batch: Batch) -> Rows:
        from jsonschema.exceptions import best_match

        validator = self._validator()
        found = np.zeros(len(batch))
        errors: dict[int, str] = {}
        reasons: dict[int, str] = {}
        for index, text in enumerate(batch.texts("output")):
            try:
                fault = best_match(validator.iter_errors(extracted(text, self.extract)))
            except NotJson as error:
                reasons[index] = str(error)
            except RecursionError:
                errors[index] = _TOO_DEEP
            except TimeoutError:
                errors[index] = f"a pattern of the schema took longer than {PATIENCE_S:g} s on this output"
            else:
                if fault is None:
                    found[index] = 1
                else:
                    reasons[index] = shortened(f"{fault.json_path}: {fault.message}")
        return hits(found, errors, reasons)

    def _validator(self) -> Any:
        """The schema, ready to validate.

        Raises:
            ValueError: it is not a schema, or refers to something that neither it nor the drafts hold.
        """
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import Draft202012Validator, validator_for

        schema, where = self._parsed()
        if not isinstance(schema, dict):
            raise ValueError(f"{where}: a JSON schema is a mapping, not {type(schema).__name__}")
        kind: Any = validator_for(schema, default=Draft202012Validator)
        try:
            kind.check_schema(schema)
        except SchemaError as error:
            raise ValueError(f"{where}: {error.json_path}: {shortened(error.message)}") from None
        registry = _closed_registry(schema, kind, where)
        return _patient(kind)(schema, registry=registry, format_checker=kind.FORMAT_CHECKER if self.formats else None)

    def _parsed(self) -> tuple[Any, str]:
        """The schema as JSON, and what to call it in a message."""
        if not isinstance(self.schema, Document):
            return dict(self.schema) if isinstance(self.schema, Mapping) else self.schema, "schema"
        import yaml

        try:  # JSON is YAML, but its own parser is faster and takes tabs
            return json.loads(self.schema.text), self.schema.path
        except ValueError:
            try:
                return yaml.safe_load(self.schema.text), self.schema.path
            except yaml.YAMLError as error:
                raise ValueError(f"{self.schema.path}: is neither JSON nor YAML: {shortened(str(error))}") from None


def _patient(kind: Any) -> Any:
    """A validator whose patterns give up: some need exponential time on some texts, and the texts are a model's.

    Raises, when it validates:
        TimeoutError: a pattern took too long.
    """
    import regex  # type: ignore[import-untyped,unused-ignore]
    from jsonschema import validators
    from jsonschema.exceptions import ValidationError

    def matches(pattern: str, text: str) -> bool:
        return regex.search(pattern, text, timeout=PATIENCE_S) is not None

    def pattern(validator: Any, told: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
        if validator.is_type(instance, "string") and not matches(told, instance):
            yield ValidationError(f"{instance!r} does not match {told!r}")

    def properties(validator: Any, told: Mapping[str, Any], instance: Any, _schema: Any) -> Iterator[ValidationError]:
        if not validator.is_type(instance, "object"):
            return
        for expression, inner in told.items():
            for name, value in instance.items():
                if matches(expression, name):
                    yield from validator.descend(value, inner, path=name, schema_path=expression)

    additional = kind.VALIDATORS.get("additionalProperties")

    def others(validator: Any, told: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if "patternProperties" in schema and validator.is_type(instance, "object"):
            expressions = schema["patternProperties"]
            instance = {name: value for name, value in instance.items() if not any(matches(each, name) for each in expressions)}
            schema = {key: value for key, value in schema.items() if key != "patternProperties"}
        yield from additional(validator, told, instance, schema) or ()

    ours = {"pattern": pattern, "patternProperties": properties, "additionalProperties": others}
    extend: Any = validators.extend
    return extend(kind, {name: check for name, check in ours.items() if name in kind.VALIDATORS})


def _closed_registry(schema: Any, kind: Any, where: str) -> Any:
    """What the schema's references may lead to, itself and the drafts; each is followed here, lest one fail later."""
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped,unused-ignore]
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import specification_with

    draft = specification_with(kind.META_SCHEMA.get("$schema", ""))
    root = draft.create_resource(schema)
    registry = REGISTRY.with_resource("", root)

    def follow(resource: Any, resolver: Any) -> None:
        reference = resource.contents.get("$ref") if isinstance(resource.contents, Mapping) else None
        if isinstance(reference, str):
            try:
                resolver.lookup(reference)
            except Unresolvable:
                message = f"{where}: $ref {quote(reference)} leads nowhere; it can lead to parts of the schema itself"
                raise ValueError(message) from None
        for inner in resource.subresources():
            follow(inner, resolver.in_subresource(inner))

    follow(root, registry.resolver_with_root(root))
    return registry


def extracted(text: str, extract: Extract) -> Any:
    """The JSON value of an output.

    Raises:
        NotJson: there is none, or it is not JSON.
        RecursionError: it is nested too deeply to tell.
    """
    if extract == "first":
        return _first(text)
    fence = _FENCE.search(text) if extract == "fenced" else None
    return _parse(fence.group(2) if fence else text)


def _parse(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        if not text.strip():
            raise NotJson("the output is empty") from None
        raise NotJson(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None


def _first(text: str) -> Any:
    """The first object or array: the leftmost bracket from which a whole value can be read."""
    for opening in islice(_OPENING.finditer(text), _STARTS):
        try:
            return _DECODER.raw_decode(text, opening.start())[0]
        except ValueError:
            continue
    raise NotJson("no JSON object or array stands in the output")


def _integer(digits: str) -> int | float:
    """An integer of any length; Python refuses to read very long ones, JSON does not."""
    return int(digits) if len(digits) < 4000 else float(digits)


def _refuse(name: str) -> NoReturn:
    raise NotJson(f"not JSON: {name} is no JSON number")


_DECODER = json.JSONDecoder(parse_int=_integer, parse_constant=_refuse)


def shortened(text: str) -> str:
    """One line, not longer than a reason may be."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
