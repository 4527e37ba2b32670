"""What is asked of a model, what it answers, and what a backend and the runner's tools must be."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Messages = Sequence[Mapping[str, Any]]

Capability = Literal["chat", "schema", "choices", "logprobs", "likelihood", "embed", "encode", "classify"]
"""What a backend can do: answer a chat; keep a reply to a JSON schema, or to one of some choices, while it is written; tell
the alternatives of every token it wrote; tell how likely a given text is; give a text one vector, or one a token; give a
text, or a pair, the logits of a classifier."""

CAPABILITIES: frozenset[Capability] = frozenset(
    ("chat", "schema", "choices", "logprobs", "likelihood", "embed", "encode", "classify")
)


class Token(NamedTuple):
    """One token of a reply: its text, its log-probability, and the likeliest tokens in its place (itself among them)."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


class Origin(NamedTuple):
    """Who asks: a metric's label, a record's id, and which of the metric's questions it is."""

    metric: str
    record: str
    call: str


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a chat model.

    Attributes:
        schema: the JSON schema that the reply must meet; a backend that can, constrains the model to it.
        choices: the reply must be exactly one of these texts.
        logprobs: how many alternatives of each token of the reply are wanted; 0: none.
        repeat: 0, 1, 2 … of several draws; equal requests with another repeat are other calls.
        attempt: how often it was answered before with something of no use; whatever fixes a draw must differ.
        origin: who asks; no part of what makes two requests equal.
        whole: a reply that was cut off at ``max_tokens`` is malformed; False: it is a reply too.
    """

    messages: tuple[Mapping[str, Any], ...]
    schema: Mapping[str, Any] | None = None
    choices: tuple[str, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    logprobs: int = 0
    repeat: int = 0
    origin: Origin | None = field(default=None, compare=False)
    attempt: int = field(default=0, compare=False)
    whole: bool = True

    def content(self) -> dict[str, Any]:
        """All that moves the reply, as JSON: what a cache's key is made of."""
        told: dict[str, Any] = {
            "messages": self.messages,
            # As text: the order of its properties is the order in which the model writes them.
            "schema": None if self.schema is None else json.dumps(self.schema),
            "choices": self.choices,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "logprobs": self.logprobs,
            "repeat": self.repeat,
        }
        return told if self.whole else {**told, "whole": False}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered, and what that took.

    Attributes:
        tokens: the tokens of the text, in order, where `Request.logprobs` asked for them and the backend can tell.
        finish: ``"stop"``, or ``"length"`` where the reply was cut at ``max_tokens``.
        cost: in the price list's currency; None where no price is known.
        model: the model as the backend names it.
        seconds: from the request to the whole reply, without what waited for a limit or was tried before.
    """

    text: str
    tokens: tuple[Token, ...] = ()
    finish: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_prompt_tokens: int = 0  # of the prompt's, those that the model's own prefix cache had
    cost: float | None = None
    model: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Natural log-probabilities of a text's tokens, in order; those of what was given are not among them."""

    logprobs: tuple[float, ...]
    prompt_tokens: int = 0  # all tokens that were read


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text's contextual token vectors at one layer: ids (m,), vectors (m, d) in float32.

    Attributes:
        special: which tokens are the model's own ([CLS], [SEP]), shape (m,). BERTScore does not count them, but what the
            texts say may match them; None: the backend left them out.
    """

    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]
    special: NDArray[np.bool_] | None = None


@runtime_checkable
class Backend(Protocol):
    """Where replies come from.

    Only ``identity`` and what the capabilities promise is needed; `complete` is that of ``chat``. A backend tells what it
    can in ``can`` (``{"chat"}`` where it has no such attribute), and may have: ``max_concurrency``; ``async prepare()``, called
    in the event loop before the first request; ``async close()``, called after the last;
    ``async likelihood(text, given, stride) -> Likelihood``; ``async embed(text) -> (d,)``;
    ``async encode(text, layer) -> Encoded``; ``async classify(text, pair) -> (k,)``; and
    ``async verify(capability) -> bool``, where a capability is believed rather than known.
    A backend that runs a model in this process gathers requests that wait at the same time into batches itself.
    """

    identity: str  # model and revision: part of a fingerprint and of a cache's keys

    async def complete(self, request: Request) -> Reply:
        """Answer one request.

        Raises:
            Retryable: it may work when tried again.
            BackendError: it will not.
            BackendRefused: no request will; the run ends.
        """
        ...


class Tools(Protocol):
    """What the runner hands to a `ModelMetric`: models, and nothing else of the world.

    Every call goes through the run's one pipeline: it is cached, de-duplicated, retried, limited, counted and recorded. Raises
    `BackendError` where there is no usable reply; that is an error of this record, never a value.
    """

    can: frozenset[Capability]
    model: str  # the model's name, for people
    source: str  # where a backend of this process has its model from: a folder, or the name on the hub

    def on(self, record: str) -> Tools:
        """The same tools for one record: its calls are recorded, and replayed, under this id."""
        ...

    def using(self, backend: str) -> Tools:
        """The tools of another backend of the suite."""
        ...

    async def verified(self, capability: Capability) -> bool:
        """Whether the backend can, tried out where that is not certain: an endpoint may ignore what it does not know."""
        ...

    async def ask(
        self,
        messages: Messages,
        schema: Mapping[str, Any] | None = None,
        *,
        call: str = "",
        choices: Sequence[str] = (),
        parse: Callable[[Reply], Any] | None = None,
        logprobs: int = 0,
        temperature: float = 0.0,
        top_p: float = 1.0,
        max_tokens: int = 1024,
        repeat: int = 0,
    ) -> Any:
        """What ``parse`` makes of the reply; else with ``schema`` the JSON value that meets it, with ``choices`` the one
        chosen, else the text.

        Args:
            call: which of the metric's questions this is.
            parse: raises `Malformed` for a reply that it cannot use; the question is then put again.
        """
        ...

    async def likelihood(self, text: str, given: str = "", *, stride: int | None = None) -> Likelihood:
        """Log-probabilities of the tokens of ``text`` behind ``given``.

        Args:
            stride: a text longer than the model's context is read in windows that move on by so many tokens, each token
                counted once with the most context; None: half the context.
        """
        ...

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """One vector a text, shape (n, d)."""
        ...

    async def encode(self, texts: Sequence[str], layer: int | None = None) -> list[Encoded]:
        """Token vectors of every text at a layer (0 is the embeddings; None: the last)."""
        ...

    async def classify(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> NDArray[np.float64]:
        """Logits of a sequence classifier over texts, or over (text, pair), shape (n, k)."""
        ...
