"""Files of logs into a store: what they are, their records as rows, redacted where that is asked for, each added once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any
from uuid import uuid4

import msgspec

from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.logs import chat, langfuse, otel
from evalkit.logs.columns import Naming, columns_of, with_messages
from evalkit.logs.found import found
from evalkit.logs.lines import SUFFIXES, Block, Broken, blocks
from evalkit.logs.messages import Row, Unreadable
from evalkit.logs.read import literal, opened
from evalkit.logs.redact import redacted
from evalkit.logs.store import REJECTED, Added, LogStore
from evalkit.records.canonical import COLUMNS
from evalkit.records.fields import guess_fields
from evalkit.records.formats import shown
from evalkit.text.pii import redact

FORMATS = ("otel", "langfuse", "chat", "plain")  # in this order they are tried
FOREIGN = {"otel": otel, "langfuse": langfuse, "chat": chat}
QUERIES = ("sql:", "sqlalchemy:")
STAGED_ROWS = 50_000  # of a staged table
SHOWN = 5  # broken lines that are named
GUESSED = (
    "input", "output", "timestamp", "session_id", "user_id", "model", "prompt_tokens", "completion_tokens", "cost", "feedback",
    "contexts",
)  # fmt: skip


@dataclass
class Taken:
    """What became of one file."""

    path: Path
    format: str = ""
    read: int = 0  # rows
    added: Added = field(default_factory=Added)
    broken: int = 0
    first: list[Broken] = field(default_factory=list)
    over: Counter[str] = field(default_factory=Counter)  # records that are of another kind, by kind
    guessed: dict[str, str] = field(default_factory=dict)
    redacted: int = 0  # cells
    rejected: Path | None = None


def sources(names: Iterable[str]) -> list[Path | str]:
    """The files that paths, patterns and folders name, each once; queries (``sql:…``, ``sqlalchemy:…``) as they are.

    Raises:
        SpecError: one of them names none.
    """
    told: dict[Path | str, None] = {}
    for name in names:
        told |= {name: None} if name.startswith(QUERIES) else dict.fromkeys(found(name, SUFFIXES))
    return list(told)


def known_format(name: str | None) -> str | None:
    """The name of a format, checked.

    Raises:
        SpecError: there is none of that name.
    """
    if name is None or name in FORMATS:
        return name
    close = nearest(name, FORMATS)
    hint = f"did you mean {close}?" if close else f"there is {', '.join(FORMATS)}"
    raise SpecError(Problem("--format", f"no format is called {quote(name)}", hint))


def known_fields(told: Sequence[str]) -> dict[str, str]:
    """``canonical=theirs`` as a mapping.

    Raises:
        SpecError: it is not written so, or names no canonical column.
    """
    fields = {}
    for each in told:
        name, equals, own = each.partition("=")
        if not equals or not name or not own:
            raise SpecError(Problem(f"--field {quote(each)}", "names no two columns", "write input=question"))
        if name not in COLUMNS and name not in ("error", "messages"):
            close = nearest(name, COLUMNS)
            hint = f"did you mean {close}?" if close else "`evalkit schema` has their names"
            raise SpecError(Problem(f"--field {quote(each)}", f"no column is called {quote(name)}", hint))
        fields[name] = own
    return fields


def ingest(
    source: Path | str,
    store: LogStore,
    *,
    format: str | None = None,
    fields: Mapping[str, str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Taken:
    """One file, or a query's rows, into the store, with flat memory; doing it again, or with a grown file, adds what is new.

    Raises:
        SpecError: the file cannot be read at all.
        StoreError: the store cannot be written.
    """
    if isinstance(source, str):
        with TemporaryDirectory(prefix="evalkit-") as folder, opened(source) as log:
            path = Path(folder) / "rows.parquet"
            log.run(f"COPY (SELECT * FROM {log.relation}) TO {literal(str(path))} (FORMAT parquet)")
            return _ingest(path, Path(log.label), store, format, fields, progress)
    return _ingest(source, source, store, format, fields, progress)


def _ingest(
    path: Path,
    label: Path,
    store: LogStore,
    format: str | None,
    fields: Mapping[str, str] | None,
    progress: Callable[[int], None] | None,
) -> Taken:
    taken = Taken(label, format or "")
    reader = _Reader(taken, store, dict(fields or {}))
    cells = False
    with store.staging() as staging, _Rejected(store, taken) as rejected:
        rows: list[tuple[int, Row]] = []
        for block in blocks(path):
            cells = cells or block.cells
            rejected.add(block.broken)
            rows += reader.rows(block, rejected)
            if len(rows) >= STAGED_ROWS:
                staging.write(reader.table(rows, rejected))
                rows = []
            if progress is not None:
                progress(taken.read)
        staging.write(reader.table(rows, rejected))
        taken.added = store.add(staging.files, cells=cells)
    return taken


def leftovers(store: LogStore) -> Iterator[Taken]:
    """What receivers that were killed had acknowledged, into the store."""
    for folder in store.left():
        for path in sorted(folder.glob("spans.*")):
            yield ingest(path, store, format="otel")


@dataclass
class _Reader:
    """A file's records as tables."""

    taken: Taken
    store: LogStore
    fields: dict[str, str]
    naming: Naming = field(default_factory=Naming)
    number: int = 0
    _chosen: bool = False

    def rows(self, block: Block, rejected: _Rejected) -> list[tuple[int, Row]]:
        """The rows in a block, each with its line."""
        if not block.values:
            return []
        if not self.taken.format:
            self.taken.format = _detected(block.values)
        kind = FOREIGN.get(self.taken.format)
        if kind is None and not self._chosen:
            self._choose(block)
        rows: list[tuple[int, Row]] = []
        for line, value in zip(block.lines, block.values):
            if not isinstance(value, Mapping):
                rejected.add([Broken(line, f"holds {_word(value)}, not an object", str(value)[:200])])
                continue
            if kind is None:
                rows.append((line, with_messages(self._plain(value))))
                continue
            try:
                for row in kind.rows(value):
                    if isinstance(row, Unreadable):
                        rejected.add([Broken(line, str(row), _json(value))])
                    elif isinstance(row, str):
                        self.taken.over[row] += 1
                    else:
                        rows.append((line, self._renamed(row)))
            except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
                said = str(error) if isinstance(error, ValueError) else f"is no record of {self.taken.format}"
                rejected.add([Broken(line, said, _json(value))])
        return rows

    def table(self, rows: list[tuple[int, Row]], rejected: _Rejected) -> Any:
        """Rows as one table to stage."""
        salt = self.store.salt
        made = columns_of([row for _, row in rows], self.naming, first=self.number, salt=salt)
        self.number += len(rows)
        self.taken.read += made.table.num_rows
        rejected.add([Broken(rows[at][0], reason, _json(rows[at][1])) for at, reason in made.wrong])
        if not self.store.redact or not made.table.num_rows:
            return made.table
        table, cells = redacted(made.table, salt)
        self.taken.redacted += cells
        return table

    def _choose(self, block: Block) -> None:
        """Which of the file's own columns are which canonical ones: as told, else guessed where the name leaves no doubt."""
        self._chosen = True
        some = [value for value in block.values[:200] if isinstance(value, Mapping)]
        names = list(dict.fromkeys(name for value in some for name in value))
        for told in self.fields.values():
            if told not in names and block.lines[:1] in ([1], [2]):
                close = nearest(told, names)
                hint = f"did you mean {quote(close)}?" if close else f"it has {', '.join(names[:8])}"
                raise SpecError(Problem(shown(self.taken.path), f"has no column {quote(told)}", hint))
        free = [name for name in names if name not in self.fields.values()]
        found_ = guess_fields([*free, *self.fields], some, least=0.7)
        self.taken.guessed = {name: own for name, own in found_.items() if name in GUESSED and name not in self.fields}
        self.fields = {**self.taken.guessed, **self.fields}

    def _plain(self, value: Mapping[str, Any]) -> Row:
        used = set(self.fields.values())
        row = {name: each for name, each in value.items() if name not in used and name not in self.fields}
        return row | {name: value[own] for name, own in self.fields.items() if value.get(own) is not None}

    def _renamed(self, row: Row) -> Row:
        """A foreign row, where ``--field`` takes a canonical column from another one of it."""
        if not self.fields:
            return row
        used = set(self.fields.values())
        return {name: each for name, each in row.items() if name not in used} | {
            name: row[own] for name, own in self.fields.items() if own in row
        }


