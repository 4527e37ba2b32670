"""What a verdict on a record rests on, as a report shows it: claims and passages in a table, anything else in a line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.reports.safe import shortened, visible

ROWS = 12  # of one table
CELL = 240  # characters


@dataclass(frozen=True)
class Exhibit:
    """One piece of evidence.

    Attributes:
        title: what it is: ``claims``.
        heads, rows: a table; without heads, each row is one line of text.
        left_out: further rows that are not shown.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0

    @property
    def weight(self) -> int:
        """Bytes of it, roughly."""
        return sum(len(cell.encode()) + 4 * sum(map(cell.count, "<>&\"'")) + 20 for row in self.rows for cell in row)


def exhibits(told: str | None, limit: int = CELL) -> tuple[Exhibit, ...]:
    """The evidence of a record, as ``scores.parquet`` keeps it (JSON); nothing where it is none.

    Args:
        limit: characters of a cell.
    """
    if not told:
        return ()
    try:
        value = json.loads(told)
    except (ValueError, RecursionError):
        return ()
    parts = value if isinstance(value, Mapping) else {"evidence": value}
    found = [_exhibit(str(name), part, limit) for name, part in parts.items() if part not in (None, [], {}, "")]
    return tuple(one for one in found if one.rows)


def _exhibit(name: str, part: Any, limit: int) -> Exhibit:
    title = _cell(name, limit).replace("_", " ")
    if isinstance(part, Sequence) and not isinstance(part, str):
        listed, left_out = list(part[:ROWS]), max(len(part) - ROWS, 0)
        if all(isinstance(one, Mapping) and one for one in listed):
            keys = list(dict.fromkeys(key for one in listed for key in one))
            rows = tuple(tuple(_cell(one.get(key), limit) for key in keys) for one in listed)
            return Exhibit(title, tuple(_cell(key, limit).replace("_", " ") for key in keys), rows, left_out)
        return Exhibit(title, (), tuple((_cell(one, limit),) for one in listed), left_out)
    if isinstance(part, Mapping):
        told = ", ".join(f"{_cell(key, limit)}: {_cell(one, limit)}" for key, one in list(part.items())[:ROWS])
        return Exhibit(title, (), ((told,),), max(len(part) - ROWS, 0))
    return Exhibit(title, (), ((_cell(part, limit),),))


def _cell(value: Any, limit: int) -> str:
    if value is None or value == []:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return shortened(visible(", ".join(_cell(one, limit) for one in value)), limit)
    if isinstance(value, Mapping):
        value = json.dumps(value, ensure_ascii=False)
    return shortened(visible(" ".join(str(value).split())), limit)
