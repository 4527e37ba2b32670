"""Which of two answers a judge prefers: read from its reply strictly, in one of three forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from evalkit.core.errors import Malformed
from evalkit.core.parse import parsed, shown

Form = Literal["json", "brackets", "first_line"]
Scale = Literal["three", "five"]

LABELS: Mapping[Scale, Mapping[str, int]] = {
    "three": {"A": 1, "tie": 0, "B": -1},
    "five": {"A>>B": 2, "A>B": 1, "A=B": 0, "B>A": -1, "B>>A": -2},
}
_BRACKETS: Mapping[Scale, Mapping[str, int]] = {
    "three": {"A": 1, "C": 0, "TIE": 0, "B": -1},  # [[C]] is FastChat's tie
    "five": LABELS["five"],
}
_FIRST_LINE = {"1": 1, "tie": 0, "2": -1}  # PandaLM's words
_IN_BRACKETS = re.compile(r"\[\[([^\[\]]*)\]\]")
_REASON = re.compile(r"###\s*Reason:(.*?)(?=\n###|\Z)", re.DOTALL)


class Told(NamedTuple):
    """One reply: the preference for the first answer (2: strongly, 0: none, negative: for the second), and why."""

    level: int
    reason: str


def schema(scale: Scale) -> dict[str, Any]:
    """The JSON of a reply: the reason comes first, so that the verdict may rest on it."""
    return {
        "type": "object",
        "properties": {"reason": {"type": "string"}, "verdict": {"enum": list(LABELS[scale])}},
        "required": ["reason", "verdict"],
        "additionalProperties": False,
    }


def told(text: str, form: Form, scale: Scale) -> Told:
    """What a reply says.

    ``json``: an object that meets `schema`. ``brackets``: one label in double brackets, as FastChat and Arena-Hard ask for;
    several must agree. ``first_line``: ``1``, ``2`` or ``Tie`` alone on the first line, then ``### Reason:``, as PandaLM
    writes.

    Raises:
        Malformed: it says nothing of the kind, or two things.
    """
    if form == "json":
        value = parsed(text, schema(scale))
        return Told(LABELS[scale][value["verdict"]], value["reason"])
    return _bracketed(text, scale) if form == "brackets" else _led(text)


def _bracketed(text: str, scale: Scale) -> Told:
    labels = _BRACKETS[scale]
    levels = {labels.get(re.sub(r"\s", "", found).upper()) for found in _IN_BRACKETS.findall(text)}
    if len(levels) == 1 and None not in levels:
        (level,) = levels
        assert level is not None
        return Told(level, text.strip())
    what = "two verdicts" if len(levels) > 1 else "no verdict"
    raise Malformed(f"the reply has {what} in [[ ]]: {shown(text)}")


def _led(text: str) -> Told:
    first, _, rest = text.strip().partition("\n")
    level = _FIRST_LINE.get(first.strip().lower())
    if level is None:
        raise Malformed(f"the reply's first line is not 1, 2 or Tie: {shown(text)}")
    reason = _REASON.search(rest)
    return Told(level, (reason[1] if reason else rest).strip())
