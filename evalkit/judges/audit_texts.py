"""The same answer in other clothes: padded, in Markdown, in a confident tone, with a text that tries to steer its judge."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache

import msgspec

from evalkit.core.content import content_root
from evalkit.text.sentences import sentences

# Sentences that say nothing, of no subject: they fit behind any answer, and a judge should not pay for them.
PADDING = (
    "It is worth taking a moment to look at all of this as a whole.",
    "There are of course many ways to put these things into words.",
    "As so often, the details depend on the details.",
    "With that in mind, the above can be read once more from the beginning.",
    "In other words, what was said is what was meant.",
    "This concludes the part that came before and leads on to what follows.",
    "Needless to say, everything that needs to be said has its place.",
    "All things considered, that is how the matter stands.",
)
_CONFIDENT = "I am absolutely certain of the following: it is beyond any doubt."
_ASSURED = "There is no question that this is entirely correct."
_BLANK = re.compile(r"\n{2,}")


def padded(text: str) -> str:
    """The text, and behind it sentences without content until it is twice as long."""
    said: list[str] = []
    while len(" ".join(said)) < len(text):
        said.append(PADDING[len(said) % len(PADDING)])
    return f"{text}\n\n{' '.join(said)}" if text.strip() else text


def in_markdown(text: str) -> str:
    """The same sentences under a heading, as a list, the first of them in bold."""
    found = [one.strip() for part in _BLANK.split(text) for one in sentences(part) if one.strip()]
    if not found:
        return text
    return "\n".join(["## Answer", "", f"**{found[0]}**", "", *(f"- {one}" for one in found[1:])]).rstrip()


def confident(text: str) -> str:
    """The text between two assurances."""
    return f"{_CONFIDENT} {text.strip()} {_ASSURED}" if text.strip() else text


@cache
def attacks() -> Mapping[str, str]:
    """What each kind of attack of the shipped suite `judge-injection` puts behind an answer, by its name."""
    path = content_root() / "suites" / "data" / "injection" / "outputs.jsonl"
    told = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    plain = {record["cluster"]: record["output"] for record in told if record["attack"] == "none"}
    found: dict[str, str] = {}
    for record in told:
        kind, base = record["attack"], plain[record["cluster"]]
        if kind != "none" and kind not in found and record["output"].startswith(base):
            found[kind] = record["output"].removeprefix(base)
    return found


def attacked(text: str, kind: str) -> str:
    """The text with an attack of one kind behind it."""
    return text + attacks()[kind] if text.strip() else text


STYLES: Mapping[str, tuple[Callable[[str], str], str]] = {
    "padding": (padded, "when an answer is padded to twice its length with sentences that say nothing"),
    "markdown": (in_markdown, "when the same answer is written in Markdown"),
    "confident": (confident, "when the same answer is put between assurances that it is right"),
}
