"""The tools of a metric: its questions, put to the pipelines of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.backends.pipeline import Call, Pipeline
from evalkit.core.asking import Capability, Encoded, Likelihood, Messages, Origin, Request, Tools
from evalkit.core.parse import Parse


class Desk:
    """The `Tools` of one metric, over the pipelines of all backends of a suite.

    Args:
        backend: the metric's own.
        metric: its label.
        journal: is given every call to a chat model.
    """

    def __init__(
        self,
        pipelines: Mapping[str, Pipeline],
        backend: str,
        metric: str = "",
        journal: list[Call] | None = None,
        record: str = "",
    ) -> None:
        self._pipelines, self._backend, self._metric = pipelines, backend, metric
        self._journal, self._record = journal, record
        self._pipeline = pipelines[backend]
        self.can, self.model, self.source = self._pipeline.can, self._pipeline.model, self._pipeline.source

    def on(self, record: str) -> Tools:
        """These tools, for one record."""
        return Desk(self._pipelines, self._backend, self._metric, self._journal, record)

    def using(self, backend: str) -> Tools:
        """These tools, with another backend."""
        return Desk(self._pipelines, backend, self._metric, self._journal, self._record)

    async def verified(self, capability: Capability) -> bool:
        """As `Tools.verified`; what was found out is kept with the replies."""
        verify = getattr(self._pipeline.backend, "verify", None)
        if capability not in self.can or verify is None:
            return capability in self.can

        async def make() -> bool:
            return bool(await verify(capability))

        return await self._pipeline.kept({"verify": capability}, make, bool, self._metric)

    async def ask(
        self,
        messages: Messages,
        schema: Mapping[str, Any] | None = None,
        *,
        call: str = "",
        choices: Sequence[str] = (),
        parse: Parse | None = None,
        logprobs: int = 0,
        temperature: float = 0.0,
        top_p: float = 1.0,
        max_tokens: int = 1024,
        repeat: int = 0,
    ) -> Any:
        """As `Tools.ask`."""
        origin = Origin(self._metric, self._record, call)
        request = Request(tuple(messages), schema, tuple(choices), temperature, top_p, max_tokens, logprobs, repeat, origin)
        return await self._pipeline.reply(request, parse, self._journal)

    async def likelihood(self, text: str, given: str = "", *, stride: int | None = None) -> Likelihood:
        """As `Tools.likelihood`."""
        method = self._pipeline.method("likelihood")

        async def make() -> tuple[list[float], int]:
            found: Likelihood = await method(text, given, stride)
            self._pipeline.account.read(found.prompt_tokens, self._metric)
            return list(found.logprobs), found.prompt_tokens

        what = {"likelihood": text, "given": given, "stride": stride}
        logprobs, prompt_tokens = await self._pipeline.kept(what, make, tuple[list[float], int], self._metric)
        return Likelihood(tuple(logprobs), prompt_tokens)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """As `Tools.embed`."""
        method = self._pipeline.method("embed")
        self._expect("vector")

        async def one(text: str) -> bytes:
            async def make() -> bytes:
                return np.asarray(await method(text), dtype=np.float32).tobytes()

            return await self._pipeline.kept({"embed": text}, make, bytes, self._metric)

        found = await asyncio.gather(*map(one, texts))
        return np.stack([np.frombuffer(vector, dtype=np.float32) for vector in found]).astype(np.float64)

    async def encode(self, texts: Sequence[str], layer: int | None = None) -> list[Encoded]:
        """As `Tools.encode`; the backend itself keeps what it encoded, for vectors are many."""
        method = self._pipeline.method("encode")
        self._expect(layer)

        async def one(text: str) -> Encoded:
            async def make() -> Encoded:
                made: Encoded = await method(text, layer)
                return made

            return await self._pipeline.sent(make, len(text) // 4)

        return list(await asyncio.gather(*map(one, texts)))

    def _expect(self, need: int | str | None) -> None:
        """Tell the backend before the first question: metrics begin to ask together, and one pass can serve all of them."""
        expect = getattr(self._pipeline.backend, "expect", None)
        if expect is not None:
            expect(need)

    async def classify(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> NDArray[np.float64]:
        """As `Tools.classify`."""
        method = self._pipeline.method("classify")

        async def one(text: str, pair: str | None) -> list[float]:
            async def make() -> list[float]:
                return [float(logit) for logit in await method(text, pair)]

            return await self._pipeline.kept({"classify": text, "pair": pair}, make, list[float], self._metric)

        others: Sequence[str | None] = pairs if pairs is not None else [None] * len(texts)
        return np.array(await asyncio.gather(*map(one, texts, others)))
