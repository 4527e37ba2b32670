"""``--set key=value``: single values of a suite, changed from outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from evalkit.core.errors import Problem, SpecError, quote
from evalkit.specs.node import Node, found, suggest
from evalkit.specs.tree import Steps, Tree, parse_value

# Mappings that a path may enter although the suite does not have them yet.
_MADE = {("dataset",), ("dataset", "fields"), ("budget",), ("prices",), ("backends",)}


def split_overrides(pairs: Iterable[str]) -> dict[str, str]:
    """``["seed=1", "dataset.limit=5"]`` as a mapping; the values are still YAML text.

    Raises:
        SpecError: one has no ``=`` or no key.
    """
    told: dict[str, str] = {}
    problems = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            problems.append(Problem(_place(pair), "this is not key=value", "write for instance --set dataset.limit=50"))
        told[key.strip()] = value
    if problems:
        raise SpecError(problems)
    return told


def apply(tree: Tree, overrides: Mapping[str, Any]) -> None:
    """Change the tree in place; text is parsed as YAML, anything else is taken as it stands.

    A path is dotted, and enters lists by index, ``metrics`` also by a metric's name: ``metrics.0.stemmer``,
    ``metrics.rouge.stemmer``. A path that leads nowhere is a problem of the tree.
    """
    if not isinstance(tree.value, Mapping):
        return
    for key, value in overrides.items():
        place = _place(f"{key}={value if isinstance(value, str) else found(value)}")
        try:
            as_yaml = isinstance(value, str) and value != "-"  # stdin, not a list of nothing
            parsed = parse_value(value) if as_yaml else value
        except SpecError as error:
            tree.problems.extend(Problem(place, problem.what, problem.hint) for problem in error.problems)
            continue
        _set(tree, key.split("."), parsed, place)


def _place(pair: str) -> str:
    """An override as messages begin with it, cut where it would hide what they say."""
    return f"--set {pair if len(pair) <= 120 else pair[:119] + '…'}"


def _set(tree: Tree, keys: list[str], value: Any, place: str) -> None:
    steps: Steps = ()
    at: Any = tree.value
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        step = _step(at, key, steps)
        label = Node(tree, steps).label
        if step is None:
            what, hint = _nowhere(at, key, label, steps)
            tree.problems.append(Problem(place, what, hint))
            return
        if last:
            at[step] = value
            for old in [old for old in tree.places if old[: len(steps) + 1] == (*steps, step)]:
                del tree.places[old]
            tree.places[(*steps, step)] = place
            return
        steps = (*steps, step)
        if isinstance(at, Mapping) and at.get(step) is None:
            if steps not in _MADE:
                parent = Node(tree, steps[:-1]).label
                hint = suggest(str(step), at, listed=bool(at))
                tree.problems.append(Problem(place, f"{parent} has no {quote(str(step))} to change", hint))
                return
            at[step] = {}  # type: ignore[index]
            tree.places[steps] = place
        at = at[step]


def _step(at: Any, key: str, steps: Steps) -> str | int | None:
    """How ``key`` enters a value; None when it cannot."""
    if isinstance(at, Mapping):
        return key
    if isinstance(at, list):
        if key.isdecimal():
            return int(key) if int(key) < len(at) else None
        if steps == ("metrics",):
            labels = [_label(entry) for entry in at]
            return labels.index(key) if labels.count(key) == 1 else None
    return None


def _nowhere(at: Any, key: str, label: str, steps: Steps) -> tuple[str, str | None]:
    if isinstance(at, list):
        count = f"{label} has {len(at)} entr{'y' if len(at) == 1 else 'ies'}" + (f", 0 to {len(at) - 1}" if at else "")
        labels = [told for entry in at if (told := _label(entry))] if steps == ("metrics",) else []
        return f"{label} has no entry {quote(key)}", suggest(key, labels) if labels and not key.isdecimal() else f"{count}"
    return f"{label} is {found(at)}, and {quote(key)} cannot be set in it", None


def _label(entry: Any) -> str | None:
    if isinstance(entry, Mapping):
        told = entry.get("as") or entry.get("use")
        return told if isinstance(told, str) else None
    return None
