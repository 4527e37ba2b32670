"""Shared n-grams of pairs: the clipped counts of a dictionary."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.text.ngrams import Sequences, offsets_of
from evalkit.text.overlap import shared_ngrams

TEXTS = st.lists(st.integers(0, 3), max_size=14)


def sequences(lists):
    lengths = np.array([len(ids) for ids in lists], dtype=np.int64)
    return Sequences(np.array([number for ids in lists for number in ids], dtype=np.int32), offsets_of(lengths))


def counted(first, second, order):
    grams = [Counter(tuple(ids[at : at + order]) for at in range(len(ids) - order + 1)) for ids in (first, second)]
    return (grams[0] & grams[1]).total()


@pytest.mark.parametrize("scale", [1, 2**30])  # small numbers in one key, large ones by the other way
@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=7), st.integers(1, 5))
def test_counts_are_those_of_a_dictionary(scale, pairs, order):
    pairs = [([x * scale // 4 for x in a], [x * scale // 4 for x in b]) for a, b in pairs]
    first, second = sequences([a for a, _ in pairs]), sequences([b for _, b in pairs])
    assert shared_ngrams(first, second, order).tolist() == [counted(a, b, order) for a, b in pairs]
