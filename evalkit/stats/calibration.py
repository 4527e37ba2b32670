"""From a judge's score to what people would say: calibration maps, how far raw scores are off, and what of that is chance."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.normal import student_quantile
from evalkit.stats.prediction_powered import FEWEST
from evalkit.stats.score_interval import score_bounds
from evalkit.stats.sums import Floats

MOST_LEVELS = 12  # distinct labels up to which they are levels of a scale
FEWEST_IN_BIN = 5


@dataclass(frozen=True)
class IsotonicMap:
    """The rising step-wise map that fits the labels best; between its knots a straight line, beyond them its end values."""

    knots: Floats  # (k,) judge's scores, rising
    values: Floats  # (k,) expected labels, not falling

    def __call__(self, scores: ArrayLike) -> Floats:
        return np.interp(np.asarray(scores, dtype=np.float64), self.knots, self.values)


def isotonic(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> IsotonicMap:
    """Least squares under the one assumption that a higher score means no lower a label; equal scores share a value.

    Source: Ayer et al. (1955), pool adjacent violators; for classifiers Zadrozny & Elkan (2002). Equal to scikit-learn's
    ``IsotonicRegression(out_of_bounds="clip")``.
    """
    from scipy.optimize import isotonic_regression

    x, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    w = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(x):
        raise ValueError("a map needs at least one labelled score")
    knots, at = np.unique(x, return_inverse=True)
    mass = np.bincount(at, weights=w)
    fitted = isotonic_regression(np.bincount(at, weights=w * y) / mass, weights=mass).x
    return IsotonicMap(knots, np.asarray(fitted, dtype=np.float64))


@dataclass(frozen=True)
class OrdinalMap:
    """For every score of the judge how likely each label is; a higher score makes no low label likelier.

    Attributes:
        levels: the labels' levels, rising, (l,).
        above: of each knot and each level but the last, P(label > level), (k, l − 1).
    """

    knots: Floats
    levels: Floats
    above: Floats

    def cumulative(self, scores: ArrayLike) -> Floats:
        """P(label > level) of each score, (n, l − 1)."""
        x = np.asarray(scores, dtype=np.float64)
        return np.stack([np.interp(x, self.knots, column) for column in self.above.T], axis=-1)

    def distribution(self, scores: ArrayLike) -> Floats:
        """P(label = level) of each score, (n, l); rows sum to 1."""
        above = self.cumulative(scores)
        ones, zeros = np.ones((*above.shape[:-1], 1)), np.zeros((*above.shape[:-1], 1))
        return -np.diff(np.concatenate([ones, above, zeros], axis=-1), axis=-1)

    def __call__(self, scores: ArrayLike) -> Floats:
        """The expected label of each score."""
        return self.distribution(scores) @ self.levels


def ordinal(scores: ArrayLike, labels: ArrayLike) -> OrdinalMap:
    """One isotonic map for every threshold of the scale.

    Source: Henzi, Ziegel & Gneiting (2021), Isotonic distributional regression, JRSS B 83, 963-993: maps of nested events
    that are fitted on their own never cross.
    """
    y = np.asarray(labels, dtype=np.float64)
    levels = np.unique(y)
    if not 2 <= len(levels) <= MOST_LEVELS:
        raise ValueError(f"an ordinal map wants 2 to {MOST_LEVELS} different labels, not {len(levels)}")
    maps = [isotonic(scores, y > level) for level in levels[:-1]]
    return OrdinalMap(maps[0].knots, levels, np.stack([each.values for each in maps], axis=-1))


def cross_fitted(
    fit: Callable[[Floats, Floats], Callable[[Floats], Floats]],
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    rng: np.random.Generator,
    folds: int = 5,
    clusters: ArrayLike | None = None,
) -> Floats:
    """What a map says of each record that was fitted without it (and its cluster), so that no label flatters its own map.

    NaN for all where there are fewer units than two, or a fold would leave nothing to fit.
    """
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    names = np.arange(len(x)) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    count = int(names.max()) + 1 if len(names) else 0
    told = np.full(len(x), np.nan)
    if count < 2:
        return told
    fold = (rng.permutation(count) % min(folds, count))[names]
    for one in range(int(fold.max()) + 1):
        left = fold != one
        told[~left] = fit(x[left], y[left])(x[~left])
    return told


@dataclass(frozen=True)
class Bin:
    """Records with like scores: what the judge says of them on average, and what people say."""

    low: float
    high: float
    n: int
    judged: float
    labelled: float
    label_low: float  # interval of the mean label
    label_high: float


@dataclass(frozen=True)
class Reliability:
    """How far scores, read as labels, are off.

    Attributes:
        error: Σ share of bin · |mean label − mean score|: the expected calibration error of these bins.
        by_chance: about what that would be of a judge without any error, for bins are few records: it never comes out at 0.
        offset: mean score − mean label over all.
    """

    bins: tuple[Bin, ...]
    error: float
    by_chance: float
    offset: float


def reliability(
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    bins: int = 10,
    level: float = 0.95,
    scale: tuple[float, float] | None = None,
) -> Reliability:
    """The reliability diagram of scores on the labels' scale, in bins of about equal size; equal scores stay together.

    Source: DeGroot & Fienberg (1983); expected calibration error: Naeini et al. (2015); that it is biased upward, and how
    much: Bröcker (2012), Roelofs et al. (2022).
    """
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    n = len(x)
    if not n:
        return Reliability((), math.nan, math.nan, math.nan)
    found, error, chance = [], 0.0, 0.0
    for members in _binned(x, bins):
        a, b = x[members], y[members]
        m, sd = len(members), float((b - a).std(ddof=1)) if len(members) > 1 else math.nan
        mean = float(b.mean())
        found.append(Bin(float(a.min()), float(a.max()), m, float(a.mean()), mean, *_mean_bounds(b, level, scale)))
        error += m / n * abs(mean - float(a.mean()))
        chance += m / n * sd * math.sqrt(2.0 / (math.pi * m)) if m > 1 else 0.0
    return Reliability(tuple(found), error, chance, float(x.mean() - y.mean()))


def _binned(x: Floats, most: int) -> list[NDArray[np.int64]]:
    """Indices of the records of each bin, by score; no bin but the last holds fewer than `FEWEST_IN_BIN`."""
    order = np.argsort(x, kind="stable")
    values, counts = np.unique(x, return_counts=True)
    ends = np.cumsum(counts)
    size = max(len(x) / max(most, 1), FEWEST_IN_BIN) if len(values) > most else FEWEST_IN_BIN
    cuts, start = [0], 0
    for end in ends[:-1].tolist():
        if end - start >= size and len(x) - end >= min(size, FEWEST_IN_BIN):
            cuts.append(end)
            start = end
    return [order[low:high] for low, high in zip(cuts, [*cuts[1:], len(x)])]


def _mean_bounds(y: Floats, level: float, scale: tuple[float, float] | None) -> tuple[float, float]:
    n = len(y)
    if n < FEWEST:
        return math.nan, math.nan
    variance, quantile = float(y.var(ddof=1)) / n, student_quantile((1.0 + level) / 2.0, n - 1.0)
    if scale is not None:
        return score_bounds(float(y.mean()), variance, n, quantile, scale)
    reach = quantile * math.sqrt(variance)
    return float(y.mean()) - reach, float(y.mean()) + reach
