"""Tests of two runs over the same records: each metric gets the test that suits it, and an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.comparison.pairing import Pair
from evalkit.comparison.settings import Settings
from evalkit.comparison.tested import METHODS, Bounds, Tested, value_of
from evalkit.core.rows import Floats
from evalkit.stats.bca import Interval, interval
from evalkit.stats.bootstrap import paired
from evalkit.stats.distribution import Distribution, distributions
from evalkit.stats.effect import cohen_dz, cohen_h
from evalkit.stats.inversion import p_of
from evalkit.stats.mcnemar import mcnemar_exact
from evalkit.stats.normal import normal_quantile
from evalkit.stats.pairs import paired_share, unseen
from evalkit.stats.permutation import Flipped, Paired, sign_flip
from evalkit.stats.signed_rank import wilcoxon
from evalkit.stats.student import paired_t

Codes = NDArray[np.int64]
FEW = 10  # differing records (or clusters) up to which resamples of them alone are not trusted


def paired_tests(pairs: Sequence[Pair], clusters: Codes | None, settings: Settings) -> dict[str, Tested]:
    """Every value of every metric, tested from one set of resamples; row i of both sides is the same record.

    Shares of records take McNemar's exact test and Tango's score interval; all else the paired permutation test and the
    bootstrap, both through sums, and whole clusters at once where records have them.
    """
    drawn = distributions(
        [paired(pair.a.statistic(), pair.b.statistic()) for pair in pairs],
        seed=settings.seed,
        resamples=settings.resamples,
        clusters=clusters,
    )
    asked = settings.test == "auto" and not settings.intervals_only
    counted = [clusters is None and all(pair.shares) for pair in pairs]  # McNemar's test serves every part
    permuted = [pair for pair, done in zip(pairs, counted) if asked and pair.alike and not done]
    flips = sign_flip(
        [
            Paired(pair.a.rows, pair.b.rows, pair.a.combine, None if pair.a.metric.additive else pair.a.combine_rows)
            for pair in permuted
        ],
        seed=settings.seed,
        resamples=settings.resamples,
        clusters=clusters,
    )
    flip_of = {pair.label: flip for pair, flip in zip(permuted, flips)}
    found: dict[str, Tested] = {}
    for pair, distribution in zip(pairs, drawn):
        looked = _Looked.at(pair, clusters)
        for part, name in enumerate(pair.names):
            found[name] = _tested(looked, part, distribution, flip_of.get(pair.label), settings)
    return found


@dataclass(frozen=True)
class _Looked:
    """A metric over the records that both runs scored."""

    pair: Pair
    values_a: Floats  # (parts,)
    values_b: Floats
    scores_a: Floats  # (n, parts)
    scores_b: Floats
    clusters: Codes | None  # (n,)
    units: int
    changed: int  # units with another row

    @classmethod
    def at(cls, pair: Pair, clusters: Codes | None) -> _Looked:
        both = pair.a.scored & pair.b.scored
        own = clusters[both] if clusters is not None else None
        rows_a, rows_b = pair.a.rows[both], pair.b.rows[both]
        differs = (rows_a != rows_b).any(axis=1) if rows_a.shape == rows_b.shape else np.ones(len(rows_a), dtype=bool)
        return cls(
            pair,
            value_of(pair.a, both),
            value_of(pair.b, both),
            pair.a.scores[both],
            pair.b.scores[both],
            own,
            len(np.unique(own)) if own is not None else len(rows_a),
            len(np.unique(own[differs])) if own is not None else int(differs.sum()),
        )


def _tested(looked: _Looked, part: int, distribution: Distribution, flip: Flipped | None, settings: Settings) -> Tested:
    pair = looked.pair
    with np.errstate(invalid="ignore"):
        apart = looked.scores_b[:, part] - looked.scores_a[:, part]
        gained, lost, even = int((apart > 0).sum()), int((apart < 0).sum()), int((apart == 0).sum())
    a, b = float(looked.values_a[part]), float(looked.values_b[part])
    bounds, method = _bounds(looked, part, apart, distribution, settings)
    p, test = _p(looked, part, apart, flip, bounds, settings)
    low, high = bounds(settings.confidence)
    stderr = float(interval(distribution, level=settings.confidence, method=settings.method).stderr[part])
    if pair.shares[part] and math.isfinite(low):
        stderr = (high - low) / (2.0 * normal_quantile((1.0 + settings.confidence) / 2.0))
    if pair.shares[part]:
        size, effect = cohen_h(a, b), "Cohen's h"
    elif pair.means[part] and len(apart) > 1:
        size, effect = cohen_dz(apart), "Cohen's d of pairs"
    else:
        spread = stderr * math.sqrt(looked.units)
        size, effect = (b - a) / spread if spread > 0.0 else math.nan, "difference over its spread"
    return Tested(
        a, b, bounds, method, p, test, size, effect, len(apart), looked.units, stderr, gained, lost, even,
        same=bool(len(apart)) and not looked.changed,
    )  # fmt: skip


def _bounds(looked: _Looked, part: int, apart: Floats, drawn: Distribution, settings: Settings) -> tuple[Bounds, str]:
    """The interval of b - a as a function of its level, and its name."""
    pair = looked.pair
    if pair.shares[part]:
        return (lambda level: paired_share(apart, looked.clusters, level)), "Tango score interval"
    if settings.test == "t" and pair.means[part]:
        return paired_t(apart, looked.clusters).interval, "Student's t"
    scores = np.concatenate([looked.scores_a[:, part], looked.scores_b[:, part]])
    scores = scores[np.isfinite(scores)]
    few = looked.changed <= FEW and pair.a.metric.additive and len(scores) > 0
    ranged = float(np.ptp(scores)) if few else 0.0
    kept: dict[float, Interval] = {}

    def bounds(level: float) -> tuple[float, float]:
        """Of few differing records the ends lie at least as far out as if a share that was never seen lost, or gained, the
        whole range of the scores."""
        if level not in kept:
            kept[level] = interval(drawn, level=level, method=settings.method)
        found = kept[level]
        value, low, high = float(found.value[part]), float(found.low[part]), float(found.high[part])
        reach = unseen(looked.units, level) * ranged
        return (min(low, value - reach), max(high, value + reach)) if reach else (low, high)

    return bounds, METHODS[interval(drawn, level=settings.confidence, method=settings.method).methods[part]]


def _p(
    looked: _Looked, part: int, apart: Floats, flip: Flipped | None, bounds: Bounds, settings: Settings
) -> tuple[float, str]:
    """Two-sided p, and the test that gave it."""
    clustered = ", clustered" if looked.clusters is not None else ""
    pair, known = looked.pair, apart[~np.isnan(apart)]
    if settings.intervals_only:
        return math.nan, ""
    if looked.units < 2:
        return math.nan, "none: fewer than two records to compare"
    if settings.test == "wilcoxon" and pair.means[part]:
        return wilcoxon(known, clusters=looked.clusters), f"Wilcoxon signed-rank{clustered}"
    if settings.test == "t" and pair.means[part]:
        return paired_t(apart, looked.clusters).p, f"paired t{clustered}"
    if pair.shares[part] and looked.clusters is None and settings.test == "auto":
        return mcnemar_exact(int((apart > 0).sum()), int((apart < 0).sum())), "McNemar exact"
    if flip is not None:
        return float(flip.p[part]), f"paired permutation{clustered}{', exact' if flip.exact else ''}"
    if pair.shares[part]:  # what its interval stands for
        return p_of(bounds), f"score test{clustered}"
    return p_of(bounds, least=1.0 / (settings.resamples + 1)), f"paired bootstrap{clustered}"
