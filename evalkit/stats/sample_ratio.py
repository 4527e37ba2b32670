"""Did the split hold? Units a variant against what the assignment should have given."""

from __future__ import annotations

import math
from collections.abc import Sequence

THRESHOLD = 0.001  # Fabijan et al. (2019): a check that looks at every experiment must cry seldom


def chi_square(observed: Sequence[int], expected: Sequence[float]) -> float:
    """p of Pearson's chi-square test of counts against shares (any positive weights); NaN below two variants or units.

    A mismatch means that something loses units of one variant, and no comparison can be trusted. Source: Fabijan et al.
    (2019), "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments".
    """
    from scipy.stats import chi2

    total, weight = sum(observed), math.fsum(expected)
    if len(observed) < 2 or not total:
        return math.nan
    wanted = [total * share / weight for share in expected]
    return float(chi2.sf(sum((got - want) ** 2 / want for got, want in zip(observed, wanted)), len(observed) - 1))


def always_valid(observed: Sequence[int], expected: Sequence[float], *, strength: float = 100.0) -> float:
    """The same for people who look at it every day: a p that is valid at every look together.

    One over the Bayes factor of a Dirichlet prior, ``strength`` units strong and centred on the split, against the split
    itself: under the split it is below alpha at any time with probability at most alpha.

    Source: Lindon & Malek (2022), "Anytime-Valid Inference for Multinomial Count Data", eq. 8.
    """
    total, weight = sum(observed), math.fsum(expected)
    if len(observed) < 2 or not total:
        return math.nan
    shares = [share / weight for share in expected]
    prior = [strength * share for share in shares]
    log_factor = math.lgamma(strength) - math.lgamma(strength + total)
    for count, start, share in zip(observed, prior, shares):
        log_factor += math.lgamma(start + count) - math.lgamma(start) - count * math.log(share)
    return math.exp(min(0.0, -log_factor))
