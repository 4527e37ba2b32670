"""A first look at a log, in one pass: its variants, its faults, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.experiment.columns import Columns, allowed_values
from evalkit.experiment.spec import MetricSpec
from evalkit.logs.read import identifier, literal

MOST_VARIANTS = 100


@dataclass(frozen=True)
class Overview:
    """Variants in order, control first, and what cannot be used.

    Attributes:
        missing: rows without a value, by metric.
        span: first and last time as seconds since 1970, where the question reads times.
    """

    variants: tuple[str, ...]
    rows: int
    without_variant: int
    without_unit: int
    other_variants: int
    missing: dict[str, int]
    span: tuple[float, float] | None = None


def look(columns: Columns) -> Overview:
    """Look at the log; the table ``rows`` is there after it: v (the variant's place), u (the unit), s (the slice), x0, x1 …

    Raises:
        SpecError: the control is no variant, there are too few or too many, or a value cannot be what its metric needs.
    """
    log, question = columns.log, columns.question
    name = columns.variant
    told = [f"count(*) FILTER ({'u IS NULL' if question.unit else 'false'})"]
    for spec in question.metrics:
        told += [f"count(*) FILTER (NOT ({columns.present(spec)}))", f"count(*) FILTER ({columns.odd(spec)})"]
    for time in columns.times:
        told += [f"min({columns.short[time]})", f"max({columns.short[time]})"]
    inner = f"SELECT {columns.selected(f'{name} AS name')} FROM {columns.source}"
    groups = log.rows(
        f"SELECT name, count(*), {', '.join(told)} FROM ({inner}) GROUP BY name "
        f"ORDER BY count(*) DESC, name LIMIT {MOST_VARIANTS + 2}"
    )
    overview = _overview(columns, groups)
    cases = " ".join(f"WHEN {literal(variant)} THEN {place}" for place, variant in enumerate(overview.variants))
    slice_ = f", CAST({identifier(question.by)} AS VARCHAR) AS s" if question.by else ""
    chosen = columns.selected(f"CAST(CASE {name} {cases} END AS TINYINT) AS v{slice_}")
    known = "v IS NOT NULL" + (" AND u IS NOT NULL" if question.unit else "")
    kind = "TABLE" if log.text else "VIEW"  # a text is read once more and then no more
    log.run(f"CREATE OR REPLACE TEMP {kind} rows AS SELECT * FROM (SELECT {chosen} FROM {columns.source}) WHERE {known}")
    return overview


def slices(columns: Columns, most: int) -> list[str]:
    """The values of the slicing column with most rows."""
    sql = f"SELECT s FROM rows WHERE s IS NOT NULL GROUP BY s ORDER BY count(*) DESC, s LIMIT {int(most)}"
    return [str(name) for (name,) in columns.log.rows(sql)]


def _overview(columns: Columns, groups: Sequence[tuple[Any, ...]]) -> Overview:
    question = columns.question
    found = {str(group[0]): group for group in groups if group[0] is not None}
    rows = sum(group[1] for group in groups)
    if not rows:
        raise SpecError(Problem(columns.log.label, "has no rows"))
    variants = _variants(columns, {name: group[1] for name, group in found.items()})
    used = [found[name] for name in variants]
    missing = {}
    for place, spec in enumerate(question.metrics):
        missing[spec.name] = sum(group[3 + 2 * place] for group in used)
        odd = sum(group[4 + 2 * place] for group in used)
        if odd:
            raise SpecError(_odd(columns, spec, odd))
    ends = [end for group in used for end in group[3 + 2 * len(question.metrics) :] if end is not None]
    return Overview(
        variants=variants,
        rows=rows,
        without_variant=sum(group[1] for group in groups if group[0] is None),
        without_unit=sum(group[2] for group in used),
        other_variants=sum(group[1] for name, group in found.items() if name not in variants),
        missing=missing,
        span=(min(ends), max(ends)) if ends else None,
    )


def _variants(columns: Columns, found: dict[str, int]) -> tuple[str, ...]:
    """The control, then its treatments: as they were asked for, else by name."""
    question = columns.question
    where = f"--variant {quote(question.variant)}"
    if len(found) > MOST_VARIANTS:
        raise SpecError(Problem(where, f"has more than {MOST_VARIANTS} values", "name the column that says who got what"))
    listed = ", ".join(f"{quote(name, 40)} ({n:,} rows)" for name, n in list(found.items())[:10])
    for option, name in (("--control", question.control), *(("--treatment", name) for name in question.treatments)):
        if name not in found:
            close = nearest(name, found)
            hint = (f"did you mean {quote(close)}? " if close else "") + (f"it has {listed}" if found else "it is empty")
            what = f"is no value of the column {quote(question.variant)}"
            raise SpecError(Problem(f"{option} {quote(name)}", what, hint))
    others = dict.fromkeys(question.treatments or sorted(found))
    variants = (question.control, *(name for name in others if name != question.control))
    if len(variants) < 2 and question.variant:
        raise SpecError(Problem(where, f"has one value only, {listed}", "an experiment needs a control and a treatment"))
    return variants


def _odd(columns: Columns, spec: MetricSpec, n: int) -> Problem:
    x, allowed = columns.of(spec)[0], allowed_values(spec)
    sql = (
        f"SELECT min({x}) FROM (SELECT {columns.value(spec.columns[0])} AS {x} FROM {columns.source}) WHERE {columns.odd(spec)}"
    )
    example = columns.log.rows(sql)[0][0]
    what = f"{n:,} rows are neither {' nor '.join(allowed)}, for instance {example:g}"
    return Problem(spec.name, what, f"{spec.columns[0]}:mean takes any number")
