"""vLLM in this process: continuous batching, prefix caching, constrained replies; on CUDA, or on a CPU with its CPU build."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.backends.chat import Template, seed_of
from evalkit.backends.engine import OWN_PROCESS, Engine, EngineDied, environment, own_process
from evalkit.backends.folder import Card
from evalkit.backends.memory import honest_threads
from evalkit.backends.sentence import Sentence
from evalkit.backends.spelling import Spelling
from evalkit.backends.windows import Window, laid_out, likelihood
from evalkit.core.asking import Capability, Likelihood, Reply, Request, Token
from evalkit.core.errors import BackendError, BackendRefused, MissingExtra, Retryable, quote
from evalkit.core.registry import backend
from evalkit.core.signature import canonical

_LIVES = 3  # engines that may die one after the other without an answer in between
_CPU_CACHE = 2 * 2**30  # bytes for keys and values, where nothing else is said

# How the engine works, not what it answers.
_HOW = frozenset(
    (
        *("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "distributed_executor_backend"),
        *("gpu_memory_utilization", "kv_cache_memory_bytes", "cpu_offload_gb", "swap_space", "block_size"),
        *("max_num_seqs", "max_num_batched_tokens", "enable_prefix_caching", "enable_chunked_prefill", "enforce_eager"),
        *("disable_log_stats", "use_tqdm_on_load", "max_logprobs", "async_scheduling", "download_dir", "load_format"),
    )
)


@backend("vllm")
@dataclass
class VLLM:
    """A model in vLLM's engine. Requests join the running batch at every step; equal beginnings of prompts are read once.

    Options: ``model``, a folder, ``cache:NAME`` or a name on the hub; ``revision`` of the hub; ``runner``: ``pooling`` makes
    vectors with a model that could also write; ``context``: tokens read at once, default all that the model takes; ``engine``:
    any argument of vLLM's engine (``tensor_parallel_size``, ``gpu_memory_utilization``, ``dtype``, ``quantization`` …);
    ``template``: further arguments of the chat template; ``own_process``: whether the engine's core has a process of its own,
    default on CUDA; ``trust_remote_code`` runs the code that comes with the model.
    """

    model: str
    revision: str | None = None
    runner: Literal["auto", "generate", "pooling"] = "auto"
    context: int | None = None
    engine: Mapping[str, Any] = field(default_factory=dict)
    template: Mapping[str, Any] = field(default_factory=dict)
    own_process: bool | None = None
    max_concurrency: int = 512
    trust_remote_code: bool = False

    local: ClassVar[bool] = True  # holds its model in this process: runs close one before the next opens

    def __post_init__(self) -> None:
        if find_spec("vllm") is None:
            raise MissingExtra("the backend vllm", "vllm", "vllm")
        self.card = Card.of(self.model, self.revision)
        self.model = self.card.name
        self._starting: asyncio.Future[_Running] | None = None
        self._deaths = 0

    @cached_property
    def identity(self) -> str:
        """The model and its revision, and the options that move what it answers."""
        engine = {name: value for name, value in self.engine.items() if name not in _HOW}
        moving = {"context": self.context, "engine": engine, "template": dict(self.template)}
        return f"vllm:{self.card.identity}:{canonical(moving).decode()}"

    @cached_property
    def can(self) -> frozenset[Capability]:
        """What the model's own files say, and how it is to run."""
        if self.card.kind == "classifier":
            raise ValueError(f"{quote(self.model)} is a sequence classifier; use it with kind: transformers")
        if self._pools:
            return frozenset({"embed"})
        if self.card.kind != "causal":
            raise ValueError(f"{quote(self.model)} writes no text; leave `runner: generate` out")
        told: frozenset[Capability] = frozenset({"likelihood"})
        return told | {"chat", "schema", "choices", "logprobs"} if self.card.chats else told

    @property
    def _pools(self) -> bool:
        return self.runner == "pooling" or (self.runner == "auto" and (self.card.kind != "causal" or self.card.embeds))

    async def prepare(self) -> None:
        """Start the engine, unless it runs."""
        await self._ready()

    async def close(self) -> None:
        """End the engine and give back its memory; a later call starts another."""
        starting, self._starting = self._starting, None
        if starting is not None and starting.get_loop() is asyncio.get_running_loop():
            running = (await asyncio.gather(starting, return_exceptions=True))[0]
            if isinstance(running, _Running):
                await running.engine.stop()
        elif starting is not None and starting.done() and starting.exception() is None:
            await starting.result().engine.stop()

    # --- what is asked ---

    async def complete(self, request: Request) -> Reply:
        """A reply; with a schema or choices it is constrained while it is written, where vLLM can express them."""
        running = await self._ready()
        ids = running.chat.tokens(request.messages)
        if len(ids) > running.context:
            raise BackendError(f"the prompt has {len(ids)} tokens, and the model reads {running.context} at once")
        try:
            output = await self._ask(ids, _sampling(request, constrained=True))
        except BackendError as error:
            if isinstance(error, Retryable) or (request.schema is None and not request.choices):
                raise
            output = await self._ask(ids, _sampling(request, constrained=False))  # a schema that the engine cannot hold to
        return running.reply(output, request, self.model)

    async def likelihood(self, text: str, given: str = "", stride: int | None = None) -> Likelihood:
        """Log-probabilities of a text's tokens behind what is given."""
        running = await self._ready()
        asked = laid_out(running.tokenizer, text, given)
        return await likelihood(asked, running.context, stride, self._score, "engine: {dtype: float32}")

    async def _score(self, window: Window) -> list[float]:
        from vllm import SamplingParams

        output = await self._ask(
            window.ids, _final(SamplingParams(max_tokens=1, temperature=0, prompt_logprobs=0, detokenize=False))
        )
        told = output.prompt_logprobs[len(window.ids) - window.counted :]
        return [float(entry[token].logprob) for entry, token in zip(told, window.ids[-window.counted :])]

    async def embed(self, text: str) -> NDArray[np.float32]:
        """A text's vector, as sentence-transformers makes it."""
        from vllm import PoolingParams

        running = await self._ready()
        ids = running.read(text)
        output = await self._ask(ids, PoolingParams(task="embed"))
        data = output.outputs.data
        return np.asarray(data.float().cpu().numpy() if hasattr(data, "cpu") else data, dtype=np.float32)

    # --- the engine ---

    async def _ask(self, ids: Any, params: Any) -> Any:
        running = await self._ready()
        try:
            output = await running.engine.ask(ids, params)
        except EngineDied as error:
            if self._starting is not None and self._starting.done() and self._starting.result() is running:
                self._starting = None
                self._deaths += 1
            raise Retryable(f"vLLM's engine died ({error})", "engine") from error
        self._deaths = 0
        return output

    async def _ready(self) -> _Running:
        """The engine, started when it does not run; whoever comes in the meantime waits for the same start."""
        if self._starting is None or (
            self._starting.get_loop() is not asyncio.get_running_loop() and not self._starting.done()
        ):
            if self._deaths >= _LIVES:
                raise BackendRefused(
                    f"vLLM's engine died {_LIVES} times without an answer in between; the model is {self.model}"
                )
            self._starting = asyncio.ensure_future(self._start())
        starting = self._starting
        if starting.done():
            return starting.result()
        return await asyncio.shield(starting)

    async def _start(self) -> _Running:
        engine = Engine(self._make)
        try:
            made = await engine.start()
        except Exception as error:
            self._starting = None
            raise BackendRefused(f"vLLM cannot start with {self.model}: {type(error).__name__}: {error}") from error
        return _Running(engine, made, self)

    def _make(self) -> Any:
        """In the engine's thread: vLLM's engine from the options."""
        given_to_it = environment(honest_threads())
        os.environ.update(given_to_it)
        if "VLLM_LOGGING_LEVEL" in given_to_it:
            logging.getLogger("vllm").setLevel(logging.ERROR)  # while it is imported, it has not read that yet
        from vllm import EngineArgs, LLMEngine
        from vllm.platforms import current_platform

        apart = self.own_process
        given: dict[str, Any] = {
            "model": self.card.path,
            "revision": self.card.revision,
            "trust_remote_code": self.trust_remote_code,
            "runner": "pooling" if self._pools else "generate",
            "seed": 0,
            "enable_prefix_caching": not self._pools,
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
        }
        if self._pools:
            if not self.card.embeds:
                from vllm.config import PoolerConfig

                given["pooler_config"] = PoolerConfig(pooling_type="MEAN", use_activation=True)
        else:
            given["structured_outputs_config"] = {"backend": "xgrammar", "disable_any_whitespace": True}
        if self.context is not None and not self._pools:
            most = int(self.card.config.get("max_position_embeddings") or self.context + 1)
            given["max_model_len"] = min(self.context + 1, most)  # a window, and the token that must be written behind it
        if current_platform.is_cpu():
            if apart is None and OWN_PROCESS not in os.environ:
                apart = False  # it would only start more slowly
            given |= {"enforce_eager": True, "distributed_executor_backend": "uni"}
            if "VLLM_CPU_KVCACHE_SPACE" not in os.environ:
                given["kv_cache_memory_bytes"] = _CPU_CACHE
        with own_process(apart), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what its parts will drop one day
            return LLMEngine.from_engine_args(EngineArgs(**{**given, **self.engine}))


