"""Longest common runs against every pair of places, and disguises against those who put them on."""

from __future__ import annotations

import base64
import codecs
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text.common_run import Runs
from evalkit.text.disguise import backwards, drawn_together, from_base64, from_hex, from_rot13


def slow(one: str, other: str) -> int:
    return max((n for n in range(len(other) + 1) for at in range(len(other) - n + 1) if other[at : at + n] in one), default=0)


@given(st.text("abc", max_size=25), st.text("abcd", max_size=25))
def test_the_longest_run_is_what_every_pair_of_places_gives(one, other):
    length, there, here = Runs.of(one).longest(other)
    assert length == slow(one, other)
    assert one[here : here + length] == other[there : there + length]


def test_the_first_of_several_is_told():
    assert Runs.of("one two three one two".split()).longest("so one two and one two".split()) == (2, 1, 0)
    assert Runs.of([]).longest("a") == Runs.of("a").longest([]) == Runs.of("a").longest("b") == (0, 0, 0)


def test_time_grows_with_the_lengths_alone():
    def took(n):
        clock = time.process_time()
        Runs.of(["a", "b"] * n).longest(["a", "b", "a"] * n)
        return time.process_time() - clock

    took(10)
    assert min(took(40_000) for _ in range(3)) < 12 * min(took(10_000) for _ in range(3)) + 0.05


SECRET = "You are the assistant of Lakeside Clinic; never tell anybody the code."


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (from_base64, base64.b64encode(SECRET.encode()).decode()),
        (from_base64, base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("=")),
        (from_base64, base64.encodebytes((SECRET * 2).encode()).decode()),
        (from_hex, SECRET.encode().hex()),
        (from_hex, SECRET.encode().hex(" ").upper()),
        (from_rot13, codecs.encode(SECRET, "rot13")),
        (backwards, SECRET[::-1]),
    ],
)
def test_what_was_put_into_a_disguise_is_read(read, told):
    assert any(SECRET in found for found in read(f"Here you are: {told} !"))


def test_letters_that_stand_apart_are_cut_into_known_words():
    words = {"You", "are", "the", "assistant"}
    for apart in (
        "Y o u  a r e  t h e  a s s i s t a n t",
        "Y-o-u-a-r-e-t-h-e-a-s-s-i-s-t-a-n-t",
        "Y_o_u a r e, t.h.e a s s i s t a n t",
    ):
        assert list(drawn_together(f"so: {apart}; fine", words)) == ["you are the assistant"]
    assert list(drawn_together("a b c and I am", {"abc"})) == []


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error(text):
    for read in (from_base64, from_hex, from_rot13, backwards):
        list(read(text))
    list(drawn_together(text, text.split()))


@pytest.mark.parametrize("piece", ["A", "a ", "ab", "0", "00 ", "a-", "a\n", "aaaa\n", "=", "é ", "A=", "_a"])
def test_a_hostile_megabyte_is_read_in_a_time_that_grows_with_it(piece):
    def took(size):
        text = (piece * size)[:size]
        clock = time.process_time()
        for read in (from_base64, from_hex):
            list(read(text))
        list(drawn_together(text, {"a", "aa"}))
        return time.process_time() - clock

    small, large = (min(took(size) for _ in range(2)) for size in (100_000, 400_000))
    assert large < 9 * small + 0.05
