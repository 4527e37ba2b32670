"""Sentences of many texts, counted by a rule that columns can follow; `evalkit.text.sentences` cuts one text with more care."""

from __future__ import annotations

import numpy as np

from evalkit.text.bytes import Block, Bytes, Flags, Ranks, places
from evalkit.text.characters import MARK, STOP
from evalkit.text.ngrams import Ints

_CLOSERS = "\"')]}*_`"
_WIDE_CLOSERS = ("”", "’", "»", "›", "“")
_TITLES = ("mr", "ms", "dr", "mrs", "vs")


def _table(characters: str) -> Flags:
    """For each byte, whether it is one of these."""
    return np.isin(np.arange(256), np.frombuffer(characters.encode("ascii"), dtype=np.uint8))


_SKIPPED = 8  # bytes of white space behind a sentence that are looked at one by one
_CLOSES = _table(_CLOSERS)
_FREE = _table(" \t\n\r\"'([")  # a word can begin behind these
_SHORTENED = _table("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZrs")  # what numbers, initials and titles end with


def sentence_counts(block: Block) -> Ints:
    """Sentences of each text, shape (n,): its pieces that hold a term, where pieces end

    - at a line feed;
    - at one of 。！？｡;
    - behind a run of ``. ! ?``, or one of … ‽ ؟ ۔ । ॥, with up to three of ``" ' ) ] } * _ ` ” ’ » › “`` behind it and then
      white space or the text's end, unless

      - the next word begins with a to z, in a text that has a capital A to Z (so "e.g. this" and "wait... what" are no ends);
      - the run is one full stop behind a number of one to three digits that begins its line (after up to three spaces), behind
        one capital other than I that begins a word, or behind mr, ms, dr, mrs or vs.

    What a term is says `evalkit.text.terms`. A text without any has no sentence. A line that is wrapped counts as ended.
    """
    ends = np.concatenate([block.feeds, _spaced_ends(block), _stops(block)])
    ends.sort()
    filled = np.cumsum(np.diff(Ranks(block.spoken)(ends), prepend=0) > 0)
    last = filled[np.searchsorted(ends, block.ends)]
    counts: Ints = np.diff(last, prepend=0)
    return counts


def _stops(block: Block) -> Ints:
    return block.wide.having(STOP) + 3  # each takes three bytes, and what follows belongs to the next piece


def _spaced_ends(block: Block) -> Ints:
    """The places behind marks, and behind what closes them, that end a sentence."""
    data = block.data
    marks = (data == ord(".")) | (data == ord("!")) | (data == ord("?"))
    wide = block.wide
    if len(wide.places):
        chosen = (wide.classes & MARK) != 0
        marks[wide.places[chosen] + wide.lengths[chosen] - 1] = True
    last = places((marks[:-1] > marks[1:]) & ~block.alphanumeric[1:])
    behind = _skipped(data, last + 1)
    at = block.space[behind]
    last, behind = last[at], behind[at]
    stays = ~_goes_on(block, behind)
    last, behind = last[stays], behind[stays]
    return behind[~_abbreviates(data, marks, last)]


def _skipped(data: Bytes, behind: Ints) -> Ints:
    """The places behind up to three closing marks."""
    behind = behind.copy()
    open_ = np.arange(len(behind))
    for _ in range(3):
        at = behind[open_]
        length = _CLOSES[data[at]].astype(np.int64)
        high = np.flatnonzero(data[at] >= 0xC2)
        for closer in _WIDE_CLOSERS if len(high) else ():
            spelled = closer.encode()
            same = np.ones(len(high), dtype=bool)
            for step, byte in enumerate(spelled):
                same &= data[at[high] + step] == byte
            length[high[same]] = len(spelled)
        open_ = open_[length > 0]
        if not len(open_):
            break
        behind[open_] += length[length > 0]
    return behind


def _goes_on(block: Block, behind: Ints) -> Flags:
    """Whether the next word of the same text begins with a small letter, in a text that has capitals."""
    data = block.data
    following = behind.copy()
    left = np.flatnonzero(~block.closes[following])
    for _ in range(_SKIPPED):
        following[left] += 1
        left = left[block.space[following[left]] & ~block.closes[following[left]]]
        if not len(left):
            break
    if len(left):  # much white space: look up where words begin
        words = np.append(np.flatnonzero(block.words), len(data) - 1)
        found = words[np.searchsorted(words, following[left])]
        following[left] = np.minimum(found, block.ends[block.rows_of(following[left])])
    first = data[following]
    small: Flags = (first >= ord("a")) & (first <= ord("z"))
    at = np.flatnonzero(small)
    small[at] = (block.capitals > 0)[block.rows_of(behind[at])]
    return small


def _abbreviates(data: Bytes, marks: Flags, last: Ints) -> Flags:
    """Whether a single full stop follows a list's number, an initial or a title."""
    abbreviates = np.zeros(len(last), dtype=bool)
    chosen = np.flatnonzero(_SHORTENED[data[last - 1]] & (data[last] == ord(".")) & ~marks[last - 1])
    at = last[chosen]
    near = [data[np.maximum(at - step, 0)] for step in range(1, 8)]  # the bytes before, the nearest first
    found = np.zeros(len(at), dtype=bool)
    digits = np.ones(len(at), dtype=bool)
    for size in range(1, 4):
        digits = digits & (near[size - 1] >= ord("0")) & (near[size - 1] <= ord("9"))
        begins = digits
        for byte in near[size : size + 4]:
            found |= begins & (byte == ord("\n"))
            begins = begins & (byte == ord(" "))
    found |= (near[0] >= ord("A")) & (near[0] <= ord("Z")) & (near[0] != ord("I")) & _FREE[near[1]]
    for title in _TITLES:
        spelled = _FREE[near[len(title)]]
        for step, letter in enumerate(reversed(title)):
            spelled = spelled & ((near[step] | np.uint8(32)) == ord(letter))
        found |= spelled
    abbreviates[chosen] = found
    return abbreviates
