"""Aligning words: the matches that NLTK's METEOR finds, stage by stage."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.translate.meteor_score import _count_chunks, _match_enums

from evalkit.text import align
from evalkit.text.align import Alignment, match_from_the_ends
from evalkit.text.ngrams import Sequences, offsets_of

PAIRS = st.lists(
    st.tuples(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 3), max_size=12)), min_size=1, max_size=8
)


def sequences(lists):
    lengths = np.array([len(ids) for ids in lists], dtype=np.int64)
    return Sequences(np.array([number for ids in lists for number in ids], dtype=np.int32), offsets_of(lengths))


@settings(max_examples=300, deadline=None)
@given(PAIRS)
def test_equal_words_are_matched_from_the_ends(pairs):
    first, second = sequences([a for a, _ in pairs]), sequences([b for _, b in pairs])
    found = match_from_the_ends(first, second)
    alignment = Alignment(first, second)
    alignment.match(lambda tokens: tokens.ids)
    matches, chunks = alignment.counts()
    for index, (ours, theirs) in enumerate(pairs):
        expected, _, _ = _match_enums(list(enumerate(ours)), list(enumerate(theirs)))
        mine = (found.first >= first.offsets[index]) & (found.first < first.offsets[index + 1])
        places = zip(found.first[mine] - first.offsets[index], found.second[mine] - second.offsets[index], strict=True)
        assert sorted((int(a), int(b)) for a, b in places) == sorted(expected)
        assert matches[index] == len(expected)
        assert chunks[index] == (_count_chunks(sorted(expected)) if expected else 0)


def test_rows_of_any_size_are_sorted_together_or_alone(monkeypatch):
    rng = np.random.default_rng(0)
    lists = [rng.integers(0, 5, size).tolist() for size in (0, 3, 700, 2, 40, 1, 0, 9)]
    first, second = sequences(lists), sequences(lists[::-1])
    whole = match_from_the_ends(first, second)
    monkeypatch.setattr(align, "_CELLS", 4)
    alone = match_from_the_ends(first, second)
    assert sorted(zip(whole.first, whole.second, strict=True)) == sorted(zip(alone.first, alone.second, strict=True))
