"""Records that are in memory already: a DataFrame, or a list of dicts."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from evalkit.core.errors import Problem, SpecError, quote
from evalkit.records.source import Block, Piece, Positions, Source, Tally, naming

_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN = frozenset({str, int, bool, type(None)})


def columns_of(records: Any) -> tuple[dict[str, list[Any]], int]:
    """The columns of a DataFrame or of a sequence of mappings, with plain Python values; None where absent or NaN.

    Raises:
        SpecError: it is neither, or a column's name stands twice.
    """
    if hasattr(records, "columns") and hasattr(records, "itertuples"):
        return _of_frame(records)
    if isinstance(records, Mapping) or not isinstance(records, Sequence) or isinstance(records, (str, bytes)):
        hint = "give a DataFrame or a list of dicts, one per record"
        raise SpecError(Problem("records", f"a {type(records).__name__} is not a sequence of records", hint))
    names: dict[str, None] = {}
    odd = [index for index, record in enumerate(records) if not isinstance(record, Mapping)]
    if odd:
        what = f"is a {type(records[odd[0]]).__name__}, not a dict"
        more = [Problem("", f"and {len(odd) - 1:,} more")] if len(odd) > 1 else []
        raise SpecError([Problem(f"records[{odd[0]}]", what), *more])
    for record in records:
        names.update(dict.fromkeys(record))
    return {str(name): [plain(record.get(name)) for record in records] for name in names}, len(records)


def _of_frame(frame: Any) -> tuple[dict[str, list[Any]], int]:
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SpecError(
            [Problem("DataFrame", f"the column {quote(name)} stands twice", "rename one of them") for name in twice]
        )
    columns = {}
    for at, name in enumerate(names):
        series = frame.iloc[:, at]
        values = series.astype(object).where(series.notna(), None).tolist()
        columns[name] = values if set(map(type, values)) <= _PLAIN else [plain(value) for value in values]
    return columns, len(frame)


def plain(value: Any) -> Any:
    """A value as JSON could have given it: NumPy and pandas scalars, arrays, times and tuples become Python's own.

    NaN (a missing number in pandas and Parquet) is None; times become ISO 8601 text.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item) for item in value), key=repr)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return None if value != value else value.isoformat()  # NaT differs from itself
    if isinstance(value, decimal.Decimal):
        return None if value.is_nan() else int(value) if value == value.to_integral_value() else float(value)
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    return value


def digest(names: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> str:
    """sha256 of the records in canonical form: one JSON object a line, keys sorted, absent values left out."""
    encoder = msgspec.json.Encoder(order="sorted", enc_hook=str)
    sha = hashlib.sha256()
    for values in zip(*(columns[name] for name in names)):
        sha.update(encoder.encode({name: value for name, value in zip(names, values) if value is not None}) + b"\n")
    return sha.hexdigest()


@dataclass(frozen=True)
class InMemory(Source):
    """Columns in memory, scanned as if they were a file; a position is a record's number."""

    held: Mapping[str, list[Any]] = field(default_factory=dict, repr=False)

    def pieces(self) -> list[Piece]:
        return [Piece(0, self.size)]

    def blocks(self, piece: Piece, fields: Mapping[str, str], tally: Tally) -> Iterator[Block]:
        wanted = naming(self.held, fields)
        tally.sources.update(dict.fromkeys(self.held))
        for low in range(piece.low, piece.high, 4_096):
            high = min(low + 4_096, piece.high)
            columns = {name: self.held[own][low:high] for name, own in wanted.items()}
            tally.end = high
            _check_text(columns, low, tally)
            yield Block(columns, np.arange(low, high), _sizes(columns, high - low), np.arange(low, high) + 1)

    def columns(self, runs: Positions, wanted: Mapping[str, str]) -> dict[str, list[Any]]:
        stretches = runs.tolist()
        return {
            name: list(chain.from_iterable(self.held[own][low:high] for low, high in stretches))
            for name, own in wanted.items()
            if own in self.held
        }

    def line_of(self, position: int) -> int:
        return position + 1

    def place(self, line: int) -> str:
        return f"{self.shown}[{line - 1}]" if line else self.shown

    def guard(self) -> None:
        return None


def _sizes(columns: Mapping[str, Sequence[Any]], n: int) -> Positions:
    """Characters of each record's texts, and 64 for anything else."""
    sizes = np.zeros(n, dtype=np.int64)
    for values in columns.values():
        sizes += np.fromiter((_size(value) for value in values), dtype=np.int64, count=n)
    return sizes


def _size(value: Any) -> int:
    if type(value) is str:
        return len(value)
    return sum(map(_size, value)) if type(value) is list else 64


def _check_text(columns: Mapping[str, list[Any]], low: int, tally: Tally) -> None:
    """Python strings may hold lone surrogates, which no file can; they are reported and taken out."""
    for name, values in columns.items():
        for index, value in enumerate(values):
            if type(value) is str and not value.isascii() and _SURROGATE.search(value):
                tally.fault(
                    "text", low + index + 1, f"{name} holds half of a surrogate pair", "the text was cut inside an emoji"
                )
                values[index] = None
