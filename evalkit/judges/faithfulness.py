"""Does an answer stay with what was retrieved?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from evalkit.core.asking import Tools
from evalkit.core.content import Document
from evalkit.core.registry import judge
from evalkit.judges.claimed import ClaimMetric
from evalkit.judges.record import Judged, Record
from evalkit.judges.support import Support, passages
from evalkit.judges.trusted import Trusted, trusted


@judge("faithfulness")
@dataclass(frozen=True)
class Faithfulness(ClaimMetric):
    """The share of an output's claims that its contexts support, 0 to 1; the value is the mean over records.

    Parts: the bare share, and ``contradicted``, the share of claims that a context contradicts and none supports.

    An output that makes no claim, or is empty, and a record without contexts leave nothing to judge: skipped.

    Args:
        count: ``supported`` counts claims that a context supports (Ragas); ``not_contradicted`` also those that no context says
            anything about (DeepEval).
        sources: a file of trusted texts instead of the record's contexts: JSON lines with ``text`` (and ``id``, ``title``), or
            paragraphs; for each record those that share most words with the output's claims are looked at.
        most: how many of them.

    Misleads: where contexts are wrong, a faithful answer is wrong too; and an answer that says little is easily faithful.

    Source: Es et al. (2023), Ragas, arXiv:2309.15217; Min et al. (2023), FActScore, arXiv:2305.14251.
    """

    count: Literal["supported", "not_contradicted"] = "supported"
    sources: Document | None = None
    most: int = 8

    reads: ClassVar[tuple[str, ...]] = ("contexts",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.most < 1:
            raise ValueError(f"most is at least 1, not {self.most}")
        if self.sources is None and self.most != Faithfulness.most:
            raise ValueError("most belongs to `sources`, a file of trusted texts")
        if self.sources is not None:
            trusted(self.sources)  # says what is wrong with it

    @property
    def parts(self) -> tuple[str, ...]:
        return ("", "contradicted")

    def direction(self, part: str) -> bool | None:
        return part != "contradicted"

    def needs_of(self) -> tuple[str, ...]:
        return ("output", "contexts") if self.sources is None else ("output",)

    async def judge(self, record: Record, tools: Tools) -> Judged | str:
        if not record.text("output").strip():
            return "the output is empty: nothing to judge"
        contexts = record.passages()
        if not contexts and self.sources is None:
            return "there are no contexts to hold the output against"
        claims = await self.claims_in(record, record.text("output"), tools)
        if not claims:
            return "the output makes no claim"
        if self.sources is None:
            found = (await self.supported(record, claims, tools)).of(passages(contexts))
        else:
            near = self._trusted.near(claims, self.most)
            if not near and self.count == "not_contradicted":
                return "no trusted text has a word of its claims"
            found = await self.verifying.check(claims, near, tools, question=record.text("input"))
        return Judged((self.share(found), float(found.contradicted.mean())), reason_of(found), {"claims": found.evidence()})

    def share(self, found: Support) -> float:
        """The share of claims that count."""
        kept = found.supported if self.count == "supported" else ~found.contradicted
        return float(kept.mean())

    @property
    def _trusted(self) -> Trusted:
        assert self.sources is not None
        return trusted(self.sources)


def reason_of(found: Support) -> str:
    """Which claims are not supported: ``2 of 3 claims supported; not “…” (contradicted by passage 1)``."""
    n = len(found.claims)
    told = f"{int(found.supported.sum())} of {n} claim{'s' if n > 1 else ''} supported"
    lost = [
        f"“{claim}”" + (f" (contradicted by {', '.join(_against(found, at))})" if found.contradicted[at] else "")
        for at, claim in enumerate(found.claims)
        if not found.supported[at]
    ]
    return f"{told}; not {'; '.join(lost[:3])}{f' and {len(lost) - 3} more' if len(lost) > 3 else ''}" if lost else told


def _against(found: Support, at: int) -> list[str]:
    return [source.title for source, verdict in zip(found.sources, found.verdicts[at]) if verdict == -1]
