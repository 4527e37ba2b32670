"""Share of 95 % intervals of agreement and of correlations that hold the truth.

Raters: each record has a true level of five (.4, .25, .15, .12, .08); a rater tells it with chance .7, else a neighbour or it.
Kappas are of two raters, Fleiss' kappa and Krippendorff's alpha of three. Their truth follows from the joint distribution of
two raters. Correlations: a normal pair (r .707), and a judge with many digits against five-point labels (r .641); also 5
records to a cluster that share half of the variance of both, resampled as clusters. 1,000 resamples; `bootstrap` is BCa.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from evalkit.stats.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha
from evalkit.stats.correlation import PARTS, correlations, values_of
from simulations._run import Bar, Case, Measure, rate, within

NAME = "Coverage of intervals of agreement and correlation"

LEVELS = np.array([0.4, 0.25, 0.15, 0.12, 0.08])
RIGHT = 0.7
SCALES = ("nominal", "ordinal", "interval")
WEIGHTS = ("none", "linear", "quadratic")


def cases() -> Iterator[Case]:
    for n in (30, 50, 200):
        yield Case(f"raters, {n} records", 4_000, {"kind": "raters", "n": n})
    for kind in ("normal", "five levels"):
        for n in (30, 200):
            yield Case(f"{kind}, {n} records", 4_000, {"kind": kind, "n": n})
    for n in (50, 200):
        yield Case(f"normal, {n} clusters of 5", 2_000, {"kind": "clusters", "n": n})


def simulate(case: Case, rng: Any) -> dict[str, Measure]:
    bar = within(0.94, 0.96) if case["n"] >= 200 else None
    return _raters(case, rng, bar) if case["kind"] == "raters" else _pairs(case, rng, bar)


def _raters(case: Case, rng: Any, bar: Bar | None) -> dict[str, Measure]:
    truth = {**{f"kappa {w}": one for w, one in kappas().items()}, **alphas()}
    held: dict[str, list[bool]] = {}

    def told(name: str, of: str, found: Any) -> None:
        held.setdefault(name, []).append(bool(found.low <= truth[of] <= found.high))

    for _ in range(case.trials):
        level = rng.choice(5, case["n"], p=LEVELS)
        moved = np.clip(level[:, None] + rng.integers(-1, 2, (case["n"], 3)), 0, 4)
        x = np.where(rng.random((case["n"], 3)) < RIGHT, level[:, None], moved)
        seed = int(rng.integers(2**31))
        for weights in WEIGHTS:
            how: dict[str, Any] = {"weights": weights, "values": range(5)}
            told(
                f"kappa {weights}, asymptotic", f"kappa {weights}", cohen_kappa(x[:, 0], x[:, 1], interval="asymptotic", **how)
            )
            drawn = cohen_kappa(x[:, 0], x[:, 1], interval="bootstrap", seed=seed, **how)
            told(f"kappa {weights}, bootstrap", f"kappa {weights}", drawn)
        told("Fleiss", "nominal", fleiss_kappa(x, values=range(5), seed=seed))
        for scale in SCALES:
            told(f"alpha {scale}", scale, krippendorff_alpha(x, scale=scale, values=range(5), seed=seed))
    return {name: rate(hits, bar=bar) for name, hits in held.items()}


def _pairs(case: Case, rng: Any, bar: Bar | None) -> dict[str, Measure]:
    kind, n = case["kind"], case["n"]
    truth = dict(zip(PARTS, correlations_of(kind), strict=True))
    clusters = np.repeat(np.arange(n), 5) if kind == "clusters" else None
    ways = ("bootstrap",) if kind == "clusters" else ("bootstrap", "fisher")
    held: dict[str, list[bool]] = {}
    for _ in range(case.trials):
        x, y = drawn(kind, n, rng)
        for how in ways:
            found = correlations(x, y, clusters=clusters, interval=how, seed=int(rng.integers(2**31)))
            for part, one in found.items():
                if not math.isnan(one.low):
                    held.setdefault(f"{part}, {how}", []).append(bool(one.low <= truth[part] <= one.high))
    unfit = {"kendall_b, fisher"} if kind == "five levels" else set()  # its variance is that of scores without many ties
    return {name: rate(hits, bar=None if name in unfit else bar) for name, hits in held.items()}


def drawn(kind: str, n: int, rng: Any) -> tuple[Any, Any]:
    """Two scores of n records, or of n clusters of 5."""
    if kind == "clusters":
        common = np.repeat(rng.normal(size=(2, n)), 5, axis=1)
        first, noise = (common + rng.normal(size=(2, 5 * n))) / math.sqrt(2.0)
        return first, first + noise
    if kind == "normal":
        first = rng.normal(size=n)
        return first, first + rng.normal(size=n)
    latent = rng.normal(size=n)
    return latent + 0.8 * rng.normal(size=n), np.clip(np.round(latent + 0.6 * rng.normal(size=n) + 3.0), 1, 5)


@cache
def correlations_of(kind: str) -> tuple[float, ...]:
    """The truth: in closed form of a normal pair, of a very large sample else."""
    if kind != "five levels":
        r = 1.0 / math.sqrt(2.0)
        tau = 2.0 / math.pi * math.asin(r)
        return r, 6.0 / math.pi * math.asin(r / 2.0), tau, tau
    x, y = drawn(kind, 2_000_000, np.random.default_rng(1))
    return tuple(float(one) for one in values_of(x, y))


@cache
def joint() -> Any:
    """How often two raters tell each pair of levels."""
    told = np.zeros((5, 5))
    for level, share in enumerate(LEVELS):
        one = np.zeros(5)
        one[level] += RIGHT
        for step in (-1, 0, 1):
            one[min(max(level + step, 0), 4)] += (1.0 - RIGHT) / 3.0
        told += share * np.outer(one, one)
    return told


def kappas() -> dict[str, float]:
    """1 - observed / expected distance."""
    both = joint()
    apart = np.abs(np.arange(5)[:, None] - np.arange(5))
    distances = {"none": apart > 0, "linear": apart, "quadratic": apart**2}
    chance = np.outer(both.sum(1), both.sum(0))
    return {name: float(1.0 - (both * one).sum() / (chance * one).sum()) for name, one in distances.items()}


def alphas() -> dict[str, float]:
    """Of many records alpha is kappa with the pooled margins, which are alike here; ordinal distances are of mid-ranks."""
    both = joint()
    margin = both.sum(1)
    ranks = np.cumsum(margin) - margin / 2.0
    apart = (ranks[:, None] - ranks) ** 2
    ordinal = float(1.0 - (both * apart).sum() / (np.outer(margin, margin) * apart).sum())
    told = kappas()
    return {"nominal": told["none"], "ordinal": ordinal, "interval": told["quadratic"]}
