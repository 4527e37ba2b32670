"""ter: sacrebleu's edits, values and signatures, and its search at every limit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import TER, lib_ter

from evalkit.core.batch import Batch
from evalkit.core.contracts import DataFacts
from evalkit.core.registry import find
from evalkit.metrics.ter import Ter
from evalkit.text import ter_shift

OPTIONS = [
    dict(zip(("normalized", "no_punct", "asian_support", "case_sensitive"), chosen, strict=True))
    for chosen in itertools.product([False, True], repeat=4)
]
FRAGMENTS = [
    "the", "cat", "Cat", "it's", "'s", "x's ", "(hi)", "3.5", "1,000", "5-6", "-5", "?", "!", ";", "&amp;", "&quot;", "\n-", "\n",
    "\t", "\x00", "\x1c", "\u3000", "“a”", "你好世界", "，", "。", "、", "？", "カタカナ", "ひらがな", "ㇰㇱ", "\u3250", "㎏", "한국어", "é",
    "e\u0301", "😀", "\U00020000", "\u2e80", "豈", "İ", "ß",
]  # fmt: skip
texts = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.sampled_from([" ", " ", ""])), max_size=20).map("".join)


def assert_equals_sacrebleu(outputs, references, **options):
    metric, reference = Ter(**options), TER(**options)
    rows = metric.score(Batch({"output": outputs, "reference": references}))
    counts = [len(several) for several in references]
    streams = [[s[k] if k < len(s) else None for s in references] for k in range(max(counts))]
    theirs = reference._extract_corpus_statistics(outputs, streams)
    assert rows.values.tolist() == [list(map(float, row)) for row in theirs]
    assert metric.record_values(rows)[:, 0].tolist() == [reference._compute_score_from_stats(row).score for row in theirs]
    corpus = reference._aggregate_and_compute(theirs).score
    assert metric.combine(rows.values.sum(axis=0))[0] == pytest.approx(corpus, rel=1e-14)
    assert metric.signature(DataFacts(min(counts), max(counts))) == str(reference.get_signature())


def clipped(outputs, references, words):
    """Every text cut to its first words: sacrebleu's search takes seconds over long ones."""
    outputs = [" ".join(text.split(" ")[:words]) for text in outputs]
    return outputs, [[" ".join(text.split(" ")[:words]) for text in several] for several in references]


def test_two_thousand_made_pairs_have_sacrebleu_s_edits(made):
    assert_equals_sacrebleu(*clipped(*made(2_000, seed=1), 12))


def test_long_made_pairs_have_sacrebleu_s_edits(made):
    assert_equals_sacrebleu(*made(12, seed=2))


@pytest.mark.parametrize("options", OPTIONS)
def test_every_option_agrees_with_several_references(made, options):
    outputs, references = clipped(*made(40, references=3, seed=3), 15)
    for place in range(0, len(references), 3):
        references[place] = references[place][:1]
    assert_equals_sacrebleu(outputs, references, **options)


@pytest.mark.shared_data
def test_summeval_scores_as_in_sacrebleu(summeval):
    outputs, references = summeval
    assert_equals_sacrebleu(*clipped(outputs[::16], [several[:1] for several in references[::16]], 25))
    assert_equals_sacrebleu(outputs[::530], [several[:1] for several in references[::530]])


@pytest.mark.shared_data
def test_published_cases_are_met(parity_cases):
    for case in parity_cases("sacrebleu")["ter"]:
        streams = [case["refs"]] if isinstance(case["refs"][0], str) else case["refs"]
        references = [list(several) for several in zip(*streams, strict=True)]
        metric = Ter(**case.get("options", {}))
        rows = metric.score(Batch({"output": case["hyps"], "reference": references}))
        value = metric.combine(rows.values.sum(axis=0))[0]
        assert min(abs(value - case["expected"]), abs(value / 100 - case["expected"])) <= 1e-4


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(texts, st.lists(texts, min_size=1, max_size=3)), min_size=1, max_size=4), st.sampled_from(OPTIONS))
@example([("", [""]), ("a", [""]), ("", ["a"]), ("", ["a", ""])], OPTIONS[0])
@example([("it's, x", ["it 's , x"]), ("カタ", ["カ タ"])], OPTIONS[-2])
def test_any_text_scores_as_in_sacrebleu(pairs, options):
    assert_equals_sacrebleu([p[0] for p in pairs], [p[1] for p in pairs], **options)


