"""Rows and scores in Parquet: the parts of a run under way, and the two files of a finished one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.core.contracts import Measure
from evalkit.core.errors import StoreError
from evalkit.core.rows import Floats, Rows
from evalkit.store.arrow import codes, empty, floats, strings, to_floats
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
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {"id": strings(part.ids)}
    for name, values in part.attributes.items():
        columns[f"@{name}"] = strings([_attribute(value) for value in values])
    for label, rows in part.rows.items():
        for index, column in enumerate(metrics[label].columns):
            columns[f"{label}#{column}"] = floats(rows.values[:, index])
        for index, name in enumerate(_full_names(label, metrics[label])):
            columns[name] = floats(part.values[label][:, index])
        for note, told in zip(NOTES, (rows.errors, rows.skipped, rows.reasons, rows.evidence)):
            if told:
                columns[f"{label}.{note}"] = strings(_spread(told, len(part), as_json=note == "evidence"))
    with writing(path) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="lz4", use_dictionary=False, write_statistics=False)


def read_part(path: Path, metrics: Mapping[str, Measure]) -> Part:
    """A part as it was written; metrics that it does not hold are left out."""
    table = read_whole(path)
    names = set(table.column_names)
    part = Part(table["id"].to_pylist())
    part.attributes = {name[1:]: table[name].to_pylist() for name in table.column_names if name.startswith("@")}
    for label, metric in metrics.items():
        if not all(f"{label}#{column}" in names for column in metric.columns):
            continue
        values = np.stack([to_floats(table[f"{label}#{column}"]) for column in metric.columns], axis=1)
        notes = [_gather(table, f"{label}.{note}", as_json=note == "evidence") for note in NOTES]
        part.rows[label] = Rows(values, *notes)
        parts = [to_floats(table[name]) for name in _full_names(label, metric)]
        part.values[label] = np.stack(parts, axis=1) if parts else np.empty((len(part), 0))
    return part


def merge(parts: Sequence[Sequence[Path]], folder: Path, metrics: Mapping[str, Measure], attributes: Sequence[str]) -> None:
    """rows.parquet and scores.parquet from the parts: each entry of ``parts`` holds the files of the same records.

    Streams a part at a time, so that memory does not grow with the data.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    floats = [(f"{label}#{column}", pa.float64()) for label, metric in metrics.items() for column in metric.columns]
    scores = [(name, pa.float64()) for label, metric in metrics.items() for name in _full_names(label, metric)]
    notes = [(f"{label}.{note}", pa.string()) for label in metrics for note in NOTES]
    rows_schema = pa.schema([("id", pa.string()), *((f"@{name}", pa.string()) for name in attributes), *floats])
    scores_schema = pa.schema([("id", pa.string()), *scores, *notes])
    with (
        writing(folder / "rows.parquet") as rows_path,
        writing(folder / "scores.parquet") as scores_path,
        pq.ParquetWriter(rows_path, rows_schema, compression="zstd") as rows_out,
        pq.ParquetWriter(scores_path, scores_schema, compression="zstd") as scores_out,
    ):
        for table in _grouped(parts):
            rows_out.write_table(_conform(table, rows_schema))
            scores_out.write_table(_conform(table, scores_schema))


def split(folder: Path, target: Path) -> None:
    """The parts that a finished run was merged from, written out again: one per row group of its two files."""
    import pyarrow.parquet as pq

    rows, scores = pq.ParquetFile(folder / "rows.parquet"), pq.ParquetFile(folder / "scores.parquet")
    for index in range(rows.num_row_groups):
        table = rows.read_row_group(index)
        others = scores.read_row_group(index).drop_columns(["id"])
        for name in others.column_names:
            table = table.append_column(name, others[name])
        with writing(target / f"{index:05d}.parquet") as temporary:
            pq.write_table(table, temporary)


@dataclass
class Table:
    """A finished run's rows in memory, columnar: what intervals, gates and comparisons read."""

    folder: Path
    n: int
    attributes: dict[str, Any]  # name → pyarrow string array
    statistics: dict[str, Floats]  # label → (n, k), NaN rows unscored
    _ids: list[str] | None = None

    @property
    def ids(self) -> list[str]:
        """The ids in data-set order, read when first asked for."""
        if self._ids is None:
            self._ids = read_whole(self.folder / "rows.parquet", ["id"])["id"].to_pylist()
        return self._ids

    def codes(self, attribute: str) -> tuple[np.ndarray[Any, Any], list[str | None]]:
        """An attribute as integer codes, shape (n,), and the values they stand for; null is a value of its own."""
        return codes(self.attributes[attribute])


def read_table(folder: Path) -> Table:
    """rows.parquet of a finished run.

    Raises:
        StoreError: it is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "rows.parquet"
    try:
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        attributes = {name[1:]: file.read([name])[name] for name in names if name.startswith("@")}
        by_label: dict[str, list[str]] = {}
        for name in names:
            if "#" in name and not name.startswith("@"):
                by_label.setdefault(name.rpartition("#")[0], []).append(name)
        statistics = {}
        for label, columns in by_label.items():
            matrix = np.empty((file.metadata.num_rows, len(columns)))
            for index, name in enumerate(columns):
                matrix[:, index] = to_floats(file.read([name])[name])
            statistics[label] = matrix
        return Table(folder, file.metadata.num_rows, attributes, statistics)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{path}: cannot be read ({error}); run the suite again to make it") from error


def read_scores(folder: Path, names: Iterable[str]) -> dict[str, Any]:
    """Columns of scores.parquet by name, as pyarrow arrays; unknown names are left out."""
    import pyarrow.parquet as pq

    path = folder / "scores.parquet"
    known = set(pq.read_schema(path).names)
    wanted = [name for name in names if name in known]
    table = read_whole(path, wanted)
    return {name: table[name] for name in wanted}


def read_whole(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet file, on one thread: worker processes share the processors already."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return file.read(list(columns) if columns is not None else None, use_threads=False)


def _full_names(label: str, metric: Measure) -> list[str]:
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


def _grouped(parts: Sequence[Sequence[Path]]) -> Iterable[pa.Table]:
    """One table per group of files; files of a group hold other columns, or later records, of the same chunk."""
    for files in parts:
        base, *others = [read_whole(path) for path in files]
        stacked: dict[str, list[pa.Table]] = {}
        for other in others:  # the batches of one model metric follow one another
            own = other.drop_columns(["id"])
            key = next(name.rpartition("#")[0] for name in own.column_names if "#" in name)
            stacked.setdefault(key, []).append(own)
        for tables in stacked.values():
            for name in dict.fromkeys(name for table in tables for name in table.column_names):
                base = base.append_column(name, _stacked(tables, name))
        yield base


def _stacked(tables: Sequence[pa.Table], name: str) -> pa.ChunkedArray:
    """One column of several tables, null where a table lacks it: a note that no record of a batch has."""
    import pyarrow as pa

    chunks = [
        chunk
        for table in tables
        for chunk in (table[name].chunks if name in table.column_names else [empty(pa.string(), len(table))])
    ]
    return pa.chunked_array(chunks)


def _conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    arrays = [table[entry.name] if entry.name in table.column_names else empty(entry.type, len(table)) for entry in schema]
    return pa.table(arrays, schema=schema)
