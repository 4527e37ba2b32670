"""N-grams of one order that the texts of each pair share, for short texts: one small sorted row per pair."""

from __future__ import annotations

import numpy as np

from evalkit.text.align import similar_pairs
from evalkit.text.ngrams import Ints, Sequences, pair_matches

_PAD = np.iinfo(np.int64).max


def shared_ngrams(first: Sequences, second: Sequences, order: int) -> Ints:
    """Σ min(count, count) over the n-grams of ``order`` tokens, shape (n,).

    A row holds the keys (n-gram, side) of one pair. Sorting many short rows is several times cheaper than sorting their
    sum; the sides then meet once per n-gram, and its shared count is how far equal keys reach to both sides of that
    place. N-grams too large for one key are left to `pair_matches`.
    """
    highest = max(int(tokens.ids.max(initial=0)) for tokens in (first, second))
    bits = highest.bit_length()
    if order * bits > 61:
        return pair_matches(first, second, order)[:, order - 1]
    shared = np.zeros(len(first), dtype=np.int64)
    mine, theirs = (np.maximum(tokens.lengths - order + 1, 0) for tokens in (first, second))
    for pairs in similar_pairs(mine, theirs):
        left, right = mine[pairs], (mine + theirs)[pairs]
        rows = np.full((len(pairs), int(right.max()) + 1), _PAD)
        columns = np.arange(rows.shape[1])
        ours = columns < left[:, None]
        rows[ours] = _keys(first.take(pairs), order, bits)
        rows[(columns < right[:, None]) & ~ours] = _keys(second.take(pairs), order, bits) | 1
        rows.sort(axis=1)
        flat, width = rows.ravel(), rows.shape[1]
        at = np.flatnonzero((flat[1:] - flat[:-1] == 1) & (flat[:-1] & 1 == 0))
        key, reach = flat[at], 0
        while len(at):
            shared[pairs] += np.bincount(at // width, minlength=len(pairs))
            reach += 1
            # Rows end in a pad, so equal keys never reach into the next row, nor out of the last one.
            on = (flat[at - reach] == key) & (flat[np.minimum(at + 1 + reach, len(flat) - 1)] == key + 1)
            at, key = at[on], key[on]
    return shared


def _keys(tokens: Sequences, order: int, bits: int) -> Ints:
    """The n-grams of every text one after the other, each as one integer with its lowest bit clear."""
    ids = tokens.ids.astype(np.int64)
    count = max(len(ids) - order + 1, 0)
    keys = np.zeros(count, dtype=np.int64)
    for ahead in range(order):
        keys <<= bits
        keys |= ids[ahead : ahead + count]
    if order > 1:  # those that begin within the last tokens of a text run into the next one
        whole = np.ones(len(ids), dtype=bool)
        for left in range(1, order):
            whole[tokens.offsets[1:][tokens.lengths >= left] - left] = False
        keys = keys[whole[:count]]
    return keys << 1