class _Running:
    """An engine that runs, with what is asked of its model beforehand."""

    def __init__(self, engine: Engine, made: Any, options: VLLM) -> None:
        self.engine = engine
        self.tokenizer = made.get_tokenizer()
        self.context = int(made.model_config.max_model_len) - (0 if options._pools else 1)
        if options._pools:
            self._sentence = Sentence.of(options.card)
        elif options.card.chats:
            self.chat = Template(self.tokenizer, options.template)
            self._spelling = Spelling(self.tokenizer)
            self._special = set(self.tokenizer.all_special_ids)

    def read(self, text: str) -> list[int]:
        """The tokens of a text that is to have a vector."""
        shown = self._sentence.prompt + text
        most = min(self.context, self._sentence.most or self.context)
        told = self.tokenizer(shown.lower() if self._sentence.lower else shown, truncation=True, max_length=most)
        ids: list[int] = told["input_ids"]
        return ids

    def reply(self, output: Any, request: Request, model: str) -> Reply:
        """An output of the engine as a reply."""
        wrote = output.outputs[0]
        tokens: tuple[Token, ...] = ()
        if request.logprobs and wrote.logprobs:
            told = list(zip(wrote.token_ids, wrote.logprobs))
            while told and wrote.finish_reason == "stop" and told[-1][0] in self._special:
                told.pop()  # what ends a reply is no part of it
            texts = [str(entry[token].decoded_token or "") for token, entry in told]
            if "".join(texts) != wrote.text:  # characters of several tokens, told apart otherwise than in the text
                texts = self._spelling.pieces([token for token, _ in told], wrote.text)
            tokens = tuple(_token(token, entry, text, request.logprobs) for (token, entry), text in zip(told, texts))
        return Reply(
            wrote.text,
            tokens,
            "length" if wrote.finish_reason == "length" else "stop",
            len(output.prompt_token_ids),
            len(wrote.token_ids),
            output.num_cached_tokens or 0,
            model=model,
        )


