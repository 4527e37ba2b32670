"""Which sources support which claims: one matrix, filled by a judge in one call, or by an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalkit.core.asking import Capability, Reply, Tools
from evalkit.core.errors import BackendRefused, Malformed
from evalkit.core.parse import shown
from evalkit.judges.listed import in_order, schema_of
from evalkit.judges.prompt import fenced, load
from evalkit.judges.record import everything, known
from evalkit.stats.matching import unit
from evalkit.text.sentences import sentences

Kind = Literal["judge", "nli", "embedding"]

PROMPT = "support"
ASKS: dict[Kind, Capability] = {"judge": "chat", "nli": "classify", "embedding": "embed"}
AT_ONCE = 30  # claims in one call


class Source(NamedTuple):
    """What claims are held against: how it is called in a prompt (``P1``), to people (``passage 1``), and its text."""

    name: str
    title: str
    text: str


def passages(texts: Sequence[str]) -> list[Source]:
    """Passages as sources, by their place."""
    return [Source(f"P{place}", f"passage {place}", text) for place, text in enumerate(texts, 1)]


def references(texts: Sequence[str]) -> list[Source]:
    """References as sources; of one, the reference."""
    if len(texts) == 1:
        return [Source("R", "the reference", texts[0])]
    return [Source(f"R{place}", f"reference {place}", text) for place, text in enumerate(texts, 1)]


@dataclass(frozen=True)
class Support:
    """A verdict on every claim and every source.

    Attributes:
        verdicts: (claims, sources): 1 where the source supports the claim, -1 where it contradicts it, else 0.
        notes: why, by claim; "" where the verifier says nothing.
        scores: (claims, sources), how sure an encoder is of its support; None from a judge.
    """

    claims: tuple[str, ...]
    sources: tuple[Source, ...]
    verdicts: NDArray[np.int8]
    notes: tuple[str, ...]
    scores: NDArray[np.float64] | None = None

    def of(self, sources: Sequence[Source]) -> Support:
        """Of some of the sources."""
        at = [self.sources.index(one) for one in sources]
        scores = self.scores[:, at] if self.scores is not None else None
        return Support(self.claims, tuple(sources), self.verdicts[:, at], self.notes, scores)

    @property
    def supported(self) -> NDArray[np.bool_]:
        """Which claims any source supports (claims,)."""
        found: NDArray[np.bool_] = (self.verdicts == 1).any(axis=1)
        return found

    @property
    def contradicted(self) -> NDArray[np.bool_]:
        """Which claims a source contradicts and none supports (claims,)."""
        found: NDArray[np.bool_] = (self.verdicts == -1).any(axis=1) & ~self.supported
        return found

    def evidence(self) -> list[dict[str, Any]]:
        """Claim by claim: who supports and who contradicts it, and why."""
        told = []
        for at, claim in enumerate(self.claims):
            one: dict[str, Any] = {"claim": claim, "supported_by": self._titles(at, 1)}
            if against := self._titles(at, -1):
                one["contradicted_by"] = against
            if self.scores is not None and self.scores.shape[1]:
                one["score"] = round(float(self.scores[at].max()), 4)
            if self.notes[at]:
                one["reason"] = self.notes[at]
            told.append(one)
        return told

    def _titles(self, at: int, verdict: int) -> list[str]:
        return [source.title for source, one in zip(self.sources, self.verdicts[at]) if one == verdict]


@dataclass(frozen=True)
class Verifier:
    """How a matrix is filled.

    ``judge``: a chat model, all claims and sources in one call. ``nli``: a classifier of (premise, claim) over windows of a
    source's sentences; support and contradiction are the likelier class of the likeliest window. ``embedding``: cosine of the
    claim and the closest sentence of a source, support from ``threshold`` up; it never contradicts.

    Attributes:
        backend: whom it asks; None: the metric's own.
        entailment, contradiction: the classifier's classes, counted from 0.
        window: sentences that a premise has.
    """

    kind: Kind = "judge"
    backend: str | None = None
    threshold: float = 0.5
    entailment: int = 0
    contradiction: int = 2
    window: int = 2

    async def check(
        self, claims: Sequence[str], sources: Sequence[Source], tools: Tools, call: str = "support", *, question: str = ""
    ) -> Support:
        """The matrix of claims and sources; what is empty needs no model.

        Args:
            question: that outputs and references among the sources answer, as a judge must know: "Yes" says little alone.

        Raises:
            BackendError: no usable reply.
        """
        kept = [source for source in sources if source.text.strip()]
        if not claims or not kept:
            nothing = np.zeros((len(claims), len(sources)), dtype=np.int8)
            return Support(tuple(claims), tuple(sources), nothing, ("",) * len(claims))
        asked = tools if self.backend is None else tools.using(self.backend)
        if self.kind == "judge":
            verdicts, notes = await _judged(claims, kept, asked, call, question)
            scores = None
        else:
            verdicts, notes, scores = await (self._inferred if self.kind == "nli" else self._embedded)(claims, kept, asked)
        whole = np.zeros((len(claims), len(sources)), dtype=np.int8)
        at = [sources.index(one) for one in kept]
        whole[:, at] = verdicts
        if scores is not None:
            spread = np.zeros(whole.shape)
            spread[:, at] = scores
            scores = spread
        return Support(tuple(claims), tuple(sources), whole, notes, scores)

    async def _inferred(
        self, claims: Sequence[str], sources: Sequence[Source], tools: Tools
    ) -> tuple[NDArray[np.int8], tuple[str, ...], NDArray[np.float64]]:
        premises = [(at, text) for at, source in enumerate(sources) for text in windows(source.text, self.window)]
        pairs = [(text, claim) for claim in claims for _, text in premises]
        logits = await tools.classify([first for first, _ in pairs], [second for _, second in pairs])
        if logits.shape[1] <= max(self.entailment, self.contradiction):
            classes = f"{logits.shape[1]} classes, the first is 0"
            told = f"`entailment: {self.entailment}` and `contradiction: {self.contradiction}` are not both there"
            raise BackendRefused(f"{tools.model} tells {classes}: {told}")
        known(logits, "a logit of the classifier")
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = (odds / odds.sum(axis=1, keepdims=True)).reshape(len(claims), len(premises), -1)
        for_, against = shares[:, :, self.entailment], shares[:, :, self.contradiction]
        verdicts = np.zeros((len(claims), len(sources)), dtype=np.int8)
        scores = np.zeros(verdicts.shape)
        owner = np.array([at for at, _ in premises])
        for at in range(len(sources)):
            yes, no = for_[:, owner == at].max(axis=1), against[:, owner == at].max(axis=1)
            for_it, against_it = (yes >= self.threshold) & (yes >= no), (no >= self.threshold) & (no > yes)
            verdicts[:, at] = np.where(for_it, 1, np.where(against_it, -1, 0))
            scores[:, at] = yes
        return verdicts, _closest(for_, premises, sources), scores

    async def _embedded(
        self, claims: Sequence[str], sources: Sequence[Source], tools: Tools
    ) -> tuple[NDArray[np.int8], tuple[str, ...], NDArray[np.float64]]:
        premises = [(at, text) for at, source in enumerate(sources) for text in windows(source.text, 1)]
        texts = list(dict.fromkeys([*claims, *(text for _, text in premises)]))
        vectors = dict(zip(texts, unit(await tools.embed(texts))))
        cosines = np.stack([vectors[one] for one in claims]) @ np.stack([vectors[text] for _, text in premises]).T
        known(cosines, "a text's vector")
        owner = np.array([at for at, _ in premises])
        scores = np.stack([cosines[:, owner == at].max(axis=1) for at in range(len(sources))], axis=1).astype(np.float64)
        return (scores >= self.threshold).astype(np.int8), _closest(cosines, premises, sources), scores


def windows(text: str, size: int) -> list[str]:
    """Runs of ``size`` sentences, each beginning one sentence further; the text itself where it has no more."""
    cut = sentences(text) or [text]
    return [" ".join(cut[at : at + size]) for at in range(max(len(cut) - size + 1, 1))]


async def _judged(
    claims: Sequence[str], sources: Sequence[Source], tools: Tools, call: str, question: str
) -> tuple[NDArray[np.int8], tuple[str, ...]]:
    parts = [claims[at : at + AT_ONCE] for at in range(0, len(claims), AT_ONCE)]
    calls = [call if len(parts) == 1 else f"{call} {at}" for at in range(1, len(parts) + 1)]
    found = await everything(_asked(part, sources, tools, name, question) for part, name in zip(parts, calls))
    return np.concatenate([verdicts for verdicts, _ in found]), tuple(note for _, notes in found for note in notes)


async def _asked(
    claims: Sequence[str], sources: Sequence[Source], tools: Tools, call: str, question: str
) -> tuple[NDArray[np.int8], list[str]]:
    names = [source.name for source in sources]
    messages = load(PROMPT).messages(
        sources="\n\n".join(fenced(source.name, source.text) for source in sources),
        question=fenced("QUESTION", question) if question.strip() else "",
        claims="\n".join(fenced(f"CLAIM {place}", claim) for place, claim in enumerate(claims, 1)),
        names=", ".join(names),
        n=str(len(claims)),
    )

    def read(reply: Reply) -> Any:
        return verdicts_in(reply.text, len(claims), names)

    told = await tools.ask(messages, schema(len(claims), names), call=call, parse=read, max_tokens=128 + 160 * len(claims))
    place = {name: at for at, name in enumerate(names)}
    verdicts = np.zeros((len(claims), len(sources)), dtype=np.int8)
    for at, one in enumerate(told):
        for key, sign in (("contradicted_by", -1), ("supported_by", 1)):
            verdicts[at, [place[name] for name in one[key]]] = sign
    return verdicts, [str(one["reason"]).strip() for one in told]


def schema(n: int, names: Sequence[str]) -> dict[str, Any]:
    """The JSON of a reply about ``n`` claims."""
    listed = {"type": "array", "items": {"enum": list(names)}, "maxItems": len(names)}
    return schema_of(n, "claim", {"supported_by": listed, "contradicted_by": listed})


def verdicts_in(text: str, n: int, names: Sequence[str]) -> list[dict[str, Any]]:
    """The verdicts of a reply, in the order of the claims.

    Raises:
        Malformed: a claim has none or two, or a source supports and contradicts one.
    """
    told = in_order(text, schema(n, names), "claim")
    for claim, one in enumerate(told, 1):
        if both := set(one["supported_by"]) & set(one["contradicted_by"]):
            raise Malformed(f"the reply says that {min(both)} supports and contradicts claim {claim}: {shown(text)}")
    return told


def _closest(
    scores: NDArray[np.floating[Any]], premises: Sequence[tuple[int, str]], sources: Sequence[Source]
) -> tuple[str, ...]:
    """The sentences that support each claim best."""
    best = scores.argmax(axis=1)
    return tuple(f"closest in {sources[premises[at][0]].title}: {premises[at][1]}" for at in best)
