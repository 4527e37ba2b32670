"""NumPy and lists to Arrow columns and back, through their buffers.

pyarrow's own ``pa.array`` and ``to_numpy`` import pandas first, half a second of CPU in every process; buffers do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import pyarrow as pa


def floats(values: ArrayLike) -> pa.Array:
    """A float64 column; NaN stays NaN, nothing is null."""
    import pyarrow as pa

    array = np.ascontiguousarray(values, dtype=np.float64)
    return pa.Array.from_buffers(pa.float64(), len(array), [None, pa.py_buffer(array)])


def strings(values: Sequence[str | None]) -> pa.Array:
    """A string column; None is null."""
    import pyarrow as pa

    texts = [b"" if value is None else value.encode("utf-8", "surrogatepass") for value in values]
    offsets = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)), out=offsets[1:])
    valid = np.fromiter((value is not None for value in values), dtype=bool, count=len(texts))
    bitmap = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    kind = pa.string() if offsets[-1] < 2**31 else pa.large_string()
    width = np.int32 if kind == pa.string() else np.int64
    buffers = [bitmap, pa.py_buffer(offsets.astype(width)), pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(kind, len(texts), buffers)


def empty(kind: pa.DataType, n: int) -> pa.Array:
    """A column of nulls."""
    import pyarrow as pa

    bitmap = pa.py_buffer(np.zeros((n + 7) // 8, dtype=np.uint8))
    if kind == pa.string():
        return pa.Array.from_buffers(kind, n, [bitmap, pa.py_buffer(np.zeros(n + 1, dtype=np.int32)), pa.py_buffer(b"")])
    return pa.Array.from_buffers(kind, n, [bitmap, pa.py_buffer(np.zeros(n, dtype=np.float64))])


def to_floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A float64 column as one array; null is NaN."""
    found = np.full(len(column), np.nan)
    start = 0
    for chunk in column.chunks:
        values = np.frombuffer(chunk.buffers()[1], dtype=np.float64)[chunk.offset : chunk.offset + len(chunk)]
        found[start : start + len(chunk)] = values
        if chunk.null_count:
            found[start : start + len(chunk)][~_valid(chunk)] = np.nan
        start += len(chunk)
    return found


def present(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Where a column has a value, shape (n,)."""
    if not column.null_count:
        return np.ones(len(column), dtype=bool)
    return np.concatenate([_valid(chunk) for chunk in column.chunks])


def codes(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[Any]]:
    """A column as integer codes, shape (n,), and the values that they stand for; null is a value of its own."""
    known: dict[Any, int] = {}
    found = np.empty(len(column), dtype=np.int64)
    start = 0
    for chunk in column.chunks:
        encoded = chunk.dictionary_encode(null_encoding="encode")
        own = encoded.indices
        indices = np.frombuffer(own.buffers()[1], dtype=np.int32)[own.offset : own.offset + len(own)]
        place = np.array([known.setdefault(value, len(known)) for value in encoded.dictionary.to_pylist()], dtype=np.int64)
        found[start : start + len(chunk)] = place[indices]
        start += len(chunk)
    return found, list(known)


def _valid(chunk: pa.Array) -> NDArray[np.bool_]:
    bitmap = chunk.buffers()[0]
    if bitmap is None:
        return np.ones(len(chunk), dtype=bool)
    bits = np.unpackbits(np.frombuffer(bitmap, dtype=np.uint8), bitorder="little")
    return bits[chunk.offset : chunk.offset + len(chunk)].astype(bool)
