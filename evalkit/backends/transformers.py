"""Models of Hugging Face transformers in this process, on CPU or CUDA: causal language models, encoders, classifiers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.backends.batcher import Batcher
from evalkit.backends.bleurt import MODEL_TYPE, load_bleurt
from evalkit.backends.causal import CausalModel, Draw
from evalkit.backends.chat import Template
from evalkit.backends.encoder import VECTOR, EncoderModel, Need, Passed, Text
from evalkit.backends.folder import Card
from evalkit.backends.memory import honest_threads, release
from evalkit.backends.once import Once
from evalkit.backends.windows import Window, laid_out, likelihood
from evalkit.core.asking import Capability, Encoded, Likelihood, Reply, Request
from evalkit.core.errors import BackendRefused, EvalkitError, MissingExtra
from evalkit.core.registry import backend
from evalkit.core.signature import canonical

_MOST_CONTEXT = 2**20  # of a model whose config does not tell
_IN_CACHE = 1024  # tokens that an encoder on a CPU reads at once: more only add padding, and what they need leaves the cache


@backend("transformers")
@dataclass
class Transformers:
    """A causal language model, an encoder or a sequence classifier, batched by length; what it can do follows from its config.

    Options: ``model``, a folder, ``cache:NAME`` or a name on the hub; ``revision`` of the hub; ``device``: ``auto`` is CUDA if
    there is one; ``dtype``: ``auto`` is the stored one on CUDA, and float32 on a CPU; ``batch_tokens`` of a padded batch, the
    tokens to be written included; ``context``: tokens read at once, default all that the model takes; ``layer`` of token
    vectors, default the last; ``threads`` on a CPU, default as many as this process may use; ``template``: further arguments
    of the chat template; ``keep_mib`` of token vectors held, those of the latest texts: metrics share one pass over each text,
    and one that comes again after its vectors had to go is encoded again; ``trust_remote_code`` runs the code that comes with
    the model.
    """

    model: str
    revision: str | None = None
    device: str = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    batch_tokens: int = 8192
    context: int | None = None
    layer: int | None = None
    threads: int | None = None
    template: Mapping[str, Any] = field(default_factory=dict)
    keep_mib: int = 1024
    max_concurrency: int = 1024  # the more wait in line, the less padding
    trust_remote_code: bool = False

    local: ClassVar[bool] = True  # holds its model in this process: runs close one before the next opens

    def __post_init__(self) -> None:
        for package in ("torch", "transformers"):
            if find_spec(package) is None:
                raise MissingExtra("the backend transformers", package, "models")
        self.card = Card.of(self.model, self.revision)
        self.model = self.card.name
        self._loaded: _Loaded | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._once = Once(self.keep_mib * 2**20)

    @cached_property
    def identity(self) -> str:
        """The model and its revision, and the options that move what it answers."""
        moving = {"dtype": self.dtype, "context": self.context, "template": dict(self.template)}
        return f"transformers:{self.card.identity}:{canonical(moving).decode()}"

    @property
    def source(self) -> str:
        """The model's folder, or its name on the hub."""
        return self.card.path

    @property
    def can(self) -> frozenset[Capability]:
        """What the model's own files say."""
        return self.card.can

    async def prepare(self) -> None:
        """Load the model, unless it is loaded."""
        await self._ready()

    async def close(self) -> None:
        """Give back the memory; a later call loads the model again."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            loaded.stopped = True
        self._once.clear()
        del loaded
        await asyncio.get_running_loop().run_in_executor(thread, release)
        thread.shutdown()

    # --- what is asked ---

    async def complete(self, request: Request) -> Reply:
        """A reply, drawn from a seed of its own: the same request has the same reply, whoever shares its batch."""
        loaded = await self._ready()
        return await loaded.write(Draw(tuple(loaded.chat.tokens(request.messages)), request))

    async def likelihood(self, text: str, given: str = "", stride: int | None = None) -> Likelihood:
        """Log-probabilities of a text's tokens behind what is given."""
        loaded = await self._ready()
        asked = laid_out(loaded.tokenizer, text, given)
        return await likelihood(asked, loaded.context, stride, loaded.score, "dtype: float32")

    def expect(self, need: Need) -> None:
        """Say beforehand what `embed` (``"vector"``) or `encode` (the layer) will be asked for: one pass then gives it all."""
        if need != 0:
            self._once.wanted.add(self.layer if need is None else need)

    async def embed(self, text: str) -> NDArray[np.float32]:
        """A text's vector, as sentence-transformers makes it."""
        loaded = await self._ready()
        found: NDArray[np.float32] = await self._once.of(loaded.encoder.read_sentence(text), VECTOR, loaded.passed)
        return found

    async def encode(self, text: str, layer: int | None = None) -> Encoded:
        """A text's token vectors behind so many layers; what lies above all layers that are wanted is left out."""
        loaded = await self._ready()
        number = layer if layer is not None else self.layer
        why = loaded.encoder.lacks(number)
        if why is not None:
            raise BackendRefused(why)
        need = loaded.encoder.settled(number)
        read = loaded.encoder.read(text)
        if need == 0:  # no layer is run, and nothing worth keeping
            return await loaded.look_up(read)
        found: Encoded = await self._once.of(read, need, loaded.passed)
        return found

    async def classify(self, text: str, pair: str | None = None) -> list[float]:
        """The logits of a text, or of a pair."""
        loaded = await self._ready()
        return await loaded.classify(loaded.encoder.read(text, pair))

    # --- the model ---

    async def _ready(self) -> _Loaded:
        if self._loaded is not None:
            return self._loaded
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="evalkit-transformers")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._load, self._thread)

    def _load(self, thread: ThreadPoolExecutor) -> _Loaded:
        if self._loaded is None:
            try:
                self._loaded = _Loaded(self, thread)
            except EvalkitError:
                raise
            except Exception as error:
                raise BackendRefused(f"the model {self.model} cannot be loaded: {type(error).__name__}: {error}") from error
        return self._loaded


