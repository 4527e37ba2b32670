"""Counts of sorted keys, two sets of them as one."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
K = TypeVar("K", np.int64, np.uint64)


def united(keys: NDArray[K], counts: Counts, more: NDArray[K], further: Counts) -> tuple[NDArray[K], Counts]:
    """The keys of either side, ascending and distinct as they are on both, and the sums of their counts.

    The fewer are looked up among the many: a sort of all of them, batch after batch, would cost far more.
    """
    if len(more) > len(keys):
        keys, counts, more, further = more, further, keys, counts
    if not len(more):
        return keys, counts
    at = np.searchsorted(keys, more)
    held = keys[np.minimum(at, len(keys) - 1)] == more
    sums = counts.copy()
    sums[at[held]] += further[held]
    if held.all():
        return keys, sums
    return np.insert(keys, at[~held], more[~held]), np.insert(sums, at[~held], further[~held])
