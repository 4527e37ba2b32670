"""rouge: rouge-score's values to the last digit, several references, and the edges."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from evalkit.core.batch import Batch
from evalkit.core.contracts import DataFacts
from evalkit.core.errors import SpecError
from evalkit.core.registry import find
from evalkit.core.rows import Rows
from evalkit.metrics.rouge import Rouge

KINDS = ("rouge1", "rouge2", "rouge3", "rougeL", "rougeLsum")


def theirs(outputs, references, kinds=KINDS, stemmer=True):
    """F, precision and recall by rouge-score, shape (n, kinds × 3)."""
    scorer = RougeScorer(list(kinds), use_stemmer=stemmer)
    scores = [scorer.score_multi(several, output) for output, several in zip(outputs, references, strict=True)]
    return np.array([[x for kind in kinds for x in (s[kind].fmeasure, s[kind].precision, s[kind].recall)] for s in scores])


def ours(outputs, references, kinds=KINDS, stemmer=True):
    metric = Rouge(types=kinds, stemmer=stemmer, detail=True)
    return metric.record_values(metric.score(Batch({"output": outputs, "reference": references})))


@pytest.mark.parametrize("stemmer", [True, False])
def test_made_texts_score_as_in_rouge_score(made, stemmer):
    outputs, references = made(700, seed=1)
    assert np.abs(ours(outputs, references, stemmer=stemmer) - theirs(outputs, references, stemmer=stemmer)).max() <= 1e-12


def test_the_best_of_several_references_counts_for_each_type_by_its_f(made):
    outputs, references = made(120, references=3, seed=2)
    assert np.abs(ours(outputs, references) - theirs(outputs, references)).max() <= 1e-12


def test_records_may_have_different_numbers_of_references(made):
    outputs, references = made(60, references=4, seed=3)
    ragged = [several[: 1 + index % 4] for index, several in enumerate(references)]
    assert np.abs(ours(outputs, ragged) - theirs(outputs, ragged)).max() <= 1e-12


@pytest.mark.shared_data
def test_summeval_scores_as_in_rouge_score(summeval):
    outputs, references = summeval
    kinds = ("rouge1", "rouge2", "rougeL")
    first = [[several[index % 11]] for index, several in enumerate(references)]
    assert np.abs(ours(outputs, first, kinds) - theirs(outputs, first, kinds)).max() <= 1e-12


@pytest.mark.shared_data
def test_summeval_by_sentence_scores_as_in_rouge_score(summeval):
    outputs, references = summeval
    lines = [output.replace(" . ", " .\n") for output in outputs[:120]]
    gold = [[text.replace(" . ", " .\n") for text in several[:2]] for several in references[:120]]
    assert np.abs(ours(lines, gold) - theirs(lines, gold)).max() <= 1e-12


@pytest.mark.shared_data
def test_published_cases_of_rouge_1_5_5_are_met(parity_cases):
    for case in parity_cases("rouge")["cases"]:
        metric = Rouge(types=(case["metric"],), stemmer=case["use_stemmer"], detail=True)
        rows = metric.score(Batch({"output": [case["prediction"]], "reference": [case["target"]]}))
        expected = case["expected"]
        values = dict(zip(("fmeasure", "precision", "recall"), metric.record_values(rows)[0], strict=True))
        for name, value in expected.items():
            assert values[name] == pytest.approx(value, abs=1e-5), case


WORDS = st.sampled_from(
    ["cat", "cats", "running", "runner", "the", "a", "b", "é", "中", "K", "İ", "1", "\n", ".", "\x00", "\x01", "\r"]
)
TEXTS = st.lists(WORDS, max_size=14).map(" ".join) | st.text(max_size=25)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(TEXTS, st.lists(TEXTS, min_size=1, max_size=3)), min_size=1, max_size=6), st.booleans())
def test_any_texts_score_as_in_rouge_score(pairs, stemmer):
    outputs, references = [list(side) for side in zip(*pairs, strict=True)]
    assert ours(outputs, references, stemmer=stemmer).tolist() == theirs(outputs, references, stemmer=stemmer).tolist()


@pytest.mark.parametrize("kind", [f"rouge{n}" for n in range(1, 10)])
def test_every_order_up_to_nine_is_there(kind, made):
    outputs, references = made(60, seed=4)
    # Copies, so that long n-grams are shared at all.
    references = [[f"{several[0]} {output}"] for output, several in zip(outputs, references, strict=True)]
    assert np.abs(ours(outputs, references, (kind,)) - theirs(outputs, references, (kind,))).max() <= 1e-12


@pytest.mark.parametrize(("output", "reference"), [("", ""), ("", "a b"), ("a b", ""), ("。", "。"), ("模型", "模型")])
def test_texts_without_words_score_zero_as_in_rouge_score(output, reference):
    assert ours([output], [reference]).tolist() == [[0.0] * 15] == theirs([output], [[reference]]).tolist()


def test_lines_are_the_sentences_of_lsum():
    values = dict(zip(KINDS, ours(["the cat sat\na dog ran"], ["a dog ran\nthe cat sat"])[0, ::3], strict=True))
    assert values["rougeLsum"] == 1.0
    assert values["rougeL"] == pytest.approx(0.5)


def test_the_reference_implementation_gives_the_same_rows(made):
    outputs, references = made(40, references=2, seed=5)
    batch = Batch({"output": outputs, "reference": references})
    assert Rouge().measure(batch).values.tolist() == Rouge(impl="reference").measure(batch).values.tolist()


def test_where_a_batch_is_split_changes_nothing(made):
    outputs, references = made(90, references=2, seed=6)
    whole = Rouge(detail=True).measure(Batch({"output": outputs, "reference": references})).values
    for cuts in ([1], [13, 14, 60], [45], list(range(1, 90))):
        bounds = [0, *cuts, 90]
        parts = [
            Rouge(detail=True).measure(Batch({"output": outputs[low:high], "reference": references[low:high]}))
            for low, high in pairwise(bounds)
        ]
        assert Rows.concat(parts).values.tolist() == whole.tolist()


def test_small_blocks_change_nothing(made, monkeypatch):
    outputs, references = made(60, references=2, seed=7)
    batch = {"output": outputs, "reference": references}
    whole = Rouge().measure(Batch(batch)).values
    monkeypatch.setattr("evalkit.metrics.rouge._BLOCK", 50)
    monkeypatch.setattr("evalkit.text.words._BLOCK", 40)
    assert Rouge().measure(Batch(batch)).values.tolist() == whole.tolist()


def test_the_corpus_value_is_the_mean_of_the_records(made):
    metric = Rouge(detail=True)
    outputs, references = made(50, seed=8)
    rows = metric.score(Batch({"output": outputs, "reference": references}))
    assert metric.combine(rows.values.sum(0)) == pytest.approx(metric.record_values(rows).mean(0), abs=1e-12)
    assert np.isnan(metric.combine(np.zeros(len(metric.columns)))).all()


def test_a_full_vocabulary_is_replaced_and_changes_nothing(made, monkeypatch):
    outputs, references = made(60, seed=9)
    batch = {"output": outputs, "reference": references}
    whole = Rouge().measure(Batch(batch)).values
    monkeypatch.setattr("evalkit.text.words._LIMIT", 10)
    assert Rouge().measure(Batch(batch)).values.tolist() == whole.tolist()


def test_a_record_without_reference_is_an_error_not_a_zero():
    rows = Rouge().score(Batch({"output": ["a", None, "c"], "reference": [None, "b", "c"]}))
    assert sorted(rows.errors) == [0, 1]
    assert rows.values[2].tolist() == [1.0, 0.0, 1.0, 1.0, 1.0]


def test_parts_are_f_measures_and_more_on_request():
    assert Rouge().parts == ("rouge1", "rouge2", "rougeL", "rougeLsum")
    assert Rouge().main == "rougeL"
    assert Rouge(types=("rouge2",)).main == "rouge2"
    assert Rouge(types=("rouge1",), detail=True).parts == ("rouge1", "rouge1_precision", "rouge1_recall")
    assert find("metric", "rouge") is Rouge


def test_the_signature_names_what_moves_the_score():
    assert Rouge().signature(DataFacts()).startswith("rouge|stem:yes|types:rouge1,rouge2,rougeL,rougeLsum|refs:1|v:")
    assert "refs:var" in Rouge(stemmer=False).signature(DataFacts(1, 3))
    assert "impl:rouge-score" in Rouge(impl="reference").signature(DataFacts())


@pytest.mark.parametrize("types", [("rouge0",), ("rouge10",), ("rougel",), (), ("rouge1", "rouge1")])
def test_unknown_types_are_named(types):
    with pytest.raises(SpecError, match="rouge"):
        Rouge(types=types)
