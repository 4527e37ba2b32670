"""How much of what an answer gets wrong comes from what was retrieved?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from evalkit.core.asking import Tools
from evalkit.core.registry import judge
from evalkit.judges.claimed import ClaimMetric, quoted
from evalkit.judges.record import Judged, Record, everything
from evalkit.judges.support import Support, passages, references

Mask = NDArray[np.bool_]


@judge("noise_sensitivity")
@dataclass(frozen=True)
class NoiseSensitivity(ClaimMetric):
    """The share of an output's claims that are wrong and come from its contexts, 0 to 1, lower is better; mean over records.

    A claim is wrong where no reference supports it. A passage is relevant where it supports a claim of a reference.
    ``relevant`` (the bare name): wrong claims that a relevant passage supports. ``irrelevant``: wrong claims that an
    irrelevant passage supports and no relevant one. Both over all claims of the output.

    An output that makes no claim, and a record without contexts or reference leave nothing to judge: skipped.

    Misleads: a right claim that the reference does not mention counts as noise; a longer reference gives a lower value.

    Source: Ragas, `NoiseSensitivity`; Es et al. (2023), arXiv:2309.15217.
    """

    higher_is_better: ClassVar[bool | None] = False
    needs: ClassVar[tuple[str, ...]] = ("output", "contexts", "reference")
    reads: ClassVar[tuple[str, ...]] = ("contexts", "reference")

    @property
    def parts(self) -> tuple[str, ...]:
        return ("relevant", "irrelevant")

    async def judge(self, record: Record, tools: Tools) -> Judged | str:
        contexts, wanted = record.passages(), record.texts("reference")
        if not record.text("output").strip():
            return "the output is empty: nothing to judge"
        if not contexts or not wanted:
            return "there are no contexts" if not contexts else "the reference is empty: nothing to hold the output against"
        claims, gold = await self.both(record, wanted, tools)
        if not claims:
            return "the output makes no claim"
        held, recalled = await everything(
            [
                self.supported(record, claims, tools),
                self.recalled(record, [claim for one in gold for claim in one], tools, output=False),
            ]
        )
        listed = passages(contexts)
        relevant = (recalled.of(listed).verdicts == 1).any(axis=0)
        wrong = ~held.of(references(wanted)).supported
        noisy, stray = from_passages(held.of(listed), wrong, relevant)
        told = [claim for claim, one in zip(claims, noisy | stray) if one]
        reason = (
            f"{int(wrong.sum())} of {len(claims)} claims are not in the reference, {len(told)} of these come from a passage"
        )
        evidence = {
            "claims": held.evidence(),
            "relevant": [source.title for source, one in zip(listed, relevant) if one],
            "from_relevant": [claim for claim, one in zip(claims, noisy) if one],
            "from_irrelevant": [claim for claim, one in zip(claims, stray) if one],
        }
        return Judged((float(noisy.mean()), float(stray.mean())), reason + (f": {quoted(told)}" if told else ""), evidence)


def from_passages(held: Support, wrong: Mask, relevant: Mask) -> tuple[Mask, Mask]:
    """The wrong claims that a relevant passage supports, and those that only irrelevant ones do; both (claims,).

    Args:
        held: claims against passages.
        relevant: which passages are relevant (passages,).
    """
    supports = held.verdicts == 1
    by_relevant = supports[:, relevant].any(axis=1)
    return wrong & by_relevant, wrong & supports[:, ~relevant].any(axis=1) & ~by_relevant
