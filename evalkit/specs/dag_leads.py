"""Where the verdicts of a DAG judge lead: to a score on its scale, or a stretch of it, or to nodes by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.core.errors import nearest, quote
from evalkit.specs.dag import Scale, Then
from evalkit.specs.dag_graph import Edge
from evalkit.specs.node import Node, suggest

_SPAN = re.compile(r"(\d{1,9})(?:\s*-\s*(\d{1,9}))?\Z")
_NUMBER = re.compile(r"-?\d+(\.\d+)?\Z")


class Targets:
    """What may be led to, and the edges found so far.

    Args:
        kinds: the type of every node by its name; None where it has none that is known.
        scale: the judge's own.
    """

    def __init__(self, kinds: Mapping[str, str | None], scale: Scale) -> None:
        self.kinds, self.scale = kinds, scale
        self.edges: list[Edge] = []
        self.meant: set[str] = set()  # nodes that something wrong, or wrongly spelt, probably leads to

    def task(self, node: Node) -> tuple[str, ...]:
        """The nodes behind a task."""
        then = node.get("then")
        if then is None:
            node.fault(f"{node.label} lacks `then`", "name the node that uses what the task writes")
        elif isinstance(then.value, (int, float)) and not isinstance(then.value, bool):
            then.fault(f"{then.label} is a score, and a task decides nothing", "lead it to a node that does")
        elif isinstance(then.value, Mapping):
            then.fault(f"{then.label} has verdicts, and a task gives none", "name one node, or write another type")
            self.mention(then.value)
        else:
            return self.names(then, "the name of a node, or a list of them", str(node.steps[-1]))
        return ()

    def verdicts(self, node: Node, verdicts: Sequence[str]) -> dict[str | int, Then]:
        """Where every verdict leads: exactly those that there are."""
        then, example = node.get("then"), ", ".join(f"{one}: …" for one in verdicts or ("VERDICT",))
        if then is None:
            node.fault(f"{node.label} lacks `then`", f"add `then: {{{example}}}`")
            return {}
        if not then.mapping(expected=f"a mapping of each verdict to a score or a node, {{{example}}}"):
            self.mention(then.value)
            return {}
        leads: dict[str | int, Then] = {}
        for at in then.items():
            verdict = str(at.steps[-1])
            if verdict not in verdicts:
                at.fault(f"{node.label} has no verdict {quote(verdict)}", suggest(verdict, verdicts))
                self.mention(at.value)
            elif (target := self._target(at, str(node.steps[-1]))) is not None:
                leads[verdict] = target
        for verdict in verdicts:
            if verdict not in then.value:
                then.fault(f"{then.label} lacks the verdict {quote(verdict)}", "every verdict leads to a score or a node")
        return leads

    def scores(self, then: Node, low: int, high: int) -> dict[str | int, Then]:
        """Where scores lead: ``{"1-2": 0, "3": 5, "4-5": node}``, every score once."""
        leads: dict[str | int, Then] = {}
        seen: set[int] = set()
        if not then.mapping(expected=f'a mapping of scores to a score or a node, such as {{"{low}-{high}": NODE}}'):
            return leads
        for at in then.items():
            key = str(at.steps[-1])
            span = _SPAN.match(key)
            first, last = (int(span[1]), int(span[2] or span[1])) if span else (1, 0)
            if not low <= first <= last <= high:
                hint = f'write one of {low} to {high}, or a span such as "{low}-{high}"'
                at.fault(f"{then.label} has no scores {quote(key)}", hint)
                self.mention(at.value)
                continue
            scores = range(first, last + 1)
            if twice := seen.intersection(scores):
                at.fault(f"{then.label} has the score {min(twice)} twice")
            seen.update(scores)
            target = self._target(at, str(then.steps[-2]))
            if target is not None:
                leads.update(dict.fromkeys(scores, target))
        lacking = [str(score) for score in range(low, high + 1) if score not in seen]
        if lacking:
            then.fault(f"{then.label} lacks the scores {', '.join(lacking)}", "every score leads to a score or a node")
        return leads

    def names(self, at: Node, expected: str, owner: str | None = None) -> tuple[str, ...]:
        """Nodes that something leads to; unknown ones are problems, and left out."""
        told = at.texts(expected) or []
        listed = isinstance(at.value, list)
        if listed and not at.value:
            at.wants(expected)
        known: list[str] = []
        for index, name in enumerate(told):
            place = at.child(index) if listed and len(told) == len(at.value) else at
            if name in known:
                place.fault(f"{at.label} names {quote(name)} twice")
            elif name in self.kinds:
                known.append(name)
            else:
                number = f"write {name} without quotes for a score" if _NUMBER.match(name) else None
                place.fault(f"{at.label} names no node {quote(name)}", number or suggest(name, self.kinds, listed=False))
                self.meant.add(nearest(name, self.kinds) or "")
        if known and owner is not None:
            self.edges.append(Edge(owner, at, tuple(known)))
        return tuple(known)

    def mention(self, value: Any) -> None:
        """What stands in a wrong place is still led to: no further problem of it."""
        if isinstance(value, str):
            self.meant.add(value)
        elif isinstance(value, (list, Mapping)):
            for inner in value.values() if isinstance(value, Mapping) else value:
                self.mention(inner)

    def _target(self, at: Node, owner: str) -> Then | None:
        value = at.value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if value in self.scale:
                return float(value)
            at.fault(f"{at.label} is {value:g}, and scores go from {self.scale.low:g} to {self.scale.high:g}")
            return None
        return self.names(at, "a score or the name of a node", owner) or None


def read_onto(node: Node, targets: Targets) -> Scale:
    """The stretch of the judge's scale on which a leaf's values come to lie: all of it, where nothing is said."""
    at = node.get("onto")
    onto = read_scale(at, "{min: 5, max: 10}")
    if at is None or onto is None:
        return targets.scale
    if onto.low not in targets.scale or onto.high not in targets.scale:
        at.fault(f"{at.label} is {onto}, and scores go from {targets.scale.low:g} to {targets.scale.high:g}")
    return onto


def read_scale(node: Node | None, example: str) -> Scale | None:
    """``{min: …, max: …}``, or None where there is none, or a wrong one."""
    if node is None or not node.mapping(("min", "max"), f"a mapping such as {example}"):
        return None
    edges = [node.get(key) for key in ("min", "max")]
    for key, edge in zip(("min", "max"), edges):
        if edge is None:
            node.fault(f"{node.label} lacks `{key}`", f"write {example}")
    low, high = (edge.number() if edge is not None else None for edge in edges)
    if low is None or high is None:
        return None
    if low >= high:
        node.fault(f"{node.label}: a scale goes up, and {low:g} to {high:g} does not", f"write {example}")
        return None
    return Scale(low, high)
