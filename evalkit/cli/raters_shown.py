"""Labels and raters in the terminal: how many, how far they agree, what is to be decided."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.cli.errors import say as warn
from evalkit.cli.running import relative
from evalkit.reports import numbers
from evalkit.reports.console import make_console, pad, say

if TYPE_CHECKING:
    from rich.console import Console

    from evalkit.records.labels import Labels
    from evalkit.runner.raters import Raters

SHOWN = 10  # disagreements, and pairs of raters, that are listed


def print_labels(
    labels: Labels, found: Sequence[Raters], fresh: int, again: int, into: Path | None, adjudicate: Path | None
) -> None:
    """All that there is to say of imported labels; warnings go to stderr."""
    console = make_console()
    _head(labels, fresh, again, into, console)
    for one in found:
        say(console)
        _raters(one, console)
    if adjudicate is not None:
        count = sum(len(one.open) for one in found)
        say(console)
        say(console, ("to decide  ", "dim"), (f"{relative(adjudicate)}: fill `label`, then import it too ({count:,})", ""))
    for warning in labels.warnings:
        warn(f"warning: {warning}")


def plain(value: Any) -> str:
    """A label as people write it."""
    return value if isinstance(value, str) else f"{value:g}"


def _head(labels: Labels, fresh: int, again: int, into: Path | None, console: Console) -> None:
    told = [numbers.counted(len(labels), "label") if into is None else f"{numbers.counted(fresh, 'new label')}"]
    if again:
        told.append(f"{numbers.count(again)} were there already")
    if labels.pending:
        told.append(f"{numbers.counted(labels.pending, 'line')} without one")
    if into is not None:
        told.append(f"{numbers.count(len(labels))} in {relative(into)}")
    say(console, ("labels   ", "dim"), (" · ".join(told), ""))


def _raters(found: Raters, console: Console) -> None:
    counts = " · ".join(f"{rater} {numbers.count(count)}" for rater, count in found.counts.items())
    decided = f" · {numbers.count(found.adjudicated)} decided" if found.adjudicated else ""
    say(console, (found.metric, "bold"), (f"   {numbers.counted(len(found.settled), 'record')} · {counts}{decided}", ""))
    rows = [(f"Krippendorff's alpha, {found.scale}", found.alpha), ("Fleiss' kappa", found.fleiss)]
    for pair in found.pairs[:SHOWN]:
        both, weighted = " and ".join(pair.raters), " (quadratic)" if pair.weights == "quadratic" else ""
        rows += [(f"{both}: kappa{weighted}", pair.kappa), (f"{both}: same label", pair.agreement)]
    width = max(len("agreement"), *(len(name) for name, _ in rows))
    say(
        console,
        (f"  {pad('agreement', width)}   {pad('value', 6, True)}   {pad('95% interval', 15)}   {pad('n', 5, True)}", "dim"),
    )
    for name, one in rows:
        value, span = numbers.number(one.value, 3), numbers.interval(one.low, one.high, 3)
        line = f"  {pad(name, width)}   {pad(value, 6, True)}   {pad(span, 15)}   {pad(numbers.count(one.n), 5, True)}"
        say(console, (line, ""), (f"   {one.reason}" if one.reason else "", "dim"))
    if len(found.pairs) > SHOWN:
        say(console, (f"  … and {len(found.pairs) - SHOWN} more pairs of raters: --json has all", "dim"))
    if found.open:
        say(console, (f"  raters disagree on {numbers.counted(len(found.open), 'record')}:", "yellow"))
        for record in found.open[:SHOWN]:
            said = ", ".join(f"{rater} {plain(value)}" for rater, value in record.labels.items())
            say(console, (f"    {record.id}   {said}", ""))
        if len(found.open) > SHOWN:
            say(console, (f"    … and {len(found.open) - SHOWN} more; --adjudicate FILE writes all", "dim"))
