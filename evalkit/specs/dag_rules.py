"""The nodes of a DAG judge that a metric decides: rules, which compare its value, and leaves, which end in it."""

from __future__ import annotations

from dataclasses import replace

from evalkit.core.content import Document
from evalkit.core.contracts import CorpusMetric, Measure
from evalkit.core.errors import MissingExtra, UnknownName, quote
from evalkit.core.registry import entries, find
from evalkit.specs.dag import Leaf, Rule, Scale
from evalkit.specs.dag_leads import Targets, read_onto, read_scale
from evalkit.specs.dag_nodes import BINARY
from evalkit.specs.home import Home
from evalkit.specs.node import Node, suggest
from evalkit.specs.options import build, option_fields

KEYS = ("type", "use", "of", "min", "max", "scale", "onto", "then")
TYPES = ("metric", "regex", "json_schema", "geval")  # the others are metrics that are a type by their own name


def read_measuring(node: Node, kind: str, targets: Targets, home: Home) -> Rule | Leaf | None:
    """A node of one of `TYPES`, or None after noting what is wrong with it."""
    own = tuple(key for key in KEYS if kind == "metric" or key != "use")
    at = node.get("use") if kind == "metric" else node.child("type")
    leads = targets.verdicts(node, BINARY) if node.get("then") is not None else None
    if at is None:
        node.fault(f"{node.label} lacks `use`", "name a metric; `evalkit list metrics` shows them")
        return None
    use = at.text("a metric's name")
    cls, called, part = _class(at, use) if use is not None else (None, "", None)
    if cls is None or use is None:
        return None
    takes = option_fields(cls)
    for key in node.value:
        if key == "backend":
            node.child(key).fault(f"{node.label} has no key backend", "its nodes ask the judge's own, which the suite names")
        elif key not in (*own, *takes):
            node.child(key).fault(f"{node.label} has no key {quote(key)}", suggest(key, [*own, *takes]))
    options = {key: value for key, value in node.value.items() if key in takes and key not in own}
    metric = build(node, cls, options, called=called, read=lambda place, name: _document(place, name, home))
    if metric is None:
        return None
    assert isinstance(metric, Measure)
    if part is not None and part not in metric.parts:
        at.fault(f"{called} has no part {quote(part)}", suggest(part, [one for one in metric.parts if one]))
        return None
    index = metric.parts.index(part if part is not None else metric.main)
    name, of = str(node.steps[-1]), _of(node.get("of"), targets)
    if leads is None:
        onto = read_onto(node, targets)
        return _leaf(Leaf(name, use, metric, index, of, Scale(0.0, 1.0), onto, index), node, whole=part is None)
    bounds = _bounds(node, use, metric, index)
    return Rule(name, use, metric, index, of, *bounds, leads) if leads and bounds is not None else None


def _class(at: Node, use: str) -> tuple[type | None, str, str | None]:
    """The metric's class, its name, and the part that is meant."""
    name, part = use, None
    try:
        try:
            cls = find("metric", use)
        except UnknownName:
            name, dot, part = use.rpartition(".")
            if not dot:
                raise
            cls = find("metric", name)
    except UnknownName:
        known = [entry.name for entry in entries("metric")]
        at.fault(f"{at.label} names no metric {quote(use)}", suggest(use, known, "evalkit list metrics"))
    except (MissingExtra, ImportError) as error:
        at.fault(f"{at.label}: {error}")
    else:
        if name == "dag":
            at.fault(f"{at.label}: a judge cannot hold another dag", "write its nodes here")
        elif issubclass(cls, CorpusMetric):
            at.fault(f"{at.label}: {name} has no value of a single record, so it can decide nothing about one")
        else:
            return cls, name, part
    return None, name, None


def _leaf(leaf: Leaf, node: Node, *, whole: bool) -> Leaf | None:
    """A leaf with its scale: the metric's ``normalized`` part where it has one, else the one given, else 0 to 1."""
    for key in ("min", "max"):
        if node.get(key) is not None:
            hint = "add `then: {yes: …, no: …}`, or write `scale: {min: …, max: …}` of its values"
            node.child(key).fault(f"{node.label} has a bound, and nothing that follows from it", hint)
            return None
    given = node.get("scale")
    if given is not None:
        scale = read_scale(given, "{min: 0, max: 1}")
        return replace(leaf, scale=scale) if scale is not None else None
    if whole and "normalized" in leaf.metric.parts:
        return replace(leaf, part=leaf.metric.parts.index("normalized"))
    return leaf


def _bounds(node: Node, use: str, metric: Measure, index: int) -> tuple[float, float] | None:
    for key in ("scale", "onto"):
        if (at := node.get(key)) is not None:
            at.fault(f"{node.label} has verdicts and `{key}`", f"`{key}` is for a leaf, which has no `then`")
    low, high = node.get("min"), node.get("max")
    if low is None and high is None:
        if metric.interval_of(metric.parts[index]) == "wilson":  # each record's value is 0 or 1
            return 1.0, 1.0
        node.fault(f"{node.label} lacks `min` or `max`", f"say which values of {use} are a yes")
        return None
    least = low.number() if low is not None else -float("inf")
    most = high.number() if high is not None else float("inf")
    if least is None or most is None:
        return None
    if least > most:
        node.fault(f"{node.label}: no value is at least {least:g} and at most {most:g}")
        return None
    return least, most


def _of(node: Node | None, targets: Targets) -> str | None:
    name = node.text("a column, or a task") if node is not None else None
    if node is not None and name is not None and targets.kinds.get(name, "task") not in ("task", None):
        node.fault(f"{node.label} names {quote(name)}, which is no task: it has no text to measure")
    return name


def _document(at: Node, name: str, home: Home) -> Document | None:
    """A file that a node names; a rubric is found in rubrics/ by its name alone."""
    if at.steps[-1] == "rubric":
        spellings = (name, f"{name}.yaml", f"rubrics/{name}", f"rubrics/{name}.yaml")
        name = next((one for one in spellings if home.exists(one)), name)
    return home.document(at, name)
