"""The vLLM backend, in this process and for real, on a tiny model; `make test` runs it where vLLM is installed."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

if find_spec("vllm") is None:  # importing it takes seconds
    pytest.skip("NOT TESTED: the vLLM backend, for vLLM is not installed here", allow_module_level=True)

from evalkit.backends.account import Account
from evalkit.backends.transformers import Transformers
from evalkit.backends.vllm import VLLM
from evalkit.core.asking import Reply, Request
from evalkit.core.batch import Batch
from evalkit.core.errors import BackendError, BackendRefused, Retryable
from evalkit.core.parse import parsed
from evalkit.core.rows import Rows
from evalkit.metrics.likelihood import Perplexity
from evalkit.runner.models import Models

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]  # what vLLM's parts warn of is not ours

Tiny = Callable[..., Path]
TEXTS = (
    "The server sends a fresh answer when its cached copy is stale.",
    "yes",
    "A summary of 25 words that holds { braces }, and a newline:\nno, 1 2 3.",
    "日本語のテキスト。 Größe 🙂🙃 naïve",
    "server " * 40,
)
SCHEMA = {
    "type": "object",
    "properties": {"score": {"enum": [1, 2, 3, 4, 5]}, "verdict": {"enum": ["yes", "no"]}},
    "required": ["score", "verdict"],
    "additionalProperties": False,
}
EXACT = {"dtype": "float32"}
MODELS: list[Any] = []  # weak references to the weights of every engine that was started


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """The event loop of all these tests: an engine takes seconds to start."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def engine(tiny: Tiny, loop: asyncio.Runner) -> Iterator[VLLM]:
    """The tiny language model in vLLM, in full precision."""
    backend = VLLM(str(tiny("causal")), context=256, engine={**EXACT, "max_num_seqs": 16})
    make = backend._make

    def noted() -> Any:
        made = make()
        MODELS.append(weakref.ref(made._get_driver_model_for_cleanup()))
        return made

    backend._make = noted  # type: ignore[method-assign]
    loop.run(backend.prepare())
    yield backend
    loop.run(backend.close())


def asked(text: str, **more: Any) -> Request:
    return Request(({"role": "user", "content": text},), **{"max_tokens": 12, **more})


async def all_of(calls: Any) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)


def plain(loop: asyncio.Runner, folder: Path, ask: Callable[[Transformers], Any], **options: Any) -> list[Any]:
    """The same from transformers."""

    async def run() -> list[Any]:
        backend = Transformers(str(folder), **options)
        try:
            return await all_of(ask(backend))
        finally:
            await backend.close()

    return loop.run(run())


def test_greedy_replies_are_those_of_transformers(tiny: Tiny, engine: VLLM, loop: asyncio.Runner) -> None:
    requests = [asked(text, logprobs=5, max_tokens=20) for text in TEXTS]
    ours = loop.run(all_of(map(engine.complete, requests)))
    theirs = plain(loop, tiny("causal"), lambda b: map(b.complete, requests))
    for one, other in zip(ours, theirs):
        assert one.text == other.text.rstrip("\N{REPLACEMENT CHARACTER}"), "vLLM leaves half a character out"
        assert one.finish == other.finish
        assert (one.prompt_tokens, one.completion_tokens) == (other.prompt_tokens, other.completion_tokens)
        assert [token.text for token in one.tokens[:-1]] == [token.text for token in other.tokens[:-1]]
        assert [token.logprob for token in one.tokens] == pytest.approx([token.logprob for token in other.tokens], abs=1e-3)
        for mine, plainly in zip(one.tokens, other.tokens):
            assert [value for _, value in mine.top] == pytest.approx([value for _, value in plainly.top], abs=1e-3)


def test_tokens_join_to_the_text_and_stand_among_their_alternatives(engine: VLLM, loop: asyncio.Runner) -> None:
    requests = [asked(text, logprobs=4, max_tokens=60, temperature=1.5, repeat=n) for n, text in enumerate(TEXTS * 2)]
    for reply in loop.run(all_of(map(engine.complete, requests))):
        assert "".join(token.text for token in reply.tokens) == reply.text
        for token in reply.tokens:
            assert (token.text, token.logprob) in token.top
            assert len(token.top) in (4, 5)
            assert [value for _, value in token.top] == sorted((value for _, value in token.top), reverse=True)


