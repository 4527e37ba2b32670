"""Wilson's interval against published figures and scipy; its clustered form against its own limits."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit.stats.bootstrap import Statistic
from evalkit.stats.proportion import design_effect, wilson, wilson_clustered, wilson_interval

SHARED = Path(os.environ.get("EVALKIT_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
R_CASES = SHARED / "stat_parity_cases" / "proportions_R.json"


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe (1998), table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (30, 40, 0.598, 0.858),  # the agreement page of llm-judge-agreement
        (78, 80, 0.913, 0.993),
        (320, 400, 0.758, 0.836),
    ],
)
def test_published_intervals_are_reproduced(successes, n, low, high):
    places = 5e-5 if n in (263, 148, 20, 29) else 5e-4
    assert wilson(successes, n) == (pytest.approx(low, abs=places), pytest.approx(high, abs=places))


@pytest.mark.shared_data
@pytest.mark.skipif(not R_CASES.is_file(), reason="needs the shared data: set EVALKIT_SHARED_DATA")
def test_the_counts_of_rs_prop_test_agree_with_scipys_wilson_and_with_its_chi_square():
    case = json.loads(R_CASES.read_text())
    successes, sizes = np.array(case["success"]), np.array(case["nobs"])
    low, high = wilson(successes, sizes)
    for at, (x, n) in enumerate(zip(successes, sizes, strict=True)):
        theirs = stats.binomtest(int(x), int(n)).proportion_ci(method="wilson")
        assert (low[at], high[at]) == (pytest.approx(theirs.low, rel=1e-12), pytest.approx(theirs.high, rel=1e-12))
    # four groups as clusters: their scatter is R's chi-square but for the weight of unequal groups
    share = successes.sum() / sizes.sum()
    chi2 = ((successes - share * sizes) ** 2 / (sizes * share * (1 - share))).sum()
    assert chi2 == pytest.approx(case["chi2"], rel=1e-9)
    assert design_effect(successes, sizes) == pytest.approx(chi2 / 3, rel=0.3)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_equals_scipys_at_every_level(counts, level):
    low, high = wilson(*counts, level)
    theirs = stats.binomtest(*counts).proportion_ci(confidence_level=level, method="wilson")
    assert (low, high) == (pytest.approx(theirs.low, abs=1e-12), pytest.approx(theirs.high, abs=1e-12))


@settings(deadline=None)
@given(st.integers(1, 10_000))
def test_the_ends_are_exact_and_have_width(n):
    low, high = wilson([0, n], n)
    assert low[0] == 0.0 < high[0] < 1.0
    assert high[1] == 1.0 > low[1] > 0.0
    assert high[0] == pytest.approx(1.0 - low[1])


def test_no_record_gives_nan_and_impossible_counts_an_error():
    assert np.isnan(wilson(0, 0)).all()
    low, _ = wilson(np.array([[1, 2], [3, 4]]), 10)
    assert low.shape == (2, 2)
    with pytest.raises(ValueError, match="between 0 and n"):
        wilson(11, 10)
    with pytest.raises(ValueError, match="level"):
        wilson(1, 10, 95)


# --- clusters --------------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 1), min_size=2, max_size=200))
def test_clusters_of_one_record_are_no_clusters(hits):
    ones = np.ones(len(hits))
    if 0 < sum(hits) < len(hits):
        assert design_effect(hits, ones) == pytest.approx(1.0)
    apart = [float(bound) for bound in wilson(sum(hits), len(hits))]
    assert wilson_clustered(hits, ones) == pytest.approx(apart, abs=1e-12)


def test_records_that_always_agree_count_once():
    hits = np.array([1, 0, 1, 1, 0, 0, 1, 0] * 25)
    assert design_effect(hits * 5, np.full(200, 5)) == pytest.approx(5.0, rel=0.01)
    low, high = wilson_clustered(hits * 5, np.full(200, 5))
    assert (low, high) == (pytest.approx(wilson(100, 200)[0], abs=2e-3), pytest.approx(wilson(100, 200)[1], abs=2e-3))


def test_independent_records_lose_little_to_being_called_clusters():
    successes = np.random.default_rng(0).binomial(5, 0.4, 2_000)
    assert design_effect(successes, np.full(2_000, 5)) == pytest.approx(1.0, abs=0.1)
    low, high = wilson_clustered(successes, np.full(2_000, 5))
    apart = wilson(successes.sum(), 10_000)
    assert 0.99 <= (high - low) / (apart[1] - apart[0]) <= 1.06


def test_an_effect_below_one_makes_no_record_count_twice():
    alternating = wilson_clustered(np.full(30, 2), np.full(30, 4))
    apart = wilson(60, 120)
    assert alternating[0] <= apart[0] + 1e-12
    assert apart[1] - 1e-12 <= alternating[1]


def test_without_a_failure_a_cluster_counts_about_once():
    low, high = wilson_clustered(np.full(20, 10), np.full(20, 10))
    assert high == 1.0
    assert wilson(15, 15)[0] < low < wilson(40, 40)[0]
    assert wilson_clustered(np.zeros(20), np.full(20, 10)) == (0.0, pytest.approx(1.0 - low))


def test_one_more_success_never_lowers_the_bound():
    sizes = np.full(40, 6)
    lows, highs = zip(*(wilson_clustered(np.arange(40) < k, sizes) for k in range(41)), strict=True)
    assert (np.diff(lows) >= 0).all()
    assert (np.diff(highs) > -0.02).all()


def test_rows_of_a_metric_get_wilsons_interval_with_and_without_clusters():
    hits = np.array([1.0, 0.0, 1.0, 1.0, np.nan, 0.0, 1.0, 1.0])
    statistic = Statistic(np.stack([hits, np.where(np.isnan(hits), np.nan, 1.0)], axis=1), lambda t: t[..., :1] / t[..., 1:])
    plain = wilson_interval(statistic)
    assert (plain.low[0], plain.high[0]) == tuple(map(float, wilson(5, 7)))
    assert (plain.value[0], plain.n, plain.method) == (5 / 7, 7, "wilson")
    assert plain.stderr[0] == pytest.approx(np.sqrt(5 / 7 * 2 / 7 / 7))
    clustered = wilson_interval(statistic, clusters=[3, 3, 1, 1, 1, 2, 2, 2])
    assert (clustered.low[0], clustered.high[0]) == wilson_clustered([2, 2, 1], [2, 3, 2])
    assert clustered.stderr[0] > plain.stderr[0]
    nothing = wilson_interval(Statistic(np.full((3, 2), np.nan), statistic.combine), clusters=[1, 2, 3])
    assert np.isnan([nothing.value[0], nothing.low[0], nothing.stderr[0]]).all()
    assert nothing.method == "none"


def test_empty_clusters_are_left_out_and_one_cluster_tells_nothing():
    assert wilson_clustered([3, 0, 2], [5, 0, 5]) == wilson_clustered([3, 2], [5, 5])
    assert np.isnan(wilson_clustered([3], [5])).all()
    assert np.isnan(design_effect([3], [5]))
    with pytest.raises(ValueError, match="one per cluster"):
        wilson_clustered([1, 2], [3])
