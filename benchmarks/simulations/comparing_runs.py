"""What `evalkit compare` says of two runs whose difference is known.

Two runs are drawn and compared as the command does: test, interval, adjusted p, verdict, with 999 resamples. Where there is no
difference, "p ≤ 0.05" is how often the test says so all the same, and "verdict" how often better or worse is. "covered" is how
often the 95 % interval holds the true difference. Where the true difference lies on the margin, "verdict" counts equivalent,
which is then wrong. Of eight metrics without a difference "verdict" counts runs with any better or worse among them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.comparison.paired import paired_tests
from evalkit.comparison.pairing import Pair, Side
from evalkit.comparison.settings import Settings
from evalkit.comparison.unpaired import unpaired_tests
from evalkit.comparison.verdict import Facts, compared, judged
from evalkit.core.contracts import Measure as Metric
from evalkit.stats.quantile import MeanAndQuantiles
from simulations._run import Case, Measure, at_most, rate, within

NAME = "Verdicts of compare"
RESAMPLES = 999
OPEN = (-math.inf, math.inf)


@dataclass(frozen=True)
class Mean(Metric):
    """Scores and their number."""

    columns = ("score", "n")
    limits: tuple[float, float]

    def range_of(self, part: str) -> tuple[float, float]:  # noqa: ARG002 - the only one
        return self.limits

    def combine(self, totals: Any) -> Any:
        return totals[..., :1] / totals[..., 1:2]


@dataclass(frozen=True)
class Corpus(Metric):
    """A ratio of sums through a root: not the mean of its records."""

    columns = ("matches", "total")

    def combine(self, totals: Any) -> Any:
        return np.sqrt(totals[..., :1] / totals[..., 1:2])


@dataclass(frozen=True)
class Tail(Metric):
    """The 95th percentile."""

    columns = ("value",)
    additive = False
    combine_rows = MeanAndQuantiles((0.95,))

    @property
    def parts(self) -> tuple[str, ...]:
        return ("mean", "p95")

    def combine(self, totals: Any) -> Any:
        return np.full((*totals.shape[:-1], 2), np.nan)


def cases() -> Iterator[Case]:
    for n in (10, 20, 50, 200, 1_000):
        yield Case(f"means, normal, {n} records", 4_000, {"draw": "normal", "n": n, "continuous": True})
    for n in (50, 200, 1_000):
        yield Case(f"means, lognormal noise, {n} records", 4_000, {"draw": "lognormal", "n": n, "continuous": True})
        yield Case(f"means on a scale of 1 to 5, {n} records", 1_000, {"draw": "scale", "n": n})
        yield Case(f"shares, {n} records", 1_500, {"draw": "share", "n": n})
    yield Case("a corpus metric, 200 records", 4_000, {"draw": "corpus", "n": 200, "continuous": True})
    yield Case("a 95th percentile, 200 records", 4_000, {"draw": "tail", "n": 200, "continuous": True})
    yield Case("means, 20 clusters of 10", 4_000, {"draw": "clustered", "n": 200, "continuous": True})
    yield Case("shares, 40 clusters of 5", 1_000, {"draw": "clustered share", "n": 200})
    yield Case("means of runs without a common record, 100 and 150", 4_000, {"draw": "unpaired", "n": 100, "continuous": True})
    yield Case("eight metrics, 200 records", 600, {"draw": "normal", "n": 200, "metrics": 8})
    yield Case("means, the difference is the margin, 200 records", 1_500, {"draw": "normal", "n": 200, "margin": 0.1})
    yield Case("shares, the difference is the margin, 400 records", 1_500, {"draw": "share", "n": 400, "margin": 0.05})


def simulate(case: Case, rng: np.random.Generator) -> Mapping[str, Measure]:
    margin = case.given.get("margin")
    small, said, covered = [], [], []
    for trial in range(case.trials):
        drawn = [_drawn(case["draw"], case["n"], rng, margin or 0.0) for _ in range(case.given.get("metrics", 1))]
        settings = Settings(resamples=RESAMPLES, seed=trial)
        clusters = drawn[0][1]
        pairs = [Pair(f"m{at}", names, names, a, b, True, True) for at, ((names, a, b), _) in enumerate(drawn)]
        tests = (
            [unpaired_tests([pair], (None, None), settings) for pair in pairs]
            if case["draw"] == "unpaired"
            else [paired_tests([pair], clusters, settings) for pair in pairs]
        )
        values = [
            compared(found[pair.names[-1]], Facts(True, True, True, margin, "metrics"), settings)
            for pair, found in zip(pairs, tests)
        ]
        verdicts, _ = judged(values, settings)
        small.append(values[0].p <= 0.05)
        low, high = values[0].ci or (np.nan, np.nan)
        covered.append(low <= (margin or 0.0) <= high)
        wrong = {"equivalent"} if margin else {"better", "worse"}
        said.append(any(value.verdict in wrong for value in verdicts))
    told = {"verdict": rate(said, bar=at_most(0.06)), "covered": rate(covered)}
    if margin or case.given.get("metrics", 1) > 1:
        return told
    return {"p ≤ 0.05": rate(small, bar=within(0.04, 0.06) if case.given.get("continuous") else at_most(0.06)), **told}


def _drawn(draw: str, n: int, rng: np.random.Generator, shift: float) -> Any:
    """Names and both sides, and clusters; b is higher by ``shift``."""
    shared, clusters = rng.normal(size=n), None
    metric: Metric = Mean({"scale": (1.0, 5.0), "share": (0.0, 1.0), "clustered share": (0.0, 1.0)}.get(draw, OPEN))
    names: tuple[str, ...] = ("x",)
    if draw in ("normal", "lognormal"):
        noise = rng.normal(size=(2, n)) if draw == "normal" else rng.lognormal(0.0, 1.0, (2, n))
        a, b = shared + noise[0], shared + noise[1] + shift
    elif draw == "scale":
        a, b = (np.clip(np.rint(3.0 + shared + rng.normal(size=n)), 1, 5) for _ in range(2))
    elif draw == "share":
        difficulty = rng.random(n)
        a = (rng.random(n) < difficulty).astype(float)
        change = rng.random(n) < 0.2
        chance = 0.5 + shift / 0.2 / 2.0 if shift else 0.5
        flipped = (rng.random(n) < chance).astype(float)
        b = np.where(change, flipped, a)
        a = np.where(change, 1.0 - flipped, a)
    elif draw == "clustered":
        clusters = np.repeat(np.arange(n // 10), 10)
        a, b = (shared + rng.normal(size=n // 10)[clusters] + rng.normal(size=n) for _ in range(2))
    elif draw == "clustered share":
        clusters = np.repeat(np.arange(n // 5), 5)
        a, b = ((rng.normal(size=n // 5)[clusters] + rng.normal(size=n) > 0.0).astype(float) for _ in range(2))
    elif draw == "corpus":
        total = rng.integers(5, 60, n).astype(float)
        rows = [np.stack([rng.binomial(total.astype(int), 0.6) + 0.0, total], axis=1) for _ in range(2)]
        return (names, Side(Corpus(), (0,), rows[0]), Side(Corpus(), (0,), rows[1])), None
    elif draw == "tail":
        base = rng.exponential(300.0, n)
        rows = [(base + rng.exponential(100.0, n))[:, None] for _ in range(2)]
        return (("mean", "p95"), Side(Tail(), (0, 1), rows[0]), Side(Tail(), (0, 1), rows[1])), None
    else:  # unpaired
        a, b = rng.lognormal(0.0, 0.7, n), rng.lognormal(0.0, 0.7, n + 50)
    sides = [Side(metric, (0,), np.stack([values, np.ones(len(values))], axis=1)) for values in (a, b)]
    return (names, sides[0], sides[1]), clusters