class _Loaded:
    """A model in memory, and the batches that go through it."""

    def __init__(self, options: Transformers, thread: ThreadPoolExecutor) -> None:
        import torch
        import transformers

        self.stopped = False
        transformers.utils.logging.disable_progress_bar()
        torch.set_num_threads(options.threads or honest_threads())
        card = options.card
        self.device = options.device if options.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        stored = options.dtype == "auto" and not self.device.startswith("cpu")
        named = "float32" if options.dtype == "auto" else options.dtype
        given = {"revision": card.revision, "trust_remote_code": options.trust_remote_code}
        makers = {
            "causal": transformers.AutoModelForCausalLM,
            "classifier": transformers.AutoModelForSequenceClassification,
            "encoder": transformers.AutoModel,
        }
        kind = "encoder" if card.embeds else card.kind
        dtype = "auto" if stored else getattr(torch, named)
        if card.config.get("model_type") == MODEL_TYPE:
            made, self.tokenizer = load_bleurt(card, revision=card.revision, dtype=dtype)
        else:
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(card.path, **given)
            made = makers[kind].from_pretrained(card.path, dtype=dtype, **given)
        made = made.to(self.device).eval()
        config = made.config.get_text_config() if hasattr(made.config, "get_text_config") else made.config
        told = int(getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or _MOST_CONTEXT)
        self.context = min(told, options.context or told)
        budget: dict[str, Any] = {"budget": options.batch_tokens, "executor": thread}
        if kind == "causal":
            causal = CausalModel(made, self.tokenizer, self.context, lambda: self.stopped, card.name)
            if card.chats:
                self.chat = Template(self.tokenizer, options.template)
            self.write = Batcher[Draw, Reply](causal.replies, lambda draw: draw.length, **budget)
            self.score = Batcher[Window, list[float]](causal.scores, lambda window: len(window.ids), **budget)
        self.encoder = EncoderModel(made, self.tokenizer, card, classifies=kind == "classifier", most=options.context)
        if self.device.startswith("cpu"):
            budget["budget"] = min(options.batch_tokens, _IN_CACHE)
        wanted = options._once.wanted
        self.passed = Batcher[Text, Passed](
            lambda texts: self.encoder.passed(texts, tuple(wanted)), lambda text: text.length, **budget
        )
        self.look_up = Batcher[Text, Encoded](self.encoder.looked_up, lambda text: text.length, **budget)
        self.classify = Batcher[Text, list[float]](self.encoder.classified, lambda text: text.length, **budget)
