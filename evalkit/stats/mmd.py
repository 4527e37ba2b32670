"""The maximum mean discrepancy of two samples of vectors, and its permutation test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.shift import Shifted, generator
from evalkit.stats.sums import Floats

MOST = 6_000  # vectors of both sides that are looked at
_MEDIAN_OF = 1_000  # vectors whose distances give the bandwidth
_ROWS = 256  # of the Gram matrix at once
_ROUNDING = 1e-3  # of the permutations' spread: values closer than this are equal
_FEW = 1_000  # vectors, up to which eight bytes a number cost nothing
_SINGLE = 1e3  # squared lengths over the median squared distance, up to which four are enough


def mmd(
    x: ArrayLike,
    y: ArrayLike,
    *,
    seed: int | np.random.SeedSequence,
    permutations: int = 1_000,
    bandwidth: float | None = None,
    most: int = MOST,
) -> Shifted:
    """The unbiased MMD² of ``x`` (n, d) and ``y`` (m, d), about 0 (or below) without drift, and its permutation p.

    The kernel is exp(-‖u - v‖² / s), s the median of the squared distances of all pairs of vectors of both sides together,
    or of 1,000 of them drawn by ``seed`` (the mean, where the median is 0): relabelling does not change it, so the test
    keeps its level. p is
    (hits + 1) / (permutations + 1). The Gram matrix is never held, and all permutations are one product with its rows. Of
    more than ``most`` vectors a random part is looked at, the smaller side whole if it fits into half of them. Vectors
    with a NaN or an infinity are left out; p is NaN where a side has fewer than 2, and 1 where all vectors are equal.

    Args:
        seed: of the permutations, and of what is drawn.
        permutations: how many relabellings.
        bandwidth: s.

    Source: Gretton et al. (2012), eq. 3 (the estimate), section 8 (the median); p: Phipson & Smyth (2010).
    """
    rng = generator(seed)
    sample = Sample.of(x, y, rng, most)
    if sample.n < 2 or sample.m < 2:
        return Shifted.unknown("MMD")
    told = "MMD" if not sample.left_out else f"MMD of {sample.n:,} and {sample.m:,} drawn vectors"
    pooled = sample.pooled
    scale = _median(pooled, rng) if bandwidth is None else float(bandwidth)
    if not scale > 0.0:
        return Shifted(0.0, 1.0, told)
    labels = relabelled(sample.n, sample.m, permutations, rng)
    values = _of_labels(pooled, labels, scale)
    hits = int((values[1:] >= values[0] - _ROUNDING * float(values[1:].std())).sum())
    return Shifted(float(values[0]), (hits + 1) / (permutations + 1), told)


@dataclass(frozen=True)
class Sample:
    """Both sides' vectors one below the other, centred: n of the first side, then m of the second."""

    pooled: Floats  # (n + m, d)
    n: int
    m: int
    left_out: int  # finite vectors beyond those

    @classmethod
    def of(cls, x: ArrayLike, y: ArrayLike, rng: np.random.Generator, most: int) -> Sample:
        """Finite vectors of both sides, at most ``most`` of them; the smaller side whole if it fits into half.

        Raises:
            ValueError: vectors of two lengths, or no vectors at all.
        """
        sides = [np.asarray(side) for side in (x, y)]
        if any(side.ndim != 2 for side in sides) or sides[0].shape[1] != sides[1].shape[1]:
            raise ValueError(
                f"both sides are vectors of one length (n, d), not of shapes {sides[0].shape} and {sides[1].shape}"
            )
        finite = [np.flatnonzero(np.isfinite(side).all(axis=1)) for side in sides]
        sizes = [len(at) for at in finite]
        kept = [min(size, max(most // 2, most - other)) for size, other in zip(sizes, reversed(sizes))]
        drawn = [np.sort(rng.choice(at, size=keep, replace=False)) if keep < len(at) else at for at, keep in zip(finite, kept)]
        pooled = np.concatenate([side[at].astype(np.float64) for side, at in zip(sides, drawn)])
        if len(pooled):
            pooled -= pooled.mean(axis=0)
        return cls(pooled, kept[0], kept[1], sum(sizes) - sum(kept))


def relabelled(n: int, m: int, permutations: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which of n + m vectors are of the second side: (n + m, permutations + 1), the first column as observed."""
    labels = np.zeros((permutations + 1, n + m), dtype=bool)
    labels[:, n:] = True
    rng.permuted(labels[1:], axis=1, out=labels[1:])
    return np.ascontiguousarray(labels.T)


def _median(pooled: Floats, rng: np.random.Generator) -> float:
    some = pooled if len(pooled) <= _MEDIAN_OF else pooled[rng.choice(len(pooled), _MEDIAN_OF, replace=False)]
    squares = np.einsum("ij,ij->i", some, some)
    distances = squares[:, None] + squares[None, :] - 2.0 * (some @ some.T)
    pairs = np.maximum(np.concatenate([row[at:] for at, row in enumerate(distances, 1)]), 0.0)
    pairs[pairs <= 1e-12 * float(squares.max())] = 0.0  # equal vectors, but for rounding
    return float(np.median(pairs)) or float(pairs.mean())


def _of_labels(pooled: Floats, labels: NDArray[np.bool_], scale: float) -> Floats:
    """MMD² of each column of labels (vectors, k), through blocks of the Gram matrix's upper half."""
    squares = np.einsum("ij,ij->i", pooled, pooled)
    single = len(pooled) > _FEW and float(squares.max()) <= _SINGLE * scale
    number: Any = np.float32 if single else np.float64
    vectors = (pooled * math.sqrt(2.0 / scale)).astype(number)  # so that -distance² = u·v - ‖u‖²/2 - ‖v‖²/2
    halves = (squares / scale).astype(number)
    second = labels.astype(number)
    size = len(pooled)
    rows, within = np.zeros(size), np.zeros(labels.shape[1])
    for start in range(0, size, _ROWS):
        here = slice(start, min(start + _ROWS, size))
        gram = vectors[here] @ vectors[start:].T
        gram -= halves[here, None]
        gram -= halves[None, start:]
        np.minimum(gram, 0.0, out=gram)
        np.exp(gram, out=gram)
        width = here.stop - start
        gram[np.tril_indices(width)] = 0.0  # each pair once
        rows[here] += gram.sum(axis=1, dtype=np.float64)
        rows[start:] += gram.sum(axis=0, dtype=np.float64)
        within += np.einsum("ij,ij->j", gram @ second[start:], second[here], dtype=np.float64)
    m = int(labels[:, 0].sum())
    n = size - m
    touching = np.zeros(len(within))  # pairs with one end on the second side, those within it twice
    for start in range(0, size, _ROWS):
        touching += rows[start : start + _ROWS] @ labels[start : start + _ROWS]
    across = touching - 2.0 * within
    first = rows.sum() / 2.0 - within - across
    values: Floats = 2.0 * first / (n * (n - 1.0)) + 2.0 * within / (m * (m - 1.0)) - 2.0 * across / (float(n) * m)
    return values
