"""Agreement beyond chance in categories: Cohen's kappa of two raters, Fleiss' of several."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from evalkit.stats.bootstrap import Statistic, intervals
from evalkit.stats.categories import Codes, coded
from evalkit.stats.estimate import Estimate
from evalkit.stats.proportion import wilson
from evalkit.stats.ratio import ratio
from evalkit.stats.sums import Floats

Weights = Literal["none", "linear", "quadratic"]
How = Literal["asymptotic", "bootstrap"]


def cohen_kappa(
    a: ArrayLike,
    b: ArrayLike,
    *,
    weights: Weights = "none",
    values: Sequence[Any] | None = None,
    interval: How = "bootstrap",
    level: float = 0.95,
    seed: int = 0,
    resamples: int = 1_000,
    clusters: ArrayLike | None = None,
) -> Estimate:
    """Cohen's kappa of two raters over the records that both rated.

    Args:
        a, b: (n,) labels; None and NaN are missing.
        weights: how much a disagreement counts by the distance of the two places in the scale.
        values: the whole scale in its order; without it the labels that occur. Weights on texts need it.
        interval: ``bootstrap`` over records or ``clusters`` (n,), or ``asymptotic`` (Fleiss, Cohen & Everitt 1969), which
            is too narrow for few records: of 30 it held the truth in 91 to 93 % of our simulations, the bootstrap in 94
            to 96 %; from 200 on they are alike.

    Returns:
        NaN with a reason where no record has both labels, or chance alone agrees (both used one category). Where all
        agree neither interval has width, and the low end is where Wilson's bound of the share of agreeing records puts
        kappa at the same chance agreement (method ``wilson``).

    Source: Cohen (1960; 1968, weighted); variance: Fleiss, Cohen & Everitt (1969), eq. 8 and 14, as in statsmodels.
    """
    left, right, scale, kept = _both(a, b, values, weights)
    n = len(left)
    if not n:
        return Estimate.unknown("no record has a label of both raters", level=level)
    counts = np.bincount(left * len(scale) + right, minlength=len(scale) ** 2).reshape(len(scale), -1).astype(np.float64)
    distance = _distance(len(scale), weights)
    kappa, stderr = weighted_kappa(counts, distance)
    if math.isnan(kappa):
        return Estimate.unknown("both raters used one and the same category: chance alone agrees", n=n, level=level)
    if np.trace(counts) == n:
        chance = distance_of_chance(counts, 1.0 - np.eye(len(scale)))
        low = 1.0 - (1.0 - float(wilson(n, n, level)[0])) / chance
        return Estimate(1.0, low, 1.0, 0.0, n, "wilson", level)
    if interval == "asymptotic" and clusters is None:
        found = Estimate.normal(kappa, stderr, n=n, level=level)
        return replace(found, high=min(found.high, 1.0))  # the normal tail may reach beyond what kappa can be
    groups = None if clusters is None else np.asarray(clusters)[kept]
    statistic = kappa_statistic(left, right, distance)
    return Estimate.part(intervals([statistic], seed=seed, level=level, resamples=resamples, clusters=groups)[0])


def kappa_statistic(left: Codes, right: Codes, distance: Floats) -> Statistic:
    """Kappa as sums: the distance of each pair, and each rater's counts; 2k + 1 columns for k categories."""
    k = len(distance)
    one_hot = np.eye(k)
    values = np.concatenate([distance[left, right][:, None], one_hot[left], one_hot[right]], axis=1)

    def combine(totals: Floats) -> Floats:
        rows, columns = totals[..., 1 : k + 1], totals[..., k + 1 :]
        expected = ((rows @ distance) * columns).sum(-1)
        return (1.0 - ratio(totals[..., 0] * rows.sum(-1), expected))[..., None]

    return Statistic(values, combine)


def weighted_kappa(counts: Floats, distance: Floats) -> tuple[float, float]:
    """Kappa of one confusion matrix and its asymptotic standard error; NaN where chance alone agrees."""
    total = counts.sum()
    shares = counts / total
    rows, columns = shares.sum(1), shares.sum(0)
    expected = float(rows @ distance @ columns)
    if expected <= 0.0:
        return math.nan, math.nan
    kappa = 1.0 - float((distance * shares).sum()) / expected
    agree = 1.0 - distance
    apart = (agree @ columns)[:, None] + (rows @ agree)[None, :]
    chance = 1.0 - expected
    squares = float((shares * (agree - apart * (1.0 - kappa)) ** 2).sum())
    variance = (squares - (kappa - chance * (1.0 - kappa)) ** 2) / (expected**2 * total)
    return kappa, math.sqrt(max(variance, 0.0))


