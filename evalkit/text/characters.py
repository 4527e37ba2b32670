"""Classes of characters beyond ASCII, as a table over code points."""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

UPPER, DIGIT, PUNCTUATION, SPACE = 1, 2, 4, 8  # Lu, Nd, P*, and what str.isspace says
APART = 16  # belongs to no word: punctuation, white space, controls, variation selectors
ALONE = 32  # a word by itself: symbols, and scripts that put no space between words
STOP = 64  # ends a sentence where it stands: 。！？
MARK = 128  # ends a sentence before white space, as a full stop does

_FIRST, _LIMIT = 0x80, 0x20000
SPACELESS = (  # scripts that put no space between words
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x3029),
    (0x3041, 0x3096), (0x309D, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9D), (0x1B000, 0x1B16F),
)  # fmt: skip
_SELECTORS = slice(0xFE00, 0xFE10)
_CATEGORIES = (
    "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
    "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn",
)  # fmt: skip
_SPACES = "\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
STOPS = "。！？｡"
MARKS = "…‽؟۔।॥"


def classes_of(codes: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The classes of code points, as sums of the bits above; any shape, and any number of at least 128 is allowed."""
    held = _table()
    known = held[np.minimum(codes, _LIMIT - 1)]
    beyond = np.where(codes < 0x40000, np.uint8(ALONE), np.uint8(APART))  # rare Han; tags, selectors, private use
    return np.where(codes < _LIMIT, known, beyond)


def class_of(character: str) -> int:
    """The classes of one character beyond ASCII."""
    return int(classes_of(np.array([ord(character)]))[0])


@cache
def _table() -> NDArray[np.uint8]:
    """Filled by general category; then what categories do not tell."""
    codes = range(_FIRST, _LIMIT)
    categories = {name: _of_category(name) for name in _CATEGORIES}
    told = map(categories.__getitem__, map(unicodedata.category, map(chr, codes)))
    table = np.zeros(_LIMIT, dtype=np.uint8)
    table[_FIRST:] = np.fromiter(told, dtype=np.uint8, count=len(codes))
    for low, high in SPACELESS:
        table[low : high + 1] |= np.where(table[low : high + 1] & APART, 0, ALONE).astype(np.uint8)
    table[_SELECTORS] = APART
    for characters, bit in ((_SPACES, SPACE), (STOPS, STOP), (MARKS, MARK)):
        table[[ord(character) for character in characters]] |= bit
    return table


def _of_category(name: str) -> int:
    found = UPPER * (name == "Lu") + DIGIT * (name == "Nd") + PUNCTUATION * (name[0] == "P")
    return found + APART * (name[0] in "PZC") + ALONE * (name[0] == "S")
