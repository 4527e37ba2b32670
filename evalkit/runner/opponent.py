"""What another run answered to the same records: read from the data that it scored, if that is still what it was."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalkit.core.batch import Batch
from evalkit.core.contracts import ModelMetric
from evalkit.core.errors import EvalkitError, Problem, SpecError
from evalkit.core.run import Run
from evalkit.core.signature import canonical
from evalkit.records.dataset import DataSet, scan
from evalkit.runner.baseline import find_run
from evalkit.runner.stores import catalog_at
from evalkit.specs.home import shown
from evalkit.specs.suite import MetricSpec, Suite

_HINT = "keep the outputs of every version in a file of its own, or compare two columns: against: {column: …}"


@dataclass(frozen=True)
class Outputs:
    """The outputs of a run by record id; ``sha256`` is that of its data and of how they were read."""

    run_id: str
    sha256: str
    by_id: Mapping[str, Any]


def outputs_named(suite: Suite, store: str | None) -> dict[str, Outputs]:
    """The outputs of every run that a metric of the suite compares with, by the name that the suite gives it.

    Raises:
        SpecError: everything that is wrong with them: no such run, or its data is gone or has changed.
    """
    found: dict[str, Outputs] = {}
    problems: list[Problem] = []
    for spec in suite.metrics:
        name = spec.metric.outputs_of() if isinstance(spec.metric, ModelMetric) else None
        if name is None or name in found:
            continue
        try:
            run = find_run(name, catalog_at(store or suite.store, suite.root), suite.root)
            found[name] = outputs_of(run, suite.root)
        except SpecError as error:
            problems += [Problem(_place(suite, spec), f"{spec.label}: {problem}") for problem in error.problems]
        except EvalkitError as error:
            problems.append(Problem(_place(suite, spec), f"{spec.label}: against {name}: {error}"))
    if problems:
        raise SpecError(problems)
    return found


def outputs_of(run: Run, root: Path) -> Outputs:
    """The outputs that a run scored.

    Raises:
        SpecError: its data cannot be had any more.
    """
    data, how = data_of(run, root)
    sha256 = hashlib.sha256(canonical({"data": data.sha256, **how})).hexdigest()
    return Outputs(run.run_id, sha256, _by_id(data))


def data_of(run: Run, root: Path) -> tuple[DataSet, dict[str, Any]]:
    """The records that a run scored, and how they were read.

    Raises:
        SpecError: they cannot be had any more.
    """
    told = run.dataset
    generated = told.get("generated")
    if generated is not None and run.folder is not None:
        files, how = [run.folder / str(generated["file"])], {}
    elif told.get("files"):
        files, how = [root / name for name in told["files"]], told
    else:
        what = f"the run {run.run_id} does not tell where its data lies: they were given in Python, or its evalkit is older"
        raise SpecError(Problem("", what, _HINT))
    for file in files:
        if not file.is_file():
            raise SpecError(Problem("", f"the data of the run {run.run_id} are gone: there is no {shown(file, root)}", _HINT))
    options: dict[str, Any] = {key: how.get(key) for key in ("fields", "limit", "shuffle")}
    data = scan(files, label=str(told["path"]), needs={"output": f"the run {run.run_id}"}, **options)
    if data.sha256 != told["sha256"]:
        listed = ", ".join(shown(file, root) for file in files)
        raise SpecError(Problem("", f"the data of the run {run.run_id} have changed since it ran: {listed}", _HINT))
    return data, options


def pinned(spec: MetricSpec, outputs: Mapping[str, Outputs]) -> MetricSpec:
    """A metric that compares with a run, with the outputs that were found for it in its fingerprint; any other as it is."""
    name = spec.metric.outputs_of() if isinstance(spec.metric, ModelMetric) else None
    if name is None or not isinstance(spec.metric, ModelMetric):
        return spec
    return replace(spec, metric=spec.metric.pinned(outputs[name].run_id, outputs[name].sha256))


def beside(batch: Batch, outputs: Mapping[str, Outputs]) -> Batch:
    """The batch with the outputs of other runs as columns ``output@NAME``; null where a run has no such record."""
    if not outputs:
        return batch
    ids = batch.texts("id")
    further = {f"output@{name}": [found.by_id.get(own) for own in ids] for name, found in outputs.items()}
    return Batch({**batch.columns, **further})


def _by_id(data: DataSet) -> dict[str, Any]:
    return {name: output for batch in data.batches() for name, output in zip(batch.texts("id"), batch.column("output"))}


def _place(suite: Suite, spec: MetricSpec) -> str:
    return f"{shown(suite.path, Path.cwd(), suite.root)}:{spec.line}" if suite.path and spec.line else ""
