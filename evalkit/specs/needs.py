"""The columns that a suite reads, and who reads them."""

from __future__ import annotations

from evalkit.specs.suite import Suite


def needs(suite: Suite) -> dict[str, tuple[str, ...]]:
    """Every column that a suite reads, and who needs it: metrics by label, gates and slices by their place.

    Columns have their canonical names, or for metadata their own; the data must have each of them.
    """
    who: dict[str, list[str]] = {}
    for spec in suite.metrics:
        for column in spec.metric.needs_of():
            who.setdefault(column, []).append(spec.label)
    for index, gate in enumerate(suite.gates):
        for column in gate.where:
            who.setdefault(column, []).append(f"gates[{index}].where")
    for column in suite.slices:
        who.setdefault(column, []).append("slices")
    return {column: tuple(dict.fromkeys(names)) for column, names in who.items()}
