"""The DAG judge: a graph of tasks, questions and rules, through which every record takes its own path to a score."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from evalkit.core.asking import Capability, Tools
from evalkit.core.batch import Batch
from evalkit.core.content import Document
from evalkit.core.contracts import ModelMetric
from evalkit.core.registry import judge
from evalkit.core.rows import Floats, Rows
from evalkit.judges.dag_prompt import prompt_text
from evalkit.judges.dag_visit import Found, Lost, Named, Outcome, Visit
from evalkit.specs.dag import Dag, Leaf, Question, Rule, Step, Task
from evalkit.specs.judge import read_dag
from evalkit.stats.ratio import ratio


@judge("dag")
@dataclass(frozen=True)
class DagJudge(ModelMetric):
    """A model's verdicts on small questions, one after another along a graph; the value is the mean score of where they end.

    The graph is a YAML file: ``task`` nodes have the model write a text that later nodes see; ``binary``, ``choice`` and
    ``score`` nodes have it choose one of the declared verdicts, each of which leads to a score or to further nodes; ``regex``,
    ``json_schema`` and ``metric`` nodes decide by a metric's value and need no model; ``geval``, or any metric without
    verdicts, is a leaf whose own value is the score. Small questions with fixed consequences bind a judge more than one
    large question does, and show what the score came from.

    Parts: the bare score, on the scale that the file declares (0 to 10 where it does not); ``normalized``, 0 to 1. The path
    that a record took is its evidence: node, verdict and reason of every step. A reply that is none of the verdicts is asked
    for again, then an error of that record, never a score; so is a null in a column that a node on its path reads. An empty
    output, or empty contexts, leave a question nothing to judge: the record is skipped.

    Misleads: a graph is as good as its questions: what none of them asks for is not seen, and one wrong early verdict
    decides the score. Read some paths before you believe the mean.

    Source: DeepEval's DAGMetric, whose rules for a graph these are.
    """

    judge: Document | Mapping[str, Any] | Dag
    max_tokens: int = 1024  # of one reply

    needs: ClassVar[tuple[str, ...]] = ()  # the nodes tell: `needs_of`

    def __post_init__(self) -> None:
        if not isinstance(self.judge, Dag):
            object.__setattr__(self, "judge", read_dag(self.judge))

    @property
    def graph(self) -> Dag:
        """The judge's graph."""
        assert isinstance(self.judge, Dag)
        return self.judge

    @property
    def parts(self) -> tuple[str, ...]:
        return ("", "normalized")

    @property
    def columns(self) -> tuple[str, ...]:
        return ("score", "judged")

    def range_of(self, part: str) -> tuple[float, float] | None:
        scale = self.graph.scale
        return (0.0, 1.0) if part else (float(scale.low), float(scale.high))

    def needs_of(self) -> tuple[str, ...]:
        return self.graph.columns

    def lacking(self, batch: Batch) -> dict[int, str]:
        """None: a null only matters to the nodes on a record's path, and they tell."""
        return {}

    def options(self) -> dict[str, Any]:
        """The judge by its name and version, and by the content of its file and of all that this refers to."""
        graph = self.graph
        told = {"judge": Document(graph.name, "", graph.digest), "name": graph.name, "version": graph.version}
        return {**told, "max_tokens": self.max_tokens}

    def _models(self) -> dict[str, ModelMetric]:
        return {name: metric for name, metric in self.graph.nested.items() if isinstance(metric, ModelMetric)}

    def wants_of(self) -> frozenset[Capability]:
        wants = frozenset[Capability]().union(*(metric.wants_of() for metric in self._models().values()))
        asks = any(isinstance(node, (Task, Question)) for node in self.graph.nodes.values())
        return wants | {"chat"} if asks else wants

    def instead(self, lacking: frozenset[Capability]) -> str | None:
        for name, metric in self._models().items():
            hint = metric.instead(lacking & metric.wants_of())
            if hint is not None:
                return f"in the node {name}, {hint}"
        return None

    def others(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(other for metric in self._models().values() for other in metric.others()))

    @property
    def mode(self) -> str | None:
        """That of the metrics inside; a question of the graph's own is asked once."""
        modes = dict.fromkeys(metric.mode for metric in self._models().values() if metric.mode is not None)
        return ", ".join(modes) or None

    def about(self) -> str:
        return f"raw {self.graph.scale}"

    def prompts(self) -> dict[str, str]:
        """What every node asks, and the metrics inside by ``NODE/…``."""
        told = {name: prompt_text(node) for name, node in self.graph.nodes.items() if isinstance(node, (Task, Question))}
        for name, metric in self._models().items():
            told |= {f"{name}/{inner}": text for inner, text in metric.prompts().items()}
        return told

    async def prepared(self, tools: Tools) -> Self:
        """With the metrics inside prepared."""
        return self._holding({name: await one.prepared(Named.of(tools, name)) for name, one in self._models().items()})

    def learns_of(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(column for metric in self._models().values() for column in metric.learns_of()))

    async def learned(self, batches: Iterable[Batch], tools: Tools) -> Self:
        """With what the metrics inside take from the whole data set."""
        eager = {name: metric for name, metric in self._models().items() if metric.learns_of()}
        told = batches if len(eager) == 1 else list(batches)
        return self._holding({name: await metric.learned(told, Named.of(tools, name)) for name, metric in eager.items()})

    def _holding(self, metrics: Mapping[str, ModelMetric]) -> Self:
        """This judge with other metrics in some of its nodes; their parts keep their names, and may have other places."""
        nodes = dict(self.graph.nodes)
        for name, metric in metrics.items():
            node = nodes[name]
            assert isinstance(node, (Rule, Leaf))
            place = metric.parts.index(node.metric.parts[node.part])
            nodes[name] = replace(node, metric=metric, part=place)
            if isinstance(node, Leaf):
                told = metric.parts.index(node.metric.parts[node.told])
                nodes[name] = replace(node, metric=metric, part=place, told=told)
        return replace(self, judge=replace(self.graph, nodes=nodes))

    async def measure(self, batch: Batch, tools: Tools) -> Rows:
        graph, n = self.graph, len(batch)
        rows = Rows(np.full((n, 2), np.nan))
        written: list[dict[str, str]] = [{} for _ in range(n)]
        paths: list[list[dict[str, Any]]] = [[] for _ in range(n)]
        visit = Visit(graph, batch, tools, written, self.max_tokens)
        # Whoever has come to a node, in the order of the records; all that lead to it stand on earlier levels.
        waiting: dict[str, set[int]] = {name: set(range(n)) if name in graph.root else set() for name in graph.nodes}
        for level in graph.levels:
            there = {
                name: [i for i in sorted(waiting[name]) if i not in rows.errors and i not in rows.skipped] for name in level
            }
            told = await asyncio.gather(
                *(_outcomes(visit, graph.nodes[name], there[name]) for name in level), return_exceptions=True
            )
            for name, outcomes in zip(level, told):
                if isinstance(outcomes, BaseException):
                    raise outcomes
                for index, outcome in zip(there[name], outcomes):
                    self._go_on(graph.nodes[name], index, outcome, rows, written, paths, waiting)
        for index, path in enumerate(paths):
            if path:
                rows.evidence[index] = path
                rows.reasons[index] = told_path(path)
        return rows

    def _go_on(
        self,
        node: Step,
        index: int,
        outcome: Outcome,
        rows: Rows,
        written: list[dict[str, str]],
        paths: list[list[dict[str, Any]]],
        waiting: dict[str, set[int]],
    ) -> None:
        """Take one record on from a node: to the next ones, to its score, or out."""
        if isinstance(outcome, Lost):
            if not outcome.skipped:
                rows.errors.setdefault(index, f"{node.name}: {outcome.why}")
                rows.skipped.pop(index, None)
            elif index not in rows.errors:
                rows.skipped.setdefault(index, f"{node.name}: {outcome.why}")
            return
        paths[index].append(_step(node, outcome))
        if isinstance(node, Task):
            written[index][node.name] = outcome.text or ""
            then: float | tuple[str, ...] = node.then
        elif isinstance(node, Leaf):
            then = node.onto.at(outcome.share or 0.0)
        else:
            assert outcome.verdict is not None
            then = node.then[outcome.verdict]  # type: ignore[index]  # of the declared ones: the reply was checked
        if isinstance(then, tuple):
            for name in then:
                waiting[name].add(index)
        else:
            rows.values[index] = (then, 1.0)

    def combine(self, totals: Floats) -> Floats:
        scale = self.graph.scale
        mean = ratio(totals[..., 0], totals[..., 1])
        return np.stack((mean, (mean - scale.low) / (scale.high - scale.low)), axis=-1)


def told_path(path: list[dict[str, Any]]) -> str:
    """A path as people read it: ``supported: yes (it quotes the passage) → tone: 4 (…)``."""
    told = []
    for step in path:
        if "verdict" in step:
            verdict = step["verdict"]
            spelled = f"{verdict:.4g}" if isinstance(verdict, float) else str(verdict)
            told.append(f"{step['node']}: {spelled}" + (f" ({step['reason']})" if step["reason"] else ""))
    return " → ".join(told)


def _step(node: Step, found: Found) -> dict[str, Any]:
    if isinstance(node, Task):
        return {"node": node.name, "text": found.text}
    return {"node": node.name, "verdict": found.verdict, "reason": found.reason, **(found.evidence or {})}


async def _outcomes(visit: Visit, node: Step, records: list[int]) -> list[Outcome]:
    if not records:
        return []
    if isinstance(node, Task):
        return await visit.task(node, records)
    if isinstance(node, Question):
        return await visit.question(node, records)
    return await (visit.rule(node, records) if isinstance(node, Rule) else visit.leaf(node, records))
