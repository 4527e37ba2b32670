"""What became of gates that may stop early, from the rows of the finished run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from evalkit.core.run import Slice, Value
from evalkit.runner.baseline import Baseline
from evalkit.runner.gate import selected
from evalkit.runner.plan import Plan
from evalkit.runner.sequential import Sequential, Trial, anytime, judged_of, labels_of, question_of
from evalkit.runner.sequential_order import Order
from evalkit.runner.values import Measured, Settings
from evalkit.specs.passes import Passes
from evalkit.store.calls import CALLS
from evalkit.store.table import Table


def sequential_of(plan: Plan, table: Table, measured: Sequence[Measured], baseline: Callable[[str], Baseline]) -> Sequential:
    """The sequential gates that could be decided record by record, fed with what was judged; a metric of which one could not
    was judged as any other, and is not among them."""
    suite = plan.suite
    wanted = labels_of(suite.gates, suite.metrics)
    if not wanted:
        return Sequential()
    found = Sequential(Order.of(table, suite.seed))
    rows = {one.label: one for one in measured}
    for spec in suite.metrics:
        masks = [(gate, selected(gate.where, table)) for gate in wanted.get(spec.label, ())]
        asked = [
            question_of(gate, spec, rows[spec.label].fingerprint, table, found.order, mask, baseline, suite.confidence)
            for gate, mask in masks
            if mask.any()
        ]
        questions = [question for question in asked if question is not None]
        if not questions or len(questions) < len(asked):
            continue
        judged = judged_of(found.order, table.notes(spec.label, "skipped"))
        found.judged[spec.label] = judged
        for question in questions:
            trial = Trial(question)
            trial.feed(rows[spec.label].statistics[found.order.places[:judged]])
            found.add(question.gate, spec.label, trial)
    if found.judged:
        found.calls = _calls_each(table.folder)
    return found


def anytime_values(
    values: dict[str, Value], measured: Sequence[Measured], early: Sequential, settings: Settings
) -> dict[str, Value]:
    """Values with intervals that hold wherever judging stopped, for the metrics that it could stop for."""
    for one in measured:
        judged = _judged(one, early)
        if judged is not None:
            values = anytime(values, one, early.order, judged, settings)
    return values


def anytime_slices(
    slices: Sequence[Slice], table: Table, measured: Sequence[Measured], early: Sequential, settings: Settings
) -> list[Slice]:
    """Likewise of slices."""
    if not early.judged:
        return list(slices)
    found = []
    for part in slices:
        ((name, wanted),) = part.by.items()
        codes, labels = table.codes(name)
        mask = np.asarray(codes == labels.index(wanted))
        metrics = part.metrics
        for one in measured:
            judged = _judged(one, early)
            if judged is not None:
                metrics = anytime(metrics, one, early.order, judged, settings, mask)
        found.append(Slice(part.by, part.n, metrics))
    return found


def _judged(one: Measured, early: Sequential) -> int | None:
    """How many records of the order a metric has, if judging it could stop early; pass^k has those of what it is made of."""
    label = one.metric.of if isinstance(one.metric, Passes) else one.label
    return next((judged for name, judged in early.judged.items() if label == name or label.startswith(f"{name}.")), None)


def _calls_each(folder: Path) -> dict[str, float]:
    """How many calls a record took, by the metric's label; of a metric that made none there is nothing."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if not (folder / CALLS).is_file():
        return {}
    calls = pq.read_table(folder / CALLS, columns=["metric", "id"])
    each = calls.group_by("metric").aggregate([([], "count_all"), ("id", "count_distinct")])
    shares = pc.divide(pc.cast(each["count_all"], "double"), pc.cast(each["id_count_distinct"], "double"))
    return dict(zip(each["metric"].to_pylist(), shares.to_pylist()))
