"""A forest plot of differences: each with its interval beside zero, and the margin that does not matter as a band."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from evalkit.reports import numbers
from evalkit.reports.draw import AXIS, BAND, BAR, MARK, TEXT, Axis, line, svg, write
from evalkit.reports.safe import shortened, visible, xml_safe

COLOURS = {"better": "#1b7f5c", "worse": "#b3340c", "equivalent": BAR, "inconclusive": AXIS}


@dataclass(frozen=True)
class Line:
    """One difference, its bounds NaN where there are none; its verdict (better, worse, equivalent …) is its colour."""

    name: str
    difference: float
    low: float = math.nan
    high: float = math.nan
    verdict: str = "inconclusive"
    text: str = ""  # what stands at the right; the difference where empty
    note: str = ""
    strong: bool = False


def differences(
    lines: Sequence[Line],
    *,
    title: str,
    key: str,
    margin: float | None = None,
    digits: int | None = None,
    width: int = 520,
    labels: int = 150,
) -> str:
    """Differences of one unit, one below the other on one scale that holds zero; SVG.

    Args:
        key: unique in the page; ids of title and description begin with it.
        margin: differences up to here do not matter: a band around zero.
        digits: decimals of the differences.
        labels: room for the names at the left, in the drawing's units.
    """
    step, top, bottom = 26, 8, 24
    height = top + step * len(lines) + bottom
    shown = [_digits(one) if digits is None else digits for one in lines]
    texts = [one.text or numbers.signed(one.difference, places) for one, places in zip(lines, shown)]
    right = max(54.0, 7.4 * max(map(len, texts), default=0) + 6)
    ends = [x for one in lines for x in (one.difference, one.low, one.high) if math.isfinite(x)]
    wide = max(max(ends, default=0.0), 0.0) - min(min(ends, default=0.0), 0.0)
    drawn = margin if margin and math.isfinite(margin) and (not wide or margin <= 4 * wide) else None
    ends += [0.0] + ([-drawn, drawn] if drawn else [])
    pad = 0.04 * (max(ends) - min(ends)) or 1.0
    axis = Axis(min(ends) - pad, max(ends) + pad, labels + 10, width - right - 10)
    floor = height - bottom
    shapes = []
    if drawn:
        start, end = axis(-drawn), axis(drawn)
        shapes.append(
            f'<rect class="band" x="{start:.1f}" y="{top}" width="{end - start:.1f}" height="{floor - top}" fill="{BAND}" '
            f'opacity="0.16"><title>within the margin of {escape(numbers.number(drawn))}</title></rect>'
        )
    shapes.append(line("axis", axis.left, floor + 0.5, axis.right, floor + 0.5, AXIS, 1))
    shapes.append(line("guide zero", axis(0.0), top, axis(0.0), floor, MARK, 1.2))
    told = []
    for row, (one, text, places) in enumerate(zip(lines, texts, shown)):
        y = top + step * row + step / 2
        name = shortened(one.name, max(8, int(labels / 6.6)))
        shapes.append(write("label", 0, y + 4, name, "start", TEXT, 12, bold=one.strong, full=one.name))
        shapes.append(write("value", width, y + 4, text, "end", TEXT, 12, bold=one.strong))
        words, colour = f"{one.name} {text}", COLOURS.get(one.verdict, AXIS)
        if math.isfinite(one.low) and math.isfinite(one.high):
            shapes.append(line(f"whisker {one.verdict}", axis(one.low), y, axis(one.high), y, colour, 2.5))
            words += f" ({numbers.signed_interval(one.low, one.high, places)})"
        words += f", {one.verdict}"
        if math.isfinite(one.difference):
            hint = escape(xml_safe(visible(f"{words}{f', {one.note}' if one.note else ''}")))
            x = axis(one.difference)
            body = f'<circle class="dot {one.verdict}" cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}">'
            shapes.append(f"{body}<title>{hint}</title></circle>")
        told.append(words)
    for x, value, anchor in ((axis.left, axis.low, "start"), (axis.right, axis.high, "end")):
        if abs(x - axis(0.0)) > 64:
            shapes.append(write("tick", x, floor + 15, numbers.signed(value, digits), anchor, AXIS, 10.5))
    shapes.append(write("tick", axis(0.0), floor + 15, "0", "middle", AXIS, 10.5))
    return svg(key, "forest", title, "; ".join(told), width, height, shapes)


def _digits(one: Line) -> int:
    return numbers.decimals(one.difference, one.low, one.high, width=one.high - one.low)
