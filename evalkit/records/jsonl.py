"""JSON Lines: one JSON object a line, read by byte ranges."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Any, BinaryIO

import msgspec
import numpy as np

from evalkit.records.canonical import COLUMNS
from evalkit.records.encoding import BOM, undecodable
from evalkit.records.source import MOST_COLUMNS, Block, Piece, Positions, Source, Tally, naming

PIECE_BYTES = 8 << 20
BLOCK_BYTES = 1 << 20
LONGEST_LINE = 64 << 20

_DECODER = msgspec.json.Decoder()
_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAW_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_TEXTS = frozenset(name for name, column in COLUMNS.items() if column.kind in ("text", "prompt", "answers"))


@dataclass(frozen=True)
class JsonLines(Source):
    """A JSONL file. Lines end in a line feed, with or without a carriage return; blank lines are passed over.

    ``NaN`` and ``Infinity`` are not JSON and are errors. Of a key that stands twice in one object the last counts.
    """

    def pieces(self) -> list[Piece]:
        bounds = [*range(0, max(self.size, 1), PIECE_BYTES), self.size]
        return [Piece(low, high) for low, high in pairwise(bounds)]

    def blocks(self, piece: Piece, fields: Mapping[str, str], tally: Tally) -> Iterator[Block]:
        with self.path.open("rb") as file:
            for start, text in _stretches(file, piece, self.size, tally):
                block = self._block(start, text, fields, tally)
                tally.lines += text.count(b"\n") if text.endswith(b"\n") else text.count(b"\n") + 1
                tally.end = start + len(text)
                if block is not None:
                    yield block

    def _block(self, start: int, text: bytes, fields: Mapping[str, str], tally: Tally) -> Block | None:
        begins, ends = _bounds(text)
        rows = _decoded(text, begins, ends)
        lines = tally.lines + 1 + np.arange(len(begins))
        if rows is None:
            texts = [text[low:high] for low, high in zip(begins.tolist(), ends.tolist())]
            rows, kept = _one_by_one(texts, tally)
            begins, ends, lines = begins[kept], ends[kept], lines[kept]
        if not rows:
            return None
        seen = _keys(rows)
        tally.sources.update(seen)
        if len(tally.sources) > MOST_COLUMNS:
            if "columns" not in tally.counts:
                tally.fault(
                    "columns", 0, f"the records have more than {MOST_COLUMNS:,} different keys",
                    "a table keyed by name belongs into one field, not into the record itself",
                )  # fmt: skip
            seen = dict.fromkeys(name for name in tally.sources if name in COLUMNS or name in fields.values())
        columns = _columns(rows, naming(seen, fields), lambda index: text[begins[index] : ends[index]])
        return Block(columns, start + begins, ends - begins, lines)

    def columns(self, runs: Positions, wanted: Mapping[str, str]) -> dict[str, list[Any]]:
        self.guard()
        with self.path.open("rb") as file:
            texts = []
            for low, high in runs.tolist():
                file.seek(low)
                texts.append(file.read(high - low))
        text = b"\n".join(texts)
        rows = _DECODER.decode_lines(text)
        lines: list[bytes] = []

        def line(index: int) -> bytes:
            if not lines:
                lines.extend(piece for piece in text.split(b"\n") if piece.strip())
            return lines[index]

        return _columns(rows, wanted, line)

    def line_of(self, position: int) -> int:
        lines, left = 1, position
        with self.path.open("rb") as file:
            while left > 0:
                text = file.read(min(left, 8 << 20))
                lines += text.count(b"\n")
                left -= len(text)
        return lines


def _stretches(file: BinaryIO, piece: Piece, size: int, tally: Tally) -> Iterator[tuple[int, bytes]]:
    """Whole lines of a piece, about a block at a time, with the offset of the first; a line belongs where it begins."""
    position = piece.low
    if position > 0:
        file.seek(position - 1)
        while (text := file.readline(BLOCK_BYTES)) and not text.endswith(b"\n"):
            if file.tell() > piece.high:
                return
        position = file.tell()
    else:
        first = file.read(len(BOM))
        position = len(BOM) if first == BOM else 0
        file.seek(position)
    while position < min(piece.high, size):
        text = file.read(min(BLOCK_BYTES, piece.high - position))
        if not text:
            return
        if not text.endswith(b"\n"):
            text += file.readline(LONGEST_LINE)
        if len(text) > LONGEST_LINE and not text.endswith(b"\n") and file.tell() < size:
            line = tally.lines + 1 + text.count(b"\n")
            tally.fault("line", line, f"the line is longer than {LONGEST_LINE >> 20} MB", "is a line feed missing?")
            whole = text.rfind(b"\n") + 1
            if whole:
                yield position, text[:whole]
            while (rest := file.readline(BLOCK_BYTES)) and not rest.endswith(b"\n"):
                pass
            tally.lines += 1
            position = tally.end = file.tell()
            continue
        yield position, text
        position += len(text)


def _bounds(text: bytes) -> tuple[Positions, Positions]:
    """Begin and end (line feed included) of every line, in bytes."""
    feeds = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == 10) + 1
    if not text.endswith(b"\n"):
        feeds = np.append(feeds, len(text))
    return np.append(0, feeds[:-1]), feeds


def _decoded(text: bytes, begins: Positions, ends: Positions) -> list[dict[str, Any]] | None:
    """The objects of a block at one go; None unless every line holds exactly one, so that lines are looked at singly.

    The decoder does not care for line ends. Where every line begins with ``{`` and ends with ``}``, a line end cannot be
    inside an object (between two braces that close and open, an object needs a comma), so equal counts prove it.
    """
    raw = np.frombuffer(text, dtype=np.uint8)
    last = ends - 1
    last = np.where(raw[last] == 10, last - 1, last)
    last = np.where(raw[np.maximum(last, 0)] == 13, last - 1, last)
    if (last < begins).any() or (raw[begins] != 123).any() or (raw[last] != 125).any():
        return None
    try:
        rows = _DECODER.decode_lines(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return rows if len(rows) == len(begins) else None


def _one_by_one(texts: Sequence[bytes], tally: Tally) -> tuple[list[dict[str, Any]], list[int]]:
    """The objects of single lines and where they stand; blank lines are passed over, what is broken is reported."""
    rows, kept = [], []
    for index, text in enumerate(texts):
        if not text.strip():
            continue
        line = tally.lines + 1 + index
        try:
            row = _DECODER.decode(text)
        except UnicodeDecodeError:
            tally.fault("encoding", line, *undecodable(text))
        except (msgspec.MsgspecError, RecursionError):
            tally.fault("json", line, *broken(text))
        else:
            if isinstance(row, dict):
                rows.append(row)
                kept.append(index)
            else:
                tally.fault(
                    "object", line, f"the line holds {_word(row)}, not an object", 'write {"input": "…", "output": "…"}'
                )
    return rows, kept


def broken(text: bytes) -> tuple[str, str | None]:
    """What is wrong with a line that is not JSON: the parser's word, the column, and the likely reason."""
    try:
        line = text.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return undecodable(text)
    if "\x00" in line:
        return "the line holds NUL bytes", "is the file UTF-16, or was it cut off while it was written?"
    try:
        json.loads(line, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        word = error.msg[0].lower() + error.msg[1:]
        return f"broken JSON at column {error.colno}: {word}", _likely(line, error)
    except _Constant as error:
        return f"broken JSON: {error} is not JSON", "write null for an absent number"
    except RecursionError:
        return "broken JSON: nested too deeply", None
    except ValueError:  # an integer of more digits than Python converts
        return "broken JSON: a number is out of range", "write it as a text"
    if re.search(r"\\u[dD][89a-fA-F]", line):
        return "broken JSON: half of a surrogate pair (\\ud800 … \\udfff)", "the text was cut inside an emoji or the like"
    return "broken JSON: a number is out of range", "write it as a text"


def _likely(line: str, error: json.JSONDecodeError) -> str | None:
    at, stripped = error.pos, line.strip()
    if stripped.startswith("[") or stripped in ("{", "}", "},", "]"):
        return "JSONL holds one object a line; `jq -c '.[]' data.json > data.jsonl` turns an array into that"
    if error.msg.startswith("Extra data"):
        return "one object a line, with nothing after it" if line[at : at + 1] != "," else "lines are not separated by commas"
    if line[at : at + 1] == "'":
        return "JSON strings stand in double quotes"
    if at >= len(stripped) or error.msg.startswith("Unterminated"):
        return "the line seems to be cut off"
    if line[:at].rstrip().endswith(","):
        return "is there a comma too many?"
    if re.match(r"None|True|False|undefined", line[at:]):
        return "JSON writes null, true and false"
    return None


class _Constant(ValueError):
    """A word that JSON does not have."""


def _refuse(word: str) -> None:
    raise _Constant(word)


def _word(value: Any) -> str:
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return "a text"
    return "null" if value is None else "true or false" if isinstance(value, bool) else "a number"


def _keys(rows: list[dict[str, Any]]) -> dict[str, None]:
    """All keys of some objects, in the order met."""
    first = rows[0]
    if len(set().union(*rows)) == len(first):  # by far the cheapest way to look at all keys
        return dict.fromkeys(first)
    seen: dict[str, Any] = {}
    for row in rows:
        seen.update(row)
    return dict.fromkeys(seen)


def _columns(rows: list[dict[str, Any]], wanted: Mapping[str, str], line: Any) -> dict[str, list[Any]]:
    """Rows to columns; a number with decimals in a text column becomes the text that stands in the file."""
    columns: dict[str, list[Any]] = {}
    for name, source in wanted.items():
        try:
            values = list(map(itemgetter(source), rows))
        except KeyError:
            values = [row.get(source) for row in rows]
        if name in _TEXTS:
            kinds = set(map(type, values))
            if float in kinds or (name == "reference" and list in kinds):
                for index, value in enumerate(values):
                    if type(value) is float or (type(value) is list and float in map(type, value)):
                        values[index] = _as_written(line(index), source)
        columns[name] = values
    return columns


def _as_written(line: bytes, key: str) -> Any:
    raw = _RAW.decode(line)[key]
    value = _DECODER.decode(raw)
    if isinstance(value, list):
        return [bytes(item).decode() if type(each) is float else each for each, item in zip(value, _RAW_ITEMS.decode(raw))]
    return bytes(raw).decode()
