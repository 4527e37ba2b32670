"""Correlations: parity with scipy on ties, intervals that cover, resamples by a slow oracle, published figures."""

from __future__ import annotations

import json
import math
import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import evalkit
from evalkit.stats.correlation import PARTS, correlations, fisher_interval, values_of
from evalkit.stats.grouped import batched, each_group, meta_evaluation, of_systems, within
from evalkit.stats.rank import RankCorrelations, discordant


def by_scipy(x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            stats.pearsonr(x, y)[0] if len(x) > 1 else math.nan,
            stats.spearmanr(x, y)[0] if len(x) > 1 else math.nan,
            stats.kendalltau(x, y)[0],
            stats.kendalltau(x, y, variant="c")[0],
        ]


def scores(n, seed=0, levels=0, strength=1.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = strength * x + rng.normal(size=n)
    return (x, y) if not levels else (np.round(x * levels / 4), np.round(y * levels / 4))


@given(st.integers(0, 10_000), st.integers(2, 60), st.sampled_from([0, 2, 4, 9]))
@settings(max_examples=150, deadline=None)
def test_all_four_are_those_of_scipy_with_and_without_ties(seed, n, levels):
    x, y = scores(n, seed, levels)
    assert values_of(x, y) == pytest.approx(by_scipy(x, y), abs=1e-12, nan_ok=True)


@given(st.integers(0, 10_000), st.integers(2, 30))
@settings(max_examples=60, deadline=None)
def test_a_weighted_point_is_that_many_equal_records(seed, n):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 6, n).astype(float), rng.integers(0, 4, n).astype(float)
    weights = rng.integers(0, 3, (3, n)).astype(float)
    found = RankCorrelations()(np.stack([x, y], axis=1), weights)
    for row, times in zip(found, weights.astype(int)):
        if times.sum() > 1:
            spelled = by_scipy(np.repeat(x, times), np.repeat(y, times))[1:]
            assert row == pytest.approx(spelled, abs=1e-12, nan_ok=True)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(0, 100))
def test_discordant_pairs_are_those_counted_one_by_one(y, seed):
    y = np.array(y)
    weights = np.random.default_rng(seed).integers(0, 4, (2, len(y))).astype(float)
    slow = [sum(w[i] * w[j] for j in range(len(y)) for i in range(j) if y[i] > y[j]) for w in weights]
    assert discordant(y, weights).tolist() == slow


@given(st.integers(0, 10_000), st.integers(5, 40))
@settings(max_examples=40, deadline=None)
def test_ranks_do_not_mind_monotone_maps_and_signs_turn(seed, n):
    x, y = scores(n, seed, 4)
    plain, turned = values_of(x, y), values_of(np.exp(x), -y)
    assert turned[1:] == pytest.approx(-plain[1:], abs=1e-12, nan_ok=True)


def test_the_bootstrap_is_that_of_a_slow_oracle():
    x, y = scores(40, 3, 5)
    found = correlations(x, y, seed=11, resamples=150)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(11)))
    drawn = [rng.integers(0, 40, 40) for _ in range(150)]
    slow = np.array([by_scipy(x[at], y[at]) for at in drawn])
    assert [found[part].stderr for part in PARTS] == pytest.approx(slow.std(axis=0, ddof=1), rel=1e-9)


@pytest.mark.parametrize("part", ["pearson", "spearman", "kendall_b"])
def test_fisher_and_bootstrap_agree_on_many_records(part):
    x, y = scores(1_500)
    exact, drawn = correlations(x, y, interval="fisher")[part], correlations(x, y, seed=2)[part]
    assert exact.value == drawn.value
    assert exact.ci == pytest.approx(drawn.ci, abs=0.012)
    assert (exact.method, drawn.method) == ("fisher-z", "bca")


def test_fishers_interval_of_pearson_is_that_of_scipy():
    x, y = scores(50)
    theirs = stats.pearsonr(x, y).confidence_interval(0.9)
    assert fisher_interval(stats.pearsonr(x, y)[0], 50, "pearson", 0.9) == pytest.approx(tuple(theirs), abs=1e-9)


