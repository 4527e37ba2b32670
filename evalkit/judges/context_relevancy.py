"""How much of what was retrieved has to do with the question?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from evalkit.core.asking import Tools
from evalkit.core.registry import judge
from evalkit.judges.numbered import which
from evalkit.judges.prompt import load
from evalkit.judges.record import Judged, Record, RecordJudge
from evalkit.text.sentences import SPLITTER, sentences

PROMPT = "relevant-sentences"


@judge("context_relevancy")
@dataclass(frozen=True)
class ContextRelevancy(RecordJudge):
    """The share of the sentences of all contexts that are relevant to the input, 0 to 1; the value is the mean over records.

    One call a record, about all of its passages. A record without contexts leaves nothing to judge: skipped (in DeepEval, 0).

    Misleads: long passages score lower than short ones that say the same; compare retrievers that cut alike.

    Source: DeepEval, `ContextualRelevancyMetric`, whose statements are written by the model; ours are sentences, by rules.
    """

    needs: ClassVar[tuple[str, ...]] = ("input", "contexts")

    def options(self) -> dict[str, object]:
        """The rules that cut sentences move the score."""
        return {**super().options(), "sentences_by": SPLITTER}

    def prompts(self) -> dict[str, str]:
        return {PROMPT: load(PROMPT).text}

    async def judge(self, record: Record, tools: Tools) -> Judged | str:
        cut = [(place, one) for place, text in enumerate(record.passages(), 1) for one in sentences(text)]
        if not cut:
            return "there are no contexts to judge"
        if not record.text("input").strip():
            return "the input is empty: nothing was asked"
        listed = [one for _, one in cut]
        kept, reason = await which(PROMPT, "relevant", listed, tools, question=record.text("input"))
        evidence = {
            "sentences": [{"passage": place, "sentence": one, "relevant": at in kept} for at, (place, one) in enumerate(cut)]
        }
        return Judged((len(kept) / len(cut),), f"{len(kept)} of {len(cut)} sentences are relevant: {reason}", evidence)
