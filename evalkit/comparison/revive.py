"""The metrics of a stored run, built again from its results.json; or read from the scores of single records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.core.contracts import CorpusMetric, Measure
from evalkit.core.errors import EvalkitError
from evalkit.core.registry import build_name
from evalkit.core.rows import Floats
from evalkit.core.run import Run
from evalkit.specs.node import Node
from evalkit.specs.options import build, holds_document, option_types
from evalkit.specs.tree import Tree
from evalkit.stats.sums import column_sums
from evalkit.store.table import Table

_CLOSE = 1e-6  # relative: a value that its rows give again


@dataclass(frozen=True)
class Means(Measure):
    """A metric known by its records' scores alone, whose values are their plain means; rows are (scores…, 1)."""

    names: tuple[str, ...]
    kept: tuple[str, ...]  # its full parts, in order
    better: tuple[bool | None, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        return self.kept

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.kept, "records")

    def direction(self, part: str) -> bool | None:
        return self.better[self.kept.index(part)]

    def combine(self, totals: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            means: Floats = totals[..., :-1] / totals[..., -1:]
        return means


@dataclass(frozen=True)
class Revived:
    """A metric of a run with its rows, ready to be combined anew; ``names`` are its full names, part by part.

    ``metric`` is None where nothing but the recorded values is known, and ``why`` says so.
    """

    label: str
    names: tuple[str, ...]
    metric: Measure | None
    rows: Floats  # (n, k), NaN rows unscored
    why: str = ""


def revived(run: Run, table: Table, label: str) -> Revived:
    """A metric of a run by its label."""
    names = tuple(name for name in run.metrics if name == label or name.startswith(f"{label}."))
    nothing = np.full((table.n, 1), np.nan)
    metric = built(run.uses.get(label))
    if isinstance(metric, CorpusMetric):
        return Revived(label, names, None, nothing, "it exists for a whole set of records only")
    if metric is not None and label in table and len(table.labels[label]) == len(metric.columns):
        full = tuple(f"{label}.{part}" if part else label for part in metric.parts)
        rows = table.statistics(label)
        if set(full) <= set(names) and _agrees(run, full, metric, rows):
            return Revived(label, full, metric, rows)
    return _by_scores(run, table, label, names, nothing)


def built(told: Any) -> Measure | None:
    """The metric that ``uses`` of a results.json describes; None where it cannot be built.

    The file may be a stranger's: an option that would read a document is refused, and a name that loads code by its path too.
    """
    if not isinstance(told, Mapping) or not isinstance(told.get("options"), Mapping):
        return None
    name, options = str(told.get("metric")), told["options"]
    if ":" in name:
        return None
    try:
        entry, preset = build_name(name)
        cls = entry.load()
        if any(holds_document(kind) and options.get(key) is not None for key, kind in option_types(cls).items()):
            return None
        tree = Tree(dict(options), "")
        metric = build(Node(tree), cls, options, called=name, read=_refused, preset=preset)
    except (EvalkitError, ImportError, ValueError, TypeError):
        return None
    return metric if isinstance(metric, Measure) and not tree.problems else None


def _refused(node: Node, text: str) -> None:
    """No file is read for the sake of a results.json."""
    node.fault(f"{text} is not read")


def _agrees(run: Run, full: tuple[str, ...], metric: Measure, rows: Floats) -> bool:
    """Whether the rows give the recorded values again: the code may have changed since."""
    scored = np.asarray(~np.isnan(rows).any(axis=1))
    if not scored.any():
        return True
    if metric.additive:
        values = metric.combine(column_sums(rows, scored))
    else:
        kept = rows[scored]
        values = metric.combine_rows(kept[np.argsort(kept[:, 0], kind="stable")], np.ones((1, len(kept))))[0]
    return all(_same(float(value), run.metrics[name].mean) for name, value in zip(full, values))


def _same(one: float, two: float) -> bool:
    return (math.isnan(one) and math.isnan(two)) or math.isclose(one, two, rel_tol=_CLOSE, abs_tol=1e-9)


def _by_scores(run: Run, table: Table, label: str, names: tuple[str, ...], nothing: Floats) -> Revived:
    """The parts of a metric that are plain means of the scores of single records."""
    kept, columns = [], []
    for name in names:
        scores = table.scores(name)
        if scores is None:
            continue
        scored = scores[~np.isnan(scores)]
        if len(scored) and _same(float(scored.mean()), run.metrics[name].mean):
            kept.append(name)
            columns.append(scores)
    if not kept:
        return Revived(label, names, None, nothing, "its rows cannot be combined again by this installation")
    rows = np.column_stack([*columns, np.ones(table.n)])
    parts = tuple(name[len(label) + 1 :] for name in kept)
    better = tuple(run.metrics[name].higher_is_better for name in kept)
    return Revived(label, tuple(kept), Means(names, parts, better), rows)
