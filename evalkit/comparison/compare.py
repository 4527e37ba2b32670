"""Runs against a baseline: which values differ, how surely, where, and in which records."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.comparison.arena import arenas
from evalkit.comparison.paired import paired_tests
from evalkit.comparison.pairing import FEWEST_PAIRS, Indices, Pair, aligned, pair_of
from evalkit.comparison.questions import asked_otherwise
from evalkit.comparison.settings import Settings
from evalkit.comparison.sides import RunSide
from evalkit.comparison.tested import Tested
from evalkit.comparison.unlike import comparable, unlike
from evalkit.comparison.unpaired import recorded_test, unpaired_tests
from evalkit.comparison.verdict import Facts, compared, judged, margins_of
from evalkit.core.compared import Changed, Compared, Comparison, Comparisons, Matched, SliceCompared, Unlike
from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.core.run import Run
from evalkit.reports import numbers
from evalkit.store.table import Table

MOST_SLICES = 50  # values of one column; beyond, the largest
NAMED = 5  # unmatched ids that are told


def compare_runs(runs: Sequence[RunSide], settings: Settings, root: Path | None = None) -> Comparisons:
    """Every run against the first.

    Args:
        root: where the paths of the runs' data start; None: whether both asked the same under the same id is not looked at.

    Raises:
        SpecError: a metric, margin or slice that the runs do not have.
    """
    baseline = runs[0]
    _check(runs, settings)
    drafts = [_draft(baseline, side, settings, root) for side in runs[1:]]
    everything = [value for draft in drafts for value in draft.values()]
    verdicts, families = judged(everything, settings)
    told = iter(verdicts)
    comparisons = tuple(draft.finished(told) for draft in drafts)
    return Comparisons(
        comparisons,
        settings.adjust,
        settings.confidence,
        settings.resamples,
        tuple(arenas(runs, settings)),
        families,
    )


@dataclass
class _Draft:
    """A comparison whose verdicts wait for those of the others."""

    made: Comparison
    metrics: dict[str, Compared]
    slices: list[SliceCompared] = field(default_factory=list)

    def values(self) -> Iterable[Compared]:
        yield from self.metrics.values()
        for part in self.slices:
            yield from part.metrics.values()

    def finished(self, verdicts: Iterable[Compared]) -> Comparison:
        told = iter(verdicts)
        metrics = {name: next(told) for name in self.metrics}
        slices = [replace(part, metrics={name: next(told) for name in part.metrics}) for part in self.slices]
        return replace(self.made, metrics=metrics, slices=slices)


def _draft(a: RunSide, b: RunSide, settings: Settings, root: Path | None) -> _Draft:
    names = _names(a.run, b.run, settings)
    margins = margins_of(settings.margins, a.run.main)
    mains = set(a.run.main.values())

    def facts(name: str, family: str) -> Facts:
        value = a.run.metrics[name]
        chosen = family if family == "slices" else "metrics" if name in mains else "parts"
        return Facts(value.higher_is_better, name in mains, comparable(a.run, b.run, name), margins.get(name), chosen)

    notes: list[str] = []
    at = aligned(a.table.ids, b.table.ids) if a.table is not None and b.table is not None else None
    matched = _matched(a, b, at)
    paired = at is not None and len(at[0]) >= FEWEST_PAIRS
    pairs = _pairs(a, b, names, at if paired else None)
    tested = _tested(a, b, pairs, at, paired, settings)
    known = set(tested)
    for label, whys in _unknown(a, b, names, known).items():
        notes.append(f"{label}: {whys}")
    if not paired and at is not None:
        shared = "one record only" if len(at[0]) else "no records"
        notes.append(f"the runs share {shared}: each is taken as a sample of its own, which tells far less than pairs do")
    elif at is None:
        notes.append("a run has no rows.parquet any more: its recorded values are compared, which tells far less than rows do")
    notes += _one_sided(a, b, pairs) if paired else []
    for name in names:
        if name not in tested:
            tested[name] = recorded_test(a.run.metrics[name], b.run.metrics[name])
    tested |= _undecided(a, b, tested)
    metrics = {name: compared(tested[name], facts(name, "metrics"), settings) for name in names}
    slices: list[SliceCompared] = []
    if paired and at is not None and a.table is not None and b.table is not None:
        for by, n, found in _slices(a.table, b.table, at, pairs, a.clusters, mains, settings, notes):
            slices.append(
                SliceCompared(by, n, {name: compared(one, facts(name, "slices"), settings) for name, one in found.items()})
            )
    made = Comparison(
        a.named,
        b.named,
        matched,
        {},
        [],
        _unlike(a, b, at if paired else None, root),
        _changed(a, at, pairs, mains, settings) if paired and at is not None else {},
        notes,
        {label: main for label, main in a.run.main.items() if main in metrics},
    )
    return _Draft(made, metrics, slices)


def _unlike(a: RunSide, b: RunSide, at: tuple[Indices, Indices] | None, root: Path | None) -> list[Unlike]:
    """What differs beside the outputs; first of what is not serious that paired records are not the same question."""
    found = unlike(a.run, b.run)
    asked = None
    if at is not None and root is not None and a.table is not None:
        asked = asked_otherwise(a, b, [a.table.ids[place] for place in at[0].tolist()], root)
    return sorted([*([asked] if asked else []), *found], key=lambda one: not one.serious)


def _names(a: Run, b: Run, settings: Settings) -> list[str]:
    """The full names of the values that both runs have and that are wanted, in the baseline's order."""
    wanted = set(settings.metrics)
    labels = {name: label for label in a.main for name in a.metrics if name == label or name.startswith(f"{label}.")}
    return [name for name in a.metrics if name in b.metrics and (not wanted or name in wanted or labels.get(name) in wanted)]


