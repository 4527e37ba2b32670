"""Corrected values in words: what people would say, beside what the judge says."""

from __future__ import annotations

import math
from dataclasses import dataclass

from evalkit.core.run import Run
from evalkit.reports import numbers
from evalkit.reports.safe import one_line


@dataclass(frozen=True)
class Correction:
    """One line: a judge's name, the value that people would give, and what that rests on."""

    name: str
    text: str
    interval: str
    scale: str
    note: str
    used: bool


def corrections(run: Run) -> tuple[Correction, ...]:
    """A line for every value that has a card."""
    found = []
    for name, value in run.metrics.items():
        one = value.corrected
        if one is None:
            continue
        low, high = one.ci if one.ci else (math.nan, math.nan)
        digits = numbers.decimals(one.mean, low, high, width=high - low)
        told = f"{numbers.counted(one.labels, 'label')}, card {one.card}" if one.labels else ""
        note = "; ".join(filter(None, (told, one_line(one.why, 300))))
        bounds = numbers.interval(low, high, digits) if one.ci else ""
        scale = f" on {one.scale[0]:g}–{one.scale[1]:g}" if one.scale else ""
        shown = numbers.number(one.mean, digits)
        found.append(Correction(one_line(name, 120), shown, bounds, scale, note, not math.isnan(one.mean)))
    return tuple(found)


def corrected_line(one: Correction) -> str:
    """The whole line: ``people would say 4.59 (4.40 – 4.72): 100 labels, card 50073acbeeac``."""
    if not one.used:
        return f"not corrected: {one.note}"
    bounds = f" ({one.interval})" if one.interval else ""
    return f"people would say {one.text}{bounds}{one.scale}: {one.note}"
