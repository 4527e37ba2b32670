"""Quantiles of weighted values: for resamples, where a weight says how often a value was drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.stats.sums import Floats

_SMALL = 4_096  # values whose running totals are all formed; of more, first those of chunks
_CHUNK = 1_024
_AT_ONCE = 1_000_000  # weights brought into order at once: 8 MB


def weighted_quantiles(values: Floats, weights: Floats, q: Sequence[float] | Floats) -> Floats:
    """Quantiles of ``values`` (n,), each repeated as often as a row of ``weights`` (b, n) says; shape (b, len(q)).

    Equal to ``numpy.quantile(numpy.repeat(values, weights), q)``, digit for digit: linear interpolation, type 7 of
    Hyndman & Fan (1996). Weights are counts of records; fractions are taken as such, a value counting from where the
    weights up to it exceed its place. NaN values are ignored; a row without weight gives NaN. Faster when ``values``
    are sorted.
    """
    levels = np.asarray(q, dtype=np.float64)
    if levels.ndim != 1 or not ((levels >= 0.0) & (levels <= 1.0)).all():
        raise ValueError(f"quantiles must lie between 0 and 1, not at {np.ravel(levels).tolist()}")
    values = np.asarray(values, dtype=np.float64)
    weights = np.asarray(weights, dtype=np.float64)
    if values.ndim != 1 or weights.ndim != 2 or weights.shape[1] != len(values):
        raise ValueError(f"weights have shape {weights.shape}; (b, {len(values)}) is needed")
    order = _order(values)
    if order is not None:
        values = values[order]
    found = np.full((len(weights), len(levels)), np.nan)
    if not found.size or not len(values):
        return found
    step = max(1, _AT_ONCE // len(values))
    for start in range(0, len(weights), step):
        block = weights[start : start + step]
        if order is not None:
            block = np.take(block, order, axis=1)
        found[start : start + step] = _of_sorted(values, block, levels)
    return found


@dataclass(frozen=True)
class MeanAndQuantiles:
    """The mean, then quantiles: a metric's ``combine_rows`` for latencies, costs, token counts.

    Called with values (n, 1) and weights (b, n) it gives (b, 1 + len(q)); a row without weight gives NaN. The bootstrap
    knows this class: it looks only at the records near each quantile and is as fast for a million as for a thousand.
    """

    q: tuple[float, ...] = (0.5, 0.95, 0.99)

    def __call__(self, values: Floats, weights: Floats) -> Floats:
        return mean_and_quantiles(values, weights, self.q)


def mean_and_quantiles(values: Floats, weights: Floats, q: Sequence[float] | Floats) -> Floats:
    """The mean, then the quantiles, of ``values`` (n, 1) or (n,) under ``weights`` (b, n); shape (b, 1 + len(q))."""
    column = np.asarray(values, dtype=np.float64)
    column = column if column.ndim == 1 else column[:, 0]
    kept = ~np.isnan(column)
    if not kept.all():
        column, weights = column[kept], weights[:, kept]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = weights @ column / weights.sum(axis=1)
    return np.concatenate([mean[:, None], weighted_quantiles(column, weights, q)], axis=1)


def of_ordered(ordered: Floats, level: float) -> float:
    """The linearly interpolated quantile of two or more sorted numbers, as `numpy.quantile` rounds it."""
    place = level * (len(ordered) - 1)
    below = min(int(place), len(ordered) - 2)
    share = place - below
    low, high = float(ordered[below]), float(ordered[below + 1])
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1.0 - share)


def places(total: Floats, levels: Floats) -> tuple[Floats, Floats, Floats]:
    """Of ``total`` (b,) ordered records: the places below and above each level, and the share of the way between.

    Each of shape (b, levels). The record at place p is the first value up to which the counts exceed p.
    """
    place = np.maximum((total[:, None] - 1.0) * levels, 0.0)
    below = np.floor(place)
    share = place - below
    return below, below + (share > 0.0), share


def between(low: Floats, high: Floats, share: Floats) -> Floats:
    """Linear interpolation, rounded as `numpy.quantile` does."""
    with np.errstate(invalid="ignore"):
        span = np.where(share > 0.0, high - low, 0.0)
        mixed: Floats = np.where(share < 0.5, low + span * share, high - span * (1.0 - share))
    return mixed


def first_above(running: Floats, targets: Floats) -> NDArray[np.int64]:
    """Per row the first column of ``running`` (b, w), never falling, above each of ``targets`` (b, t); w if none is."""
    return np.stack([(running <= target[:, None]).sum(axis=1) for target in targets.T], axis=1)


def _order(values: Floats) -> NDArray[np.int64] | None:
    """The places of the values in order, NaN left out; None if they are so already."""
    if not len(values) or bool((values[1:] >= values[:-1]).all() and not np.isnan(values[0])):
        return None
    order = np.argsort(values, kind="stable")
    return order[: len(values) - int(np.isnan(values).sum())]


def _of_sorted(values: Floats, weights: Floats, levels: Floats) -> Floats:
    """Quantiles (b, levels) of sorted ``values`` under ``weights`` (b, n)."""
    total = weights.sum(axis=1)
    below, above, share = places(total, levels)
    if len(values) <= _SMALL:
        found = first_above(np.cumsum(weights, axis=1), np.concatenate([below, above], axis=1))
    else:
        found = np.array([_find(*pair) for pair in zip(weights, np.concatenate([below, above], axis=1), strict=True)])
    chosen = values[np.minimum(found, len(values) - 1)]
    mixed = between(chosen[:, : len(levels)], chosen[:, len(levels) :], share)
    mixed[~(total > 0.0)] = np.nan
    return mixed


def _find(counts: Floats, targets: Floats) -> list[int]:
    """The first values up to which ``counts`` (n,) exceed each target: by chunks, then inside the one that matters."""
    coarse = np.cumsum(np.add.reduceat(counts, np.arange(0, len(counts), _CHUNK)))
    found = []
    for target in targets.tolist():
        chunk = min(int(np.searchsorted(coarse, target, "right")), len(coarse) - 1)
        before = coarse[chunk - 1] if chunk else 0.0
        inside = before + np.cumsum(counts[chunk * _CHUNK : (chunk + 1) * _CHUNK])
        found.append(chunk * _CHUNK + int(np.searchsorted(inside, target, "right")))
    return found
