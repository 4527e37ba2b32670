"""Welch, shares of samples, signed ranks, equivalence and effect sizes against scipy, statsmodels, R and their definitions."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import proportion_effectsize
from statsmodels.stats.proportion import test_proportions_2indep as score_test
from statsmodels.stats.weightstats import ttost_ind, ttost_paired

from evalkit.stats.effect import cohen_d, cohen_dz, cohen_h, discordant_odds
from evalkit.stats.equivalence import tost_p, tost_t
from evalkit.stats.signed_rank import wilcoxon
from evalkit.stats.student import paired_t
from evalkit.stats.welch import (
    few_expected,
    proportions,
    shares_clustered,
    two_proportions,
    welch_clustered,
    welch_from,
    welch_t,
)

SEEDS = st.integers(0, 2**32 - 1)


# --- Welch -----------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(2, 40), st.integers(2, 40))
def test_welch_is_scipys(seed, n, m):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n), rng.normal(0.5, 3.0, size=m)
    theirs = scipy_stats.ttest_ind(b, a, equal_var=False)
    ours = welch_t(a, b)
    assert (ours.p, ours.df) == pytest.approx((theirs.pvalue, theirs.df), rel=1e-8)
    assert ours.interval(0.9) == pytest.approx(tuple(theirs.confidence_interval(0.9)), rel=1e-8)
    assert welch_from(a.mean(), a.var(ddof=1), n, b.mean(), b.var(ddof=1), m) == pytest.approx(ours)


def test_clusters_of_one_are_records_and_equal_clusters_their_means():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=30), rng.normal(size=24)
    assert welch_clustered(a, b, np.arange(30), None) == pytest.approx(welch_t(a, b))
    five, four = np.repeat(np.arange(6), 5), np.repeat(np.arange(6), 4)
    by_means = welch_t(a.reshape(6, 5).mean(axis=1), b.reshape(6, 4).mean(axis=1))
    assert welch_clustered(a, b, five, four) == pytest.approx(by_means)


def test_clustered_variances_are_those_of_statsmodels_regression_on_a_constant():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 12, 90)
    values = rng.normal(size=90) + rng.normal(size=12)[labels]
    fit = OLS(values, np.ones(90)).fit(cov_type="cluster", cov_kwds={"groups": labels})
    ours = welch_clustered(np.zeros(2), values, None, labels)
    assert ours.stderr == pytest.approx(fit.bse[0], rel=1e-10)
    assert ours.df == pytest.approx(len(np.unique(labels)) - 1)


def test_too_few_have_no_p_and_values_that_do_not_vary_have_one():
    assert math.isnan(welch_t([1.0], [1.0, 2.0]).p)
    assert math.isnan(welch_clustered([1.0, 2.0], [1.0, 3.0], [0, 0], None).p)
    assert math.isnan(welch_from(0.0, 1.0, 1, 1.0, 1.0, 5).p)
    assert welch_t([1.0, 1.0], [1.0, 1.0]).p == 1.0


# --- shares ----------------------------------------------------------------------------------------------------------


@pytest.mark.shared_data
def test_rs_prop_test(shared_data):
    told = json.loads((shared_data / "stat_parity_cases" / "proportions_R.json").read_text())
    ours = proportions(told["success"], told["nobs"])
    assert ours == pytest.approx((told["chi2"], told["df"], told["p"]), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(20, 400), st.integers(20, 400), st.floats(0.3, 0.7), SEEDS)
def test_the_score_test_is_statsmodels_and_scipys(n, m, share, seed):
    rng = np.random.default_rng(seed)
    x, y = int(rng.binomial(n, share)), int(rng.binomial(m, share))
    pooled = (x + y) / (n + m)
    if min(pooled, 1 - pooled) * min(n, m) < 5:
        return
    ours = two_proportions(x, n, y, m)
    theirs = score_test(y, m, x, n, method="score", correction=False)
    assert ours.p == pytest.approx(theirs.pvalue, abs=1e-9)
    assert ours.p == pytest.approx(scipy_stats.chi2_contingency([[x, n - x], [y, m - y]], correction=False).pvalue, abs=1e-9)


def test_few_successes_take_fishers_test_and_none_take_none():
    assert two_proportions(0, 10, 4, 10).p == pytest.approx(scipy_stats.fisher_exact([[0, 10], [4, 6]]).pvalue)
    assert few_expected(0, 10, 4, 10)
    assert not few_expected(10, 20, 8, 20)
    assert two_proportions(0, 10, 0, 12).p == 1.0
    assert two_proportions(10, 10, 12, 12).p == 1.0
    assert math.isnan(two_proportions(0, 0, 1, 5).p)
    assert math.isnan(proportions([0, 0], [5, 5]).p)
    with pytest.raises(ValueError, match="two or more samples"):
        proportions([6], [5])


# --- signed ranks ----------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 50))
def test_few_untied_differences_have_scipys_exact_p(seed, n):
    difference = np.random.default_rng(seed).normal(0.3, size=n)
    assert wilcoxon(difference) == pytest.approx(scipy_stats.wilcoxon(difference, method="exact").pvalue, rel=1e-9)


@pytest.mark.parametrize("zeros", ["wilcox", "pratt"])
def test_many_have_scipys_normal_p_ties_and_zeros_included(zeros):
    difference = np.random.default_rng(2).normal(0.1, size=300).round(1)
    theirs = scipy_stats.wilcoxon(difference, zero_method=zeros, method="asymptotic").pvalue
    assert wilcoxon(difference, zero_method=zeros) == pytest.approx(theirs, rel=1e-10)


@pytest.mark.parametrize("zeros", ["wilcox", "pratt"])
def test_ties_and_zeros_are_exact_in_few(zeros):
    difference = np.array([0, 1, -1, 2, 2, 3, 0, -1, 4, 5.0, 1])
    kept = difference[difference != 0]
    ranks = (
        scipy_stats.rankdata(np.abs(kept)) if zeros == "wilcox" else scipy_stats.rankdata(np.abs(difference))[difference != 0]
    )
    sums = np.array([np.dot(signs, ranks) for signs in itertools.product([-1, 1], repeat=len(ranks))])
    expected = np.mean(np.abs(sums) >= abs(np.dot(np.sign(kept), ranks)) - 1e-9)
    assert wilcoxon(difference, zero_method=zeros) == pytest.approx(expected, abs=1e-15)


def test_clusters_turn_their_signs_together():
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(9), 4)
    difference = rng.normal(size=36) + rng.normal(size=9)[clusters]
    signed = np.bincount(clusters, weights=np.sign(difference) * scipy_stats.rankdata(np.abs(difference)))
    sums = np.array([np.dot(signs, np.abs(signed)) for signs in itertools.product([-1, 1], repeat=9)])
    expected = np.mean(np.abs(sums) >= abs(signed.sum()) - 1e-9)
    assert wilcoxon(difference, clusters=clusters) == pytest.approx(expected, abs=1e-15)
    assert wilcoxon(difference, clusters=np.arange(36)) == wilcoxon(difference)


def test_many_clusters_have_rosner_glynn_and_lees_normal_p():
    rng = np.random.default_rng(4)
    clusters = np.repeat(np.arange(100), 3)
    difference = rng.normal(0.2, size=300)
    signed = np.bincount(clusters, weights=np.sign(difference) * scipy_stats.rankdata(np.abs(difference)))
    z = signed.sum() / np.sqrt((signed**2).sum())
    assert wilcoxon(difference, clusters=clusters) == pytest.approx(2 * scipy_stats.norm.sf(abs(z)))


def test_few_clusters_of_many_records_are_exact_too():
    rng = np.random.default_rng(9)
    clusters = np.repeat(np.arange(10), 4_000)
    difference = rng.normal(size=40_000) + 0.1 * rng.normal(size=10)[clusters]
    signed = np.bincount(clusters, weights=np.sign(difference) * scipy_stats.rankdata(np.abs(difference)))
    sums = np.array([np.dot(signs, np.abs(signed)) for signs in itertools.product([-1, 1], repeat=10)])
    expected = np.mean(np.abs(sums) >= abs(signed.sum()) * (1 - 1e-9))
    assert wilcoxon(difference, clusters=clusters) == pytest.approx(expected, abs=1e-12)


def test_nothing_to_rank():
    assert wilcoxon([0.0, 0.0]) == 1.0
    assert math.isnan(wilcoxon([np.nan]))
    assert wilcoxon([1.0, np.nan, -2.0]) == wilcoxon([1.0, -2.0])
    with pytest.raises(ValueError, match="zero_method"):
        wilcoxon([1.0], zero_method="zsplit")


# --- equivalence -----------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.floats(0.05, 1.0))
def test_paired_equivalence_is_statsmodels_and_what_the_interval_shows(seed, margin):
    rng = np.random.default_rng(seed)
    difference = rng.normal(0.05, 1.0, 40)
    tested = paired_t(difference)
    closed = tost_t(tested.mean, tested.stderr, tested.df, margin)
    assert closed == pytest.approx(ttost_paired(difference, np.zeros(40), -margin, margin)[0], rel=1e-8)
    if 1e-5 < closed < 0.499:
        assert tost_p(tested.interval, margin) == pytest.approx(closed, rel=1e-6)
    elif closed >= 0.5:
        assert tost_p(tested.interval, margin) == 1.0


def test_unpaired_equivalence_is_statsmodels():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=30), rng.normal(0.1, 2.0, size=50)
    tested = welch_t(a, b)
    theirs = ttost_ind(b, a, -0.8, 0.8, usevar="unequal")[0]
    assert tost_t(tested.mean, tested.stderr, tested.df, 0.8) == pytest.approx(theirs, rel=1e-8)


def test_a_p_below_alpha_is_the_interval_inside_the_margin():
    for margin in (0.05, 0.11, 0.2, 0.4):
        low, high = (0.02 - 1.6448536 * 0.06, 0.02 + 1.6448536 * 0.06)
        p = tost_p(lambda level: (0.02 - _reach(level) * 0.06, 0.02 + _reach(level) * 0.06), margin)
        assert (p <= 0.05) == (-margin < low and high < margin)


def _reach(level):
    return scipy_stats.norm.ppf((1 + level) / 2)


def test_equivalence_that_cannot_be_told():
    assert math.isnan(tost_p(lambda level: (math.nan, math.nan), 0.1))
    assert math.isnan(tost_t(0.0, math.nan, 5.0, 0.1))
    assert tost_p(lambda level: (0.0, 0.0), 0.1, least=1e-4) == 1e-4
    assert (tost_t(0.0, 0.0, 5.0, 0.1), tost_t(0.2, 0.0, 5.0, 0.1)) == (0.0, 1.0)
    for wrong in (lambda: tost_p(lambda level: (0.0, 0.0), 0.0), lambda: tost_t(0.0, 0.1, 5.0, -1.0)):
        with pytest.raises(ValueError, match="margin must be above 0"):
            wrong()


# --- effect sizes ----------------------------------------------------------------------------------------------------


def test_effect_sizes_by_their_definitions():
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=20), rng.normal(1.0, size=30)
    t = scipy_stats.ttest_ind(b, a).statistic
    assert cohen_d(a, b) == pytest.approx(t * math.sqrt(1 / 20 + 1 / 30))
    assert cohen_dz(a) == pytest.approx(scipy_stats.ttest_1samp(a, 0.0).statistic / math.sqrt(20))
    assert cohen_h(0.3, 0.5) == pytest.approx(proportion_effectsize(0.5, 0.3))
    assert cohen_h(0.0, 1.0) == pytest.approx(math.pi)


def test_effect_sizes_of_what_does_not_vary():
    assert cohen_dz([0.0, 0.0]) == 0.0
    assert math.isnan(cohen_dz([1.0, 1.0]))
    assert math.isnan(cohen_dz([1.0, np.nan]))
    assert math.isnan(cohen_d([1.0], [2.0]))
    assert math.isnan(cohen_h(-0.1, 0.5))


def test_the_odds_of_pairs_that_differ():
    odds, low, high = discordant_odds(30, 10)
    assert odds == pytest.approx(3.0)
    assert low < 3.0 < high
    assert discordant_odds(10, 30) == pytest.approx((1 / odds, 1 / high, 1 / low))
    assert discordant_odds(5, 0)[::2] == (math.inf, math.inf)
    assert all(map(math.isnan, discordant_odds(0, 0)))


def test_shares_of_clusters_of_one_are_nearly_shares_and_larger_clusters_tell_less():
    rng = np.random.default_rng(7)
    a, b = (rng.random(400) < 0.4).astype(float), (rng.random(400) < 0.5).astype(float)
    free = two_proportions(a.sum(), 400, b.sum(), 400)
    assert shares_clustered(a, b, None, None) == free
    ones = shares_clustered(a, b, np.arange(400), np.arange(400))
    assert ones.p == pytest.approx(free.p, rel=0.05)
    assert ones.stderr == pytest.approx(free.stderr, rel=0.01)
    fives = np.repeat(np.arange(80), 5)
    copies = shares_clustered(np.repeat(a[:80], 5), np.repeat(b[:80], 5), fives, fives)
    assert copies.stderr > 2.0 * two_proportions(5 * a[:80].sum(), 400, 5 * b[:80].sum(), 400).stderr
    assert copies.df == pytest.approx(158, rel=0.02)
    assert shares_clustered(np.zeros(4), np.zeros(4), [0, 0, 1, 1], [0, 0, 1, 1]).p == 1.0
    assert math.isnan(shares_clustered(a, b, np.zeros(400), fives).p)
    assert math.isnan(shares_clustered([], b, [], fives).p)


@pytest.mark.parametrize(("n", "m"), [(10, 40), (6, 60)])
def test_few_clusters_of_zeros_and_ones_against_many_keep_the_level(n, m):
    rng = np.random.default_rng(8)
    labels = np.repeat(np.arange(n), 5), np.repeat(np.arange(m), 5)
    found = [
        shares_clustered(*(np.repeat(rng.random(len(one) // 5) < 0.3, 5).astype(float) for one in labels), *labels).p <= 0.05
        for _ in range(1_000)
    ]
    assert np.mean(found) <= 0.06
