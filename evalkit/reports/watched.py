"""A monitor in words: what every report of it shows, signal by signal and incident by incident."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from evalkit.core.drift import GROUPS
from evalkit.core.times import iso, span
from evalkit.core.watched import Incident, Point, Timeline, Watched
from evalkit.reports import numbers
from evalkit.reports.drift import NAME, amount, amounts, by_words, moved_words, off_words
from evalkit.reports.safe import one_line

Light = Literal["fail", "inconclusive", "pass", "skipped"]

OPEN = 12  # open incidents that a page shows unfolded, the gravest
CLOSED = 50  # incidents that are over and still shown, the newest
PARTS = 6  # slices of a signal that get a timeline of their own: those with incidents
KINDS = {
    "jump": "found by one window",
    "slow": "found by many windows together: it came slowly",
    "judge": "the judge changed, not the product: its marks of the sentinel set moved",
}
_LIGHTS: dict[str, tuple[Light, str]] = {
    "ok": ("pass", "ok"),
    "drifted": ("fail", "drifted"),
    "few": ("inconclusive", "few rows"),
    "none": ("inconclusive", "no rows"),
    "learning": ("skipped", "learning"),
}


@dataclass(frozen=True)
class IncidentRow:
    """One incident in words."""

    incident: Incident
    key: str  # unique in a page
    name: str
    light: Light
    change: str  # "412 → 498 characters"
    moved: str
    since: str
    found: str
    closed: str  # "" while it is open
    lasted: str
    slice: str
    why: str
    kind: str
    examples: tuple[tuple[tuple[str, str], ...], ...]

    @property
    def when(self) -> str:
        """``since 2026-11-16T08:00Z, found 2026-11-16T10:00Z``."""
        told = f"since {self.since}" + (f", found {self.found}" if self.found != self.since else "")
        return told + (f", over {self.closed}" if self.closed else "")


@dataclass(frozen=True)
class SignalLine:
    """A signal over the windows: all rows, and the slices that had incidents or drove one."""

    name: str
    group: str
    key: str  # unique in a page
    light: Light
    word: str  # "ok", "drifted", "drifted on model=b", "few rows"
    now: str
    expected: str  # "410 – 430", the band of the newest window
    rows: str
    whole: Timeline | None
    parts: tuple[Timeline, ...]
    hidden: int  # slices that are not drawn
    incidents: tuple[IncidentRow, ...]


@dataclass(frozen=True)
class WatchedView:
    """A monitor as its reports tell it; every text that others wrote must still be escaped."""

    watched: Watched
    title: str
    headline: str
    light: Light
    subtitle: str
    tally: str
    next: str
    open: tuple[IncidentRow, ...]
    closed: tuple[IncidentRow, ...]
    hidden: int  # closed incidents that are not shown
    groups: tuple[tuple[str, tuple[SignalLine, ...]], ...]
    off: tuple[tuple[str, tuple[str, ...]], ...]
    notes: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]

    @property
    def lines(self) -> tuple[SignalLine, ...]:
        """Every signal, group by group."""
        return tuple(line for _, lines in self.groups for line in lines)


def view(watched: Watched) -> WatchedView:
    """Put a monitor in words."""
    ranked = sorted(watched.incidents, key=lambda one: (one.severity != "critical", -one.found))
    rows = [incident_row(one, f"i{at}", watched) for at, one in enumerate(ranked)]
    over = sorted((row for row in rows if row.closed), key=lambda row: -row.incident.found)
    lines = _lines(watched, rows)
    order = [*GROUPS, *sorted({line.group for line in lines} - set(GROUPS))]
    worst = _worst(line.light for line in lines)
    return WatchedView(
        watched=watched,
        title=one_line(watched.name, 100) or "monitor",
        headline=headline(watched),
        light="fail" if watched.open else "inconclusive" if not watched.windows or worst == "inconclusive" else "pass",
        subtitle=_subtitle(watched),
        tally=_tally(lines),
        next=_next(watched),
        open=tuple(row for row in rows if not row.closed),
        closed=tuple(over[:CLOSED]),
        hidden=max(len(over) - CLOSED, 0),
        groups=tuple((name, found) for name in order if (found := _ranked(lines, name))),
        off=off_words(watched.off),
        notes=tuple(one_line(note, 600) for note in watched.notes),
        facts=tuple(_facts(watched)),
    )


def headline(watched: Watched) -> str:
    """``drifted: 2 incidents open, 1 of them critical``."""
    if not watched.windows:
        return "nothing to tell yet: no window is complete"
    if not watched.open:
        return "no drift: no incident is open"
    critical = sum(one.severity == "critical" for one in watched.open)
    total = len(watched.open)
    worst = (
        "" if not critical else ", critical" if total == 1 else f", {critical if critical < total else 'all'} of them critical"
    )
    return f"drifted: {numbers.counted(total, 'incident')} open{worst}"


def incident_row(one: Incident, key: str, watched: Watched) -> IncidentRow:
    """One incident in words."""
    before, after = amounts(one.before, one.after, one.unit)
    unit = "" if one.unit == "share" else one_line(one.unit, 30)
    end = one.closed if one.closed is not None else watched.windows[-1][0] + watched.width if watched.windows else math.nan
    name = f"{one.name} on {by_words(one.by)}" if one.by else one.name
    return IncidentRow(
        incident=one,
        key=key,
        name=one_line(name, NAME),
        light="skipped" if one.closed is not None else "fail" if one.severity == "critical" else "inconclusive",
        change="" if before == after == numbers.NOTHING else f"{before} → {after} {unit}".rstrip(),
        moved=moved_words(one.before, one.after, one.unit),
        since=iso(one.since),
        found=iso(one.found),
        closed="" if one.closed is None else iso(one.closed),
        lasted=lasting(end - one.since),
        slice=one_line(one.slice, NAME),
        why=one_line(one.why, 400),
        kind=KINDS.get(one.kind, ""),
        examples=tuple(
            tuple((one_line(str(column), 40), one_line(str(text), 300)) for column, text in list(row.items())[:8])
            for row in one.examples[:5]
        ),
    )


def lasting(seconds: float) -> str:
    """A stretch of time in its two largest units: ``45 min``, ``5 h``, ``3 d 4 h``."""
    if not math.isfinite(seconds) or seconds < 0:
        return numbers.NOTHING
    minutes = round(seconds / 60)
    days, hours = minutes // 1_440, minutes // 60 % 24
    if days:
        return f"{numbers.count(days)} d" + (f" {hours} h" if hours and days < 14 else "")
    if hours:
        return f"{hours} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    return f"{minutes} min"


def newest(line: Timeline | None) -> Point | None:
    """The last window of a timeline."""
    return line.points[-1] if line and line.points else None


def _lines(watched: Watched, rows: Sequence[IncidentRow]) -> list[SignalLine]:
    """A line a signal, in the order of the timelines; a signal with incidents and no timeline has one too."""
    names = dict.fromkeys([line.name for line in watched.timelines])
    groups: dict[str, str] = {one.name: one.group for one in watched.incidents}
    groups |= {line.name: line.group for line in watched.timelines}
    names |= dict.fromkeys(one.name for one in watched.incidents)
    by_name: dict[str, list[Timeline]] = {name: [] for name in names}
    for line in watched.timelines:
        by_name[line.name].append(line)
    return [
        _line(name, groups[name], f"t{at}", lines, tuple(row for row in rows if row.incident.name == name))
        for at, (name, lines) in enumerate(by_name.items())
    ]


def _ranked(lines: Sequence[SignalLine], group: str) -> tuple[SignalLine, ...]:
    """A group's signals, those that drifted first."""
    return tuple(sorted((line for line in lines if line.group == group), key=lambda line: line.light != "fail"))


