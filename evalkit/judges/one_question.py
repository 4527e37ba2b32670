"""One question about each record, put to a chat model: its answer is a reason and one of a few verdicts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evalkit.core.asking import Tools
from evalkit.core.batch import Batch
from evalkit.core.rows import Rows
from evalkit.judges.prompt import Prompt, fenced


def schema(verdicts: Sequence[str]) -> dict[str, Any]:
    """The JSON of a reply: the reason comes first, so that the verdict may rest on it."""
    return {
        "type": "object",
        "properties": {"reason": {"type": "string"}, "verdict": {"enum": list(verdicts)}},
        "required": ["reason", "verdict"],
        "additionalProperties": False,
    }


async def judged(
    batch: Batch,
    tools: Tools,
    prompt: Prompt,
    values: Mapping[str, float],
    texts: Mapping[str, Sequence[str]],
    skipped: Mapping[int, str],
    *,
    max_tokens: int = 400,
) -> Rows:
    """Rows of (value, 1): one call a record, every text in a fence of its own.

    Args:
        values: what each verdict counts.
        texts: by the prompt's places, one text a record.
        skipped: the records that are not asked about, and why.
    """
    names, wanted = batch.texts("id"), schema(list(values))

    async def one(index: int) -> dict[str, Any]:
        told = {place: fenced(place.upper(), several[index]) for place, several in texts.items()}
        reply: dict[str, Any] = await tools.on(names[index]).ask(prompt.messages(**told), wanted, max_tokens=max_tokens)
        return reply

    rows = Rows(np.full((len(batch), 2), np.nan), skipped=dict(skipped))
    asked = [index for index in range(len(batch)) if index not in rows.skipped]
    came = Rows(np.full((len(asked), 2), np.nan))
    for place, verdict in came.settled(await asyncio.gather(*map(one, asked), return_exceptions=True)):
        rows.values[asked[place]] = (values[verdict["verdict"]], 1.0)
        rows.reasons[asked[place]] = verdict["reason"]
    rows.errors.update({asked[place]: why for place, why in came.errors.items()})
    return rows


def nothing(batch: Batch) -> dict[int, str]:
    """The records whose output is empty: there is nothing to judge."""
    return {
        index: "the output is empty: nothing to judge" for index, text in enumerate(batch.texts("output")) if not text.strip()
    }
