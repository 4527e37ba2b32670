"""Longest common subsequences: their lengths for many pairs at once, and ROUGE-Lsum's union over lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evalkit.text.ngrams import Sequences
from evalkit.text.vocabulary import CHARACTERS, one_character_each


def lcs_lengths(first: Sequences, second: Sequences) -> NDArray[np.int64]:
    """Length of the longest common subsequence of each pair, shape (n,).

    Bit-parallel (Hyyrö 2004) in rapidfuzz, over strings with one character per token.
    """
    from rapidfuzz.distance import LCSseq
    from rapidfuzz.process import cpdist

    if not len(first):
        return np.zeros(0, dtype=np.int64)
    highest = max(int(tokens.ids.max(initial=0)) for tokens in (first, second))
    if highest < CHARACTERS:
        left, right = one_character_each(first), one_character_each(second)
        return np.asarray(cpdist(left, right, scorer=LCSseq.similarity, dtype=np.int64, workers=1))
    pairs = zip(_lists(first), _lists(second), strict=True)
    return np.array([LCSseq.similarity(left, right) for left, right in pairs], dtype=np.int64)


def _lists(tokens: Sequences) -> list[list[int]]:
    bounds = tokens.offsets.tolist()
    return [tokens.ids[low:high].tolist() for low, high in pairwise(bounds)]


def union_hits(reference: Sequence[Sequence[int]], candidate: Sequence[Sequence[int]]) -> int:
    """Words of the reference in the union of its lines' LCS with every candidate line, each counted as often as in both.

    Which of several equally long subsequences is taken matters here; it is the one that rouge-score's backtracking
    takes: from the ends, a match where there is one, else up the reference unless only that shortens the LCS.
    Source: Lin (2004), section 3.2, with the clipping of ROUGE 1.5.5.
    """
    postings: dict[int, dict[int, int]] = {}  # word → reference line → the places of the word in it, as bits
    for number, line in enumerate(reference):
        for place, word in enumerate(line):
            masks = postings.setdefault(word, {})
            masks[number] = masks.get(number, 0) | (1 << place)
    unions = [0] * len(reference)
    for line in candidate:
        met: dict[int, list[int]] = {}  # reference line → the bits of each candidate word; a run without any is one 0
        last: dict[int, int] = {}
        for number, word in enumerate(line):
            for owner, mask in postings.get(word, {}).items():
                if owner not in met:
                    met[owner] = [mask]
                elif last[owner] == number - 1:
                    met[owner].append(mask)
                else:
                    met[owner] += (0, mask)
                last[owner] = number
        for owner, bits in met.items():
            if last[owner] < len(line) - 1:
                bits.append(0)
            unions[owner] |= _subsequence(bits)
    picked: Counter[int] = Counter()
    for line, union in zip(reference, unions, strict=True):
        while union:
            low = union & -union
            picked[line[low.bit_length() - 1]] += 1
            union ^= low
    available = Counter(word for line in candidate for word in line)
    return sum(min(count, available[word]) for word, count in picked.items())


def _subsequence(matches: list[int]) -> int:
    """The places of one longest common subsequence, as bits; ``matches[j]`` are the places that equal word ``j``.

    Forward, the columns of the table as bit vectors (Hyyrö 2004): a cleared bit ``i`` says that the LCS grows with place
    ``i``. Backward, at word ``j`` the walk goes down the places to the next that matches or where the LCS grows: a match
    is taken; growth without a match means that word ``j`` was not needed. A word without any match changes no column but
    does move the walk, once however many of them follow each other.
    """
    column = -1
    grown: list[int] = []
    for match in matches:
        hit = column & match
        column = (column + hit) | (column - hit)
        grown.append(~column)
    taken = 0
    below = -1  # places still to be walked
    for match, growth in zip(reversed(matches), reversed(grown), strict=True):
        stop = ((match | growth) & below).bit_length()
        if not stop:
            break
        place = 1 << (stop - 1)
        if match & place:
            taken |= place
            below = place - 1
        else:
            below = (place << 1) - 1
    return taken
