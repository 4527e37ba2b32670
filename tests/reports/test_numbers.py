"""Numbers read the same in every report."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.reports import numbers

ANY = st.floats(allow_nan=True, allow_infinity=True)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.412, "0.412"), (3.914, "3.91"), (23.41, "23.4"), (812.44, "812.4"), (1234.5, "1,234"), (1.0, "1.000"), (0.0, "0.000"),
        (-0.2, "−0.200"), (-0.00000000001, "−1e-11".replace("-", "−")), (0.000341, "0.000341"), (math.nan, "–"), (math.inf, "∞"),
        (-math.inf, "−∞"), (1e18, "1e18"),
    ],
)  # fmt: skip
def test_a_number_keeps_about_three_significant_digits(value, text):
    assert numbers.number(value) == text


def test_a_rounded_nothing_has_no_sign():
    assert numbers.number(-0.0001, 2) == "0.00"
    assert numbers.signed(0.0, 3) == "0.000"


def test_a_small_difference_gets_the_digits_it_needs_to_show():
    assert numbers.signed(0.00021, 3) == "+0.0002"
    assert numbers.signed(-0.04, 2) == "−0.04"


def test_a_narrow_interval_does_not_round_to_one_number():
    digits = numbers.decimals(0.41234, 0.41229, 0.41239, width=0.0001)
    low, _, high = numbers.interval(0.41229, 0.41239, digits).partition(" – ")
    assert low != high


def test_an_interval_beyond_one_does_not_cost_a_digit():
    assert numbers.decimals(0.981, 0.96, 1.002) == 3
    assert numbers.decimals(0.0, 0.0, 0.012) == 4


@settings(deadline=None)
@given(ANY)
def test_every_number_can_be_written_without_ascii_minus_or_spaces(value):
    text = numbers.number(value)
    assert text
    assert "-" not in text
    assert " " not in text
    assert "nan" not in text.lower()


@settings(deadline=None)
@given(st.floats(min_value=-1e12, max_value=1e12))
def test_a_written_number_reads_back_within_its_last_digit(value):
    text = numbers.number(value)
    read = float(text.replace(",", "").replace("−", "-"))
    assert read == pytest.approx(value, rel=0.06, abs=1e-12)


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**7))
def test_durations_read_as_clocks(seconds):
    *hours, minutes, rest = map(int, numbers.duration(seconds).split(":"))
    assert (hours[0] if hours else 0) * 3600 + minutes * 60 + rest == seconds


def test_words_for_counts_shares_and_spans():
    assert numbers.counted(1, "record") == "1 record"
    assert numbers.counted(1_200, "record") == "1,200 records"
    assert numbers.percent(0.95) == "95%"
    assert numbers.percent(0.003) == "0.3%"
    assert numbers.spoken_duration(185) == "3 min 5 s"
    assert numbers.rate(12_437) == "12,400"
    assert numbers.rate(0.42) == "0.4"
    assert numbers.score(1.0) == "1"
    assert numbers.score(0.5, 3) == "0.500"


@pytest.mark.parametrize(
    ("p", "text", "told"),
    [
        (0.04, "0.040", "p = 0.040"),
        (0.0031, "0.0031", "p = 0.0031"),
        (4e-5, "< 0.0001", "p < 0.0001"),
        (1.0, "1.000", "p = 1.000"),
        (float("nan"), "–", "p = –"),
    ],
)
def test_every_report_writes_a_p_value_alike(p, text, told):
    assert (numbers.p_value(p), numbers.p_equals(p)) == (text, told)


def test_an_end_that_is_zero_but_for_rounding_is_zero():
    assert numbers.signed_interval(1.7e-16, 0.026, 3) == "0.000 to +0.026"
    assert numbers.signed_interval(1.7e-16, 2.6e-16).startswith("+")  # where everything is as small, it is not
    assert numbers.signed_interval(-0.05, 0.03, 2) == "−0.05 to +0.03"
