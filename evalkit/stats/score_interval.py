"""The interval of a mean on a scale: as Wilson's of a share, it has width at the scale's ends and never leaves it."""

from __future__ import annotations

import math
from typing import Literal

from evalkit.stats.normal import normal_quantile, student_quantile
from evalkit.stats.proportion import wilson

Kind = Literal["score", "t", "normal"]


def bounds(
    value: float, variance: float, units: int, df: float, level: float, scale: tuple[float, float] | None, kind: Kind
) -> tuple[float, float]:
    """Both ends around a mean whose variance rests on so many units and degrees of freedom."""
    tail = (1.0 + level) / 2.0
    if kind == "normal":
        reach = normal_quantile(tail) * math.sqrt(variance)
        return value - reach, value + reach
    quantile = student_quantile(tail, max(df, 1.0))
    if kind == "t" or scale is None:
        reach = quantile * math.sqrt(variance)
        return value - reach, value + reach
    return score_bounds(value, variance, units, quantile, scale)


def score_bounds(value: float, variance: float, units: int, quantile: float, scale: tuple[float, float]) -> tuple[float, float]:
    """The means at which ``value`` lies ``quantile`` standard errors off, the variance being that of a mean on a scale.

    A mean at the end of its scale has no variance, and one near it little: φ·p(1 − p), as of a share, with the dispersion φ
    estimated. Wilson's interval, then, of as many records as tell as much; where all labels are alike, of ``units``. φ is
    estimated with half a label added at either end, for a variance that was never seen is no proof that there is none; two
    labels fewer make up for counts being whole (Wilson's own interval covers 93.6 % of 100 records of which nine in ten pass).

    Source: Wilson (1927); quasi-binomial variance: Wedderburn (1974), Biometrika 61, 439-447.
    """
    low, high = scale
    spread = high - low
    p = min(max((value - low) / spread, 0.0), 1.0)
    n = float(units)
    middle = (n * p + 0.5) / (n + 1.0)
    squares = variance / spread**2 * n * n + 0.5 * middle**2 + 0.5 * (1.0 - middle) ** 2
    effective = middle * (1.0 - middle) * (n + 1.0) ** 2 / squares * (n / (n + 2.0))
    z = normal_quantile(0.975)
    shrunk = effective * (z / quantile) ** 2
    below, above = wilson(p * shrunk, shrunk, 0.95)
    return low + spread * float(below), low + spread * float(above)
