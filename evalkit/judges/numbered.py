"""Questions about numbered sentences: which of them are of some kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evalkit.core.asking import Tools
from evalkit.judges.prompt import fenced, load


async def which(
    prompt: str, key: str, sentences: Sequence[str], tools: Tools, *, question: str = "", reason: bool = True
) -> tuple[frozenset[int], str]:
    """The places (from 0) of the sentences that a prompt asks for, and why.

    Args:
        prompt: of ``judges/prompts``; ``key``: under which its reply lists the numbers.

    Raises:
        BackendError: no usable reply.
    """
    n = len(sentences)
    listed = {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": n}, "maxItems": n}
    properties: dict[str, Any] = {"reason": {"type": "string"}, key: listed} if reason else {key: listed}
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    messages = load(prompt).messages(
        question=fenced("QUESTION", question),
        sentences=fenced("SENTENCES", "\n".join(f"{place}. {' '.join(one.split())}" for place, one in enumerate(sentences, 1))),
        n=str(n),
    )
    told = await tools.ask(messages, schema, call=key, max_tokens=256 + 8 * n)
    return frozenset(place - 1 for place in told[key]), str(told.get("reason", "")).strip()
