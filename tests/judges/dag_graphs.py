"""Graphs of DAG judges: any, and right ones; and the rules for them, by walking every way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

VERDICTS = ("a", "b", "c")


@st.composite
def graphs(draw: st.DrawFn, wrong: bool = False) -> dict[str, Any]:
    """Decisions ``d0``, ``d1`` … each with a few tasks before it, which may be passed or not.

    Args:
        wrong: some graphs get an edge to anywhere, or another root: many of them are wrong then.
    """
    n = draw(st.integers(1, 5))
    tasks = {at: [f"t{at}{sign}" for sign in "xyz"[: draw(st.integers(0, 3))]] for at in range(n)}
    nodes: dict[str, Any] = {}

    def ways(at: int) -> list[str]:
        """A way to a decision: at once, or through some of its tasks."""
        some = draw(st.lists(st.sampled_from(tasks[at]), max_size=2, unique=True)) if tasks[at] else []
        return some or [f"d{at}"]

    for at in range(n):
        for place, task in enumerate(tasks[at]):
            later = [*tasks[at][place + 1 :], f"d{at}"]
            then = draw(st.lists(st.sampled_from(later), min_size=1, max_size=2, unique=True))
            nodes[task] = {"type": "task", "ask": f"Write {task}.", "needs": ["output"], "then": then}
        leads: dict[str, Any] = {verdict: draw(st.integers(0, 10)) for verdict in VERDICTS}
        for verdict in VERDICTS:
            if at + 1 < n and draw(st.booleans()):
                leads[verdict] = ways(draw(st.integers(at + 1, n - 1)))
        nodes[f"d{at}"] = {"type": "choice", "ask": f"Decide d{at}.", "needs": ["output"], "then": leads}
    root = ways(0)
    told = _reached(root, nodes)
    if len(root) > 1 and any(name in node["then"] for node in told.values() for name in root if node["type"] == "task"):
        root = root[:1]
        told = _reached(root, nodes)
    if wrong and draw(st.booleans()):
        name, other = draw(st.sampled_from([*told])), draw(st.sampled_from([*nodes]))
        told.setdefault(other, nodes[other])
        node = told[name] = {**told[name]}
        if node["type"] == "task":
            node["then"] = [*dict.fromkeys((*node["then"], other))]
        else:
            node["then"] = {**node["then"], draw(st.sampled_from(VERDICTS)): [other]}
    if wrong and draw(st.integers(0, 4)) == 0:
        root = [*dict.fromkeys((*root, draw(st.sampled_from([*told]))))]
    return {"kind": "dag", "root": root, "nodes": told}


def _reached(root: list[str], nodes: Mapping[str, Any]) -> dict[str, Any]:
    todo, seen = list(root), dict[str, Any]()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen[name] = nodes[name]
            then = nodes[name]["then"]
            for target in then.values() if isinstance(then, Mapping) else [then]:
                todo += target if isinstance(target, list) else []
    return seen


def right(told: Mapping[str, Any]) -> bool:
    """The rules for a graph, by walking every way from the root."""
    nodes, led, seen = told["nodes"], set[str](), set[str]()

    def decisions(name: str, way: tuple[str, ...]) -> set[str]:
        """The deciding nodes behind a task; raises where a way comes back."""
        if name in way:
            raise RecursionError
        if name not in nodes:
            raise LookupError
        seen.add(name)
        then = nodes[name]["then"]
        if isinstance(then, list):
            led.update(then)
            return set().union(*(decisions(target, (*way, name)) for target in then))
        for targets in then.values():
            if isinstance(targets, list):
                led.update(targets)
                start(targets, (*way, name))
        return {name}

    def start(targets: list[str], way: tuple[str, ...]) -> None:
        if len(set().union(*(decisions(target, way) for target in targets))) != 1:
            raise LookupError

    try:
        start(told["root"], ())
    except (RecursionError, LookupError):
        return False
    return seen == set(nodes) and not led.intersection(told["root"])
