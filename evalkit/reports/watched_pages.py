"""A monitor as JSON, Markdown, a page of its own, and lines in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evalkit.core.signature import VERSION
from evalkit.core.watched import Timeline, Watched
from evalkit.reports import numbers
from evalkit.reports.console import cells, middle, say, width_of
from evalkit.reports.drift_pages import drift_context, drift_sections, hanging, json_text, print_off
from evalkit.reports.markdown import code, escape, table
from evalkit.reports.safe import one_line, shortened
from evalkit.reports.watched import OPEN, IncidentRow, SignalLine, WatchedView, view

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"fail": "bold red", "inconclusive": "yellow", "pass": "green", "skipped": "dim"}
_PRINTED = 5  # closed incidents that a terminal shows


def watched_json(watched: Watched) -> str:
    """What ``evalkit monitor run --json`` prints."""
    return json_text({"evalkit": VERSION, **watched.to_json()})


# --- in a terminal ---------------------------------------------------------------------------------------------------


def print_watched(watched: Watched, console: Console, *, new: int | None = None) -> None:
    """What was processed, what is open and what is over, what is off, the next window, and the verdict last.

    Args:
        new: windows that this call processed, where that is known.
    """
    told, width = view(watched), width_of(console)
    _print_top(told, console, width)
    if new is not None:
        done = numbers.counted(new, "window") if new else "no window was due"
        hanging("processed  ", done, console, width, "")
    if told.lines:
        hanging("watched    ", told.tally, console, width, "")
    for note in told.notes:
        hanging("note  ", note, console, width, "yellow")
    for title, rows in (("open", told.open), ("over", told.closed[:_PRINTED])):
        if rows:
            say(console)
            say(console, (title, "bold"))
            for row in rows:
                _print_incident(row, console, width)
    more = len(told.closed) - _PRINTED + told.hidden
    if more > 0:
        say(console, (f"and {numbers.counted(more, 'incident')} before", "dim"))
    print_off(told.off, console, width)
    if told.next:
        say(console)
        hanging("next window  ", told.next, console, width, "")
    say(console)
    hanging("", told.headline, console, width, "bold red" if watched.open else "bold")


def _print_top(told: WatchedView, console: Console, width: int) -> None:
    if cells(told.title) + cells(told.subtitle) + 3 <= width:
        say(console, (told.title, "bold"), (f"   {told.subtitle}", ""))
        return
    say(console, (middle(told.title, max(width, 12)), "bold"))
    hanging("  ", told.subtitle, console, width, "")


def _print_incident(row: IncidentRow, console: Console, width: int) -> None:
    """Severity, signal and size on a line where they fit; when, where and why below."""
    lead = f"{row.incident.severity:<11}"
    style = _STYLES["fail" if row.incident.severity == "critical" else "inconclusive"] if not row.closed else "dim"
    change = row.change + (f", {row.moved}" if row.moved else "")
    if cells(lead) + cells(row.name) + cells(change) + 3 <= width:
        say(console, (lead, style), (row.name, "bold"), (f"   {change}", ""))
    else:
        say(console, (lead, style), (middle(row.name, max(width - len(lead), 12)), "bold"))
        if change:
            hanging(" " * 11, change, console, width, "")
    where = f"; driven by {row.slice}" if row.slice else ""
    hanging(" " * 11, f"{row.when} ({row.lasted}){where}", console, width, "dim")
    if not row.closed:
        hanging(" " * 11, row.why, console, width, "")
        if row.incident.kind == "judge":
            hanging(" " * 11, row.kind, console, width, "yellow")


# --- Markdown --------------------------------------------------------------------------------------------------------


def watched_markdown(watched: Watched) -> str:
    """Open incidents first, then every signal, what is over, and the newest window."""
    told = view(watched)
    said = [f"**{escape(told.title)}: {escape(told.headline)}**", f"{escape(told.subtitle)}. {escape(told.tally)}."]
    said += [f"> {escape(note, 600)}" for note in told.notes]
    if told.open:
        said += [_incidents(told.open), "\n".join(_reasons(told.open))]
    if told.lines:
        rows = [
            [
                code(line.name),
                f"**{escape(line.word)}**" if line.light == "fail" else escape(line.word),
                *(escape(line.now), escape(line.expected), line.rows),
            ]
            for line in told.lines
        ]
        said.append(_folded("every signal now", table(["signal", "state", "now", "expected", "rows"], rows, {"rows"})))
    if told.closed:
        more = f"\n\nand {numbers.counted(told.hidden, 'incident')} before" if told.hidden else ""
        said.append(_folded(f"{numbers.counted(len(told.closed), 'incident')} that are over", _incidents(told.closed) + more))
    if watched.latest is not None:
        found = drift_context(watched.latest)["view"]
        body = "\n\n".join([escape(found.headline), *drift_sections(found)])
        said.append(_folded("the newest window by itself", body))
    elif told.off:
        listed = "\n".join(f"- {', '.join(map(code, names))}: {escape(why, 200)}" for why, names in told.off)
        said.append(_folded("signals that are off", listed))
    said.append(f"<sub>{escape('; '.join(f'{name}: {text}' for name, text in told.facts), 1_500)}</sub>")
    return "\n\n".join(said) + "\n"


def _incidents(rows: Sequence[IncidentRow]) -> str:
    heads = ["severity", "signal", "change", "since", "found", "lasted", "slice"]
    return table(
        heads,
        [
            [
                f"**{row.incident.severity}**" if row.light == "fail" else row.incident.severity,
                code(row.name),
                escape(row.change, 80) + (f", {escape(row.moved)}" if row.moved else ""),
                *(row.since, row.found, row.lasted),
                code(row.slice) if row.slice else "",
            ]
            for row in rows
        ],
    )


def _reasons(rows: Sequence[IncidentRow]) -> list[str]:
    told = []
    for row in rows:
        why = [row.why, row.kind] if row.incident.kind == "judge" else [row.why]
        told.append(f"- {code(row.name)}: {'; '.join(escape(text, 400) for text in why)}")
        told += [
            "  - " + "; ".join(f"{escape(column)}: {escape(shortened(text, 160))}" for column, text in example)
            for example in row.examples
        ]
    return told


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


# --- a page ----------------------------------------------------------------------------------------------------------


def watched_html(watched: Watched) -> str:
    """One page that opens offline; whatever a user wrote is escaped by the template engine."""
    from evalkit.reports.page import render_page

    told = view(watched)
    latest = drift_context(watched.latest, "w") if watched.latest is not None else None
    return render_page(
        "watched.html.j2",
        view=told,
        most=OPEN,
        latest=latest,
        plot=lambda line, timeline, at: _plot(told, line, timeline, f"{line.key}-{at}"),
        strip=lambda line: _strip(told, line),
        restless=[line for line in told.lines if line.incidents or line.light == "fail"],
        calm=[
            (group, [line for line in lines if not (line.incidents or line.light == "fail")]) for group, lines in told.groups
        ],
    )


def _span(watched: Watched) -> tuple[float, float]:
    starts = [start for start, *_ in watched.windows] or [
        point.start for line in watched.timelines for point in (*line.points[:1], *line.points[-1:])
    ]
    return (min(starts), max(starts) + watched.width) if starts else (0.0, 1.0)


def _whole_span(watched: Watched) -> tuple[float, float]:
    """With the windows of the reference, where the timelines hold them."""
    first, last = _span(watched)
    return min([first, *(line.points[0].start for line in watched.timelines if line.points)]), last


def _plot(told: WatchedView, line: SignalLine, timeline: Timeline, key: str) -> Any:
    from evalkit.reports.page import ours
    from evalkit.reports.plot_timeline import timeline_plot

    incidents = [row.incident for row in line.incidents if dict(row.incident.by) == dict(timeline.by)]
    title = one_line(timeline.label, 100)
    watched = told.watched
    return ours(timeline_plot(timeline, incidents, window=watched.width, span=_whole_span(watched), title=title, key=key))


def _strip(told: WatchedView, line: SignalLine) -> Any:
    from evalkit.reports.page import ours
    from evalkit.reports.plot_timeline import strip_plot

    if line.whole is None:
        return ""
    return ours(strip_plot(line.whole, window=told.watched.width, span=_span(told.watched)))
