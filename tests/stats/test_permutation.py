"""The paired permutation test against scipy's, all exchanges written out, and what it promises."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from evalkit.stats.distribution import Statistic
from evalkit.stats.permutation import Paired, sign_flip
from evalkit.stats.quantile import MeanAndQuantiles
from evalkit.stats.ratio import ratio


def mean_of(a, b):
    """A mean's two sides: rows (score, 1)."""
    return Paired(*(np.stack([side, np.ones(len(side))], axis=1) for side in (a, b)), lambda t: ratio(t[..., :1], t[..., 1:]))


def corpus(n, seed):
    """A corpus metric's two sides: F1 and log precision of four columns, two parts."""
    rng = np.random.default_rng(seed)

    def side():
        totals = rng.integers(1, 20, (n, 2)).astype(float)
        return np.concatenate([np.floor(totals * rng.random((n, 2))), totals], axis=1)

    def combine(t):
        precision, recall = ratio(t[..., 0], t[..., 2]), ratio(t[..., 1], t[..., 3])
        return np.stack([ratio(2 * precision * recall, precision + recall), np.log1p(precision)], axis=-1)

    return Paired(side(), side(), combine)


def every_exchange(paired):
    """A slow oracle: the statistic under each of the 2^n exchanges, one by one."""
    drawn = []
    for signs in itertools.product([False, True], repeat=len(paired.a)):
        swapped = np.array(signs)[:, None]
        one, two = np.where(swapped, paired.b, paired.a).sum(axis=0), np.where(swapped, paired.a, paired.b).sum(axis=0)
        drawn.append(paired.combine(two) - paired.combine(one))
    return np.array(drawn)


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
@pytest.mark.parametrize("seed", range(4))
def test_few_pairs_give_scipys_exact_p(seed, alternative):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 11)).round(1)
    theirs = scipy_stats.permutation_test(
        (b, a), lambda x, y, axis: (x - y).mean(axis=axis), permutation_type="samples", n_resamples=np.inf,
        vectorized=True, alternative=alternative,
    ).pvalue  # fmt: skip
    (found,) = sign_flip([mean_of(a, b)], seed=0)
    ours = {"two-sided": found.p, "less": found.p_less, "greater": found.p_greater}[alternative]
    assert found.exact
    assert ours[0] == pytest.approx(theirs, abs=1e-15)


@pytest.mark.parametrize("seed", range(3))
def test_corpus_metrics_have_the_p_of_all_exchanges(seed):
    paired = corpus(9, seed)
    drawn = every_exchange(paired)
    (found,) = sign_flip([paired], seed=0)
    near = 1e-12
    assert found.resamples == 2**9
    assert found.p == pytest.approx((np.abs(drawn) >= np.abs(drawn[0]) - near).mean(axis=0), abs=1e-15)
    assert found.p_less == pytest.approx((drawn <= drawn[0] + near).mean(axis=0), abs=1e-15)
    assert found.p_greater == pytest.approx((drawn >= drawn[0] - near).mean(axis=0), abs=1e-15)
    assert found.observed == pytest.approx(drawn[0])


def test_many_pairs_agree_with_scipy_within_monte_carlo_error():
    rng = np.random.default_rng(5)
    a = rng.normal(size=400)
    b = a + 0.08 + rng.normal(size=400)
    theirs = scipy_stats.permutation_test(
        (b, a), lambda x, y, axis: (x - y).mean(axis=axis), permutation_type="samples", n_resamples=20_000,
        vectorized=True, batch=200, rng=np.random.default_rng(1),
    ).pvalue  # fmt: skip
    (found,) = sign_flip([mean_of(a, b)], seed=0, resamples=20_000)
    assert not found.exact
    assert found.p[0] == pytest.approx(theirs, abs=5 * np.sqrt(2 * theirs * (1 - theirs) / 20_000))


def test_zeros_and_ones_have_mcnemars_exact_p():
    a, b = np.zeros(500), np.zeros(500)
    a[:9], b[9:12] = 1.0, 1.0
    (found,) = sign_flip([mean_of(a, b)], seed=0)
    assert found.exact
    assert found.resamples == 2**12
    assert found.p[0] == pytest.approx(scipy_stats.binomtest(3, 12).pvalue, abs=1e-15)


def test_both_ways_to_add_the_rows_give_the_same_and_neighbours_change_nothing():
    pairs = [corpus(300, seed) for seed in range(3)]
    together = sign_flip(pairs, seed=3, resamples=2_000)  # twelve columns: a product
    for at, paired in enumerate(pairs):
        (alone,) = sign_flip([paired], seed=3, resamples=2_000)  # four columns: looked up
        assert alone.p.tolist() == together[at].p.tolist()


def test_more_resamples_begin_with_those_of_fewer_so_blocks_do_not_matter(monkeypatch):
    paired = corpus(60, 1)
    (before,) = sign_flip([paired], seed=3, resamples=700)
    monkeypatch.setattr("evalkit.stats.permutation._BYTES", 33)
    (after,) = sign_flip([paired], seed=3, resamples=700)
    assert before.p.tolist() == after.p.tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.booleans())
