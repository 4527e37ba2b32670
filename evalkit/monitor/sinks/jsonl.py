"""Alerts as lines of a file: whole or not there, each once."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from evalkit.core.registry import sink
from evalkit.core.sink import NotDelivered
from evalkit.core.watched import Alert
from evalkit.monitor.wording import EXAMPLES, alert_json
from evalkit.store.files import explained

TAIL = 4_000_000  # bytes at the end of the file in which an id is looked for: some thousand alerts
_BEGINNING = b'{"id": '


@sink("jsonl")
@dataclass(frozen=True)
class JsonLines:
    """A JSON line per alert, appended and flushed to the disk; an id that stands in the file's tail is not written again."""

    at_once: ClassVar[int] = 1_000

    path: Path  # of the file; relative to the project's root
    examples: int = EXAMPLES  # rows that an alert carries

    def __post_init__(self) -> None:
        if not 0 <= self.examples <= EXAMPLES:
            raise ValueError(f"examples are from 0 to {EXAMPLES}")

    async def send(self, alerts: Sequence[Alert]) -> None:
        """Append those that are not there yet."""
        lines = {alert.id: json.dumps(alert_json(alert, self.examples)).encode() + b"\n" for alert in alerts}
        try:
            await asyncio.to_thread(append, self.path, lines)
        except OSError as error:
            raise NotDelivered(str(explained(error, self.path)), "refused") from error


def append(path: Path, lines: dict[str, bytes]) -> None:
    """Append lines by id under a lock; what a power cut left of a line is removed first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with open(path, "a+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - TAIL, 0))
        tail = file.read(TAIL)
        torn = tail[tail.rfind(b"\n") + 1 :]
        if torn and _is_torn(torn):
            size -= len(torn)
            file.truncate(size)
        written = b"\n" if torn and not _is_torn(torn) else b""
        there = {_id(line) for line in tail.split(b"\n")}
        written += b"".join(line for number, line in lines.items() if number not in there)
        if not written.strip():
            return
        try:
            while written:
                written = written[file.write(written) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)  # the disk is full: no half of a line stays
            raise
    if new:
        _flush_folder(path.parent)


def _is_torn(line: bytes) -> bool:
    """Whether this is the beginning of a line of ours, and not its whole; some file systems fill up with zeros."""
    line = line.rstrip(b"\0")
    return (line.startswith(_BEGINNING) or _BEGINNING.startswith(line)) and _read(line) is None


def _id(line: bytes) -> Any:
    read = _read(line) if line.startswith(_BEGINNING) else None
    return read.get("id") if isinstance(read, dict) else None


def _read(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
