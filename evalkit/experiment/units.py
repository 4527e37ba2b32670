"""From rows to sums: each unit's rows are added up once, and what metrics need of all units is asked of that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evalkit.experiment.columns import Columns
from evalkit.experiment.overview import Overview
from evalkit.experiment.quantiles import quantile_arms
from evalkit.experiment.spec import MetricSpec
from evalkit.logs.read import Log, literal
from evalkit.stats.experiment import Arm, Moments

DAY = 86_400.0  # seconds


@dataclass
class Sums:
    """What the metrics need of the units; every list has an entry a variant.

    Attributes:
        units: how many there are.
        crossed: units that were seen in several variants, and are left out everywhere.
        moments: of metrics that are ratios of sums.
        whole: metrics of which a unit is worth exactly 0 or 1.
        quantiles: the arms of the others.
        unobserved: units whose last wanted day lies beyond the end of the log.
        covered: units whose covariate is known.
    """

    units: list[int]
    crossed: int = 0
    moments: dict[str, list[Moments]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    quantiles: dict[str, list[Arm]] = field(default_factory=dict)
    unobserved: dict[str, int] = field(default_factory=dict)
    covered: dict[str, int] = field(default_factory=dict)


def sums_of(columns: Columns, overview: Overview, only: str | None = None) -> Sums:
    """The sums of all units, or of the rows in one slice; who is in several variants is found on the first, whole, call."""
    log, question, k = columns.log, columns.question, len(overview.variants)
    source = "rows" if only is None else f"(SELECT * FROM rows WHERE s = {literal(only)})"
    if not question.unit:
        parts = "".join(f", {sql} AS {name}" for name, sql in _of_row(columns).items())
        units = f"(SELECT v{parts} FROM {source})"
        sums = Sums(_counts(log, units, k))
    else:
        units = "units"
        firsts = [f"min({columns.short[time]}) AS first_{columns.short[time]}" for time in columns.times]
        parts = "".join(f", {told}" for told in [*(f"{sql} AS {name}" for name, sql in _of_unit(columns).items()), *firsts])
        log.run(f"CREATE OR REPLACE TEMP TABLE units AS SELECT u, min(v) AS v, max(v) AS w{parts} FROM {source} GROUP BY u")
        if only is None:
            log.run("CREATE OR REPLACE TEMP TABLE crossed AS SELECT u FROM units WHERE v <> w")
        crossed = int(log.rows("SELECT count(*) FROM crossed")[0][0])
        if crossed:
            log.run("DELETE FROM units WHERE u IN (SELECT u FROM crossed)")
            source = f"(SELECT * FROM {source} ANTI JOIN crossed USING (u))"
        sums = Sums(_counts(log, units, k), crossed)
    _add_ratios(columns, sums, units, k)
    for place, spec in enumerate(question.metrics):
        if spec.kind == "retention":
            _add_retention(columns, sums, source, place, overview)
        elif spec.kind == "quantile":
            x = columns.of(spec)[0]
            sums.quantiles[spec.name] = quantile_arms(log, x, spec.level, source, k, unit=bool(question.unit))
    return sums


def _counts(log: Log, units: str, k: int) -> list[int]:
    found = dict(log.rows(f"SELECT v, count(*) FROM {units} GROUP BY v"))
    return [int(found.get(place, 0)) for place in range(k)]


# --- a unit's numbers: numerator n, usable rows c (the denominator of a mean), denominator d of a ratio; covariate a over b


def _of_unit(columns: Columns) -> dict[str, str]:
    found: dict[str, str] = {}
    for place, spec in enumerate(columns.question.metrics):
        shorts = columns.covariate(spec)
        if len(shorts) == 2:
            both = " AND ".join(f"{short} IS NOT NULL" for short in shorts)
            found |= {f"{letter}{place}": f"sum({short}) FILTER ({both})" for letter, short in zip("ab", shorts)}
        elif shorts:
            found[f"a{place}"] = f"avg({shorts[0]})"
        if spec.kind in ("quantile", "retention"):
            continue
        x, *under = columns.of(spec)
        if under:
            only = f"FILTER ({columns.present(spec)})"
            found |= {f"c{place}": f"count(*) {only}", f"n{place}": f"sum({x}) {only}", f"d{place}": f"sum({under[0]}) {only}"}
        elif spec.kind == "satisfaction":
            found |= {f"c{place}": f"count(*) FILTER ({x} <> 0)", f"n{place}": f"count(*) FILTER ({x} > 0)"}
        else:
            found |= {f"c{place}": f"count({x})", f"n{place}": f"max({x})" if spec.kind == "any" else f"sum({x})"}
    return found


def _of_row(columns: Columns) -> dict[str, str]:
    found: dict[str, str] = {}
    for place, spec in enumerate(columns.question.metrics):
        found |= {f"{letter}{place}": short for letter, short in zip("ab", columns.covariate(spec))}
        if spec.kind in ("quantile", "retention"):
            continue
        x, *under = columns.of(spec)
        found[f"c{place}"] = f"CAST({columns.present(spec)} AS INTEGER)"
        found[f"n{place}"] = f"CAST({x} > 0 AS INTEGER)" if spec.kind == "satisfaction" else x
        found |= {f"d{place}": short for short in under}
    return found


# --- all units' means and covariances --------------------------------------------------------------------------------


def _add_ratios(columns: Columns, sums: Sums, units: str, k: int) -> None:
    """Every metric that is a ratio of sums, in one query over the units."""
    wanted, places = ["v"], []
    for place, spec in enumerate(columns.question.metrics):
        if spec.kind in ("quantile", "retention"):
            continue
        under = f"d{place}" if len(spec.columns) == 2 else "1" if spec.kind in ("any", "total") else f"c{place}"
        numbers = [f"n{place}", under]
        numbers += _covariate(columns.log, spec, units, f"a{place}", f"b{place}", f"c{place} > 0", sums)
        only = f" FILTER (c{place} > 0)"
        places.append((spec, len(wanted), len(numbers)))
        wanted += [f"{told}{only}" for told in (f"max({under})", *moments_sql(numbers))]
    if not places:
        return
    found = {row[0]: row for row in columns.log.rows(f"SELECT {', '.join(wanted)} FROM {units} GROUP BY v")}
    for spec, start, size in places:
        arms = [moments_of(found[v][start + 1 :], size) if v in found else nobody(size) for v in range(k)]
        sums.moments[spec.name] = arms
        ones = all(row[start] is None or row[start] <= 1 for row in found.values())
        if ones and spec.kind in ("any", "proportion", "satisfaction") and not spec.covariate:
            sums.whole.add(spec.name)


def _covariate(log: Log, spec: MetricSpec, units: str, a: str, b: str, known: str, sums: Sums) -> list[str]:
    """The covariate of a unit, in SQL; where it is not known, the mean of those known, which moves nothing."""
    if not spec.covariate:
        return []
    ratio = len(spec.covariate) == 2
    told = f"avg({a}), {f'avg({b})' if ratio else '1'}, count({a})"
    ((over, under, n),) = log.rows(f"SELECT {told} FROM {units} WHERE {known}")
    sums.covered[spec.name] = sums.covered.get(spec.name, 0) + int(n)
    return [f"coalesce({a}, {float(over or 0.0)!r})", f"coalesce({b}, {float(under or 0.0)!r})" if ratio else "1"]


def _add_retention(columns: Columns, sums: Sums, source: str, place: int, overview: Overview) -> None:
    """Who is back: a unit counts where its last wanted day has ended before the log does."""
    spec, log = columns.question.metrics[place], columns.log
    t, (first, last), end = columns.of(spec)[0], spec.days, overview.span[1] if overview.span else 0.0
    until = f"units.first_{t} + {(last + 1) * DAY!r}"
    log.run(
        "CREATE OR REPLACE TEMP TABLE back AS SELECT DISTINCT r.u AS u "
        f"FROM {source} AS r JOIN units ON r.u = units.u WHERE r.{t} >= units.first_{t} + {first * DAY!r} AND r.{t} < {until}"
    )
    covariate = "".join(f", {letter}{place} AS {letter}" for letter, _ in zip("ab", spec.covariate))
    retained = (
        f"(SELECT v, CAST(back.u IS NOT NULL AS INTEGER) AS n, {until} <= {end!r} AS c{covariate} "
        f"FROM units LEFT JOIN back ON units.u = back.u WHERE units.first_{t} IS NOT NULL)"
    )
    numbers = ["n", "1", *_covariate(log, spec, retained, "a", "b", "c", sums)]
    told = ", ".join(moments_sql(numbers))
    rows = log.rows(f"SELECT v, c, {told} FROM {retained} GROUP BY v, c")
    sums.unobserved[spec.name] = sum(int(row[2]) for row in rows if not row[1])
    found = {row[0]: row[2:] for row in rows if row[1]}
    size = len(numbers)
    sums.moments[spec.name] = [
        moments_of(found[v], size) if v in found else nobody(size) for v in range(len(overview.variants))
    ]
    if not spec.covariate:
        sums.whole.add(spec.name)
    log.run("DROP TABLE back")


def moments_sql(numbers: Sequence[str]) -> list[str]:
    """The aggregates that `moments_of` reads: count, means, the upper triangle of covariances."""
    size = len(numbers)
    pairs = [(i, j) for i in range(size) for j in range(i, size)]
    means = [f"avg({number})" for number in numbers]
    return ["count(*)", *means, *(f"covar_samp({numbers[i]}, {numbers[j]})" for i, j in pairs)]


def moments_of(row: Sequence[Any], size: int) -> Moments:
    """The moments of ``size`` numbers from a row that begins with `moments_sql`'s aggregates; NULL is NaN."""
    matrix = np.full((size, size), np.nan)
    pairs = [(i, j) for i in range(size) for j in range(i, size)]
    for (i, j), value in zip(pairs, row[1 + size :]):
        matrix[i, j] = matrix[j, i] = math.nan if value is None else value
    return Moments(int(row[0]), np.array([math.nan if mean is None else mean for mean in row[1 : 1 + size]]), matrix)


def nobody(size: int) -> Moments:
    """The moments of no unit."""
    return Moments(0, np.full(size, np.nan), np.full((size, size), np.nan))
