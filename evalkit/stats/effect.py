"""How large a difference is, in units that do not depend on the scale."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from evalkit.stats.proportion import wilson
from evalkit.stats.sums import Floats


def cohen_dz(difference: ArrayLike) -> float:
    """The mean of paired differences over their standard deviation; NaN where they do not vary, 0 if all are 0.

    Source: Cohen (1988), section 2.3.5.
    """
    values = _known(difference)
    if len(values) < 2:
        return math.nan
    return _over(float(values.mean()), float(values.std(ddof=1)))


def cohen_d(a: ArrayLike, b: ArrayLike) -> float:
    """The difference of two means, b - a, over the pooled standard deviation of unpaired records.

    Source: Cohen (1988), eq. 2.5.1, with the n - 2 of Hedges (1981).
    """
    one, two = _known(a), _known(b)
    if not len(one) or not len(two) or len(one) + len(two) < 3:
        return math.nan
    squares = float(((one - one.mean()) ** 2).sum() + ((two - two.mean()) ** 2).sum())
    return _over(float(two.mean() - one.mean()), math.sqrt(squares / (len(one) + len(two) - 2)))


def cohen_h(a: float, b: float) -> float:
    """Two shares apart on the arcsine scale, from -π to π: positive where b is larger. Source: Cohen (1988), eq. 6.2.1."""
    if not (0.0 <= a <= 1.0 and 0.0 <= b <= 1.0):
        return math.nan
    return 2.0 * (math.asin(math.sqrt(b)) - math.asin(math.sqrt(a)))


def discordant_odds(gains: float, losses: float, level: float = 0.95) -> tuple[float, float, float]:
    """Records gained for each that is lost, with its interval: the odds ratio of matched pairs, NaN where none differs.

    The interval is Wilson's of the share gained among those that differ; infinite at its high end where none is lost.

    Source: Breslow & Day (1980), eq. 5.1.
    """
    n = gains + losses
    if not n > 0:
        return math.nan, math.nan, math.nan
    low, high = (float(bound) for bound in wilson(gains, n, level))
    return _odds(gains / n), _odds(low), _odds(high)


def _odds(share: float) -> float:
    return share / (1.0 - share) if share < 1.0 else math.inf


def _over(difference: float, spread: float) -> float:
    if spread > 1e-12 * abs(difference):
        return difference / spread
    return 0.0 if difference == 0.0 else math.nan


def _known(values: ArrayLike) -> Floats:
    every = np.asarray(values, dtype=np.float64)
    known: Floats = every[~np.isnan(every)]
    return known
