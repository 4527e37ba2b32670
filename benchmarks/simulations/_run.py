"""What every family of simulations shares: cases, measured rates with their bars and Monte Carlo error, and how they are run.

A family is a module of this folder without a leading underscore, with

    NAME       of the section, "False positives of paired tests"
    cases()    the `Case`s, in the order of the table
    simulate(case, rng)    a dict of `Measure`s by column: `rate(…)`, `figure(…)`

and a docstring that says what is simulated. ``rng`` depends on the family's and the case's name alone, so a case has the same
digits whatever else is run. `case.trials` is already small in a quick run.
"""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

SEED = 20_261_123
QUICK = 40  # so many times fewer trials
LEAST = 10


@dataclass(frozen=True)
class Case:
    """One row: its name in the table, how many data sets, and what the family needs to draw them."""

    name: str
    trials: int
    given: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.given[name]


@dataclass(frozen=True)
class Bar:
    """What a measure promises to lie in; None on a side that is open."""

    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None:
            return f"≤ {self.high:g}"
        return f"≥ {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"

    def holds(self, value: float) -> bool:
        """NaN holds nothing."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high) and value == value


@dataclass(frozen=True)
class Measure:
    """A figure, its Monte Carlo standard error, and the bar, if it has one."""

    value: float
    error: float
    bar: Bar | None = None
    digits: int = 3

    @property
    def met(self) -> bool | None:
        return None if self.bar is None else self.bar.holds(self.value)


def rate(hits: Any, trials: int | None = None, *, bar: Bar | None = None) -> Measure:
    """A share of trials: of an array of booleans (NaN is left out), or of counts."""
    if trials is None:
        told = np.asarray(hits, dtype=np.float64)
        told = told[~np.isnan(told)]
        count, total = float(told.sum()), len(told)
    else:
        count, total = float(hits), trials
    if not total:
        return Measure(math.nan, math.nan, bar)
    share = count / total
    near = (count + 1.0) / (total + 2.0)  # so that 0 of many has an error too
    return Measure(share, math.sqrt(near * (1.0 - near) / total), bar)


def figure(values: Any, *, bar: Bar | None = None, digits: int = 3) -> Measure:
    """The mean of one number per trial."""
    told = np.asarray(values, dtype=np.float64)
    error = float(told.std(ddof=1) / math.sqrt(len(told))) if len(told) > 1 else math.nan
    return Measure(float(told.mean()) if len(told) else math.nan, error, bar, digits)


def at_most(high: float) -> Bar:
    return Bar(high=high)


def at_least(low: float) -> Bar:
    return Bar(low=low)


def within(low: float, high: float) -> Bar:
    return Bar(low, high)


# --- running ---------------------------------------------------------------------------------------------------------


def families() -> dict[str, ModuleType]:
    """All of them, by the name of their file."""
    names = sorted(found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)]) if not found.name.startswith("_"))
    return {name: importlib.import_module(f"simulations.{name}") for name in names}


def run_case(module: str, at: int, quick: bool) -> dict[str, Any]:
    """One case of a family, in this process."""
    family = importlib.import_module(f"simulations.{module}")
    case = list(family.cases())[at]
    if quick:
        case = Case(case.name, max(LEAST, case.trials // QUICK), case.given)
    rng = np.random.default_rng([SEED, zlib.crc32(f"{family.NAME}\0{case.name}".encode())])
    clock = time.perf_counter()
    found: Mapping[str, Measure] = family.simulate(case, rng)
    return {
        "case": case.name,
        "trials": case.trials,
        "seconds": round(time.perf_counter() - clock, 2),
        "measures": {name: _told(measure, quick) for name, measure in found.items()},
    }


def told(family: ModuleType, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A family with its rows, for the file of results."""
    return {
        "name": family.NAME,
        "about": inspect.cleandoc(family.__doc__ or ""),
        "seconds": round(sum(row["seconds"] for row in rows), 1),
        "rows": list(rows),
    }


def _told(measure: Measure, quick: bool) -> dict[str, Any]:
    return {
        "value": _number(measure.value),
        "error": _number(measure.error),
        "bar": str(measure.bar) if measure.bar else None,
        "met": None if quick else measure.met,
        "digits": measure.digits,
    }


def _number(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None


# --- the page --------------------------------------------------------------------------------------------------------


def section(family: Mapping[str, Any]) -> list[str]:
    """The Markdown section of one family: what is simulated, and a table of cases by measures."""
    columns = list(dict.fromkeys(name for row in family["rows"] for name in row["measures"]))
    bars = {
        name: list(dict.fromkeys(row["measures"][name]["bar"] for row in family["rows"] if name in row["measures"]))
        for name in columns
    }
    heads = [f"{name} ({bars[name][0]})" if len(bars[name]) == 1 and bars[name][0] else name for name in columns]
    lines = [f"## {family['name']}", "", family["about"], ""]
    lines += [f"| case | data sets | {' | '.join(heads)} |", "| --- | ---: |" + " ---: |" * len(columns)]
    for row in family["rows"]:
        cells = [_cell(row["measures"].get(name), shared=len(bars[name]) == 1) for name in columns]
        lines.append(f"| {row['case']} | {row['trials']:,} | {' | '.join(cells)} |")
    return [*lines, ""]


def _cell(measure: Mapping[str, Any] | None, *, shared: bool) -> str:
    """A figure with twice its Monte Carlo error; its bar where the column has several; bold where it is missed."""
    if measure is None:
        return ""
    if measure["value"] is None:
        return "–"
    digits = measure["digits"]
    shown = f"{measure['value']:.{digits}f}"
    if measure["error"] is not None:
        shown += f" ± {2.0 * measure['error']:.{digits}f}"
    if measure["bar"] and not shared:
        shown += f" ({measure['bar']})"
    return f"**{shown} missed**" if measure["met"] is False else shown
