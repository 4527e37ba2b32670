"""Krippendorff's alpha: agreement of any number of raters, on any kind of scale, with ratings missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from evalkit.stats.bootstrap import Statistic, intervals
from evalkit.stats.categories import coded, numbers
from evalkit.stats.estimate import Estimate
from evalkit.stats.kappa import value_counts
from evalkit.stats.ratio import ratio
from evalkit.stats.sums import Floats

MOST_VALUES = 1_000  # of a scale that is not of numbers
Scale = Literal["nominal", "ordinal", "interval", "ratio"]


def krippendorff_alpha(
    ratings: ArrayLike,
    *,
    scale: Scale = "nominal",
    values: Sequence[Any] | None = None,
    level: float = 0.95,
    seed: int = 0,
    resamples: int = 1_000,
    clusters: ArrayLike | None = None,
) -> Estimate:
    """1 - observed / expected disagreement; 1 is perfect, 0 what chance gives.

    Args:
        ratings: (n, raters) labels; None and NaN are missing. Units rated once say nothing and are left out.
        scale: what a difference means. ``interval`` and ``ratio`` need numbers; ``ordinal`` needs numbers or ``values``.
        values: the scale in its order; without it the labels that occur, sorted.

    Returns:
        The interval resamples whole units (or ``clusters`` of them), so that raters of a unit stay together; the
        expected disagreement varies with the resample. Hayes & Krippendorff's own bootstrap holds it fixed and draws
        pairs as if they were independent.

    Source: Krippendorff (2011), Computing Krippendorff's alpha-reliability; Hayes & Krippendorff (2007); resampling
    of units: Zapf et al. (2016).
    """
    codes, found = coded(ratings, values)
    if codes.ndim != 2:
        raise ValueError(f"ratings has shape {codes.shape}; units by raters, (n, raters), is needed")
    if scale not in ("nominal", "ordinal", "interval", "ratio"):
        raise ValueError(f"scale must be 'nominal', 'ordinal', 'interval' or 'ratio', not {scale!r}")
    sizes = numbers(found)
    if sizes is None and (scale in ("interval", "ratio") or (scale == "ordinal" and values is None)):
        raise ValueError(f"the {scale} scale needs numbers" + (" or `values` in their order" if scale == "ordinal" else ""))
    if scale != "interval" and len(found) > MOST_VALUES:
        raise ValueError(f"{len(found):,} different values are no {scale} scale; round them, or take the interval scale")
    pairable = (codes >= 0).sum(axis=1) > 1
    if not pairable.any():
        return Estimate.unknown("no unit was rated twice", level=level)
    codes = codes[pairable]
    if len(np.unique(codes[codes >= 0])) < 2:
        return Estimate.unknown("all ratings are one value: there is nothing to tell apart", n=len(codes), level=level)
    groups = None if clusters is None else np.asarray(clusters)[pairable]
    if scale == "interval":
        assert sizes is not None
        statistic = _of_numbers(np.where(codes >= 0, sizes[codes], np.nan))
    else:
        statistic = alpha_statistic(value_counts(codes, len(found)), sizes, scale)
    return Estimate.part(intervals([statistic], seed=seed, level=level, resamples=resamples, clusters=groups)[0])


def alpha_statistic(counts: Floats, sizes: Floats | None, scale: Scale) -> Statistic:
    """Alpha as sums over units, from how often each value was given to each (n, values); all units rated twice or more.

    Of ordinal scales the distance is the difference of mid-ranks, which move with the resample: each pair of values that met
    in a unit has a column.
    """
    rated = counts.sum(1)
    if scale == "ordinal":
        return _ordinal(counts)
    k = counts.shape[1]
    distance = 1.0 - np.eye(k)
    if scale == "ratio":
        assert sizes is not None
        distance = ratio(sizes[:, None] - sizes, sizes[:, None] + sizes, 0.0) ** 2
    apart = ((counts @ distance) * counts).sum(1) / (rated - 1.0)

    def combine(totals: Floats) -> Floats:
        given = totals[..., 1:]
        expected = ((given @ distance) * given).sum(-1)
        return (1.0 - ratio(totals[..., 0] * (given.sum(-1) - 1.0), expected))[..., None]

    return Statistic(np.concatenate([apart[:, None], counts], axis=1), combine)


def _of_numbers(ratings: Floats) -> Statistic:
    """Of squared differences of numbers (n, raters), NaN where missing: moments, 4 columns however many values there are."""
    rated = (~np.isnan(ratings)).sum(axis=1).astype(np.float64)
    place = np.where(np.isnan(ratings), 0.0, ratings - np.nanmean(ratings))
    first, second = place.sum(axis=1), (place**2).sum(axis=1)
    apart = 2.0 * (rated * second - first**2) / (rated - 1.0)
    return Statistic(np.stack([apart, rated, first, second], axis=1), _moments)


def _moments(totals: Floats) -> Floats:
    """Alpha of (observed squared differences, ratings, sum, sum of squares)."""
    observed, n, first, second = np.moveaxis(totals, -1, 0)
    expected = 2.0 * (n * second - first**2)
    expected = np.where(expected > 1e-12 * np.abs(n * second), expected, 0.0)
    return (1.0 - ratio(observed * (n - 1.0), expected))[..., None]


def _ordinal(counts: Floats) -> Statistic:
    k = counts.shape[1]
    low, high = np.triu_indices(k, 1)
    met = (counts.T @ counts)[low, high] > 0.0
    low, high = low[met], high[met]
    pairs = 2.0 * counts[:, low] * counts[:, high] / (counts.sum(1) - 1.0)[:, None]

    def combine(totals: Floats) -> Floats:
        given, together = totals[..., :k], totals[..., k:]
        ranks = np.cumsum(given, axis=-1) - given / 2.0
        total = given.sum(-1)
        observed = (together * (ranks[..., low] - ranks[..., high]) ** 2).sum(-1)
        centred = ranks - total[..., None] / 2.0  # the mean mid-rank
        expected = 2.0 * total * (given * centred**2).sum(-1)
        return (1.0 - ratio(observed * (total - 1.0), expected))[..., None]

    return Statistic(np.concatenate([counts, pairs], axis=1), combine)
