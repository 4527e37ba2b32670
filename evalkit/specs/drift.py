"""The configuration of a drift comparison: which signals, held against what, over which slices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.core.contracts import CorpusMetric, Metric
from evalkit.core.errors import Problem, SpecError
from evalkit.records.canonical import COLUMNS
from evalkit.specs.embedded import read_embed
from evalkit.specs.home import Home
from evalkit.specs.metrics import read_metrics, spread_entry
from evalkit.specs.node import Node
from evalkit.specs.suite import BackendSpec, MetricSpec
from evalkit.specs.tree import MAX_BYTES, Tree, decode, read_tree

KEYS = ("level", "seed", "signals", "slices", "off", "fields", "rows", "fewest", "examples", "metrics", "embed", "embed_rows")
_SIGNAL_KEYS = ("statistic", "threshold")


@dataclass(frozen=True)
class SignalSpec:
    """What is asked of one signal; empty and NaN: its own default. ``line`` is for messages."""

    statistic: str = ""
    threshold: float = math.nan
    line: int = 0


@dataclass(frozen=True)
class DriftSpec:
    """How two sets of logs are compared.

    Attributes:
        level: of the false discovery rate.
        signals: by name or pattern (``output.*``): overrides. A name with a dot in front of no known signal is a problem.
        slices: columns whose values are looked at one by one.
        off: names or patterns of signals that are not wanted.
        fields: canonical column → the log's own.
        rows: of the sample that slow signals are measured on.
        fewest: values on either side below which a signal says nothing.
        examples: whether a saved profile keeps example texts.
        metrics: whose scores of the sampled rows are compared too.
        embed: what gives sampled texts vectors, where the log has none.
        embed_rows: how many rows of either side, or in a monitor of a window on average; 0: as many as the tests can use.
    """

    level: float = 0.05
    seed: int = 0
    signals: Mapping[str, SignalSpec] = field(default_factory=dict)
    slices: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    rows: int = 2_000
    fewest: int = 30
    examples: bool = False
    source: str = ""
    metrics: tuple[MetricSpec, ...] = ()
    embed: BackendSpec | None = None
    embed_rows: int = 0


def load_drift(path: Path | None) -> DriftSpec:
    """The configuration in a file; None: all defaults.

    Raises:
        SpecError: every problem at once, with file and line.
    """
    if path is None:
        return DriftSpec()
    tree = read_file(path, "drift configuration")
    found = read_drift(Node(tree), str(path), Home.of(path, Path.cwd()))
    tree.raise_problems()
    return found


def drift_of(told: Mapping[str, object]) -> DriftSpec:
    """A configuration made in Python.

    Raises:
        SpecError: every problem at once; a place is the name of a key.
    """
    tree = Tree(dict(told), "")
    found = read_drift(Node(tree), home=Home.of(None, Path.cwd()))
    tree.raise_problems()
    return found


def read_file(path: Path, what: str) -> Tree:
    """A YAML file as a tree.

    Raises:
        SpecError: it cannot be read, or is no YAML.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SpecError(Problem(str(path), f"the {what} cannot be read ({error.strerror})")) from None
    tree = read_tree(decode(data, str(path), size), str(path))
    tree.called = f"the {what}"
    return tree


def read_drift(node: Node, source: str = "", home: Home | None = None) -> DriftSpec:
    """Checked; problems are noted in the tree, and what is wrong keeps its default.

    Args:
        home: where the files of metrics are looked up; without one, there are no metrics.
    """
    plain = DriftSpec(source=source)
    if not node.mapping(KEYS):
        return plain
    level, seed, rows, fewest = node.get("level"), node.get("seed"), node.get("rows"), node.get("fewest")
    slices, off, examples, embedded = (node.get(key) for key in ("slices", "off", "examples", "embed_rows"))
    return DriftSpec(
        level=(level.share() if level else None) or plain.level,
        seed=(seed.whole(0) if seed else None) or plain.seed,
        signals=_signals(node.get("signals")),
        slices=tuple(slices.texts("a list of columns") or ()) if slices else (),
        off=tuple(off.texts("a list of signals") or ()) if off else (),
        fields=read_fields(node.get("fields")),
        rows=(rows.whole(100, 100_000) if rows else None) or plain.rows,
        fewest=(fewest.whole(2) if fewest else None) or plain.fewest,
        examples=bool(examples.flag()) if examples else False,
        source=source,
        metrics=_metrics(node.get("metrics"), home),
        embed=read_embed(node.get("embed"), home) if home else None,  # a monitor may name its own
        embed_rows=(embedded.whole(30, 100_000) if embedded else None) or plain.embed_rows,
    )


def read_fields(node: Node | None) -> dict[str, str]:
    """``fields:``, canonical name → the log's own column."""
    if node is None or not node.mapping(tuple(COLUMNS)):
        return {}
    return {key: told for key in node.value if (told := node.child(key).text("the name of a column")) is not None}


def _signals(node: Node | None) -> dict[str, SignalSpec]:
    if node is None or not node.mapping():
        return {}
    found: dict[str, SignalSpec] = {}
    for name in node.value:
        one = node.child(name)
        if not one.mapping(_SIGNAL_KEYS):
            continue
        statistic, threshold = one.get("statistic"), one.get("threshold")
        least = threshold.number(0.0) if threshold else None
        found[str(name)] = SignalSpec(
            (statistic.text() if statistic else None) or "", math.nan if least is None else least, one.line
        )
    return found


def _metrics(node: Node | None, home: Home | None) -> tuple[MetricSpec, ...]:
    """Metrics that need no model; a sample of a thousand rows is no place to ask one."""
    if node is None:
        return ()
    if home is None:
        node.fault(f"{node.label}: a monitor has its metrics elsewhere", "write judge_sample: [{metric: …}]")
        return ()
    if isinstance(node.value, list):
        for entry in node.items():
            spread_entry(entry)
    found: list[MetricSpec] = []
    for spec in read_metrics(node, {}, home).specs:
        if isinstance(spec.metric, CorpusMetric):
            node.fault(f"{node.label}: {spec.label} has no value of a single record", "rows are what is compared")
        elif not isinstance(spec.metric, Metric):
            node.fault(f"{node.label}: {spec.label} asks a model", "a monitor's judge_sample does, to a budget")
        else:
            found.append(spec)
    return tuple(found)
