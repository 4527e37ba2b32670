"""Edit distances of many pairs of texts at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from evalkit.text.ngrams import Sequences, offsets_of
from evalkit.text.vocabulary import CHARACTERS, Numbering, one_character_each


def edit_distances(first: Sequence[str], second: Sequence[str]) -> NDArray[np.int64]:
    """Insertions, deletions and substitutions of characters (code points) between the texts of each pair, shape (n,).

    Bit-parallel (Myers 1999, Hyyrö 2003) in rapidfuzz.
    """
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cpdist

    if not len(first):
        return np.zeros(0, dtype=np.int64)
    return np.asarray(cpdist(first, second, scorer=Levenshtein.distance, dtype=np.int64, workers=1))


def similarities(distances: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    """1 − distance / the longer one's length, from 0 to 1; two empty texts are alike. All arguments have shape (n,)."""
    longest = np.maximum(first, second)
    alike: NDArray[np.float64] = 1.0 - distances / np.maximum(longest, 1)
    return alike


def lengths_of(texts: Sequence[str]) -> NDArray[np.int64]:
    """Code points of each text, shape (n,)."""
    return np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))


def words_as_characters(texts: Sequence[str], numbers: Numbering) -> list[str]:
    """Each text with every word (what stands between white space) as one character, equal words as equal characters.

    Raises:
        ValueError: there are more different words than characters.
    """
    words = [text.split() for text in texts]
    offsets = offsets_of(np.fromiter(map(len, words), dtype=np.int64, count=len(words)))
    flat = map(numbers.__getitem__, chain.from_iterable(words))
    ids = np.fromiter(flat, dtype=np.int32, count=int(offsets[-1]))
    if len(numbers) > CHARACTERS:
        raise ValueError(f"more than {CHARACTERS:,} different words in one batch")
    return one_character_each(Sequences(ids, offsets))
