"""The transformers backend on a real model; `make test-models` fetches it first."""

from __future__ import annotations

import asyncio
import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.backends.folder import models_folder
from evalkit.core.asking import Request

pytestmark = [pytest.mark.models, pytest.mark.filterwarnings("ignore")]
SMALL = "qwen2.5-coder-0.5b-instruct"
if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
    pytest.skip("NOT TESTED: real models, for torch and transformers are not installed", allow_module_level=True)


def load(name: str) -> Any:
    """A module of these tests."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


real = load("real")


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def small(loop: asyncio.Runner) -> Iterator[Any]:
    """The 0.5B model, loaded once."""
    if not (models_folder() / SMALL).is_dir():
        pytest.skip(f"NOT TESTED: {SMALL} is not here; `make test-models` fetches it")
    from evalkit.backends.transformers import Transformers

    backend = Transformers(f"cache:{SMALL}", context=2048)
    loop.run(backend.prepare())
    yield backend
    loop.run(backend.close())


async def all_of(calls: Any) -> list[Any]:
    return await asyncio.gather(*calls)


def perplexity(found: Any) -> float:
    return math.exp(-np.mean(found.logprobs))


def test_english_is_likelier_than_its_words_in_disorder(small: Any, loop: asyncio.Runner) -> None:
    text, disorder = loop.run(all_of(map(small.likelihood, (real.PARAGRAPH, real.SHUFFLED))))
    assert 5 < perplexity(text) < 100  # a small model that was made for code
    assert perplexity(disorder) > 10 * perplexity(text)


def test_perplexity_is_that_of_plain_transformers(small: Any, loop: asyncio.Runner) -> None:
    import torch

    loaded = loop.run(small._ready())
    ids = torch.tensor([loaded.tokenizer(real.PARAGRAPH, add_special_tokens=False)["input_ids"]])
    with torch.no_grad():
        loss = float(loaded.encoder.model(ids, labels=ids).loss)
    assert perplexity(loop.run(small.likelihood(real.PARAGRAPH))) == pytest.approx(math.exp(loss), rel=1e-4)


def test_a_sliding_window_reads_a_long_text(small: Any, loop: asyncio.Runner) -> None:
    from evalkit.backends.windows import laid_out, windows

    loaded = loop.run(small._ready())
    ids, before = laid_out(loaded.tokenizer, real.PARAGRAPH, "")
    parts = windows(ids, before, 48, None)
    narrow = [value for part in loop.run(all_of(map(loaded.score, parts))) for value in part]
    whole = loop.run(small.likelihood(real.PARAGRAPH)).logprobs
    assert len(narrow) == len(whole) == len(ids) - 1
    assert narrow[:47] == pytest.approx(whole[:47], abs=1e-3), "the first window has all the context there is"
    assert np.mean(narrow) < np.mean(whole), "less context makes the rest less likely"


def test_an_answer_follows_from_the_question(small: Any, loop: asyncio.Runner) -> None:
    ask = "What is the capital of France? Answer with its name only."
    reply = loop.run(small.complete(Request(({"role": "user", "content": ask},), max_tokens=16, logprobs=5)))
    assert "Paris" in reply.text
    assert reply.finish == "stop"
    assert "".join(token.text for token in reply.tokens) == reply.text


def test_what_is_given_makes_what_follows_likelier(small: Any, loop: asyncio.Runner) -> None:
    alone, behind = loop.run(
        all_of([small.likelihood(real.FAITHFUL[0]), small.likelihood(real.FAITHFUL[0], real.ARTICLE + "\nIn short: ")])
    )
    assert sum(behind.logprobs) > sum(alone.logprobs) + 10
