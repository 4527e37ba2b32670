"""Quantiles over rows, whose standard errors know that rows of one unit go together."""

from __future__ import annotations

import math

import numpy as np

from evalkit.experiment.log import Log
from evalkit.stats.experiment import Moments, ratio_arm

_Z = 1.96


def quantile_arms(log: Log, x: str, level: float, source: str, k: int, *, unit: bool) -> list[tuple[float, float, int]]:
    """Value, standard error and units of the quantile of a column in each of ``k`` variants; NaN where units are too few.

    The share of rows below the quantile is a ratio of sums over units. Its standard error (delta method) gives two ranks
    1.96 standard errors to either side; the values there lie 2 × 1.96 standard errors of the quantile apart. Three passes,
    exact quantiles.

    Source: Deng, Knoblich & Lu (2018), section 4.2 (the outer interval); Woodruff (1952).
    """
    values = dict(log.rows(f"SELECT v, quantile_cont({x}, {level!r}) FROM {source} WHERE {x} IS NOT NULL GROUP BY v"))
    if not values:
        return [(math.nan, math.nan, 0)] * k
    cuts = " ".join(f"WHEN {int(v)} THEN {float(value)!r}" for v, value in values.items())
    below = f"{x} <= CASE v {cuts} END"
    if unit:
        grouped = f"SELECT v, count(*) FILTER ({below}) AS i, count(*) AS d FROM {source} WHERE {x} IS NOT NULL GROUP BY v, u"
    else:
        grouped = f"SELECT v, CAST({below} AS INTEGER) AS i, 1 AS d FROM {source} WHERE {x} IS NOT NULL"
    sql = f"SELECT v, count(*), avg(i), avg(d), var_samp(i), covar_samp(i, d), var_samp(d) FROM ({grouped}) GROUP BY v"
    arms = {}
    for v, n, *told in log.rows(sql):
        i, d, ii, both, dd = (math.nan if value is None else float(value) for value in told)
        arms[v] = ratio_arm(Moments(int(n), np.array([i, d]), np.array([[ii, both], [both, dd]])))
    ends = {v: (level - _Z * arm.stderr, level + _Z * arm.stderr) for v, arm in arms.items()}
    inside = {v: f"[{low!r}, {high!r}]" for v, (low, high) in ends.items() if low > 0.0 and high < 1.0}
    columns = ", ".join(f"quantile_cont({x}, {pair}) FILTER (v = {int(v)})" for v, pair in inside.items())
    found = dict(zip(inside, log.rows(f"SELECT {columns} FROM {source} WHERE {x} IS NOT NULL")[0])) if inside else {}
    return [
        (
            float(values[v]) if v in values else math.nan,
            (found[v][1] - found[v][0]) / (2.0 * _Z) if v in found else math.nan,
            arms[v].n if v in arms else 0,
        )
        for v in range(k)
    ]
