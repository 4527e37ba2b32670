"""Normalising many texts at once gives what normalising each one gives."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text.normalise import squad_ids, squad_numbers, squad_tokens, stripped

ODD = [
    "A",
    "a",
    " an ",
    "the",
    "a\0the",
    "\x1fa\x1f",
    "\x7fthe\x7f",
    "a–the",
    "THE",
    "İ",
    "Σ",
    "\u212a",
    "_a_",
    "\ud800",
    "a\u00a0b",
    "中文",
    "é",
]
texts = st.lists(
    st.lists(st.sampled_from([*ODD, "cat", ".", "'", "\n"]) | st.text(max_size=4), max_size=6).map("".join), max_size=6
)


@given(texts)
def test_squad_ids_stand_for_the_tokens_of_each_text(given_texts: list[str]) -> None:
    numbers = squad_numbers()
    found = squad_ids(given_texts, numbers)
    names = {number: name for name, number in numbers.items()}
    bounds = found.offsets.tolist()
    told = [[names[number] for number in found.ids[low:high].tolist()] for low, high in zip(bounds, bounds[1:])]
    assert told == [squad_tokens(text) for text in given_texts]


def test_squad_ids_are_equal_for_equal_tokens_of_different_calls() -> None:
    numbers = squad_numbers()
    assert squad_ids(["The cat's hat"], numbers).ids.tolist() == squad_ids(["a CATS hat!"], numbers).ids.tolist()


@pytest.mark.parametrize(("option", "characters"), [("punctuation", string.punctuation), ("digits", string.digits)])
@given(given_texts=texts)
def test_characters_are_deleted_from_each_text(option: str, characters: str, given_texts: list[str]) -> None:
    table = str.maketrans("", "", characters)
    assert stripped(given_texts, **{option: True}) == [text.translate(table) for text in given_texts]
