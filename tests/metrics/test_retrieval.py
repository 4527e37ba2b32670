"""Rank metrics against pytrec_eval, trec_eval's own expected output, and the edges of definitions.md."""

from __future__ import annotations

import gzip
import math
import os
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.batch import Batch
from evalkit.metrics.retrieval import (
    AveragePrecision,
    HitRate,
    Ndcg,
    PrecisionAtK,
    RankMetric,
    RecallAtK,
    ReciprocalRank,
)

DATA = Path(os.environ.get("EVALKIT_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
needs_data = pytest.mark.skipif(not (DATA / "trec_eval").is_dir(), reason="the folder of shared data is not here")

CUTS = (1, 3, 5, 10)
NAMES = [
    "map",
    "recip_rank",
    "ndcg",
    *(f"{name}_{k}" for name in ("P", "recall", "success", "ndcg_cut", "map_cut") for k in CUTS),
]


def ours(retrieved: list, relevant: list, level: int = 1) -> dict[str, list[float]]:
    """Every value of every record, under trec_eval's names."""
    batch = Batch({"retrieved_ids": retrieved, "relevant_ids": relevant})
    told = {
        "P": PrecisionAtK(CUTS, level),
        "recall": RecallAtK(CUTS, level),
        "success": HitRate(CUTS, level),
        "map": AveragePrecision(CUTS, level),
        "ndcg": Ndcg(CUTS),
        "recip_rank": ReciprocalRank(level=level),
    }
    values: dict[str, list[float]] = {}
    for name, metric in told.items():
        columns = metric.record_values(metric.score(batch)).T.tolist()
        for part, column in zip(metric.parts, columns, strict=True):
            cut = f"{name}_cut" if name in ("map", "ndcg") and part else name
            values[part.replace("at_", f"{cut}_") if part else name] = column
    return values


def theirs(retrieved: list, relevant: list, level: int = 1) -> dict[str, list[float]]:
    qrels = {str(i): grades if isinstance(grades, dict) else dict.fromkeys(grades, 1) for i, grades in enumerate(relevant)}
    runs = {str(i): {name: float(-rank) for rank, name in enumerate(ids)} for i, ids in enumerate(retrieved)}
    cuts = ",".join(map(str, CUTS))
    measures = {"map", "recip_rank", "ndcg", *(f"{name}.{cuts}" for name in ("P", "recall", "success", "ndcg_cut", "map_cut"))}
    told = pytrec_eval.RelevanceEvaluator(qrels, measures, relevance_level=level).evaluate(runs)
    return {name: [told[str(i)][name] for i in range(len(relevant))] for name in NAMES}


ids = st.sampled_from([f"d{i}" for i in range(14)])
rankings = st.lists(ids, min_size=1, max_size=14, unique=True)
judgements = st.lists(ids, min_size=1, max_size=8, unique=True) | st.dictionaries(
    ids, st.integers(0, 4), min_size=1, max_size=10
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(rankings, judgements), min_size=1, max_size=5), st.sampled_from([1, 2]))
def test_every_rank_metric_equals_pytrec_eval(queries, level):
    retrieved, relevant = map(list, zip(*queries, strict=True))
    found, wanted = ours(retrieved, relevant, level), theirs(retrieved, relevant, level)
    for name in NAMES:
        assert found[name] == pytest.approx(wanted[name], abs=1e-12), name


def test_large_graded_rankings_equal_pytrec_eval():
    rng = np.random.default_rng(11)
    names = np.array([f"doc-{i}" for i in range(3_000)])
    retrieved = [rng.choice(names, rng.integers(1, 1_000), replace=False).tolist() for _ in range(60)]
    relevant = [
        dict(zip(rng.choice(names, 200, replace=False).tolist(), rng.integers(0, 4, 200).tolist(), strict=True))
        for _ in retrieved
    ]
    found, wanted = ours(retrieved, relevant), theirs(retrieved, relevant)
    for name in NAMES:
        assert found[name] == pytest.approx(wanted[name], abs=1e-12), name


# --- definitions -----------------------------------------------------------------------------------------------------


def value(metric: RankMetric, retrieved, relevant) -> list[float]:
    return metric.record_values(metric.score(Batch({"retrieved_ids": [retrieved], "relevant_ids": [relevant]})))[0].tolist()


def test_precision_divides_by_k_even_where_fewer_were_retrieved():
    assert value(PrecisionAtK(k=10), ["a", "x"], ["a", "b"]) == [0.1]


def test_recall_and_average_precision_count_what_was_not_retrieved():
    assert value(RecallAtK(k=(1, 2)), ["a", "x"], ["a", "b"]) == [0.5, 0.5]
    assert value(AveragePrecision(), ["x", "a"], ["a", "b"]) == [0.25]


def test_reciprocal_rank_is_of_the_first_relevant_item_and_can_be_cut():
    assert value(ReciprocalRank(k=(2, 3)), ["x", "y", "a"], ["a"]) == [1 / 3, 0, 1 / 3]
    assert value(ReciprocalRank(), ["x"], ["a"]) == [0]


def test_ndcg_takes_linear_or_exponential_gains():
    retrieved, relevant = ["b", "a"], {"a": 3, "b": 1, "c": 2}
    discounts = 1 / np.log2(np.arange(2, 5))
    linear = (1 * discounts[0] + 3 * discounts[1]) / (discounts @ [3, 2, 1])
    exponential = (1 * discounts[0] + 7 * discounts[1]) / (discounts @ [7, 3, 1])
    assert value(Ndcg(k=()), retrieved, relevant) == pytest.approx([linear])
    assert value(Ndcg(k=(), gain="exp"), retrieved, relevant) == pytest.approx([exponential])


def test_the_ideal_ranking_holds_all_judged_items_cut_at_k():
    assert value(Ndcg(k=1), ["a"], {"a": 1, "b": 1}) == pytest.approx([1 / (1 + 1 / math.log2(3)), 1.0])


def test_fractions_are_grades_too():
    assert value(Ndcg(k=()), ["b", "a"], {"a": 0.5, "b": 0.25})[0] == pytest.approx(
        (0.25 + 0.5 / math.log2(3)) / (0.5 + 0.25 / math.log2(3))
    )
    assert value(PrecisionAtK(k=1, level=0.5), ["b"], {"a": 0.5, "b": 0.25}) == [0]


def test_a_corpus_is_the_mean_over_queries():
    metric = AveragePrecision()
    rows = metric.score(Batch({"retrieved_ids": [["a"], ["x"], ["x", "b"]], "relevant_ids": [["a"], ["a"], ["b"]]}))
    assert metric.combine(rows.values.sum(0)).tolist() == [pytest.approx(0.5)]


ALL = [PrecisionAtK(), RecallAtK(), HitRate(), ReciprocalRank(), AveragePrecision(), Ndcg()]


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_edges(metric):
    retrieved = [[], ["a"], ["a"], None, ["a"], ["a", "b", "a"], ["a"], "a", ["a"], ["a"], [1, 2], ["a", None]]
    relevant = [["a"], [], {}, ["a"], None, ["a"], ["a", "a"], ["a"], {"a": "high"}, {"a": 0}, ["2"], ["a"]]
    rows = metric.score(Batch({"retrieved_ids": retrieved, "relevant_ids": relevant}))
    assert rows.errors == {
        3: "no retrieved_ids",
        4: "no relevant_ids",
        5: 'retrieved_ids lists "a" twice',
        6: 'relevant_ids lists "a" twice',
        7: "retrieved_ids must be a list of ids, not str",
        8: 'relevant_ids: the grade of "a" is "high", not a number',
        11: "retrieved_ids holds None, which is no id",
    }
    assert set(rows.skipped) == {1, 2}  # trec_eval leaves a topic without judgements out
    assert "nothing is known to be relevant" in rows.skipped[1]
    assert not rows.values[0, :-1].any()  # nothing retrieved: 0
    assert rows.values[0, -1] == 1
    assert not rows.values[9, :-1].any()  # judged, and nothing relevant: 0, as trec_eval has it
    assert rows.values[10, :-1].any()  # numbers are ids too
    assert np.isnan(rows.values[[1, 2, 3, 4, 5, 6, 7, 8, 11]]).all()


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_missing_columns_and_empty_batches(metric):
    assert metric.score(Batch({"retrieved_ids": [["a"]]})).errors == {0: "no relevant_ids"}
    assert metric.score(Batch({"retrieved_ids": [], "relevant_ids": []})).values.shape == (0, len(metric.columns))
    assert metric.needs_of() == ("retrieved_ids", "relevant_ids")


@pytest.mark.parametrize("grade", [math.nan, math.inf, 10**400, -(10**400), None, "1"])
def test_a_grade_that_is_no_number_is_an_error(grade):
    rows = Ndcg().score(Batch({"retrieved_ids": [["a"]], "relevant_ids": [{"a": grade}]}))
    assert rows.errors[0].startswith('relevant_ids: the grade of "a" is ')


def test_whole_numbers_are_ids_on_either_side():
    assert value(AveragePrecision(), [7, 8], ["8"]) == value(AveragePrecision(), ["7", "8"], {8: 1}) == [0.5]


def test_negative_grades_are_not_relevant():
    relevant = {"a": 2, "b": -1}
    assert value(Ndcg(k=()), ["b", "a"], relevant) == pytest.approx([1 / math.log2(3)])
    assert theirs([["b", "a"]], [relevant])["ndcg"] == pytest.approx([1 / math.log2(3)])


def test_names_of_parts():
    assert Ndcg().parts == ("", "at_5", "at_10")
    assert Ndcg().main == ""
    assert PrecisionAtK().parts == ("at_1", "at_5", "at_10")
    assert PrecisionAtK().main == "at_10"
    assert RecallAtK(k=20).parts == ("at_20",)
    assert AveragePrecision().parts == ReciprocalRank().parts == ("",)
    assert HitRate().interval_of("at_5") == "wilson"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PrecisionAtK(k=0), "k must be at least 1, not 0"),
        (lambda: PrecisionAtK(k=()), "k must name at least one cutoff"),
        (lambda: Ndcg(k=(5, 5)), "k names 5 twice"),
        (lambda: RecallAtK(level=0), "level must be above 0, not 0"),
        (lambda: AveragePrecision(level=-1), "level must be above 0, not -1"),
    ],
)
def test_options_that_make_no_sense_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_the_judged_items_are_read_once_for_all_metrics(monkeypatch):
    from evalkit.metrics import retrieval

    calls = Counter()
    original = retrieval.graded
    monkeypatch.setattr(retrieval, "graded", lambda relevant: calls.update(["read"]) or original(relevant))
    batch = Batch({"retrieved_ids": [["a"], ["b"], None], "relevant_ids": [["a"], ["a"], ["a"]]})
    for metric in ALL:
        metric.score(batch)
    assert calls["read"] == 2


