"""A planned experiment as JSON and as lines in a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from evalkit.core.experiment import Plan, PlanRow
from evalkit.core.signature import VERSION
from evalkit.reports import numbers
from evalkit.reports.console import cells, pad, say, width_of, wrapped
from evalkit.reports.safe import one_line
from evalkit.stats.power import about

if TYPE_CHECKING:
    from rich.console import Console


def plan_json(found: Plan) -> str:
    """What ``evalkit ab plan --json`` prints."""
    return msgspec.json.format(msgspec.json.encode({"evalkit": VERSION, **found.to_json()}), indent=2).decode() + "\n"


def print_plan(found: Plan, console: Console) -> None:
    """The baseline, then a line a difference."""
    kind = f", a unit spreads by {numbers.number(found.sd)}" if not found.share else ""
    seen = f" · {numbers.counted(found.seen, 'unit')} in {one_line(found.source, 200)}" if found.source else ""
    say(console, (one_line(found.metric, 120), "bold"), (f"   {numbers.number(found.baseline)} today{kind}{seen}", ""))
    if found.about:
        say(console, (f"  {found.about}", "dim"))
    say(console)
    rows = [_heads(found), *(_cells(row, found) for row in found.rows)]
    widths = [max(cells(row[at]) for row in rows) + 3 for at in range(len(rows[0]))]
    for at, row in enumerate(rows):
        line = "".join(pad(cell, wide, right=column > 1) for column, (cell, wide) in enumerate(zip(row, widths)))
        say(console, (line, "dim" if not at else ""))
    say(console)
    compared = (
        f", each of {found.treatments} treatments at {numbers.percent(1 - (1 - found.confidence) / found.treatments)}"
        if found.treatments > 1
        else ""
    )
    told = [f"two-sided tests at {numbers.percent(found.confidence)} confidence{compared}"]
    if found.per_day:
        told.append(f"{numbers.number(found.per_day, 0)} new units a day in all variants")
    for line in wrapped("; ".join(told), width_of(console)):
        say(console, (line, "dim"))


def _heads(found: Plan) -> list[str]:
    heads = ["difference", "lift", "control", "treatment" if found.treatments == 1 else "each treatment", "in all", "power"]
    return heads + (["takes"] if found.per_day else [])


def _cells(row: PlanRow, found: Plan) -> list[str]:
    lift = f"{numbers.signed(100 * row.lift, 2 if abs(row.lift) < 0.01 else 1)}%" if not math.isnan(row.lift) else ""
    told = [numbers.signed(row.effect), lift, *map(numbers.count, (row.control, row.treatment, row.total))]
    told.append(numbers.percent(row.power))
    return told + ([_days(row.days)] if found.per_day else [])


def _days(days: float) -> str:
    if days > 3_650:
        return f"{numbers.count(about(math.ceil(days / 365)))} years"
    return numbers.counted(max(1, math.ceil(days)), "day")