def _line(name: str, group: str, key: str, lines: Sequence[Timeline], rows: tuple[IncidentRow, ...]) -> SignalLine:
    whole = next((line for line in lines if not line.by), None)
    last = newest(whole)
    moved = [row for row in rows if not row.closed]
    parts = [line for line in lines if line.by]
    told = [part for row in rows for part in (by_words(row.incident.by), row.incident.slice)]  # those that it drives, too
    drawn = [line for line in parts if by_words(line.by) in told]
    light, word = _LIGHTS.get(last.status, ("skipped", "")) if last else ("skipped", "no window")
    sliced = next((row for row in moved if row.incident.by), None)
    if any(not row.incident.by for row in moved):
        light, word = "fail", "drifted"
    elif sliced:
        light, word = "fail", one_line(f"drifted on {by_words(sliced.incident.by)}", NAME)
    elif light != "fail" and (
        part := next((line for line in parts if line.points and line.points[-1].status == "drifted"), None)
    ):
        light, word = "fail", one_line(f"drifted on {by_words(part.by)}", NAME)
    unit = whole.unit if whole else ""
    return SignalLine(
        name=one_line(name, NAME),
        group=group,
        key=key,
        light=light,
        word=word,
        now=amount(last.value, unit) if last else numbers.NOTHING,
        expected=_band(last, unit) if last else numbers.NOTHING,
        rows=numbers.count(last.n) if last else numbers.NOTHING,
        whole=whole,
        parts=tuple(drawn[:PARTS]),
        hidden=len(parts) - len(drawn[:PARTS]),
        incidents=rows,
    )


