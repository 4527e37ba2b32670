"""Effects of an online experiment from a few sums per arm: means, ratios and shares, with or without a covariate.

The unit is whoever was randomised, a user as a rule. A user's rows are summed first; a metric is then the ratio of two
sums over users (numerator, denominator), whose variance the delta method gives: rows of one user need not be independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evalkit.stats.normal import normal_cdf, normal_quantile, student_cdf, student_quantile
from evalkit.stats.pairs import apart
from evalkit.stats.proportion import wilson
from evalkit.stats.welch import two_proportions

Floats = NDArray[np.float64]

_WIDE = 1.96  # standard errors to either side at which a quantile's spread is read off
_FEW = 5.0  # expected successes and failures below which `two_proportions` tests exactly


@dataclass(frozen=True)
class Moments:
    """What is known of an arm: ``n`` units, and mean (k,) and covariance (k, k) of their numbers.

    The numbers of a unit are its numerator and denominator and, with a covariate, the covariate's (k = 2 or 4).
    Covariances have the factor n / (n - 1).
    """

    n: int
    mean: Floats
    covariance: Floats


@dataclass(frozen=True)
class Arm:
    """The value of one variant with its standard error, over ``n`` units; ``df`` infinite where the error is known."""

    value: float
    stderr: float
    n: int
    df: float

    def bounds(self, q: float) -> tuple[float, float]:
        """The value ± q standard errors."""
        return self.value - q * self.stderr, self.value + q * self.stderr


@dataclass(frozen=True)
class Difference:
    """b - a of two arms: interval, two-sided p, lift (b / a - 1) with its interval, and the test's name.

    ``stderr`` and ``df`` are those of the test; NaN where nothing can be told, and ``why`` says what is lacking.
    """

    diff: float
    low: float
    high: float
    p: float
    stderr: float
    df: float
    lift: float
    lift_low: float
    lift_high: float
    test: str
    why: str = ""


def pooled(arms: Sequence[Moments]) -> Moments:
    """The moments of all arms' units together (Chan, Golub & LeVeque 1983)."""
    n = sum(arm.n for arm in arms)
    mean = sum((arm.n * arm.mean for arm in arms), np.zeros_like(arms[0].mean)) / n
    squares = np.zeros_like(arms[0].covariance)
    for arm in arms:
        apart_ = arm.mean - mean
        squares += (arm.n - 1) * arm.covariance + arm.n * np.outer(apart_, apart_)
    return Moments(n, mean, squares / (n - 1))


def ratio_arm(moments: Moments, coefficient: float = 0.0, centre: float = 0.0) -> Arm:
    """The mean (or ratio of means) of an arm, less ``coefficient`` × (covariate - ``centre``).

    Source: delta method: Deng, Knoblich & Lu (2018), eq. 2; covariate: Deng, Xu, Kohavi & Walker (2013), section 3.1.
    """
    if moments.n < 2 or not moments.mean[1]:
        value = moments.mean[0] / moments.mean[1] if moments.n and moments.mean[1] else math.nan
        return Arm(float(value), math.nan, moments.n, math.nan)
    gradient = _gradient(moments, 0)
    value = float(moments.mean[0] / moments.mean[1])
    if coefficient:
        gradient = gradient - coefficient * _gradient(moments, 2)
        value -= coefficient * (float(moments.mean[2] / moments.mean[3]) - centre)
    variance = float(gradient @ moments.covariance @ gradient)
    return Arm(value, math.sqrt(max(variance, 0.0) / moments.n), moments.n, moments.n - 1.0)


def quantile_ranks(below: Moments, level: float) -> tuple[float, float] | None:
    """The two levels between which a quantile over rows lies, 1.96 standard errors to either side of ``level``.

    Args:
        below: moments of each unit's rows at or below the quantile, and of all its rows: the share below is a ratio of sums.

    None where the units are too few for a level so far out. Source: Woodruff (1952); for rows that share units Deng, Knoblich
    & Lu (2018), section 4.2 (the outer interval).
    """
    stderr = ratio_arm(below).stderr
    low, high = level - _WIDE * stderr, level + _WIDE * stderr
    return (low, high) if low > 0.0 and high < 1.0 else None


