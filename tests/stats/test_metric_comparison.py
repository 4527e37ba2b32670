"""Meta-evaluation of metrics as WMT does it: ties calibrated, metrics compared, soft pairwise accuracy."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit.stats.grouped import within
from evalkit.stats.metric_comparison import accuracy_test, perm_both, soft_pairwise_accuracy, williams
from evalkit.stats.pairwise_accuracy import Pairs, calibrate_ties


def counted(metric, human, groups, epsilon):
    """acc_23 by loops over pairs: (C + T_both) / N, averaged over groups."""
    shares = []
    for group in sorted(set(groups)):
        members = [at for at, label in enumerate(groups) if label == group]
        right = [
            (0 if abs(metric[i] - metric[j]) <= epsilon else np.sign(metric[i] - metric[j])) == np.sign(human[i] - human[j])
            for i, j in itertools.combinations(members, 2)
        ]
        if right:
            shares.append(np.mean(right))
    return np.mean(shares)


# Worked examples of mt_metrics_eval's own tests.
def test_the_variants_of_mt_metrics_eval():
    human, metric = np.array([1.0, 2, 2, 3, 4]), np.array([2, 1, 1.5, 5, 3])
    pairs = Pairs.of(metric, human, None)
    assert pairs.right(0.0).mean() == pytest.approx(0.6)
    assert 2 * pairs.right(0.0).mean() - 1 == pytest.approx(0.2)
    assert pairs.right(2.0).mean() == pytest.approx(0.4)
    assert calibrate_ties(metric, human).accuracy.value == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("human", "accuracies", "epsilon"),
    [([1, 2, 3, 4], [6, 4, 3, 1, 0], 0), ([1, 1, 1, 4], [3, 3, 4, 4, 3], 4)],
)
def test_the_thresholds_of_mt_metrics_eval(human, accuracies, epsilon):
    found = calibrate_ties([0, 2, 6, 8], human)
    assert found.thresholds.tolist() == [0, 2, 4, 6, 8]
    assert found.accuracies * 6 == pytest.approx(accuracies)
    assert found.epsilon == epsilon
    assert "needs groups" in found.accuracy.reason


def test_the_regression_example_of_mt_metrics_eval():
    gap = math.nan
    metric = [[0, 5, 2, 3, 2], [gap, 2, 1, 5, 3], [9, 1, 5, 3, 8], [9, 3, 4, 4, 1], [gap] * 5]
    human = [[1, 5, 2, 1, 1], [4, 2, 2, 1, 4], [5, 9, 2, 8, 7], [7, 6, gap, 3, 2], [gap] * 5]
    found = calibrate_ties(np.ravel(metric), np.ravel(human), groups=np.repeat(np.arange(5), 5))
    wanted = [0.466667, 0.491667, 0.383333, 0.291667, 0.266667, 0.2, 0.158333, 0.158333, 0.116667]
    assert found.accuracies == pytest.approx(wanted, abs=1e-6)
    assert (found.epsilon, found.groups) == (1, 4)
    assert found.tau.value == pytest.approx(2 * found.accuracy.value - 1)


@given(st.integers(0, 10_000), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_the_best_threshold_is_the_best_by_brute_force(seed, groups):
    rng = np.random.default_rng(seed)
    metric, human = rng.integers(0, 9, 24) / 4, rng.integers(0, 4, 24).astype(float)
    labels = rng.integers(0, groups, 24).tolist()
    found = calibrate_ties(metric, human, groups=labels, resamples=20)
    tried = [counted(metric, human, labels, threshold) for threshold in found.thresholds]
    assert found.accuracies == pytest.approx(tried, abs=1e-12)
    assert found.accuracy.value == pytest.approx(max(tried), abs=1e-12)


def test_of_too_many_pairs_a_share_is_drawn_at_random():
    rng = np.random.default_rng(0)
    human = rng.normal(size=600)
    metric = human + rng.normal(size=600)
    all_pairs, some = Pairs.of(metric, human, None), Pairs.of(metric, human, None, at_most=20_000)
    assert some.sampled
    assert 18_000 < len(some.group) <= 20_000
    assert some.right(0.0).mean() == pytest.approx(all_pairs.right(0.0).mean(), abs=0.012)
    every = Pairs.of(metric[:40], human[:40], None, at_most=700, seed=1)
    both = {(round(m, 12), h) for m, h in zip(every.metric, every.human)}
    assert both <= {
        (round(metric[i] - metric[j], 12), np.sign(human[i] - human[j])) for i, j in itertools.combinations(range(40), 2)
    }


def metrics(n, seed, gap=0.0):
    rng = np.random.default_rng(seed)
    human = rng.normal(size=n)
    return human + 1.5 * rng.normal(size=n), human + (1.5 - gap) * rng.normal(size=n), human


def test_perm_both_is_that_of_a_loop_over_every_exchange():
    """8 records have 256 exchanges: all are looked at, as the loop here does."""
    human = [1, 2, 3, 4, 5, 5, 7, 8]
    one, two = [1, 2, 3, 3, 7, 3, 5, 5], [2, 1, 2, 6, 8, 8, 7, 6]  # mt_metrics_eval's example
    z = [stats.zscore(side) for side in (one, two)]
    for kind, r in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr), ("kendall_b", stats.kendalltau)):
        found = perm_both(one, two, human, kind=kind)
        drawn = []
        for signs in itertools.product([True, False], repeat=8):
            drawn.append(r(np.where(signs, z[1], z[0]), human)[0] - r(np.where(signs, z[0], z[1]), human)[0])
        delta = r(two, human)[0] - r(one, human)[0]
        assert found.delta == pytest.approx(delta)
        assert found.p_greater == pytest.approx(np.mean(np.array(drawn) >= delta - 1e-12))
        assert found.test == "perm-both, exact"


def test_perm_both_within_groups_is_that_of_a_loop():
    one, two, human = metrics(9, 3)
    groups = np.repeat([0, 1, 2], 3)
    z = [stats.zscore(side) for side in (one, two)]
    means = lambda side: np.mean([stats.pearsonr(side[groups == g], human[groups == g])[0] for g in range(3)])  # noqa: E731
    found = perm_both(one, two, human, groups=groups)
    drawn = [
        means(np.where(signs, z[1], z[0])) - means(np.where(signs, z[0], z[1]))
        for signs in itertools.product([True, False], repeat=9)
    ]
    delta = means(z[1]) - means(z[0])
    assert found.delta == pytest.approx(delta)
    assert found.p_greater == pytest.approx(np.mean(np.array(drawn) >= delta - 1e-12))
    assert found.two == pytest.approx(within(two, human, groups)["pearson"].value)


@pytest.mark.parametrize("kind", ["pearson", "spearman", "kendall_b"])
def test_perm_both_finds_a_better_metric_and_not_an_equal_one(kind):
    one, two, human = metrics(300, 1, gap=0.9)
    assert perm_both(one, two, human, kind=kind).p_greater < 0.01
    assert perm_both(two, one, human, kind=kind).p_greater > 0.99
    assert perm_both(one, one, human, kind=kind).p == 1.0


def test_false_alarms_of_the_comparisons_stay_at_their_level():
    """Of 300 pairs of equally good metrics 5 % are called different at p ≤ .05 (binomial error 1.3 %)."""
    alarms = {"perm": 0, "williams": 0, "groups": 0}
    groups = np.repeat(np.arange(20), 3)
    for seed in range(300):
        one, two, human = metrics(60, seed)
        alarms["perm"] += perm_both(one, two, human, permutations=199, seed=seed).p <= 0.05
        r = np.corrcoef([one, two, human])
        alarms["williams"] += williams(r[0, 2], r[1, 2], r[0, 1], 60).p <= 0.05
        exchanged = accuracy_test(one, two, human, groups=groups, epsilons=(0.0, 0.0), permutations=199, seed=seed)
        alarms["groups"] += exchanged.p <= 0.05
    assert all(0.02 <= times / 300 <= 0.085 for times in alarms.values()), alarms


def test_williams_worked_example_and_symmetry():
    """n 103, r .4 and .5, .1 between: t = .89, p = .37 (the example of R's psych::r.test)."""
    found = williams(0.4, 0.5, 0.1, 103)
    assert found.p == pytest.approx(0.37, abs=5e-3)
    assert found.p_greater == pytest.approx(found.p / 2)
    assert williams(0.5, 0.4, 0.1, 103).p_greater == pytest.approx(1 - found.p_greater)
    assert "4 records" in williams(0.5, 0.4, 0.1, 3).reason


def test_accuracies_are_compared_with_each_metrics_own_threshold():
    rng = np.random.default_rng(5)
    human = rng.integers(0, 4, 180).astype(float)
    groups = np.repeat(np.arange(30), 6)
    good, bad = human + rng.normal(0, 0.4, 180), human + rng.normal(0, 3, 180)
    found = accuracy_test(bad, good, human, groups=groups)
    assert found.two == pytest.approx(calibrate_ties(good, human, groups=groups).accuracy.value)
    assert found.p_greater < 0.01
    assert accuracy_test(good, good, human, groups=groups).p == 1.0
    assert accuracy_test(good, bad, human, groups=groups, epsilons=(0.0, 0.0)).one == pytest.approx(
        counted(good, human, groups.tolist(), 0.0)
    )


def test_soft_pairwise_accuracy_is_one_minus_the_difference_of_p_values():
    rng = np.random.default_rng(8)
    document, system = np.repeat(np.arange(40), 4), np.tile(np.arange(4), 40)
    human = system * 0.2 + rng.normal(size=160)
    metric = human + rng.normal(size=160)
    found = soft_pairwise_accuracy(metric, human, system, document, seed=3, permutations=4_000)
    tables = [side.reshape(40, 4) for side in (metric, human)]
    apart = []
    for a, b in itertools.combinations(range(4), 2):
        told = [
            stats.permutation_test(
                (table[:, a] - table[:, b],), np.sum, permutation_type="samples", alternative="greater",
                n_resamples=4_000, rng=np.random.default_rng(1),
            ).pvalue
            for table in tables
        ]  # fmt: skip
        apart.append(abs(told[0] - told[1]))
    assert found.value == pytest.approx(1 - np.mean(apart), abs=0.01)
    assert soft_pairwise_accuracy(human, human, system, document).value == 1.0
    assert soft_pairwise_accuracy(-human, human, system, document).value < 0.5
    holes = np.where(np.arange(160) == 0, np.nan, metric)
    assert soft_pairwise_accuracy(holes, human, system, document).n == 39
    assert "two systems" in soft_pairwise_accuracy(metric, human, np.zeros(160), np.arange(160)).reason


@pytest.mark.parametrize("compared", [perm_both, accuracy_test])
def test_what_cannot_be_compared_says_why(compared):
    found = compared([1, 1], [1, 1], [np.nan, 1])
    assert math.isnan(found.p)
    assert found.reason


@pytest.mark.shared_data
def test_on_qags_unieval_beats_length(shared_data):
    """UniEval against length on real summaries: every test tells the better one."""
    lines = (shared_data / "qags" / "qags_cnndm.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    human = np.array([record["scores"]["consistency"] for record in records])
    unieval = np.array([record["predict_scores"]["consistency"] for record in records])
    length = np.array([float(len(record["system_output"])) for record in records])
    r = np.corrcoef([length, unieval, human])
    assert perm_both(length, unieval, human).p_greater < 0.01
    assert williams(r[0, 2], r[1, 2], r[0, 1], len(human)).p_greater < 0.001
    assert "nothing independent" in accuracy_test(length, unieval, human).reason
    assert accuracy_test(length, unieval, human, exchange="pairs").p_greater < 0.01
