"""The local engine: chunks measured here, or shared out to worker processes when there is enough to do."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence

from evalkit.core.workers import Workers
from evalkit.records.dataset import Chunk
from evalkit.runner.measure import Job, measure_chunk

WORTH_A_PROCESS = 3_000  # records; below, starting a worker costs more than it saves


def measure_all(job: Job, chunks: Sequence[Chunk], advance: Callable[[int], None], workers: Workers) -> None:
    """Measure every chunk; ``advance`` hears how many records each one had.

    Raises:
        WorkerDied: a worker was killed.
    """
    if workers.count < 2 or len(chunks) < 2 or sum(chunk.n for chunk in chunks) < WORTH_A_PROCESS or not _portable(job):
        for chunk in chunks:
            advance(measure_chunk(job, chunk))
        return
    for _, n in workers.map(measure_chunk, [(job, chunk) for chunk in chunks]):
        advance(n)


def _portable(job: Job) -> bool:
    """Whether another process can be given the work: not when a metric was defined in a script or a notebook."""
    if any(type(metric).__module__ == "__main__" for metric in job.metrics.values()):
        return False
    try:
        pickle.dumps(job)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True
