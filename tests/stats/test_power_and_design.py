"""Power and sample sizes against statsmodels, simulation and each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower, TTestIndPower, tt_solve_power
from statsmodels.stats.proportion import power_proportions_2indep, proportion_effectsize

from evalkit.stats.design import (
    power_mean,
    power_proportion,
    power_score,
    ratio_spread,
    sample_size_mean,
    sample_size_proportion,
    sample_size_ratio,
)
from evalkit.stats.power import minimum_detectable, needed, needed_equivalent, power_of


@pytest.mark.parametrize(("d", "ratio", "power"), [(0.2, 1.0, 0.8), (0.5, 2.0, 0.9), (1.5, 0.5, 0.8), (0.01, 1.0, 0.8)])
def test_means_need_what_statsmodels_says(d, ratio, power):
    ours = sample_size_mean(2.0, 2.0 * d, power=power, ratio=ratio)
    assert ours.exact == pytest.approx(TTestIndPower().solve_power(d, alpha=0.05, power=power, ratio=ratio), rel=1e-6)
    assert ours.control == math.ceil(ours.exact)
    assert ours.total == ours.control + ours.treatment


@pytest.mark.parametrize(("n", "ratio"), [(5, 1.0), (30, 2.0), (4_000, 1.0)])
def test_the_power_of_means_is_statsmodels(n, ratio):
    for d in (0.0, 0.05, 0.4, 2.0):
        theirs = TTestIndPower().power(d, n, 0.05, ratio)  # NaN where a tail is too small for a number
        assert power_mean(3.0, 3.0 * d, n, n * ratio) == pytest.approx(1.0 if math.isnan(theirs) else theirs, abs=1e-9)


@pytest.mark.parametrize(("share", "effect", "ratio"), [(0.1, 0.02, 2.0), (0.5, -0.05, 1.0), (0.01, 0.001, 1.0)])
def test_shares_need_what_statsmodels_says(share, effect, ratio):
    size = proportion_effectsize(share + effect, share)
    theirs = NormalIndPower().solve_power(abs(size), alpha=0.05, power=0.8, ratio=ratio)
    assert sample_size_proportion(share, effect, ratio=ratio).exact == pytest.approx(theirs, rel=1e-6)
    assert power_proportion(share, effect, 500, 500 * ratio) == pytest.approx(
        NormalIndPower().power(size, 500, 0.05, ratio), abs=1e-9
    )


def test_the_score_tests_power_is_statsmodels():
    theirs = power_proportions_2indep(0.02, 0.1, 1_000, ratio=2.0).power  # theirs counts from the treatment
    assert power_score(0.1, 0.02, 2_000, 1_000) == pytest.approx(theirs, abs=5e-3)
    assert power_score(0.1, 0.02, 1_500, 1_500) == pytest.approx(power_proportions_2indep(0.02, 0.1, 1_500).power, abs=1e-9)


def test_many_treatments_share_the_level_of_one_family():
    one, three = sample_size_mean(1.0, 0.2), sample_size_mean(1.0, 0.2, treatments=3)
    assert three.level == pytest.approx(1 - 0.05 / 3)
    assert three.exact == pytest.approx(TTestIndPower().solve_power(0.2, alpha=0.05 / 3, power=0.8), rel=1e-6)
    assert three.total == three.control + 3 * three.treatment > one.total
    assert sample_size_mean(1.0, 0.2, treatments=3, corrected=False).control == one.control


def test_a_ratio_needs_what_its_linearised_units_need():
    rng = np.random.default_rng(0)
    views = rng.poisson(5, 400_000) + 1.0
    clicks = rng.binomial(views.astype(int), rng.beta(2, 8, 400_000))
    means, covariance = (clicks.mean(), views.mean()), np.cov(clicks, views)
    spread = ratio_spread(means, (covariance[0, 0], covariance[1, 1]), covariance[0, 1])
    apart = (clicks - means[0] / means[1] * views) / means[1]
    assert spread == pytest.approx(apart.std(ddof=1), rel=1e-9)
    design = sample_size_ratio(means, (covariance[0, 0], covariance[1, 1]), covariance[0, 1], 0.01)
    assert design.exact == pytest.approx(sample_size_mean(spread, 0.01).exact)


@pytest.mark.parametrize("n", [3, 10, 30, 500])
def test_the_detectable_difference_of_few_is_statsmodels(n):
    assert minimum_detectable(1 / math.sqrt(n), df=n - 1) == pytest.approx(tt_solve_power(None, n, 0.05, 0.8), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.001, 10.0), st.floats(0.9, 0.999), st.floats(0.5, 0.99), st.sampled_from([2.0, 9.0, 80.0, math.inf]))
def test_what_is_detectable_is_found_with_that_power(stderr, level, power, df):
    effect = minimum_detectable(stderr, level=level, power=power, df=df)
    assert power_of(effect, stderr, level=level, df=df) == pytest.approx(power, abs=2e-3 if math.isinf(df) else 1e-6)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.001, 1.0), st.integers(10, 10_000), st.floats(0.001, 1.0))
def test_so_many_records_are_needed_that_the_difference_is_just_detectable(stderr, n, effect):
    count = needed(stderr, n, effect)
    assert count is not None
    if count > 2:
        assert minimum_detectable(stderr * math.sqrt(n / count)) <= effect * (1 + 1e-9)
        assert minimum_detectable(stderr * math.sqrt(n / (count - 1))) >= effect * (1 - 1e-9)


def test_equivalence_is_shown_as_often_as_planned():
    sd, margin = 1.0, 0.1
    n = needed_equivalent(sd / 10, 100, margin)
    assert n == math.ceil(((1.6448536 + 1.2815516) * sd / margin) ** 2)
    rng = np.random.default_rng(1)
    mean = rng.normal(0.0, sd / math.sqrt(n), 40_000)
    shown = (np.abs(mean) + 1.6448536 * sd / math.sqrt(n) < margin).mean()
    assert shown == pytest.approx(0.8, abs=0.01)


def test_what_cannot_be_known_is_none_or_nan():
    assert needed(0.1, 100, 0.0) is None
    assert needed(math.nan, 100, 0.1) is None
    assert needed_equivalent(0.1, 0, 0.1) is None
    assert math.isnan(minimum_detectable(math.nan))
    assert minimum_detectable(0.0) == 0.0
    assert math.isnan(power_of(0.1, 0.0))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda: sample_size_mean(0.0, 1.0), "standard deviation"),
        (lambda: sample_size_mean(1.0, 0.0), "no number of records"),
        (lambda: sample_size_mean(1.0, 1e-12), "too small"),
        (lambda: sample_size_mean(1.0, 0.1, ratio=0.0), "ratio must be above 0"),
        (lambda: sample_size_mean(1.0, 0.1, power=0.01), "power between"),
        (lambda: sample_size_proportion(0.9, 0.2), "cannot move"),
        (lambda: minimum_detectable(0.1, power=1.0), "power between"),
        (lambda: ratio_spread((1.0, 0.0), (1.0, 1.0), 0.0), "denominator"),
    ],
)
def test_what_is_no_design_is_told(wrong, why):
    with pytest.raises(ValueError, match=why):
        wrong()
