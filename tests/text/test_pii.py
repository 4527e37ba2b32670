"""What counts as personal data by its shape, what only looks like it, and that no text takes long."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text.pii import _FINDERS, KINDS, SIGNS, find, iban, luhn, redact

sys.path.insert(0, str(Path(__file__).parent))
from pii_examples import NEAR_MISSES, POSITIVES


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in POSITIVES.items() for text in texts])
def test_it_is_found_whole_wherever_it_stands(kind, text):
    assert redact(text) == f"[{kind}]"
    assert redact(f"Write to {text}, please.") == f"Write to [{kind}], please."
    assert redact(f"({text})") == f"([{kind}])"
    assert redact(f"first: {text}\nthen: {text}") == f"first: [{kind}]\nthen: [{kind}]"
    assert redact(f"“{text}”") == f"“[{kind}]”"


@pytest.mark.parametrize("text", [text for texts in NEAR_MISSES.values() for text in texts])
def test_what_only_looks_like_it_stays(text):
    for told in (text, f"It was {text}.", f"({text})"):
        assert redact(told) == told


def test_there_are_enough_examples():
    assert set(POSITIVES) == set(KINDS)
    assert len({text for texts in POSITIVES.values() for text in texts}) >= 200
    assert len({text for texts in NEAR_MISSES.values() for text in texts}) >= 200


def test_several_kinds_in_one_text():
    told = "Ana <ana@example.com>, +49 30 901820, pays DE89 3704 0044 0532 0130 00 or 4111 1111 1111 1111 from 192.168.1.1"
    assert redact(told) == "Ana <[EMAIL]>, [PHONE], pays [IBAN] or [CARD] from [IP]"
    assert redact(told, ["EMAIL"]) == told.replace("ana@example.com", "[EMAIL]")
    assert [one.kind for one in find(told)] == ["EMAIL", "PHONE", "IBAN", "CARD", "IP"]


def test_a_card_among_other_groups_of_four_is_found():
    assert redact("1234 4111 1111 1111 1111 1234") == "1234 [CARD] 1234"


def test_checksums():
    assert luhn("79927398713")
    assert not luhn("79927398710")
    assert iban("SC18SSCB11010000000000001497USD")
    assert not iban("SC18SSCB11010000000000001498USD")


PIECES = st.sampled_from(
    [text for texts in POSITIVES.values() for text in texts]
    + [text for texts in NEAR_MISSES.values() for text in texts]
    + [" ", ", ", "x", "\n", "é", "（", "@", "+", "1", "-"]
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_spans_are_in_order_and_redacting_twice_changes_nothing_more(text):
    found = find(text)
    assert all(one.start < one.end for one in found)
    assert all(one.end <= other.start for one, other in zip(found, found[1:]))
    if found:
        assert re.search(SIGNS, text), "the columnar filter would have passed it over"


HOSTILE = [
    "a", "1", "a.", "a@", "@", "a@b.", "@a.b", "1 ", "1-", "1.", "+1 ", "+", "(", "(1", "0 ", "01 ", "0171 ", "4444 ", "4444-", "4", "41111111",
    "DE89 ", "DE89", "AB12CD34", "DE893704", "SC18-", "MD12-", ":", "1:", "::1", "a:", "sk-", "sk-a1", "eyJ", "eyJaaaaaaaaaaa.", "A*", "xn--", "@x.y-",
    "-----BEGIN PRIVATE KEY-----", "-", "Bearer ", "xoxb-", "SG.", "1.1.1.1.", "1.1.1.1", "255.255.255.", "fe80::%", "415-555-", "(415) ", "+1 (415) ",
    "12:30:45 ", "4444 030/", "00491111 555-*", '"@x.yy', "536-90-", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb ", "bc1q", "\x00", "é", "٣", "\U0001f600",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_time_grows_as_the_text_does_whatever_it_says(kind):
    """Never with its square: four times the text takes about four times as long. `benchmarks/bench_pii.py` has the times."""

    def took(piece, size):
        text = (piece * (size // len(piece) + 1))[:size]
        start = time.process_time()
        list(_FINDERS[kind](text))
        return time.process_time() - start

    def grows(piece):
        small, large = (min(took(piece, size) for _ in range(3)) for size in (100_000, 400_000))
        return large / small if large > 0.03 else 0.0  # what takes a moment only is noise

    took("1", 100)  # patterns that are made when first wanted
    assert not {piece: growth for piece in HOSTILE if (growth := grows(piece)) > 9}
