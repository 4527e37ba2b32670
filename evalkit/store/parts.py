"""The parts of a run under way: what was measured of consecutive records, in one Arrow file each.

Arrow rather than Parquet: a part is read once, soon, and encoding it would cost more than all else that the runner adds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.core.contracts import Measure
from evalkit.core.rows import Floats, Rows
from evalkit.store.arrow import floats, strings, to_floats
from evalkit.store.files import writing

if TYPE_CHECKING:
    import pyarrow as pa

NOTES = ("error", "skipped", "reason", "evidence")


@dataclass
class Part:
    """What was measured of consecutive records: their ids, kept columns, and rows and values by metric label."""

    ids: list[str]
    attributes: dict[str, list[Any]] = field(default_factory=dict)
    rows: dict[str, Rows] = field(default_factory=dict)
    values: dict[str, Floats] = field(default_factory=dict)  # (n, parts)

    def __len__(self) -> int:
        return len(self.ids)


def write_part(path: Path, part: Part, metrics: Mapping[str, Measure]) -> None:
    """A part, whole or not at all."""
    import pyarrow as pa

    columns: dict[str, Any] = {"id": strings(part.ids)}
    for name, values in part.attributes.items():
        columns[f"@{name}"] = strings([_attribute(value) for value in values])
    for label, rows in part.rows.items():
        for index, column in enumerate(metrics[label].columns):
            columns[f"{label}#{column}"] = floats(rows.values[:, index])
        for index, name in enumerate(full_names(label, metrics[label])):
            columns[name] = floats(part.values[label][:, index])
        for note, told in zip(NOTES, (rows.errors, rows.skipped, rows.reasons, rows.evidence)):
            if told:
                columns[f"{label}.{note}"] = strings(_spread(told, len(part), as_json=note == "evidence"))
    with writing(path, durable=False) as temporary:
        _write(temporary, pa.table(columns))


def read_part(path: Path, metrics: Mapping[str, Measure]) -> Part:
    """A part as it was written; metrics that it does not hold are left out."""
    table = read_arrow(path)
    names = set(table.column_names)
    part = Part(table["id"].to_pylist())
    part.attributes = {name[1:]: table[name].to_pylist() for name in table.column_names if name.startswith("@")}
    for label, metric in metrics.items():
        if not all(f"{label}#{column}" in names for column in metric.columns):
            continue
        values = np.stack([to_floats(table[f"{label}#{column}"]) for column in metric.columns], axis=1)
        notes = [_gather(table, f"{label}.{note}", as_json=note == "evidence") for note in NOTES]
        part.rows[label] = Rows(values, *notes)
        parts = [to_floats(table[name]) for name in full_names(label, metric)]
        part.values[label] = np.stack(parts, axis=1) if parts else np.empty((len(part), 0))
    return part


def split(folder: Path, target: Path) -> None:
    """The parts that a finished run was merged from, written out again: one per row group of its two files."""
    import pyarrow.parquet as pq

    rows, scores = pq.ParquetFile(folder / "rows.parquet"), pq.ParquetFile(folder / "scores.parquet")
    for index in range(rows.num_row_groups):
        table = rows.read_row_group(index)
        others = scores.read_row_group(index).drop_columns(["id"])
        for name in others.column_names:
            table = table.append_column(name, others[name])
        with writing(target / f"{index:05d}.arrow", durable=False) as temporary:
            _write(temporary, table)


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


def _write(path: Path, table: pa.Table) -> None:
    import pyarrow as pa

    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def read_whole(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet file, on one thread: worker processes share the processors already."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return file.read(list(columns) if columns is not None else None, use_threads=False)


def full_names(label: str, metric: Measure) -> list[str]:
    """The names of a metric's values: ``rouge.rouge1``."""
    return [f"{label}.{part}" if part else label for part in metric.parts]


def _attribute(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    import msgspec

    return msgspec.json.encode(value).decode()


def _spread(told: Mapping[int, Any], n: int, *, as_json: bool) -> list[str | None]:
    import msgspec

    column: list[str | None] = [None] * n
    for index, note in told.items():
        column[index] = msgspec.json.encode(note).decode() if as_json else note
    return column


def _gather(table: pa.Table, name: str, *, as_json: bool) -> dict[int, Any]:
    import msgspec

    if name not in table.column_names:
        return {}
    column = table[name].to_pylist()
    return {index: msgspec.json.decode(note) if as_json else note for index, note in enumerate(column) if note is not None}
