"""exact_match, contains, regex and token_f1: their reference implementations, and the edges of definitions.md."""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.batch import Batch
from evalkit.core.contracts import Metric
from evalkit.core.rows import Rows
from evalkit.metrics.match import Contains, ExactMatch, Regex, TokenF1


def measured(metric: Metric, outputs: list[Any], references: list[Any] | None = None) -> Rows:
    columns = {"output": outputs} if references is None else {"output": outputs, "reference": references}
    return metric.score(Batch(columns))


def values(metric: Metric, outputs: list[Any], references: list[Any] | None = None) -> list[float]:
    return metric.record_values(measured(metric, outputs, references))[:, 0].tolist()


def corpus(metric: Metric, rows: Rows) -> float:
    return float(metric.combine(rows.values[rows.scored()].sum(0))[0])


# --- exact match -----------------------------------------------------------------------------------------------------


def test_exact_match_changes_nothing_unless_it_is_told_to():
    assert values(ExactMatch(), ["Paris", "paris", "Paris ", ""], ["Paris", "Paris", "Paris", ""]) == [1, 0, 0, 1]


def test_any_of_several_references_counts():
    assert values(ExactMatch(), ["b", "d"], [["a", "b"], ["a", "b", "c"]]) == [1, 0]


def test_options_strip_what_they_name():
    assert values(ExactMatch(ignore_case=True), ["PARIS"], ["paris"]) == [1]
    assert values(ExactMatch(ignore_punctuation=True), ["it's, ok!"], ["its ok"]) == [1]
    assert values(ExactMatch(ignore_numbers=True), ["page 12"], ["page 7"]) == [1]
    assert values(ExactMatch(regexes_to_ignore=("^the ", r"\s+$")), ["the cat  "], ["cat"]) == [1]


def huggingface_exact_match(predictions: list[str], references: list[str], regexes: list[str], options: set[str]) -> list[bool]:
    """What Hugging Face's `exact_match` does, on NumPy's own string functions as it does."""
    sides = []
    for texts in (predictions, references):
        for pattern in regexes:
            texts = [re.sub(pattern, "", text) for text in texts]
        array = np.asarray(texts, dtype=object).astype(str) if texts else np.asarray([], dtype=str)
        if "case" in options:
            array = np.char.lower(array)
        if "punctuation" in options:
            array = np.char.translate(array, table=str.maketrans("", "", string.punctuation))
        if "numbers" in options:
            array = np.char.translate(array, table=str.maketrans("", "", string.digits))
        sides.append(array.tolist())
    return [a == b for a, b in zip(*sides, strict=True)]


# Without "İ", whose lower case is longer: NumPy cuts it to the width of the column, so that equal texts differ there.
words = st.text(alphabet="aAbB1 2.,!'ßΣé", max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(words, words), min_size=1, max_size=8),
    st.sets(st.sampled_from(["case", "punctuation", "numbers"])),
    st.lists(st.sampled_from(["a", r"\d", " +", "B$"]), max_size=2),
)
def test_exact_match_equals_hugging_face(pairs, options, regexes):
    outputs, references = map(list, zip(*pairs, strict=True))
    metric = ExactMatch(
        ignore_case="case" in options,
        ignore_punctuation="punctuation" in options,
        ignore_numbers="numbers" in options,
        regexes_to_ignore=tuple(regexes),
    )
    assert values(metric, outputs, references) == huggingface_exact_match(outputs, references, regexes, options)


def test_a_broken_pattern_to_ignore_is_refused_when_the_metric_is_built():
    with pytest.raises(ValueError, match=r'regexes_to_ignore: "\(" is not a regular expression'):
        ExactMatch(regexes_to_ignore=("(",))


@pytest.mark.parametrize("metric", [ExactMatch(), Contains(), TokenF1()], ids=lambda metric: metric.name)
def test_a_null_is_an_error_and_an_empty_string_is_a_value(metric):
    rows = measured(metric, [None, "a", "a", "", "a"], ["a", None, [], "", "a"])
    assert rows.errors == {0: "no output", 1: "no reference", 2: "no reference"}
    assert np.isnan(rows.values[:3]).all()
    assert corpus(metric, rows) == 1.0


def test_a_batch_of_nulls_only_has_no_value():
    rows = measured(ExactMatch(), [None], ["a"])
    assert math.isnan(corpus(ExactMatch(), rows))


def test_an_empty_batch_has_no_rows():
    for metric in (ExactMatch(), Contains(), TokenF1()):
        assert measured(metric, [], []).values.shape == (0, 2)
    assert measured(Regex("a"), []).values.shape == (0, 2)


def test_shares_promise_wilson_and_the_rest_does_not():
    assert ExactMatch().interval_of("") == Contains().interval_of("") == Regex("a").interval_of("") == "wilson"
    assert TokenF1().interval_of("") == "bootstrap"


# --- contains --------------------------------------------------------------------------------------------------------


def test_contains_wants_any_reference_or_all_of_them():
    outputs, references = ["the cat sat", "the cat sat", "dog"], [["cat", "dog"], ["cat", "sat"], ["cat", "cow"]]
    assert values(Contains(), outputs, references) == [1, 1, 0]
    assert values(Contains(mode="all"), outputs, references) == [0, 1, 0]


