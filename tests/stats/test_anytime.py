"""Intervals for those who peek: one boundary in two dresses, right at its own tuning, and never crossed too often."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from evalkit.stats.anytime import both_arms, half_width, mixture_p, tuning, valid_p
from evalkit.stats.sample_ratio import THRESHOLD, always_valid, chi_square


@given(st.floats(-5, 5), st.floats(1e-4, 10), st.integers(2, 10**6), st.sampled_from([0.01, 0.05, 0.1]))
def test_p_is_below_alpha_where_the_interval_leaves_zero_out(estimate, variance, n, alpha):
    half = half_width(variance, n, alpha=alpha)
    p = valid_p(estimate, variance, n, alpha=alpha)
    if abs(abs(estimate) - half) > 1e-9 * half:
        assert (p < alpha) == (abs(estimate) > half)


def test_the_mixture_is_an_integral_of_likelihood_ratios():
    estimate, variance, prior = 0.3, 0.02, 0.05

    def weighted(theta):
        return stats.norm.pdf(estimate, theta, math.sqrt(variance)) * stats.norm.pdf(theta, 0, math.sqrt(prior))

    ratio = integrate.quad(weighted, -3, 3, points=[0, estimate])[0] / stats.norm.pdf(estimate, 0, math.sqrt(variance))
    assert mixture_p(estimate, variance, prior) == pytest.approx(1 / ratio, rel=1e-8)


def test_the_sequence_is_narrowest_about_where_it_is_tuned():
    planned, n = 2_500.0, 2_500
    own = half_width(1 / n, n, planned=planned)
    assert own <= min(half_width(1 / n, n, planned=other) for other in (planned / 3, planned * 3))
    assert own / (1.96 / math.sqrt(n)) == pytest.approx(1.5, abs=0.1)  # what looking at will costs there
    assert tuning(2 * planned, 0.05) == pytest.approx(tuning(planned, 0.05) / 2)


def test_nothing_is_known_without_units():
    assert math.isnan(half_width(1.0, 0))
    assert math.isnan(valid_p(1.0, 0.0, 10))
    assert both_arms(0, 5) == 0
    assert both_arms(10, 10) == 5


def test_looking_after_every_unit_seldom_finds_what_is_not_there():
    rng = np.random.default_rng(1)
    draws = rng.exponential(size=(400, 4_000)) - 1.0  # skewed, mean 0
    n = np.arange(1, 4_001)
    mean = draws.cumsum(axis=1) / n
    variance = (draws**2).cumsum(axis=1) / n - mean**2
    bound = np.array([half_width(1.0, size, planned=2_000) for size in n])
    crossed = np.abs(mean)[:, 99:] > (np.sqrt(variance / n * n) * bound)[:, 99:]
    naive = np.abs(mean)[:, 99:] > 1.96 * np.sqrt(variance / n)[:, 99:]
    assert crossed.any(axis=1).mean() <= 0.05
    assert naive.any(axis=1).mean() > 0.2  # the test would see it


@pytest.mark.parametrize(("observed", "expected"), [((1_000, 1_050), (1, 1)), ((100, 210, 99), (1, 2, 1))])
def test_the_ratio_check_is_scipys_chi_square(observed, expected):
    share = np.array(expected) / sum(expected)
    assert chi_square(observed, expected) == pytest.approx(stats.chisquare(observed, sum(observed) * share).pvalue, rel=1e-10)


def test_51_to_49_at_100_000_units_is_a_mismatch_and_an_even_split_is_none():
    assert chi_square((51_000, 49_000), (1, 1)) < THRESHOLD
    assert always_valid((51_000, 49_000), (1, 1)) < THRESHOLD
    assert chi_square((50_100, 49_900), (1, 1)) > 0.5
    assert always_valid((50_100, 49_900), (1, 1)) == 1.0
    assert chi_square((90_000, 10_000), (9, 1)) == pytest.approx(1.0)


def test_the_sequential_ratio_check_is_a_bayes_factor():
    from scipy.special import betaln

    x, n = 70, 100
    marginal = betaln(50 + x, 50 + n - x) - betaln(50, 50)
    assert always_valid((x, n - x), (1, 1)) == pytest.approx(min(1, math.exp(n * math.log(0.5) - marginal)), rel=1e-9)


def test_the_sequential_ratio_check_seldom_cries_however_often_one_looks():
    rng = np.random.default_rng(2)
    cried = 0
    for _ in range(200):
        counts = np.cumsum(rng.random(3_000) < 0.5)
        cried += any(always_valid((int(counts[n - 1]), int(n - counts[n - 1])), (1, 1)) < 0.05 for n in range(10, 3_001, 30))
    assert cried / 200 <= 0.05


def test_no_units_have_no_ratio():
    assert math.isnan(chi_square((0, 0), (1, 1)))
    assert math.isnan(always_valid((5,), (1,)))
