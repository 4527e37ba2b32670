"""Does a system say that it does not know where it cannot know, and only there?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalkit.core.asking import Capability, Tools
from evalkit.core.batch import Batch
from evalkit.core.contracts import IntervalKind, ModelMetric
from evalkit.core.registry import judge
from evalkit.core.rows import Floats, Rows
from evalkit.judges.one_question import schema
from evalkit.judges.prompt import fenced, load
from evalkit.judges.record import Record, everything, nulls
from evalkit.stats.ratio import ratio

ABSTAINED, ANSWERABLE = "abstained", "answerable"
SCHEMA = schema(("yes", "no"))


class Told(NamedTuple):
    """Of a record: whether it could be answered, whether it was, and how either is known."""

    answerable: bool
    abstained: bool
    why: str
    could: str = ""


@judge("abstention")
@dataclass(frozen=True)
class Abstention(ModelMetric):
    """Whether outputs say "I don't know" where the contexts lack the answer, and only there; 0 to 1, pooled over records.

    Abstaining is the positive class: of the records that abstained, ``precision`` is the share that could not be answered;
    of those that could not be answered, ``recall`` is the share that abstained; ``f1`` (the bare name) is their harmonic mean.
    ``accuracy`` is the share of records that did the right of both; ``false_abstention`` the share of answerable ones that
    abstained, and ``missed`` of unanswerable ones that answered. Rows are the 2×2 table.

    Args:
        variant: ``patterns`` looks for words of not knowing at the beginning of the output, in six languages, and asks no
            model; ``judge`` asks the backend.
        answerable: ``column`` is the record's ``answerable``; ``judge`` asks the backend whether the contexts hold the answer.

    An empty output is no answer, and counts as abstaining.

    Misleads: a wrong answer to an answerable question counts as right here, for it answers. Patterns see hedges as abstaining.

    Source: Rajpurkar et al. (2018), SQuAD 2.0, arXiv:1806.03822, for the task.
    """

    variant: Literal["patterns", "judge"] = "patterns"
    answerable: Literal["column", "judge"] = "column"

    higher_is_better: ClassVar[bool | None] = True

    @property
    def parts(self) -> tuple[str, ...]:
        return ("f1", "precision", "recall", "accuracy", "false_abstention", "missed")

    @property
    def columns(self) -> tuple[str, ...]:
        return ("abstained_rightly", "abstained_wrongly", "answered_wrongly", "answered_rightly")

    def direction(self, part: str) -> bool | None:
        return part not in ("false_abstention", "missed")

    def interval_of(self, part: str) -> IntervalKind:
        return "wilson" if part == "accuracy" else "bootstrap"

    def needs_of(self) -> tuple[str, ...]:
        asked = ("input",) if "judge" in (self.variant, self.answerable) else ()
        return (*asked, "output", "contexts" if self.answerable == "judge" else "answerable")

    def wants_of(self) -> frozenset[Capability]:
        return frozenset({"chat"}) if "judge" in (self.variant, self.answerable) else frozenset()

    def prompts(self) -> dict[str, str]:
        named = [ABSTAINED] if self.variant == "judge" else []
        named += [ANSWERABLE] if self.answerable == "judge" else []
        return {name: load(name).text for name in named}

    def lacking(self, batch: Batch) -> dict[int, str]:
        """Without contexts nothing can be answered: an empty list of them is a value."""
        return nulls(batch, self.needs_of())

    async def measure(self, batch: Batch, tools: Tools) -> Rows:
        from evalkit.text.abstaining import abstaining

        outputs = batch.texts("output")
        flags, words = abstaining(outputs)
        asked = (
            self._one(Record(batch, at), bool(flags[at]), words[at], tools.on(name))
            for at, name in enumerate(batch.texts("id"))
        )
        found = await asyncio.gather(*asked, return_exceptions=True)
        rows = Rows(np.full((len(batch), 4), np.nan))
        came: Iterator[tuple[int, Told]] = rows.settled(found)
        for index, told in came:
            rows.values[index] = cell(told)
            rows.reasons[index] = reason_of(told)
            rows.evidence[index] = {"answerable": told.answerable, "abstained": told.abstained, "why": told.why} | (
                {"answerable_because": told.could} if told.could else {}
            )
        return rows

    async def _one(self, record: Record, flag: bool, words: str, tools: Tools) -> Told:
        (abstained, why), (answerable, could) = await everything(
            [self._abstained(record, flag, words, tools), self._answerable(record, tools)]
        )
        return Told(answerable, abstained, why, could)

    async def _abstained(self, record: Record, flag: bool, words: str, tools: Tools) -> tuple[bool, str]:
        if not record.text("output").strip():
            return True, "the output is empty"
        if self.variant == "patterns":
            return flag, f"“{' '.join(words.split())}”" if flag else ""
        messages = load(ABSTAINED).messages(
            question=fenced("QUESTION", record.text("input")), answer=fenced("ANSWER", record.text("output"))
        )
        told = await tools.ask(messages, SCHEMA, call="abstained", max_tokens=200)
        return told["verdict"] == "yes", told["reason"].strip()

    async def _answerable(self, record: Record, tools: Tools) -> tuple[bool, str]:
        if self.answerable == "column":
            return bool(record.value("answerable")), ""
        contexts = record.passages()
        if not contexts:
            return False, "there are no contexts"
        messages = load(ANSWERABLE).messages(
            passages="\n\n".join(fenced(f"P{place}", text) for place, text in enumerate(contexts, 1)),
            question=fenced("QUESTION", record.text("input")),
        )
        told = await tools.ask(messages, SCHEMA, call="answerable", max_tokens=200)
        return told["verdict"] == "yes", told["reason"].strip()

    def combine(self, totals: Floats) -> Floats:
        tp, fp, fn, tn = (totals[..., at] for at in range(4))
        return np.stack(
            [
                ratio(2.0 * tp, 2.0 * tp + fp + fn),
                ratio(tp, tp + fp),
                ratio(tp, tp + fn),
                ratio(tp + tn, tp + fp + fn + tn),
                ratio(fp, fp + tn),
                ratio(fn, tp + fn),
            ],
            axis=-1,
        )


def cell(told: Told) -> NDArray[np.float64]:
    """The record's place in the 2×2 table, (4,)."""
    at = {(True, False): 0, (True, True): 1, (False, False): 2, (False, True): 3}[told.abstained, told.answerable]
    found = np.zeros(4)
    found[at] = 1.0
    return found


def reason_of(told: Told) -> str:
    """``abstained, and the contexts lack the answer: “I don't know”``."""
    did = "abstained" if told.abstained else "answered"
    link = "and" if told.abstained != told.answerable else "but"
    why = f": {told.why}" if told.why else ""
    return f"{did}, {link} the contexts {'hold' if told.answerable else 'lack'} the answer{why}"
