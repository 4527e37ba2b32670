"""A file of records: what every format can do, and what scanning a stretch of one tells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from evalkit.core.errors import Problem, SpecError, quote
from evalkit.records.canonical import COLUMNS
from evalkit.records.convert import convert
from evalkit.records.identity import Keys, content_keys, name_keys

Positions = NDArray[np.int64]
SHOWN = 20  # problems that a message lists
MOST_COLUMNS = 1_000


@dataclass(frozen=True)
class Refusal:
    """One thing wrong on one line (or in one row) of a file; ``line`` 0 is the file as a whole."""

    kind: str
    line: int
    what: str
    hint: str | None = None


@dataclass(frozen=True)
class Piece:
    """A stretch of a file that one process scans: ``[low, high)`` in the file's own positions."""

    low: int
    high: int


@dataclass
class Block:
    """Some consecutive records of a piece: columns by canonical name, not yet converted."""

    columns: Mapping[str, Sequence[Any]]
    starts: Positions  # where each record begins
    sizes: Positions  # bytes of each record, more or less
    lines: Sequence[int] | Positions  # the line or row of each record, counted from the piece's first (1)


@dataclass(frozen=True)
class Source(ABC):
    """A file of records. It is picklable and opens the file anew in every call.

    A *position* is a byte offset in text formats and a record's number in Parquet. A record owns the positions from its
    own start to the next record's.
    """

    path: Path
    shown: str  # how messages call it
    size: int
    modified_ns: int

    cells: ClassVar[bool] = False  # values are CSV cells
    unit: ClassVar[str] = ":"  # between file and line in a message

    @abstractmethod
    def pieces(self) -> list[Piece]:
        """The stretches to scan, in order."""

    @abstractmethod
    def blocks(self, piece: Piece, fields: Mapping[str, str], tally: Tally) -> Iterator[Block]:
        """The records of a piece; what is wrong goes to ``tally.fault`` as it is met, lines to ``tally.lines``."""

    @abstractmethod
    def columns(self, runs: Positions, wanted: Mapping[str, str]) -> dict[str, list[Any]]:
        """The raw columns of the records in ``runs``, shape (k, 2): canonical name → values; all of them present."""

    @abstractmethod
    def line_of(self, position: int) -> int:
        """The line (or row) where the record at a position begins, counted from 1."""

    def place(self, line: int) -> str:
        """A line as messages write it."""
        return f"{self.shown}{self.unit}{line}" if line else self.shown

    def guard(self) -> None:
        """Raise if the file is no longer the one that was scanned."""
        stat = self.path.stat()
        if (stat.st_size, stat.st_mtime_ns) != (self.size, self.modified_ns):
            raise SpecError(Problem(self.shown, "the file changed after it was checked", "run the command again"))


@dataclass
class Seen:
    """What was seen of one column: records with a value, and the kinds of the values."""

    values: int = 0
    kinds: set[str] = field(default_factory=set)


@dataclass
class Scanned:
    """What scanning a piece tells; it travels from a worker to the parent."""

    starts: Positions
    sizes: NDArray[np.uint32]
    keys: Keys
    named: NDArray[np.bool_]  # which records have an explicit id
    end: int  # the position after the last record
    lines: int
    columns: dict[str, Seen]
    sources: dict[str, None]  # the file's own column names, in the order met
    references: tuple[int, int] | None  # least and most per record
    faults: list[Refusal]
    counts: dict[str, int]  # faults of each kind, also those that are not listed
    full: bool = False  # the limit was reached


