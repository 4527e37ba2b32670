"""The order in which records are judged where judging may stop early: random, and the same again for the same seed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evalkit.core.batch import Batch
from evalkit.records.dataset import Chunk
from evalkit.runner.opponent import beside
from evalkit.store.outputs import Outputs

FIRST_BLOCK, LARGEST_BLOCK = 5_000, 80_000  # records read at once; blocks double, so that the data are read few times


class Kept(Protocol):
    """What is known of the records before any is judged, and of a finished run: ids and the columns that gates select by."""

    n: int
    attributes: tuple[str, ...]

    @property
    def ids(self) -> list[str]: ...

    def codes(self, attribute: str) -> tuple[NDArray[np.int64], list[str | None]]: ...


class Columns:
    """`Kept` of a run under way, from columns in memory."""

    def __init__(self, ids: list[str], columns: Mapping[str, Sequence[str | None]]) -> None:
        self.ids, self.n, self.attributes, self._columns = ids, len(ids), tuple(columns), columns

    def codes(self, attribute: str) -> tuple[NDArray[np.int64], list[str | None]]:
        """A column as integer codes, shape (n,), and the values they stand for."""
        known: dict[str | None, int] = {}
        found = [known.setdefault(value, len(known)) for value in self._columns[attribute]]
        return np.array(found, dtype=np.int64), list(known)


@dataclass(frozen=True)
class Order:
    """Records in judging order; those of one cluster follow each other, and are one unit.

    Attributes:
        places: the number of the record that is judged 1st, 2nd, 3rd …, shape (n,).
        units: the unit of each in that order, shape (n,): 0, 0, 1, 2, 2 …
    """

    places: NDArray[np.int64]
    units: NDArray[np.int64]

    @classmethod
    def of(cls, kept: Kept, seed: int) -> Order:
        """By the hash of the seed and the id (or the cluster's name): how the file is sorted does not matter."""
        own = _hashes(seed, "record", kept.ids)
        if "cluster" not in kept.attributes:
            return cls(np.argsort(own, kind="stable"), np.arange(kept.n))
        codes, names = kept.codes("cluster")
        hashed = _hashes(seed, "cluster", [name or "" for name in names])[codes]
        alone = np.array([name is None for name in names])[codes]
        places = np.lexsort((own, np.where(alone, np.arange(kept.n) + len(names), codes), np.where(alone, own, hashed)))
        ordered, single = codes[places], alone[places]
        new = np.ones(kept.n, dtype=np.int64)
        new[1:] = (ordered[1:] != ordered[:-1]) | single[1:] | single[:-1]
        return cls(places, np.cumsum(new) - 1)

    def __len__(self) -> int:
        return len(self.places)

    @cached_property
    def slots(self) -> NDArray[np.int64]:
        """Each record's place in the order, shape (n,)."""
        found = np.empty(len(self), dtype=np.int64)
        found[self.places] = np.arange(len(self))
        return found

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """After how many records each unit is complete, shape (units,)."""
        return np.cumsum(np.bincount(self.units)) if len(self) else np.zeros(0, dtype=np.int64)

    def complete(self, judged: int) -> int:
        """How many units are complete once so many records are judged."""
        return int(np.searchsorted(self.ends, judged, side="right"))


@dataclass
class Blocks:
    """The records in judging order, read in blocks; at most two are in memory."""

    order: Order
    chunks: Sequence[Chunk]
    outputs: Mapping[str, Outputs]

    def __post_init__(self) -> None:
        self._held: dict[int, Batch] = {}  # by the slot that a block begins at

    def take(self, low: int, high: int) -> Batch:
        """The records at the slots from ``low`` up to ``high``, which lie in one block if both are multiples of 25."""
        start, size = 0, FIRST_BLOCK
        while low >= start + size:
            start, size = start + size, min(2 * size, LARGEST_BLOCK)
        if start not in self._held:
            for old in sorted(self._held)[:-1]:
                del self._held[old]
            self._held[start] = self._read(self.order.places[start : start + size])
        return self._held[start].take(range(low - start, min(high, len(self.order)) - start))

    def _read(self, places: NDArray[np.int64]) -> Batch:
        columns: dict[str, list[object]] = {}
        for chunk in self.chunks:
            here = np.flatnonzero((places >= chunk.start) & (places < chunk.start + chunk.n))
            if not len(here):
                continue
            found = beside(chunk.read().take(places[here] - chunk.start), self.outputs)
            for name, values in found.columns.items():
                column = columns.setdefault(name, [None] * len(places))
                for slot, value in zip(here.tolist(), values):
                    column[slot] = value
        return Batch(columns)


def _hashes(seed: int, kind: str, names: Sequence[str]) -> NDArray[np.uint64]:
    salt = f"{kind}\0{seed}\0".encode()
    digests = (hashlib.blake2b(salt + name.encode("utf-8", "surrogatepass"), digest_size=8).digest() for name in names)
    return np.frombuffer(b"".join(digests), dtype=np.uint64)