def test_fishers_intervals_cover_what_they_estimate():
    """Of 500 samples of 100 normal records 95 % hold the true value (binomial error 1 %); benchmarks/simulations has more."""
    r = 1 / math.sqrt(2)  # of x and x + noise; rho and tau of a normal pair follow from it
    truth = {"pearson": r, "spearman": 6 / math.pi * math.asin(r / 2), "kendall_b": 2 / math.pi * math.asin(r)}
    held = dict.fromkeys(truth, 0)
    for seed in range(500):
        found = correlations(*scores(100, seed), interval="fisher")
        for part, value in truth.items():
            held[part] += found[part].low <= value <= found[part].high
    assert all(0.92 <= times / 500 <= 0.975 for times in held.values()), held


@pytest.mark.parametrize(
    ("x", "y", "why"),
    [([1, 1, 1], [1, 2, 3], "same for every record"), ([1], [2], "two records"), ([1, np.nan], [np.nan, 2], "two records")],
)
@pytest.mark.parametrize("how", ["bootstrap", "fisher"])
def test_what_has_no_correlation_says_why(x, y, why, how):
    found = correlations(x, y, interval=how)
    assert all(math.isnan(one.value) and why in one.reason for one in found.values())


def test_missing_scores_leave_the_record_out():
    x, y = scores(30)
    gaps = np.concatenate([x, [np.nan, 5.0]]), np.concatenate([y, [1.0, np.nan]])
    assert correlations(*gaps) == correlations(x, y)


def test_clusters_of_equal_records_widen_the_interval():
    x, y = scores(100)
    plain = correlations(x, y)
    many = correlations(np.repeat(x, 4), np.repeat(y, 4), clusters=np.repeat(np.arange(100), 4))
    for part in ("pearson", "spearman", "kendall_b"):
        assert many[part].stderr == pytest.approx(plain[part].stderr, rel=0.12)


def test_a_thousand_resamples_of_two_thousand_records_take_a_second():
    x, y = scores(2_000)
    start = time.process_time()
    found = correlations(x, y)
    assert time.process_time() - start < 3.0
    assert found["kendall_b"].low < found["kendall_b"].value < found["kendall_b"].high


# --- grouped -----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(1, 12), st.sampled_from([2, 5, 0]))
@settings(max_examples=60, deadline=None)
def test_each_group_is_scipys_of_that_group(seed, groups, levels):
    x, y = scores(60, seed, levels)
    group = np.random.default_rng(seed).integers(0, groups, 60)
    slow = [by_scipy(x[group == at], y[group == at]) for at in np.unique(group)]
    assert each_group(x, y, group) == pytest.approx(np.array(slow), abs=1e-12, nan_ok=True)


def test_a_large_group_is_ranked_by_sorting_with_the_same_result():
    x, y = scores(700, 1, 9)
    group = np.repeat(["big", "small"], [500, 200])
    slow = [by_scipy(x[group == at], y[group == at]) for at in ("big", "small")]
    assert each_group(x, y, group) == pytest.approx(np.array(slow), abs=1e-12)


def test_rows_with_gaps_anywhere_are_those_without():
    x, y = scores(8, 2)
    holes = np.insert(x, [0, 4, 8], np.nan), np.insert(y, [0, 4, 8], np.nan)
    assert batched(holes[0][None], holes[1][None])[0] == pytest.approx(by_scipy(x, y), abs=1e-12)


def test_groups_where_a_side_is_constant_are_skipped():
    x, y = [1, 2, 3, 1, 2, 3, 5, 5, 5], [1, 2, 3, 1, 3, 2, 1, 2, 3]
    found = within(x, y, [0, 0, 0, 1, 1, 1, 2, 2, 2])
    assert found["spearman"].value == pytest.approx((1.0 + 0.5) / 2)
    assert found["spearman"].n == 2
    none = within([1, 1, 2, 2], [1, 2, 3, 4], [0, 0, 1, 1])
    assert "in every group" in none["pearson"].reason


