"""``judge_sample`` of a monitor: metrics on some rows of every window, each entry read as a suite's is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.core.contracts import CorpusMetric, Measure, ModelMetric
from evalkit.core.errors import quote
from evalkit.specs.capable import check_backends
from evalkit.specs.home import Home
from evalkit.specs.metrics import read_metric, spread_entry
from evalkit.specs.node import Node
from evalkit.specs.suite import BackendSpec, MetricSpec
from evalkit.specs.validate import read_budget

KEYS = ("metric", "n", "budget", "reference_windows")
ALL = "all"
ROWS, WINDOWS = 200, 48  # of a window, and windows of the reference, unless the file says otherwise


@dataclass(frozen=True)
class JudgeSample:
    """A metric on some rows of every window.

    Attributes:
        n: rows of a window, those with the least keys; None: all.
        budget: of one window: ``max_cost``, ``max_calls``.
        windows: of the reference that are scored, at most.
    """

    metric: MetricSpec
    n: int | None = ROWS
    budget: Mapping[str, float] = field(default_factory=dict)
    windows: int = WINDOWS

    @property
    def asks(self) -> bool:
        """Whether a model is asked."""
        return isinstance(self.metric.metric, ModelMetric) and bool(self.metric.metric.wants_of())


@dataclass(frozen=True)
class Judged:
    """What came of ``judge_sample``; ``backends`` are the declared ones and those that entries brought with ``model:``."""

    samples: tuple[JudgeSample, ...] = ()
    backends: Mapping[str, BackendSpec] = field(default_factory=dict)


def read_judged(top: Node, backends: Mapping[str, BackendSpec], prices: Mapping[str, Any], home: Home) -> Judged:
    """Every entry of ``judge_sample``, a mapping or a list of mappings; problems are noted in the tree."""
    node = top.get("judge_sample")
    if node is None:
        return Judged((), backends)
    brought: dict[str, BackendSpec] = {}
    samples: list[JudgeSample] = []
    entries: list[Node] = []
    for one in node.items() if isinstance(node.value, list) else [node]:
        found = _sample(one, backends, brought, prices, home)
        if found is None:
            continue
        if any(found.metric.label == other.metric.label for other in samples):
            label = found.metric.label
            one.fault(
                f"{one.label}: two metrics are called {quote(label)}", f"tell them apart, for instance with as: {label}_2"
            )
        samples.append(found)
        entries.append(one.child("metric"))
    check_backends(top, entries, [sample.metric for sample in samples], {**backends, **brought})
    return Judged(tuple(samples), {**backends, **brought})


def _sample(
    node: Node, backends: Mapping[str, BackendSpec], brought: dict[str, BackendSpec], prices: Mapping[str, Any], home: Home
) -> JudgeSample | None:
    if not node.mapping(KEYS, "a mapping such as {metric: rouge, n: 200}"):
        return None
    metric, n, windows = node.get("metric"), node.get("n"), node.get("reference_windows")
    rows = ROWS if n is None else None if n.value == ALL else n.whole(10, 100_000) or ROWS
    budget = read_budget(node.get("budget"))
    taken = (windows.whole(3, 10_000) if windows else None) or WINDOWS
    if metric is None:
        node.fault(f"{node.label} lacks `metric`", "write it as a suite does: {use: geval, rubric: …, backend: judge}")
        return None
    spread_entry(metric)
    _, spec = read_metric(metric, backends, home, brought)
    if spec is None or _unfit(metric, spec.metric):
        return None
    found = JudgeSample(spec, rows, budget, taken)
    if n is not None and rows is None and found.asks:
        n.fault(f"{n.label}: {spec.label} asks a model about every row", "write how many rows of a window, for instance 200")
    if "max_cost" in budget:
        _priced(node.child("budget"), found, {**backends, **brought}, prices)
    return found


def _unfit(node: Node, metric: Measure) -> bool:
    """Whether a metric cannot be watched from window to window, after saying why."""
    label = node.label
    if isinstance(metric, CorpusMetric):
        node.fault(f"{label}: {metric.name} has no value of a single record", "a monitor takes the mean of such values")
    elif isinstance(metric, ModelMetric) and metric.outputs_of() is not None:
        node.fault(f"{label}: {metric.name} compares with another run, and a window of logs is none", "name a column instead")
    elif isinstance(metric, ModelMetric) and metric.learns_of():
        node.fault(f"{label}: with these options, {metric.name} depends on all records of a set", "windows would not compare")
    else:
        return False
    return True


def _priced(node: Node, sample: JudgeSample, backends: Mapping[str, BackendSpec], prices: Mapping[str, Any]) -> None:
    metric = sample.metric.metric
    names = {sample.metric.backend, *(metric.others() if isinstance(metric, ModelMetric) else ())}
    for spec in (backends[name] for name in sorted(filter(None, names)) if name in backends):
        model = str(spec.options.get("model", ""))
        if spec.kind == "openai" and model not in prices:
            example = f"add `prices: {{{model}: {{prompt: 0.15, completion: 0.6}}}}`, for a million tokens each"
            node.fault(f"{node.label}: the price of {model} is not known: nothing would count", example)
