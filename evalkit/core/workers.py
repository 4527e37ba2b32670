"""Worker processes that call module-level functions of ours.

Plain processes rather than multiprocessing: a script that calls `evalkit.run` needs no ``__main__`` guard, and a killed
parent leaves nothing behind, for a worker ends when its pipe closes.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, BinaryIO

from evalkit.core.errors import EvalkitError


class WorkerDied(EvalkitError, RuntimeError):
    """A worker process ended without an answer (killed, out of memory, a crash in compiled code)."""

    incomplete = True

    def __init__(self, item: Any, code: int | None) -> None:
        self.item, self.code = item, code
        super().__init__(
            f"a worker process died (exit {code}) on {item}, perhaps for lack of memory; "
            "what was finished is kept, run the same command again"
        )


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """Some processes, started when first needed; as a context manager it ends them.

    Args:
        count: how many at most; None: one for each processor.
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = cores() if count is None else count
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the processes at once."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        self._processes = []

    def start(self, *modules: str) -> None:
        """Start the processes now, and have them import what they will need, while this one does something else."""
        while len(self._processes) < self.count:
            self._processes.append(_start(modules))

    def map(self, function: Callable[..., Any], items: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """Call ``function(*item)`` for every item; yields (its index, the result) as results come.

        Raises:
            WorkerDied: a process was killed; those that are left are ended.
            Exception: whatever the function raised.
        """
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        answers: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        for index in range(len(items)):
            waiting.put(index)
        while len(self._processes) < min(self.count, len(items)):
            self._processes.append(_start(()))
        stop = threading.Event()
        threads = [
            threading.Thread(target=_feed, args=(process, function, items, waiting, answers, stop), daemon=True)
            for process in self._processes
        ]
        try:
            for thread in threads:
                thread.start()
            for _ in items:
                index, answer = answers.get()
                if isinstance(answer, _Raised):
                    raise answer.error
                yield index, answer
        except BaseException:
            stop.set()
            self.close()
            raise


class _Raised:
    """An error on its way from a worker."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _start(modules: Sequence[str]) -> subprocess.Popen[bytes]:
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", "from evalkit.core.workers import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,  # Ctrl-C is for the parent, which ends its workers itself
        env={**os.environ, **single, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    _send(process.stdin, (sys.path, modules))
    return process


def _feed(
    process: subprocess.Popen[bytes],
    function: Callable[..., Any],
    items: Sequence[tuple[Any, ...]],
    waiting: queue.SimpleQueue[int],
    answers: queue.SimpleQueue[tuple[int, Any]],
    stop: threading.Event,
) -> None:
    while not stop.is_set():
        try:
            index = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            _send(process.stdin, (function, items[index]))
            answers.put((index, _receive(process.stdout)))
        except (EOFError, BrokenPipeError, OSError, ValueError):
            answers.put((index, _Raised(WorkerDied(items[index][-1], process.poll()))))
            return


def _send(stream: Any, message: Any) -> None:
    """One length-prefixed pickle."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(len(data).to_bytes(8, "little"))
    stream.write(data)
    stream.flush()


def _receive(stream: Any) -> Any:
    """The next message; EOFError when the other side is gone."""
    head = stream.read(8)
    if len(head) < 8:
        raise EOFError
    return pickle.loads(stream.read(int.from_bytes(head, "little")))  # noqa: S301 - our own process wrote it


def _serve(requests: BinaryIO, replies: BinaryIO) -> None:
    sys.path[:], modules = _receive(requests)
    for module in modules:
        importlib.import_module(module)
    while True:
        function, arguments = _receive(requests)
        answer: Any
        try:
            answer = function(*arguments)
        except Exception as error:
            answer = _Raised(error)
        try:
            _send(replies, answer)
        except (pickle.PicklingError, AttributeError, TypeError):
            _send(replies, _Raised(RuntimeError(traceback.format_exc())))


def main() -> None:
    """The life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a metric prints must not mix with the replies
    with contextlib.suppress(EOFError, BrokenPipeError):
        _serve(sys.stdin.buffer, replies)
