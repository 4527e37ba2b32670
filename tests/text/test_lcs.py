"""Longest common subsequences and their union, against the tables of rouge-score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from evalkit.text import lcs
from evalkit.text.lcs import lcs_lengths, union_hits
from evalkit.text.ngrams import Sequences, offsets_of

LINES = st.lists(st.lists(st.integers(0, 4), max_size=9), max_size=4)


def sequences(lists):
    lengths = np.array([len(ids) for ids in lists], dtype=np.int64)
    return Sequences(np.array([number for ids in lists for number in ids], dtype=np.int32), offsets_of(lengths))


@settings(max_examples=400, deadline=None)
@given(LINES, LINES)
def test_the_union_over_lines_is_rouge_scores(reference, candidate):
    total = sum(map(len, reference))
    recall = union_hits(reference, candidate) / total if total and any(candidate) else 0
    assert recall == rouge_scorer._summary_level_lcs(reference, candidate).recall


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 70_000), max_size=30), st.lists(st.integers(0, 70_000), max_size=30))
def test_lengths_are_those_of_the_table(first, second):
    shared = first + second[:3]  # some overlap, above and below the surrogates
    expected = rouge_scorer._lcs_table(shared, second)[-1][-1] if shared and second else 0
    assert lcs_lengths(sequences([shared]), sequences([second])).tolist() == [expected]


def test_ids_beyond_unicode_are_compared_as_lists(monkeypatch):
    first, second = [[5, 6, 7, 6], []], [[6, 7, 5], [1]]
    expected = lcs_lengths(sequences(first), sequences(second)).tolist()
    monkeypatch.setattr(lcs, "CHARACTERS", 3)
    assert lcs_lengths(sequences(first), sequences(second)).tolist() == expected == [2, 0]


@pytest.mark.parametrize("number", [0xD7FF, 0xD800, 0xDFFF, 0xE000, 0xFFFF, 0x10000, lcs.CHARACTERS - 1])
def test_no_id_becomes_a_surrogate(number):
    assert lcs_lengths(sequences([[number, 1]]), sequences([[1, number]])).tolist() == [1]
