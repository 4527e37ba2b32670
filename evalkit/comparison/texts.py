"""What two runs answered to the records that changed most: read from their data, if these are what they were."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.comparison.sides import RunSide
from evalkit.core.batch import as_text
from evalkit.core.compared import Comparison
from evalkit.core.errors import EvalkitError
from evalkit.store.outputs import data_of


@dataclass(frozen=True)
class Answers:
    """One record's texts in both runs; "" where a column is not there."""

    input: str
    reference: str
    before: str
    after: str


def answers(a: RunSide, b: RunSide, found: Comparison, root: Path) -> dict[str, Answers]:
    """The texts of every record that ``found.changed`` names, by id; empty where a run's data cannot be had any more."""
    wanted = {one.id for sides in found.changed.values() for listed in sides.values() for one in listed}
    if not wanted:
        return {}
    try:
        before, after = (_columns(side, wanted, root) for side in (a, b))
    except (EvalkitError, OSError):
        return {}
    return {
        name: Answers(
            before[name].get("input", ""),
            before[name].get("reference", ""),
            before[name].get("output", ""),
            after[name].get("output", ""),
        )
        for name in wanted
        if name in before and name in after
    }


def _columns(side: RunSide, wanted: Collection[str], root: Path) -> Mapping[str, Mapping[str, str]]:
    """Input, reference and output of the wanted records, as text."""
    data, _ = data_of(side.run, root)
    found: dict[str, dict[str, str]] = {}
    for batch in data.batches():
        for place, name in enumerate(batch.texts("id")):
            if name in wanted:
                found[name] = {
                    column: _text(batch.column(column)[place])
                    for column in ("input", "reference", "output")
                    if column in batch.columns
                }
    return found


def _text(value: Any) -> str:
    several = isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)
    return " | ".join(value) if several else as_text(value)
