"""The scores of single records of two runs, side by side: what a scatter plot shows."""

from __future__ import annotations

from evalkit.comparison.pairing import aligned
from evalkit.comparison.sides import RunSide
from evalkit.core.rows import Floats

Scores = dict[str, tuple[list[str], Floats, Floats]]


def scores_of(a: RunSide, b: RunSide) -> Scores:
    """Main metric → ids and the scores of a and b, of the records that both runs have; empty where a run has no rows."""
    if a.table is None or b.table is None:
        return {}
    here, there = aligned(a.table.ids, b.table.ids)
    ids = [a.table.ids[place] for place in here.tolist()]
    found: Scores = {}
    for label, name in a.run.main.items():
        one, two = a.table.scores(name), b.table.scores(b.run.main.get(label, name))
        if one is not None and two is not None and len(ids):
            found[name] = (ids, one[here], two[there])
    return found
