"""One value of two runs, tested: what paired and unpaired tests both come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.comparison.pairing import Side
from evalkit.core.rows import Floats
from evalkit.stats.sums import column_sums

Bounds = Callable[[float], tuple[float, float]]
METHODS = {"bca": "BCa bootstrap", "bootstrap-t": "bootstrap-t", "percentile": "percentile bootstrap", "none": ""}


@dataclass(frozen=True)
class Tested:
    """One value of both runs over the records looked at.

    Attributes:
        bounds: the interval of b - a at any level, in the metric's own unit; NaN where there is none.
        method: how the interval comes about.
        effect: what ``effect_size`` is measured in.
        units: records, or clusters of them, that were drawn.
        same: no record has another row in b.
    """

    a: float
    b: float
    bounds: Bounds
    method: str
    p: float
    test: str
    effect_size: float
    effect: str
    n: int
    units: int
    stderr: float
    gained: int = 0
    lost: int = 0
    even: int = 0
    same: bool = False

    @property
    def diff(self) -> float:
        """b - a."""
        return self.b - self.a


def value_of(side: Side, mask: NDArray[np.bool_]) -> Floats:
    """The values (parts,) over the records of the mask; NaN for none."""
    rows = side.rows[mask]
    if not len(rows):
        return np.full(len(side.at), np.nan)
    if side.metric.additive:
        return np.asarray(side.combine(column_sums(rows)))
    ordered = rows[np.argsort(rows[:, 0], kind="stable")]
    return np.asarray(side.combine_rows(ordered, np.ones((1, len(rows))))[0])
