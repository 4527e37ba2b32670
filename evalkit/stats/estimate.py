"""One number, how sure it is, and where there is none: why."""

from __future__ import annotations

import math
from dataclasses import dataclass

from evalkit.stats.bca import Interval
from evalkit.stats.normal import normal_quantile


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; NaN, with a reason, where nothing can be said."""

    value: float
    low: float = math.nan
    high: float = math.nan
    stderr: float = math.nan
    n: int = 0  # records, units or groups that it rests on
    method: str = "none"  # of the interval: "asymptotic", "fisher-z", "wilson", "bca", "percentile" or "none"
    level: float = 0.95
    reason: str | None = None  # why the value, or its interval, is NaN

    @classmethod
    def unknown(cls, reason: str, *, n: int = 0, level: float = 0.95) -> Estimate:
        """No value."""
        return cls(math.nan, n=n, level=level, reason=reason)

    @classmethod
    def normal(cls, value: float, stderr: float, *, n: int, level: float) -> Estimate:
        """Value ± z standard errors."""
        reach = normal_quantile((1.0 + level) / 2.0) * stderr
        return cls(value, value - reach, value + reach, stderr, n, "asymptotic", level)

    @classmethod
    def part(cls, interval: Interval, at: int = 0, *, reason: str | None = None) -> Estimate:
        """One part of a bootstrap interval; one without width is none: resamples of a few alike records know no other value."""
        value, low, high = float(interval.value[at]), float(interval.low[at]), float(interval.high[at])
        if reason is None and not math.isnan(value) and math.isnan(low):
            reason = "too few records, or too many resamples without a value, for an interval"
        if low == high:
            low, high = math.nan, math.nan
            reason = reason or "every resample gives the same value: the records are too few, or too alike, for an interval"
        return cls(
            value,
            low,
            high,
            float(interval.stderr[at]),
            interval.n,
            interval.methods[at],
            interval.level,
            reason,
        )

    @property
    def ci(self) -> tuple[float, float]:
        """Both bounds."""
        return self.low, self.high
