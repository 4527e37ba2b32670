"""Is a summary supported by its source, and does it cover it?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from evalkit.core.asking import Reply, Tools
from evalkit.core.errors import Malformed
from evalkit.core.parse import parsed, shown
from evalkit.core.registry import judge
from evalkit.judges.claimed import Verified, quoted
from evalkit.judges.claims import PROMPT as CLAIMS
from evalkit.judges.claims import From, claims_of
from evalkit.judges.faithfulness import reason_of
from evalkit.judges.prompt import fenced, load
from evalkit.judges.record import Judged, Record, everything
from evalkit.judges.support import Source, Support
from evalkit.text.sentences import SPLITTER

QUESTIONS, ANSWERS = "summary-questions", "summary-answers"


@judge("summarization")
@dataclass(frozen=True)
class Summarization(Verified):
    """The lower of a summary's alignment and coverage, 0 to 1; the value is the mean over records.

    ``alignment``: the share of the summary's claims that the source supports. ``coverage``: of the questions that the source
    answers with yes, the share that the summary answers with yes too; the backend writes ``n`` of them from the source, or they
    are given. One call each for the claims, their support, the questions, and the answers of either text; what is asked about
    the source alone is asked once for all summaries of it.

    A summary without claims has no alignment, a source that answers no question with yes leaves no coverage, and then there is
    no bare value either (in DeepEval each is 0). An empty output or source leaves nothing to judge: skipped.

    Args:
        source: the column that is summarised.
        n: questions that are written.
        questions: your own, instead.

    Misleads: questions are a small sample of a source; coverage by five of them is coarse for one record.

    Source: DeepEval, `SummarizationMetric`, which holds claims against "truths" that are extracted from the source; ours are
    held against the source itself. Claims: Min et al. (2023), arXiv:2305.14251.
    """

    source: Literal["input", "contexts"] = "input"
    claims: From = "model"
    n: int = 5
    questions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.n <= 30:
            raise ValueError(f"n is from 1 to 30 questions, not {self.n}")
        if self.questions and (self.n != Summarization.n or not all(one.strip() for one in self.questions)):
            raise ValueError("give either `n` or `questions`, and none of these empty")

    @property
    def parts(self) -> tuple[str, ...]:
        return ("", "alignment", "coverage")

    def options(self) -> dict[str, Any]:
        """With the rules that cut sentences, where claims are these."""
        return super().options() | ({"sentences_by": SPLITTER} if self.claims == "sentences" else {})

    @property
    def chats(self) -> bool:
        return True

    def needs_of(self) -> tuple[str, ...]:
        return ("output", self.source)

    def prompts(self) -> dict[str, str]:
        named = [CLAIMS] if self.claims == "model" else []
        named += [ANSWERS] if self.questions else [QUESTIONS, ANSWERS]
        return super().prompts() | {name: load(name).text for name in named}

    async def judge(self, record: Record, tools: Tools) -> Judged | str:
        source, output = source_of(record, self.source), record.text("output")
        if not output.strip() or not source.strip():
            return f"the {'output' if source.strip() else self.source} is empty: nothing to judge"
        found = await everything([self._aligned(record, source, output, tools), self._covered(source, output, tools)])
        held, covering = found
        assert isinstance(held, Support)
        assert isinstance(covering, Covered)
        asked, by_source, by_output = covering
        aligned = float(held.supported.mean()) if held.claims else math.nan
        covered = coverage(by_source, by_output)
        reason = reason_of(held) if held.claims else "it makes no claim"
        kept = [(text, said) for text, known, said in zip(asked, by_source, by_output) if known == "yes"]
        lost = [text for text, said in kept if said != "yes"]
        reason += f"; {len(kept) - len(lost)} of {len(kept)} questions are answered" + (f"; not {quoted(lost)}" if lost else "")
        evidence = {
            "claims": held.evidence(),
            "questions": [
                {"question": text, "source": known, "summary": said} for text, known, said in zip(asked, by_source, by_output)
            ],
        }
        return Judged((min(aligned, covered) if aligned == aligned and covered == covered else math.nan, aligned, covered),
                      reason, evidence)  # fmt: skip

    async def _aligned(self, record: Record, source: str, output: str, tools: Tools) -> Support:
        asked = record.text("input") if self.source == "contexts" else ""
        claims = await claims_of(output, asked, tools, self.claims)
        return await self.verifying.check(claims, [Source("S", "the source", source)], tools, "alignment")

    async def _covered(self, source: str, output: str, tools: Tools) -> Covered:
        asked = list(self.questions) or await _questions(source, self.n, tools)
        if not asked:
            return Covered([], [], [])
        by_source, by_output = await everything(
            [answers(source, asked, tools, "answers of the source"), answers(output, asked, tools, "answers of the summary")]
        )
        return Covered(asked, by_source, by_output)


def source_of(record: Record, column: str) -> str:
    """What is summarised: a text or a chat, or all passages."""
    return "\n\n".join(record.passages()) if column == "contexts" else record.text(column)


class Covered(NamedTuple):
    """Questions, and what the source and the summary answer."""

    questions: list[str]
    by_source: list[str]
    by_output: list[str]


def coverage(by_source: Sequence[str], by_output: Sequence[str]) -> float:
    """Of the questions that the source answers with yes, the share that the summary does; NaN where there are none."""
    known = [said for of_source, said in zip(by_source, by_output) if of_source == "yes"]
    return sum(said == "yes" for said in known) / len(known) if known else math.nan


async def _questions(text: str, n: int, tools: Tools) -> list[str]:
    listed = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": n}
    schema = {"type": "object", "properties": {"questions": listed}, "required": ["questions"], "additionalProperties": False}
    messages = load(QUESTIONS).messages(text=fenced("TEXT", text), n=str(n))
    told = await tools.ask(messages, schema, call="questions", max_tokens=64 + 60 * n)
    return list(dict.fromkeys(one.strip() for one in told["questions"] if one.strip()))


async def answers(text: str, questions: Sequence[str], tools: Tools, call: str) -> list[str]:
    """``yes``, ``no`` or ``unknown`` to each question.

    Raises:
        BackendError: no usable reply.
    """
    return await in_order(ANSWERS, {"enum": ["yes", "no", "unknown"]}, text, questions, tools, call)


async def in_order(
    prompt: str, item: dict[str, Any], text: str, questions: Sequence[str], tools: Tools, call: str
) -> list[str]:
    """One answer a question, of the shape of ``item``, from one call.

    Raises:
        BackendError: no usable reply.
    """
    n = len(questions)
    listed = {"type": "array", "items": item, "minItems": n, "maxItems": n}
    schema = {"type": "object", "properties": {"answers": listed}, "required": ["answers"], "additionalProperties": False}
    messages = load(prompt).messages(
        text=fenced("TEXT", text),
        questions=fenced("QUESTIONS", "\n".join(f"{place}. {' '.join(one.split())}" for place, one in enumerate(questions, 1))),
        n=str(n),
    )

    def read(reply: Reply) -> list[str]:
        found: list[str] = parsed(reply.text, schema)["answers"]
        if len(found) != n:
            raise Malformed(f"the reply has {len(found)} answers to {n} questions: {shown(reply.text)}")
        return found

    told: list[str] = await tools.ask(messages, schema, call=call, parse=read, max_tokens=64 + 40 * n)
    return told