# --- shared data -----------------------------------------------------------------------------------------------------


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = defaultdict(dict)
    for line in path.read_text().splitlines():
        topic, _, name, grade = line.split()
        qrels[topic][name] = int(grade)
    return qrels


def read_run(path: Path) -> dict[str, list[str]]:
    """Ids by topic as trec_eval orders them: by score, then by name, both descending."""
    scored: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for line in path.read_text().splitlines():
        topic, _, name, _, score, _ = line.split()
        scored[topic].append((float(score), name))
    return {topic: [name for _, name in sorted(pairs, reverse=True)] for topic, pairs in scored.items()}


@needs_data
@pytest.mark.shared_data
@pytest.mark.parametrize(("expected", "level"), [("out.test.aq", 1), ("out.test.aql", 2)])
def test_trec_evals_own_expected_output(expected, level):
    folder = DATA / "trec_eval"
    qrels = read_qrels(folder / ("qrels.rel_level" if level == 2 else "qrels.test"))
    run = read_run(folder / "results.test")
    topics = [topic for topic in run if topic in qrels]
    cuts = (5, 10, 15, 20, 30, 100, 200, 500, 1000)
    batch = Batch({"retrieved_ids": [run[topic] for topic in topics], "relevant_ids": [qrels[topic] for topic in topics]})
    metrics: dict[str, RankMetric] = {
        "P": PrecisionAtK(cuts, level),
        "recall": RecallAtK(cuts, level),
        "success": HitRate((1, 5, 10), level),
        "map": AveragePrecision(cuts, level),
        "ndcg": Ndcg(cuts),
        "recip_rank": ReciprocalRank(level=level),
    }
    found = {}
    for name, metric in metrics.items():
        rows = metric.score(batch)
        values = np.vstack([metric.record_values(rows), metric.combine(rows.values.sum(0))])
        for part, column in zip(metric.parts, values.T.tolist(), strict=True):
            title = f"{name}{'_cut' if name in ('map', 'ndcg') else ''}_{part[3:]}" if part else name
            found.update({(title, topic): number for topic, number in zip([*topics, "all"], column, strict=True)})
    compared = 0
    for line in (folder / expected).read_text().splitlines():
        name, topic, told = line.split()
        if (name, topic) in found:
            assert found[name, topic] == pytest.approx(float(told), abs=6e-5), (name, topic)
            compared += 1
    assert compared >= 4 * 30


