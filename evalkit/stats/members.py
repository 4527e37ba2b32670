"""Statistics that are no sum, resampled record by record: quantiles, rank correlations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.stats.quantile import MeanAndQuantiles, between, first_above, places
from evalkit.stats.resample import Units, weighted_sums
from evalkit.stats.sums import Floats, centred, column_sum

CombineRows = Callable[[Floats, Floats], Floats]

_EXPANDED = 1_000_000  # weights of records handed on at once: 8 MB, and a few times that inside `combine_rows`
_JACKKNIFE = 250  # groups left out in turn
_GROUPING = 1 << 17  # the spawn key of the stream that deals those groups
_REACH = 7.0  # standard deviations around a quantile within which resamples look for it; beyond, they look everywhere


@dataclass(frozen=True)
class Apart:
    """The ``combine_rows`` of b - a, whose rows are those of a, ``split`` columns, beside those of b."""

    a: CombineRows
    b: CombineRows
    split: int

    def __call__(self, values: Floats, weights: Floats) -> Floats:
        return self.b(values[:, self.split :], weights) - self.a(values[:, : self.split], weights)


class Members:
    """The scored records of a statistic; a record's weight is that of its unit."""

    def __init__(self, values: Floats, scored: NDArray[np.bool_], combine_rows: CombineRows, units: Units) -> None:
        rows = np.flatnonzero(scored)
        rows = rows[np.argsort(values[rows, 0], kind="stable")]  # sorted: quantiles need not sort again
        self.n = len(rows)
        self.values = values[rows]
        self.unit: NDArray[np.int64] = rows if units.of_row is None else units.of_row[rows]
        self.held = np.flatnonzero(units.holding(scored))
        self.count = units.count
        self.combine_rows = combine_rows
        if self.n:
            self.value = combine_rows(self.values, np.ones((1, self.n)))[0]
        else:  # nothing to ask about; one made-up record tells how many parts there are
            self.value = np.full_like(combine_rows(np.ones((1, values.shape[1])), np.ones((1, 1)))[0], np.nan)

    @classmethod
    def of(cls, values: Floats, scored: NDArray[np.bool_], combine_rows: CombineRows, units: Units) -> Members:
        """With the short cuts for quantiles, and for the difference of two statistics that may be quantiles."""
        if isinstance(combine_rows, Apart):
            return Both(values, scored, combine_rows, units)
        if isinstance(combine_rows, MeanAndQuantiles) and scored.any() and np.isfinite(values[scored, 0]).all():
            return Ranked(values, scored, combine_rows, units)
        return Members(values, scored, combine_rows, units)

    def resampled(self, weights: Floats) -> Floats:
        """Values (b, parts) under the weights (b, count) of the units."""
        if not self.n:
            return np.full((len(weights), len(self.value)), np.nan)
        step = max(1, _EXPANDED // max(self.n, 1))
        return np.concatenate(
            [
                self.combine_rows(self.values, np.take(weights[start : start + step], self.unit, axis=1))
                for start in range(0, len(weights), step)
            ]
        )

    def without(self, seed: np.random.SeedSequence) -> Floats:
        """The jackknife, (groups, parts): without each unit, or each of 250 random groups of them.

        The acceleration that is read from it is as well known from 250 groups as the bounds need: it moves by about
        0.4 / groups, and a bound by a few thousandths of a standard error.
        """
        groups = min(len(self.held), _JACKKNIFE)
        dealt = np.random.SeedSequence(entropy=seed.entropy, spawn_key=(*seed.spawn_key, _GROUPING))
        group = np.full(self.count, -1, dtype=np.int64)
        order = np.random.Generator(np.random.PCG64(dealt)).permutation(len(self.held))
        group[self.held[order]] = np.arange(len(self.held)) % max(groups, 1)
        left = np.full((groups, len(self.value)), np.nan)
        step = max(1, _EXPANDED // max(self.count, 1))
        for start in range(0, groups, step):
            out = np.arange(start, min(start + step, groups))
            left[out] = self.resampled((group != out[:, None]).astype(np.float64))
        return left


class Ranked(Members):
    """The mean and quantiles of one column, with the same result from far fewer weights.

    In a resample a quantile lies near its place among all records. How many records were drawn below that
    neighbourhood is a sum over units; only inside it are weights looked at one by one.
    """

    def __init__(self, values: Floats, scored: NDArray[np.bool_], combine_rows: MeanAndQuantiles, units: Units) -> None:
        super().__init__(values, scored, combine_rows, units)
        self.value[0] = column_sum(self.values[:, 0]) / self.n
        self.levels = np.asarray(combine_rows.q, dtype=np.float64)
        sizes = np.bincount(self.unit, minlength=self.count).astype(np.float64)
        sums = np.bincount(self.unit, weights=self.values[:, 0], minlength=self.count).astype(np.float64, copy=False)
        columns = [sizes, np.zeros(self.count)]
        self.centre, columns[1][self.held] = centred(sums[self.held], self.count)
        columns.append(np.bincount(self.held, minlength=self.count).astype(np.float64))
        self.windows: list[slice] = []
        for level in self.levels.tolist():
            place = round(level * (self.n - 1))
            apart = np.bincount(self.unit[:place], minlength=self.count) - place / self.n * sizes
            reach = int(_REACH * float(np.sqrt((apart**2).sum()))) + 16
            window = slice(max(0, place - reach), min(self.n, place + reach))
            self.windows.append(window)
            columns.append(np.bincount(self.unit[: window.start], minlength=self.count).astype(np.float64))
        self.columns = np.ascontiguousarray(np.array(columns).T)

    def resampled(self, weights: Floats) -> Floats:
        totals = np.empty((len(weights), self.columns.shape[1]))
        weighted_sums(weights, self.columns, totals)
        drawn = totals[:, 0]
        found = np.empty((len(weights), 1 + len(self.levels)))
        found[:, 0] = (self.centre * totals[:, 2] + totals[:, 1]) / drawn
        below, above, share = places(drawn, self.levels)
        lost = ~(drawn > 0.0)
        values = self.values[:, 0]
        for at, window in enumerate(self.windows):
            width = window.stop - window.start
            step = max(1, _EXPANDED // width)
            for start in range(0, len(weights), step):
                rows = slice(start, start + step)
                running = np.cumsum(np.take(weights[rows], self.unit[window], axis=1), axis=1)
                running += totals[rows, 3 + at, None]
                places_here = first_above(running, np.stack([below[rows, at], above[rows, at]], axis=1))
                lost[rows] |= (totals[rows, 3 + at] > below[rows, at]) | (places_here[:, 1] == width)
                chosen = values[np.minimum(window.start + places_here, self.n - 1)]
                found[rows, 1 + at] = between(chosen[:, 0], chosen[:, 1], share[rows, at])
        if lost.any():
            found[lost, 1:] = super().resampled(weights[lost])[:, 1:]
        return found


class Both(Members):
    """b - a over the same records, each side with its own short cut."""

    def __init__(self, values: Floats, scored: NDArray[np.bool_], combine_rows: Apart, units: Units) -> None:
        split = combine_rows.split
        self.a = Members.of(values[:, :split], scored, combine_rows.a, units)
        self.b = Members.of(values[:, split:], scored, combine_rows.b, units)
        self.n, self.held, self.count = self.a.n, self.a.held, self.a.count
        self.value = self.b.value - self.a.value

    def resampled(self, weights: Floats) -> Floats:
        return self.b.resampled(weights) - self.a.resampled(weights)
