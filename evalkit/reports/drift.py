"""Two sets of logs compared, in words: what every report of a drift shows, number by number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from evalkit.core.drift import GROUPS, Drift, Finding, Off, Side, Term
from evalkit.reports import numbers
from evalkit.reports.safe import one_line

State = Literal["drifted", "unclear", "slight", "steady"]

NAME = 60  # characters of a signal's name, with its slice
TERMS = 12  # terms of a signal that a page shows
EXAMPLES = 3  # texts that show a term
MEANINGS: dict[State, str] = {
    "drifted": "chance does not explain it, and it is large enough to matter",
    "unclear": "it looks large, but chance may explain it: too few rows to tell",
    "slight": "it is no chance, but too small to matter",
    "steady": "neither more than chance nor large",
}


@dataclass(frozen=True)
class TermRow:
    """A term or topic that grew, shrank or is new, in words."""

    text: str
    change: str  # "0.4% → 3.1%"
    how: Literal["new", "more", "less"]
    examples: tuple[str, ...]

    @property
    def told(self) -> str:
        """The term and its shares on one line."""
        return f"{self.text} {self.change}"


@dataclass(frozen=True)
class SignalRow:
    """One finding in words."""

    finding: Finding
    name: str  # with its slice
    state: State
    before: str
    after: str
    unit: str
    moved: str  # "+21%", "+5.2 points"; "" where a difference says nothing
    effect: str  # "psi 0.31"
    bound: str  # "≥ 0.10"
    p: str
    test: str
    why: str
    slices: str  # which slices it is strongest on; "" where none drifted
    terms: tuple[TermRow, ...]

    @property
    def change(self) -> str:
        """``412 → 498 characters``; an en dash where the signal has no value of its own."""
        if self.before == self.after == numbers.NOTHING:
            return numbers.NOTHING
        return f"{self.before} → {self.after} {self.unit}".rstrip()

    @property
    def rows(self) -> str:
        """How many rows there were on both sides."""
        return f"{numbers.count(self.finding.n_reference)} → {numbers.count(self.finding.n_current)}"


@dataclass(frozen=True)
class DriftView:
    """A comparison of logs as its reports tell it; every text that others wrote must still be escaped."""

    drift: Drift
    headline: str
    reference: str
    current: str
    groups: tuple[tuple[str, tuple[SignalRow, ...]], ...]  # drifted rows first in each
    off: tuple[tuple[str, tuple[str, ...]], ...]  # why → the signals it holds of
    notes: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]

    @property
    def rows(self) -> tuple[SignalRow, ...]:
        """Every row, group by group."""
        return tuple(row for _, rows in self.groups for row in rows)

    @property
    def drifted(self) -> tuple[SignalRow, ...]:
        """The rows that drifted, the largest effect over its threshold first."""
        found = [row for row in self.rows if row.state == "drifted"]
        return tuple(sorted(found, key=lambda row: -_times(row.finding)))


def view(drift: Drift) -> DriftView:
    """Put a comparison in words."""
    rows = [row_of(one, drift) for one in shown(drift)]
    order = [*GROUPS, *sorted({row.finding.group for row in rows} - set(GROUPS))]
    groups = {group: [row for row in rows if row.finding.group == group] for group in order}
    return DriftView(
        drift=drift,
        headline=headline(drift),
        reference=side_words(drift.reference),
        current=side_words(drift.current),
        groups=tuple(
            (name, tuple(sorted(found, key=lambda row: row.state != "drifted"))) for name, found in groups.items() if found
        ),
        off=off_words(drift.off),
        notes=tuple(one_line(note, 600) for note in drift.notes),
        facts=tuple(_facts(drift)),
    )


def shown(drift: Drift) -> list[Finding]:
    """The findings that get a row: each signal over all rows, and slices that drifted where the whole did not."""
    whole = {one.name: one for one in drift.whole}
    return [
        one for one in drift.findings if not one.by or one.name not in whole or (one.drifted and not whole[one.name].drifted)
    ]


def headline(drift: Drift) -> str:
    """``drifted: 3 of 18 signals``; a signal that drifted on one slice only counts."""
    names = {one.name for one in drift.findings}
    moved = {one.name for one in drift.findings if one.drifted}
    total = numbers.counted(len(names), "signal")
    if not names:
        return "no drift can be told: no signal could be compared"
    return f"drifted: {len(moved)} of {total}" if moved else f"no drift: {total} compared"


def state_of(one: Finding, level: float) -> State:
    """A finding by its two questions: is it more than chance, and does it matter?"""
    if one.drifted:
        return "drifted"
    if one.value >= one.threshold:
        return "unclear"
    return "slight" if one.q <= level else "steady"


def row_of(one: Finding, drift: Drift) -> SignalRow:
    """One finding in words."""
    before, after = amounts(one.before, one.after, one.unit)
    digits = max(numbers.decimals(one.threshold) - 1, 2) if one.threshold > 0 else 3
    bound = f"{'≥' if one.value >= one.threshold else '<'} {numbers.number(one.threshold, digits)}"
    return SignalRow(
        finding=one,
        name=one_line(one.label, NAME),
        state=state_of(one, drift.level),
        before=before,
        after=after,
        unit="" if one.unit == "share" else one_line(one.unit, 30),
        moved=moved_words(one.before, one.after, one.unit),
        effect=f"{one_line(one.statistic, 24)} {numbers.number(one.value, digits)}",
        bound=bound if math.isfinite(one.value) and math.isfinite(one.threshold) else "",
        p=numbers.p_value(one.q),
        test=one_line(one.test, 80),
        why=one_line(one.why, 400),
        slices="" if one.by else slice_words(drift.slices_of(one.name)),
        terms=tuple(map(term_row, one.terms[:TERMS])),
    )


def amounts(before: float, after: float, unit: str) -> tuple[str, str]:
    """Both values of a signal with as many digits as tell them apart; shares are percentages."""
    if unit == "share":
        one, two = 100.0 * before, 100.0 * after
        digits = _percent_digits(one, two)
        return _percent(one, digits), _percent(two, digits)
    gap = abs(after - before)
    digits = numbers.decimals(before, after, width=gap if math.isfinite(gap) else 0.0)
    if all(math.isfinite(x) and x == int(x) for x in (before, after)):
        digits = 0
    return numbers.number(before, digits), numbers.number(after, digits)


def amount(value: float, unit: str) -> str:
    """One value of a signal with its unit: ``412 characters``, ``3.1%``."""
    if unit == "share":
        return _percent(100.0 * value, max(numbers.decimals(100.0 * value) - 1, 1))
    told, _ = amounts(value, value, unit)
    return told if told == numbers.NOTHING else f"{told} {one_line(unit, 30)}".rstrip()


def moved_words(before: float, after: float, unit: str) -> str:
    """How far a value moved: in points where it is a share, in percent where it is a size."""
    if not (math.isfinite(before) and math.isfinite(after)):
        return ""
    if unit == "share":
        gap = 100.0 * (after - before)
        return f"{numbers.signed(gap, _percent_digits(gap, gap))} points"
    if before > 0 and after > 0:
        gap = 100.0 * (after / before - 1.0)
        return (
            f"{numbers.signed(gap, 0 if abs(gap) >= 10 else 1)}%" if abs(gap) < 1_000 else f"× {numbers.number(after / before)}"
        )
    return ""


def share_words(before: float, after: float) -> str:
    """``0.4% → 3.1%``."""
    return " → ".join(amounts(before, after, "share"))


def term_row(term: Term) -> TermRow:
    """A term in words."""
    how: Literal["new", "more", "less"] = "less" if term.current < term.reference else "more" if term.reference > 0 else "new"
    return TermRow(
        one_line(term.text, 80) or "(empty)",
        share_words(term.reference, term.current),
        how,
        tuple(one_line(text, 300) for text in term.examples[:EXAMPLES]),
    )


def slice_words(slices: Sequence[Finding]) -> str:
    """``most on model=b (psi 0.61), then language=de (psi 0.20)``: the slices that drifted, the largest effects first."""
    moved = [one for one in slices if one.drifted]
    told = [f"{one_line(by_words(one.by), NAME)} ({_effect(one)})" for one in moved[:3]]
    if not told:
        return ""
    text = f"most on {told[0]}" + (f", then {', '.join(told[1:])}" if told[1:] else "")
    still = [one for one in slices if not one.drifted and set(one.by) == set(moved[0].by)]
    if len(moved) > 3:
        text += f" and {len(moved) - 3} more"
    if still:
        text += f"; not on {', '.join(one_line(by_words(one.by), 40) for one in still[:2])}"
        text += f" and {len(still) - 2} more" if len(still) > 2 else ""
    return text


def by_words(by: Mapping[str, str]) -> str:
    """``model=b, language=de``."""
    return ", ".join(f"{column}={value}" for column, value in by.items())


def off_words(off: Sequence[Off]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The signals that were not looked at, by reason."""
    reasons: dict[str, list[str]] = {}
    for one in off:
        reasons.setdefault(one_line(one.why, 200), []).append(one_line(one.name, NAME))
    return tuple((why, tuple(names)) for why, names in reasons.items())


