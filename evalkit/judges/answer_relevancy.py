"""Does an answer answer what was asked?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from evalkit.core.asking import Capability, Tools
from evalkit.core.errors import BackendError
from evalkit.core.registry import judge
from evalkit.judges.numbered import which
from evalkit.judges.prompt import fenced, load
from evalkit.judges.record import Judged, Record, RecordJudge, everything, known
from evalkit.stats.matching import unit
from evalkit.text.sentences import SPLITTER, sentences

QUESTIONS, SENTENCES = "questions-of-answer", "relevant-sentences"
SCHEMA = {
    "type": "object",
    "properties": {"question": {"type": "string"}, "noncommittal": {"type": "boolean"}},
    "required": ["question", "noncommittal"],
    "additionalProperties": False,
}


@judge("answer_relevancy")
@dataclass(frozen=True)
class AnswerRelevancy(RecordJudge):
    """How well an output fits the question, whether it is right or not; the value is the mean over records.

    - ``questions`` (Ragas): the backend writes ``strictness`` questions that the output answers; the value is the mean cosine
      of their vectors with the input's, −1 to 1, and 0 where every draw finds the output noncommittal. It needs an
      ``embedder``, unless the backend gives vectors itself.
    - ``sentences`` (DeepEval): the share of the output's sentences that are relevant to the input, 0 to 1, in one call.
      DeepEval has the model write statements; ours are sentences, by rules.

    Parts: the bare value, and ``noncommittal`` of ``questions``, the share of draws that found the output so.

    An empty output leaves nothing to judge: skipped. Where no draw holds a question, the record is an error.

    Args:
        embedder: a backend that gives texts a vector.
        temperature: of the draws.

    Misleads: a wrong answer to the question is relevant; cosines of a model have no common zero, so compare only with the same.

    Source: Es et al. (2023), Ragas, arXiv:2309.15217; DeepEval, `AnswerRelevancyMetric`.
    """

    variant: Literal["questions", "sentences"] = "questions"
    strictness: int = 3
    temperature: float = 0.7
    embedder: str | None = None

    needs: ClassVar[tuple[str, ...]] = ("input", "output")

    def __post_init__(self) -> None:
        if self.strictness < 1:
            raise ValueError(f"strictness is at least 1, not {self.strictness}")
        if self.strictness > 1 and self.temperature <= 0:
            raise ValueError("temperature must be above 0 to draw several questions; or write `strictness: 1`")
        if self.variant == "sentences" and self.embedder is not None:
            raise ValueError("embedder belongs to `variant: questions`")
        drawing = (self.strictness, self.temperature) != (AnswerRelevancy.strictness, AnswerRelevancy.temperature)
        if self.variant == "sentences" and drawing:
            raise ValueError("strictness and temperature belong to `variant: questions`")

    @property
    def parts(self) -> tuple[str, ...]:
        return ("", "noncommittal") if self.variant == "questions" else ("",)

    def direction(self, part: str) -> bool | None:
        return part != "noncommittal"

    def range_of(self, part: str) -> tuple[float, float] | None:
        return (-1.0, 1.0) if self.variant == "questions" and not part else (0.0, 1.0)

    def wants_of(self) -> frozenset[Capability]:
        alone = self.variant == "questions" and self.embedder is None
        return frozenset({"chat", "embed"}) if alone else frozenset({"chat"})

    def others(self) -> tuple[str, ...]:
        return (self.embedder,) if self.embedder is not None else ()

    def wants_from(self, backend: str) -> frozenset[Capability]:
        return frozenset({"embed"}) if backend == self.embedder else frozenset()

    def instead(self, lacking: frozenset[Capability]) -> str | None:
        return "name an `embedder`, or write `variant: sentences`" if "embed" in lacking else None

    def options(self) -> dict[str, Any]:
        """Those of the variant."""
        if self.variant == "sentences":
            return {"variant": self.variant, "sentences_by": SPLITTER}
        return super().options()

    def prompts(self) -> dict[str, str]:
        name = QUESTIONS if self.variant == "questions" else SENTENCES
        return {name: load(name).text}

    async def judge(self, record: Record, tools: Tools) -> Judged | str:
        output = record.text("output")
        if not output.strip():
            return "the output is empty: nothing to judge"
        asked = record.text("input")
        if not asked.strip():
            return "the input is empty: nothing was asked"
        return await (self._by_questions if self.variant == "questions" else self._by_sentences)(asked, output, tools)

    async def _by_questions(self, question: str, output: str, tools: Tools) -> Judged | str:
        messages = load(QUESTIONS).messages(answer=fenced("ANSWER", output))
        several = self.strictness > 1
        draws = await everything(
            tools.ask(
                messages, SCHEMA, call="question", temperature=self.temperature if several else 0.0, repeat=at, max_tokens=200
            )
            for at in range(self.strictness)
        )  # fmt: skip
        written = [text for one in draws if (text := str(one["question"]).strip())]
        if not written:
            raise BackendError("no draw holds a question")
        texts = list(dict.fromkeys([question, *written]))
        embedder = tools if self.embedder is None else tools.using(self.embedder)
        vectors = dict(zip(texts, unit(np.asarray(await embedder.embed(texts)))))
        cosines = known(np.array([vectors[one] @ vectors[question] for one in written]), "a text's vector").tolist()
        evasive = sum(bool(one["noncommittal"]) for one in draws)
        value = answer_relevancy(cosines, noncommittal=evasive == len(draws))
        reason = f"it answers “{written[int(np.argmax(cosines))]}”"
        if evasive == len(draws):
            reason = "it is noncommittal"
        evidence = {"questions": [{"question": one, "cosine": round(cosine, 4)} for one, cosine in zip(written, cosines)]}
        return Judged((value, evasive / len(draws)), reason, evidence)

    async def _by_sentences(self, question: str, output: str, tools: Tools) -> Judged | str:
        cut = sentences(output)
        if not cut:
            return "the output has no sentence: nothing to judge"
        kept, reason = await which(SENTENCES, "relevant", cut, tools, question=question)
        evidence = {"sentences": [{"sentence": one, "relevant": at in kept} for at, one in enumerate(cut)]}
        return Judged((len(kept) / len(cut),), f"{len(kept)} of {len(cut)} sentences are relevant: {reason}", evidence)


def answer_relevancy(cosines: list[float], *, noncommittal: bool) -> float:
    """The mean cosine; 0 for what commits to nothing."""
    return 0.0 if noncommittal else float(np.mean(cosines))
