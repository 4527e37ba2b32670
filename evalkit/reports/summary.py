"""The one view model: a run as every report tells it, numbers already in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from evalkit.core.run import GateResult, Outcome, Run, Slice, Value
from evalkit.reports import numbers
from evalkit.reports.change import Change, change
from evalkit.reports.records import (
    CaseGroup,
    ErrorGroup,
    RecordView,
    Wanted,
    cases,
    errors_of,
    failures_of,
    lost_of,
    worst_of,
)
from evalkit.reports.safe import one_line, visible
from evalkit.reports.spending import Spending, spending
from evalkit.reports.spread import Histogram, histogram
from evalkit.reports.words import Fact, baseline_note, exit_line, facts_of, gate_title, models_of, subtitle, verdict

LISTED = 240  # records that one report lists, over all metrics
LISTED_PER_METRIC = 20
SLICES_SHOWN = 24  # values of one slicing column


@dataclass(frozen=True)
class MetricRow:
    """One part of one metric: its value as numbers, and as every report writes it."""

    name: str
    label: str
    main: bool
    value: Value
    digits: int
    text: str
    low_text: str
    high_text: str
    interval_text: str  # "" where there is no interval
    n_text: str
    errors_text: str
    skipped_text: str
    note: str
    direction: str  # "higher is better", "lower is better" or ""
    change: Change | None = None
    histogram: Histogram | None = None

    @property
    def low(self) -> float:
        """The interval's lower bound, NaN where there is none."""
        return self.value.ci[0] if self.value.ci else math.nan

    @property
    def high(self) -> float:
        """The interval's upper bound, NaN where there is none."""
        return self.value.ci[1] if self.value.ci else math.nan


@dataclass(frozen=True)
class GateRow:
    """One gate in words."""

    metric: str
    outcome: Outcome
    title: str
    reason: str
    records: tuple[str, ...]
    passed: bool
    result: GateResult


@dataclass(frozen=True)
class SliceRow:
    """One value of a slicing column, with the metrics over its records."""

    name: str
    n_text: str
    metrics: Mapping[str, MetricRow]


@dataclass(frozen=True)
class SliceGroup:
    """All values of one slicing column (or of several together)."""

    by: str
    rows: tuple[SliceRow, ...]
    left_out: int = 0


@dataclass(frozen=True)
class Summary:
    """A run as reports tell it; every text in it is the user's own and must still be escaped."""

    run: Run
    name: str
    headline: str  # "quickstart failed: 1 of 3 gates failed, 1 was inconclusive"
    verdict: str  # the headline without the name
    subtitle: str  # "300 records · 2 models · suites/quickstart.yaml"
    metrics: tuple[MetricRow, ...]
    gates: tuple[GateRow, ...]
    slices: tuple[SliceGroup, ...]
    lists: tuple[CaseGroup, ...]
    errors: tuple[ErrorGroup, ...]
    facts: tuple[Fact, ...]
    prompts: tuple[Fact, ...]
    spending: Spending | None
    baseline: str | None  # its run id, where its values are known
    baseline_note: str
    exit_code: int
    exit_text: str

    @property
    def confidence(self) -> str:
        """The intervals' level: ``95%``."""
        levels = {row.value.confidence for row in self.metrics if row.value.ci} or {0.95}
        return numbers.percent(levels.pop()) if len(levels) == 1 else ""

    @property
    def compared(self) -> bool:
        """Whether any metric has a baseline's value beside it."""
        return any(row.change for row in self.metrics)

    def cases(self, kind: str) -> tuple[CaseGroup, ...]:
        """The record lists of one kind: "worst", "lost" or "gate"."""
        return tuple(group for group in self.lists if group.kind == kind)


def summarise(
    run: Run,
    *,
    baseline: Run | None = None,
    records: RecordView | None = None,
    differences: Mapping[str, tuple[float, float, float]] | None = None,
) -> Summary:
    """Put a run in words.

    Args:
        run: what happened.
        baseline: a run to show differences to.
        records: single records; without them there are no distributions, no worst records and no error messages.
        differences: full metric name → (difference, low, high) of tests of the two runs' rows; where absent, all that
            can be said is whether the two intervals overlap.
    """
    rows = tuple(_metric(run, name, value, baseline, records, differences or {}) for name, value in run.metrics.items())
    gates = tuple(_gate(gate) for gate in run.gates)
    name = one_line(str(run.suite.get("name") or "run"), 120)
    exit_code, exit_text = exit_line(run)
    told = verdict(run)
    return Summary(
        run=run,
        name=name,
        headline=f"{name} {told}",
        verdict=told,
        subtitle=subtitle(int(run.dataset.get("n") or 0), run.suite.get("path"), models=models_of(run)),
        metrics=rows,
        gates=gates,
        slices=_slices(run),
        lists=_lists(run, records, {row.name: row.digits for row in rows}) if records is not None else (),
        errors=errors_of(records) if records is not None else (),
        facts=facts_of(run, baseline),
        prompts=tuple(Fact(one_line(key, 120), visible(text[:20_000]), code=True) for key, text in run.prompts.items()),
        spending=spending(run),
        baseline=baseline.run_id if baseline is not None else None,
        baseline_note=baseline_note(run, baseline),
        exit_code=exit_code,
        exit_text=exit_text,
    )


