"""meteor: NLTK's values to the last digit, the stages, and what is said where WordNet is missing."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evalkit.core.batch import Batch
from evalkit.core.contracts import DataFacts
from evalkit.core.errors import SpecError
from evalkit.core.registry import find
from evalkit.core.rows import Rows
from evalkit.metrics.meteor import Meteor
from evalkit.text import wordnet
from evalkit.text.lexicon import Lexicon

HAS_WORDNET = next(wordnet.places(), None) is not None
needs_wordnet = pytest.mark.skipif(not HAS_WORDNET, reason="needs WordNet: run `make setup`")


def measured(metric, outputs, references):
    return metric.score(Batch({"output": outputs, "reference": references}))


def scores(outputs, references, **options):
    return measured(Meteor(**options), outputs, references).values[:, 0]


def apart(outputs, references, **options):
    """The largest difference from NLTK itself."""
    theirs = scores(outputs, references, impl="reference", **options)
    return np.abs(scores(outputs, references, **options) - theirs).max()


@needs_wordnet
@pytest.mark.parametrize("tokenizer", ["nltk", "whitespace"])
def test_made_texts_score_as_in_nltk(made, tokenizer):
    assert apart(*made(400, seed=1), tokenizer=tokenizer) <= 1e-12


@needs_wordnet
def test_the_best_of_several_references_counts(made):
    outputs, references = made(100, references=4, seed=2)
    assert apart(outputs, [several[: 1 + index % 4] for index, several in enumerate(references)]) <= 1e-12


@needs_wordnet
@pytest.mark.shared_data
def test_summeval_scores_as_in_nltk(summeval):
    outputs, references = summeval
    assert apart(outputs, [[several[index % 11]] for index, several in enumerate(references)]) <= 1e-12


WORDS = st.sampled_from(
    "car automobile auto machine cars buy purchase bought big large huge the a dogs dog's run running ran US us it's . , 中 é "
    "new_york geese goose better well good".split()
)
TEXTS = st.lists(WORDS, max_size=14).map(" ".join) | st.text(max_size=20)


@needs_wordnet
@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(TEXTS, st.lists(TEXTS, min_size=1, max_size=3)), min_size=1, max_size=5))
@example([("car machine auto", ["automobile auto car automobile"]), ("buy", ["purchase"]), ("US", ["us"])])
def test_any_texts_score_as_in_nltk(pairs):
    outputs, references = [list(side) for side in zip(*pairs, strict=True)]
    assert apart(outputs, references) <= 1e-12


@needs_wordnet
def test_the_weights_are_options(made):
    outputs, references = made(60, seed=3)
    assert apart(outputs, references, alpha=0.5, beta=1.7, gamma=0.3) <= 1e-12
    assert apart(outputs, references, alpha=0.0, beta=0.0, gamma=1.0) <= 1e-12


@needs_wordnet
@pytest.mark.shared_data
def test_the_documented_examples_of_nltk_are_met(parity_cases):
    for case in parity_cases("nltk")["meteor"]:
        references = [[" ".join(words) for words in case["refs"]]]
        assert scores([" ".join(case["hyp"])], references, tokenizer="whitespace")[0] == pytest.approx(
            case["expected"], abs=5e-5
        )


@needs_wordnet
def test_the_documented_example_is_met_without_any_file():
    hypothesis = "It is a guide to action which ensures that the military always obeys the commands of the party"
    reference = "It is a guide to action that ensures that the military will forever heed Party commands"
    assert scores([hypothesis], [reference])[0] == pytest.approx(0.6944, abs=5e-5)


@needs_wordnet
def test_synonyms_count_only_with_wordnet():
    texts = ["they drove a car"], ["they drove an auto"]  # stems, which is what NLTK looks up
    assert scores(*texts)[0] > scores(*texts, stages=("exact", "stem"))[0]
    assert scores(["dogs"], ["dog"], stages=("exact", "stem"))[0] > scores(["dogs"], ["dog"], stages=("exact",))[0] == 0


@pytest.mark.parametrize(("output", "reference"), [("", ""), ("", "a b"), ("a b", ""), ("x", "y"), (" \n", "a")])
def test_nothing_matched_is_zero(output, reference):
    assert scores([output], [reference], stages=("exact", "stem")).tolist() == [0.0]


def test_one_matched_word_is_one_chunk():
    assert scores(["cat"], ["cat"], stages=("exact",)).tolist() == [0.5]  # penalty: 0.5 · (1 / 1) ** 3


@pytest.mark.parametrize("stages", [("exact", "stem"), pytest.param(("exact", "stem", "wordnet"), marks=needs_wordnet)])
def test_where_a_batch_is_split_changes_nothing(made, stages, monkeypatch):
    outputs, references = made(60, references=2, seed=4)
    metric = Meteor(stages=stages)
    whole = measured(metric, outputs, references).values
    for cuts in ([1], [13, 14, 50], list(range(1, 60))):
        bounds = [0, *cuts, 60]
        parts = [measured(metric, outputs[a:b], references[a:b]) for a, b in pairwise(bounds)]
        assert Rows.concat(parts).values.tolist() == whole.tolist()
    monkeypatch.setattr("evalkit.metrics.meteor._BLOCK", 30)
    monkeypatch.setattr("evalkit.text.lexicon._LIMIT", 10)
    assert measured(metric, outputs, references).values.tolist() == whole.tolist()


def test_the_corpus_value_is_the_mean_of_the_records(made):
    metric = Meteor(stages=("exact", "stem"))
    rows = measured(metric, *made(40, seed=5))
    assert metric.combine(rows.values.sum(0)) == pytest.approx(metric.record_values(rows).mean(0))
    assert np.isnan(metric.combine(np.zeros(2))).all()


def test_a_missing_value_is_an_error():
    rows = measured(Meteor(stages=("exact",)), ["a", None, "c"], [None, "b", "c"])
    assert sorted(rows.errors) == [0, 1]


def test_stages_come_in_their_order_and_nltk_has_all_of_them():
    with pytest.raises(SpecError, match=r"\[exact, stem\]"):
        Meteor(stages=("stem", "exact"))
    with pytest.raises(SpecError, match="stages"):
        Meteor(stages=())
    with pytest.raises(SpecError, match="all three stages"):
        Meteor(stages=("exact",), impl="reference")
    with pytest.raises(SpecError, match="alpha"):
        Meteor(alpha=1.5, stages=("exact",))
    with pytest.raises(SpecError, match="beta"):
        Meteor(beta=float("nan"), stages=("exact",))


def test_without_wordnet_the_signature_is_another_one():
    told = Meteor(stages=("exact", "stem")).signature(DataFacts(1, 2))
    assert told.startswith("meteor|alpha:0.9|beta:3|gamma:0.5|tok:nltk|stages:exact,stem|refs:var|v:")
    assert find("metric", "meteor") is Meteor


@needs_wordnet
def test_the_signature_names_the_release_of_wordnet():
    assert "|stages:exact,stem,wordnet-3.0|refs:1|" in Meteor().signature(DataFacts())
    assert "impl:nltk|v:3." in Meteor(impl="reference").signature(DataFacts())


def test_where_wordnet_is_missing_one_sentence_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(wordnet, "_DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(wordnet, "nltk_folders", lambda: [tmp_path / "nltk"])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(wordnet.MissingWordNet, match=r"make setup.*wordnet-base.*stages: \[exact, stem\]"):
        Meteor()
    assert scores(["a"], ["a"], stages=("exact", "stem")).tolist() == [0.5]


def test_nothing_of_nltk_is_imported(tmp_path):
    import subprocess

    code = (
        "import sys; from evalkit.core.batch import Batch; from evalkit.metrics.meteor import Meteor\n"
        "m = Meteor(stages=('exact', 'stem')); m.measure(Batch({'output': ['a b.'], 'reference': ['a c.']}))\n"
        "assert not {'nltk', 'scipy', 'pandas', 'rouge_score'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_lexicon_grows_while_its_numbers_stay():
    lexicon = Lexicon()
    first = lexicon.whitespace(["running runs"])
    assert len(set(lexicon.stems_of(first).tolist())) == 1
    second = lexicon.whitespace(["run cats"])
    assert lexicon.stems_of(second)[0] == lexicon.stems_of(first)[0]
