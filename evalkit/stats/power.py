"""How many more records would tell."""

from __future__ import annotations

import math

from evalkit.stats.normal import normal_quantile


def more_needed(observed: float, stderr: float, n: int, *, bound: float = 0.0, level: float = 0.95) -> int | None:
    """About how many more records until an interval like this one no longer holds ``bound``.

    Standard errors shrink with the square root of n, so n · ((z · stderr / |observed - bound|)² - 1) more, if the
    observed value (or difference: it must come with the stderr and n of the same thing) stays what it is. Of clustered
    data these are records in clusters as large as before. 0 if the interval is clear of the bound already; None where
    no number of records would tell (the value lies on the bound) or nothing is known (NaN, no record).

    ``level`` is the coverage of the two-sided interval whose end is compared.
    """
    distance = abs(observed - bound)
    if n < 1 or not 0.0 < distance < math.inf or not 0.0 <= stderr < math.inf:
        return None
    ratio: float = normal_quantile((1.0 + level) / 2.0) * stderr / distance
    if not ratio < 1e6:
        return None
    return max(0, math.ceil(n * (ratio * ratio - 1.0)))


def more_of_share(observed: float, low: float, high: float, n: int, *, bound: float, level: float = 0.95) -> int | None:
    """`more_needed` of a share with Wilson's interval from ``low`` to ``high``, also where all records succeed or fail.

    Wilson's interval holds ``bound`` while |observed - bound| is below z standard errors *at the bound*; the interval
    itself tells how many independent records the ``n`` are worth.
    """
    end = low if observed > 0.0 else high
    if not (0.0 < end < 1.0 and 0.0 <= bound <= 1.0):
        return None
    square = normal_quantile((1.0 + level) / 2.0) ** 2
    effective = square * end * (1.0 - end) / (observed - end) ** 2 if observed != end else math.inf
    return more_needed(observed, math.sqrt(bound * (1.0 - bound) / effective), n, bound=bound, level=level)


def about(count: int) -> int:
    """``count`` rounded up to two significant digits, for a sentence: 417 → 420."""
    unit: int = 10 ** max(0, len(str(count)) - 2)
    return -(-count // unit) * unit
