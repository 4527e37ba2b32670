"""``embed:`` of a drift configuration or a monitor: the backend that gives sampled texts their vectors."""

from __future__ import annotations

from collections.abc import Mapping

from evalkit.core.errors import quote
from evalkit.specs.capable import check_backend
from evalkit.specs.home import Home
from evalkit.specs.metrics import read_backend
from evalkit.specs.node import Node, suggest
from evalkit.specs.suite import BackendSpec

_EXAMPLE = "{kind: transformers, model: PATH}"


def read_embed(node: Node | None, home: Home, backends: Mapping[str, BackendSpec] | None = None) -> BackendSpec | None:
    """A backend as a suite has it, or the name of a monitor's; problems are noted in the tree.

    Args:
        backends: that may be named: those of a monitor; None: none.
    """
    if node is None:
        return None
    if not isinstance(node.value, str):
        found = read_backend(node, node.label, home)
    elif backends and node.value in backends:
        found = backends[node.value]
    else:
        hint = suggest(node.value, backends) if backends else f"write a backend: {_EXAMPLE}"
        node.fault(f"{node.label}: there is no backend {quote(node.value)}", hint)
        return None
    if found is None or not found.kind:  # which was said where it stands
        return None
    check_backend(node, found, "embed")
    return found
