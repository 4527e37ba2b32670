"""Intervals and p values that hold however often one looks: asymptotic confidence sequences, mixture sequential tests.

Both need the estimate, the variance of the estimate and the number of units. They are one boundary in two dresses: the
confidence sequence is tuned by when it is to be tightest, the mixture test by the size of effect that it expects.
"""

from __future__ import annotations

import math

PLANNED = 10_000  # units of both arms together that a sequence is tightest at, where nobody says


def tuning(planned: float, alpha: float) -> float:
    """rho², that makes a confidence sequence tightest after ``planned`` observations.

    Source: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2021), arXiv:2103.06476, appendix B.2: the approximation of
    the Lambert function's lower branch.
    """
    spread = -2.0 * math.log(alpha)
    return (spread + math.log(spread) + 1.0) / planned


def both_arms(n_a: float, n_b: float) -> float:
    """How many observations of one arm tell as much as a difference of two: n_a n_b / (n_a + n_b)."""
    return n_a * n_b / (n_a + n_b) if n_a > 0 and n_b > 0 else 0.0


def half_width(variance: float, n: float, *, alpha: float = 0.05, planned: float = PLANNED / 4.0) -> float:
    """How far an asymptotic confidence sequence reaches on either side of an estimate.

    Args:
        variance: of the estimate, as it is known now (its squared standard error).
        n: observations behind it, for a difference as `both_arms` counts.
        planned: the same count at which the sequence is to be tightest; fixed before the first look.

    NaN without observations. Source: Waudby-Smith et al. (2021), theorem 2.2, with σ̂² / n written as the variance.
    """
    if not n > 0.0 or not variance >= 0.0:
        return math.nan
    reach = n * tuning(planned, alpha)
    return math.sqrt(variance * 2.0 * (reach + 1.0) / reach * (0.5 * math.log1p(reach) - math.log(alpha)))


def valid_p(estimate: float, variance: float, n: float, *, alpha: float = 0.05, planned: float = PLANNED / 4.0) -> float:
    """The p value whose rejections at ``alpha`` are those of `half_width`: valid at any time one chooses to stop.

    It is `mixture_p` with the prior variance rho² σ̂², σ̂² being the variance of one observation.
    """
    if not n > 0.0 or not variance > 0.0:
        return math.nan
    return mixture_p(estimate, variance, tuning(planned, alpha) * variance * n)


def mixture_p(estimate: float, variance: float, prior: float) -> float:
    """1 over the likelihood ratio of N(0, ``prior``) effects against none, given an estimate with this variance.

    Under no effect it falls below alpha at any time with probability at most alpha.

    Source: Johari, Koomen, Pekelis & Walsh (2022), "Always Valid Inference", eq. 5; Robbins (1970).
    """
    if not variance > 0.0 or not prior > 0.0:
        return math.nan
    log_ratio = 0.5 * math.log(variance / (variance + prior)) + prior * estimate**2 / (2.0 * variance * (variance + prior))
    return math.exp(min(0.0, -log_ratio))
