"""A data set whose requests are also dressed up in other ways: written out once, and scanned like any other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from evalkit.core.batch import as_text
from evalkit.core.errors import Problem, SpecError, quote
from evalkit.records.dataset import DataSet
from evalkit.records.spool import spooled
from evalkit.specs.mutate import PRODUCED, MutateSpec
from evalkit.text.mutators import mutated

_encoder = msgspec.json.Encoder(enc_hook=str)
Row = dict[str, Any]


def mutated_file(data: DataSet, spec: MutateSpec, spool: Path) -> Path:
    """The records of a data set, each once a mutator, as a file in ``spool`` that is named by its content.

    Raises:
        SpecError: the data have columns of their own by the names that are filled, or lack one that ``where`` names.
    """
    taken = [name for name in PRODUCED if name in data.columns]
    if taken:
        raise SpecError(
            Problem(data.path, f"`mutate` fills the column {quote(taken[0])}, which the data have", "rename it by `fields`")
        )
    lost = [name for name in spec.where if name not in data.columns]
    if lost:
        raise SpecError(Problem(data.path, f"has no column {quote(lost[0])}, which `mutate: where` names"))
    if "input" not in data.columns:
        raise SpecError(Problem(data.path, "has no column input, which `mutate` dresses up"))
    lines = (_encoder.encode(row) + b"\n" for batch in data.batches() for row in _rows(batch.columns, spec))
    return spooled(lines, spool, "mutated")


def _rows(columns: Mapping[str, Any], spec: MutateSpec) -> Iterator[Row]:
    for values in zip(*columns.values()):
        record = dict(zip(columns, values))
        yield from variants({name: value for name, value in record.items() if value is not None}, spec)


def variants(record: Row, spec: MutateSpec) -> Iterator[Row]:
    """A record as each of its mutators puts it; all of them share a cluster."""
    name = str(record["id"])
    fits = all(as_text(record.get(column)) in values for column, values in spec.where.items())
    names = spec.use if fits else ("none",)
    if fits and spec.draw is not None:
        drawn = set(Random(f"{spec.seed}\0{name}").sample(range(len(names)), spec.draw))  # noqa: S311 - no secret
        names = tuple(told for index, told in enumerate(names) if index in drawn)
    for mutator in names:
        told = record if mutator == "none" else {**record, "input": _put(record.get("input"), mutator, f"{spec.seed}\0{name}")}
        own = name if mutator == "none" else f"{name}~{mutator}"
        yield {**told, "id": own, "cluster": record.get("cluster") or name, "base_id": name, "mutator": mutator}


def _put(value: Any, mutator: str, seed: str) -> Any:
    """An input with its request dressed up; of a chat, what the user says last."""
    if isinstance(value, str):
        return mutated(value, mutator, seed)
    if not isinstance(value, list):
        return value
    last = next((at for at in range(len(value) - 1, -1, -1) if _said(value[at])), None)
    if last is None:
        return value
    return [
        {**turn, "content": mutated(turn["content"], mutator, seed)} if at == last else turn for at, turn in enumerate(value)
    ]


def _said(turn: Any) -> bool:
    return isinstance(turn, dict) and turn.get("role", "user") == "user" and isinstance(turn.get("content"), str)
