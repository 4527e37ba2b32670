"""SelfCheckGPT: what a model says again and again is likelier to be true than what it says once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from evalkit.core.asking import Capability, Tools
from evalkit.core.batch import Batch
from evalkit.core.contracts import ModelMetric
from evalkit.core.registry import judge
from evalkit.core.rows import Floats, Rows
from evalkit.judges.claims import PROMPT as CLAIMS
from evalkit.judges.prompt import load
from evalkit.judges.selfcheck_asked import Answer, Checked, claimed, critiqued, entailed, matched, prompted
from evalkit.judges.selfcheck_ngram import TOKENS, surprisals, tokens
from evalkit.judges.support import PROMPT as SUPPORT
from evalkit.stats.ratio import ratio
from evalkit.text.sentences import SPLITTER, sentences


class Variant(NamedTuple):
    """One way to check: what it wants, what it gives, and which options are its own."""

    check: Callable[[SelfCheck, Answer, Tools], Awaitable[Checked | str]]
    wants: tuple[Capability, ...] = ()
    needs: tuple[str, ...] = ("output", "samples")
    parts: tuple[str, ...] = ("",)
    options: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    about: str = ""


@judge("selfcheck")
@dataclass(frozen=True)
class SelfCheck(ModelMetric):
    """How little further answers to the same input support the sentences of an output; higher: likelier made up.

    The answer is cut into sentences, each is scored, and the answer's score is their mean; sentence scores are in the evidence.
    The value is the mean over records. The variants:

    - ``prompt``: a chat model says for each sentence and each of the ``samples`` whether the one is supported by the other;
      share of no, 0 to 1. One short call each; those about one sample share their beginning.
    - ``claims``: a chat model takes the answer apart into claims, as `faithfulness` does, and says in one call which samples
      support which; share of samples that do not, mean over claims, 0 to 1.
    - ``nli``: a classifier's P(contradiction) of (sentence, sample), among entailment and contradiction alone; 0 to 1.
    - ``bertscore``: 1 − F1 with the closest sentence of more than 3 words of each sample; F1 is rescaled, (F1 − b)/(1 − b),
      where a ``baseline`` b is given.
    - ``ngram``: −ln P under the n-grams of the answer and its samples. ``max``: mean over sentences of the least likely token;
      ``mean``: mean over tokens. From 0 up. It asks no model.
    - ``critique``: a chat model reviews each sentence as one of its own, without samples; share of no, 0 to 1.

    An empty output, or no sample with any text, leaves nothing to check: skipped. A reply that is neither yes nor no is asked
    for again, then an error (in the authors' code: 0.5).

    Args:
        n: length of the n-grams.
        smoothing: k, added to every n-gram's count, seen or not (there: 0, and infinite for what was never seen).
        num_layers: whose token vectors are compared; None: the encoder's last.
        entailment, contradiction: which of the classifier's classes they are, counted from 0.

    Misleads: a model that is wrong the same way every time looks certain. Questions with many right answers make true
    sentences look made up, and at temperature 0 samples are copies that support anything.

    Source: Manakul et al. (2023), SelfCheckGPT, arXiv:2303.08896; ``critique`` is ours.
    """

    variant: Literal["prompt", "claims", "nli", "bertscore", "ngram", "critique"] = "prompt"
    n: int = 1
    smoothing: float = 0.01
    lowercase: bool = True
    num_layers: int | None = None
    baseline: float = 0.0
    entailment: int = 0
    contradiction: int = 1

    higher_is_better: ClassVar[bool | None] = False

    def __post_init__(self) -> None:
        for field in fields(self):
            if (
                field.name != "variant"
                and field.name not in self._variant.options
                and getattr(self, field.name) != field.default
            ):
                owner = next(name for name, variant in VARIANTS.items() if field.name in variant.options)
                raise ValueError(f"{field.name} belongs to `variant: {owner}`, and this is {self.variant}")
        if self.n < 1:
            raise ValueError(f"n is a length from 1 up, not {self.n}")
        if not 0 <= self.smoothing < math.inf:
            raise ValueError(f"smoothing is a number from 0 up, not {self.smoothing:g}")
        if not -1 < self.baseline < 1:
            raise ValueError(f"baseline is an F1 between -1 and 1, not {self.baseline:g}")
        if self.entailment == self.contradiction or min(self.entailment, self.contradiction) < 0:
            raise ValueError("entailment and contradiction are two different classes, counted from 0")

    @property
    def _variant(self) -> Variant:
        return VARIANTS[self.variant]

    @property
    def parts(self) -> tuple[str, ...]:
        return self._variant.parts

    @property
    def columns(self) -> tuple[str, ...]:
        return ("max", "mean", "records") if self.variant == "ngram" else ("score", "records")

    def needs_of(self) -> tuple[str, ...]:
        return self._variant.needs

    def wants_of(self) -> frozenset[Capability]:
        return frozenset(self._variant.wants)

    def instead(self, lacking: frozenset[Capability]) -> str | None:
        able = "`variant: nli` with a classifier" if "chat" in lacking else "`variant: prompt` with a chat model"
        return f"write {able}, or `variant: ngram`, which needs no model"

    def range_of(self, part: str) -> tuple[float, float] | None:
        return (0.0, 1.0) if self.variant in ("prompt", "claims", "nli", "critique") else (-math.inf, math.inf)

    def about(self) -> str:
        return self._variant.about

    def options(self) -> dict[str, Any]:
        """The variant and its own options, and the rules that cut texts into sentences and words."""
        own = {name: value for name, value in super().options().items() if name in ("variant", *self._variant.options)}
        rules = {"sentences": SPLITTER} | ({"tokens": TOKENS} if self.variant in ("ngram", "bertscore") else {})
        return own | rules

    def prompts(self) -> dict[str, str]:
        return {name: load(name).text for name in self._variant.prompts}

    def lacking(self, batch: Batch) -> dict[int, str]:
        """As for any metric, but an empty list of samples is one: there is nothing to check against."""
        why = super().lacking(batch)
        if "samples" not in self._variant.needs:
            return why
        told = zip(batch.column("output"), batch.column("samples"))
        empty = {index for index, (output, samples) in enumerate(told) if output is not None and samples == []}
        return {index: reason for index, reason in why.items() if index not in empty}

    async def measure(self, batch: Batch, tools: Tools) -> Rows:
        records = zip(batch.texts("id"), batch.texts("input"), batch.texts("output"), batch.lists("samples"))
        asked = (self._one(tools.on(name), shown, output, samples) for name, shown, output, samples in records)
        told = await asyncio.gather(*asked, return_exceptions=True)
        rows = Rows(np.full((len(batch), len(self.columns)), np.nan))
        came: Iterator[tuple[int, Checked | str]] = rows.settled(told)
        for index, found in came:
            if isinstance(found, str):
                rows.skipped[index] = found
            else:
                rows.values[index] = (*found.values, 1.0)
                rows.evidence[index] = {"sentences": list(found.notes)}
                if found.reason is not None:
                    rows.reasons[index] = found.reason
        return rows

    async def _one(self, tools: Tools, shown: str, output: str, samples: list[str]) -> Checked | str:
        """What came of one record, or why there was nothing to check."""
        if not output.strip():
            return "the output is empty: nothing to check"
        filled = tuple(sample for sample in samples if sample.strip())
        if not filled and "samples" in self._variant.needs:
            return "there are no samples to check against"
        cut = tuple(sentences(output))
        if not cut:
            return "the output has no sentence: nothing to check"
        return await self._variant.check(self, Answer(shown, output, cut, filled), tools)

    def combine(self, totals: Floats) -> Floats:
        means = ratio(totals[..., :-1], totals[..., -1:])
        return np.concatenate([means, means], axis=-1) if "normalized" in self.parts else means

    # --- the variants ---

    async def _prompt(self, answer: Answer, tools: Tools) -> Checked | str:
        return await prompted(answer, tools)

    async def _claims(self, answer: Answer, tools: Tools) -> Checked | str:
        return await claimed(answer, tools)

    async def _nli(self, answer: Answer, tools: Tools) -> Checked | str:
        return await entailed(answer, tools, self.entailment, self.contradiction)

    async def _bertscore(self, answer: Answer, tools: Tools) -> Checked | str:
        return await matched(answer, tools, self.num_layers, self.baseline)

    async def _critique(self, answer: Answer, tools: Tools) -> Checked | str:
        return await critiqued(answer, tools)

    async def _ngram(self, answer: Answer, tools: Tools) -> Checked | str:
        def cut(text: str) -> list[str]:
            return tokens(text, lowercase=self.lowercase)

        others = [cut(one) for sample in answer.samples for one in sentences(sample)]
        each = surprisals([cut(sentence) for sentence in answer.sentences], others, self.n, self.smoothing)
        notes = tuple(
            {"sentence": sentence, "max": float(found.max()), "mean": float(found.mean())}
            for sentence, found in zip(answer.sentences, each)
        )
        return Checked((float(np.mean([note["max"] for note in notes])), float(np.concatenate(each).mean())), notes)


_SHARE = ("", "normalized")
VARIANTS: dict[str, Variant] = {
    "prompt": Variant(SelfCheck._prompt, ("chat",), parts=_SHARE, prompts=("selfcheck",), about="raw 0–1, share unsupported"),
    "claims": Variant(
        SelfCheck._claims, ("chat",), parts=_SHARE, prompts=(CLAIMS, SUPPORT), about="raw 0–1, share unsupported"
    ),
    "nli": Variant(
        SelfCheck._nli, ("classify",), parts=_SHARE, options=("entailment", "contradiction"), about="raw 0–1, P(contradicted)"
    ),
    "bertscore": Variant(SelfCheck._bertscore, ("encode",), options=("num_layers", "baseline"), about="1 − F1"),
    "ngram": Variant(
        SelfCheck._ngram, parts=("max", "mean"), options=("n", "smoothing", "lowercase"), about="−ln P, from 0 up"
    ),
    "critique": Variant(
        SelfCheck._critique,
        ("chat",),
        ("output", "input"),
        _SHARE,
        prompts=("selfcheck-critique",),
        about="raw 0–1, share doubted",
    ),
}
