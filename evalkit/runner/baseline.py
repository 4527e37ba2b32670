"""The run that a gate compares with: found by id, by suite, or as a results.json committed beside the code."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from evalkit.core.contracts import Measure
from evalkit.core.errors import EvalkitError, Problem, SpecError, quote
from evalkit.core.rows import Floats, Rows
from evalkit.core.run import Run, Value
from evalkit.runner.told import Told
from evalkit.runner.values import Settings, statistic_of
from evalkit.specs.home import shown
from evalkit.specs.suite import Suite
from evalkit.stats.bootstrap import Interval, difference, unpaired_difference
from evalkit.stats.normal import normal_quantile
from evalkit.stats.pairs import apart, paired_share, unseen
from evalkit.stats.proportion import wilson_bounds
from evalkit.store.catalog import Catalog
from evalkit.store.table import ROWS, Table

MOST_BYTES = 500 << 20  # of a results.json
_FEW = 10  # differing records (or clusters) up to which a bootstrap of paired differences is not trusted alone


class NoBaseline(EvalkitError, LookupError):
    """There is no run to compare with yet: a gate that needs one is skipped."""


def load_run(path: Path) -> Run:
    """A finished run from its folder or its results.json.

    Raises:
        SpecError: no such file, or it is not a results.json of evalkit.
    """
    file = path / "results.json" if path.is_dir() else path
    try:
        if file.exists() and (not file.is_file() or file.stat().st_size > MOST_BYTES):
            raise ValueError(f"it is no file of at most {MOST_BYTES >> 20} MB")
        told = msgspec.json.decode(file.read_bytes())
        msgspec.convert(told, Told)
        return Run.from_json(told, file.parent)
    except FileNotFoundError:
        raise SpecError(Problem(str(file), "there is no such results.json", "name a run id, latest:SUITE or a path")) from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        said = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise SpecError(Problem(str(file), f"this is not a results.json of evalkit ({said})")) from error


def find_run(name: str, catalog: Catalog, root: Path) -> Run:
    """A finished run by id, ``latest``, ``latest:SUITE``, or a path (beside the working folder, or in the project).

    Raises:
        NoBaseline: ``latest`` or ``latest:SUITE``, and nothing has run yet.
        UnknownName: no such run id.
        SpecError: a path that leads nowhere.
    """
    if name.endswith(".json") or "/" in name or Path(name).is_dir():
        candidate = Path(name)
        return load_run(candidate if candidate.exists() or candidate.is_absolute() else root / name)
    if name == "latest" or name.startswith("latest:"):
        suite = name.partition(":")[2] or None
        if not catalog.finished(suite=suite):
            raise NoBaseline(f"there is no finished run of {quote(suite)} yet" if suite else "there is no finished run yet")
    return load_run(catalog.folder_of(name))


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
    """Current minus baseline for one metric: an interval per part, of ``n`` records, and how it was tested."""

    interval: Interval
    n: int
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

    Records whose cluster is known resample as clusters. None where the baseline has no such rows. Shares get the score
    intervals of `stats.pairs`. Runs whose rows are the same have a difference of 0 without width: taken for no change at
    all, not for a sample of a small one.
    """
    if label not in theirs or len(theirs.labels[label]) != len(metric.columns):
        return None
    here, there = aligned(table.ids, theirs.ids, mask)
    mine, other = table.statistics(label), theirs.statistics(label)
    how: dict[str, Any] = {
        "seed": settings.seed,
        "level": settings.confidence,
        "resamples": settings.resamples,
        "method": settings.method,
    }
    if len(here) >= 2:
        a, b = statistic_of(metric, other[there]), statistic_of(metric, mine[here])
        codes = cluster_codes(table)
        own = codes[here] if codes is not None else None
        found = difference(a, b, clusters=own, **how)
        both = a.scored & b.scored
        differs = (mine[here] != other[there]).any(axis=1)[both]
        same = not differs.any() and int(both.sum()) == int((~np.isnan(mine[mask]).any(axis=1)).sum())
        if not same and both.any():
            found = _known(found, metric, mine[here][both], other[there][both], differs, own[both] if own is not None else None)
        return Difference(found, found.n, "paired", same)
    a, b = statistic_of(metric, other[their_mask]), statistic_of(metric, mine[mask])
    before, now = cluster_codes(theirs), cluster_codes(table)
    clusters = (before[their_mask] if before is not None else None, now[mask] if now is not None else None)
    found = unpaired_difference(a, b, clusters=clusters, **how)
    for part in _shares(metric):
        sides = []
        for side, codes in zip((a, b), clusters, strict=True):
            hits = metric.record_values(Rows(side.values[side.scored]))[:, part]
            bounds = wilson_bounds(hits, codes[side.scored] if codes is not None else None, settings.confidence)
            sides.append((float(hits.mean()), *bounds) if bounds else (math.nan, math.nan, math.nan))
        found = _bounded(found, part, *apart(sides[0], sides[1]), "score")
    return Difference(found, found.n, "unpaired")


