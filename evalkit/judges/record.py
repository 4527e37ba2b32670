"""A judge that looks at one record after the other: what it gives for each, and how records make a value."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from evalkit.core.asking import Tools
from evalkit.core.batch import Batch, as_text
from evalkit.core.contracts import ModelMetric
from evalkit.core.errors import BackendError
from evalkit.core.rows import Floats, Rows
from evalkit.stats.ratio import ratio

T = TypeVar("T")


class Judged(NamedTuple):
    """What came of a record: a value for each part (NaN where that part has none), why, and what it rests on."""

    values: tuple[float, ...]
    reason: str | None = None
    evidence: Any = None


@dataclass(frozen=True)
class Record:
    """One record of a batch."""

    batch: Batch
    index: int

    def text(self, column: str) -> str:
        """A text; null is empty."""
        return self.batch.texts(column)[self.index]

    def texts(self, column: str) -> list[str]:
        """One or several texts, without empty ones; none where the data has no such column."""
        value = self.batch.column(column)[self.index]
        listed = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
        return [text for one in listed if (text := as_text(one)).strip()]

    def value(self, column: str) -> Any:
        """The value as it is."""
        return self.batch.column(column)[self.index]


class RecordJudge(ModelMetric):
    """Each part is the mean over the records that have it; rows are the parts' values, then 1 for each that is there."""

    @property
    def columns(self) -> tuple[str, ...]:
        names = tuple(part or "score" for part in self.parts)
        return (*names, *(f"{name}_records" for name in names))

    def range_of(self, part: str) -> tuple[float, float] | None:
        return 0.0, 1.0

    def combine(self, totals: Floats) -> Floats:
        k = len(self.parts)
        return ratio(totals[..., :k], totals[..., k:])

    @abstractmethod
    async def judge(self, record: Record, tools: Tools) -> Judged | str:
        """What comes of a record, or why there is nothing to judge."""

    def lacking(self, batch: Batch) -> dict[int, str]:
        """Null is an error; an empty list is a value, of which `judge` says that there is nothing to judge."""
        empty = {
            index
            for column in self.needs_of()
            for index, value in enumerate(batch.column(column))
            if isinstance(value, (list, tuple)) and not value
        }
        return {index: why for index, why in super().lacking(batch).items() if index not in empty}

    async def measure(self, batch: Batch, tools: Tools) -> Rows:
        asked = (self.judge(Record(batch, index), tools.on(name)) for index, name in enumerate(batch.texts("id")))
        found = await asyncio.gather(*asked, return_exceptions=True)
        rows = Rows(np.full((len(batch), len(self.columns)), np.nan))
        came: Iterator[tuple[int, Judged | str]] = rows.settled(found)
        for index, one in came:
            if isinstance(one, str):
                rows.skipped[index] = one
                continue
            values = np.array(one.values, dtype=np.float64)
            rows.values[index] = np.concatenate([np.nan_to_num(values), ~np.isnan(values)])
            if one.reason is not None:
                rows.reasons[index] = one.reason
            if one.evidence is not None:
                rows.evidence[index] = one.evidence
        return rows


async def everything(asked: Iterable[Awaitable[T]]) -> Sequence[T]:
    """All results, in order; where some failed, the first failure, once nothing is under way any more."""
    found = await asyncio.gather(*asked, return_exceptions=True)
    failures = [result for result in found if isinstance(result, BaseException)]
    for failure in sorted(failures, key=lambda one: isinstance(one, BackendError)):  # what ends the run comes first
        raise failure
    return [result for result in found if not isinstance(result, BaseException)]
