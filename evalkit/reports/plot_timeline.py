"""A signal over its windows as SVG text: value, reference band, drifted stretches, and where changes began and were found."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from html import escape

import numpy as np
from numpy.typing import NDArray

from evalkit.core.times import iso
from evalkit.core.watched import Incident, Point, Timeline
from evalkit.reports import numbers
from evalkit.reports.draw import AXIS, BAR, MARK, TEXT, line, svg, write
from evalkit.reports.drift import amount
from evalkit.reports.safe import visible, xml_safe

WIDTH, HEIGHT = 760, 132
LEFT, RIGHT, TOP, BOTTOM = 58, 10, 14, 22
COLUMNS = 320  # of windows that are drawn; several windows in one column show their least and largest value
MARKS = 60  # incidents that are marked, the newest
_STEPS = (60, 300, 900, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)
_MONDAY = 4 * 86_400  # 1970 began on a Thursday
_ENDS = (-62_135_596_800.0, 253_402_300_799.0)  # of the years that have names

Array = NDArray[np.float64]
Scale = Callable[[float], float]  # seconds or values to places in the drawing


def timeline_plot(
    timeline: Timeline, incidents: Sequence[Incident], *, window: float, span: tuple[float, float], title: str, key: str
) -> str:
    """The value of each window, the band that the reference leads one to expect, and what was found.

    Args:
        incidents: of this signal and slice.
        window: its width, in seconds.
        span: first and last second of the axis, the same for all timelines of a page.
        key: unique in the page; ids of title and description begin with it.
    """
    start, end = _held(span)
    points = [point for point in timeline.points if start <= point.start <= end]
    columns = Columns(points, start, end, window)
    low, high, clipped = columns.limits()
    floor = HEIGHT - BOTTOM

    def across(second: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max((second - start) / (end - start), 0.0), 1.0)

    def up(value: float) -> float:
        share = (value / 2 - low / 2) / (high / 2 - low / 2)
        return floor - (floor - TOP) * min(max(share, 0.0), 1.0)

    shapes = [
        f'<rect class="{css}" x="{across(first):.1f}" y="{TOP - 6}" width="{max(across(last) - across(first), 1.5):.1f}" '
        f'height="{floor - TOP + 6}" fill="{colour}" opacity="{opacity}"/>'
        for status, css, colour, opacity in (("learning", "learning", AXIS, 0.12), ("drifted", "stretch", MARK, 0.2))
        for first, last in stretches(points, status, window)
    ]
    thick = 0.9 if columns.crowded else 1.3
    expected = columns.line(columns.expected, across, up)
    shapes += [
        f'<path class="reference" d="{columns.band(across, up)}" fill="{BAR}" opacity="0.35"/>',
        f'<path class="expected" d="{expected}" fill="none" stroke="{BAR}" stroke-width="1"/>',
        f'<path class="course" d="{columns.course(across, up)}" fill="none" stroke="{TEXT}" stroke-width="{thick}"/>',
        f'<path class="beyond" d="{columns.beyond(across, up)}" fill="none" stroke="{MARK}" stroke-width="4"/>',
    ]
    dated = [one for one in incidents if math.isfinite(one.since) and math.isfinite(one.found)]
    for one in sorted(dated, key=lambda one: one.found)[-MARKS:]:
        shapes += _mark(one, across, floor)
    shapes.append(line("axis", LEFT, floor + 0.5, WIDTH - RIGHT, floor + 0.5, AXIS, 1))
    for second, text in time_ticks(start, end):
        x = across(second)
        anchor = "start" if x < LEFT + 14 else "end" if x > WIDTH - 30 else "middle"
        shapes += [line("axis", x, floor, x, floor + 4, AXIS, 1), write("tick", x, floor + 16, text, anchor, AXIS, 10.5)]
    for value in dict.fromkeys((high, low)):
        shapes.append(write("tick", LEFT - 6, up(value) + 4, _short(value, timeline.unit), "end", AXIS, 10.5))
    if clipped:
        text = f"{numbers.counted(clipped, 'window')} beyond the range drawn"
        shapes.append(write("aside", WIDTH - RIGHT, TOP - 4, text, "end", AXIS, 10))
    return svg(key, "timeline", title, _told(timeline, points, incidents), WIDTH, HEIGHT, shapes)


def strip_plot(timeline: Timeline, *, window: float, span: tuple[float, float], width: int = 180, height: int = 14) -> str:
    """A timeline's drifted stretches alone, small, for a table's cell; the numbers stand beside it."""
    start, end = _held(span)
    points = [point for point in timeline.points if start <= point.start <= end]
    shapes = [f'<rect class="base" x="0" y="4" width="{width}" height="6" rx="3" fill="{BAR}" opacity="0.35"/>']
    for first, last in stretches(points, "drifted", window):
        x = width * (first - start) / (end - start)
        wide = max(width * (last - first) / (end - start), 2.0)
        shapes.append(
            f'<rect class="stretch" x="{min(x, width - wide):.1f}" y="0" width="{wide:.1f}" height="{height}" fill="{MARK}"/>'
        )
    return (
        f'<svg class="spark strip" viewBox="0 0 {width} {height}" width="{width}" height="{height}" aria-hidden="true" '
        f'focusable="false">{"".join(shapes)}</svg>'
    )


def stretches(points: Sequence[Point], status: str, window: float) -> Iterator[tuple[float, float]]:
    """First and last second of each run of windows that have this status."""
    first = last = math.nan
    for point in points:
        if point.status == status:
            first = point.start if math.isnan(first) else first
            last = point.start + window
        elif not math.isnan(first):
            yield first, last
            first = math.nan
    if not math.isnan(first):
        yield first, last


class Columns:
    """Windows put into at most `COLUMNS` columns: none of their extremes is lost.

    Value and band keep the least and the largest of a column, so that a value within its own window's band is within the
    band that is drawn; the expectation is a mean.
    """

    def __init__(self, points: Sequence[Point], start: float, end: float, window: float) -> None:
        told = np.array([(p.start, p.value, p.low, p.high, p.expected) for p in points], dtype=np.float64).reshape(-1, 5)
        told = np.clip(told, -1e300, 1e300)
        told[~np.isfinite(told)] = np.nan
        self._value, self._low, self._high = told[:, 1], told[:, 2], told[:, 3]
        count = max(min(COLUMNS, math.ceil((end - start) / max(window, 1e-9))), 1)
        middles = told[:, 0] + window / 2 - start  # of windows: their starts may lie on the columns' borders
        places = np.minimum((middles / (end - start) * count).astype(np.int64), count - 1)
        self.middles = start + (np.arange(count) + 0.5) * (end - start) / count
        self.least = _each(np.fmin, self._value, places, count)
        self.largest = _each(np.fmax, self._value, places, count)
        self.low, self.high = _each(np.fmin, self._low, places, count), _each(np.fmax, self._high, places, count)
        self.expected = _mean(told[:, 4], places, count)
        self.crowded = len(points) > 2 * count
        above, below = (np.where(out, self._value, np.nan) for out in (self._value > self._high, self._value < self._low))
        self.above, self.below = _each(np.fmax, above, places, count), _each(np.fmin, below, places, count)

    def limits(self) -> tuple[float, float, int]:
        """The range to draw, and how many windows lie beyond it: single ones that are far from all others."""
        known = np.concatenate([self._value, self._low, self._high])
        known = known[np.isfinite(known)]
        if not len(known):
            return 0.0, 1.0, 0
        low, high = float(known.min()), float(known.max())
        inner = np.quantile(known, [0.005, 0.995]) / 2
        reach = 4 * (inner[1] - inner[0])
        if high / 2 - low / 2 > 2 * reach > 0:
            low, high = max(low, 2 * float(inner[0] - reach / 2)), min(high, 2 * float(inner[1] + reach / 2))
        pad = (high / 2 - low / 2) * 0.1 or max(abs(low) * 0.01, 1e-9)
        return low - pad, high + pad, int(((self._value < low) | (self._value > high)).sum())

    def band(self, across: Scale, up: Scale) -> str:
        """A closed path per stretch of columns that have a band."""
        path = []
        for run in _runs(np.isfinite(self.low) & np.isfinite(self.high)):
            half = (self.middles[1] - self.middles[0]) / 2 if len(self.middles) > 1 else 0.0
            xs = [across(x) for x in self.middles[run]]
            xs[0], xs[-1] = across(self.middles[run][0] - half), across(self.middles[run][-1] + half)
            if len(xs) == 1:
                xs = [across(self.middles[run][0] - half), across(self.middles[run][0] + half)]
                run = np.repeat(run, 2)
            there = [f"{x:.0f} {up(y):.1f}" for x, y in zip(xs, self.high[run], strict=True)]
            back = [f"{x:.0f} {up(y):.1f}" for x, y in zip(xs[::-1], self.low[run][::-1], strict=True)]
            path.append("M" + "L".join([*there, *back]) + "z")
        return "".join(path)

    def line(self, values: Array, across: Scale, up: Scale) -> str:
        """A line through the columns that have a value."""
        return "".join(
            "M" + "L".join(f"{across(x):.0f} {up(y):.1f}" for x, y in zip(self.middles[run], values[run], strict=True))
            for run in _runs(np.isfinite(values))
        )

    def course(self, across: Scale, up: Scale) -> str:
        """The value from column to column, through its least and its largest in each; a lone one is a dash."""
        path = []
        for run in _runs(np.isfinite(self.least)):
            steps = []
            for x, least, largest in zip(self.middles[run], self.least[run], self.largest[run], strict=True):
                place, low, high = across(x), f"{up(least):.1f}", f"{up(largest):.1f}"
                steps.append(f"{place:.0f} {low}" + (f"V{high}" if high != low else ""))
            path.append("M" + "L".join(steps) + ("h2" if len(steps) == 1 else ""))
        return "".join(path)

    def beyond(self, across: Scale, up: Scale) -> str:
        """A dot at each column's farthest value above its own window's band, and below it."""
        return "".join(
            f"M{across(x):.0f} {up(y):.1f}h0"
            for values in (self.above, self.below)
            for x, y in zip(self.middles, values, strict=True)
            if math.isfinite(y)
        )


def time_ticks(start: float, end: float, most: int = 9) -> list[tuple[float, str]]:
    """Round moments between two, UTC, with short names: ``08:00``, ``16 Nov``, ``Nov``; a new year is told."""
    room = (end - start) / most
    step = next((step for step in _STEPS if step >= room), None)
    if step:
        offset = _MONDAY if step >= 604_800 else 0
        first = math.ceil((start - offset) / step) * step + offset
        places = [float(at) for at in range(first, math.floor(end) + 1, step)]
    else:
        places = [at for at in _month_starts(start, end) if start <= at <= end]
    told, year = [], None
    for at in places:
        day = datetime.fromtimestamp(at, UTC)
        if step and step < 86_400 and (day.hour or day.minute):
            text = f"{day:%H:%M}"
        else:
            text = f"{day.day} {day:%b}" if step else f"{day:%b}"
            text += "" if day.year == year else f" {day.year}"
            year = day.year
        told.append((at, text))
    if told and all(":" in text for _, text in told):  # no midnight among them: the first tells its day
        day = datetime.fromtimestamp(told[0][0], UTC)
        told[0] = (told[0][0], f"{day.day} {day:%b %Y %H:%M}")
    return told


# --- pieces ----------------------------------------------------------------------------------------------------------


def _held(span: tuple[float, float]) -> tuple[float, float]:
    start, end = (min(max(x, _ENDS[0]), _ENDS[1] - 1) if math.isfinite(x) else 0.0 for x in span)
    return (start, end) if end > start else (start, start + 1.0)


def _each(pick: np.ufunc, values: Array, places: NDArray[np.int64], count: int) -> Array:
    found = np.full(count, np.nan)
    pick.at(found, places, values)
    return found


def _mean(values: Array, places: NDArray[np.int64], count: int) -> Array:
    known = np.isfinite(values)
    sums = np.bincount(places[known], values[known] / 2**10, minlength=count)
    sizes = np.bincount(places[known], minlength=count)
    return np.where(sizes > 0, sums / np.maximum(sizes, 1) * 2**10, np.nan)


def _runs(known: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Indices of each unbroken run of true."""
    places = np.flatnonzero(known)
    return [run for run in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1) if len(run)]


