"""Whether two runs asked the same under the same id: records are paired by their ids alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from evalkit.comparison.sides import RunSide
from evalkit.core.batch import as_text
from evalkit.core.compared import Unlike
from evalkit.core.errors import EvalkitError
from evalkit.store.outputs import data_of

_READ = ("sha256", "fields", "limit", "shuffle", "generated")  # what tells one reading of data from another


def asked_otherwise(a: RunSide, b: RunSide, ids: Collection[str], root: Path) -> Unlike | None:
    """How many of the records ``ids``, which both runs have, have another input in each, with the first of them.

    None where there are none, where both scored the same data, and where the data of a run cannot be had any more.
    """
    one, two = a.run.dataset, b.run.dataset
    if not ids or all(one.get(key) == two.get(key) for key in _READ):
        return None
    try:
        wanted = set(ids)
        known = {name: text for name, text in _inputs(a, root) if name in wanted}
        other = [(name, text) for name, text in _inputs(b, root) if known.get(name, text) != text] if known else []
    except (EvalkitError, OSError):
        return None
    if not other:
        return None
    first, after = other[0]
    told = f"{len(other):,} {'record asks' if len(other) == 1 else 'records ask'} another question under the same id"
    return Unlike(f"{told}, {first}", known[first], after)


def _inputs(side: RunSide, root: Path) -> Iterator[tuple[str, str]]:
    """The id and the input of every record that has one."""
    data, _ = data_of(side.run, root)
    for batch in data.batches():
        if "input" in batch.columns:
            for name, value in zip(batch.texts("id"), batch.column("input")):
                if value is not None:
                    yield name, as_text(value)
