"""Means of values without known bounds, watched while they come in: asymptotic confidence sequences.

Source: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Time-uniform central limit theory and asymptotic confidence
sequences, Annals of Statistics 52(6), arXiv:2103.06476.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.core.rows import Floats
from evalkit.stats.anytime import tuning
from evalkit.stats.sequential import Side

START = 100  # units before which nothing is decided: the guarantee is one for many units


def reach(count: NDArray[Any], alpha: float, target: float) -> Floats:
    """How many standard deviations a mean of ``count`` units may stray, on one side, at all moments together.

    √(2 (tρ² + 1) / (t² ρ²) · ln(1 + √(tρ² + 1) / (2 alpha))), with ρ chosen to be least after ``target`` units.

    Source: equation 15 there, of one side: a mixture over means on that side.
    """
    square = tuning(target, 2.0 * alpha)
    inner = count * square + 1.0
    return np.asarray(np.sqrt(2.0 * inner / (count * count * square) * np.log1p(np.sqrt(inner) / (2.0 * alpha))))


@dataclass
class UnboundedTest:
    """Whether the mean lies above or below a bound, asked after every unit from the hundredth on.

    As `sequential.BoundedTest`, without bounds of the values: its error of at most ``alpha`` a side is approached as units
    become many, as a t-test's is, and not kept for certain. Where units are skewed, the end on their long side lies further out
    by what Johnson's t adds (`_outwards`). With clusters the mean is the ratio of sums to sizes, linearised.
    """

    bound: float
    alpha: float
    horizon: float
    found: tuple[Side, int] | None = field(default=None, init=False)
    seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._sums: list[Floats] = []
        self._sizes: list[Floats] = []

    def update(self, sums: ArrayLike, sizes: ArrayLike) -> None:
        """The next units: sums of values and how many they are, each of shape (n,)."""
        if self.found is not None:
            return
        before, added = self.seen, np.asarray(sums, dtype=np.float64)
        self._sums.append(added)
        self._sizes.append(np.asarray(sizes, dtype=np.float64))
        self.seen += len(added)
        if self.seen < START or not len(added):
            return
        values, counts = np.concatenate(self._sums), np.concatenate(self._sizes)
        self._sums, self._sizes = [values], [counts]
        low, high = (end[before:] for end in _ends(values, counts, self.alpha, self.horizon))
        first = {
            side: int(reached[0])
            for side, reached in (
                ("above", np.flatnonzero(low >= self.bound)),
                ("below", np.flatnonzero(high < self.bound)),
            )
            if len(reached)
        }
        if first:
            side: Side = "above" if first.get("above", math.inf) <= first.get("below", math.inf) else "below"
            self.found = (side, before + first[side] + 1)


def unbounded_interval(sums: ArrayLike, sizes: ArrayLike, *, alpha: float, horizon: float) -> tuple[float, float]:
    """The bounds that `UnboundedTest` has not refuted by now; NaN before its hundredth unit. ``alpha`` is of one side."""
    values, counts = np.asarray(sums, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    if len(values) < START:
        return math.nan, math.nan
    low, high = _ends(values, counts, alpha, horizon)
    return float(np.nanmax(low)), float(np.nanmin(high))


def _ends(sums: Floats, sizes: Floats, alpha: float, horizon: float) -> tuple[Floats, Floats]:
    """After each unit: how far down and up the mean may lie; NaN before the start."""
    count = np.arange(1.0, len(sums) + 1.0)
    centre = float(sums.sum() / sizes.sum()) if sizes.sum() else 0.0  # sums of powers keep their digits around it
    around = sums - centre * sizes
    total, whole = np.cumsum(around), np.cumsum(sizes)
    with np.errstate(invalid="ignore", divide="ignore"):
        off = total / whole  # the mean less the centre
        squares, cubes = np.zeros(len(sums)), np.zeros(len(sums))  # of around - off · sizes, over the units so far
        for power, choose in enumerate((1.0, 2.0, 1.0)):
            squares += choose * (-off) ** power * np.cumsum(around ** (2 - power) * sizes**power)
        for power, choose in enumerate((1.0, 3.0, 3.0, 1.0)):
            cubes += choose * (-off) ** power * np.cumsum(around ** (3 - power) * sizes**power)
        spread = np.sqrt(np.maximum(squares, 0.0) / (count - 1.0))
        half = spread * reach(count, alpha, max(horizon / 4.0, START))
        outwards = _outwards(count, spread, cubes / count, half)
        low = centre + off - (half - np.minimum(outwards, 0.0)) * count / whole
        high = centre + off + (half + np.maximum(outwards, 0.0)) * count / whole
    low[: START - 1] = high[: START - 1] = math.nan
    return low, high


def _outwards(count: NDArray[Any], spread: Floats, third: Floats, half: Floats) -> Floats:
    """By how much a mean that lies ``half`` off is drawn to the long side of skewed units: μ₃/(6σ²n) + μ₃ half²/(3σ⁴).

    Only ever used to widen: a skewness that is estimated too large must not draw the other end in.

    Source: Johnson (1978), Modified t tests and confidence intervals for asymmetrical populations, JASA 73: the modified t.
    """
    variance = np.where(spread > 0.0, spread**2, np.inf)
    return np.asarray(third / (6.0 * variance * count) + third * half**2 / (3.0 * variance**2))
