"""P values adjusted for how many were looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from evalkit.stats.sums import Floats

Adjustment = Literal["none", "bonferroni", "sidak", "holm", "hochberg", "bh", "by"]


def adjust(p: ArrayLike, method: str = "holm") -> Floats:
    """Adjusted p values, of the shape of ``p``; NaN stays NaN and is not counted among the tests.

    bonferroni, sidak, holm and hochberg bound the chance of any false finding; bh and by the share of false ones among
    the findings. sidak and hochberg need independent tests (or positively dependent ones), bh positively dependent ones;
    bonferroni, holm and by need nothing. none changes nothing.

    Source: Holm (1979); Hochberg (1988); Šidák (1967); Benjamini & Hochberg (1995); Benjamini & Yekutieli (2001). The values
    are those of R's ``p.adjust`` and multtest.
    """
    if method not in _ADJUSTED:
        raise ValueError(f"method must be one of {', '.join(sorted(_ADJUSTED))}, not {method!r}")
    given = np.asarray(p, dtype=np.float64)
    known = ~np.isnan(given)
    values = given[known]
    if ((values < 0.0) | (values > 1.0)).any():
        raise ValueError("p values must lie between 0 and 1")
    adjusted = np.full(given.shape, np.nan)
    if values.size:
        order = np.argsort(values, kind="stable")
        back = np.empty_like(values)
        back[order] = np.minimum(_ADJUSTED[method](values[order]), 1.0)
        adjusted[known] = back
    return adjusted


def _bonferroni(p: Floats) -> Floats:
    return p * len(p)


def _sidak(p: Floats) -> Floats:
    adjusted: Floats = -np.expm1(len(p) * np.log1p(-np.minimum(p, 1.0 - 1e-16)))
    return np.where(p >= 1.0, 1.0, adjusted)


def _holm(p: Floats) -> Floats:
    stepped: Floats = np.maximum.accumulate(p * np.arange(len(p), 0, -1))
    return stepped


def _hochberg(p: Floats) -> Floats:
    return _least_above(p * np.arange(len(p), 0, -1))


def _bh(p: Floats) -> Floats:
    return _least_above(p * len(p) / np.arange(1, len(p) + 1))


def _by(p: Floats) -> Floats:
    return _least_above(p * len(p) * float((1.0 / np.arange(1, len(p) + 1)).sum()) / np.arange(1, len(p) + 1))


def _least_above(stepped: Floats) -> Floats:
    """Each value or the least of those after it."""
    least: Floats = np.minimum.accumulate(stepped[::-1])[::-1]
    return least


_ADJUSTED: dict[str, Callable[[Floats], Floats]] = {
    "none": lambda p: p,
    "bonferroni": _bonferroni,
    "sidak": _sidak,
    "holm": _holm,
    "hochberg": _hochberg,
    "bh": _bh,
    "by": _by,
}
