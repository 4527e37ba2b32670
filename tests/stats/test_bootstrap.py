"""Bootstrap intervals: parity with scipy, one set of draws for all, missing rows, clusters, pools."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit.stats.bootstrap import (
    Statistic,
    difference,
    distributions,
    interval,
    intervals,
    paired,
    unpaired_difference,
)
from evalkit.stats.quantile import MeanAndQuantiles, mean_and_quantiles, weighted_quantiles


def ratio(totals):
    return totals[..., :1] / totals[..., 1:2]


def mean_of(scores):
    scores = np.asarray(scores, dtype=float)
    return Statistic(np.stack([scores, np.where(np.isnan(scores), np.nan, 1.0)], axis=1), ratio)


def bleu_like(totals):
    """Four precisions and a brevity penalty; ten columns to one value."""
    matches, counts, hypothesis, reference = totals[..., :4], totals[..., 4:8], totals[..., 8], totals[..., 9]
    brevity = np.minimum(0.0, 1.0 - reference / hypothesis)
    return (100.0 * np.exp(np.log(matches / counts).mean(axis=-1) + brevity))[..., None]


def bleu_rows(n, seed=0):
    rng = np.random.default_rng(seed)
    length = rng.integers(10, 60, n).astype(float)
    counts = np.stack([length - order for order in range(4)], axis=1)
    matches = np.floor(counts * rng.random((n, 4)) * [0.9, 0.6, 0.4, 0.3]) + 1.0
    return Statistic(np.concatenate([matches, counts, length[:, None], rng.integers(10, 60, (n, 1))], axis=1), bleu_like)


def bounds(found):
    return np.concatenate([found.low, found.high, found.stderr])


def same(one, two):
    return all(
        np.array_equal(getattr(one, name), getattr(two, name), equal_nan=True) for name in ("value", "low", "high", "stderr")
    )


# --- against scipy ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["bca", "percentile"])
@pytest.mark.parametrize("n", [2, 7, 60, 200, 3_000])
def test_the_interval_of_a_mean_is_scipys_for_the_same_generator(n, method):
    # multiples of 1/1024: their sums are exact for scipy too, so that what ties for us ties for it
    scores = np.rint(np.random.default_rng(n).lognormal(size=n) * 1024) / 1024
    ours = intervals([mean_of(scores)], seed=11, resamples=999, method=method)[0]
    level = 0.95
    if n < 200:  # bounds are read further out
        level = 1.0 - 2.0 * stats.norm.sf(min(stats.t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1)), 8.0))
    theirs = stats.bootstrap(
        (scores,), np.mean, n_resamples=999, method=method, batch=100, confidence_level=level, rng=np.random.default_rng(11)
    )
    expected = [*theirs.confidence_interval, theirs.standard_error]
    assert bounds(ours) == pytest.approx(expected, rel=1e-10)
    assert ours.method == method


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999999])
def test_two_records_have_bounds_at_every_level(n, level):
    statistic = Statistic(np.random.default_rng(n).lognormal(size=(n, 2)), lambda totals: totals[..., :1] / totals[..., 1:])
    low, high, _ = bounds(intervals([statistic], seed=0, level=level)[0])
    assert low <= high


def test_the_draws_of_counts_are_scipys_to_the_last_digit():
    hits = np.random.default_rng(0).integers(0, 5, 400).astype(float)
    ours = distributions([mean_of(hits)], seed=5, resamples=700)[0]
    theirs = stats.bootstrap(
        (hits,), np.mean, n_resamples=700, method="percentile", rng=np.random.default_rng(5), vectorized=True
    )
    assert ours.draws[:, 0] == pytest.approx(theirs.bootstrap_distribution, rel=1e-15)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_a_corpus_metric_of_ten_columns_gets_scipys_bca_interval(level):
    statistic = bleu_rows(250)

    def of_indices(index, axis=-1):
        return bleu_like(statistic.values[index].sum(axis=-2))[..., 0]

    ours = intervals([statistic], seed=3, resamples=1_999, level=level)[0]
    theirs = stats.bootstrap(
        (np.arange(250),), of_indices, n_resamples=1_999, rng=np.random.default_rng(3), confidence_level=level
    )
    expected = [*theirs.confidence_interval, theirs.standard_error]
    assert bounds(ours) == pytest.approx(expected, rel=1e-10)


def test_a_statistic_that_is_no_sum_gets_scipys_bca_interval():
    scores = np.random.default_rng(8).lognormal(size=220)
    statistic = Statistic(scores[:, None], lambda totals: totals, lambda v, w: weighted_quantiles(v[:, 0], w, [0.75]))

    def upper_quartile(sample, axis=-1):
        return np.quantile(sample, 0.75, axis=axis)

    ours = intervals([statistic], seed=21, resamples=800)[0]
    theirs = stats.bootstrap((scores,), upper_quartile, n_resamples=800, rng=np.random.default_rng(21))
    assert bounds(ours) == pytest.approx([*theirs.confidence_interval, theirs.standard_error], rel=1e-12)


def test_the_unpaired_bca_interval_is_scipys_for_the_same_resamples():
    rng = np.random.default_rng(2)
    one, two = rng.lognormal(size=210), rng.lognormal(0.4, 1.2, size=240)
    ours = unpaired_difference(mean_of(one), mean_of(two), seed=4, resamples=1_500)
    seeds = np.random.SeedSequence(4).spawn(2)
    drawn = [
        distributions([mean_of(side)], seed=seed, resamples=1_500)[0].draws[:, 0]
        for side, seed in zip((one, two), seeds, strict=True)
    ]

    class Given:
        bootstrap_distribution = drawn[1] - drawn[0]

    def gap(a, b, axis=-1):
        return b.mean(axis=axis) - a.mean(axis=axis)

    theirs = stats.bootstrap((one, two), gap, n_resamples=0, bootstrap_result=Given())
    assert bounds(ours) == pytest.approx([*theirs.confidence_interval, theirs.standard_error], rel=1e-10)
    assert ours.value[0] == pytest.approx(two.mean() - one.mean())


def test_a_resample_of_each_record_once_ties_with_the_sample_though_its_order_would_round_otherwise():
    scores = np.array([0.1, 0.7, 0.3, 1e-3, 12.9])
    drawn = distributions([mean_of(scores)], seed=0, resamples=2_000)[0]
    each_once = np.sort(np.random.default_rng(0).integers(0, 5, (2_000, 5)), axis=1)
    once = (each_once == np.arange(5)).all(axis=1)
    assert once.sum() > 40
    assert (drawn.draws[once] == drawn.centre).all()


# --- one set of draws ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pool_above", [50, 20_000])
def test_adding_a_metric_changes_no_digit_of_another(pool_above):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=300)
    scores[::17] = np.nan
    clusters = rng.integers(0, 90, 300)
    settings = {"seed": 9, "resamples": 400, "clusters": clusters, "pool_above": pool_above}
    alone = intervals([mean_of(scores)], **settings)[0]
    others = [mean_of(rng.normal(size=300)) for _ in range(70)]
    quantile = Statistic(rng.random((300, 1)), lambda totals: totals, lambda v, w: weighted_quantiles(v[:, 0], w, [0.5]))
    crowd = intervals([*others[:35], bleu_rows(300), mean_of(scores), quantile, *others[35:]], **settings)
    assert same(crowd[36], alone)


def test_more_statistics_than_memory_should_hold_get_the_same_draws():
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(260, 10_000))
    many = distributions([mean_of(column) for column in columns], seed=2, resamples=20)
    for at in (0, 99, 100, 259):
        alone = distributions([mean_of(columns[at])], seed=2, resamples=20)[0]
        assert np.array_equal(many[at].draws, alone.draws)


def test_the_same_seed_gives_the_same_digits_and_another_seed_others():
    statistic = mean_of(np.random.default_rng(0).normal(size=100))
    one, again, other = (intervals([statistic], seed=seed)[0] for seed in (1, 1, 2))
    assert same(one, again)
    assert not same(one, other)


def test_the_digits_of_a_run_are_pinned():
    scores = (np.arange(200) * 37 % 101) / 7.0
    found = intervals([mean_of(scores)], seed=20_261_122, resamples=1_000)[0]
    assert [found.value[0], *bounds(found)] == pytest.approx(PINNED, rel=1e-14)


PINNED = [7.149285714285714, 6.580829748634643, 7.765237209978327, 0.29362861582077576]  # value, low, high, standard error


@pytest.mark.parametrize(
    "machine",
    [
        {"OPENBLAS_NUM_THREADS": "1"},
        {"OPENBLAS_CORETYPE": "Nehalem"},  # no fused multiply-add
        {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "X86_V4"},
    ],
    ids=" ".join,
)
def test_another_processor_draws_the_same_digits(machine):
    """Of sums and ratios: a metric's own logarithm may still differ in its last bit."""
    script = (
        "import hashlib, numpy as np; from evalkit.stats.bootstrap import Statistic, distributions\n"
        "rows = np.random.default_rng(0).lognormal(size=(3_001, 40)); rows[::7] = np.nan\n"
        "one = Statistic(rows, lambda t: t[..., :-1] / t[..., -1:], means={0: rows[:, 0] / rows[:, -1]})\n"
        "drawn = distributions([one], seed=1, resamples=200)[0]\n"
        "t = drawn.studentised[0].t\n"
        "print(hashlib.sha256(drawn.draws.tobytes() + drawn.value.tobytes() + t.tobytes()).hexdigest())"
    )

    def digest(extra):
        environment = {**os.environ, **extra}
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script], env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert digest(machine) == digest({})


