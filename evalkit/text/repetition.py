"""Repetition inside a text: the sign of a model that loops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.text.ngrams import Ints
from evalkit.text.terms import Terms

ORDER = 4
_A, _B = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)


def repetition(terms: Terms) -> NDArray[np.float64]:
    """Of each text's runs of four terms, the share that stood in it before: 1 − different ones / all, shape (n,).

    0 is none, and towards 1 goes a text that repeats itself for ever; 0 too where a text has fewer than four terms.
    Source: seq-rep-4 of Welleck et al. (2020), arXiv:1908.04319, over the terms of `evalkit.text.terms`.
    """
    counts = np.maximum(terms.counts - ORDER + 1, 0)
    different = np.where(counts > 0, _different(terms, counts), 1)
    shares: NDArray[np.float64] = 1.0 - different / np.maximum(counts, 1)
    return shares


def _different(terms: Terms, counts: Ints) -> Ints:
    """How many runs of four terms of each text differ from each other; 0 where it has none."""
    n = len(terms)
    runs = len(terms.hashes) - ORDER + 1
    if runs < 1:
        return np.zeros(n, dtype=np.int64)
    keys = terms.hashes[:runs].copy()
    for step in range(1, ORDER):
        keys *= _A
        keys += terms.hashes[step : runs + step]
    keys ^= keys >> np.uint64(31)
    keys *= _B
    inside = np.ones(runs, dtype=bool)  # a run that begins among the last three terms of a text reaches into the next one
    for step in range(1, ORDER):
        last = terms.offsets[1:] - step
        inside[last[(last >= terms.offsets[:-1]) & (last < runs)]] = False
    keys = keys[inside]
    # The text's number above, as many bits of the hash as are left below: one sort puts equal runs of one text together.
    bits = np.uint64(64 - max(n - 1, 1).bit_length())
    keys = (keys >> (np.uint64(64) - bits)) | (np.repeat(np.arange(n, dtype=np.uint64), counts) << bits)
    keys.sort()
    first = np.ones(len(keys), dtype=bool)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    return np.bincount((keys[first] >> bits).astype(np.int64), minlength=n)
