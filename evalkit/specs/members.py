"""A list of judges inside another judge's options: names looked up, options checked, objects built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from evalkit.core.contracts import ModelMetric
from evalkit.core.errors import MissingExtra, UnknownName, quote
from evalkit.core.member import Member
from evalkit.core.registry import entries, find
from evalkit.specs.node import Node, suggest

KEYS = ("use", "as", "backend")
Build = Callable[[Node, type, Mapping[str, Any], str], Any]


def read_members(node: Node, build: Build) -> tuple[Member, ...] | None:
    """The judges of a list, each a name or ``{use: NAME, as: …, backend: …, options}``; None after noting every problem.

    Args:
        build: makes an object of a class with the options that stand at a node; notes what is wrong with them.
    """
    told = node.value
    if isinstance(told, (list, tuple)) and told and all(isinstance(one, Member) for one in told):
        return tuple(told)  # given in Python
    if not isinstance(told, list) or not told:
        node.wants("a list of judges", "write [{use: geval, rubric: …, backend: …}, …]")
        return None
    members = [_member(one, build) for one in node.items()]
    taken: set[str] = set()
    for one, member in zip(node.items(), members):
        if member is not None and member.label in taken:
            one.fault(f"{one.label}: two judges are called {quote(member.label)}", "tell them apart with `as:`")
        elif member is not None:
            taken.add(member.label)
    return tuple(member for member in members if member is not None) if None not in members else None


def _member(node: Node, build: Build) -> Member | None:
    if isinstance(node.value, str):
        cls = _judge(node, node.value)
        metric = build(node, cls, {}, node.value) if cls is not None else None
        return Member(node.value, metric) if metric is not None else None
    if not node.mapping(expected="a judge's name, or a mapping such as {use: geval, rubric: …, backend: …}"):
        return None
    use, called, backend = (node.get(key) for key in KEYS)
    if use is None:
        node.fault(f"{node.label} does not say which judge", "add `use: NAME`; `evalkit list judges` shows the names")
        return None
    name = use.text("a judge's name")
    cls = _judge(use, name) if name is not None else None
    label = called.text() if called is not None else None
    asked = backend.text("the name of a backend") if backend is not None else None
    if cls is None or name is None:
        return None
    metric = build(node, cls, {key: value for key, value in node.value.items() if key not in KEYS}, name)
    if metric is None or (called is not None and label is None) or (backend is not None and asked is None):
        return None
    return Member(label or (f"{name}@{asked}" if asked else name), metric, asked)


def _judge(at: Node, name: str) -> type | None:
    """The class of a judge."""
    try:
        cls = find("metric", name)
    except UnknownName:
        at.fault(
            f"{at.label} names no judge {quote(name)}", suggest(name, [one.name for one in entries("metric")], "evalkit list")
        )
    except (MissingExtra, ImportError) as error:
        at.fault(f"{at.label}: {error}")
    else:
        if issubclass(cls, ModelMetric) and name != "panel":
            return cls
        what = "a panel cannot sit on a panel" if name == "panel" else f"{name} asks no model, so it is no judge"
        at.fault(f"{at.label}: {what}")
    return None
