"""NLTK's word tokeniser (improved Penn Treebank rules), one white-space piece at a time, without importing NLTK."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

Rule = tuple[Callable[[str, str], str], str]

_JOINED = frozenset({"cannot", "gimme", "gonna", "gotta", "lemme", "wanna"})
_QUOTES = frozenset("'\"`")
_OPENINGS = ("''", '""', "\"''")
_CLOSERS = ")]}>\"'»”’"


def treebank(text: str) -> list[str]:
    """The tokens that ``nltk.tokenize.NLTKWordTokenizer().tokenize(text)`` gives, straight through all rules.

    Source: the rules of NLTK 3.10.4 (Robert MacIntyre's sed script for the Penn Treebank, with later additions).
    """
    return _tokens(text, ends=True)


def pieces(text: str) -> tuple[list[str], str]:
    """A text as pieces that can be tokenised one by one: those that a space follows, and the rest.

    The rules look past a space only at the text's two ends: its last full stop may have closing brackets, quotes and
    white space behind it, and two quotes that begin a text are not read as they are after a space. So the last piece
    runs from the last part that holds anything else; it keeps the space before it, which says that it does not begin
    the text.
    """
    parts = text.split(" ")
    if len(parts) == 1 or text.startswith(_OPENINGS):
        return [], text
    last = parts.pop()
    while parts and not last.strip().strip(_CLOSERS).strip(_CLOSERS + " \t\n\r\f\v"):
        last = f"{parts.pop()} {last}"
    return parts, f" {last}" if parts else last


def inner(piece: str) -> list[str]:
    """Tokens of a piece that stands between two spaces (or begins the text)."""
    if piece.isalnum() and piece.isascii() and piece.lower() not in _JOINED:
        return [piece]
    if not _QUOTES.isdisjoint(piece):
        return _tokens(f" {piece} ", ends=False)
    words = piece.split()  # only quotes care which white space is beside them
    if len(words) > 1:
        return [token for word in words for token in inner(word)]
    return _tokens(f" {piece} ", ends=False)


def _tokens(text: str, *, ends: bool) -> list[str]:
    """All rules in order; ``ends`` says that the text ends where the string does."""
    starting, final, colon_end, punctuation, closing, contractions = _rules()
    for substitute, template in starting:
        text = substitute(template, text)
    if ends:
        text = final[0](final[1], text)
    substitute, template = punctuation[0]  # colons and commas
    text = substitute(template, text)
    if ends:
        text = colon_end[0](colon_end[1], text)
    for substitute, template in punctuation[1:]:
        text = substitute(template, text)
    text = f" {text} "
    for substitute, template in (*closing, *contractions):
        text = substitute(template, text)
    return text.split()


@cache
def _rules() -> tuple[list[Rule], Rule, Rule, list[Rule], list[Rule], list[Rule]]:
    """The rules, compiled by ``regex`` as NLTK does: its ``\\w`` and ``\\s`` are not quite those of ``re``."""
    import regex

    def rule(pattern: str, template: str) -> Rule:
        return regex.compile(pattern).sub, template

    starting = [
        rule("([«“‘„]|[`]+)", r" \1 "),
        rule('^"', "``"),
        rule("(``)", r" \1 "),
        rule(r"([ \(\[{<])(\"|'{2})", r"\1 `` "),
        rule(r"(?i)(?<!\w)(')(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)", r"\1 "),
    ]
    final = rule(r"""([^\.])(\.)([\]\)}>"'»”’ ]*+)\s*$""", r"\1 \2 \3 ")
    colon_end = rule("([:,])$", r" \1 ")
    punctuation = [
        rule(r"([:,])([^\d])", r" \1 \2"),
        rule(r"\.{2,}", r" \g<0> "),
        rule("[;@#$%&]", r" \g<0> "),
        rule("[\u2012-\u2015]", r" \g<0> "),
        rule("[?!]", r" \g<0> "),
        rule("([^'])' ", r"\1 ' "),
        rule("[*]", r" \g<0> "),
        rule(r"[\]\[\(\)\{\}\<\>]", r" \g<0> "),
        rule("--", " -- "),
    ]
    closing = [
        rule("([»”’])", r" \1 "),
        rule("''", " '' "),
        rule('"', " '' "),
        rule(r"\s+", " "),
        rule("([^' ])('[sS]|'[mM]|'[dD]|') ", r"\1 \2 "),
        rule("([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", r"\1 \2 "),
    ]
    joined = ["(can)(not)", "(d)('ye)", "(gim)(me)", "(gon)(na)", "(got)(ta)", "(lem)(me)", "(more)('n)"]
    contractions: list[Rule] = [(re.compile(rf"(?i)\b{pair}\b").sub, r" \1 \2 ") for pair in joined]
    contractions += [
        (re.compile(pattern).sub, r" \1 \2 ") for pattern in (r"(?i)\b(wan)(na)(?=\s)", r"(?i) ('t)(is)\b", r"(?i) ('t)(was)\b")
    ]
    return starting, final, colon_end, punctuation, closing, contractions
