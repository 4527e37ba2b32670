"""A judge that looks at one record after the other: what it gives for each, and how records make a value."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from evalkit.core.asking import Tools
from evalkit.core.batch import Batch, as_text
from evalkit.core.contracts import ModelMetric, lacking
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

    def passages(self, column: str = "contexts") -> list[str]:
        """The texts of a list as they are counted, empty ones too; none where all are empty."""
        value = self.batch.column(column)[self.index]
        listed = [as_text(one) for one in value] if isinstance(value, (list, tuple)) else [self.text(column)]
        return listed if any(text.strip() for text in listed) else []

    def value(self, column: str) -> Any:
        """The value as it is."""
        return self.batch.column(column)[self.index]


class RecordJudge(ModelMetric):
    """Each part is the mean over the records that have it; rows are the parts' values, then 1 for each that is there."""

    partial: ClassVar[bool] = True

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
        return nulls(batch, self.needs_of())

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
            if np.isnan(values).all():
                rows.skipped[index] = one.reason or "nothing to judge"
            else:
                rows.values[index] = np.concatenate([np.nan_to_num(values), ~np.isnan(values)])
                if one.reason is not None:
                    rows.reasons[index] = one.reason
            if one.evidence is not None:
                rows.evidence[index] = one.evidence
        return rows


def nulls(batch: Batch, needs: Sequence[str]) -> dict[int, str]:
    """The records of which a needed value is null, and which; an empty list is a value."""
    listed = {column: [value == [] for value in batch.column(column)] for column in needs}
    found: dict[int, str] = {}
    for column in needs:
        for index, why in lacking(batch, (column,)).items():
            if not listed[column][index]:
                found.setdefault(index, why)
    return found


def known(values: Floats, what: str) -> Floats:
    """Values that a model gave, none of which is NaN.

    Raises:
        BackendError: one is.
    """
    if np.isnan(values).any():
        raise BackendError(f"{what} is no number")
    return values


async def everything(asked: Iterable[Awaitable[T]]) -> Sequence[T]:
    """All results, in order; where some failed, the first failure, once nothing is under way any more."""
    found = await asyncio.gather(*asked, return_exceptions=True)
    failures = [result for result in found if isinstance(result, BaseException)]
    for failure in sorted(failures, key=lambda one: isinstance(one, BackendError)):  # what ends the run comes first
        raise failure
    return [result for result in found if not isinstance(result, BaseException)]
