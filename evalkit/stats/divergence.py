"""How far two distributions lie apart: sizes of a drift, from aligned counts, whatever their significance.

Arguments ``a`` (the reference) and ``b`` are counts per cell, (m,); cells that are empty on both sides change nothing, and
an empty side is NaN. All of them but `auc` are 0 where the shares are equal, and larger by chance where samples are small.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from evalkit.stats.shift import shares
from evalkit.stats.sums import Floats

LEAST_SPREAD = 0.001  # a reference that hardly varies counts as this spread


def psi(a: ArrayLike, b: ArrayLike) -> float:
    """The population stability index, from 0: relative entropies of both directions, in nats.

    A cell that one side lacks counts as half a record there: what n records that show nothing leave open. So a value that
    is new in a few records adds little, however many records there are. Habit calls .1 a shift and .25 a large one.

    Source: Siddiqi (2006), "Credit Risk Scorecards", ch. 6; as a divergence, Jeffreys (1946).
    """
    sides = shares(a, b)
    if sides is None:
        return math.nan
    totals = (float(np.sum(side)) for side in (a, b))
    held = (sides[0] > 0.0) | (sides[1] > 0.0)
    p, q = (np.where(side > 0.0, side, 0.5 / total)[held] for side, total in zip(sides, totals))
    return max(float(((q - p) * np.log(q / p)).sum()), 0.0)


def jensen_shannon(a: ArrayLike, b: ArrayLike) -> float:
    """The Jensen–Shannon distance: the root of the divergence in nats, from 0 to √ln 2 ≈ .833.

    Source: Lin (1991); a metric: Endres & Schindelin (2003). As scipy's and Evidently's.
    """
    sides = shares(a, b)
    if sides is None:
        return math.nan
    middle = (sides[0] + sides[1]) / 2.0
    return math.sqrt(max(sum(_entropy(side, middle) for side in sides) / 2.0, 0.0))


def hellinger(a: ArrayLike, b: ArrayLike) -> float:
    """The Hellinger distance, from 0 to 1. Source: Hellinger (1909), scaled by √½."""
    sides = shares(a, b)
    if sides is None:
        return math.nan
    return math.sqrt(min(float(((np.sqrt(sides[0]) - np.sqrt(sides[1])) ** 2).sum()) / 2.0, 1.0))


def total_variation(a: ArrayLike, b: ArrayLike) -> float:
    """The share of records that would have to change cells, from 0 to 1."""
    sides = shares(a, b)
    return math.nan if sides is None else min(float(np.abs(sides[1] - sides[0]).sum()) / 2.0, 1.0)


def wasserstein(values: ArrayLike, a: ArrayLike, b: ArrayLike) -> float:
    """The first Wasserstein distance of atoms at ``values`` (m,), ascending: in their unit, from 0.

    Source: Vallender (1974): the area between the two distribution functions.
    """
    at, sides = _placed(values), shares(a, b)
    if sides is None:
        return math.nan
    return float((np.abs(np.cumsum(sides[1] - sides[0]))[:-1] * np.diff(at)).sum())


def wasserstein_sd(values: ArrayLike, a: ArrayLike, b: ArrayLike) -> float:
    """`wasserstein` over the reference's standard deviation (with n), or over .001 where that is less, as Evidently has it."""
    at, sides = _placed(values), shares(a, b)
    if sides is None:
        return math.nan
    off = at - float(sides[0] @ at)
    return wasserstein(at, a, b) / max(math.sqrt(float(sides[0] @ off**2)), LEAST_SPREAD)


def auc(a: ArrayLike, b: ArrayLike) -> float:
    """P(b > a) + P(b = a) / 2 of cells in ascending order: .5 where neither side is the larger, 1 where ``b`` always is.

    Source: Mann & Whitney (1947): their U over n m.
    """
    sides = shares(a, b)
    if sides is None:
        return math.nan
    below = np.cumsum(sides[0]) - sides[0] / 2.0
    return min(max(float(sides[1] @ below), 0.0), 1.0)


def _entropy(p: Floats, q: Floats) -> float:
    held = p > 0.0
    return float((p[held] * np.log(p[held] / q[held])).sum())


def _placed(values: ArrayLike) -> Floats:
    at = np.asarray(values, dtype=np.float64)
    if at.ndim != 1 or not (np.diff(at) > 0.0).all():
        raise ValueError("values must ascend, one per cell")
    return at
