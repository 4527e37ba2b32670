"""How a text is laid out for its likelihood: its tokens behind what is given, and the windows in which a model reads them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from evalkit.core.asking import Likelihood
from evalkit.core.errors import BackendError


class Window(NamedTuple):
    """Tokens that a model reads at once, and how many of the last of them are counted here."""

    ids: tuple[int, ...]
    counted: int


def laid_out(tokenizer: Any, text: str, given: str) -> tuple[list[int], int]:
    """Tokens of given and text, tokenised together, and how many of them are not the text's.

    The tokenizer's token for the beginning of a text goes first, where it has one. A token across the border counts as the
    text's, for it holds some of its characters. Control tokens in either are text.
    """
    options = {"add_special_tokens": False, "split_special_tokens": True}
    if given:
        told = tokenizer(given + text, return_offsets_mapping=True, **options)
        ids = list(told["input_ids"])
        before = sum(1 for _, end in told["offset_mapping"] if end <= len(given))
    else:
        ids, before = list(tokenizer(text, **options)["input_ids"]), 0
    if tokenizer.bos_token_id is not None:
        return [tokenizer.bos_token_id, *ids], before + 1
    return ids, before


def windows(ids: list[int], before: int, context: int, stride: int | None) -> list[Window]:
    """The windows that count every token from ``before`` on once, and each with the most context that its window gives.

    A window begins ``stride`` tokens after the one before it and counts the tokens that none before it held; the very first
    token of all has no context and is never counted. Windows that count nothing are left out.

    Args:
        context: tokens that the model can read at once.
        stride: None: half the context.

    Raises:
        BackendError: the stride does not fit the context.

    Source: the fixed-length perplexity guide of Hugging Face transformers.
    """
    step = context // 2 if stride is None else stride
    if not 1 <= step < context:
        raise BackendError(f"a stride lies between 1 and the model's context less one ({context - 1}), not {step}")
    first = max(before, 1)
    made, begin, read = [], 0, 0
    while read < len(ids):
        end = min(begin + context, len(ids))
        counted = end - max(read, first)
        if counted > 0:
            made.append(Window(tuple(ids[begin:end]), counted))
        begin, read = begin + step, end
    return made


async def likelihood(
    asked: tuple[list[int], int],
    context: int,
    stride: int | None,
    score: Callable[[Window], Awaitable[Sequence[float]]],
    instead: str,
) -> Likelihood:
    """Log-probabilities of a text's tokens, window by window.

    Args:
        asked: as `laid_out` gives it.
        score: those of the tokens that a window counts.
        instead: what to try where they are not finite.
    """
    parts = windows(*asked, context, stride)
    found = await asyncio.gather(*map(score, parts))
    logprobs = tuple(value for part in found for value in part)
    if not all(map(math.isfinite, logprobs)):
        raise BackendError(f"the model's log-probabilities are not finite; try {instead}")
    return Likelihood(logprobs, sum(len(part.ids) for part in parts))
