"""Words and phrases of a list found in texts, also where digits and signs stand for their letters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from evalkit.core.errors import MissingExtra

_TOKEN = re.compile(r"[@$]?+[^\W_](?:[^\W_]|[@$!*'’]++(?=[^\W_]))*+\*{0,20}+")
_SIGNS = str.maketrans("0345@$7!1", "oeasasti" + "i")
_OTHER = str.maketrans("!1", "ll")
_PUNCTUATION = str.maketrans("", "", "'’")


class Word(NamedTuple):
    """Characters ``start`` to ``end`` of a text that spell ``entry`` of the list."""

    start: int
    end: int
    entry: str


@dataclass(frozen=True)
class Words:
    """A list, ready to be looked for: whole words only, whatever their case."""

    entries: dict[str, frozenset[tuple[str, ...]]]  # first word → the entries that begin with it
    by_shape: dict[tuple[str, int], tuple[str, ...]]  # first letter and length → words: for those with stars in them

    @classmethod
    def of(cls, entries: Iterable[str]) -> Words:
        """From words and phrases; what is empty or begins with ``#`` is none."""
        told = {tuple(_spelled(word[0])[0] for word in _TOKEN.finditer(each)) for each in entries if each.strip()[:1] != "#"}
        told.discard(())
        first: dict[str, set[tuple[str, ...]]] = {}
        shapes: dict[tuple[str, int], list[str]] = {}
        for entry in sorted(told):
            first.setdefault(entry[0], set()).add(entry)
            if len(entry) == 1:
                shapes.setdefault((entry[0][0], len(entry[0])), []).append(entry[0])
        return cls(
            {word: frozenset(some) for word, some in first.items()}, {shape: tuple(some) for shape, some in shapes.items()}
        )

    def find(self, text: str) -> Iterator[Word]:
        """What of the list stands in a text, from left to right, the longest where several begin; nothing overlaps."""
        tokens = [(one.start(), one.end(), _spelled(one[0])) for one in _TOKEN.finditer(text)]
        at = 0
        while at < len(tokens):
            start, end, spellings = tokens[at]
            length, entry = max((self._at(tokens, at, word) for word in spellings), default=(0, ""))
            if not length and "*" in text[start:end]:
                length, entry = self._starred(text[start:end].casefold())
            if length:
                yield Word(start, tokens[at + length - 1][1], entry)
            at += length or 1

    def _at(self, tokens: list[tuple[int, int, tuple[str, ...]]], at: int, word: str) -> tuple[int, str]:
        """How many tokens the longest entry takes that begins here, and that entry."""
        best = (0, "")
        for entry in self.entries.get(word, ()):
            following = tokens[at + 1 : at + len(entry)]
            if len(following) == len(entry) - 1 and all(part in told[2] for part, told in zip(entry[1:], following)):
                best = max(best, (len(entry), " ".join(entry)))
        return best

    def _starred(self, token: str) -> tuple[int, str]:
        for word in self.by_shape.get((token[0], len(token)), ()):
            if all(have in (want, "*") for have, want in zip(token, word)) and token.count("*") < len(token) - 1:
                return 1, word
        return 0, ""


@cache
def better_profanity() -> Words:
    """The list of the package better-profanity (MIT licence): some 900 English words.

    Raises:
        MissingExtra: it is not installed.
    """
    found = find_spec("better_profanity")
    if found is None or not found.submodule_search_locations:
        raise MissingExtra("toxicity with variant: lexicon", "better-profanity", "toxicity")
    path = Path(found.submodule_search_locations[0]) / "profanity_wordlist.txt"
    return Words.of(path.read_text(encoding="utf-8").split("\n"))


def _spelled(token: str) -> tuple[str, ...]:
    """What a token may spell: as it stands, and with letters for its digits and signs; figures alone spell nothing."""
    plain = token.casefold().translate(_PUNCTUATION).rstrip("*")
    if plain.isalpha():
        return (plain,)
    if not any(map(str.isalpha, plain)):
        return (plain,)
    return tuple(dict.fromkeys((plain, plain.translate(_SIGNS), plain.translate(_OTHER).translate(_SIGNS))))
