"""A file of logs as records, a block at a time, with what is broken in it: its line, the reason and the text.

JSON Lines, CSV, a JSON document (an array is read element by element), Parquet, OTLP in protobuf; each also in gzip.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from evalkit.core.errors import MissingExtra, Problem, SpecError, quote
from evalkit.logs.found import suffix_of
from evalkit.records.encoding import BOM, undecodable
from evalkit.records.formats import shown
from evalkit.records.jsonl import LONGEST_LINE, broken

ROWS = 5_000  # of a block, at most
BYTES = 4 << 20
LONGEST_DOCUMENT = 512 << 20
KEPT = 20_000  # characters of a broken line
SUFFIXES = (
    ".jsonl", ".ndjson", ".jl", ".json", ".csv", ".tsv", ".parquet", ".pq", ".pb", ".bin", ".binpb", ".otlp", ".proto",
)  # fmt: skip
_PROTOBUF = (".pb", ".bin", ".binpb", ".otlp", ".proto")
_DECODER = msgspec.json.Decoder()


@dataclass(frozen=True)
class Broken:
    """What could not be read: where, why, and what stands there."""

    line: int
    reason: str
    text: str


@dataclass
class Block:
    """Some records of a file, each with its line (or its number, from 1), and what is broken between them.

    ``cells``: all values are texts of a CSV.
    """

    lines: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    cells: bool = False

    def add(self, line: int, value: Any) -> None:
        self.lines.append(line)
        self.values.append(value)

    def __bool__(self) -> bool:
        return bool(self.values or self.broken)


def blocks(path: Path) -> Iterator[Block]:
    """All of a file.

    Raises:
        SpecError: it cannot be read at all.
        MissingExtra: it is in protobuf, and the package that reads it is not installed.
    """
    name = shown(path)
    try:
        with _bytes(path) as file:
            head = file.peek(4096)[:4096]  # type: ignore[attr-defined]
            kind = _kind(path, head)
            if kind == "parquet":
                yield from _parquet(path)
            elif kind == "csv":
                yield from _csv(file, suffix_of(path))
            elif kind == "protobuf":
                yield from _protobuf(file)
            elif kind == "array":
                yield from _array(file)
            elif kind == "document":
                yield from _document(file, name)
            else:
                yield from _lines(file)
    except (gzip.BadGzipFile, EOFError) as error:
        raise SpecError(Problem(name, f"the gzip stream is damaged: {error}", "copy it again")) from error
    except OSError as error:
        raise SpecError(Problem(name, f"cannot be read: {error.strerror or error}")) from error


def _bytes(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, io.BufferedReader(gzip.open(path)) if packed else path.open("rb"))


def _kind(path: Path, head: bytes) -> str:
    suffix = suffix_of(path)
    if head.startswith(b"PAR1") or suffix in (".parquet", ".pq"):
        return "parquet"
    if suffix in (".csv", ".tsv"):
        return "csv"
    text = head.removeprefix(BOM).lstrip()
    if suffix in _PROTOBUF and text[:1] not in (b"{", b"["):
        return "protobuf"
    if text[:1] == b"[" and suffix not in (".jsonl", ".ndjson", ".jl"):
        return "array"
    if text[:1] == b"{" and suffix not in (".jsonl", ".ndjson", ".jl"):
        first = text.split(b"\n", 1)[0].strip()
        whole = b"\n" in text and _decodes(first)
        return "lines" if whole or (b"\n" not in text and len(head) == 4096) else "document"
    if not text or text[:1] == b"{" or suffix in (".jsonl", ".ndjson", ".jl", ".json", ".log", ".txt"):
        return "lines"
    if head[:1] == b"\n" or b"\x00" in head:
        return "protobuf"
    raise SpecError(
        Problem(
            shown(path),
            f"the format {quote(suffix or path.name)} is not known",
            "logs are read from JSON Lines (.jsonl), JSON, CSV, Parquet and OTLP (.pb, .json)",
        )
    )


def _decodes(line: bytes) -> bool:
    try:
        return isinstance(_DECODER.decode(line), Mapping)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False


def _cut(raw: bytes | str) -> str:
    text = raw if isinstance(raw, str) else raw[: 4 * KEPT].decode("utf-8", "replace")
    return text[:KEPT].rstrip("\r\n")


# --- JSON ------------------------------------------------------------------------------------------------------------


def _lines(file: BinaryIO) -> Iterator[Block]:
    block, size, number = Block(), 0, 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            block.broken.append(Broken(number, f"the line is longer than {LONGEST_LINE >> 20} MB", _cut(line)))
            while (rest := file.readline(BYTES)) and not rest.endswith(b"\n"):
                pass
            continue
        if number == 1:
            line = line.removeprefix(BOM)
        text = line.strip()
        if not text:
            continue
        size += len(line)
        try:
            value = _DECODER.decode(text)
        except UnicodeDecodeError:
            block.broken.append(Broken(number, _said(*undecodable(text)), _cut(text)))
        except (msgspec.MsgspecError, RecursionError):
            block.broken.append(Broken(number, _said(*broken(text)), _cut(text)))
        else:
            block.add(number, value)
        if len(block.values) + len(block.broken) >= ROWS or size >= BYTES:
            yield block
            block, size = Block(), 0
    if block:
        yield block


def _said(what: str, hint: str | None) -> str:
    return f"{what}; {hint}" if hint else what


def _document(file: BinaryIO, name: str) -> Iterator[Block]:
    text = file.read(LONGEST_DOCUMENT + 1)
    if len(text) > LONGEST_DOCUMENT:
        what = f"is one JSON object of more than {LONGEST_DOCUMENT >> 20} MB"
        raise SpecError(Problem(name, what, "write one object a line, or a JSON array"))
    block = Block()
    try:
        block.add(1, _DECODER.decode(text.removeprefix(BOM)))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        block = next(iter(_lines(cast(BinaryIO, io.BytesIO(text)))), block)
        if not block.values:  # no line is an object of its own: the document as a whole is broken
            block = Block(broken=[Broken(1, _said(*broken(text)), _cut(text))])
        else:
            yield from _lines(cast(BinaryIO, io.BytesIO(text)))
            return
    yield block


def _array(file: BinaryIO) -> Iterator[Block]:
    """The elements of an array, numbered from 1, without holding all of it."""
    reader = io.TextIOWrapper(cast(Any, file), "utf-8-sig", errors="surrogateescape")
    scan, block, number, size = json.JSONDecoder(), Block(), 0, 0
    text = reader.read(BYTES).lstrip()[1:]
    step, ended = BYTES, False
    while True:
        text = text.lstrip(" \t\r\n,")
        if text[:1] == "]":
            break
        try:
            if not text:
                raise ValueError
            value, end = scan.raw_decode(text)
            if end >= len(text) and not ended:
                raise ValueError  # a number may go on
        except (ValueError, RecursionError) as error:
            more = "" if ended else reader.read(step)
            if more:
                text, step = text + more, min(step * 2, LONGEST_LINE)
                continue
            ended = True
            if text:
                word = str(error).partition(":")[0] or "it ends early"
                block.broken.append(Broken(number + 1, f"broken JSON after element {number}: {word}", _cut(text)))
            break
        number += 1
        size += end
        raw, text, step = text[:end], text[end:], BYTES
        if "\\u" in raw or not raw.isascii():
            try:
                raw.encode()
                msgspec.json.encode(value)
            except UnicodeEncodeError:
                block.broken.append(Broken(number, "the element is not UTF-8", raw.encode("utf-8", "replace")[:KEPT].decode()))
                continue
        block.add(number, value)
        if len(block.values) >= ROWS or size >= BYTES:
            yield block
            block, size = Block(), 0
    reader.detach()
    if block:
        yield block


# --- CSV -------------------------------------------------------------------------------------------------------------


def _csv(file: BinaryIO, suffix: str) -> Iterator[Block]:
    reader = io.TextIOWrapper(cast(Any, file), "utf-8-sig", errors="surrogateescape", newline="")
    head = reader.readline(LONGEST_LINE)
    mark = "\t" if suffix == ".tsv" or ("\t" in head and "," not in head) else ";" if ";" in head and "," not in head else ","
    header = next(csv.reader([head], delimiter=mark), [])
    block = Block(cells=True)
    if not any(header):
        return
    csv.field_size_limit(max(csv.field_size_limit(), 16 << 20))
    rows = csv.reader(reader, delimiter=mark, strict=True)
    line, size = 1, 0
    while True:
        begin = line + 1
        try:
            cells = next(rows)
        except StopIteration:
            break
        except csv.Error as error:
            line = 1 + rows.line_num
            block.broken.append(Broken(begin, f"broken CSV: {error}", ""))
            continue
        line = 1 + rows.line_num
        if not cells:
            continue
        told = mark.join(cells)
        size += len(told)
        if len(cells) != len(header):
            reason = f"the row has {len(cells)} cells, the header {len(header)}"
            block.broken.append(Broken(begin, reason, _cut(told.encode("utf-8", "replace"))))
        elif not told.isascii() and not _is_utf8(told):
            block.broken.append(Broken(begin, "the row is not UTF-8", _cut(told.encode("utf-8", "replace"))))
        else:
            block.add(begin, {name: cell for name, cell in zip(header, cells) if cell != ""})
        if len(block.values) + len(block.broken) >= ROWS or size >= BYTES:
            yield block
            block, size = Block(cells=True), 0
    reader.detach()
    if block:
        yield block


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# --- Parquet and protobuf --------------------------------------------------------------------------------------------


def _parquet(path: Path) -> Iterator[Block]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            number, maps = 0, [each.name for each in file.schema_arrow if pa.types.is_map(each.type)]
            for batch in file.iter_batches(batch_size=ROWS):
                values = [_without_nulls(row) for row in batch.to_pylist()]
                for name in maps:
                    for row in values:
                        if name in row:
                            row[name] = dict(row[name])
                yield Block(list(range(number + 1, number + len(values) + 1)), values)
                number += len(values)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise SpecError(Problem(shown(path), f"the Parquet file is damaged: {said}", "copy or write it again")) from error


def _without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None and value == value}


def _protobuf(file: BinaryIO) -> Iterator[Block]:
    """Export requests: one alone, or many, each after its length (4 bytes as the collector writes them, or a varint)."""
    from evalkit.logs.otel import messages_of

    head = file.read(BYTES)
    try:
        whole = head + file.read(LONGEST_LINE) if len(head) == BYTES else head
        yield Block([1], [messages_of(whole)])
        return
    except ValueError:
        pass
    stream = io.BufferedReader(cast(Any, _Again(whole, file)))
    big = len(whole) >= 4 and 0 < struct.unpack(">I", whole[:4])[0] <= LONGEST_LINE and whole[0] != 0x0A
    number = 0
    while True:
        length = _length(stream, big)
        if length is None:
            return
        number += 1
        data = stream.read(length) if 0 <= length <= LONGEST_LINE else b""
        if len(data) < length or length < 0:
            yield Block(broken=[Broken(number, "the message is cut off, or the file is no OTLP", "")])
            return
        try:
            yield Block([number], [messages_of(data)])
        except MissingExtra:
            raise
        except ValueError as error:
            yield Block(broken=[Broken(number, f"the message {error}", "")])


def _length(stream: io.BufferedReader, big: bool) -> int | None:
    """The length of the next message; None at the end, -1 where it is cut off."""
    if big:
        head = stream.read(4)
        return None if not head else -1 if len(head) < 4 else int(struct.unpack(">I", head)[0])
    length, shift = 0, 0
    while byte := stream.read(1):
        length |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return length
        shift += 7
        if shift > 35:
            return -1
    return None if not shift else -1


class _Again(io.RawIOBase):
    """What was read already, then the rest."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        super().__init__()
        self._head, self._file = io.BytesIO(head), file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head.read(len(buffer)) or self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
