"""Guessing `fields:` for a file whose columns have other names."""

from __future__ import annotations

import pytest

from evalkit.records.canonical import COLUMNS
from evalkit.records.fields import SYNONYMS, guess_fields, guesses, likeliest


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        (["question", "answer", "ground_truth"], {"input": "question", "output": "answer", "reference": "ground_truth"}),
        (["prompt", "completion", "expected"], {"input": "prompt", "output": "completion", "reference": "expected"}),
        (["Query", "Generated Text", "Gold"], {"input": "Query", "output": "Generated Text", "reference": "Gold"}),
        (["userInput", "response", "referenceAnswer", "retrieved_contexts"],
         {"input": "userInput", "output": "response", "contexts": "retrieved_contexts", "reference": "referenceAnswer"}),
        (["qid", "query", "prediction", "label", "docs"],
         {"id": "qid", "input": "query", "output": "prediction", "reference": "label", "contexts": "docs"}),
        (["article", "summary", "highlights"], {"input": "article", "output": "summary", "reference": "highlights"}),
        (["input", "output", "reference"], {}),
        (["foo", "bar"], {}),
    ],
)  # fmt: skip
def test_usual_names_are_recognised(columns, fields):
    assert guess_fields(columns) == fields


def test_an_answer_beside_a_prediction_is_not_taken_for_the_output():
    assert guess_fields(["question", "answer", "prediction"])["output"] == "prediction"


def test_values_of_the_wrong_type_rule_a_name_out():
    rows = [{"question": "a", "docs": [{"title": "t"}], "label": "x"}] * 10
    assert guess_fields(["question", "docs", "label"], rows) == {"input": "question", "reference": "label"}


def test_csv_cells_count_as_what_they_hold():
    rows = [{"latency": "12.5", "passages": '["a"]'}, {"latency": "7", "passages": '["b"]'}]
    assert guess_fields(["latency", "passages"], rows) == {"latency_ms": "latency", "contexts": "passages"}


def test_a_key_that_repeats_is_no_identity():
    assert "id" not in guess_fields(["qid", "output"], [{"qid": "a"}, {"qid": "a"}])
    assert guess_fields(["qid", "output"], [{"qid": "a"}, {"qid": "b"}]) == {"id": "qid"}


def test_a_guess_says_how_sure_it_is_and_why():
    (guess,) = guesses(["question"], [{"question": "why?"}])
    assert (guess.column, guess.source) == ("input", "question")
    assert 0.5 < guess.confidence < 1
    assert guess.why == '"question" is a usual name for input, and its values have the type (str or list of chat messages)'


def test_every_synonym_belongs_to_a_canonical_column():
    assert set(SYNONYMS) <= set(COLUMNS)
    assert not set(COLUMNS) & {name for names in SYNONYMS.values() for name in names} - {"reference_contexts"}


def test_the_likeliest_source_of_a_missing_column():
    assert likeliest("reference", ["foo", "Gold Answer"]) == "Gold Answer"
    assert likeliest("output", ["outptu", "foo"]) == "outptu"
    assert likeliest("reference", ["foo", "bar"]) is None
