"""Checking a suite: every section is read, every problem noted, and only a faultless suite is built."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from evalkit.core.errors import nearest, quote
from evalkit.specs import dataset, metrics, variants
from evalkit.specs.capable import check_backends
from evalkit.specs.gates import read_gates
from evalkit.specs.generate import read_generate
from evalkit.specs.home import Home
from evalkit.specs.node import Node
from evalkit.specs.passes import with_passes
from evalkit.specs.suite import DatasetSpec, IntervalMethod, ReportKind, Suite
from evalkit.specs.tree import Tree

KEYS = (
    "name", "dataset", "variants", "control", "backends", "generate", "metrics", "slices", "gates", "report",
    "seed", "confidence", "resamples", "interval", "baseline", "store", "budget", "prices",
)  # fmt: skip
REPORTS: tuple[str, ...] = get_args(ReportKind)
INTERVALS: tuple[str, ...] = get_args(IntervalMethod)
PRICES = ("prompt", "completion", "cached")
_NAME = re.compile(r"\w[\w.-]{0,79}\Z")
# Words that other tools use for the same thing.
_OTHERS = {
    **dict.fromkeys(("data", "datasets", "tests", "records"), "dataset"),
    **dict.fromkeys(("metric", "scorers", "evaluators"), "metrics"),
    **dict.fromkeys(("gate", "assert", "asserts", "thresholds"), "gates"),
    **dict.fromkeys(("models", "providers", "backend"), "backends"),
    **dict.fromkeys(("slice", "groups"), "slices"),
    "reports": "report",
    "prompts": "generate",
    **dict.fromkeys(("variant", "systems", "arms"), "variants"),
}


def spread(tree: Tree) -> None:
    """Write the short forms of a suite in their long form, so that overrides and checks meet one form only."""
    metrics.spread(tree)
    dataset.spread(tree)
    variants.spread(Node(tree))


def check_suite(
    tree: Tree, home: Home, *, stem: str, path: Path | None, baseline: str | None, records_given: bool = False
) -> Suite | None:
    """The suite, without its sha256; None when the tree has noted a problem.

    Args:
        stem: the name of a suite that does not name itself.
        baseline: from the command line; goes before the suite's own.
        records_given: the records come from Python, so no ``dataset`` is needed.
    """
    top = Node(tree)
    if tree.value is None:
        top.fault("the suite is empty", "it needs at least `dataset` and `metrics`; `evalkit init` writes one")
        return None
    if not isinstance(tree.value, Mapping):
        top.wants("keys such as `dataset:` and `metrics:`", "`evalkit init` writes a suite to start from")
        return None
    _top_keys(top)
    backends = metrics.read_backends(top.get("backends"), home)
    data = _dataset(top, home, records_given)
    sides = variants.read_variants(top, data if top.get("dataset") is not None else None, home)
    if sides and records_given:
        top.child("variants").fault("variants have data of their own, and the records are given", "give them as files")
    scored = metrics.Metrics()
    if top.get("metrics") is None:
        top.fault("the suite lacks `metrics`", "add for instance `metrics: [exact_match, rouge]`")
    else:
        scored = metrics.read_metrics(top.child("metrics"), backends, home)
        entries = list(top.child("metrics").items()) if isinstance(top.child("metrics").value, list) else []
        check_backends(top, entries, scored.specs, {**backends, **scored.backends})
    generate = read_generate(top.get("generate"), backends, home)
    compared_with = baseline or _baseline(top.get("baseline"), home)
    drawn = metrics.Metrics(with_passes(scored.specs, generate.repeats), scored.broken) if generate is not None else scored
    gates = read_gates(top.get("gates"), drawn)
    slices = _slices(top.get("slices"), data)
    report = top.get("report")
    seed, confidence, resamples = top.get("seed"), top.get("confidence"), top.get("resamples")
    store, interval = top.get("store"), top.get("interval")
    told: dict[str, Any] = {
        "name": _name(top.get("name"), stem),
        "report": _report(report) if report is not None else ("json",),
        "seed": seed.whole(least=0) if seed is not None else 0,
        "confidence": confidence.share() if confidence is not None else 0.95,
        "resamples": resamples.whole(least=100, most=1_000_000) if resamples is not None else 1_000,
        "interval": interval.choice(INTERVALS) if interval is not None else "auto",
        "store": store.text("a folder or an address") if store is not None else None,
        "budget": read_budget(top.get("budget")),
        "prices": read_prices(top.get("prices")),
    }
    if tree.problems:
        return None
    return Suite(
        path=path,
        root=home.root,
        sha256="",
        dataset=sides[0].dataset if sides else data,
        variants=sides,
        metrics=tuple(scored.specs),
        backends={**backends, **scored.backends},
        slices=slices,
        gates=tuple(gates),
        baseline=compared_with,
        generate=generate,
        **told,
    )


def _top_keys(top: Node) -> None:
    for key in top.value:
        if key in KEYS:
            continue
        other = _OTHERS.get(key)
        if other is not None and other not in top.value:
            top.child(key).fault(f"the suite has no key {quote(key)}", f"did you mean {quote(other)}?")
        elif key in ("limit", "fields", "shuffle", "path"):
            top.child(key).fault(
                f"the suite has no key {quote(key)}", f"it belongs under `dataset:`, as `dataset: {{{key}: …}}`"
            )
        else:
            _unknown(top, key)


def _unknown(top: Node, key: str) -> None:
    close = nearest(key, KEYS)
    hint = f"did you mean {quote(close)}?" if close else f"it takes {', '.join(KEYS)}"
    top.child(key).fault(f"the suite has no key {quote(key)}", hint)


def _dataset(top: Node, home: Home, records_given: bool) -> DatasetSpec:
    node = top.get("dataset")
    if node is not None:
        return dataset.read_dataset(node, home) or DatasetSpec("")
    if not records_given and top.get("variants") is None:
        top.fault("the suite lacks `dataset`", "add `dataset: {path: data.jsonl}`")
    return DatasetSpec("")


def _name(node: Node | None, stem: str) -> str:
    if node is None:
        return plain_name(stem)
    name = node.text("a name")
    if name is not None and not _NAME.match(name):
        node.fault(
            f"name wants letters, digits, dots, _ and - (it becomes part of a folder's name), and found {quote(name)}",
            f"write `name: {plain_name(name)}`",
        )
    return name or ""


def plain_name(text: str) -> str:
    """Text as a suite's name may be: ``My suite!`` → ``My-suite``."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.")[:80] or "suite"


