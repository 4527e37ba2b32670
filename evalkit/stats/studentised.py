"""The bootstrap-t of plain means: every resample has a standard error of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evalkit.stats.normal import student_quantile
from evalkit.stats.quantile import of_ordered
from evalkit.stats.resample import Units
from evalkit.stats.sums import Floats, column_sum, on_grid

FARTHEST = 3.0  # no end lies farther out than so many times Student's
_ROUNDING = 8.0 * float(np.finfo(np.float64).eps)  # per unit, of the greatest influence


@dataclass(frozen=True)
class Studentised:
    """A plain mean, or a difference of two, and its resamples, each with its own standard error."""

    stderr: float
    df: float
    shifts: Floats  # (resamples,): how far each lies from the mean itself; NaN: it drew no scored record
    stderrs: Floats  # (resamples,)

    @cached_property
    def t(self) -> Floats:
        """The resampled t, in order; one without a spread lies beyond every end, or at 0 where it has not moved."""
        shifts, stderrs = self.shifts, self.stderrs
        with np.errstate(all="ignore"):
            t = np.where(stderrs > 0.0, shifts / stderrs, np.where(shifts == 0.0, 0.0, np.copysign(np.inf, shifts)))
        return np.sort(t[~np.isnan(shifts)])

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return math.isfinite(self.stderr) and self.df > 0.0 and len(self.t) > 1

    def reaches(self, level: float) -> tuple[float, float]:
        """How far the interval reaches below and above the mean: the hull of the bootstrap-t and of Student's t.

        Skewed records leave t skewed the other way, so that a long tail to the right moves the upper end out; of few
        records, the bootstrap-t alone would be erratic, and narrower than Student's where they are symmetric. Beyond
        three times Student's reach nothing is told any more: of 50 costs of which one is not 0 every third resample
        has no spread at all, and t no end.

        Source: Efron & Tibshirani (1993), section 12.5; Hall (1988).
        """
        tails = (1.0 - level) / 2.0, (1.0 + level) / 2.0
        student = student_quantile(tails[1], self.df)
        t = np.clip(self.t, -FARTHEST * student, FARTHEST * student)
        below, above = of_ordered(t, tails[1]), -of_ordered(t, tails[0])
        return max(below, student) * self.stderr, max(above, student) * self.stderr


class Moments:
    """A part that is a plain mean: each unit's influence on it, and its square, as columns to be resampled.

    The influence of a unit is the sum of how far its records lie from the mean, times units over records: of single
    records the plain distance, of clusters the first-order one of a ratio of sums. Columns are summed without rounding.
    """

    def __init__(self, scores: Floats, scored: NDArray[np.bool_], held: NDArray[np.bool_], units: Units) -> None:
        self.held = held
        self.units = int(held.sum())
        n = int(scored.sum())
        self.centres = np.zeros(2)
        self.offsets = np.zeros((2, units.count))
        if n:
            mean = column_sum(scores[scored]) / n
            apart = np.where(scored, scores - mean, 0.0)
            influence = on_grid(units.sums(apart) * (self.units / n), units.count)
            self.offsets[:] = influence, on_grid(influence**2, units.count)

    def resampled(self, totals: Floats, drawn: Floats | float) -> Studentised:
        """From the resampled sums (resamples, 2) of as many units as were drawn."""
        m, greatest = self.units, float(np.abs(self.offsets[0]).max(initial=0.0))
        lost = _ROUNDING * self.held.size * greatest
        shifts = totals[:, 0] / drawn
        variances = totals[:, 1] / drawn - shifts**2
        variances[variances <= lost * greatest] = 0.0
        shifts = np.where(np.abs(shifts) <= lost, 0.0, shifts)
        stderrs = np.where(variances > 0.0, np.sqrt(variances / np.maximum(drawn - 1.0, 1.0)), 0.0)
        squares = float(self.offsets[1].sum())
        stderr = math.sqrt(squares / (m * (m - 1.0))) if m > 1 else math.nan
        return Studentised(stderr, m - 1.0, shifts, stderrs)


def difference(a: Studentised, b: Studentised) -> Studentised:
    """b - a of two samples that were resampled each on its own; degrees of freedom by Satterthwaite (1946)."""
    one, two = a.stderr**2, b.stderr**2
    with np.errstate(all="ignore"):
        df = float(np.float64((one + two) ** 2) / (np.float64(one**2) / a.df + np.float64(two**2) / b.df))
    return Studentised(math.hypot(a.stderr, b.stderr), df, b.shifts - a.shifts, np.hypot(a.stderrs, b.stderrs))
