"""A judge card in a terminal, as Markdown, and as a page of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from evalkit.reports import numbers
from evalkit.reports.card import CardView, Line
from evalkit.reports.console import cells, pad, say, width_of, wrapped
from evalkit.reports.markdown import code, escape
from evalkit.reports.plot_differences import Line as Difference
from evalkit.reports.plot_differences import differences
from evalkit.reports.plot_reliability import reliability
from evalkit.reports.plots import Point, forest
from evalkit.reports.safe import one_line

if TYPE_CHECKING:
    from rich.console import Console

AGREEING, MEANS = "agreement with people", "the mean that people would give"
MOVING = "what moves the judge that should not"


def print_card(found: CardView, console: Console, card: str | None = None) -> None:
    """Everything that there is to say of a judge."""
    say(console, (f"{found.title:<10}   ", "bold"), (found.subtitle, ""))
    if found.card.judge.about:
        say(console, (f"{'':<10}   {one_line(found.card.judge.about, 200)}", "dim"))
    say(console)
    level = numbers.percent(found.card.confidence)
    moving = (*found.biases, *found.others)
    wide = max(cells(one.name) for one in (*found.agreement, *found.means, *moving))
    wide = max(wide, cells(AGREEING), cells(MEANS), cells(MOVING) if moving else 0)
    _table(console, AGREEING, found.agreement, level, wide)
    say(console)
    _table(console, MEANS, found.means, level, wide)
    _said(console, (found.means_note,))
    say(console)
    say(console, ("calibration", "bold"))
    _said(console, found.calibration)
    say(console)
    if moving:
        _table(console, MOVING, moving, level, wide)
    if found.off:
        say(console, ("not known" if moving else f"{MOVING}: not known", "bold"))
        wide = max(cells(name) for name, _ in found.off) + 3
        for name, why in found.off:
            say(console, (pad(name, wide), ""), (one_line(why, 300), "dim"))
    say(console)
    for note in found.notes:
        for line in wrapped(f"note: {note}", width_of(console)):
            say(console, (line, "yellow"))
    if card is not None:
        say(console, ("card   ", "dim"), (one_line(card), ""))
    say(console, (found.headline, "bold"))


def _table(console: Console, title: str, lines: Sequence[Line], level: str, first: int) -> None:
    """A titled table: name, value, interval, n, and a note, below where it does not fit."""
    heads = (title, "value", f"{level} interval", "n")
    rows = [(one_line(one.name, 60), one.text, one.interval, one.n) for one in lines]
    widths = [max(cells(row[at]) for row in (heads, *rows)) for at in range(4)]
    widths[0] = min(first, max(width_of(console) - sum(widths[1:]) - 9, widths[0]))
    say(console, (pad(title, widths[0]), "bold"), ("   " + _joined(heads[1:], widths[1:]), "dim"))
    room = width_of(console) - sum(widths) - 3 * 4
    for one, row in zip(lines, rows):
        beside = cells(one.note) <= room
        said = f"   {one.note}" if beside and one.note else ""
        say(console, (f"{pad(row[0], widths[0])}   {_joined(row[1:], widths[1:])}", ""), (said, "dim"))
        if not beside:
            for line in wrapped(one.note, width_of(console) - 2):
                say(console, (f"  {line}", "dim"))


def _joined(row: Sequence[str], widths: Sequence[int]) -> str:
    return "   ".join((pad(row[0], widths[0], True), pad(row[1], widths[1]), pad(row[2], widths[2], True)))


def _said(console: Console, sentences: Iterable[str]) -> None:
    for sentence in sentences:
        for line in wrapped(sentence, width_of(console)) if sentence else ():
            say(console, (line, ""))


# --- Markdown --------------------------------------------------------------------------------------------------------


def card_markdown(found: CardView) -> str:
    """Tables fit for a pull-request comment."""
    level = numbers.percent(found.card.confidence)
    said = [f"**evalkit: judge card of {escape(found.title)}: {escape(found.headline)}**", escape(found.subtitle)]
    said.append(_markdown_table(AGREEING, found.agreement, level, notes=False))
    said.append(_markdown_table(MEANS, found.means, level))
    said += [escape(found.means_note)] if found.means_note else []
    said += ["\n".join(f"- {escape(sentence)}" for sentence in found.calibration)] if found.calibration else []
    moving = (*found.biases, *found.others)
    said += [_markdown_table(MOVING, moving, level)] if moving else []
    said += ["\n".join(f"- {escape(name)}: not known, {escape(why, 300)}" for name, why in found.off)] if found.off else []
    said += ["\n".join(f"- {escape(note)}" for note in found.notes)] if found.notes else []
    said.append(f"<sub>card {code(found.card.short)} · {escape(found.card.made_at)}</sub>")
    return "\n\n".join(said) + "\n"


def _markdown_table(title: str, lines: Sequence[Line], level: str, *, notes: bool = True) -> str:
    heads = [title, "value", f"{level} interval", "n", *(["what it means"] if notes else [])]
    rules = [":--", "--:", ":--", "--:", *([":--"] if notes else [])]
    rows = [
        [escape(one.name), one.text, one.interval.replace(" ", "\u00a0"), one.n, *([escape(one.note, 300)] if notes else [])]
        for one in lines
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in (heads, rules, *rows))


# --- a page ----------------------------------------------------------------------------------------------------------


def card_html(found: CardView) -> str:
    """One page that opens offline; whatever a user or a model wrote is escaped by the template engine."""
    from evalkit.reports.page import ours, render_page

    return render_page(
        "card.html.j2",
        card=found,
        confidence=numbers.percent(found.card.confidence),
        means=ours(_means(found)),
        diagrams=[(name, ours(plot)) for name, plot in _diagrams(found)],
        forests=[(unit, ours(plot)) for unit, plot in _forests(found)],
        parts=parts_of(found),
    )


def _means(found: CardView) -> str:
    """The judge's mean, the labels', and both together, on one scale."""
    points = []
    for one in found.means:
        low, high = one.found.ci or (math.nan, math.nan)
        points.append(Point(one.name, one.found.value, low, high, f"{one.n} records", strong=one.name == "corrected"))
    return forest(points, title="The mean, four ways", key="means", width=520)


def _diagrams(found: CardView) -> list[tuple[str, str]]:
    names = {"raw": "scores as they are", "cross_fitted": "through an isotonic map, fitted on other records"}
    drawn = [
        (name, reliability(told["bins"], found.card.scale, title=f"Reliability: {name}", key=f"r-{key}"))
        for key, name in names.items()
        if (told := found.card.reliability.get(key))
    ]
    return [(name, plot) for name, plot in drawn if plot]


def _forests(found: CardView) -> list[tuple[str, str]]:
    """Biases beside zero, those of one unit together; amber where the interval leaves zero out."""
    by_unit: dict[str, list[Line]] = {}
    for one in found.biases:
        by_unit.setdefault(one.found.unit, []).append(one)
    drawn = []
    for at, (unit, lines) in enumerate(by_unit.items()):
        shown = []
        for one in lines:
            low, high = one.found.ci or (math.nan, math.nan)
            clear = math.isfinite(low) and not low <= 0.0 <= high
            verdict = "worse" if clear else "inconclusive"
            shown.append(Difference(one.name, one.found.value, low, high, verdict, one.text, one.note))
        drawn.append((unit, differences(shown, title=f"Biases, in {unit}", key=f"b{at}")))
    return drawn


def parts_of(found: CardView) -> list[tuple[str, list[str]]]:
    """What single attacks and wordings come to, a line each."""
    told = []
    attacks = found.card.bias.get("injection")
    if attacks is not None and attacks.parts.get("by attack"):
        lines = [f"{kind}: {_signed(shift)} points" for kind, shift in attacks.parts["by attack"].items()]
        told.append(("injection", lines))
    prompt = found.card.prompt_sensitivity
    if prompt.parts:
        lines = []
        for name, one in prompt.parts.items():
            bounds = f" ({numbers.signed_interval(*one['ci'])})" if one.get("ci") else ""
            rank = one.get("spearman")
            ranks = f", rank correlation with the original {numbers.number(rank)}" if rank is not None else ""
            lines.append(f"{name}: {_signed(one['shift'])}{bounds} points{ranks}")
        told.append(("prompt", lines))
    return told


def _signed(value: float | None) -> str:
    return numbers.signed(math.nan if value is None else value)
