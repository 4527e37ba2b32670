"""The claims that a text makes, each true or false by itself: extracted once, however many metrics use them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from evalkit.core.asking import Reply, Tools
from evalkit.core.errors import Malformed
from evalkit.core.parse import parsed, shown
from evalkit.judges.prompt import fenced, load
from evalkit.judges.record import everything
from evalkit.text.abstaining import only_abstaining
from evalkit.text.sentences import sentences

From = Literal["model", "sentences"]

PROMPT = "claims"
MOST, LONGEST = 60, 4_800  # claims of one call, and the tokens that these may take
AT_ONCE = 6_000  # characters of a text; a longer one is asked about in pieces
NONE = "nothing"  # what is said of a text that makes none: small models too readily write an empty list
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"claims": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST}},
    "required": ["claims"],
    "additionalProperties": False,
}
_LENIENT = {**SCHEMA, "properties": {"claims": {"type": "array", "items": {"type": "string"}}}}


async def claims_of(text: str, question: str, tools: Tools, how: From = "model", *, call: str = "claims") -> list[str]:
    """The claims of a text, in order, each once.

    Two metrics that ask for the claims of the same text, behind the same question, ask the same thing: the run's pipeline
    answers it once.

    Args:
        question: what the text answers, so that pronouns and bare answers can be resolved; may be empty.
        how: ``sentences`` takes the text's sentences for claims and asks no model; those that only say that something is not
            known are none.

    Raises:
        BackendError: no usable reply.
    """
    if not text.strip():
        return []
    if how == "sentences":
        return [one for one in dict.fromkeys(sentences(text)) if not only_abstaining(one)]
    parts = pieces(text)
    calls = [call if len(parts) == 1 else f"{call} {at}" for at in range(1, len(parts) + 1)]
    found = await everything(_asked(part, question, tools, name) for part, name in zip(parts, calls))
    return list(dict.fromkeys(claim for claims in found for claim in claims))


def pieces(text: str) -> list[str]:
    """A text in pieces of whole sentences, of about `AT_ONCE` characters each; a short one as it is."""
    if len(text) <= AT_ONCE:
        return [text]
    found: list[list[str]] = [[]]
    size = 0
    for one in sentences(text) or [text]:
        if size and size + len(one) > AT_ONCE:
            found.append([])
            size = 0
        found[-1].append(one)
        size += len(one) + 1
    return [" ".join(part) for part in found]


async def _asked(text: str, question: str, tools: Tools, call: str) -> Sequence[str]:
    messages = load(PROMPT).messages(
        question=fenced("QUESTION", question) if question.strip() else "", text=fenced("TEXT", text)
    )
    told: list[str] = await tools.ask(messages, SCHEMA, call=call, parse=_read, max_tokens=min(256 + len(text), LONGEST))
    return told


def _read(reply: Reply) -> list[str]:
    told = parsed(reply.text, _LENIENT)["claims"]
    claims = list(dict.fromkeys(claim.strip() for claim in told if claim.strip()))
    if not claims or len(told) > MOST:
        what = f"lists {len(told)} claims; at most {MOST} are wanted" if claims else "lists nothing"
        raise Malformed(f"the reply {what}: {shown(reply.text)}")
    return [claim for claim in claims if claim.strip(" .").lower() != NONE]
