"""Word tokens: those of NLTK's word tokeniser, piece by piece too."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nltk.tokenize import NLTKWordTokenizer

from evalkit.text.lexicon import Lexicon
from evalkit.text.treebank import inner, pieces, treebank

TOKENS = NLTKWordTokenizer().tokenize


def piecewise(text: str) -> list[str]:
    parts, last = pieces(text)
    return [token for part in parts for token in inner(part)] + treebank(last)


@pytest.mark.parametrize(
    "text",
    [
        "Good muffins cost $3.88 (roughly 3,36 euros)\nin New York.  Please buy me\ntwo of them.\nThanks.",
        "I cannot cannot work under these conditions! It's 'tis, gimme; wanna go? D'ye more'n gotta.",
        "\"We 'beat' some pretty good teams,\" he said... (so they say).",
        "They'll save and invest more -- the dogs' owners' too.",
        "“Quoted” ‘text’ — with dashes – and «chevrons» & 50% #tags @names *stars*",
        'He said "no." ) \'',
        "x.\n)",
        "''",
        "中文，没有空格。",
        "",
    ],
)
def test_sentences_have_nltks_tokens(text):
    assert treebank(text) == piecewise(text) == TOKENS(text)


PIECES = st.sampled_from(
    "' \" ` '' `` . .. ... , : ; ? ! ( ) [ ] { } < > » ” ’ « “ ‘ „ - -- — * @ $ % & # s S t n't 's 'll 'RE can not cannot "
    "CANNOT wanna gonna gımme 'tis 'twas d'ye more'n 1 2 ٣ é e\u0301 中文 😀 a b don't ſ _ \u2028 \x85 \x1c".split(" ")
    + [" ", "  ", "\n", "\t", "\xa0", "", " ", " "]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join))
@example('"" a')
@example("\"'' a b")
@example("'' a b")
@example("a.\n) ")
def test_any_text_has_nltks_tokens(text):
    assert treebank(text) == TOKENS(text)
    assert piecewise(text) == TOKENS(text)


def test_a_lexicon_numbers_lower_cased_tokens():
    lexicon = Lexicon()
    tokens = lexicon.treebank(["The dog's  Tail.", "", "the TAIL"])
    assert [lexicon.words.names[number] for number in tokens.ids] == ["the", "dog", "'s", "tail", ".", "the", "tail"]
    assert tokens.lengths.tolist() == [5, 0, 2]
    plain = lexicon.whitespace(["The dog's  Tail.\n"])
    assert [lexicon.words.names[number] for number in plain.ids] == ["the", "dog's", "tail."]
