"""evalkit in Python: score texts, evaluate records, run a suite, assert that it passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evalkit.core.asking import Backend
from evalkit.core.batch import Batch
from evalkit.core.contracts import CorpusMetric, Measure, Metric, ModelMetric
from evalkit.core.errors import EvalkitError, SpecError, quote
from evalkit.core.rows import Rows
from evalkit.core.run import Run
from evalkit.core.workers import Workers

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.core.compared import Comparisons
    from evalkit.core.drift import Drift
    from evalkit.core.experiment import Experiment
    from evalkit.reports.matrix import Matrix
    from evalkit.runner.execute import Options, Outcome
    from evalkit.specs.suite import Suite

_PLURALS = {"inputs": "input"}


class Scores(dict[str, NDArray[np.float64]]):
    """Values per record by full name (``rouge.rougeL``); NaN where a record could not be scored.

    Attributes:
        corpus: the value of all records together, by full name.
        errors: record index → why it could not be scored.
        skipped: record index → why there was nothing to score.
        reasons: record index → what a judge said.
        rows: the sufficient statistics behind the values.
    """

    def __init__(self, label: str, metric: Measure, rows: Rows, batch: Batch) -> None:
        values = np.asarray(metric.record_values(rows), dtype=np.float64)
        values[~rows.scored()] = np.nan
        names = [f"{label}.{part}" if part else label for part in metric.parts]
        super().__init__({name: values[:, index] for index, name in enumerate(names)})
        self.errors, self.skipped, self.reasons, self.rows = rows.errors, rows.skipped, rows.reasons, rows
        self.corpus = dict(zip(names, _corpus(metric, rows, batch).tolist()))

    def to_pandas(self) -> pd.DataFrame:
        """A column per part, a row per record, and ``error``."""
        import pandas as pd

        n = len(self.rows)
        return pd.DataFrame({**self, "error": [self.errors.get(index) for index in range(n)]})


def score(
    metric: str | Measure,
    outputs: Sequence[str | None],
    references: Sequence[Any] | None = None,
    *,
    backend: Backend | None = None,
    backends: Mapping[str, Backend] | None = None,
    **given: Any,
) -> Scores:
    """One metric over texts; writes no files, keeps nothing.

    Args:
        metric: a name, or a metric that is already built.
        outputs: what is scored, one per record; None is an error for that record.
        references: a gold text per record, or a list of several.
        backend: of a metric that asks a model.
        backends: further ones, by the name that an option gives one (``embedder="encoder"``).
        given: further columns by their canonical name (``contexts=``, ``retrieved_ids=``, ``latency_ms=``, ``inputs=``) or by
            the name that an option gives one (``against={"column": "theirs"}, theirs=[…]``), and the metric's options
            (``tokenize="zh"``).

    Raises:
        UnknownName: no such metric.
        SpecError: an option or a column is wrong.
    """
    from evalkit.core.registry import build_name
    from evalkit.records.canonical import COLUMNS
    from evalkit.specs.options import option_fields

    columns: dict[str, Sequence[Any]] = {"output": list(outputs)}
    if references is not None:
        columns["reference"] = list(references)
    options, unknown = {}, {}
    fields = option_fields(build_name(metric)[0].load() if isinstance(metric, str) else type(metric))
    for name, value in given.items():
        column = _PLURALS.get(name, name)
        listed = isinstance(value, Sequence) and not isinstance(value, str)
        if listed and column in COLUMNS:
            columns[column] = list(value)
        elif listed and name not in fields:
            unknown[name] = list(value)
        else:
            options[name] = value
    built = build(metric, options)
    columns |= {name: value for name, value in unknown.items() if name in built.needs_of()}
    if not unknown.keys() <= columns.keys():
        built = build(metric, {**options, **unknown})  # which says what is wrong with them
    built = built.for_columns(columns)
    different = {name: len(values) for name, values in columns.items() if len(values) != len(columns["output"])}
    if different:
        told = ", ".join(f"{count:,} of {name}" for name, count in different.items())
        raise SpecError(f"{len(columns['output']):,} outputs, but {told}; every column needs one value per output")
    label = metric if isinstance(metric, str) else built.name or type(built).__name__
    batch = Batch(columns)
    lacking = [column for column in built.needs_of() if column not in columns]
    if lacking:
        others = " and ".join(f"{name}=…" for name in built.needs_instead())
        give = ", ".join(f"{name}=…" for name in lacking) + (f", or {others}" if others else "")
        raise SpecError(f"{label} needs {' and '.join(lacking)}; give {give}")
    return Scores(label, *_measured(label, built, batch, backend, backends or {}), batch)


def build(metric: str | Measure, options: Mapping[str, Any]) -> Measure:
    """A metric by name, with its options checked as a suite's are.

    Raises:
        SpecError: an option that it does not have, or of a wrong type.
    """
    if not isinstance(metric, str):
        if options:
            raise SpecError(f"{metric.name or metric} is built already; it takes no further options: {', '.join(options)}")
        return metric
    from evalkit.specs.single import metric_of

    return metric_of(metric, options)


def run(
    suite: str | Path,
    *,
    limit: int | None = None,
    baseline: str | None = None,
    out: str | Path | None = None,
    store: str | None = None,
    fresh: bool = False,
    retry_errors: bool = False,
    overrides: Mapping[str, Any] | None = None,
) -> Run:
    """Run a suite file as ``evalkit run`` does: stores the run, writes its reports, goes on with an interrupted one.

    Raises:
        SpecError: the suite or its data is wrong; nothing was scored.
    """
    from evalkit.runner.data import limited
    from evalkit.runner.execute import Options
    from evalkit.specs.load import load_suite

    loaded = limited(load_suite(suite, overrides=overrides or {}, baseline=baseline), limit)
    options = Options(baseline, store, Path(out) if out else None, fresh, retry_errors, command=f"evalkit run {suite}")
    (outcome,) = _executed(_single(loaded), options)
    return outcome.run


def matrix(
    suite: str | Path,
    *,
    limit: int | None = None,
    baseline: str | None = None,
    out: str | Path | None = None,
    store: str | None = None,
    fresh: bool = False,
    retry_errors: bool = False,
    overrides: Mapping[str, Any] | None = None,
) -> Matrix:
    """Run every variant of a suite, of its `variants:` or its `generate:`, as a run of its own, and put them side by side.

    ``.runs`` are the runs by variant, ``.to_json()`` is what ``evalkit run --json`` prints; matrix.json, .html and .md lie
    beside the first run's files, or in ``out``.

    Raises:
        SpecError: the suite has no variants, or is wrong; nothing was asked.
    """
    from evalkit.runner.data import limited
    from evalkit.runner.execute import Options
    from evalkit.runner.matrix import matrix_of, write_matrix
    from evalkit.specs.load import load_suite

    loaded = limited(load_suite(suite, overrides=overrides or {}, baseline=baseline), limit)
    if loaded.generate is None and not loaded.variants:
        raise SpecError(f"the suite {loaded.name} has no `variants:` or `generate:`, and so one only; evalkit.run runs it")
    options = Options(baseline, store, Path(out) if out else None, fresh, retry_errors, command=f"evalkit run {suite}")
    outcomes = _executed(loaded, options)
    found = matrix_of(outcomes)
    folder = options.out or outcomes[0].run.folder
    assert folder is not None
    write_matrix(found, folder)
    return found


def evaluate(
    records: Any,
    metrics: Sequence[Any],
    *,
    store: str | None = None,
    name: str = "python",
    **suite: Any,
) -> Run:
    """Score records given in Python: a DataFrame, or a list of mappings with the canonical columns.

    Args:
        metrics: names, ``{"bleu": {…}}`` as in a suite, or built metrics.
        store: where to keep the run; None keeps it for as long as the returned object lives.
        suite: any other key of a suite file: ``slices=``, ``gates=``, ``backends=``, ``seed=``, ``confidence=`` …

    Raises:
        SpecError: the records, the metrics or the options are wrong.
    """
    from evalkit.runner.data import open_data
    from evalkit.runner.direct import evaluate_directly
    from evalkit.runner.execute import Options
    from evalkit.runner.stores import spool_of
    from evalkit.specs.load import suite_of

    loaded = suite_of({"metrics": list(metrics), **suite}, name=name)
    if store is not None:
        (outcome,) = _executed(_single(loaded), Options(store=store), records)
        return outcome.run
    data = open_data(loaded, spool_of(loaded, store), records=records)
    with Workers() as workers:
        return evaluate_directly(_single(loaded), data, workers)


def compare(
    run_a: str | Path | Run,
    run_b: str | Path | Run,
    *others: str | Path | Run,
    margins: Mapping[str, float] | None = None,
    store: str | None = None,
    **settings: Any,
) -> Comparisons:
    """Runs against the first of them, record by record, as ``evalkit compare`` does.

    Args:
        run_a: the baseline: a `Run`, an id, ``latest:SUITE`` or a path to a results.json; ``run_b`` and ``others`` likewise.
        margins: metric → the largest difference that does not matter, in its own unit.
        settings: ``confidence``, ``resamples``, ``seed``, ``test``, ``adjust``, ``metrics``, ``slices``, ``changed``, as the
            command's options.

    Returns:
        ``compare(a, b)["rouge.rougeL"].verdict``; ``.comparisons``, ``.to_json()``, ``.to_pandas()``.

    Raises:
        SpecError: a run that cannot be found, or a metric, margin or slice that the runs do not have.
    """
    from evalkit.comparison.compare import compare_runs
    from evalkit.comparison.settings import Settings
    from evalkit.comparison.sides import sides
    from evalkit.core.content import project_root
    from evalkit.runner.stores import catalog_at

    chosen = Settings(margins=dict(margins or {}), **{name: _tupled(value) for name, value in settings.items()})
    root = project_root(Path.cwd())
    named = [str(run) if isinstance(run, Path) else run for run in (run_a, run_b, *others)]
    catalog = catalog_at(store, root) if any(isinstance(run, str) for run in named) else None
    return compare_runs(sides(named, catalog, root), chosen, root)


def ab(
    source: Any,
    *,
    variant: str,
    control: str,
    metrics: Sequence[str],
    **options: Any,
) -> Experiment:
    """An online experiment over a log, as ``evalkit ab`` does it.

    Args:
        source: a path or pattern of Parquet, JSONL or CSV files, a data frame, or a list of mappings.
        variant: the column that says who got what; ``control`` is its value that the others are compared with.
        metrics: ``clicked:proportion``, ``latency_ms:p95``, ``clicks/views:ratio``, ``timestamp:retention@7`` …
        options: ``unit``, ``cuped``, ``guardrails``, ``margins``, ``lower``, ``treatments``, ``by``, ``split``,
            ``sequential``, ``planned``, ``ignore_srm``, ``confidence``, ``adjust``, ``memory``, ``threads``, as the command's
            options; those that may be repeated are lists.

    Returns:
        ``ab(…)["clicked:proportion"].treatments["short"].verdict``; ``.srm``, ``.units``, ``.to_json()``.

    Raises:
        SpecError: the log, a column or an option is wrong.
    """
    from evalkit.experiment.analyse import Design, analyse

    unknown = options.keys() - {each.name for each in fields(Design)}
    if unknown:
        raise SpecError(f"ab has no option {quote(min(unknown))}; it has {', '.join(each.name for each in fields(Design))}")
    return analyse(source, Design(variant, control, tuple(metrics), **options))


def drift(
    current: Any,
    reference: Any,
    config: str | Path | Mapping[str, Any] | None = None,
    *,
    memory: str | None = None,
    threads: int | None = None,
) -> Drift:
    """Logs against a reference, signal by signal, as ``evalkit drift`` compares them.

    Args:
        current: a path, pattern or folder of Parquet, JSONL or CSV files, ``sql:QUERY``, a data frame, or a list of mappings.
        reference: the same, a profile that was saved (``.profile``), or a suite, whose inputs are compared and nothing else.
        config: the keys of the command's ``--config``, or the path of such a file: ``{"slices": ["model"]}``.

    Returns:
        ``drift(now, then)["output.length"].drifted``; ``.drifted``, ``.findings``, ``.off``, ``.to_json()``.

    Raises:
        SpecError: logs that cannot be read or have no rows, or a configuration that is wrong.
    """
    from evalkit.monitor.drifting import drift as compared
    from evalkit.specs.drift import drift_of, load_drift

    spec = drift_of(config) if isinstance(config, Mapping) else load_drift(Path(config) if config is not None else None)
    named = [str(side) if isinstance(side, Path) else side for side in (current, reference)]
    return compared(named[0], named[1], spec, memory=memory, threads=threads)


def assert_passes(suite: str | Path, **options: Any) -> Run:
    """Run a suite inside a test; options are those of `run`.

    Raises:
        AssertionError: a gate failed or was inconclusive, or too many records failed; the message says which and why.
    """
    finished = run(suite, **options)
    if finished.exit_code:
        raise AssertionError(verdict(finished))
    return finished


def verdict(finished: Run) -> str:
    """What kept a run from passing, a line a gate."""
    lines = [f"{finished.suite['name']} {finished.status}"]
    lines += [f"  {gate.outcome}: {gate.title}: {gate.reason}" for gate in finished.gates if not gate.passed]
    lines += [
        f"  {name}: all {value.errors:,} records are errors"
        for name, value in finished.metrics.items()
        if value.errors and not value.n
    ]
    if finished.folder is not None:
        lines.append(f"  see {finished.folder}")
    return "\n".join(lines)


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _single(suite: Suite) -> Suite:
    """A suite of which there is one run; of several variants, what to do."""
    if suite.of:
        hint = "evalkit.matrix runs them all" + ("; one prompt and one backend make one" if suite.generate else "")
        raise SpecError(f"the suite {suite.name} has {len(suite.of)} variants ({', '.join(suite.of)}); {hint}")
    return suite


def _executed(suite: Suite, options: Options, records: Any = None) -> list[Outcome]:
    """The stored runs of a suite: one, or of a suite with variants one of each."""
    from evalkit.runner.data import open_data
    from evalkit.runner.data_variants import execute_data_variants, open_variants
    from evalkit.runner.execute import execute
    from evalkit.runner.generate_runs import execute_variants
    from evalkit.runner.report import report_outcome
    from evalkit.runner.stores import spool_of

    with Workers() as workers:
        spool = spool_of(suite, options.store)
        if suite.variants:
            sides = open_variants(suite, spool, workers)
            return execute_data_variants(suite, sides, options, report_outcome, workers=workers)
        data = open_data(suite, spool, records=records, workers=workers)
        if suite.generate is not None:
            return execute_variants(suite, data, options, report_outcome, workers=workers)
        return [execute(suite, data, options, report_outcome, workers=workers)]


def _measured(
    label: str, metric: Measure, batch: Batch, backend: Backend | None, backends: Mapping[str, Backend]
) -> tuple[Measure, Rows]:
    """The metric as it measured (a judge's mode is settled by then), and its rows."""
    from evalkit.runner.measure import guarded

    if isinstance(metric, Metric):
        return metric, guarded(metric, batch)
    if not isinstance(metric, ModelMetric):
        raise EvalkitError(f"{label} is neither a Metric nor a ModelMetric")
    if backend is None and metric.wants_of():
        raise SpecError(f"{label} asks a model; give backend=…")
    unknown = [name for name in metric.others() if name not in backends]
    if unknown:
        hint = f"backends={{{unknown[0]!r}: …}}" + (f"; given: {', '.join(backends)}" if backends else "")
        raise SpecError(f"{label} asks the backend {unknown[0]} too; give {hint}")
    from evalkit.backends.account import Account
    from evalkit.runner.ask import guarded as asked
    from evalkit.runner.models import Models

    with Models({**backends, **({} if backend is None else {"given": backend})}, Account()) as models:
        tools = models.tools(label, None if backend is None else "given")

        async def ask() -> tuple[Measure, Rows]:
            settled = await metric.prepared(tools)
            if settled.learns_of():
                settled = await settled.learned([batch], tools)
            return settled, await asked(settled, batch, tools)

        return models.run(ask())


def _corpus(metric: Measure, rows: Rows, batch: Batch) -> NDArray[np.float64]:
    scored = np.flatnonzero(rows.scored())
    if not len(scored):
        return np.full(len(metric.parts), np.nan)
    if isinstance(metric, CorpusMetric):
        return metric.corpus(batch.take(scored))
    values = rows.values[scored]
    if metric.additive:
        return metric.combine(values.sum(axis=0))
    found: NDArray[np.float64] = metric.combine_rows(values, np.ones((1, len(values))))[0]
    return found
