"""A reliability diagram: what people say of the records that a judge scores alike; on the diagonal the judge is right."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from evalkit.reports import numbers
from evalkit.reports.draw import AXIS, BAR, TEXT, Axis, line, svg, write
from evalkit.reports.safe import visible, xml_safe


def reliability(
    bins: Sequence[Mapping[str, Any]], scale: tuple[float, float] | None, *, title: str, key: str, width: int = 340
) -> str:
    """Mean label over mean score, each with the label's interval; the more records, the larger the dot. "" without a bin.

    Args:
        bins: ``{score, label, ci: [low, high], n}`` each, as a card keeps them.
        scale: of the labels; None: as far as the bins reach.
    """
    if not bins:
        return ""
    seen = [x for one in bins for x in (one["score"], one["label"], *one["ci"]) if x is not None and math.isfinite(x)]
    low, high = scale or (min(seen), max(seen))
    left, right, top, bottom = 44, 12, 10, 40
    size = width - left - right
    pad = 0.03 * (high - low) or 0.5
    across = Axis(low - pad, high + pad, left, left + size)
    floor = top + size

    def height(value: float) -> float:
        return floor - (across(value) - left)

    shapes = [
        line("axis", left, floor, left + size, floor, AXIS, 1),
        line("axis", left, top, left, floor, AXIS, 1),
        line("guide", across(low), height(low), across(high), height(high), AXIS, 1, dashes="3 3"),
    ]
    most, told = max(one["n"] for one in bins), []
    for one in bins:
        x, y, (below, above) = across(one["score"]), height(one["label"]), one["ci"]
        words = f"scored {numbers.number(one['score'])}, labelled {numbers.number(one['label'])}"
        if below is not None and above is not None and math.isfinite(below):
            shapes.append(line("whisker", x, height(below), x, height(above), BAR, 2))
            words += f" ({numbers.interval(below, above)})"
        words += f", {numbers.counted(one['n'], 'record')}"
        radius = 3.0 + 4.5 * math.sqrt(one["n"] / most)
        shapes.append(
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{BAR}">'
            f"<title>{escape(xml_safe(visible(words)))}</title></circle>"
        )
        told.append(words)
    digits = numbers.decimals(high, low)
    for value, anchor in ((low, "start"), (high, "end")):
        shapes.append(write("tick", across(value), floor + 15, numbers.score(value, digits), anchor, AXIS, 10.5))
        shapes.append(write("tick", left - 6, height(value) + 4, numbers.score(value, digits), "end", AXIS, 10.5))
    shapes.append(write("label", left + size / 2, floor + 31, "the judge's score", "middle", TEXT, 11.5))
    shapes.append(write("label", 2, top + size / 2, "label", "start", TEXT, 11.5))
    return svg(key, "reliability", title, "; ".join(told), width, floor + bottom, shapes)
