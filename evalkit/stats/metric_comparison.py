"""Which of two metrics goes with people better: PERM-BOTH, Williams' test, pairwise accuracy, hard and soft."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.correlation import PARTS, Kind, pearson_of_sums, pearson_statistic
from evalkit.stats.distribution import Statistic
from evalkit.stats.estimate import Estimate
from evalkit.stats.grouped import each_group
from evalkit.stats.normal import student_cdf
from evalkit.stats.pairwise_accuracy import Pairs, calibrate_ties
from evalkit.stats.permutation import Flipped, Paired, sign_flip
from evalkit.stats.rank import RankCorrelations
from evalkit.stats.sums import Floats


@dataclass(frozen=True)
class Against:
    """Two metrics' correlations with people, and whether the second's is larger; p values NaN where there are none."""

    one: float
    two: float
    p: float  # two-sided
    p_greater: float  # against "two is no better than one": what `mt_metrics_eval` reports
    resamples: int
    test: str
    reason: str | None = None

    @property
    def delta(self) -> float:
        """Second less first."""
        return self.two - self.one


def perm_both(
    one: ArrayLike,
    two: ArrayLike,
    human: ArrayLike,
    *,
    kind: Kind = "pearson",
    groups: ArrayLike | None = None,
    seed: int = 0,
    permutations: int = 1_000,
) -> Against:
    """Does metric ``two`` correlate better with people than ``one``?  Both are z-scored; each record's scores exchange.

    As `mt_metrics_eval`'s ``PermutationSigDiff``, but p is (hits + 1) / (permutations + 1), exact where there are few
    records, and never stops early. With ``groups`` (n,) correlations are averaged over the groups that have one.

    Source: Deutsch, Dror & Roth (2021), section 4 (PERM-BOTH).
    """
    a, b, y, kept = _aligned(one, two, human)
    if len(y) < 3 or not all(np.ptp(side) > 0.0 for side in (a, b, y)):
        return Against(math.nan, math.nan, math.nan, math.nan, 0, "perm-both", "a score is the same for every record")
    sides = [(side - side.mean()) / side.std() for side in (a, b)]
    at = PARTS.index(kind)
    if groups is not None:
        members = _ByGroup(y, np.unique(np.asarray(groups)[kept], return_inverse=True)[1], at)
        rows = [np.stack([side, np.arange(len(y))], axis=1) for side in sides]
        paired = Paired(rows[0], rows[1], _not_a_sum, members)
        first, second = (float(members.mean(side[None])[0]) for side in sides)
    elif kind == "pearson":
        joint = pearson_statistic(np.concatenate(sides), np.concatenate([y, y])).values
        paired = Paired(joint[: len(y)], joint[len(y) :], pearson_of_sums)
        first, second = (float(pearson_of_sums(rows.sum(axis=0))[0]) for rows in (paired.a, paired.b))
    else:
        ranked = RankCorrelations()
        stacked = [Statistic(np.stack([side, y], axis=1), _not_a_sum, ranked) for side in sides]
        paired = Paired.of(*stacked)
        first, second = (float(ranked(side.values, np.ones((1, len(y))))[0, at - 1]) for side in stacked)
        at -= 1
    flipped = sign_flip([paired], seed=seed, resamples=permutations)[0]
    return _against(first, second, flipped, at if groups is None and kind != "pearson" else 0, "perm-both")


def accuracy_test(
    one: ArrayLike,
    two: ArrayLike,
    human: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    epsilons: tuple[float | None, float | None] = (None, None),
    exchange: Literal["groups", "pairs"] = "groups",
    seed: int = 0,
    permutations: int = 1_000,
) -> Against:
    """Is metric ``two``'s pairwise accuracy (acc_23) better?  Verdicts on pairs exchange, not scores.

    So each metric keeps its own tie threshold: the given one, or its best. All pairs of a group (n,) exchange together,
    for they share its records. `mt_metrics_eval`'s ``PairwisePermutationSigDiff`` exchanges each pair on its own, as
    ``exchange="pairs"`` does: of two equally good metrics it calls 49 % different at p ≤ .05 without groups, and 11 %
    with groups of 6 (300 simulations of 60 records each), so it is not the default.
    """
    a, b, y, kept = _aligned(one, two, human)
    labels = None if groups is None else np.asarray(groups)[kept]
    test = f"{exchange} exchanged"
    rows, values, of_pair = [], [], np.empty(0, np.int64)
    for side, epsilon in zip((a, b), epsilons, strict=True):
        pairs = Pairs.of(side, y, labels, seed=seed)
        of_pair = pairs.group
        if not len(of_pair):
            return Against(math.nan, math.nan, math.nan, math.nan, 0, test, "no two records to order")
        best = calibrate_ties(side, y, groups=labels, seed=seed, resamples=1).epsilon if epsilon is None else epsilon
        rows.append((pairs.weight * pairs.right(best))[:, None])
        values.append(float(rows[-1].sum()))
    together = None if exchange == "pairs" else of_pair
    if together is not None and together.max() < 1:
        why = "pairs of one group share their records: nothing independent exchanges; give groups, or use perm_both"
        return Against(values[0], values[1], math.nan, math.nan, 0, test, why)
    flipped = sign_flip([Paired(rows[0], rows[1], _as_it_is)], seed=seed, resamples=permutations, clusters=together)[0]
    return _against(values[0], values[1], flipped, 0, test)


def williams(one: float, two: float, between: float, n: int) -> Against:
    """Williams' test of two Pearson correlations with the same third score, of ``n`` records.

    Args:
        one, two: each metric with people; between: the metrics with each other.

    Source: Williams (1959); Steiger (1980), eq. 7; for metrics, Graham & Baldwin (2014).
    """
    left = 1.0 - one**2 - two**2 - between**2 + 2.0 * one * two * between  # the determinant of the three
    mean = (one + two) / 2.0
    if n <= 3 or not left >= -1e-12 or between >= 1.0:
        why = "Williams' test needs 4 records, and two metrics that are not the same"
        return Against(one, two, math.nan, math.nan, 0, "williams", why)
    under = math.sqrt(2.0 * (n - 1.0) / (n - 3.0) * max(left, 0.0) + mean**2 * (1.0 - between) ** 3)
    t = (two - one) * math.sqrt((n - 1.0) * (1.0 + between)) / under if under > 0.0 else math.nan
    greater = student_cdf(-t, n - 3.0)
    return Against(one, two, 2.0 * min(greater, 1.0 - greater), greater, 0, "williams")


def soft_pairwise_accuracy(
    metric: ArrayLike,
    human: ArrayLike,
    systems: ArrayLike,
    documents: ArrayLike,
    *,
    seed: int = 0,
    permutations: int = 1_000,
) -> Estimate:
    """1 - mean |p by people - p by the metric| over all pairs of systems; p that the first is better, by paired permutation.

    Documents that lack a score of any system are left out; ``n`` counts the rest. Both sides see the same permutations,
    as in `mt_metrics_eval`'s ``pce``.

    Source: Thompson, Mathur, Deutsch & Khayrallah (2024), Improving statistical significance in human evaluation of
    automatic metrics via soft pairwise accuracy, eq. 2.
    """
    x, y = np.asarray(metric, dtype=np.float64), np.asarray(human, dtype=np.float64)
    names, system = np.unique(np.asarray(systems), return_inverse=True)
    titles, document = np.unique(np.asarray(documents), return_inverse=True)
    tables = []
    for side in (x, y):
        table = np.full((len(titles), len(names)), np.nan)
        table[document, system] = side
        tables.append(table)
    whole = ~np.isnan(tables[0] + tables[1]).any(axis=1)
    n = int(whole.sum())
    if len(names) < 2 or not n:
        return Estimate.unknown("two systems that share a document with scores of all are needed", n=n)
    signs: Floats = 2.0 * np.random.default_rng(seed).integers(0, 2, (permutations, n)).astype(np.float64) - 1.0
    first, second = np.triu_indices(len(names), 1)
    told = [_better(table[whole], signs, first, second) for table in tables]
    return Estimate(1.0 - float(np.abs(told[0] - told[1]).mean()), n=n, reason="no interval: the pairs share their systems")


def _better(table: Floats, signs: Floats, first: NDArray[np.int64], second: NDArray[np.int64]) -> Floats:
    """The share of sign changes that part each pair of systems at least as far as they are parted."""
    drawn, seen = signs @ table, table.sum(axis=0)
    near = 1e-9 * np.abs(table).sum()
    apart = seen[first] - seen[second] - near
    return np.array([(drawn[:, a] - drawn[:, b] >= gap).mean() for a, b, gap in zip(first, second, apart)])


class _ByGroup:
    """The mean of the groups' correlations where each record's score is one of two: a ``combine_rows`` of sign flips.

    Values are (score, record); of a record's two rows one has weight 1, the other 0.
    """

    def __init__(self, human: Floats, group: NDArray[np.int64], part: int) -> None:
        self.human, self.group, self.part = human, group, part

    def __call__(self, values: Floats, weights: Floats) -> Floats:
        place = np.argsort(values[:, 1], kind="stable").reshape(len(self.human), -1)
        scores = sum(weights[:, at] * values[at, 0] for at in place.T)
        return self.mean(np.asarray(scores))[:, None]

    def mean(self, scores: Floats) -> Floats:
        """Of scores (b, n): the average over groups, (b,); each row's groups are groups of their own."""
        b, count = len(scores), int(self.group.max()) + 1
        groups = (np.arange(b)[:, None] * count + self.group).ravel()
        each = each_group(scores.ravel(), np.tile(self.human, b), groups)[:, self.part].reshape(b, count)
        there = ~np.isnan(each)
        with np.errstate(invalid="ignore"):
            mean: Floats = np.where(there, each, 0.0).sum(axis=1) / there.sum(axis=1)
        return mean


def _against(one: float, two: float, flipped: Flipped, at: int, test: str) -> Against:
    how = f"{test}, exact" if flipped.exact else test
    return Against(one, two, float(flipped.p[at]), float(flipped.p_greater[at]), flipped.resamples, how)


def _aligned(one: ArrayLike, two: ArrayLike, human: ArrayLike) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
    """The records that have all three scores, and which they are."""
    sides = [np.asarray(side, dtype=np.float64) for side in (one, two, human)]
    if len({side.shape for side in sides}) > 1 or sides[0].ndim != 1:
        raise ValueError("both metrics and the human scores need one number per record")
    kept = np.flatnonzero(~np.isnan(sum(sides)))
    return sides[0][kept], sides[1][kept], sides[2][kept], kept


def _as_it_is(totals: Floats) -> Floats:
    return totals


def _not_a_sum(_totals: Floats) -> Floats:
    raise AssertionError("correlations of groups are no sums")
