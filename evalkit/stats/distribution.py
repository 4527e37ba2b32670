"""A statistic and its distribution over resamples: by its sums where it has them, by its weighted records where not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.members import CombineRows, Members
from evalkit.stats.resample import Units, weight_blocks, weighted_sums
from evalkit.stats.studentised import Moments, Studentised
from evalkit.stats.sums import Floats, centred, column_sums

POOL_ABOVE = 20_000
_COLUMNS = 2_000_000  # numbers in the columns resampled together: 16 MB; of more statistics the draws are repeated


@dataclass(frozen=True)
class Statistic:
    """A metric's rows, and what turns their sums into its values.

    ``combine`` takes totals (..., k) to values (..., parts); 0/0 may be NaN. A statistic that is no sum (a quantile, a
    rank correlation) gives ``combine_rows`` too: values (m, k) of the scored records, sorted by their first column, and
    weights (b, m), how often each was drawn, to values (b, parts); ``combine`` is then not called.

    ``means`` has the records' own values (n,) of parts that are their plain mean and have no limit on one side or both:
    their resamples are studentised. Means with limits do better without: BCa covers them as well, and stays within.
    """

    values: Floats  # (n, k); a row with a NaN is a record that was not scored
    combine: Callable[[Floats], Floats]
    combine_rows: CombineRows | None = None
    means: Mapping[int, Floats] = field(default_factory=dict)

    @cached_property
    def scored(self) -> NDArray[np.bool_]:
        """Which records have a value, shape (n,)."""
        scored = np.ones(len(self.values), dtype=bool)
        for column in self.values.T:
            scored &= ~np.isnan(column)
        return scored


@dataclass(frozen=True)
class Distribution:
    """A statistic over many resamples: what intervals are read from."""

    value: Floats  # (parts,): of the records themselves
    centre: Floats  # (parts,): the same by the arithmetic of the resamples, so that equal is equal
    draws: Floats  # (resamples, parts)
    cubes: Floats  # (parts,): Σu³ / m³ over the jackknife influences u of m units
    squares: Floats  # (parts,): Σu² / m²
    n: int  # scored records
    units: int  # records, clusters or pools that hold one
    studentised: Mapping[int, Studentised] = field(default_factory=dict)  # by part, of those in `Statistic.means`


def distributions(
    statistics: Sequence[Statistic],
    *,
    seed: int | np.random.SeedSequence,
    resamples: int = 1_000,
    clusters: ArrayLike | None = None,
    pool_above: int = POOL_ABOVE,
) -> list[Distribution]:
    """The resampled values of all statistics, from one set of resamples; arguments as in `bootstrap.intervals`.

    With an int seed, no clusters and no pools the draws are those of ``scipy.stats.bootstrap(rng=default_rng(seed))``.
    """
    if resamples < 1 or pool_above < 2:
        raise ValueError(f"resamples must be at least 1 and pool_above at least 2, not {resamples} and {pool_above}")
    lengths = sorted({len(statistic.values) for statistic in statistics})
    if len(lengths) > 1:
        raise ValueError(f"statistics that share resamples need the same records; these have {lengths} of them")
    if not statistics:
        return []
    sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    units = Units.of(lengths[0], clusters, sequence, pool_above)
    made: list[Distribution] = []
    with np.errstate(all="ignore"):
        for group in _groups(statistics, units.count):
            made += _together(group, units, sequence, resamples)
    return made


def _groups(statistics: Sequence[Statistic], count: int) -> Iterator[list[Statistic]]:
    """The statistics in order, as many at once as memory should hold."""
    group: list[Statistic] = []
    room = _COLUMNS
    for statistic in statistics:
        size = (statistic.values.shape[1] + 2 * len(statistic.means)) * count
        if group and size > room:
            yield group
            group, room = [], _COLUMNS
        group.append(statistic)
        room -= size
    if group:
        yield group


def _together(
    statistics: Sequence[Statistic], units: Units, seed: np.random.SeedSequence, resamples: int
) -> list[Distribution]:
    sums = {at: _Sums(one, units) for at, one in enumerate(statistics) if one.combine_rows is None}
    members = {
        at: Members.of(one.values, one.scored, one.combine_rows, units)
        for at, one in enumerate(statistics)
        if one.combine_rows is not None
    }
    moments = {
        (at, part): Moments(scores, one.scored, units.holding(one.scored), units)
        for at, one in enumerate(statistics)
        for part, scores in one.means.items()
    }
    layout = _Layout([*sums.values(), *moments.values()], units.count)
    totals = np.zeros((resamples, layout.matrix.shape[1]))
    draws = {at: np.full((resamples, len(one.value)), np.nan) for at, one in members.items()}
    if units.count:
        rng = np.random.Generator(np.random.PCG64(seed))
        for rows, weights in weight_blocks(rng, units.count, resamples):
            weighted_sums(weights, layout.matrix, totals[rows])
            for at, other in members.items():
                draws[at][rows] = other.resampled(weights)
    made: dict[int, Distribution] = {}
    means: dict[int, dict[int, Studentised]] = {at: {} for at in range(len(statistics))}
    for place, ((at, part), own) in enumerate(moments.items(), len(sums)):
        means[at][part] = own.resampled(layout.totals_of(place, totals), layout.drawn_of(place, totals))
    for at, other in members.items():
        centre = other.resampled(np.ones((1, units.count)))[0]
        cubes, squares = _influence(other.without(seed))
        made[at] = Distribution(other.value, centre, draws[at], cubes, squares, other.n, len(other.held), means[at])
    for place, (at, one) in enumerate(sums.items()):
        made[at] = one.distribution(one.statistic.combine(layout.totals_of(place, totals)), means[at])
    return [made[at] for at in range(len(statistics))]


class _Sums:
    """A statistic of sums: one row per unit, each column a centre and offsets that sum exactly."""

    def __init__(self, statistic: Statistic, units: Units) -> None:
        scored = statistic.scored
        self.statistic = statistic
        self.n = int(scored.sum())
        self.held = units.holding(scored)
        k = statistic.values.shape[1]
        self.centres = np.zeros(k)
        self.offsets = np.zeros((k, units.count))  # zero where the unit holds no scored record
        if self.n:
            everywhere = self.n == len(scored)
            for j, column in enumerate(statistic.values.T):
                summed = units.sums(column if everywhere else np.where(scored, column, 0.0))[self.held]
                self.centres[j], self.offsets[j, self.held] = centred(summed, units.count)

    def distribution(self, draws: Floats, means: Mapping[int, Studentised]) -> Distribution:
        """With the closed-form jackknife: what is left without a unit is the total minus its row."""
        m = int(self.held.sum())
        totals = self.centres * m + self.offsets.sum(axis=1)
        without = self.statistic.combine(totals - (self.centres + self.offsets[:, self.held].T))
        return Distribution(
            self.statistic.combine(column_sums(self.statistic.values, self.statistic.scored)),
            self.statistic.combine(totals),
            draws,
            *_influence(without),
            self.n,
            m,
            means,
        )


class _Layout:
    """All columns of all statistics of sums in one matrix: one product per block of weights.

    A constant column needs none: its total is its centre times the number of drawn units that count.
    """

    def __init__(self, sums: Sequence[_Sums | Moments], count: int) -> None:
        columns: list[Floats] = []
        masks: dict[bytes, int] = {}
        self.sums, self.count = sums, count
        self.places: list[tuple[int | None, list[int | None]]] = []  # per statistic: its mask's column, its columns'
        for one in sums:
            mask: int | None = None
            if not one.held.all():
                mask = masks.setdefault(np.packbits(one.held).tobytes(), len(columns))
                if mask == len(columns):
                    columns.append(one.held.astype(np.float64))
            own: list[int | None] = []
            for offsets in one.offsets:
                own.append(len(columns) if offsets.any() else None)
                if own[-1] is not None:
                    columns.append(offsets)
            self.places.append((mask, own))
        self.matrix = np.ascontiguousarray(np.array(columns, dtype=np.float64).reshape(len(columns), count).T)

    def totals_of(self, place: int, totals: Floats) -> Floats:
        """The totals (resamples, k) of the statistic at ``place``."""
        one, (_, own) = self.sums[place], self.places[place]
        drawn = self.drawn_of(place, totals)
        return np.stack(
            [
                np.broadcast_to(centre * drawn, len(totals)) + (0.0 if at is None else totals[:, at])
                for centre, at in zip(one.centres, own, strict=True)
            ],
            axis=-1,
        )

    def drawn_of(self, place: int, totals: Floats) -> Floats:
        """How many units that count were drawn for it, (resamples,)."""
        mask = self.places[place][0]
        return np.full(len(totals), float(self.count)) if mask is None else totals[:, mask]


def _influence(without: Floats) -> tuple[Floats, Floats]:
    """Σu³/m³ and Σu²/m² of the influences u, from the values (m, parts) with each unit left out."""
    m = len(without)
    if not m:
        nothing = np.full(without.shape[1], np.nan)
        return nothing, nothing
    influence = (m - 1) * (without.mean(axis=0) - without)
    return (influence**3).sum(axis=0) / m**3, (influence**2).sum(axis=0) / m**2
