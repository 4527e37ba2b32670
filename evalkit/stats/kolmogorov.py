"""Kolmogorov and Smirnov's test of two samples, told apart by counts, ties or not."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from evalkit.stats.shift import Counts, Shifted, aligned, generator
from evalkit.stats.sums import Floats

_DRAWS = 10_000
_CELLS = 256  # of the simulated bridge: a cell lighter than 1/256 is as good as continuous
_SINGLY = 8  # records up to which a cell is walked through one by one
_STEP, _CELL, _PAIR = 10.0, 60.0, 0.012  # microseconds: a record walked through, a cell jumped over, each pair of its states
_COST = 35_000.0  # microseconds that an exact p may take
_DIGITS = 1e-10  # what rounding leaves of 1 - P(inside)


def ks(a: ArrayLike, b: ArrayLike, *, seed: int | np.random.SeedSequence = 0) -> Shifted:
    """The largest gap between two distribution functions, in [0, 1], and its p.

    Args:
        a, b: (m,) counts per cell, cells ascending in value; of raw data, a cell per distinct value.
        seed: of the draws, where p is simulated.

    p is exact given the pooled sample, ties included, where that is cheap: up to some 3,000 records, or few cells and a
    side of thousands. Beyond, it is that of continuous data (one sample of n m / (n + m) records), unless a cell holds more
    than 1/256 of all records: ties make that p too large, so the gap is compared with 10,000 Brownian bridges at the pooled
    cells (light neighbours joined), the observed one counted among them, and the smaller p taken. It is never 0.

    Source: Smirnov (1939); with ties: Schröer & Trenkler (1995); the limit at atoms: Wood & Altavela (1978).
    """
    one, two = aligned(a, b)
    n, m = int(one.sum()), int(two.sum())
    if not n or not m:
        return Shifted.unknown("Kolmogorov–Smirnov")
    few, pooled = (one if n <= m else two), one + two
    gap = _widest(few, pooled)
    statistic = gap / (n * m)
    if not gap:
        return Shifted(0.0, 1.0, "Kolmogorov–Smirnov, exact")
    if _dear(pooled, 2 * gap // (n + m) + 1) <= _COST:
        p = _outside(pooled, int(few.sum()), gap)
        return Shifted(statistic, p if p > _DIGITS else min(_DIGITS, _continuous(statistic, n, m)), "Kolmogorov–Smirnov, exact")
    p = _continuous(statistic, n, m)
    if pooled.max() * _CELLS <= n + m:
        return Shifted(statistic, p, "Kolmogorov–Smirnov")
    return Shifted(statistic, min(p, _bridges(few, pooled, seed)), "Kolmogorov–Smirnov, ties simulated")


def _widest(few: Counts, pooled: Counts) -> int:
    """The gap times n m, a whole number."""
    n, every = int(few.sum()), int(pooled.sum())
    return int(np.abs(np.cumsum(few) * every - np.cumsum(pooled) * n).max())


def _continuous(statistic: float, n: int, m: int) -> float:
    from scipy.stats import kstwo

    return max(float(kstwo.sf(statistic, max(1, round(n * m / (n + m))))), float(np.finfo(np.float64).tiny))


# --- exact: the pooled records in ascending order, each of the small side or not --------------------------------------


def _dear(pooled: Counts, states: int) -> float:
    """Microseconds that `_outside` takes, about."""
    single = pooled <= _SINGLY
    return float(pooled[single].sum()) * _STEP + int((~single).sum()) * (_CELL + _PAIR * states**2)


def _outside(pooled: Counts, n: int, gap: int) -> float:
    """P(a gap of at least ``gap`` / n m), all choices of the n records of the small side being alike.

    A Markov chain over cells: how many of the records so far are of the small side, as long as every gap was smaller.
    """
    every = int(pooled.sum())
    low, chances, seen = 0, np.ones(1), 0
    for size in pooled[:-1].tolist():
        after = seen + size
        first = max(0, n - (every - after), (after * n - gap) // every + 1)  # inside: |i · every - after · n| < gap
        last = min(n, after, -((-after * n - gap) // every) - 1)
        if first > last:
            return 1.0
        if size <= _SINGLY:
            walked = _walked(chances, low, seen, size, n, every)
            low, chances = max(first, low), walked[max(0, first - low) : max(0, last - low + 1)]
        else:
            low, chances = first, _jumped(chances, low, seen, size, n, every, first, last)
        if not len(chances):
            return 1.0
        seen = after
    return min(1.0, max(0.0, 1.0 - float(chances.sum())))


def _walked(chances: Floats, low: int, seen: int, size: int, n: int, every: int) -> Floats:
    """Chances of low, low + 1, … after ``size`` more records, one at a time."""
    for at in range(size):
        held = np.zeros(len(chances) + 1)
        chosen = chances * np.maximum((n - low - np.arange(len(chances))) / (every - seen - at), 0.0)
        held[:-1] = chances - chosen
        held[1:] += chosen
        chances = held
    return chances


def _jumped(chances: Floats, low: int, seen: int, size: int, n: int, every: int, first: int, last: int) -> Floats:
    """Chances of first … last after a cell of ``size`` records: hypergeometric steps, all at once."""
    before, after = np.arange(low, low + len(chances)), np.arange(first, last + 1)
    taken = np.arange(first - int(before[-1]), last - low + 1)
    steps = _log_choose(size, taken)
    left, right = _log_choose(every - seen, n - before), _log_choose(every - seen - size, n - after)
    logs = steps[(after[None, :] - before[:, None]) - int(taken[0])] + right[None, :] - left[:, None]
    moved: Floats = chances @ np.exp(logs)
    return moved


def _log_choose(n: int, k: Counts) -> Floats:
    from scipy.special import gammaln

    inside = (k >= 0) & (k <= n)
    safe = np.where(inside, k, 0)
    logs: Floats = np.where(inside, gammaln(n + 1.0) - gammaln(safe + 1.0) - gammaln(n - safe + 1.0), -np.inf)
    return logs


# --- simulated: Brownian bridges at the pooled cells ------------------------------------------------------------------


def _bridges(few: Counts, pooled: Counts, seed: int | np.random.SeedSequence) -> float:
    """The share of bridges whose widest gap is at least the observed one, over the same joined cells."""
    groups = _joined(pooled)
    few, pooled = np.add.reduceat(few, groups), np.add.reduceat(pooled, groups)
    n, every = int(few.sum()), int(pooled.sum())
    observed = _widest(few, pooled) / (n * (every - n)) * math.sqrt(n / every * (every - n))
    share = pooled / every
    hits = sum(int((widest >= observed * (1.0 - 1e-12)).sum()) for widest in _widest_of_bridges(share, seed))
    return (hits + 1) / (_DRAWS + 1)


def _widest_of_bridges(share: Floats, seed: int | np.random.SeedSequence) -> Iterator[Floats]:
    rng, spread, along = generator(seed), np.sqrt(share), np.cumsum(share)
    for _ in range(0, _DRAWS, _DRAWS // 20):
        walks = rng.standard_normal((_DRAWS // 20, len(share)))
        walks *= spread
        np.cumsum(walks, axis=1, out=walks)
        walks -= walks[:, -1:] * along
        yield np.abs(walks).max(axis=1)


def _joined(pooled: Counts) -> Counts:
    """Where groups of cells start, of which none is lighter than 1/256 but the last."""
    if len(pooled) <= _CELLS:
        return np.arange(len(pooled))
    enough = int(pooled.sum()) / _CELLS
    starts, held = [0], 0
    for at, size in enumerate(pooled.tolist()):
        if held and (held >= enough or size >= enough):
            starts.append(at)
            held = 0
        held += size
    return np.array(starts, dtype=np.int64)
