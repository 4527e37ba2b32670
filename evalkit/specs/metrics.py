"""The ``metrics:`` and ``backends:`` of a suite: names looked up, options checked, objects built."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.core.content import PathEscape, locate
from evalkit.core.contracts import Measure, ModelMetric
from evalkit.core.errors import UnknownName, quote
from evalkit.core.registry import entries, lookup
from evalkit.specs.home import Home
from evalkit.specs.node import Node, suggest
from evalkit.specs.options import build, check, option_fields
from evalkit.specs.registered import environment_name, listed, registered
from evalkit.specs.suite import BackendSpec, MetricSpec
from evalkit.specs.tree import Tree

OWN_KEYS = ("use", "as", "backend")
MODEL = "model"  # of a metric that asks a model: short for a backend of its own that loads this one here
TAKEN = ("errors", "id")  # the share of failed records; a column of scores.parquet
_LABEL = re.compile(r"[\w][\w:/@+-]*\Z")


@dataclass
class Metrics:
    """What came of ``metrics:``.

    Attributes:
        broken: labels of entries that could not be built.
        backends: those that entries brought with ``model:``; entries that name the same model share one.
    """

    specs: list[MetricSpec] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    backends: dict[str, BackendSpec] = field(default_factory=dict)


def spread(tree: Tree) -> None:
    """Write every entry of ``metrics:`` in its long form, ``{use: …, options}``, as far as it can be understood."""
    told = tree.value.get("metrics") if isinstance(tree.value, Mapping) else None
    for index in range(len(told)) if isinstance(told, list) else ():
        spread_entry(Node(tree, ("metrics", index)))


def spread_entry(node: Node) -> None:
    """Write one entry in its long form, wherever it stands."""
    tree, steps, entry = node.tree, node.steps, node.value
    long: dict[str, Any]
    if isinstance(entry, str):
        long = {"use": entry}
    elif isinstance(entry, Mapping) and len(entry) == 1 and "use" not in entry:
        (name, options), *_ = entry.items()
        if name in OWN_KEYS or not (options is None or (isinstance(options, Mapping) and "use" not in options)):
            return
        tree.places[(*steps, "use")] = tree.place((*steps, name))
        tree.move((*steps, name), steps)
        long = {"use": name, **(options or {})}
    else:
        return
    Node(tree, steps[:-1]).value[steps[-1]] = long


def read_backends(node: Node | None, home: Home) -> dict[str, BackendSpec]:
    """The declared backends, each with the options that its class takes."""
    backends: dict[str, BackendSpec] = {}
    if node is None or not node.mapping(expected="a mapping of names to backends"):
        return backends
    for entry in node.items():
        name = str(entry.steps[-1])
        backends[name] = read_backend(entry, name, home) or BackendSpec(name, "", line=entry.line)  # known by name all the same
    return backends


def read_backend(entry: Node, name: str, home: Home) -> BackendSpec | None:
    """One backend, with the options that its class takes; None after saying what is wrong."""
    if not entry.mapping(expected="a mapping such as {kind: openai, model: NAME}"):
        return None
    kind_node = entry.get("kind")
    if kind_node is None:
        entry.fault(f"{entry.label} lacks `kind`", f"one of {listed('backend')}")
        return None
    kind = kind_node.text()
    cls = registered(kind_node, "backend", kind) if kind else None
    for key in entry.value:
        if key.endswith("_env") and entry.get(key) is not None:
            environment_name(entry.child(key))
    if cls is None:
        return None
    options = {key: value for key, value in entry.value.items() if key != "kind"}
    fields = option_fields(cls)
    if fields:
        own = {key: value for key, value in options.items() if not (key.endswith("_env") and key[:-4] in fields)}
        checked = check(entry, cls, own, called=f"the backend {kind}", read=home.document, find=home.place)
        if checked is None:
            return None
        options = {**options, **checked}
    if getattr(cls, "local", False) and "model" in options:
        options["model"] = _local(options["model"], home)
    return BackendSpec(name, str(kind), options, entry.line)


def read_metrics(node: Node, backends: Mapping[str, BackendSpec], home: Home) -> Metrics:
    """Every entry built; labels are unique, and a metric that asks a model knows which one."""
    result = Metrics()
    if not isinstance(node.value, list):
        node.wants("a list of metrics", "write `metrics: [rouge, exact_match]`")
        return result
    if not node.value:
        node.fault("metrics is empty", "name at least one; `evalkit list metrics` shows them")
    first: dict[str, Node] = {}
    for entry in node.items():
        if isinstance(entry.value, Measure):  # given in Python, built already
            label: str | None = entry.value.name
            spec: MetricSpec | None = _built(entry, entry.value, backends)
        else:
            label, spec = read_metric(entry, backends, home, result.backends)
        if label is not None and label in first:
            other = first[label]
            at = f"line {other.line} has it already" if other.line else f"{other.label} has it already"
            entry.fault(
                f'{entry.label}: two metrics are called "{label}" ({at})',
                f"tell them apart with `as:`, for instance `as: {label}_2`",
            )
        elif label is not None:
            first[label] = entry
            if spec is None:
                result.broken.add(label)
        if spec is not None:
            result.specs.append(spec)
    return result


def _built(node: Node, metric: Measure, backends: Mapping[str, BackendSpec]) -> MetricSpec | None:
    """A metric that was given in Python; one that asks a model takes the only backend there is."""
    if not isinstance(metric, ModelMetric) or not metric.asks:
        return MetricSpec(metric.name, metric)
    if len(backends) == 1:
        return MetricSpec(metric.name, metric, next(iter(backends)))
    there = f"there are {len(backends)} backends" if backends else "there is no backend"
    hint = f"write {{use: {metric.name}, backend: …}} instead" if backends else "add `backends: {judge: {kind: …}}`"
    node.fault(f"{node.label}: {metric.name} asks a model, and {there}", hint)
    return None


def read_metric(
    node: Node, backends: Mapping[str, BackendSpec], home: Home, brought: dict[str, BackendSpec]
) -> tuple[str | None, MetricSpec | None]:
    """One entry in its long form: its label, and the metric, or None where it could not be built.

    Args:
        brought: takes the backend that the entry loads with ``model:``.
    """
    told = node.value
    if not isinstance(told, Mapping):
        node.wants("a metric's name, or a mapping such as {use: bleu, tokenize: 13a}")
        return None, None
    if "use" not in told:
        _without_use(node)
        return None, None
    use = node.child("use")
    name = use.text("a metric's name")
    if name is None:
        return None, None
    label = _label(node, name)
    try:
        preset = dict(lookup("metric", name).preset)
    except UnknownName:
        preset = {}
    cls = registered(use, "metric", name, at=node)
    if cls is None:
        return label, None
    for key, value in preset.items():
        preset[key] = _local(value, home) if key == "module" else value
    own = own_keys(cls)
    options = {key: value for key, value in told.items() if key not in own}
    metric = build(node, cls, options, called=name, read=home.document, preset=preset)
    if MODEL in own and node.get(MODEL) is not None:
        backend = _brought(node, name, metric or cls, home, brought)
        fine = backend is not None
    else:
        fine, backend = _backend(node, name, metric or cls, backends)
    if metric is None or not fine:
        return label, None
    return label, MetricSpec(label or name, metric, backend, node.line)


def own_keys(cls: type) -> tuple[str, ...]:
    """The keys of an entry that are no options of its metric."""
    return (*OWN_KEYS, MODEL) if getattr(cls, "may_ask", False) and MODEL not in option_fields(cls) else OWN_KEYS


def _without_use(node: Node) -> None:
    """An entry that is a mapping and yet names no metric: usually an indentation."""
    keys = list(node.value)
    known = [entry.name for entry in entries("metric")]
    name = next((key for key in keys if key in known), None)
    if name is not None and isinstance(node.value[name], str | int | float | bool | list):
        node.child(name).fault(f"{node.label}: the options of {name} are a mapping", f"write `{name}: {{option: value}}`")
    elif name is not None and node.value[name] is None:
        node.fault(f"{node.label} has the options of {name} beside its name", f"indent them further, or write `use: {name}`")
    elif len(keys) == 1 and keys[0] not in OWN_KEYS:
        node.child(keys[0]).fault(
            f"{node.label} names no metric {quote(keys[0])}", suggest(keys[0], known, "evalkit list metrics")
        )
    else:
        node.fault(f"{node.label} does not say which metric", "add `use: NAME`; `evalkit list metrics` shows the names")


def _label(node: Node, name: str) -> str | None:
    """What gates and results call this metric."""
    chosen = node.get("as")
    if chosen is None:
        return name
    label = chosen.text()
    if label is None:
        return None
    if label in TAKEN:
        chosen.fault(f'{chosen.label}: the name "{label}" is taken by evalkit itself', "choose another")
    elif not _LABEL.match(label):
        plain = re.sub(r"[^\w:/@+-]+", "_", label).strip("_") or "name"
        chosen.fault(
            f"{chosen.label} wants a name of letters, digits, _ and -, and found {quote(label)}",
            f"write `as: {plain}`",
        )
    else:
        return label
    return None


def _backend(node: Node, name: str, metric: Measure | type, backends: Mapping[str, BackendSpec]) -> tuple[bool, str | None]:
    """Whether the choice of a backend is right, and its name; a metric that asks no model has none.

    Args:
        metric: its class, where its options are wrong.
    """
    chosen = node.get("backend")
    cls = metric if isinstance(metric, type) else type(metric)
    unsure = isinstance(metric, type) and getattr(cls, "may_ask", False)  # its options are wrong, and would tell
    if not (unsure or issubclass(cls, ModelMetric)) or (isinstance(metric, ModelMetric) and not metric.asks):
        if chosen is not None:
            _asks_none(chosen, name, metric)
        return chosen is None, None
    for other in metric.others() if isinstance(metric, ModelMetric) else ():
        if other not in backends:
            hint = suggest(other, backends) if backends else f"add `backends: {{{other}: {{kind: …}}}}`"
            node.fault(f"{node.label} names no backend {quote(other)} of this suite", hint)
            return False, None
    if chosen is not None:
        told = chosen.text("the name of a backend")
        if told is None or told in backends:
            return told is not None, told
        hint = suggest(told, backends) if backends else f"add `backends: {{{told}: {{kind: …}}}}`"
        chosen.fault(f"{node.label} names no backend {quote(told)} of this suite", hint)
    elif len(backends) == 1:
        return True, next(iter(backends))
    elif isinstance(metric, ModelMetric) and metric.others():
        return True, metric.others()[0]
    elif backends:
        hint = f"add `backend:`, one of {', '.join(backends)}"
        node.fault(f"{node.label}: {name} asks a model, and the suite declares several", hint)
    else:
        node.fault(f"{node.label}: {name} asks a model, and the suite declares none", "add `backends: {judge: {kind: …}}`")
    return False, None


def _asks_none(chosen: Node, name: str, metric: Measure | type) -> None:
    with_these = " with these options" if getattr(metric, "may_ask", False) else ""
    chosen.fault(f"{chosen.label}: {name} asks no model{with_these}", f"remove `{chosen.steps[-1]}`")


def _brought(node: Node, name: str, metric: Measure | type, home: Home, brought: dict[str, BackendSpec]) -> str | None:
    """The name of the backend that ``model:`` is short for, which is added to ``brought``; None after saying what is wrong."""
    chosen = node.child(MODEL)
    told = chosen.text("the path of a model, or its name on the hub")
    if isinstance(metric, Measure) and not (isinstance(metric, ModelMetric) and metric.asks):
        _asks_none(chosen, name, metric)
        return None
    if node.get("backend") is not None:
        chosen.fault(f"{node.label} has both `backend` and `model`", "`model: NAME` loads a model of its own; remove one")
        return None
    cls = registered(chosen, "backend", "transformers", at=node) if told is not None else None
    if cls is None:
        return None
    options = {"model": _local(told, home)}
    checked = check(node, cls, options, called="the backend transformers", read=home.document, find=home.place)
    if checked is None:
        return None
    named = f"model: {told}"
    brought.setdefault(named, BackendSpec(named, "transformers", checked, chosen.line))
    return named


def _local(module: Any, home: Home) -> Any:
    """A module given as a path of this project, made absolute; a name of the hub stays as it is."""
    if isinstance(module, str) and ("/" in module or module.endswith(".py")):
        try:
            path = locate(module, beside=home.beside, root=home.root)
        except (PathEscape, OSError, ValueError):
            path = None
        return str(Path(path).resolve()) if path is not None else module
    return module
