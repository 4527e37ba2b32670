"""Are the useful passages ranked before the others?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evalkit.core.asking import Reply, Tools
from evalkit.core.registry import judge
from evalkit.judges.listed import in_order, schema_of
from evalkit.judges.prompt import fenced, load
from evalkit.judges.record import Judged, Record, RecordJudge

PROMPT = "useful-contexts"


@judge("context_precision")
@dataclass(frozen=True)
class ContextPrecision(RecordJudge):
    """Average precision of the contexts as they are ranked, 0 to 1: of P@k over the ranks k of useful passages, the mean.

    The backend says of every passage, in one call a record, whether it was useful for arriving at the reference
    (``against: reference``; of several, any) or at the output itself (``against: output``). Where none was, it is 0. A record
    without contexts leaves nothing to judge: skipped.

    Parts: the bare value, and ``useful``, the share of passages that were.

    Misleads: it looks at what was retrieved alone; a passage that was never found costs nothing here (`context_recall`).

    Source: Ragas, `ContextPrecision` with and without reference; Es et al. (2023), arXiv:2309.15217.
    """

    against: Literal["reference", "output"] = "reference"

    @property
    def parts(self) -> tuple[str, ...]:
        return ("", "useful")

    def needs_of(self) -> tuple[str, ...]:
        return ("input", "contexts", self.against)

    def prompts(self) -> dict[str, str]:
        return {PROMPT: load(PROMPT).text}

    async def judge(self, record: Record, tools: Tools) -> Judged | str:
        contexts = record.passages()
        answers = (
            record.texts("reference")
            if self.against == "reference"
            else [one for one in (record.text("output"),) if one.strip()]
        )
        if not contexts:
            return "there are no contexts to judge"
        if not answers:
            return f"the {self.against} is empty: nothing that a passage could be useful for"
        there = [at for at, text in enumerate(contexts) if text.strip()]
        came = await useful(record.text("input"), answers, [contexts[at] for at in there], tools)
        told = [{"verdict": "no", "reason": "it is empty"}] * len(contexts)
        for at, one in zip(there, came):
            told[at] = one
        verdicts = [one["verdict"] == "yes" for one in told]
        evidence = {
            "passages": [
                {"passage": place, "useful": kept, "reason": one["reason"].strip()}
                for place, (kept, one) in enumerate(zip(verdicts, told), 1)
            ]
        }
        found = [str(place) for place, kept in enumerate(verdicts, 1) if kept]
        reason = f"useful: {', '.join(found)} of {len(verdicts)}" if found else f"none of {len(verdicts)} passages was useful"
        return Judged((average_precision(verdicts), sum(verdicts) / len(verdicts)), reason, evidence)


def average_precision(verdicts: Sequence[bool]) -> float:
    """The mean of precision at each rank that holds something useful; 0 where none does."""
    hits, total = 0, 0.0
    for rank, kept in enumerate(verdicts, 1):
        if kept:
            hits += 1
            total += hits / rank
    return total / hits if hits else 0.0


async def useful(question: str, answers: Sequence[str], contexts: Sequence[str], tools: Tools) -> list[dict[str, Any]]:
    """A verdict on each passage, in order.

    Raises:
        BackendError: no usable reply.
    """
    schema = schema_of(len(contexts), "passage", {"verdict": {"enum": ["yes", "no"]}})
    title = "ANSWER" if len(answers) == 1 else "ONE OF SEVERAL RIGHT ANSWERS"
    messages = load(PROMPT).messages(
        passages="\n\n".join(fenced(f"P{place}", text) for place, text in enumerate(contexts, 1)),
        question=fenced("QUESTION", question),
        answer="\n\n".join(fenced(title, text) for text in answers),
        n=str(len(contexts)),
    )

    def read(reply: Reply) -> list[dict[str, Any]]:
        return in_order(reply.text, schema, "passage")

    told: list[dict[str, Any]] = await tools.ask(
        messages, schema, call="passages", parse=read, max_tokens=64 + 80 * len(contexts)
    )
    return told
