"""A comparison of logs as JSON, Markdown, a page of its own, and lines in a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.core.drift import Drift, Finding
from evalkit.core.signature import VERSION
from evalkit.reports import numbers
from evalkit.reports.console import cells, folded, middle, pad, say, width_of
from evalkit.reports.drift import MEANINGS, DriftView, SignalRow, row_of, view
from evalkit.reports.markdown import code, escape, table
from evalkit.reports.safe import one_line, shortened

if TYPE_CHECKING:
    from markupsafe import Markup
    from rich.console import Console

STYLES = {"drifted": "bold red", "unclear": "yellow", "slight": "", "steady": "dim"}
GAP = "   "
_HEADS = ("signal", "before → after", "effect", "p adjusted", "verdict")
Columns = tuple[str, ...]

# What a row tells, the fullest first; the first that fits the terminal is used.
_FITS: tuple[tuple[Columns, Callable[[SignalRow], Columns]], ...] = (
    (_HEADS, lambda row: (row.name, row.change, f"{row.effect} {row.bound}".strip(), row.p, row.state)),
    (_HEADS, lambda row: (row.name, row.change, row.effect, row.p, row.state)),
    (
        ("signal", "before → after", "effect", "verdict"),
        lambda row: (middle(row.name, 30), row.change, row.effect, row.state),
    ),
    (
        ("signal", "before → after", "verdict"),
        lambda row: (middle(row.name, 30), shortened(row.change, 32), row.state),
    ),
    (("signal", "verdict"), lambda row: (middle(row.name, 24), row.state)),
)


def drift_json(drift: Drift) -> str:
    """What ``evalkit drift --json`` prints."""
    return json_text({"evalkit": VERSION, **drift.to_json()})


def json_text(told: Mapping[str, Any]) -> str:
    """Plain data as indented JSON; what UTF-8 cannot hold becomes a question mark."""
    try:
        return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"
    except UnicodeEncodeError:  # a lone surrogate that a log brought
        return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace").decode() + "\n"


# --- in a terminal ---------------------------------------------------------------------------------------------------


def print_drift(drift: Drift, console: Console) -> None:
    """Both sides, the signals in a table, what drifted and where, what is off, and the verdict last."""
    told, width = view(drift), width_of(console)
    _print_sides(told, console, width)
    for note in told.notes:
        hanging("note  ", note, console, width, "yellow")
    print_signals(told, console, width)
    print_drifted(told, console, width)
    print_off(told.off, console, width)
    say(console)
    for line in folded(told.headline, width):
        say(console, (line, "bold red" if drift.drifted else "bold"))


def print_signals(told: DriftView, console: Console, width: int) -> None:
    """The table of signals, by group; what does not fit gives way, verdicts last."""
    if not told.rows:
        return
    for heads, tell in _FITS:
        lines = {id(row): tell(row) for row in told.rows}
        widths = [max(map(cells, column)) for column in zip(heads, *lines.values(), strict=True)]
        if 2 + sum(widths) + len(GAP) * (len(widths) - 1) <= width:
            break
    right = heads.index("p adjusted") if "p adjusted" in heads else -1
    say(console)
    say(console, ("  " + _joined(heads, widths, right), "dim"))
    for name, rows in told.groups:
        say(console, (name, "bold"))
        for row in rows:
            *cols, last = lines[id(row)]
            say(console, ("  " + _joined(cols, widths, right) + GAP, ""), (last, STYLES[row.state]))


def print_drifted(told: DriftView, console: Console, width: int) -> None:
    """What drifted, a sentence each, with the slices and the terms behind it."""
    for row in told.drifted:
        say(console)
        say(console, (middle(row.name, max(width, 12)), "bold red"))
        for text in (row.why, row.slices, *_term_lines(row)):
            if text:
                hanging("  ", text, console, width, "")


def print_off(off: Sequence[tuple[str, Sequence[str]]], console: Console, width: int) -> None:
    """The signals that were not looked at, a line a reason."""
    if not off:
        return
    say(console)
    for why, names in off:
        listed = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        hanging("off  ", f"{listed}: {why}", console, width, "dim")


def _print_sides(told: DriftView, console: Console, width: int) -> None:
    drift = told.drift
    one, two = one_line(drift.current.label, 80) or "current", one_line(drift.reference.label, 80) or "reference"
    line = f"{one}{GAP}{told.current}{GAP}against {two}{GAP}{told.reference}"
    if cells(line) <= width:
        say(console, (one, "bold"), (line[len(one) :], ""))
        return
    for label, name, words in (("", one, told.current), ("against ", two, told.reference)):
        if cells(label + name) + cells(words) + len(GAP) <= width:
            say(console, (label, ""), (name, "bold"), (f"{GAP}{words}", ""))
            continue
        say(console, (label, ""), (middle(name, max(width - len(label), 12)), "bold"))
        hanging("  ", words, console, width, "")


def hanging(lead: str, text: str, console: Console, width: int, style: str) -> None:
    """A paragraph behind its lead, indented by it."""
    for at, line in enumerate(folded(text, width - len(lead))):
        say(console, (lead if not at else " " * len(lead), style or "dim"), (line, style))


def _term_lines(row: SignalRow) -> list[str]:
    """``new: refund portal 0% → 3.1%, …``; a line each for what is new, more and less frequent."""
    told = []
    for how in ("new", "more", "less"):
        found = [term.told for term in row.terms if term.how == how]
        if found:
            told.append(f"{how}: {'; '.join(found[:5])}" + (f" and {len(found) - 5} more" if len(found) > 5 else ""))
    return told


def _joined(cols: Sequence[str], widths: Sequence[int], right: int) -> str:
    return GAP.join(pad(cell, wide, at == right) for at, (cell, wide) in enumerate(zip(cols, widths)))


# --- Markdown --------------------------------------------------------------------------------------------------------


def drift_markdown(drift: Drift) -> str:
    """Tables fit for a pull-request comment, the verdict first."""
    told = view(drift)
    sides = " against ".join(
        f"{code(shortened(side.label, 120) or name)}, {escape(words, 200)}"
        for side, words, name in ((drift.current, told.current, "current"), (drift.reference, told.reference, "reference"))
    )
    said = [f"**evalkit drift: {escape(told.headline)}**", sides]
    said += [f"> {escape(note, 600)}" for note in told.notes]
    said += drift_sections(told)
    facts = "; ".join(f"{name}: {text}" for name, text in told.facts if name != "took")
    said.append(f"<sub>{escape(facts, 1_500)}</sub>")
    return "\n\n".join(said) + "\n"


def drift_sections(told: DriftView) -> list[str]:
    """What drifted in the open, the rest folded."""
    said = []
    if told.drifted:
        said.append(_markdown_table(told.drifted))
        said.append("\n".join(line for row in told.drifted for line in _markdown_why(row)))
    rest = [row for row in told.rows if row.state != "drifted"]
    if rest:
        title = f"{numbers.counted(len(rest), 'signal')} without drift"
        said.append(f"<details><summary>{title}</summary>\n\n{_markdown_table(rest)}\n\n</details>")
    if told.off:
        listed = "\n".join(f"- {', '.join(map(code, names))}: {escape(why, 200)}" for why, names in told.off)
        count = numbers.counted(sum(len(names) for _, names in told.off), "signal")
        said.append(f"<details><summary>{count} off</summary>\n\n{listed}\n\n</details>")
    return said


def _markdown_table(rows: Sequence[SignalRow]) -> str:
    heads = ["signal", "before → after", "effect", "p adjusted", "verdict"]
    lines = [
        [
            code(row.name),
            escape(row.change, 80) + (f", {escape(row.moved)}" if row.moved else ""),
            escape(f"{row.effect} {row.bound}", 60),
            escape(row.p),
            f"**{row.state}**" if row.state == "drifted" else row.state,
        ]
        for row in rows
    ]
    return table(heads, lines, {"p adjusted"})


def _markdown_why(row: SignalRow) -> list[str]:
    told = [row.why, row.slices]
    lines = [f"- {code(row.name)}: {'; '.join(escape(text, 400) for text in told if text)}"]
    return lines + [f"  - {escape(text, 400)}" for text in _term_lines(row)]


# --- a page ----------------------------------------------------------------------------------------------------------


def drift_html(drift: Drift) -> str:
    """One page that opens offline; whatever a user wrote is escaped by the template engine."""
    from evalkit.reports.page import render_page

    return render_page("drift.html.j2", **drift_context(drift))


def drift_context(drift: Drift, key: str = "s") -> dict[str, Any]:
    """What the templates of a comparison of logs need; ``key`` begins the ids of its plots and cards."""
    told = view(drift)
    places = {id(row): f"{key}{at}" for at, row in enumerate(told.rows)}
    return {
        "view": told,
        "drift": drift,
        "place": lambda row: places[id(row)],
        "plot": lambda row: plot_of(row.finding, f"{places[id(row)]}-plot"),
        "slices": lambda row: () if row.finding.by else slice_rows(drift, row.finding),
        "meanings": MEANINGS,
    }


def slice_rows(drift: Drift, one: Finding) -> list[SignalRow]:
    """A signal's slices in words, those that drifted most first; at most twelve."""
    return [row_of(found, drift) for found in drift.slices_of(one.name)[:12]]


def plot_of(one: Finding, key: str) -> Markup | None:
    """Both distributions of a finding; None where it has none."""
    from evalkit.reports.page import ours
    from evalkit.reports.plot_shape import shape_plot

    if one.shape is None or not one.shape.labels:
        return None
    return ours(shape_plot(one.shape, title=one_line(one.label, 100), unit=one.unit, key=key))
