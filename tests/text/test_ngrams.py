"""n-gram counting: every path of the packed sort against dictionaries."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.text import ngrams
from evalkit.text.ngrams import Sequences, ngram_totals, offsets_of, pair_matches, pooled_matches


def counted(symbols, order):
    return Counter(tuple(symbols[place : place + order]) for place in range(len(symbols) - order + 1))


def slow_matches(hypotheses, references, order):
    """Clipped by the highest count in any one reference, with dictionaries."""
    rows = np.zeros((len(hypotheses), order), dtype=np.int64)
    for place, (mine, several) in enumerate(zip(hypotheses, references, strict=True)):
        for k in range(1, order + 1):
            most = Counter()
            for theirs in several:
                most |= counted(theirs, k)
            rows[place, k - 1] = sum((counted(mine, k) & most).values())
    return rows


def sequences(lists):
    flat = np.array([symbol for symbols in lists for symbol in symbols], dtype=np.int32)
    return Sequences(flat, offsets_of(np.array([len(symbols) for symbols in lists], dtype=np.int64)))


@st.composite
def records(draw):
    """Hypotheses with one to four references of the same few, many or enormous symbols."""
    highest = draw(st.sampled_from([0, 2, 40, 5_000, 2**31 - 2]))
    symbols = st.integers(0, highest)
    pool = draw(st.lists(symbols, min_size=1, max_size=60))
    texts = st.one_of(st.lists(st.sampled_from(pool), max_size=12), st.just(pool), st.just(pool[1:]), st.just(pool * 3))
    return draw(st.lists(st.tuples(texts, st.lists(texts, min_size=1, max_size=4)), min_size=1, max_size=5))


@settings(max_examples=250, deadline=None)
@given(records(), st.sampled_from([1, 2, 4, 6, 9, 20]), st.sampled_from([1, 30, 1 << 14]))
def test_matches_equal_those_of_dictionaries_however_records_are_cut(pairs, order, chunk):
    hypotheses, references = [p[0] for p in pairs], [p[1] for p in pairs]
    flat = [symbols for several in references for symbols in several]
    offsets = offsets_of(np.array([len(several) for several in references], dtype=np.int64))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ngrams, "CHUNK", chunk)
        firsts = [several[:1] for several in references]
        single = pair_matches(sequences(hypotheses), sequences([f[0] for f in firsts]), order)
        assert (single == slow_matches(hypotheses, firsts, order)).all()
        pooled = pooled_matches(sequences(hypotheses), sequences(flat), offsets, order)
        assert (pooled == slow_matches(hypotheses, references, order)).all()


def test_no_records_and_no_symbols_are_fine():
    nothing = sequences([])
    assert pair_matches(nothing, nothing, 4).shape == (0, 4)
    assert pair_matches(sequences([[], [1]]), sequences([[1], []]), 2).tolist() == [[0, 0], [0, 0]]


def test_sequences_can_be_repeated_and_their_totals_told():
    some = sequences([[1, 2, 3], [], [4]]).take(np.array([2, 0, 0]))
    assert some.ids.tolist() == [4, 1, 2, 3, 1, 2, 3]
    assert ngram_totals(some.lengths, 3).tolist() == [[1, 0, 0], [3, 2, 1], [3, 2, 1]]


def test_texts_become_their_code_points():
    assert Sequences.of_texts(["a😀", "", "\x00\ud800"]).ids.tolist() == [0x61, 0x1F600, 0, 0xD800]
