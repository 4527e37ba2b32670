"""A run in the terminal: header, table of values, gates, where the report is, exit line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.reports import numbers
from evalkit.reports.console import UNBOUNDED, cells, make_console, middle, pad, say, width_of, wrapped
from evalkit.reports.corrected import corrected_line, corrections
from evalkit.reports.progress import Progress
from evalkit.reports.safe import one_line
from evalkit.reports.spending import cost_line
from evalkit.reports.summary import GateRow, MetricRow, Summary
from evalkit.reports.words import subtitle, trouble

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Progress", "make_console", "print_gates", "print_header", "print_metrics", "print_run"]

GAP = 3
OUTCOME_STYLES = {"pass": "green", "fail": "bold red", "inconclusive": "yellow", "skipped": "dim"}
CHANGE_STYLES = {"better": "green", "worse": "red"}


def print_header(name: str, n: int, path: Any, console: Console, *, models: int = 0) -> None:
    """The first line: ``quickstart   300 records · 2 models · suites/quickstart.yaml``."""
    _header(one_line(name, 120), subtitle(n, path, models=models), console)


def print_run(summary: Summary, console: Console, *, report: Any = None, header: bool = True) -> None:
    """Everything that there is to say after scoring.

    Args:
        report: the file to point at, as a path relative to where the user stands; None: no such line.
        header: whether the first line is still to be printed.
    """
    if header:
        _header(summary.name, summary.subtitle, console)
        say(console)
    print_metrics(summary, console)
    for one in corrections(summary.run):
        for line in wrapped(f"{one.name}: {corrected_line(one)}", width_of(console)):
            say(console, (line, "" if one.used else "dim"))
    if summary.gates:
        say(console)
        print_gates(summary.gates, console)
    say(console)
    for fact in trouble(summary.facts):
        for line in wrapped(f"{fact.name:<8} {fact.text}", width_of(console)):
            say(console, (line, "dim"))
    cost = cost_line(summary.run)
    for line in wrapped(f"{'cost':<8} {cost}", width_of(console)) if cost else ():
        say(console, (line, "dim"))
    if report is not None:
        say(console, ("report   ", "dim"), (one_line(str(report)), ""))
    say(console, (summary.exit_text, {0: "green", 1: "bold red"}.get(summary.exit_code, "bold yellow")))


def _header(name: str, rest: str, console: Console) -> None:
    head = f"{name:<10}   "
    if len(head) + len(rest) <= width_of(console):
        say(console, (head, "bold"), (rest, ""))
        return
    say(console, (name, "bold"))
    for line in wrapped(rest, width_of(console) - 2):
        say(console, (f"  {line}", ""))


# --- the table of values ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Column:
    title: str
    cells: list[str]
    right: bool = False
    styles: list[str] | None = None

    @property
    def width(self) -> int:
        return max(map(cells, [self.title, *self.cells]))


def print_metrics(summary: Summary, console: Console) -> None:
    """The table: metric, value, interval, n, errors, skipped and a note; what does not fit gives way, numbers last.

    When the terminal is narrow, notes move to a line of their own, decimal points are no longer aligned, columns that
    say nothing new go, names are shortened; below that each metric takes two lines. A number is never broken.
    """
    rows = summary.metrics
    if not rows:
        say(console, ("no metric was scored", "dim"))
        return
    width = width_of(console)
    columns = _columns(summary, aligned=True)
    if _total(columns) + _note_width([row.note for row in rows]) <= width:
        _print_columns(columns, [row.note for row in rows], console)
        _legend(rows, console, lower=False)
        return
    marked = any(row.value.higher_is_better is False for row in rows)
    for aligned in (True, False):
        columns = _columns(summary, aligned=aligned, marked=marked)
        if _total(columns) <= width:
            break
    for name, idle in (
        ("skipped", not any(row.value.skipped for row in rows)),
        ("errors", not any(row.value.errors for row in rows)),
        ("n", len({row.value.n for row in rows}) == 1),
        ("skipped", True),
    ):
        if _total(columns) > width and idle:
            columns.pop(name, None)
    names = columns["name"]
    room = min(names.width, names.width - (_total(columns) - width))
    if room < min(names.width, 18) and "n" in columns:
        del columns["n"]
        room = min(names.width, names.width - (_total(columns) - width))
    if room < min(names.width, 12):
        _stacked(summary, console, width)
        return
    columns["name"] = _Column(names.title, [middle(cell, room) for cell in names.cells], styles=names.styles)
    _print_columns(columns, ["" for _ in rows], console, below=[one_line(row.note) for row in rows], width=width)
    _legend(rows, console, lower=marked)


def _columns(summary: Summary, *, aligned: bool, marked: bool = False) -> dict[str, _Column]:
    rows = summary.metrics
    names = [one_line(row.name, 200) + (" ↓" if marked and row.value.higher_is_better is False else "") for row in rows]
    values = [row.text for row in rows]
    intervals = [row.interval_text for row in rows]
    columns = {
        "name": _Column("metric", names, styles=["bold" if row.main else "" for row in rows]),
        "value": _Column("value", _aligned(values) if aligned else values, right=True),
        "interval": _Column(f"{summary.confidence} interval".strip(), _intervals(rows) if aligned else intervals),
        "n": _Column("n", [row.n_text for row in rows], right=True),
        "errors": _Column(
            "errors",
            [row.errors_text for row in rows],
            right=True,
            styles=["yellow" if row.value.errors else "dim" for row in rows],
        ),
        "skipped": _Column(
            "skipped",
            [row.skipped_text for row in rows],
            right=True,
            styles=["" if row.value.skipped else "dim" for row in rows],
        ),
    }
    if summary.compared:
        columns["change"] = _Column(
            "vs baseline",
            [_change_text(row) for row in rows],
            styles=[CHANGE_STYLES.get(row.change.direction, "dim") if row.change else "" for row in rows],
        )
    return columns


def _change_text(row: MetricRow) -> str:
    if row.change is None:
        return ""
    words = f" {row.change.words}" if row.change.direction in ("better", "worse") else ""
    return f"{row.change.text}{words}{'' if row.change.comparable else ' *'}"


def _note_width(notes: Sequence[str]) -> int:
    return max((GAP + cells(note) for note in notes if note), default=0)


def _print_columns(
    columns: dict[str, _Column],
    notes: Sequence[str],
    console: Console,
    *,
    below: Sequence[str] = (),
    width: int = UNBOUNDED,
) -> None:
    titles = [pad(column.title, column.width, column.right) for column in columns.values()]
    say(console, ((" " * GAP).join(titles).rstrip(), "dim"))
    for index, note in enumerate(notes):
        pieces: list[tuple[str, str]] = []
        for column in columns.values():
            style = column.styles[index] if column.styles else ""
            pieces += [(pad(column.cells[index], column.width, column.right), style), (" " * GAP, "")]
        say(console, *pieces, (note, "dim"))
        if below and below[index]:
            for line in wrapped(below[index], width - 2):
                say(console, (f"  {line}", "dim"))


def _legend(rows: Sequence[MetricRow], console: Console, *, lower: bool) -> None:
    if lower:
        say(console, ("↓ lower is better", "dim"))
    if any(row.change and not row.change.comparable for row in rows):
        say(console, ("* measured otherwise than in the baseline", "dim"))


def _stacked(summary: Summary, console: Console, width: int) -> None:
    """Two lines a metric, for a terminal too narrow for a table."""
    for row in summary.metrics:
        say(console, (middle(row.name, max(width, 8)), "bold" if row.main else ""))
        told = [row.text, row.interval_text, _change_text(row)]
        if row.value.errors:
            told.append(numbers.counted(row.value.errors, "error"))
        line = "  "
        for piece in filter(None, told):
            if len(line) + len(piece) + 2 > width and line.strip():
                say(console, (line.rstrip(), ""))
                line = "  "
            line += piece + "  "
        say(console, (line.rstrip(), ""))


def _total(columns: dict[str, _Column]) -> int:
    return sum(column.width for column in columns.values()) + GAP * (len(columns) - 1)


def _aligned(texts: Sequence[str]) -> list[str]:
    """Numbers padded so that their decimal points stand under one another."""
    tails = [len(text) - text.find(".") if "." in text else 0 for text in texts]
    most = max(tails, default=0)
    return [text + " " * (most - tail) for text, tail in zip(texts, tails, strict=True)]


def _intervals(rows: Sequence[MetricRow]) -> list[str]:
    """Intervals with their lower bounds' decimal points under one another."""
    heads = [row.low_text.partition(".")[0] for row in rows]
    most = max(map(len, heads), default=0)
    return [(" " * (most - len(head)) + row.interval_text).rstrip() for row, head in zip(rows, heads, strict=True)]


