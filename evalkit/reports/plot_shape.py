"""A distribution then and now as SVG text: bars where its cells are categories, steps where they are ranges of numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from html import escape

from evalkit.core.drift import Shape
from evalkit.reports import numbers
from evalkit.reports.draw import AXIS, BAR, MARK, TEXT, line, svg, write
from evalkit.reports.drift import share_words
from evalkit.reports.safe import one_line, shortened, visible, xml_safe

BARS = 12  # categories that are drawn; the others are one bar
WIDTH = 480


def shape_plot(shape: Shape, *, title: str, unit: str = "", key: str, width: int = WIDTH) -> str:
    """Both sides of a distribution: what was, filled and pale; what is, strong.

    Args:
        unit: of the edges, where there are edges.
        key: unique in the page; ids of title and description begin with it.
    """
    if len(shape.edges) == len(shape.reference) + 1 and len(shape.reference) > 1:
        return _steps(shape, title, unit, key, width)
    return _bars(shape, title, key, width)


# --- categories ------------------------------------------------------------------------------------------------------


def _bars(shape: Shape, title: str, key: str, width: int) -> str:
    cells = _largest(shape)
    step, top = 30, 26
    left, right = 128, 104
    height = top + step * len(cells) + 2
    most = max((share for _, one, two in cells for share in (one, two)), default=0.0) or 1.0
    room = width - left - right
    shapes = _legend()
    told = []
    for at, (name, one, two) in enumerate(cells):
        y = top + step * at
        words = share_words(one, two)
        shapes.append(write("label", 0, y + 17, shortened(name, 19), "start", TEXT, 12, full=shortened(name, 300)))
        hint = f"<title>{escape(xml_safe(visible(shortened(name, 300))))}: {escape(words)}</title>"
        for css, share, shift, tall, colour in (("then", one, 4, 7, BAR), ("now", two, 12, 10, MARK)):
            wide = max(room * share / most, 1.0 if share > 0 else 0.0)
            shapes.append(
                f'<rect class="{css}" x="{left}" y="{y + shift}" width="{wide:.1f}" height="{tall}" rx="1" fill="{colour}">'
                f"{hint}</rect>"
            )
        shapes.append(write("value", width, y + 17, words, "end", TEXT, 12))
        told.append(f"{shortened(name, 60)} {words}")
    return svg(key, "shape", f"Shares of {title}, then and now", "; ".join(told), width, height, shapes)


def _largest(shape: Shape) -> list[tuple[str, float, float]]:
    """The cells that hold the most on either side, in their own order, and all others as one."""
    cells = [
        (one_line(label, 300) or "(empty)", one, two)
        for label, one, two in zip(shape.labels, shape.reference, shape.current, strict=False)
    ]
    if len(cells) <= BARS:
        return cells
    ranked = sorted(range(len(cells)), key=lambda at: -max(cells[at][1], cells[at][2]))
    kept = sorted(ranked[: BARS - 1])
    rest = [cells[at] for at in ranked[BARS - 1 :]]
    others = (f"{numbers.count(len(rest))} others", math.fsum(one for _, one, _ in rest), math.fsum(two for *_, two in rest))
    return [*(cells[at] for at in kept), others]


# --- ranges of numbers -----------------------------------------------------------------------------------------------


def _steps(shape: Shape, title: str, unit: str, key: str, width: int) -> str:
    top, bottom, height = 26, 20, 168
    floor = height - bottom
    edges, even = _places(shape.edges)
    ends = [width * (edge - edges[0]) / (edges[-1] - edges[0]) for edge in edges]
    sizes = [high - low for low, high in itertools.pairwise(ends)]
    then, now = ([share / size for share, size in zip(side, sizes, strict=True)] for side in (shape.reference, shape.current))
    most = max(*then, *now) or 1.0
    tall = floor - top
    shapes = _legend()
    outlines = [_outline(ends, [floor - tall * x / most for x in side]) for side in (then, now)]
    shapes.append(f'<path class="then" d="M{ends[0]:.1f} {floor}{outlines[0]}V{floor}z" fill="{BAR}"/>')
    shapes.append(
        f'<path class="edge" d="M{ends[0]:.1f} {floor}{outlines[1]}V{floor}" fill="none" stroke="{MARK}" stroke-width="2"/>'
    )
    told = []
    names = _ranges(shape, unit)
    for at, name in enumerate(names):
        words = f"{name}: {share_words(shape.reference[at], shape.current[at])}"
        shapes.append(
            f'<rect class="hit" x="{ends[at]:.1f}" y="{top}" width="{sizes[at]:.1f}" height="{tall}" fill="transparent">'
            f"<title>{escape(xml_safe(visible(words)))}</title></rect>"
        )
        told.append(words)
    shapes.append(line("axis", 0, floor + 0.5, width, floor + 0.5, AXIS, 1))
    shapes += _ticks(shape.edges, ends, floor, width)
    if even:
        shapes.append(write("aside", width, 11, "cells of unequal width, drawn equal", "end", AXIS, 10.5))
    return svg(key, "shape", f"Distribution of {title}, then and now", "; ".join(told), width, height, shapes)


def _places(edges: Sequence[float]) -> tuple[list[float], bool]:
    """Where edges are drawn: to scale where the outermost cells leave room for the others, else every cell as wide."""
    finite = all(map(math.isfinite, edges)) and all(low < high for low, high in itertools.pairwise(edges))
    inner = edges[-2] - edges[1] if len(edges) > 3 else edges[-1] - edges[0]
    if finite and edges[-1] - edges[0] <= 3.0 * inner and edges[-1] - edges[0] < math.inf:
        narrow = min(high - low for low, high in itertools.pairwise(edges))
        if narrow * 400 >= edges[-1] - edges[0]:
            return list(edges), False
    return [float(at) for at in range(len(edges))], True


def _outline(ends: Sequence[float], heights: Sequence[float]) -> str:
    return "V" + "V".join(f"{y:.1f}H{x:.1f}" for x, y in zip(ends[1:], heights, strict=True))


def _ranges(shape: Shape, unit: str) -> list[str]:
    """Each cell's range: ``412 – 498 characters``, ``above 2,000``; its label where it has one of its own."""
    tail = f" {one_line(unit, 30)}" if unit and unit != "share" else ""
    told = []
    for label, (low, high) in zip(shape.labels, itertools.pairwise(shape.edges), strict=True):
        if math.isinf(low) or math.isinf(high):
            told.append(f"below {_edge(high)}{tail}" if math.isinf(low) else f"above {_edge(low)}{tail}")
        elif label:
            told.append(one_line(label, 80))
        else:
            told.append(f"{_edge(low)} – {_edge(high)}{tail}")
    return told


