"""Sums that no order, thread or neighbour can change; and the distributions that intervals read."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit.stats.normal import normal_cdf, normal_quantile, student_cdf, student_quantile
from evalkit.stats.power import about, more_needed
from evalkit.stats.resample import Units, weight_blocks, weighted_sums
from evalkit.stats.sums import centred, column_sum, column_sums

numbers = st.floats(-1e12, 1e12, allow_subnormal=False)


@settings(max_examples=100, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=200), st.randoms(use_true_random=False))
def test_a_sum_is_rounded_once_and_the_same_in_every_order(values, random):
    column = np.array(values)
    shuffled = column.copy()
    random.shuffle(shuffled)
    assert column_sum(column) == column_sum(shuffled)
    scale = float(np.abs(column).max())
    assert column_sum(column) == pytest.approx(math.fsum(values), rel=1e-15, abs=1e-25 * scale)


def test_sums_of_columns_leave_out_what_is_not_scored():
    values = np.array([[1.0, 2.0], [np.nan, np.nan], [3.0, 5.0]])
    assert column_sums(values, np.array([True, False, True])).tolist() == [4.0, 7.0]
    assert column_sums(np.empty((0, 3))).tolist() == [0.0, 0.0, 0.0]
    assert column_sum(np.array([1.0, np.inf])) == np.inf
    assert column_sum(np.array([1e-310, 2e-310])) == pytest.approx(3e-310)


@settings(max_examples=60, deadline=None)
@given(st.lists(numbers, min_size=2, max_size=50), st.integers(0, 1_000))
def test_weighted_sums_of_offsets_are_exact(values, seed):
    column = np.array(values)
    centre, offsets = centred(column, len(column))
    counts = np.bincount(np.random.default_rng(seed).integers(0, len(column), len(column)), minlength=len(column))
    exact = math.fsum(np.repeat(offsets, counts).tolist())
    for order in (np.arange(len(column)), np.argsort(offsets)):
        assert counts[order].astype(float) @ offsets[order] == exact
    assert centre + offsets == pytest.approx(column, abs=float(np.ptp(column)) * 2.0**-46 + 1e-300, rel=1e-15)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=50))
def test_whole_numbers_stay_exact(values):
    column = np.array(values, dtype=float)
    centre, offsets = centred(column, 20_000)
    assert np.array_equal(centre + offsets, column)


@pytest.mark.parametrize("k", [0, 1, 29, 70, 300])
def test_tiles_multiply_like_one_product(k):
    rng = np.random.default_rng(k)
    weights, matrix = rng.integers(0, 5, (77, 1_001)).astype(float), rng.integers(-9, 9, (1_001, k)).astype(float)
    out = np.full((77, k), np.nan)
    weighted_sums(weights, matrix, out)
    assert np.array_equal(out, weights @ matrix)


@pytest.mark.parametrize(("count", "resamples"), [(1, 3), (7, 1_000), (30_001, 40), (600_000, 2)])
def test_weights_count_the_generators_own_draws(count, resamples):
    drawn = np.random.default_rng(5).integers(0, count, (resamples, count))
    blocks = weight_blocks(np.random.default_rng(5), count, resamples)
    seen = 0
    for rows, weights in blocks:
        for row, counted in zip(range(rows.start, rows.stop), weights, strict=True):
            assert np.array_equal(counted, np.bincount(drawn[row], minlength=count))
            seen += 1
    assert seen == resamples


@pytest.mark.parametrize(
    ("n", "limit", "pools"),
    [(20_000, 20_000, 20_000), (20_001, 20_000, 10_000), (1_000_000, 20_000, 20_000), (7, 3, 2)],
)
def test_pools_are_equal_but_for_one_record(n, limit, pools):
    units = Units.of(n, None, np.random.SeedSequence(0), limit)
    assert units.count == pools
    if units.of_row is not None:
        sizes = np.bincount(units.of_row)
        assert sizes.max() - sizes.min() <= 1


def test_a_cluster_is_never_split_between_pools():
    clusters = np.random.default_rng(0).permutation(3_000) % 500
    units = Units.of(3_000, clusters, np.random.SeedSequence(0), 100)
    assert units.count == 100
    assert all(len(set(units.of_row[clusters == one])) == 1 for one in range(500))


# --- distributions ---------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.floats(-37.0, 8.0))
def test_the_normal_cdf_keeps_its_digits_far_out(x):
    assert normal_cdf(x) == pytest.approx(stats.norm.cdf(x), rel=1e-12)


@settings(deadline=None)
@given(st.floats(1e-300, 1.0, exclude_max=True))
def test_the_normal_quantile_is_scipys(p):
    assert normal_quantile(p) == pytest.approx(stats.norm.ppf(p), rel=1e-12, abs=1e-12)


def test_the_normal_quantile_has_ends():
    assert (normal_quantile(0.0), normal_quantile(1.0)) == (-math.inf, math.inf)
    assert math.isnan(normal_quantile(-0.1))
    assert math.isnan(normal_quantile(math.nan))


@settings(max_examples=60, deadline=None)
@given(st.floats(0.0005, 0.9995), st.one_of(st.integers(1, 300), st.floats(0.5, 5e4)))
def test_students_quantile_is_scipys(p, df):
    assert student_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-8, abs=1e-8)
    assert student_cdf(student_quantile(p, df), df) == pytest.approx(p, rel=1e-9)


def test_students_quantile_has_ends_and_a_limit():
    assert student_quantile(0.0, 5) == -math.inf
    assert math.isnan(student_quantile(0.5, 0))
    assert student_quantile(0.975, math.inf) == normal_quantile(0.975)
    assert student_quantile(0.975, 4) == pytest.approx(2.776445105, rel=1e-9)


# --- how many more ---------------------------------------------------------------------------------------------------


def test_that_many_more_records_bring_the_bound_to_the_interval():
    observed, stderr, n, bound = 0.70, 0.03, 200, 0.66
    more = more_needed(observed, stderr, n, bound=bound)
    later = stderr * math.sqrt(n / (n + more))
    assert observed - normal_quantile(0.975) * later == pytest.approx(bound, abs=2e-4)


def test_what_is_clear_needs_none_and_what_cannot_be_told_has_no_number():
    assert more_needed(0.9, 0.01, 100, bound=0.5) == 0
    assert more_needed(0.5, 0.01, 100, bound=0.5) is None
    assert more_needed(math.nan, 0.01, 100) is None
    assert more_needed(0.1, math.nan, 100) is None
    assert more_needed(0.1, 0.1, 0) is None
    assert more_needed(1e-12, 0.1, 100) is None


def test_counts_are_said_in_two_digits():
    assert [about(count) for count in (0, 7, 42, 417, 4_170, 123_456)] == [0, 7, 42, 420, 4_200, 130_000]
