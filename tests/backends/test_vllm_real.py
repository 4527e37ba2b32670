"""The vLLM backend on real models; `make test-models` fetches them first."""

from __future__ import annotations

import asyncio
import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evalkit
from evalkit.backends.folder import models_folder
from evalkit.core.asking import Request
from evalkit.core.content import Document, content_root
from evalkit.core.parse import parsed

pytestmark = [pytest.mark.models, pytest.mark.filterwarnings("ignore")]
if importlib.util.find_spec("vllm") is None:
    pytest.skip("NOT TESTED: real models in vLLM, for vLLM is not installed here", allow_module_level=True)


def load(name: str) -> Any:
    """A module of these tests."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


real = load("real")
SCHEMA = {
    "type": "object",
    "properties": {"capital": {"type": "string", "maxLength": 30}, "sure": {"enum": ["yes", "no"]}},
    "required": ["capital", "sure"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def loaded(name: str, loop: asyncio.Runner) -> Iterator[Any]:
    if not (models_folder() / name).is_dir():
        pytest.skip(f"NOT TESTED: {name} is not here; `make test-models` fetches it")
    from evalkit.backends.vllm import VLLM

    backend = VLLM(f"cache:{name}", context=2047)
    loop.run(backend.prepare())
    yield backend
    loop.run(backend.close())


@pytest.fixture(scope="module")
def small(loop: asyncio.Runner) -> Iterator[Any]:
    """The 0.5B model, loaded once."""
    yield from loaded("qwen2.5-coder-0.5b-instruct", loop)


async def all_of(calls: Any) -> list[Any]:
    return await asyncio.gather(*calls)


def test_perplexity_is_that_of_transformers(small: Any, loop: asyncio.Runner) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ours = loop.run(all_of(map(small.likelihood, (real.PARAGRAPH, real.SHUFFLED))))
    tokenizer = AutoTokenizer.from_pretrained(small.card.path)
    model = AutoModelForCausalLM.from_pretrained(small.card.path, dtype=torch.float32)
    for text, found in zip((real.PARAGRAPH, real.SHUFFLED), ours):
        ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
        with torch.no_grad():
            theirs = math.exp(float(model(ids, labels=ids).loss))
        print(f"perplexity: vLLM {math.exp(-np.mean(found.logprobs)):.3f}, transformers {theirs:.3f}")
        assert math.exp(-np.mean(found.logprobs)) == pytest.approx(theirs, rel=1e-2)


def test_a_schema_binds_and_the_answer_is_right(small: Any, loop: asyncio.Runner) -> None:
    ask = 'Name the capital city of France as JSON, like {"capital": "Madrid", "sure": "yes"} for Spain.'
    reply = loop.run(small.complete(Request(({"role": "user", "content": ask},), schema=SCHEMA, max_tokens=40)))
    assert parsed(reply.text, SCHEMA)["capital"] == "Paris"


def test_the_prompts_of_one_judge_share_what_they_begin_with(small: Any, loop: asyncio.Runner) -> None:
    begin = (
        "You check summaries against an article. Say yes or no.\n\n" + real.ARTICLE + "\n\n" + real.PARAGRAPH + "\n\nSummary: "
    )
    calls = [
        Request(({"role": "user", "content": begin + text},), choices=("yes", "no")) for text in (*real.FAITHFUL, *real.FALSE)
    ]
    first = loop.run(small.complete(calls[0]))
    rest = loop.run(all_of(map(small.complete, calls[1:])))
    assert first.text in ("yes", "no")
    assert min(reply.cached_prompt_tokens for reply in rest) >= 128


def test_the_judge_of_15_billion_tells_a_true_summary_from_a_false_one(small: Any, loop: asyncio.Runner) -> None:
    loop.run(small.close())  # one model at a time
    for judge in loaded("qwen2.5-coder-1.5b-instruct", loop):
        outputs = [*real.FAITHFUL, *real.FALSE]
        rubric = Document.read(content_root() / "rubrics" / "consistency.yaml")
        scores = evalkit.score(
            "geval", outputs, inputs=[real.ARTICLE] * 4, backend=judge, rubric=rubric, reason="none", mode="logprob"
        )
        values = scores["geval"]
        print("geval, consistency:", np.round(values, 2), scores.errors)
        assert not scores.errors
        assert min(values[:2]) > max(values[2:])
