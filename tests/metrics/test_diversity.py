"""diversity: distinct n-grams counted plainly, self-BLEU as sacrebleu and NLTK give it."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.translate.bleu_score import SmoothingFunction, corpus_bleu
from sacrebleu.metrics import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

import evalkit
from evalkit.core.contracts import CorpusMetric
from evalkit.core.errors import SpecError
from evalkit.metrics.diversity import Diversity, DiversityOfOutputs

WORDS = ["the", "cat", "sat", "The", "mat.", "a", "on,", "3.5"]
sentences = st.lists(st.sampled_from(WORDS), max_size=7).map(" ".join)
sets = st.lists(sentences, min_size=2, max_size=6)


def self_bleu_of_sacrebleu(texts: list[str], **options) -> float:
    """Each text against all the others, one by one."""
    bleu = BLEU(effective_order=True, **options)
    scores = [bleu.sentence_score(text, texts[:place] + texts[place + 1 :]).score for place, text in enumerate(texts)]
    return float(np.mean(scores))


def distinct(texts: list[str], n: int) -> float:
    """Different n-grams over n-grams, with a set of tuples."""
    words = [Tokenizer13a()(text).split() for text in texts]
    grams = [tuple(one[at : at + n]) for one in words for at in range(len(one) - n + 1)]
    return len(set(grams)) / len(grams) if grams else math.nan


@given(st.lists(sets, min_size=1, max_size=4))
def test_samples_score_as_sacrebleu_against_each_other(groups):
    scores = evalkit.score("diversity", [""] * len(groups), samples=groups)
    for index, texts in enumerate(groups):
        expected = [distinct(texts, 1), distinct(texts, 2), self_bleu_of_sacrebleu(texts)]
        if math.isnan(expected[0]):
            assert scores.skipped[index] == "its samples have no words: nothing to compare"
            continue
        ours = [scores[f"diversity.{part}"][index] for part in ("distinct_1", "distinct_2", "self_bleu")]
        assert ours == pytest.approx(expected, abs=1e-9, nan_ok=True)


@given(sets)
def test_outputs_score_as_sacrebleu_against_all_others(outputs):
    corpus = evalkit.score("diversity", outputs, over="output").corpus
    assert corpus["diversity.self_bleu"] == pytest.approx(self_bleu_of_sacrebleu(outputs), abs=1e-9)
    assert corpus["diversity.distinct_1"] == pytest.approx(distinct(outputs, 1), nan_ok=True)
    assert corpus["diversity.distinct_2"] == pytest.approx(distinct(outputs, 2), nan_ok=True)


@pytest.mark.parametrize(("tokenize", "lowercase"), [("none", False), ("zh", True), ("intl", False), ("char", True)])
def test_every_tokenizer_agrees(made, tokenize, lowercase):
    outputs, _ = made(40, seed=4)
    corpus = evalkit.score("diversity", outputs, over="output", tokenize=tokenize, lowercase=lowercase).corpus
    theirs = self_bleu_of_sacrebleu(outputs, tokenize=tokenize, lowercase=lowercase, force=True)
    assert corpus["diversity.self_bleu"] == pytest.approx(theirs, abs=1e-9)


def test_matched_ngrams_equal_those_of_nltk():
    """NLTK smooths otherwise, so texts that share n-grams of all four orders are compared, where nothing is smoothed."""
    texts = [f"we saw the old man {end} on the hill today" for end in ("there", "again", "alone", "there again", "and dog")]
    words = [text.split() for text in texts]
    theirs = [
        corpus_bleu([words[:at] + words[at + 1 :]], [one], smoothing_function=SmoothingFunction().method0)
        for at, one in enumerate(words)
    ]
    ours = evalkit.score("diversity", texts, over="output").corpus["diversity.self_bleu"]
    assert ours == pytest.approx(100 * np.mean(theirs), abs=1e-9)


@given(sets, st.randoms(use_true_random=False))
def test_the_order_of_texts_does_not_matter(texts, random):
    shuffled = random.sample(texts, len(texts))
    first, second = (evalkit.score("diversity", [""], samples=[each]) for each in (texts, shuffled))
    for name, values in first.items():
        assert second[name] == pytest.approx(values, nan_ok=True)


def test_equal_samples_are_not_diverse_and_unlike_ones_are():
    same, unlike = evalkit.score(
        "diversity", ["", ""], samples=[["one two three four"] * 3, ["a b c d", "e f g h", "i j k l"]]
    )["diversity.self_bleu"]
    assert same == pytest.approx(100)
    assert unlike < 20


def test_too_few_samples_are_skipped_and_never_a_number():
    scores = evalkit.score("diversity", ["", "", "", ""], samples=[["one"], ["a b", "a b"], None, ["", " "]])
    assert scores.skipped == {
        0: "fewer than two samples: nothing to compare",
        3: "its samples have no words: nothing to compare",
    }
    assert scores.errors == {2: "no samples"}
    assert scores.corpus["diversity.distinct_1"] == 0.5


def test_samples_of_one_word_have_no_distinct_2_and_do_not_move_its_mean():
    scores = evalkit.score("diversity", ["", ""], samples=[["yes", "no"], ["a b", "a c"]])
    assert scores["diversity.distinct_2"] == pytest.approx([math.nan, 1.0], nan_ok=True)
    assert scores.corpus["diversity.distinct_2"] == 1.0
    assert scores.corpus["diversity.distinct_1"] == pytest.approx((1.0 + 0.75) / 2)


def test_over_decides_what_kind_of_metric_it_is():
    records, whole = Diversity(), Diversity(over="output")
    assert not isinstance(records, CorpusMetric)
    assert isinstance(whole, DiversityOfOutputs)
    assert isinstance(whole, CorpusMetric)
    assert pickle.loads(pickle.dumps(whole)) == whole
    assert replace(whole, lowercase=True).over == "output"
    assert (records.needs_of(), whole.needs_of()) == (("samples",), ("output",))
    with pytest.raises(SpecError, match="samples or output"):
        Diversity(over="reference")


def test_slices_are_compared_among_themselves_and_samples_have_intervals():
    records = [
        {"input": str(n), "output": f"all the same {n % 2}" if n < 10 else f"word{n} other{n}", "samples": ["a b", f"a c{n}"],
         "variant": "dull" if n < 10 else "rich"} for n in range(20)
    ]  # fmt: skip
    metrics = ["diversity", {"use": "diversity", "as": "whole", "over": "output"}]
    run = evalkit.evaluate(records, metrics=metrics, slices=["variant"])
    assert run["whole.distinct_1"].ci is None
    assert run["diversity.distinct_1"].ci is not None
    dull, rich = (part.metrics["whole.distinct_1"].mean for part in run.slices)
    assert (dull, rich) == (5 / 40, 1.0)
    assert run["whole.self_bleu"].higher_is_better is False
