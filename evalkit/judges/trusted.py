"""A file of texts that count as true, and which of them have to do with a claim."""

from __future__ import annotations

import heapq
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from evalkit.core.content import Document
from evalkit.core.errors import Problem, SpecError
from evalkit.judges.support import Source
from evalkit.text.normalise import squad_tokens
from evalkit.text.sentences import sentences

K1, B = 1.2, 0.75
COMMON = 100  # texts that any word may stand in; beyond that and half of all, it tells nothing
LONGEST = 1_500  # characters of a paragraph; a longer one is cut between sentences
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]+")  # scripts that put no space between words


class Trusted:
    """Texts by the words they have; those nearest to some claims are found by BM25 (Robertson & Zaragoza 2009, eq. 3.15)."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        self._counts = [Counter(tokens(one.text)) for one in self.sources]
        lengths = [counts.total() for counts in self._counts]
        mean = sum(lengths) / max(len(lengths), 1) or 1.0
        self._norms = [K1 * (1.0 - B + B * length / mean) for length in lengths]
        texts = Counter(word for counts in self._counts for word in counts)
        n = len(self.sources)
        self._idf = {word: math.log1p((n - found + 0.5) / (found + 0.5)) for word, found in texts.items()}
        self._owners: dict[str, list[int]] = {}
        for at, counts in enumerate(self._counts):
            for word in counts:
                self._owners.setdefault(word, []).append(at)

    def near(self, claims: Sequence[str], most: int) -> list[Source]:
        """At most so many texts: the best of every claim, then the second best of every claim, and on."""
        ranked = [self._ranked(claim, most) for claim in claims]
        found: dict[int, None] = {}
        for place in range(most):
            for ranks in ranked:
                if place < len(ranks) and len(found) < most:
                    found.setdefault(ranks[place])
        return [self.sources[at]._replace(name=f"P{place}") for place, at in enumerate(found, 1)]

    def _ranked(self, claim: str, most: int) -> list[int]:
        scores: Counter[int] = Counter()
        usual = max(len(self.sources) // 2, COMMON)
        for word in dict.fromkeys(tokens(claim)):
            owners = self._owners.get(word, ())
            for at in owners if len(owners) <= usual else ():
                often = self._counts[at][word]
                scores[at] += self._idf[word] * often * (K1 + 1.0) / (often + self._norms[at])  # type: ignore[assignment]
        return heapq.nsmallest(most, scores, key=lambda at: (-scores[at], at))


@lru_cache(maxsize=2)
def trusted(document: Document) -> Trusted:
    """The texts of a file: JSON lines with ``text``, else paragraphs between empty lines.

    Raises:
        SpecError: there is no text in it, or a line of JSON has none.
    """
    lines = document.text.removeprefix("\ufeff").split("\n")
    if document.path.endswith((".jsonl", ".ndjson")):
        told = [_row(line, f"{document.path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    else:
        told = [(str(at), text) for at, text in enumerate(_paragraphs(lines), 1)]
    if not told:
        raise SpecError(Problem(document.path, "has no text to hold claims against"))
    return Trusted([Source(f"P{at}", name, text) for at, (name, text) in enumerate(told, 1)])


def _row(line: str, where: str) -> tuple[str, str]:
    try:
        row: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise SpecError(Problem(where, f"is no JSON ({error.msg})")) from None
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise SpecError(Problem(where, "has no `text`", 'a line is {"id": "…", "text": "…"}'))
    named = [row[key] for key in ("id", "title") if row.get(key) not in (None, "")]
    return str(named[0] if named else where.rpartition(":")[2]), row["text"]


def _paragraphs(lines: Sequence[str]) -> list[str]:
    found: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            found[-1].append(line.strip())
        elif found[-1]:
            found.append([])
    return [piece for one in found if one for piece in _cut(" ".join(one))]


def _cut(text: str) -> list[str]:
    found = [""]
    for one in sentences(text) if len(text) > LONGEST else [text]:
        if found[-1] and len(found[-1]) + len(one) > LONGEST:
            found.append("")
        found[-1] = f"{found[-1]} {one}".strip()
    return found


def tokens(text: str) -> list[str]:
    """Words by SQuAD's rules; where a script puts no space between them, pairs of characters."""
    found = []
    for word in squad_tokens(text):
        rest = _UNSPACED.sub(" ", word)
        found += rest.split()
        for run in _UNSPACED.findall(word) if rest != word else ():
            found += [run[at : at + 2] for at in range(max(len(run) - 1, 1))]
    return found
