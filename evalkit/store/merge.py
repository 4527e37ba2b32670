"""Parts put together: rows.parquet and scores.parquet, written as the parts come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evalkit.core.contracts import Measure
from evalkit.core.rows import Floats
from evalkit.store.arrow import codes, empty, to_floats
from evalkit.store.files import writing
from evalkit.store.parts import NOTES, full_names, read_arrow
from evalkit.store.table import ROWS, SCORES, Notes, Table

if TYPE_CHECKING:
    import pyarrow as pa


class Merger:
    """Appends the parts of a run in data-set order, a row group each, and keeps their numbers for what comes next.

    A context manager: the two files take their places when the block ends well, and vanish when it does not. Parts stay
    where they are, so that an interrupted merge begins again.
    """

    def __init__(self, folder: Path, n: int, metrics: Mapping[str, Measure], attributes: Sequence[str]) -> None:
        self.folder, self.n, self.metrics, self.attributes = folder, n, metrics, tuple(attributes)
        self._done = 0
        self._statistics: dict[str, Floats] = {
            label: np.full((n, len(metric.columns)), np.nan) for label, metric in metrics.items()
        }
        self._scores: dict[str, NDArray[np.float64]] = {
            name: np.full(n, np.nan) for label, metric in metrics.items() for name in full_names(label, metric)
        }
        self._codes: dict[str, NDArray[np.int64]] = {name: np.empty(n, dtype=np.int64) for name in attributes}
        self._values: dict[str, dict[str | None, int]] = {name: {} for name in attributes}
        self._notes: dict[str, Notes] = {f"{label}.{note}": {} for label in metrics for note in NOTES[:3]}
        self._open = ExitStack()

    def __enter__(self) -> Merger:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sums = [(f"{label}#{column}", pa.float64()) for label, metric in self.metrics.items() for column in metric.columns]
        scores = [(name, pa.float64()) for name in self._scores]
        notes = [(f"{label}.{note}", pa.string()) for label in self.metrics for note in NOTES]
        kept = [(f"@{name}", pa.string()) for name in self.attributes]
        self._rows_schema = pa.schema([("id", pa.string()), *kept, *sums])
        self._scores_schema = pa.schema([("id", pa.string()), *scores, *notes])
        with ExitStack() as stack:
            paths = [stack.enter_context(writing(self.folder / name)) for name in (ROWS, SCORES)]
            self._rows_out, self._scores_out = (
                stack.enter_context(pq.ParquetWriter(path, schema, **_encoding(schema)))
                for path, schema in zip(paths, (self._rows_schema, self._scores_schema))
            )
            self._open = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.__exit__(kind, error, trace)

    def add(self, files: Sequence[Path]) -> None:
        """The next records: a base part, then files with other columns of the same records, or later batches of them."""
        table = _joined(files)
        span = slice(self._done, self._done + len(table))
        self._done = span.stop
        columns = dict(zip(table.column_names, table.columns))
        self._rows_out.write_table(_conform(columns, len(table), self._rows_schema))
        self._scores_out.write_table(_conform(columns, len(table), self._scores_schema))
        for label, metric in self.metrics.items():
            for index, column in enumerate(metric.columns):
                self._statistics[label][span, index] = to_floats(columns[f"{label}#{column}"])
            for name in full_names(label, metric):
                self._scores[name][span] = to_floats(columns[name])
        for name in self.attributes:
            own, values = codes(columns[f"@{name}"])
            known = self._values[name]
            place = np.array([known.setdefault(value, len(known)) for value in values], dtype=np.int64)
            self._codes[name][span] = place[own]
        for name, told in self._notes.items():
            if name in columns:
                notes = enumerate(columns[name].to_pylist(), span.start)
                told.update({index: note for index, note in notes if note is not None})

    def table(self) -> Table:
        """The merged run; its numbers are in memory already. Call it after the block."""
        table = Table(self.folder)
        table._statistics, table._scores, table._notes = self._statistics, self._scores, self._notes
        table._codes = {name: (self._codes[name], list(self._values[name])) for name in self.attributes}
        return table


def _encoding(schema: pa.Schema) -> dict[str, Any]:
    """How columns are written: the bytes of numbers apart, which is both the smallest and the quickest; texts by dictionary."""
    import pyarrow as pa

    numbers = [entry.name for entry in schema if entry.type == pa.float64()]
    texts = [entry.name for entry in schema if entry.type == pa.string() and entry.name != "id"]
    how: dict[str, Any] = {"compression": "zstd", "compression_level": 1, "write_statistics": False}
    return {**how, "use_dictionary": texts or False, "use_byte_stream_split": numbers or False}


def _joined(files: Sequence[Path]) -> pa.Table:
    """One table of several files: others hold other columns of the base's records, or later batches of them."""
    base, *others = [read_arrow(path) for path in files]
    stacked: dict[str, list[pa.Table]] = {}
    for other in others:  # the batches of one model metric follow one another
        key = next(name.rpartition("#")[0] for name in other.column_names if "#" in name)
        stacked.setdefault(key, []).append(other)
    for tables in stacked.values():
        for name in dict.fromkeys(name for table in tables for name in table.column_names if name != "id"):
            base = base.append_column(name, _stacked(tables, name))
    return base


def _stacked(tables: Sequence[pa.Table], name: str) -> pa.ChunkedArray:
    """One column of several tables, null where a table lacks it: a note that no record of a batch has."""
    import pyarrow as pa

    chunks = [
        chunk
        for table in tables
        for chunk in (table[name].chunks if name in table.column_names else [empty(pa.string(), len(table))])
    ]
    return pa.chunked_array(chunks)


def _conform(columns: Mapping[str, Any], n: int, schema: Any) -> pa.Table:
    import pyarrow as pa

    arrays = [columns[entry.name] if entry.name in columns else empty(entry.type, n) for entry in schema]
    return pa.table(arrays, schema=schema)