def test_p_is_a_share_mirrors_and_does_not_depend_on_the_order_of_exact_tests(seed, n, ties):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n)).round(0 if ties else 6)
    (one,) = sign_flip([mean_of(a, b)], seed=1, resamples=600)
    (two,) = sign_flip([mean_of(b, a)], seed=1, resamples=600)
    assert 0.0 < one.p[0] <= 1.0
    assert one.p[0] == two.p[0]
    if one.exact:
        assert one.p_less[0] == two.p_greater[0]
        order = rng.permutation(n)
        (shuffled,) = sign_flip([mean_of(a[order], b[order])], seed=2, resamples=600)
        assert shuffled.p[0] == one.p[0]


def test_equal_sides_have_p_one_and_unscored_records_leave_both():
    a = np.arange(30.0)
    (same,) = sign_flip([mean_of(a, a)], seed=0)
    assert (same.p[0], same.observed[0], same.exact) == (1.0, 0.0, True)
    b = a + np.sin(np.arange(30.0))
    one, two = a.copy(), b.copy()
    one[3], two[[3, 7]] = np.nan, np.nan
    kept = np.delete(np.arange(30), [3, 7])
    gone, left = sign_flip([mean_of(one, two)], seed=0)[0], mean_of(a[kept], b[kept])
    assert gone.n == gone.units == 28
    assert gone.observed[0] == pytest.approx(sign_flip([left], seed=0)[0].observed[0])


def test_nothing_scored_has_no_p():
    nothing = np.full(5, np.nan)
    (found,) = sign_flip([mean_of(nothing, nothing)], seed=0)
    assert np.isnan([found.p[0], found.p_less[0], found.observed[0]]).all()
    assert found.n == 0


def test_clusters_exchange_together():
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(8), 5)
    a = rng.normal(size=40)
    b = a + np.repeat(rng.normal(size=8), 5) + 0.1 * rng.normal(size=40)
    (found,) = sign_flip([mean_of(a, b)], seed=0, clusters=clusters)
    sums = np.bincount(clusters, weights=b - a)
    (as_units,) = sign_flip([Paired(np.zeros((8, 1)), sums[:, None], lambda t: t)], seed=0)
    assert (found.exact, found.resamples, found.units) == (True, 2**8, 8)
    assert found.p[0] == as_units.p[0]


def test_pools_keep_the_level():
    rng = np.random.default_rng(3)
    pairs = [mean_of(np.zeros(600), rng.standard_t(3, size=600)) for _ in range(600)]
    found = sign_flip(pairs, seed=0, resamples=500, pool_above=100)
    assert found[0].units == 100
    assert 0.03 <= np.mean([one.p[0] <= 0.05 for one in found]) <= 0.075


def test_a_metric_without_sums_has_the_p_of_its_sums():
    rng = np.random.default_rng(4)
    a = rng.normal(size=60)
    b = a + 0.3 * rng.normal(size=60) + 0.05

    def weighted_mean(values, weights):
        return (weights @ values[:, :1]) / weights.sum(axis=1, keepdims=True)

    by_sums = mean_of(a, b)
    by_rows = Paired(a[:, None], b[:, None], lambda t: t, weighted_mean)
    one, two = sign_flip([by_sums, by_rows], seed=5, resamples=1_000)
    assert two.p[0] == one.p[0]
    assert two.observed[0] == pytest.approx(one.observed[0])


def test_quantiles_are_tested_as_scipy_tests_them():
    rng = np.random.default_rng(6)
    a = rng.gamma(2.0, size=9)
    b = a * rng.gamma(4.0, 0.25, size=9) + 0.2
    side = [Statistic(one[:, None], lambda t: t, MeanAndQuantiles((0.5,))) for one in (a, b)]
    (found,) = sign_flip([Paired.of(*side)], seed=0)
    theirs = scipy_stats.permutation_test(
        (b, a), lambda x, y, axis: np.median(x, axis=axis) - np.median(y, axis=axis), permutation_type="samples",
        n_resamples=np.inf, vectorized=True,
    ).pvalue  # fmt: skip
    assert found.exact
    assert found.observed[1] == pytest.approx(np.median(b) - np.median(a))
    assert found.p[1] == pytest.approx(theirs, abs=1e-15)


def test_many_records_without_sums_take_fewer_resamples_and_say_so():
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=(2, 150_000))

    def weighted_mean(values, weights):
        return (weights @ values[:, :1]) / weights.sum(axis=1, keepdims=True)

    (found,) = sign_flip([Paired(a[:20_000, None], b[:20_000, None], lambda t: t, weighted_mean)], seed=0, resamples=1_200)
    assert found.resamples == 1_200
    assert 0.0 < found.p[0] <= 1.0


def test_what_does_not_align_is_told():
    with pytest.raises(ValueError, match="must align"):
        Paired(np.zeros((3, 1)), np.zeros((4, 1)), lambda t: t)
    with pytest.raises(ValueError, match="need the same records"):
        sign_flip([mean_of(np.zeros(3), np.zeros(3)), mean_of(np.zeros(4), np.zeros(4))], seed=0)
    with pytest.raises(ValueError, match="resamples must be at least 1"):
        sign_flip([mean_of(np.zeros(3), np.zeros(3))], seed=0, resamples=0)
    assert sign_flip([], seed=0) == []
