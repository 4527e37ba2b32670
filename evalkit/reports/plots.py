"""Plots as SVG text: a histogram, and intervals side by side. Pure functions; text stays text."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from evalkit.reports import numbers
from evalkit.reports.draw import AXIS, BAND, BAR, MARK, TEXT, Axis, line, svg, write
from evalkit.reports.safe import shortened, visible, xml_safe
from evalkit.reports.spread import Histogram


@dataclass(frozen=True)
class Point:
    """One line of an interval plot; bounds are NaN where there are none."""

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    note: str = ""
    strong: bool = False  # the whole, against which the others are read


def histogram(
    spread: Histogram,
    *,
    title: str,
    mean: float = math.nan,
    low: float = math.nan,
    high: float = math.nan,
    digits: int | None = None,
    key: str,
    width: int = 340,
    height: int = 132,
) -> str:
    """Bars of the records' scores, with the corpus value as a line and its interval as a band.

    Args:
        digits: decimals of the metric's numbers.
        key: unique in the page; ids of title and description begin with it.
    """
    left, right, top, bottom = 8, 8, 20, 22
    floor = height - bottom
    tallest = max(spread.counts)
    axis = Axis(*_ends(spread), left, width - right)
    shapes = [_mark(axis, mean, low, high, top, floor)]
    for index, tally in enumerate(spread.counts):
        if tally:
            tall = max((floor - top) * tally / tallest, 1.2)
            start, end = _bar(spread, index, axis)
            name = f"{_bin_name(spread, index, digits)}: {numbers.counted(tally, 'record')}"
            shapes.append(
                f'<rect class="bar" x="{start:.1f}" y="{floor - tall:.1f}" width="{max(end - start, 0.8):.1f}" '
                f'height="{tall:.1f}" rx="1" fill="{BAR}"><title>{escape(name)}</title></rect>'
            )
    if axis.holds(mean):
        shapes.append(line("mark", axis(mean), top - 4, axis(mean), floor, MARK, 1.5))
        anchor, shift = ("end", -5) if axis(mean) > width * 0.72 else ("start", 5)
        shapes.append(write("value", axis(mean) + shift, top - 6, numbers.number(mean, digits), anchor, MARK, 11, bold=True))
    shapes.append(line("axis", left, floor + 0.5, width - right, floor + 0.5, AXIS, 1))
    shapes += _ticks(spread, axis, floor)
    told = f"{numbers.counted(sum(spread.counts) + spread.below + spread.above, 'record')}"
    if spread.above or spread.below:
        aside = [f"{numbers.count(n)} {side}" for n, side in ((spread.below, "below"), (spread.above, "above")) if n]
        shapes.append(write("aside", width - right, top + 6, " and ".join(aside) + " not drawn", "end", AXIS, 10))
        told += f", {' and '.join(aside)} the range drawn"
    if not math.isnan(mean):
        told += f"; value {numbers.number(mean, digits)}"
    if not math.isnan(low):
        told += f", interval {numbers.interval(low, high, digits)}"
    return svg(key, "histogram", f"Distribution of {title}", told, width, height, shapes)


def sparkline(spread: Histogram, *, width: int = 96, height: int = 22) -> str:
    """The bars alone, small, for a table's cell; it is decoration beside the numbers, so hidden from screen readers."""
    tallest = max(spread.counts)
    axis = Axis(*_ends(spread), 0, width)
    bars = []
    for index, tally in enumerate(spread.counts):
        if tally:
            start, end = _bar(spread, index, axis)
            tall = max(height * tally / tallest, 1.0)
            bars.append(f"M{start:.1f} {height}v{-tall:.1f}h{max(end - start, 0.8):.1f}v{tall:.1f}z")
    return (
        f'<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}" aria-hidden="true" '
        f'focusable="false"><path class="bar" fill="{BAR}" d="{"".join(bars)}"/></svg>'
    )


