"""What people said of one judge's records: labels of several raters, as one number a record."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.core.rows import Floats
from evalkit.records.label_files import read_labels
from evalkit.records.labels import Labels, Value, as_number, settle

WEIGHT = "sampling_weight"
_SHOWN = 20
_NUMBERED = {1.0: 1.0, 2.0: 0.0, 0.0: 0.5}  # as PandaLM numbers its answers
_SIDES = {"output": 1.0, "other": 0.0, "c": 0.5}


@dataclass(frozen=True)
class Chosen:
    """The labels of one judge, a line a record: the mean and the median over raters, or what an adjudicator decided.

    ``weights`` is None where all weigh the same: a sample that was drawn with equal chances is a plain one.
    """

    ids: tuple[str, ...]
    means: Floats
    medians: Floats
    outputs: tuple[str | None, ...]  # that the label is of, where the file tells
    weights: Floats | None
    raters: int
    ratings: Floats  # (n, raters), NaN where one did not label
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class People:
    """A labels file; lines that name no metric are of the judge that is asked about."""

    path: str
    sha256: str
    labels: Labels

    def of(self, label: str, metric: str, unnamed: str) -> Chosen:
        """The labels of one judge.

        Args:
            label: its name in the suite. ``metric``: its registered name. ``unnamed``: what lines without a metric were given.

        Raises:
            SpecError: there are none, or some are no label of such a judge.
        """
        names = self.labels.names
        name = next((one for one in (label, metric, unnamed) if one in names), None)
        if name is None:
            close = nearest(label, names)
            hint = f"did you mean {quote(close)}?" if close else f"it has labels of {', '.join(names[:5])}"
            raise SpecError(Problem(self.path, f"no label is of {quote(label)}", hint))
        own = self.labels.of(name)
        read = _preference(own) if metric == "pairwise" else as_number
        self._check(own, read, metric)
        numbers = Labels(
            own.ids, own.metrics, [read(value) for value in own.values], own.raters, own.times, own.versions,
            own.adjudicated, own.places, own.extra,
        )  # fmt: skip
        means, medians = ([one.value for one in settle(numbers, name, by=how)] for how in ("mean", "median"))
        ids = tuple(one.id for one in settle(numbers, name))
        first = {one: at for at, one in reversed(list(enumerate(own.ids)))}
        weights = [_weight(own, first[one]) for one in ids]
        told = sum(weight is not None for weight in weights)
        notes = list(own.warnings)
        if 0 < told < len(ids):
            notes.append(f"{told:,} of {len(ids):,} labelled records have a {WEIGHT}: none was used")
        outputs = (own.extra[first[one]].get("output") for one in ids)
        raters = {rater for rater, settled in zip(own.raters, own.adjudicated) if not settled}
        return Chosen(
            ids,
            np.array(means, dtype=np.float64),
            np.array(medians, dtype=np.float64),
            tuple(output if isinstance(output, str) else None for output in outputs),
            np.array(weights, dtype=np.float64) if told == len(ids) and len(set(weights)) > 1 else None,
            len(raters),
            _ratings(numbers, ids),
            tuple(notes),
        )

    def _check(self, own: Labels, read: Callable[[Value], float], metric: str) -> None:
        told = "A, B or tie (or 1, 2 and 0)" if metric == "pairwise" else "a number, nor yes or no"
        problems = [
            Problem(own.places[at], f"the label of {quote(own.ids[at])} is {quote(value)}, not {told}")
            for at, value in enumerate(own.values)
            if math.isnan(read(value))
        ]
        if problems:
            more = [Problem("", f"… and {len(problems) - _SHOWN:,} more")] if len(problems) > _SHOWN else []
            raise SpecError([*problems[:_SHOWN], *more])


def read_people(path: Path, judge: str) -> People:
    """The labels of a file; lines without metric or rater are of ``judge`` and of one rater.

    Raises:
        SpecError: it cannot be read, or something in it is wrong.
    """
    labels = read_labels([path], metric=judge, rater="people")
    return People(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), labels)


def _ratings(numbers: Labels, ids: tuple[str, ...]) -> Floats:
    """What each rater said of each record; an adjudicator is none of them."""
    rows, columns = {one: at for at, one in enumerate(ids)}, dict[str, int]()
    told = [
        (rows[one], columns.setdefault(rater, len(columns)), value)
        for one, rater, value, settled in zip(numbers.ids, numbers.raters, numbers.values, numbers.adjudicated)
        if not settled
    ]
    found = np.full((len(ids), len(columns)), np.nan)
    for row, column, value in told:
        found[row, column] = value
    return found


def _weight(own: Labels, at: int) -> float | None:
    """How many records one stands for; None where the file does not tell.

    Raises:
        SpecError: it is no positive number.
    """
    told = own.extra[at].get(WEIGHT)
    if told is None or told == "":
        return None
    try:
        found = float(told)
    except (TypeError, ValueError):
        found = math.nan
    if not 0.0 < found < math.inf:
        hint = "it is 1 over the chance of having been drawn"
        raise SpecError(Problem(own.places[at], f"{WEIGHT} is {quote(told)}, and must be a number above 0", hint))
    return found


def _preference(own: Labels) -> Callable[[Value], float]:
    """How verdicts on pairs are read: A, B and tie; 1, 2 and 0; or, where a label lies between 0 and 1, as a share of wins."""
    shares = any(not isinstance(value, str) and 0.0 < value < 1.0 for value in own.values)

    def read(value: Value) -> float:
        if isinstance(value, str):
            return _SIDES.get(value, as_number(value))
        if shares:
            return value if 0.0 <= value <= 1.0 else math.nan
        return _NUMBERED.get(value, math.nan)

    return read
