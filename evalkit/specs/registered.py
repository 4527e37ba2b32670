"""Names of registered parts in a file: looked up, and a helpful problem where nothing has the name; variables they name."""

from __future__ import annotations

import re

from evalkit.core.builtins import RESERVED
from evalkit.core.errors import MissingExtra, UnknownName, quote
from evalkit.core.registry import Entry, entries, find
from evalkit.specs.node import Node, one_of, suggest

_SHOWN = ("metric", "backend")  # kinds that `evalkit list` shows


def registered(node: Node, kind: str, name: str, at: Node | None = None) -> type | None:
    """The registered class, or None after saying why there is none.

    Args:
        at: what messages call the culprit; by default what the name stands in.
    """
    owner = at or Node(node.tree, node.steps[:-1])
    try:
        return find(kind, name)
    except UnknownName:
        if name in RESERVED.get(kind, ()):
            node.fault(
                f"{owner.label}: the {kind} {quote(name)} is not in this version yet",
                f"see `evalkit list {kind}s` for those that are",
            )
            return None
        known = [entry.name for entry in entries(kind)]
        hint = suggest(name, known, f"evalkit list {kind}s")
        if hint is not None and hint.startswith("see"):
            hint = suggest(name, RESERVED.get(kind, ()), f"evalkit list {kind}s" if kind in _SHOWN else None)
            hint = hint if hint is None or hint.startswith("see") else f"{hint} (It is not in this version yet.)"
        node.fault(f"{owner.label} names no {kind} {quote(name)}", hint or one_of([listed(kind)]))
    except MissingExtra as error:
        node.fault(f"{owner.label}: {error}")
    except ImportError as error:
        node.fault(f"{owner.label}: the {kind} {quote(name)} cannot be loaded: {error}")
    return None


def listed(kind: str) -> str:
    """The registered names, built-ins first; a family is shown with what follows its colon."""
    return ", ".join(_shown(entry) for entry in entries(kind))


def environment_name(node: Node, example: str = "OPENAI_API_KEY") -> str | None:
    """A key that ends in ``_env`` holds the name of a variable, never its value; None after saying that it is none."""
    name = node.text("the name of an environment variable")
    if name is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        looks_secret = "never the key itself; " if len(name) > 20 else ""
        node.fault(
            f"{node.label} wants the name of an environment variable",
            f"{looks_secret}write a name such as {example}",
        )
        return None
    return name


def _shown(entry: Entry) -> str:
    return f"{entry.name}NAME" if entry.name.endswith(":") else entry.name
