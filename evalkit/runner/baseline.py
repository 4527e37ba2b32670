"""The run that a gate compares with: found by id, by suite, or as a results.json committed beside the code."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.comparison.paired import paired_tests
from evalkit.comparison.pairing import FEWEST_PAIRS, Pair, Side, aligned
from evalkit.comparison.settings import Settings as Comparing
from evalkit.comparison.tested import Tested
from evalkit.comparison.unpaired import recorded_test, unpaired_tests
from evalkit.core.contracts import Measure
from evalkit.core.errors import EvalkitError, Problem, SpecError
from evalkit.core.run import Run, Value
from evalkit.runner.values import Settings
from evalkit.specs.home import shown
from evalkit.specs.suite import Suite
from evalkit.stats.bootstrap import Interval
from evalkit.stats.normal import normal_quantile
from evalkit.store.catalog import Catalog
from evalkit.store.runs import NoBaseline, find_run
from evalkit.store.table import ROWS, Table, cluster_codes


@dataclass(frozen=True)
class Baseline:
    """A run to compare with; ``table`` is None where its rows.parquet is missing."""

    run: Run
    table: Table | None

    @classmethod
    def of(cls, run: Run) -> Baseline:
        if run.folder is None or not (run.folder / ROWS).is_file():
            return cls(run, None)
        table = Table(run.folder)
        table.check_scores()  # reports read them, and that is after all has been paid for
        return cls(run, table)


@dataclass(frozen=True)
class Difference:
    """Current minus baseline for one metric: an interval per part, of ``n`` records in ``units`` (clusters), and its test."""

    interval: Interval
    n: int
    units: int
    test: Literal["paired", "unpaired"]
    same: bool = False  # every scored record stands in both runs, with the same rows


def compare(
    label: str,
    metric: Measure,
    table: Table,
    mask: NDArray[np.bool_],
    theirs: Table,
    their_mask: NDArray[np.bool_],
    settings: Settings,
) -> Difference | None:
    """Current minus baseline over the records in the masks; paired where the runs share ids, else unpaired.

    Records whose cluster is known resample as clusters. None where the baseline has no such rows. Runs whose rows are the
    same have a difference of 0 without width: taken for no change at all, not for a sample of a small one.
    """
    if label not in theirs or len(theirs.labels[label]) != len(metric.columns):
        return None
    every = tuple(range(len(metric.parts)))
    names = tuple(map(str, every))
    mine, other = Side(metric, every, table.statistics(label)), Side(metric, every, theirs.statistics(label))
    how = Comparing(settings.confidence, settings.resamples, settings.seed, method=settings.method, intervals_only=True)
    before, now = cluster_codes(theirs), cluster_codes(table)
    here, there = aligned(table.ids, theirs.ids, mask)
    if len(here) < FEWEST_PAIRS:
        pair = Pair(label, names, metric.parts, other.of(their_mask), mine.of(mask), aligned=False, alike=True)
        clusters = (before[their_mask] if before is not None else None, now[mask] if now is not None else None)
        return _difference(list(unpaired_tests([pair], clusters, how).values()), "unpaired", how)
    pair = Pair(label, names, metric.parts, other.of(there), mine.of(here), aligned=True, alike=True)
    tested = list(paired_tests([pair], now[here] if now is not None else None, how).values())
    same = tested[0].same and tested[0].n == int(mine.scored[mask].sum())
    return _difference(tested, "paired", how, same=same)


def from_values(now: Value, then: Value, level: float) -> Difference:
    """Current minus baseline from two values alone, unpaired: from their intervals where both have this level, else a
    normal interval from their standard errors."""
    return _difference([recorded_test(then, now)], "unpaired", Comparing(level))


def _difference(
    tested: Sequence[Tested], test: Literal["paired", "unpaired"], how: Comparing, *, same: bool = False
) -> Difference:
    """The parts of one metric as gates read them."""
    bounds = np.array([one.bounds(how.confidence) for one in tested])
    if same:
        bounds[:] = [[one.diff] * 2 for one in tested]
    reach = 2.0 * normal_quantile((1.0 + how.confidence) / 2.0)
    errors = [one.stderr if math.isfinite(one.stderr) else (high - low) / reach for one, (low, high) in zip(tested, bounds)]
    values = np.array([one.diff for one in tested])
    methods = tuple(one.method or "none" for one in tested)
    found = Interval(values, bounds[:, 0], bounds[:, 1], np.array(errors), tested[0].n, methods, how.confidence)
    return Difference(found, tested[0].n, tested[0].units, test, same)


def baselines(suite: Suite, given: str | None, catalog: Catalog, out: Path | None = None) -> Callable[[str], Baseline]:
    """Baselines by the name that a gate gives, looked up before anything is scored and loaded once.

    Args:
        given: what the command line names as ``baseline``; it goes before the suite's own.
        out: the folder that the run will write to, which cannot hold a baseline too.

    Raises:
        SpecError: every baseline that does not exist.
    """
    default = given or suite.baseline

    @cache
    def look_up(name: str) -> Baseline:
        named = default if name == "baseline" else name
        if named is None:
            raise NoBaseline("no baseline is named; give --baseline RUN, or `baseline:` in the suite")
        found = find_run(named, catalog, suite.root)
        if out is not None and found.folder is not None and found.folder.resolve() == out.resolve():
            raise SpecError(Problem("--out", f"{out} holds the baseline, which this run would replace", "name another folder"))
        return Baseline.of(found)

    known: dict[str, Baseline | NoBaseline] = {}
    problems: list[Problem] = []
    wanted = {gate.baseline or "baseline": gate.line for gate in suite.gates if gate.rule == "no_worse_than"}
    for name, line in {**({"baseline": 0} if default else {}), **wanted}.items():
        try:
            known[name] = look_up(name)
        except NoBaseline as error:
            known[name] = error
        except (EvalkitError, OSError) as error:
            where = f"{shown(suite.path, Path.cwd(), suite.root)}:{line}" if suite.path and line else "--baseline"
            problems += error.problems if isinstance(error, SpecError) else [Problem(where, str(error))]
    if problems:
        raise SpecError(problems)

    def of(name: str) -> Baseline:
        found = known.get(name) or look_up(name)
        if isinstance(found, NoBaseline):
            raise found
        return found

    return of
