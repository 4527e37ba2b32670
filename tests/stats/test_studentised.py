"""The bootstrap-t of plain means: a slow oracle on the same draws, clusters, differences, and where it ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit.stats.bootstrap import Statistic, difference, distributions, interval, intervals, unpaired, unpaired_difference
from evalkit.stats.quantile import MeanAndQuantiles
from evalkit.stats.student import paired_t
from evalkit.stats.studentised import FARTHEST
from evalkit.stats.welch import welch_t


def ratio(totals):
    return totals[..., :1] / totals[..., 1:2]


def bounded(scores):
    scores = np.asarray(scores, dtype=float)
    return Statistic(np.stack([scores, np.where(np.isnan(scores), np.nan, 1.0)], axis=1), ratio)


def mean_of(scores):
    plain = bounded(scores)
    return Statistic(plain.values, plain.combine, means={0: plain.values[:, 0]})


def ends(found, part=0):
    return [found.low[part], found.high[part]]


def hull(value, stderr, df, t, level=0.95):
    """From the resampled t by the definition, with a sort and a loop."""
    student = stats.t.ppf((1 + level) / 2, df)
    below, above = [], []
    for one in t:
        below.append(min(max(one, -FARTHEST * student), FARTHEST * student))
        above.append(-below[-1])
    lower = max(np.quantile(below, (1 + level) / 2), student)
    upper = max(np.quantile(above, (1 + level) / 2), student)
    return [value - lower * stderr, value + upper * stderr]


def slow(scores, *, seed, resamples, level=0.95):
    """Bootstrap-t of single records, some of which may be NaN: a loop over resamples."""
    scores, rng = np.asarray(scores, dtype=float), np.random.default_rng(seed)
    known = scores[~np.isnan(scores)]
    t = []
    for _ in range(resamples):
        drawn = scores[rng.integers(0, len(scores), len(scores))]
        drawn = drawn[~np.isnan(drawn)]
        apart = drawn.mean() - known.mean()
        if len(set(drawn)) > 1:
            t.append(apart / stats.sem(drawn))
        else:
            t.append(np.sign(np.round(apart, 9)) * 1e9)
    return hull(known.mean(), stats.sem(known), len(known) - 1, t, level)


def slow_clusters(scores, labels, *, seed, resamples):
    """Bootstrap-t of a ratio of sums, linearised: clusters in the place of records."""
    names = np.unique(labels)
    mean, m = scores.mean(), len(names)
    influence = np.array([(scores[labels == name] - mean).sum() for name in names]) * m / len(scores)
    rng = np.random.default_rng(seed)
    t = []
    for _ in range(resamples):
        drawn = influence[rng.integers(0, m, m)]
        t.append(drawn.mean() / stats.sem(drawn))
    return hull(mean, stats.sem(influence), m - 1, t)


# --- against the oracle ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("n", [2, 3, 7, 60, 500])
def test_the_interval_of_a_mean_is_the_slow_one_on_the_same_draws(n, level):
    scores = np.random.default_rng(n).lognormal(size=n)
    found = intervals([mean_of(scores)], seed=11, resamples=300, level=level)[0]
    assert ends(found) == pytest.approx(slow(scores, seed=11, resamples=300, level=level), rel=1e-9)
    assert found.method == "bootstrap-t"


def test_records_without_a_score_leave_the_sample_and_every_resample():
    scores = np.random.default_rng(0).exponential(size=80)
    scores[::5] = np.nan
    found = intervals([mean_of(scores)], seed=3, resamples=300)[0]
    assert ends(found) == pytest.approx(slow(scores, seed=3, resamples=300), rel=1e-9)
    assert found.n == 64


@pytest.mark.parametrize("uneven", [False, True])
def test_clusters_are_what_is_drawn_and_what_varies(uneven):
    rng = np.random.default_rng(4)
    labels = np.repeat(np.arange(40), rng.integers(1, 12, 40) if uneven else 5)
    scores = rng.exponential(size=len(labels)) + rng.exponential(size=40)[labels]
    found = intervals([mean_of(scores)], seed=5, resamples=300, clusters=labels)[0]
    assert ends(found) == pytest.approx(slow_clusters(scores, labels, seed=5, resamples=300), rel=1e-9)


def test_a_paired_difference_is_the_interval_of_the_differences():
    rng = np.random.default_rng(0)
    a = rng.lognormal(size=90)
    b = a * rng.lognormal(0.1, 0.5, size=90)
    b[7] = np.nan
    found = difference(mean_of(a), mean_of(b), seed=1, resamples=300)
    assert ends(found) == pytest.approx(slow(b - a, seed=1, resamples=300), rel=1e-9)
    assert difference(bounded(a), mean_of(b), seed=1).method == "bca"


def test_an_unpaired_difference_has_the_spread_of_both_sides_in_every_resample():
    rng = np.random.default_rng(2)
    a, b = rng.lognormal(size=40), rng.lognormal(0.4, 1.2, size=70)
    seeds = np.random.SeedSequence(4).spawn(2)
    t, tested = [], welch_t(a, b)
    one, two = (np.random.Generator(np.random.PCG64(seed)) for seed in seeds)
    for _ in range(300):
        x, y = a[one.integers(0, 40, 40)], b[two.integers(0, 70, 70)]
        t.append((y.mean() - x.mean() - tested.mean) / np.hypot(stats.sem(x), stats.sem(y)))
    found = unpaired_difference(mean_of(a), mean_of(b), seed=4, resamples=300)
    assert ends(found) == pytest.approx(hull(tested.mean, tested.stderr, tested.df, t), rel=1e-9)
    assert unpaired_difference(mean_of(a), bounded(b), seed=4).method == "bca"


def test_a_mean_beside_quantiles_is_studentised_and_they_are_not():
    values = np.random.default_rng(1).lognormal(size=(70, 1))
    beside = Statistic(values, lambda totals: totals, MeanAndQuantiles((0.5, 0.95)), {0: values[:, 0]})
    found, alone = intervals([beside, mean_of(values[:, 0])], seed=0)
    plain = intervals([Statistic(values, lambda totals: totals, MeanAndQuantiles((0.5, 0.95)))], seed=0)[0]
    assert ends(found) == pytest.approx(ends(alone), rel=1e-12)
    assert (ends(found, 1), ends(found, 2)) == (ends(plain, 1), ends(plain, 2))
    assert found.methods == ("bootstrap-t", "bca", "bca")
    twice = difference(beside, Statistic(2.0 * values, beside.combine, beside.combine_rows, {0: 2.0 * values[:, 0]}), seed=0)
    assert ends(twice) == pytest.approx(ends(found), rel=1e-9)


def test_pools_keep_the_interval():
    scores = np.random.default_rng(0).gamma(0.5, size=20_001)
    full = intervals([mean_of(scores)], seed=0, pool_above=30_000)[0]
    pooled = intervals([mean_of(scores)], seed=0)[0]
    assert pooled.method == "bootstrap-t"
    assert ends(pooled) == pytest.approx(ends(full), abs=0.4 * full.stderr[0])


# --- where it ends ---------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6).map(lambda score: round(score, 3)), min_size=2, max_size=30),
    st.sampled_from([0.5, 0.9, 0.95, 0.99]),
    st.booleans(),
)
def test_no_end_is_nearer_than_students_or_three_times_as_far(scores, level, pairs):
    labels = np.arange(len(scores)) // 2 if pairs else None
    found = intervals([mean_of(scores)], seed=0, level=level, resamples=100, clusters=labels)[0]
    low, high = paired_t(scores, labels).interval(level)
    if np.isnan(low):
        assert np.isnan(found.low[0])
        return
    value, slack = found.value[0], 1e-9 * np.abs(scores).max()
    assert value - FARTHEST * (value - low) - slack <= found.low[0] <= low + slack
    assert high - slack <= found.high[0] <= value + FARTHEST * (high - value) + slack


def test_one_cost_among_zeros_has_ends():
    found = intervals([mean_of([0.0] * 49 + [1.0])], seed=0)[0]
    assert found.low[0] == pytest.approx(0.02 - 0.02 * stats.t.ppf(0.975, 49))
    assert found.high[0] == pytest.approx(0.02 + 3 * 0.02 * stats.t.ppf(0.975, 49))


def test_equal_records_have_no_width_and_one_has_no_bounds():
    same, one, none = (intervals([mean_of(scores)], seed=0)[0] for scores in ([0.1] * 9, [0.1], [np.nan] * 3))
    assert same.low == same.high == same.value
    assert same.method == "bootstrap-t"
    assert np.isnan([one.low[0], none.low[0]]).all()
    assert intervals([mean_of([1.0, np.inf, 2.0])], seed=0)[0].method == "none"


def test_a_side_of_equal_records_adds_no_spread():
    a, b = [2.0] * 30, np.random.default_rng(0).lognormal(size=20)
    found = unpaired_difference(mean_of(a), mean_of(b), seed=0)
    low, high = paired_t(b - 2.0).interval(0.95)
    assert found.low[0] <= low + 1e-12
    assert found.high[0] >= high - 1e-12
    assert unpaired_difference(mean_of(a), mean_of([3.0] * 9), seed=0).low == 1.0


def test_a_long_tail_moves_the_end_on_its_own_side():
    scores = np.random.default_rng(3).lognormal(size=40)
    right, left = (intervals([mean_of(sign * scores)], seed=0)[0] for sign in (1.0, -1.0))
    assert right.high[0] - right.value[0] > 1.2 * (right.value[0] - right.low[0])
    assert ends(left) == pytest.approx([-end for end in reversed(ends(right))], rel=1e-9)


def test_wider_levels_hold_narrower_ones():
    drawn = unpaired(mean_of(np.arange(9.0) ** 2), mean_of(np.arange(12.0) ** 3), seed=0)
    found = [interval(drawn, level=level) for level in (0.01, 0.5, 0.9, 0.95, 0.99, 0.9999)]
    assert all(wide.low <= near.low <= near.high <= wide.high for near, wide in zip(found, found[1:], strict=False))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6).map(lambda score: round(score, 9)), min_size=2, max_size=40), st.integers(-40, 40))
def test_scaling_by_a_power_of_two_scales_both_ends(scores, power):
    plain = intervals([mean_of(scores)], seed=0, resamples=100)[0]
    scaled = intervals([mean_of(np.ldexp(scores, power))], seed=0, resamples=100)[0]
    assert ends(scaled) == [np.ldexp(end, power) for end in ends(plain)]


# --- who gets it -----------------------------------------------------------------------------------------------------


def test_a_mean_with_limits_keeps_bca_to_the_digit_whatever_stands_beside_it():
    rng = np.random.default_rng(0)
    scores, labels = rng.beta(2.0, 1.0, size=(5, 120)), np.arange(120) // 3
    for clusters in (None, labels):
        alone = intervals([bounded(scores[0])], seed=0, clusters=clusters, method="bca")[0]
        beside = [bounded(scores[0]), *(mean_of(row) for row in scores)]
        found = intervals(beside, seed=0, clusters=clusters)
        assert (ends(found[0]), found[0].stderr, found[0].method) == (ends(alone), alone.stderr, "bca")
        assert [one.method for one in found[1:]] == ["bootstrap-t"] * 5


def test_a_method_that_is_asked_for_by_name_is_what_is_done():
    scores = np.random.default_rng(0).lognormal(size=80)
    for method in ("bca", "percentile"):
        asked = intervals([mean_of(scores)], seed=0, method=method)[0]
        plain = intervals([bounded(scores)], seed=0, method=method)[0]
        assert (ends(asked), asked.method) == (ends(plain), method)


def test_draws_and_standard_errors_stay_what_they_were():
    scores = np.random.default_rng(0).lognormal(size=80)
    one, two = distributions([mean_of(scores), bounded(scores)], seed=0)
    assert np.array_equal(one.draws, two.draws)
    assert interval(one).stderr == interval(two).stderr


@pytest.mark.parametrize(
    ("n", "draw", "truth", "least"),
    [
        (20, lambda rng, size: rng.normal(size=size), 0.0, 0.94),
        (20, lambda rng, size: rng.exponential(size=size), 1.0, 0.93),
        (50, lambda rng, size: rng.lognormal(size=size), np.exp(0.5), 0.92),
        (50, lambda rng, size: rng.standard_t(3, size=size), 0.0, 0.93),
        (50, lambda rng, size: rng.gamma(0.3, size=size), 0.3, 0.93),
    ],
    ids=["normal", "exponential", "lognormal", "t3", "gamma"],
)
def test_few_and_skewed_records_are_covered(n, draw, truth, least):
    scores = draw(np.random.default_rng(1), (1_000, n))
    found = intervals([mean_of(row) for row in scores], seed=0)
    assert least <= np.mean([one.low[0] <= truth <= one.high[0] for one in found]) <= 0.98