class Tally:
    """Adds up the blocks of one piece: checks the values, and keeps per record a few bytes and no object."""

    def __init__(self, source: Source, fields: Mapping[str, str], limit: int | None) -> None:
        self.source, self.fields, self.limit = source, fields, limit
        self.n = self.lines = 0
        self.end = 0
        self.faults: list[Refusal] = []
        self.counts: dict[str, int] = {}
        self.sources: dict[str, None] = {}
        self._columns: dict[str, Seen] = {}
        self._references: tuple[int, int] | None = None
        self._parts: list[tuple[Positions, NDArray[np.uint32], Keys, NDArray[np.bool_]]] = []

    def fault(self, kind: str, line: int, what: str, hint: str | None = None) -> None:
        """Note something wrong; only the first of a kind are kept in words."""
        count = self.counts.get(kind, 0)
        if count < SHOWN:
            self.faults.append(Refusal(kind, line, what, hint))
        self.counts[kind] = count + 1

    def add(self, block: Block) -> bool:
        """Take in a block; whether the limit is reached."""
        n = len(block.starts)
        room = n if self.limit is None else min(n, self.limit - self.n)
        columns: dict[str, Sequence[Any]] = {}
        for name, values in block.columns.items():
            told = f"{name} (here {quote(self.fields[name])})" if self.fields.get(name, name) != name else name
            fine, wrong = convert(name, values if room == n else values[:room], cells=self.source.cells, told=told)
            for refused in wrong:
                self.fault(f"type of {name}", int(block.lines[refused.index]), refused.what, refused.hint)
            columns[name] = fine
            self._see(name, fine, room)
        explicit = columns.get("id")
        named = np.ones(room, dtype=bool)
        if explicit is None or None in explicit:
            named = np.fromiter((value is not None for value in explicit or [None] * room), dtype=bool, count=room)
        keys = content_keys(columns, room) if not named.all() else np.zeros(room, dtype=np.uint64)
        if explicit is not None and named.any():
            keys[named] = name_keys([name for name in explicit if name is not None] if not named.all() else explicit)
        self._parts.append((block.starts[:room], block.sizes[:room].astype(np.uint32), keys, named))
        self.n += room
        if room < n:
            self.end = int(block.starts[room])
        if self.limit is None or self.n < self.limit:
            return False
        self._forget_after(int(block.lines[room - 1]))
        return True

    def _forget_after(self, line: int) -> None:
        """Take back what was noted of lines beyond the last record that is taken."""
        for kind in list(self.counts):
            noted = sum(refusal.kind == kind for refusal in self.faults)
            left = sum(refusal.kind == kind and refusal.line <= line for refusal in self.faults)
            if left < noted:
                self.counts[kind] = left
        self.faults = [refusal for refusal in self.faults if refusal.line <= line]

    def _see(self, name: str, values: Sequence[Any], n: int) -> None:
        kinds = set(map(type, values))
        seen = self._columns.setdefault(name, Seen())
        absent = sum(value is None for value in values) if type(None) in kinds else 0
        seen.values += n - absent
        seen.kinds.update(kind_name(kind) for kind in kinds if kind is not type(None))
        if name == "reference" and absent < n:
            self._references = widen(self._references, reference_counts(values, kinds))

    def scanned(self, *, full: bool) -> Scanned:
        """The sum."""
        empty = np.zeros(0, dtype=np.int64)
        starts, sizes, keys, named = (
            (np.concatenate(part) for part in zip(*self._parts))
            if self._parts
            else (empty, empty.astype(np.uint32), empty.astype(np.uint64), empty.astype(bool))
        )
        return Scanned(
            starts, sizes, keys, named, self.end, self.lines, self._columns, self.sources, self._references,
            self.faults, self.counts, full,
        )  # fmt: skip


def scan_piece(source: Source, piece: Piece, fields: Mapping[str, str], limit: int | None) -> Scanned:
    """Scan a stretch of a file; with ``limit`` only its first records."""
    tally = Tally(source, fields, limit)
    for block in source.blocks(piece, fields, tally):
        if tally.add(block):
            return tally.scanned(full=True)
    return tally.scanned(full=False)


def naming(sources: Iterable[str], fields: Mapping[str, str]) -> dict[str, str]:
    """Canonical name → the file's own, for all of its columns.

    A column that ``fields`` renames stands under its canonical name only; one whose name ``fields`` gives to another
    column is left out, unless it is renamed itself.
    """
    known = dict.fromkeys(sources)
    renamed = {name: source for name, source in fields.items() if source in known}
    taken = set(renamed.values())
    kept = {name: name for name in known if name not in fields and name not in taken}
    return {**renamed, **kept}


def arranged(names: Iterable[str]) -> list[str]:
    """Canonical columns first, in their own order, then the others as they came; always with ``id``."""
    known = dict.fromkeys(names)
    return [
        "id",
        *(name for name in COLUMNS if name in known and name != "id"),
        *(name for name in known if name not in COLUMNS),
    ]


def reference_counts(values: Sequence[Any], kinds: set[type]) -> tuple[int, int] | None:
    """Least and most references of the records that have one."""
    if kinds == {str}:
        return 1, 1
    counts = {1 if type(value) is str else len(value) for value in values if value is not None} - {0}
    return (min(counts), max(counts)) if counts else None


def widen(one: tuple[int, int] | None, other: tuple[int, int] | None) -> tuple[int, int] | None:
    """The range that spans both."""
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), max(one[1], other[1])


def kind_name(kind: type) -> str:
    """A Python type as people who write JSON call it."""
    return {str: "text", bool: "bool", int: "number", float: "number", list: "list", dict: "object"}.get(kind, kind.__name__)