def quantile_arm(value: float, n: int, ends: tuple[float, float] | None) -> Arm:
    """A quantile over the rows of ``n`` units as an arm, from the values at its `quantile_ranks`."""
    return Arm(value, (ends[1] - ends[0]) / (2.0 * _WIDE) if ends else math.nan, n, math.inf)


def covariate_of(arms: Sequence[Moments]) -> tuple[float, float]:
    """The coefficient of the covariate that takes most variance away, and the covariate's mean, over all arms together.

    0 where the covariate does not vary. Source: Deng et al. (2013), eq. 4; both sides linearised where they are ratios.
    """
    every = pooled(arms)
    if not every.mean[1] or not every.mean[3]:
        return 0.0, 0.0
    of_value, of_covariate = _gradient(every, 0), _gradient(every, 2)
    variance = float(of_covariate @ every.covariance @ of_covariate)
    centre = float(every.mean[2] / every.mean[3])
    if not variance > 0.0:
        return 0.0, centre
    return float(of_value @ every.covariance @ of_covariate) / variance, centre


def _gradient(moments: Moments, at: int) -> Floats:
    """How the ratio of numbers ``at`` and ``at`` + 1 moves with the means of all k numbers."""
    gradient = np.zeros(len(moments.mean))
    under = moments.mean[at + 1]
    gradient[at], gradient[at + 1] = 1.0 / under, -moments.mean[at] / under**2
    return gradient


def compare_arms(a: Arm, b: Arm, *, level: float = 0.95, test: str = "Welch's t-test") -> Difference:
    """b - a by Welch's test: unequal variances, Satterthwaite's degrees of freedom; a normal test where both are infinite.

    Source: Welch (1947).
    """
    diff = b.value - a.value
    variance = a.stderr**2 + b.stderr**2
    if not math.isfinite(diff) or math.isnan(variance):
        return nothing(a, b, test, "an arm has too few units with a value")
    stderr = math.sqrt(variance)
    if not stderr:
        if not diff:
            return replace(nothing(a, b, test, "every unit has the same value"), low=0.0, high=0.0, p=1.0, stderr=0.0)
        return nothing(a, b, test, "no unit differs from the others of its arm")
    df = _satterthwaite(a.stderr, a.df, b.stderr, b.df)
    q = quantile((1.0 + level) / 2.0, df)
    low, high = diff - q * stderr, diff + q * stderr
    lift_low, lift_high = ratio_bounds((a.value, *a.bounds(q)), (b.value, *b.bounds(q)))
    p = min(1.0, 2.0 * tail(abs(diff) / stderr, df))
    return Difference(diff, low, high, p, stderr, df, _lift(a.value, b.value), lift_low, lift_high, test)


def compare_shares(x_a: int, n_a: int, x_b: int, n_b: int, *, level: float = 0.95) -> Difference:
    """b - a of two shares of independent units: the pooled z-test, Fisher's exact test where fewer than 5 are expected.

    Interval: Newcombe's hybrid of Wilson's; the lift's is made of the same bounds, so that both or neither hold 0.

    Source: Newcombe (1998), method 10; Donner & Zou (2012), eq. 9.
    """
    a, b = (x / n if n else math.nan for x, n in ((x_a, n_a), (x_b, n_b)))
    arms = Arm(a, math.nan, n_a, math.inf), Arm(b, math.nan, n_b, math.inf)
    if not n_a or not n_b:
        return nothing(*arms, "two-proportion z-test", "an arm has no unit with a value")
    (a_low, a_high), (b_low, b_high) = (wilson(x, n, level) for x, n in ((x_a, n_a), (x_b, n_b)))
    own_a, own_b = (a, float(a_low), float(a_high)), (b, float(b_low), float(b_high))
    low, high = apart(own_a, own_b)
    lift_low, lift_high = ratio_bounds(own_a, own_b)
    share = (x_a + x_b) / (n_a + n_b)
    few = min(share, 1.0 - share) * min(n_a, n_b) < _FEW
    p = two_proportions(x_a, n_a, x_b, n_b).p
    test = "Fisher's exact test" if few else "two-proportion z-test"
    own = math.sqrt(share_arm(x_a, n_a).stderr ** 2 + share_arm(x_b, n_b).stderr ** 2)
    return Difference(b - a, low, high, p, own, math.inf, _lift(a, b), lift_low, lift_high, test)


