"""What the reference leads one to expect: against truths that are known, and under changes that must not matter."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.detection.memory import Noise, fit_noise, whiten
from evalkit.detection.season import DAY, WEEK, Expectation, Terms, average, design

HOUR = 3_600.0
MONDAY = 1_700_000_000.0 // WEEK * WEEK + 4 * DAY


def hours(n):
    return MONDAY + HOUR * np.arange(n)


def noise(rng, n, memory):
    values = np.zeros(n)
    for at in range(n):
        values[at] = (memory * values[at - 1] if at else 0.0) + rng.normal() * math.sqrt(1 - memory**2 if at else 1.0)
    return values


def weekly(times):
    """A day's wave, and weekends of their own."""
    weekend = (np.floor(times / DAY) + 3) % 7 >= 5
    return 10.0 + 2.0 * np.cos(2 * np.pi * times / DAY) - 1.5 * weekend


def assert_alike(one, other, factor=1.0, offset=0.0):
    times = MONDAY + HOUR * np.arange(3_000, 3_200, 7)
    mean, sd = one.at(times, 0.04)
    theirs, wide = other.at(times, 0.04 * factor**2)
    assert theirs == pytest.approx(mean * factor + offset, rel=1e-6, abs=1e-6 * factor)
    assert wide == pytest.approx(sd * factor, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 60), st.integers(0, 10**6), st.sampled_from([900.0, HOUR, DAY, WEEK]), st.booleans())
def test_json_gives_back_the_same_expectation(n, seed, width, is_rate):
    rng = np.random.default_rng(seed)
    rows = rng.integers(20, 200, n)
    values = rng.binomial(rows, 0.1) / rows
    one = Expectation.fit(MONDAY + width * np.arange(n), values, 0.09 / rows, width, rate=0.1 if is_rate else None)
    assert Expectation.from_json(json.loads(json.dumps(one.to_json()))) == one


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1e-4, 1.0, 1_000.0]), st.sampled_from([-5.0, 0.0, 20.0]))
def test_units_do_not_matter(seed, factor, offset):
    rng = np.random.default_rng(seed)
    times = hours(400)
    values = weekly(times) + rng.normal(size=400) * 0.3
    one = Expectation.fit(times, values, np.full(400, 0.04), HOUR)
    other = Expectation.fit(times, values * factor + offset, np.full(400, 0.04 * factor**2), HOUR)
    assert_alike(one, other, factor, offset)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_neither_order_nor_empty_windows_matter(seed):
    rng = np.random.default_rng(seed)
    times = hours(200)
    values = np.where(rng.random(200) < 0.2, np.nan, rng.normal(size=200))
    variances = np.where(rng.random(200) < 0.1, 0.0, 0.8)
    kept = np.isfinite(values) & (variances > 0)
    mixed = rng.permutation(200)
    one = Expectation.fit(times[kept], values[kept], variances[kept], HOUR)
    assert Expectation.fit(times[mixed], values[mixed], variances[mixed], HOUR) == one
    assert one.windows == kept.sum()


def test_without_seasons_the_mean_is_the_weighted_one():
    values, variances = [1.8, 2.2, 2.0, 2.4], [1.0, 1.0, 4.0, 4.0]
    one = Expectation.fit(hours(4), values, variances, HOUR, season="none")
    assert one.terms == Terms()
    assert one.noise.variance == 0.0  # they differ less than their sampling says
    mean, sd = one.at(MONDAY, 1.0)
    assert mean == pytest.approx((1.8 + 2.2 + 0.5 + 0.6) / 2.5)
    assert sd == pytest.approx(math.sqrt(1.0 + 1 / 2.5))  # its own, and that of the mean
    assert one.df == 2


@pytest.mark.parametrize("n", [0, 2])
def test_two_windows_are_no_reference(n):
    with pytest.raises(ValueError, match=f"needs 3 windows with a value; the reference has {n}"):
        Expectation.fit(hours(4), [1.0] * n + [math.nan] * (4 - n), np.ones(4), HOUR)


