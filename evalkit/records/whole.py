"""All records of a data set as a few bytes each: where they stand, and the hashes of their ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.records.convert import convert
from evalkit.records.identity import Keys
from evalkit.records.source import Positions, Scanned, Seen, Source, widen

CHUNK_BYTES = 16 << 20


@dataclass
class Whole:
    """All scanned records as a few bytes each."""

    sources: list[Source]
    offsets: NDArray[np.int64]  # source s owns the records [offsets[s], offsets[s + 1])
    starts: Positions
    ends: list[int]  # of the last record of each source
    sizes: NDArray[np.uint32]
    keys: Keys
    named: NDArray[np.bool_]
    columns: dict[str, Seen]
    names: dict[str, None]  # the files' own columns
    references: tuple[int, int] | None

    @classmethod
    def of(cls, sources: list[Source], scanned: list[list[Scanned]]) -> Whole:
        parts = [part for of_source in scanned for part in of_source]
        columns: dict[str, Seen] = {}
        names: dict[str, None] = {}
        references = None
        for part in parts:
            names.update(part.sources)
            references = widen(references, part.references)
            for name, seen in part.columns.items():
                total = columns.setdefault(name, Seen())
                total.values += seen.values
                total.kinds |= seen.kinds
        counts = [sum(len(part.starts) for part in of_source) for of_source in scanned]
        return cls(
            sources,
            np.cumsum([0, *counts]),
            np.concatenate([part.starts for part in parts]),
            [max((part.end for part in of_source), default=0) for of_source in scanned],
            np.concatenate([part.sizes for part in parts]),
            np.concatenate([part.keys for part in parts]),
            np.concatenate([part.named for part in parts]),
            columns, names, references,
        )  # fmt: skip

    @property
    def n(self) -> int:
        return len(self.starts)

    def runs(self, records: NDArray[np.int64]) -> list[tuple[Source, Positions]]:
        """Where some records, in order, stand: stretches of positions per file, neighbours joined."""
        found = []
        bounds = np.searchsorted(records, self.offsets)
        for number, source in enumerate(self.sources):
            own = records[bounds[number] : bounds[number + 1]]
            if len(own):
                low, high = self.starts[own], self._ends(number, own)
                breaks = np.flatnonzero(low[1:] != high[:-1]) + 1
                found.append((source, np.stack([low[np.r_[0, breaks]], high[np.r_[breaks - 1, len(own) - 1]]], axis=1)))
        return found

    def _ends(self, number: int, own: NDArray[np.int64]) -> Positions:
        last = self.offsets[number + 1] - 1
        following = self.starts[np.minimum(own + 1, last)]
        return np.where(own == last, self.ends[number], following)

    def place(self, record: int) -> tuple[int, int]:
        """The file (its number) and the line of a record."""
        number = int(np.searchsorted(self.offsets, record, side="right")) - 1
        return number, self.sources[number].line_of(int(self.starts[record]))

    def ids(self, records: NDArray[np.int64], fields: Mapping[str, str]) -> list[str | None]:
        """The explicit ids of some records, read again from the files."""
        own = fields.get("id", "id")
        ids: list[str | None] = []
        for source, runs in self.runs(records):
            ids.extend(convert("id", source.columns(runs, {"id": own})["id"], cells=source.cells)[0])
        return ids


def sampled(n: int, limit: int | None, shuffle: int | None) -> NDArray[np.int64]:
    """The numbers of the records that are taken, ascending.

    With a seed, every number gets a pseudo-random rank (splitmix64 of number and seed, the same everywhere and for ever)
    and the lowest ranks are taken, so that a smaller sample is part of a larger one.
    """
    if limit is None or limit >= n:
        return np.arange(n)
    if shuffle is None:
        return np.arange(limit)
    with np.errstate(over="ignore"):
        mixed = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(shuffle % 2**64) * np.uint64(
            0xD1B54A32D192ED03
        )
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
    return np.sort(np.argpartition(mixed, limit)[:limit])


def cuts(sizes: NDArray[np.uint32], records: int, most_bytes: int | None = None) -> list[int]:
    """Where chunks begin and end: no more than ``records`` nor, unless a single record is larger, ``most_bytes`` each."""
    most_bytes = CHUNK_BYTES if most_bytes is None else most_bytes
    total = np.cumsum(sizes, dtype=np.int64)
    bounds, n = [0], len(sizes)
    while bounds[-1] < n:
        begin = bounds[-1]
        before = int(total[begin - 1]) if begin else 0
        fits = int(np.searchsorted(total, before + most_bytes, side="right"))
        bounds.append(min(max(fits, begin + 1), begin + records, n))
    return bounds