class _Rejected:
    """Broken lines, kept aside in a file of the store that exists only where there are any."""

    def __init__(self, store: LogStore, taken: Taken) -> None:
        self._store, self._taken = store, taken
        self._file: IO[bytes] | None = None

    def __enter__(self) -> _Rejected:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, broken: Iterable[Broken]) -> None:
        for each in broken:
            self._taken.broken += 1
            if len(self._taken.first) < SHOWN:
                self._taken.first.append(each)
            if self._file is None:
                folder = self._store.folder / REJECTED
                folder.mkdir(exist_ok=True)
                self._taken.rejected = folder / f"{self._taken.path.name.replace(':', '-')}.{uuid4().hex[:8]}.jsonl"
                self._file = self._taken.rejected.open("wb")
            text = redact(each.text) if self._store.redact else each.text
            told = {"file": str(self._taken.path), "line": each.line, "reason": each.reason, "text": text}
            self._file.write(msgspec.json.encode(told) + b"\n")


def _detected(values: Sequence[Any]) -> str:
    """The format of a file's first records: what most of them fit."""
    some = [value for value in values[:50] if isinstance(value, Mapping)]
    for name, kind in FOREIGN.items():
        if some and sum(map(kind.fits, some)) * 2 > len(some):
            return name
    return "plain"


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()[:20_000]


def _word(value: Any) -> str:
    if isinstance(value, list):
        return "a list"
    return "a text" if isinstance(value, str) else "null" if value is None else "a number"
