"""Counts and normal values: scores, evidence and tails against scipy's and against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit.detection.tails import LIMIT, evidence, p_value, quantile, score, stretched, tails_of, tempered


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-3, 1e4), st.integers(0, 60))
def test_scores_are_mid_p_of_a_poisson_count(rate, count):
    z = (count - rate) / math.sqrt(rate)
    above = stats.poisson.sf(count, rate) + 0.5 * stats.poisson.pmf(count, rate)
    below = stats.poisson.cdf(count, rate) - 0.5 * stats.poisson.pmf(count, rate)
    expected = stats.norm.isf(above) if above < below else stats.norm.ppf(below)
    told = float(score(np.array([z]), np.array([1 / math.sqrt(rate)]))[0])
    if min(above, below) > 1e-280:
        assert told == pytest.approx(expected, abs=1e-6, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.floats(-8, 8), st.floats(0.01, 2))
def test_scores_of_the_mirrored_are_mirrored(z, skew):
    told = score(np.array([z, -z]), np.array([skew, -skew]))
    assert told[0] == pytest.approx(-told[1], abs=1e-9)


def test_without_skewness_a_score_is_z():
    z = np.linspace(-6, 6, 25)
    assert score(z, np.zeros(25)) == pytest.approx(z, abs=0.02)


@pytest.mark.parametrize("rate", [0.05, 1.0, 30.0])
@pytest.mark.parametrize("shift", [0.4, 1.0, 4.0])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_evidence_for_a_shift_is_a_fair_bet_while_there_is_none(rate, shift, side):
    counts = np.arange(0, 120)
    z = (counts - rate) / math.sqrt(rate)
    gain = np.exp(evidence(z, np.full(120, 1 / math.sqrt(rate)), shift, side))
    assert float(gain @ stats.poisson.pmf(counts, rate)) == pytest.approx(1.0, abs=1e-9)


def test_evidence_of_normal_values_is_that_of_pages_chart():
    z = np.linspace(-4, 4, 9)
    assert evidence(z, np.zeros(9), 1.0, 1.0) == pytest.approx(z - 0.5, abs=0.01)
    assert evidence(z, np.zeros(9), 0.4, -1.0) == pytest.approx(-0.4 * z - 0.08, abs=0.01)


def test_a_value_counts_at_most_four_deviations_in_a_sum():
    z, never = np.array([-30.0, -2.0, 0.0, 2.0, 30.0]), np.full(5, np.inf)
    assert tempered(z, z, z, never) == pytest.approx([-LIMIT, -2.0, 0.0, 2.0, LIMIT])


@pytest.mark.parametrize("rate", [0.05, 0.3, 1.0, 20.0])
def test_counts_spread_over_their_probabilities_are_normal(rate):
    z = (np.random.default_rng(2).poisson(rate, 2_000) - rate) / math.sqrt(rate)
    spread = score(z, np.full(2_000, 1 / math.sqrt(rate)), np.arange(1.0, 2_001.0) * 0.618033988749895 % 1.0)
    assert stats.kstest(spread, "norm").pvalue > 0.01
    assert tails_of(spread)[0] == math.inf


def test_heavy_tails_are_drawn_in():
    z = np.array([1.0, 3.0])
    drawn = tempered(z, z, z, np.full(2, 4.0))
    assert drawn == pytest.approx(stats.norm.isf(stats.t.sf(z, 4)))


@pytest.mark.parametrize("rate", [1.0, 4.0, 40.0])
def test_a_score_stretched_is_about_the_count_again(rate):
    skew = np.full(4, 1 / math.sqrt(rate))
    z = (np.array([0.5, 1, 1.5, 2]) * rate - rate) / math.sqrt(rate)
    assert stretched(score(z, skew), skew) == pytest.approx(z, abs=0.1 + 0.05 * np.abs(z).max())


def test_p_and_quantile_belong_together():
    df = np.array([1.0, 5.0, 1e12, np.inf])
    t = quantile(1e-4, df)
    assert p_value(t, df) == pytest.approx(1e-4)
    assert t[-1] == pytest.approx(stats.norm.isf(5e-5))


def test_normal_scores_have_normal_tails():
    found = [tails_of(np.random.default_rng(seed).normal(size=400) * 1.3) for seed in range(20)]
    assert sum(df == math.inf for df, _ in found) >= 18
    assert np.mean([scale for _, scale in found]) == pytest.approx(1.3, abs=0.1)


def test_students_tails_are_found_with_their_scale():
    df, scale = tails_of(2.0 * np.random.default_rng(1).standard_t(4, size=3_000))
    assert 3.0 <= df <= 5.0
    assert scale == pytest.approx(2.0, abs=0.2)
