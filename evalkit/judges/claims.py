"""The claims that a text makes, each true or false by itself: extracted once, however many metrics use them."""

from __future__ import annotations

from typing import Any, Literal

from evalkit.core.asking import Tools
from evalkit.judges.prompt import fenced, load
from evalkit.text.abstaining import abstaining
from evalkit.text.sentences import sentences

From = Literal["model", "sentences"]

PROMPT = "claims"
MOST = 60  # claims of one text
NONE = "nothing"  # what is said of a text that makes none: small models too readily write an empty list
BRIEF = 12  # words of a sentence that may be no more than "the text does not say"
SCHEMA = {
    "type": "object",
    "properties": {"claims": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST}},
    "required": ["claims"],
    "additionalProperties": False,
}


async def claims_of(text: str, question: str, tools: Tools, how: From = "model", *, call: str = "claims") -> list[str]:
    """The claims of a text, in order, each once.

    Two metrics that ask for the claims of the same text, behind the same question, ask the same thing: the run's pipeline
    answers it once.

    Args:
        question: what the text answers, so that pronouns and bare answers can be resolved; may be empty.
        how: ``sentences`` takes the text's sentences for claims and asks no model; short ones that only say that something is
            not known are none.

    Raises:
        BackendError: no usable reply.
    """
    if not text.strip():
        return []
    if how == "sentences":
        cut = list(dict.fromkeys(sentences(text)))
        silent = abstaining(cut)[0]
        return [one for one, unknown in zip(cut, silent) if not (unknown and len(one.split()) <= BRIEF)]
    messages = load(PROMPT).messages(
        question=fenced("QUESTION", question) if question.strip() else "",
        text=fenced("TEXT", text),
    )
    told: Any = await tools.ask(messages, SCHEMA, call=call, max_tokens=256 + len(text))
    claims = dict.fromkeys(claim.strip() for claim in told["claims"])
    return [claim for claim in claims if claim and claim.strip(" .").lower() != NONE]
