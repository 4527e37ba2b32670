"""How many more records would tell, and what so many can tell."""

from __future__ import annotations

import math

from evalkit.stats.normal import normal_cdf, normal_quantile, student_quantile


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


def power_of(effect: float, stderr: float, *, level: float = 0.95, df: float = math.inf) -> float:
    """The chance that a two-sided test finds a true difference ``effect``; NaN without a standard error.

    With finite ``df`` that of Student's t (noncentral t), else that of the normal test. Both tails count, so that it is
    1 - level where there is no difference.
    """
    if not (stderr > 0.0 and df > 0.0 and 0.0 < level < 1.0) or not math.isfinite(effect):
        return math.nan
    apart = abs(effect) / stderr
    if math.isinf(df):
        beyond = normal_quantile((1.0 + level) / 2.0)
        return normal_cdf(apart - beyond) + normal_cdf(-apart - beyond)
    beyond = student_quantile((1.0 + level) / 2.0, df)
    return 1.0 - _noncentral(beyond, df, apart) + _noncentral(-beyond, df, apart)


def _noncentral(x: float, df: float, apart: float) -> float:
    """P(T ≤ x) of the noncentral t; scipy gives NaN where it is too small for a number."""
    from scipy.special import nctdtr

    chance = float(nctdtr(df, apart, x))
    return 0.0 if math.isnan(chance) else chance


def minimum_detectable(stderr: float, *, level: float = 0.95, power: float = 0.8, df: float = math.inf) -> float:
    """The true difference that a two-sided test with this standard error finds with chance ``power``.

    For infinite ``df`` the usual sum of two normal quantiles, as statsmodels' ``tt_solve_power`` and ``zt_ind_solve_power``
    would solve it but for the far tail (below 1e-6 of a difference). NaN without a standard error, 0 where it is 0.

    Source: Bloom (1995); Cohen (1988), chapter 2.
    """
    _levels(level, power)
    if math.isnan(stderr) or not df > 0.0 or stderr < 0.0:
        return math.nan
    if stderr == 0.0 or math.isinf(stderr):
        return stderr
    return _reach(level, power, df) * stderr


def needed(stderr: float, n: int, effect: float, *, level: float = 0.95, power: float = 0.8) -> int | None:
    """Records in all, so that a true difference ``effect`` is found with chance ``power``.

    ``stderr`` is that of ``n`` records of the same kind and shrinks with the square root of their number; of clustered data
    these are records in clusters as large as before. At least 2; None where no number would do or nothing is known.
    """
    _levels(level, power)
    return _scaled(stderr, n, effect, _reach(level, power, math.inf))


def needed_equivalent(stderr: float, n: int, margin: float, *, level: float = 0.95, power: float = 0.8) -> int | None:
    """Records in all, so that two one-sided tests show a true difference of 0 to lie within ± ``margin``.

    Each of them at 1 - ``level``: the interval of level 2 · level - 1 lies inside the margin. Source: Julious (2004), eq. 32.
    """
    _levels(level, power)
    return _scaled(stderr, n, margin, normal_quantile(level) + normal_quantile((1.0 + power) / 2.0))


def _scaled(stderr: float, n: int, effect: float, reach: float) -> int | None:
    if n < 1 or not 0.0 < abs(effect) < math.inf or not 0.0 <= stderr < math.inf:
        return None
    ratio = reach * stderr / abs(effect)
    if not ratio < 1e6:
        return None
    return max(2, math.ceil(n * ratio * ratio * (1.0 - 1e-12)))


def _reach(level: float, power: float, df: float) -> float:
    """The standard errors that a difference must be away from 0."""
    if math.isinf(df):
        return normal_quantile((1.0 + level) / 2.0) + normal_quantile(power)
    from scipy.optimize import brentq

    high = student_quantile((1.0 + level) / 2.0, df) + 2.0
    while power_of(high, 1.0, level=level, df=df) < power:
        high *= 2.0
    return float(brentq(lambda apart: power_of(apart, 1.0, level=level, df=df) - power, 0.0, high, xtol=1e-12))


def _levels(level: float, power: float) -> None:
    if not 0.0 < level < 1.0 or not 1.0 - level < power < 1.0:
        raise ValueError(f"level must lie between 0 and 1, and power between 1 - level and 1, not {level} and {power}")


def about(count: int) -> int:
    """``count`` rounded up to two significant digits, for a sentence: 417 → 420."""
    unit: int = 10 ** max(0, len(str(count)) - 2)
    return -(-count // unit) * unit
