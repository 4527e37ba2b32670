"""A few rows of many, the same few however the rows are cut and in whatever order they come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

KEY = "key"
ROWS = 2_000
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
        """Of all rows together; a column that one side lacks is null there."""
        import pyarrow as pa

        kept = list(samples)
        return cls.of(
            pa.concat_tables([one.table for one in kept], promote_options="permissive"), max(one.most for one in kept)
        )

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def has(self, column: str) -> bool:
        """Whether there is a column of this name with anything in it."""
        return column in self.table.column_names and self.table.column(column).null_count < len(self)

    def where(self, mask: NDArray[np.bool_]) -> Sample:
        """Some of the rows."""
        import pyarrow as pa

        return Sample(self.table.filter(pa.array(mask)), self.most)

    def with_column(self, name: str, values: Any) -> Sample:
        """With one column more, or another in its place."""
        table = self.table
        if name in table.column_names:
            table = table.drop_columns([name])
        return Sample(table.append_column(name, values), self.most)

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
        lists = self.table.column(VECTOR + name).to_pylist()
        lengths = [len(one) for one in lists if one]
        if not lengths:
            return np.zeros((0, 0), dtype=np.float32), np.zeros(0, dtype=np.int64)
        size = max(set(lengths), key=lengths.count)
        at = [index for index, one in enumerate(lists) if one and len(one) == size and all(x is not None for x in one)]
        found = np.array([lists[index] for index in at], dtype=np.float32).reshape(len(at), size)
        good = np.isfinite(found).all(axis=1)
        return found[good], np.array(at, dtype=np.int64)[good]
