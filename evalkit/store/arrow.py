"""NumPy and lists to Arrow columns and back, through their buffers.

pyarrow's own ``pa.array`` and ``to_numpy`` import pandas first, half a second of CPU in every process; buffers do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.core.rows import Floats

if TYPE_CHECKING:
    import pyarrow as pa


def floats(values: ArrayLike) -> pa.Array:
    """A float64 column; NaN stays NaN, nothing is null."""
    import pyarrow as pa

    array = np.ascontiguousarray(values, dtype=np.float64)
    return pa.Array.from_buffers(pa.float64(), len(array), [None, pa.py_buffer(array)])


def strings(values: Sequence[str | None]) -> pa.Array:
    """A string column; None is null."""
    if None in values:
        return sparse_strings({index: value for index, value in enumerate(values) if value is not None}, len(values))
    return _strings(*_encoded(values), None)  # type: ignore[arg-type]


def sparse_strings(told: Mapping[int, str], n: int) -> pa.Array:
    """A string column of ``n`` values, null but at the indices of ``told``."""
    order = sorted(told)
    sizes, valid = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool)
    sizes[order], data = _encoded([told[index] for index in order])
    valid[order] = True
    return _strings(sizes, data, valid)


def _encoded(texts: Sequence[str]) -> tuple[NDArray[np.int64], bytes]:
    """The bytes of texts, and how many each has."""
    joined = "".join(texts)
    if joined.isascii():
        return np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)), joined.encode("ascii")
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    return np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded)), b"".join(encoded)


def _strings(sizes: NDArray[np.int64], data: bytes, valid: NDArray[np.bool_] | None) -> pa.Array:
    import pyarrow as pa

    offsets = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=offsets[1:])
    bitmap = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    kind, width = (pa.string(), np.int32) if len(data) < 2**31 else (pa.large_string(), np.int64)
    return pa.Array.from_buffers(kind, len(sizes), [bitmap, pa.py_buffer(offsets.astype(width)), pa.py_buffer(data)])


def matrix(values: Floats) -> pa.Array:
    """An array of shape (n, k), k > 0, as one column of n lists."""
    import pyarrow as pa

    n, k = values.shape
    return pa.Array.from_buffers(pa.list_(pa.float64(), k), n, [None], children=[floats(values.reshape(-1))])


def to_matrix(column: pa.ChunkedArray) -> Floats:
    """What `matrix` made, shape (n, k); a view, not to be written to, where the column is of one piece."""
    k = column.type.list_size
    pieces = [
        np.frombuffer(chunk.values.buffers()[1], dtype=np.float64)[chunk.offset * k : (chunk.offset + len(chunk)) * k]
        for chunk in column.chunks
    ]
    return (pieces[0] if len(pieces) == 1 else np.concatenate([np.empty(0), *pieces])).reshape(-1, k)


@lru_cache(maxsize=16)
def no_strings(n: int) -> pa.Array:
    """A string column of nulls."""
    return sparse_strings({}, n)


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


def told_of(column: pa.ChunkedArray) -> dict[int, str]:
    """The values of a string column that are not null, by index."""
    if column.null_count == len(column):
        return {}
    return dict(zip(np.flatnonzero(present(column)).tolist(), column.drop_null().to_pylist()))


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
