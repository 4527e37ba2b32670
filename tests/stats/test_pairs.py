"""Paired shares, and what few differing records leave open."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from evalkit.stats.pairs import apart, paired_share, score_interval, unseen
from evalkit.stats.power import more_needed, more_of_share
from evalkit.stats.proportion import wilson


def likelihood_score(gains: float, losses: float, n: float, difference: float) -> float:
    """Tango's statistic, its nuisance share found by maximising the likelihood, not by his formula."""

    def loss(share: float) -> float:
        same = 1.0 - 2.0 * share - difference
        return -(gains * np.log(share + difference) + losses * np.log(share) + (n - gains - losses) * np.log(same))

    least = max(0.0, -difference)
    share = optimize.minimize_scalar(
        loss, bounds=(least + 1e-12, (1.0 - difference) / 2.0 - 1e-12), method="bounded", options={"xatol": 1e-12}
    ).x
    return float((gains - losses - n * difference) / np.sqrt(n * (2.0 * share + difference * (1.0 - difference))))


@pytest.mark.parametrize(("gains", "losses", "n"), [(9, 1, 50), (12, 9, 30), (3, 8, 200), (1, 1, 20), (40, 35, 100)])
def test_the_score_interval_ends_where_the_likelihoods_score_is_two_standard_errors(gains, losses, n):
    low, high = score_interval(gains, losses, n)
    assert likelihood_score(gains, losses, n, low) == pytest.approx(1.959964, abs=1e-4)
    assert likelihood_score(gains, losses, n, high) == pytest.approx(-1.959964, abs=1e-4)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 200), st.floats(0.5, 0.999))
def test_the_score_interval_holds_the_difference_stays_in_range_and_mirrors(gains, losses, same, level):
    n = gains + losses + same
    low, high = score_interval(gains, losses, n, level)
    if not n:
        assert np.isnan([low, high]).all()
        return
    assert -1.0 <= low <= (gains - losses) / n + 1e-12
    assert (gains - losses) / n - 1e-12 <= high <= 1.0
    assert score_interval(losses, gains, n, level) == pytest.approx((-high, -low))


@pytest.mark.parametrize("n", [1, 20, 400])
def test_where_no_pair_differs_the_reach_is_wilsons_bound_of_a_share_never_seen(n):
    _, high = wilson(0, n)
    assert score_interval(0, 0, n) == (pytest.approx(-high), pytest.approx(high))
    assert unseen(n) == pytest.approx(float(high))


def test_pairs_that_always_agree_in_their_cluster_count_about_once():
    rng = np.random.default_rng(0)
    once = rng.choice([-1.0, 0.0, 1.0], 300, p=[0.1, 0.7, 0.2])
    low, high = paired_share(np.repeat(once, 5), np.repeat(np.arange(300), 5))
    assert (low, high) == pytest.approx(paired_share(once, None), abs=0.005)


def test_clusters_of_one_are_none_and_one_cluster_tells_nothing():
    difference = np.array([1.0, 0, 0, -1, 0, 1])
    assert paired_share(difference, np.arange(6)) == paired_share(difference, None)
    assert np.isnan(paired_share(difference, np.zeros(6, dtype=np.int64))).all()


def test_unpaired_shares_get_newcombes_published_interval():
    one, two = ((x / n, *map(float, wilson(x, n))) for x, n in ((48, 80), (56, 70)))
    assert apart(one, two) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))  # 56/70 - 48/80


def test_the_records_that_a_share_still_needs_bring_its_interval_to_the_bound():
    for hits, n, bound in ((10, 10, 0.8), (84, 100, 0.8), (0, 20, 0.1), (30, 60, 0.6)):
        low, high = (float(end) for end in wilson(hits, n))
        more = more_of_share(hits / n, low, high, n, bound=bound)
        assert more is not None
        assert more > 0
        for total, clear in ((n + more, True), (n + more - 2, False)):
            low, high = (float(end) for end in wilson(hits / n * total, total))
            assert (low >= bound or high <= bound) is clear


def test_a_spread_of_nothing_is_no_number_of_records():
    assert more_needed(1.0, 0.0, 10, bound=0.8) == 0, "the interval would be clear already"
    assert more_of_share(1.0, 1.0, 1.0, 10, bound=0.8) is None
    assert more_of_share(0.9, 0.6, 0.98, 10, bound=0.9) is None