def _known(
    found: Interval,
    metric: Measure,
    mine: Floats,
    other: Floats,
    differs: NDArray[np.bool_],
    clusters: NDArray[np.int64] | None,
) -> Interval:
    """A paired interval where the bootstrap knows too little: score intervals of shares; of others, a reach of what
    may be unseen. Rows are those that both runs scored.

    Where few records differ, the resamples hold little but those: no loss among them is no proof that none happens. Up
    to `_FEW` units the ends lie at least as far out as if a share of `unseen` units lost, or gained, the whole range of
    the scores.
    """
    one, two = metric.record_values(Rows(other.copy())), metric.record_values(Rows(mine.copy()))
    shares = _shares(metric)
    units, changed = len(differs), int(differs.sum())
    if clusters is not None:
        units, changed = len(np.unique(clusters)), len(np.unique(clusters[differs]))
    for part in range(len(found.value)):
        if part in shares:
            ends = paired_share(two[:, part] - one[:, part], clusters, found.level)
            found = _bounded(found, part, *ends, "score")
        elif changed <= _FEW and metric.additive and not math.isnan(found.low[part]):
            scores = np.concatenate([one[:, part], two[:, part]])
            scores = scores[np.isfinite(scores)]
            reach = unseen(units, found.level) * float(np.ptp(scores)) if len(scores) else 0.0
            value = float(found.value[part])
            low, high = min(float(found.low[part]), value - reach), max(float(found.high[part]), value + reach)
            found = _bounded(found, part, low, high, found.methods[part])
    return found


def _shares(metric: Measure) -> list[int]:
    """The parts that are shares of records."""
    return [index for index, part in enumerate(metric.parts) if metric.interval_of(part) == "wilson"]


def _bounded(found: Interval, part: int, low: float, high: float, method: str) -> Interval:
    """With other bounds for one part, and the standard error that they stand for."""
    lows, highs, errors, methods = found.low.copy(), found.high.copy(), found.stderr.copy(), list(found.methods)
    lows[part], highs[part], methods[part] = low, high, method if not math.isnan(low) else "none"
    errors[part] = (high - low) / (2.0 * normal_quantile((1.0 + found.level) / 2.0))
    return replace(found, low=lows, high=highs, stderr=errors, methods=tuple(methods))


def from_values(now: Value, then: Value, level: float) -> Difference:
    """Current minus baseline from two values alone, unpaired: from their intervals where both have this level, else a
    normal interval from their standard errors."""
    difference, stderr = now.mean - then.mean, math.hypot(now.stderr, then.stderr)
    reach = normal_quantile((1.0 + level) / 2.0) * stderr
    ends, method = (difference - reach, difference + reach), "normal"
    if now.ci is not None and then.ci is not None and now.confidence == then.confidence == level:
        ends, method = apart((then.mean, *then.ci), (now.mean, *now.ci)), "score"
        stderr = (ends[1] - ends[0]) / (2.0 * normal_quantile((1.0 + level) / 2.0))
    n = min(now.n, then.n)
    value, low, high, error = (np.array([x]) for x in (difference, *ends, stderr))
    return Difference(Interval(value, low, high, error, n, (method,), level), n, "unpaired")


def aligned(ids: list[str], theirs: list[str], mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the records that both runs have, current and baseline."""
    place = {name: index for index, name in enumerate(theirs)}
    pairs = [(index, place[ids[index]]) for index in np.flatnonzero(mask) if ids[index] in place]
    both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def cluster_codes(table: Table) -> NDArray[np.int64] | None:
    """The cluster of each record as a code, shape (n,); a record without one is a cluster of its own. None: no column."""
    if "cluster" not in table.attributes:
        return None
    kept, names = table.codes("cluster")
    codes = kept.copy()
    if None in names:
        alone = codes == names.index(None)
        codes[alone] = len(names) + np.arange(int(alone.sum()))
    return codes


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
