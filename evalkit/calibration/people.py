"""What people said: labels of several raters, as one number a record."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.core.rows import Floats

_PREFERENCE = {"a": 1.0, "output": 1.0, "b": 0.0, "other": 0.0, "tie": 0.5, "c": 0.5}
_NUMBERED = {1.0: 1.0, 2.0: 0.0, 0.0: 0.5}  # as PandaLM numbers its answers
_WORDS = {"yes": 1.0, "true": 1.0, "pass": 1.0, "good": 1.0, "no": 0.0, "false": 0.0, "fail": 0.0, "bad": 0.0}


@dataclass(frozen=True)
class Chosen:
    """The labels of one judge, a line a record: the mean and the median over raters."""

    ids: tuple[str, ...]
    means: Floats
    medians: Floats
    outputs: tuple[str | None, ...]  # that the label is of, where the file tells
    weights: Floats | None
    raters: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One line of a labels file."""

    line: int
    id: str
    metric: str | None
    label: Any
    rater: str | None
    output: str | None
    weight: float | None


@dataclass(frozen=True)
class People:
    """A labels file."""

    path: str
    sha256: str
    entries: tuple[Entry, ...]

    def of(self, label: str, metric: str) -> Chosen:
        """The labels of one judge: those that name it, or, in a file that names none, all.

        Raises:
            SpecError: there are none, or some are no label of such a judge.
        """
        named = [entry for entry in self.entries if entry.metric in (label, metric)]
        kept = named or [entry for entry in self.entries if entry.metric is None]
        if not kept:
            known = sorted({str(entry.metric) for entry in self.entries})
            close = nearest(label, known)
            hint = f"did you mean {quote(close)}?" if close else f"it has labels of {', '.join(known[:5])}"
            raise SpecError(Problem(self.path, f"no label is of {quote(label)}", hint))
        number = _preference(kept) if metric == "pairwise" else _number
        problems, of_id, weights, outputs = [], dict[str, list[float]](), dict[str, float](), dict[str, str | None]()
        for entry in kept:
            value = number(entry.label)
            if value is None:
                told = "A, B or tie" if metric == "pairwise" else "a number, or yes and no"
                what = f"the label of {quote(entry.id)} is {quote(entry.label)}, not {told}"
                problems.append(Problem(f"{self.path}:{entry.line}", what))
            else:
                of_id.setdefault(entry.id, []).append(value)
                outputs.setdefault(entry.id, entry.output)
                if entry.weight is not None:
                    weights[entry.id] = entry.weight
        if problems:
            raise SpecError(problems)
        ids = tuple(of_id)
        raters = {entry.rater for entry in kept if entry.rater is not None}
        return Chosen(
            ids,
            np.array([math.fsum(values) / len(values) for values in of_id.values()]),
            np.array([float(np.median(values)) for values in of_id.values()]),
            tuple(outputs[one] for one in ids),
            np.array([weights[one] for one in ids]) if len(weights) == len(ids) else None,
            max(len(raters), max(map(len, of_id.values()))),
        )


def read_people(path: Path) -> People:
    """The labels of a file.

    Raises:
        SpecError: it cannot be read, or holds no labels.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SpecError(Problem(str(path), f"the labels cannot be read ({error.strerror})")) from error
    lines = data.decode("utf-8-sig", "replace").splitlines()
    told: Iterable[tuple[int, Mapping[str, Any]]]
    if path.suffix in (".csv", ".tsv"):
        told = enumerate(csv.DictReader(lines), 2)
    else:
        told = [(at, json.loads(line)) for at, line in enumerate(lines, 1) if line.strip()]
    entries = tuple(
        Entry(
            at, str(one["id"]), one.get("metric") or None, one.get("label"), one.get("rater") or None, one.get("output"),
            float(one["sampling_weight"]) if one.get("sampling_weight") not in (None, "") else None,
        )
        for at, one in told
    )  # fmt: skip
    return People(str(path), hashlib.sha256(data).hexdigest(), entries)


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, (int, float)):
        return float(value) if math.isfinite(value) else None
    text = str(value).strip().casefold()
    if text in _WORDS:
        return _WORDS[text]
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _preference(entries: Sequence[Entry]) -> Any:
    """How verdicts on pairs are read: A, B and tie; 1, 2 and 0; or, where a label lies between 0 and 1, as a share of wins."""
    numbers = [_number(entry.label) for entry in entries if str(entry.label).strip().casefold() not in _PREFERENCE]
    shares = any(value is not None and 0.0 < value < 1.0 for value in numbers)

    def read(value: Any) -> float | None:
        told = _PREFERENCE.get(str(value).strip().casefold())
        if told is not None:
            return told
        found = _number(value)
        if shares:
            return found if found is not None and 0.0 <= found <= 1.0 else None
        return _NUMBERED.get(found) if found is not None else None

    return read