def _baseline(node: Node | None, home: Home) -> str | None:
    """A run's name as it is; a path to a results.json is found like every path of a suite."""
    if node is None:
        return None
    told = node.text("a run's id, latest:SUITE, or a path to a results.json")
    if told is not None and (told.endswith(".json") or "/" in told):
        path = home.find(node, told)
        return str(path) if path is not None else None
    return told


def _slices(node: Node | None, data: DatasetSpec) -> tuple[str, ...]:
    if node is None:
        return ()
    columns = node.texts("a list of columns") or []
    renamed = {own: column for column, own in data.fields.items()}
    for index, column in enumerate(columns):
        at = node.child(index) if isinstance(node.value, list) and len(node.value) == len(columns) else node
        if column in columns[:index]:
            at.fault(f"slices names {quote(column)} twice", "remove one")
        if column in renamed and column not in data.fields:
            at.fault(f"slices names {quote(column)}, which `fields` renames", f"write {quote(renamed[column])}")
    return tuple(columns)


def _report(node: Node) -> tuple[str, ...]:
    if isinstance(node.value, str):
        return (node.value,) if node.choice(REPORTS) else ()
    if not isinstance(node.value, list):
        node.wants(f"a list of {', '.join(REPORTS)}")
        return ()
    kinds = [item.choice(REPORTS) for item in node.items()]
    return tuple(dict.fromkeys(kind for kind in kinds if kind is not None))


def read_budget(node: Node | None) -> Mapping[str, float]:
    """What the calls of a run may cost at most, and how many there may be."""
    example = "a mapping such as {max_cost: 1.5, max_calls: 2000}"
    if node is None or not node.mapping(("max_cost", "max_calls"), example):
        return {}
    cost, calls = node.get("max_cost"), node.get("max_calls")
    told = {
        "max_cost": cost.number(least=0) if cost is not None else None,
        "max_calls": calls.whole(least=1) if calls is not None else None,
    }
    return {key: value for key, value in told.items() if value is not None}


def read_prices(node: Node | None) -> Mapping[str, Any]:
    """Per model, the price of a million tokens: of the prompt, of the completion, of a cached prompt."""
    example = "a mapping of models to prices, for instance {MODEL: {prompt: 0.15, completion: 0.6}}"
    if node is None or not node.mapping(expected=example):
        return {}
    prices: dict[str, Any] = {}
    for entry in node.items():
        if entry.mapping(PRICES, "a mapping such as {prompt: 0.15, completion: 0.6}"):
            known = [price for price in entry.items() if price.steps[-1] in PRICES]
            prices[str(entry.steps[-1])] = {str(price.steps[-1]): price.number(least=0) for price in known}
    return prices
