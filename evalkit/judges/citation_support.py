"""Do the passages that an answer cites say what it says?"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from evalkit.core.asking import Capability, Tools
from evalkit.core.registry import judge
from evalkit.judges.claimed import Verified, quoted
from evalkit.judges.numbered import which
from evalkit.judges.prompt import load
from evalkit.judges.record import Judged, Record, everything
from evalkit.judges.support import Source, Support
from evalkit.text.sentences import SPLITTER, sentences

PROMPT = "factual-sentences"
_MARK = re.compile(r"[ \t]?\[([1-9]\d{0,2}(?:[ \t]?[,;–-][ \t]?[1-9]\d{0,2}){0,20})\]")
_FIRST = re.compile(rf"(?:{_MARK.pattern})+")
_SOURCE = re.compile(r"[ \t]*(?:[-*][ \t]+)?\[[1-9]\d{0,2}\]:?[ \t]+\S")  # a line of a list of sources
_LISTED = re.compile(r"(?im)^[ \t#*]*(?:references|sources|citations|quellen|literatur|fuentes)[ \t*]*:?[ \t*]*$")
_PIECE = re.compile(r"(\d{1,3})(?:[ \t]?[–-][ \t]?(\d{1,3}))?")


class Cited(NamedTuple):
    """A sentence without its marks, and the passages that these name, by their places from 1."""

    text: str
    passages: frozenset[int]


@judge("citation_support")
@dataclass(frozen=True)
class CitationSupport(Verified):
    """Whether marks such as [2] stand behind what the passage says that they name; means over records, 0 to 1.

    ``precision`` (the bare name): of the sentences with a mark, the share that the passages they cite, read together, support.
    ``recall``: of the sentences that state a fact, the share that is so supported; a sentence with a mark counts as
    one that does, of the others the backend says which do (``facts: model``), or all do (``facts: all``).

    Marks name the record's ``contexts``, the first is [1]: [1, 3], [2–4] and [1][3] are read too, and a mark behind the full
    stop belongs to the sentence before. One that names no passage supports nothing. A record without any such sentence has no
    value of that part; without contexts, or with an empty output, it is skipped.

    Misleads: a passage may say what is wrong, and a sentence that cites everything is easily supported.

    Source: Gao et al. (2023), ALCE, arXiv:2305.14627, section 4 (there by sentence and citation, with an NLI model).
    """

    facts: Literal["model", "all"] = "model"

    needs: ClassVar[tuple[str, ...]] = ("output", "contexts")

    @property
    def parts(self) -> tuple[str, ...]:
        return ("precision", "recall")

    @property
    def chats(self) -> bool:
        return self.facts == "model"

    def instead(self, lacking: frozenset[Capability]) -> str | None:
        return "write `facts: all` and `verifier: nli`" if "chat" in lacking else super().instead(lacking)

    def options(self) -> dict[str, object]:
        """The rules that cut sentences move the score."""
        return {**super().options(), "sentences_by": SPLITTER}

    def prompts(self) -> dict[str, str]:
        return super().prompts() | ({PROMPT: load(PROMPT).text} if self.facts == "model" else {})

    async def judge(self, record: Record, tools: Tools) -> Judged | str:
        contexts = record.passages()
        if not record.text("output").strip():
            return "the output is empty: nothing to judge"
        if not contexts:
            return "there are no contexts that it could cite"
        told = cited(record.text("output"), len(contexts))
        marked, bare = [one for one in told if one.passages], [one.text for one in told if not one.passages]
        joined = {one.passages: together(contexts, one.passages) for one in marked}
        found, stated = await everything(
            [
                self.verifying.check(
                    [one.text for one in marked], list(joined.values()), tools, "citations", question=record.text("input")
                ),
                self._facts(bare, tools),
            ]
        )
        assert isinstance(found, Support)
        assert isinstance(stated, frozenset)
        places = {cited: at for at, cited in enumerate(joined)}
        kept = [bool(found.verdicts[at, places[one.passages]] == 1) for at, one in enumerate(marked)]
        facts = len(marked) + len(stated)
        if not facts:
            return "the output cites nothing and states no fact"
        lost = [one.text for one, there in zip(marked, kept) if not there]
        reason = f"{sum(kept)} of {len(marked)} cited sentences are supported" if marked else "nothing is cited"
        reason += f"; not {quoted(lost)}" if lost else ""
        reason += f"; {len(stated)} more state a fact without a citation" if stated else ""
        evidence = {
            "cited": [
                {**note, "cites": sorted(one.passages), "supported": there}
                for note, one, there in zip(found.evidence(), marked, kept)
            ],
            "uncited_facts": [one for at, one in enumerate(bare) if at in stated],
        }
        return Judged((sum(kept) / len(marked) if marked else math.nan, sum(kept) / facts), reason, evidence)

    async def _facts(self, bare: list[str], tools: Tools) -> frozenset[int]:
        if not bare or self.facts == "all":
            return frozenset(range(len(bare)))
        return (await which(PROMPT, "facts", bare, tools, reason=False))[0]


def together(contexts: Sequence[str], cited: frozenset[int]) -> Source:
    """The passages that a sentence cites as one source; those that there are not hold nothing."""
    there = [place for place in sorted(cited) if place <= len(contexts)]
    name = "".join(f"P{place}" for place in sorted(cited))
    return Source(name, "passage " + ", ".join(map(str, sorted(cited))), "\n\n".join(contexts[place - 1] for place in there))


def cited(text: str, most: int = 999) -> list[Cited]:
    """The sentences of a text with the marks that belong to each; marks at the beginning of one belong to that before it.

    Args:
        most: passages that there are; of a range that goes beyond, one place beyond counts.
    """
    body = "\n".join(line for line in _LISTED.sub("", text).split("\n") if not _SOURCE.match(line))
    cut: list[list[str]] = []
    for one in sentences(body):
        first = _FIRST.match(one)
        if first is not None and cut:
            cut[-1].append(first[0])
            one = one[first.end() :]
        if one.strip():
            cut.append([one])
    found = []
    for parts in cut:
        whole = "".join(parts)
        bare = " ".join(_MARK.sub("", parts[0]).split())
        if bare:
            places = frozenset(place for mark in _MARK.findall(whole) for place in _places(mark, most))
            found.append(Cited(bare, places))
    return found


def _places(mark: str, most: int) -> list[int]:
    found: list[int] = []
    for first, last in _PIECE.findall(mark):
        low, high = int(first), min(int(last or first), max(most + 1, int(first)))
        found += range(low, high + 1) if low <= high else [low, high]
    return found
