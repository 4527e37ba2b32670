"""BLEURT: a regression model that reads the reference and the output together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evalkit.core.asking import Capability, Tools
from evalkit.core.batch import Batch
from evalkit.core.contracts import ModelMetric
from evalkit.core.errors import BackendRefused
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.stats.ratio import ratio


@metric("bleurt")
@dataclass(frozen=True)
class Bleurt(ModelMetric):
    """What a BLEURT checkpoint says of (reference, output): raw and unbounded, roughly 0 to 1 for BLEURT-20.

    An encoder reads the reference, then the output, 512 tokens at most; a linear head over the first token's vector gives
    the score. Any checkpoint converted for torch will do, by path or hub name. Each checkpoint is another scale: values of
    two of them do not compare. Of several references the best counts. An empty text is read like any other.

    Misleads: it was trained to rate translations of single sentences: long answers, other tasks and other languages than
    its checkpoint's are guesses. Raw values have no meaning of their own; compare only within a checkpoint.

    Source: Sellam et al. (2020), arXiv:2004.04696; checkpoints: Pu et al. (2021), arXiv:2110.06341.
    """

    needs: ClassVar[tuple[str, ...]] = ("output", "reference")
    wants: ClassVar[frozenset[Capability]] = frozenset({"classify"})

    @property
    def columns(self) -> tuple[str, ...]:
        return ("score", "records")

    def range_of(self, part: str) -> tuple[float, float] | None:  # noqa: ARG002 - one for all
        return -math.inf, math.inf

    def combine(self, totals: Floats) -> Floats:
        return ratio(totals[..., :1], totals[..., 1:])

    def about(self) -> str | None:
        return "raw, unbounded"

    async def measure(self, batch: Batch, tools: Tools) -> Rows:
        outputs, references = batch.texts("output"), batch.lists("reference")
        pairs = [(text, outputs[owner]) for text, owner in zip(references.flat, references.owners)]
        distinct = list(dict.fromkeys(pairs))
        logits = await tools.classify([first for first, _ in distinct], [second for _, second in distinct])
        if logits.shape[1] != 1:
            raise BackendRefused(f"{tools.model} gives {logits.shape[1]} numbers a pair; a BLEURT checkpoint gives one")
        scores = dict(zip(distinct, logits[:, 0]))
        return Rows.of(references.best(np.array([scores[pair] for pair in pairs])), np.ones(len(batch)))
