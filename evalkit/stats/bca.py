"""From the resampled values of a statistic to its interval: bias-corrected and accelerated, percentile, or bootstrap-t."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from evalkit.stats.distribution import Distribution
from evalkit.stats.normal import normal_cdf, normal_quantile, student_quantile
from evalkit.stats.quantile import of_ordered
from evalkit.stats.sums import Floats

Method = Literal["auto", "bca", "percentile"]

FEW = 200  # records (or clusters) below which the levels are those of Student's t
UNDEFINED = 0.05  # a part that is NaN in a larger share of the resamples has no interval
_FARTHEST = 8.0  # standard errors: beyond every draw, and a level that is not yet 1
_ROUNDING = 16 * float(np.finfo(np.float64).eps)  # relative spread that is rounding, not sampling


@dataclass(frozen=True)
class Interval:
    """Values and their bounds, one per part, in the metric's own unit; NaN where nothing can be said."""

    value: Floats  # (parts,)
    low: Floats  # (parts,)
    high: Floats  # (parts,)
    stderr: Floats  # (parts,): standard deviation over the resamples
    n: int  # scored records
    methods: tuple[str, ...]  # per part: "bca", "bootstrap-t", "percentile", or "none" where there are no bounds
    level: float = 0.95

    @property
    def method(self) -> str:
        """What all parts used; joined by ``+`` where they differ."""
        return "+".join(sorted(set(self.methods)))


def interval(distribution: Distribution, *, level: float = 0.95, method: Method = "auto", few: int = FEW) -> Interval:
    """The interval of every part of a distribution.

    ``auto`` is the bootstrap-t where the statistic tells its records' own values (`Statistic.means`: plain means without
    limits), and BCa for the rest. BCa falls back to percentile where it is undefined: every resample on one side of the
    value, or no jackknife.

    Of fewer than 200 units the draws vary too little, by a factor sqrt(1 - 1/units), and tell their own spread badly:
    the levels are then read further out, at Student's t (the expanded percentile interval). A mean of 5 normal records
    is covered 91 % of the time then, 83 % without, one of 50 lognormal records 91 % and 90 %; of fewer than 5 no
    bootstrap is to be relied on. The bootstrap-t needs none of it, and covers them at 98 and 95 %.

    Args:
        few: of fewer units than this, BCa and percentile are read at Student's levels.

    Source: Efron & Tibshirani (1993), 14.3 and eq. 15.36; quantiles are those of `numpy.quantile`. Few units: Hesterberg
    (2015), section 4.2. Bootstrap-t: `studentised.Studentised.reaches`.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie between 0 and 1, not at {level}")
    if method not in get_args(Method):
        raise ValueError(f"method must be 'auto', 'bca' or 'percentile', not {method!r}")
    parts = [_part(distribution, part, level, method, few) for part in range(len(distribution.value))]
    low, high, stderr = np.array([part[:3] for part in parts], dtype=np.float64).reshape(len(parts), 3).T
    return Interval(distribution.value, low, high, stderr, distribution.n, tuple(part[3] for part in parts), level)


def _part(distribution: Distribution, part: int, level: float, method: Method, few: int) -> tuple[float, float, float, str]:
    """Low, high, standard error and what was used."""
    value = float(distribution.value[part])
    draws = distribution.draws[:, part]
    defined = np.sort(draws[~np.isnan(draws)])
    if (
        distribution.units < 2
        or len(defined) < max(2.0, (1.0 - UNDEFINED) * len(draws))
        or not math.isfinite(value)
        or not np.isfinite(defined[[0, -1]]).all()
    ):
        return math.nan, math.nan, math.nan, "none"
    own = distribution.studentised.get(part) if method == "auto" else None
    own = own if own is not None and own.known else None
    told = "bootstrap-t" if own is not None else "percentile" if method == "percentile" else "bca"
    if defined[-1] - defined[0] <= _ROUNDING * abs(value):
        return value, value, 0.0, told
    stderr = float(defined.std(ddof=1))
    if own is not None:
        below, above = own.reaches(level)
        return value - below, value + above, stderr, told
    tails = (1.0 - level) / 2.0, (1.0 + level) / 2.0
    if distribution.units < few:
        free = distribution.units - 1.0
        reach = min(student_quantile(tails[1], free) * math.sqrt(distribution.units / free), _FARTHEST)
        tails = normal_cdf(-reach), normal_cdf(reach)
    if told == "bca":
        shifted = _shifted(defined, distribution, part, tails)
        if shifted is not None:
            return of_ordered(defined, shifted[0]), of_ordered(defined, shifted[1]), stderr, "bca"
    return of_ordered(defined, tails[0]), of_ordered(defined, tails[1]), stderr, "percentile"


def _shifted(draws: Floats, distribution: Distribution, part: int, tails: tuple[float, float]) -> tuple[float, float] | None:
    """The levels at which BCa reads the sorted draws; None where it is undefined."""
    centre = float(distribution.centre[part])
    below = int(np.searchsorted(draws, centre, "left")) + int(np.searchsorted(draws, centre, "right"))
    bias = normal_quantile(below / (2 * len(draws)))
    spread = float(distribution.squares[part]) ** 1.5
    if not math.isfinite(bias) or not spread > 0.0:
        return None
    acceleration = float(distribution.cubes[part]) / (6.0 * spread)
    levels = []
    for tail in tails:
        z = bias + normal_quantile(tail)
        if not acceleration * z < 1.0:
            return None
        levels.append(normal_cdf(bias + z / (1.0 - acceleration * z)))
    return levels[0], levels[1]
