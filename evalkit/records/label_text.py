"""Rows of labels, and of what is handed to raters, as the text of a file that a spreadsheet may open."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from evalkit.records.labels import COLUMNS

CELL = 32_767  # characters that a spreadsheet holds
_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # apostrophes before it are guards, or would be taken for them


def text_of(rows: Iterable[Mapping[str, Any]], path: Path, first: Sequence[str] = COLUMNS) -> str:
    """Rows as the text of a file: CSV for ``.csv`` and ``.tsv``, else JSONL. Columns that no row fills are left out.

    A CSV opens in a spreadsheet as it is: it begins with a byte order mark, lists are passages one below the other, and a
    text that a spreadsheet would take for a formula has an apostrophe before it, which `read_labels` takes away.
    """
    kept = [dict(row) for row in rows]
    if path.suffix.lower() not in (".csv", ".tsv"):
        return "".join(msgspec.json.encode(row).decode() + "\n" for row in kept)
    names = list(dict.fromkeys([*first, *(name for row in kept for name in row)]))
    filled = [name for name in names if name in first or any(row.get(name) not in (None, "") for row in kept)]
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", lineterminator="\r\n")
    writer.writerow(map(guarded, filled))
    writer.writerows([guarded(_cell(row.get(name))) for name in filled] for row in kept)
    return "\ufeff" + out.getvalue()


def guarded(cell: str) -> str:
    """A cell that no spreadsheet runs as a formula.

    Source: OWASP, CSV injection.
    """
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: Any) -> Any:
    """What `guarded` was given."""
    return cell[1:] if isinstance(cell, str) and cell.startswith("'") and _FORMULA.match(cell) else cell


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
        return "\n\n".join(f"[{place}] {one}" for place, one in enumerate(value, 1)) if len(value) != 1 else value[0]
    return msgspec.json.encode(value).decode()
