"""The file of a DAG judge: read and checked as a whole, every problem noted, and only a faultless graph is built."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalkit.core.content import Document, content_root, project_root
from evalkit.core.errors import SpecError, UnknownName, quote
from evalkit.core.registry import lookup
from evalkit.core.signature import canonical, plain
from evalkit.records.canonical import COLUMNS
from evalkit.specs import dag_nodes, dag_rules
from evalkit.specs.dag import Dag, Leaf, Question, Rule, Scale, Step, Task
from evalkit.specs.dag_graph import Graph, check_graph
from evalkit.specs.dag_leads import Targets, read_scale
from evalkit.specs.home import Home, shown
from evalkit.specs.node import Node, found, suggest
from evalkit.specs.tree import MAX_BYTES, Tree, decode, read_tree

KEYS = ("kind", "name", "version", "about", "scale", "root", "nodes")
TYPES = (*dag_nodes.TYPES, *dag_rules.TYPES)
MOST = 200  # nodes
_EXAMPLE = "{type: binary, ask: …, needs: [output], then: {yes: 10, no: 0}}"
_NAME = re.compile(r"[A-Za-z_][\w-]{0,59}\Z")


def read_dag(told: Document | Mapping[str, Any]) -> Dag:
    """A judge's graph from its file, or from a mapping in a suite.

    Files that it names (rubrics, schemas) are looked up beside it, in the project, in plugins and the built-in content.

    Raises:
        SpecError: every problem of it at once, each with its place.
    """
    if isinstance(told, Document):
        path = Path(told.path)
        source = shown(path, Path.cwd(), project_root(path.parent), content_root())
        tree = read_tree(decode(told.text.encode(), source), source)
        home, name, sha256 = Home.of(path, Path.cwd()), path.stem, told.sha256
    else:
        tree, home, name = Tree(dict(told), ""), Home.of(None, Path.cwd()), "dag"
        sha256 = hashlib.sha256(canonical(plain(told))).hexdigest()
    dag = _read(Node(tree), home, name, sha256)
    tree.raise_problems()
    assert dag is not None  # a problem is noted wherever nothing is read
    return dag


def kind_of(path: Path) -> str | None:
    """The ``kind`` that a judge's file says it is; None where it cannot be read, or says none."""
    try:
        with path.open("rb") as file:
            told = read_tree(decode(file.read(MAX_BYTES + 1), str(path)), str(path)).value
    except (OSError, SpecError):
        return None
    kind = told.get("kind") if isinstance(told, Mapping) else None
    return kind if isinstance(kind, str) else None


def _read(top: Node, home: Home, stem: str, sha256: str) -> Dag | None:
    if not isinstance(top.value, Mapping):
        top.fault("a judge is a mapping with `kind: dag`, `root` and `nodes`")
        return None
    for key in top.value:
        if key not in KEYS:
            top.child(key).fault(f"the judge has no key {quote(key)}", suggest(key, KEYS))
    _kind(top)
    name, version, about = top.get("name"), top.get("version"), top.get("about")
    if about is not None:
        about.text("a line on what it judges")
    called = (name.text("a name") if name is not None else None) or stem
    number = (version.whole(least=1) if version is not None else None) or 1
    scale = read_scale(top.get("scale"), "{min: 0, max: 10}") or Scale()
    kinds = _kinds(top)
    targets = Targets(kinds, scale)
    nodes = {name: _node(top.child("nodes").child(name), kind, targets, home) for name, kind in kinds.items()}
    root = _root(top, targets)
    graph = check_graph(top, root, targets.edges, kinds, targets.meant, _uses(top, nodes))
    whole = {name: node for name, node in nodes.items() if node is not None}
    if graph is not None:
        _sighted(top, whole, graph)
    if graph is None or len(whole) < len(nodes) or not root:
        return None
    return Dag(called, number, scale, root, whole, graph.levels, graph.leading, sha256)


