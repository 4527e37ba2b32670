"""Share of 95 % intervals of a mean that hold the truth where records come in clusters that share half of their variance.

Clusters hold 5 records, or 1 to 15 of them; scores have no limits. *offered* is the hull of the bootstrap-t over whole clusters
and of Student's t on clusters - 1. Beside it stand BCa, which scores with limits get, read at Student's levels below 200 clusters;
Student's t alone; and what is offered where the same records are taken for independent ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evalkit.stats.bca import interval
from evalkit.stats.distribution import Statistic, distributions
from evalkit.stats.ratio import ratio
from evalkit.stats.student import paired_t
from simulations._run import Case, Measure, rate, within

NAME = "Coverage of intervals of clustered records"
RESAMPLES, SHARING = 1_000, 25


def cases() -> Iterator[Case]:
    for kind in ("normal", "exponential"):
        for uneven in (False, True):
            for count in (8, 20, 50, 200):
                sizes = "1 to 15" if uneven else "5"
                yield Case(f"{kind}, {count} clusters of {sizes}", 4_000, {"kind": kind, "count": count, "uneven": uneven})


def simulate(case: Case, rng: Any) -> dict[str, Measure]:
    count, trials = case["count"], case.trials
    found: dict[str, list[bool]] = {"offered": [], "BCa": [], "Student's t": [], "ignoring clusters": []}
    for start in range(0, trials, SHARING):
        sizes = rng.integers(1, 16, count) if case["uneven"] else np.full(count, 5)
        labels = np.repeat(np.arange(count), sizes)
        shape = (min(SHARING, trials - start), len(labels))
        draw = rng.normal if case["kind"] == "normal" else lambda size: rng.exponential(size=size) - 1.0
        scores = draw(size=shape) + draw(size=(shape[0], count))[:, labels]
        statistics = [Statistic(np.stack([one, np.ones(len(one))], axis=1), mean, means={0: one}) for one in scores]
        seed = int(rng.integers(2**31))
        for name, groups in (("offered", labels), ("ignoring clusters", None)):
            made = distributions(statistics, seed=seed, resamples=RESAMPLES, clusters=groups)
            found[name] += [holds(interval(one)) for one in made]
            found["BCa"] += [holds(interval(one, method="bca")) for one in made] if groups is not None else []
        for one in scores:
            low, high = paired_t(one, labels).interval(0.95)
            found["Student's t"].append(low <= 0.0 <= high)
    bar = within(0.94, 0.96) if count >= 200 and case["kind"] == "normal" else None
    return {name: rate(held, bar=bar if name == "offered" else None) for name, held in found.items()}


def holds(one: Any) -> bool:
    return bool(one.low[0] <= 0.0 <= one.high[0])


def mean(totals: Any) -> Any:
    return ratio(totals[..., :1], totals[..., 1:])