def test_a_schema_binds_even_a_model_of_random_weights(engine: VLLM, loop: asyncio.Runner) -> None:
    requests = [asked(f"{n}", schema=SCHEMA, max_tokens=60, temperature=1.0, logprobs=3, repeat=n) for n in range(20)]
    values = [parsed(reply.text, SCHEMA) for reply in loop.run(all_of(map(engine.complete, requests)))]
    assert len({value["score"] for value in values}) > 2, "and leaves it free where the schema does"


def test_choices_bind(engine: VLLM, loop: asyncio.Runner) -> None:
    requests = [asked("?", choices=("yes", "no", "perhaps"), temperature=1.0, repeat=n) for n in range(20)]
    said = [reply.text for reply in loop.run(all_of(map(engine.complete, requests)))]
    assert {"yes", "no", "perhaps"} >= set(said)
    assert len(set(said)) > 1


def test_alternatives_that_a_constraint_forbids_are_not_told(engine: VLLM, loop: asyncio.Runner) -> None:
    reply = loop.run(engine.complete(asked("?", choices=("yes", "no"), logprobs=10)))
    assert all(value > -np.inf for token in reply.tokens for _, value in token.top)


def test_a_schema_that_the_engine_cannot_hold_to_is_asked_for_without(engine: VLLM, loop: asyncio.Runner) -> None:
    reply = loop.run(engine.complete(asked("?", schema={"type": "integer", "multipleOf": 7})))
    assert isinstance(reply, Reply)


@pytest.mark.parametrize("given", ["", "When does the server send an answer?\n"])
def test_likelihood_is_that_of_transformers(tiny: Tiny, engine: VLLM, loop: asyncio.Runner, given: str) -> None:
    ours = loop.run(all_of(engine.likelihood(text, given) for text in TEXTS))
    theirs = plain(loop, tiny("causal"), lambda b: (b.likelihood(text, given) for text in TEXTS), context=256)
    for one, other in zip(ours, theirs):
        assert len(one.logprobs) == len(other.logprobs)
        assert one.logprobs == pytest.approx(other.logprobs, abs=2e-3)
        if one.logprobs:
            assert np.exp(-np.mean(one.logprobs)) == pytest.approx(np.exp(-np.mean(other.logprobs)), rel=1e-2)


@pytest.mark.parametrize("stride", [None, 50])
def test_long_texts_slide_as_in_transformers(tiny: Tiny, engine: VLLM, loop: asyncio.Runner, stride: int | None) -> None:
    text = " ".join(TEXTS) * 6
    ours = loop.run(engine.likelihood(text, "", stride))
    (theirs,) = plain(loop, tiny("causal"), lambda b: [b.likelihood(text, "", stride)], context=256)
    assert len(ours.logprobs) > 512
    assert ours.prompt_tokens == theirs.prompt_tokens
    assert ours.logprobs == pytest.approx(theirs.logprobs, abs=2e-3)


PERPLEXITIES: dict[str, dict[str, Any]] = {
    "alone": {},
    "long texts in windows": {"stride": 50},
    "behind the input": {"given_input": True},
    "behind the input, in windows": {"given_input": True, "separator": " ", "stride": 200},
}


@pytest.mark.parametrize("options", PERPLEXITIES.values(), ids=PERPLEXITIES)
def test_perplexity_is_that_of_transformers(tiny: Tiny, engine: VLLM, loop: asyncio.Runner, options: dict[str, Any]) -> None:
    outputs = [*TEXTS, "", " ".join(TEXTS) * 6, "answer " * 400]
    batch = Batch({"output": outputs, "input": ["When does the server send an answer?", "", *outputs[2:]]})
    metric = Perplexity(**options)

    async def rows(backend: Any) -> Rows:
        return await metric.score(batch, Models({"own": backend}, Account()).tools("perplexity", "own"))

    async def plainly() -> Rows:
        backend = Transformers(str(tiny("causal")), context=256)
        try:
            return await rows(backend)
        finally:
            await backend.close()

    ours, theirs = loop.run(rows(engine)), loop.run(plainly())
    assert ours.errors == theirs.errors
    scored = ours.scored()
    assert scored.sum() >= 6
    assert np.nanmax(ours.values[:, 1]) > 512, "more than two windows"
    np.testing.assert_array_equal(ours.values[:, 1:], theirs.values[:, 1:], "tokens and bytes")
    np.testing.assert_allclose(ours.values[scored, 0], theirs.values[scored, 0], rtol=1e-3)
    np.testing.assert_allclose(metric.record_values(ours)[scored], metric.record_values(theirs)[scored], rtol=1e-2)
    sums = [each.values[scored].sum(axis=0) for each in (ours, theirs)]
    np.testing.assert_allclose(metric.combine(sums[0]), metric.combine(sums[1]), rtol=1e-2)


