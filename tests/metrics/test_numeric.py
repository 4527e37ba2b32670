"""numeric_match, and what counts as the last number of a text."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.batch import Batch
from evalkit.metrics.numeric import NumericMatch
from evalkit.text.number import Number, _pattern, _read, last_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("The answer is 42.", 42),
        ("first 7, then 8", 8),
        ("3.14", 3.14),
        (".5", 0.5),
        ("p.5", 5),
        ("1,234.50", 1234.5),
        ("1,234,567", 1234567),
        ("1_000_000", 1000000),
        ("1'000", 1000),
        ("1\u202f234", 1234),
        ("12 345", 345),  # a plain space parts numbers
        ("1,2,3", 3),
        ("1,2345", 2345),
        ("-3", -3),
        ("−3.5", -3.5),
        ("x=-5", -5),
        ("(-7)", -7),
        ("3-5", 5),
        ("2 - 1", 1),
        ("GPT-4", 4),
        ("+6", 6),
        ("$1,200", 1200),
        ("-$5", -5),
        ("$-5", -5),
        ("€ 9.99", 9.99),
        ("6.02e23", 6.02e23),
        ("1E-3", 1e-3),
        ("6.02 × 10^23", 6.02e23),
        ("6.02*10**23", 6.02e23),
        ("1.5 \\times 10^{-3}", 1.5e-3),
        ("3 x 10⁻²", 3e-2),
        ("10^5", 1e5),
        ("10²", 100),
        ("3/4", 0.75),
        ("7 / 8", 0.875),
        ("1.5/2", 0.75),
        ("1 1/2", 1.5),
        ("-1 1/2", -1.5),
        ("in 2020 1/2 of", 0.5),
        ("½", 0.5),
        ("2½", 2.5),
        ("\\frac{3}{4}", 0.75),
        ("-1\\dfrac{1}{2}", -1.5),
        ("12/05/2020", 2020),
        ("1{,}234", 1234),
        ("1\\,234", 1234),
        ("٣٤", 34),  # any script's decimal digits
        ("２３", 23),
        ("1.2.3", 3),
        ("5k", 5),
        ("7, and then 3/0", 7),  # no number comes of a division by zero
        ("7, or 1e999", 7),
    ],
)
def test_the_last_number_of_a_text(text, value):
    assert last_number(text) == Number(value)


@pytest.mark.parametrize("text", ["", "none", "²", "-", "3/0", "1e999", "9" * 400, "∞", ".", "\\frac{a}{b}"])
def test_a_text_without_a_number_a_float_can_hold(text):
    assert last_number(text) is None


@pytest.mark.parametrize("text", ["45%", "45 %", "45\\%", "45 percent", "45 per cent", "45％"])
def test_a_percent_sign_is_noted_and_not_counted(text):
    assert last_number(text) == Number(45, percent=True)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.234,50", 1234.5), ("0,5", 0.5), ("€1.234.567,5", 1234567.5), ("1,5e3", 1500), ("3.14", 14), ("1,5/0,5", 3)],
)
def test_a_decimal_comma_is_read_only_when_it_is_asked_for(text, value):
    assert last_number(text, ",") == Number(value)


pieces = st.sampled_from(
    [
        "1",
        "23",
        "456",
        "7890",
        ",",
        ".",
        "-",
        "−",
        "$",
        "%",
        " ",
        "  ",
        "e",
        "E5",
        "/",
        "½",
        "×",
        "10",
        "^",
        "{",
        "}",
        "\\frac",
        "x",
        "cat",
        "percent",
        "(",
        ")",
        "⁵",
        "\n",
        "_",
        "per cent",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(pieces, max_size=14).map("".join), st.sampled_from([".", ","]))
def test_reading_from_the_last_word_finds_what_reading_everything_finds(text, decimal):
    plain = text.replace("{,}", ",").replace("\\!", "").replace("\\,", "\u2009")
    everything = [_read(match, decimal) for match in _pattern(decimal).finditer(plain)]
    finite = [number for number in everything if math.isfinite(number.value)]
    assert last_number(text, decimal) == (finite[-1] if finite else None)


@settings(max_examples=200, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**12), 10**12))
def test_every_number_that_python_writes_is_read_back(number):
    for text in (repr(number), f"It is {number}.", f"{number:,}"):
        read = last_number(text)
        assert read is not None
        assert read.value == number


@settings(max_examples=100, deadline=None)
@given(st.fractions(min_value=0, max_value=999, max_denominator=99))
def test_fractions_and_mixed_numbers_are_read_as_their_quotient(fraction: Fraction):
    assert last_number(f"{fraction.numerator}/{fraction.denominator}").value == pytest.approx(float(fraction))
    whole, rest = divmod(fraction.numerator, fraction.denominator)
    assert last_number(f"{whole} {rest}/{fraction.denominator}").value == pytest.approx(float(fraction))


@pytest.mark.parametrize("piece", ["1", "1,", "111,", "1/", "-", "1 ", "10^", "\\frac{", " ", "1 1/", "½", "1e"])
def test_long_runs_of_anything_are_read_in_reasonable_time(piece):
    last_number(piece * 20_000)  # quadratic reading of these would take minutes


# --- the metric ------------------------------------------------------------------------------------------------------


def hits(metric: NumericMatch, outputs, references) -> list[float]:
    return metric.record_values(metric.score(Batch({"output": outputs, "reference": references})))[:, 0].tolist()


def test_equal_numbers_match_however_they_are_written():
    outputs = ["It costs $1,234.50", "3/4 of it", "about 1.2e3", "−5", "no 41, but 42"]
    assert hits(NumericMatch(), outputs, ["1234.5", "0.75", "1200", "-5", "#### 42"]) == [1, 1, 1, 1, 1]
    assert hits(NumericMatch(), ["41", "42.0001"], ["42", "42"]) == [0, 0]


def test_tolerances_are_those_of_isclose():
    assert hits(NumericMatch(rel_tol=0.01), ["101", "102"], ["100", "100"]) == [1, 0]
    assert hits(NumericMatch(abs_tol=0.5), ["0.4", "0.6"], ["0", "0"]) == [1, 0]


def test_percent_means_what_the_option_says():
    outputs, references = ["45%", "45%", "45%", "0.45%"], ["0.45", "45", "45%", "45%"]
    assert hits(NumericMatch(), outputs, references) == [1, 1, 1, 0]
    assert hits(NumericMatch(percent="fraction"), outputs, references) == [1, 0, 1, 0]
    assert hits(NumericMatch(percent="sign"), outputs, references) == [0, 1, 1, 0]


def test_an_output_without_a_number_is_wrong_and_a_reference_without_one_is_an_error():
    rows = NumericMatch().score(Batch({"output": ["no idea", "", "5", None], "reference": ["5", "5", "five", "5"]}))
    assert rows.errors == {2: "the reference has no number", 3: "no output"}
    assert rows.values[:2].tolist() == [[0, 1], [0, 1]]
    assert rows.reasons[0] == "the output has no number"


def test_any_reference_with_a_number_counts():
    assert hits(NumericMatch(), ["5", "6"], [["4", "five", "5"], ["4", "five"]]) == [1, 0]


def test_a_reference_that_is_a_number_and_not_a_text_is_understood():
    assert hits(NumericMatch(), ["it is 5", "0.5"], [5, 0.5]) == [1, 1]


def test_a_wrong_answer_says_what_was_read():
    rows = NumericMatch().score(Batch({"output": ["1,5 %"], "reference": ["2"]}))
    assert rows.reasons == {0: "the output's last number is 5%, the reference's 2"}
    assert np.array_equal(rows.values, [[0, 1]])


@pytest.mark.parametrize("options", [{"rel_tol": -1}, {"abs_tol": math.nan}, {"rel_tol": math.inf}])
def test_tolerances_that_are_none_are_refused(options):
    with pytest.raises(ValueError, match="_tol must be a number from 0 up"):
        NumericMatch(**options)
