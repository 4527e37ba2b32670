"""A paired scatter plot: every record's score in a against its score in b; off the diagonal is what changed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from evalkit.reports import numbers
from evalkit.reports.draw import AXIS, TEXT, Axis, line, svg, write
from evalkit.reports.safe import shortened, visible, xml_safe

MOST = 1_500  # dots drawn; of more, those that changed most
COLOURS = {"better": "#1b7f5c", "worse": "#b3340c", "even": "#8a8a83"}


@dataclass(frozen=True)
class Dot:
    """One record's two scores."""

    id: str
    a: float
    b: float


def scatter(dots: Sequence[Dot], *, title: str, key: str, higher_is_better: bool = True, width: int = 340) -> str:
    """b over a, the diagonal between, and how many records lie on either side; "" where no record has both scores.

    Records with equal scores are one dot, larger the more they are.
    """
    known = [dot for dot in dots if math.isfinite(dot.a) and math.isfinite(dot.b)]
    if not known:
        return ""
    low = min(min(dot.a, dot.b) for dot in known)
    high = max(max(dot.a, dot.b) for dot in known)
    pad = 0.05 * (high - low) or 0.5
    left, right, top, bottom = 40, 10, 10, 34
    size = width - left - right
    across = Axis(low - pad, high + pad, left, left + size)
    floor = top + size

    def height(value: float) -> float:
        return top + floor - (across(value) - left + top)

    sides = {"better": 0, "worse": 0, "even": 0}
    for dot in known:
        sides[_side(dot, higher_is_better)] += 1
    shapes = [
        line("axis", left, floor, left + size, floor, AXIS, 1),
        line("axis", left, top, left, floor, AXIS, 1),
        line("guide", left, floor, left + size, top, AXIS, 1, dashes="3 3"),
    ]
    tally = Counter((dot.a, dot.b) for dot in known)
    names = {(dot.a, dot.b): dot.id for dot in reversed(known)}
    order = sorted(tally, key=lambda place: (-abs(place[1] - place[0]), place))[:MOST]
    for a, b in reversed(order):
        count = tally[a, b]
        radius = min(2.4 + 1.1 * math.log2(count), 11.0)
        side = _side(Dot("", a, b), higher_is_better)
        who = names[a, b] if count == 1 else f"{numbers.count(count)} records, one of them {names[a, b]}"
        hint = escape(xml_safe(visible(f"{shortened(who, 80)}: {numbers.score(a)} → {numbers.score(b)}")))
        shapes.append(
            f'<circle class="dot {side}" cx="{across(a):.1f}" cy="{height(b):.1f}" r="{radius:.1f}" '
            f'fill="{COLOURS[side]}" opacity="0.62"><title>{hint}</title></circle>'
        )
    digits = numbers.decimals(high, low)
    ends = [(low, "start"), (high, "end")] if high > low else [(low, "middle")]
    for value, anchor in ends:
        shapes.append(write("tick", across(value), floor + 15, numbers.score(value, digits), anchor, AXIS, 10.5))
        shapes.append(write("tick", left - 6, height(value) + 4, numbers.score(value, digits), "end", AXIS, 10.5))
    shapes.append(write("label", left + size / 2, floor + 29, "a", "middle", TEXT, 11.5))
    shapes.append(write("label", 8, top + size / 2, "b", "start", TEXT, 11.5))
    told = ", ".join(f"{numbers.count(count)} {name}" for name, count in sides.items())
    return svg(key, "scatter", f"{title}, record by record", f"{told} in b", width, floor + bottom, shapes)


def _side(dot: Dot, higher_is_better: bool) -> str:
    if dot.a == dot.b:
        return "even"
    return "better" if (dot.b > dot.a) == higher_is_better else "worse"
