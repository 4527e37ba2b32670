"""How far several scores of the same record agree: their spread within records, and the intraclass correlation."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from evalkit.stats.bootstrap import Statistic, intervals
from evalkit.stats.estimate import Estimate
from evalkit.stats.sums import Floats


def within_sd(scores: ArrayLike, *, level: float = 0.95, seed: int = 0, resamples: int = 1_000) -> Estimate:
    """The standard deviation of one record's scores, pooled over records; ``scores`` is (records, times)."""
    x = _complete(scores)
    if len(x) < 2 or x.shape[1] < 2:
        return Estimate.unknown("it needs two records that were scored twice", n=len(x), level=level)
    rows = np.stack([x.var(axis=1, ddof=1), np.ones(len(x))], axis=1)
    found = intervals([Statistic(rows, _root_mean)], seed=seed, level=level, resamples=resamples)[0]
    return Estimate.part(found)


def intraclass(scores: ArrayLike, *, level: float = 0.95) -> Estimate:
    """ICC(1,1): the share of the scores' variance that lies between records; ``scores`` is (records, times).

    NaN with a reason where all scores are the same.

    Source: Shrout & Fleiss (1979), Psychological Bulletin 86, 420-428; interval: McGraw & Wong (1996), table 7.
    """
    from scipy.stats import f as f_distribution

    x = _complete(scores)
    n, k = x.shape
    if n < 2 or k < 2:
        return Estimate.unknown("it needs two records that were scored twice", n=n, level=level)
    between = k * float(x.mean(axis=1).var(ddof=1))
    within = float(x.var(axis=1, ddof=1).mean())
    if between + within <= 0.0:
        return Estimate.unknown("all scores are the same", n=n, level=level)
    if within <= 0.0:
        return Estimate(1.0, 1.0, 1.0, 0.0, n, "asymptotic", level)
    ratio, tail = between / within, (1.0 + level) / 2.0
    low = ratio / float(f_distribution.ppf(tail, n - 1, n * (k - 1)))
    high = ratio * float(f_distribution.ppf(tail, n * (k - 1), n - 1))
    value, low, high = ((one - 1.0) / (one + k - 1.0) for one in (ratio, low, high))
    return Estimate(value, low, high, math.nan, n, "f", level)


def _complete(scores: ArrayLike) -> Floats:
    """The records that have all scores."""
    x = np.asarray(scores, dtype=np.float64)
    if x.ndim != 2:
        raise ValueError(f"scores must have shape (records, times), not {x.shape}")
    kept: Floats = x[~np.isnan(x).any(axis=1)]
    return kept


def _root_mean(totals: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        root: Floats = np.sqrt(totals[..., :1] / totals[..., 1:])
    return root
