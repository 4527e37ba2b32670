"""Correlations as meta-evaluations report them: within documents, over the data set, and of systems' means."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.bootstrap import Statistic, intervals
from evalkit.stats.correlation import PARTS, both, correlations, undefined, values_of
from evalkit.stats.estimate import Estimate
from evalkit.stats.ratio import ratio
from evalkit.stats.sums import Floats

Indices = NDArray[np.int64]

LEVELS = ("dataset", "document", "system")
_PAIRS = 2_000_000  # pairs looked at together: 16 MB an array
_LARGE = 256  # members above which a group is ranked by sorting instead of pair by pair


def meta_evaluation(
    metric: ArrayLike,
    human: ArrayLike,
    *,
    documents: ArrayLike | None = None,
    systems: ArrayLike | None = None,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 1_000,
) -> dict[str, dict[str, Estimate]]:
    """`correlation.PARTS` at each of `LEVELS` that can be told: ``document`` needs documents, ``system`` systems.

    All intervals resample documents where these are given (outputs for one document go together), else records.

    Args:
        metric, human: (n,) numbers; NaN is missing.
        documents, systems: (n,) labels.
    """
    found = {"dataset": correlations(metric, human, clusters=documents, seed=seed, level=level, resamples=resamples)}
    if documents is not None:
        found["document"] = within(metric, human, documents, seed=seed, level=level, resamples=resamples)
    if systems is not None:
        found["system"] = of_systems(metric, human, systems, documents=documents, seed=seed, level=level, resamples=resamples)
    return found


def within(
    metric: ArrayLike,
    human: ArrayLike,
    groups: ArrayLike,
    *,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 1_000,
) -> dict[str, Estimate]:
    """The correlation within each group, averaged over the groups that have one; bootstrap over groups.

    Groups in which either side is constant are skipped, as G-Eval's and UniEval's meta-evaluations do; ``n`` counts
    those that are left.
    """
    x, y, kept = both(metric, human)
    each = each_group(x, y, np.asarray(groups)[kept])
    defined = int((~np.isnan(each[:, 0])).sum())
    if not defined:
        why = undefined(x, y) or "in every group one of the two scores is the same for all"
        return {part: Estimate.unknown(why, level=level) for part in PARTS}
    rows = [np.stack([column, np.where(np.isnan(column), np.nan, 1.0)], axis=1) for column in each.T]
    found = intervals([Statistic(row, _mean) for row in rows], seed=seed, level=level, resamples=resamples)
    return {part: Estimate.part(one) for part, one in zip(PARTS, found, strict=True)}


def of_systems(
    metric: ArrayLike,
    human: ArrayLike,
    systems: ArrayLike,
    *,
    documents: ArrayLike | None = None,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 1_000,
) -> dict[str, Estimate]:
    """The correlation of the systems' mean scores; bootstrap over documents (or records): how sure it is of *these* systems.

    ``n`` counts the systems. The means are of the records that have both scores.
    """
    x, y, kept = both(metric, human)
    names, system = np.unique(np.asarray(systems)[kept], return_inverse=True)
    s = len(names)
    sums, counts = (np.bincount(system, weights=side, minlength=s) for side in (x, y)), np.bincount(system, minlength=s)
    why = undefined(*(ratio(side, counts) for side in sums))
    if why is not None:
        told = why.replace("records", "systems").replace("record", "system")
        return {part: Estimate.unknown(told, n=s, level=level) for part in PARTS}
    unit = np.arange(len(x)) if documents is None else np.unique(np.asarray(documents)[kept], return_inverse=True)[1]
    cells, m = unit * s + system, int(unit.max()) + 1
    rows = [np.bincount(cells, weights=side, minlength=m * s).reshape(m, s) for side in (np.ones(len(x)), x, y)]

    def combine(totals: Floats) -> Floats:
        times, left, right = np.split(totals, 3, axis=-1)
        return batched(ratio(left, times).reshape(-1, s), ratio(right, times).reshape(-1, s)).reshape(*totals.shape[:-1], 4)

    found = intervals([Statistic(np.concatenate(rows, axis=1), combine)], seed=seed, level=level, resamples=resamples)[0]
    estimates = (Estimate.part(found, at) for at in range(4))
    return {
        part: Estimate(one.value, one.low, one.high, one.stderr, s, one.method, level, one.reason)
        for part, one in zip(PARTS, estimates, strict=True)
    }


def each_group(x: Floats, y: Floats, groups: ArrayLike) -> Floats:
    """The four correlations of every group, (groups, 4), in the order of the sorted labels; NaN where there is none."""
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group)
    starts = np.cumsum(sizes) - sizes
    found = np.full((len(sizes), len(PARTS)), np.nan)
    small = np.flatnonzero((sizes > 1) & (sizes <= _LARGE))
    if len(small):
        width = int(sizes[small].max())
        place = starts[small, None] + np.arange(width)
        there = np.arange(width) < sizes[small, None]
        member = order[np.minimum(place, len(order) - 1)]
        found[small] = batched(np.where(there, x[member], np.nan), np.where(there, y[member], np.nan))
    for at in np.flatnonzero(sizes > _LARGE):
        members = order[starts[at] : starts[at] + sizes[at]]
        if undefined(x[members], y[members]) is None:
            found[at] = values_of(x[members], y[members])
    return found


def batched(x: Floats, y: Floats) -> Floats:
    """The four correlations of each row of x and y (b, m), NaN padded alike; (b, 4). Pair by pair: m² a row."""
    found = np.empty((len(x), len(PARTS)))
    step = max(1, _PAIRS // max(x.shape[1] ** 2, 1))
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        found[rows] = _pair_by_pair(x[rows], y[rows])
    return found


def _pair_by_pair(x: Floats, y: Floats) -> Floats:
    there = ~(np.isnan(x) | np.isnan(y))
    n = there.sum(axis=1).astype(np.float64)
    together = there[:, :, None] & there[:, None, :]
    left, right = (np.where(together, np.sign(side[:, :, None] - side[:, None, :]), 0.0) for side in (x, y))
    apart = (left * right).sum(axis=(1, 2)) / 2.0
    differ_x, differ_y = (np.abs(signs).sum(axis=(1, 2)) / 2.0 for signs in (left, right))
    tau_b = ratio(apart, np.sqrt(differ_x * differ_y))
    fewest = np.minimum(*(_distinct(signs, together, there) for signs in (left, right)))
    tau_c = np.where(fewest > 1, ratio(2.0 * apart, n**2 * ratio(fewest - 1.0, fewest, 0.0)), np.nan)
    varies = (differ_x > 0.0) & (differ_y > 0.0)
    rho = _pearson(left.sum(axis=2), right.sum(axis=2), there, varies)  # twice the mid-ranks, centred
    return np.stack([_pearson(x, y, there, varies), rho, tau_b, tau_c], axis=1)


def _pearson(x: Floats, y: Floats, there: NDArray[np.bool_], varies: NDArray[np.bool_]) -> Floats:
    n = there.sum(axis=1).astype(np.float64)
    left, right = (np.where(there, side, 0.0) for side in (x, y))
    left, right = (np.where(there, side - ratio(side.sum(axis=1), n)[:, None], 0.0) for side in (left, right))
    spread = np.where(varies, (left**2).sum(axis=1) * (right**2).sum(axis=1), 0.0)
    return np.clip(ratio((left * right).sum(axis=1), np.sqrt(spread)), -1.0, 1.0)


def _distinct(signs: Floats, together: NDArray[np.bool_], there: NDArray[np.bool_]) -> Floats:
    """How many distinct values each row has: each counts 1 over the size of its tie."""
    ties = (together & (signs == 0.0)).sum(axis=2)
    counted: Floats = np.rint(ratio(there.astype(np.float64), ties, 0.0).sum(axis=1))
    return counted


def _mean(totals: Floats) -> Floats:
    return ratio(totals[..., 0], totals[..., 1])[..., None]
