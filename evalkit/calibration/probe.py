"""Asking a judge anew, through its own backend and the store's cache, and what its answers come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.backends.nobody import NOBODY
from evalkit.calibration.answers import told_of
from evalkit.calibration.calibrate import Asked
from evalkit.calibration.material import Material
from evalkit.calibration.wanted import Wanted
from evalkit.core.batch import Batch
from evalkit.core.contracts import ModelMetric
from evalkit.core.errors import Problem, SpecError, quote
from evalkit.core.rows import Floats
from evalkit.judges.audit_probes import Again, Asking, Counting, askings
from evalkit.reports import numbers
from evalkit.runner.ask import BATCH, guarded
from evalkit.runner.execute import Options, models_of
from evalkit.runner.models import Models
from evalkit.runner.opponent import beside, outputs_named, pinned
from evalkit.runner.plan import Plan
from evalkit.runner.report import fetching
from evalkit.specs.load import load_suite
from evalkit.specs.suite import MetricSpec, Suite
from evalkit.store.outputs import data_of


def probe(
    material: Material, wanted: Wanted, root: Path, store: str | None, tell: Callable[[str], None], suite: Suite | None = None
) -> Asked:
    """Ask what some probes want to know.

    Args:
        tell: is told how many calls that will take, before the first.
        suite: that the run is of; None: the file that the run names.

    Raises:
        SpecError: the judge of today is not the run's.
    """
    suite = suite or _suite(material, root)
    spec = next((one for one in suite.metrics if one.label == material.judge), None)
    if spec is None or not isinstance(spec.metric, ModelMetric):
        what = f"{quote(material.judge)} asks no model" if spec is not None else f"the suite has no {quote(material.judge)}"
        raise SpecError(Problem("--probes", what, "probes are for judges"))
    outputs = outputs_named(replace(suite, metrics=(spec,)), store)
    with models_of(suite, Options(store=store)) as models:
        if not getattr(models.backends[spec.backend or NOBODY], "live", True):
            what = f"{material.judge} is a recording ({spec.backend}), and cannot be asked anything new"
            raise SpecError(Problem("--probes", what, "run the suite with the judge itself, and calibrate on that run"))
        spec = pinned(spec, outputs)
        metric = models.run(spec.metric.prepared(models.tools(spec.label, spec.backend)))  # type: ignore[attr-defined]
        spec = replace(spec, metric=metric)
        data, _ = data_of(material.run, root)
        now = Plan(replace(suite, metrics=(spec,)), data, models.backends).fingerprint(spec)
        if now != material.value.fingerprint:
            what = f"{material.judge} has another prompt, model or option now than in the run {material.run.run_id}"
            raise SpecError(Problem("--probes", what, "run the suite again, label its records, and calibrate on that run"))
        chosen = _chosen(material, wanted)
        records = fetching(data)(chosen.tolist())
        columns = {name: [record.get(name) for record in records] for name in records[0]}
        batch = beside(Batch(columns), outputs)
        todo, off = askings(wanted.names, metric, batch, wanted.repeats)
        each = _calls(models, spec, batch)
        asked = sum(len(one.batch) for one in todo)
        often = "once" if len(todo) == 1 else f"{len(todo)} times"
        tell(
            f"asking about {numbers.counted(len(chosen), 'record')} {often} more: "
            f"{numbers.counted(round(each * asked), 'call')}, fewer where replies are in the cache"
        )
        answers = [models.run(_scores(models, spec, one, material)) for one in todo]
        usage = models.account.usage()
    told = {"records": len(chosen), "calls": usage.calls, "cached": usage.cached, "cost": usage.cost}
    notes = [_lost(one, scores, why) for one, (scores, why) in zip(todo, answers) if np.isnan(scores).any()]
    return told_of(material, wanted, chosen, todo, [scores for scores, _ in answers], off, told, tuple(notes))


def _suite(material: Material, root: Path) -> Suite:
    path = material.run.suite.get("path")
    if not path:
        what = f"the run {material.run.run_id} was made in Python: its judge cannot be built again"
        raise SpecError(Problem("--probes", what, "calibrate with --suite FILE"))
    return load_suite(root / path if (root / path).is_file() else path)


def _chosen(material: Material, wanted: Wanted) -> Any:
    """A random sample of the records that the judge scored, in order."""
    scored = np.flatnonzero(~np.isnan(material.scores))
    size = min(wanted.records, len(scored))
    return np.sort(np.random.default_rng(wanted.seed).choice(scored, size, replace=False))


def _calls(models: Models, spec: MetricSpec, batch: Batch) -> float:
    """Calls a record, counted on the first few without asking anybody."""
    few = batch.take(range(min(3, len(batch))))
    counting = Counting(models.tools(spec.label, spec.backend))
    models.run(guarded(spec.metric, few, counting))  # type: ignore[arg-type]
    return counting.counts[0] / max(len(few), 1)


async def _scores(models: Models, spec: MetricSpec, one: Asking, material: Material) -> tuple[Floats, str]:
    """What the judge says of every record of an asking, on its first scale; NaN where it gave no score, and one reason why."""
    import asyncio

    tools = Again(models.tools(spec.label, spec.backend), one.draw) if one.draw else models.tools(spec.label, spec.backend)
    spans = [range(start, min(start + BATCH, len(one.batch))) for start in range(0, len(one.batch), BATCH)]
    found = await asyncio.gather(*(guarded(one.metric, one.batch.take(span), tools) for span in spans))
    part = one.metric.parts.index(material.name.removeprefix(material.judge).removeprefix("."))
    values = []
    for rows in found:
        own = np.asarray(one.metric.record_values(rows), dtype=np.float64)[:, part]
        values.append(np.where(rows.scored(), own, np.nan))
    why = next((told for rows in found for told in (*rows.errors.values(), *rows.skipped.values())), "")
    return one.back(np.concatenate(values)), why


def _lost(one: Asking, scores: Floats, why: str) -> str:
    lost = int(np.isnan(scores).sum())
    told = f"{one.name}{f' ({one.part})' if one.part else ''}"
    return f"probe {told}: {numbers.counted(lost, 'record')} of {len(scores)} got no score and were left out: {why}"