def test_hours_and_weekends_are_learned():
    rng = np.random.default_rng(3)
    times = hours(4 * 168)
    one = Expectation.fit(times, weekly(times) + rng.normal(size=len(times)) * 0.5, np.full(len(times), 0.25), HOUR)
    later = MONDAY + 20 * WEEK + HOUR * np.arange(168)
    mean, sd = one.at(later, 0.25)
    middle = later + HOUR / 2
    assert np.sqrt(np.mean((mean - weekly(middle)) ** 2)) < 0.35
    assert np.abs(sd - 0.5).max() < 0.08
    assert one.noise.variance < 0.05


def test_five_days_know_the_hours_and_not_the_weekend():
    rng = np.random.default_rng(4)
    times = hours(5 * 24)
    values = 2.0 * np.cos(2 * np.pi * (times + HOUR / 2) / DAY) + rng.normal(size=120) * 0.3
    one = Expectation.fit(times, values, np.full(120, 0.09), HOUR)
    assert one.terms.daily >= 1
    assert one.terms.weekly == one.terms.weekend == 0
    assert one.at(times[0], 0.09)[0] == pytest.approx(2.0, abs=0.4)


@pytest.mark.parametrize(("season", "found"), [("none", Terms()), ("daily", (True, False)), ("weekly", (True, True))])
def test_a_season_can_be_ruled_out(season, found):
    times = hours(4 * 168)
    values = weekly(times + HOUR / 2) + np.random.default_rng(5).normal(size=len(times)) * 0.3
    terms = Expectation.fit(times, values, np.full(len(times), 0.09), HOUR, season=season).terms
    if season == "none":
        assert terms == found
    else:
        assert (terms.daily > 0, terms.weekly + terms.weekend > 0) == found


def test_a_day_wide_window_has_no_hours():
    times = MONDAY + DAY * np.arange(70)
    values = weekly(times) + np.random.default_rng(6).normal(size=70) * 0.1
    one = Expectation.fit(times, values, np.full(70, 0.01), DAY)
    assert one.terms.daily == one.terms.weekend == 0
    assert one.terms.weekly == 3
    mean, _ = one.at(MONDAY + DAY * np.arange(70, 77), 0.01)
    assert mean[:5].mean() - mean[5:].mean() == pytest.approx(1.5, abs=0.15)


def test_the_average_design_is_the_design_averaged_over_a_week():
    terms = Terms(3, 2, 3)
    assert design(MONDAY + HOUR * np.arange(168), HOUR, terms).mean(axis=0) == pytest.approx(average(terms), abs=1e-9)


def test_an_outlying_hour_of_the_reference_is_not_the_rule():
    rng = np.random.default_rng(7)
    values = rng.normal(size=336) * 0.2
    values[100:104] = 8.0
    one = Expectation.fit(hours(336), values, np.full(336, 0.04), HOUR)
    assert one.at(MONDAY + 100 * HOUR, 0.04)[0] == pytest.approx(0.0, abs=0.25)
    assert one.tail < 10


@pytest.mark.parametrize("n", [10, 20, 40])
def test_short_references_are_wider_and_right(n):
    from scipy.stats import t as student

    rng, inside, wide = np.random.default_rng(n), 0, 0.0
    for _ in range(300):
        values = rng.normal(size=n + 1) * 1.5
        one = Expectation.fit(hours(n), values[:n], np.ones(n), HOUR, season="none")
        mean, sd = one.at(MONDAY + (n + 20) * HOUR, 1.0)
        inside += abs(values[n] - mean) < student.ppf(0.975, min(one.df, one.tail)) * sd
        wide += sd / 300
    assert inside / 300 > 0.91
    assert wide < 2.2


def test_noise_that_lasts_is_told_from_sampling():
    rng = np.random.default_rng(8)
    values = noise(rng, 3_000, 0.8) + rng.normal(size=3_000)
    found = fit_noise(values, np.ones(3_000), np.ones(3_000))
    assert found.noise.memory == pytest.approx(0.8, abs=0.07)
    assert found.noise.variance == pytest.approx(1.0, abs=0.2)
    assert 1.0 <= found.persistence < 1.6