def test_equal_beginnings_are_read_once(engine: VLLM, loop: asyncio.Runner) -> None:
    begin = "You check one answer against one question about it. " * 6
    first, second = (loop.run(engine.complete(asked(begin + text))) for text in ("one", "two"))
    assert first.prompt_tokens > 128
    assert second.cached_prompt_tokens >= 128
    assert second.cached_prompt_tokens > first.cached_prompt_tokens


def test_draws_differ_and_come_again(engine: VLLM, loop: asyncio.Runner) -> None:
    requests = [asked("question", temperature=1.0, repeat=n) for n in range(12)]
    first = [reply.text for reply in loop.run(all_of(map(engine.complete, requests)))]
    again = [reply.text for reply in loop.run(all_of(map(engine.complete, requests[::-1])))][::-1]
    assert len(set(first)) > 6
    assert again == first


def test_a_prompt_longer_than_the_context_is_its_own_error(engine: VLLM, loop: asyncio.Runner) -> None:
    short, long = loop.run(all_of(map(engine.complete, [asked("short"), asked("server " * 900)])))
    assert isinstance(short, Reply)
    assert isinstance(long, BackendError)
    assert "tokens, and the model reads 256 at once" in str(long)


def test_requests_join_the_running_batch(engine: VLLM, loop: asyncio.Runner) -> None:
    """16 in flight of unequal length: a batch that waits for its longest reply would be far from full."""
    running = loop.run(engine._ready()).engine
    steps, full = running.steps, running.running

    async def run() -> list[Reply]:
        gate = asyncio.Semaphore(16)

        async def one(number: int) -> Reply:
            async with gate:
                return await engine.complete(asked(f"{number}", max_tokens=120 if number % 8 == 0 else 8))

        return await asyncio.gather(*map(one, range(160)))

    replies = loop.run(run())
    assert len(replies) == 160
    assert (running.running - full) / (running.steps - steps) > 11


def test_who_gave_up_waiting_is_not_worked_for(engine: VLLM, loop: asyncio.Runner) -> None:
    async def run() -> int:
        running = (await engine._ready()).engine
        task = asyncio.create_task(engine.complete(asked("long", max_tokens=200, temperature=1.0)))
        while not running._waiting:
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        reply = await engine.complete(asked("next", max_tokens=3))
        assert reply.completion_tokens <= 3
        return len(running._waiting)

    assert loop.run(run()) == 0


def test_an_engine_that_dies_is_replaced(engine: VLLM, loop: asyncio.Runner) -> None:
    async def run() -> list[Any]:
        running = (await engine._ready()).engine
        dead = running
        real = running._take

        def dying(engine: Any) -> bool:
            real(engine)
            raise RuntimeError("CUDA error: an illegal memory access")

        running._take = dying  # type: ignore[method-assign]
        lost = await all_of(engine.complete(asked(text)) for text in TEXTS)
        fresh = await all_of(engine.complete(asked(text)) for text in TEXTS)
        assert not dead.alive
        return [lost, fresh]

    before = loop.run(all_of(engine.complete(asked(text)) for text in TEXTS))
    lost, fresh = loop.run(run())
    for error in lost:
        assert isinstance(error, Retryable)
        assert error.kind == "engine"
        assert "an illegal memory access" in str(error)
    assert [reply.text for reply in fresh] == [reply.text for reply in before]


@pytest.mark.stress
def test_a_core_in_its_own_process_may_be_killed(tiny: Tiny, loop: asyncio.Runner, engine: VLLM) -> None:
    """As the system does when memory is short: the run goes on with another engine."""
    import psutil

    loop.run(engine.close())
    backend = VLLM(str(tiny("causal")), own_process=True, engine=EXACT)

    async def run() -> tuple[list[Any], str, str]:
        before = await backend.complete(asked("x"))
        texts = [f"{n} {text}" for n in range(40) for text in TEXTS]
        writing = [asyncio.create_task(backend.complete(asked(text, max_tokens=200))) for text in texts]
        await asyncio.wait(writing, return_when=asyncio.FIRST_COMPLETED)  # well under way
        for child in psutil.Process().children():
            if "resource_tracker" not in " ".join(child.cmdline()):
                child.kill()
        lost = await asyncio.gather(*writing, return_exceptions=True)
        after = await backend.complete(asked("x"))
        await backend.close()
        return lost, before.text, after.text

    lost, before, after = loop.run(run())
    assert {type(each) for each in lost} == {Reply, Retryable}
    assert after == before


