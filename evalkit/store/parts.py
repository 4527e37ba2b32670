"""The parts of a run under way: what was measured of consecutive records, in one Arrow file each.

Arrow rather than Parquet: a part is read once, soon, and encoding it would cost more than all else that the runner adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.core.contracts import Measure
from evalkit.core.rows import Floats, Rows
from evalkit.store.arrow import matrix, sparse_strings, strings, to_matrix, told_of
from evalkit.store.files import writing

if TYPE_CHECKING:
    import pyarrow as pa

NOTES = ("error", "skipped", "reason", "evidence")
SUMS, OWN = "#sums", "#own"  # after a metric's label: its rows of statistics, each record's own values


@dataclass
class Part:
    """What was measured of consecutive records: their ids, kept columns, and rows and values by metric label."""

    ids: list[str]
    attributes: dict[str, list[Any]] = field(default_factory=dict)
    rows: dict[str, Rows] = field(default_factory=dict)
    values: dict[str, Floats] = field(default_factory=dict)  # (n, parts)

    def __len__(self) -> int:
        return len(self.ids)


def part_path(folder: Path, number: int) -> Path:
    """Where the part of the chunk with that number is."""
    return folder / f"{number:05d}.arrow"


def write_part(path: Path, part: Part, metrics: Mapping[str, Measure]) -> None:
    """A part, whole or not at all."""
    import pyarrow as pa

    columns: dict[str, Any] = {"id": strings(part.ids)}
    for name, values in part.attributes.items():
        columns[f"@{name}"] = strings([value if type(value) is str else _attribute(value) for value in values])
    for label, rows in part.rows.items():
        columns[label + SUMS] = matrix(rows.values)
        if metrics[label].parts:
            columns[label + OWN] = matrix(part.values[label])
        for kind, told in zip(NOTES, (rows.errors, rows.skipped, rows.reasons, _as_json(rows.evidence))):
            if told:
                columns[note_name(label, kind)] = sparse_strings(told, len(part))
    table = pa.table(columns)
    with (
        writing(path, durable=False) as temporary,
        pa.OSFile(str(temporary), "wb") as file,
        pa.ipc.new_file(file, table.schema) as writer,
    ):
        writer.write_table(table)


def read_part(path: Path, metrics: Mapping[str, Measure]) -> Part:
    """A part as it was written; metrics that it does not hold are left out."""
    table = read_arrow(path)
    columns = dict(zip(table.column_names, table.columns))
    part = Part(columns["id"].to_pylist())
    part.attributes = {name[1:]: column.to_pylist() for name, column in columns.items() if name.startswith("@")}
    for label, metric in metrics.items():
        if label + SUMS not in columns:
            continue
        names = [note_name(label, kind) for kind in NOTES]
        errors, skipped, reasons, evidence = [told_of(columns[name]) if name in columns else {} for name in names]
        values = to_matrix(columns[label + SUMS]).copy()
        part.rows[label] = Rows(values, errors, skipped, reasons, from_json(evidence))
        part.values[label] = to_matrix(columns[label + OWN]).copy() if metric.parts else np.empty((len(part), 0))
    return part


def read_arrow(path: Path) -> pa.Table:
    """The table of a part; its columns are views of the file."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def columns_of(path: Path) -> set[str]:
    """The names of a part's columns."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as file:
        return set(pa.ipc.open_file(file).schema.names)


def full_names(label: str, metric: Measure) -> list[str]:
    """The names of a metric's values: ``rouge.rouge1``."""
    return [f"{label}.{part}" if part else label for part in metric.parts]


def note_name(label: str, kind: str) -> str:
    """The name of a column with what is said about single records: ``rouge.error``."""
    return f"{label}.{kind}"


def _attribute(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    import msgspec

    return msgspec.json.encode(value).decode()


def _as_json(told: Mapping[int, Any]) -> dict[int, str]:
    import msgspec

    return {index: msgspec.json.encode(note).decode() for index, note in told.items()} if told else {}


def from_json(told: Mapping[int, str]) -> dict[int, Any]:
    """Evidence as it was before it was written."""
    import msgspec

    return {index: msgspec.json.decode(note) for index, note in told.items()}