def test_contains_minds_case_unless_told():
    assert values(Contains(), ["STRASSE"], ["straße"]) == [0]
    assert values(Contains(ignore_case=True), ["STRASSE"], ["straße"]) == [1]


def test_an_empty_reference_stands_in_every_output():
    assert values(Contains(), ["abc", ""], ["", ""]) == [1, 1]
    assert values(Contains(), [""], ["abc"]) == [0]


# --- regex -----------------------------------------------------------------------------------------------------------


def test_regex_searches_or_matches_from_end_to_end():
    outputs = ["id: 42", "42", "", "no"]
    assert values(Regex(r"\d+"), outputs) == [1, 1, 0, 0]
    assert values(Regex(r"\d+", mode="full"), outputs) == [0, 1, 0, 0]
    assert values(Regex(r"\d*", mode="full"), outputs) == [0, 1, 1, 0]


def test_regex_takes_flags():
    assert values(Regex("^yes$"), ["YES", "a\nyes"]) == [0, 0]
    assert values(Regex("^yes$", flags="i"), ["YES", "a\nyes"]) == [1, 0]
    assert values(Regex("^yes$", flags="im"), ["YES", "a\nYes"]) == [1, 1]
    assert values(Regex("a.b", flags="s"), ["a\nb"]) == [1]


def test_a_pattern_that_explodes_is_an_error_of_that_record_alone():
    rows = measured(Regex(r"^(a|a)*$", timeout_s=0.05), ["aaa", "a" * 60 + "b", "a"])
    assert rows.errors == {1: "the pattern took longer than 0.05 s on this output"}
    assert rows.values[[0, 2], 0].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pattern": "(unclosed"}, r'pattern: "\(unclosed" is not a regular expression: missing \)'),
        ({"pattern": "a", "flags": "iq"}, 'flags: "q" is unknown'),
        ({"pattern": "a", "timeout_s": 0}, "timeout_s must be above 0, not 0"),
    ],
)
def test_wrong_options_of_regex_are_refused_when_it_is_built(options, message):
    with pytest.raises(ValueError, match=message):
        Regex(**options)


# --- token F1 --------------------------------------------------------------------------------------------------------


def squad_f1(gold: str, told: str) -> float:
    """SQuAD 2.0's `compute_f1`, transcribed."""

    def tokens(text: str) -> list[str]:
        text = "".join(character for character in text.lower() if character not in set(string.punctuation))
        return " ".join(re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", text).split()).split()

    gold_tokens, told_tokens = tokens(gold), tokens(told)
    common = Counter(gold_tokens) & Counter(told_tokens)
    same = sum(common.values())
    if not gold_tokens or not told_tokens:
        return float(gold_tokens == told_tokens)
    if same == 0:
        return 0.0
    precision, recall = same / len(told_tokens), same / len(gold_tokens)
    return 2 * precision * recall / (precision + recall)


texts = st.lists(
    st.sampled_from(
        [
            "the",
            "a",
            "an",
            "cat",
            "cat's",
            "dog",
            "Dog",
            "mat",
            "on,",
            ".",
            "!",
            "sat",
            "über-cat",
            "1,000",
            "the—cat",
            "猫",
            "naïve",
            "a.n",
            "The\n",
            "",
        ]
    ),
    max_size=9,
).map(" ".join) | st.text(max_size=12)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(texts, st.lists(texts, min_size=1, max_size=3)), min_size=1, max_size=6))
def test_token_f1_equals_squad_over_the_best_reference_to_the_last_digit(records):
    outputs, references = map(list, zip(*records, strict=True))
    wanted = [max(squad_f1(gold, told) for gold in golds) for told, golds in records]
    assert values(TokenF1(), outputs, references) == wanted


@pytest.mark.parametrize(
    ("told", "gold", "f1"),
    [
        ("", "", 1),
        ("the", "", 1),  # nothing but an article is nothing
        ("", "cat", 0),
        ("cat", "", 0),
        ("The Cat!", "cat", 1),
        ("cat cat", "cat", 2 / 3),
        ("cat cat dog", "cat cat cat", 2 / 3),
        ("the cat sat on the mat", "a cat is on a mat", 0.75),
        ("theatre", "atre", 0),  # articles are whole words
    ],
)
def test_token_f1_on_known_pairs(told, gold, f1):
    assert values(TokenF1(), [told], [gold]) == [pytest.approx(f1, abs=1e-15)]


def test_token_f1_of_a_corpus_is_the_mean_of_its_records():
    rows = measured(TokenF1(), ["a cat", "dog", "x y"], ["cat", "cat", "x"])
    assert corpus(TokenF1(), rows) == pytest.approx((1 + 0 + 2 / 3) / 3, abs=1e-15)


def test_batches_do_not_change_a_record():
    rng = np.random.default_rng(3)
    vocabulary = np.array(["cat", "dog", "the", "sat", "on", "mat", "x."])
    outputs = [" ".join(rng.choice(vocabulary, rng.integers(0, 8))) for _ in range(200)]
    references = [[" ".join(rng.choice(vocabulary, rng.integers(0, 8))) for _ in range(rng.integers(1, 4))] for _ in outputs]
    for metric in (ExactMatch(), Contains(mode="all"), TokenF1()):
        whole = values(metric, outputs, references)
        assert whole == [values(metric, [told], [gold])[0] for told, gold in zip(outputs, references, strict=True)]
