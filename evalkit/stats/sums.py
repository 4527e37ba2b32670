"""Sums that come out the same in every order: on every machine, with any number of threads, beside any other column."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MANTISSA = 53  # bits of a float64


def column_sums(values: Floats, scored: NDArray[np.bool_] | None = None) -> Floats:
    """Sums of the columns of ``values`` (n, k), shape (k,), over the ``scored`` rows (n,), or all.

    Each column is split into a coarse part whose sum is exact, whatever the order, and a remainder so small that the
    order moves it far below the last digit. An infinity or NaN in a scored row makes the sum one.
    """
    return np.array([column_sum(column if scored is None else column[scored]) for column in values.T], dtype=np.float64)


def column_sum(column: Floats) -> float:
    """The sum of ``column`` (n,), rounded once."""
    if not column.size:
        return 0.0
    unit = _unit(float(np.abs(column).max()), column.size)
    if unit is None:
        return float(column.sum())
    coarse = _rounded(column, unit)
    return float(coarse.sum() + (column - coarse).sum())


def centred(column: Floats, terms: int) -> tuple[float, Floats]:
    """``column`` (n,) as one centre and offsets (n,) whose weighted sums are exact.

    The centre is the middle of the range. Offsets are multiples of a power of two, coarse enough that every sum of
    ``w * offset`` with whole weights of total at most ``terms`` fits a float64: no addition rounds, so that order,
    threads, fused multiply-add and the shape of a matrix product cannot move a digit. What rounding the offsets costs
    is below range · 2^-(53 - log2 terms): at 20,000 terms a 10^11th of the range. Whole numbers stay exact.
    """
    low, high = float(column.min()), float(column.max())
    centre = low / 2.0 + high / 2.0
    if not math.isfinite(centre):
        return 0.0, column
    offsets = column - centre
    unit = _unit(float(np.abs(offsets).max()), terms)
    return centre, offsets if unit is None else _rounded(offsets, unit)


def on_grid(column: Floats, terms: int) -> Floats:
    """``column`` (n,) rounded so that the sum of any ``terms`` of its numbers is exact, as the offsets of `centred` are."""
    unit = _unit(float(np.abs(column).max()), terms) if column.size else None
    return column if unit is None else _rounded(column, unit)


def _unit(largest: float, terms: int) -> int | None:
    """Exponent of the power of two of which ``terms`` numbers up to ``largest`` are summed without rounding."""
    if largest == 0.0 or not math.isfinite(largest):
        return None
    return math.frexp(largest)[1] + math.ceil(math.log2(max(terms, 1))) - _MANTISSA


def _rounded(column: Floats, unit: int) -> Floats:
    scaled: Floats = np.ldexp(column, -unit)
    np.rint(scaled, out=scaled)
    rounded: Floats = np.ldexp(scaled, unit)
    return rounded
