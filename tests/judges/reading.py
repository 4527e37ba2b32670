"""A judge whose verdicts are laid down: it reads the prompts of the judges of claims, and answers from tables."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.core.asking import Capability, Reply, Request

_BLOCK = re.compile(r"<<<([A-Z][A-Z0-9 ]*?) ([0-9a-f]{12})\n(.*?)\n\2 \1>>>", re.DOTALL)


@dataclass
class Laid:
    """Replies by what is asked.

    Attributes:
        claims: of a text, by the text.
        says: which claims each source's text supports; ``denies``: which it contradicts.
        useful: passages that are, by text. ``relevant``, ``facts``: sentences that are.
        asked: how many calls of each kind came.
    """

    claims: Mapping[str, Sequence[str]] = field(default_factory=dict)
    says: Mapping[str, Sequence[str]] = field(default_factory=dict)
    denies: Mapping[str, Sequence[str]] = field(default_factory=dict)
    useful: Sequence[str] = ()
    relevant: Sequence[str] = ()
    facts: Sequence[str] = ()
    questions: Sequence[str] = ()
    answers: Mapping[tuple[str, str], str] = field(default_factory=dict)  # by text and question
    pairs: Sequence[tuple[str, str]] = ()
    drawn: tuple[str, bool] = ("", False)  # a question, and whether the answer is noncommittal
    verdict: str = "yes"
    vectors: Mapping[str, Sequence[float]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    prompts: list[str] = field(default_factory=list)
    identity: str = "laid"
    can: frozenset[Capability] = frozenset({"chat", "schema", "embed"})

    async def complete(self, request: Request) -> Reply:
        """The reply that the tables give."""
        text = str(request.messages[-1]["content"])
        self.prompts.append(text)
        blocks = [(name, body) for name, _, body in _BLOCK.findall(text)]
        kind, told = self._told(text, blocks)
        self.asked[kind] += 1
        return Reply(json.dumps(told), prompt_tokens=len(text.split()), completion_tokens=10)

    async def embed(self, text: str) -> NDArray[np.float64]:
        """The text's vector."""
        self.asked["embed"] += 1
        return np.array(self.vectors[text], dtype=np.float64)

    def _told(self, text: str, blocks: list[tuple[str, str]]) -> tuple[str, Any]:
        first = dict(reversed(blocks))
        if "List the claims" in text:
            return "claims", {"claims": list(self.claims[first["TEXT"]]) or ["nothing"]}
        if "against each of the sources" in text:
            return "support", {"verdicts": self._verdicts(blocks)}
        if "useful for arriving" in text:
            passages = [body for name, body in blocks if re.fullmatch(r"P\d+", name)]
            return "useful", {
                "verdicts": [
                    {"passage": at, "reason": "laid down", "verdict": "yes" if one in self.useful else "no"}
                    for at, one in enumerate(passages, 1)
                ]
            }
        if "Which question does this answer" in text:
            return "question", {"question": self.drawn[0], "noncommittal": self.drawn[1]}
        if "SENTENCES" in first:
            listed = [line.partition(". ")[2] for line in first["SENTENCES"].split("\n")]
            if "state a fact" in text:
                return "facts", {"facts": [at for at, one in enumerate(listed, 1) if one in self.facts]}
            return "relevant", {
                "reason": "laid down",
                "relevant": [at for at, one in enumerate(listed, 1) if one in self.relevant],
            }
        if "that this text answers with yes" in text:
            return "questions", {"questions": list(self.questions)}
        if "such questions with their answers" in text:
            return "pairs", {"questions": [{"question": one, "answer": two} for one, two in self.pairs]}
        if "questions in order" in text:
            listed = [line.partition(". ")[2] for line in first["QUESTIONS"].split("\n")]
            return "answers", {"answers": [self.answers[first["TEXT"], one] for one in listed]}
        return "verdict", {"reason": "laid down", "verdict": self.verdict}

    def _verdicts(self, blocks: list[tuple[str, str]]) -> list[dict[str, Any]]:
        claims = [body for name, body in blocks if name.startswith("CLAIM ")]
        sources = [(name, body) for name, body in blocks if not name.startswith("CLAIM ")]
        return [
            {
                "claim": at,
                "reason": "laid down",
                "supported_by": [name for name, body in sources if claim in self.says.get(body, ())],
                "contradicted_by": [name for name, body in sources if claim in self.denies.get(body, ())],
            }
            for at, claim in enumerate(claims, 1)
        ]
