"""Intervals that are asked for 95 % hold the truth in about 95 % of data sets; seeds are fixed, sizes modest."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.stats.bootstrap import Statistic, intervals, unpaired_difference
from evalkit.stats.proportion import wilson, wilson_clustered
from evalkit.stats.quantile import weighted_quantiles


def ratio(totals):
    return totals[..., :1] / totals[..., 1:2]


def covered(statistics, truth, **options):
    """Share of intervals that hold the truth; data sets share resamples, each is its own statistic."""
    found = intervals(statistics, seed=0, **options)
    return np.mean([(one.low[0] <= truth <= one.high[0]) for one in found])


def means(scores):
    return [Statistic(np.stack([row, np.ones(len(row))], axis=1), ratio) for row in scores]


@pytest.mark.parametrize("method", ["bca", "percentile"])
@pytest.mark.parametrize(
    ("n", "draw", "truth"),
    [
        (50, lambda rng, size: rng.normal(size=size), 0.0),
        (100, lambda rng, size: rng.beta(2.0, 1.0, size=size), 2 / 3),
        (200, lambda rng, size: rng.exponential(size=size), 1.0),
        (200, lambda rng, size: (rng.random(size) < 0.3).astype(float), 0.3),
    ],
    ids=["normal", "beta", "exponential", "hits"],
)
def test_means_are_covered(n, draw, truth, method):
    scores = draw(np.random.default_rng(1), (1_000, n))
    assert 0.93 <= covered(means(scores), truth, method=method) <= 0.97


def test_means_with_missing_rows_are_covered():
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(1_000, 120))
    gone = rng.random(scores.shape) < 0.3
    statistics = [
        Statistic(np.where(lost[:, None], np.nan, np.stack([row, np.ones(120)], axis=1)), ratio)
        for row, lost in zip(scores, gone, strict=True)
    ]
    assert 0.93 <= covered(statistics, 0.0) <= 0.97


def test_means_of_clustered_records_are_covered_and_would_not_be_without_clusters():
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(60), 5)
    scores = np.repeat(rng.normal(size=(800, 60)), 5, axis=1) + 0.5 * rng.normal(size=(800, 300))
    assert 0.93 <= covered(means(scores), 0.0, clusters=clusters) <= 0.97
    assert covered(means(scores), 0.0) < 0.75


def test_means_of_pooled_records_are_covered():
    scores = np.random.default_rng(4).exponential(size=(1_000, 1_000))
    assert 0.93 <= covered(means(scores), 1.0, pool_above=200) <= 0.97


@pytest.mark.parametrize(("level", "truth"), [(0.5, 1.0), (0.95, np.exp(1.6448536269514722))])
def test_quantiles_are_covered(level, truth):
    values = np.random.default_rng(5).lognormal(size=(500, 200))
    statistics = [
        Statistic(row[:, None], lambda totals: totals, lambda v, w: weighted_quantiles(v[:, 0], w, [level])) for row in values
    ]
    assert 0.92 <= covered(statistics, truth, resamples=400) <= 0.975


def test_unpaired_differences_are_covered():
    rng = np.random.default_rng(6)
    held = 0
    for trial in range(400):
        a, b = means([rng.exponential(size=80)])[0], means([rng.exponential(2.0, size=120)])[0]
        found = unpaired_difference(a, b, seed=trial, resamples=500)
        held += bool(found.low[0] <= 1.0 <= found.high[0])
    assert 0.92 <= held / 400 <= 0.975


@pytest.mark.parametrize("truth", [0.02, 0.1, 0.5, 0.9])
def test_wilson_covers_on_average_over_nearby_shares(truth):
    rng = np.random.default_rng(7)
    shares = np.clip(truth + 0.01 * rng.uniform(-1.0, 1.0, 20_000), 0.0, 1.0)
    low, high = wilson(rng.binomial(100, shares), 100)
    assert 0.93 <= np.mean((low <= shares) & (shares <= high)) <= 0.975


@pytest.mark.parametrize(
    ("truth", "together"), [(0.5, 0.0), (0.5, 0.5), (0.5, 1.0), (0.05, 0.0), (0.05, 0.5), (0.02, 0.5), (0.9, 1.0)]
)
def test_clustered_wilson_covers_whatever_the_records_of_a_cluster_share(truth, together):
    """``together`` is the share of clusters of one mind; the interval may be wide, not narrow."""
    rng = np.random.default_rng(8)
    trials, clusters, size = 1_000, 40, 6
    agreed = rng.random((trials, clusters)) < together
    apart = rng.binomial(size, truth, (trials, clusters))
    successes = np.where(agreed, size * (rng.random((trials, clusters)) < truth), apart)
    found = [wilson_clustered(row, np.full(clusters, size)) for row in successes]
    assert 0.93 <= np.mean([low <= truth <= high for low, high in found]) <= 0.995
