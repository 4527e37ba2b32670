"""A rubric: what a judge looks at, on which scale, in which steps; and the steps that were generated for it, locked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from evalkit.core.content import Document, content_root, project_root
from evalkit.core.errors import Problem, SpecError
from evalkit.core.signature import canonical
from evalkit.specs.home import shown
from evalkit.specs.node import Node
from evalkit.specs.tree import Tree, read_tree

KEYS = ("name", "version", "criteria", "needs", "scale", "steps", "examples")
FIELDS = ("input", "output", "reference", "contexts", "reference_contexts")  # what a judge can be shown
WIDEST = 101  # scores of a scale


@dataclass(frozen=True)
class Example:
    """A labelled answer that the judge is shown."""

    output: str
    score: int
    reason: str = ""
    input: str = ""


@dataclass(frozen=True)
class Rubric:
    """What to judge, and how.

    Attributes:
        needs: the columns that the judge is shown; a null in one of them is an error of that record.
        levels: what a score means, for as many of the scores as are anchored.
        steps: how to go about it; empty until they are written or generated.
    """

    name: str
    criteria: str
    version: int = 1
    needs: tuple[str, ...] = ("input", "output")
    low: int = 1
    high: int = 5
    levels: tuple[tuple[int, str], ...] = ()
    steps: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    path: str | None = field(default=None, repr=False, compare=False)

    @property
    def scores(self) -> range:
        """All scores of the scale."""
        return range(self.low, self.high + 1)

    def asked(self) -> str:
        """The sha256 of what steps are generated from: the criteria and the scale."""
        told = {"criteria": self.criteria, "low": self.low, "high": self.high, "levels": self.levels, "needs": self.needs}
        return hashlib.sha256(canonical(told)).hexdigest()


def read_rubric(told: Document | Mapping[str, Any], name: str = "rubric") -> Rubric:
    """A rubric from its file, or from a mapping in a suite.

    Raises:
        SpecError: every problem of it at once.
    """
    if isinstance(told, Document):
        path = Path(told.path)
        tree = read_tree(told.text, shown(path, Path.cwd(), project_root(path.parent), content_root()))
        name = path.stem
    else:
        tree = Tree(dict(told), "")
    tree.called = "the rubric"
    rubric = _read(Node(tree), name, told.path if isinstance(told, Document) else None)
    tree.raise_problems()
    assert rubric is not None
    return rubric


def _read(node: Node, name: str, path: str | None) -> Rubric | None:
    if not node.mapping(KEYS, "a rubric: a mapping with criteria and a scale"):
        return None
    criteria = node.get("criteria")
    if criteria is None:
        node.fault("the rubric lacks `criteria`", "say in a few sentences what is judged")
    low, high, levels = _scale(node.get("scale"))
    named, version, steps = node.get("name"), node.get("version"), node.get("steps")
    found = Rubric(
        (named.text() if named is not None else None) or name,
        ((criteria.text() if criteria is not None else None) or "").strip(),
        (version.whole(least=1) if version is not None else None) or 1,
        _needs(node.get("needs")),
        low,
        high,
        levels,
        tuple((steps.texts("a list of steps") if steps is not None else None) or ()),
        path=path,
    )
    return replace(found, examples=_examples(node.get("examples"), found))


def _scale(node: Node | None) -> tuple[int, int, tuple[tuple[int, str], ...]]:
    if node is None or not node.mapping(("min", "max", "levels"), "a mapping such as {min: 1, max: 5}"):
        return 1, 5, ()
    least, most = node.get("min"), node.get("max")
    low = least.whole(least=0) if least is not None else 1
    high = most.whole(least=1) if most is not None else 5
    if low is None or high is None:
        return 1, 5, ()
    if not low < high < low + WIDEST:
        node.fault(f"{node.label}: a scale goes up from min to max, by 1 to {WIDEST - 1}", "write {min: 1, max: 5}")
        return 1, 5, ()
    levels = node.get("levels")
    anchored: dict[int, str] = {}
    if levels is not None and levels.mapping(expected="a mapping of scores to what they mean"):
        for entry in levels.items():
            key = str(entry.steps[-1])
            if key.isdigit() and low <= int(key) <= high:
                anchored[int(key)] = (entry.text() or "").strip()
            else:
                entry.fault(f"{levels.label} has no score {key}", f"scores go from {low} to {high}")
    return low, high, tuple(sorted(anchored.items()))


def _needs(node: Node | None) -> tuple[str, ...]:
    if node is None:
        return ("input", "output")
    told = node.texts(f"a list of {', '.join(FIELDS)}") or []
    for item in node.items() if isinstance(node.value, list) else ():
        item.choice(FIELDS)
    if "output" not in told:
        node.fault(f"{node.label} lacks output", "a judge must see what it judges")
    return tuple(dict.fromkeys(name for name in FIELDS if name in told))


def _examples(node: Node | None, rubric: Rubric) -> tuple[Example, ...]:
    if node is None:
        return ()
    if not isinstance(node.value, list):
        node.wants("a list of labelled answers")
        return ()
    found = []
    for item in node.items():
        if not item.mapping(("input", "output", "score", "reason"), "a mapping with output and score"):
            continue
        output, score = item.get("output"), item.get("score")
        if output is None or score is None:
            item.fault(f"{item.label} lacks {'`output`' if output is None else '`score`'}")
            continue
        value = score.whole(least=rubric.low, most=rubric.high)
        texts = [(told.text() or "") if (told := item.get(name)) is not None else "" for name in ("output", "reason", "input")]
        found.append(Example(texts[0], value if value is not None else rubric.low, texts[1], texts[2]))
    return tuple(found)


# --- generated steps -------------------------------------------------------------------------------------------------


def lock_path(rubric: Rubric) -> Path:
    """Where generated steps are kept: ``NAME.steps.yaml`` beside the rubric, or in the project's rubrics/ where that is not
    the user's own folder."""
    own = Path(rubric.path) if rubric.path else None
    if own is not None and not own.resolve().is_relative_to(content_root().resolve()) and os.access(own.parent, os.W_OK):
        return own.with_suffix(".steps.yaml")
    return project_root(Path.cwd(), Path.cwd()) / "rubrics" / f"{rubric.name}.steps.yaml"


def locked_steps(rubric: Rubric) -> tuple[str, ...] | None:
    """The steps that were generated for this very rubric; None where there are none, or the rubric has changed since.

    Raises:
        SpecError: the file is not what was written there.
    """
    path = lock_path(rubric)
    if not path.is_file():
        return None
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    steps = told.get("steps") if isinstance(told, Mapping) else None
    if not isinstance(steps, list) or not steps or not all(isinstance(step, str) for step in steps):
        raise SpecError(Problem(str(path), "this file holds no steps", "remove it, and they are generated anew"))
    return tuple(steps) if told.get("rubric_sha256") == rubric.asked() else None


def lock_steps(rubric: Rubric, steps: Sequence[str], model: str) -> Path:
    """Keep generated steps beside the rubric, to be read, mended and committed like code."""
    path = lock_path(rubric)
    told = {"rubric": rubric.name, "rubric_sha256": rubric.asked(), "written_by": model, "steps": list(steps)}
    head = "# Evaluation steps, generated once from the rubric's criteria and fixed: a change here changes the scores.\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    half.write_text(head + yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")
    half.replace(path)
    return path
