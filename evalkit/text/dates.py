"""Dates as English texts and computers write them, whole or in part: years, months, days, weekdays."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import product
from typing import NamedTuple

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT = "jan|feb|mar|apr|jun|jul|aug|sept|sep|oct|nov|dec"
_MONTH = rf"(?:{'|'.join(MONTHS)}|(?:{_SHORT})\b\.?)"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?(?![\w%])(?![.,:]\d)"
_TO = r"\s?(?:-|–|—|to|and|&)\s?"
_YEAR = r"(?:1[0-9]|20)\d\d(?![\w%])(?![.,]\d)"
_ALIKE = frozenset({"may", "march"})  # which are words too: alone they are months with a capital, or behind such a word:
_BEFORE_MONTH = re.compile(r"\b(?:in|since|until|till|last|next|this|early|late|mid|of|by|from|every|each)[\s-]*\Z", re.I)

_PATTERN = re.compile(
    rf"""
    (?<![\w.,/$£€¥-])
    (?:
        (?P<iso_year>\d{{4}})(?P<iso>[-/.])(?P<iso_month>\d{{1,2}})(?P=iso)(?P<iso_day>\d{{1,2}})(?=T\d|[^\w/-]|-\D|\Z)
      | (?P<first>\d{{1,2}})(?P<mark>[/.-])(?P<second>\d{{1,2}})(?P=mark)(?P<numeric_year>\d{{4}}|\d\d)(?![\w/-])
      | (?:(?P<from_day>{_DAY}){_TO})?(?P<day>{_DAY})\s+(?:day\s+)?(?:of\s+)?(?P<month>\b{_MONTH})(?!\w)
        (?:\s?,?\s+(?:of\s+)?(?P<year>{_YEAR}))?
      | (?P<us_month>\b{_MONTH})(?:\s+the)?\s+(?P<us_day>{_DAY})(?:{_TO}(?P<us_to>{_DAY}))?(?:\s?,?\s+(?P<us_year>{_YEAR}))?
      | (?P<my_month>\b{_MONTH})(?:\s?,)?\s+(?:of\s+)?(?P<my_year>{_YEAR})
      | (?P<alone>\b(?:{"|".join(MONTHS)}))\b
      | (?P<weekday>\b(?:{"|".join(WEEKDAYS)}))s?\b
    )
    | (?<![\w.,/$£€¥])(?<!\d-)(?<!\d–)(?P<only_year>(?:1[5-9]|20)\d\d)(?![\w%])(?![.,:/]\d)
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Day(NamedTuple):
    """What a text says of a date; None is not said."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    weekday: int | None = None  # 0 is Monday


class Dated(NamedTuple):
    """A date in a text: every way to read it (3/5/2024 has two)."""

    text: str
    start: int
    end: int
    readings: tuple[Day, ...]
    further: tuple[Day, ...] = ()  # "3-5 May" is the 5th as well

    @property
    def bare(self) -> bool:
        """Whether it is a year alone, which a plain number may be too."""
        return len(self.text) == 4 and self.text.isdigit()


class Calendar:
    """The dates of a source, asked whether they hold another one."""

    def __init__(self, found: Iterable[Dated], years: Iterable[float] = ()) -> None:
        self.found = list({(one.readings, one.further): one for one in found}.values())
        self.days = [day for one in self.found for day in (*one.readings, *one.further)]
        self.years = {day.year for day in self.days if day.year is not None} | {int(year) for year in years}
        self.weekdays = {day.weekday for day in self.days} | {
            date(day.year, day.month, day.day).weekday() for day in self.days if day.year and day.month and day.day
        }

    def holds(self, dated: Dated) -> bool:
        """Whether some reading is said here: each of its fields by one date, or its year elsewhere than the rest."""
        return all(map(self._has, dated.further)) and any(map(self._has, dated.readings))

    def _has(self, day: Day) -> bool:
        if day.weekday is not None:
            return day.weekday in self.weekdays
        if day.month is None:
            return day.year in self.years
        return any(
            known.month == day.month
            and day.day in (None, known.day)
            and (day.year in (None, known.year) or (known.year is None and day.year in self.years))
            for known in self.days
        )

    def has_day(self, number: float) -> bool:
        """Whether some date here is on that day of its month."""
        return any(day.day == number for day in self.days)

    def nearest(self, dated: Dated) -> str | None:
        """The wording here that shares most with a date: its month and day before its year; None: no date is here."""

        def alike(one: Dated) -> tuple[int, int]:
            pairs = [(mine, theirs) for mine, theirs in product(dated.readings, one.readings)]
            shared = max(sum(a is not None and a == b for a, b in zip(mine, theirs)) for mine, theirs in pairs)
            spoken = max(sum(a is not None and b is not None for a, b in zip(mine, theirs)) for mine, theirs in pairs)
            return shared, spoken

        best = max(self.found, key=alike, default=None)
        return best.text if best is not None and alike(best) != (0, 0) else None


def dates(text: str) -> Iterator[Dated]:
    """The dates of a text, in order; a number of four digits from 1500 to 2099 alone is taken for a year."""
    for found in _PATTERN.finditer(text):
        told = found.groupdict()
        readings, further = _read(told)
        alone = told["alone"]
        if alone and alone.lower() in _ALIKE and not _is_month(text, found.start(), alone):
            continue
        if readings:
            yield Dated(found[0].rstrip(), found.start(), found.start() + len(found[0].rstrip()), readings, further)


def _read(told: dict[str, str | None]) -> tuple[tuple[Day, ...], tuple[Day, ...]]:
    """The readings of a match, and further days; no reading: no such date."""
    if told["iso_year"]:
        return _valid(Day(int(told["iso_year"]), _int(told["iso_month"]), _int(told["iso_day"]))), ()
    if told["first"]:
        short = int(told["numeric_year"] or 0)
        full = short if short > 99 else short + (2000 if short < 70 else 1900)
        one, other = _int(told["first"]), _int(told["second"])
        return _valid(Day(full, other, one), Day(full, one, other)), ()
    if told["month"] or told["us_month"]:
        month = _month(told["month"] or told["us_month"] or "")
        days = [_int(told[name]) for name in ("from_day", "day", "us_day", "us_to") if told[name]]
        year = _int(told["year"] or told["us_year"])
        first, *rest = [_valid(Day(year, month, day)) for day in days]
        return first, tuple(day for one in rest for day in one)
    if told["my_month"]:
        return (Day(_int(told["my_year"]), _month(told["my_month"])),), ()
    if told["alone"]:
        return (Day(month=_month(told["alone"])),), ()
    if told["weekday"]:
        return (Day(weekday=WEEKDAYS.index(told["weekday"].lower())),), ()
    return (Day(_int(told["only_year"])),), ()


def _valid(*days: Day) -> tuple[Day, ...]:
    """Those that a calendar has, each once."""
    kept = []
    for day in days:
        try:
            date(day.year or 2000, day.month or 1, day.day or 1)
        except ValueError:
            continue
        kept.append(day)
    return tuple(dict.fromkeys(kept))


def _is_month(text: str, start: int, word: str) -> bool:
    """Whether "may" or "march" alone is the month: behind "in", "last" …, or a capital within a sentence."""
    before = text[max(0, start - 12) : start]
    if _BEFORE_MONTH.search(before):
        return True
    return word[0].isupper() and bool(before.rstrip()) and before.rstrip()[-1].isalnum()


def _month(word: str) -> int:
    return next(number for number, name in enumerate(MONTHS, 1) if name.startswith(word.lower().rstrip(".")[:3]))


def _int(word: str | None) -> int | None:
    return int(re.match(r"\d+", word)[0]) if word else None  # type: ignore[index]
