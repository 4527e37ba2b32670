"""The tokenisers of machine-translation metrics (sacrebleu's), applied to whole columns.

Every one of them but `char`, the morphological and the sentencepiece ones looks at white-space words one by one: once a
line's own replacements are done, no rule reads past white space. So each distinct word of a batch is split once, all
new words in one pass of the regular expressions, and lines become integers by look-up.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Literal

import numpy as np
import regex
from numpy.typing import NDArray

from evalkit.text.ngrams import Ints, Sequences, offsets_of

WordTokenizer = Literal["none", "13a", "zh", "intl", "chrf"]

_LINES = 512  # lines whose words are held as strings at once: few enough to stay in the cache
_ASCII_SIGNS = re.compile(r"([!-&(-+:-@\[-`{-~/])")
_STOP_AFTER_NO_DIGIT = re.compile(r"([^0-9])([.,])")
_STOP_BEFORE_NO_DIGIT = re.compile(r"([.,])([^0-9])")
_DASH_AFTER_DIGIT = re.compile(r"([0-9])(-)")
_MARKS = frozenset(string.punctuation)
_ONE_MARK = re.compile(r"\S+[!-/:-@\[-`{-~](?!\S)|(?<!\S)[!-/:-@\[-`{-~]\S+")
_MARK_AFTER_NO_NUMBER = regex.compile(r"(\P{N})(\p{P})")
_MARK_BEFORE_NO_NUMBER = regex.compile(r"(\p{P})(\P{N})")
_SYMBOL = regex.compile(r"(\p{S})")
# What sacrebleu takes for Chinese. Two of its ranges are written with five hex digits, which Python reads as four and a
# digit, so that U+2001–U+2A6D and U+2F81–U+2FA1 (punctuation and arrows, not extension B) stand among them.
_CHINESE = re.compile(
    "([\u2001-\u2a6d\u2e80-\u2fdf\u2ff0-\u303f\u3100-\u312f\u31a0-\u31bf\u31c0-\u31ef\u3200-\u33ff\u3400-\u4db5"
    "\u4e00-\u9fbb\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef])"
)


class Numbering(dict[str, int]):
    """Strings numbered 0, 1, 2, … in the order of their first look-up."""

    def __missing__(self, text: str) -> int:
        self[text] = number = len(self)
        return number


@dataclass(frozen=True)
class _Rules:
    """How a tokeniser treats a line, then its words."""

    line: Callable[[str], str] | None = None  # before the line is cut at white space
    split: Callable[[str], str] | None = None  # sets the tokens of words apart by spaces; None: a word is a token
    edge: Callable[[str], bool] | None = None  # whether a character at the very end of a line is judged differently there
    strips: bool = True  # whether white space at the start of a line goes before its words are looked at


class WordPieces:
    """One tokeniser and what it has made of the words seen so far; texts encoded by the same object are comparable."""

    def __init__(self, name: WordTokenizer) -> None:
        self.name = name
        self._rules = _RULES[name]
        self._words = Numbering()
        self._tokens = Numbering()
        self._starts: list[int] = []  # of each word's pieces, in `_pieces`
        self._counts: list[int] = []
        self._pieces: list[int] = []

    def encode(self, texts: Sequence[str]) -> Sequences:
        """Token numbers of each text."""
        parts: list[NDArray[np.int32]] = []
        lengths: list[Ints] = []
        for low in range(0, len(texts), _LINES):
            ids, counts = self._encode(texts[low : low + _LINES])
            parts.append(ids)
            lengths.append(counts)
        if not parts:
            return Sequences(np.zeros(0, dtype=np.int32), np.zeros(1, dtype=np.int64))
        return Sequences(np.concatenate(parts), offsets_of(np.concatenate(lengths)))

    def _encode(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], Ints]:
        rules = self._rules
        lines = [line.split() for line in (map(rules.line, texts) if rules.line else texts)]
        if rules.edge is not None:
            for line, text in zip(lines, texts):
                _mark_edges(line, text, rules.edge, rules.strips)
        lengths = np.fromiter(map(len, lines), np.int64, len(lines))
        words = np.fromiter(map(self._words.__getitem__, chain.from_iterable(lines)), np.int32, int(lengths.sum()))
        if rules.split is None or not len(words):
            return words, lengths
        self._learn(list(islice(self._words, len(self._counts), None)), rules.split)
        counts = np.array(self._counts, dtype=np.int64)[words]
        starts = np.array(self._starts, dtype=np.int64)[words]
        ends = np.cumsum(counts)
        places = np.repeat(starts - ends + counts, counts) + np.arange(ends[-1])
        bounds = np.concatenate([[0], ends])[offsets_of(lengths)]
        return np.array(self._pieces, dtype=np.int32)[places], np.diff(bounds)

    def _learn(self, words: list[str], split: Callable[[str], str]) -> None:
        for pieces in split_words(words, split):
            self._starts.append(len(self._pieces))
            self._counts.append(len(pieces))
            self._pieces.extend(map(self._tokens.__getitem__, pieces))


def _mark_edges(words: list[str], text: str, edge: Callable[[str], bool], strips: bool) -> None:
    """Words at the ends of a line, where a rule finds no neighbour, are told apart by a newline on that side."""
    if words:
        if edge(words[0][0]) and (strips or not text[0].isspace()):
            words[0] = "\n" + words[0]
        if edge(words[-1][-1]):
            words[-1] += "\n"


def split_words(words: Sequence[str], split: Callable[[str], str]) -> Iterable[list[str]]:
    """The tokens of each word; a newline at a word's end marks that the line ends there."""
    told: dict[int, list[str]] = {}
    inner: list[int] = []
    for place, word in enumerate(words):
        if word.isascii() and word.isalnum():
            continue
        if word[0] == "\n" or word[-1] == "\n":
            before, after = "" if word[0] == "\n" else " ", "" if word[-1] == "\n" else " "
            told[place] = split(before + word.strip("\n") + after).split()
        else:
            inner.append(place)
    if inner:
        joined = split(" " + " \n ".join([words[place] for place in inner]) + " ")
        told.update(zip(inner, map(str.split, joined.split("\n"))))
    return (told.get(place) or [word] for place, word in enumerate(words))


