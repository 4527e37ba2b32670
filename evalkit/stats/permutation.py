"""Paired permutation tests of any number of metrics at once, through their sums."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.distribution import POOL_ABOVE, Statistic
from evalkit.stats.members import CombineRows, Members
from evalkit.stats.quantile import MeanAndQuantiles
from evalkit.stats.resample import Units, weighted_sums
from evalkit.stats.sums import Floats, column_sums, on_grid

_BYTES = 250_000  # random bytes looked up at once: they, their places and what is found there stay in the cache
_BLOCK = 500_000  # signs unpacked at once: 4 MB
_LOOK_UP = 4  # columns up to which sums of eight units are looked up; of more a matrix product is faster
_WEIGHTS = 400_000_000  # signs of single records that a metric without sums may cost
_FEWEST = 999  # but never fewer resamples than this
_ROUNDING = 1e-11  # of the metric's size: differences closer than this are equal


@dataclass(frozen=True)
class Paired:
    """Two sides of a metric: row i of both is the same record; what turns sums of rows into values is the same.

    ``combine`` takes totals (..., k) to values (..., parts). A metric that is no sum gives ``combine_rows`` too, as
    `stats.distribution.Statistic` does; ``combine`` is then not called.
    """

    a: Floats  # (n, k); a row with a NaN on either side leaves both
    b: Floats  # (n, k)
    combine: Callable[[Floats], Floats]
    combine_rows: CombineRows | None = None

    def __post_init__(self) -> None:
        if self.a.ndim != 2 or self.a.shape != self.b.shape:
            raise ValueError(f"the rows of both sides must align, not be of shapes {self.a.shape} and {self.b.shape}")

    @classmethod
    def of(cls, a: Statistic, b: Statistic) -> Paired:
        """Of two statistics of one metric."""
        return cls(a.values, b.values, a.combine, a.combine_rows)

    @cached_property
    def scored(self) -> NDArray[np.bool_]:
        """Which records have a value on both sides, shape (n,)."""
        scored: NDArray[np.bool_] = np.logical_not(np.isnan(self.a).any(axis=1) | np.isnan(self.b).any(axis=1))
        return scored


@dataclass(frozen=True)
class Flipped:
    """A permutation test; p values lie in (0, 1], NaN where the difference is none."""

    observed: Floats  # (parts,): b - a
    p: Floats  # (parts,): two-sided
    p_less: Floats  # (parts,): against b < a
    p_greater: Floats  # (parts,): against b > a
    n: int  # records scored on both sides
    units: int  # records, clusters or pools that hold one
    resamples: int  # exchanges that were looked at
    exact: bool  # all there are, not a sample of them


def sign_flip(
    statistics: Sequence[Paired],
    *,
    seed: int | np.random.SeedSequence,
    resamples: int = 10_000,
    clusters: ArrayLike | None = None,
    pool_above: int = POOL_ABOVE,
) -> list[Flipped]:
    """Is b - a noise? Every record keeps its two rows or exchanges them, at random, and so all metrics at once.

    Under the null hypothesis a record's two rows come in either order with equal chance. The statistic is the metric of
    the b rows less that of the a rows; p is the share of resamples whose statistic lies at least as far from 0 as the
    observed one, the observed one counted among them: never 0, and never too small. Where no more than ``resamples``
    exchanges move a metric (records that are equal on both sides move none) all of them are looked at, and p is exact.

    Args:
        statistics: both sides of every metric; every metric has the same n records.
        seed: the only source of randomness.
        resamples: how many; of a metric that is no sum fewer where there are many records (see ``Flipped.resamples``).
        clusters: (n,) labels; records that share one are exchanged together.
        pool_above: more records (or clusters) than this are dealt into pools first, at random, and whole pools exchanged:
            these are a subgroup of all exchanges, so that the test stays exact.

    Returns:
        One test per metric. It does not depend on the other metrics, and its sums carry no rounding.

    Source: Fisher (1935); for corpora, Riezler & Maxwell (2005), "approximate randomization"; (hits + 1) / (resamples + 1):
    Phipson & Smyth (2010); subgroups: Hemerik & Goeman (2018), theorem 1.
    """
    if resamples < 1 or pool_above < 2:
        raise ValueError(f"resamples must be at least 1 and pool_above at least 2, not {resamples} and {pool_above}")
    lengths = sorted({len(paired.a) for paired in statistics})
    if len(lengths) > 1:
        raise ValueError(f"metrics that share exchanges need the same records; these have {lengths} of them")
    if not statistics:
        return []
    sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    units = Units.of(lengths[0], clusters, sequence, pool_above)
    made: dict[int, Flipped] = {}
    sums: dict[int, _Sums] = {}
    with np.errstate(all="ignore"):
        for at, paired in enumerate(statistics):
            if paired.combine_rows is not None:
                made[at] = _by_rows(paired, paired.combine_rows, units, sequence, resamples)
                continue
            one = _Sums(paired, units)
            if _exchanges(one.moving) <= resamples:
                made[at] = one.test(one.all_totals(), exact=True)
            else:
                sums[at] = one
        if sums:
            matrix = np.ascontiguousarray(np.concatenate([one.apart[:, one.moved] for one in sums.values()], axis=1))
            totals = _exchanged(matrix, sequence, resamples)
            start = 0
            for at, one in sums.items():
                whole = np.zeros((resamples, len(one.moved)))
                whole[:, one.moved] = totals[:, start : start + int(one.moved.sum())]
                made[at] = one.test(whole, exact=False)
                start += int(one.moved.sum())
    return [made[at] for at in range(len(statistics))]


class _Sums:
    """Both sides of a metric of sums: what every unit adds to one side, and takes from the other, when it exchanges."""

    def __init__(self, paired: Paired, units: Units) -> None:
        scored = paired.scored
        self.paired = paired
        self.n = int(scored.sum())
        self.held = int(units.holding(scored).sum())
        self.totals = column_sums(paired.a, scored), column_sums(paired.b, scored)
        apart = np.where(scored[:, None], paired.b - paired.a, 0.0)
        self.apart = np.empty((units.count, apart.shape[1]))
        for j, column in enumerate(apart.T):
            self.apart[:, j] = on_grid(units.sums(column), units.count)
        self.moving = np.flatnonzero((self.apart != 0.0).any(axis=1))
        self.moved = (self.apart != 0.0).any(axis=0)  # a count of records is the same on both sides: it needs no sums

    def all_totals(self) -> Floats:
        """What moves under every exchange there is, (2^moving, k): each unit doubles those before it."""
        totals = np.zeros((1, self.apart.shape[1]))
        for row in self.apart[self.moving]:
            totals = np.concatenate([totals, totals + row])
        return totals

    def test(self, moved: Floats, *, exact: bool) -> Flipped:
        """From what moved (resamples, k); both sides lie as far from their middle, so that equal is equal."""
        combine = self.paired.combine
        a, b = self.totals
        half = self.apart.sum(axis=0) / 2.0
        middle = (a + b) / 2.0
        off = moved - half
        drawn = combine(middle - off) - combine(middle + off)
        centre = combine(middle + half) - combine(middle - half)
        one, two = combine(a), combine(b)
        observed = two - one if self.n else np.full(np.shape(two), np.nan)
        size = np.maximum(np.abs(one), np.abs(two))
        return _told(observed, centre, size, drawn, n=self.n, units=self.held, exact=exact)


def _exchanges(moving: NDArray[np.int64]) -> float:
    """How many exchanges so many units have."""
    return math.ldexp(1.0, len(moving)) if len(moving) < 1_000 else math.inf


def _told(observed: Floats, centre: Floats, size: Floats, drawn: Floats, *, n: int, units: int, exact: bool) -> Flipped:
    """P values (parts,) from the statistic under every exchange (resamples, parts); one that is NaN counts as far out."""
    near = _ROUNDING * np.maximum(size, np.abs(centre))
    more = 0 if exact else 1
    count = len(drawn)

    def share(short: NDArray[np.bool_]) -> Floats:
        hits = count - short.sum(axis=0)
        return np.where(np.isfinite(observed) & np.isfinite(centre), (hits + more) / (count + more), np.nan)

    return Flipped(
        observed,
        share(np.abs(drawn) < np.abs(centre) - near),
        share(drawn > centre + near),
        share(drawn < centre - near),
        n,
        units,
        count,
        exact,
    )


# --- exchanges -------------------------------------------------------------------------------------------------------


def _exchanged(matrix: Floats, seed: np.random.SeedSequence, resamples: int) -> Floats:
    """Sums (resamples, k) of the rows of ``matrix`` (count, k) that exchange: every second one, at random.

    They are exact (`stats.sums.on_grid`), so both ways to add them give the same.
    """
    count, k = matrix.shape
    totals = np.zeros((resamples, k))
    if k > _LOOK_UP:
        for rows, signs in _signs(count, seed, resamples):
            weighted_sums(signs, matrix, totals[rows])
        return totals
    width = -(-count // 8)
    padded = np.zeros((8 * width, k))
    padded[:count] = matrix
    patterns = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float64)
    tables = [(padded[:, j].reshape(width, 8) @ patterns.T).ravel() for j in range(k)]  # of eight units, 256 sums
    places = np.arange(width) * 256
    for rows, octets in _octets(width, seed, resamples, _BYTES):
        at = octets + places
        for j, table in enumerate(tables):
            totals[rows, j] = np.take(table, at).sum(axis=1)
    return totals


def _octets(
    width: int, seed: np.random.SeedSequence, resamples: int, at_once: int
) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
    """Random bytes (b, width), eight units a byte, the same whatever the size of the blocks and on every machine."""
    rng = np.random.Generator(np.random.PCG64(seed))
    block = min(max(1, at_once // max(width, 1)), resamples)
    words = -(-width // 8)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn = rng.integers(0, 1 << 64, (size, words), dtype=np.uint64).astype("<u8", copy=False)
        yield slice(start, start + size), drawn.view(np.uint8)[:, :width]


def _signs(count: int, seed: np.random.SeedSequence, resamples: int) -> Iterator[tuple[slice, Floats]]:
    """Which units exchange: blocks of resamples with 0 or 1 for each, (b, count); overwritten by the next block."""
    held = np.empty((0, count))
    for rows, octets in _octets(-(-count // 8), seed, resamples, _BLOCK // 8):
        if not len(held):
            held = np.empty((len(octets), count))
        signs = held[: len(octets)]
        np.copyto(signs, np.unpackbits(octets, axis=1, count=count))
        yield rows, signs


def _by_rows(paired: Paired, combine_rows: CombineRows, units: Units, seed: np.random.SeedSequence, resamples: int) -> Flipped:
    """The test of a metric that is no sum: the rows of both sides, each of weight 1 on the one and 0 on the other."""
    scored, count = paired.scored, units.count
    of_row = np.arange(count, dtype=np.int64) if units.of_row is None else units.of_row
    both = Units(2 * count, np.concatenate([of_row, of_row + count]))
    rows = np.concatenate([paired.a, paired.b])
    members = Members.of(rows, np.concatenate([scored, scored]), combine_rows, both)
    n = int(scored.sum())
    if not isinstance(combine_rows, MeanAndQuantiles):
        resamples = min(resamples, max(_FEWEST, _WEIGHTS // max(4 * n, 1)))
    moves = np.flatnonzero(scored & (paired.a != paired.b).any(axis=1))
    moving = np.unique(of_row[moves])
    exact = _exchanges(moving) <= resamples

    def values(signs: Floats) -> tuple[Floats, Floats]:
        return members.resampled(np.concatenate([1.0 - signs, signs], axis=1)), members.resampled(
            np.concatenate([signs, 1.0 - signs], axis=1)
        )

    one, two = (side[0] for side in values(np.zeros((1, count))))
    drawn: list[Floats] = []
    for _, signs in _every_sign(moving, count) if exact else _signs(count, seed, resamples):
        first, second = values(signs)
        drawn.append(second - first)
    size = np.maximum(np.abs(one), np.abs(two))
    held = int(units.holding(scored).sum())
    return _told(two - one, two - one, size, np.concatenate(drawn), n=n, units=held, exact=exact)


def _every_sign(moving: NDArray[np.int64], count: int) -> Iterator[tuple[slice, Floats]]:
    """Every exchange of the ``moving`` units, in blocks."""
    total, block = 1 << len(moving), max(1, _BLOCK // max(count, 1))
    for start in range(0, total, block):
        numbers = np.arange(start, min(start + block, total))
        signs = np.zeros((len(numbers), count))
        signs[:, moving] = (numbers[:, None] >> np.arange(len(moving))) & 1
        yield slice(start, start + len(numbers)), signs
