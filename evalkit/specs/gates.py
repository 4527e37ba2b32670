"""The ``gates:`` of a suite: each names one value and one rule that it must meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from evalkit.core.builtins import RESERVED
from evalkit.core.contracts import CorpusMetric, ModelMetric
from evalkit.core.errors import nearest, quote
from evalkit.core.registry import entries
from evalkit.specs.metrics import Metrics
from evalkit.specs.node import Node, found, spelled, suggest
from evalkit.specs.passes import Passes
from evalkit.specs.suite import GateRule, GateSpec, MetricSpec

KEYS = (
    "metric",
    "min",
    "max",
    "no_worse_than",
    "margin",
    "confidence",
    "where",
    "threshold",
    "every",
    "on_inconclusive",
    "sequential",
)
RULES = ("min", "max", "no_worse_than", "every")
INCONCLUSIVE: tuple[Literal["fail", "pass"], ...] = ("fail", "pass")
_EXAMPLE = "for instance {metric: rouge.rougeL, min: 0.25}"


def read_gates(node: Node | None, metrics: Metrics) -> list[GateSpec]:
    """Every gate whose metric, rule and bounds make sense; ``min`` and ``max`` in one gate are a band, and give two."""
    if node is None:
        return []
    if not isinstance(node.value, list):
        node.wants("a list of gates", _EXAMPLE)
        return []
    read = [(entry, _read_gate(entry, metrics)) for entry in node.items()]
    _agree(read, metrics)
    return [gate for _, gates in read for gate in gates]


def _read_gate(node: Node, metrics: Metrics) -> list[GateSpec]:
    if not node.mapping(KEYS, f"a gate, {_EXAMPLE}"):
        return []
    before = len(node.tree.problems)
    name, spec = _metric(node, metrics)
    told = node.value
    every = node.get("every")
    each = bool(every.flag()) if every is not None else False
    rules: list[GateRule] = [rule for rule in get_args(GateRule) if told.get(rule) is not None and (rule != "every" or each)]
    if not rules:
        hint = (
            "add `every: true`, or the share that must pass, `min: 0.9`"
            if "threshold" in told
            else "add one of min, max, no_worse_than, every"
        )
        unknown = [key for key in told if key not in KEYS and nearest(key, RULES)]
        if not unknown and not any(rule in told and told[rule] is not None and rule != "every" for rule in RULES):
            node.fault(f"{node.label} has no rule", hint)
    elif len(rules) > 1 and rules != ["min", "max"]:
        node.fault(f"{node.label} has several rules: {' and '.join(rules)}", "write one gate for each")
    bounds: dict[str, float | None] = {rule: node.child(rule).number() for rule in rules if rule in ("min", "max")}
    low, high = bounds.get("min"), bounds.get("max")
    if low is not None and high is not None and low > high:
        node.fault(f"{node.label}: min {spelled(low)} is more than max {spelled(high)}", "exchange them?")
    threshold = _threshold(node, rules)
    shared = spec is not None and name is not None and _is_share(name, spec)
    if threshold is not None:
        what: str | None = "the share of records that pass"
    else:
        what = "the share of errors" if name == "errors" else name if shared else None
    for rule, bound in bounds.items():
        if bound is not None and what is not None:
            _possible(node.child(rule), node.label, rule, bound, what)
    if threshold is not None and shared:
        _possible(node.child("threshold"), node.label, "threshold", threshold, f"a record's {name}")
    if spec is not None and name is not None:
        _fits(node, name, spec, rules, threshold)
    against = _baseline(node) if "no_worse_than" in rules else None
    margin = _margin(node, rules)
    confidence = node.get("confidence")
    level = confidence.share() if confidence is not None else None
    where = _where(node)
    undecided = node.get("on_inconclusive")
    choice = undecided.choice(INCONCLUSIVE) if undecided is not None else "fail"
    early = node.get("sequential")
    sequential = bool(early.flag()) if early is not None else False
    if early is not None and sequential:
        _may_stop(early, node.label, name, spec, rules, threshold)
    if name == "errors" and rules and not set(rules) <= {"min", "max"}:
        node.fault(
            f"{node.label}: errors is a plain share of records, and takes only min or max",
            "write {metric: errors, max: 0.01}",
        )
    if name is None or len(node.tree.problems) > before:
        return []
    return [
        GateSpec(
            metric=name,
            rule=rule,
            bound=bounds.get(rule),
            baseline=against,
            margin=margin or 0.0,
            confidence=level,
            where=where,
            threshold=threshold,
            every=rule == "every",
            on_inconclusive="pass" if choice == "pass" else "fail",
            sequential=sequential,
            line=node.line,
        )
        for rule in rules
    ]


def _metric(node: Node, metrics: Metrics) -> tuple[str | None, MetricSpec | None]:
    """The full name of the value that a gate is about, and the metric that gives it; neither after a problem."""
    at = node.get("metric")
    if at is None:
        node.fault(f"{node.label} lacks `metric`", _EXAMPLE)
        return None, None
    name = at.text("a metric's name")
    if name is None or name == "errors":
        return name, None
    for spec in metrics.specs:
        if name == spec.label:
            return spec.main, spec
        if name in spec.full_names:
            return name, spec
    if any(name == label or name.startswith(f"{label}.") for label in metrics.broken):
        return None, None  # that metric has a problem of its own, which is told already
    for spec in metrics.specs:
        if name.startswith(f"{spec.label}."):
            parts = [full for full in spec.full_names if full != spec.label]
            part = name[len(spec.label) + 1 :]
            if not parts:
                at.fault(f"{node.label}: {spec.label} has no parts, and {quote(part)} is none", f"write {quote(spec.label)}")
            else:
                at.fault(f"{node.label}: {spec.label} has no part {quote(part)}", suggest(name, parts))
            return None, None
    names = [full for spec in metrics.specs for full in dict.fromkeys((spec.label, *spec.full_names))] + sorted(metrics.broken)
    use = name.partition(".")[0]
    if use in [entry.name for entry in entries("metric")] or use in RESERVED["metric"]:
        at.fault(f"{node.label}: the suite does not score {quote(use)}", "add it under `metrics:`")
    else:
        by_part = {full.partition(".")[2]: full for full in reversed(names) if "." in full}
        same_part = by_part.get(name) or by_part.get(name.partition(".")[2])
        hint = f"did you mean {quote(same_part)}?" if same_part else suggest(name, [*names, "errors"], listed=False)
        hint = hint or f"it scores {', '.join(names)}"
        at.fault(f"{node.label} names no metric {quote(name)} of this suite", hint)
    return None, None


def _threshold(node: Node, rules: Sequence[str]) -> float | None:
    at = node.get("threshold")
    if at is None:
        if "every" in rules:
            node.fault(
                f"{node.label} asks that every record passes, and has no `threshold`",
                "add the value from which a record passes, `threshold: 1`",
            )
        return None
    if "no_worse_than" in rules:
        at.fault(f"{node.label}: threshold goes with min, max or every, not with no_worse_than", "remove it")
    return at.number()


def _baseline(node: Node) -> str | None:
    """The run's name; ``baseline`` may be named by nobody yet: the first run of a suite has nothing to compare with."""
    return node.child("no_worse_than").text("`baseline` or a run's name")


