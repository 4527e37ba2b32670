"""A sequence classifier's opinion of an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from evalkit.core.asking import Capability, Tools
from evalkit.core.batch import Batch
from evalkit.core.contracts import ModelMetric
from evalkit.core.errors import SpecError
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.stats.ratio import ratio


@metric("reward")
@dataclass(frozen=True)
class Reward(ModelMetric):
    """One logit of any sequence classifier over (input, output): a reward model, a topic, a tone; mean over records.

    A logit is unbounded, and its scale the model's own.

    Args:
        logit: which one, counted from 0; None: the only one.
        reads: the pair of input and output, or the output alone.
        probability: the softmax over all logits instead, or of an only logit the logistic function: 0 to 1.
        positive: whether more of it is better.
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

    def about(self) -> str | None:
        return None if self.probability else "a raw logit"

    def combine(self, totals: Floats) -> Floats:
        return ratio(totals[..., :1], totals[..., 1:])

    async def measure(self, batch: Batch, tools: Tools) -> Rows:
        outputs = batch.texts("output")
        if self.reads == "pair":
            logits = await tools.classify(batch.texts("input"), outputs)
        else:
            logits = await tools.classify(outputs)
        return Rows.of(self._chosen(logits, tools.model), np.ones(len(batch)))

    def _chosen(self, logits: Floats, model: str) -> Floats:
        count = logits.shape[1]
        if self.logit is None and count > 1:
            raise ValueError(f"{model} gives {count} logits; say which, `logit: 0` to `logit: {count - 1}`")
        if self.logit is not None and self.logit >= count:
            raise ValueError(f"{model} gives {count} logits, counted from 0; there is none of number {self.logit}")
        if not self.probability:
            return logits[:, self.logit or 0]
        if count == 1:
            return 1 / (1 + np.exp(-logits[:, 0]))
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        chosen: Floats = raised[:, self.logit or 0] / raised.sum(axis=1)
        return chosen
