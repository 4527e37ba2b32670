"""pass^k and pass@k: what a share of passing draws says of k attempts at a record.

pass@k is the chance that at least one of k attempts passes, pass^k that all of them do. From n draws with c passes both have
an unbiased estimate: the share of all choices of k among the n draws for which it is so.

Source: pass@k: Chen et al. (2021), arXiv:2107.03374, eq. 1; pass^k: Yao et al. (2024), arXiv:2406.12045 (tau-bench).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.sums import Floats


def all_of(draws: ArrayLike, passes: ArrayLike, k: int) -> Floats:
    """pass^k of each record: C(c, k) / C(n, k), in [0, 1]; NaN where there are fewer than k draws.

    Args:
        draws: n of each record.
        passes: c of each record, from 0 to n; of a shape that fits.
    """
    n, c = _counts(draws, passes, k)
    return np.where(n >= k, _chosen(n, c, k), np.nan)


def any_of(draws: ArrayLike, passes: ArrayLike, k: int) -> Floats:
    """pass@k of each record: 1 − C(n − c, k) / C(n, k), in [0, 1]; NaN where there are fewer than k draws."""
    n, c = _counts(draws, passes, k)
    return np.where(n >= k, 1.0 - _chosen(n, n - c, k), np.nan)


def ladder(n: int) -> tuple[int, ...]:
    """The k to report of n draws: 2, 4, 8 … and n itself; none below two draws."""
    return tuple(k for k in range(2, n + 1) if k == n or not k & (k - 1))


def _chosen(n: NDArray[np.int64], c: NDArray[np.int64], k: int) -> Floats:
    """C(c, k) / C(n, k) as a product of k quotients, which overflows nowhere; 0 where c < k."""
    steps = np.arange(k)
    over = np.maximum(c[..., None] - steps, 0).astype(np.float64)
    under = np.maximum(n[..., None] - steps, 1).astype(np.float64)
    share: Floats = np.prod(over / under, axis=-1)
    return share


def _counts(draws: ArrayLike, passes: ArrayLike, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    n, c = np.broadcast_arrays(np.asarray(draws, dtype=np.int64), np.asarray(passes, dtype=np.int64))
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if ((c < 0) | (c > n)).any():
        raise ValueError("passes must lie between 0 and the draws")
    return n, c
