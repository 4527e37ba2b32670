"""Parquet: records by their number, read row group by row group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from evalkit.core.errors import Problem, quote
from evalkit.records.canonical import COLUMNS
from evalkit.records.memory import plain
from evalkit.records.source import MOST_COLUMNS, Block, Piece, Positions, Source, Tally, naming

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH_ROWS = 2_048
_LISTS = frozenset(name for name, column in COLUMNS.items() if column.kind in ("passages", "names", "answers"))


@dataclass(frozen=True)
class ParquetRows(Source):
    """A Parquet file; a position is a record's number in it.

    Times become ISO 8601 text, a NaN is an absent value, an ``{id: grade}`` may be a map or a struct (whose absent
    members are left out).
    """

    header: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()  # rows of each row group

    unit: ClassVar[str] = ", row "

    @classmethod
    def of(cls, path: Path, shown: str, size: int, modified_ns: int) -> ParquetRows | Problem:
        """The file with its footer read, or why it is not Parquet."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        with path.open("rb") as file:
            head = file.read(4)
            file.seek(max(size - 4, 0))
            tail = file.read(4)
        if not size:
            return Problem(shown, "the file is empty")
        if head == b"PAR1" != tail:
            return Problem(shown, "the Parquet file is cut off: its end is missing", "copy or write it again")
        if head != b"PAR1":
            return Problem(shown, "is not a Parquet file", "does its name end rightly?")
        try:
            with pq.ParquetFile(path) as file:
                meta, names = file.metadata, file.schema_arrow.names
        except (pa.ArrowException, OSError) as error:
            return Problem(shown, f"the Parquet file is damaged: {_first_line(error)}", "copy or write it again")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            return Problem(shown, f"the column {quote(twice[0])} stands twice", "rename one of them")
        if len(names) > MOST_COLUMNS:
            return Problem(shown, f"the file has more than {MOST_COLUMNS:,} columns")
        groups = tuple(meta.row_group(index).num_rows for index in range(meta.num_row_groups))
        return cls(path, shown, size, modified_ns, tuple(names), groups)

    def pieces(self) -> list[Piece]:
        bounds = np.cumsum((0, *self.groups)).tolist()
        return [Piece(low, high) for low, high in pairwise(bounds)] or [Piece(0, 0)]

    def blocks(self, piece: Piece, fields: Mapping[str, str], tally: Tally) -> Iterator[Block]:
        import pyarrow as pa

        wanted = naming(self.header, fields)
        tally.sources.update(dict.fromkeys(self.header))
        at = piece.low
        try:
            for batch in _Cursor(self).batches(piece.low, piece.high, sorted(set(wanted.values()))):
                n = batch.num_rows
                size = max(batch.nbytes // max(n, 1), 1)
                numbers = np.arange(at, at + n)
                tally.end = at = at + n
                yield Block(_columns([batch], wanted), numbers, np.full(n, size), numbers - piece.low + 1)
        except UnicodeDecodeError as error:
            tally.fault("encoding", 0, f"a text in it is not UTF-8 ({_first_line(error)})", "write the file again")
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            tally.fault("parquet", 0, f"the Parquet file is damaged: {_first_line(error)}", "copy or write it again")
        tally.lines += piece.high - piece.low

    def columns(self, runs: Positions, wanted: Mapping[str, str]) -> dict[str, list[Any]]:
        self.guard()
        known = {name: own for name, own in wanted.items() if own in self.header}
        cursor = _cursor(self)
        batches = [batch for low, high in runs.tolist() for batch in cursor.batches(low, high, sorted(set(known.values())))]
        return _columns(batches, known)

    def line_of(self, position: int) -> int:
        return position + 1


class _Cursor:
    """Reads forward through a file, so that the chunks of a large row group do not each decode it from its start."""

    def __init__(self, source: ParquetRows) -> None:
        self.source = source
        self.bounds = np.cumsum((0, *source.groups))
        self._columns: list[str] | None = None
        self._at = 0  # the number of the first row of what is held, or else to come
        self._held: pa.RecordBatch | None = None
        self._group = -1
        self._stream: Iterator[pa.RecordBatch] = iter(())

    def batches(self, low: int, high: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """The rows ``[low, high)``, in order."""
        while low < high:
            batch = self._seek(low, columns)
            offset = low - self._at
            count = min(batch.num_rows - offset, high - low)
            yield batch.slice(offset, count)
            low += count

    def _seek(self, row: int, columns: list[str]) -> pa.RecordBatch:
        """The batch that holds a row."""
        group = int(np.searchsorted(self.bounds, row, side="right")) - 1
        if columns != self._columns or group != self._group or row < self._at:
            self._open(group, columns)
        while self._held is None or row >= self._at + self._held.num_rows:
            self._at += self._held.num_rows if self._held is not None else 0
            self._held = next(self._stream, None)
            if self._held is None:
                raise OSError("a row group has fewer rows than the file says")
        return self._held

    def _open(self, group: int, columns: list[str]) -> None:
        import pyarrow.parquet as pq

        file = pq.ParquetFile(self.source.path, pre_buffer=False)
        self._columns, self._group, self._at, self._held = columns, group, int(self.bounds[group]), None
        self._stream = _rows(file, group, columns)


def _rows(file: pq.ParquetFile, group: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with file:
        yield from file.iter_batches(batch_size=BATCH_ROWS, row_groups=[group], columns=columns, use_threads=False)


_latest: list[_Cursor] = []  # the last file read in this process: chunks come in order


def _cursor(source: ParquetRows) -> _Cursor:
    if not _latest or _latest[0].source != source:
        _latest[:] = [_Cursor(source)]
    return _latest[0]


def _columns(batches: Sequence[pa.RecordBatch], wanted: Mapping[str, str]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for name, own in wanted.items():
        values: list[Any] = []
        for batch in batches:
            values.extend(_values(name, batch.column(batch.schema.get_field_index(own))))
        columns[name] = values
    return columns


def _values(name: str, array: pa.Array) -> list[Any]:
    from pyarrow import types

    kind = array.type
    if types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    values: list[Any] = array.to_pylist()
    if types.is_string(kind) or types.is_large_string(kind) or types.is_integer(kind) or types.is_boolean(kind):
        return values
    if types.is_list(kind) and (types.is_floating(kind.value_type) or (types.is_string(kind.value_type) and name in _LISTS)):
        return values
    if types.is_floating(kind):
        return [None if value != value else value for value in values]
    if types.is_map(kind):
        return [None if value is None else {str(key): plain(item) for key, item in value} for value in values]
    if name == "relevant_ids" and types.is_struct(kind):
        return [
            None if value is None else {key: plain(item) for key, item in value.items() if item is not None} for value in values
        ]
    return [plain(value) for value in values]


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