def _token(token: int, entry: Mapping[int, Any], text: str, wanted: int) -> Token:
    """One written token; of its alternatives the likeliest that a constraint leaves, and itself."""
    ranked = sorted(entry.items(), key=lambda item: item[1].logprob, reverse=True)
    kept = [
        (key, told) for place, (key, told) in enumerate(ranked) if key == token or (place < wanted and told.logprob > -math.inf)
    ]
    top = tuple((text if key == token else str(told.decoded_token or ""), float(told.logprob)) for key, told in kept)
    return Token(text, float(entry[token].logprob), top)


def _sampling(request: Request, *, constrained: bool) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    structured = None
    if constrained and request.schema is not None:
        structured = StructuredOutputsParams(json=dict(request.schema))
    elif constrained and request.choices:
        structured = StructuredOutputsParams(choice=list(request.choices))
    return _final(
        SamplingParams(
            temperature=request.temperature,
            top_p=request.top_p,
            max_tokens=request.max_tokens,
            seed=seed_of(request) if request.temperature > 0 else None,
            logprobs=request.logprobs or None,
            structured_outputs=structured,
        )
    )


def _final(params: Any) -> Any:
    """Nothing is told of a reply before it is whole."""
    from vllm.sampling_params import RequestOutputKind

    params.output_kind = RequestOutputKind.FINAL_ONLY
    return params
