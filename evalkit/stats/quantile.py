"""Quantiles of weighted values: for resamples, where a weight says how often a value was drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evalkit.stats.sums import Floats

_CHUNK = 1_024  # values whose weights are first summed as one
_AT_ONCE = 2_000_000  # weights brought into order at once: 16 MB


def weighted_quantiles(values: Floats, weights: Floats, q: Sequence[float] | Floats) -> Floats:
    """Quantiles of ``values`` (n,), each repeated as often as a row of ``weights`` (b, n) says; shape (b, len(q)).

    Equal to ``numpy.quantile(numpy.repeat(values, weights), q)``, digit for digit: linear interpolation, type 7 of
    Hyndman & Fan (1996). Weights are counts of records; fractions are taken as such, a value counting from where the
    weights up to it exceed its place. NaN values are ignored; a row without weight gives NaN. Faster when ``values``
    are sorted.
    """
    levels = np.asarray(q, dtype=np.float64)
    if levels.ndim != 1 or not ((levels >= 0.0) & (levels <= 1.0)).all():
        raise ValueError(f"quantiles must lie between 0 and 1, not at {list(np.ravel(levels))}")
    values = np.asarray(values, dtype=np.float64)
    weights = np.asarray(weights, dtype=np.float64)
    if values.ndim != 1 or weights.ndim != 2 or weights.shape[1] != len(values):
        raise ValueError(f"weights have shape {weights.shape}; (b, {len(values)}) is needed")
    order = _order(values)
    found = np.full((len(weights), len(levels)), np.nan)
    if order is not None:
        values = values[order]
    if not len(values) or not len(levels):
        return found
    step = max(1, _AT_ONCE // len(values))
    for start in range(0, len(weights), step):
        block = weights[start : start + step]
        if order is not None:
            block = np.take(block, order, axis=1)
        for row, counts in enumerate(block, start):
            found[row] = _of_one(values, counts, levels)
    return found


def mean_and_quantiles(values: Floats, weights: Floats, q: Sequence[float] | Floats) -> Floats:
    """The mean, then the quantiles, of ``values`` (n, 1) or (n,) under ``weights`` (b, n); shape (b, 1 + len(q)).

    For a metric's ``combine_rows``; a row without weight gives NaN.
    """
    column = np.asarray(values, dtype=np.float64).reshape(len(values), -1)[:, 0]
    kept = ~np.isnan(column)
    if not kept.all():
        column, weights = column[kept], weights[:, kept]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = weights @ column / weights.sum(axis=1)
    return np.concatenate([mean[:, None], weighted_quantiles(column, weights, q)], axis=1)


def _order(values: Floats) -> NDArray[np.int64] | None:
    """The places of the values in order, NaN left out; None if they are so already."""
    if not len(values) or bool((values[1:] >= values[:-1]).all() and not np.isnan(values[0])):
        return None
    order = np.argsort(values, kind="stable")
    return order[: len(values) - int(np.isnan(values).sum())]


def _of_one(values: Floats, counts: Floats, levels: Floats) -> Floats:
    """Quantiles of sorted ``values`` under ``counts`` (n,): coarse sums first, then only the chunks that matter."""
    starts = np.arange(0, len(counts), _CHUNK)
    coarse = np.cumsum(np.add.reduceat(counts, starts))
    total = coarse[-1]
    if not total > 0.0:
        return np.full(len(levels), np.nan)
    place = np.maximum(levels * (total - 1.0), 0.0)
    below = np.floor(place)
    share = place - below
    low, high = (values[[_find(counts, coarse, target) for target in targets]] for targets in (below, below + 1.0))
    span = high - low
    between: Floats = np.where(share < 0.5, low + span * share, high - span * (1.0 - share))
    return between


def _find(counts: Floats, coarse: Floats, target: float) -> int:
    """The first value up to which the counts exceed ``target``; the last that counts, if none does."""
    chunk = int(np.searchsorted(coarse, target, "right"))
    if chunk == len(coarse):
        return int(np.flatnonzero(counts)[-1])
    before = coarse[chunk - 1] if chunk else 0.0
    inside = before + np.cumsum(counts[chunk * _CHUNK : (chunk + 1) * _CHUNK])
    return chunk * _CHUNK + min(int(np.searchsorted(inside, target, "right")), len(inside) - 1)
