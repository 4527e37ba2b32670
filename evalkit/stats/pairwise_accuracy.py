"""Pairwise accuracy with ties: how often a metric orders two outputs as people do, and says tie where people say tie."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.bootstrap import Statistic, intervals
from evalkit.stats.correlation import both
from evalkit.stats.estimate import Estimate
from evalkit.stats.ratio import ratio
from evalkit.stats.sums import Floats

Indices = NDArray[np.int64]

_AT_MOST = 4_000_000  # pairs looked at; of more, that many at random


@dataclass(frozen=True)
class TieCalibration:
    """Accuracy with the metric's best tie threshold: pairs whose scores lie at most ``epsilon`` apart are ties."""

    accuracy: Estimate  # acc_23, averaged over groups; its interval resamples groups, the threshold held fixed
    tau: Estimate  # tau_23 = 2 · acc_23 - 1
    epsilon: float
    thresholds: Floats  # every threshold that changes anything, ascending from 0
    accuracies: Floats  # and the accuracy there
    groups: int  # with at least one pair
    pairs: int  # looked at
    sampled: bool  # whether these are a random part of all


@dataclass(frozen=True)
class Pairs:
    """Pairs of outputs of one group each, and how both sides order them."""

    group: Indices  # (pairs,) from 0
    human: Floats  # -1, 0, 1
    metric: Floats  # difference of scores
    groups: int
    sampled: bool

    @classmethod
    def of(cls, metric: Floats, human: Floats, groups: ArrayLike | None, *, seed: int = 0, at_most: int = _AT_MOST) -> Pairs:
        """All pairs within groups (or of all records); of more than ``at_most`` the same share of each group, at random."""
        labels = np.zeros(len(metric), dtype=np.int64) if groups is None else np.asarray(groups)
        _, group = np.unique(labels, return_inverse=True)
        order = np.argsort(group, kind="stable")
        sizes = np.bincount(group, minlength=1)
        pairs = sizes * (sizes - 1) // 2
        total = int(pairs.sum())
        share = min(1.0, at_most / max(total, 1))
        rng = np.random.default_rng(seed)
        one, two = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for start, size, count in zip(np.cumsum(sizes) - sizes, sizes, pairs):
            if count:
                first, second = (
                    np.triu_indices(size, 1) if share == 1.0 else _drawn(int(size), max(1, round(share * count)), rng)
                )
                one.append(order[start + first])
                two.append(order[start + second])
        left, right = np.concatenate(one), np.concatenate(two)
        _, there = np.unique(group[left], return_inverse=True)
        seen = int(there.max(initial=-1)) + 1
        return cls(there, np.sign(human[left] - human[right]), metric[left] - metric[right], seen, share < 1.0)

    @property
    def weight(self) -> Floats:
        """What each pair adds to the average over groups."""
        sizes = np.bincount(self.group, minlength=self.groups).astype(np.float64)
        weight: Floats = 1.0 / (sizes[self.group] * self.groups)
        return weight

    def right(self, epsilon: float) -> NDArray[np.bool_]:
        """Which pairs the metric orders as people do, with that tie threshold."""
        told = np.where(np.abs(self.metric) <= epsilon, 0.0, np.sign(self.metric))
        right: NDArray[np.bool_] = told == self.human
        return right


def calibrate_ties(
    metric: ArrayLike,
    human: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 1_000,
) -> TieCalibration:
    """The tie threshold that lets the metric agree with people most often, and how often that is.

    A metric with many digits never says tie, and loses every pair that people hold for equal; the threshold is chosen on
    the same data, so the value is a little high. All thresholds are tried at once: sorted by their difference, pairs
    turn into ties one after the other, and each changes the average by a fixed amount.

    Args:
        metric, human: (n,) numbers; NaN is missing.
        groups: (n,) labels; only pairs of one group count, and groups are averaged. Without it all pairs count.

    Source: Deutsch, Foster & Freitag (2023), Ties Matter, eq. 8 and algorithm 1 (acc_23, tau_23); `mt_metrics_eval`.
    """
    x, y, kept = both(metric, human)
    pairs = Pairs.of(x, y, None if groups is None else np.asarray(groups)[kept], seed=seed)
    if not len(pairs.group):
        nothing = Estimate.unknown("no two records to order", level=level)
        return TieCalibration(nothing, nothing, math.nan, np.empty(0), np.empty(0), 0, 0, False)
    apart, weight = np.abs(pairs.metric), pairs.weight
    order = np.argsort(apart, kind="stable")
    gains = weight * ((pairs.human == 0.0).astype(np.float64) - pairs.right(0.0))
    running = float(weight @ pairs.right(0.0)) + np.cumsum(gains[order])
    ordered = apart[order]
    last = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])
    thresholds, accuracies = ordered[last], running[last]
    if thresholds[0] > 0.0:
        thresholds, accuracies = np.r_[0.0, thresholds], np.r_[float(weight @ pairs.right(0.0)), accuracies]
    best = int(np.argmax(accuracies > accuracies.max() - 1e-12))  # the first of equals, whatever rounding says
    epsilon = float(thresholds[best])
    accuracy = accuracy_at(pairs, epsilon, grouped=groups is not None, seed=seed, level=level, resamples=resamples)
    tau = Estimate(
        2 * accuracy.value - 1, 2 * accuracy.low - 1, 2 * accuracy.high - 1, 2 * accuracy.stderr,
        accuracy.n, accuracy.method, level, accuracy.reason,
    )  # fmt: skip
    return TieCalibration(accuracy, tau, epsilon, thresholds, accuracies, pairs.groups, len(apart), pairs.sampled)


def accuracy_at(
    pairs: Pairs, epsilon: float, *, grouped: bool = True, seed: int = 0, level: float = 0.95, resamples: int = 1_000
) -> Estimate:
    """acc_23 at a given threshold, averaged over groups; bootstrap over groups."""
    right = pairs.right(epsilon).astype(np.float64)
    each = ratio(np.bincount(pairs.group, weights=right, minlength=pairs.groups), np.bincount(pairs.group))
    if not grouped or pairs.groups < 2:
        why = "pairs of one group share their records: the interval needs groups to resample"
        return Estimate(float(each.mean()), n=pairs.groups, level=level, reason=why)
    rows = Statistic(np.stack([each, np.ones(len(each))], axis=1), lambda totals: totals[..., :1] / totals[..., 1:])
    return Estimate.part(intervals([rows], seed=seed, level=level, resamples=resamples)[0])


def _drawn(size: int, count: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """About ``count`` different pairs of ``size`` records, at random."""
    drawn = np.unique(rng.integers(0, size * (size - 1) // 2, count))
    first = ((2 * size - 1 - np.sqrt((2.0 * size - 1) ** 2 - 8.0 * drawn)) / 2.0).astype(np.int64)
    before = first * (2 * size - first - 1) // 2
    first = np.where(before > drawn, first - 1, first)  # the root may round either way
    before = first * (2 * size - first - 1) // 2
    over = drawn - before >= size - 1 - first
    first, before = np.where(over, first + 1, first), np.where(over, before + size - 1 - first, before)
    return first, first + 1 + drawn - before
