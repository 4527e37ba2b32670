"""How the records' own scores are spread: a histogram, binned in NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Histogram:
    """How the records' own scores are spread.

    ``edges`` has one more entry than ``counts``; where ``discrete``, bar ``i`` stands for the one value ``edges[i]``.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    discrete: bool
    below: int = 0  # records left of the first bar
    above: int = 0  # and right of the last


def histogram(scores: NDArray[np.float64], *, bins: int = 28) -> Histogram | None:
    """Counts of the finite scores, binned in NumPy; None when there are none.

    A bar per value where there are few; else equal bins over 0..1 where that holds them all, or over the observed
    range, whose far tails (beyond three times the span of the inner 99%) are counted apart.
    """
    finite = np.clip(scores[np.isfinite(scores)], -1e300, 1e300)  # so that no range overflows
    if not len(finite):
        return None
    distinct = np.unique(finite[:: max(len(finite) // 2_000, 1)])
    if len(distinct) <= 11:
        distinct, counts = np.unique(finite, return_counts=True)
        if len(distinct) <= 11:
            return Histogram((*distinct.tolist(), float(distinct[-1])), tuple(counts.tolist()), discrete=True)
    low, high = float(finite.min()), float(finite.max())
    if low >= 0 and high <= 1 and high - low > 0.2:
        low, high = 0.0, 1.0
    else:
        inner = np.quantile(finite, [0.005, 0.995])
        if high - low > 3 * (inner[1] - inner[0]) > 0:
            low, high = float(inner[0]), float(inner[1])
    if high - low <= 1e-9 * max(abs(low), abs(high)) + 1e-300:  # all but equal: bins need some width
        pad = 1e-9 * max(abs(low), abs(high)) + 1e-300
        low, high = low - pad, high + pad
    counts, edges = np.histogram(finite, bins=bins, range=(low, high))
    below, above = int((finite < low).sum()), int((finite > high).sum())
    return Histogram(tuple(edges.tolist()), tuple(counts.tolist()), discrete=False, below=below, above=above)
