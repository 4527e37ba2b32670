"""The local engine: chunks measured here, or shared out to worker processes when there is enough to do."""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from evalkit.core.errors import EvalkitError
from evalkit.records.dataset import Chunk
from evalkit.runner.measure import Job, measure_chunk
from evalkit.runner.worker import receive, send

WORTH_A_PROCESS = 3_000  # records; below, starting a worker costs more than it saves


class WorkerDied(EvalkitError, RuntimeError):
    """A worker process ended without an answer (killed, out of memory, a crash in compiled code)."""

    incomplete = True

    def __init__(self, chunk: Chunk, code: int | None) -> None:
        self.chunk, self.code = chunk, code
        super().__init__(
            f"a worker process died (exit {code}) while measuring records {chunk.start + 1:,} to "
            f"{chunk.start + chunk.n:,}, perhaps for lack of memory; what was finished is kept, run the same command again"
        )


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def measure_all(job: Job, chunks: Sequence[Chunk], advance: Callable[[int], None]) -> None:
    """Measure every chunk; ``advance`` hears how many records each one had.

    Raises:
        WorkerDied: a worker was killed.
    """
    workers = min(cores(), len(chunks))
    records = sum(chunk.n for chunk in chunks)
    if workers < 2 or records < WORTH_A_PROCESS or not _portable(job):
        for chunk in chunks:
            advance(measure_chunk(job, chunk))
        return
    _share_out(job, chunks, workers, advance)


def _portable(job: Job) -> bool:
    """Whether another process can be given the work: not when a metric was defined in a script or a notebook."""
    if any(type(metric).__module__ == "__main__" for metric in job.metrics.values()):
        return False
    try:
        pickle.dumps(job)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


def _share_out(job: Job, chunks: Sequence[Chunk], workers: int, advance: Callable[[int], None]) -> None:
    waiting: queue.SimpleQueue[Chunk] = queue.SimpleQueue()
    for chunk in chunks:
        waiting.put(chunk)
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    processes = [_start() for _ in range(workers)]
    threads = [threading.Thread(target=_feed, args=(process, job, waiting, answers), daemon=True) for process in processes]
    try:
        for thread in threads:
            thread.start()
        for _ in chunks:
            answer = answers.get()
            if isinstance(answer, BaseException):
                raise answer
            advance(answer)
    finally:
        for process in processes:
            process.kill()  # parts are renamed into place, so nothing half-written can stay
            process.wait()


def _start() -> subprocess.Popen[bytes]:
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", "from evalkit.runner.worker import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **single, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def _feed(
    process: subprocess.Popen[bytes], job: Job, waiting: queue.SimpleQueue[Chunk], answers: queue.SimpleQueue[Any]
) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    chunk = None
    try:
        send(process.stdin, sys.path)  # type: ignore[arg-type]
        send(process.stdin, job)  # type: ignore[arg-type]
        while True:
            try:
                chunk = waiting.get_nowait()
            except queue.Empty:
                return
            send(process.stdin, chunk)  # type: ignore[arg-type]
            kind, answer = receive(process.stdout)  # type: ignore[arg-type]
            answers.put(answer)
            if kind == "error":
                return
    except (EOFError, BrokenPipeError, OSError):
        if chunk is None:
            chunk = waiting.get()
        answers.put(WorkerDied(chunk, process.wait()))
