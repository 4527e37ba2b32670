"""One metric by name and options, outside any suite."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.core.contracts import Measure
from evalkit.core.registry import build_name
from evalkit.specs.home import Home
from evalkit.specs.node import Node
from evalkit.specs.options import build
from evalkit.specs.tree import Tree


def metric_of(name: str, options: Mapping[str, Any]) -> Measure:
    """A metric, its options checked as a suite's are; paths among them are looked up from the working folder.

    Raises:
        UnknownName: no such metric.
        SpecError: every problem with its options.
    """
    entry, preset = build_name(name)
    tree = Tree(dict(options), "")
    metric = build(Node(tree), entry.load(), options, called=name, read=Home.of(None, Path.cwd()).document, preset=preset)
    tree.raise_problems()
    assert isinstance(metric, Measure)  # build notes a problem whenever it builds nothing
    return metric
