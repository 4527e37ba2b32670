"""From the rows on disk to a finished run: values, slices, gates."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.core.batch import Batch
from evalkit.core.contracts import CorpusMetric, DataFacts, ModelMetric
from evalkit.core.described import described
from evalkit.core.rows import Rows
from evalkit.core.run import GateResult, Run, Status, Usage, Value
from evalkit.core.signature import fingerprint
from evalkit.runner.baseline import Baseline, compare
from evalkit.runner.gate import Evidence, judge_gates
from evalkit.runner.plan import Plan
from evalkit.runner.sequential_finish import anytime_slices, anytime_values, sequential_of
from evalkit.runner.values import Measured, Settings, slices, values
from evalkit.specs.passes import Passes, passes_of
from evalkit.specs.suite import MetricSpec, Suite
from evalkit.store.table import Table, cluster_codes


def finished(
    plan: Plan,
    table: Table,
    run_id: str,
    started_at: datetime,
    usage: Usage,
    baseline: Callable[[str], Baseline],
    baseline_id: str | None,
    clock: float,
) -> Run:
    """Everything that results.json tells, from the merged rows."""
    suite = plan.suite
    settings = settings_of(suite)
    measured = measured_of(plan, table)
    clusters = cluster_codes(table)
    failed = np.zeros(table.n, dtype=bool)
    for one in measured:
        failed |= one.errors
    early = sequential_of(plan, table, measured, baseline)
    repeats = suite.generate.repeats if suite.generate is not None and plan.variant is not None else 1
    if repeats > 1:
        measured = drawn(measured, repeats)
    whole = anytime_values(covered(values(measured, clusters, settings), measured, repeats), measured, early, settings)
    columns = {name: table.codes(name) for name in suite.slices if name in table.attributes}
    parts = [
        replace(part, metrics=covered(part.metrics, measured, repeats))
        for part in slices(measured, columns, clusters, settings)
    ]
    parts = anytime_slices(parts, table, measured, early, settings)
    evidence = Evidence(suite, table, {one.label: one for one in measured}, failed, settings, baseline, early)
    gates = judge_gates(suite, evidence)
    status, code = verdict(gates, whole)
    return Run(
        run_id=run_id,
        status=status,
        suite={"name": suite.name, "sha256": suite.sha256, "path": _shown(suite.path, suite.root)},
        dataset={
            "path": plan.data.path,
            "sha256": plan.data.sha256,
            "n": plan.data.n,
            **(plan.made or _lies(plan)),
            **({"variant": plan.side.name} if plan.side is not None else {}),
        },
        metrics=whole,
        slices=parts,
        gates=gates,
        git=git_state(suite.root),
        prompts=prompts(plan),
        usage=usage,
        baseline=baseline_id,
        main={spec.label: spec.main for spec in suite.metrics},
        uses={spec.label: described(spec.metric) for spec in suite.metrics},
        started_at=started_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        seconds=time.monotonic() - clock,
        folder=table.folder,
        exit_code=code,
    )


def settings_of(suite: Suite) -> Settings:
    """How the suite wants its intervals."""
    return Settings(suite.confidence, suite.resamples, suite.seed, suite.interval)


def differences(plan: Plan, table: Table, baseline: Baseline) -> dict[str, tuple[float, float, float]]:
    """Current minus baseline of every part that means the same in both runs: the difference and its bounds.

    None of a metric that was judged until its gates had decided: an interval of a fixed size does not hold there.
    """
    if baseline.table is None:
        return {}
    ours, theirs_all = np.ones(table.n, dtype=bool), np.ones(baseline.table.n, dtype=bool)
    found: dict[str, tuple[float, float, float]] = {}
    for spec in plan.suite.metrics:
        theirs = [baseline.run.metrics.get(name) for name in spec.full_names]
        if not any(value is not None and value.fingerprint == plan.fingerprint(spec) for value in theirs):
            continue
        if table.stopped_early(spec.label):
            continue
        tested = compare(spec.label, spec.metric, table, ours, baseline.table, theirs_all, settings_of(plan.suite))
        if tested is not None:
            bounds = zip(tested.interval.value.tolist(), tested.interval.low.tolist(), tested.interval.high.tolist())
            found |= dict(zip(spec.full_names, bounds))
    return found


def measured_of(plan: Plan, table: Table) -> list[Measured]:
    """Every metric's rows, with which records are errors and which were skipped."""
    texts = _texts(plan)
    return [
        Measured(
            spec.label,
            spec.metric,
            table.statistics(spec.label),
            table.noted(spec.label, "error"),
            table.noted(spec.label, "skipped"),
            plan.signature(spec.label),
            plan.fingerprint(spec),
            spec.metric.mode if isinstance(spec.metric, ModelMetric) else None,
            plan.about(spec),
            texts if isinstance(spec.metric, CorpusMetric) else None,
        )
        for spec in plan.suite.metrics
    ]


