"""What metrics of claims share: how an output is taken apart, and what its claims are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from evalkit.core.asking import Capability, Tools
from evalkit.judges.claims import PROMPT as CLAIMS
from evalkit.judges.claims import From, claims_of
from evalkit.judges.prompt import load
from evalkit.judges.record import Record, RecordJudge, everything
from evalkit.judges.support import ASKS, Kind, Source, Support, Verifier, passages, references
from evalkit.judges.support import PROMPT as SUPPORT
from evalkit.text.sentences import SPLITTER


@dataclass(frozen=True)
class Verified(RecordJudge):
    """A metric that has something verified against sources.

    Args:
        verifier: who says what supports a claim: ``judge``, a chat model, in one call a record; ``nli``, a classifier of
            (premise, claim); ``embedding``, the cosine with the closest sentence.
        verifier_backend: whom the verifier asks, where it is another backend.
        threshold: from which an encoder's score is support.
        entailment, contradiction: the classifier's classes, counted from 0.
    """

    verifier: Kind = "judge"
    verifier_backend: str | None = None
    threshold: float = 0.5
    entailment: int = 0
    contradiction: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold is above 0 and at most 1, not {self.threshold:g}")
        if self.entailment == self.contradiction or min(self.entailment, self.contradiction) < 0:
            raise ValueError("entailment and contradiction are two different classes, counted from 0")
        if self.verifier == "judge" and self.threshold != Verified.threshold:
            raise ValueError("threshold belongs to `verifier: nli` and `verifier: embedding`; a judge says yes or no")
        classes = (self.entailment, self.contradiction) != (Verified.entailment, Verified.contradiction)
        if self.verifier != "nli" and classes:
            raise ValueError("entailment and contradiction belong to `verifier: nli`")

    @property
    def chats(self) -> bool:
        """Whether its own backend is asked more than what supports what."""
        return False

    def wants_of(self) -> frozenset[Capability]:
        own = {ASKS[self.verifier]} if self.verifier_backend is None else set()
        return frozenset(own | ({"chat"} if self.chats else set()))

    def instead(self, lacking: frozenset[Capability]) -> str | None:
        if ASKS[self.verifier] in lacking and self.verifier != "judge":
            return f"give the verifier a backend of its own: `verifier_backend: NAME` of one that can {ASKS[self.verifier]}"
        return None

    def others(self) -> tuple[str, ...]:
        return (self.verifier_backend,) if self.verifier_backend is not None else ()

    def wants_from(self, backend: str) -> frozenset[Capability]:
        return frozenset({ASKS[self.verifier]}) if backend == self.verifier_backend else frozenset()

    def options(self) -> dict[str, Any]:
        """Without what another verifier has, and with the rules that cut sentences."""
        told = super().options()
        if self.verifier != "nli":
            told = {name: value for name, value in told.items() if name not in ("entailment", "contradiction")}
        if self.verifier == "judge":
            del told["threshold"]
        return told if self.verifier == "judge" else {**told, "sentences_by": SPLITTER}

    def prompts(self) -> dict[str, str]:
        return {SUPPORT: load(SUPPORT).text} if self.verifier == "judge" else {}

    def about(self) -> str | None:
        return None if self.verifier == "judge" else f"checked by {self.verifier}"

    @property
    def verifying(self) -> Verifier:
        """What fills its matrices."""
        return Verifier(self.verifier, self.verifier_backend, self.threshold, self.entailment, self.contradiction)


@dataclass(frozen=True)
class ClaimMetric(Verified):
    """A metric of claims and what supports them; the options of `Verified`, and:

    Args:
        claims: ``model`` has the backend list the claims of a text, one call a text; ``sentences`` takes its sentences.
        matrix: ``shared`` holds an output's claims against the record's contexts and references in one call, which all metrics
            of claims in a run share; ``own`` asks only about what this metric needs.
    """

    claims: From = "model"
    matrix: Literal["shared", "own"] = "shared"

    reads: ClassVar[tuple[str, ...]] = ("contexts",)  # what its matrix is about: contexts, reference, or both

    @property
    def chats(self) -> bool:
        return self.claims == "model"

    def instead(self, lacking: frozenset[Capability]) -> str | None:
        if "chat" in lacking:
            return f"write `claims: sentences` and `verifier: {'nli' if self.verifier == 'judge' else self.verifier}`"
        return super().instead(lacking)

    def options(self) -> dict[str, Any]:
        """With the rules that cut sentences, where claims are these."""
        return super().options() | ({"sentences_by": SPLITTER} if self.claims == "sentences" else {})

    def prompts(self) -> dict[str, str]:
        return ({CLAIMS: load(CLAIMS).text} if self.claims == "model" else {}) | super().prompts()

    async def claims_in(self, record: Record, text: str, tools: Tools, call: str = "claims") -> list[str]:
        """The claims of an output or a reference, behind the record's question."""
        return await claims_of(text, record.text("input"), tools, self.claims, call=call)

    async def gold(self, record: Record, wanted: Sequence[str], tools: Tools) -> list[list[str]]:
        """The claims of each reference."""
        calls = (
            ["claims of the reference"] if len(wanted) == 1 else [f"claims of reference {at}" for at, _ in enumerate(wanted, 1)]
        )
        return list(await everything(self.claims_in(record, text, tools, call) for text, call in zip(wanted, calls)))

    async def both(self, record: Record, wanted: Sequence[str], tools: Tools) -> tuple[list[str], list[list[str]]]:
        """The claims of the output, and those of each reference."""
        own = self.claims_in(record, record.text("output"), tools)
        found: Sequence[Any] = await everything([own, self.gold(record, wanted, tools)])
        return found[0], found[1]

    async def supported(self, record: Record, claims: Sequence[str], tools: Tools) -> Support:
        """The claims of an output against contexts and references: one matrix for all metrics that share it."""
        return await self.verifying.check(claims, self._sources(record), tools, "support", question=record.text("input"))

    async def recalled(
        self, record: Record, claims: Sequence[str], tools: Tools, *, output: bool = True, contexts: bool = True
    ) -> Support:
        """The claims of a reference against the output and the contexts, or only those that are wanted here."""
        shared = self._shared
        sources = passages(record.passages()) if contexts or shared else []
        sources += [answer(record)] if output or shared else []
        return await self.verifying.check(claims, sources, tools, "recall", question=record.text("input"))

    @property
    def _shared(self) -> bool:
        """Whether others may ask the same: an encoder sees each pair by itself, and shares nothing."""
        return self.matrix == "shared" and self.verifier == "judge"

    def _sources(self, record: Record) -> list[Source]:
        wanted = ("contexts", "reference") if self._shared else self.reads
        sources = passages(record.passages()) if "contexts" in wanted else []
        return sources + (references(record.texts("reference")) if "reference" in wanted else [])


def answer(record: Record) -> Source:
    """The output as a source."""
    return Source("A", "the output", record.text("output"))


def quoted(claims: Sequence[str], longest: int = 3) -> str:
    """Some claims, as a reason names them."""
    shown = "; ".join(f"“{claim}”" for claim in claims[:longest])
    return shown + (f"; and {len(claims) - longest} more" if len(claims) > longest else "")
