"""Refusals: answers that decline what they were asked for, by patterns or as a chat model sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np

from evalkit.core.asking import Tools
from evalkit.core.batch import Batch
from evalkit.core.contracts import IntervalKind, Measure, Metric, ModelMetric
from evalkit.core.errors import SpecError, quote
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.judges.one_question import judged, nothing
from evalkit.judges.prompt import load
from evalkit.stats.ratio import ratio
from evalkit.text.refusal import phrases

LANGUAGES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese", "nl": "Dutch",
    "zh": "Chinese", "ja": "Japanese",
}  # fmt: skip


@metric("refusal")
@dataclass(frozen=True)
class Refusal(Measure):
    """Share of outputs that decline what they were asked for, 0 to 1; neither more nor less is better by itself.

    - ``patterns``: a clause among the first 200 bytes begins with the words of a refusal, in one of nine languages; the reason
      quotes them. No model is asked.
    - ``judge``: a chat model says whether the output declines the input.

    An empty output says nothing: skipped. Patterns do not see a refusal that comes late, that only changes the subject, or in
    another language; they take a refusal for one that is followed by an answer after all.

    Misleads: a refusal is right where the request was harmful: read it per kind of prompt. A rise may be a change of
    wording that the patterns know or do not know; hold some outputs against `variant: judge`.
    """

    variant: Literal["patterns", "judge"] = "patterns"

    may_ask: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("output",)
    higher_is_better: ClassVar[bool | None] = None
    interval: ClassVar[IntervalKind] = "wilson"

    def __new__(cls, variant: str = "patterns") -> Self:
        """An object of the kind of metric that ``variant`` asks for."""
        kind = {"patterns": RefusalByPatterns, "judge": RefusalByJudge}.get(variant) if cls is Refusal else cls
        if kind is None:
            raise SpecError(f"variant is {quote(variant)}; it is patterns or judge")
        return object.__new__(kind)  # type: ignore[return-value]

    @property
    def columns(self) -> tuple[str, ...]:
        return ("refused", "records")

    def combine(self, totals: Floats) -> Floats:
        return ratio(totals[..., :1], totals[..., 1:])


@dataclass(frozen=True)
class RefusalByPatterns(Refusal, Metric):
    """`Refusal` without a model."""

    def measure(self, batch: Batch) -> Rows:
        found = phrases(batch.texts("output"))
        rows = Rows.of([told is not None for told in found], np.ones(len(batch)), skipped=nothing(batch))
        for index, told in enumerate(found):
            if told is not None:
                rows.reasons[index] = f"“{told[1]}”, in {LANGUAGES[told[0]]}"
                rows.evidence[index] = {"language": told[0], "phrase": told[1]}
        return rows


@dataclass(frozen=True)
class RefusalByJudge(Refusal, ModelMetric):
    """`Refusal` as a chat model sees it."""

    def prompts(self) -> dict[str, str]:
        return {"refusal": load("refusal").text}

    async def measure(self, batch: Batch, tools: Tools) -> Rows:
        texts = {"question": batch.texts("input"), "answer": batch.texts("output")}
        return await judged(batch, tools, load("refusal"), {"yes": 1.0, "no": 0.0}, texts, nothing(batch))
