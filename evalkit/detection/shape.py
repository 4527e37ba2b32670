"""Distributions of both sides over the same few cells, as a reader looks at them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.core.drift import Shape

CELLS = 24  # ranges of numbers
NAMES = 12  # categories that are shown by name
TAIL = 0.005  # share of both sides together beyond the first and the last edge, which these cells take in

Counts = NDArray[np.int64]


def of_numbers(values: NDArray[np.float64], reference: Counts, current: Counts) -> Shape:
    """Counts at ascending values (m,) over equally wide ranges; of few distinct values each has its own cell."""
    if len(values) <= CELLS and len(values) and (values == np.rint(values)).all():
        return Shape(tuple(f"{value:,.6g}" for value in values), _shares(reference), _shares(current))
    pooled = reference / max(reference.sum(), 1) + current / max(current.sum(), 1)
    reached = np.cumsum(pooled) / max(pooled.sum(), 1e-300)
    low = float(values[min(int(np.searchsorted(reached, TAIL)), len(values) - 1)])
    high = float(values[min(int(np.searchsorted(reached, 1.0 - TAIL)), len(values) - 1)])
    if not high > low:
        high = low + 1.0
    edges = np.linspace(low, high, CELLS + 1)
    cells = np.clip(np.searchsorted(edges, values, "right") - 1, 0, CELLS - 1)
    one, two = (np.bincount(cells, weights=side, minlength=CELLS) for side in (reference, current))
    labels = tuple(f"{start:,.4g} – {end:,.4g}" for start, end in zip(edges, edges[1:]))
    return Shape(labels, _shares(one), _shares(two), tuple(float(edge) for edge in edges))


def of_categories(names: Sequence[str], reference: Counts, current: Counts) -> Shape:
    """The most frequent names of either side, and the rest as one."""
    pooled = reference / max(reference.sum(), 1) + current / max(current.sum(), 1)
    first = np.argsort(-pooled, kind="stable")[:NAMES]
    rest = np.setdiff1d(np.arange(len(names)), first)
    labels = [names[at] for at in first]
    one, two = list(reference[first]), list(current[first])
    if len(rest):
        labels.append(f"{len(rest)} others")
        one.append(reference[rest].sum())
        two.append(current[rest].sum())
    return Shape(tuple(labels), _shares(np.array(one)), _shares(np.array(two)))


def of_flags(reference: tuple[int, int], current: tuple[int, int]) -> Shape:
    """Hits and rows of both sides."""
    one, two = (np.array([n - hits, hits]) for hits, n in (reference, current))
    return Shape(("no", "yes"), _shares(one), _shares(two))


def _shares(counts: NDArray[Any]) -> tuple[float, ...]:
    total = float(counts.sum())
    return tuple(float(count) / total if total and math.isfinite(total) else 0.0 for count in counts)
