"""A store of logs: Parquet files in a folder a day, to which rows are added once.

```
.evalkit/logs/
  date=2026-11-29/….parquet                     rows of that day (UTC)
  date=__HIVE_DEFAULT_PARTITION__/….parquet     rows without a timestamp; readers of Hive partitions see date = NULL
  _store.json  _lock  _staging/  _inbox/  _rejected/
```

Files come whole, by renaming, and are never changed. Whoever adds rows holds the lock while it compares ids with those of the
days it touches and moves its files into place, so that two at once, or one that was killed and runs again, add every
row once. Readers need no lock.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from evalkit.core.errors import Problem, SpecError, StoreError
from evalkit.logs.columns import DAY, DERIVED, PARTITION, ROW
from evalkit.logs.read import identifier, literal, opened

if TYPE_CHECKING:
    import pyarrow as pa

    from evalkit.logs.read import Log

UNDATED = "__HIVE_DEFAULT_PARTITION__"
ABOUT, LOCK, STAGING, REJECTED, INBOX = "_store.json", "_lock", "_staging", "_rejected", "_inbox"
VERSION = 1


@dataclass(frozen=True)
class Added:
    """What became of some rows."""

    new: int = 0
    again: int = 0  # there already
    other: int = 0  # of these, rows whose id is there with another input or output
    days: tuple[str, ...] = ()  # partitions that have new rows
    examples: tuple[str, ...] = ()  # ids of `other`, a few

    def __add__(self, more: Added) -> Added:
        days, examples = sorted({*self.days, *more.days}), (*self.examples, *more.examples)[:3]
        return Added(self.new + more.new, self.again + more.again, self.other + more.other, tuple(days), examples)


@dataclass(frozen=True)
class LogStore:
    """A folder of logs; `LogStore.at` opens it."""

    folder: Path
    redact: bool
    salt: bytes = field(repr=False, default=b"")  # of derived ids in a redacted store; else empty

    @classmethod
    def at(cls, folder: Path, *, redact: bool = False) -> LogStore:
        """The store in a folder, made where there is none.

        Raises:
            SpecError: the folder holds something else, or its rows are redacted and these shall not be, or the reverse.
            StoreError: it cannot be written.
        """
        try:
            strangers = (
                folder.is_dir()
                and not (folder / ABOUT).exists()
                and any(each.suffix and not each.name.startswith((".", "_")) for each in folder.iterdir())
            )
            if strangers:
                raise SpecError(Problem(str(folder), "holds other files", "name an empty folder with --to, or leave it out"))
            folder.mkdir(parents=True, exist_ok=True)
            with _locked(folder / LOCK):
                about = _about(folder / ABOUT)
                if about is None:
                    about = {"version": VERSION, "redact": redact, "salt": secrets.token_hex(32) if redact else ""}
                    _write(folder / ABOUT, msgspec.json.encode(about))
        except OSError as error:
            raise StoreError(f"{folder}: {error.strerror or error}; name another folder with --to") from error
        if about["redact"] and not redact:
            raise SpecError(Problem(str(folder), "its rows are redacted", "add --redact, or name another folder with --to"))
        if redact and not about["redact"]:
            raise SpecError(Problem(str(folder), "its rows are not redacted", "name another folder with --to"))
        return cls(folder, redact, bytes.fromhex(about["salt"]))

    @contextmanager
    def staging(self) -> Iterator[Staging]:
        """A place for the rows of one source, until they are added; what killed processes left is cleared."""
        for left in self._left_in(STAGING):
            shutil.rmtree(left, ignore_errors=True)
        folder = self.folder / STAGING / uuid4().hex
        folder.mkdir(parents=True)
        with (folder / LOCK).open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            try:
                yield Staging(folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def add(self, staged: Sequence[Path], *, cells: bool = False) -> Added:
        """Staged rows into the store, those that are there already left out.

        Args:
            cells: further columns came from a CSV, where numbers are texts: what is a number throughout becomes one.

        Raises:
            StoreError: the disk is full, or the folder cannot be written.
        """
        if not staged:
            return Added()
        try:
            with _locked(self.folder / LOCK):
                return _add(self, staged, cells)
        except OSError as error:
            raise StoreError(f"{self.folder}: {error.strerror or error}; free some space and run the same again") from error

    def files(self, days: Sequence[str] | None = None) -> list[Path]:
        """The files of some partitions, or of all."""
        folders = sorted(self.folder.glob(f"{PARTITION}=*")) if days is None else [self._partition(day) for day in days]
        return [path for each in folders for path in sorted(each.glob("*.parquet")) if not path.name.startswith(".")]

    def count(self) -> tuple[int, int]:
        """Rows, and days that have any."""
        import pyarrow.parquet as pq

        files = self.files()
        return sum(pq.read_metadata(path).num_rows for path in files), len({path.parent for path in files})

    def left(self) -> Iterator[Path]:
        """Folders with what a receiver wrote down and nobody has taken in, its process gone; each is removed after use."""
        for each in self._left_in(INBOX):
            try:
                with (each / LOCK).open("a") as held:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    yield each
                    shutil.rmtree(each, ignore_errors=True)
            except (BlockingIOError, FileNotFoundError):  # another process was faster
                continue

    def _partition(self, day: str) -> Path:
        return self.folder / f"{PARTITION}={day}"

    def _left_in(self, name: str) -> list[Path]:
        found = []
        for each in sorted((self.folder / name).glob("*")):
            try:
                with (each / LOCK).open("r") as held:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    found.append(each)
            except BlockingIOError:
                continue
            except OSError:
                if not (each / LOCK).exists() and each.is_dir() and _age_s(each) > 60.0:
                    found.append(each)
        return found


@dataclass
class Staging:
    """Tables of one source, written as they come."""

    folder: Path
    files: list[Path] = field(default_factory=list)

    def write(self, table: pa.Table) -> None:
        """One more table; each has columns and types of its own."""
        import pyarrow.parquet as pq

        if table.num_rows:
            self.files.append(self.folder / f"{len(self.files):06d}.parquet")
            pq.write_table(table, self.files[-1], compression="zstd", compression_level=1)


# --- adding ----------------------------------------------------------------------------------------------------------


def _add(store: LogStore, staged: Sequence[Path], cells: bool) -> Added:
    names = "[" + ", ".join(literal(str(path)) for path in staged) + "]"
    with opened(f"sql:SELECT * FROM read_parquet({names}, union_by_name=true)", memory="600MB", threads=2) as log:
        content = f"hash({identifier('input')}, {identifier('output')})"
        log.run(
            f"CREATE TEMP TABLE staged AS SELECT {ROW} AS r, {DAY} AS day, {DERIVED} AS derived, id, {content} AS content, "
            f"row_number() OVER (PARTITION BY id, {DAY}, {DERIVED} ORDER BY {ROW}) AS nth FROM {log.relation}"
        )
        log.run("UPDATE staged SET id = id || '-' || nth, nth = 1 WHERE derived AND nth > 1")
        days = [_folder_name(day) for (day,) in log.rows("SELECT DISTINCT day FROM staged")]
        _known(log, store, days)
        log.run(
            "CREATE TEMP TABLE judged AS SELECT s.*, k.id IS NOT NULL AS there, k.content AS before "
            "FROM staged s LEFT JOIN known k ON s.id = k.id AND s.day IS NOT DISTINCT FROM k.day"
        )
        log.run(  # of explicit ids that stand twice in a source, the first counts
            "UPDATE judged SET there = true, before = f.content FROM staged f "
            "WHERE judged.nth > 1 AND NOT judged.there "
            "AND f.nth = 1 AND f.id = judged.id AND f.day IS NOT DISTINCT FROM judged.day"
        )
        new, again, other = log.rows(
            "SELECT count(*) FILTER (NOT there), count(*) FILTER (there), "
            "count(*) FILTER (there AND before IS DISTINCT FROM content) FROM judged"
        )[0]
        examples = log.rows("SELECT id FROM judged WHERE there AND before IS DISTINCT FROM content ORDER BY r LIMIT 3")
        touched = [_folder_name(day) for (day,) in log.rows("SELECT DISTINCT day FROM judged WHERE NOT there ORDER BY day")]
        if new:
            _write_partitions(log, store, staged[0].parent / "out", cells)
    return Added(int(new), int(again), int(other), tuple(touched), tuple(told for (told,) in examples))


def _known(log: Log, store: LogStore, days: Sequence[str]) -> None:
    """The ids that the touched partitions hold, as the table ``known``."""
    log.run("CREATE TEMP TABLE known (id VARCHAR, day DATE, content UBIGINT)")
    for day in days:
        files = store.files([day])
        if not files:
            continue
        names = "[" + ", ".join(literal(str(path)) for path in files) + "]"
        told = "NULL" if day == UNDATED else f"DATE {literal(day)}"
        log.run(
            f"INSERT INTO known SELECT id, {told}, hash(input, output) "
            f"FROM read_parquet({names}, union_by_name=true, hive_partitioning=false)"
        )


def _write_partitions(log: Log, store: LogStore, out: Path, cells: bool) -> None:
    """The new rows as a file a day, written aside and renamed into place."""
    kept = [name for name in log.columns if name not in (ROW, DERIVED, DAY, "id")]
    columns = ["j.id AS id", *(f"{_typed(log, name, cells)} AS {identifier(name)}" for name in kept)]
    log.run("SET partitioned_write_max_open_files = 32")
    log.run(
        f"COPY (SELECT {', '.join(columns)}, j.day AS {PARTITION} FROM {log.relation} t JOIN judged j ON t.{ROW} = j.r "
        f"WHERE NOT j.there ORDER BY j.day, t.timestamp, j.r) TO {literal(str(out))} "
        f"(FORMAT parquet, COMPRESSION zstd, PARTITION_BY ({PARTITION}))"
    )
    token = uuid4().hex[:16]
    for place, path in enumerate(sorted(out.rglob("*.parquet"))):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        day = path.parent.name.partition("=")[2]
        folder = store.folder / f"{PARTITION}={day if _is_day(day) else UNDATED}"
        folder.mkdir(exist_ok=True)
        os.replace(path, folder / f"{token}-{place:04d}.parquet")
        _sync(folder)
    _sync(store.folder)


def _typed(log: Log, name: str, cells: bool) -> str:
    """A column in SQL; of a CSV, as a number or a truth value where all of its texts are one."""
    from evalkit.logs.columns import _EXTRA
    from evalkit.records.canonical import COLUMNS

    column = f"t.{identifier(name)}"
    if not cells or name in COLUMNS or name in _EXTRA or log.columns[name] != "VARCHAR":
        return column
    shapes = (
        ("BIGINT", "-?(0|[1-9][0-9]{0,17})"),
        ("DOUBLE", "-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]{1,3})?"),
        ("BOOLEAN", "true|false|True|False"),
    )
    tests = ", ".join(f"bool_and(regexp_full_match({column}, {literal(shape)}))" for _, shape in shapes)
    told = log.rows(f"SELECT {tests} FROM {log.relation} t")[0]
    return next((f"CAST({column} AS {kind})" for (kind, _), fits in zip(shapes, told) if fits), column)


def _folder_name(day: Any) -> str:
    return UNDATED if day is None else day.isoformat()


def _is_day(text: str) -> bool:
    return len(text) == 10 and text[4] == text[7] == "-"


# --- files -----------------------------------------------------------------------------------------------------------


@contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    """Holding a lock that the system frees when the process ends, however it ends."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _about(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        told = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise StoreError(f"{path}: is damaged; restore it, or name another folder with --to") from error
    if told.get("version") != VERSION:
        raise StoreError(f"{path}: was written by a newer evalkit; update, or name another folder with --to")
    return told


def _write(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(beside, 0o600)
    os.replace(beside, path)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _age_s(path: Path) -> float:
    import time

    return time.time() - path.stat().st_mtime
