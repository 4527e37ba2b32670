"""Two samples as counts: Kolmogorov–Smirnov, chi-square of homogeneity, shares and distances against scipy and Evidently."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from scipy.spatial.distance import jensenshannon

from evalkit.stats.contingency import categories, proportion
from evalkit.stats.divergence import (
    auc,
    hellinger,
    jensen_shannon,
    psi,
    total_variation,
    wasserstein,
    wasserstein_sd,
)
from evalkit.stats.kolmogorov import ks

SEEDS = st.integers(0, 2**32 - 1)
SIDE = st.lists(st.integers(0, 30), min_size=2, max_size=12)
DISTANCES = (jensen_shannon, hellinger, total_variation, psi)


@st.composite
def tables(draw, least=1):
    """Two sides of one length with at least ``least`` records each."""
    size = draw(st.integers(2, 10))
    side = st.lists(st.integers(0, 30), min_size=size, max_size=size).filter(lambda counts: sum(counts) >= least)
    return draw(side), draw(side)


def cells(x, y):
    """Distinct values of both, and how often each side has them."""
    values, at = np.unique(np.concatenate([x, y]), return_inverse=True)
    return values, np.bincount(at[: len(x)], minlength=len(values)), np.bincount(at[len(x) :], minlength=len(values))


def choices(pooled, n):
    """Every way to choose n of the pooled records, as counts (ways, cells)."""
    records = np.repeat(np.arange(len(pooled)), pooled)
    ways = records[np.array(list(itertools.combinations(range(len(records)), n)))]
    return (ways[:, :, None] == np.arange(len(pooled))).sum(axis=1)


# --- Kolmogorov–Smirnov ----------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 120), st.integers(1, 120))
def test_the_gap_and_its_exact_p_are_scipys_where_nothing_is_tied(seed, n, m):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=n), rng.normal(0.3, 1.0, size=m)
    theirs = scipy_stats.ks_2samp(x, y, method="exact")
    _, a, b = cells(x, y)
    ours = ks(a, b)
    assert ours.statistic == pytest.approx(theirs.statistic, abs=1e-12)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-6, abs=2e-10)
    assert ours.test == "Kolmogorov–Smirnov, exact"


@pytest.mark.parametrize(
    ("a", "b"), [([3, 0, 2, 1], [1, 2, 1, 2]), ([4, 1], [1, 4]), ([0, 2, 2], [5, 1, 0]), ([1, 1, 3, 0], [9, 0, 0, 1])]
)
def test_ties_are_exact_by_every_choice_of_the_pooled_records(a, b):
    pooled, n, every = np.add(a, b), sum(a), sum(a) + sum(b)

    def gap(counts):
        return np.abs(np.cumsum(counts, axis=-1) * every - np.cumsum(pooled) * n).max(axis=-1)

    expected = np.mean(gap(choices(pooled, n)) >= gap(a))
    assert ks(a, b).p == pytest.approx(expected, rel=1e-12)


def test_cells_of_many_records_are_jumped_over_to_the_same_p():
    rng = np.random.default_rng(0)
    x, y = rng.poisson(2.0, 60), rng.poisson(2.4, 400)
    _, a, b = cells(x, y)
    drawn = rng.multivariate_hypergeometric(a + b, 60, size=200_000)
    gaps = np.abs(np.cumsum(drawn, axis=1) * 460 - np.cumsum(a + b) * 60).max(axis=1)
    expected = np.mean(gaps >= np.abs(np.cumsum(a) * 460 - np.cumsum(a + b) * 60).max())
    assert ks(a, b).p == pytest.approx(expected, abs=5 * math.sqrt(expected / 200_000))


def test_large_continuous_samples_have_scipys_limit():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=20_000), rng.normal(0.02, 1.0, size=9_000)
    theirs = scipy_stats.ks_2samp(x, y, method="asymp")
    _, a, b = cells(x, y)
    ours = ks(a, b)
    assert (ours.statistic, ours.p) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)
    assert ours.test == "Kolmogorov–Smirnov"


def test_large_tied_samples_are_compared_with_bridges_that_are_tied_alike():
    rng = np.random.default_rng(2)
    shares = scipy_stats.poisson.pmf(np.arange(15), 1.0)
    a, b = (rng.multinomial(4_000_000, shares / shares.sum()) for _ in range(2))
    a[0], a[2] = a[0] - 1_300, a[2] + 1_300
    drawn = rng.multivariate_hypergeometric(a + b, 4_000_000, size=20_000)
    expected = np.mean(np.abs(np.cumsum(2 * drawn - a - b, axis=1)).max(1) >= np.abs(np.cumsum(a - b)).max())
    ours = ks(a, b)
    assert ours.test == "Kolmogorov–Smirnov, ties simulated"
    assert ours.p == pytest.approx(expected, abs=5 * math.sqrt(expected / 10_000))
    assert ours == ks(a, b)
    assert ours.p != ks(a, b, seed=1).p
    assert ours.p < scipy_stats.kstwo.sf(ours.statistic, 2_000_000)


def test_two_worlds_have_a_p_above_0():
    for size in (10, 1_000, 1_000_000):
        found = ks([size, 0], [0, size])
        assert found.statistic == 1.0
        assert 0.0 < found.p < 2e-5


@settings(max_examples=60, deadline=None)
@given(tables(), st.data())
def test_joining_neighbours_never_widens_the_gap_and_sides_may_be_swapped(sides, data):
    a, b = map(np.array, sides)
    whole = ks(a, b)
    assert ks(b, a)[:2] == pytest.approx(whole[:2])
    at = data.draw(st.integers(0, len(a) - 2))
    joined = [np.concatenate([side[:at], [side[at] + side[at + 1]], side[at + 2 :]]) for side in (a, b)]
    assert ks(*joined).statistic <= whole.statistic + 1e-12
    empty = [np.insert(side, at, 0) for side in (a, b)]
    assert ks(*empty) == whole


# --- categories ------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(3, 40))
def test_many_records_have_scipys_chi_square_of_homogeneity(seed, m):
    rng = np.random.default_rng(seed)
    a, b = rng.multinomial(90 * m, np.full(m, 1 / m)), rng.multinomial(40 * m, np.full(m, 1 / m))
    theirs = scipy_stats.chi2_contingency([a, b], correction=False)
    if theirs.expected_freq.min() >= 5:
        found = categories(a, b)
        assert found[:2] == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)
        assert found.test == "chi-square"


@pytest.mark.parametrize(("a", "b"), [([3, 1, 0, 1], [0, 2, 3, 2]), ([4, 0, 1], [1, 3, 3]), ([2, 2, 2], [2, 2, 2])])
def test_few_records_are_dealt_anew_as_every_deal_would_have_it(a, b):
    pooled, n = np.add(a, b), sum(a)

    def off(counts):
        return ((counts - pooled * n / pooled.sum()) ** 2 / pooled).sum(axis=-1)

    expected = np.mean(off(choices(pooled, n)) >= off(np.array(a)) - 1e-9)
    found = categories(a, b)
    assert found.statistic == pytest.approx(scipy_stats.chi2_contingency([a, b], correction=False).statistic)
    assert found.p == pytest.approx(expected, rel=5 / math.sqrt(200))


def test_scarce_categories_beside_common_ones_are_dealt_as_all_of_them_would_be():
    rng = np.random.default_rng(3)
    shares = np.concatenate([np.full(4, 0.22), np.full(24, 0.005)])
    a, b = rng.multinomial(20_000, shares), rng.multinomial(400, shares)
    drawn = rng.multivariate_hypergeometric(a + b, 400, size=40_000)
    off = (drawn - (a + b) * 400 / 20_400) ** 2 / (a + b)
    expected = np.mean(off.sum(1) >= ((b - (a + b) * 400 / 20_400) ** 2 / (a + b)).sum())
    found = [categories(a, b, seed=seed).p for seed in range(20)]
    assert np.mean(found) == pytest.approx(expected, rel=0.12)
    assert categories(a, b, seed=5) == categories(a, b, seed=5)


def test_one_new_category_in_two_is_certain_and_none_is_none():
    assert categories([500, 500, 0], [500, 0, 500]).p < 1e-100
    assert categories([5, 5, 0], [500, 0, 500]).p == pytest.approx(1e-4)
    assert categories([7, 0, 0], [9, 0, 0])[:2] == (0.0, 1.0)
    assert categories([7, 3, 0], [9, 4, 0]) == proportion(7, 10, 9, 13)


def test_a_billion_records_count_rare_categories_as_one():
    found = categories([2_000_000_000, 1_000_000_000, 1, 2], [2_000_000_000, 1_000_000_000, 2, 1])
    assert found == (0.0, 1.0, "chi-square, rare categories as one")


def test_thousands_of_categories_are_no_matter():
    rng = np.random.default_rng(4)
    shares = rng.dirichlet(np.full(2_000, 0.3))
    for n, m in ((1_000_000, 1_000_000), (1_000_000, 300)):
        found = categories(rng.multinomial(n, shares), rng.multinomial(m, shares))
        assert 0.001 < found.p <= 1.0


@pytest.mark.shared_data
def test_evidentlys_own_cases(shared_data):
    told = json.loads((shared_data / "stat_parity_cases" / "evidently_stattests.json").read_text())["cases"]
    checked = Counter()
    for case in told:
        values, a, b = cells(np.array(case["reference"]), np.array(case["current"]))
        test = case["test"].split(" ")[0]
        checked[test] += 1
        if test == "chisquare":  # against the reference's shares: what we do not do, and a larger p of what we do
            assert scipy_stats.chisquare(b, a * b.sum() / a.sum()).pvalue == pytest.approx(case["expected"], abs=1e-5)
            assert categories(a, b).p == pytest.approx(scipy_stats.chi2_contingency([a, b]).pvalue)
            assert categories(a, b).p > case["expected"]
        elif test == "hellinger":
            assert hellinger(a, b) == pytest.approx(case["expected"], abs=case["abs_tol"])
        elif test == "fisher_exact":
            table = np.zeros((2, 2), dtype=int)
            table[:, : len(values)] = [a, b]
            assert scipy_stats.fisher_exact(table).pvalue == pytest.approx(case["expected"], abs=case["abs_tol"])
            if table.sum() < 20:
                assert proportion(table[0, 0], table[0].sum(), table[1, 0], table[1].sum()).p == pytest.approx(
                    case["expected"], abs=1e-3
                )
        elif test == "mann_whitney":  # one-sided
            n, m = a.sum(), b.sum()
            tied = ((a + b) ** 3.0 - (a + b)).sum() / ((n + m) * (n + m - 1))
            z = ((1 - auc(a, b)) * n * m + 0.5 - n * m / 2) / math.sqrt(n * m / 12 * (n + m + 1 - tied))
            assert scipy_stats.norm.cdf(z) == pytest.approx(case["expected"], abs=case["abs_tol"])
    assert checked["hellinger"] == checked["chisquare"] == checked["mann_whitney"] == 1
    assert checked["fisher_exact"] == 3


# --- shares ----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.data())
def test_two_shares_are_scipys_chi_square_or_fishers_test(n, m, data):
    x, y = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    found = proportion(x, n, y, m)
    if not 0 < x + y < n + m:
        assert found[:2] == (0.0, 1.0)
        return
    theirs = scipy_stats.chi2_contingency([[x, n - x], [y, m - y]], correction=False)
    assert found.statistic == pytest.approx(theirs.statistic, abs=1e-9)
    if theirs.expected_freq.min() >= 5.0 + 1e-9:
        assert found.p == pytest.approx(max(theirs.pvalue, np.finfo(float).tiny), rel=1e-6)
    elif theirs.expected_freq.min() < 5.0 - 1e-9:
        assert found.p == pytest.approx(scipy_stats.fisher_exact([[x, n - x], [y, m - y]]).pvalue)


def test_the_lady_tasting_tea():
    assert proportion(3, 4, 1, 4) == pytest.approx((2.0, 34 / 70, "Fisher's exact test"))


# --- distances -------------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(tables())
def test_distances_are_scipys_and_their_definitions(sides):
    a, b = map(np.array, sides)
    p, q = a / a.sum(), b / b.sum()
    values = np.arange(len(a)) ** 1.5 - 3.0
    theirs = jensenshannon(p, q)
    assert jensen_shannon(a, b) == pytest.approx(0.0 if np.allclose(p, q) else theirs, abs=1e-7)
    assert hellinger(a, b) == pytest.approx(math.sqrt(max(1 - np.sqrt(p * q).sum(), 0.0)), abs=1e-7)
    assert total_variation(a, b) == pytest.approx(np.maximum(p - q, 0).sum())
    expected = scipy_stats.wasserstein_distance(values, values, a, b)
    assert wasserstein(values, a, b) == pytest.approx(expected, abs=1e-12)
    spread = np.std(np.repeat(values, a))
    assert wasserstein_sd(values, a, b) == pytest.approx(expected / max(spread, 0.001), rel=1e-9)
    u = scipy_stats.mannwhitneyu(np.repeat(values, b), np.repeat(values, a)).statistic
    assert auc(a, b) == pytest.approx(u / (a.sum() * b.sum()))


@settings(max_examples=80, deadline=None)
@given(tables(), st.integers(2, 50), st.data())
def test_distances_are_symmetric_0_of_equals_bounded_and_blind_to_order(sides, times, data):
    a, b = map(np.array, sides)
    order = data.draw(st.permutations(range(len(a))))
    for distance in DISTANCES:
        assert distance(a, b) == pytest.approx(distance(b, a), abs=1e-9)
        assert distance(a, times * a) == pytest.approx(0.0, abs=0.05 if distance is psi else 1e-7)
        assert distance(a[order], b[order]) == pytest.approx(distance(a, b), abs=1e-9)
        assert distance(np.append(a, 0), np.append(b, 0)) == pytest.approx(distance(a, b), abs=1e-12)
    assert jensen_shannon(a, b) <= math.sqrt(math.log(2)) + 1e-12
    assert total_variation(a, b) <= math.sqrt(2) * hellinger(a, b) + 1e-9
    assert hellinger(a, b) ** 2 <= total_variation(a, b) + 1e-9
    assert auc(a, b) == pytest.approx(1 - auc(b, a))


@settings(max_examples=60, deadline=None)
@given(tables(), st.data())
def test_joining_cells_loses_distance(sides, data):
    a, b = map(np.array, sides)
    at = data.draw(st.integers(0, len(a) - 2))
    joined = [np.concatenate([side[:at], [side[at] + side[at + 1]], side[at + 2 :]]) for side in (a, b)]
    for distance in (jensen_shannon, hellinger, total_variation):
        assert distance(*joined) <= distance(a, b) + 1e-9
    values = np.arange(len(a), dtype=float)
    assert wasserstein(values, a, b) <= (len(a) - 1) * total_variation(a, b) + 1e-9


def test_the_stability_index_of_a_scorecard():
    expected = sum((q - p) * math.log(q / p) for p, q in ((0.5, 0.4), (0.3, 0.3), (0.2, 0.3)))
    assert psi([500, 300, 200], [80, 60, 60]) == pytest.approx(expected)
    assert expected == pytest.approx(0.0629, abs=1e-4)


def test_a_value_that_is_new_does_not_explode_the_stability_index():
    for n in (100, 10_000, 1_000_000):
        one = psi([n, 0], [n - 1, 1])
        assert one == pytest.approx(0.5 / n * math.log(2), rel=0.05)
        assert psi([n, 0], [round(0.9 * n), round(0.1 * n)]) < 2.0
        assert psi([n, 0], [0, n]) < 2.1 * math.log(2 * n)


def test_a_reference_that_hardly_varies_has_evidentlys_floor():
    assert wasserstein_sd([1.0, 1.0001], [10, 0], [0, 10]) == pytest.approx(0.1)
    assert wasserstein([0.0, 1.0, 3.0], [1, 0, 0], [0, 0, 1]) == pytest.approx(3.0)


def test_an_empty_side_has_no_distance_and_no_p():
    for distance in (*DISTANCES, auc):
        assert math.isnan(distance([0, 0], [1, 2]))
        assert math.isnan(distance([], []))
    assert math.isnan(wasserstein([1.0, 2.0], [0, 0], [1, 2]))
    assert math.isnan(wasserstein_sd([1.0, 2.0], [1, 2], [0, 0]))
    for test in (ks, categories):
        assert all(map(math.isnan, test([0, 0], [1, 2])[:2]))
        assert all(map(math.isnan, test([], [])[:2]))
    assert all(map(math.isnan, proportion(0, 0, 1, 2)[:2]))


def test_what_are_no_counts_is_refused():
    for test in (ks, categories):
        with pytest.raises(ValueError, match="one count per cell"):
            test([1, 2], [1, 2, 3])
        for wrong in ([-1, 2], [0.5, 2], [math.nan, 2]):
            with pytest.raises(ValueError, match="whole numbers"):
                test(wrong, [1, 2])
    with pytest.raises(ValueError, match="numbers from 0"):
        hellinger([-1, 2], [1, 2])
    with pytest.raises(ValueError, match="one count per cell"):
        psi([1, 2], [1])
    with pytest.raises(ValueError, match="must ascend"):
        wasserstein([2.0, 1.0], [1, 2], [2, 1])
    with pytest.raises(ValueError, match="between 0 and n"):
        proportion(5, 4, 1, 2)