def test_noise_that_does_not_last_has_no_memory():
    forgetting = 0
    for seed in range(20):
        values = np.random.default_rng(seed).normal(size=400) * 1.4
        forgetting += fit_noise(values, np.ones(400), np.ones(400)).noise.memory == 0.0
    assert forgetting >= 17


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 5.0), st.floats(0.05, 0.98))
def test_the_filter_whitens_as_a_cholesky_factor_does(seed, variance, memory):
    rng = np.random.default_rng(seed)
    steps = rng.integers(1, 4, 25).astype(float)
    sampling, columns = rng.uniform(0.1, 2.0, 25), rng.normal(size=(25, 2))
    place = np.cumsum(steps)
    covariance = variance * memory ** np.abs(place[:, None] - place) + np.diag(sampling)
    theirs = np.linalg.solve(np.linalg.cholesky(covariance), columns)
    assert whiten(columns, sampling, steps, Noise(variance, memory)) == pytest.approx(theirs, abs=1e-9)


def test_innovations_of_the_reference_are_independent_and_of_variance_1():
    rng = np.random.default_rng(9)
    times = hours(2_000)
    values = weekly(times + HOUR / 2) + 0.5 * noise(rng, 2_000, 0.85) + 0.4 * rng.normal(size=2_000)
    values[50:60] = np.nan
    one = Expectation.fit(times, values, np.full(2_000, 0.16), HOUR)
    told = one.innovations(times, values, np.full(2_000, 0.16))
    assert np.isnan(told[50:60]).all()
    left = told[60:]
    assert np.var(left) == pytest.approx(1.0, abs=0.1)
    assert abs(np.corrcoef(left[1:], left[:-1])[0, 1]) < 0.06
    assert abs(np.corrcoef(left[24:], left[:-24])[0, 1]) < 0.06


def test_a_rate_has_the_variance_of_its_hour():
    times = hours(4 * 168)
    chance = 0.1 + 0.08 * np.cos(2 * np.pi * (times + HOUR / 2) / DAY)
    rows = np.full(len(times), 2_000)
    values = np.random.default_rng(10).binomial(rows, chance) / rows
    one = Expectation.fit(times, values, 0.09 / rows, HOUR, rate=0.1)
    (high, low), (wide, narrow) = one.at(MONDAY + HOUR * np.array([0, 12]), 0.09 / 2_000)
    assert wide == pytest.approx(math.sqrt(high * (1 - high) / 2_000), rel=0.1)
    assert narrow == pytest.approx(math.sqrt(low * (1 - low) / 2_000), rel=0.1)


def test_a_rate_that_was_never_seen_stays_possible():
    one = Expectation.fit(hours(100), np.zeros(100), np.full(100, 1e-5 / 50), HOUR, rate=1e-5)
    mean, sd = one.at(MONDAY, 1e-5 / 50)
    assert 0.0 < mean <= 1e-5
    assert 0.0 < sd < 1e-3


def test_a_track_that_never_moves_is_expected_where_it_is():
    one = Expectation.fit(hours(100), np.full(100, 7.0), np.full(100, 1e-12), HOUR)
    mean, sd = one.at(MONDAY + 500 * HOUR, 1e-12)
    assert mean == pytest.approx(7.0)
    assert 0.0 < sd < 1e-5


def test_heavy_tails_are_seen():
    values = np.random.default_rng(11).standard_t(3, size=2_000)
    one = Expectation.fit(hours(2_000), values, np.full(2_000, 1e-6), HOUR, season="none")
    assert one.tail <= 5


def test_skewed_sampling_is_seen():
    rng = np.random.default_rng(12)
    values = rng.gamma(4.0, 0.5, size=3_000) - 2.0  # skewness 1, variance 1
    one = Expectation.fit(hours(3_000), values, np.ones(3_000), HOUR, season="none")
    assert one.skew == pytest.approx(1.0, abs=0.35)


def test_twenty_thousand_windows_are_no_trouble():
    rng = np.random.default_rng(13)
    times = MONDAY + 900.0 * np.arange(20_000)
    one = Expectation.fit(times, weekly(times + 450.0) + rng.normal(size=20_000), np.ones(20_000), 900.0)
    assert one.level_stderr < 0.02
    assert one.persistence < 1.5
