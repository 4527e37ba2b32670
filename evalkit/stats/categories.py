"""Labels as whole numbers: which values occur, in which order, and the code of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Codes = NDArray[np.int64]
MISSING = -1


def coded(ratings: ArrayLike, values: Sequence[Any] | None = None) -> tuple[Codes, list[Any]]:
    """Codes of ``ratings`` (any shape), and the values they stand for; `MISSING` for None, NaN and empty.

    Args:
        ratings: numbers, or texts, or truth values; not both numbers and texts.
        values: all values in their order (the whole scale); without it those that occur, sorted: numbers by size,
            texts by letters.

    Raises:
        ValueError: numbers and texts together, or a rating that ``values`` lacks.
    """
    array = np.asarray(ratings)
    if array.dtype.kind in "biuf":
        given = ~np.isnan(array) if array.dtype.kind == "f" else np.ones(array.shape, dtype=bool)
        known: NDArray[Any] = array[given].astype(np.float64)
    else:
        array = np.asarray(ratings, dtype=object)
        given = np.fromiter((not _missing(one) for one in array.ravel()), dtype=bool, count=array.size).reshape(array.shape)
        listed = array[given].tolist()
        texts = sum(isinstance(one, str) for one in listed)
        if 0 < texts < len(listed):
            raise ValueError("ratings are partly numbers and partly texts; they need one kind")
        known = np.asarray(listed, dtype=object if not listed else None)
        if not texts:
            known = known.astype(np.float64)
    codes = np.full(array.shape, MISSING, dtype=np.int64)
    if values is None:
        distinct, inverse = np.unique(known, return_inverse=True) if known.size else (known, np.empty(0, np.int64))
        codes[given] = inverse.reshape(-1)
        return codes, distinct.tolist()
    place = {_plain(value): at for at, value in enumerate(values)}
    distinct, inverse = np.unique(known, return_inverse=True) if known.size else (known, np.empty(0, np.int64))
    unknown = [one for one in distinct.tolist() if _plain(one) not in place]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is none of the values {', '.join(map(repr, values))}")
    table = np.array([place[_plain(one)] for one in distinct.tolist()], dtype=np.int64)
    codes[given] = table[inverse.reshape(-1)] if len(table) else inverse
    return codes, list(values)


def _missing(one: Any) -> bool:
    return one is None or one == "" or (isinstance(one, float) and one != one)


def _plain(value: Any) -> Any:
    """1, 1.0 and True are one value."""
    return float(value) if isinstance(value, (int, float, np.number)) else value


def numbers(values: Sequence[Any]) -> NDArray[np.float64] | None:
    """The values as numbers; None where they are texts."""
    if any(isinstance(value, str) for value in values):
        return None
    return np.asarray(values, dtype=np.float64)
