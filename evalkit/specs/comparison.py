"""A pairwise judge's definition: the criterion, and how finely it tells answers apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from evalkit.core.content import Document, content_root, project_root
from evalkit.specs.home import shown
from evalkit.specs.node import Node, found, suggest
from evalkit.specs.tree import read_tree

Scale = Literal["three", "five"]
KEYS = ("kind", "name", "version", "about", "criteria", "scale")
KINDS = ("dag", "pairwise", "panel")


@dataclass(frozen=True)
class Comparison:
    """What a file under ``judges/`` says of a pairwise judge; ``version`` counts its changes."""

    name: str
    criteria: str
    scale: Scale = "three"
    version: int = 1


def read_comparison(document: Document) -> Comparison:
    """A definition from its file.

    Raises:
        SpecError: every problem of it at once.
    """
    path = Path(document.path)
    tree = read_tree(document.text, shown(path, Path.cwd(), project_root(path.parent), content_root()))
    top = Node(tree)
    told = Comparison(path.stem, "")
    if check_judge(top, "pairwise", KEYS):
        criteria, scale, name, version = (top.get(key) for key in ("criteria", "scale", "name", "version"))
        if criteria is None:
            top.fault("the judge lacks `criteria`", "say in a few sentences what makes an answer the better one")
        told = Comparison(
            (name.text("a name") if name is not None else None) or path.stem,
            ((criteria.text() if criteria is not None else None) or "").strip(),
            "five" if scale is not None and scale.choice(get_args(Scale)) == "five" else "three",
            (version.whole(least=1) if version is not None else None) or 1,
        )
    tree.raise_problems()
    return told


def check_judge(top: Node, kind: str, keys: tuple[str, ...]) -> bool:
    """Whether this is a mapping of that kind of judge; keys that it does not have are problems."""
    if not top.mapping(expected=f"a judge: a mapping with `kind: {kind}`"):
        return False
    for key in top.value:
        if key not in keys:
            top.child(key).fault(f"the judge has no key {key!r}", suggest(key, keys))
    own = top.get("kind")
    if own is None:
        top.fault("the judge lacks `kind`", f"add `kind: {kind}`")
    elif own.value != kind:
        other = own.value if own.value in KINDS else None
        own.fault(f"kind wants {kind}, and found {found(own.value)}", f"this file goes with `use: {other}`" if other else None)
    about = top.get("about")
    if about is not None:
        about.text("a line on what it judges")
    return True
