"""Replies that hold one verdict on each of some numbered things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalkit.core.errors import Malformed
from evalkit.core.parse import parsed, shown


def schema_of(n: int, thing: str, verdict: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a reply: ``n`` verdicts, each with the number of its thing, a reason, and then what rests on it."""
    properties = {
        thing: {"type": "integer", "minimum": 1, "maximum": n},
        "reason": {"type": "string"},
        **verdict,
    }
    one = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {
        "type": "object",
        "properties": {"verdicts": {"type": "array", "items": one, "minItems": n, "maxItems": n}},
        "required": ["verdicts"],
        "additionalProperties": False,
    }


def in_order(text: str, schema: Mapping[str, Any], thing: str) -> list[dict[str, Any]]:
    """The verdicts of a reply in the order of what they are about.

    Raises:
        Malformed: the reply is something else, or a thing has two verdicts and another none.
    """
    told: list[dict[str, Any]] = parsed(text, schema)["verdicts"]
    by_number = {one[thing]: one for one in told}
    if len(by_number) < len(told):
        raise Malformed(f"the reply has no verdict on each of the {len(told)} {thing}s: {shown(text)}")
    return [by_number[number] for number in sorted(by_number)]
