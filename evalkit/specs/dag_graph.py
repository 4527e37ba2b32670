"""The graph of a DAG judge: that it has no cycle, that every node is reached, that every path meets one decision at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from evalkit.core.errors import quote
from evalkit.specs.node import Node


@dataclass(frozen=True)
class Edge:
    """From a node to those that follow: all of them for a task, or for one verdict."""

    owner: str
    place: Node
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """What follows from the edges.

    Attributes:
        levels: names by the longest way from a root: each node stands behind all that lead to it.
        leading: to each node the tasks that lead straight to it.
        sure: for each node that is reached, the tasks that have run by then, whatever way led to it.
    """

    levels: tuple[tuple[str, ...], ...]
    leading: Mapping[str, tuple[str, ...]]
    sure: Mapping[str, frozenset[str]]


def check_graph(
    top: Node,
    root: Sequence[str],
    edges: Sequence[Edge],
    kinds: Mapping[str, str | None],
    meant: set[str],
    uses: Iterable[tuple[str, Node, str]],
) -> Graph | None:
    """The graph's order, or None after noting every problem with it.

    Tasks run side by side; the rest decide, and a record is before one decision at a time. So the root, a task and a verdict
    each lead, through any tasks, to exactly one deciding node.

    Args:
        kinds: the type of every node; None where it has none that is known.
        meant: nodes that a misspelt name probably means; nothing else need lead to them.
        uses: where a node is shown a task by name: the node, the place, the task.
    """
    before = len(top.tree.problems)
    following: dict[str, set[str]] = {name: set() for name in kinds}
    for edge in edges:
        following[edge.owner].update(edge.targets)
    order = _order(following, edges)
    _reached(top, root, following, kinds, meant)
    if order is None:
        return None
    _first(top, root, following)
    _one_decision(top, root, edges, kinds, order)
    if len(top.tree.problems) > before:
        return None
    leading = {
        name: tuple(dict.fromkeys(edge.owner for edge in edges if kinds[edge.owner] == "task" and name in edge.targets))
        for name in kinds
    }
    sure = _sure(root, edges, kinds, order)
    for name, place, task in uses:
        if task not in sure.get(name, (task,)):
            hint = f"{quote(task)} must stand on every way to {quote(name)}"
            place.fault(f"{place.label} names the task {quote(task)}, which may not have run by then", hint)
    return Graph(_levels(following, order), leading, sure)


def _order(following: Mapping[str, set[str]], edges: Sequence[Edge]) -> list[str] | None:
    """Names, each behind all that lead to it; every cycle is a problem at the edge that closes it."""
    leading = {name: {owner for owner, targets in following.items() if name in targets} for name in following}
    right = True
    while True:
        try:
            order = [*TopologicalSorter(leading).static_order()]
        except CycleError as error:
            right = False
            around: list[str] = error.args[1][:-1]  # each leads to the next, the last to the first
            first = min(range(len(around)), key=lambda at: [*following].index(around[at]))
            around = around[first:] + around[:first]
            last, target = around[-1], around[0]
            place = next(edge.place for edge in edges if edge.owner == last and target in edge.targets)
            way = " → ".join([*around, target])
            place.fault(f"{place.label} leads back: {way}", "a judge has no cycle; end this branch in a score")
            leading[target].discard(last)
        else:
            return order if right else None


def _reached(
    top: Node, root: Sequence[str], following: Mapping[str, set[str]], kinds: Mapping[str, str | None], meant: set[str]
) -> None:
    todo, seen = [*root, *(name for name in meant if name in kinds)], set[str]()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(following[name])
    if not root:
        return
    for name in kinds:
        if name not in seen:
            at = Node(top.tree, ("nodes", name))
            at.fault(f"nothing leads to {at.label}", "lead a verdict to it, or remove it")


def _first(top: Node, root: Sequence[str], following: Mapping[str, set[str]]) -> None:
    for name in root:
        owner = next((one for one, targets in following.items() if name in targets), None)
        if owner is not None:
            top.child("root").fault(
                f"root names {quote(name)}, which {quote(owner)} leads to", "a root is where judging begins"
            )


def _one_decision(
    top: Node, root: Sequence[str], edges: Sequence[Edge], kinds: Mapping[str, str | None], order: Sequence[str]
) -> None:
    """Whatever starts together meets in one deciding node."""
    meets: dict[str, frozenset[str]] = {}
    leads = {edge.owner: edge for edge in edges if kinds[edge.owner] == "task"}
    for name in reversed(order):
        if name in leads:
            meets[name] = frozenset().union(*(meets[target] for target in leads[name].targets))
        else:
            meets[name] = frozenset({name}) if kinds[name] != "task" else frozenset()
    starts = [(edge.place, edge.targets) for edge in edges]
    if root:
        starts.append((top.child("root"), tuple(root)))
    for place, targets in starts:
        together = frozenset().union(*(meets[target] for target in targets))
        if len(together) > 1 and all(len(meets[target]) <= 1 for target in targets):
            named = " and ".join(quote(name) for name in kinds if name in together)
            hint = "tasks that run together meet in one deciding node; a later one names the task in its `needs`"
            place.fault(f"{place.label} leads to {named}, and one node decides at a time", hint)


def _sure(
    root: Sequence[str], edges: Sequence[Edge], kinds: Mapping[str, str | None], order: Sequence[str]
) -> dict[str, frozenset[str]]:
    """The tasks that have run when a node's turn comes: of each way to it all of that way, of several what they share."""
    after: dict[str, tuple[str, ...]] = {edge.owner: edge.targets for edge in edges if kinds[edge.owner] == "task"}
    place = {name: at for at, name in enumerate(order)}
    sure: dict[str, frozenset[str]] = {}

    def start(ran: frozenset[str], targets: Sequence[str]) -> None:
        """Tasks side by side, from ``targets`` to the deciding node in which they meet."""
        arrived = dict.fromkeys(targets, ran)
        while arrived:
            name = min(arrived, key=place.__getitem__)
            told = arrived.pop(name)
            sure[name] = sure.get(name, told) & told
            for target in after.get(name, ()):
                arrived[target] = arrived.get(target, frozenset()) | told | {name}

    start(frozenset(), root)
    for name in order:
        for edge in edges:
            if edge.owner == name and name not in after:
                start(sure[name], edge.targets)
    return sure


def _levels(following: Mapping[str, set[str]], order: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    level = dict.fromkeys(order, 0)
    for name in order:
        for target in following[name]:
            level[target] = max(level[target], level[name] + 1)
    return tuple(
        tuple(name for name in following if level[name] == depth) for depth in range(max(level.values(), default=-1) + 1)
    )
