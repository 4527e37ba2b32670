"""From an interval that can be had at any level to the p value of the test that it stands for."""

from __future__ import annotations

import math
from collections.abc import Callable

Bounds = Callable[[float], tuple[float, float]]

_STEPS = 40


def p_of(bounds: Bounds, at: float = 0.0, *, least: float = 1e-6) -> float:
    """The smallest alpha whose (1 - alpha) interval leaves out ``at``, two-sided; found by bisection, never below ``least``.

    NaN where there is no interval. 1 where the interval holds ``at`` at every level, and at its centre.

    Args:
        bounds: level → low and high; intervals that grow with their level.
        at: the value of the null hypothesis.
        least: what the interval can tell at most: 1 / resamples for a bootstrap.
    """
    if any(map(math.isnan, bounds(0.5))):
        return math.nan

    def out(alpha: float) -> bool:
        low, high = bounds(1.0 - alpha)
        return not low <= at <= high

    if out(least):
        return least
    low, high = math.log(least), 0.0
    if not out(1.0 - 1e-9):
        return 1.0
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        if out(min(math.exp(middle), 1.0 - 1e-9)):
            high = middle
        else:
            low = middle
    return math.exp(high)