@needs_data
@pytest.mark.shared_data
def test_a_bm25_run_over_vaswani_equals_pytrec_eval():
    folder = DATA / "vaswani_retrieval"
    with gzip.open(folder / "doc-text.trec.gz", "rt", errors="replace") as file:
        texts = re.findall(r"<DOCNO>(.*?)</DOCNO>(.*?)</DOC>", file.read(), re.DOTALL)
    topics = re.findall(r"<num>(\d+)</num><title>(.*?)</title>", (folder / "query-text.trec").read_text(), re.DOTALL)
    assert (len(texts), len(topics)) == (11_429, 93)
    names, lengths = [name.strip() for name, _ in texts], np.zeros(len(texts))
    postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for place, (_, text) in enumerate(texts):
        words = text.lower().split()
        lengths[place] = len(words)
        for word, count in Counter(words).items():
            postings[word].append((place, count))
    norms = 1.2 * (0.25 + 0.75 * lengths / lengths.mean())
    qrels = read_qrels(folder / "qrels")
    retrieved = []
    for _, query in topics:
        scores = np.zeros(len(texts))
        for word in set(query.lower().split()) & postings.keys():
            places, counts = map(np.array, zip(*postings[word], strict=True))
            scores[places] += np.log(len(texts) / len(places)) * counts * 2.2 / (counts + norms[places])
        best = np.argsort(-scores, kind="stable")[:1000]
        retrieved.append([names[place] for place in best[scores[best] > 0]])
    relevant = [qrels[topic] for topic, _ in topics]
    found, wanted = ours(retrieved, relevant), theirs(retrieved, relevant)
    for name in NAMES:
        assert found[name] == pytest.approx(wanted[name], abs=1e-12), name
    assert np.mean(found["map"]) > 0.2  # the run is a real one
