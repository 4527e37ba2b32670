"""The t test of paired differences, with clusters where records go together."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.normal import student_cdf, student_quantile


class Tested(NamedTuple):
    """A mean with its standard error, degrees of freedom, and the two-sided p of its being 0."""

    mean: float
    stderr: float
    df: float
    p: float

    def interval(self, level: float) -> tuple[float, float]:
        """Student's interval of the mean."""
        if not self.df > 0.0 or not math.isfinite(self.stderr):
            return math.nan, math.nan
        reach = student_quantile((1.0 + level) / 2.0, self.df) * self.stderr
        return self.mean - reach, self.mean + reach


def paired_t(difference: ArrayLike, clusters: NDArray[np.int64] | None = None) -> Tested:
    """The mean of ``difference`` (n,) against 0; records that share a cluster (n,) count as one draw.

    Clustered, the variance is that of a ratio of sums with the factor C / (C - 1), on C - 1 degrees of freedom. NaN below
    two records (or clusters); p is 1 where every difference is 0.

    Source: Student (1908); clusters: Liang & Zeger (1986), with the small-sample factor of Stata and of Miller (2024),
    arXiv:2411.00640, eq. 4.
    """
    values = np.asarray(difference, dtype=np.float64)
    n = len(values)
    sums, sizes = values, np.ones(n)
    if clusters is not None:
        _, codes = np.unique(clusters, return_inverse=True)
        sums = np.asarray(np.bincount(codes, weights=values), dtype=np.float64)
        sizes = np.bincount(codes).astype(np.float64)
    units = len(sums)
    mean = float(values.mean()) if n else math.nan
    if units < 2:
        return Tested(mean, math.nan, math.nan, math.nan)
    left = sums - mean * sizes
    stderr = math.sqrt(units / (units - 1.0) * float(left @ left)) / n
    if not stderr > 0.0:
        return Tested(mean, 0.0, units - 1.0, 1.0 if mean == 0.0 else 0.0)
    return Tested(mean, stderr, units - 1.0, 2.0 * student_cdf(-abs(mean) / stderr, units - 1.0))