def share_arm(x: int, n: int) -> Arm:
    """A share as an arm for tests against a margin, one success and one failure added.

    Without them an arm where nobody succeeds has no spread, and a handful of units would prove anything. Source: Agresti
    & Caffo (2000).
    """
    share = (x + 1.0) / (n + 2.0)
    return Arm(share, math.sqrt(share * (1.0 - share) / (n + 2.0)), n, math.inf)


def above(a: Arm, b: Arm, margin: float, *, relative: bool = False) -> float:
    """One-sided p against "b is at most a + margin": small where b is clearly above it; relative: a × (1 + margin)."""
    reached, df = _reached(a, b, margin, relative)
    return tail(reached, df)


def below(a: Arm, b: Arm, margin: float, *, relative: bool = False) -> float:
    """One-sided p against "b is at least a + margin"; relative: a × (1 + margin)."""
    reached, df = _reached(a, b, margin, relative)
    return tail(-reached, df)


def _reached(a: Arm, b: Arm, margin: float, relative: bool) -> tuple[float, float]:
    """How many standard errors b lies beyond the margin, and their degrees of freedom (Satterthwaite)."""
    scale = 1.0 + margin if relative else 1.0
    over, under = b.stderr, scale * a.stderr
    stderr = math.hypot(over, under)
    if not stderr > 0.0:
        return math.nan, math.inf
    df = _satterthwaite(under, a.df, over, b.df)
    return (b.value - scale * a.value - (0.0 if relative else margin)) / stderr, df


def _satterthwaite(a: float, a_df: float, b: float, b_df: float) -> float:
    """Degrees of freedom of a² + b², each a squared standard error with its own; infinite where both are known."""
    if math.isinf(a_df) and math.isinf(b_df):
        return math.inf
    scale = max(a, b)  # the fourth power of a small error is none
    a, b = a / scale, b / scale
    return (a * a + b * b) ** 2 / (a**4 / a_df + b**4 / b_df)


def within(a: Arm, b: Arm, margin: float, *, relative: bool = False) -> float:
    """p of equivalence: the larger of two one-sided tests that b lies within ± margin of a (Schuirmann 1987)."""
    return max(above(a, b, -margin, relative=relative), below(a, b, margin, relative=relative))


def ratio_bounds(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float]:
    """The interval of b / a - 1 from each arm's value, low and high; NaN where the control is not clearly off zero.

    With symmetric bounds it is Fieller's interval (1954). Source: Donner & Zou (2012), eq. 9.
    """
    (x, x_low, x_high), (y, y_low, y_high) = a, b
    if x < 0.0:
        (x, x_low, x_high), (y, y_low, y_high) = (-x, -x_high, -x_low), (-y, -y_high, -y_low)
    if not x_low > 0.0:
        return math.nan, math.nan
    product, under_y, over_y = x * y, y_low * (2.0 * y - y_low), y_high * (2.0 * y - y_high)
    under_low, under_high = x_high * (2.0 * x - x_high), x_low * (2.0 * x - x_low)
    root = math.sqrt(max(product**2 - under_low * under_y, 0.0))
    if product >= 0.0:
        low = under_y / (product + root) if product + root else 0.0
    else:
        low = (product - root) / under_low if under_low > 0.0 else math.nan
    high = (product + math.sqrt(max(product**2 - under_high * over_y, 0.0))) / under_high
    return low - 1.0, high - 1.0


def effect_size(a: Arm, b: Arm) -> float:
    """Cohen's d over units: the difference over the root mean square of both arms' standard deviations of a unit."""
    spread = math.sqrt((a.n * a.stderr**2 + b.n * b.stderr**2) / 2.0)
    return (b.value - a.value) / spread if spread > 0.0 else math.nan


def quantile(p: float, df: float) -> float:
    """Of Student's t; of the normal distribution for infinite (or very many) degrees of freedom."""
    return normal_quantile(p) if df > 1e7 else student_quantile(p, df)


def tail(x: float, df: float) -> float:
    """P(T > x), with its digits in the far tail."""
    return normal_cdf(-x) if df > 1e7 else student_cdf(-x, df)


def nothing(a: Arm, b: Arm, test: str, why: str) -> Difference:
    """A difference of which nothing can be told but its value."""
    nan = math.nan
    return Difference(b.value - a.value, nan, nan, nan, nan, nan, _lift(a.value, b.value), nan, nan, test, why)


def _lift(a: float, b: float) -> float:
    return b / a - 1.0 if a else math.nan
