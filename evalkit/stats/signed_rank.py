"""Wilcoxon's signed-rank test of paired differences, also where records go together."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from evalkit.stats.normal import normal_cdf
from evalkit.stats.sums import Floats

Zeros = Literal["wilcox", "pratt"]

_EXACT = 60  # records (or clusters) up to which all sign patterns count, not their normal limit
_STEPS = 50_000_000  # additions that this may cost; sums of more are rounded to fewer places


def wilcoxon(difference: ArrayLike, *, zero_method: Zeros = "wilcox", clusters: ArrayLike | None = None) -> float:
    """Two-sided p of ``difference`` (n,) lying as much above 0 as below; NaN without a difference to rank, 1 if all are 0.

    The sizes are ranked over all records (ties share their mean rank); what counts is the sum of the ranks with their
    signs. Up to 60 records (or clusters) p is exact, given the ties; of more it is the normal limit, without a continuity
    correction.

    Args:
        difference: numbers; NaN is left out.
        zero_method: ``wilcox`` leaves zeros out before ranking, ``pratt`` after.
        clusters: (n,) labels; the signs of records that share one turn together, so that a cluster's signed ranks are
            summed first.

    Source: Wilcoxon (1945); Pratt (1959); clusters: Rosner, Glynn & Lee (2006), Biometrics 62, 185-192 (their statistic
    without weights for unequal clusters, which only concern its power).
    """
    if zero_method not in ("wilcox", "pratt"):
        raise ValueError(f"zero_method must be 'wilcox' or 'pratt', not {zero_method!r}")
    values = np.asarray(difference, dtype=np.float64)
    known = ~np.isnan(values)
    labels = None if clusters is None else np.asarray(clusters)[known]
    values = values[known]
    if not len(values):
        return math.nan
    kept = values != 0.0
    if not kept.any():
        return 1.0
    signed = np.sign(values[kept]) * (_ranks(np.abs(values))[kept] if zero_method == "pratt" else _ranks(np.abs(values[kept])))
    if labels is not None:
        _, codes = np.unique(labels[kept], return_inverse=True)
        signed = np.bincount(codes, weights=signed)
    return _flipped(signed)


def _ranks(values: Floats) -> Floats:
    """Ranks from 1, ties sharing their mean."""
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: Floats = last - (counts - 1) / 2.0
    return mean[codes]


def _flipped(signed: Floats) -> float:
    """P of a sum at least as far from 0 when every number takes either sign with chance a half."""
    moving = signed[signed != 0.0]
    if len(moving) > _EXACT:
        return min(1.0, 2.0 * normal_cdf(-abs(float(moving.sum())) / math.sqrt(float(moving @ moving))))
    cost = len(moving) * 2.0 * float(np.abs(moving).sum())
    halves = np.rint(2.0 / max(1.0, cost / _STEPS) * moving).astype(np.int64)  # mean ranks are whole halves
    return _exact(np.abs(halves).tolist(), abs(int(halves.sum())))


def _exact(sizes: list[int], observed: int) -> float:
    """The same by the chances of all sums, one number after the other; every chance is a multiple of 2^-numbers."""
    total = sum(sizes)
    chances = np.zeros(total + 1)  # of the sum of those with a plus
    chances[0] = 1.0
    reached = 0
    for size in sizes:
        reached += size
        chances[size : reached + 1] += chances[: reached - size + 1].copy()
        chances[: reached + 1] *= 0.5
    least = (total + observed + 1) // 2  # 2 · plus - total ≥ observed
    return min(1.0, 2.0 * float(chances[least:].sum())) if observed else 1.0