def _pairs(a: RunSide, b: RunSide, names: Sequence[str], at: tuple[Indices, Indices] | None) -> list[Pair]:
    """Every metric whose rows both runs still have."""
    found = []
    for label in a.run.main:
        own = [name for name in names if name == label or name.startswith(f"{label}.")]
        if not own or label not in b.run.main:
            continue
        one, two = a.metric(label), b.metric(label)
        if one is None or two is None:
            continue
        alike = all(comparable(a.run, b.run, name) for name in own) and one.rows.shape[1] == two.rows.shape[1]
        pair = pair_of(one, two, aligned=at, alike=alike)
        if pair is not None:
            found.append(pair)
    return found


def _tested(
    a: RunSide, b: RunSide, pairs: list[Pair], at: tuple[Indices, Indices] | None, paired: bool, settings: Settings
) -> dict[str, Tested]:
    if not pairs:
        return {}
    if paired and at is not None:
        return paired_tests(pairs, a.clusters[at[0]] if a.clusters is not None else None, settings)
    return unpaired_tests(pairs, (a.clusters, b.clusters), settings)


def _undecided(a: RunSide, b: RunSide, tested: Mapping[str, Tested]) -> dict[str, Tested]:
    """Values whose judging stopped when a gate had decided: tests and intervals of a fixed size do not hold there."""
    tables = [side.table for side in (a, b) if side.table is not None]
    early = [label for label in a.run.main if any(table.stopped_early(label) for table in tables)]
    test = "none: judging stopped early, and the gate that stopped it has decided"
    return {
        name: replace(one, p=math.nan, test=test, bounds=_unbounded, method="", stderr=math.nan)
        for name, one in tested.items()
        if any(name == label or name.startswith(f"{label}.") for label in early)
    }


def _one_sided(a: RunSide, b: RunSide, pairs: Sequence[Pair]) -> list[str]:
    """Records that only one run could score: no pairs, and no random sample where a system fails on the hard ones."""
    found: dict[tuple[int, int], list[str]] = {}
    for pair in pairs:
        one, two = int((pair.a.scored & ~pair.b.scored).sum()), int((pair.b.scored & ~pair.a.scored).sum())
        early = any(side.table is not None and side.table.stopped_early(pair.label) for side in (a, b))
        if (one or two) and not early:
            found.setdefault((one, two), []).append(pair.label)
    return [
        f"{', '.join(labels)}: {numbers.counted(one + two, 'record')} left out that only one run could score "
        f"({one:,} by the baseline, {two:,} by {b.run.run_id}): the difference says nothing of them"
        for (one, two), labels in found.items()
    ]


def _unbounded(level: float) -> tuple[float, float]:  # noqa: ARG001 - there is none at any level
    return math.nan, math.nan


def _unknown(a: RunSide, b: RunSide, names: Sequence[str], known: set[str]) -> dict[str, str]:
    """Metrics of which only the recorded values can be compared, and why."""
    told: dict[str, str] = {}
    for label in a.run.main:
        if any((name == label or name.startswith(f"{label}.")) and name not in known for name in names):
            for side in (a, b):
                metric = side.metric(label)
                if metric is not None and metric.why:
                    told[label] = metric.why
    return told


