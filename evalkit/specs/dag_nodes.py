"""The nodes of a DAG judge that put a question of their own, as they stand in its file."""

from __future__ import annotations

from collections.abc import Mapping

from evalkit.core.errors import quote
from evalkit.specs.dag import Question, Task, Then
from evalkit.specs.dag_leads import Targets, read_onto
from evalkit.specs.node import Node, suggest

KEYS = ("type", "ask", "needs", "then")
TYPES = {"task": KEYS, "binary": KEYS, "choice": (*KEYS, "verdicts"), "score": (*KEYS, "scale", "onto")}
BINARY = ("yes", "no")
WIDEST = 101  # scores of a score node

Meanings = dict[str | int, str]


def read_asking(node: Node, kind: str, targets: Targets) -> Task | Question | None:
    """A node of one of `TYPES`, or None after noting what is wrong with it."""
    for key in node.value:
        if key not in TYPES[kind]:
            node.child(key).fault(f"{node.label} has no key {quote(key)}", suggest(key, TYPES[kind]))
    name, at = str(node.steps[-1]), node.get("ask")
    if at is None:
        node.fault(f"{node.label} lacks `ask`", "say what the model is to do or to decide")
    ask = (at.text("a question or an instruction") if at is not None else None) or ""
    needs = _needs(node.get("needs"), targets)
    if kind == "task":
        then = targets.task(node)
        return Task(name, ask.strip(), needs, then) if ask and then else None
    verdicts, leads = {"binary": _binary, "choice": _choice, "score": _score}[kind](node, targets)
    return Question(name, ask.strip(), needs, verdicts, leads) if ask and leads else None


def _needs(node: Node | None, targets: Targets) -> tuple[str, ...]:
    if node is None:
        return ()
    told = node.texts("a list of columns and of tasks") or []
    for name in told:
        if targets.kinds.get(name, "task") not in ("task", None):
            node.fault(f"{node.label} names {quote(name)}, which is no task: it has no text to show")
    return tuple(dict.fromkeys(told))


def _binary(node: Node, targets: Targets) -> tuple[Meanings, dict[str | int, Then]]:
    return dict.fromkeys(BINARY, ""), targets.verdicts(node, BINARY)


def _choice(node: Node, targets: Targets) -> tuple[Meanings, dict[str | int, Then]]:
    """Verdicts as ``verdicts`` declares them, with or without what they mean; else as ``then`` has them."""
    declared, then = node.get("verdicts"), node.get("then")
    told: Meanings = {}
    if declared is None:
        told = dict.fromkeys(map(str, then.value), "") if then is not None and isinstance(then.value, Mapping) else {}
    elif isinstance(declared.value, Mapping):
        told = {str(at.steps[-1]): at.text("what the verdict means") or "" for at in declared.items()}
    else:
        for verdict in declared.texts("a list of verdicts, or a mapping of each to what it means") or []:
            if verdict in told:
                declared.fault(f"{declared.label} has {quote(verdict)} twice")
            told[verdict] = ""
    words = [str(verdict) for verdict in told]
    for verdict in words:
        if verdict != " ".join(verdict.split()) or not verdict:
            node.fault(f"{node.label}: a verdict is a word or some on one line, and found {quote(verdict)}")
    if len(told) == 1:
        node.fault(f"{node.label} has one verdict, which leaves nothing to choose", "add another")
    return told, targets.verdicts(node, words)


def _score(node: Node, targets: Targets) -> tuple[Meanings, dict[str | int, Then]]:
    """Every whole number of the node's own scale is a verdict; without ``then`` each leads to its like on the judge's."""
    then, scale = node.get("then"), _whole_scale(node)
    if scale is None:
        if then is not None:
            targets.mention(then.value)
        return {}, {}
    low, high = scale
    verdicts: Meanings = dict.fromkeys(range(low, high + 1), "")
    levels = node.child("scale").get("levels")
    if levels is not None and levels.mapping(expected="a mapping of scores to what they mean"):
        for level in levels.items():
            key = str(level.steps[-1])
            if key.isdecimal() and low <= int(key) <= high:
                verdicts[int(key)] = level.text("what the score means") or ""
            else:
                level.fault(f"{levels.label} has no score {quote(key)}", f"scores go from {low} to {high}")
    if then is not None:
        if (at := node.get("onto")) is not None:
            at.fault(f"{node.label} has verdicts and `onto`", "`onto` is for a leaf, which has no `then`")
        return verdicts, targets.scores(then, low, high)
    onto = read_onto(node, targets)
    return verdicts, {score: onto.at((score - low) / (high - low)) for score in range(low, high + 1)}


def _whole_scale(node: Node) -> tuple[int, int] | None:
    at, example = node.get("scale"), "{min: 1, max: 5}"
    if at is None:
        node.fault(f"{node.label} lacks `scale`", f"add `scale: {example}`")
        return None
    if not at.mapping(("min", "max", "levels"), f"a mapping such as {example}"):
        return None
    edges = [at.get(key) for key in ("min", "max")]
    for key, edge in zip(("min", "max"), edges):
        if edge is None:
            at.fault(f"{at.label} lacks `{key}`", f"write {example}")
    low, high = (edge.whole(least=0) if edge is not None else None for edge in edges)
    if low is None or high is None:
        return None
    if not low < high < low + WIDEST:
        at.fault(f"{at.label}: a scale goes up from min to max, by 1 to {WIDEST - 1}", f"write {example}")
        return None
    return low, high
