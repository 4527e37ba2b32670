"""What a metric, a backend and the other plug-in parts must be."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from evalkit.core.asking import Capability, Tools
from evalkit.core.batch import Batch
from evalkit.core.rows import Floats, Rows

IntervalKind = Literal["bootstrap", "wilson", "none"]


@dataclass(frozen=True)
class DataFacts:
    """What a signature may have to say about the data: how many references a record has, least and most."""

    min_references: int = 1
    max_references: int = 1


class Measure(ABC):
    """What CPU metrics and model metrics share: everything but how a batch is measured.

    A subclass is a frozen dataclass whose fields are its options in a suite.
    """

    name: ClassVar[str] = ""  # set by the registry's decorator
    version: ClassVar[str] = "1"  # raised when the same input may give another number
    needs: ClassVar[tuple[str, ...]] = ("output",)  # columns; a null in one of them is an error for that record
    higher_is_better: ClassVar[bool | None] = True  # None: neither direction is better
    interval: ClassVar[IntervalKind] = "bootstrap"  # of every part, unless `interval_of` says otherwise
    partial: ClassVar[bool] = False  # True: each part is a mean over the records that have it, and a scored one may lack some
    additive: ClassVar[bool] = True  # False: values come from `combine_rows` (quantiles), not from sums
    may_ask: ClassVar[bool] = False  # whether it asks a model, be it only with some of its options

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the values; ``""`` is the bare metric itself."""
        return ("",)

    @property
    def main(self) -> str:
        """The part that the bare name means."""
        return self.parts[0]

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Names of the sufficient statistics, in the order of a row."""

    def direction(self, part: str) -> bool | None:  # noqa: ARG002
        """Whether a higher value of this part is better; None when neither is."""
        return self.higher_is_better

    def interval_of(self, part: str) -> IntervalKind:  # noqa: ARG002
        """How this part gets its interval.

        ``"wilson"`` promises that each scored record's own value is 0 or 1 and that the part is their plain mean, so that
        the interval follows from the value and the number of scored records, whatever else the rows hold.
        ``"none"``: no interval is possible.
        """
        return self.interval

    def range_of(self, part: str) -> tuple[float, float] | None:
        """Least and greatest value of a record where this part is the plain mean of its records' values; infinite: no limit.

        None: it is no such mean (a ratio of sums, a quantile), and a gate on it cannot stop early.
        """
        return (0.0, 1.0) if self.interval_of(part) == "wilson" else None

    def open_ended(self, part: str) -> bool:
        """Whether this part is a plain mean without a limit on one side or both: its interval is then a bootstrap-t."""
        limits = self.range_of(part)
        return limits is not None and not (math.isfinite(limits[0]) and math.isfinite(limits[1]))

    def needs_of(self) -> tuple[str, ...]:
        """The columns that this metric, with its options, must find."""
        return self.needs

    def needs_instead(self) -> tuple[str, ...]:
        """The columns that do as well as those of `needs_of`, where its options leave open which it reads; else none."""
        return ()

    def for_columns(self, columns: Collection[str]) -> Self:  # noqa: ARG002
        """This metric for data with these columns: which of them it reads is open no more."""
        return self

    def lacking(self, batch: Batch) -> dict[int, str]:
        """The records of which a needed value is null or an empty list, and which value that is."""
        return lacking(batch, self.needs_of())

    @abstractmethod
    def combine(self, totals: Floats) -> Floats:
        """Summed rows, shape (..., k), to values, shape (..., parts); 0/0 is NaN without a warning."""

    def combine_rows(self, values: Floats, weights: NDArray[np.float64]) -> Floats:
        """Values of weighted rows: (n, k) and weights (b, n) to (b, parts). Only where `additive` is False."""
        return self.combine(weights @ values)

    def record_values(self, rows: Rows) -> Floats:
        """Each record's own values, shape (n, parts); NaN where it was not scored."""
        return self.combine(rows.values)

    def signature(self, facts: DataFacts) -> str:  # noqa: ARG002 - for those whose line tells of the data
        """A citable line: the name and every option that moves the score."""
        from evalkit.core.signature import default_signature

        return default_signature(self)

    def options(self) -> dict[str, Any]:
        """The options as given or defaulted, by field name; a field that begins with ``_`` is no option."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {field.name: getattr(self, field.name) for field in fields if not field.name.startswith("_")}

    def given(self) -> dict[str, Any]:
        """The options with which the class that is registered under its name makes this metric again."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {field.name: getattr(self, field.name) for field in fields if field.init and not field.name.startswith("_")}


class Metric(Measure):
    """A metric that needs no model: pure, on the CPU."""

    @abstractmethod
    def measure(self, batch: Batch) -> Rows:
        """Rows of a batch in which no needed column is null."""

    def score(self, batch: Batch) -> Rows:
        """Rows of any batch: a record that lacks a needed value is an error, the rest are measured."""
        why = self.lacking(batch)
        if not why:
            return self.measure(batch)
        kept = np.array([index for index in range(len(batch)) if index not in why], dtype=np.int64)
        if not len(kept):
            return Rows(np.full((len(batch), len(self.columns)), np.nan), errors=why)
        return self.measure(batch.take(kept)).spread(kept, len(batch), why)


