"""Tokens as integers: the vocabularies that number them, and texts as strings of one character per token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from threading import Lock
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from evalkit.text.ngrams import Sequences

K = TypeVar("K")
V = TypeVar("V")

_SURROGATES, _GAP = 0xD800, 0x800  # code points that no string of ours may hold
CHARACTERS = 0x110000 - _GAP  # how many ids there is one Unicode character for


class Memo(dict[K, V], Generic[K, V]):
    """A dict that computes what it lacks; ``map(memo.__getitem__, keys)`` runs at the speed of C for what it has."""

    def __init__(self, compute: Callable[[K], V]) -> None:
        super().__init__()
        self.compute = compute

    def __missing__(self, key: K) -> V:
        value = self[key] = self.compute(key)
        return value


class Numbering(dict[str, int]):
    """Consecutive ids for strings, from ``first`` on; ``names[id - first]`` is the string."""

    def __init__(self, first: int = 0) -> None:
        super().__init__()
        self.first = first
        self.names: list[str] = []
        self._lock = Lock()

    def __missing__(self, name: str) -> int:
        with self._lock:  # two threads may both miss; the second finds what the first entered
            if name not in self:
                self.names.append(name)
                self[name] = self.first + len(self.names) - 1
            return self[name]


def one_character_each(tokens: Sequences) -> list[str]:
    """One string per sequence with one character per token, for scorers that compare strings; ids < `CHARACTERS`."""
    codes = tokens.ids.astype("<u4")
    codes += (codes >= _SURROGATES).astype("<u4") * np.uint32(_GAP)
    whole = codes.tobytes().decode("utf-32-le")
    bounds = tokens.offsets.tolist()
    return [whole[low:high] for low, high in pairwise(bounds)]


def blocks(sizes: NDArray[np.int64], budget: int) -> Iterator[tuple[int, int]]:
    """Consecutive ranges whose sizes add up to ``budget`` at most; a larger single item stands alone."""
    ends = np.cumsum(sizes)
    low, n = 0, len(sizes)
    while low < n:
        reached = int(ends[low - 1]) if low else 0
        high = max(low + 1, int(np.searchsorted(ends, reached + budget, side="right")))
        yield low, high
        low = high
