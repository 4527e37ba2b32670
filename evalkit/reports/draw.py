"""What plots are drawn with: an axis, lines, texts, and the SVG around them. Pure functions; text stays text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from evalkit.reports.safe import visible, xml_safe

# Colours for a file that is looked at on its own; report.css overrides them by class.
BAR, BAND, MARK, AXIS, TEXT = "#7f9fc4", "#d9822b", "#b3560b", "#8a8a83", "#44443f"


@dataclass(frozen=True)
class Axis:
    """A linear scale from values to horizontal places."""

    low: float
    high: float
    left: float
    right: float

    def __call__(self, value: float) -> float:
        if self.high <= self.low:
            return (self.left + self.right) / 2
        share = (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)  # halves: no range of floats overflows
        return self.left + (self.right - self.left) * min(max(share, 0.0), 1.0)

    def holds(self, value: float) -> bool:
        return math.isfinite(value) and (self.low <= value <= self.high or self.high <= self.low)


def line(css: str, x1: float, y1: float, x2: float, y2: float, colour: str, thick: float, dashes: str = "") -> str:
    """A straight line; ``css`` is its class, by which report.css colours it."""
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line class="{css}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{thick}" stroke-linecap="round"{dash}/>'
    )


def write(
    css: str,
    x: float,
    y: float,
    text: str,
    anchor: str,
    colour: str,
    size: float,
    *,
    bold: bool = False,
    full: str = "",
) -> str:
    """One line of text; ``full`` is what it stands for where it had to be shortened."""
    weight = ' font-weight="600"' if bold else ""
    hint = f"<title>{escape(xml_safe(visible(full)))}</title>" if full and full != text else ""
    return (
        f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}" '
        f'font-family="system-ui, sans-serif"{weight}>{escape(xml_safe(visible(text)))}{hint}</text>'
    )


def svg(key: str, kind: str, title: str, told: str, width: int, height: int, shapes: Sequence[str]) -> str:
    """The whole drawing; ``key`` is unique in its page, ``told`` says in words what it shows."""
    name = escape(key, quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot {kind}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-labelledby="{name}-t {name}-d"><title id="{name}-t">{escape(xml_safe(visible(title)))}</title>'
        f'<desc id="{name}-d">{escape(xml_safe(visible(told)))}</desc>{"".join(shapes)}</svg>'
    )
