"""A run from a validated suite to its results, and back to where an interrupted one stopped."""

from __future__ import annotations

import asyncio
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.backends.pipeline import Account
from evalkit.core.contracts import Backend, CorpusMetric
from evalkit.core.errors import Problem, Resumable, SpecError, StoreError
from evalkit.core.registry import find
from evalkit.core.run import Run
from evalkit.core.workers import Workers
from evalkit.records.dataset import Chunk, DataSet
from evalkit.runner.ask import ask_all, part_paths
from evalkit.runner.baseline import Baseline, NoBaseline, baselines
from evalkit.runner.checkpoint import open_run
from evalkit.runner.engine_local import measured
from evalkit.runner.finish import differences, finished
from evalkit.runner.measure import Job
from evalkit.runner.plan import Plan
from evalkit.runner.stores import open_catalog
from evalkit.runner.watch import Progress, Quiet, Watch
from evalkit.specs.suite import BackendSpec, Suite
from evalkit.store.catalog import Catalog
from evalkit.store.merge import merging
from evalkit.store.parts import columns_of
from evalkit.store.split import split
from evalkit.store.table import Table


@dataclass(frozen=True)
class Options:
    """What the command line adds to a suite."""

    baseline: str | None = None
    store: str | None = None
    out: Path | None = None
    fresh: bool = False
    retry_errors: bool = False
    command: str = ""  # how to go on after an interruption


@dataclass
class Outcome:
    """A finished run with what reports need beside it."""

    run: Run
    plan: Plan
    table: Table
    catalog: Catalog
    baseline: Run | None = None
    differences: dict[str, tuple[float, float, float]] = field(default_factory=dict)  # current minus baseline, low, high
    resumed: int = 0  # records that were measured before


def execute(
    suite: Suite,
    data: DataSet,
    options: Options,
    report: Callable[[Outcome], object],
    watch: Watch | None = None,
    workers: Workers | None = None,
) -> Outcome:
    """Measure what is not measured yet, judge the gates, write the results and the reports.

    Args:
        workers: processes to share the work with; None works here.
        report: writes what the suite asks for into the run's folder; called before the run counts as finished.

    Raises:
        SpecError: a baseline or a backend is wrong; nothing was scored.
        Resumable: interrupted; the same command goes on.
        StoreError: something could not be written; what was finished is kept.
    """
    clock = time.monotonic()
    watch = watch or Quiet()
    plan = Plan(suite, data, {name: make_backend(spec) for name, spec in suite.backends.items()})
    prepare(plan)
    catalog = open_catalog(suite, options.store)
    baseline = baselines(suite, options.baseline, catalog, options.out)
    earlier = catalog.finished(plan=plan.sha256) if options.retry_errors else []
    if options.retry_errors and not earlier:
        raise SpecError(Problem(suite.name, "--retry-errors: no finished run of this suite over this data", "run it without"))
    folder = open_run(catalog, suite=suite.name, plan=plan.sha256, out=options.out, fresh=options.fresh or bool(earlier))
    try:
        account = Account()
        progress = Progress(watch, data.n)
        try:
            table = measure_into(plan, folder.path, earlier[0].folder if earlier else None, account, progress, workers)
        except KeyboardInterrupt:
            raise Resumable(folder.run_id, progress.done, data.n, options.command) from None
        watch.stop()
        default = options.baseline or suite.baseline
        named = _try(baseline, "baseline") if default else None
        run = finished(
            plan,
            table,
            folder.run_id,
            folder.started_at,
            account.usage(),
            baseline,
            named.run.run_id if named else None,
            clock,
        )
        outcome = Outcome(run, plan, table, catalog, named.run if named else None, resumed=progress.before)
        if named is not None:
            outcome.differences = differences(plan, table, named)
        report(outcome)
        summary = {
            "exit_code": run.exit_code,
            "metrics": {name: value.mean for name, value in run.metrics.items() if value.mean == value.mean},
        }
        commit = run.git["commit"] if run.git else None
        catalog.finish(run.run_id, status=run.status, n=data.n, git_commit=commit, summary=summary)
        folder.drop_parts()
    except StoreError as error:
        error.incomplete = True
        folder.sweep()
        raise
    finally:
        watch.stop()
        folder.close()
    return outcome


