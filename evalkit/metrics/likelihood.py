"""How likely a language model finds a text: perplexity, and bits per byte."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evalkit.core.asking import Capability, Likelihood, Tools
from evalkit.core.batch import Batch
from evalkit.core.contracts import ModelMetric
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.stats.ratio import ratio


@metric("perplexity")
@dataclass(frozen=True)
class Perplexity(ModelMetric):
    """exp of the mean negative log-likelihood of a token of the output, pooled over the corpus; from 1 up, lower is likelier.

    Rows are ``(nll, tokens, bytes)`` in nats, so long records weigh more; a record's own value is exp(nll/tokens), and the
    mean of those is another number. ``bits_per_byte`` is Σ nll / (ln 2 · Σ UTF-8 bytes of the output): unlike perplexity it
    can be compared between models with different tokenizers.

    A beginning-of-text token stands before the text where the tokenizer has one; without one the first token of a text that
    nothing is given for cannot be scored, and is not counted. A text longer than the model's context is read in windows,
    every token scored once. An output without a token that can be scored is an error of that record.

    Args:
        given_input: the likelihood is that of the output behind the record's input; only the output's tokens count.
        separator: stands between input and output; given, too.
        stride: tokens by which a window moves on; None: half the context.

    Formula: exp(Σ nll / Σ tokens).

    Range: from 1 up; `bits_per_byte` from 0 up.

    Misleads: likely is not good: dull and repeated text is the likeliest. Values of models with other tokenizers do not
    compare, but for `bits_per_byte`, and a model finds likely what it has seen in training.

    Source: Jelinek et al. (1977); sliding window as in Hugging Face's guide "Perplexity of fixed-length models".
    """

    given_input: bool = False
    separator: str = "\n"
    stride: int | None = None

    wants: ClassVar[frozenset[Capability]] = frozenset({"likelihood"})
    higher_is_better: ClassVar[bool | None] = False

    def __post_init__(self) -> None:
        if self.stride is not None and self.stride < 1:
            raise ValueError(f"stride is a number of tokens from 1 up, not {self.stride}")

    @property
    def parts(self) -> tuple[str, ...]:
        return ("", "bits_per_byte")

    @property
    def columns(self) -> tuple[str, ...]:
        return ("nll", "tokens", "bytes")

    def needs_of(self) -> tuple[str, ...]:
        return ("output", "input") if self.given_input else ("output",)

    async def measure(self, batch: Batch, tools: Tools) -> Rows:
        outputs = batch.texts("output")
        given = [text + self.separator for text in batch.texts("input")] if self.given_input else [""] * len(batch)
        told = await asyncio.gather(*(self._one(tools, *pair) for pair in zip(outputs, given)), return_exceptions=True)
        rows = Rows(np.full((len(batch), 3), np.nan))
        for index, found in rows.settled(told):
            if not found.logprobs:
                rows.errors[index] = "the output has no token that can be scored"
            elif not math.isfinite(nll := -math.fsum(found.logprobs)):
                rows.errors[index] = f"the model gave a token of the output the log-probability {min(found.logprobs):g}"
            else:
                rows.values[index] = nll, len(found.logprobs), len(outputs[index].encode("utf-8", "surrogatepass"))
        return rows

    async def _one(self, tools: Tools, text: str, given: str) -> Likelihood:
        return await tools.likelihood(text, given, stride=self.stride) if text else Likelihood(())

    def combine(self, totals: Floats) -> Floats:
        nll, tokens, size = totals[..., 0], totals[..., 1], totals[..., 2]
        with np.errstate(over="ignore"):  # a text beyond all likelihood is infinitely perplexing
            return np.stack([np.exp(ratio(nll, tokens)), ratio(nll, math.log(2) * size)], axis=-1)
