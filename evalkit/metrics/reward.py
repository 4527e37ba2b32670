"""A sequence classifier's opinion of an answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from evalkit.core.asking import Capability, Tools
from evalkit.core.batch import Batch
from evalkit.core.contracts import ModelMetric
from evalkit.core.errors import BackendRefused, SpecError
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.stats.ratio import ratio


@metric("reward")
@dataclass(frozen=True)
class Reward(ModelMetric):
    """One logit of any sequence classifier over (input, output): a reward model, a topic, a tone; mean over records.

    A logit is unbounded, and its scale the model's own. An empty text is read like any other; a pair that is too long loses
    the end of its longer text.

    Args:
        logit: which one, counted from 0; None: the only one.
        reads: the pair of input and output, or the output alone.
        probability: the softmax over all logits instead, or of an only logit the logistic function: 0 to 1.
        positive: whether more of it is better.

    Misleads: reward models prefer long, confident, well-formatted answers, and a system that was trained on one scores high
    on it by construction. A mean of logits says little beyond its order.

    Source: ours; any checkpoint's own.
    """

    wants: ClassVar[frozenset[Capability]] = frozenset({"classify"})

    logit: int | None = None
    reads: Literal["pair", "output"] = "pair"
    probability: bool = False
    positive: bool = True

    def __post_init__(self) -> None:
        if self.logit is not None and self.logit < 0:
            raise SpecError(f"logit is {self.logit}; the first is 0")

    @property
    def columns(self) -> tuple[str, ...]:
        return ("score", "records")

    def needs_of(self) -> tuple[str, ...]:
        return ("input", "output") if self.reads == "pair" else ("output",)

    def direction(self, part: str) -> bool | None:  # noqa: ARG002 - one for all
        return self.positive

    def range_of(self, part: str) -> tuple[float, float] | None:  # noqa: ARG002 - one for all
        return (0.0, 1.0) if self.probability else (-math.inf, math.inf)

    def about(self) -> str | None:
        return None if self.probability else "a raw logit"

    def combine(self, totals: Floats) -> Floats:
        return ratio(totals[..., :1], totals[..., 1:])

    async def measure(self, batch: Batch, tools: Tools) -> Rows:
        outputs = batch.texts("output")
        pairs = list(zip(batch.texts("input"), outputs)) if self.reads == "pair" else [(text, None) for text in outputs]
        distinct = {pair: place for place, pair in enumerate(dict.fromkeys(pairs))}
        seconds = [second for _, second in distinct if second is not None]
        found = await tools.classify([first for first, _ in distinct], seconds if self.reads == "pair" else None)
        logits = found[[distinct[pair] for pair in pairs]]
        chosen = self._chosen(logits, tools.model)
        wrong = dict.fromkeys(
            np.flatnonzero(~np.isfinite(logits).all(axis=1)).tolist(), "the model gave a logit that is no number"
        )
        return Rows.of(chosen, np.ones(len(batch)), errors=wrong)

    def _chosen(self, logits: Floats, model: str) -> Floats:
        """The score of each row of logits, shape (n, k) to (n,).

        Raises:
            BackendRefused: of several logits none is named, or one that is not there.
        """
        count = logits.shape[1]
        if self.logit is None and count > 1:
            raise BackendRefused(f"{model} gives {count} logits; say which, `logit: 0` to `logit: {count - 1}`")
        if self.logit is not None and self.logit >= count:
            raise BackendRefused(f"{model} gives {count} logits, counted from 0; there is none of number {self.logit}")
        logits = np.where(np.isfinite(logits), logits, 0.0)  # those rows are errors
        own = logits[:, self.logit or 0]
        if not self.probability:
            return own
        if count == 1:
            logits = np.stack([own, np.zeros(len(own))], axis=1)
        share: Floats = np.exp(own - np.logaddexp.reduce(logits, axis=1))
        return share
