"""Extractive fragments equal the published procedure, written out plainly here; novel n-grams equal sets of tuples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text import fragments as module
from evalkit.text.fragments import extractive_fragments, novel_ngrams
from evalkit.text.ngrams import Sequences, offsets_of

Tokens = list[int]
records = st.integers(1, 6).flatmap(
    lambda alphabet: st.lists(
        st.tuples(st.lists(st.integers(0, alphabet), max_size=25), st.lists(st.integers(0, alphabet), max_size=60)), max_size=6
    )
)


def sequences(lists: list[Tokens]) -> Sequences:
    return Sequences(
        np.array([one for each in lists for one in each], dtype=np.int32),
        offsets_of(np.array([len(each) for each in lists], dtype=np.int64)),
    )


def published(summary: Tokens, source: Tokens) -> list[tuple[int, int]]:
    """(start, length) of the fragments, by the procedure of Grusky et al. (2018), figure 4, as their own package runs it."""
    found, i = [], 0
    while i < len(summary):
        best, j = 0, 0
        while j < len(source):
            if summary[i] == source[j]:
                size = 0
                while i + size < len(summary) and j + size < len(source) and summary[i + size] == source[j + size]:
                    size += 1
                best = max(best, size)
                j += size
            else:
                j += 1
        if best:
            found.append((i, best))
        i += max(best, 1)
    return found


def ours(pairs: list[tuple[Tokens, Tokens]]) -> list[list[tuple[int, int]]]:
    told = extractive_fragments(sequences([summary for summary, _ in pairs]), sequences([source for _, source in pairs]))
    found: list[list[tuple[int, int]]] = [[] for _ in pairs]
    for owner, start, length in zip(told.owners.tolist(), told.starts.tolist(), told.lengths.tolist()):
        found[owner].append((start, length))
    return found


@given(records)
def test_fragments_are_those_of_the_published_procedure(pairs: list[tuple[Tokens, Tokens]]) -> None:
    assert ours(pairs) == [published(*pair) for pair in pairs]


@pytest.mark.parametrize(("block", "most"), [(1 << 18, 1), (4, 1 << 20), (30, 6)])
def test_fragments_do_not_depend_on_how_records_are_cut_into_blocks(
    block: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    monkeypatch.setattr(module, "_PAIRS", most)
    rng = np.random.default_rng(4)
    for alphabet in (1, 2, 3, 8):
        pairs = [
            (rng.integers(0, alphabet, rng.integers(0, 30)).tolist(), rng.integers(0, alphabet, rng.integers(0, 60)).tolist())
            for _ in range(60)
        ]
        assert ours(pairs) == [published(*pair) for pair in pairs]


def test_a_longer_run_that_begins_inside_another_is_not_seen_as_in_the_paper() -> None:
    assert ours([([0, 0, 1], [0, 0, 0, 1])]) == [[(0, 2), (2, 1)]]  # 0 0 1 stands in the source, from its second token on


def test_a_text_of_one_repeated_word_takes_no_memory_of_all_pairs() -> None:
    summary, source = [7] * 3_000, [7] * 4_000
    assert ours([(summary, source), ([1], [1])]) == [[(0, 3_000)], [(0, 1)]]


@given(records)
def test_novel_ngrams_are_a_difference_of_sets(pairs: list[tuple[Tokens, Tokens]]) -> None:
    def grams(tokens: Tokens, n: int) -> set[tuple[int, ...]]:
        return {tuple(tokens[at : at + n]) for at in range(len(tokens) - n + 1)}

    novel, totals = novel_ngrams(sequences([summary for summary, _ in pairs]), sequences([source for _, source in pairs]), 4)
    for row, (summary, source) in enumerate(pairs):
        for n in range(1, 5):
            assert novel[row, n - 1] == len(grams(summary, n) - grams(source, n))
            assert totals[row, n - 1] == len(grams(summary, n))
