"""How two scores of the same records go together: Pearson, Spearman, Kendall's tau-b and tau-c, with intervals."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.bootstrap import Statistic, intervals
from evalkit.stats.estimate import Estimate
from evalkit.stats.normal import normal_quantile
from evalkit.stats.rank import RankCorrelations
from evalkit.stats.ratio import ratio
from evalkit.stats.sums import Floats, column_sums

PARTS = ("pearson", "spearman", "kendall_b", "kendall_c")
How = Literal["bootstrap", "fisher"]
Kind = Literal["pearson", "spearman", "kendall_b", "kendall_c"]
_FEW = 1_000  # a correlation tells its own spread worse than a mean does: of 200 normal pairs 93.9 % were covered without


def correlations(
    x: ArrayLike,
    y: ArrayLike,
    *,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 1_000,
    clusters: ArrayLike | None = None,
    interval: How = "bootstrap",
) -> dict[str, Estimate]:
    """All of `PARTS` over the records that have both scores; NaN with a reason where a side is constant.

    Args:
        x, y: (n,) numbers; NaN is missing.
        clusters: (n,) labels; records that share one are resampled together.
        interval: ``bootstrap`` (one set of resamples for all four), or ``fisher``: Fisher's z with the variance of
            `fisher_interval`, for independent records; tau-c has none then.
    """
    left, right, kept = both(x, y)
    n = len(left)
    why = undefined(left, right)
    if why is not None:
        return {part: Estimate.unknown(why, n=n, level=level) for part in PARTS}
    if interval == "fisher":
        values = [float(one) for one in values_of(left, right)]
        return {part: fisher_estimate(value, n, part, level) for part, value in zip(PARTS, values, strict=True)}
    if interval != "bootstrap":
        raise ValueError(f"interval must be 'bootstrap' or 'fisher', not {interval!r}")
    groups = None if clusters is None else np.asarray(clusters)[kept]
    ranked = Statistic(np.stack([left, right], axis=1), _not_a_sum, RankCorrelations())
    found = intervals(
        [pearson_statistic(left, right), ranked], seed=seed, level=level, resamples=resamples, clusters=groups, few=_FEW
    )
    first, *rest = [Estimate.part(found[0]), *(Estimate.part(found[1], at) for at in range(3))]
    return dict(zip(PARTS, (first, *rest), strict=True))


def values_of(x: Floats, y: Floats) -> Floats:
    """The four, without intervals, of complete scores: (4,)."""
    rows = pearson_statistic(x, y)
    ranked = RankCorrelations()(np.stack([x, y], axis=1), np.ones((1, len(x))))[0]
    return np.concatenate([rows.combine(column_sums(rows.values)), ranked])


def pearson_statistic(x: Floats, y: Floats) -> Statistic:
    """Pearson's r as sums (1, x, y, x², y², xy) of scores that are centred and scaled first, so that no digit is lost."""
    left, right = (_standard(side) for side in (x, y))
    return Statistic(np.stack([np.ones(len(left)), left, right, left**2, right**2, left * right], axis=1), pearson_of_sums)


def pearson_of_sums(totals: Floats) -> Floats:
    """Pearson's r of sums (..., 6); NaN where a side is constant."""
    n, x, y, xx, yy, xy = np.moveaxis(totals, -1, 0)
    squares = [n * square - one**2 for one, square in ((x, xx), (y, yy))]
    spread = [np.where(gap > 1e-12 * n * square, gap, 0.0) for gap, square in zip(squares, (xx, yy), strict=True)]
    return np.clip(ratio(n * xy - x * y, np.sqrt(spread[0] * spread[1])), -1.0, 1.0)[..., None]


def fisher_interval(value: float, n: int, kind: str, level: float = 0.95) -> tuple[float, float]:
    """Fisher's z interval of a correlation of ``n`` independent records; NaN where n is too small, or for tau-c.

    The variance of z is 1/(n - 3) for Pearson (Fisher 1921), (1 + rho²/2)/(n - 3) for Spearman (Bonett & Wright 2000:
    closer than Fieller's 1.06/(n - 3) for strong correlations) and .437/(n - 4) for tau-b (Fieller, Hartley & Pearson
    1957: for scores without many ties; the bootstrap knows of ties).
    """
    variances = {
        "pearson": lambda: 1.0 / (n - 3.0),
        "spearman": lambda: (1.0 + value**2 / 2.0) / (n - 3.0),
        "kendall_b": lambda: 0.437 / (n - 4.0),
    }
    if kind not in variances or n <= 4 or math.isnan(value):
        return math.nan, math.nan
    if abs(value) >= 1.0:
        return value, value
    reach = normal_quantile((1.0 + level) / 2.0) * math.sqrt(variances[kind]())
    return math.tanh(math.atanh(value) - reach), math.tanh(math.atanh(value) + reach)


def fisher_estimate(value: float, n: int, kind: str, level: float = 0.95) -> Estimate:
    """With the interval of `fisher_interval`."""
    low, high = fisher_interval(value, n, kind, level)
    reason = None
    if math.isnan(low):
        reason = "tau-c has no interval but the bootstrap's" if kind == "kendall_c" else "an interval needs 5 records"
    return Estimate(value, low, high, math.nan, n, "none" if reason else "fisher-z", level, reason)


def both(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """The records that have both scores, and which they are."""
    left, right = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if left.ndim != 1 or left.shape != right.shape:
        raise ValueError(f"both scores need one number per record, not shapes {left.shape} and {right.shape}")
    kept = np.flatnonzero(np.isfinite(left) & np.isfinite(right))
    return left[kept], right[kept], kept


def undefined(x: Floats, y: Floats) -> str | None:
    """Why complete scores have no correlation; None where they have."""
    if len(x) < 2:
        return "a correlation needs two records with both scores"
    if (x == x[0]).all() or (y == y[0]).all():
        return "one of the two scores is the same for every record"
    return None


def _standard(side: Floats) -> Floats:
    centred: Floats = side - side.mean()
    spread = float(np.abs(centred).max(initial=0.0))
    return centred / spread if spread > 0.0 else centred


def _not_a_sum(_totals: Floats) -> Floats:
    raise AssertionError("rank correlations are no sums")
