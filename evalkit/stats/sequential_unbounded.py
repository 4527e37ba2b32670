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
from evalkit.stats.sequential import Side

START = 100  # units before which nothing is decided: the guarantee is one for many units


def reach(count: NDArray[Any], alpha: float, target: float) -> Floats:
    """How many standard deviations a mean of ``count`` units may stray, on one side, at all moments together.

    √(2 (tρ² + 1) / (t² ρ²) · ln(1 + √(tρ² + 1) / (2 alpha))), with ρ chosen to be least after ``target`` units.

    Source: equation 15 there, of one side: a mixture over means on that side.
    """
    twice = -2.0 * math.log(2.0 * alpha)
    square = (twice + math.log(twice + 1.0)) / target
    inner = count * square + 1.0
    return np.asarray(np.sqrt(2.0 * inner / (count * count * square) * np.log1p(np.sqrt(inner) / (2.0 * alpha))))


@dataclass
class UnboundedTest:
    """Whether the mean lies above or below a bound, asked after every unit from the hundredth on.

    As `sequential.BoundedTest`, without bounds of the values: its error of at most ``alpha`` a side is approached as units
    become many, as a t-test's is, and not kept for certain. With clusters the mean is the ratio of sums to sizes, linearised.
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
        mean, half = _mean_and_reach(values, counts, self.alpha, self.horizon, before)
        first = {
            side: int(reached[0])
            for side, reached in (
                ("above", np.flatnonzero(mean - half >= self.bound)),
                ("below", np.flatnonzero(mean + half < self.bound)),
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
    mean, half = _mean_and_reach(values, counts, alpha, horizon, 0)
    return float(np.nanmax(mean - half)), float(np.nanmin(mean + half))


def _mean_and_reach(sums: Floats, sizes: Floats, alpha: float, horizon: float, skip: int) -> tuple[Floats, Floats]:
    """After each unit but the first ``skip``: the mean and how far it may stray; NaN before the start."""
    count = np.arange(1.0, len(sums) + 1.0)
    centre = float(sums.sum() / sizes.sum()) if sizes.sum() else 0.0  # sums of squares keep their digits around it
    around = sums - centre * sizes
    total, whole = np.cumsum(around), np.cumsum(sizes)
    with np.errstate(invalid="ignore", divide="ignore"):
        off = total / whole  # the mean less the centre
        squares = np.cumsum(around**2) - 2.0 * off * np.cumsum(around * sizes) + off**2 * np.cumsum(sizes**2)
        spread = np.sqrt(np.maximum(squares, 0.0) / (count - 1.0))
        half = spread * reach(count, alpha, max(horizon / 4.0, START)) * count / whole
    half[: START - 1] = math.nan
    return (centre + off)[skip:], half[skip:]