def test_metrics_that_rise_together_do_so_in_every_resample():
    scores = np.random.default_rng(0).normal(size=80)
    one, two = distributions([mean_of(scores), mean_of(3.0 * scores + 1.0)], seed=0)
    assert two.draws == pytest.approx(3.0 * one.draws + 1.0, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6).map(lambda score: round(score, 9)), min_size=2, max_size=40),
    st.integers(-40, 40),
    st.sampled_from(["bca", "percentile"]),
)
def test_scaling_by_a_power_of_two_scales_every_bound(scores, power, method):
    plain = intervals([mean_of(scores)], seed=0, resamples=100, method=method)[0]
    scaled = intervals([mean_of(np.ldexp(scores, power))], seed=0, resamples=100, method=method)[0]
    assert np.array_equal(bounds(scaled), np.ldexp(bounds(plain), power), equal_nan=True)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 1), min_size=2, max_size=60), st.randoms(use_true_random=False))
def test_swapping_equal_rows_changes_nothing(hits, random):
    rows = np.array(hits, dtype=float)
    order = np.arange(len(rows))
    for value in (0.0, 1.0):  # a permutation that moves rows only among their equals
        places = np.flatnonzero(rows == value).tolist()
        shuffled = random.sample(places, len(places))
        order[places] = shuffled
    one = intervals([mean_of(rows)], seed=0, resamples=100)[0]
    assert same(one, intervals([mean_of(rows[order])], seed=0, resamples=100)[0])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=60), st.floats(0.5, 0.99))
