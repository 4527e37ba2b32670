"""Numbers as people and models write them."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

Decimal = Literal[".", ","]

_SIGNS = "-+\u2212\uff0d"  # hyphen-minus, plus, minus sign, full-width hyphen-minus
_MINUS = frozenset("-\u2212\uff0d")
_CURRENCY = "$€£¥₹₩₽₺₫฿¢"
_SPACES = "\u00a0\u2009\u202f"  # no-break, thin, narrow no-break: they group thousands, a plain space does not
_VULGAR = "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻\u2212\uff0d", "0123456789+---")

_DIGIT = re.compile(f"[\\d{_VULGAR}]")
_WORD = re.compile(r"[^\W\d_]{2}")


class Number(NamedTuple):
    """A number of a text; ``percent``: a percent sign follows it, which ``value`` does not count."""

    value: float
    percent: bool = False


def last_number(text: str, decimal: Decimal = ".") -> Number | None:
    """The last number that stands in a text; None if there is none, or none that a float can hold.

    Read as one number: ``1,234.50`` (thousands also grouped by ``_``, ``'`` and no-break or thin spaces), ``.5``,
    ``-3`` and ``−3``, ``-$1,200``, ``6.02e23``, ``6.02 × 10^23``, ``10^5``, ``3/4``, ``1 1/2``, ``½``,
    ``\\frac{3}{4}``, ``45%``.

    A hyphen behind a letter, a digit or a closing bracket is no sign (``GPT-4``, ``3-5``); a point or comma without a
    digit behind it is punctuation; ``1,2`` in a text with decimal points is two numbers; ``3/0`` is none, ``1/2/2024``
    ends in 2024.

    Args:
        decimal: what stands before the decimals; the other of the two then groups thousands. Nothing is guessed.
    """
    if "\\" in text or "{" in text:  # TeX's ways to group thousands
        text = text.replace("{,}", ",").replace("\\!", "").replace("\\,", "\u2009")
    for start in _starts(text):
        for number in reversed([_read(match, decimal) for match in _pattern(decimal).finditer(text, start)]):
            if math.isfinite(number.value):
                return number
    return None


def _starts(text: str) -> Iterator[int]:
    """Where to begin reading: behind the last word in front of the last digit, and if that gives nothing at 0.

    No number but a TeX one reaches over two letters in a row, so what begins behind a word reads the same from there.
    """
    backwards = text[::-1]
    digit = _DIGIT.search(backwards)
    if digit is None:
        return
    word = None if "\\" in text else _WORD.search(backwards, digit.end())
    if word is not None:
        yield len(text) - word.start()
    yield 0


@cache
def _pattern(decimal: Decimal) -> re.Pattern[str]:
    group = "," if decimal == "." else r"\."
    point = re.escape(decimal)
    signs = f"[{_SIGNS}]"
    plain = rf"\d++(?:{point}\d++)?+"
    return re.compile(
        rf"""
        (?= [{_SIGNS}\d{point}\\{_VULGAR}] )
        (?: (?<![\w)\]%.\-]) (?P<sign>{signs}) (?: [{_CURRENCY}] \s? )? )?
        (?:
            (?: (?P<tex_whole>\d+)\s? )? \\[dt]?frac
            \s? \{{ \s? (?P<tex_over>{signs}?\d+) \s? \}} \s? \{{ \s? (?P<tex_under>\d+) \s? \}}
          | (?: (?P<vulgar_whole>\d+) [ ]? )? (?P<vulgar>[{_VULGAR}])
          | (?P<mixed>\d{{1,3}}) [ ] (?P<mixed_over>\d+) / (?P<mixed_under>\d+)
          | (?<![\d/]) (?P<over>{plain}) \s? / \s? (?P<under>{plain}) (?!/)
          | 10 \s? (?: {_power("bare")} )
          | (?P<body>
                (?: \d{{1,3}} (?P<group>[{group}_'’{_SPACES}]) \d{{3}} (?: (?P=group) \d{{3}} )* (?!\d) | \d+ )
                (?: {point} \d+ )?
              | (?<![\w{point}]) {point} \d+
            )
            (?:
                [eE] (?P<exponent>{signs}? \d+)
              | \s? (?: [×xX*·⋅] | \\times | \\cdot ) \s? 10 \s? (?: {_power("power")} )
            )?
        )
        (?P<percent> \s? (?: \\?[%％٪] | per\s?cent\b ) )?
        """,
        re.VERBOSE,
    )


def _power(name: str) -> str:
    """The pattern of an exponent behind 10: ``^5``, ``**-5``, ``^{-5}``, ``⁵``."""
    return (
        rf"(?:\^|\*\*) \s? [{{(]? \s? (?P<{name}>[{_SIGNS}]?\d+) (?:\s?[)}}])?"
        rf"| (?P<{name}_raised>[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)"
    )


def _read(match: re.Match[str], decimal: Decimal) -> Number:
    """The number of a match; a sign in front of a mixed number counts for all of it."""
    told = match.groupdict()
    if told["tex_over"]:
        whole, part = float(told["tex_whole"] or 0), _quotient(told["tex_over"].translate(_RAISED), told["tex_under"])
        value = whole + part
    elif told["vulgar"]:
        value = float(told["vulgar_whole"] or 0) + unicodedata.numeric(told["vulgar"])
    elif told["mixed"]:
        value = float(told["mixed"]) + _quotient(told["mixed_over"], told["mixed_under"])
    elif told["over"]:
        value = _quotient(told["over"].replace(decimal, "."), told["under"].replace(decimal, "."))
    elif told["body"]:
        digits = told["body"].replace(told["group"], "") if told["group"] else told["body"]
        power = told["exponent"] or told["power"] or told["power_raised"] or "0"
        value = float(f"{digits.replace(decimal, '.')}e{power.translate(_RAISED)}")
    else:
        value = float(f"1e{(told['bare'] or told['bare_raised']).translate(_RAISED)}")
    return Number(-value if told["sign"] in _MINUS else value, told["percent"] is not None)


def _quotient(over: str, under: str) -> float:
    """Of two numbers of any length, infinite where a float cannot hold one of them."""
    try:
        return float(over) / float(under)
    except ZeroDivisionError:
        return math.inf
