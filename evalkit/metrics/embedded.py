"""Metrics of passages whose likeness a model's vectors may tell: without a model on the CPU, else through `Tools`."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from evalkit.core.asking import Capability, Tools
from evalkit.core.batch import Batch
from evalkit.core.contracts import DataFacts, IntervalKind, Metric, ModelMetric
from evalkit.core.rows import Floats, Rows
from evalkit.core.signature import default_signature
from evalkit.metrics.passages import Cosines
from evalkit.stats.matching import unit


class PassageMetric(Metric):
    """A metric of the texts in some columns; with the option ``match`` or ``similarity`` at ``embedding``, `Embedded`."""

    may_ask: ClassVar[bool] = True

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """An object of this class, or the one that asks a model in its place."""
        own = object.__new__(cls)
        if "embedding" not in (options.get("match"), options.get("similarity")):
            return own
        own.__init__(*args, **options)  # type: ignore[misc]
        return Embedded(own)  # type: ignore[return-value]

    @property
    def embeds(self) -> tuple[str, ...]:
        """The columns whose texts a model is to give vectors."""
        return self.needs_of()

    def measure(self, batch: Batch) -> Rows:
        return self.measured(batch, None)

    @abstractmethod
    def measured(self, batch: Batch, cosines: Cosines | None) -> Rows:
        """Rows of a batch, by cosines where there are any."""


@dataclass(frozen=True)
class Embedded(ModelMetric):
    """A metric of passages by the cosines of their vectors; it is called and read as the metric itself."""

    of: PassageMetric

    wants: ClassVar[frozenset[Capability]] = frozenset({"embed"})

    def __post_init__(self) -> None:
        for told in ("name", "version", "needs", "higher_is_better", "interval"):
            object.__setattr__(self, told, getattr(self.of, told))

    @property
    def parts(self) -> tuple[str, ...]:
        return self.of.parts

    @property
    def main(self) -> str:
        return self.of.main

    @property
    def columns(self) -> tuple[str, ...]:
        return self.of.columns

    def direction(self, part: str) -> bool | None:
        return self.of.direction(part)

    def interval_of(self, part: str) -> IntervalKind:
        return self.of.interval_of(part)

    def range_of(self, part: str) -> tuple[float, float] | None:
        return self.of.range_of(part)

    def needs_of(self) -> tuple[str, ...]:
        return self.of.needs_of()

    def lacking(self, batch: Batch) -> dict[int, str]:
        return self.of.lacking(batch)

    def combine(self, totals: Floats) -> Floats:
        return self.of.combine(totals)

    def record_values(self, rows: Rows) -> Floats:
        return self.of.record_values(rows)

    def signature(self, facts: DataFacts) -> str:  # noqa: ARG002
        return default_signature(self.of)

    def options(self) -> dict[str, Any]:
        """The metric's own, and which metric it is, as the fingerprint knows this one's class only."""
        return {"of": self.of.name, **self.of.options()}

    def given(self) -> dict[str, Any]:
        return self.of.given()

    async def measure(self, batch: Batch, tools: Tools) -> Rows:
        texts = [text for column in self.of.embeds for text in batch.lists(column).flat if text.strip()]
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        vectors = unit(await tools.embed(list(rows))) if rows else np.zeros((0, 1), dtype=np.float32)
        return self.of.measured(batch, Cosines(vectors, rows))
