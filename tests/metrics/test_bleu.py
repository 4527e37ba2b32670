"""bleu: sacrebleu's values, signatures and tokenisers, and what sums of rows must give."""

from __future__ import annotations

import io
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sacrebleu import __version__ as installed
from sacrebleu.metrics import BLEU
from sacrebleu.metrics.bleu import _get_tokenizer

from evalkit.core.batch import Batch
from evalkit.core.contracts import DataFacts
from evalkit.core.errors import MissingExtra, SpecError
from evalkit.core.registry import find
from evalkit.core.signature import fingerprint
from evalkit.metrics.bleu import Bleu
from evalkit.metrics.mt_signature import SACREBLEU
from evalkit.text.mt_tokens import WordPieces

WORD_TOKENIZERS = ("13a", "zh", "intl", "none")
FRAGMENTS = [
    "the", "cat", "Cat", "don't", "(hi)", "3.5", "1,000", "5-6", "a.b", ".5", "5.", "..,", "--", "~", "$5", "&amp;", "&quot;",
    "<skipped>", "-\n", "\n", "\t", "\r\n", "\x00", "\x1c", "\x85", "\u3000", "\u2003", "\u200b", "’", "“a”", "你好", "，", "。",
    "ｶﾅ", "カタカナ", "한국어", "é", "e\u0301", "😀", "👨\u200d👩\u200d👧", "\U00020000", "\u2e80", "①", "½", "٣.", "İ", "ß", "©", "€",
]  # fmt: skip
texts = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.sampled_from([" ", " ", ""])), max_size=24).map("".join)
any_text = st.one_of(texts, st.text(st.characters(), max_size=12))


def assert_equals_sacrebleu(outputs, references, **options):
    metric = Bleu(force=True, **options)
    rows = metric.score(Batch({"output": outputs, "reference": references}))
    counts = [len(several) for several in references]
    streams = [[s[k] if k < len(s) else None for s in references] for k in range(max(counts))]
    corpus = BLEU(force=True, **options)
    sentence = BLEU(force=True, **{**options, "effective_order": True})
    theirs = [sentence.sentence_score(output, several).score for output, several in zip(outputs, references, strict=True)]
    assert metric.record_values(rows)[:, 0] == pytest.approx(theirs, abs=1e-10)
    assert metric.combine(rows.values.sum(axis=0))[0] == pytest.approx(corpus.corpus_score(outputs, streams).score, abs=1e-10)
    assert metric.signature(DataFacts(min(counts), max(counts))) == str(corpus.get_signature())


def test_the_reproduced_release_is_the_one_tested_against():
    assert installed == SACREBLEU


def test_two_thousand_made_pairs_score_as_in_sacrebleu(made):
    assert_equals_sacrebleu(*made(2_000, seed=1))


@pytest.mark.parametrize("tokenize", ["13a", "zh", "intl", "char", "none"])
@pytest.mark.parametrize("lowercase", [False, True])
def test_every_tokenizer_agrees_with_several_references(made, tokenize, lowercase):
    outputs, references = made(120, references=3, seed=2)
    for place in range(0, len(references), 3):
        references[place] = references[place][:1]
    assert_equals_sacrebleu(outputs, references, tokenize=tokenize, lowercase=lowercase)


@pytest.mark.parametrize(("method", "value"), [
    ("exp", None), ("floor", None), ("floor", 0.0), ("floor", 0.01), ("add-k", None), ("add-k", 0.5), ("none", None),
])  # fmt: skip
@pytest.mark.parametrize("order", [1, 2, 4, 7])
@pytest.mark.parametrize("effective", [False, True])
def test_every_smoothing_agrees_at_every_order(made, method, value, order, effective):
    outputs, references = made(40, seed=3)
    options = {"smooth_method": method, "smooth_value": value, "max_ngram_order": order, "effective_order": effective}
    assert_equals_sacrebleu(outputs, references, **options)
    assert_equals_sacrebleu(["a b", "", "c"], [["a c"], [""], ["d"]], **options)


@pytest.mark.shared_data
def test_summeval_scores_as_in_sacrebleu(summeval):
    outputs, references = summeval
    assert_equals_sacrebleu(outputs[::4], [several[:1] for several in references[::4]])
    assert_equals_sacrebleu(outputs[::16], [several[: 1 + place % 11] for place, several in enumerate(references[::16])])


