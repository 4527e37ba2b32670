"""The outputs of other runs beside this one's, for the metrics that compare the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from evalkit.core.batch import Batch
from evalkit.core.contracts import ModelMetric
from evalkit.core.errors import EvalkitError, Problem, SpecError
from evalkit.runner.stores import catalog_at
from evalkit.specs.home import shown
from evalkit.specs.suite import MetricSpec, Suite
from evalkit.store.outputs import Outputs, outputs_of
from evalkit.store.runs import find_run


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


def _place(suite: Suite, spec: MetricSpec) -> str:
    return f"{shown(suite.path, Path.cwd(), suite.root)}:{spec.line}" if suite.path and spec.line else ""