def _metric(
    run: Run,
    name: str,
    value: Value,
    baseline: Run | None,
    records: RecordView | None,
    differences: Mapping[str, tuple[float, float, float]],
) -> MetricRow:
    scores = records.scores.get(name) if records is not None else None
    main = name in run.main.values() or not run.main
    row = metric_row(name, value, main=main, histogram=None if scores is None else histogram(scores))
    if baseline is None or name not in baseline.metrics:
        return row
    found = change(value, baseline.metrics[name], digits=row.digits, tested=differences.get(name))
    return replace(row, change=found)


def metric_row(name: str, value: Value, *, main: bool = True, histogram: Histogram | None = None) -> MetricRow:
    """A value in words; the interval's width decides the digits."""
    low, high = value.ci if value.ci else (math.nan, math.nan)
    digits = numbers.decimals(value.mean, low, high, width=high - low)
    direction = {True: "higher is better", False: "lower is better", None: ""}[value.higher_is_better]
    lower = "lower is better" if value.higher_is_better is False else ""
    return MetricRow(
        name=name,
        label=name.partition(".")[0],
        main=main,
        value=value,
        digits=digits,
        text=numbers.number(value.mean, digits),
        low_text=numbers.number(low, digits) if value.ci else "",
        high_text=numbers.number(high, digits) if value.ci else "",
        interval_text=numbers.interval(low, high, digits) if value.ci else "",
        n_text=numbers.count(value.n),
        errors_text=numbers.count(value.errors),
        skipped_text=numbers.count(value.skipped),
        note=", ".join(part for part in (one_line(value.about or value.mode or "", 200), lower) if part),
        direction=direction,
        histogram=histogram,
    )


def _gate(gate: GateResult) -> GateRow:
    title = gate.title or gate_title(gate)
    return GateRow(
        metric=gate.metric,
        outcome=gate.outcome,
        title=one_line(title, 300),
        reason=one_line(gate.reason, 600),
        records=tuple(one_line(str(name), 120) for name in gate.records),
        passed=gate.passed,
        result=gate,
    )


def _slices(run: Run) -> tuple[SliceGroup, ...]:
    groups: dict[tuple[str, ...], list[Slice]] = {}
    for part in run.slices:
        groups.setdefault(tuple(part.by), []).append(part)
    mains = set(run.main.values()) or set(run.metrics)
    shown = []
    for keys, parts in groups.items():
        kept = parts
        if len(parts) > SLICES_SHOWN:
            largest = sorted(range(len(parts)), key=lambda index: -parts[index].n)[:SLICES_SHOWN]
            kept = [parts[index] for index in sorted(largest)]
        rows = tuple(
            SliceRow(
                name=one_line(" · ".join(_plain(part.by[key]) for key in keys), 80),
                n_text=numbers.count(part.n),
                metrics={name: metric_row(name, value, main=name in mains) for name, value in part.metrics.items()},
            )
            for part in kept
        )
        shown.append(SliceGroup(one_line(" · ".join(keys), 80), rows, len(parts) - len(kept)))
    return tuple(shown)


def _plain(value: Any) -> str:
    return "(none)" if value is None or value == "" else str(value)


def _lists(run: Run, view: RecordView, digits: Mapping[str, int]) -> tuple[CaseGroup, ...]:
    """Which records to list: what gates name, what the baseline did better, and the worst of each main metric."""
    mains = [name for name in run.metrics if name in view.scores and (name in run.main.values() or not run.main)]
    judged = [(name, bool(better)) for name in mains if (better := run.metrics[name].higher_is_better) is not None]
    share = max(3, min(LISTED_PER_METRIC, LISTED // max(len(judged) * (2 if view.baseline_scores else 1), 1)))
    titled = [(_gate(gate).title, gate) for gate in run.gates]
    wanted: list[Wanted | None] = [*failures_of(titled, view, most=LISTED_PER_METRIC)]
    for name, better in judged:
        earlier = (view.baseline_scores or {}).get(name)
        if earlier is not None:
            wanted.append(lost_of(name, view.scores[name], earlier, higher_is_better=better, most=share))
    wanted += [
        worst_of(name, view.scores[name], higher_is_better=better, most=share, digits=digits.get(name))
        for name, better in judged
    ]
    return cases([group for group in wanted if group is not None], view, run.main, digits)
