"""What a test of drift says, and the counts that both sides of it are given as."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.sums import Floats

Counts = NDArray[np.int64]


class Shifted(NamedTuple):
    """Whether two samples come from one distribution: p in (0, 1], NaN where nothing can be said."""

    statistic: float
    p: float
    test: str  # which one, and whatever was simplified for it

    @classmethod
    def unknown(cls, test: str, statistic: float = math.nan) -> Shifted:
        """No p: a side is empty, or too small."""
        return cls(statistic, math.nan, test)


def aligned(a: ArrayLike, b: ArrayLike) -> tuple[Counts, Counts]:
    """Counts of both sides, whole numbers of one shape (m,), without the cells that both lack.

    Raises:
        ValueError: shapes that differ, and counts that are negative, broken or no numbers.
    """
    one, two = (np.asarray(side, dtype=np.float64) for side in (a, b))
    if one.ndim != 1 or one.shape != two.shape:
        raise ValueError(f"both sides need one count per cell, not shapes {one.shape} and {two.shape}")
    whole = np.rint(one), np.rint(two)
    if not all(((side >= 0.0) & (side == near)).all() for side, near in zip((one, two), whole)):
        raise ValueError("counts are whole numbers from 0")
    held = (one > 0.0) | (two > 0.0)
    return whole[0][held].astype(np.int64), whole[1][held].astype(np.int64)


def shares(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats] | None:
    """Both sides as shares (m,) of their totals, cells in place; weights will do for counts. None where a side is empty."""
    one, two = (np.asarray(side, dtype=np.float64) for side in (a, b))
    if one.ndim != 1 or one.shape != two.shape:
        raise ValueError(f"both sides need one count per cell, not shapes {one.shape} and {two.shape}")
    if not ((one >= 0.0).all() and (two >= 0.0).all()):
        raise ValueError("counts are numbers from 0")
    n, m = float(one.sum()), float(two.sum())
    return (one / n, two / m) if n > 0.0 and m > 0.0 else None


def generator(seed: int | np.random.SeedSequence) -> np.random.Generator:
    """The same draws on every machine and of every NumPy."""
    return np.random.Generator(np.random.PCG64(seed))
