"""A run from a validated suite to its results, and back to where an interrupted one stopped."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from evalkit.backends.nobody import NOBODY
from evalkit.core.contracts import CorpusMetric, ModelMetric
from evalkit.core.errors import BackendRefused, BudgetSpent, Problem, Resumable, SpecError, StoreError
from evalkit.core.run import Run
from evalkit.core.workers import Workers
from evalkit.records.dataset import Chunk, DataSet
from evalkit.runner.ask import Asking, calls_path, part_paths
from evalkit.runner.baseline import Baseline, baselines
from evalkit.runner.checkpoint import RunFolder, open_run
from evalkit.runner.corrected import with_corrections
from evalkit.runner.engine_local import measured
from evalkit.runner.finish import differences, finished
from evalkit.runner.measure import Job
from evalkit.runner.models import Models, account_of, make_backends
from evalkit.runner.opponent import outputs_named, pinned
from evalkit.runner.plan import Plan
from evalkit.runner.report import fetching
from evalkit.runner.sequential_ask import earlies, whole_path
from evalkit.runner.stores import home_of, open_catalog
from evalkit.runner.watch import Progress, Quiet, Watch
from evalkit.specs.suite import Suite
from evalkit.store.calls import merge_calls, record
from evalkit.store.catalog import Catalog
from evalkit.store.merge import merging
from evalkit.store.parts import columns_of
from evalkit.store.runs import NoBaseline
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
    read_cache: bool = True
    record: Path | None = None  # where the replies go that `replay` answers from
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
    with models_of(suite, options) as models:
        begun = begin(planned(suite, data, models, options.store), options, models, clock)
        try:
            outcome = complete(begun, options, models, report, watch, workers)
            if options.record is not None:
                record(begun.folder.path, options.record)
            conclude(begun, outcome)
        except StoreError as error:
            error.incomplete = True
            begun.folder.sweep()
            raise
        finally:
            watch.stop()
            begun.folder.close()
    return outcome


@dataclass
class Begun:
    """A run under way: its plan, its locked folder, what it is compared with, the run whose errors it measures again."""

    plan: Plan
    folder: RunFolder
    catalog: Catalog
    baseline: Callable[[str], Baseline]
    earlier: Path | None
    clock: float


def models_of(suite: Suite, options: Options) -> Models:
    """The models of a run that is stored."""
    home = home_of(options.store or suite.store, suite.root)
    return Models(make_backends(suite), account_of(suite), cache=home, read_cache=options.read_cache)


def begin(plan: Plan, options: Options, models: Models, clock: float) -> Begun:
    """Open the run of a plan: the newest that was interrupted, or a new one.

    Raises:
        SpecError: a baseline is wrong, or there is no run whose errors could be measured again.
        StoreError: its folder cannot be used.
    """
    suite = plan.suite
    catalog = open_catalog(suite, options.store)
    baseline = baselines(suite, options.baseline, catalog, options.out)
    earlier = catalog.finished(plan=plan.sha256) if options.retry_errors else []
    if options.retry_errors and not earlier:
        what = "--retry-errors: no finished run of this suite over this data"
        raise SpecError(Problem(suite.name, what, "run it without"))
    folder = open_run(catalog, suite=suite.name, plan=plan.sha256, out=options.out, fresh=options.fresh or bool(earlier))
    models.account.resume(folder.path / "parts")
    return Begun(plan, folder, catalog, baseline, earlier[0].folder if earlier else None, clock)


@contextmanager
def telling(begun: Begun, progress: Progress, options: Options) -> Iterator[None]:
    """Whatever ends a run early says how far it came and how it goes on."""
    folder, total = begun.folder, progress.n
    try:
        yield
    except KeyboardInterrupt:
        raise Resumable(folder.run_id, progress.done, total, options.command) from None
    except BudgetSpent as error:
        raise error.after(progress.done, total) from None
    except BackendRefused as error:
        measured_some = begun.plan.cpu and begun.plan.variant is None
        if not (folder.resumed or measured_some or any(folder.path.glob("parts/*.*.arrow"))):
            folder.drop()
            begun.catalog.remove(folder.run_id)
        raise error.after(progress.done, total) from None


def complete(
    begun: Begun,
    options: Options,
    models: Models,
    report: Callable[[Outcome], object],
    watch: Watch,
    workers: Workers | None = None,
    calls: Sequence[Path] = (),
) -> Outcome:
    """Measure what is not measured yet, judge the gates, write the reports.

    Args:
        calls: of the run's model calls, those that were made before anything was measured.
    """
    plan, folder = begun.plan, begun.folder
    progress = Progress(watch, plan.data.n)
    with telling(begun, progress, options):
        table = measure_into(plan, folder.path, begun.earlier, models, progress, workers, calls, begun.baseline)
    watch.stop()
    default = options.baseline or plan.suite.baseline
    named = _try(begun.baseline, "baseline") if default else None
    run = finished(
        plan,
        table,
        folder.run_id,
        folder.started_at,
        models.account.usage(),
        begun.baseline,
        named.run.run_id if named else None,
        begun.clock,
    )
    run = with_corrections(run, table, begun.catalog.home, fetching(plan.data), plan.suite.confidence)
    outcome = Outcome(run, plan, table, begun.catalog, named.run if named else None, resumed=progress.before)
    if named is not None:
        outcome.differences = differences(plan, table, named)
    report(outcome)
    return outcome


def conclude(begun: Begun, outcome: Outcome) -> None:
    """Enter the run as finished, and remove what it no longer needs."""
    run = outcome.run
    summary = {
        "exit_code": run.exit_code,
        "metrics": {name: value.mean for name, value in run.metrics.items() if value.mean == value.mean},
    }
    if begun.plan.called is not None:
        summary["variant"] = begun.plan.called
    commit = run.git["commit"] if run.git else None
    begun.catalog.finish(run.run_id, status=run.status, n=begun.plan.data.n, git_commit=commit, summary=summary)
    begun.folder.drop_parts()


def planned(suite: Suite, data: DataSet, models: Models, store: str | None = None) -> Plan:
    """The plan of a suite, once its metrics have what they need from outside, and nothing about them is open any more.

    Raises:
        EvalkitError: something cannot be had.
    """
    specs = []
    outputs = outputs_named(suite, store)
    for spec in (pinned(spec, outputs) for spec in suite.metrics):
        metric = spec.metric.for_columns(data.filled)
        if isinstance(metric, CorpusMetric):
            metric.prepare()
        elif isinstance(metric, ModelMetric):
            metric = models.run(metric.prepared(models.tools(spec.label, spec.backend)))
        specs.append(replace(spec, metric=metric))
    return Plan(replace(suite, metrics=tuple(specs)), data, models.backends, outputs=outputs)


def measure_into(
    plan: Plan,
    folder: Path,
    earlier: Path | None,
    models: Models,
    progress: Progress,
    workers: Workers | None = None,
    calls: Sequence[Path] = (),
    baseline: Callable[[str], Baseline] | None = None,
) -> Table:
    """Fill the parts that are not there yet, and merge them into rows.parquet and scores.parquet.

    CPU metrics come first; their parts are merged while later ones are being measured, unless a model is to be asked.

    Args:
        earlier: a finished run of an equal plan, of which only the errors are measured again.
        calls: made before, which stand first among the run's.
        baseline: the runs that gates compare with, for those that may stop early.
    """
    chunks = plan.data.chunks
    parts, previous = folder / "parts", None
    if earlier is not None:
        previous = folder / "previous"
        spans = [range(chunk.start, chunk.start + chunk.n) for chunk in chunks]
        split(earlier, previous, plan.metrics, spans)
    job = Job(plan.cpu, plan.keep, parts, previous)
    left = {chunk.index: chunk for chunk in chunks if _open(job, chunk)}
    if plan.cpu or not plan.asking:
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
            if plan.cpu:
                progress.advance(chunk.n)
            if not plan.asking:
                merge_ready()
        if plan.asking:
            backend_of = {spec.label: spec.backend or NOBODY for spec in plan.suite.metrics if spec.label in plan.asking}
            early = earlies(plan, parts, previous, baseline)
            asking = Asking(plan.asking, backend_of, chunks, parts, previous, models, progress, plan.outputs, early)
            models.run(asking.all())
            in_order = [one.path(number) for one in early.values() for number in range(one.last)]
            asked = [path for chunk in chunks for path in _asked(plan, parts, chunk)]
            calls = [*calls, *(calls_path(path) for path in (*asked, *in_order))]
        merge_calls(folder, [path for path in calls if path.exists()])
        merge_ready()
    return merger.table()


def _asked(plan: Plan, parts: Path, chunk: Chunk) -> list[Path]:
    """Where the judged rows of a chunk lie, of all metrics."""
    found: list[Path] = []
    for label in plan.asking:
        whole = whole_path(parts, chunk, label)  # of a metric that was judged in random order
        found += [whole] if whole.exists() else part_paths(parts, chunk, label)
    return found


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
