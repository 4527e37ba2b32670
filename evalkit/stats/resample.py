"""What a bootstrap resamples (records, clusters, or pools of them) and how often each is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.sums import Floats

Indices = NDArray[np.int64]

_DRAWN_AT_ONCE = 100_000  # indices: they and their counts stay in the processor's cache
_BLOCK = 500_000  # weights handed on at once: 4 MB
_TILE, _TILE_ROWS, _TILE_COLUMNS = 250_000, 32, 64  # multiplications, and the sides of a result
_POOLING = 1 << 16  # the spawn key of the stream that deals records into pools


@dataclass(frozen=True)
class Units:
    """What is drawn with replacement: ``count`` units; ``of_row`` (n,) names each record's, None: its own."""

    count: int
    of_row: Indices | None

    @classmethod
    def of(cls, n: int, clusters: ArrayLike | None, seed: np.random.SeedSequence, pool_above: int) -> Units:
        """Records, or the clusters they belong to; more than ``pool_above`` are dealt into pools, at random.

        A pool holds ceil(units / pool_above) units (the first few may hold one more), so that at least half of
        ``pool_above`` pools are left.
        """
        of_row: Indices | None = None
        count = n
        if clusters is not None:
            labels = np.asarray(clusters)
            if labels.shape != (n,):
                raise ValueError(f"clusters has shape {labels.shape}; one label per record, ({n},), is needed")
            names, of_row = np.unique(labels, return_inverse=True)
            count = len(names)
        if count > pool_above:
            pools = count // -(-count // pool_above)
            dealt = np.random.SeedSequence(entropy=seed.entropy, spawn_key=(*seed.spawn_key, _POOLING))
            pool = np.empty(count, dtype=np.int64)
            pool[np.random.Generator(np.random.PCG64(dealt)).permutation(count)] = np.arange(count) % pools
            of_row = pool if of_row is None else pool[of_row]
            count = pools
        return cls(count, of_row)

    def sums(self, column: Floats) -> Floats:
        """One sum per unit, shape (count,), of a column (n,)."""
        if self.of_row is None:
            return column
        return np.bincount(self.of_row, weights=column, minlength=self.count).astype(np.float64, copy=False)

    def holding(self, scored: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which units hold a scored record, shape (count,)."""
        if self.of_row is None:
            return scored
        return np.bincount(self.of_row[scored], minlength=self.count) > 0


def weighted_sums(weights: Floats, matrix: Floats, out: Floats) -> None:
    """``weights`` (b, count) times ``matrix`` (count, k) into ``out`` (b, k), in tiles.

    Tiles are what a BLAS multiplies on one thread: on more, threads that wait for each other burn several times the
    CPU when the machine is busy. Of exact sums (`stats.sums.centred`) the tiles move no digit.
    """
    out[:] = 0.0
    for column in range(0, matrix.shape[1], _TILE_COLUMNS):
        columns = slice(column, column + _TILE_COLUMNS)
        for row in range(0, len(weights), _TILE_ROWS):
            rows = slice(row, row + _TILE_ROWS)
            tile = out[rows, columns]
            depth = _TILE // tile.size
            for start in range(0, len(matrix), depth):
                tile += weights[rows, start : start + depth] @ matrix[start : start + depth, columns]


def weight_blocks(rng: np.random.Generator, count: int, resamples: int) -> Iterator[tuple[slice, Floats]]:
    """How often each unit is drawn: blocks of resamples, each with weights (b, count) whose rows sum to ``count``.

    Draws are ``rng.integers(0, count, count)`` per resample, in order: those of `scipy.stats.bootstrap` for the same
    generator, and independent of the size of the blocks. The array is overwritten by the next block.
    """
    block = min(max(1, _BLOCK // count), resamples)
    at_once = min(max(1, _DRAWN_AT_ONCE // count), block)
    shift = (np.arange(at_once) * count)[:, None]
    weights = np.empty((block, count))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        for row in range(0, size, at_once):
            rows = min(at_once, size - row)
            drawn = rng.integers(0, count, (rows, count))
            drawn += shift[:rows]
            counts = np.bincount(drawn.ravel(), minlength=rows * count)
            weights[row : row + rows] = counts.reshape(rows, count)
        yield slice(start, start + size), weights[:size]
