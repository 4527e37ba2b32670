"""Samples with known probabilities: their size, who is in, and that weights give back what all records would."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.stats.sampling import by_size, rank_gap, shares, simple, stratified, uncertainty


@given(st.integers(1, 60), st.integers(1, 80), st.integers(0, 99))
def test_a_sample_has_its_size_and_no_record_twice(n, size, seed):
    rng = np.random.default_rng(seed)
    for drawn in (simple(n, size, seed), stratified(rng.integers(0, 4, n), size, seed), by_size(rng.random(n), size, seed)):
        assert len(drawn.indices) == min(size, n)
        assert (np.diff(drawn.indices) > 0).all()
        assert ((drawn.probability > 0) & (drawn.probability <= 1)).all()


def test_the_same_seed_draws_the_same_records():
    assert simple(50, 9, 3).indices.tolist() == simple(50, 9, 3).indices.tolist() != simple(50, 9, 4).indices.tolist()


@given(st.lists(st.integers(0, 12), min_size=1, max_size=8), st.integers(0, 60))
def test_strata_give_as_equal_shares_as_they_hold(held, size):
    taken = shares(np.array(held), size, np.random.default_rng(0))
    assert taken.sum() == min(size, sum(held))
    assert (taken <= held).all()
    full = taken == held
    assert taken[~full].max(initial=0) - taken[~full].min(initial=99) <= 1  # who could give more gives alike
    if full.any() and (~full).any():
        assert taken[full].max() <= taken[~full].max() + 1


@pytest.mark.parametrize("draw", ["stratified", "by_size"])
def test_records_are_drawn_as_often_as_their_probability_says(draw):
    rng = np.random.default_rng(1)
    sizes, strata = rng.random(30) ** 3, np.repeat([0, 1, 2], [3, 9, 18])
    seen, told = np.zeros(30), np.zeros(30)
    for seed in range(2_000):
        found = stratified(strata, 9, seed) if draw == "stratified" else by_size(sizes, 10, seed)
        seen[found.indices] += 1
        told[found.indices] = found.probability
    assert seen / 2_000 == pytest.approx(told, abs=0.05)


@pytest.mark.parametrize("draw", ["simple", "stratified", "by_size"])
def test_weighted_sums_give_back_the_whole(draw):
    """The mean over 1,500 samples of the weighted total is the total of all records (Horvitz and Thompson 1952)."""
    rng = np.random.default_rng(7)
    value, strata, sizes = rng.exponential(size=40), rng.integers(0, 3, 40), rng.random(40)
    calls = {
        "simple": lambda s: simple(40, 12, s),
        "stratified": lambda s: stratified(strata, 12, s),
        "by_size": lambda s: by_size(sizes, 12, s),
    }
    totals = [float((found.weights * value[found.indices]).sum()) for found in map(calls[draw], range(1_500))]
    assert np.mean(totals) == pytest.approx(value.sum(), abs=4 * np.std(totals) / np.sqrt(1_500))


def test_a_large_record_is_certain_and_no_weight_grows_beyond_bound():
    sizes = np.r_[1_000.0, np.zeros(99)]
    found = by_size(sizes, 20, 0)
    assert found.indices[0] == 0
    assert found.probability[0] == 1.0
    assert found.weights.max() <= 100 / (0.2 * 20) + 1e-9


@settings(max_examples=30)
@given(st.integers(0, 50))
def test_without_sizes_all_records_are_alike(seed):
    assert by_size(np.full(20, np.nan), 5, seed).probability == pytest.approx([0.25] * 5)


def test_uncertainty_is_largest_in_the_middle_and_rank_gap_where_scores_part():
    assert uncertainty(np.array([1.0, 3, 5, np.nan]), 3.0).tolist() == [0.0, 1.0, 0.0, 0.0]
    assert uncertainty(np.array([2.0, 2.0]), 2.0).tolist() == [1.0, 1.0]
    assert rank_gap(np.array([1.0, 2, 3]), np.array([30.0, 20, 10])).tolist() == [1.0, 0.0, 1.0]
    assert rank_gap(np.array([1.0, np.nan]), np.array([1.0, 2.0])).tolist() == [0.0, 0.0]