def _margin(node: Node, rules: Sequence[str]) -> float | None:
    at = node.get("margin")
    if at is None:
        return None
    if rules and "no_worse_than" not in rules:
        at.fault(f"{node.label}: margin goes with no_worse_than", "remove it")
    return at.number(least=0)


def _where(node: Node) -> dict[str, Any]:
    """Columns and the value, or the values, that a record must have there."""
    at = node.get("where")
    if at is None or not at.mapping(expected="a mapping of columns to values, for instance {tag: must-pass}"):
        return {}
    for entry in at.items():
        values = entry.value if isinstance(entry.value, list) else [entry.value]
        if not values:
            entry.fault(f"{entry.label} is empty", "name at least one value")
        for value in values:
            if isinstance(value, (Mapping, list)):
                entry.fault(f"{entry.label} wants a value or a list of values, and found {found(value)}")
    if not at.value:
        at.fault(f"{at.label} is empty", "name a column and its value")
    return dict(at.value)


def _part(name: str, spec: MetricSpec) -> str:
    return spec.metric.parts[spec.full_names.index(name)]


def _is_share(name: str, spec: MetricSpec) -> bool:
    """Whether each record gives 0 or 1, so that the value lies between."""
    return spec.metric.interval_of(_part(name, spec)) == "wilson"


