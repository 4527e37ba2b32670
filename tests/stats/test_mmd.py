"""MMD against its definition, and its permutation test against every relabelling."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist
from sklearn.metrics.pairwise import rbf_kernel

from evalkit.stats.mmd import Sample, mmd

SEEDS = st.integers(0, 2**32 - 1)


def slow(x, y, scale):
    """Gretton et al. (2012), eq. 3, pair by pair."""
    n, m = len(x), len(y)
    within = [(rbf_kernel(side, gamma=1 / scale).sum() - len(side)) / (len(side) * (len(side) - 1)) for side in (x, y)]
    return within[0] + within[1] - 2 * rbf_kernel(x, y, gamma=1 / scale).sum() / (n * m)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(2, 200), st.integers(2, 200), st.integers(1, 40))
def test_the_estimate_is_the_one_of_the_paper(seed, n, m, d):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(5.0, 2.0, size=(n, d)), rng.normal(5.2, 2.0, size=(m, d))
    scale = float(np.median(pdist(np.concatenate([x, y]), "sqeuclidean")))
    found = mmd(x, y, seed=0, permutations=9)
    assert found.statistic == pytest.approx(slow(x, y, scale), abs=1e-11)
    assert mmd(x, y, seed=0, permutations=1, bandwidth=3.0 * d).statistic == pytest.approx(slow(x, y, 3.0 * d), abs=1e-11)
    assert mmd(y, x, seed=0, permutations=1).statistic == pytest.approx(found.statistic, abs=1e-11)


@pytest.mark.parametrize("d", [1, 64])
def test_of_many_vectors_four_bytes_a_number_give_the_same_six_digits_behind_the_point(d):
    rng = np.random.default_rng(8)
    x, y = rng.normal(5.0, 2.0, size=(900, d)), rng.normal(5.2, 2.0, size=(700, d))
    found = mmd(x, y, seed=0, permutations=9, bandwidth=8.0 * d)
    assert found.statistic == pytest.approx(slow(x, y, 8.0 * d), abs=1e-6)


def test_one_dimension_by_hand():
    found = mmd([[0.0], [1.0]], [[0.0], [2.0]], seed=0, permutations=1, bandwidth=1.0)
    across = (1 + math.exp(-4) + math.exp(-1) + math.exp(-1)) / 4
    assert found.statistic == pytest.approx(math.exp(-1) + math.exp(-4) - 2 * across, abs=1e-7)


def test_p_is_the_share_of_relabellings():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(5, 2)), rng.normal(0.9, 1.0, size=(6, 2))
    both = np.concatenate([x, y])
    scale = float(np.median(pdist(both, "sqeuclidean")))
    values = [slow(both[list(first)], np.delete(both, first, axis=0), scale) for first in itertools.combinations(range(11), 5)]
    expected = np.mean(np.array(values) >= slow(x, y, scale) - 1e-12)
    found = mmd(x, y, seed=0, permutations=20_000)
    assert found.p == pytest.approx(expected, abs=5 * math.sqrt(expected / 20_000))


def test_far_from_the_origin_and_beside_an_outlier_digits_are_kept():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(60, 3)), rng.normal(size=(50, 3))
    near = mmd(x, y, seed=0, permutations=99)
    far = mmd(x + 1e5, y + 1e5, seed=0, permutations=99)
    assert far.statistic == pytest.approx(near.statistic, abs=1e-6)
    x[0] = 1e6
    both = np.concatenate([x, y])
    scale = float(np.median(cdist(both, both, "sqeuclidean")[np.triu_indices(110, 1)]))
    assert mmd(x, y, seed=0, permutations=9).statistic == pytest.approx(slow(x, y, scale), abs=1e-6)


def test_a_drift_is_found_and_its_p_is_as_small_as_permutations_allow():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(300, 16)), rng.normal(0.5, 1.0, size=(100, 16))
    found = mmd(x, y, seed=0, permutations=199)
    assert found.p == 1 / 200
    assert found.statistic > 0.01
    assert found == mmd(x, y, seed=0, permutations=199)


def test_halves_of_one_sample_hold_the_level():
    rng = np.random.default_rng(4)
    found = [mmd(*rng.normal(size=(2, 40, 4)), seed=seed, permutations=99).p <= 0.05 for seed in range(600)]
    assert np.mean(found) == pytest.approx(0.05, abs=0.03)
    coarse = [mmd(*rng.integers(0, 2, size=(2, 30, 2)), seed=seed, permutations=99).p <= 0.05 for seed in range(400)]
    assert np.mean(coarse) <= 0.08


def test_of_many_vectors_a_part_is_drawn_and_the_test_says_so():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(900, 3)), rng.normal(size=(120, 3))
    found = mmd(x, y, seed=0, permutations=9, most=400)
    assert found.test == "MMD of 280 and 120 drawn vectors"
    assert found == mmd(x, y, seed=0, permutations=9, most=400)
    assert mmd(x, y, seed=0, permutations=9, most=100).test == "MMD of 50 and 50 drawn vectors"
    sample = Sample.of(x, y, np.random.default_rng(0), 400)
    assert (sample.n, sample.m, sample.left_out) == (280, 120, 620)
    assert np.allclose(sample.pooled.mean(axis=0), 0.0)


def test_the_median_of_many_is_that_of_a_thousand_drawn():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(1_500, 2)), rng.normal(size=(800, 2))
    scale = float(np.median(pdist(np.concatenate([x, y]), "sqeuclidean")))
    assert mmd(x, y, seed=0, permutations=1).statistic == pytest.approx(slow(x, y, scale), abs=2e-4)


def test_nothing_to_tell_apart():
    some = np.ones((5, 2))
    assert mmd(some, some, seed=0)[:2] == (0.0, 1.0)
    assert math.isnan(mmd(some[:1], some, seed=0).p)
    assert math.isnan(mmd(np.empty((0, 2)), some, seed=0).statistic)
    mostly = np.zeros((30, 1))
    mostly[:4] = 1.0  # the median distance is 0
    assert 0.0 < mmd(mostly, np.zeros((30, 1)), seed=0).p <= 1.0


def test_vectors_that_are_no_numbers_are_left_out():
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(30, 3)), rng.normal(size=(20, 3))
    broken = np.concatenate([x, [[np.nan, 0.0, 0.0], [np.inf, 1.0, 1.0]]])
    assert mmd(broken, y, seed=0, permutations=19) == mmd(x, y, seed=0, permutations=19)


def test_vectors_of_two_lengths_are_refused():
    with pytest.raises(ValueError, match="vectors of one length"):
        mmd(np.ones((3, 2)), np.ones((3, 4)), seed=0)
    with pytest.raises(ValueError, match="vectors of one length"):
        mmd([1.0, 2.0], [1.0, 2.0], seed=0)
