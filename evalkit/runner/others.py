"""The other answer of each record, where raters are to choose between two: a column, or what another run answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.core.errors import EvalkitError, Problem, SpecError, UnknownName, quote
from evalkit.core.run import Run
from evalkit.records.dataset import DataSet
from evalkit.runner.review import column
from evalkit.runner.stores import catalog_at
from evalkit.specs.load import load_suite
from evalkit.specs.suite import MetricSpec
from evalkit.store.outputs import outputs_of
from evalkit.store.runs import find_run


@dataclass(frozen=True)
class Others:
    """The other answers by record id; ``column`` is where they stand in the data, None where they are a run's."""

    by_id: Mapping[str, Any]
    column: str | None
    told: str  # how messages call them


def others_named(name: str, data: DataSet, store: str | None, root: Path) -> Others:
    """Those of a column of the data, else of a run.

    Raises:
        SpecError: it is neither, or the run's data is gone.
    """
    if name in data.columns:
        ids = (one for batch in data.batches() for one in batch.texts("id"))
        return Others(dict(zip(ids, column(data, name))), name, f"the column {name}")
    try:
        run = find_run(name, catalog_at(store, root), root)
    except SpecError:
        raise
    except (UnknownName, EvalkitError) as error:
        what = f"{quote(name)} is no column of {data.path}, and no run"
        raise SpecError(Problem("--against", what, "name the column of the other answer, or a run")) from error
    return Others(outputs_of(run, root).by_id, None, f"the run {run.run_id}")


def others_of_run(run: Run, metric: str, data: DataSet, store: str | None, root: Path) -> Others | None:
    """What a pairwise metric of the run compared with; None where it is no such metric."""
    told = run.uses.get(metric, {})
    against = told.get("against") or (told.get("options") or {}).get("against")  # the run it was, then; else a column
    if against is None:
        spec = spec_of_run(run, metric, root)
        against = getattr(spec.metric, "against", None) if spec is not None else None
    if against is None:
        return None
    return others_named(against["column"] if isinstance(against, Mapping) else str(against), data, store, root)


def spec_of_run(run: Run, metric: str, root: Path) -> MetricSpec | None:
    """The metric of a run in its suite, as that is now; None where it is not to be found."""
    path = run.suite.get("path")
    if not path:
        return None
    try:
        suite = load_suite(root / str(path))
    except EvalkitError:
        return None
    return next((spec for spec in suite.metrics if spec.label == metric), None)
