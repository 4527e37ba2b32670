"""bertscore: the bert-score package's values on the same encoder, and what it makes of odd texts."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evalkit
from evalkit.backends.account import Account
from evalkit.core.asking import Encoded
from evalkit.core.content import Document
from evalkit.core.errors import SpecError
from evalkit.metrics.embedding import BertScore
from evalkit.runner.models import Models
from evalkit.stats.matching import greedy_match, greedy_scores, unit

PARTS = ["bertscore.precision", "bertscore.recall", "bertscore.f1"]
BASELINE = (0.31, 0.29, 0.3)


# --- the arithmetic, over vectors from a table -----------------------------------------------------------------------


@dataclass
class Table:
    """Gives every word a vector of its own, between a mark that begins a text and one that ends it."""

    identity: str = "table"
    model: str = "table"
    can: frozenset = frozenset({"encode"})
    max_concurrency: int = 64
    asked: Counter = field(default_factory=Counter)

    @staticmethod
    def vectors(words: list[str], layer: int | None) -> np.ndarray:
        seeds = [(sum(map(ord, word)) * 31 + len(word), layer or 0) for word in words]
        return np.array([np.random.default_rng(seed).normal(size=4) for seed in seeds], dtype=np.float32)

    async def encode(self, text: str, layer: int | None = None) -> Encoded:
        self.asked[text, layer] += 1
        words = ["[CLS]", *text.split(), "[SEP]"]
        ids = np.array([sum(map(ord, word)) for word in words], dtype=np.int64)
        return Encoded(ids, self.vectors(words, layer), np.array([True, *[False] * (len(words) - 2), True]))


def plainly(output: str, reference: str, weights=lambda word: 1.0) -> list[float]:
    """BERTScore of two texts word by word, as the paper writes it."""
    sides = [["[CLS]", *text.split(), "[SEP]"] for text in (output, reference)]
    vectors = [Table.vectors(words, None).astype(np.float64) for words in sides]
    sums = []
    for mine, theirs in ((0, 1), (1, 0)):
        best = [max(float(v @ w / np.linalg.norm(v) / np.linalg.norm(w)) for w in vectors[theirs]) for v in vectors[mine][1:-1]]
        told = [weights(word) for word in sides[mine][1:-1]]
        sums.append(sum(b * w for b, w in zip(best, told)) / sum(told))
    precision, recall = sums
    return [precision, recall, 2 * precision * recall / (precision + recall)]


words = st.lists(st.sampled_from(["a", "b", "cat", "dog", "sat", "it"]), min_size=1, max_size=6).map(" ".join)


@given(words, words)
@settings(deadline=None)
def test_scores_are_the_papers_sums(output, reference):
    scores = evalkit.score("bertscore", [output], [reference], backend=Table())
    assert [scores[part][0] for part in PARTS] == pytest.approx(plainly(output, reference), abs=1e-6)


@given(st.lists(words, min_size=2, max_size=5), words)
@settings(deadline=None)
def test_idf_counts_the_references_that_hold_a_word(references, output):
    held = Counter(word for reference in references for word in set(reference.split()))
    scores = evalkit.score("bertscore", [output] * len(references), references, backend=Table(), idf=True)
    for index, reference in enumerate(references):
        try:
            expected = plainly(output, reference, lambda word: math.log((len(references) + 1) / (held[word] + 1)))
        except ZeroDivisionError:
            assert scores.errors[index] == "idf weighs no token of its output, or none of its reference"
        else:
            assert [scores[part][index] for part in PARTS] == pytest.approx(expected, abs=1e-6)


@given(words, words)
@settings(deadline=None)
def test_the_other_way_round_precision_is_recall(output, reference):
    one, other = (evalkit.score("bertscore", [a], [b], backend=Table()) for a, b in ((output, reference), (reference, output)))
    assert one[PARTS[0]][0] == pytest.approx(other[PARTS[1]][0], abs=1e-6)
    assert one[PARTS[2]][0] == pytest.approx(other[PARTS[2]][0], abs=1e-6)


def test_of_several_references_each_part_takes_the_best():
    several = ["cat dog", "a b cat sat it", "dog"]
    scores = evalkit.score("bertscore", ["a cat sat"], [several], backend=Table())
    each = np.array([plainly("a cat sat", one) for one in several])
    assert [scores[part][0] for part in PARTS] == pytest.approx(each.max(axis=0).tolist(), abs=1e-6)


def test_rescaling_moves_a_baseline_to_nought_and_leaves_1_where_it_is():
    options = {"rescale_with_baseline": list(BASELINE), "backend": Table()}
    scores = evalkit.score("bertscore", ["a cat", "a cat"], ["a cat", "dog sat"], **options)
    assert [scores[part][0] for part in PARTS] == pytest.approx([1, 1, 1], abs=1e-6)
    raw = np.array(plainly("a cat", "dog sat"))
    assert [scores[part][1] for part in PARTS] == pytest.approx(
        ((raw - BASELINE) / (1 - np.array(BASELINE))).tolist(), abs=1e-6
    )


def test_a_baseline_file_gives_the_line_of_the_layer(tmp_path):
    file = tmp_path / "model.tsv"
    file.write_text("LAYER,P,R,F\n0,0.1,0.2,0.15\n1,0.31,0.29,0.3\n")
    given_ = BertScore(num_layers=1, rescale_with_baseline=Document.read(file))
    tools = Models({"": Table()}, Account()).tools("bertscore", "")
    made = asyncio.run(given_.prepared(tools))
    assert made.rescale_with_baseline == BASELINE
    assert made.about() == "layer 1, rescaled"
    with pytest.raises(SpecError, match="no line LAYER,P,R,F of layer 7"):
        asyncio.run(BertScore(num_layers=7, rescale_with_baseline=Document.read(file)).prepared(tools))
    with pytest.raises(SpecError, match="say num_layers"):
        asyncio.run(BertScore(rescale_with_baseline=Document.read(file)).prepared(tools))


def test_a_model_that_bert_score_knows_has_its_own_best_layer():
    tools = Models({"": Table(model="roberta-large")}, Account()).tools("bertscore", "")
    assert asyncio.run(BertScore().prepared(tools)).num_layers == 17
    assert asyncio.run(BertScore(num_layers=3).prepared(tools)).num_layers == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_layers": -1}, "must not be negative"),
        ({"rescale_with_baseline": [1.0, 0.5, 0.5]}, "three numbers below 1"),
        ({"rescale_with_baseline": [0.5]}, "rescale_with_baseline"),
        ({"rescale_with_baseline": True}, "rescale_with_baseline wants"),
        ({"_idf": None}, "no option"),
    ],
)
def test_wrong_options_are_refused(options, said):
    with pytest.raises(SpecError, match=said):
        evalkit.score("bertscore", ["a"], ["a"], backend=Table(), **options)


def test_texts_without_tokens_give_0_and_records_without_references_are_errors():
    scores = evalkit.score("bertscore", ["", "a", " \n", None, "a"], ["a", "", "", "a", None], backend=Table())
    assert np.stack([scores[part] for part in PARTS])[:, :3].tolist() == np.zeros((3, 3)).tolist()
    assert scores.errors == {3: "no output", 4: "no reference"}


def test_a_special_token_that_a_text_says_itself_is_not_counted():
    scores = evalkit.score("bertscore", ["cat [SEP] [SEP] [CLS]"], ["cat dog"], backend=Table())
    assert scores[PARTS[0]][0] == pytest.approx(1, abs=1e-6)


def test_idf_reads_every_reference_of_the_data_set_before_the_first_score(jsonl, project):
    references = ["a cat", "a dog", "a cat sat", "b it"] * 50
    records = [{"id": f"r{n}", "output": "a cat", "reference": text} for n, text in enumerate(references)]
    run = evalkit.evaluate(
        records, metrics=[{"use": "bertscore", "idf": True, "backend": "table"}], backends={"table": {"kind": "table_of_test"}}
    )
    held = Counter(word for text in references for word in set(text.split()))
    expected = [plainly("a cat", text, lambda word: math.log(201 / (held[word] + 1)))[2] for text in references[:4]]
    assert run["bertscore.f1"].mean == pytest.approx(np.mean(expected), abs=1e-6)
    assert run["bertscore.f1"].errors == 0


@pytest.fixture(autouse=True)
def table_backend():
    from evalkit.core import registry

    registry.backend("table_of_test")(Table)
    yield
    registry.forget("backend", "table_of_test")


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_matching_takes_the_highest_cosine_of_each_side(m, k, seed):
    rng = np.random.default_rng(seed)
    candidate, reference = unit(rng.normal(size=(m, 3))), unit(rng.normal(size=(k, 3)))
    of_candidate, of_reference = greedy_match(candidate, reference)
    assert of_candidate == pytest.approx([max(float(a @ b) for b in reference) for a in candidate])
    assert of_reference == pytest.approx([max(float(a @ b) for a in candidate) for b in reference])
    assert greedy_scores(candidate, candidate) == pytest.approx((1, 1, 1))
    assert -1 - 1e-9 <= greedy_scores(candidate, reference).precision <= 1 + 1e-9


# --- against the package, on tiny and on real encoders ---------------------------------------------------------------


def by_package(model: str, outputs, references, *, layers: int, idf=False, baseline=None) -> np.ndarray:
    """What bert-score gives, shape (n, 3)."""
    reason = "NOT TESTED: bertscore against its package; pip install bert-score matplotlib"
    bert_score = pytest.importorskip("bert_score", reason=reason)
    flat = [text for several in references for text in ([several] if isinstance(several, str) else several)]
    scorer = bert_score.BERTScorer(
        model, num_layers=layers, idf=idf, idf_sents=flat if idf else None, nthreads=0, lang="en",
        rescale_with_baseline=baseline is not None, baseline_path=baseline,
    )  # fmt: skip
    if not hasattr(scorer._tokenizer, "build_inputs_with_special_tokens"):  # transformers 5: an empty text has no way in
        scorer._tokenizer.build_inputs_with_special_tokens = lambda ids: scorer._tokenizer.encode("")
    return np.stack([part.numpy() for part in scorer.score(outputs, references)], axis=1)


def by_evalkit(model: str, outputs, references, **options) -> np.ndarray:
    from evalkit.backends.transformers import Transformers

    scores = evalkit.score("bertscore", outputs, references, backend=Transformers(model), **options)
    assert not scores.errors
    return np.stack([scores[part] for part in PARTS], axis=1)


def baseline_file(folder, layers: int) -> str:
    lines = [f"{layer},{0.2 + layer / 100},{0.21 + layer / 100},{0.205 + layer / 100}" for layer in range(layers + 1)]
    (folder / "baseline.tsv").write_text("\n".join(["LAYER,P,R,F", *lines]) + "\n")
    return str(folder / "baseline.tsv")


packages_own_warnings = pytest.mark.filterwarnings("ignore:The given NumPy array is not writable", "ignore::DeprecationWarning")


@packages_own_warnings
@pytest.mark.parametrize(("layers", "idf"), [(0, False), (1, True), (3, False)])
def test_a_tiny_encoder_scores_as_in_the_package(tiny, made, layers, idf):
    outputs, references = made(60, seed=layers)
    references = [several[0] for several in references]
    outputs[20], references[21], references[22] = "a [SEP] b", "x [CLS]", outputs[22]
    outputs[23], references[24] = "long " * 200, "and longer " * 200  # cut at the model's 128 positions
    model = str(tiny("encoder"))
    theirs = by_package(model, outputs, references, layers=layers, idf=idf)
    assert np.abs(by_evalkit(model, outputs, references, num_layers=layers, idf=idf) - theirs).max() <= 1e-5


@packages_own_warnings
@pytest.mark.parametrize("idf", [False, True])
def test_several_references_and_the_packages_own_computation_agree(tiny, made, tmp_path, idf):
    outputs, references = made(30, references=3, seed=9)
    model, baseline = str(tiny("encoder")), baseline_file(tmp_path, 3)
    theirs = by_package(model, outputs, references, layers=2, idf=idf, baseline=baseline)
    for impl in ("fast", "reference"):
        ours = by_evalkit(model, outputs, references, num_layers=2, idf=idf, rescale_with_baseline=baseline, impl=impl)
        assert np.abs(ours - theirs).max() <= 1e-5, impl


@pytest.mark.models
@packages_own_warnings
@pytest.mark.parametrize("idf", [False, True])
def test_a_real_encoder_scores_as_in_the_package(minilm, summeval, tmp_path, idf):
    outputs, references = (column[::16][:60] for column in summeval)
    references = [several[:2] for several in references]
    baseline = baseline_file(tmp_path, 6)
    theirs = by_package(minilm, outputs, references, layers=5, idf=idf, baseline=baseline)
    ours = by_evalkit(minilm, outputs, references, num_layers=5, idf=idf, rescale_with_baseline=baseline)
    assert np.abs(ours - theirs).max() <= 1e-5