def _band(last: Point, unit: str) -> str:
    if not (math.isfinite(last.low) and math.isfinite(last.high)):
        return amount(last.expected, unit)
    return " – ".join(amounts(last.low, last.high, unit))


def _worst(lights: Iterable[Light]) -> Light:
    order: tuple[Light, ...] = ("fail", "inconclusive", "pass")
    found = set(lights)
    return next((light for light in order if light in found), "skipped")


def _subtitle(watched: Watched) -> str:
    told = [f"{numbers.counted(len(watched.windows), 'window')} of {span(watched.width)}"]
    if watched.windows:
        told[0] += f", {iso(watched.windows[0][0])} to {iso(watched.windows[-1][0] + watched.width)}"
        told.append(numbers.counted(sum(rows for _, rows, _ in watched.windows), "row"))
        late = sum(late for *_, late in watched.windows)
        told += [f"{numbers.count(late)} late"] if late else []
    return ", ".join(told)


def _tally(lines: Sequence[SignalLine]) -> str:
    """``18 signals: 1 drifted, 16 ok, 1 few rows``."""
    words: dict[str, int] = {"drifted": 0, "ok": 0}
    for line in lines:
        word = "drifted" if line.light == "fail" else line.word
        words[word] = words.get(word, 0) + 1
    told = ", ".join(f"{n} {word}" for word, n in words.items() if n)
    return f"{numbers.counted(len(lines), 'signal')}{f': {told}' if told else ''}"


def _next(watched: Watched) -> str:
    if not watched.windows:
        return ""
    start = watched.windows[-1][0] + watched.width
    return f"{iso(start)} to {iso(start + watched.width)}"


def _facts(watched: Watched) -> Iterable[tuple[str, str]]:
    yield "source", one_line(watched.source, 300)
    yield "window", span(watched.width)
    times = "once" if watched.budget == 1 else f"{numbers.number(watched.budget, 2 if watched.budget < 1 else 1)} times"
    yield "false alarms", f"thresholds are set so that, were nothing to change, an incident would open {times} a month"
    if watched.windows:
        yield "newest window", f"{iso(watched.windows[-1][0])}, {numbers.counted(watched.windows[-1][1], 'row')}"
        yield "next window", _next(watched)