def line_13a(line: str) -> str:
    """What 13a does to a line before it looks at words: joins hyphenated lines and decodes four entities."""
    if "\n" in line or "<skipped>" in line:
        line = line.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    if "&" in line:
        line = line.replace("&quot;", '"').replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    return line


def split_13a(line: str) -> str:
    """Western punctuation set apart by spaces (mteval-v13a's language-dependent part)."""
    line = _ASCII_SIGNS.sub(r" \1 ", line)
    line = _STOP_AFTER_NO_DIGIT.sub(r"\1 \2 ", line)
    line = _STOP_BEFORE_NO_DIGIT.sub(r" \1 \2", line)
    return _DASH_AFTER_DIGIT.sub(r"\1 \2 ", line)


def line_zh(line: str) -> str:
    """Chinese characters set apart by spaces."""
    return line if line.isascii() else _CHINESE.sub(r" \1 ", line)


def split_intl(line: str) -> str:
    """Punctuation of any script set apart unless between digits, and every symbol (mteval-v14's international mode)."""
    line = _MARK_AFTER_NO_NUMBER.sub(r"\1 \2 ", line)
    line = _MARK_BEFORE_NO_NUMBER.sub(r" \1 \2", line)
    return str(_SYMBOL.sub(r" \1 ", line))


def split_chrf(line: str) -> str:
    """One punctuation mark set apart from each word, at its end or else its start (chrF++; "(hi)" gives "(hi" and ")")."""
    return _ONE_MARK.sub(_apart, line)


def _apart(word: re.Match[str]) -> str:
    text: str = word[0]
    return f"{text[:-1]} {text[-1]}" if text[-1] in _MARKS else f"{text[0]} {text[1:]}"


def squeezed(texts: Iterable[str]) -> list[str]:
    """Texts without their white space: what `char` and chrF count characters of."""
    return ["".join(text.split()) for text in texts]


def _stop(character: str) -> bool:
    return character in ".,"


def _no_ascii_letter_or_digit(character: str) -> bool:
    return not (character.isascii() and character.isalnum())


_RULES: dict[WordTokenizer, _Rules] = {
    "none": _Rules(),
    "13a": _Rules(line_13a, split_13a),
    "zh": _Rules(line_zh, split_13a, _stop),
    "chrf": _Rules(None, split_chrf),
    "intl": _Rules(None, split_intl, _no_ascii_letter_or_digit, strips=False),
}
