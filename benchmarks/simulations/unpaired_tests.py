"""Share of data sets in which a test of two samples finds a difference at alpha 0.05 though there is none: p ≤ 0.05.

Means: Welch's t test of normal, Student's t (3 degrees of freedom) and lognormal numbers, of equal sizes or not, with equal
standard deviations or one three times the other (where the distribution is symmetric about its mean). Shares: the score
test, which gives way to Fisher's exact test where fewer than 5 successes or failures are expected on a side. Clusters of 5
records share half of their variance (0/1: a success with chance 0.3); shares of clusters are tested by their design effect,
with Welch's test beside it. *Ignoring* shows what the same data give when clusters are taken for records. Lognormal
numbers of unequal sizes are where every t test errs: the bar is for the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evalkit.stats.welch import shares_clustered, two_proportions, welch_clustered, welch_t
from simulations._run import Case, Measure, at_most, rate, within

NAME = "False positives of tests of two samples"

SIZES = ((5, 5), (10, 30), (30, 30), (200, 200), (100, 400))


def cases() -> Iterator[Case]:
    for kind in ("normal", "normal, spread 1 and 3", "t3", "lognormal"):
        for n, m in SIZES:
            yield Case(f"{kind}, {n} and {m} records", 10_000, {"kind": kind, "n": n, "m": m})
    for share in (0.02, 0.1, 0.5):
        for n, m in (*SIZES, (2_000, 2_000)):
            yield Case(f"share {share:g}, {n} and {m} records", 20_000, {"kind": "share", "share": share, "n": n, "m": m})
    for kind in ("normal", "t3", "0/1"):
        for n, m in ((6, 6), (12, 12), (10, 40), (100, 100)):
            yield Case(f"{kind}, {n} and {m} clusters of 5", 10_000, {"kind": f"{kind} clusters", "n": n, "m": m})


def drawn(kind: str, shape: tuple[int, ...], rng: Any) -> Any:
    if kind == "t3":
        return rng.standard_t(3, size=shape)
    return rng.lognormal(size=shape) if kind == "lognormal" else rng.normal(size=shape)


def simulate(case: Case, rng: Any) -> dict[str, Measure]:
    kind, n, m, trials = case["kind"], case["n"], case["m"], case.trials
    if kind == "share":
        x, y = rng.binomial(n, case["share"], trials), rng.binomial(m, case["share"], trials)
        known = {pair: two_proportions(pair[0], n, pair[1], m).p for pair in set(zip(x.tolist(), y.tolist(), strict=True))}
        return {"shares": rate([known[pair] <= 0.05 for pair in zip(x.tolist(), y.tolist(), strict=True)], bar=at_most(0.06))}
    if kind.endswith("clusters"):
        base, size = kind.removesuffix(" clusters"), 5
        labels = np.repeat(np.arange(n), size), np.repeat(np.arange(m), size)
        sides = [clustered(base, trials, len(one), len(one) // size, rng) for one in labels]
        found = [welch_clustered(a, b, *labels).p <= 0.05 for a, b in zip(*sides, strict=True)]
        naive = [welch_t(a, b).p <= 0.05 for a, b in zip(*sides, strict=True)]
        measures = {"ignoring clusters": rate(naive)}
        if base == "0/1":
            shares = [shares_clustered(a, b, *labels).p <= 0.05 for a, b in zip(*sides, strict=True)]
            return {"shares": rate(shares, bar=at_most(0.06)), "Welch, clustered": rate(found), **measures}
        bar = within(0.04, 0.06) if base == "normal" else at_most(0.06)
        return {"Welch, clustered": rate(found, bar=bar), **measures}
    base, _, wide = kind.partition(",")
    a, b = drawn(base, (trials, n), rng), drawn(base, (trials, m), rng) * (3.0 if wide else 1.0)
    bar = None if base == "lognormal" and n != m else within(0.04, 0.06) if base == "normal" else at_most(0.06)
    return {"Welch": rate([welch_t(*pair).p <= 0.05 for pair in zip(a, b, strict=True)], bar=bar)}


def clustered(kind: str, trials: int, n: int, count: int, rng: Any) -> Any:
    """Records (trials, n) in clusters of equal size, half of whose variance is shared."""
    size = n // count
    if kind == "0/1":
        own, shared = rng.random((trials, n)) < 0.3, rng.random((trials, count)) < 0.3
        return np.where(rng.random((trials, n)) < np.sqrt(0.5), np.repeat(shared, size, axis=1), own).astype(float)
    return drawn(kind, (trials, n), rng) + np.repeat(drawn(kind, (trials, count), rng), size, axis=1)
