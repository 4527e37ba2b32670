"""Two runs record by record: which records both have, and a metric's rows of both sides in one order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evalkit.comparison.revive import Revived
from evalkit.core.contracts import Measure
from evalkit.core.rows import Floats, Rows
from evalkit.stats.distribution import Statistic
from evalkit.stats.members import CombineRows

Indices = NDArray[np.int64]
FEWEST_PAIRS = 2  # of fewer shared records, runs are taken as samples of their own
_CLOSE = 1e-9  # relative: a corpus value that is the mean of its records' values


@dataclass(frozen=True)
class Side:
    """One run's rows of a metric, and what turns them into the values that both runs have."""

    metric: Measure
    at: tuple[int, ...]  # the places of the common parts among the metric's own
    rows: Floats  # (n, k)

    def statistic(self) -> Statistic:
        """As tests and intervals take it."""
        places = [index for index, place in enumerate(self.at) if self.metric.open_ended(self.metric.parts[place])]
        means = {index: self.scores[:, index] for index in places}
        return Statistic(self.rows, self.combine, None if self.metric.additive else self.combine_rows, means)

    def combine(self, totals: Floats) -> Floats:
        values: Floats = self.metric.combine(totals)[..., list(self.at)]
        return values

    @property
    def combine_rows(self) -> CombineRows:
        """The metric's own where all its parts are wanted: the bootstrap knows some of them."""
        if self.at == tuple(range(len(self.metric.parts))):
            return self.metric.combine_rows
        return self._picked

    def _picked(self, values: Floats, weights: Floats) -> Floats:
        found: Floats = self.metric.combine_rows(values, weights)[..., list(self.at)]
        return found

    @cached_property
    def scored(self) -> NDArray[np.bool_]:
        return np.asarray(~np.isnan(self.rows).any(axis=1))

    @cached_property
    def scores(self) -> Floats:
        """Each record's own values, (n, parts), NaN where it was not scored."""
        values = np.asarray(self.metric.record_values(Rows(self.rows.copy())), dtype=np.float64)[:, list(self.at)]
        values[~self.scored] = np.nan
        return values

    def of(self, places: Indices | NDArray[np.bool_]) -> Side:
        return Side(self.metric, self.at, self.rows[places])


@dataclass(frozen=True)
class Pair:
    """A metric of both runs; ``names`` are the full names of the values that both have.

    Attributes:
        aligned: row i of both sides is the same record.
        alike: both sides were measured in the same way, so that their rows may be exchanged.
    """

    label: str
    names: tuple[str, ...]
    parts: tuple[str, ...]
    a: Side
    b: Side
    aligned: bool
    alike: bool

    def of(self, places_a: Indices | NDArray[np.bool_], places_b: Indices | NDArray[np.bool_]) -> Pair:
        """Over some of the records of each side."""
        return Pair(self.label, self.names, self.parts, self.a.of(places_a), self.b.of(places_b), self.aligned, self.alike)

    @cached_property
    def means(self) -> tuple[bool, ...]:
        """Which parts are the plain mean of their records' values."""
        return tuple(_is_mean(self.a, part) and _is_mean(self.b, part) for part in range(len(self.names)))

    @cached_property
    def shares(self) -> tuple[bool, ...]:
        """Which parts are the share of records that are 1 among records of 0 and 1."""
        return tuple(
            mean and all(_is_binary(side.scores[side.scored, part]) for side in (self.a, self.b))
            for part, mean in enumerate(self.means)
        )


def _is_mean(side: Side, part: int) -> bool:
    scores = side.scores[side.scored, part]
    if not side.metric.additive or not len(scores) or not np.isfinite(scores).all():
        return False
    value = float(side.combine(side.rows[side.scored].sum(axis=0))[part])
    return bool(np.isclose(value, scores.mean(), rtol=_CLOSE, atol=1e-12))


def _is_binary(scores: Floats) -> bool:
    return bool(((scores == 0.0) | (scores == 1.0)).all())


def pair_of(a: Revived, b: Revived, *, aligned: tuple[Indices, Indices] | None, alike: bool) -> Pair | None:
    """A metric of two runs over the records that both have (``aligned``), or all of each; None where a side has no rows."""
    if a.metric is None or b.metric is None:
        return None
    names = tuple(name for name in a.names if name in b.names)
    if not names:
        return None
    one = Side(a.metric, tuple(map(a.names.index, names)), a.rows if aligned is None else a.rows[aligned[0]])
    two = Side(b.metric, tuple(map(b.names.index, names)), b.rows if aligned is None else b.rows[aligned[1]])
    parts = tuple(a.metric.parts[place] for place in one.at)
    return Pair(a.label, names, parts, one, two, aligned is not None, alike)


def aligned(ids: Sequence[str], theirs: Sequence[str], mask: NDArray[np.bool_] | None = None) -> tuple[Indices, Indices]:
    """Positions of the records that both runs have, of those in the first one's ``mask`` (n,), in its order."""
    place = {name: index for index, name in enumerate(theirs)}
    found = np.fromiter((place.get(name, -1) for name in ids), dtype=np.int64, count=len(ids))
    here = np.flatnonzero((found >= 0) if mask is None else (found >= 0) & mask)
    return here, found[here]
