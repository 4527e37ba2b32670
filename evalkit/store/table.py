"""A finished run's rows and scores in memory, a column at a time: what intervals, gates, reports and comparisons read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalkit.core.errors import StoreError, quote
from evalkit.core.rows import NOT_JUDGED, Floats
from evalkit.store.arrow import codes, present, to_floats, told_of

if TYPE_CHECKING:
    import pyarrow as pa

ROWS, SCORES = "rows.parquet", "scores.parquet"
MOST_ROWS = 1_000_000_000
Notes = dict[int, str]


class Table:
    """Rows and scores of a run, from its folder; what a `Merger` has in memory already is not read again.

    Raises:
        StoreError: rows.parquet is missing, or a file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        import pyarrow.parquet as pq

        self.folder = folder
        try:
            with pq.ParquetFile(folder / ROWS) as file:
                self.n = int(file.metadata.num_rows)
                names = file.schema_arrow.names
                check(file.schema_arrow)
            if self.n > MOST_ROWS:
                raise ValueError("it has too many rows")
        except Exception as error:
            raise _damaged(folder / ROWS, error) from error
        self.attributes = tuple(name[1:] for name in names if name.startswith("@"))
        self.labels: dict[str, list[str]] = {}  # label → its columns in rows.parquet
        for name in names:
            if "#" in name and not name.startswith("@"):
                self.labels.setdefault(name.rpartition("#")[0], []).append(name)
        self._statistics: dict[str, Floats] = {}
        self._scores: dict[str, NDArray[np.float64]] = {}
        self._codes: dict[str, tuple[NDArray[np.int64], list[str | None]]] = {}
        self._notes: dict[str, Notes] = {}
        self._held: dict[str, pa.ChunkedArray] = {}  # notes that need not be read from the file
        self._ids: list[str] | None = None
        self._score_names: frozenset[str] | None = None

    @property
    def ids(self) -> list[str]:
        """The ids in data-set order."""
        if self._ids is None:
            self._ids = self._texts(ROWS, "id").to_pylist()
        return self._ids

    def __contains__(self, label: str) -> bool:
        return label in self.labels

    def statistics(self, label: str) -> Floats:
        """A metric's rows, shape (n, k); NaN rows are unscored."""
        if label not in self._statistics:
            names = self.labels[label]
            matrix = np.empty((self.n, len(names)))
            for index, name in enumerate(names):
                matrix[:, index] = self._floats(ROWS, name)
            self._statistics[label] = matrix
        return self._statistics[label]

    def codes(self, attribute: str) -> tuple[NDArray[np.int64], list[str | None]]:
        """An attribute as integer codes, shape (n,), and the values they stand for; null is a value of its own."""
        if attribute not in self._codes:
            self._codes[attribute] = codes(self._texts(ROWS, f"@{attribute}"))
        return self._codes[attribute]

    def scores(self, name: str) -> NDArray[np.float64] | None:
        """Each record's own value of one part, shape (n,); None where the run has no such part."""
        if name not in self._scores:
            if name not in self._names_of_scores():
                return None
            self._scores[name] = self._floats(SCORES, name)
        return self._scores[name]

    def notes(self, label: str, kind: str) -> Notes:
        """Of some records, by index: their ``error``, why they were ``skipped``, their ``reason``."""
        name = f"{label}.{kind}"
        if name not in self._notes:
            column = self._note(name)
            self._notes[name] = {} if column is None else told_of(column)
        return self._notes[name]

    def notes_at(self, label: str, kind: str, indices: Sequence[int]) -> Notes:
        """As `notes`, of a few records, without reading those of all into Python."""
        column = self._note(f"{label}.{kind}")
        told = {} if column is None else {index: column[index].as_py() for index in indices}
        return {index: note for index, note in told.items() if note is not None}

    def noted(self, label: str, kind: str) -> NDArray[np.bool_]:
        """Which records have such a note, shape (n,)."""
        column = self._note(f"{label}.{kind}")
        return np.zeros(self.n, dtype=bool) if column is None else present(column)

    def stopped_early(self, label: str) -> bool:
        """Whether some records of a metric were not judged, as its gates had decided."""
        return any(note.startswith(NOT_JUDGED) for note in self.notes(label, "skipped").values())

    def _note(self, name: str) -> pa.ChunkedArray | None:
        if name not in self._held:
            if name not in self._names_of_scores():
                return None
            self._held[name] = self._texts(SCORES, name)
        return self._held[name]

    def with_statistics(self, statistics: Mapping[str, Floats]) -> Table:
        """The same records with other rows of these metrics, by label; of the others there are none."""
        other = copy(self)
        other.labels = {label: self.labels[label] for label in statistics}
        other._statistics = dict(statistics)
        return other

    def check_scores(self) -> None:
        """Look whether scores.parquet, where there is one, belongs to these rows.

        Raises:
            StoreError: it does not.
        """
        self._names_of_scores()

    def _names_of_scores(self) -> frozenset[str]:
        if self._score_names is None:
            import pyarrow.parquet as pq

            path = self.folder / SCORES
            try:
                self._score_names = frozenset()
                if path.is_file():
                    with pq.ParquetFile(path) as file:
                        if file.metadata.num_rows != self.n:
                            raise ValueError("it has not as many rows as rows.parquet")
                        check(file.schema_arrow)
                        self._score_names = frozenset(file.schema_arrow.names)
            except Exception as error:
                raise _damaged(path, error) from error
        return self._score_names

    def _floats(self, file: str, name: str) -> NDArray[np.float64]:
        return to_floats(self._column(file, name, text=False))

    def _texts(self, file: str, name: str) -> pa.ChunkedArray:
        return self._column(file, name, text=True)

    def _column(self, file: str, name: str, *, text: bool) -> pa.ChunkedArray:
        """A column of the kind that evalkit writes: its bytes are taken as they stand, so the kind must be certain."""
        try:
            column = read_whole(self.folder / file, [name])[name]
            if _is_text(column.type) != text or len(column) != self.n or (name == "id" and column.null_count):
                raise ValueError(f"the column {quote(name)} is none that evalkit wrote")
        except Exception as error:
            raise _damaged(self.folder / file, error) from error
        return column


def cluster_codes(table: Table) -> NDArray[np.int64] | None:
    """The cluster of each record as a code, shape (n,); a record without one is a cluster of its own. None: no column."""
    if "cluster" not in table.attributes:
        return None
    kept, names = table.codes("cluster")
    codes = kept.copy()
    if None in names:
        alone = codes == names.index(None)
        codes[alone] = len(names) + np.arange(int(alone.sum()))
    return codes


def read_whole(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet file, on one thread: worker processes share the processors already."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return file.read(list(columns) if columns is not None else None, use_threads=False)


def check(schema: pa.Schema) -> None:
    """Look whether a file has columns as evalkit writes them: texts and 64-bit floats, each name once, and ids.

    Raises:
        ValueError: it has others.
    """
    import pyarrow as pa

    if "id" not in schema.names or len(set(schema.names)) < len(schema.names):
        raise ValueError("it is none that evalkit wrote")
    for field in schema:
        told = "#" not in field.name or field.name.startswith("@")  # elsewhere than in rows.parquet, scores are floats
        if not (_is_text(field.type) and told) and field.type != pa.float64():
            raise ValueError(f"the column {quote(field.name)} is none that evalkit wrote")


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(kind in (pa.string(), pa.large_string()))


def _damaged(path: Path, error: Exception) -> StoreError:
    told = str(error).partition("\n")[0]
    return StoreError(f"{path}: cannot be read ({told}); run the suite again to make it")