def prepare(plan: Plan) -> None:
    """Have metrics that need something from outside fetch it, before anything is scored.

    Raises:
        EvalkitError: it cannot be had.
    """
    for metric in plan.metrics.values():
        if isinstance(metric, CorpusMetric):
            metric.prepare()


def make_backend(spec: BackendSpec) -> Backend:
    """A backend from its options; an ``…_env`` key gives its option the value of that environment variable.

    Raises:
        SpecError: the variable is not set, or the options do not fit.
    """
    options: dict[str, Any] = {}
    for key, value in spec.options.items():
        if not key.endswith("_env"):
            options[key] = value
        elif value in os.environ:
            options[key.removesuffix("_env")] = os.environ[value]
        else:
            raise SpecError(Problem(f"backends.{spec.name}", f"{key}: the environment variable {value} is not set"))
    try:
        backend: Backend = find("backend", spec.kind)(**options)
    except (TypeError, ValueError) as error:
        raise SpecError(Problem(f"backends.{spec.name}", str(error))) from error
    return backend


def measure_into(
    plan: Plan, folder: Path, earlier: Path | None, account: Account, progress: Progress, workers: Workers | None = None
) -> Table:
    """Fill the parts that are not there yet, and merge them into rows.parquet and scores.parquet.

    CPU metrics come first; their parts are merged while later ones are being measured, unless a model is to be asked.

    Args:
        earlier: a finished run of an equal plan, of which only the errors are measured again.
    """
    chunks = plan.data.chunks
    parts, previous = folder / "parts", None
    if earlier is not None:
        previous = folder / "previous"
        spans = [range(chunk.start, chunk.start + chunk.n) for chunk in chunks]
        split(earlier, previous, plan.metrics, spans)
    job = Job(plan.cpu, plan.keep, parts, previous)
    left = {chunk.index: chunk for chunk in chunks if _open(job, chunk)}
    progress.start("scoring", sum(chunk.n for chunk in chunks if job.path(chunk).exists()))
    with merging(folder, plan.data.n, plan.metrics, plan.keep) as merger:
        following = iter(chunks)
        ready: Chunk | None = next(following, None)

        def merge_ready() -> None:
            nonlocal ready
            while ready is not None and ready.index not in left:
                merger.add([job.path(ready), *_asked(plan, parts, ready)])
                ready = next(following, None)

        for chunk in measured(job, list(left.values()), workers or Workers(1)):
            del left[chunk.index]
            progress.advance(chunk.n)
            if not plan.asking:
                merge_ready()
        if plan.asking:
            _ask(plan, parts, previous, account, progress)
        merge_ready()
    return merger.table()


def _ask(plan: Plan, parts: Path, previous: Path | None, account: Account, progress: Progress) -> None:
    """Measure what asks a model, but for what was answered already."""
    left = [chunk for chunk in plan.data.chunks if not all(path.exists() for path in _asked(plan, parts, chunk))]
    progress.start("asking", plan.data.n - sum(chunk.n for chunk in left))
    backend_of = {
        spec.label: plan.backends[spec.backend] for spec in plan.suite.metrics if spec.label in plan.asking and spec.backend
    }
    asyncio.run(ask_all(plan.asking, backend_of, left, parts, previous, account, progress.advance))


def _asked(plan: Plan, parts: Path, chunk: Chunk) -> list[Path]:
    """Where the judged rows of a chunk lie, of all metrics."""
    return [path for label in plan.asking for path in part_paths(parts, chunk, label)]


def _open(job: Job, chunk: Chunk) -> bool:
    """Whether a chunk is still to be measured, or lacks a column that gates ask for now."""
    path = job.path(chunk)
    if not path.exists():
        return True
    return not {f"@{name}" for name in job.keep} <= columns_of(path)


def _try(baseline: Callable[[str], Baseline], name: str) -> Baseline | None:
    try:
        return baseline(name)
    except NoBaseline as error:
        warnings.warn(f"compared with nothing: {error}", stacklevel=2)
        return None