def distance_of_chance(counts: Floats, distance: Floats) -> float:
    """The mean distance of two labels drawn at random, one from each rater."""
    shares = counts / counts.sum()
    return float(shares.sum(1) @ distance @ shares.sum(0))


def fleiss_kappa(
    ratings: ArrayLike,
    *,
    values: Sequence[Any] | None = None,
    level: float = 0.95,
    seed: int = 0,
    resamples: int = 1_000,
    clusters: ArrayLike | None = None,
) -> Estimate:
    """Fleiss' kappa of several raters, who need not be the same for each record; bootstrap over records.

    Args:
        ratings: (n, raters) labels; None and NaN are missing. Records rated fewer than twice say nothing and are left
            out; each other record counts the same, however many rated it (Gwet 2014, section 2.4).

    Source: Fleiss (1971), eq. 1 to 6.
    """
    codes, scale = coded(ratings, values)
    if codes.ndim != 2:
        raise ValueError(f"ratings has shape {codes.shape}; records by raters, (n, raters), is needed")
    counts = value_counts(codes, len(scale))
    rated = counts.sum(1)
    pairable = rated > 1
    n = int(pairable.sum())
    if not n:
        return Estimate.unknown("no record was rated twice", level=level)
    counts, rated = counts[pairable], rated[pairable]
    agreeing = (counts * (counts - 1.0)).sum(1) / (rated * (rated - 1.0))
    rows = np.concatenate([agreeing[:, None], counts / rated[:, None]], axis=1)
    groups = None if clusters is None else np.asarray(clusters)[pairable]

    def combine(totals: Floats) -> Floats:
        shares = totals[..., 1:]
        records = shares.sum(-1)
        observed, chance = ratio(totals[..., 0], records), ratio((shares**2).sum(-1), records**2)
        with np.errstate(invalid="ignore"):
            apart = np.where(chance < 1.0 - 1e-12, 1.0 - chance, 0.0)
        return ratio(observed - chance, apart)[..., None]

    found = intervals([Statistic(rows, combine)], seed=seed, level=level, resamples=resamples, clusters=groups)[0]
    only = np.count_nonzero(counts.sum(0)) < 2
    return Estimate.part(found, reason="all ratings are one category: chance alone agrees" if only else None)


def value_counts(codes: Codes, k: int) -> Floats:
    """How many raters gave each value, (n, k), of codes (n, raters)."""
    n, raters = codes.shape
    rows = np.repeat(np.arange(n), raters)
    flat = codes.ravel()
    given = flat >= 0
    return np.bincount(rows[given] * k + flat[given], minlength=n * k).reshape(n, k).astype(np.float64)


def _distance(k: int, weights: Weights) -> Floats:
    """How far two places in a scale of ``k`` lie apart, 0 to 1."""
    place = np.arange(k, dtype=np.float64)
    apart = np.abs(place[:, None] - place)
    measures: dict[str, Callable[[], Floats]] = {
        "none": lambda: (apart > 0.0).astype(np.float64),
        "linear": lambda: apart / max(k - 1, 1),
        "quadratic": lambda: (apart / max(k - 1, 1)) ** 2,
    }
    if weights not in measures:
        raise ValueError(f"weights must be 'none', 'linear' or 'quadratic', not {weights!r}")
    return measures[weights]()


def _both(a: ArrayLike, b: ArrayLike, values: Sequence[Any] | None, weights: Weights) -> tuple[Codes, Codes, list[Any], Codes]:
    """The codes of the records that both rated, the scale, and which records those are."""
    one, two = np.asarray(a, dtype=object), np.asarray(b, dtype=object)
    if one.ndim != 1 or one.shape != two.shape:
        raise ValueError(f"two raters need as many labels each, not shapes {one.shape} and {two.shape}")
    codes, scale = coded(np.stack([one, two], axis=1), values)
    if weights != "none" and values is None and any(isinstance(value, str) for value in scale):
        raise ValueError(f"{weights} weights of texts need their order: give `values`")
    kept = np.flatnonzero((codes >= 0).all(axis=1))
    return codes[kept, 0], codes[kept, 1], scale, kept
