"""Secrets: read from the environment when they are used, and taken out of whatever is told."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote, urlsplit

from evalkit.core.errors import SpecError

LEAST = 4  # characters of a value that is looked for in texts
LEAST_PART = 8  # and of a part of one: a token in a path


def secret(variable: str) -> str:
    """The value of an environment variable, without white space around it.

    Raises:
        SpecError: it is not set, or empty.
    """
    value = os.environ.get(variable, "").strip()
    if not value:
        raise SpecError(f"the environment variable {variable} is not set")
    return value


def variables(part: object) -> dict[str, str]:
    """Option → environment variable, of every option whose name ends in ``_env``; ``headers_env.NAME`` of a mapping."""
    told: dict[str, str] = {}
    for field in dataclasses.fields(part) if dataclasses.is_dataclass(part) else ():
        value = getattr(part, field.name) if field.name.endswith("_env") else None
        if isinstance(value, str):
            told[field.name] = value
        elif isinstance(value, Mapping):
            told |= {f"{field.name}.{key}": name for key, name in value.items()}
    return told


def scrubbed(text: str, part: object) -> str:
    """The text without the values of a part's variables, whole, in pieces or encoded; the variable is named instead."""
    found = {piece: name for name in variables(part).values() for piece in _pieces(os.environ.get(name, "").strip())}
    for piece in sorted(found, key=len, reverse=True):
        text = text.replace(piece, f"[{found[piece]}]")
    return text


def _pieces(value: str) -> Iterator[str]:
    """What gives a value away."""
    if len(value) < LEAST:
        return
    whole = [value, *(word for word in value.split() if len(word) >= LEAST_PART)]
    if "://" in value:
        whole += _of_address(value)
    for piece in whole:
        yield piece
        yield from {quote(piece, safe=""), unquote(piece), json.dumps(piece)[1:-1], repr(piece)[1:-1]}
        yield base64.b64encode(piece.encode("utf-8", "replace")).decode().rstrip("=")


def _of_address(value: str) -> Iterator[str]:
    """The parts of an address that tell more than where it leads."""
    try:
        parts = urlsplit(value)
        login = [parts.username, parts.password]
    except ValueError:
        return
    yield from (one for one in (*login, parts.query) if one and len(one) >= LEAST)
    if len(parts.path) >= LEAST_PART:
        yield parts.path
    words = re.split(r"[/?&=;]", f"{parts.path}&{parts.query}")
    yield from (word for word in words if len(word) >= LEAST_PART and re.search("[0-9A-Z]", word))
