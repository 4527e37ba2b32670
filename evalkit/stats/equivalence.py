"""Equivalence: two one-sided tests that a difference lies within a margin."""

from __future__ import annotations

import math
from collections.abc import Callable

from evalkit.stats.normal import normal_cdf, student_cdf

_STEPS = 50


def tost_p(interval_at: Callable[[float], tuple[float, float]], margin: float, *, least: float = 1e-6) -> float:
    """The smallest alpha whose (1 - 2 · alpha) interval lies inside ± ``margin``, by bisection; never below ``least``.

    So p ≤ 0.05 says what the 90 % interval shows, whatever interval that is. 1 where even the narrowest one reaches the
    margin (the difference itself lies beyond it, or on it), NaN where there is no interval.

    Args:
        interval_at: level → low and high; intervals that grow with their level.
        margin: the largest difference that does not matter, above 0.
        least: what the interval can tell at most: 1 / resamples for a bootstrap.

    Source: Schuirmann (1987); Westlake (1981) for the interval of level 1 - 2 alpha.
    """
    if not margin > 0.0:
        raise ValueError(f"the margin must be above 0, not {margin}")
    if any(map(math.isnan, interval_at(0.5))):
        return math.nan

    def inside(alpha: float) -> bool:
        low, high = interval_at(1.0 - 2.0 * alpha)
        return -margin < low and high < margin

    high = math.log(0.5 - 1e-9)
    if inside(least):
        return least
    if not inside(math.exp(high)):
        return 1.0
    low = math.log(least)
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        if inside(math.exp(middle)):
            high = middle
        else:
            low = middle
    return math.exp(high)


def tost_t(difference: float, stderr: float, df: float, margin: float) -> float:
    """The same in closed form for a t statistic: the larger p of "at most -margin" and "at least margin".

    Infinite ``df`` is the normal test. NaN without a standard error; where it is 0, 0 inside the margin and 1 outside.
    """
    if not margin > 0.0:
        raise ValueError(f"the margin must be above 0, not {margin}")
    if math.isnan(difference) or math.isnan(stderr) or not df > 0.0:
        return math.nan
    if stderr == 0.0:
        return 0.0 if abs(difference) < margin else 1.0
    reached = (margin - abs(difference)) / stderr
    return normal_cdf(-reached) if math.isinf(df) else student_cdf(-reached, df)
