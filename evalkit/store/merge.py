"""Parts put together: rows.parquet and scores.parquet, written as the parts come in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evalkit.core.contracts import Measure
from evalkit.core.rows import Floats
from evalkit.store.arrow import codes, floats, no_strings, to_matrix
from evalkit.store.files import writing
from evalkit.store.parts import NOTES, OWN, SUMS, full_names, note_name, read_arrow
from evalkit.store.table import ROWS, SCORES, Table

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 16_000  # rows, more or less; every column of a row group costs something, however short it is
KEPT = NOTES[:3]  # in memory; evidence is only written


@contextmanager
def merging(folder: Path, n: int, metrics: Mapping[str, Measure], attributes: Sequence[str]) -> Iterator[Merger]:
    """A `Merger` whose two files take their places when the block ends well, and vanish when it does not."""
    import pyarrow.parquet as pq

    merger = Merger(folder, n, metrics, attributes)
    with (
        writing(folder / ROWS) as rows,
        writing(folder / SCORES) as scores,
        pq.ParquetWriter(rows, merger.rows_schema, **_encoding(merger.rows_schema)) as merger.rows_out,
        pq.ParquetWriter(scores, merger.scores_schema, **_encoding(merger.scores_schema)) as merger.scores_out,
    ):
        yield merger
        merger.write()


class Merger:
    """Appends the parts of a run in data-set order, and keeps their numbers for what comes next.

    Parts stay where they are, so that an interrupted merge begins again.
    """

    rows_out: Any
    scores_out: Any

    def __init__(self, folder: Path, n: int, metrics: Mapping[str, Measure], attributes: Sequence[str]) -> None:
        import pyarrow as pa

        self.folder, self.n, self.metrics, self.attributes = folder, n, metrics, tuple(attributes)
        self._sums: dict[str, Floats] = {label: np.empty((n, len(one.columns))) for label, one in metrics.items()}
        self._own: dict[str, Floats] = {label: np.empty((n, len(one.parts))) for label, one in metrics.items()}
        self._codes: dict[str, NDArray[np.int64]] = {name: np.empty(n, dtype=np.int64) for name in attributes}
        self._values: dict[str, dict[str | None, int]] = {name: {} for name in attributes}
        self._written = self._added = 0
        self._texts: dict[str, list[pa.Array]] = {}  # what is not written yet of every column of texts
        self._notes: dict[str, list[pa.Array]] = {note_name(label, kind): [] for label in metrics for kind in KEPT}
        texts, number = pa.string(), pa.float64()
        self.rows_schema = pa.schema(
            [("id", texts)]
            + [(f"@{name}", texts) for name in attributes]
            + [(f"{label}#{column}", number) for label, metric in metrics.items() for column in metric.columns]
        )
        self.scores_schema = pa.schema(
            [("id", texts)]
            + [(name, number) for label, metric in metrics.items() for name in full_names(label, metric)]
            + [(note_name(label, kind), texts) for label in metrics for kind in NOTES]
        )

    def add(self, files: Sequence[Path]) -> None:
        """The next records: a base part, then files with other metrics of the same records, or later batches of them."""
        filled = dict.fromkeys(self.metrics, self._added)
        for number, path in enumerate(files):
            table = read_arrow(path)
            columns = dict(zip(table.column_names, table.columns))
            for label, start in filled.items():
                if label + SUMS in columns:
                    filled[label] += len(table)
                    self._take(label, columns, slice(start, filled[label]))
            if number == 0:
                self._added += len(table)
                for name in ("id", *(f"@{name}" for name in self.attributes)):
                    self._texts.setdefault(name, []).extend(columns[name].chunks)
        if any(end < self._added for end in filled.values()):
            raise ValueError(f"{files[0]}: a metric is missing in it and in the files beside it")
        if self._added - self._written >= ROW_GROUP:
            self.write()

    def _take(self, label: str, columns: Mapping[str, pa.ChunkedArray], span: slice) -> None:

        self._sums[label][span] = to_matrix(columns[label + SUMS])
        if label + OWN in columns:
            self._own[label][span] = to_matrix(columns[label + OWN])
        for kind in NOTES:
            name = note_name(label, kind)
            chunks = columns[name].chunks if name in columns else [no_strings(span.stop - span.start)]
            self._texts.setdefault(name, []).extend(chunks)

    def write(self) -> None:
        """Write what was added since the last time as a row group of both files."""
        import pyarrow as pa

        if self._added == self._written:
            return
        span = slice(self._written, self._added)
        columns: dict[str, Any] = {name: pa.chunked_array(chunks) for name, chunks in self._texts.items()}
        for label, metric in self.metrics.items():
            for index, column in enumerate(metric.columns):
                columns[f"{label}#{column}"] = floats(self._sums[label][span, index])
            for index, name in enumerate(full_names(label, metric)):
                columns[name] = floats(self._own[label][span, index])
        for out, schema in ((self.rows_out, self.rows_schema), (self.scores_out, self.scores_schema)):
            out.write_table(pa.table([columns[name] for name in schema.names], schema=schema))
        for name in self.attributes:
            found, values = codes(columns[f"@{name}"])
            known = self._values[name]
            place = np.array([known.setdefault(value, len(known)) for value in values], dtype=np.int64)
            self._codes[name][span] = place[found]
        for name, chunks in self._notes.items():
            chunks += self._texts[name]
        self._texts, self._written = {}, span.stop

    def table(self) -> Table:
        """The merged run; its numbers are in memory already. Call it after the block."""
        import pyarrow as pa

        table = Table(self.folder)
        table._statistics = self._sums
        table._held = {name: pa.chunked_array(chunks, pa.string()) for name, chunks in self._notes.items()}
        table._scores = {
            name: self._own[label][:, index]
            for label, metric in self.metrics.items()
            for index, name in enumerate(full_names(label, metric))
        }
        table._codes = {name: (self._codes[name], list(self._values[name])) for name in self.attributes}
        return table


def _encoding(schema: pa.Schema) -> dict[str, Any]:
    """How columns are written: by dictionary, as counts, shares and notes have few values; ids, which are unique, are not."""
    names = [name for name in schema.names if name != "id"]
    return {"compression": "zstd", "compression_level": 1, "write_statistics": False, "use_dictionary": names or False}
