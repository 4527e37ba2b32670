"""The matrix of a suite's variants as JSON, Markdown, a page of its own, and lines in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from evalkit.core.signature import VERSION
from evalkit.reports import numbers
from evalkit.reports.console import cells, pad, say
from evalkit.reports.markdown import code, escape, table
from evalkit.reports.matrix import Cell, Line, Matrix
from evalkit.reports.safe import one_line

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"better": "green", "worse": "red"}


def matrix_json(found: Matrix) -> str:
    """matrix.json, with two-space indents."""
    told = {"evalkit": VERSION, **found.to_json()}
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"


def print_matrix(found: Matrix, console: Console, report: str | None = None) -> None:
    """Every metric with a line a variant, then what went wrong, the gates, and where the runs are."""
    wide = max(cells(one_line(line.name, 60)) for line in found.lines) + 3
    for metric in found.metrics:
        columns = [_columns(cell) for cell in found.cells[metric]]
        widths = [max(cells(column[place]) for column in columns) + 3 for place in range(2)]
        arrow = _arrow(found.cells[metric])
        say(console, (one_line(metric, 100), "bold"), (f"   {arrow}" if arrow else "", "dim"))
        for cell, (value, interval, note) in zip(found.cells[metric], columns):
            style = _STYLES.get(cell.change.direction, "dim") if cell.change is not None else ""
            lead = f"  {pad(one_line(cell.line, 60), wide)}{pad(value, widths[0])}{pad(interval, widths[1])}"
            say(console, (lead, ""), (note, style))
    say(console)
    for line in found.lines:
        said = "; ".join(part for part in (line.about, line.troubles, _gates(line)) if part)
        say(
            console,
            (f"  {pad(one_line(line.name, 60), wide)}", ""),
            (one_line(said, 300), "yellow" if line.troubles else "dim"),
        )
    failing = [(line, gate) for line in found.lines if line.run is not None for gate in line.run.gates if not gate.passed]
    if failing:
        say(console, ("\ngates", "bold"))
        for line, gate in failing:
            say(console, (f"  {pad(one_line(line.name, 60), wide)}{gate.outcome}   {one_line(gate.title, 120)}", ""))
            say(console, (f"  {' ' * wide}{one_line(gate.reason, 200)}", "dim"))
    if found.adjusted_text:
        say(console, (f"\n  differences are to {one_line(found.lines[0].name, 60)}{found.adjusted_text}", "dim"))
    say(console)
    if report is not None:
        say(console, ("matrix   ", "dim"), (one_line(report), ""))
    say(console, (found.exit_text, {0: "green", 1: "bold red"}.get(found.exit_code, "bold yellow")))


def matrix_markdown(found: Matrix) -> str:
    """Tables fit for a pull-request comment: the metrics, then each of them by slice."""
    heads = ["metric", *(escape(line.name, 60) for line in found.lines)]
    rows = [[code(metric), *map(_markdown_cell, found.cells[metric])] for metric in found.metrics]
    said = [f"**evalkit: {escape(found.name)}, {numbers.counted(len(found.lines), 'line')}**"]
    said += [table(heads, rows)]
    said += ["\n".join(f"- {escape(line.name, 60)}: {escape(_said(line), 300)}" for line in found.lines)]
    for split in found.splits[:20]:
        heads = [escape(split.by, 60), "n", *(escape(line.name, 60) for line in found.lines)]
        own = [[escape(value, 60), n, *map(_markdown_cell, row)] for value, n, row in split.rows[:50]]
        title = f"{code(split.metric)} by {escape(split.by, 60)}"
        said.append(f"<details><summary>{title}</summary>\n\n{table(heads, own)}\n\n</details>")
    first = escape(found.lines[0].name, 60)
    said.append(f"<sub>Differences are to {first}, record by record{found.adjusted_text}. {escape(found.exit_text)}</sub>")
    return "\n\n".join(said) + "\n"


def matrix_html(found: Matrix) -> str:
    """One page that opens offline; whatever a user or a model wrote is escaped by the template engine."""
    from evalkit.reports.page import render_page

    return render_page("matrix.html.j2", matrix=found, said=_said, arrow=_arrow)


def _columns(cell: Cell) -> tuple[str, str, str]:
    if cell.row is None:
        return numbers.NOTHING, "", ""
    lost = f"{cell.row.errors_text} errors" if cell.row.value.errors else ""
    return cell.row.text, cell.row.interval_text, "; ".join(part for part in (cell.change_text, lost) if part)


def _markdown_cell(cell: Cell) -> str:
    value, interval, note = _columns(cell)
    told = f"{value} ({interval})" if interval else value
    if cell.change is not None and cell.change.direction in ("better", "worse"):
        return f"{told}<br>**{note}**"
    return f"{told}<br>{note}" if note else told


def _said(line: Line) -> str:
    """A line about a line: its model or rule, its run, what went wrong, its gates."""
    run = f"run {line.run.run_id}" if line.run is not None else ""
    return "; ".join(part for part in (line.about, run, line.troubles, _gates(line)) if part)


def _gates(line: Line) -> str:
    gates = line.run.gates if line.run is not None else []
    failing = sum(not gate.passed for gate in gates)
    if not gates:
        return ""
    return f"{failing} of {numbers.counted(len(gates), 'gate')} did not pass" if failing else "every gate passed"


def _arrow(row: Sequence[Cell]) -> str:
    lower = any(cell.row is not None and cell.row.value.higher_is_better is False for cell in row)
    return "lower is better" if lower else ""
