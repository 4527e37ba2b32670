"""Numbers as English texts write them: in digits or in words, with units, shares, scales and times of the day."""

from __future__ import annotations

import math
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import product
from typing import NamedTuple

from evalkit.text.entity_words import HINTS, LETTERS, ORDINALS, PARTS, SCALES, SMALL, TENS, TIMES, UNITS

_BEHIND = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
_SIGNS = r"(?:us|a|c|nz|hk|r)?\$|[€£¥₹₽]|usd|eur|gbp"
_GAP = r"(?:[,'’\u00a0\u2009\u202f]|[ ],[ ])"  # between groups of three digits; tokenised texts have spaces around marks
_POINT = r"(?:\.|[ ]\.[ ])"
_BEFORE_UNIT = r"(?:\s?-\s?|\s)?"
_BEHIND_IT = r"\s+(?:a\s+|an\s+|estimated\s+)?(?:[$€£¥]\s?)?\Z"
_ABOUT = re.compile(rf"\b(?:about|around|some|roughly|approximately|approx\.?|close to|estimated|circa){_BEHIND_IT}", re.I)
_OVER = re.compile(rf"\b(?:over|above|more than|greater than|at least|upwards of|beyond|exceed(?:s|ed|ing)?){_BEHIND_IT}", re.I)
_UNDER = re.compile(rf"\b(?:nearly|almost|up to|under|below|less than|fewer than|just short of){_BEHIND_IT}", re.I)
_WORD = "|".join(sorted((*SMALL, *TENS, *ORDINALS), key=len, reverse=True))
_LARGE = "|".join(("hundred", *SCALES, "dozen"))

