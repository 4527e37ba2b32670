"""A paired scatter plot: every record's score in a against its score in b; off the diagonal is what changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import ArrayLike

from evalkit.reports import numbers
from evalkit.reports.draw import AXIS, TEXT, Axis, line, svg, write
from evalkit.reports.safe import shortened, visible, xml_safe

MOST = 1_500  # dots drawn; of more, those that changed most
COLOURS = {"better": "#1b7f5c", "worse": "#b3340c", "even": "#8a8a83"}


def scatter(
    ids: Sequence[str],
    a: ArrayLike,
    b: ArrayLike,
    *,
    title: str,
    key: str,
    higher_is_better: bool = True,
    width: int = 340,
) -> str:
    """b over a, the diagonal between, and how many records lie on either side; "" where no record has both scores.

    Records with equal scores are one dot, larger the more they are.

    Args:
        ids: of the records, (n,); ``a`` and ``b`` are their scores, NaN where there is none.
        key: unique in the page.
    """
    one, two = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    kept = np.flatnonzero(np.isfinite(one) & np.isfinite(two))
    if not len(kept):
        return ""
    one, two = one[kept], two[kept]
    low, high = float(min(one.min(), two.min())), float(max(one.max(), two.max()))
    pad = 0.05 * (high - low) or 0.5
    left, right, top, bottom = 40, 10, 10, 34
    size = width - left - right
    across = Axis(low - pad, high + pad, left, left + size)
    floor = top + size

    def height(value: float) -> float:
        return top + floor - (across(value) - left + top)

    gained, lost = int((two > one).sum()), int((two < one).sum())
    better, worse = (gained, lost) if higher_is_better else (lost, gained)
    sides = {"better": better, "worse": worse, "even": len(one) - gained - lost}
    shapes = [
        line("axis", left, floor, left + size, floor, AXIS, 1),
        line("axis", left, top, left, floor, AXIS, 1),
        line("guide", left, floor, left + size, top, AXIS, 1, dashes="3 3"),
    ]
    places, first, counts = np.unique(one + 1j * two, return_index=True, return_counts=True)
    order = np.argsort(-np.abs(places.imag - places.real), kind="stable")[:MOST]
    for place in order[::-1].tolist():
        x, y, count = float(places[place].real), float(places[place].imag), int(counts[place])
        radius = min(2.4 + 1.1 * math.log2(count), 11.0)
        side = _side(x, y, higher_is_better)
        name = ids[int(kept[first[place]])]
        who = name if count == 1 else f"{numbers.count(count)} records, one of them {name}"
        hint = escape(xml_safe(visible(f"{shortened(who, 80)}: {numbers.score(x)} → {numbers.score(y)}")))
        shapes.append(
            f'<circle class="dot {side}" cx="{across(x):.1f}" cy="{height(y):.1f}" r="{radius:.1f}" '
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


def _side(a: float, b: float, higher_is_better: bool) -> str:
    if a == b:
        return "even"
    return "better" if (b > a) == higher_is_better else "worse"
