"""Share of data sets in which a paired test finds a difference at alpha 0.05 though there is none: p ≤ 0.05.

Differences are symmetric about 0, as they are where two systems are equally good (both sides skewed alike): normal, Student's
t with 3 degrees of freedom, lognormal less lognormal, rounded to whole numbers (ties and zeros), or 0/1 scores of which a
tenth differ. Clustered: records in clusters of 5 that share half of their variance (0/1: half of their differences).
Permutation exchanges 1,000 times, or in all ways where there are fewer; 50 data sets share the exchanges. Of fewer than ten
records or clusters, rank and permutation tests have few p values to choose from (of five, none below 0.0625), and of 0/1
scores too: both are cautious. Student's t is cautious of few records with heavy tails.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evalkit.stats.mcnemar import mcnemar_exact
from evalkit.stats.permutation import Paired, sign_flip
from evalkit.stats.signed_rank import wilcoxon
from evalkit.stats.student import paired_t
from simulations._run import Case, Measure, at_most, rate, within

NAME = "False positives of paired tests"

KINDS = ("normal", "t3", "lognormal", "whole numbers", "0/1")
SIZES = (5, 10, 15, 30, 200)
SHARING = 50
CLUSTERS = ((6, 5), (12, 5), (30, 5), (100, 5))


def cases() -> Iterator[Case]:
    for kind in KINDS:
        for n in SIZES:
            yield Case(f"{kind}, {n} records", 10_000, {"kind": kind, "n": n, "size": 1})
    for kind in ("normal", "t3", "0/1"):
        for count, size in CLUSTERS:
            yield Case(f"{kind}, {count} clusters of {size}", 10_000, {"kind": kind, "n": count * size, "size": size})


def drawn(kind: str, shape: tuple[int, int], rng: Any) -> Any:
    """Differences without an effect."""
    if kind == "normal":
        return rng.normal(size=shape)
    if kind == "t3":
        return rng.standard_t(3, size=shape)
    if kind == "lognormal":
        return rng.lognormal(size=shape) - rng.lognormal(size=shape)
    if kind == "whole numbers":
        return np.rint(rng.normal(scale=1.5, size=shape))
    return np.where(rng.random(shape) < 0.1, np.where(rng.random(shape) < 0.5, 1.0, -1.0), 0.0)


def simulate(case: Case, rng: Any) -> dict[str, Measure]:
    n, size, trials = case["n"], case["size"], case.trials
    difference = drawn(case["kind"], (trials, n), rng)
    clusters = None
    if size > 1:
        shared = np.repeat(drawn(case["kind"], (trials, n // size), rng), size, axis=1)
        difference = (
            np.where(rng.random((trials, n)) < 0.5, shared, difference) if case["kind"] == "0/1" else difference + shared
        )
        clusters = np.repeat(np.arange(n // size), size)
    units = n // size
    continuous = case["kind"] in ("normal", "t3", "lognormal") and units >= 10
    bar = within(0.04, 0.06) if continuous else at_most(0.06)
    flat = at_most(0.06)
    nothing = np.zeros((n, 1))
    found: dict[str, Any] = {"permutation": [], "Wilcoxon": [], "Student's t": [], "McNemar": [], "McNemar, mid-p": []}
    for start in range(0, trials, SHARING):
        part = difference[start : start + SHARING]
        tests = sign_flip(
            [Paired(nothing, one[:, None], _sum) for one in part],
            seed=int(rng.integers(2**31)),
            resamples=1_000,
            clusters=clusters,
        )
        found["permutation"] += [test.p[0] for test in tests]
    for one in difference:
        found["Wilcoxon"].append(wilcoxon(one, clusters=clusters))
        found["Student's t"].append(paired_t(one, clusters).p)
    if case["kind"] == "0/1" and clusters is None:
        split = [(int((one > 0).sum()), int((one < 0).sum())) for one in difference]
        known = {pair: (mcnemar_exact(*pair), mcnemar_exact(*pair, mid_p=True)) for pair in set(split)}
        found["McNemar"], found["McNemar, mid-p"] = zip(*(known[pair] for pair in split), strict=True)
    bars = {
        "permutation": bar,
        "Wilcoxon": bar,
        "Student's t": within(0.04, 0.06) if case["kind"] == "normal" else flat,
        "McNemar": flat,
        "McNemar, mid-p": flat,
    }
    return {
        name: rate([value <= 0.05 if value == value else np.nan for value in p], bar=bars[name])
        for name, p in found.items()
        if len(p)
    }


def _sum(totals: Any) -> Any:
    return totals
