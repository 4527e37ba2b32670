"""What people would say of many records, from many judged and few labelled ones: prediction-powered means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evalkit.stats.score_interval import Kind, bounds
from evalkit.stats.sums import Floats, column_sum

FEWEST = 3  # labels (or clusters that hold one): below, a variance with a tuned parameter is not to be had


@dataclass(frozen=True)
class Powered:
    """The mean label of a population, with its interval.

    Attributes:
        lam: what the judge counts for: 0, the labels alone; 1, PPI without power tuning; more where the judge's scores spread
            less than people's.
        labels: how many; ``units`` of them are independent (clusters, where there are any).
        pool: judged records that the rectifier was applied to.
        kind: how the interval was made.
    """

    value: float
    low: float
    high: float
    stderr: float
    lam: float
    labels: int
    units: int
    pool: int
    kind: Kind
    df: float
    level: float

    @property
    def width(self) -> float:
        return self.high - self.low


def prediction_powered(
    labels: ArrayLike,
    judged: ArrayLike,
    pool: ArrayLike,
    *,
    lam: float | None = None,
    level: float = 0.95,
    scale: tuple[float, float] | None = None,
    kind: Kind | None = None,
    weights: ArrayLike | None = None,
    pool_weights: ArrayLike | None = None,
    clusters: tuple[ArrayLike, ArrayLike] | None = None,
) -> Powered:
    """The mean label of the population that ``pool`` is a sample of, mean(λ·pool) + mean(labels − λ·judged).

    The judge may be as wrong as it likes: what it is off by among the labelled records, the rectifier, is taken out again, and
    its own uncertainty is in the interval. Valid where the labelled records are a (weighted) random sample of the same
    population as the pool. The interval is never wider than that of the labels alone: where the judge does not help, λ is 0.

    Args:
        labels: what people said of n records.
        judged: what the judge says of the same n.
        pool: what it says of N others.
        lam: λ; None tunes it for the least variance (PPI++), without ppi_py's upper end of 1, so that it does not matter in
            which unit or on how narrow a part of its scale the judge scores.
        scale: least and greatest possible label; with it, the interval is a score interval, that cannot leave the scale.
        kind: ``score`` (of bounded labels), ``t``, or ``normal`` (that of the papers, and of ppi_py: too narrow below some
            200 labels); None: ``score`` where the scale is known, else ``t``. In our simulations of 30 to 100 labels (shares
            from 0.5 to 0.95, graded scores at the ceiling) ``score`` covers at least 94 %, ``t`` down to 76 % near an end of
            the scale; of unbounded labels ``t`` covers 94 to 96 %, of very skewed ones (lognormal) 90 %, as it does without a
            judge (`benchmarks/simulations/prediction_powered.py`).
        weights: of the labelled records, inverse to how likely each was to be labelled.
        pool_weights: of the pool.
        clusters: of the labelled and of the pool's records; one record may stand on both sides, under its own name.

    Returns:
        NaN bounds below three labels (or clusters with labels).

    Source: Angelopoulos et al. (2023), Prediction-powered inference, Science 382, 669-674; PPI++: Angelopoulos, Duchi &
    Zrnic (2023), arXiv:2311.01453, eq. 6 and section 6; clusters: the same through sums of influences per cluster.
    """
    sample = _Sample.of(labels, judged, pool, weights, pool_weights, clusters)
    alone = sample.estimate(0.0, 1, level, scale, kind)
    if lam is not None:
        return sample.estimate(lam, 1, level, scale, kind)
    tuned = sample.tuned()
    powered = sample.estimate(tuned, 2, level, scale, kind)
    if not tuned or not powered.width < alone.width:
        return alone
    return powered


def labels_alone(
    labels: ArrayLike,
    *,
    level: float = 0.95,
    scale: tuple[float, float] | None = None,
    kind: Kind | None = None,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
) -> Powered:
    """The mean label with an interval of the same making, from nothing but the labels."""
    y = np.asarray(labels, dtype=np.float64)
    both = (clusters, np.empty(0, dtype=np.asarray(clusters).dtype)) if clusters is not None else None
    return _Sample.of(y, np.zeros_like(y), np.empty(0), weights, None, both).estimate(0.0, 1, level, scale, kind)


def power_tuning(
    labels: ArrayLike,
    judged: ArrayLike,
    pool: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    pool_weights: ArrayLike | None = None,
) -> float:
    """The λ in [0, 1] with the least asymptotic variance: cov(Y, f) / ((1 + n/N) var f), as ppi_py reckons it.

    Source: PPI++ (arXiv:2311.01453), Proposition 2 and Example 6.1.
    """
    return min(_Sample.of(labels, judged, pool, weights, pool_weights, None).tuned(), 1.0)


def combined(estimates: Sequence[Powered], shares: Sequence[float], scale: tuple[float, float] | None = None) -> Powered:
    """One estimate of a population whose strata were estimated each on its own; ``shares`` are what they make of it.

    Source: Cochran (1977), Sampling Techniques, section 5.3; degrees of freedom: Satterthwaite (1946).
    """
    share = np.asarray(shares, dtype=np.float64) / float(np.sum(shares))
    values = np.array([one.value for one in estimates])
    variances = np.array([one.stderr**2 for one in estimates]) * share**2
    total = float(variances.sum())
    df = total**2 / sum((v**2 / one.df for v, one in zip(variances, estimates) if one.df > 0.0), 0.0) if total else math.inf
    units, level = sum(one.units for one in estimates), estimates[0].level
    value = float((share * values).sum())
    kind: Kind = "score" if scale is not None else "t"
    low, high = bounds(value, total, units, df, level, scale, kind)
    lam = float((share * np.array([one.lam for one in estimates])).sum())
    return Powered(
        value, low, high, math.sqrt(total), lam, sum(one.labels for one in estimates), units,
        sum(one.pool for one in estimates), kind, df, level,
    )  # fmt: skip


def labels_needed(labels: ArrayLike, judged: ArrayLike, pool: int, *, factor: float = 0.5, moves: bool = True) -> int | None:
    """How many labels in all would make the interval ``factor`` times as wide; None where no number would.

    With n labels the variance is σ²/n · (1 − ρ² N/(n + N)), σ the labels' standard deviation, ρ their correlation with the
    judge (PPI++, eq. 6 at the best λ).

    Args:
        pool: how many other judged records there are.
        moves: a record that is labelled leaves the pool; False: labels come from elsewhere.
    """
    y, f = np.asarray(labels, dtype=np.float64), np.asarray(judged, dtype=np.float64)
    n = len(y)
    if n < FEWEST or not float(np.ptp(y)):
        return None
    rho = float(np.corrcoef(y, f)[0, 1]) if float(np.ptp(f)) else 0.0
    gain = max(rho, 0.0) ** 2
    everything = n + pool

    def variance(m: int) -> float:
        left = max(everything - m, 0) if moves else pool
        return (1.0 - gain * left / (m + left)) / m if m + left else math.inf

    wanted = variance(n) * factor**2
    low, high = n, everything if moves else n * 1_000_000
    if variance(high) > wanted:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if variance(middle) <= wanted else (middle, high)
    return high


@dataclass(frozen=True)
class _Sample:
    """Labelled and judged records, centred: the estimate's variance is Σ over units of (own + λ·judge's)²."""

    mean: float  # of the labels
    shift: float  # pool's mean of the judge less the labelled records'
    own: Floats  # (units,) what each unit pulls the labels' mean by
    of_labelled: Floats  # (units,) what it pulls −mean(judged) by
    of_pool: Floats  # (units,) what it pulls mean(pool) by
    n: int
    pool: int
    holding: int  # units that hold a label
    independent: bool  # no unit holds both a label and a record of the pool
    pooled: float | None  # ppi_py's λ of independent records

    @classmethod
    def of(
        cls,
        labels: ArrayLike,
        judged: ArrayLike,
        pool: ArrayLike,
        weights: ArrayLike | None,
        pool_weights: ArrayLike | None,
        clusters: tuple[ArrayLike, ArrayLike] | None,
    ) -> _Sample:
        y, f, u = (np.asarray(column, dtype=np.float64) for column in (labels, judged, pool))
        if y.shape != f.shape or y.ndim != 1 or u.ndim != 1:
            raise ValueError(f"labels and judged must be one per record, not of shapes {y.shape} and {f.shape}")
        if np.isnan(y).any() or np.isnan(f).any() or np.isnan(u).any():
            raise ValueError("labels and scores must be numbers; leave out what has none")
        w, v = _shares(weights, len(y)), _shares(pool_weights, len(u))
        mean, centre, middle = _mean(y, w, weights), _mean(f, w, weights), _mean(u, v, pool_weights)
        parts = w * (y - mean), -w * (f - centre), v * (u - middle)
        if clusters is None:
            n, size = len(y), len(u)
            zeros, nothing = np.zeros(n), np.zeros(size)
            own = np.concatenate([parts[0], nothing])
            labelled, others = np.concatenate([parts[1], nothing]), np.concatenate([zeros, parts[2]])
            lam = _pooled(y, f, u, w * n, v * size) if n and size else 0.0
            return cls(mean, middle - centre, own, labelled, others, n, size, n, True, lam)
        names = np.concatenate([np.asarray(clusters[0]), np.asarray(clusters[1])])
        _, codes = np.unique(names, return_inverse=True)
        here, there = codes[: len(y)], codes[len(y) :]
        count = int(codes.max()) + 1 if len(codes) else 0
        sums = [np.bincount(at, part, count).astype(np.float64) for at, part in zip((here, here, there), parts)]
        return cls(
            mean, middle - centre, sums[0], sums[1], sums[2], len(y), len(u), len(np.unique(here)),
            not len(np.intersect1d(here, there)), None,
        )  # fmt: skip

    def tuned(self) -> float:
        if not self.pool:  # there is nobody else to say anything of
            return 0.0
        if self.pooled is not None:
            return self.pooled
        judge = self.of_labelled + self.of_pool
        square = float(judge @ judge)
        return max(-float(self.own @ judge) / square, 0.0) if square > 0.0 else 0.0

    def estimate(self, lam: float, spent: int, level: float, scale: tuple[float, float] | None, kind: Kind | None) -> Powered:
        """At a given λ; ``spent`` parameters (the mean, and λ where it was tuned) cost degrees of freedom."""
        chosen: Kind = kind or ("score" if scale is not None else "t")
        if chosen == "score" and scale is None:
            raise ValueError("a score interval needs the scale of the labels")
        lam = lam if self.pool else 0.0
        value, m = self.mean + lam * self.shift, self.holding
        if chosen != "normal" and m < FEWEST:
            return Powered(value, *(math.nan,) * 3, lam, self.n, m, self.pool, chosen, math.nan, level)
        variance, df = self._variance(lam, 0 if chosen == "normal" else spent)
        low, high = bounds(value, variance, m, df, level, scale, chosen)
        if scale is not None:
            value = min(max(value, scale[0]), scale[1])
        return Powered(value, low, high, math.sqrt(variance), lam, self.n, m, self.pool, chosen, df, level)

    def _variance(self, lam: float, spent: int) -> tuple[float, float]:
        """With its degrees of freedom (Satterthwaite's, where both samples add their own); 0 ``spent``: as in the papers.

        A tuned λ is itself estimated: 1/(m − 3) more, as of the regression estimator (Cochran 1977, section 7.3).
        """
        here, there, m = self.own + lam * self.of_labelled, lam * self.of_pool, self.holding
        more = m / (m - spent) * (1.0 + 1.0 / (m - 3.0) if spent > 1 and m > 3 else 1.0)
        if not self.independent:
            both = here + there
            squares = float(both @ both)
            return (squares * more, float(m - spent)) if spent else (squares, math.inf)
        near, far = float(here @ here), float(there @ there)
        if not spent:
            return near + far, math.inf
        units = self.pool if self.pooled is not None else int(np.count_nonzero(self.of_pool))
        near, far = near * more, far * units / (units - 1.0) if units > 1 else 0.0
        if near + far == 0.0:
            return 0.0, float(m - spent)
        parts = near**2 / (m - spent) + (far**2 / (units - 1.0) if units > 1 else 0.0)
        return near + far, (near + far) ** 2 / parts


def _shares(weights: ArrayLike | None, n: int) -> Floats:
    """Weights that sum to 1."""
    if weights is None:
        return np.full(n, 1.0 / n) if n else np.empty(0)
    w = np.asarray(weights, dtype=np.float64)
    if w.shape != (n,) or not (w > 0.0).all() or not np.isfinite(w).all():
        raise ValueError("weights must be positive numbers, one per record")
    return w / float(w.sum())


def _mean(values: Floats, shares: Floats, weights: ArrayLike | None) -> float:
    """Of equal weights the plain mean, which is exact where all values are alike."""
    if weights is None:
        return column_sum(values) / len(values) if len(values) else 0.0
    return column_sum(shares * values)


def _pooled(y: Floats, f: Floats, u: Floats, w: Floats, v: Floats) -> float:
    """ppi_py's λ: the variance of the judge is taken over labelled records and pool together."""
    centre = float((v * u).mean() + (w * (y - f)).mean())
    grads, hats, others = w * (y - centre), w * (f - centre), v * (u - centre)
    together = np.concatenate([hats, others])
    spread = float(together.var(ddof=1)) if len(together) > 1 else 0.0
    if not spread > 0.0:
        return 0.0
    cov = float(((grads - grads.mean()) * (hats - hats.mean())).mean())
    return max(cov / ((1.0 + len(y) / len(u)) * spread), 0.0)
