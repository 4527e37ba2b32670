"""Gates with `sequential: true`: 2,000 records at most, looked at after every one, at 95 %.

At a distance of 0 the truth lies exactly on the gate's bound and every decision is wrong: the column *wrong* is the share of
data sets in which one was ever made, on either side, however long one looks. As a bound is refuted exactly when it lies outside of
the confidence sequence, 1 less it is the share of sequences that hold the truth at all moments together.

Distances are told in margins: one is the least that a fixed test of all 2,000 records finds with 80 % power, 2.80 standard
errors of their mean. *Saved* is the share of 2,000 judge calls that are not made, with the two batches of 25 that are under way
when a gate decides taken for made. Shares, a beta distribution, scores of 1 to 5, differences of 0/1 scores against a baseline
of which 16 % differ, and clusters of 1 to 8 alike records (the larger ones better) have bounds, and a test by betting. Normal
values, Student's t with 3 degrees of freedom, and lognormal ones have none: an asymptotic sequence, from the hundredth record on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from evalkit.stats.sequential import BoundedTest
from evalkit.stats.sequential_unbounded import UnboundedTest
from simulations._run import Case, Measure, at_least, at_most, figure, rate

NAME = "Gates that stop early"
RECORDS, BATCH, ALPHA = 2_000, 25, 0.025
POWER = 2.8016  # 1.960 + 0.842 standard errors
LIKERT = np.array([0.05, 0.1, 0.2, 0.35, 0.3])
LARGEST = 8  # records of a cluster

# kind: mean, standard deviation, limits
KINDS: dict[str, tuple[float, float, tuple[float, float] | None]] = {
    "share 0.5": (0.5, 0.5, (0.0, 1.0)),
    "share 0.8": (0.8, 0.4, (0.0, 1.0)),
    "share 0.95": (0.95, math.sqrt(0.95 * 0.05), (0.0, 1.0)),
    "beta(2, 1)": (2 / 3, math.sqrt(1 / 18), (0.0, 1.0)),
    "scores 1 to 5": (3.75, math.sqrt(float(LIKERT @ np.arange(1, 6) ** 2) - 3.75**2), (1.0, 5.0)),
    "differences of 0/1": (0.0, 0.4, (-1.0, 1.0)),
    "normal": (0.0, 1.0, None),
    "t3": (0.0, math.sqrt(3.0), None),
    "lognormal": (math.exp(0.5), math.sqrt((math.e - 1) * math.e), None),
}
DISTANCES = (0.0, 1.0, 2.0, 4.0)


def cases() -> Iterator[Case]:
    for kind in KINDS:
        for distance in DISTANCES:
            trials = 4_000 if distance == 0 else 1_000
            yield Case(f"{kind}, {distance:g} margins away", trials, {"kind": kind, "distance": distance})
    yield Case("clusters of 1 to 8, 0 margins away", 4_000, {"kind": "clusters", "distance": 0.0})
    yield Case("clusters of 1 to 8, 2 margins away", 1_000, {"kind": "clusters", "distance": 2.0})


def drawn(kind: str, rng: Any) -> Any:
    """Sums and sizes of the units of one data set."""
    if kind == "clusters":
        sizes = rng.integers(1, LARGEST + 1, size=RECORDS // 4).astype(float)
        return sizes * (rng.random(len(sizes)) < 0.4 + 0.05 * sizes), sizes
    if kind.startswith("share"):
        values = (rng.random(RECORDS) < float(kind.split()[1])).astype(float)
    elif kind == "beta(2, 1)":
        values = rng.beta(2.0, 1.0, size=RECORDS)
    elif kind == "scores 1 to 5":
        values = rng.choice(np.arange(1.0, 6.0), size=RECORDS, p=LIKERT)
    elif kind == "differences of 0/1":
        values = rng.choice([-1.0, 0.0, 1.0], size=RECORDS, p=[0.08, 0.84, 0.08])
    elif kind == "t3":
        values = rng.standard_t(3, size=RECORDS)
    else:
        values = rng.normal(size=RECORDS) if kind == "normal" else rng.lognormal(size=RECORDS)
    return values, np.ones(RECORDS)


def clustered() -> tuple[float, float]:
    """Mean per record of the clusters, and the standard deviation that gives 500 of them their standard error."""
    sizes = np.arange(1.0, LARGEST + 1)
    chance = 0.4 + 0.05 * sizes
    mean = float((sizes * chance).sum() / sizes.sum())
    square = float((sizes**2 * (chance * (1 - mean) ** 2 + (1 - chance) * mean**2)).mean())
    return mean, math.sqrt(square) / float(sizes.mean()) * math.sqrt(RECORDS / (RECORDS // 4))


def simulate(case: Case, rng: Any) -> dict[str, Measure]:
    kind, distance = case["kind"], case["distance"]
    mean, deviation, limits = (*clustered(), (0.0, 1.0)) if kind == "clusters" else KINDS[kind]
    bound = mean - distance * POWER * deviation / math.sqrt(RECORDS)
    right, wrong, judged = [], [], []
    for _ in range(case.trials):
        sums, sizes = drawn(kind, rng)
        most = float(LARGEST) if kind == "clusters" else 1.0
        test = (
            UnboundedTest(bound, ALPHA, len(sums))
            if limits is None
            else BoundedTest(bound, *limits, ALPHA, len(sums), most)
        )  # fmt: skip
        test.update(sums, sizes)
        right.append(test.found is not None and test.found[0] == "above")
        wrong.append(test.found is not None and (distance == 0 or test.found[0] == "below"))
        total = float(sizes.sum())
        used = float(sizes[: test.found[1]].sum()) if test.found else total
        judged.append(min(math.ceil(used / BATCH) * BATCH + BATCH, total) / total)
    told = {"wrong": rate(wrong, bar=at_most(0.05))}
    if distance == 0:
        return told
    saved = 1.0 - np.array(judged)
    return told | {"decided right": rate(right), "saved": figure(saved, bar=at_least(0.5) if distance >= 2 else None)}
