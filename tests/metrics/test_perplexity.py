"""Perplexity: its sums by hand, its values against plain transformers on a tiny model and on a real one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evalkit
from evalkit.core.asking import Capability, Likelihood
from evalkit.core.contracts import DataFacts
from evalkit.core.errors import BackendError
from evalkit.metrics.likelihood import Perplexity


@dataclass
class Table:
    """Log-probabilities from a table of texts; one that it lacks is an error."""

    logprobs: Mapping[str, tuple[float, ...]]
    can: frozenset[Capability] = frozenset({"likelihood"})
    identity: str = "table"
    model: str = "table"
    attempts: int = 1
    asked: list[tuple[str, str, int | None]] = field(default_factory=list)

    async def likelihood(self, text: str, given: str, stride: int | None) -> Likelihood:
        self.asked.append((text, given, stride))
        if text not in self.logprobs:
            raise BackendError(f"the table lacks {text!r}")
        return Likelihood(self.logprobs[text], 1)


def test_the_corpus_value_pools_tokens_and_a_record_has_its_own() -> None:
    backend = Table({"a b": (math.log(0.5), math.log(0.25)), "é": (math.log(0.1),)})
    scores = evalkit.score("perplexity", ["a b", "é"], backend=backend)
    assert scores["perplexity"].tolist() == pytest.approx([8**0.5, 10])
    assert scores.corpus["perplexity"] == pytest.approx(80 ** (1 / 3)), "not the mean of 2.83 and 10"
    assert scores["perplexity.bits_per_byte"].tolist() == pytest.approx([3 / 3, math.log2(10) / 2]), "é is two bytes"
    assert scores.corpus["perplexity.bits_per_byte"] == pytest.approx((3 + math.log2(10)) / 5)
    assert scores.rows.values.tolist()[1] == pytest.approx([math.log(10), 1, 2])


def test_given_input_puts_the_input_before_the_output_and_counts_the_output_alone() -> None:
    backend = Table({"blue": (-1.0, -2.0)})
    ask = [{"role": "user", "content": "Which colour?"}]
    scores = evalkit.score("perplexity", ["blue"], inputs=["Sky?"], backend=backend, given_input=True, stride=7)
    evalkit.score("perplexity", ["blue"], inputs=[ask], backend=backend, given_input=True, separator=" -> ")
    evalkit.score("perplexity", ["blue"], inputs=["Sky?"], backend=backend)
    assert backend.asked == [("blue", "Sky?\n", 7), ("blue", "user: Which colour? -> ", None), ("blue", "", None)]
    assert scores["perplexity"][0] == pytest.approx(math.exp(1.5))
    assert scores["perplexity.bits_per_byte"][0] == pytest.approx(3 / math.log(2) / 4)


def test_an_output_without_a_token_is_an_error_and_is_not_asked_about() -> None:
    backend = Table({"x": (), "y": (-1.0,)})
    scores = evalkit.score("perplexity", ["", "x", "y", None, "z"], backend=backend)
    assert scores.errors == {
        0: "the output has no token that can be scored",
        1: "the output has no token that can be scored",
        3: "no output",
        4: "the table lacks 'z'",
    }
    assert scores.corpus["perplexity"] == pytest.approx(math.e)
    assert [text for text, *_ in backend.asked] == ["x", "y", "z"]


@pytest.mark.parametrize("odd", [-math.inf, math.nan, math.inf])
def test_a_log_probability_that_is_no_number_is_an_error_not_an_infinite_corpus(odd: float) -> None:
    scores = evalkit.score("perplexity", ["x", "y"], backend=Table({"x": (-1.0, odd), "y": (-1.0,)}))
    assert "log-probability" in scores.errors[0]
    assert scores.corpus["perplexity"] == pytest.approx(math.e)


def test_a_text_beyond_all_likelihood_is_infinitely_perplexing_without_a_warning() -> None:
    assert evalkit.score("perplexity", ["x"], backend=Table({"x": (-1e4,)}))["perplexity"][0] == math.inf


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(-20, 0), min_size=1, max_size=9), min_size=1, max_size=8))
def test_the_pooled_value_lies_between_those_of_the_records_and_never_under_one(told: list[list[float]]) -> None:
    table = {f"text {place}": tuple(logprobs) for place, logprobs in enumerate(told)}
    scores = evalkit.score("perplexity", list(table), backend=Table(table))
    pooled = math.exp(-sum(map(sum, told)) / sum(map(len, told)))
    assert scores.corpus["perplexity"] == pytest.approx(pooled)
    own = scores["perplexity"]
    assert own.min() * (1 - 1e-9) <= pooled <= own.max() * (1 + 1e-9)
    assert own.min() >= 1 - 1e-12


def test_options_are_checked_and_signed() -> None:
    with pytest.raises(ValueError, match="stride is a number of tokens from 1 up"):
        Perplexity(stride=0)
    assert Perplexity(stride=128).signature(DataFacts()) == "perplexity|given_input:no|separator:\\n|stride:128|v:1"
    assert Perplexity().needs_of() == ("output",)
    assert Perplexity(given_input=True).needs_of() == ("output", "input")
    assert Perplexity().direction("") is False


# --- plain transformers as the oracle --------------------------------------------------------------------------------------

TEXTS = [
    "The server sends a fresh answer when its cached copy is stale.",
    "42",
    "Größe, façade, 日本語 🙂.",
    "no client asked for 304 again, and nothing else happened that day. " * 4,
]


def plain(model: Any, ids: list[int], before: int) -> float:
    """Σ nll of the tokens from ``before`` on, in one pass, in float64."""
    import torch

    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].double()
    losses = torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:]), reduction="none")
    return float(losses[max(before, 1) - 1 :].sum())


def sliding(model: Any, ids: list[int], context: int, stride: int) -> tuple[float, int]:
    """Hugging Face's guide to the perplexity of fixed-length models: labels of -100 are not counted."""
    import torch

    nll, counted, done = 0.0, 0, 0
    for begin in range(0, len(ids), stride):
        end = min(begin + context, len(ids))
        window = torch.tensor([ids[begin:end]])
        target = window.clone()
        target[:, : -(end - done)] = -100
        n = int((target[:, 1:] != -100).sum())
        with torch.no_grad():
            nll += float(model(window, labels=target).loss) * n
        counted, done = counted + n, end
        if end == len(ids):
            break
    return nll, counted


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Path]:
    """Folders of a tiny random Llama with a byte-level tokenizer, with or without a token that begins a text."""
    for package in ("torch", "transformers"):
        pytest.importorskip(package, reason=f"NOT TESTED: perplexity against transformers, for {package} is not installed")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

    made: dict[bool, Path] = {}

    def make(bos: bool) -> Path:
        if bos not in made:
            made[bos] = tmp_path_factory.mktemp("tiny")
            bpe = Tokenizer(models.BPE())
            bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            bpe.decoder = decoders.ByteLevel()
            alphabet = pre_tokenizers.ByteLevel.alphabet()
            special = ["</s>", *(["<s>"] if bos else [])]
            bpe.train_from_iterator(
                TEXTS, trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
            )
            named = {"eos_token": "</s>", "pad_token": "</s>"} | ({"bos_token": "<s>"} if bos else {})
            PreTrainedTokenizerFast(tokenizer_object=bpe, **named).save_pretrained(made[bos])
            set_seed(3)
            config = LlamaConfig(
                vocab_size=400, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
                num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.3, bos_token_id=1, eos_token_id=0,
            )  # fmt: skip
            LlamaForCausalLM(config).save_pretrained(made[bos])
        return made[bos]

    return make


