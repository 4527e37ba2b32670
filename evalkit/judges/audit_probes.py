"""Asking a judge again about the same records: in other clothes, in other words, and simply once more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.core.asking import Capability, Encoded, Likelihood, Messages, Reply, Tools
from evalkit.core.batch import Batch
from evalkit.core.contracts import ModelMetric
from evalkit.core.errors import BackendError
from evalkit.judges.audit_prompt import Variant, variants
from evalkit.judges.audit_texts import STYLES, attacked, attacks
from evalkit.judges.pairwise import Pairwise

PROBES = (*STYLES, "injection", "repeats", "prompt")
APART = 1_000  # between the draws of one asking and the next: judges number theirs from 0


@dataclass(frozen=True)
class Asking:
    """One more asking: the judge, its records under names of their own, and which draw it is.

    Attributes:
        name: the probe; ``part``: which of its several (an attack, a variant, a repeat).
    """

    name: str
    part: str
    metric: ModelMetric
    batch: Batch
    draw: int = 0
    back: Callable[[NDArray[np.float64]], NDArray[np.float64]] = lambda scores: scores


def askings(names: Sequence[str], metric: ModelMetric, batch: Batch, repeats: int) -> tuple[list[Asking], dict[str, str]]:
    """All that some probes ask, and which of them cannot be asked of this judge, with the reason."""
    found: list[Asking] = []
    off: dict[str, str] = {}
    for name in names:
        if name in STYLES:
            found.append(Asking(name, "", metric, rewritten(batch, STYLES[name][0], name)))
        elif name == "injection":
            if isinstance(metric, Pairwise):
                off[name] = "the attacks ask for a score, and this judge gives verdicts on pairs"
            else:
                found.append(Asking(name, "", metric, injected(batch)))
        elif name == "repeats":
            found += [Asking(name, str(at), metric, renamed(batch, f"repeat-{at}"), at) for at in range(1, repeats)]
        elif name == "prompt":
            others = variants(metric)
            found += [
                Asking(name, one.name, one.metric, renamed(batch, f"prompt-{at}"), back=one.back)
                for at, one in enumerate(others)
            ]
            if not others:
                off[name] = f"the prompts of {metric.name} have no criteria and scale that could be put otherwise"
    return found, off


def rewritten(batch: Batch, how: Callable[[str], str], name: str) -> Batch:
    """The records with their output written otherwise."""
    outputs = [None if value is None else how(str(value)) for value in batch.column("output")]
    return renamed(Batch({**batch.columns, "output": outputs}), name)


def injected(batch: Batch) -> Batch:
    """The records with an attack behind each output, every kind in turn."""
    kinds = kinds_of(len(batch))
    outputs = [None if value is None else attacked(str(value), kind) for value, kind in zip(batch.column("output"), kinds)]
    return renamed(Batch({**batch.columns, "output": outputs}), "injection")


def kinds_of(n: int) -> list[str]:
    """Which attack each of ``n`` records gets."""
    known = sorted(attacks())
    return [known[at % len(known)] for at in range(n)]


def renamed(batch: Batch, name: str) -> Batch:
    """The records under names of their own: a recording must not take a probe for the record itself."""
    return Batch({**batch.columns, "id": [f"{one}~{name}" for one in batch.texts("id")]})


class Again:
    """Tools that ask for further draws: what a judge asked before comes anew, not from the cache."""

    def __init__(self, tools: Tools, draw: int) -> None:
        self._tools, self._draw = tools, draw
        self.can, self.model, self.source = tools.can, tools.model, tools.source

    def on(self, record: str) -> Tools:
        """These tools, for one record."""
        return Again(self._tools.on(record), self._draw)

    def using(self, backend: str) -> Tools:
        """These tools, with another backend."""
        return Again(self._tools.using(backend), self._draw)

    async def verified(self, capability: Capability) -> bool:
        """As `Tools.verified`."""
        return await self._tools.verified(capability)

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
        """As `Tools.ask`, a later draw."""
        return await self._tools.ask(
            messages, schema, call=call, choices=choices, parse=parse, logprobs=logprobs, temperature=temperature,
            top_p=top_p, max_tokens=max_tokens, repeat=repeat + APART * self._draw,
        )  # fmt: skip

    async def likelihood(self, text: str, given: str = "", *, stride: int | None = None) -> Likelihood:
        """As `Tools.likelihood`."""
        return await self._tools.likelihood(text, given, stride=stride)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """As `Tools.embed`."""
        return await self._tools.embed(texts)

    async def encode(self, texts: Sequence[str], layer: int | None = None) -> list[Encoded]:
        """As `Tools.encode`."""
        return await self._tools.encode(texts, layer)

    async def classify(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> NDArray[np.float64]:
        """As `Tools.classify`."""
        return await self._tools.classify(texts, pairs)


class Counting(Again):
    """Tools that ask nobody and count: how many calls a judge will make, at the least."""

    def __init__(self, tools: Tools, counts: list[int] | None = None) -> None:
        super().__init__(tools, 0)
        self.counts = counts if counts is not None else [0]

    def on(self, record: str) -> Tools:
        return Counting(self._tools.on(record), self.counts)

    def using(self, backend: str) -> Tools:
        return Counting(self._tools.using(backend), self.counts)

    async def ask(self, messages: Messages, schema: Mapping[str, Any] | None = None, **how: Any) -> Any:
        self.counts[0] += 1
        raise BackendError("nobody is asked while calls are counted")


__all__ = ["APART", "PROBES", "Again", "Asking", "Counting", "Variant", "askings", "kinds_of", "renamed"]
