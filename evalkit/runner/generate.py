"""Generating the answers of one variant: every record's prompt put to its backend, kept batch by batch, then one data file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from evalkit.backends.pipeline import Call, Pipeline
from evalkit.core.asking import Origin, Reply, Request
from evalkit.core.errors import BackendError, BackendRefused
from evalkit.core.workers import Workers
from evalkit.records.chunk import Chunk
from evalkit.records.dataset import DataSet, scan
from evalkit.runner.ask import BATCH, ENDS_THE_RUN, calls_path, columns_of
from evalkit.runner.checkpoint import GENERATED
from evalkit.runner.data import CHUNK_RECORDS, SMALL, SMALL_CHUNK_RECORDS
from evalkit.runner.models import Models
from evalkit.runner.plan import Plan
from evalkit.runner.watch import Progress
from evalkit.specs.generate import GenerateSpec, Variant
from evalkit.specs.home import shown
from evalkit.specs.template import Unrendered
from evalkit.store.arrow import strings
from evalkit.store.calls import write_calls
from evalkit.store.files import writing
from evalkit.store.parts import part_path, read_arrow

_encoder = msgspec.json.Encoder(enc_hook=str)
Row = dict[str, Any]


@dataclass
class Answers:
    """What became of a generation: the data set that is scored, what results.json tells of it, its calls."""

    data: DataSet
    told: dict[str, Any]
    calls: list[Path]


@dataclass(frozen=True)
class _Batch:
    """Some records whose answers are one file."""

    path: Path
    records: list[Row]
    earlier: list[Row] | None  # their rows in a finished run, of which only the failures are asked for again


@dataclass(frozen=True)
class Generation:
    """The answers of one variant to all records.

    A batch is on disk as soon as its last answer came, and a batch that is there is not asked for again; of one that was
    under way when the process died, the cache has what was answered.

    Args:
        plan: over the records that go in, with its variant.
        folder: the run's.
        previous: the folder of a finished run of an equal plan; what failed there is asked for again, the rest is taken over.
    """

    plan: Plan
    folder: Path
    models: Models
    progress: Progress
    previous: Path | None = None

    def run(self, workers: Workers | None = None) -> Answers:
        """Ask what is not answered yet, and put all answers into one file."""
        self.models.run(self._ask_all())
        return self._merged(workers)

    @property
    def spec(self) -> GenerateSpec:
        """How to generate."""
        assert self.plan.suite.generate is not None
        return self.plan.suite.generate

    @property
    def variant(self) -> Variant:
        """Which prompt and which backend."""
        assert self.plan.variant is not None
        return self.plan.variant

    # --- asking ------------------------------------------------------------------------------------------------------

    async def _ask_all(self) -> None:
        pipeline = self.models.pipelines[self.variant.backend]
        at_once = int(getattr(pipeline.backend, "max_concurrency", 16))
        size = self._size * self.spec.draws
        done = sum(min(self._size, count) for path, count in self._parts() if path.exists())
        self.progress.start("generating", done)
        with self.models.account.kept(self.folder / "parts"):
            async with _window(2 + -(-2 * at_once // size), self.models) as window:
                for batch in self._open():
                    await window.start(self._answer(batch, pipeline))

    @property
    def _size(self) -> int:
        """Records of a batch."""
        return max(1, BATCH // self.spec.draws)

    def _paths(self, chunk: Chunk) -> list[Path]:
        """Where the answers to a chunk lie, batch by batch."""
        whole = part_path(self.folder / "parts", chunk.index)
        return [whole.with_suffix(f".@generated.{number:05d}.arrow") for number in range(-(-chunk.n // self._size))]

    def _parts(self) -> Iterator[tuple[Path, int]]:
        """Every batch's file, and how many records of the chunk there are from its first on."""
        for chunk in self.plan.data.chunks:
            for number, path in enumerate(self._paths(chunk)):
                yield path, chunk.n - number * self._size

    def _open(self) -> Iterator[_Batch]:
        """The batches that are still to be answered; a chunk is read when its turn comes."""
        lines = _Lines.of(self.previous, self.plan.data.n * self.spec.repeats)
        for chunk in self.plan.data.chunks:
            todo = [(number, path) for number, path in enumerate(self._paths(chunk)) if not path.exists()]
            whole = chunk.read() if todo else None
            for number, path in todo:
                assert whole is not None
                span = range(number * self._size, min((number + 1) * self._size, chunk.n))
                records = [{name: values[index] for name, values in whole.columns.items()} for index in span]
                start, stop = (chunk.start + edge for edge in (span.start, span.stop))
                drawn = range(start * self.spec.repeats, stop * self.spec.repeats)
                yield _Batch(path, records, lines.rows(drawn) if lines is not None else None)

    async def _answer(self, batch: _Batch, pipeline: Pipeline) -> None:
        journals: list[list[Call]] = [[] for _ in batch.records]
        repeats = self.spec.repeats
        earlier = [
            batch.earlier[index * repeats : (index + 1) * repeats] if batch.earlier is not None else [None] * repeats
            for index in range(len(batch.records))
        ]
        answered = await _all_of(
            [self._record(*each, pipeline) for each in zip(batch.records, journals, earlier)]  # in the order of the data
        )
        calls = [call for journal in journals for call in sorted(journal, key=lambda call: (call.origin.call, call.repeat))]
        if calls:
            write_calls(calls_path(batch.path), columns_of(calls))
        _write(batch.path, [row for rows in answered for row in rows])
        self.progress.advance(len(batch.records))

    async def _record(self, record: Row, journal: list[Call], earlier: Sequence[Row | None], pipeline: Pipeline) -> list[Row]:
        """The rows of a record, one a draw."""
        spec, name = self.spec, str(record["id"])
        kept = [row if row is not None and row.get("generation_error") is None else None for row in earlier]
        samples = next((row.get("samples") for row in kept if row is not None and row.get("samples_error") is None), None)
        wanted = [k for k, row in enumerate(kept) if row is None]
        further = range(spec.repeats, spec.draws) if samples is None else range(0)
        try:
            messages = self.variant.prompt.messages(record)
        except Unrendered as error:
            outcomes: list[Reply | BackendError] = [BackendError(f"the prompt could not be made: {error}")] * spec.draws
        else:
            asked = [(k, "generate", spec.temperature) for k in wanted]
            asked += [(k, "sample", spec.samples_temperature) for k in further]
            told = await _all_of([self._draw(messages, name, *each, pipeline, journal) for each in asked])
            outcomes = [BackendError("not asked")] * spec.draws
            for (k, _, _), outcome in zip(asked, told):
                outcomes[k] = outcome
        base = {column: value for column, value in record.items() if column not in spec.produced or column == "cluster"}
        rows = [kept[k] or {**base, **self._row(name, k, outcomes[k], pipeline)} for k in range(spec.repeats)]
        if spec.repeats > 1:
            for row in rows:
                row["cluster"] = record.get("cluster") or name
        if spec.samples:
            found = (samples, None) if samples is not None else _samples(outcomes[spec.repeats :])
            for row in rows:
                row["samples"], row["samples_error"] = found
        return rows

    async def _draw(
        self,
        messages: Sequence[Mapping[str, Any]],
        record: str,
        repeat: int,
        call: str,
        temperature: float,
        pipeline: Pipeline,
        journal: list[Call],
    ) -> Reply | BackendError:
        """One answer, or why there is none."""
        spec = self.spec
        request = Request(
            tuple(messages),
            temperature=temperature,
            top_p=spec.top_p,
            max_tokens=spec.max_tokens,
            repeat=repeat,
            origin=Origin("generate", record, call),
            whole=False,
        )
        own: list[Call] = []
        try:
            await pipeline.reply(request, lambda _: None, own)
        except BackendError as error:
            return error
        except ENDS_THE_RUN:
            raise
        except Exception as error:  # a backend of somebody's own
            return BackendError(f"{type(error).__name__}: {error}")
        finally:
            journal.extend(own)
        reply = own[0].reply
        assert reply is not None
        return reply

    def _row(self, name: str, repeat: int, outcome: Reply | BackendError, pipeline: Pipeline) -> Row:
        """The columns that an answer fills; without one they are null, but for what went wrong."""
        variant = self.variant
        row: Row = {
            "id": f"{name}#{repeat + 1}" if repeat else name,
            "output": None,
            "model": pipeline.model,
            "prompt_version": variant.prompt.label,
            "variant": variant.name,
            **dict.fromkeys(("latency_ms", "prompt_tokens", "completion_tokens", "cost", "finish")),
            "repeat": repeat,
            "generation_error": None,
        }
        if isinstance(outcome, BackendError):
            return {**row, "generation_error": str(outcome) or type(outcome).__name__}
        counted = outcome.prompt_tokens > 0  # no prompt is empty: a server that says 0 says nothing
        return {
            **row,
            "output": outcome.text,
            "latency_ms": round(outcome.seconds * 1000, 3) or None,
            "prompt_tokens": outcome.prompt_tokens if counted else None,
            "completion_tokens": outcome.completion_tokens if counted else None,
            "cost": self.models.account.cost_of(outcome, pipeline.model) if counted else outcome.cost,
            "finish": outcome.finish,
        }

    # --- putting together --------------------------------------------------------------------------------------------

    def _merged(self, workers: Workers | None) -> Answers:
        target, failed, cut = self.folder / GENERATED, 0, 0
        paths = [path for path, _ in self._parts()]
        with writing(target) as half, half.open("wb") as out:
            for path in paths:
                table = read_arrow(path)
                for line in table.column("line").to_pylist():
                    out.write(line.encode() + b"\n")
                failed += sum(table.column("failed").to_pylist())
                cut += sum(table.column("cut").to_pylist())
        spec, variant, root = self.spec, self.variant, self.plan.suite.root
        data = scan(
            [target],
            label=shown(target, root),
            workers=workers,
            chunk_records=CHUNK_RECORDS if target.stat().st_size >= SMALL else SMALL_CHUNK_RECORDS,
        )
        source = self.plan.data
        told = {
            "source": {"path": source.path, "sha256": source.sha256, "n": source.n},
            "generated": {
                "file": GENERATED,
                "variant": variant.name,
                "prompt": variant.prompt.name,
                "prompt_version": variant.prompt.label,
                "prompt_sha256": variant.prompt.sha256,
                "backend": variant.backend,
                "model": self.models.pipelines[variant.backend].model,
                "temperature": spec.temperature,
                "top_p": spec.top_p,
                "max_tokens": spec.max_tokens,
                "repeats": spec.repeats,
                "samples": spec.samples,
                "answers": data.n,
                "failed": failed,
                "cut": cut,
            },
        }
        return Answers(data, told, [calls_path(path) for path in paths if calls_path(path).exists()])


