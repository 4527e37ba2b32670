"""Quantiles over rows, whose standard errors know that rows of one unit go together."""

from __future__ import annotations

import math

import numpy as np

from evalkit.logs.read import Log
from evalkit.stats.experiment import Arm, Moments, quantile_arm, quantile_ranks


def quantile_arms(log: Log, x: str, level: float, source: str, k: int, *, unit: bool) -> list[Arm]:
    """The quantile of a column in each of ``k`` variants, its standard error NaN where units are too few.

    Three passes: the exact quantile, the share of rows below it (a ratio of sums over units), and the values at the two
    `quantile_ranks` that follow.
    """
    values = dict(log.rows(f"SELECT v, quantile_cont({x}, {level!r}) FROM {source} WHERE {x} IS NOT NULL GROUP BY v"))
    if not values:
        return [quantile_arm(math.nan, 0, None)] * k
    cuts = " ".join(f"WHEN {int(v)} THEN {float(value)!r}" for v, value in values.items())
    below = f"{x} <= CASE v {cuts} END"
    if unit:
        grouped = f"SELECT v, count(*) FILTER ({below}) AS i, count(*) AS d FROM {source} WHERE {x} IS NOT NULL GROUP BY v, u"
    else:
        grouped = f"SELECT v, CAST({below} AS INTEGER) AS i, 1 AS d FROM {source} WHERE {x} IS NOT NULL"
    sql = f"SELECT v, count(*), avg(i), avg(d), var_samp(i), covar_samp(i, d), var_samp(d) FROM ({grouped}) GROUP BY v"
    below_of = {}
    for v, n, *told in log.rows(sql):
        i, d, ii, both, dd = (math.nan if value is None else float(value) for value in told)
        below_of[v] = Moments(int(n), np.array([i, d]), np.array([[ii, both], [both, dd]]))
    ranks = {v: quantile_ranks(told, level) for v, told in below_of.items()}
    inside = {v: f"[{pair[0]!r}, {pair[1]!r}]" for v, pair in ranks.items() if pair}
    columns = ", ".join(f"quantile_cont({x}, {pair}) FILTER (v = {int(v)})" for v, pair in inside.items())
    ends = dict(zip(inside, log.rows(f"SELECT {columns} FROM {source} WHERE {x} IS NOT NULL")[0])) if inside else {}
    nobody = quantile_arm(math.nan, 0, None)
    return [quantile_arm(float(values[v]), below_of[v].n, ends.get(v)) if v in values else nobody for v in range(k)]
