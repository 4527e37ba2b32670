"""Measuring with the metrics that ask a model: many small batches under way at once, each kept as soon as it is answered."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np

from evalkit.backends.pipeline import Call
from evalkit.core.asking import Tools
from evalkit.core.batch import Batch
from evalkit.core.contracts import ModelMetric
from evalkit.core.errors import BackendRefused, BudgetSpent, StoreError
from evalkit.core.rows import NOT_JUDGED, Rows
from evalkit.records.dataset import Chunk
from evalkit.runner.measure import checked, values_of
from evalkit.runner.models import Models
from evalkit.runner.opponent import beside
from evalkit.runner.sequential_ask import BATCH as BATCH_EARLY
from evalkit.runner.sequential_ask import Early, allowed, forget, safe
from evalkit.runner.watch import Progress
from evalkit.store.calls import write_calls
from evalkit.store.outputs import Outputs
from evalkit.store.parts import Part, part_path, read_part, write_part

BATCH = 50  # records; what a kill can lose of one metric, and their replies are in the cache
ENDS_THE_RUN = (BackendRefused, BudgetSpent, StoreError)


def part_paths(folder: Path, chunk: Chunk, label: str) -> list[Path]:
    """Where the batches of a chunk's judged rows lie, in order."""
    whole = part_path(folder, chunk.index)
    return [whole.with_suffix(f".{safe(label)}.{number:04d}.arrow") for number in range(-(-chunk.n // BATCH))]


def calls_path(part: Path) -> Path:
    """Where the calls behind a batch of judged rows lie."""
    return part.with_suffix(".calls.arrow")


@dataclass(frozen=True)
class Job:
    """A batch of records that one metric is to measure."""

    chunk: int
    number: int
    label: str
    path: Path
    batch: Batch
    earlier: Rows | None  # of which only the errors are measured again
    counted: bool = True  # in the progress
    done: Callable[[Rows], None] | None = None  # is told the rows once they are written


@dataclass(frozen=True)
class Asking:
    """What is to be asked, and of whom: metrics and the names of their backends, by label."""

    metrics: Mapping[str, ModelMetric]
    backend_of: Mapping[str, str]
    chunks: Sequence[Chunk]
    folder: Path  # of the parts
    previous: Path | None
    models: Models
    progress: Progress
    outputs: Mapping[str, Outputs] = field(default_factory=dict)  # of other runs, by the name that a metric gives one
    early: Mapping[str, Early] = field(default_factory=dict)  # what is judged in random order until its gates have decided

    async def all(self) -> None:
        """Measure every chunk with every metric; what is on disk already is not asked again.

        Backends elsewhere are asked all at once. Those that hold a model in this process follow one another, and each gives
        its memory back before the next one loads.
        """
        with self.models.account.kept(self.folder), _settled():
            for labels, local in self._turns():
                await self._turn(labels)
                if local is not None:
                    await self.models.close(local)

    def _turns(self) -> Iterator[tuple[list[str], str | None]]:
        """Labels to ask together, and the backend to close after them."""
        local: dict[str, list[str]] = {}
        together: list[str] = []
        for label, metric in self.metrics.items():
            own = self.backend_of[label]
            if getattr(self.models.backends[own], "local", False) and not metric.others():
                local.setdefault(own, []).append(label)
            else:
                together.append(label)
        shared = {other for label in together for other in (self.backend_of[label], *self.metrics[label].others())}
        for backend in list(local):
            if backend in shared:
                together += local.pop(backend)
        if together:
            yield together, None
        for backend, labels in local.items():
            yield labels, backend

    async def _turn(self, labels: Sequence[str]) -> None:
        backends = {name for label in labels for name in (self.backend_of[label], *self.metrics[label].others())}
        wanted = sum(int(getattr(self.models.backends[name], "max_concurrency", 16)) for name in backends)
        window = 2 + -(-2 * wanted // BATCH)  # enough to keep them busy while a batch waits for its last answer
        early = {label: self.early[label] for label in labels if label in self.early}
        plain = [label for label in labels if label not in early]
        forget(self.folder, plain)
        for one in early.values():
            one.window = 1 + -(-wanted // (BATCH_EARLY * len(labels)))
            one.resume()
        before = min((one.records for one in early.values()), default=0)
        if plain:
            before = sum(self._done(chunk, plain) for chunk in self.chunks)
        self.progress.start("asking", before)
        metrics = await self._learned(labels) if early or before < sum(chunk.n for chunk in self.chunks) else {}
        left: Counter[tuple[int, int]] = Counter()
        pending: set[asyncio.Task[None]] = set()
        failed: BaseException | None = None
        try:
            for jobs in chain(self._jobs(plain), self._in_order(early, counted=not plain)):
                if not jobs:  # what is to be asked next depends on what is on its way
                    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                    failed = _failure(done)
                    if failed is not None:
                        break
                left.update((job.chunk, job.number) for job in jobs)
                for job in jobs:
                    pending.add(asyncio.create_task(self._do(metrics[job.label], job, left)))
                    while len(pending) >= window and failed is None:
                        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                        failed = _failure(done)
                    if failed is not None:
                        break
                if failed is not None:
                    break
            # Whatever ends a run, answers on their way are waited for: they are paid for, and go into the cache.
            while pending:
                if failed is not None:
                    self.models.stop(failed if isinstance(failed, ENDS_THE_RUN) else BackendRefused("the run has ended"))
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                error = _failure(done)
                failed = failed or error
            if failed is not None:
                await self.models.settle()
        finally:
            for task in pending:
                task.cancel()
        if failed is not None:
            raise failed
        for label, one in early.items():
            one.write(self.chunks, metrics[label])

    def _in_order(self, early: Mapping[str, Early], *, counted: bool) -> Iterator[list[Job]]:
        """What is left to do of metrics whose gates may stop them; an empty list: wait for something that is on its way."""
        for asked in allowed(early):
            yield [
                Job(
                    -1, number, one.label, one.path(number), one.blocks.take(number * BATCH_EARLY, (number + 1) * BATCH_EARLY),
                    one.earlier.take(one.places(number)) if one.earlier is not None else None,
                    counted, partial(one.add, number),
                )
                for one, number in asked
            ]  # fmt: skip

    def _jobs(self, labels: Sequence[str]) -> Iterator[list[Job]]:
        """What is left to do, a chunk at a time; a chunk is read when its turn comes."""
        for chunk in self.chunks:
            todo = [
                (number, label, path)
                for label in labels
                for number, path in enumerate(part_paths(self.folder, chunk, label))
                if not path.exists()
            ]
            if not todo:
                continue
            whole = beside(chunk.read(), self.outputs)
            before = self._before(chunk)
            spans = {number: range(number * BATCH, min((number + 1) * BATCH, chunk.n)) for number, *_ in todo}
            batches = {number: whole.take(span) for number, span in spans.items()}
            yield [
                Job(
                    chunk.index, number, label, path, batches[number],
                    before.rows[label].take(spans[number]) if before is not None and label in before.rows else None,
                )
                for number, label, path in sorted(todo)
            ]  # fmt: skip

    async def _learned(self, labels: Sequence[str]) -> dict[str, ModelMetric]:
        """The metrics to ask with, once those that must have seen all records have."""
        metrics = {label: self.metrics[label] for label in labels}
        for label, metric in metrics.items():
            if metric.learns_of():
                tools = self.models.tools(label, self.backend_of[label])
                metrics[label] = await metric.learned((chunk.read() for chunk in self.chunks), tools)
        return metrics

    async def _do(self, metric: ModelMetric, job: Job, left: Counter[tuple[int, int]]) -> None:
        journal: list[Call] = []
        tools = self.models.tools(job.label, self.backend_of[job.label], journal)
        rows = await remeasured(metric, job.batch, tools, job.earlier)
        part = Part(list(job.batch.texts("id")), rows={job.label: rows}, values={job.label: values_of(metric, rows)})
        if journal:
            write_calls(calls_path(job.path), columns_of(journal))
        write_part(job.path, part, self.metrics)
        left[job.chunk, job.number] -= 1
        if job.done is not None:
            job.done(rows)
        if job.counted and not left[job.chunk, job.number]:
            self.progress.advance(len(job.batch))

    def _done(self, chunk: Chunk, labels: Sequence[str]) -> int:
        """How many records of a chunk are measured with all these metrics."""
        there = zip(*(part_paths(self.folder, chunk, label) for label in labels))
        done = [number for number, paths in enumerate(there) if all(path.exists() for path in paths)]
        return sum(min(BATCH, chunk.n - number * BATCH) for number in done)

    def _before(self, chunk: Chunk) -> Part | None:
        path = part_path(self.previous, chunk.index) if self.previous else None
        return read_part(path, self.metrics) if path is not None and path.exists() else None


@contextmanager
def _settled() -> Iterator[None]:
    """The garbage collector passes by what was there before (modules, plans): a sixth of a call's CPU was to walk it again."""
    if gc.get_freeze_count():  # the program around us has its own way
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _failure(done: Iterable[asyncio.Task[None]]) -> BaseException | None:
    """What made one of some finished tasks fail; each is asked, or it would complain aloud."""
    found = [error for task in done if (error := task.exception()) is not None]
    return found[0] if found else None


async def remeasured(metric: ModelMetric, batch: Batch, tools: Tools, before: Rows | None) -> Rows:
    """The rows of a batch; with earlier rows, only errors are measured again, and what nobody was asked about then."""
    if before is None:
        return await guarded(metric, batch, tools)
    again = sorted({*before.errors, *(at for at, why in before.skipped.items() if why.startswith(NOT_JUDGED))})
    return before.replaced(again, await guarded(metric, batch.take(again), tools)) if again else before


async def guarded(metric: ModelMetric, batch: Batch, tools: Tools) -> Rows:
    """Rows of a batch; a metric that raises is tried record by record, so that only the culprits are errors."""
    try:
        return checked(metric, await metric.score(batch, tools))
    except ENDS_THE_RUN:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        if len(batch) == 1:
            return Rows(np.full((1, len(metric.columns)), np.nan), errors={0: why})
        return Rows.concat(await asyncio.gather(*(guarded(metric, batch.take([each]), tools) for each in range(len(batch)))))


def columns_of(calls: Sequence[Call]) -> dict[str, list[object]]:
    """Calls as `store.calls` keeps them."""
    replies = [call.reply for call in calls]
    return {
        "metric": [call.origin.metric for call in calls],
        "id": [call.origin.record for call in calls],
        "call": [call.origin.call for call in calls],
        "key": [call.key for call in calls],
        "messages": [_json(call.messages) for call in calls],
        "text": [reply.text if reply is not None else None for reply in replies],
        "verdict": [_json(call.value) if call.error is None else None for call in calls],
        "error": [call.error for call in calls],
        "model": [reply.model if reply is not None else None for reply in replies],
        "logprobs": [_json(reply.tokens) if reply is not None and reply.tokens else None for reply in replies],
        "repeat": [call.repeat for call in calls],
        "attempts": [call.attempts for call in calls],
        "seconds": [call.seconds for call in calls],
        "cached": [call.cached for call in calls],
        "prompt_tokens": [reply.prompt_tokens if reply is not None else 0 for reply in replies],
        "completion_tokens": [reply.completion_tokens if reply is not None else 0 for reply in replies],
    }


def _json(value: object) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()
