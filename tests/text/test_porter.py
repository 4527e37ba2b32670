"""Porter stems: those of NLTK."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nltk.stem import PorterStemmer

from evalkit.text.porter import porter

STEMS = PorterStemmer().stem
ENDINGS = """s es ed ing er ies ied y ly ational tional enci anci izer bli abli alli entli eli ousli ization ation ator
alism iveness fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence ic able
ible ant ement ment ent ion sion tion ou ism ate iti ous ive ize e ll *d *ding eed bled tanned izing""".split()
PAPER = """caresses ponies ties caress cats feed agreed plastered bled motoring sing conflated troubled sized hopping
tanned falling hissing fizzed failing filing happy sky relational conditional rational valenci hesitanci digitizer
conformabli radicalli differentli vileli analogousli vietnamization predication operator feudalism decisiveness
hopefulness callousness formaliti sensitiviti sensibiliti triplicate formative formalize electriciti electrical hopeful
goodness revival allowance inference airliner gyroscopic adjustable defensible irritant replacement adjustment dependent
adoption homologou communism activate angulariti homologous effective bowdlerize probate rate cease controll roll
skies dying lying tying news innings outings cannings howe proceed exceed succeed enjoy flies dies spied died""".split()


@pytest.mark.parametrize("word", PAPER)
def test_the_words_of_the_paper_and_the_irregular_ones(word):
    assert porter(word) == STEMS(word)


def test_made_words_with_every_ending_have_nltks_stems():
    rng = random.Random(0)
    for _ in range(20_000):
        start = "".join(rng.choice("aeiouybcdghlmnrstvwxz") for _ in range(rng.randint(0, 6)))
        word = start + rng.choice(ENDINGS) + (rng.choice(ENDINGS) if rng.random() < 0.4 else "")
        assert porter(word) == STEMS(word), word


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=10), st.sampled_from(["", *ENDINGS]))
@example("x", "*ding")
@example("yyyyyyy", "ed")
@example("İ", "s")
@example("ΑΣ", "ies")
def test_any_text_has_nltks_stem(start, ending):
    assert porter(start + ending) == STEMS(start + ending)
