"""Does an answer say what the reference says, no less and no more?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from evalkit.core.asking import Capability, Tools
from evalkit.core.registry import judge
from evalkit.judges.claimed import ClaimMetric, answer, quoted
from evalkit.judges.record import Judged, Record, everything, known
from evalkit.judges.support import Support, references
from evalkit.stats.matching import unit

WEIGHTS = (0.75, 0.25)  # of factuality and similarity


class Factual(NamedTuple):
    """Claims of both sides: TP of the output that the reference supports, FP that it does not, FN of the reference left out."""

    tp: int
    fp: int
    fn: int

    @property
    def precision(self) -> float:
        """TP / (TP + FP); NaN without claims of the output."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else math.nan

    def f(self, beta: float) -> float:
        """F-beta: (1 + β²) TP / ((1 + β²) TP + β² FN + FP)."""
        return (1.0 + beta**2) * self.tp / ((1.0 + beta**2) * self.tp + beta**2 * self.fn + self.fp)


@judge("answer_correctness")
@dataclass(frozen=True)
class AnswerCorrectness(ClaimMetric):
    """How far an output makes the claims of the reference and no others, 0 to 1; the value is the mean over records.

    The claims of both are held against the other side: TP are claims of the output that the reference supports, FP those that
    it does not, FN claims of the reference that the output does not support. ``factuality`` is F-beta of these three counts,
    as Ragas has it; ``precision`` is TP / (TP + FP), ``recall`` the share of the reference's claims that are not FN. With an
    ``embedder`` the bare value is ¾ factuality + ¼ ``similarity``, the cosine of both texts (``weights``); without one it is
    the factuality. Parts: the bare value, ``factuality``, ``precision``, ``recall``; ``similarity`` where there is an embedder.

    Of several references the one with the highest factuality counts. An output without claims has a factuality of 0; where the
    reference makes none either, there is nothing to judge: skipped.

    Args:
        beta: above 1 weighs what was left out more, below 1 what was made up.
        embedder: a backend that gives texts a vector.
        weights: of factuality and similarity.

    Misleads: a right claim that the reference does not happen to mention counts against the output.

    Source: Ragas (Es et al. 2023, arXiv:2309.15217), `AnswerCorrectness`; it gives 1 where neither side makes a claim.
    """

    beta: float = 1.0
    embedder: str | None = None
    weights: tuple[float, float] = WEIGHTS

    needs: ClassVar[tuple[str, ...]] = ("output", "reference")
    reads: ClassVar[tuple[str, ...]] = ("reference",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.beta < math.inf:
            raise ValueError(f"beta is above 0, not {self.beta:g}")
        if min(self.weights) < 0 or not 0 < sum(self.weights) < math.inf:
            raise ValueError("weights are two numbers from 0 up, and not both 0")
        if self.embedder is None and self.weights != WEIGHTS and self.weights[1] > 0:
            raise ValueError("weights weigh similarity, which needs `embedder: NAME`, a backend that gives texts a vector")

    @property
    def parts(self) -> tuple[str, ...]:
        return ("", "factuality", "precision", "recall", *(("similarity",) if self.embedder is not None else ()))

    def range_of(self, part: str) -> tuple[float, float] | None:
        return (-1.0, 1.0) if part == "similarity" or (not part and self.embedder is not None) else (0.0, 1.0)

    def others(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*super().others(), *((self.embedder,) if self.embedder is not None else ()))))

    def wants_from(self, backend: str) -> frozenset[Capability]:
        wanted = super().wants_from(backend)
        return wanted | {"embed"} if backend == self.embedder else wanted

    def options(self) -> dict[str, Any]:
        """Weights only where they weigh something."""
        told = super().options()
        return told if self.embedder is not None else {name: value for name, value in told.items() if name != "weights"}

    async def judge(self, record: Record, tools: Tools) -> Judged | str:
        output, wanted = record.text("output"), record.texts("reference")
        if not wanted:
            return "the reference is empty: nothing to hold the output against"
        claims, gold = await self.both(record, wanted, tools)
        if not claims and not any(gold):
            return "neither the output nor the reference makes a claim"
        held, recalled = await everything(
            [
                self.supported(record, claims, tools),
                self.recalled(record, [claim for one in gold for claim in one], tools, contexts=False),
            ]
        )
        told = factual(held, recalled.of([answer(record)]), wanted, gold)
        best = max(range(len(told)), key=lambda at: told[at].f(self.beta))
        one, text = told[best], wanted[best]
        factuality = one.f(self.beta)
        similarity = await self._similarity(output, text, tools)
        value = factuality
        if similarity is not None:
            value = (self.weights[0] * factuality + self.weights[1] * similarity) / sum(self.weights)
        evidence = {
            "claims": held.of([references(wanted)[best]]).evidence(),
            "reference_claims": _part(recalled, gold, best).of([answer(record)]).evidence(),
        }
        covered = 1.0 - one.fn / len(gold[best]) if gold[best] else math.nan
        values = (value, factuality, one.precision, covered, *((similarity,) if similarity is not None else ()))
        return Judged(values, _reason(one, held.of([references(wanted)[best]]), _part(recalled, gold, best)), evidence)

    async def _similarity(self, output: str, reference: str, tools: Tools) -> float | None:
        if self.embedder is None:
            return None
        one, two = unit(np.asarray(await tools.using(self.embedder).embed([output or " ", reference])))
        return float(known(np.array(one @ two), "a text's vector"))


def factual(held: Support, recalled: Support, wanted: Sequence[str], gold: Sequence[Sequence[str]]) -> list[Factual]:
    """TP, FP and FN by reference.

    Args:
        held: the output's claims against the references, among others.
        recalled: the claims of all references against the output.
        gold: the claims of each reference.
    """
    left_out = ~recalled.supported
    found, start = [], 0
    for source, claims in zip(references(wanted), gold):
        tp = int(held.of([source]).supported.sum()) if held.claims else 0
        found.append(Factual(tp, len(held.claims) - tp, int(left_out[start : start + len(claims)].sum())))
        start += len(claims)
    return [one if sum(one) else Factual(0, 0, 1) for one in found]  # a reference without claims supports nothing


def _part(recalled: Support, gold: Sequence[Sequence[str]], best: int) -> Support:
    start = sum(len(claims) for claims in gold[:best])
    some = slice(start, start + len(gold[best]))
    return Support(recalled.claims[some], recalled.sources, recalled.verdicts[some], recalled.notes[some])


def _reason(one: Factual, held: Support, recalled: Support) -> str:
    told = f"{one.tp} right, {one.fp} not in the reference, {one.fn} left out"
    extra = [claim for claim, kept in zip(held.claims, held.supported) if not kept]
    told += f"; not in the reference: {quoted(extra)}" if extra else ""
    names = [at for at, source in enumerate(recalled.sources) if source.name == "A"]
    lost = [claim for claim, row in zip(recalled.claims, recalled.verdicts) if not (row[names] == 1).any()]
    return told + (f"; left out: {quoted(lost)}" if lost else "")
