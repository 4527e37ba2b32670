"""Comparisons in a terminal, as Markdown, and as a page with plots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from evalkit.core.compared import Arena, Comparisons, WinRate
from evalkit.reports import numbers
from evalkit.reports.console import cells, pad, say, width_of, wrapped
from evalkit.reports.differing import (
    ComparisonView,
    DifferenceRow,
    by_slice,
    families_words,
    telling,
    unlike_words,
    view,
)
from evalkit.reports.markdown import code, escape, table
from evalkit.reports.page import ours, render_page
from evalkit.reports.plot_differences import Line, differences
from evalkit.reports.plot_scatter import scatter
from evalkit.reports.safe import one_line, shortened, visible

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {"better": "green", "worse": "bold red", "equivalent": "green", "inconclusive": "dim"}
HEADS = ("metric", "a", "b", "difference", "interval", "p", "adjusted", "verdict")
_TEXTS = ("input", "reference", "before", "after")
Scores = Mapping[str, tuple[Sequence[str], ArrayLike, ArrayLike]]


def print_comparisons(found: Comparisons, console: Console, report: str | None = None) -> None:
    """Every comparison: what differs beside the outputs, the differences, telling slices, and records that changed most."""
    for place, one in enumerate(found.comparisons):
        if place:
            say(console)
        _print_one(found, view(one), console)
    for arena in found.arenas:
        _print_arena(arena, console)
    adjusted = families_words(found)
    if adjusted:
        say(console)
        for piece in wrapped(f"p {adjusted}", width_of(console)):
            say(console, (piece, "dim"))
    if report is not None:
        say(console, ("report   ", "dim"), (one_line(report), ""))


def _print_one(found: Comparisons, shown: ComparisonView, console: Console) -> None:
    one = shown.comparison
    say(console, (f"{one_line(one.b.suite, 60):<10}   ", "bold"), (shown.headline, "bold"))
    say(console, (f"a  {one.a.run_id}", "dim"))
    say(console, (f"b  {one.b.run_id}", "dim"))
    say(console, (shown.records, "dim"))
    if shown.unlike:
        say(console)
        say(console, ("not alike", "bold"))
        for difference in shown.unlike:
            lead = "! " if difference.serious else "  "
            say(console, (lead, "bold yellow"), (unlike_words(difference), "yellow" if difference.serious else "dim"))
    say(console)
    _print_table(shown.rows, console, f"{numbers.percent(found.confidence)} interval")
    slices = telling(shown.slices)
    if shown.slices:
        say(console)
        if slices:
            say(console, ("slices that differ", "bold"))
            _print_table(slices, console, f"{numbers.percent(found.confidence)} interval", sliced=True)
        else:
            say(console, (f"no difference in any of {numbers.count(len(shown.slices))} slices of a metric", "dim"))
    if shown.changed:
        say(console)
        say(console, ("records that changed most", "bold"))
        wide = max(cells(name) for name, _ in shown.changed) + 3
        for name, sides in shown.changed:
            for row, (side, text) in enumerate(sides):
                lead = pad(name if not row else "", wide) + f"{'worse' if side == 'lost' else 'better':<7} "
                for line, piece in enumerate(wrapped(text, max(width_of(console) - cells(lead), 40))):
                    say(console, (lead if not line else " " * cells(lead), ""), (piece, "dim"))
    for note in shown.notes:
        for piece in wrapped(f"note: {note}", width_of(console)):
            say(console, (piece, "yellow"))


def _print_table(rows: Sequence[DifferenceRow], console: Console, interval: str, *, sliced: bool = False) -> None:
    """One line a difference; what stands behind it beside it, or below it where that is too wide, as are p and the interval."""
    heads = [("slice" if sliced else ""), *HEADS]
    heads[5] = interval
    everything = [[heads[place], *(_cells(row)[place] for row in rows)] for place in range(0 if sliced else 1, len(heads))]
    for below in ((), ("p", "adjusted"), (interval, "p", "adjusted")):
        columns = [column for column in everything if column[0] not in below]
        widths = [max(map(cells, column)) for column in columns]
        total = sum(widths) + 3 * len(widths)
        if total - 3 <= width_of(console):
            break
    moved = [column for column in everything if column[0] in below]
    beside = not moved and total + max((cells(row.note) for row in rows), default=0) <= width_of(console)
    right = {"a", "b", "p", "adjusted"}
    for line in range(len(rows) + 1):
        told = "   ".join(pad(column[line], wide, right=column[0] in right) for column, wide in zip(columns, widths))
        if not line:
            say(console, (told, "bold"))
            continue
        row = rows[line - 1]
        head = told[: len(told) - len(pad(columns[-1][line], widths[-1]))]
        say(
            console,
            (head, ""),
            (pad(row.verdict, widths[-1]), STYLES[row.verdict]),
            (f"   {row.note}" if beside else "", "dim"),
        )
        if not beside:
            note = "; ".join([*(f"{column[0]} {column[line]}" for column in moved), row.note])
            for piece in wrapped(note, width_of(console) - 4):
                say(console, (f"    {piece}", "dim"))


def _cells(row: DifferenceRow) -> tuple[str, ...]:
    return (
        row.of,
        row.name,
        row.a_text,
        row.b_text,
        row.diff_text,
        row.interval_text or numbers.NOTHING,
        row.p_text,
        row.adjusted_text,
        row.verdict,
    )


def _print_arena(arena: Arena, console: Console) -> None:
    say(console)
    say(console, (f"pairwise: {one_line(arena.metric, 60)}", "bold"))
    if arena.why:
        say(console, (arena.why, "yellow"))
    for rate in arena.rates:
        say(console, (f"  {one_line(rate.name, 60)}   ", ""), (_rate_words(rate), "dim"))
    wide = max((cells(one_line(rating.name, 60)) for rating in arena.ratings), default=0) + 3
    for rating in arena.ratings:
        said = _rating_words(rating)
        say(console, (f"  {pad(one_line(rating.name, 60), wide)}{rating.rating:7.0f}   ", ""), (said, "dim"))


def _rating_words(rating: Any) -> str:
    told = [f"{rating.ci[0]:.0f} – {rating.ci[1]:.0f}"] if rating.ci is not None else ["the baseline"]
    if rating.ci is not None:
        told.append(f"beats the baseline {numbers.percent(rating.win_rate)} of the time")
    return ", ".join([*told, numbers.counted(round(rating.games), "game")])


def _rate_words(rate: WinRate) -> str:
    """``wins 70% (55% – 81%) of its games, 66% (50% – 79%) were both answers equally long``."""
    shown = [" – ".join(map(numbers.percent, found[1:])) if found else "" for found in (rate.won, rate.length_controlled)]
    won = f"{numbers.percent(rate.won[0])} ({shown[0]})" if rate.won else "an unknown share"
    even = (
        f", {numbers.percent(rate.length_controlled[0])} ({shown[1]}) were both answers equally long"
        if rate.length_controlled
        else ""
    )
    return f"wins {won} of its games{even}"


def comparisons_markdown(found: Comparisons) -> str:
    """Tables fit for a pull-request comment, the verdict first."""
    said: list[str] = []
    for one in found.comparisons:
        shown = view(one)
        said.append(f"**evalkit compare: {escape(shown.headline)}**")
        said.append(f"b {code(one.b.run_id)} against a {code(one.a.run_id)}; {escape(shown.records, 300)}")
        if shown.unlike:
            listed = "\n".join(
                f"- {'**measured differently**: ' if two.serious else ''}{escape(unlike_words(two), 300)}"
                for two in shown.unlike
            )
            said.append(f"Not alike:\n\n{listed}")
        heads = [*HEADS, ""]
        heads[4] = f"{numbers.percent(found.confidence)} interval"
        said.append(table(heads, [_markdown_row(row) for row in shown.rows]))
        slices = telling(shown.slices)
        if slices:
            rows = [[escape(row.of, 80), *_markdown_row(row)] for row in slices]
            said.append(f"Slices that differ:\n\n{table(['slice', *heads], rows)}")
        if shown.changed:
            rows = [[code(name), side, escape(text, 400)] for name, sides in shown.changed for side, text in sides]
            said.append(
                "<details><summary>Records that changed most</summary>\n\n"
                f"{table(['metric', '', 'records'], rows)}\n\n</details>"
            )
        said += [f"*{escape(note, 300)}*" for note in shown.notes]
    for arena in found.arenas:
        rows = [
            [escape(rating.name, 60), f"{rating.rating:.0f}", escape(_rating_words(rating), 120)] for rating in arena.ratings
        ]
        said += [f"{code(rate.run_id)} {escape(_rate_words(rate))}" for rate in arena.rates]
        said.append(f"Pairwise by {code(arena.metric)}: {escape(arena.why)}\n\n{table(['run', 'rating', ''], rows)}")
    adjusted = families_words(found)
    said.append(f"<sub>p {escape(adjusted)}.</sub>" if adjusted else "")
    return "\n\n".join(part for part in said if part) + "\n"


def _markdown_row(row: DifferenceRow) -> list[str]:
    verdict = f"**{row.verdict}**" if row.verdict in ("better", "worse") else row.verdict
    told = [row.a_text, row.b_text, row.diff_text, row.interval_text or numbers.NOTHING, row.p_text, row.adjusted_text]
    return [code(row.name), *(escape(text) for text in told), verdict, escape(row.note, 300)]


def comparisons_html(found: Comparisons, scores: Sequence[Scores] = (), texts: Sequence[Mapping[str, Any]] = ()) -> str:
    """One page that opens offline.

    Args:
        scores: per comparison, metric → ids and the scores of a and b of the records that both have, for the scatter plots.
        texts: per comparison, record id → its input, reference, and what it said before and after.
    """
    views = [view(one) for one in found.comparisons]
    pages = []
    for place, shown in enumerate(views):
        known = scores[place] if place < len(scores) else {}
        pages.append(
            {
                "view": shown,
                "forests": _forests(shown, place),
                "scatters": _scatters(shown, known, place),
                "sliced": _sliced(shown, place),
                "cases": _cases(shown, texts[place] if place < len(texts) else {}),
            }
        )
    return render_page(
        "comparison.html.j2",
        found=found,
        pages=pages,
        confidence=numbers.percent(found.confidence),
        families=families_words(found),
        unlike_words=unlike_words,
        rating_words=_rating_words,
        rate_words=_rate_words,
        heads=HEADS,
    )


def _cases(shown: ComparisonView, texts: Mapping[str, Any]) -> list[tuple[str, list[dict[str, str]]]]:
    """The records that changed most, worse ones first, with what was asked and said."""
    found = []
    for name, sides in shown.comparison.changed.items():
        cases = [
            {
                "id": one_line(one.id, 80),
                "side": "worse" if side == "lost" else "better",
                "score": f"{numbers.score(one.a)} → {numbers.score(one.b)}",
                **{key: _shown(getattr(texts.get(one.id), key, "")) for key in _TEXTS},
            }
            for side in ("lost", "gained")
            for one in sides.get(side, ())
        ]
        if cases:
            found.append((one_line(name, 100), cases))
    return found


def _shown(text: str) -> str:
    return shortened(visible(text), 1_500)


def _forests(shown: ComparisonView, place: int) -> list[Any]:
    """One plot a unit: values of one metric share a scale, and so do those that all lie between 0 and 1."""
    groups: dict[str, list[DifferenceRow]] = {}
    for row in shown.rows:
        value = row.value
        if value.ci is None:
            continue
        unit = max(abs(value.a), abs(value.b)) <= 1.0 and abs(value.diff) <= 1.0
        groups.setdefault("" if unit else row.name.partition(".")[0], []).append(row)
    found = []
    for index, (name, rows) in enumerate(groups.items()):
        margins = {row.value.margin for row in rows}
        title = f"Differences of {name}" if name else "Differences, b less a"
        found.append(
            ours(
                differences(
                    [_line(row, row.name) for row in rows],
                    title=title,
                    key=f"d{place}-{index}",
                    margin=margins.pop() if len(margins) == 1 else None,
                    width=640,
                    labels=190,
                )
            )
        )
    return found


def _line(row: DifferenceRow, name: str) -> Line:
    low, high = row.value.ci or (math.nan, math.nan)
    return Line(name, row.value.diff, low, high, row.verdict, row.diff_text, f"p {row.adjusted_text} adjusted")


def _sliced(shown: ComparisonView, place: int) -> list[tuple[str, Any]]:
    """A plot a metric: the whole run, then every slice."""
    whole = {row.name: row for row in shown.rows}
    found = []
    for index, (name, rows) in enumerate(by_slice(shown.slices).items()):
        lines = [_line(row, row.of) for row in rows[:40] if row.value.ci is not None]
        if name in whole and lines:
            first = _line(whole[name], "all records")
            lines = [Line(first.name, first.difference, first.low, first.high, first.verdict, first.text, strong=True), *lines]
            plot = differences(lines, title=f"{name} by slice", key=f"s{place}-{index}", width=640, labels=190)
            found.append((name, ours(plot)))
    return found


def _scatters(shown: ComparisonView, scores: Scores, place: int) -> list[tuple[str, Any]]:
    found = []
    for index, (name, (ids, one, two)) in enumerate(scores.items()):
        value = shown.comparison.metrics.get(name)
        if value is None or value.higher_is_better is None:
            continue
        plot = scatter(ids, one, two, title=name, key=f"p{place}-{index}", higher_is_better=value.higher_is_better)
        if plot:
            found.append((name, ours(plot)))
    return found
