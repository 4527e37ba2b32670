"""The scale of a judge and the scale of labels, and how one is brought to the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evalkit.core.errors import Problem, SpecError, quote
from evalkit.core.rows import Floats
from evalkit.store.table import Table


def judge_scale(table: Table, label: str, name: str, scores: Floats) -> tuple[float, float] | None:
    """Least and greatest score that the judge could give: told by its ``.normalized``, or by its being a share or a verdict."""
    normalized = table.scores(f"{label}.normalized")
    seen = np.unique(scores[~np.isnan(scores)])
    if normalized is not None and name == label:
        both = ~np.isnan(scores) & ~np.isnan(normalized)
        x, y = normalized[both], scores[both]
        if len(x) and float(np.ptp(x)) > 0.0:
            low, high = int(np.argmin(x)), int(np.argmax(x))
            slope = (y[high] - y[low]) / (x[high] - x[low])
            start = y[low] - slope * x[low]
            return round(float(start), 9), round(float(start + slope), 9)
    if len(seen) and seen[0] >= 0.0 and seen[-1] <= 1.0:
        return 0.0, 1.0
    return None


def label_scale(
    labels: Floats,
    own: tuple[float, float] | None,
    given: tuple[float, float] | None,
    file: str,
    ids: Sequence[str],
    name: str,
) -> tuple[tuple[float, float] | None, list[str]]:
    """The scale of the labels, and what is to be said about it.

    Raises:
        SpecError: a label lies outside.
    """
    if given is not None:
        outside = np.flatnonzero((labels < given[0]) | (labels > given[1]))
        if len(outside):
            what = (
                f"the label {labels[outside[0]]:g} of {quote(ids[int(outside[0])])} lies outside {given[0]:g} to {given[1]:g}"
            )
            raise SpecError(Problem(file, what, "give --scale MIN:MAX as the labels use it"))
        moved = [_moved(own, given, name)] if own is not None and own != given else []
        return given, moved
    if own is None:
        return None, []
    outside = np.flatnonzero((labels < own[0]) | (labels > own[1]))
    if not len(outside):
        return own, []
    if float(labels.min()) >= 0.0 and float(labels.max()) <= 1.0:
        return (0.0, 1.0), [_moved(own, (0.0, 1.0), name)]
    at = int(outside[0])
    what = f"the label {labels[at]:g} of {quote(ids[at])} lies outside {own[0]:g} to {own[1]:g}, the scale of {name}"
    raise SpecError(Problem(file, what, "where people used another scale, say which: --scale MIN:MAX"))


def _moved(own: tuple[float, float], to: tuple[float, float], name: str) -> str:
    ends = f"{name} goes from {own[0]:g} to {own[1]:g} and the labels from {to[0]:g} to {to[1]:g}"
    return f"{ends}: scores were moved to the labels' scale"
