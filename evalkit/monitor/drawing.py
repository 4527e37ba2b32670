"""Rows of windows as metrics take them: of each window those with the least keys, the same whenever it is repeated."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.core.batch import Batch
from evalkit.logs.read import identifier
from evalkit.monitor.reading import Reading, between
from evalkit.records.canonical import COLUMNS
from evalkit.records.convert import convert

AT_ONCE = 20_000  # rows held at a time, about
_LISTS = ("prompt", "answers", "passages", "names", "grades", "vector")  # kinds of columns that a cell can hold as JSON
_KEY, _WINDOW, _ID = "evalkit key", "evalkit window", "id"


def drawn(
    reading: Reading, columns: Iterable[str], starts: NDArray[np.float64], width: float, most: int | None, origin: float
) -> Iterator[tuple[float, Batch]]:
    """Each window with its rows, in the order of ``starts``; a window without rows has an empty batch.

    Args:
        columns: canonical names; those that the log lacks are left out. Ids are the log's own, else the rows' keys.
        most: rows of a window; None: all.
    """
    wanted = [name for name in dict.fromkeys(columns) if name in reading.fields and name != _ID]
    together = max(1, AT_ONCE // (most or AT_ONCE))
    for first in range(0, len(starts), together):
        some = starts[first : first + together]
        found = _rows(reading, wanted, some, width, most, origin)
        for start in some.tolist():
            yield start, _batch(reading, found.get(_number(start, width, origin), []), wanted, most)


def rows_of(reading: Reading, columns: Iterable[str], most: int) -> Batch:
    """Some rows of all, those with the least keys."""
    wanted = [name for name in dict.fromkeys(columns) if name in reading.fields and name != _ID]
    log = reading.log
    least = log.rows(f"SELECT list_max(min({reading.key}, {int(most)})) FROM {log.relation}")[0][0]  # noqa: S608 - as above
    where = f"{reading.key} <= {int(least or 0)}::UBIGINT"
    rows = [row for batch in log.batches(_selected(reading, wanted), where) for row in batch.to_pylist()]
    return _batch(reading, rows, wanted, most)


def _rows(
    reading: Reading, wanted: Sequence[str], starts: NDArray[np.float64], width: float, most: int | None, origin: float
) -> dict[int, list[dict[str, Any]]]:
    """Rows by the number of their window: one pass for the keys, and one for the rows."""
    numbers = [_number(start, width, origin) for start in starts.tolist()]
    window = f"CAST(floor(({reading.time} - {origin!r}) / {width!r}) AS BIGINT)"
    inside = between(reading, float(starts.min()), float(starts.max()) + width)
    where = f"{inside} AND {window} IN ({', '.join(map(str, numbers))})"
    if most is not None:
        least = reading.log.rows(
            f"SELECT w, list_max(min(k, {int(most)})) FROM "  # noqa: S608 - names are quoted, all else are numbers
            f"(SELECT {window} AS w, {reading.key} AS k FROM {reading.log.relation} WHERE {where}) GROUP BY w"
        )
        if not least:
            return {}
        cases = " ".join(f"WHEN {int(number)} THEN {int(key)}::UBIGINT" for number, key in least)
        where += f" AND {reading.key} <= CASE {window} {cases} END"
    found: dict[int, list[dict[str, Any]]] = {}
    for batch in reading.log.batches({**_selected(reading, wanted), _WINDOW: window}, where):
        for row in batch.to_pylist():
            found.setdefault(int(row[_WINDOW]), []).append(row)
    return found


def _selected(reading: Reading, wanted: Sequence[str]) -> dict[str, str]:
    """Columns as the log has them, in SQL."""
    told: dict[str, str] = {}
    for name in wanted:
        own = reading.fields[name]
        column = identifier(own)
        told[name] = f"CAST(to_json({column}) AS VARCHAR)" if _nested(reading.log.columns[own]) else column
    if _ID in reading.fields:
        told[_ID] = f"CAST({identifier(reading.fields[_ID])} AS VARCHAR)"
    return told | {_KEY: reading.key}


def _number(start: float, width: float, origin: float) -> int:
    return round((start - origin) / width)


def _batch(reading: Reading, rows: list[dict[str, Any]], wanted: Sequence[str], most: int | None) -> Batch:
    rows.sort(key=lambda row: (row[_KEY], str(row.get(_ID))))
    rows = rows[:most]
    table = "read_csv" in reading.log.relation
    columns: dict[str, Sequence[Any]] = {_ID: _ids(rows)}
    for name in wanted:
        kind = reading.log.columns[reading.fields[name]]
        columns[name] = _canonical(name, kind, [row[name] for row in rows], table=table)
    return Batch(columns)


def _ids(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The log's own ids, else keys; what is there twice is told apart as everywhere."""
    told: list[str] = []
    seen: Counter[str] = Counter()
    for row in rows:
        name = row.get(_ID) or f"{row[_KEY]:016x}"
        seen[name] += 1
        told.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return told


def _canonical(name: str, kind: str, values: list[Any], *, table: bool) -> Sequence[Any]:
    """Values in the form that metrics expect; one that its column cannot hold is absent."""
    column = COLUMNS.get(name)
    if _nested(kind):
        values = [None if value is None else json.loads(value) for value in values]
    elif table and column is not None and column.kind in _LISTS:
        values = [_parsed(value) for value in values]
    values = [None if isinstance(value, float) and math.isnan(value) else value for value in values]
    if column is None:
        return values
    if column.kind == "grades":  # the rows of a file have one structure
        values = [_without_nulls(value) for value in values]
    return convert(name, values)[0]


def _nested(kind: str) -> bool:
    """Whether a DuckDB type holds more than a scalar."""
    return kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "JSON"))


def _parsed(value: Any) -> Any:
    """A cell of a CSV file that holds JSON."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        with suppress(ValueError):
            return json.loads(value)
    return value


def _without_nulls(value: Any) -> Any:
    return {key: grade for key, grade in value.items() if grade is not None} if isinstance(value, dict) else value