def test_bounds_hold_order_and_stay_within_the_scores(scores, level):
    found = intervals([mean_of(scores)], seed=0, resamples=200, level=level)[0]
    slack = 1e-9
    assert min(scores) - slack <= found.low[0] <= found.high[0] <= max(scores) + slack


# --- missing rows ----------------------------------------------------------------------------------------------------


def test_an_unscored_record_changes_no_value_and_each_metric_may_lack_others():
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=200), rng.normal(size=200)
    one[:40], two[100:180] = np.nan, np.nan
    first, second = intervals([mean_of(one), mean_of(two)], seed=0)
    assert (first.n, second.n) == (160, 120)
    assert first.value[0] == pytest.approx(np.nanmean(one))
    assert second.stderr[0] == pytest.approx(np.nanstd(two) / np.sqrt(120), rel=0.1)


def test_nothing_or_one_record_has_a_value_but_no_bounds():
    nothing, one = intervals([mean_of([np.nan] * 5), mean_of([np.nan, 0.5, np.nan, np.nan, np.nan])], seed=0)
    assert np.isnan([nothing.value, nothing.low, nothing.high, nothing.stderr]).all()
    assert one.value[0] == 0.5
    assert np.isnan([one.low, one.high, one.stderr]).all()
    assert (nothing.n, one.n, nothing.method) == (0, 1, "none")
    empty = intervals([mean_of([])], seed=0)[0]
    assert np.isnan(empty.value).all()
    assert empty.n == 0


def test_equal_rows_have_an_interval_without_width():
    for scores in ([0.1] * 50, [0.1] * 30 + [np.nan] * 20, [0.0] * 9):
        found = intervals([mean_of(scores)], seed=0)[0]
        assert found.low == found.high == found.value
        assert found.stderr == 0.0


def test_a_value_that_is_often_undefined_has_no_interval_and_rarely_undefined_one():
    def positive_share(totals):  # 0/0 when no positive record is drawn
        return totals[..., :1] / totals[..., 1:2]

    rare, common = np.zeros((100, 2)), np.zeros((100, 2))
    rare[:2, 1], common[:6, 1] = 1.0, 1.0  # P(none drawn) = 0.98**100 = 0.13 and 0.94**100 = 0.002
    rare[0, 0] = 1.0
    common[:3, 0] = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        without, with_bounds = intervals([Statistic(rare, positive_share), Statistic(common, positive_share)], seed=0)
    assert without.value[0] == with_bounds.value[0] == 0.5
    assert np.isnan(without.low[0])
    assert 0.0 <= with_bounds.low[0] < 0.5 < with_bounds.high[0] <= 1.0


