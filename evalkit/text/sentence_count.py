"""Sentences of many texts, counted by a rule that columns can follow; `evalkit.text.sentences` cuts one text with more care."""

from __future__ import annotations

import numpy as np

from evalkit.text.bytes import Block, Bytes, Flags
from evalkit.text.characters import MARK, STOP
from evalkit.text.ngrams import Ints

_CLOSERS = "\"')]}*_`"
_WIDE_CLOSERS = ("”", "’", "»", "›", "“")
_TITLES = ("mr", "ms", "dr", "mrs", "vs")


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
    starts, _ = block.terms
    ends = np.concatenate([block.feeds, _spaced_ends(block), _stops(block)])
    ends.sort()
    terms_before = np.searchsorted(starts, ends)
    filled = np.cumsum(np.diff(terms_before, prepend=0) > 0)
    last = np.searchsorted(ends, block.ends)
    before = np.searchsorted(ends, block.starts - 1)
    counts: Ints = filled[last] - filled[before]
    return counts


def _stops(block: Block) -> Ints:
    places = block.wide.having(STOP)
    return places + 3 if len(places) else places  # each takes three bytes, and what follows belongs to the next piece


def _spaced_ends(block: Block) -> Ints:
    """The places behind marks, and behind what closes them, that end a sentence."""
    data = block.data
    marks = (data == ord(".")) | (data == ord("!")) | (data == ord("?"))
    wide = block.wide
    if len(wide.places):
        chosen = (wide.classes & MARK) != 0
        marks[wide.places[chosen] + wide.lengths[chosen] - 1] = True
    last = np.flatnonzero(marks[:-1] & ~marks[1:])
    behind = _skipped(data, last + 1)
    at = block.space[behind]
    last, behind = last[at], behind[at]
    return behind[~_goes_on(block, behind) & ~_abbreviates(data, marks, last)]


def _skipped(data: Bytes, places: Ints) -> Ints:
    """The places behind up to three closing marks."""
    places = places.copy()
    open_ = np.arange(len(places))
    for _ in range(3):
        at = places[open_]
        length = np.where(np.isin(data[at], np.frombuffer(_CLOSERS.encode(), dtype=np.uint8)), 1, 0)
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
        places[open_] += length[length > 0]
    return places


def _goes_on(block: Block, behind: Ints) -> Flags:
    """Whether the next word of the same text begins with a small letter, in a text that has capitals."""
    words = np.append(block.words, len(block.data) - 1)
    following = words[np.searchsorted(words, behind)]
    rows = block.rows_of(behind)
    first = block.data[following]
    small: Flags = (first >= ord("a")) & (first <= ord("z")) & (following < block.ends[rows])
    if small.any():
        small &= (block.capitals > 0)[rows]
    return small


def _abbreviates(data: Bytes, marks: Flags, last: Ints) -> Flags:
    """Whether a single full stop follows a list's number, an initial or a title."""
    abbreviates = np.zeros(len(last), dtype=bool)
    chosen = np.flatnonzero((data[last] == ord(".")) & ~marks[last - 1])
    at = last[chosen]
    near = [data[np.maximum(at - step, 0)] for step in range(1, 8)]  # the bytes before, the nearest first
    numbered = np.zeros(len(at), dtype=bool)
    digits = np.ones(len(at), dtype=bool)
    for size in range(1, 4):
        digits = digits & (near[size - 1] >= ord("0")) & (near[size - 1] <= ord("9"))
        begins = digits
        for byte in near[size : size + 4]:
            numbered |= begins & (byte == ord("\n"))
            begins = begins & (byte == ord(" "))
    free = [_free(byte) for byte in near]
    capital = (near[0] >= ord("A")) & (near[0] <= ord("Z")) & (near[0] != ord("I")) & free[1]
    found = numbered | capital
    for title in _TITLES:
        spelled = free[len(title)].copy()
        for step, letter in enumerate(reversed(title)):
            spelled &= (near[step] | np.uint8(32)) == ord(letter)
        found |= spelled
    abbreviates[chosen] = found
    return abbreviates


def _free(byte: Bytes) -> Flags:
    """Whether a word can begin behind these bytes: ASCII white space or an opening mark."""
    return np.isin(byte, np.frombuffer(b" \t\n\r\"'([", dtype=np.uint8))
