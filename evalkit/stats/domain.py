"""Can two sets of vectors be told apart? A classifier between them, the distance of their means, Fréchet's distance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.mmd import Sample, relabelled
from evalkit.stats.shift import Shifted, generator
from evalkit.stats.sums import Floats

MOST = 6_000  # vectors of both sides that are looked at
_BLOCK = 2_000_000  # scores ranked at once
_ROWS = 8_192  # vectors summed at once


def domain_auc(
    x: ArrayLike,
    y: ArrayLike,
    *,
    seed: int | np.random.SeedSequence,
    folds: int = 5,
    permutations: int = 500,
    most: int = MOST,
) -> Shifted:
    """How well a classifier tells ``y`` (m, d) from ``x`` (n, d): its AUC on vectors it was not fitted on, and p against .5.

    A linear discriminant with shrunken covariance, in closed form, is fitted on all folds but one and ranks that one; the
    AUC is that of all folds' pairs together. .5 is no drift, 1 a clean break; below .5 is noise. p is one-sided, (hits + 1) /
    (permutations + 1): labels are exchanged within folds and the classifier fitted anew each time, which is cheap as its
    covariance is that of all vectors, whatever their labels. Columns count by their scale. Of more than ``most`` vectors a
    random part is looked at, as in `stats.mmd.mmd`. NaN where a side has fewer than 2 vectors a fold.

    Source: Lopez-Paz & Oquab (2017), classifier two-sample tests; Fisher (1936); shrinkage: Ledoit & Wolf (2004).
    """
    rng = generator(seed)
    sample = Sample.of(x, y, rng, most)
    if min(sample.n, sample.m) < 2 * folds:
        return Shifted.unknown("domain AUC")
    told = "domain AUC" if not sample.left_out else f"domain AUC of {sample.n:,} and {sample.m:,} drawn vectors"
    if not np.abs(sample.pooled).max(initial=0.0) > 0.0:
        return Shifted(0.5, 1.0, told)
    labels = np.empty((len(sample.pooled), permutations + 1), dtype=bool)
    sides = (np.array_split(rng.permutation(sample.n), folds), np.array_split(sample.n + rng.permutation(sample.m), folds))
    parts = [np.concatenate(both) for both in zip(*sides)]
    for first, second, part in zip(*sides, parts):
        labels[part] = relabelled(len(first), len(second), permutations, rng)
    wins, pairs = np.zeros(permutations + 1), 0
    for first, second, part in zip(*sides, parts):
        fitted = np.ones(len(labels), dtype=bool)
        fitted[part] = False
        wins += _wins(_scores(sample.pooled[fitted], labels[fitted], sample.pooled[part]), labels[part])
        pairs += len(first) * len(second)
    values = wins / pairs
    hits = int((values[1:] >= values[0] - 1e-12).sum())
    return Shifted(float(values[0]), (hits + 1) / (permutations + 1), told)


def mean_shift(
    x: ArrayLike, y: ArrayLike, *, seed: int | np.random.SeedSequence, permutations: int = 1_000, most: int = MOST
) -> Shifted:
    """How far apart the means of ``x`` (n, d) and ``y`` (m, d) lie, in standard deviations, and its permutation p.

    The distance of the means over the root of the pooled covariance's trace, from 0; of d = 1 the absolute Cohen's d. With
    more than ``most`` vectors nothing is permuted: p is that of `mean_shift_from`. NaN where a side has fewer than 2.

    Source: Dempster (1958); p: Phipson & Smyth (2010).
    """
    if len(np.asarray(x)) + len(np.asarray(y)) > most:
        return mean_shift_from(*moments(x), *moments(y))
    rng = generator(seed)
    sample = Sample.of(x, y, rng, most)
    n, m, pooled = sample.n, sample.m, sample.pooled
    if min(n, m) < 2:
        return Shifted.unknown("mean shift")
    weights = np.where(relabelled(n, m, permutations, rng), 1.0 / m, -1.0 / n)
    squares = ((pooled.T @ weights) ** 2).sum(axis=0)
    hits = int((squares[1:] >= squares[0] * (1.0 - 1e-9)).sum())
    within = float((pooled**2).sum()) - float(squares[0]) * n * m / (n + m)
    return Shifted(_over(float(squares[0]), within / (n + m - 2)), (hits + 1) / (permutations + 1), "mean shift, permuted")


def mean_shift_from(mean_a: ArrayLike, cov_a: ArrayLike, n: int, mean_b: ArrayLike, cov_b: ArrayLike, m: int) -> Shifted:
    """`mean_shift` from means (d,), covariances (d, d; with n - 1) and sizes; p by Box's chi-squared, for hundreds of vectors.

    The squared distance is a weighted sum of chi-squared variables, approximated by one of the same mean and variance.
    Covariances need not be equal.

    Source: Box (1954), theorem 3.1; traces of squares without bias: Bai & Saranadasa (1996), eq. 3.16.
    """
    one, two = np.asarray(cov_a, dtype=np.float64), np.asarray(cov_b, dtype=np.float64)
    if min(n, m) < 3:
        return Shifted.unknown("mean shift")
    square = float(((np.asarray(mean_b, dtype=np.float64) - np.asarray(mean_a, dtype=np.float64)) ** 2).sum())
    traces = float(np.trace(one)), float(np.trace(two))
    effect = _over(square, ((n - 1) * traces[0] + (m - 1) * traces[1]) / (n + m - 2))
    mean = traces[0] / n + traces[1] / m
    if not mean > 0.0:
        return Shifted(effect, 1.0, "mean shift") if square == 0.0 else Shifted.unknown("mean shift", effect)
    half = _square_trace(one, n) / n**2 + _square_trace(two, m) / m**2 + 2.0 * float((one * two).sum()) / (n * m)
    from scipy.special import chdtrc

    p = float(chdtrc(mean**2 / half, square * mean / half))
    return Shifted(effect, max(p, float(np.finfo(np.float64).tiny)), "mean shift, Box's approximation")


def moments(x: ArrayLike) -> tuple[Floats, Floats, int]:
    """Mean (d,), covariance (d, d; with n - 1) and number of the finite vectors among ``x`` (n, d), block by block."""
    vectors = np.asarray(x)
    finite = np.flatnonzero(np.isfinite(vectors).all(axis=1))
    n, d = len(finite), vectors.shape[1]
    blocks = [finite[start : start + _ROWS] for start in range(0, n, _ROWS)]
    mean, squares = np.zeros(d), np.zeros((d, d))
    for block in blocks:
        mean += vectors[block].sum(axis=0, dtype=np.float64) / n
    for block in blocks:
        off = vectors[block] - mean
        squares += off.T @ off
    return (mean, squares / (n - 1.0), n) if n > 1 else (mean * np.nan, squares * np.nan, n)


def frechet(mean_a: ArrayLike, cov_a: ArrayLike, mean_b: ArrayLike, cov_b: ArrayLike) -> float:
    """The squared Fréchet distance of two normal distributions, means (d,) and covariances (d, d), as FID reports it; from 0.

    Source: Dowson & Landau (1982), eq. 4; Heusel et al. (2017).
    """
    one, two = np.asarray(cov_a, dtype=np.float64), np.asarray(cov_b, dtype=np.float64)
    apart = np.asarray(mean_b, dtype=np.float64) - np.asarray(mean_a, dtype=np.float64)
    if not (np.isfinite(apart).all() and np.isfinite(one).all() and np.isfinite(two).all()):
        return math.nan
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    shared = np.linalg.eigvalsh(root @ two @ root)
    return max(float(apart @ apart + np.trace(one) + np.trace(two) - 2.0 * np.sqrt(np.maximum(shared, 0.0)).sum()), 0.0)


# --- the classifier --------------------------------------------------------------------------------------------------


def _scores(vectors: Floats, labels: NDArray[np.bool_], asked: Floats) -> Floats:
    """Scores (asked, k): the discriminant of each column of ``labels`` (fitted, k), for vectors it was not fitted on.

    The total covariance serves for the one within classes: they give the same direction, as they differ by a multiple of
    the outer product of the very difference of means that is multiplied with their inverse.
    """
    centred = vectors - vectors.mean(axis=0)
    n, d = centred.shape
    second = int(labels[:, 0].sum())
    weights = np.where(labels, 1.0 / second, -1.0 / (n - second))
    product = centred.T @ centred if d <= n else centred @ centred.T
    product /= n
    keep, ridge = _shrinkage(product, centred)
    product *= keep
    product[np.diag_indices(len(product))] += ridge
    if d <= n:
        scores: Floats = asked @ np.linalg.solve(product, centred.T @ weights)
    else:
        scores = (asked @ centred.T) @ np.linalg.solve(product, weights)
    return scores


def _shrinkage(product: Floats, centred: Floats) -> tuple[float, float]:
    """What is kept of the covariance, and what is added to its diagonal; its product may be of rows or of columns."""
    n, d = centred.shape
    mean = float(np.trace(product)) / d
    square = float((product**2).sum())
    spread = square / d - mean**2
    fourth = float(((centred**2).sum(axis=1) ** 2).mean())
    noise = min((fourth - square) / (n * d), spread)
    share = noise / spread if spread > 0.0 else 1.0
    return 1.0 - share, max(share, 1e-9) * mean


def _wins(scores: Floats, labels: NDArray[np.bool_]) -> Floats:
    """Pairs (k,) in which the vector of the second side has the higher score, ties by half."""
    from scipy.stats import rankdata

    size, columns = scores.shape
    second = int(labels[:, 0].sum())
    wins = np.empty(columns)
    block = max(1, _BLOCK // size)
    for start in range(0, columns, block):
        some = slice(start, start + block)
        asked, of_second = np.ascontiguousarray(scores[:, some].T), labels[:, some].T
        order = np.argsort(asked, axis=1)
        ordered = np.take_along_axis(asked, order, axis=1)
        wins[some] = np.take_along_axis(of_second, order, axis=1) @ np.arange(1.0, size + 1.0)
        tied = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
        if len(tied):
            wins[start + tied] = (rankdata(asked[tied], axis=1) * of_second[tied]).sum(axis=1)
    return wins - second * (second + 1.0) / 2.0


def _square_trace(covariance: Floats, n: int) -> float:
    """tr(Σ²) without the noise that tr(S²) has."""
    free = n - 1.0
    square, trace = float((covariance**2).sum()), float(np.trace(covariance))
    return max(free**2 / ((free + 2.0) * (free - 1.0)) * (square - trace**2 / free), trace**2 / len(covariance))


def _over(square: float, variance: float) -> float:
    if variance > 1e-24 * square:
        return math.sqrt(square / variance)
    return 0.0 if square == 0.0 else math.nan