@pytest.mark.shared_data
def test_published_cases_are_met(parity_cases):
    cases = parity_cases("sacrebleu")["corpus_bleu"]
    for case in cases:
        options = {("tokenize" if name == "tokenizer" else name): value for name, value in case["options"].items()}
        options["effective_order"] = options.pop("use_effective_order", False)
        references = [[text for text in several if text is not None] for several in zip(*case["refs"], strict=True)]
        metric = Bleu(**options)
        rows = metric.score(Batch({"output": case["hyps"], "reference": references}))
        assert metric.combine(rows.values.sum(axis=0))[0] == pytest.approx(case["expected"], abs=1e-4)


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.tuples(any_text, st.lists(any_text, min_size=1, max_size=3)), min_size=1, max_size=4),
    st.sampled_from(["13a", "zh", "intl", "char", "none"]),
    st.booleans(),
)
@example([("", [""])], "13a", False)
@example([(".", ["."]), ("5.", ["5 ."]), (".5", [". 5"])], "zh", False)
@example([(" .", [". "]), ("\u2003«a»", ["« a »"])], "intl", False)
@example([("a\ud800b", ["a\ud800 b"])], "char", False)
def test_any_text_scores_as_in_sacrebleu(pairs, tokenize, lowercase):
    assert_equals_sacrebleu([p[0] for p in pairs], [p[1] for p in pairs], tokenize=tokenize, lowercase=lowercase)


@pytest.mark.parametrize("tokenize", WORD_TOKENIZERS)
def test_every_character_of_the_first_plane_is_cut_as_in_sacrebleu(tokenize):
    inner = {*range(0x4E20, 0x9F00), *range(0xAC20, 0xD780)} - set(range(0, 0x10000, 64))  # of ideographs and Hangul a few
    lines = [f"{c}a{c}1{c}{c} {c}5{c}5{c}" for c in map(chr, sorted(set(range(0x10000)) - inner))]
    pieces = WordPieces(tokenize)
    encoded = pieces.encode(lines)
    vocabulary = list(pieces._words if tokenize == "none" else pieces._tokens)
    bounds = encoded.offsets.tolist()
    cut = _get_tokenizer(tokenize)()
    for place, line in enumerate(lines):
        mine = [vocabulary[token] for token in encoded.ids[bounds[place] : bounds[place + 1]].tolist()]
        assert mine == cut(line.rstrip()).split(), repr(line)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=8), st.data())
def test_splitting_a_batch_anywhere_changes_nothing(pairs, data):
    outputs, references = [p[0] for p in pairs], [p[1] for p in pairs]
    cut = data.draw(st.integers(0, len(pairs)))
    metric = Bleu()
    whole = metric.score(Batch({"output": outputs, "reference": references})).values
    parts = [
        metric.score(Batch({"output": outputs[part], "reference": references[part]})).values
        for part in (slice(0, cut), slice(cut, None))
    ]
    assert (np.concatenate(parts) == whole).all()


def test_summed_rows_combine_to_the_score_of_the_concatenated_corpora(made):
    metric = Bleu()
    first, second = made(60, seed=4), made(40, seed=5)
    rows = [metric.score(Batch({"output": o, "reference": r})).values for o, r in (first, second)]
    outputs, references = first[0] + second[0], [s[0] for s in first[1] + second[1]]
    theirs = BLEU(force=True).corpus_score(outputs, [references]).score
    assert metric.combine(rows[0].sum(0) + rows[1].sum(0))[0] == pytest.approx(theirs, abs=1e-10)


def test_combine_works_over_leading_axes_and_weights_that_are_no_whole_numbers(made):
    metric = Bleu()
    outputs, references = made(30, seed=6)
    rows = metric.score(Batch({"output": outputs, "reference": references})).values
    weights = np.random.default_rng(0).random((2, 5, len(rows)))
    values = metric.combine(weights @ rows)
    assert values.shape == (2, 5, 1)
    assert values[1, 3, 0] == metric.combine((weights @ rows)[1, 3])[0]
    assert metric.combine(3 * rows.sum(0))[0] == pytest.approx(metric.combine(rows.sum(0))[0])
    assert np.isnan(metric.combine(np.full(10, np.nan))[0])