def _matched(a: RunSide, b: RunSide, at: tuple[Indices, Indices] | None) -> Matched:
    if at is None or a.table is None or b.table is None:
        return Matched(0, int(a.run.dataset.get("n") or 0), int(b.run.dataset.get("n") or 0))
    here, there = at
    alone = []
    for table, places in ((a.table, here), (b.table, there)):
        left = np.setdiff1d(np.arange(table.n), places, assume_unique=True)
        alone.append((len(left), tuple(table.ids[place] for place in left[:NAMED].tolist())))
    clusters = len(np.unique(a.clusters[here])) if a.clusters is not None and len(here) else None
    return Matched(len(here), alone[0][0], alone[1][0], alone[0][1], alone[1][1], clusters)


def _slices(
    a: Table,
    b: Table,
    at: tuple[Indices, Indices],
    pairs: Sequence[Pair],
    clusters: NDArray[np.int64] | None,
    mains: set[str],
    settings: Settings,
    notes: list[str],
) -> Iterable[tuple[dict[str, Any], int, dict[str, Tested]]]:
    """Every main value over the records of each slice, the records that both runs put into it."""
    here, there = at
    columns = settings.slices
    if columns is None:
        columns = tuple(name for name in a.attributes if name in b.attributes and name != "cluster")
    for column in columns:
        codes_a, labels_a = a.codes(column)
        codes_b, labels_b = b.codes(column)
        known = {label: code for code, label in enumerate(labels_a)}
        theirs = np.array([known.get(label, -1) for label in labels_b], dtype=np.int64)[codes_b[there]]
        ours = codes_a[here]
        same = ours == theirs
        if same.sum() < len(here) / 2:
            if settings.slices is not None or same.any():
                notes.append(f"not sliced by {column}: most records have another value there in the second run")
            continue
        sizes = np.bincount(ours[same], minlength=len(labels_a))
        if int((sizes > 0).sum()) < 2:
            continue
        largest = sorted(np.flatnonzero(sizes).tolist(), key=lambda code: (-sizes[code], str(labels_a[code])))[:MOST_SLICES]
        for code in sorted(largest, key=lambda code: (labels_a[code] is None, str(labels_a[code]))):
            mask = same & (ours == code)
            parts = [pair.of(mask, mask) for pair in pairs]
            own = clusters[here][mask] if clusters is not None else None
            found = paired_tests(parts, own, settings)
            yield {column: labels_a[code]}, int(mask.sum()), {name: one for name, one in found.items() if name in mains}


def _changed(
    a: RunSide, at: tuple[Indices, Indices], pairs: Sequence[Pair], mains: set[str], settings: Settings
) -> dict[str, dict[str, list[Changed]]]:
    """The records whose score changed most, of every main value with a direction."""
    assert a.table is not None
    found: dict[str, dict[str, list[Changed]]] = {}
    for pair in pairs:
        for part, name in enumerate(pair.names):
            better = a.run.metrics[name].higher_is_better
            if name not in mains or better is None:
                continue
            one, two = pair.a.scores[:, part], pair.b.scores[:, part]
            with np.errstate(invalid="ignore"):
                gain = (two - one) if better else (one - two)
            listed = {}
            for side, sign in (("lost", -1.0), ("gained", 1.0)):
                moved = np.flatnonzero(np.isfinite(gain) & (sign * gain > 0))
                order = moved[np.argsort(-np.abs(gain[moved]), kind="stable")][: settings.changed]
                listed[side] = [
                    Changed(a.table.ids[int(at[0][place])], float(one[place]), float(two[place])) for place in order.tolist()
                ]
            if any(listed.values()):
                found[name] = listed
    return found


def _check(runs: Sequence[RunSide], settings: Settings) -> None:
    """What was asked for by name is there."""
    first = runs[0].run
    known = list(dict.fromkeys([*first.main, *first.metrics]))
    problems = []
    for option, names in (("--metric", settings.metrics), ("--margin", tuple(settings.margins))):
        problems += [_no(option, "metric", name, known) for name in names if name not in known]
    for name in settings.margins:
        full = first.main.get(name, name)
        if full in first.metrics and first.metrics[full].higher_is_better is None:
            problems.append(Problem("--margin", f"neither more nor less of {name} is better, so no margin applies", None))
    for column in settings.slices or ():
        for side in runs:
            kept = side.table.attributes if side.table is not None else ()
            if column not in kept:
                problem = _no("--slice", "column", column, [name for name in kept if name != "cluster"])
                hint = problem.hint or "add it under `slices:` in the suite, so that a run keeps it"
                problems.append(Problem(problem.where, f"{problem.what} in {side.run.run_id}", hint))
                break
    if problems:
        raise SpecError(problems)


def _no(option: str, kind: str, name: str, known: Sequence[str]) -> Problem:
    close = nearest(name, known)
    hint = f"did you mean {quote(close)}?" if close else f"there are {', '.join(known)}" if known else None
    return Problem(option, f"no {kind} is called {quote(name)}", hint)