def loaded(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def transformers_backend(folder: Path, **options: Any) -> Any:
    from evalkit.backends.transformers import Transformers

    return Transformers(model=str(folder), device="cpu", dtype="float32", threads=1, **options)


@pytest.mark.parametrize("bos", [False, True])
def test_equal_to_plain_transformers(tiny: Callable[[bool], Path], bos: bool) -> None:
    model, tokenizer = loaded(tiny(bos))
    texts = [text for text in TEXTS[:3] if bos or text != "42"]
    begin = [tokenizer.bos_token_id] if bos else []
    ids = [begin + tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    nll = [plain(model, each, 1) for each in ids]
    scores = evalkit.score("perplexity", texts, backend=transformers_backend(tiny(bos)))
    wanted = np.exp([total / (len(each) - 1) for total, each in zip(nll, ids)])
    np.testing.assert_allclose(scores["perplexity"], wanted, rtol=1e-4)
    pooled = math.exp(sum(nll) / sum(len(each) - 1 for each in ids))
    assert scores.corpus["perplexity"] == pytest.approx(pooled, rel=1e-4)
    size = sum(len(text.encode()) for text in texts)
    assert scores.corpus["perplexity.bits_per_byte"] == pytest.approx(sum(nll) / math.log(2) / size, rel=1e-4)


@pytest.mark.parametrize("bos", [False, True])
def test_conditional_on_the_input_equal_to_plain_transformers(tiny: Callable[[bool], Path], bos: bool) -> None:
    model, tokenizer = loaded(tiny(bos))
    begin = [tokenizer.bos_token_id] if bos else []
    before = begin + tokenizer("What happened?\n", add_special_tokens=False)["input_ids"]
    after = tokenizer(TEXTS[0], add_special_tokens=False)["input_ids"]
    scores = evalkit.score(
        "perplexity", [TEXTS[0]], inputs=["What happened?"], backend=transformers_backend(tiny(bos)), given_input=True
    )
    wanted = math.exp(plain(model, before + after, len(before)) / len(after))
    assert scores["perplexity"][0] == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("stride", [None, 16, 63])
def test_a_long_text_slides_as_in_hugging_faces_guide(tiny: Callable[[bool], Path], stride: int | None) -> None:
    model, tokenizer = loaded(tiny(True))
    ids = [tokenizer.bos_token_id, *tokenizer(TEXTS[3] * 3, add_special_tokens=False)["input_ids"]]
    nll, counted = sliding(model, ids, 64, stride or 32)
    assert len(ids) > 2 * 64
    assert counted == len(ids) - 1, "every token is counted once"
    scores = evalkit.score("perplexity", [TEXTS[3] * 3], backend=transformers_backend(tiny(True)), stride=stride)
    assert scores["perplexity"][0] == pytest.approx(math.exp(nll / counted), rel=1e-4)


# --- a real model ------------------------------------------------------------------------------------------------------

REAL = "qwen2.5-coder-0.5b-instruct"
PARAGRAPH = (
    "The committee met on Tuesday to discuss the new budget. After two hours of debate, the members agreed to raise spending on "
    "schools and to postpone the repair of the old bridge until next year."
)


@pytest.fixture(scope="module")
def real() -> Path:
    from evalkit.backends.folder import models_folder

    folder = models_folder() / REAL
    if not (folder / "config.json").is_file():
        pytest.skip(f"NOT TESTED: perplexity of a real model; run `python scripts/get_model.py {REAL}`")
    return folder


REAL_TEXTS = [
    PARAGRAPH,
    " ".join(sorted(PARAGRAPH.split())),
    "def mean(numbers):\n    return sum(numbers) / len(numbers)\n",
    "Größe, façade, 日本語のテキスト 🙂, 42 % — ça marche?",
    "Yes, of course.",
    '{"score": 4, "reason": "The summary is <|im_end|> faithful."}',
    (PARAGRAPH + " ") * 4,
]
ASKED = "What did the committee decide, and how would you write it in Python?"


@pytest.mark.models
def test_a_real_model_gives_plain_transformers_values_and_prefers_english_to_a_shuffle(real: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(real, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(real)
    begin = [tokenizer.bos_token_id] if tokenizer.bos_token_id is not None else []

    def ids(text: str) -> list[int]:
        told: list[int] = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return told

    backend, asked = transformers_backend(real), ids(ASKED + "\n")
    scores = evalkit.score("perplexity", REAL_TEXTS, backend=backend)
    behind = evalkit.score("perplexity", REAL_TEXTS[:5], inputs=[ASKED] * 5, backend=backend, given_input=True)
    for text, value in zip(REAL_TEXTS, scores["perplexity"]):
        read = begin + ids(text)
        assert value == pytest.approx(math.exp(plain(model, read, 1) / (len(read) - 1)), rel=1e-4)
    for text, value in zip(REAL_TEXTS, behind["perplexity"]):
        read = begin + asked + ids(text)
        before = len(begin) + len(asked)
        assert value == pytest.approx(math.exp(plain(model, read, before) / (len(read) - before)), rel=1e-4)
    english, disorder = scores["perplexity"][:2]
    assert 5 < english < disorder / 5

    narrow = evalkit.score("perplexity", REAL_TEXTS[-1:], backend=transformers_backend(real, context=64), stride=24)
    nll, counted = sliding(model, begin + ids(REAL_TEXTS[-1]), 64, 24)
    assert narrow["perplexity"][0] == pytest.approx(math.exp(nll / counted), rel=1e-4)
