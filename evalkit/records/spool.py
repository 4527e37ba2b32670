"""Keeping a stream as a file, so that it can be read more than once and by several processes."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from evalkit.core.errors import Problem, SpecError, StoreError
from evalkit.records.encoding import BOM
from evalkit.records.formats import sniffed


def spooled_stream(stream: BinaryIO | Any, folder: Path) -> Path:
    """All of a stream as a file in ``folder``, named by its content: the same bytes are the same file.

    Raises:
        SpecError: nothing arrived, it is a terminal, or the format is none that is known.
    """
    stream = getattr(stream, "buffer", stream)
    if stream.isatty():
        raise SpecError(Problem("stdin", "is a terminal, no records arrive there", "pipe them: cat data.jsonl | evalkit …"))
    return spooled(iter(lambda: stream.read(1 << 20), b""), folder, "stdin")


def spooled(blocks: Iterable[bytes], folder: Path, name: str) -> Path:
    """Some bytes as a file of its own, written whole, then renamed."""
    sha, head = hashlib.sha256(), b""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{name}-", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                for block in blocks:
                    head = head if len(head) >= 4096 else head + block[:4096]
                    sha.update(block)
                    file.write(block)
            if not head.removeprefix(BOM).strip():
                raise SpecError(Problem(name, "no records arrived"))
            path = folder / f"{name}-{sha.hexdigest()[:16]}{_suffix(head, name)}"
            if path.exists():  # kept before, and perhaps being read: leave it untouched
                os.unlink(temporary)
            else:
                os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(f"{name} could not be kept in {folder}: {error.strerror or error}") from error
    return path


def _suffix(head: bytes, name: str) -> str:
    kind = sniffed(head)
    if kind is not None:
        return f".{kind}"
    start = head.removeprefix(BOM).lstrip()
    if start[:1] == b"[" or b"\x00" in head[:64]:
        return ".jsonl"  # an array, or UTF-16: the reader says what is wrong with it
    line = start.partition(b"\n")[0]
    if b"\t" in line and b"," not in line:
        return ".tsv"
    if b"," in line or b";" in line:
        return ".csv"
    raise SpecError(
        Problem(name, "the records are neither JSONL, CSV nor Parquet", "JSONL lines begin with {, CSV with a header")
    )
