"""The columns that a suite reads, and who reads them."""

from __future__ import annotations

from evalkit.specs.generate import produced
from evalkit.specs.suite import Suite


def needs(suite: Suite) -> dict[str, tuple[str, ...]]:
    """Every column that a suite's metrics read, and the labels of those that do.

    Columns have their canonical names, or for metadata their own; the data must have each of them, with values. Those that
    are generated first need not be there.
    """
    who: dict[str, list[str]] = {}
    made = produced(suite)
    for spec in suite.metrics:
        for column in spec.metric.needs_of():
            if column not in made:
                who.setdefault(column, []).append(spec.label)
    return {column: tuple(dict.fromkeys(names)) for column, names in who.items()}


def instead(suite: Suite) -> dict[str, tuple[str, ...]]:
    """Of the columns of `needs`, those in whose place others do as well for every metric that reads them, and which."""
    found: dict[str, tuple[str, ...]] = {}
    fixed = set()
    for spec in suite.metrics:
        others = spec.metric.needs_instead()
        for column in spec.metric.needs_of():
            if others and found.get(column, others) == others:
                found[column] = others
            else:
                fixed.add(column)
    return {column: others for column, others in found.items() if column not in fixed}


def selects(suite: Suite) -> dict[str, tuple[str, ...]]:
    """Every column by which gates, slices and routes pick records, and their places; it may be null in all of them."""
    who: dict[str, list[str]] = {}
    for index, gate in enumerate(suite.gates):
        for column in gate.where:
            who.setdefault(column, []).append(f"gates[{index}].where")
    for column in suite.slices:
        who.setdefault(column, []).append("slices")
    for route in suite.generate.routes if suite.generate is not None else ():
        who.setdefault(route.by, []).append(f"generate.routes.{route.name}")
    made = produced(suite)
    return {column: tuple(dict.fromkeys(names)) for column, names in who.items() if column not in made}