class CorpusMetric(Metric):
    """A metric that only exists for a whole set of records: it has no rows to sum, hence no interval and no record values.

    Its rows say which records it can take; `corpus` computes every value in one call, and is asked again for each slice.
    Whoever runs it must hold the columns of `needs_of` for all records at once.
    """

    interval: ClassVar[IntervalKind] = "none"
    additive: ClassVar[bool] = False

    def prepare(self) -> None:
        """Fetch what `corpus` will need; raises `EvalkitError` where that cannot be had, before anything is scored."""

    @abstractmethod
    def corpus(self, batch: Batch) -> Floats:
        """The values over all records of the batch (those that are scored), shape (parts,); may raise `EvalkitError`."""

    @property
    def columns(self) -> tuple[str, ...]:
        return ("records",)

    def measure(self, batch: Batch) -> Rows:
        return Rows(np.ones((len(batch), 1)))

    def combine(self, totals: Floats) -> Floats:
        return np.full((*totals.shape[:-1], len(self.parts)), np.nan)


class ModelMetric(Measure):
    """A metric that asks a model; it meets the world only through `Tools`."""

    may_ask: ClassVar[bool] = True
    wants: ClassVar[frozenset[Capability]] = frozenset({"chat"})  # of its backend, unless `wants_of` says otherwise

    def wants_of(self) -> frozenset[Capability]:
        """What the backend must be able to do for this metric with its options."""
        return self.wants

    def instead(self, lacking: frozenset[Capability]) -> str | None:  # noqa: ARG002
        """What to do about a backend that cannot do ``lacking``: another mode, another metric; None: another backend."""
        return None

    def others(self) -> tuple[str, ...]:
        """Names of further backends that this metric uses beside its own, through `Tools.using`."""
        return ()

    @property
    def asks(self) -> bool:
        """Whether it asks a model, its own backend or another."""
        return bool(self.wants_of() or self.others())

    def wants_from(self, backend: str) -> frozenset[Capability]:  # noqa: ARG002
        """What one of `others` must be able to do."""
        return frozenset()

    def outputs_of(self) -> str | None:
        """The name of a run whose outputs this metric reads beside the record's own, in the column ``output@NAME``."""
        return None

    def opponent(self) -> str | None:
        """The id of the run that `outputs_of` was found to mean; None before, and of any other metric."""
        return None

    def pinned(self, run_id: str, sha256: str) -> Self:  # noqa: ARG002
        """This metric, once it is known which run `outputs_of` means; the sha256 of its outputs belongs in `options`."""
        return self

    @property
    def mode(self) -> str | None:
        """How scores come about, where there are several ways (``logprob``, ``sampled``, ``single``); fixed before a run."""
        return None

    def about(self) -> str | None:
        """What a reader must know to read the value: its raw scale."""
        return None

    async def prepared(self, tools: Tools) -> Self:  # noqa: ARG002
        """This metric with all that was left open fixed (a mode, evaluation steps); called once, before anything is scored.

        Raises:
            SpecError: it cannot be fixed.
        """
        return self

    def learns_of(self) -> tuple[str, ...]:
        """Columns that it must have seen of all records before it measures the first; none: `learned` is not called."""
        return ()

    async def learned(self, batches: Iterable[Batch], tools: Tools) -> Self:  # noqa: ARG002
        """This metric with what it takes from the whole data set (how rare each token is); called once before `measure`.

        Args:
            batches: all records in order, some thousands at a time; they hold the columns of `learns_of`.
        """
        return self

    @abstractmethod
    async def measure(self, batch: Batch, tools: Tools) -> Rows:
        """Rows of a batch in which no needed column is null."""

    def prompts(self) -> dict[str, str]:
        """The prompt texts that this metric sends, by name: a run stores them."""
        return {}

    async def score(self, batch: Batch, tools: Tools) -> Rows:
        """Rows of any batch: a record that lacks a needed value is an error, the rest are measured."""
        why = self.lacking(batch)
        if not why:
            return await self.measure(batch, tools)
        kept = np.array([index for index in range(len(batch)) if index not in why], dtype=np.int64)
        if not len(kept):
            return Rows(np.full((len(batch), len(self.columns)), np.nan), errors=why)
        return (await self.measure(batch.take(kept), tools)).spread(kept, len(batch), why)


def lacking(batch: Batch, needs: Sequence[str]) -> dict[int, str]:
    """The records that lack a needed value, and which; shape of a note in `Rows`."""
    why: dict[int, str] = {}
    generated = {"output": batch.column("generation_error"), "samples": batch.column("samples_error")}
    for column in needs:
        for index in np.flatnonzero(batch.missing(column)).tolist():
            reason = generated[column][index] if column in generated else None
            why.setdefault(index, f"no {column}: {reason}" if reason is not None else f"no {column}")
    return why
