"""context_size: words and passages, and the share of the words that match nothing relevant."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import evalkit
from evalkit.core.batch import Batch
from evalkit.core.errors import SpecError
from evalkit.metrics.context_size import ContextSize
from tests.metrics.test_passages import TEXTS, Directions, suite

A, B = TEXTS[:2]


def told(columns: dict, **options) -> list[list[float]]:
    metric = ContextSize(**options).for_columns(columns)
    return metric.record_values(metric.score(Batch(columns))).tolist()


def test_noise_is_the_share_of_the_words_that_stand_in_passages_which_match_nothing():
    (found,) = told({"contexts": [[A, B]], "reference_contexts": [[B]]})
    words = ContextSize().measure(Batch({"contexts": [[A], [B]]})).values[:, 0]
    assert found == pytest.approx([words.sum(), 2, words[0] / words.sum()])
    assert told({"contexts": [[A, B]], "reference_contexts": [[A, B]]})[0][2] == 0
    assert told({"contexts": [[A, B]], "reference_contexts": [["nothing of the kind here"]]})[0][2] == 1


def test_noise_is_pooled_over_the_records_of_which_it_is_known_what_is_relevant():
    columns = {
        "contexts": [["a b c d", "e f g h i j"], ["k l m"], ["n o p q"], []],
        "reference_contexts": [["a b c d"], [], None, ["x"]],
    }
    metric = ContextSize().for_columns(columns)
    rows = metric.score(Batch(columns))
    assert metric.combine(rows.values.sum(axis=0)).tolist() == pytest.approx([(10 + 3 + 4 + 0) / 4, 4 / 4, 6 / 10])
    assert metric.record_values(rows)[:, 2].tolist() == pytest.approx([6 / 10, math.nan, math.nan, math.nan], nan_ok=True)
    assert rows.scored().all()


def test_ids_tell_too():
    columns = {"contexts": [["a b", "c d e", "f"]], "retrieved_ids": [["p1", "p2", "p3"]], "relevant_ids": [{"p2": 2, "p3": 0}]}
    assert told(columns)[0] == pytest.approx([6, 3, 3 / 6])
    rows = ContextSize(match="ids").score(Batch({**columns, "retrieved_ids": [["p1"]]}))
    assert rows.errors == {0: "contexts has 3 passages, and retrieved_ids 1 ids; they must be the same"}
    assert ContextSize(match="ids").score(Batch({**columns, "retrieved_ids": [["p1", "p1"]]})).errors == {
        0: 'retrieved_ids lists "p1" twice'
    }


def test_without_anything_relevant_there_is_no_noise_to_tell():
    (found,) = told({"contexts": [["a b", "世界"]]})
    assert found == pytest.approx([4, 2, math.nan], nan_ok=True)
    rows = ContextSize().score(Batch({"contexts": [None, [], [""]]}))
    assert rows.errors == {0: "no contexts"}
    assert rows.values[1:, :3].tolist() == [[0, 0, 1], [0, 1, 1]]


def test_ways_of_matching_and_vectors():
    columns = {"contexts": [["The Server answers.", "Nothing else."]], "reference_contexts": [["the server answers"]]}
    assert told(columns, match="exact")[0][2] == 1
    assert told(columns, match="normalised")[0][2] == pytest.approx(2 / 5)
    backend = Directions({"dog": (1.0, 0.0), "hound": (0.9, 0.1), "cat": (0.0, 1.0), "none": (0.0, 0.0)})
    found = evalkit.score(
        "context_size", [""] * 3, contexts=[["hound", "cat sat down"], ["cat"], ["none"]],
        reference_contexts=[["dog"], [], ["dog"]], match="embedding", backend=backend,
    )  # fmt: skip
    assert found["context_size.noise"].tolist() == pytest.approx([3 / 4, math.nan, math.nan], nan_ok=True)
    assert found["context_size.words"].tolist() == pytest.approx([4, 1, math.nan], nan_ok=True)
    assert found.errors == {2: "a passage's vector has no direction"}


def test_reasons_and_evidence_say_which_passages_are_noise():
    columns = {"contexts": [["a b c", "d e f g", "h"], ["x"]], "reference_contexts": [["a b c"], None]}
    rows = ContextSize().for_columns(columns).score(Batch(columns))
    assert rows.reasons == {0: "8 words in 3 passages, 5 of them in 2 that match nothing relevant", 1: "1 word in 1 passage"}
    assert rows.evidence == {0: {"words": [3, 4, 1], "match": "overlap", "noise": [2, 3]}, 1: {"words": [1]}}
    json.dumps(rows.evidence)


def test_neither_words_nor_passages_are_better_high_or_low(project):
    suite(
        project,
        [{"contexts": ["a b c", "d"], "reference_contexts": ["a b c"]}],
        "context_size",
        more="gates:\n  - {metric: context_size.noise, max: 0.5}\n",
    )
    run = evalkit.run("suite.yaml")
    assert run["context_size.words"].mean == 4
    assert run["context_size.words"].higher_is_better is None
    assert run["context_size.noise"].higher_is_better is False
    assert run["context_size.noise"].mean == 1 / 4
    assert "match:overlap|threshold:0.4" in run["context_size.noise"].signature


def test_a_suite_whose_data_does_not_say_what_is_relevant_measures_the_size(project):
    suite(project, [{"contexts": ["a b c", "d"]}], "context_size")
    run = evalkit.run("suite.yaml")
    assert run["context_size.passages"].mean == 2
    assert math.isnan(run["context_size.noise"].mean)
    suite(project, [{"contexts": ["a b c", "d"]}], "{use: context_size, match: exact}")
    with pytest.raises(SpecError, match='no record has the column "reference_contexts", which context_size needs'):
        evalkit.run("suite.yaml")


def test_an_empty_batch_has_no_rows():
    assert ContextSize(match="overlap").score(Batch({"contexts": [], "reference_contexts": []})).values.shape == (0, 5)
    assert np.isnan(ContextSize().combine(np.zeros(5))).all()
