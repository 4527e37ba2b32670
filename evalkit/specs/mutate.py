"""The ``mutate:`` of a data set: each request also dressed up in other ways, for red-team suites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.core.errors import quote
from evalkit.specs.node import Node, suggest
from evalkit.text.mutators import MUTATORS

KEYS = ("use", "where", "draw", "seed")
PRODUCED = ("mutator", "base_id")
_EXAMPLE = "a list of mutators, or a mapping such as {use: [none, base64], where: {category: [leakage]}}"


@dataclass(frozen=True)
class MutateSpec:
    """How a data set's inputs are dressed up.

    Attributes:
        use: mutators, or chains of them (``role_play+base64``); each record comes once for each.
        where: only records whose columns have one of these values; the others come once, as they are.
        draw: so many of ``use``, drawn for each record; None: all of them.
    """

    use: tuple[str, ...]
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    draw: int | None = None
    seed: int = 0


def read_mutate(node: Node | None) -> MutateSpec | None:
    """What a suite mutates; None where it does not, or after noting a problem."""
    if node is None:
        return None
    before = len(node.tree.problems)
    short = isinstance(node.value, list)
    if not short and not node.mapping(KEYS, _EXAMPLE):
        return None
    use = node if short else node.get("use")
    if use is None:
        node.fault(f"{node.label} lacks `use`", f"add `use: [none, base64]`; there are {', '.join(MUTATORS)}")
        return None
    names = use.texts("a list of mutators") or []
    for index, name in enumerate(names):
        _checked(use, index, name, names)
    if not names and len(node.tree.problems) == before:
        use.fault(f"{use.label} is empty", "name at least one")
    if short:
        return MutateSpec(tuple(names)) if len(node.tree.problems) == before else None
    draw, seed = node.get("draw"), node.get("seed")
    spec = MutateSpec(
        tuple(names),
        _where(node.get("where")),
        draw.whole(least=1, most=len(names) or 1) if draw is not None else None,
        (seed.whole(least=0) if seed is not None else 0) or 0,
    )
    return spec if len(node.tree.problems) == before else None


def _checked(use: Node, index: int, name: str, names: list[str]) -> None:
    place = use.child(index) if isinstance(use.value, list) else use
    if name in names[:index]:
        place.fault(f"{use.label} names {quote(name)} twice", "remove one")
    for step in name.split("+"):
        if step not in MUTATORS:
            place.fault(f"{use.label}: no mutator is called {quote(step)}", suggest(step, MUTATORS))


def _where(node: Node | None) -> dict[str, tuple[str, ...]]:
    if node is None or not node.mapping(expected="a mapping of columns to values, such as {category: [leakage]}"):
        return {}
    return {str(entry.steps[-1]): tuple(entry.texts("a value, or a list of values") or ()) for entry in node.items()}


def mutate_schema() -> dict[str, Any]:
    """The JSON Schema of ``mutate:``, for editors."""
    names = {"type": "array", "minItems": 1, "items": {"type": "string", "examples": list(MUTATORS)}}
    values = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    told = {
        "use": {**names, "description": "mutators, or chains of them with a plus"},
        "where": {"type": "object", "additionalProperties": values, "description": "only records with these values"},
        "draw": {"type": "integer", "minimum": 1, "description": "so many of them, drawn for each record"},
        "seed": {"type": "integer", "minimum": 0, "description": "of all that is drawn"},
    }
    return {"anyOf": [names, {"type": "object", "properties": told, "required": ["use"], "additionalProperties": False}]}
