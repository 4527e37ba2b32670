"""Which words a set of texts has, by their hashes, and how often: what later words are unseen against."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.detection.counts import united

Hashes = NDArray[np.uint64]
Counts = NDArray[np.int64]

WORDS = 1 << 19  # distinct ones at most; beyond, half of all hashes are no longer looked at


@dataclass(frozen=True)
class Vocabulary:
    """Words by hash with their counts; merging parts gives that of the whole.

    Where the distinct words are more than `WORDS`, only those whose hash ends in ``level`` zero bits are kept: a random
    share 2^-level of all possible words, the same on every side, so that rates among them estimate rates among all.

    Attributes:
        hashes: (m,) ascending; ``counts`` (m,) how often each stands.
        total: words in all texts, also of those that are not looked at.
        texts: how many texts.
    """

    level: int
    hashes: Hashes
    counts: Counts
    total: int = 0
    texts: int = 0

    @classmethod
    def empty(cls) -> Vocabulary:
        """Of no texts."""
        return cls(0, np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64))

    @classmethod
    def of(cls, hashes: Hashes, texts: int, level: int = 0) -> Vocabulary:
        """Of the hashes of all words in so many texts."""
        kept = hashes if not level else hashes[_looked_at(hashes, level)]
        found, counts = np.unique(kept, return_counts=True)
        return cls(level, found, counts.astype(np.int64), len(hashes), texts)._held()

    def add(self, hashes: Hashes, texts: int) -> Vocabulary:
        """With the words of further texts."""
        return self.merge(Vocabulary.of(hashes, texts, self.level))

    def merge(self, other: Vocabulary) -> Vocabulary:
        """Of both sides' texts."""
        level = max(self.level, other.level)
        one, two = self._at(level), other._at(level)
        hashes, counts = united(one.hashes, one.counts, two.hashes, two.counts)
        return Vocabulary(level, hashes, counts, self.total + other.total, self.texts + other.texts)._held()

    @property
    def looked_at(self) -> int:
        """Words that were counted: all of them at level 0."""
        return int(self.counts.sum())

    @property
    def unseen_expected(self) -> float:
        """The share of words in further texts of the same kind that would be new: words seen once, over all words.

        Source: Good (1953), with Turing's estimate of the missing mass.
        """
        return float((self.counts == 1).sum()) / self.looked_at if self.looked_at else math.nan

    def counts_of(self, hashes: Hashes) -> Counts:
        """How often each stands, 0 where never; -1 for a word that is not looked at at this level."""
        found = np.zeros(len(hashes), dtype=np.int64)
        if len(self.hashes):
            at = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
            found = np.where(self.hashes[at] == hashes, self.counts[at], 0)
        return np.where(_looked_at(hashes, self.level), found, -1) if self.level else found

    def _at(self, level: int) -> Vocabulary:
        if level <= self.level:
            return self
        kept = _looked_at(self.hashes, level)
        return Vocabulary(level, self.hashes[kept], self.counts[kept], self.total, self.texts)

    def _held(self) -> Vocabulary:
        held = self
        while len(held.hashes) > WORDS:
            held = held._at(held.level + 1)
        return held

    def packed(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Plain facts, and arrays: what a profile's file holds."""
        facts = {"level": self.level, "total": self.total, "texts": self.texts}
        return facts, {"hashes": self.hashes, "counts": self.counts}

    @classmethod
    def unpacked(cls, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Vocabulary:
        """What `packed` came from."""
        hashes, counts = arrays["hashes"].astype(np.uint64), arrays["counts"].astype(np.int64)
        return cls(int(facts["level"]), hashes, counts, int(facts["total"]), int(facts["texts"]))


def _looked_at(hashes: Hashes, level: int) -> NDArray[np.bool_]:
    looked: NDArray[np.bool_] = (hashes & np.uint64((1 << level) - 1)) == 0
    return looked
