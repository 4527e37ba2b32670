"""What an alert says: the same words in every sink, as plain text, Markdown, HTML and JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape as html_escape
from typing import Any
from urllib.parse import quote, urlsplit

from evalkit.core.times import iso
from evalkit.core.watched import Alert, Incident
from evalkit.reports import numbers
from evalkit.reports.markdown import escape as markdown_escape
from evalkit.reports.safe import one_line, shortened, visible

EXAMPLES = 5  # rows that an alert shows at most
LONGEST_TITLE, LONGEST_FACT, LONGEST_EXAMPLE = 300, 500, 600  # characters
LONGEST_VALUE = 160  # of one column of an example
LONGEST_KEPT = 1_000  # the same, in JSON
_KINDS = {
    "jump": "by one window",
    "slow": "by many windows together",
    "judge": "by the sentinel set: the judge changed, not the product",
}
_COLOURS = {"critical": "#b3261e", "warning": "#9a6700", "over": "#1a7f37"}


@dataclass(frozen=True)
class Told:
    """An alert in pieces, each on one line, bounded, and without anything that steers a terminal.

    Attributes:
        state: "critical" or "warning", or "over".
        facts: what, how much, since when, which slice, as (name, text).
        examples: rows of the window, a line each.
        report: where the report is; ``link`` is the same where a browser could follow it.
    """

    state: str
    title: str
    facts: tuple[tuple[str, str], ...]
    examples: tuple[str, ...]
    report: str
    link: str | None


def told(alert: Alert, examples: int = EXAMPLES) -> Told:
    """The pieces of an alert, with so many example rows at most."""
    one = alert.incident
    by = ", ".join(f"{column}={value}" for column, value in one.by.items())
    found = f"{iso(one.found)}, {_KINDS[one.kind]}"
    facts = [
        ("what", f"{one.name} on {by}" if by else one.name),
        ("how much", _change(one)),
        ("since", iso(one.since)),
        ("found", found),
        ("over since", iso(one.closed) if one.closed is not None else ""),
        ("slice", one.slice),
    ]
    return Told(
        "over" if alert.event == "closed" else one.severity,
        one_line(alert.title, LONGEST_TITLE),
        tuple((name, one_line(text, LONGEST_FACT)) for name, text in facts if text),
        tuple(_row(row) for row in one.examples[:examples]),
        one_line(alert.report, LONGEST_FACT),
        _link(alert.report),
    )


def plain(one: Told) -> str:
    """Lines for a terminal and for the text part of a mail."""
    facts = [*one.facts, ("report", one.report)] if one.report else list(one.facts)
    width = max(len(name) for name, _ in facts) + 2
    lines = [f"{one.state.upper()}  {one.title}", *(f"  {name:{width}}{text}" for name, text in facts)]
    lines += [f"  {'examples' if number == 1 else '':{width}}{number}. {row}" for number, row in enumerate(one.examples, 1)]
    return "\n".join(lines)


def markdown(one: Told) -> str:
    """The same as Markdown, every foreign piece of it literal."""
    lines = [f"**{one.state.upper()}** {markdown_escape(one.title)}", ""]
    lines += [f"- {name}: {markdown_escape(text)}" for name, text in one.facts]
    if one.report:
        lines.append(f"- [report](<{one.link}>)" if one.link else f"- report: {markdown_escape(one.report)}")
    if one.examples:
        lines += ["", "Examples:", "", *(f"{number}. {markdown_escape(row)}" for number, row in enumerate(one.examples, 1))]
    return "\n".join(lines)


def html(one: Told) -> str:
    """The same as a piece of HTML with its styles inline, as mail programs want it."""
    cells = [(name, html_escape(text)) for name, text in one.facts]
    if one.report:
        shown = html_escape(one.report)
        cells.append(("report", f'<a href="{html_escape(one.link)}">{shown}</a>' if one.link else shown))
    rows = "".join(
        f'<tr><td style="padding:2px 12px 2px 0;color:#57606a;vertical-align:top">{name}</td><td>{text}</td></tr>'
        for name, text in cells
    )
    listed = "".join(f"<li>{html_escape(row)}</li>" for row in one.examples)
    return (
        f'<p style="margin:0 0 8px"><b style="color:{_COLOURS.get(one.state, "#000")}">{html_escape(one.state.upper())}</b> '
        f'{html_escape(one.title)}</p><table style="border-collapse:collapse">{rows}</table>'
        + (f'<p style="margin:8px 0 0">Examples</p><ol style="margin:4px 0 0">{listed}</ol>' if listed else "")
    )


def alert_json(alert: Alert, examples: int = EXAMPLES) -> dict[str, Any]:
    """Plain data, as JSON lines and webhooks carry it: the alert, its severity and its text; every piece is bounded."""
    rows = alert.incident.examples[:examples]
    plain_data: dict[str, Any] = _seen(replace(alert, incident=replace(alert.incident, examples=rows)).to_json())
    pieces = told(alert, examples)
    more = {"title": pieces.title, "severity": alert.incident.severity, "text": plain(pieces)}
    return {**plain_data, **more, "id": alert.id}


def _change(one: Incident) -> str:
    """``312 → 405 characters (+93.0, +30%)``; shares as percentages."""
    before, after = one.before, one.after
    if math.isnan(before) and math.isnan(after):
        return ""
    if one.unit == "share":
        text = f"{numbers.percent(before)} → {numbers.percent(after)}"
        points = numbers.signed((after - before) * 100.0, 1)
        return text if math.isnan(after - before) else f"{text} ({points} points)"
    digits = numbers.decimals(before, after)
    text = f"{numbers.number(before, digits)} → {numbers.number(after, digits)}{f' {one.unit}' if one.unit else ''}"
    if math.isnan(after - before):
        return text
    share = (after - before) / before if before > 0.0 else math.nan
    relative = "" if math.isnan(share) else f", {'+' if share > 0 else ''}{numbers.percent(share)}"
    return f"{text} ({numbers.signed(after - before, digits)}{relative})"


def _row(row: Mapping[str, str]) -> str:
    """``input: How do I … · output: You …``, bounded."""
    cells = (f"{one_line(column, 60)}: {one_line(str(value), LONGEST_VALUE)}" for column, value in row.items())
    return shortened(" · ".join(cells), LONGEST_EXAMPLE)


def _link(report: str) -> str | None:
    """The address of a report where it is one of the web's, safe between quotation marks and angle brackets."""
    try:
        parts = urlsplit(report)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc or len(report) > 2_000:
        return None
    return quote(report.encode("utf-8", "replace"), safe=":/?#[]@!$&'()*+,;=%~-._")


def _seen(value: Any) -> Any:
    """Nested data with every text visible and cut: what JSON could carry, a database behind a webhook may choke on."""
    if isinstance(value, str):
        return shortened(visible(value[: 2 * LONGEST_KEPT]), LONGEST_KEPT)
    if isinstance(value, Mapping):
        return {_seen(key): _seen(inner) for key, inner in value.items()}
    if isinstance(value, Sequence):
        return [_seen(inner) for inner in value]
    return value
