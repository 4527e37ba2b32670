"""Some thousand rows of a log as columns, and what several signals derive from them, computed once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
Floats = NDArray[np.float64]


class Frame:
    """A batch of rows; a column that is not there is null throughout."""

    def __init__(self, batch: pa.RecordBatch | pa.Table) -> None:
        self.batch = batch
        self._derived: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return int(self.batch.num_rows)

    def derive(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What ``compute`` gives, computed once under this key."""
        if key not in self._derived:
            self._derived[key] = compute()
        found: T = self._derived[key]
        return found

    def known(self, key: Hashable) -> Any:
        """What was derived under this key; None where nothing was yet."""
        return self._derived.get(key)

    def array(self, name: str) -> pa.Array:
        """A column as it is."""
        import pyarrow as pa

        if name not in self.batch.schema.names:
            return pa.nulls(len(self))
        column = self.batch.column(name)
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
            if isinstance(column, pa.ChunkedArray):
                column = pa.concat_arrays(column.chunks)
        return column

    def text(self, name: str) -> pa.Array:
        """A column as texts."""
        import pyarrow as pa

        column = self.array(name)
        return column if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) else column.cast(pa.string())

    def numbers(self, name: str) -> Floats:
        """A column as numbers (n,), NaN where it has none."""
        import pyarrow as pa

        def computed() -> Floats:
            column = self.array(name)
            if not pa.types.is_float64(column.type):
                column = column.cast(pa.float64(), safe=False)
            return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)

        return self.derive(("numbers", name), computed)
