"""Did retrieval find all that the reference says?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evalkit.core.asking import Tools
from evalkit.core.registry import judge
from evalkit.judges.claimed import ClaimMetric, quoted
from evalkit.judges.claims import From
from evalkit.judges.record import Judged, Record
from evalkit.judges.support import passages


@judge("context_recall")
@dataclass(frozen=True)
class ContextRecall(ClaimMetric):
    """The share of the reference's sentences that the contexts support, 0 to 1; the value is the mean over records.

    Of several references the one that the contexts support most counts. With ``claims: model`` the units are the reference's
    claims, and `answer_correctness` and `noise_sensitivity` in the same run share the call. Contexts that hold nothing score 0;
    a reference without any claim leaves nothing to look for: skipped.

    Misleads: it says nothing of how much else was retrieved; put `context_precision` or `redundancy` beside it.

    Source: Ragas, `ContextRecall`; Es et al. (2023), arXiv:2309.15217. There a record without sentences is NaN.
    """

    claims: From = "sentences"

    needs: ClassVar[tuple[str, ...]] = ("contexts", "reference")

    @property
    def parts(self) -> tuple[str, ...]:
        return ("",)

    async def judge(self, record: Record, tools: Tools) -> Judged | str:
        wanted, contexts = record.texts("reference"), record.passages()
        if not wanted:
            return "the reference is empty: nothing to look for"
        gold = await self.gold(record, wanted, tools)
        if not any(gold):
            return "the reference makes no claim"
        listed = [claim for one in gold for claim in one]
        if self.claims == "model":
            found = (await self.recalled(record, listed, tools, output=False)).of(passages(contexts))
        else:  # sentences of a reference are this metric's alone
            found = await self.verifying.check(listed, passages(contexts), tools, "recall", question=record.text("input"))
        ends = np.cumsum([len(one) for one in gold])
        parts = [range(end - len(one), end) for one, end in zip(gold, ends.tolist()) if one]
        best = max(parts, key=lambda rows: float(found.supported[list(rows)].mean()))
        kept = found.supported[list(best)]
        lost = [found.claims[at] for at, there in zip(best, kept) if not there]
        reason = f"{int(kept.sum())} of {len(kept)} {'claims' if self.claims == 'model' else 'sentences'} are in the contexts"
        evidence = {"claims": [found.evidence()[at] for at in best]}
        return Judged((float(kept.mean()),), reason + (f"; not {quoted(lost)}" if lost else ""), evidence)
