"""ROUGE's words: those of rouge-score, with their lines."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rouge_score.tokenizers import DefaultTokenizer

from evalkit.text.words import WordIds, words_of

SPLIT = {stemmer: DefaultTokenizer(stemmer).tokenize for stemmer in (True, False)}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=20) | st.sampled_from(["Running cats\nran", "a\x00b\x01c", "\u212aelvin İ", ""]), max_size=6))
@example(["ΟΔΟΣ σ Ab", "\n\n", "x"])
def test_words_and_lines_are_rouge_scores(texts):
    for stemmer, split in SPLIT.items():
        vocabulary = WordIds(stemmer=stemmer)
        words = words_of(texts, vocabulary)
        assert len(words.tokens) == len(texts)
        for index, text in enumerate(texts):
            lines = [[vocabulary.stems.names[number - 2] for number in line] for line in words.lists(index)]
            assert lines == [found for line in text.split("\n") if (found := split(line))]
        assert words.many_lined().tolist() == [len(words.lists(index)) > 1 for index in range(len(texts))]


def test_taking_and_slicing_keep_the_lines():
    vocabulary = WordIds(stemmer=True)
    words = words_of(["a\nb", "c", "", "d e\nf"], vocabulary)
    assert [len(line) for line in words.slice(2, 4).lists(1)] == [2, 1]
    assert [len(line) for line in words.take(np.array([3, 0])).lists(0)] == [2, 1]
