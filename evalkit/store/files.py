"""Writing files so that a reader, or a crash, never meets half of one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalkit.core.errors import StoreError


@contextmanager
def writing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well, and vanishes when it does not.

    ``durable`` also outlives a power cut; what a killed process leaves is whole either way.

    Raises:
        StoreError: the disk is full, or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if durable:
            with open(temporary, "rb") as handle:
                os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise explained(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """The whole of ``text`` in UTF-8, or nothing."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, data: bytes) -> None:
    """All of ``data``, or nothing."""
    with writing(path) as temporary:
        temporary.write_bytes(data)


def explained(error: OSError, path: Path) -> StoreError:
    """An operating-system error about ``path`` in words that say what to do."""
    if error.errno == errno.ENOSPC:
        return StoreError(f"{path}: the disk is full; free some space and run the same command again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreError(f"{path}: cannot be written ({error.strerror}); name another folder with --store or --out")
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return StoreError(f"{path}: a file stands where a folder is needed; name another folder with --store or --out")
    return StoreError(f"{path}: {error.strerror or error}")
