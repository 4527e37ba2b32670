"""levenshtein: rapidfuzz's numbers, in characters and words, over several references."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein as Rapid

from evalkit.core.batch import Batch
from evalkit.core.contracts import DataFacts
from evalkit.core.registry import find
from evalkit.core.rows import Rows
from evalkit.metrics.edit import Levenshtein

UNITS = [("characters", str), ("words", str.split)]


def theirs(outputs, references, split):
    return [
        [
            min(Rapid.distance(split(output), split(text)) for text in several),
            max(Rapid.normalized_similarity(split(output), split(text)) for text in several),
        ]
        for output, several in zip(outputs, references, strict=True)
    ]


def ours(outputs, references, unit="characters"):
    metric = Levenshtein(unit=unit)
    return metric.record_values(metric.score(Batch({"output": outputs, "reference": references}))).tolist()


@pytest.mark.parametrize(("unit", "split"), UNITS)
@pytest.mark.parametrize("references", [1, 3])
def test_made_texts_are_as_far_apart_as_in_rapidfuzz(made, unit, split, references):
    outputs, gold = made(500, references=references, seed=1)
    assert ours(outputs, gold, unit) == theirs(outputs, gold, split)


@pytest.mark.shared_data
@pytest.mark.parametrize(("unit", "split"), UNITS)
def test_summeval_is_as_far_apart_as_in_rapidfuzz(summeval, unit, split):
    outputs, references = summeval
    assert ours(outputs, references, unit) == theirs(outputs, references, split)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=12), st.lists(st.text(max_size=12), min_size=1, max_size=3)), min_size=1, max_size=5)
)
def test_any_texts_are_as_far_apart_as_in_rapidfuzz(pairs):
    outputs, references = [list(side) for side in zip(*pairs, strict=True)]
    for unit, split in UNITS:
        assert ours(outputs, references, unit) == theirs(outputs, references, split)


@pytest.mark.shared_data
def test_published_distances_are_met(parity_cases):
    cases = parity_cases("edit_distance")["levenshtein"]
    values = ours([first for first, _, _ in cases], [second for _, second, _ in cases])
    assert [distance for distance, _ in values] == [distance for _, _, distance in cases]


@pytest.mark.parametrize(
    ("output", "reference", "distance", "similarity"),
    [
        ("", "", 0, 1.0),
        ("", "abc", 3, 0.0),
        ("kitten", "sitting", 3, 1 - 3 / 7),
        ("é", "e\u0301", 2, 0.0),  # code points, not what a reader sees
        ("中文", "中国", 1, 0.5),
        ("👩‍🚀", "👩", 2, 1 - 2 / 3),
    ],
)
def test_characters_are_code_points(output, reference, distance, similarity):
    assert ours([output], [reference]) == [[distance, pytest.approx(similarity)]]


def test_words_stand_between_white_space():
    assert ours(["the cat  sat\n"], ["the dog sat"], "words") == [[1, pytest.approx(2 / 3)]]


def test_distance_and_similarity_may_be_those_of_different_references():
    assert ours(["ab"], [["a", "abcd", "abxxxxxxxxxx"]]) == [[1, 0.5]]
    assert ours(["abcdefgh"], [["abcdefghijk", ""]]) == [[3, pytest.approx(8 / 11)]]


def test_where_a_batch_is_split_changes_nothing(made):
    outputs, references = made(60, references=2, seed=2)
    for unit, _ in UNITS:
        metric = Levenshtein(unit=unit)
        whole = metric.measure(Batch({"output": outputs, "reference": references})).values
        parts = [
            metric.measure(Batch({"output": outputs[low:high], "reference": references[low:high]}))
            for low, high in [(0, 1), (1, 30), (30, 60)]
        ]
        assert Rows.concat(parts).values.tolist() == whole.tolist()


def test_the_corpus_values_are_means_of_the_records(made):
    metric = Levenshtein()
    outputs, references = made(40, seed=3)
    rows = metric.score(Batch({"output": outputs, "reference": references}))
    assert metric.combine(rows.values.sum(0)) == pytest.approx(metric.record_values(rows).mean(0))
    assert np.isnan(metric.combine(np.zeros(3))).all()


def test_small_distances_and_high_similarities_are_better():
    metric = Levenshtein()
    assert metric.main == "distance"
    assert metric.direction("distance") is False
    assert metric.direction("similarity") is True
    assert metric.signature(DataFacts()).startswith("levenshtein|unit:characters|")
    assert find("metric", "levenshtein") is Levenshtein


def test_a_missing_value_is_an_error_and_an_empty_batch_is_fine():
    assert sorted(Levenshtein().score(Batch({"output": ["a", None], "reference": [[], "b"]})).errors) == [0, 1]
    assert len(Levenshtein().score(Batch({"output": [], "reference": []}))) == 0
