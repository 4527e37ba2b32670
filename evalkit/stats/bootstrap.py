"""Bootstrap intervals of any number of metrics at once, through their sums."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from evalkit.stats.bca import FEW, Interval, Method, interval
from evalkit.stats.distribution import POOL_ABOVE, Distribution, Statistic, distributions
from evalkit.stats.members import Apart, CombineRows
from evalkit.stats.studentised import difference as studentised_difference
from evalkit.stats.sums import Floats

__all__ = [
    "POOL_ABOVE",
    "Distribution",
    "Interval",
    "Method",
    "Statistic",
    "difference",
    "distributions",
    "interval",
    "intervals",
    "paired",
    "unpaired",
    "unpaired_difference",
]


def intervals(
    statistics: Sequence[Statistic],
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 1_000,
    clusters: ArrayLike | None = None,
    method: Method = "auto",
    pool_above: int = POOL_ABOVE,
    few: int = FEW,
) -> list[Interval]:
    """Bootstrap intervals of all statistics, from one set of resamples.

    Whole records are drawn, so numerators stay with their denominators, and metrics that rise and fall together do so
    in every resample. Every statistic has the same number of records n; each may have other unscored ones. A
    statistic's interval does not depend on the others, and its sums carry no rounding (`stats.sums.centred`): the same
    seed prints the same digits on every machine.

    Args:
        statistics: rows and how to combine them.
        seed: the only source of randomness.
        level: coverage, in (0, 1).
        resamples: how many.
        clusters: (n,) labels; records that share one are drawn together. Below about 20 clusters, any bootstrap is
            too narrow.
        method: ``bca`` (bias-corrected and accelerated), which falls back to ``percentile`` where it is undefined;
            ``auto`` is the bootstrap-t for parts that tell their records' own values, ``bca`` for the rest.
        pool_above: more records (or clusters) than this are first dealt into at most that many pools of equal size, at
            random. Sums of pools vary as sums of records do: the variance stays unbiased, and the standard error
            itself moves by 1 part in sqrt(2 · pools), 1 % at 5,000, less than 1,000 resamples add (2.2 %).
        few: of fewer units than this, BCa and percentile are read at Student's levels (`bca.interval`).

    Returns:
        One interval per statistic. Bounds are NaN below two scored records (or clusters), and where a value is NaN in
        more than 5 % of the resamples (fewer are left out); they meet where every resample gives the same value.

    Source: Efron & Tibshirani (1993), ch. 13 and 14; for corpora, Koehn (2004); for clusters, Davison & Hinkley
    (1997), section 3.8.
    """
    drawn = distributions(statistics, seed=seed, resamples=resamples, clusters=clusters, pool_above=pool_above)
    return [interval(distribution, level=level, method=method, few=few) for distribution in drawn]


def difference(
    a: Statistic,
    b: Statistic,
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 1_000,
    clusters: ArrayLike | None = None,
    method: Method = "auto",
    pool_above: int = POOL_ABOVE,
) -> Interval:
    """Interval of b - a where row i of both is the same record; a record unscored on either side leaves both.

    Arguments are those of `intervals`. For several metrics pass ``[paired(a, b), …]`` to `intervals`: one set of draws.
    """
    return intervals(
        [paired(a, b)],
        seed=seed,
        level=level,
        resamples=resamples,
        clusters=clusters,
        method=method,
        pool_above=pool_above,
    )[0]


def paired(a: Statistic, b: Statistic) -> Statistic:
    """The statistic b - a of aligned rows; its rows are those of ``a`` and ``b`` side by side."""
    if len(a.values) != len(b.values):
        raise ValueError(f"paired rows must align: {len(a.values)} records against {len(b.values)}")
    split = a.values.shape[1]

    def combine(totals: Floats) -> Floats:
        return b.combine(totals[..., split:]) - a.combine(totals[..., :split])

    additive = a.combine_rows is None and b.combine_rows is None
    rows = None if additive else Apart(_rows_of(a), _rows_of(b), split)
    means = {part: b.means[part] - a.means[part] for part in a.means.keys() & b.means.keys()}
    return Statistic(np.concatenate([a.values, b.values], axis=1), combine, rows, means)


def _rows_of(side: Statistic) -> CombineRows:
    """What turns weighted rows of a statistic into its values, also of one of sums."""

    def combined(values: Floats, weights: Floats) -> Floats:
        return side.combine(weights @ values)

    return side.combine_rows or combined


def unpaired_difference(
    a: Statistic,
    b: Statistic,
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 1_000,
    clusters: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
    method: Method = "auto",
    pool_above: int = POOL_ABOVE,
) -> Interval:
    """Interval of b - a where records cannot be aligned: each side is resampled on its own; arguments as of `unpaired`."""
    drawn = unpaired(a, b, seed=seed, resamples=resamples, clusters=clusters, pool_above=pool_above)
    return interval(drawn, level=level, method=method)


def unpaired(
    a: Statistic,
    b: Statistic,
    *,
    seed: int,
    resamples: int = 1_000,
    clusters: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
    pool_above: int = POOL_ABOVE,
) -> Distribution:
    """The resampled values of b - a where each side is resampled on its own.

    ``clusters`` are the labels of ``a`` and of ``b``; the other arguments are those of `intervals`. ``n`` is the
    smaller side's. The acceleration is that of several samples (Efron & Tibshirani 1993, eq. 15.36).
    """
    seeds = np.random.SeedSequence(seed).spawn(2)
    one, two = (
        distributions([side], seed=own, resamples=resamples, clusters=labels, pool_above=pool_above)[0]
        for side, own, labels in zip((a, b), seeds, clusters, strict=True)
    )
    return Distribution(
        value=two.value - one.value,
        centre=two.centre - one.centre,
        draws=two.draws - one.draws,
        cubes=two.cubes - one.cubes,  # an influence on a is the opposite on b - a
        squares=two.squares + one.squares,
        n=min(one.n, two.n),
        units=min(one.units, two.units),
        studentised={
            part: studentised_difference(one.studentised[part], two.studentised[part])
            for part in one.studentised.keys() & two.studentised.keys()
        },
    )
