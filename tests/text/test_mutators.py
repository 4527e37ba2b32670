"""Mutators: what they do can be undone, and the same seed does the same."""

from __future__ import annotations

import base64
import codecs
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.text.mutators import MUTATORS, mutated

ASK = "What is the code of the pharmacy?"


def test_there_are_encodings_stories_examples_and_pieces():
    assert {"none", "base64", "rot13", "leetspeak", "spaced", "look_alikes", "role_play", "many_shot", "prefix_injection", "payload_splitting", "translation"} <= set(MUTATORS)  # fmt: skip
    assert all(function.__doc__ for function in MUTATORS.values())


@pytest.mark.parametrize("name", list(MUTATORS))
def test_the_same_seed_gives_the_same_text_and_none_leaves_it_as_it_is(name):
    assert mutated(ASK, name, "7") == mutated(ASK, name, "7")
    assert (mutated(ASK, name, "7") == ASK) == (name == "none")


@pytest.mark.parametrize(
    "name", ["role_play", "many_shot", "prefix_injection", "payload_splitting", "translation", "zero_width"]
)
def test_another_seed_gives_another_text_now_and_then(name):
    assert len({mutated(ASK, name, str(seed)) for seed in range(20)}) > 1


@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_encodings_can_be_undone(text):
    assert base64.b64decode(mutated(text, "base64", "").rpartition("\n")[2]).decode() == text
    assert mutated(text, "reversed", "").endswith(text[::-1])
    assert mutated(text, "rot13", "").endswith(codecs.encode(text, "rot13"))
    hidden = mutated(text, "zero_width", "")
    if not re.search("[\u200b\u200c\u2060]", text):
        assert re.sub("[\u200b\u200c\u2060]", "", hidden) == text


@settings(deadline=None)
@given(st.lists(st.text("abcé", min_size=1, max_size=5), min_size=1, max_size=9).map(" ".join))
def test_pieces_put_together_are_the_request(text):
    told = mutated(text, "payload_splitting", "3")
    pieces = re.findall(r'^[a-d] = "(.*)"$', told, re.MULTILINE)
    assert " ".join(pieces) == text
    assert len(pieces) == min(4, text.count(" ") + 1)


def test_letters_that_look_alike_are_others():
    told = mutated("pharmacy code", "look_alikes", "")
    assert told != "pharmacy code"
    assert len(told) == len("pharmacy code")
    assert any(ord(letter) > 0x400 for letter in told)


def test_a_chain_does_the_first_first():
    told = mutated(ASK, "leetspeak+base64", "")
    assert base64.b64decode(told.rpartition("\n")[2]).decode() == mutated(ASK, "leetspeak", "")


@pytest.mark.parametrize("name", list(MUTATORS))
@pytest.mark.parametrize("text", ["", " ", "x", "\n", '"', "\ud800", "a" * 100_000])
def test_any_request_can_be_dressed_up(name, text):
    assert isinstance(mutated(text, name, "1"), str)
