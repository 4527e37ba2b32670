"""Designs: how many records (or users) each side of an experiment needs, and what so many would find."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from evalkit.stats.normal import normal_cdf, normal_quantile
from evalkit.stats.power import power_of

_MOST = 1e15  # units of a side: more are no plan


@dataclass(frozen=True)
class Design:
    """Units of the control and of each treatment; ``exact`` is the control's before it was rounded up."""

    control: int
    treatment: int
    treatments: int
    exact: float
    effect: float  # in the metric's own unit
    level: float  # of each comparison, after the correction for many treatments
    power: float

    @property
    def total(self) -> int:
        return self.control + self.treatments * self.treatment


def sample_size_mean(
    sd: float,
    effect: float,
    *,
    level: float = 0.95,
    power: float = 0.8,
    ratio: float = 1.0,
    treatments: int = 1,
    corrected: bool = True,
) -> Design:
    """Units for a difference of means ``effect`` of numbers that spread by ``sd``: a two-sided t test of two samples.

    Args:
        ratio: units of a treatment for each of the control.
        treatments: how many are compared with the control.
        corrected: the level of each comparison is Bonferroni's, 1 - (1 - level) / treatments.

    Source: Cohen (1988), chapter 2; equal to statsmodels' ``TTestIndPower``.
    """
    if not sd > 0.0:
        raise ValueError(f"the standard deviation must be above 0, not {sd}")
    return _design(
        lambda n, of: power_mean(sd, effect, n, n * ratio, level=of), effect, level, power, ratio, treatments, corrected
    )


def sample_size_proportion(
    share: float,
    effect: float,
    *,
    level: float = 0.95,
    power: float = 0.8,
    ratio: float = 1.0,
    treatments: int = 1,
    corrected: bool = True,
) -> Design:
    """Units for a share that moves from ``share`` to ``share + effect``: a two-sided normal test on the arcsine scale.

    Arguments are those of `sample_size_mean`. Source: Cohen (1988), section 6.2; equal to statsmodels' ``NormalIndPower`` of
    ``proportion_effectsize``.
    """
    _shares(share, effect)
    return _design(
        lambda n, of: power_proportion(share, effect, n, n * ratio, level=of),
        effect,
        level,
        power,
        ratio,
        treatments,
        corrected,
    )


def sample_size_ratio(
    means: tuple[float, float],
    variances: tuple[float, float],
    covariance: float,
    effect: float,
    *,
    level: float = 0.95,
    power: float = 0.8,
    ratio: float = 1.0,
    treatments: int = 1,
    corrected: bool = True,
) -> Design:
    """Units for a difference ``effect`` of a ratio of sums over units (clicks over views): the delta method's spread.

    Args:
        means, variances, covariance: of a unit's numerator and denominator.

    The other arguments are those of `sample_size_mean`. Source: Deng, Knoblich & Lu (2018), eq. 2.
    """
    return sample_size_mean(
        ratio_spread(means, variances, covariance), effect,
        level=level, power=power, ratio=ratio, treatments=treatments, corrected=corrected,
    )  # fmt: skip


def power_mean(sd: float, effect: float, n_control: float, n_treatment: float, *, level: float = 0.95) -> float:
    """The chance that a two-sided t test of so many units finds ``effect``; equal variances, n - 2 degrees of freedom."""
    df = n_control + n_treatment - 2.0
    if not df > 0.0:
        return math.nan
    return power_of(effect, sd * math.sqrt(1.0 / n_control + 1.0 / n_treatment), level=level, df=df if df < 1e7 else math.inf)


def power_proportion(share: float, effect: float, n_control: float, n_treatment: float, *, level: float = 0.95) -> float:
    """The chance that a two-sided test of two shares, on the arcsine scale, finds ``share`` moved by ``effect``."""
    _shares(share, effect)
    apart = 2.0 * (math.asin(math.sqrt(share + effect)) - math.asin(math.sqrt(share)))
    return power_of(apart, math.sqrt(1.0 / n_control + 1.0 / n_treatment), level=level)


def power_score(share: float, effect: float, n_control: float, n_treatment: float, *, level: float = 0.95) -> float:
    """The same of the score test: the spread under the null decides, that of the two shares carries the difference.

    Source: Fleiss, Levin & Paik (2003), eq. 4.14; equal to statsmodels' ``power_proportions_2indep``.
    """
    _shares(share, effect)
    other = share + effect
    pooled = (n_control * share + n_treatment * other) / (n_control + n_treatment)
    under_null = math.sqrt(pooled * (1.0 - pooled) * (1.0 / n_control + 1.0 / n_treatment))
    stderr = math.sqrt(share * (1.0 - share) / n_control + other * (1.0 - other) / n_treatment)
    if not stderr > 0.0:
        return math.nan
    beyond = normal_quantile((1.0 + level) / 2.0) * under_null
    return normal_cdf((abs(effect) - beyond) / stderr) + normal_cdf((-abs(effect) - beyond) / stderr)


def ratio_spread(means: tuple[float, float], variances: tuple[float, float], covariance: float) -> float:
    """The standard deviation of a unit's share in a ratio of two sums (delta method)."""
    over, under = means
    if under == 0.0:
        raise ValueError("the denominator's mean must not be 0")
    value = over / under
    variance = (variances[0] - 2.0 * value * covariance + value * value * variances[1]) / under**2
    return math.sqrt(max(variance, 0.0))


def _design(
    power_at: Callable[[float, float], float],
    effect: float,
    level: float,
    power: float,
    ratio: float,
    treatments: int,
    corrected: bool,
) -> Design:
    """The least control group with so much power, by bisection over its (fractional) size."""
    if not 0.0 < level < 1.0 or not 1.0 - level < power < 1.0:
        raise ValueError(f"level must lie between 0 and 1, and power between 1 - level and 1, not {level} and {power}")
    if not 0.0 < ratio < math.inf or treatments < 1:
        raise ValueError(f"ratio must be above 0 and treatments at least 1, not {ratio} and {treatments}")
    if not effect or not math.isfinite(effect):
        raise ValueError(f"the effect must not be {effect}: no number of records finds it")
    of = 1.0 - (1.0 - level) / treatments if corrected else level
    low = high = 3.0 / (1.0 + ratio)  # one degree of freedom
    while not power_at(high, of) >= power:
        if high > _MOST:
            raise ValueError(f"an effect of {effect} is too small for any number of records")
        low, high = high, 2.0 * high
    while high - low > 1e-12 * high:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if power_at(middle, of) >= power:
            high = middle
        else:
            low = middle
    control = max(2, math.ceil(high * (1.0 - 1e-9)))
    return Design(control, max(2, math.ceil(control * ratio * (1.0 - 1e-9))), treatments, high, effect, of, power)


def _shares(share: float, effect: float) -> None:
    if not 0.0 < share < 1.0 or not 0.0 <= share + effect <= 1.0:
        raise ValueError(f"a share of {share} cannot move by {effect}: both ends must lie between 0 and 1")
