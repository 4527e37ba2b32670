"""How a value differs from the baseline's, and whether the difference is more than noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from evalkit.core.run import Value
from evalkit.reports import numbers

Direction = Literal["better", "worse", "changed", "unclear", "same"]
Basis = Literal["tested", "overlap"]


@dataclass(frozen=True)
class Change:
    """A difference to the baseline, as numbers and in words.

    ``direction`` is "unclear" where zero is inside the interval (or, without one, where the two intervals overlap);
    "changed" is a clear difference of a metric that has no better direction.
    """

    before: float
    difference: float
    low: float
    high: float
    direction: Direction
    basis: Basis
    comparable: bool  # False: the two values were not measured the same way
    before_text: str
    text: str
    interval_text: str

    @property
    def words(self) -> str:
        """The direction as a reader says it."""
        return {"unclear": "within the noise", "same": "no change"}.get(self.direction, self.direction)


def change(
    now: Value,
    before: Value,
    *,
    digits: int,
    tested: tuple[float, float, float] | None = None,
) -> Change | None:
    """The difference of two values of one metric; None where either is missing.

    Args:
        digits: decimals of the value as it is shown; the difference gets as many.
        tested: difference, low and high of a test of the two runs' rows.
    """
    if math.isnan(now.mean) or math.isnan(before.mean):
        return None
    basis: Basis = "overlap"
    difference, low, high = now.mean - before.mean, math.nan, math.nan
    if tested is not None:
        basis, (difference, low, high) = "tested", tested
    return Change(
        before=before.mean,
        difference=difference,
        low=low,
        high=high,
        direction=_direction(difference, low, high, now, before),
        basis=basis,
        comparable=not (now.fingerprint and before.fingerprint) or now.fingerprint == before.fingerprint,
        before_text=numbers.number(before.mean, digits),
        text=numbers.signed(difference, digits),
        interval_text="" if math.isnan(low) else numbers.signed_interval(low, high, digits),
    )


def _direction(difference: float, low: float, high: float, now: Value, before: Value) -> Direction:
    if difference == 0 and (math.isnan(low) or low == high):
        return "same"
    if not math.isnan(low):
        clear = low > 0 or high < 0
    else:
        clear = now.ci is not None and before.ci is not None and (now.ci[0] > before.ci[1] or now.ci[1] < before.ci[0])
    if not clear:
        return "unclear"
    if now.higher_is_better is None:
        return "changed"
    return "better" if (difference > 0) == now.higher_is_better else "worse"
