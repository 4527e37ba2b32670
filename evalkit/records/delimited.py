"""CSV and TSV: a header, then one record a row; a row may span lines inside quotes."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, cast

import numpy as np

from evalkit.core.errors import Problem, quote
from evalkit.records.canonical import COLUMNS
from evalkit.records.encoding import BOM, undecodable
from evalkit.records.fields import SYNONYMS, plain
from evalkit.records.jsonl import BLOCK_BYTES, LONGEST_LINE
from evalkit.records.source import MOST_COLUMNS, Block, Piece, Positions, Refusal, Source, Tally, naming

Row = list[str | None]
_KNOWN = frozenset(COLUMNS) | {name for names in SYNONYMS.values() for name in names}


@dataclass(frozen=True)
class Delimited(Source):
    """A CSV file in UTF-8, with a header; a quote inside quotes is doubled (RFC 4180).

    An empty cell is an absent value; ``""``, in quotes, is an empty text. Cells of canonical columns that hold numbers,
    bools or lists are parsed (lists as JSON), all others stay the text they are. Blank rows are passed over. The
    delimiter is a tab in ``.tsv``, else a comma, or a semicolon or tab where the header has no comma.
    """

    delimiter: str = ","
    header: tuple[str, ...] = ()
    body: int = 0  # where the rows begin, in bytes
    body_line: int = 1

    cells: ClassVar[bool] = True

    @classmethod
    def of(cls, path: Path, shown: str, size: int, modified_ns: int) -> Delimited | Problem:
        """The file with its header read, or what is wrong with the header."""
        with path.open("rb") as file:
            begin = len(BOM) if file.read(len(BOM)) == BOM else 0
            file.seek(begin)
            lines = _Lines(file)
            first = next((line for line in lines if line.strip()), "")
            delimiter = _delimiter(path, first)
            while first.count('"') % 2 and (more := next(lines, "")):
                first += more
        place = f"{shown}:{max(lines.count, 1)}"
        if lines.fault is not None:
            return Problem(place, lines.fault.what, lines.fault.hint)
        try:
            header = next(csv.reader(StringIO(first, newline="\n"), delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            return Problem(place, *_said(error))
        header = ["unnamed" if index == 0 and not name else name for index, name in enumerate(header)]  # pandas' index
        return _header_problem(place, header, delimiter) or cls(
            path, shown, size, modified_ns, delimiter, tuple(header), begin + lines.bytes, lines.count + 1
        )

    def pieces(self) -> list[Piece]:
        return [Piece(self.body, max(self.size, self.body))]

    def blocks(self, piece: Piece, fields: Mapping[str, str], tally: Tally) -> Iterator[Block]:
        wanted = naming(self.header, fields)
        tally.sources.update(dict.fromkeys(self.header))
        places: list[tuple[int, int, int]] = []  # begin, end, line
        rows: list[Row] = []
        with self.path.open("rb") as file:
            file.seek(piece.low)
            for begin, end, line, row in self._rows(file, piece.low, tally):
                places.append((begin, end, line))
                rows.append(row)
                if end - places[0][0] >= BLOCK_BYTES:
                    yield self._block(places, rows, wanted, tally)
                    places, rows = [], []
        if rows:
            yield self._block(places, rows, wanted, tally)

    def _block(self, places: list[tuple[int, int, int]], rows: list[Row], wanted: Mapping[str, str], tally: Tally) -> Block:
        begins, ends, lines = np.array(places, dtype=np.int64).T
        tally.end = int(ends[-1])
        return Block(self._columns(rows, wanted), begins, ends - begins, lines)

    def _rows(self, file: BinaryIO, low: int, tally: Tally | None) -> Iterator[tuple[int, int, int, Row]]:
        """Begin, end, line and cells of each row that is a record; without a tally the rows are known to be fine."""
        width, lines = len(self.header), _Lines(file)
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        while True:
            begin, line = low + lines.bytes, self.body_line + lines.count
            lines.recent.clear()
            try:
                row = cast("Row | None", next(reader, None))
            except csv.Error as error:
                if tally is not None and lines.fault is None:  # else that is the reason, and told below
                    cut_off = "unexpected end" in str(error)
                    tally.fault("csv", line if cut_off else self.body_line + lines.count - 1, *_said(error))
                reader, row = csv.reader(lines, delimiter=self.delimiter, strict=True), []
            if lines.fault is not None:
                if tally is not None:
                    tally.fault(lines.fault.kind, self.body_line + lines.fault.line - 1, lines.fault.what, lines.fault.hint)
                lines.fault = None
                continue
            if row is None:
                return
            if "" in row:
                row = _absent(row, "".join(lines.recent), self.delimiter)
            if len(row) == width and row.count(None) < width:
                yield begin, low + lines.bytes, line, row
            elif row and len(row) != width and row.count(None) < len(row) and tally is not None:
                tally.fault("ragged", line, *_ragged(row, width, self.delimiter))

    def columns(self, runs: Positions, wanted: Mapping[str, str]) -> dict[str, list[Any]]:
        self.guard()
        rows: list[Row] = []
        with self.path.open("rb") as file:
            for low, high in runs.tolist():
                file.seek(low)
                rows.extend(row for _, _, _, row in self._rows(BytesIO(file.read(high - low)), low, None))
        return self._columns(rows, {name: own for name, own in wanted.items() if own in self.header})

    def _columns(self, rows: Sequence[Row], wanted: Mapping[str, str]) -> dict[str, list[Any]]:
        by_name = dict(zip(self.header, zip(*rows)))
        return {name: list(by_name[own]) for name, own in wanted.items()}

    def line_of(self, position: int) -> int:
        line, left = self.body_line, position - self.body
        with self.path.open("rb") as file:
            file.seek(self.body)
            while left > 0 and (text := file.read(min(left, 8 << 20))):
                line += text.count(b"\n")
                left -= len(text)
        return line


class _Lines:
    """The lines of a file as text, split at line feeds only; counts bytes and lines, and notes what is wrong."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.bytes = self.count = 0
        self.recent: list[str] = []
        self.fault: Refusal | None = None

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        raw = self.file.readline(LONGEST_LINE)
        if not raw:
            raise StopIteration
        self.bytes += len(raw)
        self.count += 1
        if len(raw) == LONGEST_LINE and not raw.endswith(b"\n"):
            what = f"the line is longer than {LONGEST_LINE >> 20} MB"
            self.fault = self.fault or Refusal("line", self.count, what, "is a line feed missing, or a quote not closed?")
            while (rest := self.file.readline(BLOCK_BYTES)) and not rest.endswith(b"\n"):
                self.bytes += len(rest)
            self.bytes += len(rest)
            return "\n"
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            self.fault = self.fault or Refusal("encoding", self.count, *undecodable(raw))
            text = raw.decode("utf-8", errors="replace")
        if "\x00" in text:
            hint = "was the file cut off while it was written, or is it not a text file?"
            self.fault = self.fault or Refusal("nul", self.count, "the line holds NUL bytes", hint)
            text = text.replace("\x00", "")
        self.recent.append(text)
        return text