@st.composite
def shuffled_pairs(draw):
    """A reference of few distinct words, and a hypothesis made from it by moving, dropping and changing blocks."""
    words = st.sampled_from(draw(st.sampled_from(["ab", "abcde", "abcdefghijklmnopqrst"])))
    reference = draw(st.lists(words, min_size=1, max_size=18))
    hypothesis = list(reference)
    for _ in range(draw(st.integers(0, 5))):
        start, size, target = (draw(st.integers(0, 18)) for _ in range(3))
        block = hypothesis[start : start + size % 7]
        del hypothesis[start : start + size % 7]
        hypothesis[target:target] = draw(st.sampled_from([block, [], draw(st.lists(words, max_size=6))]))
    return "".join(hypothesis), "".join(reference)


@settings(max_examples=250, deadline=None)
@given(
    shuffled_pairs(),
    st.sampled_from([2, 3, 5, 25]),
    st.sampled_from([3, 50]),
    st.sampled_from([2, 10]),
    st.sampled_from([20, 1000]),
)
def test_narrow_beams_and_low_limits_give_the_same_search(pair, beam, distance, size, candidates):
    hypothesis, reference = pair
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("BEAM_WIDTH", beam), ("MAX_SHIFT_DISTANCE", distance), ("MAX_SHIFT_SIZE", size), ("MAX_CANDIDATES", candidates),
        ):  # fmt: skip
            patch.setattr(ter_shift, name, value)
        for name, value in (
            ("BEAM_WIDTH", beam), ("MAX_SHIFT_DIST", distance), ("MAX_SHIFT_SIZE", size), ("MAX_SHIFT_CANDIDATES", candidates),
        ):  # fmt: skip
            patch.setattr(lib_ter, f"_{name}", value)
        theirs = lib_ter.translation_edit_rate(list(hypothesis), list(reference))[0]
        assert ter_shift.shifted_edits(hypothesis, reference) == theirs


def test_texts_far_from_the_diagonal_are_measured_inside_the_beam():
    rng = np.random.default_rng(0)
    for mine, theirs in ((3, 120), (70, 35), (45, 46)):
        hypothesis = [f"w{k}" for k in rng.integers(0, 30, mine)]
        reference = [f"w{k}" for k in rng.integers(0, 30, theirs)]
        moved = reference[theirs // 2 :] + reference[: theirs // 2]
        assert_equals_sacrebleu([" ".join(hypothesis), " ".join(moved)], [[" ".join(reference)]] * 2)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=8), st.data())
def test_splitting_a_batch_anywhere_changes_nothing(pairs, data):
    outputs, references = [p[0] for p in pairs], [p[1] for p in pairs]
    cut = data.draw(st.integers(0, len(pairs)))
    metric = Ter(normalized=True)
    whole = metric.score(Batch({"output": outputs, "reference": references})).values
    parts = [
        metric.score(Batch({"output": outputs[part], "reference": references[part]})).values
        for part in (slice(0, cut), slice(cut, None))
    ]
    assert (np.concatenate(parts) == whole).all()


def test_summed_rows_combine_to_the_score_of_the_concatenated_corpora(made):
    metric = Ter()
    first, second = clipped(*made(30, seed=4), 12), clipped(*made(20, seed=5), 12)
    rows = [metric.score(Batch({"output": o, "reference": r})).values for o, r in (first, second)]
    theirs = TER().corpus_score(first[0] + second[0], [[s[0] for s in first[1] + second[1]]]).score
    assert metric.combine(rows[0].sum(0) + rows[1].sum(0))[0] == pytest.approx(theirs, rel=1e-14)


def test_combine_works_over_leading_axes_and_keeps_missing_rows_missing():
    sums = np.array([[[3.0, 12.0], [0.0, 0.0]], [[2.0, 0.0], [np.nan, np.nan]]])
    values = Ter().combine(sums)
    assert values.shape == (2, 2, 1)
    assert values[:, :, 0].tolist()[0] == [25.0, 0.0]
    assert values[1, 0, 0] == 100.0
    assert np.isnan(values[1, 1, 0])


def test_lower_is_better_and_a_missing_reference_is_an_error():
    rows = Ter().score(Batch({"output": ["a", "b"], "reference": [None, "b"]}))
    assert rows.errors == {0: "no reference"}
    assert Ter().direction("") is False


def test_it_is_registered_under_its_name():
    assert find("metric", "ter") is Ter
