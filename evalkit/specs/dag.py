"""A DAG judge as it is once read: nodes that ask, measure and decide, and the order in which they come."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.core.contracts import Measure
from evalkit.core.signature import canonical, plain

Then = float | tuple[str, ...]  # a score on the judge's scale, or the nodes to go on with
Leads = Mapping[str | int, Then]  # by verdict


@dataclass(frozen=True)
class Scale:
    """Where scores lie."""

    low: float = 0.0
    high: float = 10.0

    def __contains__(self, score: float) -> bool:
        return self.low <= score <= self.high

    def __str__(self) -> str:
        return f"{self.low:g}–{self.high:g}"

    def share(self, score: float) -> float:
        """How far up the scale a score is, from 0 to 1."""
        return (score - self.low) / (self.high - self.low)

    def at(self, share: float) -> float:
        """The score that is so far up."""
        return self.low + share * (self.high - self.low)


@dataclass(frozen=True)
class Task:
    """Has the model write a text, which the nodes that follow are shown."""

    name: str
    ask: str
    needs: tuple[str, ...]  # columns, and tasks that ran before
    then: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """Has the model choose one of some verdicts: words, or the whole numbers of a scale."""

    name: str
    ask: str
    needs: tuple[str, ...]
    verdicts: Mapping[str | int, str]  # each with what it means, where that is said
    then: Leads


@dataclass(frozen=True)
class Rule:
    """Compares a metric's value with bounds: ``yes`` within them, ``no`` outside."""

    name: str
    use: str
    metric: Measure
    part: int
    of: str | None  # the column or the task that is measured in the output's place
    least: float
    most: float
    then: Leads


@dataclass(frozen=True)
class Leaf:
    """Ends in a metric's own value, mapped from its scale onto the judge's, or a stretch of it; where lower is better, turned
    round."""

    name: str
    use: str
    metric: Measure
    part: int
    of: str | None
    scale: Scale
    onto: Scale
    told: int  # the part that people read


Step = Task | Question | Rule | Leaf


@dataclass(frozen=True)
class Dag:
    """A judge's graph, faultless.

    Attributes:
        levels: names of nodes; each stands behind all that lead to it.
        leading: to each node the tasks that lead straight to it: their texts are shown to it.
        sha256: of the definition's own text.
    """

    name: str
    version: int
    scale: Scale
    root: tuple[str, ...]
    nodes: Mapping[str, Step]
    levels: tuple[tuple[str, ...], ...]
    leading: Mapping[str, tuple[str, ...]]
    sha256: str

    @property
    def nested(self) -> dict[str, Measure]:
        """The metrics inside, by the name of their node."""
        return {name: node.metric for name, node in self.nodes.items() if isinstance(node, (Rule, Leaf))}

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that some node reads, in the order of the file."""
        return tuple(dict.fromkeys(column for node in self.nodes.values() for column in self.read_by(node)))

    def read_by(self, node: Step) -> tuple[str, ...]:
        """The columns that one node reads."""
        if isinstance(node, (Task, Question)):
            return tuple(name for name in node.needs if name not in self.nodes)
        if node.of is None:
            return node.metric.needs_of()
        rest = (column for column in node.metric.needs_of() if column != "output")
        return (*rest, node.of) if node.of not in self.nodes else tuple(rest)

    @property
    def digest(self) -> str:
        """The sha256 of the definition and of all that it refers to."""
        inside = {
            name: {"is": f"{type(one).__module__}:{type(one).__qualname__}", "version": one.version, "options": one.options()}
            for name, one in self.nested.items()
        }
        return hashlib.sha256(self.sha256.encode() + canonical(plain(inside))).hexdigest()
