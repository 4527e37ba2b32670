"""What people said of records: labels of several raters, numbers or words, checked and brought together."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.core.errors import quote

Value = float | str
By = Literal["mean", "median", "majority"]

COLUMNS = ("id", "metric", "label", "rater", "time", "rubric_version")
LINES = (
    "ids",
    "metrics",
    "values",
    "raters",
    "times",
    "versions",
    "adjudicated",
    "places",
    "extra",
)  # of `Labels`, a line each
ADJUDICATOR = "adjudicator"
SIDES = ("output_a", "output_b")  # what raters of a pair are shown
SHUFFLED = "shuffled"  # the column that says that `turned` tells which of them is the output
MOST = 1e15  # of a number
LONGEST = 60  # characters of a category
_SAME = {"true": "yes", "y": "yes", "false": "no", "n": "no", "a": "A", "b": "B"}
_NUMBERS = {"yes": 1.0, "pass": 1.0, "good": 1.0, "no": 0.0, "fail": 0.0, "bad": 0.0, "A": 1.0, "B": 0.0, "tie": 0.5}
_RANGE = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*(?:\.\.|–|to|-)\s*(-?\d+(?:\.\d+)?)\s*")


@dataclass(frozen=True)
class Scale:
    """What a label may be: a number from ``low`` to ``high``, or one of ``categories``, in their order."""

    low: float = math.nan
    high: float = math.nan
    categories: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Scale:
        """``1..5`` (also ``1 to 5``), or ``yes,no`` and ``A|B|tie``.

        Raises:
            ValueError: it is neither.
        """
        found = _RANGE.fullmatch(text)
        if found is not None:
            low, high = float(found[1]), float(found[2])
            if low >= high:
                raise ValueError(f"the scale {quote(text)} does not go up")
            return cls(low, high)
        names = [str(value_of(part)) for part in re.split(r"[,|]", text) if part.strip()]
        if len(set(names)) < 2 or len(set(names)) < len(names) or any(_number(part) is not None for part in names):
            raise ValueError(f"{quote(text)} is no scale; write 1..5, or categories such as yes,no")
        return cls(categories=tuple(names))

    def __str__(self) -> str:
        return "|".join(self.categories) if self.categories else f"{self.low:g}..{self.high:g}"

    def holds(self, value: Value) -> bool:
        """Whether a label lies on it."""
        if isinstance(value, str):
            return value in self.categories
        return not self.categories and self.low <= value <= self.high

    @property
    def values(self) -> tuple[Any, ...]:
        """All that it holds, in order: the categories, or the whole numbers from end to end; none where these are no ends."""
        if self.categories:
            return self.categories
        whole = self.low.is_integer() and self.high.is_integer() and self.high - self.low <= 100
        return tuple(float(one) for one in range(int(self.low), int(self.high) + 1)) if whole else ()


@dataclass
class Labels:
    """Labels, one line each, as columns; lines without a label were left out and are ``pending``."""

    ids: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    raters: list[str] = field(default_factory=list)
    times: list[str | None] = field(default_factory=list)
    versions: list[str | None] = field(default_factory=list)
    adjudicated: list[bool] = field(default_factory=list)
    places: list[str] = field(default_factory=list)  # "labels.jsonl:7"
    extra: list[Mapping[str, Any]] = field(default_factory=list)  # the line's other columns
    scales: dict[str, Scale] = field(default_factory=dict)  # by metric, where they are known
    pending: int = 0
    warnings: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def names(self) -> list[str]:
        """The metrics that have labels, in the order met."""
        return list(dict.fromkeys(self.metrics))

    def take(self, indices: Iterable[int]) -> Labels:
        """Some of them, in that order."""
        at = list(indices)
        kept: dict[str, Any] = {name: [getattr(self, name)[index] for index in at] for name in LINES}
        return replace(self, **kept)

    def of(self, metric: str) -> Labels:
        """Those of one metric."""
        return self.take(index for index, name in enumerate(self.metrics) if name == metric)

    def is_number(self, metric: str) -> bool:
        """Whether a metric's labels are numbers (they are of one kind)."""
        return all(not isinstance(value, str) for value, name in zip(self.values, self.metrics) if name == metric)

    def matrix(self, metric: str) -> tuple[list[str], list[str], NDArray[Any]]:
        """Ids, raters, and their labels (ids, raters), None where there is none; what an adjudicator said is not among them."""
        own = self.of(metric)
        kept = [index for index, settled in enumerate(own.adjudicated) if not settled]
        ids = {name: at for at, name in enumerate(dict.fromkeys(own.ids[index] for index in kept))}
        raters = {name: at for at, name in enumerate(sorted({own.raters[index] for index in kept}))}
        told = np.full((len(ids), len(raters)), None, dtype=object)
        for index in kept:
            told[ids[own.ids[index]], raters[own.raters[index]]] = own.values[index]
        return list(ids), list(raters), told

    def rows(self) -> Iterator[dict[str, Any]]:
        """As a labels file has them; a number without a fraction is whole."""
        for at in range(len(self)):
            value = self.values[at]
            told = {
                "id": self.ids[at],
                "metric": self.metrics[at],
                "label": int(value) if isinstance(value, float) and value.is_integer() else value,
                "rater": self.raters[at],
                "time": self.times[at],
                "rubric_version": self.versions[at],
            }
            yield told | ({"adjudicated": True} if self.adjudicated[at] else {}) | dict(self.extra[at])