def side_words(side: Side) -> str:
    """``10,000 rows, 2026-10-01T00:00Z to 2026-11-01T00:00Z``."""
    told = numbers.counted(side.n, "row")
    if side.first and side.last:
        told += f", {one_line(side.first, 40)} to {one_line(side.last, 40)}"
    return told


def _effect(one: Finding) -> str:
    return f"{one_line(one.statistic, 24)} {numbers.number(one.value, 2 if one.value >= 0.05 else 3)}"


def _percent(value: float, digits: int) -> str:
    while value and abs(value) * 10**digits < 0.5 and digits < 4:
        digits += 1
    return numbers.number(value, digits if value else 0) + ("%" if math.isfinite(value) else "")


def _times(one: Finding) -> float:
    """The effect in units of its threshold; 0 where that says nothing."""
    times = one.value / one.threshold if one.threshold > 0 else one.value
    return times if math.isfinite(times) else 0.0


def _percent_digits(one: float, two: float) -> int:
    """Decimals of percentages: none of large ones that are far apart, more where they are tiny or close together."""
    sizes = [abs(x) for x in (one, two) if math.isfinite(x)]
    gap = abs(two - one)
    digits = 0 if max(sizes, default=0.0) >= 10 and gap >= 3 else 1
    for size in (max(sizes, default=0.0), gap):
        while 0 < size * 10**digits < 1.5 and digits < 4:
            digits += 1
    return digits


def _facts(drift: Drift) -> Iterable[tuple[str, str]]:
    tested = sum(1 for one in drift.findings if math.isfinite(one.p))
    yield (
        "level",
        f"at most {numbers.percent(drift.level)} of what is called drifted is expected to be chance (false discovery rate)",
    )
    yield "p", f"adjusted by Benjamini–Hochberg over all {numbers.counted(tested, 'test')}, slices included"
    tests = dict.fromkeys(one_line(one.test, 60) for one in drift.findings if one.test)
    if tests:
        yield "tests", "; ".join(tests)
    if drift.seconds:
        yield "took", numbers.spoken_duration(drift.seconds)
