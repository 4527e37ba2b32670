"""Measuring with the metrics that ask a model: one event loop, small batches, each kept as soon as it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from evalkit.backends.pipeline import Account, Pipeline
from evalkit.core.batch import Batch
from evalkit.core.contracts import Backend, ModelMetric, Tools
from evalkit.core.rows import Rows
from evalkit.records.dataset import Chunk
from evalkit.runner.measure import checked, values_of
from evalkit.store.parts import Part, part_path, read_part, write_part

BATCH = 50  # records; what a kill can lose of one metric


def part_paths(folder: Path, chunk: Chunk, label: str) -> list[Path]:
    """Where the batches of a chunk's judged rows lie, in order."""
    safe = "".join(sign if sign.isalnum() or sign in "-_" else f"%{ord(sign):x}" for sign in label)
    whole = part_path(folder, chunk.index)
    return [whole.with_suffix(f".{safe}.{number:04d}.arrow") for number in range(-(-chunk.n // BATCH))]


async def ask_all(
    metrics: Mapping[str, ModelMetric],
    backend_of: Mapping[str, Backend],
    chunks: Sequence[Chunk],
    folder: Path,
    previous: Path | None,
    account: Account,
    advance: Callable[[int], None],
) -> None:
    """Measure every chunk with every metric; what is on disk already is not asked again."""
    pipelines = {id(backend): Pipeline(backend, account) for backend in backend_of.values()}
    for chunk in chunks:
        todo = [
            (label, number, path)
            for label in metrics
            for number, path in enumerate(part_paths(folder, chunk, label))
            if not path.exists()
        ]
        if todo:
            batch = chunk.read()
            before = _previous(previous, chunk, metrics)

            async def one(label: str, number: int, path: Path, batch: Batch = batch, before: Part | None = before) -> None:
                span = range(number * BATCH, min((number + 1) * BATCH, len(batch)))
                earlier = before.rows[label].take(span) if before and label in before.rows else None
                metric = metrics[label]
                rows = await _remeasured(metric, batch.take(span), pipelines[id(backend_of[label])], earlier)
                ids = [batch.texts("id")[index] for index in span]
                write_part(path, Part(ids, rows={label: rows}, values={label: values_of(metric, rows)}), metrics)

            async with asyncio.TaskGroup() as group:
                for label, number, path in todo:
                    group.create_task(one(label, number, path))
        advance(chunk.n)


async def _remeasured(metric: ModelMetric, batch: Batch, tools: Tools, before: Rows | None) -> Rows:
    if before is None:
        return await _guarded(metric, batch, tools)
    again = sorted(before.errors)
    return before.replaced(again, await _guarded(metric, batch.take(again), tools)) if again else before


async def _guarded(metric: ModelMetric, batch: Batch, tools: Tools) -> Rows:
    try:
        return checked(metric, await metric.score(batch, tools))
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        if len(batch) == 1:
            return Rows(np.full((1, len(metric.columns)), np.nan), errors={0: why})
        return Rows.concat([await _guarded(metric, batch.take([index]), tools) for index in range(len(batch))])


def _previous(folder: Path | None, chunk: Chunk, metrics: Mapping[str, ModelMetric]) -> Part | None:
    path = part_path(folder, chunk.index) if folder else None
    return read_part(path, metrics) if path is not None and path.exists() else None
