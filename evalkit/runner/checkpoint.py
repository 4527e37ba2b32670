"""The folder of a run under way: its lock, its parts, and how an interrupted one is found again."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from evalkit.core.errors import StoreError
from evalkit.reports.render import FILES
from evalkit.runner.report import RESULTS
from evalkit.store.catalog import Catalog
from evalkit.store.files import explained
from evalkit.store.table import ROWS, SCORES

GENERATED = "generated.jsonl"  # the records of a run that generated them, with their answers
_PART = re.compile(r"\.?\d{5}\.(?:.+\.)?arrow(?:\.\d+\.tmp)?|spent\.json")
_HALF = re.compile(r"\..+\.(?:arrow|parquet|json|jsonl|html|md|xml|prom)\.\d+\.tmp")
_RESULTS = re.compile(rb'\s*\{\s*"evalkit":\s*"[^"]*",\s*"run_id":')


class RunFolder:
    """A run's folder, locked by this process for as long as it is open."""

    def __init__(self, run_id: str, path: Path, started_at: datetime, lock: IO[str], *, resumed: bool) -> None:
        self.run_id, self.path, self.started_at, self.resumed = run_id, path, started_at, resumed
        self._lock = lock

    def close(self) -> None:
        """Give up the lock."""
        (self.path / "lock").unlink(missing_ok=True)
        self._lock.close()

    def sweep(self) -> None:
        """Remove what a killed process, or a killed worker, was writing."""
        for half in (*self.path.glob(".*.tmp"), *self.path.glob("parts/.*.tmp"), *self.path.glob("previous/.*.tmp")):
            if _HALF.fullmatch(half.name):
                half.unlink(missing_ok=True)

    def drop(self) -> None:
        """Remove a run in which nothing was measured; a folder that others put something into stays."""
        self.drop_parts()
        (self.path / "lock").unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()

    def drop_parts(self) -> None:
        """Remove the parts of a run that is complete."""
        shutil.rmtree(self.path / "parts", ignore_errors=True)
        shutil.rmtree(self.path / "previous", ignore_errors=True)


def new_id(suite: str, now: datetime) -> str:
    """``20261122T063512Z-SUITE-3f9a1c``: sortable, readable, and never the same twice."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", suite).strip("-.") or "suite"
    return f"{now:%Y%m%dT%H%M%SZ}-{slug[:60]}-{secrets.token_hex(3)}"


def open_run(catalog: Catalog, *, suite: str, plan: str, out: Path | None, fresh: bool) -> RunFolder:
    """The newest unfinished, unlocked run of an equal plan; else a new one.

    Raises:
        StoreError: the folder cannot be written, or another run holds it.
    """
    if not fresh:
        for listed in catalog.unfinished(plan):
            if out is not None and listed.folder.resolve() != out.resolve():
                continue
            lock = _lock(listed.folder)
            if lock is not None:
                resumed = RunFolder(listed.run_id, listed.folder, listed.started_at.replace(tzinfo=UTC), lock, resumed=True)
                resumed.sweep()
                return resumed
    now = datetime.now(UTC)
    run_id = new_id(suite, now)
    path = (out or catalog.home / "runs" / run_id).resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
        _spare_strangers(path, catalog)
        lock = _lock(path)
        if lock is None:
            raise StoreError(f"{path}: another run is writing there; wait for it, or name another folder with --out")
        shutil.rmtree(path / "parts", ignore_errors=True)
        (path / RESULTS).unlink(missing_ok=True)
        (path / "parts").mkdir()
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise explained(error, path) from error
    catalog.begin(run_id, suite=suite, plan=plan, folder=path, started_at=now)
    return RunFolder(run_id, path, now, lock, resumed=False)


def _spare_strangers(folder: Path, catalog: Catalog) -> None:
    """Refuse a folder in which something that is not ours has one of the names that a run writes to or removes.

    Raises:
        StoreError: there is such a thing; nothing was touched.
    """
    if not os.listdir(folder):
        return
    parts = [folder / name for name in ("parts", "previous")]
    strange = [path for path in parts if os.path.lexists(path) and not _is_parts(path)]
    lock = folder / "lock"
    if os.path.lexists(lock) and (lock.is_symlink() or not lock.is_file() or lock.stat().st_size):
        strange.append(lock)
    known = (
        any(map(_is_parts, parts))
        or _is_results(folder / RESULTS)
        or any(listed.folder == folder for listed in catalog.everything())
    )
    if not known:
        strange += [
            folder / name for name in (RESULTS, ROWS, SCORES, GENERATED, *FILES.values()) if os.path.lexists(folder / name)
        ]
    if strange:
        names = ", ".join(path.name for path in strange)
        raise StoreError(f"{folder} holds {names}, which no run of evalkit wrote; name an empty folder with --out")


def _is_parts(path: Path) -> bool:
    """Whether a folder holds nothing but parts of a run."""
    return path.is_dir() and not path.is_symlink() and all(_PART.fullmatch(name) for name in os.listdir(path))


def _is_results(path: Path) -> bool:
    """Whether a file begins as our results.json does."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return _RESULTS.match(file.read(400)) is not None


def _lock(folder: Path) -> IO[str] | None:
    """The folder's lock, or None while somebody holds it, or when the folder is gone."""
    if not folder.is_dir():
        return None
    try:
        handle = open(folder / "lock", "a+", encoding="utf-8")  # noqa: SIM115 - held until the run ends
    except OSError as error:
        raise explained(error, folder) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        return None
    try:
        same = os.fstat(handle.fileno()).st_ino == os.stat(folder / "lock").st_ino
    except FileNotFoundError:
        same = False
    if not same:  # its owner finished, and removed it, between our two calls
        handle.close()
        return None
    return handle
