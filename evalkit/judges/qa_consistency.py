"""Does the source give the answers that a summary gives?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from evalkit.core.asking import Tools
from evalkit.core.registry import judge
from evalkit.judges.claimed import quoted
from evalkit.judges.prompt import fenced, load
from evalkit.judges.record import Judged, Record, RecordJudge
from evalkit.judges.summarization import in_order, source_of
from evalkit.text.normalise import squad_tokens

QUESTIONS, ANSWERS = "qa-questions", "qa-answers"


@judge("qa_consistency")
@dataclass(frozen=True)
class QaConsistency(RecordJudge):
    """How well the source's answers agree with the summary's, to questions made of the summary; 0 to 1, mean over records.

    The backend writes up to ``n`` questions that the summary answers with a few words, in one call, and answers them from the
    source alone, in another. The value is the mean token F1 of both answers (SQuAD's normalisation); a question that the source
    does not answer counts 0. Parts: the bare value, and ``answered``, the share of questions that the source answers.

    A summary that gives rise to no question leaves nothing to compare, as an empty output or source does: skipped.

    Misleads: two right answers in other words agree little; it sees only what questions of few words can ask.

    Source: Wang et al. (2020), QAGS, arXiv:2004.04228; Durmus et al. (2020), FEQA, arXiv:2005.03754.
    """

    source: Literal["input", "contexts"] = "input"
    n: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.n <= 30:
            raise ValueError(f"n is from 1 to 30 questions, not {self.n}")

    @property
    def parts(self) -> tuple[str, ...]:
        return ("", "answered")

    def needs_of(self) -> tuple[str, ...]:
        return ("output", self.source)

    def prompts(self) -> dict[str, str]:
        return {name: load(name).text for name in (QUESTIONS, ANSWERS)}

    async def judge(self, record: Record, tools: Tools) -> Judged | str:
        source, output = source_of(record, self.source), record.text("output")
        if not output.strip() or not source.strip():
            return f"the {'output' if source.strip() else self.source} is empty: nothing to judge"
        asked = await self._questions(output, tools)
        if not asked:
            return "the output gives rise to no question"
        told = await in_order(ANSWERS, {"type": "string"}, source, list(asked), tools, "answers")
        scores = [token_f1(mine, theirs) for mine, theirs in zip(asked.values(), told)]
        lost = [question for question, score in zip(asked, scores) if score < 0.5]
        evidence = {
            "questions": [
                {"question": question, "summary": mine, "source": theirs, "f1": round(score, 4)}
                for (question, mine), theirs, score in zip(asked.items(), told, scores)
            ]
        }
        reason = f"the source agrees on {len(scores) - len(lost)} of {len(scores)} questions"
        answered = sum(bool(theirs.strip()) for theirs in told) / len(told)
        return Judged((sum(scores) / len(scores), answered), reason + (f"; not {quoted(lost)}" if lost else ""), evidence)

    async def _questions(self, text: str, tools: Tools) -> dict[str, str]:
        """Questions and the answers that the summary gives."""
        pair = {
            "type": "object",
            "properties": {"question": {"type": "string"}, "answer": {"type": "string"}},
            "required": ["question", "answer"],
            "additionalProperties": False,
        }
        schema = {
            "type": "object",
            "properties": {"questions": {"type": "array", "items": pair, "minItems": 1, "maxItems": self.n}},
            "required": ["questions"],
            "additionalProperties": False,
        }
        messages = load(QUESTIONS).messages(text=fenced("TEXT", text), n=str(self.n))
        told: Any = await tools.ask(messages, schema, call="questions", max_tokens=64 + 80 * self.n)
        pairs = [(one["question"].strip(), one["answer"].strip()) for one in told["questions"]]
        return {question: answer for question, answer in pairs if question and answer}


def token_f1(one: str, two: str) -> float:
    """F1 of two answers' tokens, by SQuAD's rules; 0 where either is empty."""
    a, b = Counter(squad_tokens(one)), Counter(squad_tokens(two))
    shared = (a & b).total()
    return 2.0 * shared / (a.total() + b.total()) if shared else 0.0