def _samples(outcomes: Sequence[Reply | BackendError]) -> tuple[list[str] | None, str | None]:
    """The further answers that came, and what became of those that did not; None where there is none at all."""
    texts = [outcome.text for outcome in outcomes if isinstance(outcome, Reply)]
    errors = [str(outcome) for outcome in outcomes if isinstance(outcome, BackendError)]
    why = f"{len(errors)} of {len(outcomes)} failed: {errors[0]}" if errors else None
    return texts or None, why


async def _all_of(coroutines: Sequence[Any]) -> list[Any]:
    """What all of them come to; when one fails, the others are still waited for: what is answered is paid for."""
    outcomes = await asyncio.gather(*coroutines, return_exceptions=True)
    failure = next((outcome for outcome in outcomes if isinstance(outcome, BaseException)), None)
    if failure is not None and not isinstance(failure, BackendError):
        raise failure
    return outcomes


@dataclass
class _Window:
    """Tasks under way, no more than ``size`` at once."""

    size: int
    pending: set[asyncio.Task[None]] = field(default_factory=set)
    failed: BaseException | None = None

    async def start(self, coroutine: Any) -> None:
        """Begin one as soon as there is room.

        Raises:
            BaseException: what made an earlier one fail.
        """
        self.pending.add(asyncio.create_task(coroutine))
        while len(self.pending) >= self.size and self.failed is None:
            await self.next()
        if self.failed is not None:
            raise self.failed

    async def next(self) -> None:
        """Wait until one is done."""
        done, self.pending = await asyncio.wait(self.pending, return_when=asyncio.FIRST_COMPLETED)
        errors = [error for task in done if (error := task.exception()) is not None]  # each is asked, or it complains
        self.failed = self.failed or next(iter(errors), None)