def test_systems_are_correlated_by_their_means():
    rng = np.random.default_rng(4)
    quality = rng.normal(size=6)
    document, system = np.repeat(np.arange(50), 6), np.tile(np.arange(6), 50)
    human = quality[system] + rng.normal(size=300)
    metric = quality[system] + rng.normal(size=300)
    found = of_systems(metric, human, system, documents=document)
    means = [np.array([side[system == at].mean() for at in range(6)]) for side in (metric, human)]
    assert [found[part].value for part in PARTS] == pytest.approx(by_scipy(*means), abs=1e-12)
    assert found["pearson"].n == 6
    assert found["pearson"].low < found["pearson"].value <= found["pearson"].high
    assert "systems" in of_systems(metric[:50], human[:50], np.zeros(50))["pearson"].reason


def test_the_interval_of_systems_resamples_documents():
    rng = np.random.default_rng(9)
    document, system = np.repeat(np.arange(30), 5), np.tile(np.arange(5), 30)
    metric, human = rng.normal(size=150) + system / 3, rng.normal(size=150) + system / 3
    found = of_systems(metric, human, system, documents=document, seed=6, resamples=100)
    draws = np.random.Generator(np.random.PCG64(np.random.SeedSequence(6)))
    table = [side.reshape(30, 5) for side in (metric, human)]
    slow = []
    for _ in range(100):
        at = draws.integers(0, 30, 30)
        slow.append(by_scipy(*(side[at].mean(axis=0) for side in table)))
    assert found["pearson"].stderr == pytest.approx(np.std([row[0] for row in slow], ddof=1), rel=1e-6)


# --- published -----------------------------------------------------------------------------------------------------------


@pytest.mark.shared_data
@pytest.mark.parametrize(("name", "published"), [("cnndm", (0.682, 0.662, 0.532)), ("xsum", (0.461, 0.488, 0.399))])
def test_the_published_correlations_of_qags(shared_data, name, published):
    lines = (shared_data / "qags" / f"qags_{name}.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    told, people = ([record[side]["consistency"] for record in records] for side in ("predict_scores", "scores"))
    found = correlations(told, people)
    assert [found[part].value for part in PARTS[:3]] == pytest.approx(published, abs=6e-4)
    if name == "cnndm":
        rouge = evalkit.score("rouge", [r["system_output"] for r in records], [r["source"] for r in records])
        against = correlations(rouge["rouge.rouge2"], people)
        assert [against[part].value for part in PARTS[:3]] == pytest.approx((0.459, 0.418, 0.333), abs=6e-4)


@pytest.mark.shared_data
def test_the_published_meta_evaluation_of_summeval(shared_data):
    """ROUGE-2, mean over 11 references: Spearman and Kendall within documents, as in G-Eval's and UniEval's tables."""
    lines = (shared_data / "summeval_16systems" / "summeval.jsonl").read_text().splitlines()
    rows = [
        (doc["doc_id"], name, doc["ref_summs"], told) for doc in map(json.loads, lines) for name, told in doc["systems"].items()
    ]
    outputs = [told["summary"] for *_, references, told in rows for _ in references]
    references = [one for *_, references, _ in rows for one in references]
    rouge = np.asarray(evalkit.score("rouge", outputs, references)["rouge.rouge2"]).reshape(len(rows), -1).mean(axis=1)
    documents, systems = [row[0] for row in rows], [row[1] for row in rows]
    published = {
        "coherence": (0.184, 0.139), "consistency": (0.187, 0.155), "fluency": (0.159, 0.128), "relevance": (0.290, 0.219),
    }  # fmt: skip
    for dimension, numbers in published.items():
        human = [told[dimension] for *_, told in rows]
        found = meta_evaluation(rouge, human, documents=documents, systems=systems, resamples=300)
        inside = found["document"]
        assert (inside["spearman"].value, inside["kendall_b"].value) == pytest.approx(numbers, abs=6e-4)
        assert inside["spearman"].low < inside["spearman"].value < inside["spearman"].high
        assert (found["system"]["pearson"].n, found["dataset"]["pearson"].n) == (16, 1600)


def test_four_records_in_the_same_order_have_a_correlation_and_no_interval():
    found = correlations([1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 5.0, 9.0], seed=0)["spearman"]
    assert found.value == 1.0
    assert math.isnan(found.low)
    assert "every resample gives the same value" in found.reason
