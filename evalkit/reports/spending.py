"""What the calls to models took, metric by metric and a record: one view for every report."""

from __future__ import annotations

import math
from dataclasses import dataclass

from evalkit.core.run import Run, Spent
from evalkit.reports import numbers
from evalkit.reports.safe import one_line

TAKEN = ("calls", "from the cache", "prompt tokens a record", "completion tokens a record")
PRICED = ("cost a record", "cost")
NOTE = (
    "Tokens and cost are means over {n}. A call that several metrics ask for counts once, for the one that asked first; "
    "for the others, as for a rerun, it comes from the cache and costs nothing."
)


@dataclass(frozen=True)
class SpendingRow:
    """What one metric took, or all together, in words; ``cost`` texts are "" where no price is known."""

    name: str
    calls: str
    cached: str
    prompt_tokens: str  # a record's
    completion_tokens: str
    per_record: str  # cost
    cost: str

    @property
    def cells(self) -> tuple[str, ...]:
        """In the order of the table's heads."""
        priced = (self.per_record, self.cost) if self.cost else ()
        return (self.name, *priced, self.calls, self.cached, self.prompt_tokens, self.completion_tokens)


@dataclass(frozen=True)
class Spending:
    """The table, its heads and the note below it."""

    heads: tuple[str, ...]
    rows: tuple[SpendingRow, ...]
    note: str

    @property
    def priced(self) -> bool:
        """Whether any price is known."""
        return PRICED[0] in self.heads


def spending(run: Run) -> Spending | None:
    """What a run's calls took; None where it made none, or does not say for whom.

    Metrics come in the suite's order, behind what generated the answers; with more than one, a last row has the sums of all.
    """
    usage, n = run.usage, int(run.dataset.get("n") or 0)
    if not usage.metrics or not n:
        return None
    priced = usage.cost is not None
    told = [_row(name, spent, n, priced) for name, spent in _in_order(run)]
    if len(told) > 1:
        told.append(_row("all", usage, n, priced))
    heads = ("metric", *(PRICED if priced else ()), *TAKEN)
    return Spending(heads, tuple(told), NOTE.format(n=numbers.counted(n, "record")))


def cost_line(run: Run) -> str:
    """The cost in one line: ``0.42, 0.0014 a record: faithfulness 0.0009, tone 0.0005``; "" where no price is known."""
    usage, n = run.usage, int(run.dataset.get("n") or 0)
    if usage.cost is None or not usage.metrics or not n:
        return ""
    each = [
        f"{one_line(name, 80)} {numbers.number(spent.cost / n)}"
        for name, spent in usage.metrics.items()
        if spent.cost is not None
    ]
    parts = f": {', '.join(each)}" if len(each) > 1 else ""
    return f"{numbers.number(usage.cost)}, {numbers.number(usage.cost / n)} a record{parts}"


def _in_order(run: Run) -> list[tuple[str, Spent]]:
    places = {name: place for place, name in enumerate(run.main)}
    return sorted(run.usage.metrics.items(), key=lambda pair: places.get(pair[0], -1))


def _row(name: str, spent: Spent, n: int, priced: bool) -> SpendingRow:
    cost = spent.cost if spent.cost is not None else 0.0 if priced and not spent.calls else None
    return SpendingRow(
        name=one_line(name, 120),
        calls=numbers.count(spent.calls),
        cached=numbers.count(spent.cached),
        prompt_tokens=_amount(spent.prompt_tokens / n),
        completion_tokens=_amount(spent.completion_tokens / n),
        per_record=_amount(cost / n if cost is not None else math.nan) if priced else "",
        cost=_amount(cost if cost is not None else math.nan) if priced else "",
    )


def _amount(value: float) -> str:
    return numbers.number(value) if value else "0"