def _month_starts(start: float, end: float) -> list[float]:
    one, two = (datetime.fromtimestamp(x, UTC) for x in (start, end))
    months = (two.year - one.year) * 12 + two.month - one.month
    every = next((step for step in _MONTHS if months / step <= 8), max(months // 8, 1))
    first = one.year * 12 + one.month - 1
    first += -first % every
    last = min(two.year * 12 + two.month - 1, 9_999 * 12)
    return [datetime(at // 12, at % 12 + 1, 1, tzinfo=UTC).timestamp() for at in range(first, last + 1, every) if at >= 12]


def _mark(one: Incident, across: Scale, floor: float) -> list[str]:
    """A dashed line where the change began, a flag where it was found."""
    words = escape(xml_safe(visible(f"{one.severity}: began {iso(one.since)}, found {iso(one.found)}")))
    since, found = across(one.since), across(one.found)
    return [
        line("since", since, TOP - 6, since, floor, MARK, 1.3, dashes="3 3"),
        f'<path class="flag" d="M{found:.1f} {TOP - 6}l-4 -6h8z" fill="{MARK}"><title>{words}</title></path>',
    ]


def _short(value: float, unit: str) -> str:
    """A value for the axis, its unit left to the caption; percent signs are short."""
    if unit == "share":
        return amount(value, "share")
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size and size < 1e15 > abs(value):
            scale = 1e3 if letter == "k" else size
            return f"{numbers.number(value / scale, 1)}{letter}"
    return numbers.number(value, max(numbers.decimals(value) - 1, 0))


def _told(timeline: Timeline, points: Sequence[Point], incidents: Sequence[Incident]) -> str:
    if not points:
        return "no window"
    last = points[-1]
    told = [f"{numbers.counted(len(points), 'window')}, {iso(points[0].start)} to {iso(last.start)}"]
    told.append(f"newest {amount(last.value, timeline.unit)}, expected {amount(last.expected, timeline.unit)}")
    drifted = sum(point.status == "drifted" for point in points)
    told.append(f"{numbers.counted(drifted, 'window')} drifted, {numbers.counted(len(incidents), 'incident')}")
    return "; ".join(told)
