"""Ratings of runs by pairwise judges: who beats whom, on one scale."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.comparison.settings import Settings
from evalkit.comparison.sides import RunSide
from evalkit.core.compared import Arena, Rating, WinRate
from evalkit.core.rows import Floats
from evalkit.core.run import Run
from evalkit.stats.ranking import Ranking, rank

PAIRWISE = "pairwise"


@dataclass(frozen=True)
class Games:
    """One run's records against what another answered to them."""

    first: str
    second: str
    ids: Sequence[str]  # of the records that were judged
    score: Floats  # (n,): 1 where the first won, a half for a tie
    weight: Floats  # (n,)
    clusters: Sequence[str]


def arenas(runs: Sequence[RunSide], settings: Settings) -> list[Arena]:
    """The ratings by every pairwise metric that any of the runs has, the first run at 1000.

    Games about one record (or about records of one cluster) count as one draw. Source: Bradley & Terry (1952); the scale
    is Elo's, as in Arena-Hard (Li et al. 2024).
    """
    labels = dict.fromkeys(label for side in runs for label, use in side.run.uses.items() if use.get("metric") == PAIRWISE)
    wanted = set(settings.metrics)
    return [_arena(label, runs, settings) for label in labels if not wanted or label in wanted]


def _arena(label: str, runs: Sequence[RunSide], settings: Settings) -> Arena:
    games = list(_games(label, runs))
    if not games:
        return Arena(label, (), "no run has kept the rows of its games")
    names = list(dict.fromkeys([runs[0].run.run_id, *(name for one in games for name in (one.first, one.second))]))
    place = {name: at for at, name in enumerate(names)}
    sizes = [len(one.ids) for one in games]
    found = rank(
        np.repeat([place[one.first] for one in games], sizes),
        np.repeat([place[one.second] for one in games], sizes),
        np.concatenate([one.score for one in games]),
        players=names,
        prompts=np.array([name for one in games for name in one.clusters]),
        weights=np.concatenate([one.weight for one in games]),
        level=settings.confidence,
    )
    called = {side.run.run_id: _called(side.run) for side in runs}
    ratings = tuple(_rating(found, at, name, called.get(name, name)) for at, name in enumerate(names) if not found.why[at])
    unrated = [f"{name}: {found.why[at]}" for at, name in enumerate(names) if found.why[at]]
    order = sorted(ratings, key=lambda rating: -rating.rating)
    rates = tuple(_rate(side.run, label) for side in runs if label in side.run.metrics)
    return Arena(label, tuple(order), "; ".join(unrated), rates)


def _rate(run: Run, label: str) -> WinRate:
    """A run's recorded win rates; a value without an interval is none."""

    def told(name: str) -> tuple[float, float, float] | None:
        value = run.metrics.get(name)
        return None if value is None or value.ci is None or math.isnan(value.mean) else (value.mean, *value.ci)

    return WinRate(run.run_id, _called(run), told(label), told(f"{label}.length_controlled"))


def _called(run: Run) -> str:
    suite = run.suite.get("name")
    return f"{run.run_id} ({suite})" if suite else run.run_id


def _games(label: str, runs: Sequence[RunSide]) -> Iterator[Games]:
    for side in runs:
        use, table = side.run.uses.get(label), side.table
        if not use or use.get("metric") != PAIRWISE or table is None or label not in table:
            continue
        against = (use.get("options") or {}).get("against")
        column = against.get("column") if isinstance(against, dict) else None
        second = use.get("against") or (f"column {column} of {side.run.run_id}" if column else str(against))
        if second == side.run.run_id:
            continue
        rows = table.statistics(label)  # (wins · weight, weight, …)
        judged = np.flatnonzero(~np.isnan(rows).any(axis=1) & (rows[:, 1] > 0.0))
        ids = [table.ids[at] for at in judged.tolist()]
        groups = ids
        if "cluster" in table.attributes:
            codes, names = table.codes("cluster")
            groups = [name if names[codes[at]] is None else f"cluster {names[codes[at]]}" for at, name in zip(judged, ids)]
        yield Games(side.run.run_id, second, ids, rows[judged, 0] / rows[judged, 1], rows[judged, 1], groups)


def _rating(found: Ranking, at: int, name: str, called: str) -> Rating:
    low, high = found.bounds()
    ends = (float(found.elo(low[at])), float(found.elo(high[at])))
    return Rating(
        name,
        called,
        float(found.elo(found.strength[at])),
        None if at == found.baseline else ends,
        found.chance(at, found.baseline)[0] if at != found.baseline else 0.5,
        float(found.games[at]),
    )
