"""The classifier between two sets of vectors, distances of means and Fréchet's distance against scikit-learn and scipy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from scipy.linalg import sqrtm
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from evalkit.stats.domain import _scores, _shrinkage, _wins, domain_auc, frechet, mean_shift, mean_shift_from, moments
from evalkit.stats.effect import cohen_d

SEEDS = st.integers(0, 2**32 - 1)


# --- the classifier --------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(20, 120), st.integers(2, 60))
def test_covariances_are_shrunken_as_scikit_learn_shrinks_them(seed, n, d):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * rng.uniform(0.2, 2.0, d)
    x -= x.mean(axis=0)
    theirs, share = ledoit_wolf(x, assume_centered=True)
    for product in (x.T @ x / n, x @ x.T / n):
        keep, ridge = _shrinkage(product, x)
        assert 1.0 - keep == pytest.approx(share, abs=1e-10)
        assert keep * x.T @ x / n + ridge * np.eye(d) == pytest.approx(theirs, abs=1e-8)


def test_the_direction_is_that_of_a_discriminant_analysis():
    rng = np.random.default_rng(0)
    x, asked = rng.normal(size=(4_000, 6)) @ rng.normal(size=(6, 6)), rng.normal(size=(50, 6))
    labels = rng.random(4_000) < 0.3
    x[labels] += 0.4
    theirs = LinearDiscriminantAnalysis().fit(x, labels).decision_function(asked)
    ours = _scores(x, labels[:, None], asked)[:, 0]
    assert np.corrcoef(ours, theirs)[0, 1] > 0.999


def test_more_dimensions_than_vectors_give_the_same_scores_the_other_way_round():
    rng = np.random.default_rng(1)
    x, asked = rng.normal(size=(30, 31)), rng.normal(size=(7, 31))
    labels = np.arange(30)[:, None] % 2 == np.array([[0, 1]])
    padded = [np.concatenate([side, np.zeros((len(side), 20))], axis=1) for side in (x, asked)]
    centred = x - x.mean(axis=0)
    keep, ridge = _shrinkage(centred.T @ centred / 30, centred)
    weights = np.where(labels, 1 / 15, -1 / 15)
    covariance = keep * centred.T @ centred / 30 + ridge * np.eye(31)
    assert _scores(x, labels, asked) == pytest.approx(asked @ np.linalg.solve(covariance, centred.T @ weights))
    assert _scores(*[padded[0], labels, padded[1]]).shape == (7, 2)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(2, 40), st.booleans())
def test_wins_are_the_auc_of_scikit_learn_ties_included(seed, size, tied):
    rng = np.random.default_rng(seed)
    labels = np.zeros((size, 3), dtype=bool)
    labels[: max(1, size // 3)] = True
    labels = rng.permuted(labels, axis=0)
    scores = rng.integers(0, 4, (size, 3)).astype(float) if tied else rng.normal(size=(size, 3))
    second = int(labels[:, 0].sum())
    expected = [roc_auc_score(label, score) for label, score in zip(labels.T, scores.T)]
    assert _wins(scores, labels) / (second * (size - second)) == pytest.approx(expected)


@pytest.mark.parametrize("d", [4, 300])
def test_a_drift_in_some_dimensions_is_found(d):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(150, d)), rng.normal(size=(120, d))
    y[:, :4] += 0.8
    found = domain_auc(x, y, seed=0, permutations=199)
    assert found.p == 1 / 200
    assert 0.6 < found.statistic < 1.0
    assert found == domain_auc(x, y, seed=0, permutations=199)
    assert found.test == "domain AUC"


def test_a_known_distance_gives_its_auc():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(3_000, 3)), rng.normal(size=(3_000, 3))
    y[:, 0] += 1.0
    expected = scipy_stats.norm.cdf(1 / math.sqrt(2))
    assert domain_auc(x, y, seed=0, permutations=9).statistic == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("kind", ["few against many", "bags"])
def test_halves_of_one_sample_hold_the_level(kind):
    rng = np.random.default_rng(4)

    def drawn(size):
        return rng.normal(size=(size, 5)) if kind == "few against many" else rng.poisson(0.2, size=(size, 12)).astype(float)

    found = [domain_auc(drawn(80), drawn(20), seed=seed, permutations=39) for seed in range(400)]
    assert np.mean([one.p <= 0.05 for one in found]) == pytest.approx(0.05, abs=0.03)
    assert np.mean([one.statistic for one in found]) == pytest.approx(0.5, abs=0.02)


def test_nothing_to_tell_apart():
    some = np.ones((20, 3))
    assert domain_auc(some, some, seed=0)[:2] == (0.5, 1.0)
    assert mean_shift(some, some, seed=0)[:2] == (0.0, 1.0)
    assert math.isnan(domain_auc(some[:9], some, seed=0).p)
    assert math.isnan(mean_shift(some[:1], some, seed=0).p)
    assert math.isnan(mean_shift_from([0.0], [[1.0]], 2, [0.0], [[1.0]], 9).p)
    assert mean_shift_from([0.0], [[0.0]], 9, [0.0], [[0.0]], 9)[:2] == (0.0, 1.0)
    assert math.isnan(mean_shift_from([0.0], [[0.0]], 9, [1.0], [[0.0]], 9).statistic)


def test_of_many_vectors_a_part_is_drawn_and_the_test_says_so():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(300, 2)), rng.normal(size=(90, 2))
    assert domain_auc(x, y, seed=0, permutations=9, most=200).test == "domain AUC of 110 and 90 drawn vectors"


# --- means -----------------------------------------------------------------------------------------------------------


def test_in_one_dimension_the_shift_of_means_is_cohens_d():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=40), rng.normal(0.7, 1.5, size=25)
    found = mean_shift(x[:, None], y[:, None], seed=0)
    assert found.statistic == pytest.approx(abs(cohen_d(x, y)))
    assert mean_shift_from(*moments(x[:, None]), *moments(y[:, None])).statistic == pytest.approx(found.statistic)


def test_the_p_of_a_shift_is_the_share_of_relabellings():
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(5, 3)), rng.normal(0.7, 1.0, size=(6, 3))
    both = np.concatenate([x, y])

    def square(first):
        return ((both[list(first)].mean(axis=0) - np.delete(both, first, axis=0).mean(axis=0)) ** 2).sum()

    squares = np.array([square(first) for first in itertools.combinations(range(11), 5)])
    expected = np.mean(squares >= square(range(5)) - 1e-12)
    found = mean_shift(x, y, seed=0, permutations=20_000)
    assert found.p == pytest.approx(expected, abs=5 * math.sqrt(expected / 20_000))
    pooled = (4 * np.cov(x.T) + 5 * np.cov(y.T)) / 9
    assert found.statistic == pytest.approx(math.sqrt(square(range(5)) / np.trace(pooled)))


@pytest.mark.parametrize("shift", [0.0, 0.03])
def test_boxs_approximation_agrees_with_permutations(shift):
    rng = np.random.default_rng(8)
    spread = 1 / np.sqrt(np.arange(1, 21))
    x, y = rng.normal(size=(900, 20)) * spread, rng.normal(shift, 1.0, size=(400, 20)) * spread
    permuted, approximate = mean_shift(x, y, seed=0, permutations=5_000), mean_shift(x, y, seed=0, most=1_000)
    assert approximate.test == "mean shift, Box's approximation"
    assert approximate.statistic == pytest.approx(permuted.statistic)
    assert approximate.p == pytest.approx(permuted.p, abs=0.03)


def test_boxs_approximation_is_exact_in_one_dimension():
    found = mean_shift_from([0.0], [[2.0]], 1_000_000, [0.01], [[3.0]], 1_000_000)
    z = 0.01 / math.sqrt(5.0 / 1_000_000)
    assert found.p == pytest.approx(2 * scipy_stats.norm.sf(z), rel=1e-4)


@pytest.mark.parametrize("d", [5, 100])
def test_boxs_approximation_holds_its_level(d):
    rng = np.random.default_rng(9)
    spread = 1 / np.sqrt(np.arange(1, d + 1))
    found = [
        mean_shift(rng.normal(size=(300, d)) * spread, rng.normal(size=(150, d)) * spread, seed=0, most=0).p <= 0.05
        for _ in range(400)
    ]
    assert np.mean(found) == pytest.approx(0.05, abs=0.035)


def test_moments_are_numpys_block_by_block_and_skip_what_is_no_number():
    rng = np.random.default_rng(10)
    x = rng.normal(3.0, 2.0, size=(20_000, 3)).astype(np.float32)
    x[5] = np.nan
    mean, covariance, n = moments(x)
    kept = np.delete(x, 5, axis=0).astype(float)
    assert n == 19_999
    assert mean == pytest.approx(kept.mean(axis=0))
    assert covariance == pytest.approx(np.cov(kept.T))
    assert np.isnan(moments(np.ones((1, 2)))[1]).all()


# --- Fréchet ---------------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(1, 12))
def test_frechets_distance_is_that_of_a_matrix_root(seed, d):
    rng = np.random.default_rng(seed)
    means, sides = rng.normal(size=(2, d)), [rng.normal(size=(3 * d + 2, d)) for _ in range(2)]
    one, two = (side.T @ side / len(side) for side in sides)
    expected = ((means[1] - means[0]) ** 2).sum() + np.trace(one + two - 2 * np.real(sqrtm(one @ two)))
    assert frechet(means[0], one, means[1], two) == pytest.approx(expected, rel=1e-6, abs=1e-8)
    assert frechet(means[1], two, means[0], one) == pytest.approx(frechet(means[0], one, means[1], two), rel=1e-6, abs=1e-8)
    assert frechet(means[0], one, means[0], one) == pytest.approx(0.0, abs=1e-7)


def test_frechets_distance_by_hand():
    assert frechet([0.0, 0.0, 0.0], np.eye(3), [1.0, 1.0, 1.0], 4 * np.eye(3)) == pytest.approx(6.0)
    assert frechet([0.0], [[1.0]], [3.0], [[1.0]]) == pytest.approx(9.0)
    assert math.isnan(frechet([np.nan], [[1.0]], [3.0], [[1.0]]))
