"""Experiments that are looked at 200 times, from 100 users an arm up to 10,000, and the check of the split.

Where one in ten is treated, from 500 treated users: before, `evalkit ab` gives no verdict of an uneven split.

Found: share of experiments without an effect in which any look finds one at 0.05, from always-valid p values and from a t test
at every look. The sequences are tuned for 10,000 users of both arms. Coverage: share in which the interval holds the truth at
every look. Revenue is 0 for nine users of ten and lognormal for the tenth. The split is called broken from p < 0.001; of the
sequential check every hundredth unit is a look.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import stats

from evalkit.stats.anytime import PLANNED, both_arms, half_width, valid_p
from evalkit.stats.sample_ratio import THRESHOLD, always_valid, chi_square
from simulations._run import Case, Measure, at_least, at_most, rate

NAME = "Peeking, and the check of the split"

MOST = 10_000
LOOKS = 200


def cases() -> Iterator[Case]:
    for kind in ("normal", "0/1, half", "0/1, 5 %", "revenue"):
        yield Case(f"{kind}, 200 looks", 4_000, {"kind": kind, "ratio": 1, "first": 100})
    for kind in ("0/1, 5 %", "revenue"):
        yield Case(f"{kind}, 200 looks, one in ten treated", 2_000, {"kind": kind, "ratio": 9, "first": 500})
    for name, share, n in (("even split", 0.5, 100_000), ("51 to 49", 0.51, 100_000), ("52 to 48", 0.52, 20_000)):
        yield Case(f"split: {name}, {n:,} users", 10_000, {"split": share, "n": n})
    for name, share, n in (("even split", 0.5, 20_000), ("51 to 49", 0.51, 100_000)):
        yield Case(f"split looked at always: {name}, {n:,} users", 400, {"split": share, "n": n, "looks": True})


def drawn(kind: str, n: int, rng: Any) -> Any:
    if kind == "normal":
        return rng.normal(size=n)
    if kind == "revenue":
        return np.where(rng.random(n) < 0.1, rng.lognormal(1.0, 1.0, n), 0.0)
    return (rng.random(n) < (0.5 if "half" in kind else 0.05)).astype(float)


def simulate(case: Case, rng: Any) -> dict[str, Measure]:
    return _split(case, rng) if "split" in case.given else _peeking(case, rng)


def _peeking(case: Case, rng: Any) -> dict[str, Measure]:
    valid, naive, held = [], [], []
    treated = np.unique(np.geomspace(case["first"], MOST // case["ratio"], LOOKS).astype(int))
    sizes = (case["ratio"] * treated, treated)
    for _ in range(case.trials):
        means, variances = [], []
        for n in sizes:
            values = drawn(case["kind"], n[-1], rng)
            total, squares = np.cumsum(values)[n - 1], np.cumsum(values**2)[n - 1]
            means.append(total / n)
            variances.append((squares - total**2 / n) / (n - 1) / n)
        diff, variance = means[1] - means[0], variances[0] + variances[1]
        told = [
            (valid_p(d, v, both_arms(a, b), planned=PLANNED / 4), half_width(v, both_arms(a, b), planned=PLANNED / 4))
            for d, v, a, b in zip(diff, variance, *sizes)
            if v > 0
        ]
        valid.append(min(p for p, _ in told) <= 0.05)
        held.append(all(abs(d) <= half for d, (_, half) in zip(diff[variance > 0], told)))
        with np.errstate(divide="ignore", invalid="ignore"):
            naive.append(bool((2 * stats.norm.sf(np.abs(diff) / np.sqrt(variance)) <= 0.05).any()))
    return {
        "found by any look": rate(valid, bar=at_most(0.05)),
        "coverage at every look": rate(held, bar=at_least(0.95)),
        "found by a t test at any look": rate(naive),
    }


def _split(case: Case, rng: Any) -> dict[str, Measure]:
    always = "looks" in case.given
    n, bar = case["n"], at_most(0.002) if case["split"] == 0.5 else at_least(0.95 if always else 0.99)
    if not always:
        counts = rng.binomial(n, case["split"], case.trials)
        return {"called broken": rate([chi_square((int(x), n - int(x)), (1, 1)) < THRESHOLD for x in counts], bar=bar)}
    broken = []
    for _ in range(case.trials):
        counts = np.cumsum(rng.random(n) < case["split"])[99::100]
        looks = zip(counts.tolist(), range(100, n + 1, 100))
        broken.append(any(always_valid((x, at - x), (1, 1)) < THRESHOLD for x, at in looks))
    return {"called broken": rate(broken, bar=bar)}
