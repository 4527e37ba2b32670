"""A panel's definition: which judges sit on it, and how their votes become one value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from evalkit.core.content import Document, content_root, project_root
from evalkit.core.member import Member
from evalkit.specs.comparison import check_judge
from evalkit.specs.home import Home, shown
from evalkit.specs.members import read_members
from evalkit.specs.node import Node
from evalkit.specs.options import build
from evalkit.specs.tree import read_tree

By = Literal["mean", "median", "majority"]
KEYS = ("kind", "name", "version", "about", "by", "part", "quorum", "judges")


@dataclass(frozen=True)
class PanelFile:
    """What a file under ``judges/`` says of a panel; ``version`` counts its changes."""

    name: str
    judges: tuple[Member, ...]
    by: By | None = None
    part: str | None = None
    quorum: int | None = None
    version: int = 1


def read_panel(document: Document) -> PanelFile:
    """A definition from its file; files that it names are looked up beside it, in the project, and the built-in content.

    Raises:
        SpecError: every problem of it at once.
    """
    path = Path(document.path)
    tree = read_tree(document.text, shown(path, Path.cwd(), project_root(path.parent), content_root()))
    top, home = Node(tree), Home.of(path, Path.cwd())
    told = PanelFile(path.stem, ())
    if check_judge(top, "panel", KEYS):
        name, version, by, part, quorum = (top.get(key) for key in ("name", "version", "by", "part", "quorum"))
        told = PanelFile(
            (name.text("a name") if name is not None else None) or path.stem,
            _judges(top, home),
            by.choice(get_args(By)) if by is not None else None,  # type: ignore[arg-type]
            part.text("the name of a part") if part is not None else None,
            quorum.whole(least=1) if quorum is not None else None,
            (version.whole(least=1) if version is not None else None) or 1,
        )
    tree.raise_problems()
    return told


def _judges(top: Node, home: Home) -> tuple[Member, ...]:
    judges = top.get("judges")
    if judges is None:
        top.fault("the panel lacks `judges`", "add `judges: [{use: geval, rubric: …, backend: …}, …]`")
        return ()

    def read(at: Node, name: str) -> Document | None:
        """A file that a judge names; a rubric is found in rubrics/ by its name alone."""
        if at.steps[-1] == "rubric":
            spellings = (name, f"{name}.yaml", f"rubrics/{name}", f"rubrics/{name}.yaml")
            name = next((one for one in spellings if home.exists(one)), name)
        return home.document(at, name)

    return read_members(judges, lambda at, cls, options, called: build(at, cls, options, called=called, read=read)) or ()