def test_an_infinite_row_has_a_value_but_no_bounds():
    found = intervals([mean_of([1.0, 2.0, np.inf])], seed=0)[0]
    assert np.isinf(found.value[0])
    assert np.isnan(found.low[0])
    assert found.methods == ("none",)


def test_bca_falls_back_to_percentile_where_every_resample_lies_on_one_side():
    def closeness(totals):  # only a resample of each record once is as good as the sample itself
        return -np.abs(totals[..., :1] - 4095.0)

    found = intervals([Statistic(2.0 ** np.arange(12)[:, None], closeness)], seed=0)[0]
    assert found.method == "percentile"
    assert found.low[0] < found.high[0]


def test_wrong_arguments_are_named():
    statistic = mean_of([1.0, 2.0])
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        intervals([statistic], seed=0, level=95)
    with pytest.raises(ValueError, match="same records"):
        intervals([statistic, mean_of([1.0])], seed=0)
    with pytest.raises(ValueError, match="one label per record"):
        intervals([statistic], seed=0, clusters=[1, 2, 3])
    with pytest.raises(ValueError, match="must align: 2 records against 1"):
        difference(statistic, mean_of([1.0]), seed=0)
    with pytest.raises(ValueError, match="resamples must be at least 1"):
        intervals([statistic], seed=0, resamples=0)
    with pytest.raises(ValueError, match="'auto', 'bca' or 'percentile'"):
        intervals([statistic], seed=0, method="basic")
    assert intervals([], seed=0) == []


# --- differences -----------------------------------------------------------------------------------------------------


def test_a_paired_difference_is_the_interval_of_the_differences():
    rng = np.random.default_rng(0)
    a = rng.normal(size=150)
    b = a + rng.normal(0.1, 0.2, size=150)
    found = difference(mean_of(a), mean_of(b), seed=1)
    expected = intervals([mean_of(b - a)], seed=1)[0]
    assert bounds(found) == pytest.approx(bounds(expected), rel=1e-8)
    assert found.stderr[0] < 0.2 * unpaired_difference(mean_of(a), mean_of(b), seed=1).stderr[0]


def test_records_unscored_on_either_side_leave_both():
    a, b = np.array([1.0, 2.0, np.nan, 4.0, 5.0]), np.array([2.0, np.nan, 7.0, 6.0, 5.0])
    found = difference(mean_of(a), mean_of(b), seed=0)
    assert found.n == 3
    assert found.value[0] == pytest.approx(13 / 3 - 10 / 3)


def test_a_run_against_itself_differs_by_nothing():
    statistic = bleu_rows(50)
    found = difference(statistic, statistic, seed=0)
    assert found.value == found.low == found.high == 0.0


def test_a_paired_difference_of_quantiles_uses_the_same_draws():
    rng = np.random.default_rng(0)
    a = rng.lognormal(size=(400, 1))

    def parts(values, weights):
        return mean_and_quantiles(values, weights, [0.5, 0.95])

    slow = Statistic(2.0 * a, lambda totals: totals, parts)
    fast = Statistic(a, lambda totals: totals, parts)
    found = difference(fast, slow, seed=0)
    alone = intervals([fast], seed=0)[0]
    assert found.value == pytest.approx(alone.value)
    assert bounds(found) == pytest.approx(bounds(alone))  # 2a - a, resample by resample


def test_several_differences_share_one_set_of_draws():
    rng = np.random.default_rng(0)
    runs = [mean_of(rng.normal(size=60)) for _ in range(3)]
    together = intervals([paired(runs[0], runs[1]), paired(runs[0], runs[2])], seed=5)
    assert same(together[0], difference(runs[0], runs[1], seed=5))
    assert same(together[1], difference(runs[0], runs[2], seed=5))


# --- clusters and pools ----------------------------------------------------------------------------------------------


def test_clusters_of_one_record_change_nothing():
    scores = np.random.default_rng(0).normal(size=100)
    plain = intervals([mean_of(scores)], seed=0)[0]
    assert same(plain, intervals([mean_of(scores)], seed=0, clusters=np.arange(100))[0])


def test_repeating_every_record_in_its_cluster_does_not_shrink_the_interval():
    scores = np.random.default_rng(0).normal(size=100)
    plain = intervals([mean_of(scores)], seed=0)[0]
    copies = intervals([mean_of(np.tile(scores, 8))], seed=0, clusters=np.tile(np.arange(100), 8))[0]
    assert bounds(copies) == pytest.approx(bounds(plain), rel=1e-9)
    assert copies.n == 800


