"""A few rows of many, the same few however the rows are cut and in whatever order they come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

KEY = "key"
ROWS = 2_000
MAKER = b"made by"  # what a column of vectors was made with, in its field's metadata
By = tuple[str, str]  # a slice: its column and its value

RAW, NUMBER, LABEL, TERMS, VECTOR = "raw:", "number:", "label:", "terms:", "vector:"  # what a column of the table holds


@dataclass(frozen=True)
class Sample:
    """The rows whose keys' hashes are least: a uniform sample without replacement, which merges (bottom-k sketch).

    The table has the hash in the column ``key``, and columns named for what they hold: ``raw:output``, the log's own, which a
    profile's file leaves out unless asked; ``terms:output``, the hashes of its words; ``vector:embedding``; and what
    signals found in these rows, ``number:output.tone`` and ``label:input.language``.

    Source: Cohen & Kaplan (2007), bottom-k sketches.
    """

    table: pa.Table
    most: int = ROWS

    @classmethod
    def of(cls, table: pa.Table, most: int = ROWS) -> Sample:
        """Of all these rows: the ``most`` with the least keys."""
        import pyarrow.compute as pc

        if table.num_rows > most:
            keys = table.column(KEY).to_numpy()
            kept = np.sort(np.argpartition(keys, most)[:most])
            table = table.take(kept)
        return cls(table.take(pc.sort_indices(table, sort_keys=[(KEY, "ascending")])).combine_chunks(), most)

    @classmethod
    def merged(cls, samples: Iterable[Sample]) -> Sample:
        """Of all rows together; a column that one side lacks is null there, and vectors of several models are left out."""
        import pyarrow as pa

        kept = list(samples)
        makers = {name: {one.maker(name) for one in kept if one.has(VECTOR + name)} for one in kept for name in one.embedded}
        mixed = [VECTOR + name for name, found in makers.items() if len(found) > 1]
        tables = [one.table.select([name for name in one.table.column_names if name not in mixed]) for one in kept]
        return cls.of(pa.concat_tables(tables, promote_options="permissive"), max(one.most for one in kept))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def has(self, column: str) -> bool:
        """Whether there is a column of this name with anything in it."""
        return column in self.table.column_names and self.table.column(column).null_count < len(self)

    def where(self, mask: NDArray[np.bool_]) -> Sample:
        """Some of the rows."""
        import pyarrow as pa

        return Sample(self.table.filter(pa.array(mask)), self.most)

    def on(self, by: By | None) -> Sample:
        """The rows of a slice; None: all."""
        return self if by is None else self.where(self.are_on(by))

    def are_on(self, by: By | None) -> NDArray[np.bool_]:
        """Which rows belong to a slice (n,); None: all do."""
        if by is None:
            return np.ones(len(self), dtype=bool)
        if LABEL + by[0] not in self.table.column_names:
            return np.zeros(len(self), dtype=bool)
        return np.array([value == by[1] for value in self.labels(by[0])], dtype=bool)

    def with_column(self, name: str, values: Any) -> Sample:
        """With one column more, or another in its place."""
        table = self.table
        if name in table.column_names:
            table = table.drop_columns([name])
        return Sample(table.append_column(name, values), self.most)

    def with_vectors(self, name: str, vectors: Sequence[NDArray[np.float32] | None], maker: str) -> Sample:
        """With a vector a row, or none, and what made them: vectors of different models do not compare."""
        import pyarrow as pa

        kind = pa.list_(pa.float32())
        field = pa.field(VECTOR + name, kind, metadata={MAKER: maker.encode()})
        table = self.table.drop_columns([field.name]) if field.name in self.table.column_names else self.table
        return Sample(table.append_column(field, pa.array(vectors, kind)), self.most)

    @property
    def embedded(self) -> list[str]:
        """The columns of vectors."""
        return [name.removeprefix(VECTOR) for name in self.table.column_names if name.startswith(VECTOR)]

    def maker(self, name: str) -> str:
        """What made the vectors of a column; "": they are the log's own."""
        field = self.table.schema.field(VECTOR + name)
        return str((field.metadata or {}).get(MAKER, b"").decode())

    def without_rows(self) -> Sample:
        """What may be kept when the texts may not."""
        return Sample(self.table.drop_columns([name for name in self.table.column_names if name.startswith(RAW)]), self.most)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A signal's values in these rows; NaN where it has none."""
        column = self.table.column(NUMBER + name).combine_chunks()
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)

    def labels(self, name: str) -> list[str | None]:
        """A signal's categories in these rows."""
        told: list[str | None] = self.table.column(LABEL + name).to_pylist()
        return told

    def texts(self, name: str) -> list[str | None]:
        """The texts of a column; all None where they were not kept."""
        if RAW + name not in self.table.column_names:
            return [None] * len(self)
        told: list[str | None] = self.table.column(RAW + name).to_pylist()
        return told

    def terms(self, name: str) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Hashes of the words of a text column, flat, and the row that each stands in."""
        import pyarrow as pa

        column = self.table.column(TERMS + name)
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if isinstance(whole, pa.ChunkedArray):
            whole = pa.concat_arrays(whole.chunks)
        lengths = np.nan_to_num(np.asarray(whole.value_lengths().to_numpy(zero_copy_only=False), dtype=np.float64))
        rows = np.repeat(np.arange(len(self)), lengths.astype(np.int64))
        return whole.flatten().to_numpy(zero_copy_only=False).astype(np.uint64), rows

    def vectors(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The vectors (m, d) of those rows that have one as long as most have, and which rows these are."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.has(VECTOR + name):
            return np.zeros((0, 0), dtype=np.float32), np.zeros(0, dtype=np.int64)
        column = self.table.column(VECTOR + name)
        lists = pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
        lengths = np.asarray(pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False))
        sizes, often = np.unique(lengths[lengths > 0], return_counts=True)
        if not len(sizes):
            return np.zeros((0, 0), dtype=np.float32), np.zeros(0, dtype=np.int64)
        size = int(sizes[np.argmax(often)])
        at = np.flatnonzero(lengths == size)
        flat = lists.take(pa.array(at)).flatten().cast(pa.float32()).to_numpy(zero_copy_only=False)
        found = np.asarray(flat, dtype=np.float32).reshape(len(at), size)
        good = np.isfinite(found).all(axis=1)
        return found[good], at[good]
