"""A worker process: reads pickled work from stdin, answers on stdout, and ends when its parent does.

Plain processes rather than multiprocessing, so that a script that calls `evalkit.run` needs no ``__main__`` guard and a
killed parent leaves nothing behind: the pipe closes, and the worker with it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import traceback
from typing import Any, BinaryIO


def send(stream: BinaryIO, message: Any) -> None:
    """One length-prefixed pickle."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(len(data).to_bytes(8, "little") + data)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """The next message.

    Raises:
        EOFError: the other side is gone.
    """
    head = stream.read(8)
    if len(head) < 8:
        raise EOFError
    data = stream.read(int.from_bytes(head, "little"))
    return pickle.loads(data)  # noqa: S301 - our own parent wrote it


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Measure chunk after chunk until the parent hangs up."""
    sys.path[:] = receive(requests)
    from evalkit.runner.measure import measure_chunk

    job = receive(requests)
    while True:
        try:
            chunk = receive(requests)
        except EOFError:
            return
        try:
            send(replies, ("done", measure_chunk(job, chunk)))
        except Exception as error:
            try:
                send(replies, ("error", error))
            except (pickle.PicklingError, AttributeError, TypeError):
                send(replies, ("error", RuntimeError(traceback.format_exc())))


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a metric prints must not mix with the replies
    with contextlib.suppress(EOFError, BrokenPipeError):
        serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