@asynccontextmanager
async def _window(size: int, models: Models) -> AsyncIterator[_Window]:
    """A `_Window` whose tasks have all ended when the block has; whatever ends it, answers on their way are waited for."""
    window = _Window(size)
    try:
        try:
            yield window
        except Exception as error:
            window.failed = window.failed or error
        while window.pending:
            if window.failed is not None:
                ends = isinstance(window.failed, ENDS_THE_RUN)
                models.stop(window.failed if ends else BackendRefused("the run has ended"))
            await window.next()
        if window.failed is not None:
            await models.settle()
            raise window.failed
    finally:
        for task in window.pending:
            task.cancel()


# --- batches on disk -------------------------------------------------------------------------------------------------


def _write(path: Path, rows: Sequence[Row]) -> None:
    """Rows as JSON lines in an Arrow file, whole or not at all, and which of them failed or were cut off."""
    import pyarrow as pa

    columns = {
        "line": strings([_encoder.encode(row).decode() for row in rows]),
        "failed": pa.array([row["generation_error"] is not None for row in rows], pa.bool_()),
        "cut": pa.array([row["finish"] == "length" for row in rows], pa.bool_()),
    }
    table = pa.table(columns)
    with (
        writing(path, durable=False) as half,
        pa.OSFile(str(half), "wb") as file,
        pa.ipc.new_file(file, table.schema) as out,
    ):
        out.write_table(table)


@dataclass(frozen=True)
class _Lines:
    """The records of an earlier run's data file, by number."""

    path: Path
    starts: np.ndarray  # (n + 1,): where each line begins, and the file's end

    @classmethod
    def of(cls, folder: Path | None, n: int) -> _Lines | None:
        """The file of a run, if it still holds so many records."""
        path = folder / GENERATED if folder is not None else None
        if path is None or not path.is_file():
            return None
        starts, at = [0], 0
        with path.open("rb") as file:
            for line in file:
                at += len(line)
                starts.append(at)
        return cls(path, np.array(starts, dtype=np.int64)) if len(starts) == n + 1 else None

    def rows(self, span: range) -> list[Row]:
        """Some consecutive records."""
        with self.path.open("rb") as file:
            file.seek(int(self.starts[span.start]))
            return [msgspec.json.decode(file.readline()) for _ in span]
