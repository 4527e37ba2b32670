"""The variants of a suite side by side as every report tells them: each value, and how it differs from the first variant's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evalkit.core.compared import Compared
from evalkit.core.run import Run, Slice, Value, jsonable
from evalkit.reports import numbers
from evalkit.reports.change import Change, Direction, change
from evalkit.reports.summary import MetricRow, metric_row

Differences = Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True)
class Line:
    """One variant, or one rule that picks variants, and how it differs from the first variant.

    Attributes:
        run: of a variant; a rule has none.
        tested: of a variant, the comparison with the first, p values adjusted over all variants and metrics.
        differences: of a rule: value, low, high.
        by: the column that a rule looks at.
        shares: of a rule, which part of the records goes to which variant.
    """

    name: str
    run: Run | None
    values: Mapping[str, Value]
    slices: Sequence[Slice] = ()
    tested: Mapping[str, Compared] = field(default_factory=dict)
    differences: Differences = field(default_factory=dict)
    by: str | None = None
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def made(self) -> Mapping[str, Any]:
        """What results.json tells of a variant's answers."""
        return self.run.dataset.get("generated") or {} if self.run is not None else {}

    @property
    def about(self) -> str:
        """A variant's model, or what a rule does."""
        if self.by is None and self.run is not None and "variant" in self.run.dataset:
            fields = ", ".join(f"{name} from {own}" for name, own in (self.run.dataset.get("fields") or {}).items())
            return ", ".join(part for part in (str(self.run.dataset.get("path") or ""), fields) if part)
        if self.by is None:
            return str(self.made.get("model") or "")
        parts = ", ".join(f"{numbers.percent(share)} to {name}" for name, share in self.shares.items())
        return f"a rule by {self.by}: {parts}"

    @property
    def troubles(self) -> str:
        """How many answers failed or were cut off, in words; "" where none."""
        failed, cut, answers = (int(self.made.get(key) or 0) for key in ("failed", "cut", "answers"))
        said = [f"{numbers.count(failed)} of {numbers.counted(answers, 'answer')} failed"] if failed else []
        said += [f"{numbers.count(cut)} cut off at {self.made.get('max_tokens')} tokens"] if cut else []
        return ", ".join(said)


@dataclass(frozen=True)
class Cell:
    """A value of one line, in words, and its difference to the first line's."""

    line: str
    row: MetricRow | None
    change: Change | None = None
    p: float = math.nan  # of the test of no difference, adjusted

    @property
    def change_text(self) -> str:
        """``+0.019, +0.004 to +0.034: better, p 0.003``; "" for the first line."""
        if self.change is None:
            return ""
        if self.change.direction == "same":
            return self.change.words
        ends = f", {self.change.interval_text}" if self.change.interval_text else ""
        p = f", p {numbers.p_value(self.p)}" if not math.isnan(self.p) else ""
        return f"{self.change.text}{ends}: {self.change.words}{p}"


@dataclass(frozen=True)
class Split:
    """One metric over the values of a column: a cell for every value and line."""

    by: str
    metric: str
    rows: tuple[tuple[str, str, tuple[Cell, ...]], ...]  # the value, how many records, a cell a line


@dataclass(frozen=True)
class Matrix:
    """All variants of a suite; every text in it is the user's own and must still be escaped."""

    name: str
    lines: tuple[Line, ...]
    metrics: tuple[str, ...]
    cells: Mapping[str, tuple[Cell, ...]]  # by metric
    splits: tuple[Split, ...]
    tests: int = 0  # over how many the p values of main parts are adjusted; further parts are a family of their own

    @property
    def runs(self) -> dict[str, Run]:
        """The runs by the names of their variants."""
        return {line.name: line.run for line in self.lines if line.run is not None}

    @property
    def exit_code(self) -> int:
        """Of all runs together, the first that applies: 3 incomplete, 1 a gate failed, 0."""
        codes = {line.run.exit_code for line in self.lines if line.run is not None}
        return next((code for code in (3, 1) if code in codes), 0)

    @property
    def exit_text(self) -> str:
        """The last line."""
        runs = [line.run for line in self.lines if line.run is not None]
        failed = sum(run.exit_code == self.exit_code for run in runs)
        if self.exit_code == 0:
            return "exit 0: every variant passed" if any(run.gates for run in runs) else "exit 0: no gates"
        what = "a gate did not pass" if self.exit_code == 1 else "more records failed than the errors gate allows"
        return f"exit {self.exit_code}: {what} in {failed} of {numbers.counted(len(runs), 'variant')}"

    @property
    def adjusted_text(self) -> str:
        """What p values were adjusted for, behind a sentence on the differences."""
        return f"; p is adjusted (Holm) over {numbers.counted(self.tests, 'test')} of main values" if self.tests > 1 else ""

    def to_json(self) -> dict[str, Any]:
        """As matrix.json has it; NaN is null."""
        return {
            "suite": self.name,
            "control": self.lines[0].name,
            "tests": self.tests,
            "exit_code": self.exit_code,
            "lines": [_line_json(line) for line in self.lines],
        }