# --- gates -----------------------------------------------------------------------------------------------------------


def print_gates(gates: Sequence[GateRow], console: Console) -> None:
    """Outcome, rule and reason in three columns; in a narrow terminal the reasons stand below their rules."""
    width = width_of(console)
    say(console, ("gates", "bold"))
    first = len("inconclusive") + GAP
    titles = min(max(cells(gate.title) for gate in gates), 60) + GAP
    beside = width - first - titles
    for gate in gates:
        reason = gate.reason + (" (let by)" if gate.outcome == "inconclusive" and gate.passed else "")
        style = "dim" if gate.passed else ""
        head = pad(gate.outcome, first)
        if beside >= 28:
            left, right = wrapped(gate.title, titles - GAP), wrapped(reason, beside)
            for row in range(max(len(left), len(right), 1)):
                title, why = (side[row] if row < len(side) else "" for side in (left, right))
                lead = (head, OUTCOME_STYLES[gate.outcome]) if row == 0 else (" " * first, "")
                say(console, lead, (pad(title, titles), ""), (why, style))
            continue
        indent = first if width - first >= 36 else 2
        lines = wrapped(gate.title, max(width - first, 12)) or [""]
        say(console, (head, OUTCOME_STYLES[gate.outcome]), (lines[0], ""))
        for line in lines[1:]:
            say(console, (" " * first + line, ""))
        for line in wrapped(reason, max(width - indent, 12)):
            say(console, (" " * indent + line, "dim"))
