"""Metrics that are a share of records: each hits or misses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from evalkit.core.contracts import IntervalKind, Metric
from evalkit.core.rows import Floats, Rows
from evalkit.stats.ratio import ratio


class Share(Metric):
    """Rows are ``(0 or 1, 1)``; the value is their mean, with Wilson's interval."""

    interval: ClassVar[IntervalKind] = "wilson"

    @property
    def columns(self) -> tuple[str, ...]:
        return ("hits", "records")

    def combine(self, totals: Floats) -> Floats:
        return ratio(totals[..., 0], totals[..., 1])[..., None]


def hits(found: ArrayLike, errors: Mapping[int, str] | None = None, reasons: Mapping[int, str] | None = None) -> Rows:
    """The rows of a `Share`: ``found`` has shape (n,), true or false."""
    rows = Rows.of(found, np.ones(len(np.asarray(found))), errors=errors)
    rows.reasons.update(reasons or {})
    return rows
