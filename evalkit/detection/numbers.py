"""The distribution of a numeric signal in little space: counts over nested cells, so that parts merge to the digit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.detection.counts import united

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

CELLS = 4_096  # at most; up to so many distinct values are kept exactly
_SIGN = np.int64(0x7FFF_FFFF_FFFF_FFFF)
_DENSE = 1 << 22  # cells between the least and the greatest that are counted in an array


@dataclass(frozen=True)
class Numbers:
    """Counts of values over cells of neighbouring floating-point numbers.

    A value's bits, read as an integer in the order of the numbers and with the last ``level`` of them dropped, are its
    cell. The level is the least at which no more than `CELLS` cells hold anything, so up to so many distinct values are
    kept as they are, and beyond them a cell is a range of relative width 2^(level - 52). Cells of one level lie inside
    those of the next: merging the parts of a whole gives the counts of the whole, in any order (HDR histograms and
    DDSketch, Masson et al. 2019, fix the width beforehand instead).

    Attributes:
        cells: (m,) ascending; ``counts`` (m,) values in each.
        missing: rows that are null, NaN or infinite.
        mean, spread: of the values themselves; ``spread`` is Σ(x - mean)².
    """

    level: int
    cells: Counts
    counts: Counts
    missing: int = 0
    mean: float = math.nan
    spread: float = 0.0
    low: float = math.nan
    high: float = math.nan

    @classmethod
    def empty(cls) -> Numbers:
        """Of no rows."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls(0, nothing, nothing)

    @classmethod
    def of(cls, values: Floats, level: int = 0) -> Numbers:
        """Of values (n,), at ``level`` or as much coarser as is needed."""
        finite = np.isfinite(values)
        known = values if finite.all() else values[finite]
        if not len(known):
            return Numbers(level, *(np.zeros(0, dtype=np.int64),) * 2, missing=len(values))
        keys = _keys(known) >> level
        least = int(keys.min())
        if int(keys.max()) - least < _DENSE:
            counted = np.bincount(keys - least)
            cells = np.flatnonzero(counted)
            counts = counted[cells]
            cells = cells + least
        else:
            cells, counts = np.unique(keys, return_counts=True)
        with np.errstate(over="ignore", invalid="ignore"):  # numbers near the largest there are have no finite spread
            mean = float(known.mean())
            spread = float(((known - mean) ** 2).sum())
        return cls(
            level, cells, counts.astype(np.int64), len(values) - len(known), mean, spread,
            float(known.min()), float(known.max()),
        )._held()  # fmt: skip

    def add(self, values: Floats) -> Numbers:
        """With the values (n,) of further rows."""
        return self.merge(Numbers.of(values, self.level))

    def merge(self, other: Numbers) -> Numbers:
        """Of both sides' rows."""
        if not len(other.cells) or not len(self.cells):
            whole, none = (self, other) if len(self.cells) else (other, self)
            level = max(self.level, other.level)
            kept = whole._coarser(level)
            return Numbers(
                level, kept.cells, kept.counts, whole.missing + none.missing, whole.mean, whole.spread, whole.low, whole.high
            )._held()
        level = max(self.level, other.level)
        one, two = self._coarser(level), other._coarser(level)
        cells, counts = united(one.cells, one.counts, two.cells, two.counts)
        n, m = self.n, other.n
        apart = other.mean - self.mean
        return Numbers(
            level, cells, counts, self.missing + other.missing,
            self.mean + apart * m / (n + m), self.spread + other.spread + apart * apart * n * m / (n + m),
            min(self.low, other.low), max(self.high, other.high),
        )._held()  # fmt: skip

    @property
    def n(self) -> int:
        """Values that are numbers."""
        return int(self.counts.sum())

    @property
    def sd(self) -> float:
        """Standard deviation, n - 1 below; NaN of fewer than two."""
        n = self.n
        return math.sqrt(self.spread / (n - 1)) if n > 1 else math.nan

    @property
    def exact(self) -> bool:
        """Whether every distinct value has a cell of its own."""
        return self.level == 0

    @property
    def values(self) -> Floats:
        """A value for each cell (m,): its own where it is exact, else the middle of the cell."""
        return values_of(self.cells, self.level)

    def quantile(self, share: float) -> float:
        """The value that ``share`` of the numbers do not exceed, to the width of a cell; NaN of none."""
        if not len(self.counts):
            return math.nan
        reached = np.cumsum(self.counts)
        at = int(np.searchsorted(reached, share * reached[-1], "left"))
        return min(max(float(self.values[min(at, len(self.counts) - 1)]), self.low), self.high)

    def _coarser(self, level: int) -> Numbers:
        """The same with more of the last bits dropped."""
        if level <= self.level or not len(self.cells):
            return self if level <= self.level else _with(self, level, self.cells, self.counts)
        cells = self.cells >> (level - self.level)
        starts = np.flatnonzero(np.concatenate([[True], cells[1:] != cells[:-1]]))
        return _with(self, level, cells[starts], np.add.reduceat(self.counts, starts))

    def _held(self) -> Numbers:
        """At the least level that `CELLS` cells are enough for."""
        if len(self.cells) <= CELLS:
            return self
        low, high = self.level + 1, 63
        while low < high:
            middle = (low + high) // 2
            cells = self.cells >> (middle - self.level)
            if 1 + int((cells[1:] != cells[:-1]).sum()) <= CELLS:
                high = middle
            else:
                low = middle + 1
        return self._coarser(low)

    def packed(self) -> tuple[dict[str, Any], dict[str, Counts]]:
        """Plain facts, and arrays: what a profile's file holds."""
        facts = {name: getattr(self, name) for name in ("level", "missing", "mean", "spread", "low", "high")}
        return facts, {"cells": self.cells, "counts": self.counts}

    @classmethod
    def unpacked(cls, facts: Mapping[str, Any], arrays: Mapping[str, Counts]) -> Numbers:
        """What `packed` came from."""
        told = {name: math.nan if facts[name] is None else float(facts[name]) for name in ("mean", "spread", "low", "high")}
        return cls(int(facts["level"]), arrays["cells"], arrays["counts"], int(facts["missing"]), **told)


def aligned(a: Numbers, b: Numbers) -> tuple[Floats, Counts, Counts]:
    """Values of the cells that either side has, ascending (m,), and both sides' counts over them."""
    level = max(a.level, b.level)
    one, two = a._coarser(level), b._coarser(level)
    cells = np.union1d(one.cells, two.cells)
    counts = np.zeros((2, len(cells)), dtype=np.int64)
    counts[0, np.searchsorted(cells, one.cells)] = one.counts
    counts[1, np.searchsorted(cells, two.cells)] = two.counts
    return values_of(cells, level), counts[0], counts[1]


def values_of(cells: Counts, level: int) -> Floats:
    """The number in the middle of each cell."""
    half = (1 << (level - 1)) if level else 0
    keys = (cells << level) + half
    return (keys ^ ((keys >> 63) & _SIGN)).view(np.float64)


def cells_of(values: Floats, level: int) -> Counts:
    """The cell of each number (n,) at a level."""
    return _keys(values) >> level


def _keys(values: Floats) -> Counts:
    """Integers in the order of the numbers: the bits, with those of negative numbers turned round."""
    bits = (values + 0.0).view(np.int64)  # -0.0 is 0.0
    return bits ^ ((bits >> 63) & _SIGN)


def _with(one: Numbers, level: int, cells: Counts, counts: Counts) -> Numbers:
    return Numbers(level, cells, counts, one.missing, one.mean, one.spread, one.low, one.high)