def drawn(measured: Sequence[Measured], repeats: int) -> list[Measured]:
    """The metrics and, behind each whose records pass or fail, pass^k and pass@k over the draws of each record."""
    found: list[Measured] = []
    for one in measured:
        found.append(one)
        of_draws = passes_of(MetricSpec(one.label, one.metric), repeats)
        if not of_draws:
            continue
        scores = one.metric.record_values(Rows(one.statistics.copy()))
        none = np.zeros(len(scores), dtype=bool)
        for passes in of_draws:
            rows = passes.over(scores[:, one.full_names.index(passes.of)], repeats)
            made_of = fingerprint(passes, backend=one.fingerprint)
            found.append(Measured(passes.label, passes, rows, none, none, passes.signature(DataFacts()), made_of))
    return found


def covered(found: dict[str, Value], measured: Sequence[Measured], repeats: int) -> dict[str, Value]:
    """Values with the coverage of those over whole records counted in records, not in draws."""
    of_records = {one.label for one in measured if isinstance(one.metric, Passes)}
    return {
        name: replace(value, coverage=value.coverage * repeats) if name in of_records else value
        for name, value in found.items()
    }


def verdict(gates: Sequence[GateResult], metrics: dict[str, Value]) -> tuple[Status, int]:
    """The status and exit code of a run, the first that applies: incomplete, failed, passed.

    Without an ``errors`` gate a run is incomplete only when some metric met nothing but errors.
    """
    on_errors = [gate for gate in gates if gate.metric == "errors"]
    if any(not gate.passed for gate in on_errors):
        return "incomplete", 3
    if not on_errors and any(value.n == 0 and value.errors for value in metrics.values()):
        return "incomplete", 3
    if any(not gate.passed for gate in gates):
        return "failed", 1
    return "passed", 0


def prompts(plan: Plan) -> dict[str, str]:
    """The prompt texts of every metric that asks a model, by ``label/name``."""
    generating = {f"generate/{plan.variant.prompt.name}": plan.variant.prompt.text} if plan.variant is not None else {}
    return generating | {
        f"{label}/{name}": text
        for label, metric in plan.metrics.items()
        if isinstance(metric, ModelMetric)
        for name, text in metric.prompts().items()
    }


def git_state(root: Path) -> dict[str, Any] | None:
    """The commit that the project is at, and whether its files differ from it; None outside a repository."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}


def _texts(plan: Plan) -> Batch | None:
    """The columns that corpus metrics need, of all records: only they hold the data set in memory."""
    wanted = {column for metric in plan.metrics.values() if isinstance(metric, CorpusMetric) for column in metric.needs_of()}
    if not wanted:
        return None
    columns: dict[str, list[Any]] = {name: [] for name in sorted(wanted)}
    for chunk in plan.data.chunks:
        batch = chunk.read()
        for name, collected in columns.items():
            collected.extend(batch.column(name))
    return Batch(columns)


def _lies(plan: Plan) -> dict[str, Any]:
    """Where the records lie and how they were read, so that another run can be compared with their outputs."""
    spec, root = plan.suite.dataset, plan.suite.root.resolve()
    files = [path.resolve() for path in plan.data.files]
    return {
        "files": [path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path) for path in files],
        "fields": dict(spec.fields),
        "limit": spec.limit,
        "shuffle": spec.shuffle,
    }


def _shown(path: Path | None, root: Path) -> str | None:
    if path is None:
        return None
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
