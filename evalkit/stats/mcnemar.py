"""McNemar's exact test: of the records that differ, is it chance which side got them right?"""

from __future__ import annotations

import math


def mcnemar_exact(gains: float, losses: float, *, mid_p: bool = False) -> float:
    """Two-sided p of ``gains`` against ``losses`` (counts of records that only b, and only a, got right).

    Given that they differ, either is as likely under the null: a binomial test of a half. ``mid_p`` counts the observed
    split half, which is less conservative with few differing records, and still holds its level in practice. No record
    that differs is p = 1.

    Source: McNemar (1947); exact: Edwards (1948); mid-p: Fagerland, Lydersen & Laake (2013).
    """
    if not (gains >= 0 and losses >= 0 and float(gains).is_integer() and float(losses).is_integer()):
        raise ValueError(f"gains and losses are counts of records, not {gains} and {losses}")
    n, few = int(gains + losses), int(min(gains, losses))
    if not n:
        return 1.0
    tail = _tail(few, n)
    if mid_p:
        return min(1.0, 2.0 * tail - _chance(few, n)) if 2 * few != n else 1.0 - 0.5 * _chance(few, n)
    return min(1.0, 2.0 * tail)


def _tail(k: int, n: int) -> float:
    """P(X ≤ k) of n fair coins, to full relative accuracy in the far tail too."""
    from scipy.special import betainc

    return float(betainc(float(n - k), float(k + 1), 0.5))


def _chance(k: int, n: int) -> float:
    """P(X = k)."""
    return math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2.0))
