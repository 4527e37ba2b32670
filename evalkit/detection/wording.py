"""What a finding says in one sentence."""

from __future__ import annotations

import math


def number(value: float) -> str:
    """A value with as many digits as one reads: 1,240, 24.1, 0.0312."""
    if not math.isfinite(value):
        return "–"
    if abs(value) >= 1_000.0:
        return f"{value:,.0f}"
    told = f"{value:.3g}"
    return told.replace("-", "−")


def share(value: float) -> str:
    """A share as a percentage."""
    if not math.isfinite(value):
        return "–"
    percent = 100.0 * value
    digits = 0 if percent in (0.0, 100.0) else 1 if abs(percent) >= 1.0 else 2
    return f"{percent:.{digits}f}%"


def changed(before: float, after: float, unit: str) -> str:
    """``120 → 150 characters``; shares as percentages, standard deviations to a hundredth."""
    if unit == "share":
        return f"{share(before)} → {share(after)}"
    if unit == "sd" and math.isfinite(before) and math.isfinite(after):
        before, after = round(before, 2) + 0.0, round(after, 2) + 0.0  # no −0
    return f"{number(before)} → {number(after)}{' ' + unit if unit else ''}"
