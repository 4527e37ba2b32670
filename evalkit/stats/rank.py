"""Rank correlations of weighted points: Spearman's rho and Kendall's tau, many resamples at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.stats.ratio import ratio
from evalkit.stats.sums import Floats

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class RankCorrelations:
    """Spearman, Kendall's tau-b and tau-c of points drawn ``weights`` times each: a `Statistic`'s ``combine_rows``.

    Values (m, 2) and whole weights (b, m) become (b, 3); NaN where either side is constant. Equal points are merged
    first: of two five-point scales 25 are left, however many records there are. Points are sorted once for all
    resamples. Ranks come from running sums; discordant pairs from the bits of y's rank, highest first: two points that
    differ first in a bit are discordant where the one that has it comes earlier by x. That is O(m log m) a resample, in
    log₂ m passes over the whole block.

    Source: Spearman (1904), with mid-ranks; Kendall (1945, tau-b); Stuart (1953, tau-c); counting by parts: Knight (1966).
    """

    def __call__(self, values: Floats, weights: Floats) -> Floats:
        x, y = (np.unique(side, return_inverse=True)[1].astype(np.int64) for side in values.T)
        order = np.lexsort((y, x))
        x, y = x[order], y[order]
        starts = _starts(x * (int(y.max(initial=0)) + 1) + y)
        x, y = x[starts], y[starts]
        drawn = np.add.reduceat(weights[:, order], starts, axis=1) if len(starts) < len(order) else weights[:, order]
        return _correlations(x, y, drawn)


def _correlations(x: Indices, y: Indices, drawn: Floats) -> Floats:
    """The three of distinct points sorted by x, then y, as ranks from 0; ``drawn`` (b, points) is how often each is there."""
    by_y = np.argsort(y, kind="stable")
    of_x, of_y = np.add.reduceat(drawn, _starts(x), axis=1), np.add.reduceat(drawn[:, by_y], _starts(y[by_y]), axis=1)
    n = drawn.sum(axis=1)
    left, right = (np.cumsum(times, axis=1) - times / 2.0 - n[:, None] / 2.0 for times in (of_x, of_y))  # mid-ranks, centred
    product = np.take(left, x, axis=1)
    product *= np.take(right, y, axis=1)
    product *= drawn
    spread = (of_x * left**2).sum(1) * (of_y * right**2).sum(1)
    rho = ratio(product.sum(axis=1), np.sqrt(spread))

    pairs = n * (n - 1.0) / 2.0
    tied_x, tied_y, tied = (_pairs(times) for times in (of_x, of_y, drawn))
    apart = pairs - tied_x - tied_y + tied - 2.0 * discordant(y, drawn)
    tau_b = ratio(apart, np.sqrt((pairs - tied_x) * (pairs - tied_y)))
    fewest = np.minimum(np.count_nonzero(of_x, axis=1), np.count_nonzero(of_y, axis=1))
    tau_c = ratio(2.0 * apart, n**2 * ratio(fewest - 1.0, fewest, 0.0))
    return np.stack([rho, tau_b, tau_c], axis=1)


def discordant(y: Indices, weights: Floats) -> Floats:
    """Weighted pairs (b,) of which the earlier point has the larger y: points in order of x, and of y where x is tied."""
    total = np.zeros(len(weights))
    for order, bit, starts in _levels(y):
        here = weights[:, order]
        earlier = np.cumsum(here * bit, axis=1)
        here *= ~bit
        total += (here * earlier).sum(axis=1)
        base = earlier[:, starts[1:] - 1]  # what lies before each group but the first
        total -= (np.add.reduceat(here, starts, axis=1)[:, 1:] * base).sum(axis=1)
    return total


def _levels(y: Indices) -> Iterator[tuple[Indices, NDArray[np.bool_], Indices]]:
    """For each bit of y: points grouped by the bits above it and in order within, who has it, where groups start."""
    for bit in range(int(y.max(initial=0)).bit_length() - 1, -1, -1):
        group = y >> (bit + 1)
        order = np.argsort(group, kind="stable")
        yield order, ((y[order] >> bit) & 1).astype(bool), _starts(group[order])


def _starts(ordered: Indices) -> Indices:
    """Where each run of equal numbers starts."""
    return np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)])


def _pairs(times: Floats) -> Floats:
    """Pairs within groups of the given sizes (b, groups), shape (b,)."""
    tied: Floats = (times * (times - 1.0)).sum(axis=1) / 2.0
    return tied