def _possible(node: Node, name: str, rule: str, bound: float, what: str) -> None:
    """Note a bound that no share can meet, or none can miss."""
    if not 0 <= bound <= 1:
        lies = f"{what} lies between 0 and 1, so {rule} {spelled(bound)} makes no sense"
        node.fault(f"{name}: {lies}", _percent(bound))


def _fits(node: Node, name: str, spec: MetricSpec, rules: Sequence[str], threshold: float | None) -> None:
    """Note a rule that this metric cannot be held to."""
    if "no_worse_than" in rules and spec.metric.direction(_part(name, spec)) is None:
        node.fault(f"{node.label}: neither more nor less of {name} is better, so it cannot be worse", "use min or max")
    if isinstance(spec.metric, CorpusMetric) and ("every" in rules or threshold is not None):
        node.fault(f"{node.label}: {name} has no value for single records", "use min or max, without threshold")


def _may_stop(
    at: Node, gate: str, name: str | None, spec: MetricSpec | None, rules: Sequence[str], threshold: float | None
) -> None:
    """Note a gate that says `sequential`, and needs every record or spends nothing on one."""
    if name == "errors":
        at.fault(f"{gate}: the share of errors is about the records that were judged; nothing stops early for it", "remove it")
    elif "every" in rules:
        at.fault(f"{gate}: `every` looks at each record; it cannot stop early", "write min with a threshold, a share of them")
    if name is None or spec is None:
        return
    if not isinstance(spec.metric, ModelMetric) or not spec.metric.asks:
        at.fault(f"{gate}: {spec.label} asks no model, so there are no calls to save", "remove `sequential`")
    elif threshold is None and spec.metric.range_of(_part(name, spec)) is None:
        means = [one for one in spec.full_names if spec.metric.range_of(_part(one, spec)) is not None]
        hint = f"it may stand on {', '.join(means)}" if means else "remove it, or give a threshold: a share is a mean"
        at.fault(f"{gate}: sequential needs a mean of records; {name} is none", hint)


def _agree(read: Sequence[tuple[Node, Sequence[GateSpec]]], metrics: Metrics) -> None:
    """Note a gate that needs every record of a metric that another gate stops early."""
    label_of = {name: spec.label for spec in metrics.specs for name in spec.full_names}
    draws = {spec.label: spec.metric.of for spec in metrics.specs if isinstance(spec.metric, Passes)}
    label_of |= {label: label_of[of] for label, of in draws.items() if of in label_of}  # pass^k is made of another's records
    early = {label_of.get(gate.metric): entry.label for entry, gates in read for gate in gates if gate.sequential}
    for entry, gates in read:
        label = label_of.get(gates[0].metric) if gates and not gates[0].sequential else None
        if label is not None and label in early:
            entry.fault(
                f"{entry.label} needs every record of {label}, and {early[label]} stops early",
                f"add `sequential: true` here too, or score {label} a second time under another name: {{use: …, as: …}}",
            )


def _percent(value: float) -> str | None:
    return f"did you mean {value / 100:g}?" if 1 < value <= 100 else None
