"""A score in a judge's reply: read strictly, and weighted by the probabilities of the tokens that spell it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.core.asking import Token
from evalkit.core.errors import Malformed

_KEY = re.compile(r'(?<!\\)"score"\s*:\s*([0-9]+)')
_BARE = re.compile(r"\s*([0-9]+)\s*\Z")
_DIGITS = re.compile(r"[0-9]*")


@dataclass(frozen=True)
class Weighted:
    """Scores of a scale with the probability of each; ``mass`` is what of all probability fell on the scale."""

    probabilities: dict[int, float]

    @property
    def mass(self) -> float:
        return math.fsum(self.probabilities.values())

    @property
    def mean(self) -> float:
        """Σ p(s)·s / Σ p(s)."""
        return math.fsum(score * p for score, p in self.probabilities.items()) / self.mass


def spelled_at(text: str, *, bare: bool) -> tuple[int, int]:
    """Where the digits of the score are in a reply: a number alone, or the value of the key ``score`` in JSON.

    Raises:
        Malformed: there is no such thing, or there are several.
    """
    found = [match.span(1) for match in ([_BARE.match(text)] if bare else _KEY.finditer(text)) if match]
    if len(found) != 1:
        raise Malformed(f"the reply holds {'no score' if not found else f'{len(found)} scores'}: {_shown(text)}")
    return found[0]


def in_scale(text: str, span: tuple[int, int], scores: range) -> int:
    """The score at a place of a reply.

    Raises:
        Malformed: it is none of the scale's.
    """
    digits = text[slice(*span)]
    if len(digits) < 10 and int(digits) in scores:
        return int(digits)
    raise Malformed(f"the score {digits[:20]} is not on the scale from {scores[0]} to {scores[-1]}")


def weighted(text: str, tokens: Sequence[Token], span: tuple[int, int], scores: range, *, bare: bool = False) -> Weighted:
    """The probability of every score of the scale at the place where the reply spells one.

    The place is found by characters, not by a token's number, so that it does not matter how a tokenizer cuts the reply, and
    a score of several tokens ("1", "0") is the product along them. An alternative that may yet go on to another score of
    the scale ("1" where 10 is one, and the reply went elsewhere) is left out: its probability is missing from the mass.

    Source: Liu et al. (2023), eq. 1, over the scale's tokens and renormalised; the mass kept is reported.

    Raises:
        Malformed: the tokens do not spell the reply, or none of their alternatives is a score.
    """
    if not tokens:
        raise Malformed("the backend gave no log-probabilities; use `mode: sampled`")
    joined = "".join(token.text for token in tokens)
    shift = joined.find(text[: span[1]])
    if shift >= 0:
        start, end = span[0] + shift, span[1] + shift
    else:  # a character that several tokens spell is not told as it stands
        start, end = spelled_at(joined, bare=bare)
        if joined[start:end] != text[slice(*span)]:
            raise Malformed("the log-probabilities are of other tokens than the reply's")
    found: dict[int, float] = {}
    reached, before, position = 1.0, "", 0  # the probability of the digits so far, and those digits
    for token in tokens:
        begin, position = position, position + len(token.text)
        if position <= start:
            continue
        lead = token.text[: max(start - begin, 0)]
        alternatives = dict(token.top)
        alternatives.setdefault(token.text, token.logprob)
        for alternative, logprob in alternatives.items():
            told = alternative if before else _behind(alternative, lead)
            if told is None:
                continue
            digits = before + _digits(told)
            ended = len(_digits(told)) < len(told) or (not told and bool(before))
            if not digits or (alternative == token.text and position <= end and not ended and _may_go_on(digits, scores)):
                continue  # no number; or the reply's own digits, which the next token settles
            if (ended or not _may_go_on(digits, scores)) and len(digits) < 10 and int(digits) in scores:
                found[int(digits)] = found.get(int(digits), 0.0) + reached * math.exp(min(logprob, 0.0))
        own = token.text if before else _behind(token.text, lead) or ""
        before += _digits(own)
        reached *= math.exp(min(token.logprob, 0.0))
        if position > end or not _may_go_on(before, scores):
            break
    else:  # the reply ends with its digits: nothing says what else might have followed
        if before and int(before) in scores:
            found[int(before)] = found.get(int(before), 0.0) + reached
    if not found or math.fsum(found.values()) <= 0.0:
        raise Malformed(f"none of the likeliest tokens is a score from {scores[0]} to {scores[-1]}")
    return Weighted(dict(sorted(found.items())))


def _behind(alternative: str, lead: str) -> str | None:
    """What an alternative token says where the score begins; None where it says something else before it."""
    if alternative.startswith(lead):
        return alternative[len(lead) :].lstrip() if not lead.strip() else alternative[len(lead) :]
    return alternative.lstrip() if not lead.strip() else None


def _digits(text: str) -> str:
    found = _DIGITS.match(text)
    return found[0] if found else ""


def _may_go_on(digits: str, scores: range) -> bool:
    """Whether more digits can follow and still spell a score of the scale."""
    return any(str(score).startswith(digits) and len(str(score)) > len(digits) for score in scores)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "…")