def _delimiter(path: Path, line: str) -> str:
    if path.suffix.lower() in (".tsv", ".tab"):
        return "\t"
    if "," in line:
        return ","
    return max(";\t,", key=line.count) if line else ","


def _absent(row: Row, text: str, delimiter: str) -> Row:
    """A row with None for its empty cells, but for those that stand in quotes."""
    if '""' not in text:
        return [cell or None for cell in row]
    cell = re.compile(f'(?s:"(?:[^"]|"")*"[^{delimiter}]*|[^{delimiter}]*)')
    told, at = [], 0
    for value in row:
        found = cell.match(text, at)
        quoted = found is not None and found.group().rstrip("\r\n") == '""'
        told.append(value if value or quoted else None)
        at = found.end() + 1 if found is not None else len(text)
    return told


def _said(error: csv.Error) -> tuple[str, str | None]:
    """The csv module's complaint in words."""
    text = str(error)
    if "unexpected end" in text:
        return "the row that begins here never ends: a quote is not closed", 'a quote inside quotes is written twice: ""'
    if "expected after" in text:
        return "a quoted cell goes on after its closing quote", 'a quote inside quotes is written twice: ""'
    if "new-line" in text:
        return "a carriage return stands inside a row", "save the file with line feeds (\\n or \\r\\n) as line ends"
    if "field larger" in text:
        return f"a cell is longer than {LONGEST_LINE >> 20} MB", "is a quote not closed?"
    return text, None


def _ragged(row: Row, width: int, delimiter: str) -> tuple[str, str]:
    what = f"the row has {len(row)} cells, the header has {width}"
    name = "tab" if delimiter == "\t" else repr(delimiter)
    if len(row) > width:
        return what, f"a cell that holds a {name} must stand in quotes"
    return what, f"for an absent value leave the cell empty, and keep its {name}"


def _header_problem(place: str, header: Sequence[str], delimiter: str) -> Problem | None:
    for index, name in enumerate(header):
        if name in header[:index]:
            return Problem(
                place,
                f"the header names {quote(name)} twice (columns {header.index(name) + 1} and {index + 1})",
                "rename one of them",
            )
    if "" in header:
        return Problem(place, f"column {header.index('') + 1} has no name in the header", "every column needs a name")
    if len(header) > MOST_COLUMNS:
        return Problem(place, f"the header has more than {MOST_COLUMNS:,} columns")
    if header and not any(plain(name) in _KNOWN for name in header) and any(map(_is_data, header)):
        example = delimiter.join(("input", "output", "reference"))
        return Problem(
            place, "the first row looks like a record, a header is missing", f"put the names of the columns first: {example}"
        )
    return None


def _is_data(name: str) -> bool:
    text = name.strip()
    number = re.fullmatch(r"[-+]?\d+(\.\d+)?", text) is not None
    return number or len(text) > 60 or text[:1] in ("[", "{") or (text.count(" ") > 2 and text[-1:] in (".", "?", "!"))


# A cell may be as long as a line; the module's own limit of 128 KB is too small for documents.
csv.field_size_limit(LONGEST_LINE)
