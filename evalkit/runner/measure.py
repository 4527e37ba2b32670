"""Measuring one chunk of records with the CPU metrics: the work of a worker process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalkit.core.batch import Batch
from evalkit.core.contracts import Measure, Metric
from evalkit.core.rows import Rows
from evalkit.records.dataset import Chunk
from evalkit.store.parts import Part, part_path, read_part, write_part


@dataclass(frozen=True)
class Job:
    """What every chunk of a run has in common; picklable."""

    metrics: Mapping[str, Metric]
    keep: tuple[str, ...]
    folder: Path  # of the parts
    previous: Path | None = None  # parts of a run whose errors are to be measured again

    def path(self, chunk: Chunk) -> Path:
        """Where the chunk's part is, once measured."""
        return part_path(self.folder, chunk.index)


def measure_chunk(job: Job, chunk: Chunk) -> int:
    """Measure a chunk, write its part, and return how many records it has; a part that is there is not made again."""
    path = job.path(chunk)
    done = read_part(path, job.metrics) if path.exists() else None
    if done is not None and set(job.keep) <= set(done.attributes):
        return chunk.n
    batch = chunk.read()
    part = done or Part(list(batch.texts("id")))
    part.attributes = {name: list(batch.column(name)) for name in job.keep}
    if done is None:
        before = _previous(job, chunk)
        for label, metric in job.metrics.items():
            rows = remeasured(metric, batch, before.rows.get(label) if before else None)
            part.rows[label], part.values[label] = rows, values_of(metric, rows)
    write_part(path, part, job.metrics)
    return chunk.n


def remeasured(metric: Metric, batch: Batch, before: Rows | None) -> Rows:
    """The rows of a batch; with earlier rows, only their errors are measured again."""
    if before is None:
        return guarded(metric, batch)
    again = sorted(before.errors)
    return before.replaced(again, guarded(metric, batch.take(again))) if again else before


def guarded(metric: Metric, batch: Batch) -> Rows:
    """Rows of a batch; a metric that raises is tried record by record, so that only the culprits are errors."""
    try:
        return checked(metric, metric.score(batch))
    except Exception as error:
        if len(batch) == 1:
            return Rows(np.full((1, len(metric.columns)), np.nan), errors={0: f"{type(error).__name__}: {error}"})
        return Rows.concat([guarded(metric, batch.take([index])) for index in range(len(batch))])


def checked(metric: Measure, rows: Rows) -> Rows:
    """The rows, with a record whose value came out as NaN turned into an error: it is never silently left out."""
    if rows.values.shape[1] != len(metric.columns):
        raise ValueError(f"{metric.name} gave {rows.values.shape[1]} statistics, its columns name {len(metric.columns)}")
    for index in np.flatnonzero(np.isnan(rows.values).any(axis=1) & rows.scored()):
        rows.errors[int(index)] = "the metric gave no number"
    rows.values[list(rows.errors)] = np.nan
    return rows


def values_of(metric: Measure, rows: Rows) -> np.ndarray:
    """Each record's own values, shape (n, parts), NaN where it was not scored."""
    values = np.asarray(metric.record_values(rows), dtype=np.float64)
    values[~rows.scored()] = np.nan
    return values


def _previous(job: Job, chunk: Chunk) -> Part | None:
    path = part_path(job.previous, chunk.index) if job.previous else None
    return read_part(path, job.metrics) if path is not None and path.exists() else None
