"""chrf: sacrebleu's statistics, values and signatures, digit for digit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import CHRF

from evalkit.core.batch import Batch
from evalkit.core.contracts import DataFacts
from evalkit.core.errors import SpecError
from evalkit.core.registry import find
from evalkit.metrics.chrf import Chrf

FRAGMENTS = [
    "the", "cat", "Cat", "don't", "(hi)", "3.5", "..", "a", "\"q\"", "!", "\n", "\t", "\x00", "\x1c", "\u3000", "\u200b", "“a”",
    "你好世界", "，", "한국어", "é", "e\u0301", "😀", "👨\u200d👩\u200d👧", "\U00020000", "\U0010ffff", "İ", "ß",
]  # fmt: skip
texts = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.sampled_from([" ", " ", ""])), max_size=20).map("".join)
any_text = st.one_of(texts, st.text(st.characters(), max_size=12))
OPTIONS = [
    {}, {"word_order": 2}, {"lowercase": True, "whitespace": True}, {"eps_smoothing": True, "word_order": 1},
    {"beta": 1, "char_order": 9}, {"beta": 3, "char_order": 1}, {"char_order": 0, "word_order": 3},
]  # fmt: skip


def assert_equals_sacrebleu(outputs, references, **options):
    metric, reference = Chrf(**options), CHRF(**options)
    rows = metric.score(Batch({"output": outputs, "reference": references}))
    counts = [len(several) for several in references]
    streams = [[s[k] if k < len(s) else None for s in references] for k in range(max(counts))]
    theirs = reference._extract_corpus_statistics(outputs, streams)
    assert (rows.values == np.array(theirs)).all()
    assert metric.record_values(rows)[:, 0].tolist() == [reference._compute_score_from_stats(row).score for row in theirs]
    assert metric.combine(rows.values.sum(axis=0))[0] == reference._aggregate_and_compute(theirs).score
    assert metric.signature(DataFacts(min(counts), max(counts))) == str(reference.get_signature())


def test_two_thousand_made_pairs_have_sacrebleu_s_statistics(made):
    assert_equals_sacrebleu(*made(2_000, seed=1))


@pytest.mark.parametrize("options", OPTIONS)
def test_every_option_agrees_with_several_references(made, options):
    outputs, references = made(100, references=3, seed=2)
    for place in range(0, len(references), 3):
        references[place] = references[place][:1]
    assert_equals_sacrebleu(outputs, references, **options)


@pytest.mark.shared_data
def test_summeval_scores_as_in_sacrebleu(summeval):
    outputs, references = summeval
    assert_equals_sacrebleu(outputs[::8], [several[:1] for several in references[::8]], word_order=2)
    assert_equals_sacrebleu(outputs[::32], [several[: 1 + place % 11] for place, several in enumerate(references[::32])])


@pytest.mark.shared_data
def test_published_cases_are_met(parity_cases):
    cases = [case for group, cases in parity_cases("sacrebleu").items() if "chrf" in group for case in cases]
    assert cases
    for case in cases:
        outputs, streams = case.get("hyps", [case.get("hyp")]), case["refs"]
        if "hyps" not in case:
            streams = [[text] for text in streams]
        elif isinstance(streams[0], str):
            streams = [streams]
        references = [list(several) for several in zip(*streams, strict=True)]
        metric = Chrf(**case["options"])
        rows = metric.score(Batch({"output": outputs, "reference": references}))
        assert metric.combine(rows.values.sum(axis=0))[0] == pytest.approx(case["expected"], abs=1e-4)


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.tuples(any_text, st.lists(any_text, min_size=1, max_size=3)), min_size=1, max_size=4),
    st.sampled_from(OPTIONS),
)
@example([("", [""]), ("", ["a"]), ("a", [""])], {})
@example([("a\x00\x00\x00b", ["a\x00\x00b"])], {})
@example([("a\ud800b", ["a\ud800 b"])], {"whitespace": True})
def test_any_text_scores_as_in_sacrebleu(pairs, options):
    assert_equals_sacrebleu([p[0] for p in pairs], [p[1] for p in pairs], **options)


def test_large_alphabets_and_long_texts_change_nothing():
    rng = np.random.default_rng(0)
    alphabet = [chr(0x4E00 + k) for k in range(3_000)] + [chr(0x1F300 + k) for k in range(500)] + list("abc .")
    texts = ["".join(rng.choice(alphabet, size)) for size in (5, 300, 20_000)]
    outputs = [text[: len(text) // 2] + text[len(text) // 3 :] for text in texts]
    assert_equals_sacrebleu(outputs, [[text] for text in texts])
    assert_equals_sacrebleu(outputs, [[text, text[::-1]] for text in texts], char_order=12)


def test_of_equally_good_references_the_first_counts():
    rows = Chrf().score(Batch({"output": ["ab"], "reference": [["xxxx", "yy"]]}))
    assert rows.values[0, 1] == 4  # unigrams of the first


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=8), st.data())
def test_splitting_a_batch_anywhere_changes_nothing(pairs, data):
    outputs, references = [p[0] for p in pairs], [p[1] for p in pairs]
    cut = data.draw(st.integers(0, len(pairs)))
    metric = Chrf(word_order=2)
    whole = metric.score(Batch({"output": outputs, "reference": references})).values
    parts = [
        metric.score(Batch({"output": outputs[part], "reference": references[part]})).values
        for part in (slice(0, cut), slice(cut, None))
    ]
    assert (np.concatenate(parts) == whole).all()


def test_summed_rows_combine_to_the_score_of_the_concatenated_corpora(made):
    metric = Chrf()
    first, second = made(60, seed=4), made(40, seed=5)
    rows = [metric.score(Batch({"output": o, "reference": r})).values for o, r in (first, second)]
    theirs = CHRF().corpus_score(first[0] + second[0], [[s[0] for s in first[1] + second[1]]]).score
    assert metric.combine(rows[0].sum(0) + rows[1].sum(0))[0] == theirs


def test_combine_works_over_leading_axes_and_keeps_missing_rows_missing(made):
    metric = Chrf()
    outputs, references = made(30, seed=6)
    rows = metric.score(Batch({"output": outputs, "reference": references})).values
    weights = np.random.default_rng(0).random((2, 5, len(rows)))
    assert metric.combine(weights @ rows).shape == (2, 5, 1)
    assert np.isnan(metric.combine(np.full(18, np.nan))[0])
    assert metric.combine(np.zeros(18))[0] == 0.0


def test_a_record_without_reference_is_an_error():
    rows = Chrf().score(Batch({"output": ["a", "b"], "reference": [None, "b"]}))
    assert rows.errors == {0: "no reference"}


def test_chrf_and_its_plus_plus_share_the_characters_of_a_batch():
    batch = Batch({"output": ["a b."], "reference": ["a b ."]})
    Chrf().score(batch)
    counted = {key for key in batch._derived if key[:2] == ("chrf", "characters")}
    Chrf(word_order=2).score(batch)
    assert counted == {key for key in batch._derived if key[:2] == ("chrf", "characters")}


def test_no_order_at_all_is_refused():
    with pytest.raises(SpecError, match="char_order"):
        Chrf(char_order=0)


def test_it_is_registered_under_its_name():
    assert find("metric", "chrf") is Chrf
