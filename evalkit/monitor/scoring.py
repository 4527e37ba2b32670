"""Metrics over rows of logs: CPU ones at once, others through the pipelines of a suite, as far as a budget reaches."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from evalkit.backends.account import Account, Price
from evalkit.backends.nobody import NOBODY
from evalkit.core.asking import Tools
from evalkit.core.batch import Batch
from evalkit.core.contracts import Measure, Metric, ModelMetric
from evalkit.core.errors import BackendError, BackendRefused, BudgetSpent
from evalkit.core.rows import NOT_JUDGED, Rows
from evalkit.core.signature import fingerprint
from evalkit.runner import measure
from evalkit.runner.ask import guarded
from evalkit.runner.measure import values_of
from evalkit.runner.models import Models, make_backend
from evalkit.specs.judged import JudgeSample
from evalkit.specs.suite import BackendSpec

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """Some rows and their scores.

    Attributes:
        values: of the metric's main part, shape (n,); NaN of errors, of what was skipped, and of what nobody was asked about.
        spent, refused: why some were not asked about: the budget was spent, the backend answers nobody.
    """

    batch: Batch
    rows: Rows
    values: Floats
    spent: str = ""
    refused: str = ""

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which rows have a score."""
        return ~np.isnan(self.values)


class Scorer:
    """The metrics of a monitor and the models that they ask; a context manager. Nothing is opened before the first question.

    Args:
        cache: the folder of the store's replies.
        spending: a folder for what a budget has been used up to, so that a killed process goes on with the exact sums.

    Raises:
        SpecError: a backend cannot be made.
    """

    def __init__(
        self, samples: Sequence[JudgeSample], backends: Mapping[str, BackendSpec], prices: Mapping[str, Any],
        cache: Path, spending: Path,
    ) -> None:  # fmt: skip
        self._samples = {sample.metric.label: sample for sample in samples}
        used = {name for sample in samples for name in _asked_of(sample)}
        self.models = Models({name: make_backend(backends[name]) for name in sorted(used)}, Account(), cache=cache)
        self._prices = {model: Price(**told) for model, told in prices.items()}
        self._spending = spending
        self._settled: dict[str, Measure] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.models.__exit__(kind, error, trace)

    def identity(self, sample: JudgeSample) -> str:
        """sha256 of all that moves the score: the metric, its options and prompts, the models."""
        names = [self.models.backends[name].identity for name in _asked_of(sample)]
        return fingerprint(sample.metric.metric, backend="+".join(names) or None)

    def score(self, sample: JudgeSample, batch: Batch, when: str) -> Scored:
        """Scores of all rows, as far as the budget of ``when`` reaches: rows in front are asked about first.

        Raises:
            SpecError: the metric cannot be made ready.
            StoreError: replies cannot be kept.
        """
        label = sample.metric.label
        if isinstance(sample.metric.metric, Metric):
            rows = measure.guarded(sample.metric.metric, batch) if len(batch) else _nothing(sample.metric.metric, 0)
            return _scored(sample.metric.metric, batch, rows)
        try:
            metric = self._settled.get(label) or self._settle(sample)
        except (BackendRefused, BackendError) as error:
            metric = cast("ModelMetric", sample.metric.metric)
            why = dict.fromkeys(range(len(batch)), f"{NOT_JUDGED}{error}")
            rows = replace(_nothing(metric, len(batch)), skipped=why)
            return replace(_scored(metric, batch, rows), refused=str(error))
        calls = sample.budget.get("max_calls")
        account = Account(self._prices, None if calls is None else int(calls), sample.budget.get("max_cost"))
        folder = self._folder(label, when)
        account.resume(folder)
        self.models.charge(account)
        tools = self.models.tools(label, sample.metric.backend)
        at_once = int(getattr(self.models.backends[sample.metric.backend or NOBODY], "max_concurrency", 16))
        with account.kept(folder):
            outcomes = self.models.run(_asked(cast("ModelMetric", metric), batch, tools, at_once))
        return _told(metric, batch, outcomes)

    @contextmanager
    def apart(self, folder: Path) -> Iterator[None]:
        """Ask anew meanwhile; what comes is kept in a folder of its own."""
        with self.models.apart(folder):
            yield

    def forget(self) -> None:
        """Budgets that were used up before: what they were for is finished."""
        shutil.rmtree(self._spending, ignore_errors=True)

    def _settle(self, sample: JudgeSample) -> Measure:
        """The metric with nothing about it left open."""
        label, metric = sample.metric.label, cast("ModelMetric", sample.metric.metric)
        found = self.models.run(metric.prepared(self.models.tools(label, sample.metric.backend)))
        self._settled[label] = found
        return found

    def _folder(self, label: str, when: str) -> Path:
        return self._spending / hashlib.sha256(f"{label}\0{when}".encode()).hexdigest()[:16]


async def _asked(metric: ModelMetric, batch: Batch, tools: Tools, at_once: int) -> list[Rows | BaseException]:
    """Record by record, some under way at once, so that a budget that ends leaves whole records."""
    gate = asyncio.Semaphore(at_once)

    async def one(index: int) -> Rows:
        async with gate:
            return await guarded(metric, batch.take([index]), tools)

    return await asyncio.gather(*(one(index) for index in range(len(batch))), return_exceptions=True)


def _told(metric: Measure, batch: Batch, outcomes: Sequence[Rows | BaseException]) -> Scored:
    parts: list[Rows] = []
    spent, refused = "", ""
    for outcome in outcomes:
        if isinstance(outcome, Rows):
            parts.append(outcome)
            continue
        if isinstance(outcome, BudgetSpent):
            spent = str(outcome)
        elif isinstance(outcome, BackendRefused):
            refused = str(outcome)
        else:
            raise outcome
        parts.append(replace(_nothing(metric, 1), skipped={0: f"{NOT_JUDGED}{outcome}"}))
    rows = Rows.concat(parts) if parts else _nothing(metric, 0)
    return replace(_scored(metric, batch, rows), spent=spent, refused=refused)


def _scored(metric: Measure, batch: Batch, rows: Rows) -> Scored:
    values = values_of(metric, rows)[:, metric.parts.index(metric.main)]
    return Scored(batch, rows, np.asarray(values, dtype=np.float64))


def _nothing(metric: Measure, n: int) -> Rows:
    return Rows(np.full((n, len(metric.columns)), np.nan))


def _asked_of(sample: JudgeSample) -> tuple[str, ...]:
    """The backends that a metric asks."""
    metric = sample.metric.metric
    others = metric.others() if isinstance(metric, ModelMetric) else ()
    return tuple(dict.fromkeys(filter(None, (sample.metric.backend, *others))))