def test_the_reference_implementation_gives_the_same_rows_and_values(made):
    outputs, references = made(80, references=2, seed=7)
    references[3] = references[3][:1]
    batch = Batch({"output": outputs, "reference": references})
    fast, slow = Bleu(lowercase=True), Bleu(lowercase=True, impl="reference")
    rows = fast.score(batch)
    assert (rows.values == slow.score(batch).values).all()
    assert slow.record_values(rows) == pytest.approx(fast.record_values(rows), abs=1e-10)
    sums = np.stack([rows.values[:40].sum(0), rows.values[40:].sum(0)])
    assert slow.combine(sums) == pytest.approx(fast.combine(sums), abs=1e-10)
    assert slow.signature(DataFacts(1, 2)) == fast.signature(DataFacts(1, 2))


def test_without_sacrebleu_the_reference_implementation_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(MissingExtra, match=r"evalkit\[reference\]"):
        Bleu(impl="reference")


def test_a_record_without_reference_is_an_error_and_an_empty_text_scores_zero():
    metric = Bleu()
    rows = metric.score(Batch({"output": ["a", "", "b", None], "reference": [None, "a b", "", "b"]}))
    assert rows.errors == {0: "no reference", 3: "no output"}
    assert metric.record_values(rows)[1:3, 0].tolist() == [0.0, 0.0]


def test_two_metrics_share_the_tokens_of_a_batch():
    batch = Batch({"output": ["a b."], "reference": ["a b ."]})
    Bleu().score(batch)
    before = set(batch._derived)
    Bleu(smooth_method="floor", max_ngram_order=2).score(batch)
    assert set(batch._derived) == before


@pytest.mark.parametrize("name", ["ja-mecab", "ko-mecab"])
def test_morphological_tokenizers_agree_or_name_their_extra(name):
    outputs = ["私は東京に住んでいます。", "", "  猫が好き です ", "나는 서울에 산다.", "hello 世界"]
    references = [["私は東京で暮らしている。"], ["猫"], ["猫が好き。"], ["나는 서울에서 살고 있다."], ["hello 世界"]]
    if find_spec("MeCab" if name == "ja-mecab" else "mecab_ko") is None:
        with pytest.raises(MissingExtra, match=rf"evalkit\[{name[:2]}\]"):
            Bleu(tokenize=name)
    else:
        assert_equals_sacrebleu(outputs, references, tokenize=name)


def test_a_sentencepiece_model_is_read_from_its_path_and_known_by_its_content(tmp_path, monkeypatch):
    package = pytest.importorskip("sentencepiece")
    model = io.BytesIO()
    sentences = ["the cat sat on the mat.", "dogs bark at night, loudly", "a man reads books in the garden"] * 20
    package.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=model, vocab_size=60, hard_vocab_limit=False, minloglevel=2
    )
    folder = tmp_path / "models"
    folder.mkdir()
    path = folder / "sacrebleu_tokenizer_spm.model"
    path.write_bytes(model.getvalue())
    from sacrebleu.tokenizers import tokenizer_spm

    monkeypatch.setattr(tokenizer_spm, "SACREBLEU_DIR", str(tmp_path))
    outputs, references = ["the cat sat", "dogs bark loudly.", ""], ["the cat sat on the mat.", "dogs bark at night", "x"]
    metric = Bleu(tokenize="flores101", spm_model=str(path))
    rows = metric.score(Batch({"output": outputs, "reference": references}))
    theirs = BLEU(tokenize="flores101").corpus_score(outputs, [references])
    assert metric.combine(rows.values.sum(0))[0] == pytest.approx(theirs.score, abs=1e-10)
    assert "tok:flores101[sha256-" in metric.signature(DataFacts())


def test_a_model_file_counts_by_its_content_not_its_path(tmp_path):
    pytest.importorskip("sentencepiece")
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(content)
    a, b, c = (fingerprint(Bleu(tokenize="spm", spm_model=str(tmp_path / name))) for name in "abc")
    assert a == b != c


def test_options_that_cannot_work_are_refused_in_one_sentence(tmp_path):
    with pytest.raises(SpecError, match="needs spm_model"):
        Bleu(tokenize="flores200")
    with pytest.raises(SpecError, match="would download"):
        Bleu(tokenize="spm", impl="reference")
    with pytest.raises(SpecError, match="no file"):
        Bleu(tokenize="spm", spm_model=str(tmp_path / "nowhere.model"))
    with pytest.raises(SpecError, match="does not use it"):
        Bleu(spm_model=str(tmp_path))
    with pytest.raises(SpecError, match="max_ngram_order"):
        Bleu(max_ngram_order=0)
    with pytest.raises(SpecError, match="smooth_value"):
        Bleu(smooth_value=-1.0)


def test_it_is_registered_under_its_name():
    assert find("metric", "bleu") is Bleu
