"""An experiment as JSON, Markdown, a page of its own, and lines in a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from evalkit.core.experiment import Experiment
from evalkit.core.signature import VERSION
from evalkit.reports.ab import EffectRow, MetricBlock, Story, story
from evalkit.reports.console import cells, pad, say, width_of, wrapped
from evalkit.reports.markdown import code, escape
from evalkit.reports.safe import one_line

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"better": "green", "pass": "green", "worse": "bold red", "fail": "bold red", "equivalent": "cyan"}
_COLOURS = {"pass": "better", "fail": "worse"}


def ab_json(found: Experiment) -> str:
    """What ``evalkit ab --json`` prints."""
    told = {"evalkit": VERSION, **found.to_json()}
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"


def print_ab(found: Experiment, console: Console) -> None:
    """The split first, then every metric with a line a variant, guardrails after them."""
    told = story(found)
    width = width_of(console)
    if cells(told.title) + cells(told.subtitle) + 3 <= width:
        say(console, (told.title, "bold"), (f"   {told.subtitle}", ""))
    else:
        say(console, (told.title, "bold"))
        for line in wrapped(told.subtitle, width - 2):
            say(console, (f"  {line}", ""))
    for warning in told.warnings:
        loud = warning.startswith("Sample-ratio")
        say(console)
        for at, line in enumerate(wrapped(("WARNING  " if loud else "note  ") + one_line(warning, 800), width)):
            say(console, (line if not at else f"  {line}", "bold red" if loud else "yellow"))
    say(console)
    for at, line in enumerate(wrapped(told.split, width - 8)):
        say(console, ("        " if at else "split   ", "dim"), (line, "" if found.srm.ok else "bold red"))
    _print_blocks(told.metrics, console, width)
    if told.guardrails:
        say(console)
        say(console, ("guardrails", "bold"))
        _print_blocks(told.guardrails, console, width)
    for part in told.parts:
        say(console)
        say(console, (one_line(part.title, 120), "bold"), (f"   {part.units}", "dim"))
        _print_blocks(part.blocks, console, width)
    say(console)
    for name, text in told.facts:
        for at, line in enumerate(wrapped(one_line(text, 600), width - 12)):
            say(console, (f"{name if not at else '':<12}{line}", "dim"))
    say(console)
    for line in wrapped(told.headline, width):
        say(console, (line, "bold"))


def _print_blocks(blocks: Sequence[MetricBlock], console: Console, width: int) -> None:
    lines = [_columns(row) for block in blocks for row in block.rows]
    widths = [max((cells(line[at]) for line in lines), default=0) + 3 for at in range(5)]
    for block in blocks:
        say(console)
        lead, about = one_line(block.name, 100), one_line(block.about, 160)
        if cells(lead) + cells(about) + 3 <= width:
            say(console, (lead, "bold"), (f"   {about}", "dim"))
        else:
            say(console, (lead, "bold"))
            for line in wrapped(about, width - 2):
                say(console, (f"  {line}", "dim"))
        for row in block.rows:
            _print_row(row, widths, console, width)
        for note in block.notes:
            for line in wrapped(one_line(note, 200), width - 2):
                say(console, (f"  {line}", "dim"))


def _print_row(row: EffectRow, widths: Sequence[int], console: Console, width: int) -> None:
    told, style = _columns(row), _STYLES.get(row.verdict, "yellow" if row.verdict else "")
    reason = f"   {row.reason}" if row.reason else ""
    head = "  " + "".join(pad(cell, wide) for cell, wide in zip(told, widths))
    if cells(head) + cells(row.verdict) <= width:
        fits = cells(head) + cells(row.verdict) + cells(reason) <= width
        say(console, (head, ""), (row.verdict, style), (reason if fits else "", "dim"))
        if not fits:
            for line in wrapped(reason.strip(), width - 4):
                say(console, (f"    {line}", "dim"))
        return
    name, value, *rest = told
    say(console, (f"  {pad(name, widths[0])}{value}", ""), (f"   {row.verdict}" if row.verdict else "", style))
    line = ""
    for piece in filter(None, [*rest, row.reason]):
        if line and cells(line) + cells(piece) + 7 > width:
            _say_wrapped(line, console, width)
            line = ""
        line = f"{line}   {piece}" if line else piece
    if line:
        _say_wrapped(line, console, width)


def _say_wrapped(text: str, console: Console, width: int) -> None:
    if cells(text) + 4 <= width:
        say(console, (f"    {text}", "dim"))
        return
    for line in wrapped(text, width - 4):
        say(console, (f"    {line}", "dim"))


def _columns(row: EffectRow) -> tuple[str, str, str, str, str]:
    return one_line(row.variant, 40), row.value, row.change, row.relative, f"p {row.p}" if row.p else ""


def ab_markdown(found: Experiment) -> str:
    """Tables fit for a pull-request comment."""
    told = story(found)
    said = [f"**evalkit ab: {escape(told.headline, 400)}**", escape(told.subtitle, 400)]
    said += [
        f"> **{escape(note, 800)}**" if note.startswith("Sample-ratio") else f"> {escape(note, 800)}" for note in told.warnings
    ]
    said += [f"Split: {escape(told.split, 300)}"]
    for title, blocks in (("", told.metrics), ("Guardrails", told.guardrails)):
        if blocks:
            said += [f"**{title}**"] if title else []
            said += [_table(blocks)]
    notes = [f"- {code(block.name)}: {escape(note, 300)}" for block in told.blocks for note in block.notes]
    said += ["\n".join(notes)] if notes else []
    for part in told.parts[:20]:
        title = f"{escape(part.title, 120)}, {escape(part.units)}"
        said.append(f"<details><summary>{title}</summary>\n\n{_table(part.blocks)}\n\n</details>")
    facts = "; ".join(f"{name}: {text}" for name, text in told.facts if name != "took")
    said.append(f"<sub>{escape(facts, 1_500)}</sub>")
    return "\n\n".join(said) + "\n"


def _table(blocks: Iterable[MetricBlock]) -> str:
    heads = ["metric", "variant", "value", "difference", "lift", "p", "verdict"]
    rows = [heads, [":--", ":--", "--:", ":--", ":--", "--:", ":--"]]
    for block in blocks:
        for at, row in enumerate(block.rows):
            verdict = f"**{row.verdict}**" if row.verdict in _STYLES else row.verdict
            why = f" {escape(row.reason, 200)}" if row.reason else ""
            name = code(block.name) if not at else ""
            rows.append([name, escape(row.variant, 60), row.value, row.change, row.relative, escape(row.p), verdict + why])
    return "\n".join("| " + " | ".join(line) + " |" for line in rows)


def ab_html(found: Experiment) -> str:
    """One page that opens offline; whatever a user wrote is escaped by the template engine."""
    from evalkit.reports.page import ours, render_page

    told = story(found)
    plots = [(name, ours(_lifts(told, name, f"lift{at}"))) for at, name in enumerate(found.treatments)]
    return render_page("experiment.html.j2", story=told, found=found, plots=plots, adjusted=_adjusted(found))


def _lifts(told: Story, treatment: str, key: str) -> str:
    """The forest plot of one treatment's lifts, in percent, each by its verdict's colour."""
    from evalkit.reports.plot_differences import Line, differences

    lines = []
    for block in told.blocks:
        row = next(row for row in block.rows if row.variant == treatment and row.effect is not None)
        effect = row.effect
        assert effect is not None
        low, high = (100.0 * bound for bound in effect.lift_ci)
        if math.isnan(effect.lift):
            continue
        verdict = _COLOURS.get(effect.verdict, effect.verdict)
        lines.append(Line(block.name, 100.0 * effect.lift, low, high, verdict, row.lift, f"{row.value}, {row.verdict}"))
    return differences(lines, title=f"Lift of {treatment} in percent", key=key, digits=1, width=760, labels=230)


def _adjusted(found: Experiment) -> str:
    count = sum(len(one.treatments) for one in found.metrics.values() if not one.guardrail)
    return f"p ({found.adjust})" if count > 1 and found.adjust != "none" else "p"
