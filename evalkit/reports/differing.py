"""Comparisons as every report tells them: each number in words, and one sentence for each verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evalkit.core.compared import Changed, Compared, Comparison, Comparisons, Unlike
from evalkit.reports import numbers
from evalkit.reports.safe import one_line
from evalkit.stats.power import about

SLICES = 40  # rows of slices that a report shows


@dataclass(frozen=True)
class DifferenceRow:
    """One difference in words."""

    name: str
    value: Compared
    a_text: str
    b_text: str
    diff_text: str
    interval_text: str  # "" where there is none
    p_text: str
    adjusted_text: str
    verdict: str
    note: str  # the test, what changed, what more would tell
    of: str = ""  # the slice it is over


@dataclass(frozen=True)
class ComparisonView:
    """One run against the baseline, in words."""

    comparison: Comparison
    title: str  # "b against a"
    headline: str  # "2 better, 1 worse, 3 inconclusive"
    records: str  # how the records matched
    rows: tuple[DifferenceRow, ...]
    slices: tuple[DifferenceRow, ...]
    unlike: tuple[Unlike, ...]
    changed: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]  # metric → "lost" and "gained" in words
    notes: tuple[str, ...]


def view(one: Comparison) -> ComparisonView:
    """A comparison in words."""
    rows = tuple(difference_row(name, value) for name, value in one.metrics.items())
    sliced = [
        difference_row(name, value, of=" · ".join(f"{key}={_plain(told)}" for key, told in part.by.items()))
        for part in one.slices
        for name, value in part.metrics.items()
    ]
    changed = tuple(
        (one_line(name, 100), tuple((side, said) for side in ("lost", "gained") if (said := _moved(sides.get(side, ())))))
        for name, sides in one.changed.items()
    )
    return ComparisonView(
        one,
        f"{one.b.run_id} against {one.a.run_id}",
        headline(one),
        matched_words(one),
        rows,
        tuple(sliced),
        tuple(one.unlike),
        tuple((name, sides) for name, sides in changed if sides),
        tuple(one_line(note, 300) for note in one.notes),
    )


def headline(one: Comparison) -> str:
    """``2 better, 1 worse, 3 inconclusive``, of the main values."""
    mains = [value for value in one.metrics.values() if value.main] or list(one.metrics.values())
    tally = {verdict: sum(value.verdict == verdict for value in mains) for verdict in ("worse", "better", "equivalent")}
    told = [f"{count} {verdict}" for verdict, count in tally.items() if count]
    left = len(mains) - sum(tally.values())
    if left:
        told.append(f"{left} inconclusive" if told or left > 1 else "inconclusive")
    return ", ".join(told) or "nothing to compare"


def matched_words(one: Comparison) -> str:
    """``300 records in both, 12 only in a (q-1, q-2 …), 3 only in b``."""
    told = [f"{numbers.counted(one.matched.n, 'record')} in both"]
    if one.matched.clusters is not None and one.matched.clusters < one.matched.n:
        told[0] += f", in {numbers.counted(one.matched.clusters, 'cluster')}"
    for count, ids, side in ((one.matched.only_a, one.matched.ids_a, "a"), (one.matched.only_b, one.matched.ids_b, "b")):
        if count:
            listed = ", ".join(one_line(name, 40) for name in ids) + (" …" if count > len(ids) else "")
            told.append(f"{numbers.count(count)} only in {side}{f' ({listed})' if ids else ''}")
    return ", ".join(told)


def difference_row(name: str, value: Compared, of: str = "") -> DifferenceRow:
    """One difference; the interval's width decides the digits."""
    low, high = value.ci or (math.nan, math.nan)
    digits = numbers.decimals(value.diff, low, high, width=high - low) if math.isfinite(low) else numbers.decimals(value.diff)
    digits = max(min(digits, 6), min(numbers.decimals(value.a, value.b), 3))
    return DifferenceRow(
        name=one_line(name, 100),
        value=value,
        a_text=numbers.number(value.a, digits),
        b_text=numbers.number(value.b, digits),
        diff_text=numbers.signed(value.diff, digits) if math.isfinite(value.diff) else numbers.NOTHING,
        interval_text=numbers.signed_interval(low, high, digits) if value.ci else "",
        p_text=numbers.p_value(value.p),
        adjusted_text=numbers.p_value(value.p_adjusted),
        verdict=value.verdict,
        note=said(value, digits),
        of=one_line(of, 80),
    )


def said(value: Compared, digits: int) -> str:
    """What stands behind a verdict: why, the test, the records that moved, and what more records would tell."""
    told = [value.why, value.test]
    if value.gained or value.lost:
        told.append(f"{numbers.count(value.gained)} up, {numbers.count(value.lost)} down")
    if value.verdict == "inconclusive" and value.comparable:
        if math.isfinite(value.mde) and value.mde > 0:
            told.append(f"would detect {numbers.number(value.mde, digits)}")
        if value.needed is not None and value.needed > value.n and value.n:
            size = f"{value.margin:g}" if value.margin is not None else "this difference, if real,"
            told.append(f"{size} takes about {numbers.count(about(value.needed))} records")
    if value.higher_is_better is False:
        told.append("lower is better")
    return "; ".join(part for part in told if part)


def families_words(found: Comparisons) -> str:
    """What p values were adjusted for, in a sentence."""
    if found.adjusted == "none":
        return "p values are not adjusted: of twenty true nulls one is called a difference"
    names = {"metrics": "main value", "parts": "further part", "slices": "slice"}
    by: dict[str, list[str]] = {}
    for family, size in found.families.items():
        method = "Benjamini–Hochberg" if found.adjusted == "bh" or family == "slices" else "Holm"
        if size:
            by.setdefault(method, []).append(numbers.counted(size, names.get(family, family)))
    told = [f"by {method} over {' and over '.join(families)}" for method, families in by.items()]
    return f"adjusted {', '.join(told)}" if told else ""


def telling(rows: Sequence[DifferenceRow]) -> list[DifferenceRow]:
    """The slices that say something: better or worse, the surest first; at most `SLICES`."""
    found = [row for row in rows if row.verdict in ("better", "worse")]
    return sorted(found, key=lambda row: row.value.p_adjusted)[:SLICES]


def unlike_words(one: Unlike) -> str:
    """``data: a.jsonl 1f2e → b.jsonl 9c3d``."""
    return f"{one_line(one.what, 80)}: {one_line(one.a, 120)} → {one_line(one.b, 120)}"


def _moved(listed: Iterable[Changed]) -> str:
    """``q-017 5 → 1, q-203 4 → 2``."""
    return ", ".join(f"{one_line(one.id, 40)} {numbers.score(one.a)} → {numbers.score(one.b)}" for one in listed)


def _plain(value: object) -> str:
    return "(none)" if value is None or value == "" else str(value)


def by_slice(rows: Sequence[DifferenceRow]) -> Mapping[str, list[DifferenceRow]]:
    """The rows of slices by metric."""
    found: dict[str, list[DifferenceRow]] = {}
    for row in rows:
        found.setdefault(row.name, []).append(row)
    return found
