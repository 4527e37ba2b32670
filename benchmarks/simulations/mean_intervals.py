"""Share of 95 % intervals of a mean (or a mean paired difference) that hold the truth.

*offered* is what evalkit prints: of scores with a least and a greatest value (beta(2, 1), uniform) BCa, read at Student's levels
below 200 records; of all others the hull of the bootstrap-t and of Student's t, at most three times as far out as Student's. The
others were tried beside it on the same data: BCa at Student's and at normal levels, the percentile bootstrap at normal levels,
Student's t, Johnson's t, which corrects for skewness, the bootstrap-t alone, and the hull with no end to it; 2,000 resamples.
"mostly 0" is a cost that nine records of ten do not have. Widths are over Student's: the median of the data sets, and of *wide*
the one that one in twenty exceeds.

What is offered is the best of these. Of scores without limits (all but "mostly 0", which no interval saves at 10 and 20) it misses
95 % by 2.0, 1.0, 0.7 and 0.8 % on average at 10, 20, 50 and 200 records, BCa by 4.7, 3.3, 2.5 and 1.1 %, Student's t by 5.4, 3.8,
2.2 and 1.1 %, the bootstrap-t alone by 2.2, 1.9, 1.6 and 0.7 %; and from 50 records on it never holds less than 94.8 %, where
these fall to 90.2, 89.8 and 91.3 %. Nor is it wide where it need not be: 8 % wider than Student's of 10 normal records, 2 % of 50.
The hull with no end covers more only at 10 records of gamma(.3), by 0.7 %; there one in twenty is eight times as wide as Student's,
and where most records are 0 it has no end at all. Of scores with limits BCa covers as well as any, and stays within them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from evalkit.stats.bca import interval
from evalkit.stats.distribution import Statistic, distributions
from evalkit.stats.normal import student_quantile
from evalkit.stats.ratio import ratio
from simulations._run import Case, Measure, figure, rate, within

NAME = "Coverage of intervals of means"

RESAMPLES, SHARING, FAR = 2_000, 100, 1_000.0
LIGHT = ("normal", "beta(2, 1)", "uniform")
LIMITED = ("beta(2, 1)", "uniform")
TRUTHS = {
    "normal": 0.0,
    "beta(2, 1)": 2 / 3,
    "uniform": 0.5,
    "exponential": 1.0,
    "t3": 0.0,
    "lognormal": math.exp(0.5),
    "gamma(.3)": 0.3,
    "difference of lognormals": 0.0,
    "mostly 0": 0.2,
}


def cases() -> Iterator[Case]:
    for kind in TRUTHS:
        for n in (10, 20, 50, 200, 1_000):
            yield Case(f"{kind}, {n} records", 4_000, {"kind": kind, "n": n})


def drawn(kind: str, shape: tuple[int, int], rng: Any) -> Any:
    return {
        "normal": lambda: rng.normal(size=shape),
        "beta(2, 1)": lambda: rng.beta(2.0, 1.0, size=shape),
        "uniform": lambda: rng.random(shape),
        "exponential": lambda: rng.exponential(size=shape),
        "t3": lambda: rng.standard_t(3, size=shape),
        "lognormal": lambda: rng.lognormal(size=shape),
        "gamma(.3)": lambda: rng.gamma(0.3, size=shape),
        "difference of lognormals": lambda: rng.lognormal(size=shape) - rng.lognormal(size=shape),
        "mostly 0": lambda: (rng.random(shape) < 0.1) * (1.0 + rng.exponential(size=shape)),
    }[kind]()


def simulate(case: Case, rng: Any) -> dict[str, Measure]:
    kind, n = case["kind"], case["n"]
    truth = TRUTHS[kind]
    scores = drawn(kind, (case.trials, n), rng)
    reach = student_quantile(0.975, n - 1.0)
    held: dict[str, list[bool]] = {}
    widths: dict[str, list[float]] = {}

    for start in range(0, case.trials, SHARING):
        part = scores[start : start + SHARING]
        statistics = [Statistic(np.stack([one, np.ones(n)], axis=1), mean_of, means={0: one}) for one in part]
        made = distributions(statistics, seed=int(rng.integers(2**31)), resamples=RESAMPLES)
        for one, found in zip(part, made, strict=True):
            for name, (low, high) in tried(one, found, kind in LIMITED, reach).items():
                held.setdefault(name, []).append(bool(low <= truth <= high))
                student = 2.0 * reach * float(one.std(ddof=1)) / math.sqrt(n)
                widths.setdefault(name, []).append((high - low) / student if student else 1.0)
    bar = within(0.94, 0.96) if kind in LIGHT and n >= 200 else None
    measures = {name: rate(hits, bar=bar if name == "offered" else None) for name, hits in held.items()}
    for name in ("offered", "BCa", "bootstrap-t"):
        measures[f"width, {name}"] = figure([float(np.median(widths[name]))], digits=2)
    for name in ("offered", "hull"):
        measures[f"wide, {name}"] = figure([float(np.quantile(widths[name], 0.95))], digits=2)
    return measures


def tried(one: Any, found: Any, limited: bool, reach: float) -> dict[str, tuple[float, float]]:
    """The bounds by the name of their column."""
    n, mean, sd = len(one), float(one.mean()), float(one.std(ddof=1))
    stderr = sd / math.sqrt(n)
    if not sd > 0.0:  # every record is 0
        return dict.fromkeys(
            ("offered", "BCa", "BCa, normal levels", "percentile", "Student's t", "Johnson's t", "bootstrap-t", "hull"),
            (mean, mean),
        )
    skewness = float(((one - mean) ** 3).mean()) / sd**3
    shift = skewness / (6.0 * n) * sd * (1.0 + 2.0 * reach**2)
    t = np.clip(found.studentised[0].t, -FAR, FAR)  # some resamples have no spread, and no end
    low, high = np.quantile(t, [0.025, 0.975])
    return {
        "offered": bounds(interval(found, method="bca" if limited else "auto")),
        "BCa": bounds(interval(found, method="bca")),
        "BCa, normal levels": bounds(interval(found, method="bca", few=0)),  # as scipy has it
        "percentile": bounds(interval(found, method="percentile", few=0)),
        "Student's t": (mean - reach * stderr, mean + reach * stderr),
        "Johnson's t": (mean + shift - reach * stderr, mean + shift + reach * stderr),
        "bootstrap-t": (mean - high * stderr, mean - low * stderr),
        "hull": (mean - max(high, reach) * stderr, mean - min(low, -reach) * stderr),
    }


def bounds(found: Any) -> tuple[float, float]:
    return float(found.low[0]), float(found.high[0])


def mean_of(totals: Any) -> Any:
    return ratio(totals[..., :1], totals[..., 1:])