def _ticks(edges: Sequence[float], ends: Sequence[float], floor: float, width: int) -> list[str]:
    """The edges' values below the axis, as many as have room."""
    shown, last = [], -math.inf
    for at, (edge, x) in enumerate(zip(edges, ends, strict=True)):
        if not math.isfinite(edge) or x - last < 62:
            continue
        if at not in (0, len(edges) - 1) and width - x < 62 and math.isfinite(edges[-1]):
            continue
        anchor = "start" if x < 20 else "end" if x > width - 20 else "middle"
        shown.append(write("tick", x, floor + 15, _edge(edge), anchor, AXIS, 10.5))
        last = x
    return shown


def _edge(value: float) -> str:
    return f"{value:g}".replace("-", numbers.MINUS) if value == round(value, 2) and abs(value) < 1e3 else numbers.score(value)


def _legend() -> list[str]:
    """What is pale and what is strong, in the drawing's own corner."""
    return [
        f'<rect class="then" x="0" y="3" width="12" height="9" rx="1" fill="{BAR}"/>',
        write("aside", 17, 11, "then", "start", AXIS, 11),
        f'<rect class="now" x="54" y="3" width="12" height="9" rx="1" fill="{MARK}"/>',
        write("aside", 71, 11, "now", "start", AXIS, 11),
    ]
