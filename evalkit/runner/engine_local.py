"""The local engine: chunks measured here, or shared out to worker processes when there is enough to do."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence

from evalkit.core.workers import Workers
from evalkit.records.dataset import Chunk
from evalkit.runner.measure import Job, measure_chunk

WORTH_A_PROCESS = 3_000  # records; below, starting a worker costs more than it saves


def measured(job: Job, chunks: Sequence[Chunk], workers: Workers) -> Iterator[Chunk]:
    """Measure every chunk; yields each one when its part is written, in any order.

    Raises:
        WorkerDied: a worker was killed.
    """
    if workers.count < 2 or len(chunks) < 2 or sum(chunk.n for chunk in chunks) < WORTH_A_PROCESS or not _portable(job):
        for chunk in chunks:
            measure_chunk(job, chunk)
            yield chunk
        return
    for index, _ in workers.map(measure_chunk, [(job, chunk) for chunk in chunks]):
        yield chunks[index]


def _portable(job: Job) -> bool:
    """Whether another process can be given the work: not when a metric was defined in a script or a notebook."""
    if any(type(metric).__module__ == "__main__" for metric in job.metrics.values()):
        return False
    try:
        pickle.dumps(job)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True