def forest(points: Sequence[Point], *, title: str, digits: int | None = None, key: str, width: int = 340) -> str:
    """Values with their intervals, one below the other on one scale; the strong point's value is drawn through all."""
    step, top, bottom = 26, 8, 24
    height = top + step * len(points) + bottom
    longest = max((len(numbers.number(point.value, digits)) for point in points), default=0)
    label_end, right = 118, max(54.0, 7.4 * longest + 6)
    bounds = [x for point in points for x in (point.value, point.low, point.high) if math.isfinite(x)]
    axis = Axis(min(bounds, default=0.0), max(bounds, default=1.0), label_end + 12, width - right - 10)
    floor = height - bottom
    shapes = [line("axis", axis.left, floor + 0.5, axis.right, floor + 0.5, AXIS, 1)]
    whole = next((point.value for point in points if point.strong), math.nan)
    if math.isfinite(whole):
        shapes.append(line("guide", axis(whole), top, axis(whole), floor, AXIS, 1, dashes="2 3"))
    told = []
    for row, point in enumerate(points):
        y = top + step * row + step / 2
        shapes.append(
            write("label", 0, y + 4, shortened(point.name, 19), "start", TEXT, 12, bold=point.strong, full=point.name)
        )
        shapes.append(write("value", width, y + 4, numbers.number(point.value, digits), "end", TEXT, 12, bold=point.strong))
        words = f"{point.name} {numbers.number(point.value, digits)}"
        if math.isfinite(point.low) and math.isfinite(point.high):
            shapes.append(line("whisker", axis(point.low), y, axis(point.high), y, BAR, 2.5))
            words += f" ({numbers.interval(point.low, point.high, digits)})"
        if math.isfinite(point.value):
            x = axis(point.value)
            hint = escape(xml_safe(visible(f"{words}{f', {point.note}' if point.note else ''}")))
            if point.strong:
                body = f'<rect class="dot whole" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{MARK}"'
                shapes.append(f'{body} transform="rotate(45 {x:.1f} {y:.1f})"><title>{hint}</title></rect>')
            else:
                shapes.append(
                    f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{BAR}"><title>{hint}</title></circle>'
                )
        told.append(words)
    if axis.low < axis.high:
        for x, value, anchor in ((axis.left, axis.low, "start"), (axis.right, axis.high, "end")):
            shapes.append(write("tick", x, floor + 15, numbers.number(value, digits), anchor, AXIS, 10.5))
    return svg(key, "forest", title, "; ".join(told), width, height, shapes)


# --- pieces ----------------------------------------------------------------------------------------------------------


def _ends(spread: Histogram) -> tuple[float, float]:
    """What the axis spans: half a bar more on either side where each bar is one value."""
    if not spread.discrete:
        return spread.edges[0], spread.edges[-1]
    values = spread.edges[:-1]
    if len(values) == 1:
        return values[0] - 0.5, values[0] + 0.5
    pad = max((values[-1] - values[0]) * 0.06, _slimmest(values) / 2)
    return values[0] - pad, values[-1] + pad


def _slimmest(values: Sequence[float]) -> float:
    return min((high - low for low, high in itertools.pairwise(values)), default=1.0)


def _bar(spread: Histogram, index: int, axis: Axis) -> tuple[float, float]:
    if not spread.discrete:
        return axis(spread.edges[index]) + 0.5, axis(spread.edges[index + 1]) - 0.5
    values = spread.edges[:-1]
    room = axis(values[0] + _slimmest(values)) - axis(values[0])
    half = min(max(room * 0.38, 1.5), 26.0)
    return axis(values[index]) - half, axis(values[index]) + half


def _bin_name(spread: Histogram, index: int, digits: int | None) -> str:
    if spread.discrete:
        return numbers.score(spread.edges[index])
    return numbers.interval(spread.edges[index], spread.edges[index + 1], digits)


def _ticks(spread: Histogram, axis: Axis, floor: float) -> list[str]:
    if spread.discrete:
        values = list(spread.edges[:-1])
        if len(values) > 6:
            values = [values[0], values[len(values) // 2], values[-1]]
        texts = [f"{value:g}".replace("-", numbers.MINUS) if abs(value) < 1e6 else numbers.number(value) for value in values]
        if any(len(text) > 7 for text in texts):  # thirds and sevenths: the ends are round
            values, texts = [values[0], values[-1]], [numbers.number(values[0]), numbers.number(values[-1])]
            texts = [f"{value:g}" if value == int(value) and abs(value) < 1e6 else text for value, text in zip(values, texts)]
        places = zip(map(axis, values), texts, strict=True)
        return [write("tick", x, floor + 15, text, "middle", AXIS, 10.5) for x, text in places]
    low, high = axis.low, axis.high
    shown = numbers.decimals(max(low, high, key=abs))
    return [
        write("tick", axis.left, floor + 15, numbers.score(low, shown), "start", AXIS, 10.5),
        write("tick", axis.right, floor + 15, numbers.score(high, shown), "end", AXIS, 10.5),
    ]


def _mark(axis: Axis, mean: float, low: float, high: float, top: float, floor: float) -> str:
    if not (math.isfinite(low) and math.isfinite(high) and axis.holds(mean)):
        return ""
    start, end = axis(low), axis(high)
    return (
        f'<rect class="band" x="{start:.1f}" y="{top - 4}" width="{max(end - start, 1):.1f}" '
        f'height="{floor - top + 4}" fill="{BAND}" opacity="0.22"/>'
    )