def matrix(name: str, lines: Sequence[Line], tests: int = 0) -> Matrix:
    """Put the lines in words; what is shown are the main parts, those with a gate, and pass^k and pass@k of draws."""
    control = lines[0]
    mains = set(control.run.main.values()) if control.run is not None else set(control.values)
    wanted = mains | ({gate.metric for gate in control.run.gates} if control.run is not None else set())
    shown = tuple(one for one in control.values if one in wanted or ".pass^" in one or ".pass@" in one)
    cells = {metric: tuple(_cell(line, metric, control) for line in lines) for metric in shown}
    splits = tuple(_splits(lines, [one for one in shown if one in mains]))
    return Matrix(name, tuple(lines), shown, cells, splits, tests)


def _cell(line: Line, metric: str, control: Line) -> Cell:
    value = line.values.get(metric)
    if value is None:
        return Cell(line.name, None)
    row = metric_row(metric, value)
    if line is control or metric not in control.values:
        return Cell(line.name, row)
    found = line.tested.get(metric)
    bounds = _bounds(found) if found is not None else line.differences.get(metric)
    made = change(value, control.values[metric], digits=row.digits, tested=bounds)
    if made is None or found is None or math.isnan(found.p_adjusted):
        return Cell(line.name, row, made)
    return Cell(line.name, row, replace(made, direction=_direction(found, made.direction)), found.p_adjusted)


def _bounds(found: Compared) -> tuple[float, float, float]:
    """The difference and its ends, which are none where there is no interval, and 0 where no record differs at all."""
    if not found.diff and found.n and found.even == found.n:
        return 0.0, 0.0, 0.0
    return (found.diff, *(found.ci or (math.nan, math.nan)))


def _direction(found: Compared, of_interval: Direction) -> Direction:
    """As a test says it: an interval alone does not know that it is one of many."""
    if found.verdict == "better" or found.verdict == "worse":
        return found.verdict
    if found.wins is None and found.diff and found.p_adjusted <= 1 - found.confidence and of_interval == "changed":
        return "changed"
    return "same" if of_interval == "same" else "unclear"


def _splits(lines: Sequence[Line], metrics: Sequence[str]) -> list[Split]:
    """Every metric over every slicing column that has several values; a variant's own columns say nothing here."""
    held: dict[str, dict[str, tuple[int, dict[str, Slice]]]] = {}
    for line in lines:
        for part in line.slices:
            ((by, value), *_) = part.by.items()
            known = held.setdefault(by, {}).setdefault("(none)" if value is None else str(value), (part.n, {}))
            known[1][line.name] = part
    found = []
    for by, groups in held.items():
        if by in ("variant", "model", "prompt_version") or len(groups) < 2:
            continue
        for metric in metrics:
            rows = tuple(
                (value, numbers.count(n), tuple(Cell(line.name, _row(own.get(line.name), metric)) for line in lines))
                for value, (n, own) in groups.items()
            )
            found.append(Split(by, metric, rows))
    return found


def _row(part: Slice | None, metric: str) -> MetricRow | None:
    return metric_row(metric, part.metrics[metric]) if part is not None and metric in part.metrics else None


def _line_json(line: Line) -> dict[str, Any]:
    run = line.run
    values = {
        name: {
            "mean": value.mean, "ci": value.ci, "n": value.n, "errors": value.errors, "skipped": value.skipped,
            **_difference_json(line.differences.get(name), line.tested.get(name)),
        }
        for name, value in line.values.items()
    }  # fmt: skip
    told: dict[str, Any] = {"name": line.name, "kind": "variant" if run is not None else "route"}
    if run is not None:
        told |= {"run_id": run.run_id, "status": run.status, "exit_code": run.exit_code, "generated": dict(line.made)}
        told |= {"results": str(run.folder / "results.json") if run.folder is not None else None}
        told |= {"gates": [{"title": gate.title, "outcome": gate.outcome, "reason": gate.reason} for gate in run.gates]}
    else:
        told |= {"by": line.by, "shares": dict(line.shares)}
    told["metrics"] = values
    told["slices"] = [
        {"by": part.by, "n": part.n, "metrics": {name: {"mean": one.mean, "ci": one.ci} for name, one in part.metrics.items()}}
        for part in line.slices
    ]
    plain: dict[str, Any] = jsonable(told)
    return plain


def _difference_json(found: tuple[float, float, float] | None, tested: Compared | None) -> dict[str, Any]:
    if tested is None:
        return {"diff": found[0], "diff_ci": found[1:]} if found is not None else {}
    names = ("p", "p_adjusted", "test", "verdict", "why", "effect_size", "mde")
    told = {"diff": tested.diff, "diff_ci": tested.ci, "pairs": tested.n}
    return told | {name: getattr(tested, name) for name in names}