@pytest.mark.parametrize("n", [1, 2, 30, 5_000])
@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("pool_above", [100, 20_000])
def test_the_short_cut_for_quantiles_changes_no_digit_of_them(n, clustered, pool_above):
    rng = np.random.default_rng(n)
    values = np.round(rng.lognormal(size=(n, 1)), 1)  # with ties
    values[rng.random(n) < 0.1] = np.nan
    q = (0.0, 0.5, 0.95, 0.99, 1.0)
    near = Statistic(values, lambda totals: totals, MeanAndQuantiles(q))
    everywhere = Statistic(values, lambda totals: totals, lambda v, w: mean_and_quantiles(v, w, q))
    options = {"seed": 3, "resamples": 300, "pool_above": pool_above}
    if clustered:  # sorted into clusters: one cluster draws many neighbours at once
        options["clusters"] = np.argsort(np.argsort(values[:, 0])) // 40
    short, long = distributions([near, everywhere], **options)
    assert np.array_equal(short.draws[:, 1:], long.draws[:, 1:], equal_nan=True)
    assert short.draws[:, 0] == pytest.approx(long.draws[:, 0], rel=1e-9, nan_ok=True)
    assert np.array_equal(short.value[1:], long.value[1:], equal_nan=True)
    assert np.array_equal(short.squares[1:], long.squares[1:], equal_nan=True)


def test_quantiles_of_nothing_have_no_value():
    found = intervals([Statistic(np.full((4, 1), np.nan), lambda totals: totals, MeanAndQuantiles())], seed=0)[0]
    assert np.isnan(found.value).all()
    assert found.value.shape == (4,)
    assert found.methods == ("none",) * 4


def test_a_single_cluster_has_no_bounds():
    found = intervals([mean_of([1.0, 2.0, 3.0])], seed=0, clusters=[7, 7, 7])[0]
    assert found.value[0] == 2.0
    assert np.isnan(found.low[0])


def test_quantiles_follow_the_clusters_too():
    rng = np.random.default_rng(0)
    levels = rng.normal(size=60)
    values = np.repeat(levels, 10)[:, None]
    statistic = Statistic(values, lambda totals: totals, lambda v, w: weighted_quantiles(v[:, 0], w, [0.5]))
    clustered = intervals([statistic], seed=0, clusters=np.repeat(np.arange(60), 10))[0]
    alone = intervals([statistic], seed=0)[0]
    assert clustered.stderr[0] > 2.0 * alone.stderr[0]


@pytest.mark.parametrize("clustered", [False, True])
def test_pools_keep_the_standard_error(clustered):
    rng = np.random.default_rng(0)
    n = 20_001
    scores = rng.gamma(0.5, size=n)
    clusters = np.arange(n) // 2 if clustered else None
    full = intervals([mean_of(scores)], seed=0, clusters=clusters, pool_above=n)[0]
    pooled = intervals([mean_of(scores)], seed=0, clusters=clusters, pool_above=2_000)[0]
    assert pooled.value == full.value
    assert pooled.stderr[0] == pytest.approx(full.stderr[0], rel=0.1)
    assert [pooled.low[0], pooled.high[0]] == pytest.approx([full.low[0], full.high[0]], abs=0.4 * full.stderr[0])


def test_pools_keep_the_standard_error_of_quantiles():
    values = np.random.default_rng(0).lognormal(size=(6_000, 1))
    statistic = Statistic(values, lambda totals: totals, lambda v, w: mean_and_quantiles(v, w, [0.5, 0.95]))
    full = intervals([statistic], seed=0, pool_above=6_000)[0]
    pooled = intervals([statistic], seed=0, pool_above=600)[0]
    assert pooled.stderr == pytest.approx(full.stderr, rel=0.2)


def test_a_million_records_take_no_more_memory_than_their_copies_by_column():
    n = 1_000_000
    statistic = mean_of(np.random.default_rng(0).random(n))
    small = mean_of(np.random.default_rng(0).random(20_000))

    def peak(one):
        tracemalloc.start()
        intervals([one], seed=0, resamples=100)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(statistic) < peak(small) + 8 * 8 * n  # a handful of columns, not a matrix of resamples (800 MB)


def test_an_interval_can_be_read_again_at_another_level():
    drawn = distributions([mean_of(np.random.default_rng(0).normal(size=50))], seed=0)[0]
    narrow, wide = interval(drawn, level=0.8), interval(drawn, level=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high