def test_an_engine_that_keeps_dying_ends_the_run(tiny: Tiny, loop: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying:
        """An engine that starts, and fails at the first step."""

        class model_config:
            max_model_len = 100

        def get_tokenizer(self) -> Any:
            from transformers import AutoTokenizer

            return AutoTokenizer.from_pretrained(tiny("causal"))

        def add_request(self, *request: Any) -> None:
            pass

        def step(self) -> Any:
            raise RuntimeError("out of memory")

    backend = VLLM(str(tiny("causal")))
    monkeypatch.setattr(backend, "_make", Dying)
    kinds = [type(loop.run(all_of([backend.complete(asked("x"))]))[0]) for _ in range(4)]
    assert kinds == [Retryable, Retryable, Retryable, BackendRefused]


def test_closing_gives_the_model_back_and_a_later_call_opens_it_again(engine: VLLM, loop: asyncio.Runner) -> None:
    before = loop.run(engine.complete(asked("x"))).text
    assert MODELS[-1]() is not None
    assert all(model() is None for model in MODELS[:-1]), "nor is the engine that died still there"
    loop.run(engine.close())
    gc.collect()
    assert MODELS[-1]() is None
    assert loop.run(engine.complete(asked("x"))).text == before


def test_an_encoder_makes_the_vectors_of_transformers(tiny: Tiny, loop: asyncio.Runner, engine: VLLM, tmp_path: Path) -> None:
    loop.run(engine.close())
    theirs = plain(loop, tiny("encoder"), lambda b: map(b.embed, TEXTS))
    backend = VLLM(str(tiny("encoder")), engine=EXACT)
    assert backend.can == {"embed"}
    ours = loop.run(all_of(map(backend.embed, TEXTS)))
    loop.run(backend.close())
    np.testing.assert_allclose(np.stack(ours), np.stack(theirs), atol=1e-4)


def test_what_a_model_cannot_do_is_known_before_it_is_loaded(tiny: Tiny) -> None:
    assert VLLM(str(tiny("causal"))).can == {"chat", "schema", "choices", "logprobs", "likelihood"}
    assert VLLM(str(tiny("causal", template=False))).can == {"likelihood"}
    assert VLLM(str(tiny("causal")), runner="pooling").can == {"embed"}
    with pytest.raises(ValueError, match="use it with kind: transformers"):
        _ = VLLM(str(tiny("classifier"))).can


def test_how_the_engine_works_is_no_part_of_the_models_identity(tiny: Tiny) -> None:
    folder = str(tiny("causal"))
    assert VLLM(folder, engine={"max_num_seqs": 4, "tensor_parallel_size": 2}).identity == VLLM(folder).identity
    assert VLLM(folder, engine={"quantization": "fp8"}).identity != VLLM(folder).identity
    assert VLLM(folder, context=100).identity != VLLM(folder).identity


def test_an_argument_that_the_engine_does_not_know_is_told(tiny: Tiny, loop: asyncio.Runner) -> None:
    (error,) = loop.run(all_of([VLLM(str(tiny("causal")), engine={"no_such_thing": 1}).prepare()]))
    assert isinstance(error, BackendRefused)
    assert "no_such_thing" in str(error)


def test_a_suite_judges_with_vllm_in_its_own_process(tiny: Tiny, project: Path, jsonl: Any, cli: Any) -> None:
    jsonl(project / "d.jsonl", [{"id": f"r{n}", "input": "q", "output": text} for n, text in enumerate(TEXTS)])
    (project / "s.yaml").write_text(
        "dataset: {path: d.jsonl}\n"
        f"backends: {{judge: {{kind: vllm, model: {tiny('causal')}, engine: {{dtype: float32}}}}}}\n"
        "metrics: [{use: perplexity, backend: judge}]\n"
    )
    done = cli("run", project / "s.yaml", "--json", VLLM_CPU_KVCACHE_SPACE="1")
    assert done.returncode in (0, 1, 3), done.stderr
    told = json.loads(done.stdout)
    assert told["metrics"]["perplexity"]["n"] >= 4
    assert told["metrics"]["perplexity"]["mean"] > 1
