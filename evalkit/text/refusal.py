"""Refusals: answers that decline instead of answering, told by how they begin, in nine languages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalkit.text.bytes import chunks_of
from evalkit.text.refusal_words import HINT, PARTS, PATTERNS

if TYPE_CHECKING:
    import pyarrow as pa

LANGUAGES = tuple(PATTERNS)
REACH = 200  # bytes of a text in which a refusal must begin and be told as one

_OPENING = r"""(?:^|[\n.!?:;,(—–。！？，、；：…-])[\s"“”„«»*_>#'’「『-]*"""  # a text, a sentence or a clause begins

_AROUND = " \t\n\r\"“”„«»*_>#'’「『.!?:;,(—–！？，、；：…-"


def refusal(array: pa.Array | pa.ChunkedArray) -> NDArray[np.bool_]:
    """Whether each text begins like a refusal, shape (n,); False where it is missing.

    A clause among its first 200 bytes must begin with the words of one: "I can't help with …", "As an AI, I don't …",
    "Ich kann Ihnen dabei nicht helfen", and the like in English, German, French, Spanish, Italian, Portuguese, Dutch, Chinese
    and Japanese. What is declined belongs to the pattern: "I can't recommend it enough" or "Ich kann mir nicht helfen" is none.
    Saying that something cannot be known or looked up counts; an answer that only warns does not.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found = [np.zeros(0, dtype=bool)]
    for chunk in chunks_of(array):
        raw = pa.large_binary() if pa.types.is_large_string(chunk.type) else pa.binary()
        beginnings = pc.binary_slice(chunk.view(raw), 0, REACH).view(chunk.type)  # a character cut in two matches nothing
        flags = np.zeros(len(chunk), dtype=bool)
        left = np.flatnonzero(_matches(beginnings, _joined(HINT)))
        for each in expressions() if len(left) else ():
            matched = _matches(beginnings.take(pa.array(left)), each)
            flags[left[matched]] = True
            left = left[~matched]
        found.append(flags)
    return np.concatenate(found)


def phrases(texts: Sequence[str]) -> list[tuple[str, str] | None]:
    """Of each text the language of its refusal and the words that tell it, None where it is none; RE2 finds both."""
    import pyarrow as pa
    import pyarrow.compute as pc

    beginnings = [text.encode("utf-8", "replace")[:REACH].decode("utf-8", "ignore") for text in texts]
    found: list[tuple[str, str] | None] = [None] * len(beginnings)
    left = np.flatnonzero(refusal(pa.array(beginnings, pa.string()))).tolist()
    for language, each in zip(LANGUAGES, expressions()):
        told = pc.extract_regex(pa.array([beginnings[index] for index in left], pa.string()), f"(?i)(?P<told>{each})")
        for index, match in zip(left, told.to_pylist()):
            if match is not None:
                found[index] = (language, match["told"].strip(_AROUND))
        left = [index for index in left if found[index] is None]
    return found


@cache
def expressions() -> tuple[str, ...]:
    """A regular expression a language.

    RE2 has no look-around and no back-reference: its time is linear in the text. All languages in one would take a hundred
    times as long, for RE2 then meets too many states to remember them.
    """
    return tuple(f"{_OPENING}(?:{'|'.join(_spelled(told))})" for told in PATTERNS.values())


def _spelled(told: str) -> list[str]:
    """The patterns of a language, each with its parts in their places."""
    patterns = [_joined(each) for each in told.strip("\n").split("\n\n")]
    while any("<" in each for each in patterns):
        patterns = [re.sub("<([A-Z]+)>", lambda part: _joined(PARTS[part[1]]), each) for each in patterns]
    return [f"(?:{each})" for each in patterns]


def _joined(told: str) -> str:
    return "".join(line.lstrip(" ") for line in told.split("\n"))


def _matches(texts: pa.Array, pattern: str) -> NDArray[np.bool_]:
    import pyarrow.compute as pc

    matched = pc.match_substring_regex(texts, pattern, ignore_case=True)
    flags: NDArray[np.bool_] = pc.fill_null(matched, False).to_numpy(zero_copy_only=False)
    return flags