def _kind(top: Node) -> None:
    kind = top.get("kind")
    if kind is None:
        top.fault("the judge lacks `kind`", "add `kind: dag`")
    elif kind.value != "dag":
        hint = f"such a file goes with `use: {kind.value}`" if kind.value in ("panel", "pairwise") else None
        kind.fault(f"kind wants dag, and found {found(kind.value)}", hint)


def _kinds(top: Node) -> dict[str, str | None]:
    """The type of every node, by name; None where there is none that is known."""
    nodes = top.get("nodes")
    if nodes is None or not nodes.value:
        top.fault("the judge lacks `nodes`", f"add `nodes: {{NAME: {_EXAMPLE}}}`")
        return {}
    if not nodes.mapping(expected="a mapping of names to nodes"):
        return {}
    if len(nodes.value) > MOST:
        nodes.fault(f"nodes has {len(nodes.value):,} of them, and a judge has at most {MOST}")
        return {}
    return {str(node.steps[-1]): _type(node) for node in nodes.items()}


def _type(node: Node) -> str | None:
    name = str(node.steps[-1])
    if not _NAME.match(name):
        node.fault(f"a node's name has letters, digits, _ and -, and begins with a letter; found {quote(name)}")
    elif name in COLUMNS:
        node.fault(f"a node is called {quote(name)}, as a column of the data is", "give it another name")
    if not node.mapping(expected=f"a mapping such as {_EXAMPLE}"):
        return None
    at = node.get("type")
    if at is None:
        node.fault(f"{node.label} lacks `type`", f"one of {', '.join(TYPES)}")
        return None
    kind = at.text(f"one of {', '.join(TYPES)}")
    if kind is None or kind in TYPES:
        return kind
    try:
        lookup("metric", kind)
    except UnknownName:
        at.fault(f"there is no type of node {quote(kind)}", suggest(kind, TYPES))
    else:
        at.fault(f"there is no type of node {quote(kind)}", f"write `type: metric, use: {kind}`")
    return None


def _node(node: Node, kind: str | None, targets: Targets, home: Home) -> Step | None:
    if kind is None:
        then = node.get("then")
        targets.mention(then.value if then is not None else None)
        return None
    if kind in dag_nodes.TYPES:
        return dag_nodes.read_asking(node, kind, targets)
    return dag_rules.read_measuring(node, kind, targets, home)


def _root(top: Node, targets: Targets) -> tuple[str, ...]:
    root = top.get("root")
    if root is not None:
        return targets.names(root, "the name of the first node, or a list of tasks")
    reached = targets.meant.union(*(edge.targets for edge in targets.edges))
    first = [name for name in targets.kinds if name not in reached]
    if targets.kinds:
        top.fault("the judge lacks `root`", f"add `root: [{', '.join(first[:5])}]`" if first else "name the first node")
    return ()


def _uses(top: Node, nodes: Mapping[str, Step | None]) -> Iterator[tuple[str, Node, str]]:
    """Every place where a node names a task whose text it is shown: the node, the place, the task."""
    for name, node in nodes.items():
        at = top.child("nodes").child(name)
        for task in node.needs if isinstance(node, (Task, Question)) else ():
            if isinstance(nodes.get(task), Task):
                yield name, at.child("needs"), task
        if isinstance(node, (Rule, Leaf)) and node.of is not None and isinstance(nodes.get(node.of), Task):
            yield name, at.child("of"), node.of


def _sighted(top: Node, nodes: Mapping[str, Step], graph: Graph) -> None:
    """A question that is shown nothing is no question about the record."""
    for name, node in nodes.items():
        if not isinstance(node, (Task, Question)) or node.needs or name not in graph.sure:
            continue
        if not graph.sure[name].intersection(graph.leading[name]):
            at = top.child("nodes").child(name)
            at.fault(f"{at.label} is shown nothing", "add `needs`, for instance `needs: [input, output]`")
