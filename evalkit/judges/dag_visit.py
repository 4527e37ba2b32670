"""One node of a DAG judge and the records that have come to it: asked or measured all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from evalkit.core.asking import Messages, Reply, Tools
from evalkit.core.batch import Batch, as_text
from evalkit.core.contracts import Metric, ModelMetric
from evalkit.core.errors import BackendError, Malformed
from evalkit.core.rows import Floats, Rows
from evalkit.judges.dag_prompt import messages, schema, shown_texts
from evalkit.specs.dag import Dag, Leaf, Question, Rule, Task


@dataclass(frozen=True)
class Found:
    """What a node made of one record.

    Attributes:
        text: what a task wrote.
        share: of a leaf, how good its value is, from 0 to 1.
    """

    verdict: str | int | float | None = None
    reason: str = ""
    text: str | None = None
    share: float | None = None
    evidence: Any = None


@dataclass(frozen=True)
class Lost:
    """Why a node could make nothing of a record: an error, or nothing to judge."""

    why: str
    skipped: bool = False


Outcome = Found | Lost


class Named:
    """The tools of a metric inside a node: its calls carry the node's name, so that those of two nodes are told apart."""

    def __init__(self, tools: Tools, node: str) -> None:
        self._tools, self._node = tools, node

    @classmethod
    def of(cls, tools: Tools, node: str) -> Tools:
        """``tools`` with another name on every call."""
        return cast(Tools, cls(tools, node))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tools, name)

    def on(self, record: str) -> Tools:
        """As `Tools.on`."""
        return Named.of(self._tools.on(record), self._node)

    def using(self, backend: str) -> Tools:
        """As `Tools.using`."""
        return Named.of(self._tools.using(backend), self._node)

    async def ask(self, messages: Messages, schema: Mapping[str, Any] | None = None, *, call: str = "", **more: Any) -> Any:
        """As `Tools.ask`."""
        return await self._tools.ask(messages, schema, call=f"{self._node}/{call}" if call else self._node, **more)


@dataclass(frozen=True)
class Visit:
    """A batch on its way through a judge.

    Attributes:
        written: for each record what its tasks have written so far, by their names.
    """

    dag: Dag
    batch: Batch
    tools: Tools
    written: Sequence[Mapping[str, str]]
    max_tokens: int

    async def task(self, node: Task, records: Sequence[int]) -> list[Outcome]:
        """What the model writes for each record."""
        return await self._each(node, records)

    async def question(self, node: Question, records: Sequence[int]) -> list[Outcome]:
        """The model's verdict on each record."""
        return await self._each(node, records)

    async def _each(self, node: Task | Question, records: Sequence[int]) -> list[Outcome]:
        found = await asyncio.gather(*(self._ask(node, index) for index in records), return_exceptions=True)
        told: list[Outcome] = []
        for outcome in found:
            if isinstance(outcome, BackendError):
                told.append(Lost(str(outcome)))
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                told.append(outcome)
        return told

    async def _ask(self, node: Task | Question, index: int) -> Outcome:
        for column in self.dag.read_by(node):
            value = self.batch.column(column)[index]
            if value is None:
                return Lost(f"no {column}")
            if value == [] or (column == "output" and not as_text(value).strip()):
                lacks = f"the record has no {column}" if value == [] else "the output is empty"
                return Lost(f"{lacks}: nothing to judge", skipped=True)
        asked = messages(node, shown_texts(self.dag, node, self.batch, index, self.written[index]))
        tools = self.tools.on(self.batch.texts("id")[index])
        if isinstance(node, Task):
            text: str = await tools.ask(asked, call=node.name, parse=_written, max_tokens=self.max_tokens)
            return Found(text=text)
        told = await tools.ask(asked, schema(node), call=node.name, max_tokens=self.max_tokens)
        return Found(told["verdict"], told["reason"])

    async def rule(self, node: Rule, records: Sequence[int]) -> list[Outcome]:
        """Whether a metric's value of each record is within bounds."""
        values, rows = await self._measured(node, records)
        told: list[Outcome] = []
        for place in range(len(records)):
            lost = _lost(rows, place, values[place, node.part], node.use)
            if lost is not None:
                told.append(lost)
                continue
            value = float(values[place, node.part])
            verdict = "yes" if node.least <= value <= node.most else "no"
            reason = rows.reasons.get(place) or f"{node.use} is {value:.4g}, wanted {_bounds(node.least, node.most)}"
            told.append(Found(verdict, reason, evidence={"value": value, **_evidence(rows, place)}))
        return told

    async def leaf(self, node: Leaf, records: Sequence[int]) -> list[Outcome]:
        """A metric's own value of each record."""
        values, rows = await self._measured(node, records)
        told: list[Outcome] = []
        for place in range(len(records)):
            value = values[place, node.part]
            lost = _lost(rows, place, value, node.use)
            if lost is None and value not in node.scale:
                lost = Lost(f"{node.use} is {value:g}, which is not on its scale, {node.scale}")
            if lost is not None:
                told.append(lost)
                continue
            share = node.scale.share(float(value))
            better = node.metric.direction(node.metric.parts[node.part])
            share = 1.0 - share if better is False else share
            verdict = round(float(values[place, node.told]), 6)
            told.append(Found(verdict, rows.reasons.get(place, ""), share=share, evidence=_evidence(rows, place)))
        return told

    async def _measured(self, node: Rule | Leaf, records: Sequence[int]) -> tuple[Floats, Rows]:
        """The metric's values of some records, shape (n, parts), and its rows."""
        batch, metric = self.batch.take(records), node.metric
        texts: Sequence[Any] = ()
        if node.of is not None:
            own = node.of in self.dag.nodes
            texts = [self.written[index].get(node.of) for index in records] if own else batch.column(node.of)
            batch = Batch({**batch.columns, "output": texts})
        if isinstance(metric, ModelMetric):
            rows = await metric.score(batch, Named.of(self.tools, node.name))
        else:
            assert isinstance(metric, Metric)
            rows = await asyncio.to_thread(metric.score, batch)  # a slow pattern must not hold up the answers of others
        for place in rows.errors if node.of is not None else ():
            if texts[place] is None:
                rows.errors[place] = f"no {node.of}"
        return np.asarray(metric.record_values(rows)), rows


def _written(reply: Reply) -> str:
    """A task's text.

    Raises:
        Malformed: there is none.
    """
    text = reply.text.strip()
    if not text:
        raise Malformed("the reply is empty")
    return text


def _lost(rows: Rows, place: int, value: float, use: str) -> Lost | None:
    if place in rows.errors:
        return Lost(rows.errors[place])
    if place in rows.skipped:
        return Lost(rows.skipped[place], skipped=True)
    return Lost(f"{use} has no value for this record") if not np.isfinite(value) else None


def _evidence(rows: Rows, place: int) -> dict[str, Any]:
    return {"evidence": rows.evidence[place]} if place in rows.evidence else {}


def _bounds(least: float, most: float) -> str:
    told = ([f"at least {least:g}"] if np.isfinite(least) else []) + ([f"at most {most:g}"] if np.isfinite(most) else [])
    return " and ".join(told) if least != most else f"{least:g}"
