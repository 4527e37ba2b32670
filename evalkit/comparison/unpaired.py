"""Tests of two runs that share no records, or of which one has no rows left: less sure, and said so."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evalkit.comparison.pairing import Pair
from evalkit.comparison.settings import Settings
from evalkit.comparison.tested import METHODS, Bounds, Tested, value_of
from evalkit.core.run import Value
from evalkit.stats.bca import interval
from evalkit.stats.bootstrap import unpaired
from evalkit.stats.distribution import Distribution
from evalkit.stats.effect import cohen_d, cohen_h
from evalkit.stats.inversion import p_of
from evalkit.stats.normal import normal_cdf, normal_quantile
from evalkit.stats.pairs import apart
from evalkit.stats.proportion import wilson_bounds
from evalkit.stats.welch import few_expected, shares_clustered, two_proportions, welch_clustered, welch_t

Codes = NDArray[np.int64]


def unpaired_tests(pairs: Sequence[Pair], clusters: tuple[Codes | None, Codes | None], settings: Settings) -> dict[str, Tested]:
    """Every value of every metric, each side resampled by itself."""
    found: dict[str, Tested] = {}
    for pair in pairs:
        drawn = unpaired(
            pair.a.statistic(), pair.b.statistic(), seed=settings.seed, resamples=settings.resamples, clusters=clusters
        )
        for part, name in enumerate(pair.names):
            found[name] = _tested(pair, part, drawn, clusters, settings)
    return found


def _tested(
    pair: Pair, part: int, drawn: Distribution, clusters: tuple[Codes | None, Codes | None], settings: Settings
) -> Tested:
    sides = (pair.a, pair.b)
    a, b = (float(value_of(side, side.scored)[part]) for side in sides)
    one, two = (side.scores[side.scored, part] for side in sides)
    groups = [codes[side.scored] if codes is not None else None for side, codes in zip(sides, clusters)]
    grouped = any(codes is not None for codes in groups)
    clustered = ", clustered" if grouped else ""
    whole = interval(drawn, level=settings.confidence, method=settings.method)
    stderr = float(whole.stderr[part])
    bounds: Bounds
    if pair.shares[part]:

        def bounds(level: float) -> tuple[float, float]:
            ends = [wilson_bounds(hits, codes, level) for hits, codes in zip((one, two), groups)]
            return apart((a, *ends[0]), (b, *ends[1])) if ends[0] and ends[1] else (math.nan, math.nan)

        method = "Newcombe score interval"
        low, high = bounds(settings.confidence)
        stderr = (high - low) / (2.0 * normal_quantile((1.0 + settings.confidence) / 2.0))
    else:

        def bounds(level: float) -> tuple[float, float]:
            found = interval(drawn, level=level, method=settings.method)
            return float(found.low[part]), float(found.high[part])

        method = METHODS[whole.methods[part]]
    if settings.intervals_only:
        p, test = math.nan, ""
    elif drawn.units < 2:
        p, test = math.nan, "none: fewer than two records to compare"
    elif pair.shares[part] and not grouped:
        counts = (float(one.sum()), len(one), float(two.sum()), len(two))
        p, test = two_proportions(*counts).p, "Fisher exact" if few_expected(*counts) else "two proportions, score test"
    elif pair.shares[part]:
        p, test = shares_clustered(one, two, groups[0], groups[1]).p, "two proportions, clustered"
    elif pair.means[part] and not grouped:
        p, test = welch_t(one, two).p, "Welch t"
    elif pair.means[part]:
        p, test = welch_clustered(one, two, groups[0], groups[1]).p, "Welch t, clustered"
    else:
        p, test = p_of(bounds, least=1.0 / (settings.resamples + 1)), f"unpaired bootstrap{clustered}"
    if pair.shares[part]:
        size, effect = cohen_h(a, b), "Cohen's h"
    elif pair.means[part] and len(one) > 1 and len(two) > 1:
        size, effect = cohen_d(one, two), "Cohen's d"
    else:
        spread = stderr * math.sqrt(drawn.units)
        size, effect = (b - a) / spread if spread > 0.0 else math.nan, "difference over its spread"
    return Tested(a, b, bounds, method, p, test, size, effect, min(len(one), len(two)), drawn.units, stderr)


def recorded_test(a: Value, b: Value) -> Tested:
    """From two recorded values alone: a normal test from their standard errors.

    At the level of their own intervals the difference's interval is made of these, so that it keeps their asymmetry.
    """
    stderr = math.hypot(a.stderr, b.stderr)
    diff = b.mean - a.mean

    def bounds(level: float) -> tuple[float, float]:
        if a.ci is not None and b.ci is not None and a.confidence == b.confidence == level:
            return apart((a.mean, *a.ci), (b.mean, *b.ci))
        reach = normal_quantile((1.0 + level) / 2.0) * stderr
        return diff - reach, diff + reach

    if math.isfinite(stderr) and stderr > 0.0:
        p, test = 2.0 * normal_cdf(-abs(diff) / stderr), "unpaired normal, from the recorded values"
    else:
        p, test = math.nan, "none: no rows, and no standard errors"
    n = min(a.n, b.n)
    spread = stderr * math.sqrt(n)
    size = diff / spread if math.isfinite(spread) and spread > 0.0 else math.nan
    return Tested(a.mean, b.mean, bounds, "normal", p, test, size, "difference over its spread", n, n, stderr)