@dataclass(frozen=True)
class Settled:
    """What the raters of one record come to."""

    id: str
    metric: str
    value: Value | None  # None where a majority is split
    labels: Mapping[str, Value]  # by rater, the adjudicator's apart
    apart: float  # numbers: largest less smallest; categories: the share that is not of the majority
    adjudicated: bool = False


def settle(labels: Labels, metric: str, *, by: By | None = None) -> list[Settled]:
    """One label a record: the adjudicator's where there is one, else what raters come to together.

    Args:
        by: ``mean`` or ``median`` of numbers, ``majority`` of either; without it the mean of numbers and the majority of
            categories. A majority that is split has no value.
    """
    own = labels.of(metric)
    words = not labels.is_number(metric)
    how = by or ("majority" if words else "mean")
    if words and how != "majority":
        raise ValueError(f"the labels of {quote(metric)} are words: they have a majority, and no {how}")
    told: dict[str, dict[str, Value]] = {}
    final: dict[str, Value] = {}
    for at, name in enumerate(own.ids):
        raters = told.setdefault(name, {})
        if own.adjudicated[at]:
            final[name] = own.values[at]
        else:
            raters[own.raters[at]] = own.values[at]
    settled = []
    for name, raters in told.items():
        votes = list(raters.values())
        value = final[name] if name in final else _together(votes, how)
        settled.append(Settled(name, metric, value, raters, _apart(votes), name in final))
    return settled


def disputed(settled: Iterable[Settled], threshold: float | None = None) -> list[Settled]:
    """The records that somebody should decide, worst first: raters further apart than ``threshold``, or split evenly.

    Without a threshold, numbers may differ by 1 and categories not at all. Adjudicated ones are decided.
    """
    found = []
    for one in settled:
        if one.adjudicated or len(one.labels) < 2:
            continue
        most = threshold if threshold is not None else 0.0 if _words(one.labels.values()) else 1.0
        if one.apart > most or one.value is None:
            found.append(one)
    return sorted(found, key=lambda one: (-one.apart, one.id))


def value_of(cell: Any) -> Value | None:
    """A label as it is compared: a number, or a word in small letters; None where the cell is empty.

    ``true`` and ``y`` are ``yes``, ``false`` and ``n`` are ``no``, and sides of a pair are ``A`` and ``B``.

    Raises:
        ValueError: it is neither; the message says what it is.
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, (int, float)):
        if not abs(cell) <= MOST:
            raise ValueError(f"is no number up to {MOST:g}")
        return float(cell)
    if not isinstance(cell, str):
        raise ValueError("is a list or an object; a label is a number or a word")
    text = " ".join(cell.split()).casefold()
    if text in ("", "nan", "null", "n/a"):
        return None
    number = _number(text)
    if number is not None:
        return number
    if len(text) > LONGEST:
        raise ValueError(f"is longer than {LONGEST} characters: is it a comment?")
    return _SAME.get(text, text)


def as_number(value: Value) -> float:
    """A label on a line: numbers as they are; yes, pass, good and A 1, their opposites 0, a tie .5; NaN for other words."""
    return _NUMBERS.get(value, math.nan) if isinstance(value, str) else value


def turned(metric: str, record: str) -> bool:
    """Whether a rater saw the other answer as A and the output as B: half of all records, by a hash that nobody reads."""
    return bool(hashlib.sha256(f"{metric}\0{record}".encode()).digest()[0] & 1)


def straight(row: Mapping[str, Any], metric: str, record: str, value: Value) -> tuple[Mapping[str, Any], Value]:
    """A line of a shuffled pair with its answers back in ``output`` and ``output_b``, and the label with them."""
    swap = turned(metric, record)
    sides = [row.get(name) for name in (SIDES[::-1] if swap else SIDES)]
    kept = {name: cell for name, cell in row.items() if name not in (SHUFFLED, *SIDES)}
    told = {"A": "B", "B": "A"}.get(value, value) if swap and isinstance(value, str) else value
    return kept | {"output": sides[0], "output_b": sides[1]}, told


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if abs(found) <= MOST and "_" not in text else None


def _together(votes: Sequence[Value], how: By) -> Value | None:
    if not votes:
        return None
    if how == "majority":
        (first, times), *rest = Counter(votes).most_common(2)
        return None if rest and rest[0][1] == times else first
    numbers = [vote for vote in votes if not isinstance(vote, str)]
    return math.fsum(numbers) / len(numbers) if how == "mean" else float(np.median(numbers))


def _apart(votes: Sequence[Value]) -> float:
    if not votes:
        return 0.0
    if _words(votes):
        return 1.0 - Counter(votes).most_common(1)[0][1] / len(votes)
    numbers = [vote for vote in votes if not isinstance(vote, str)]
    return max(numbers) - min(numbers)


def _words(votes: Iterable[Value]) -> bool:
    return any(isinstance(vote, str) for vote in votes)