_PATTERN = re.compile(
    rf"""
    (?<![^\W_]) (?<!\d[.,:/])
    (?:
        (?P<hour>\d{{1,2}}) (?: (?:[:.]|\s[:.]\s)(?P<minute>[0-5]\d) )? \s? (?P<half>[ap]\.?\s?m\b\.?)
      | (?P<clock>[01]?\d|2[0-3]) : (?P<clock_minute>[0-5]\d) (?::[0-5]\d)? (?![\w:])
      | (?P<alone>[¼½¾⅐-⅞])
      | (?P<over>\d{{1,3}}) \s?[/⁄]\s? (?P<under>\d{{1,4}}) (?![\w/])
      | (?: (?P<sign>{_SIGNS}) \s? )?
        (?P<body> \d{{1,3}}(?:{_GAP}\d{{3}})+(?!\d)(?:{_POINT}\d+)?
          | \d{{1,3}}(?:\.\d{{3}})+,\d{{1,2}}(?!\d) | \d{{1,3}}(?:\.\d{{3}}){{2,}}(?!\d)
          | \d+,\d{{1,2}}(?![\d,]) | \d+(?:{_POINT}\d+)? | (?<!\w)\.\d+ )
        (?P<vulgar>[¼½¾⅐-⅞])?
        (?:
            (?P<ordinal>st|nd|rd|th)\b
          | (?P<decade>['’]?s)\b
          | (?P<letter>k|mn|m|bn|b|tn)\b
          | [\s-]? (?P<scale>hundred|thousand|million|billion|trillion|lakh|crore|dozen)s?\b
        )?
        (?: {_BEFORE_UNIT} (?P<unit>{_BEHIND}) (?![^\W_]) )?
        (?![^\W_])
      | (?P<words>
            (?: \b(?:half\s+)?(?:a|an)\s+(?=(?:{_LARGE})\b) | \b(?={_WORD}) )
            (?:{_WORD}|{_LARGE}) \b (?: (?:\s?-\s?|\s+(?:and\s+)?) (?:{_WORD}|{_LARGE})\b )*
        )
        (?: \s?-?\s? (?P<parts>halves|quarters?|(?:{"|".join(word for word, value in ORDINALS.items() if value > 2)})s) \b )?
        (?: {_BEFORE_UNIT} (?P<word_unit>{_BEHIND}) (?![^\W_]) )?
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_PARTED = re.compile(r"[ ][.,][ ](?=\d)")
_TOKEN = re.compile(r"[a-z]+", re.I)
_HINT = re.compile(rf"\b(?:{'|'.join(sorted((*HINTS, *TIMES), key=len, reverse=True))})\b", re.I)
_ROUNDED, _BEYOND = 0.05, 0.25  # how far off a rounded number may be, and what is told as more or less than one


class Figure(NamedTuple):
    """A number in a text: the values that it can be read as, in its unit; a time of the day is minutes after midnight."""

    text: str
    start: int
    end: int
    values: tuple[float, ...]
    unit: str | None = None
    below: float = 0.0  # how far under it the source's number may lie, where it is rounded
    above: float = 0.0
    decade: bool = False

    def fits(self, other: Figure) -> bool:
        """Whether ``other``, of the source, says this number."""
        if self.unit == "time" or other.unit == "time":
            return self.unit == other.unit and not set(self.values).isdisjoint(other.values)
        return any(self._equals(a, b) for a, b in product(self.values, _in_unit(other, self.unit)))

    def _equals(self, mine: float, theirs: float) -> bool:
        if math.isclose(mine, theirs, rel_tol=1e-9) or (self.decade and mine >= 1000 and mine <= theirs < mine + 10):
            return True
        return mine - self.below <= theirs <= mine + self.above


class Figures:
    """The numbers of a source, asked whether they hold another one."""

    def __init__(self, found: Iterable[Figure]) -> None:
        self._kept = list({(one.values, one.unit): one for one in reversed(list(found))}.values())[::-1]
        self._sorted = sorted((value, place) for place, one in enumerate(self._kept) for value in one.values)
        self._values = [value for value, _ in self._sorted]

    @property
    def values(self) -> set[float]:
        """All that its numbers can be read as."""
        return set(self._values)

    def holds(self, figure: Figure) -> bool:
        """Whether one of them says ``figure``."""
        return any(figure.fits(self._kept[place]) for place in self._close(figure))

    def _close(self, figure: Figure) -> set[int]:
        """Those that could: of about its value, or of its hundredth or hundredfold, as shares are."""
        found: set[int] = set()
        for value in figure.values:
            for one in (value, value / 100.0, value * 100.0):
                slack = 1e-9 * (1.0 + abs(one))
                low = bisect_left(self._values, one - figure.below - slack)
                high = bisect_right(self._values, one + max(figure.above, 10.0 if figure.decade else 0.0) + slack)
                found.update(place for _, place in self._sorted[low:high])
        return found

    def nearest(self, figure: Figure) -> str | None:
        """The wording of the closest value by ratio, of the same unit if there is one; None: there is no number."""
        told = [one for one in self._kept if (one.unit == "time") == (figure.unit == "time")]
        alike = [one for one in told if figure.unit and one.unit == figure.unit] or told
        pairs = [(min(_apart(a, b) for a, b in product(figure.values, one.values)), one.text) for one in alike]
        return min(pairs, key=lambda pair: pair[0])[1] if pairs else None


def figures(text: str, *, hints: bool = False) -> Iterator[Figure]:
    """The numbers of a text, in order, without signs (a hyphen before a number is more often none).

    Read: ``1,200`` ``1.2 million`` ``$5m`` ``45 %`` ``3/4`` ``3rd`` ``1990s`` ``9.30pm`` ``21:30`` ``twenty-three`` ``a dozen``
    ``two thirds`` ``a hundred and five``. "one", "first" and "second" alone are words, no numbers; a number inside a word
    (``G4S``) belongs to that word.

    Args:
        hints: also what only supports a number: one, first, both, twice, a couple, half.
    """
    for found in _PATTERN.finditer(text):
        told = found.groupdict()
        if told["words"]:
            yield from _of_words(text, found)
            continue
        read = _read(told)
        if read is None or not all(map(math.isfinite, read[0])):
            continue
        values, unit, step = read
        shown = found[0].strip()
        begin = found.start() + found[0].index(shown[0])
        scaled = bool(told["scale"] or told["letter"])
        yield Figure(
            shown, begin, begin + len(shown), values, unit, *_slack(text, begin, values[0], step, scaled), bool(told["decade"])
        )
        parted = _PARTED.search(shown) if hints else None
        if parted is not None:  # or two numbers, with a mark between them
            yield from figures(shown[: parted.start()])
            yield from figures(shown[parted.end() :], hints=True)
    if hints:
        for found in _HINT.finditer(text):
            word = found[0].lower()
            unit = "time" if word in TIMES else None
            yield Figure(found[0], found.start(), found.end(), (TIMES[word] if unit else HINTS[word],), unit)


def _read(told: dict[str, str | None]) -> tuple[tuple[float, ...], str | None, float] | None:
    """Values, unit and the step of the last digit of a match in digits."""
    if told["hour"]:
        hour, minute = int(told["hour"]), int(told["minute"] or 0)
        if not 0 < hour <= 12:
            return None
        return (float((hour % 12 + (12 if (told["half"] or "")[0] in "pP" else 0)) * 60 + minute),), "time", 0.0
    if told["clock"]:
        hour, minute = int(told["clock"]), int(told["clock_minute"] or 0)
        if told["clock"].startswith("0") or hour > 12:
            return (hour * 60.0 + minute,), "time", 0.0
        return (hour % 12 * 60.0 + minute, hour % 12 * 60.0 + minute + 720.0), "time", 0.0
    if told["alone"]:
        return (unicodedata.numeric(told["alone"]),), "fraction", 0.0
    if told["over"]:
        under = int(told["under"] or 0)
        return ((int(told["over"]) / under,), "fraction", 0.0) if under else None
    body = re.sub("['’\u00a0\u2009\u202f]", ",", (told["body"] or "").replace(" ", ""))
    values, step = _digits(body)
    if told["vulgar"]:
        values = [value + unicodedata.numeric(told["vulgar"]) for value in values]
    unit = UNITS[told["unit"].lower()] if told["unit"] else _currency(told["sign"])
    scale = (told["scale"] or "").lower()
    factor = 12.0 if scale == "dozen" else 100.0 if scale == "hundred" else SCALES.get(scale, 1.0)
    scaled = [value * factor for value in values]
    if told["letter"]:
        scaled = [value * LETTERS[told["letter"].lower()] for value in values]
        step *= LETTERS[told["letter"].lower()]
        if told["letter"].lower() == "m" and not told["sign"]:
            scaled += values  # metres
    if told["decade"] and len(body) == 2:
        scaled += [1900.0 + value for value in values] + [2000.0 + value for value in values]
    return tuple(scaled), unit, step * factor


def _slack(text: str, begin: int, value: float, step: float, scaled: bool) -> tuple[float, float]:
    """How far under and above a number its source may lie: "about 300" may be 296, "more than 300" 340, 300 is 300.

    A number with a scale ("1.2 million") is taken to be rounded. Nothing lies further off than the last digit that counts.
    """
    before = text[max(0, begin - 30) : begin]
    if _OVER.search(before):
        return 0.0, min(step, _BEYOND * value)
    if _UNDER.search(before):
        return min(step, _BEYOND * value), 0.0
    if scaled or _ABOUT.search(before):
        return (min(step / 2.0, _ROUNDED * value),) * 2
    return 0.0, 0.0


def _currency(sign: str | None) -> str | None:
    if not sign:
        return None
    return UNITS["$" if sign.endswith("$") else sign.lower()]


def _digits(body: str) -> tuple[list[float], float]:
    """The values of plain digits with their marks, and what one more in the last digit that counts would add."""
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d{1,2}|\d{1,3}(?:\.\d{3}){2,}", body):
        body = body.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"\d+,\d{1,2}", body):
        body = body.replace(",", ".")
    plain = body.replace(",", "")
    value = float(plain)
    values = [value]
    if re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", plain):
        values.append(value * 1000.0)  # 1.200 as a German writes it
    whole, _, decimals = plain.partition(".")
    if decimals:
        return values, 10.0 ** -len(decimals)
    return values, 10.0 ** (len(whole) - len(whole.rstrip("0"))) if whole.strip("0") else 1.0


def _of_words(text: str, found: re.Match[str]) -> Iterator[Figure]:
    """The numbers that a run of number words spells, one after the other."""
    base = found.start("words")
    words = [(word[0].lower(), base + word.start(), base + word.end()) for word in _TOKEN.finditer(found["words"])]
    runs = list(_numbers(words))
    for place, (value, start, end, kind) in enumerate(runs):
        last = place == len(runs) - 1
        unit = UNITS.get((found["word_unit"] or "").lower()) if last else None
        values: tuple[float, ...] = (value,)
        if last and found["parts"]:
            values, unit = (value / PARTS[found["parts"].lower()],), "fraction"
            end = found.end("parts")
        elif kind == "ordinal" and value > 2 and re.search(r"\b(?:a|one)[\s-]+\Z", text[max(0, start - 6) : start], re.I):
            share = re.match(r"\s+of\b", text[end : end + 10]) is not None
            values, unit = ((1.0 / value,), "fraction") if share else ((value, 1.0 / value), unit)  # a third of it, a third man
        alone = text[start:end].lower()
        if alone in ("one", "first", "second", "zero") and not unit:
            continue  # `hints` has them
        if last and found["word_unit"]:
            end = found.end("word_unit")
        digits = f"{value:.0f}"
        slack = _slack(text, start, values[0], 10.0 ** (len(digits) - len(digits.rstrip("0"))), scaled=False)
        yield Figure(text[start:end], start, end, values, unit, *slack)


def _numbers(words: list[tuple[str, int, int]]) -> Iterator[tuple[float, int, int, str]]:
    """(value, start, end, cardinal or ordinal) of each number that the words spell."""
    at = 0
    while at < len(words):
        total = group = 0.0
        begun = at
        kind, end, tens, ones, grouped = "cardinal", words[at][2], False, False, False
        while at < len(words):
            word, _, stop = words[at]
            if word == "and":
                ahead = words[at + 1][0] if at + 1 < len(words) else ""
                if not grouped or ones or tens or not (ahead in SMALL or ahead in TENS or ahead in ORDINALS):
                    break
                at += 1
                continue
            if word in ("a", "an", "half"):
                if at > begun and words[begun][0] != "half":
                    break
                group = group or (0.5 if word == "half" else 1.0)
            elif word in SMALL or word in ORDINALS:
                value = SMALL.get(word, ORDINALS.get(word, 0))
                if ones or (tens and not 0 < value < 10) or (at > begun and not tens and not grouped):
                    break
                group, ones = group + value, True
                if word in ORDINALS:
                    kind, end, at = "ordinal", stop, at + 1
                    break
            elif word in TENS:
                if ones or tens or (at > begun and not grouped):
                    break
                group, tens = group + TENS[word], True
            elif word == "hundred":
                if group >= 100 or (grouped and not (ones or tens)):
                    break
                group, grouped, ones, tens = (group or 1.0) * 100.0, True, False, False
            elif word == "dozen":
                group, ones = (group or 1.0) * 12.0, True
            else:
                total, group = total + (group or 1.0) * SCALES[word], 0.0
                grouped, ones, tens = True, False, False
            end, at = stop, at + 1
        if at == begun:  # an "and" that joins nothing
            at += 1
            continue
        yield total + group, words[begun][1], end, kind


def _in_unit(other: Figure, unit: str | None) -> tuple[float, ...]:
    """The values of another number for one of this unit; none where both say a unit and not the same."""
    if unit == "%" and other.unit == "fraction":
        return tuple(100.0 * value for value in other.values)
    if unit == "fraction" and other.unit == "%":
        return tuple(value / 100.0 for value in other.values)
    if unit is None and other.unit == "%":
        return (*other.values, *(value / 100.0 for value in other.values))
    if unit == "%" and other.unit is None:
        return (*other.values, *(100.0 * value for value in other.values if value < 1))
    return other.values if unit is None or other.unit in (None, "fraction", unit) or unit == "fraction" else ()


def _apart(a: float, b: float) -> float:
    return abs(math.log(a / b)) if a > 0 and b > 0 else abs(a - b)
