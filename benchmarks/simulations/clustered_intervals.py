"""Share of 95 % intervals of a mean that hold the truth where records come in clusters that share half of their variance.

Clusters hold 5 records, or 1 to 15 of them. *offered* is BCa over whole clusters, read at Student's levels below 200 of them;
Student's t on clusters - 1 stands beside it, and BCa of the same records taken for independent ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evalkit.stats.bootstrap import Statistic, intervals
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
    found: dict[str, list[bool]] = {"offered": [], "Student's t": [], "ignoring clusters": []}
    for start in range(0, trials, SHARING):
        sizes = rng.integers(1, 16, count) if case["uneven"] else np.full(count, 5)
        labels = np.repeat(np.arange(count), sizes)
        shape = (min(SHARING, trials - start), len(labels))
        draw = rng.normal if case["kind"] == "normal" else lambda size: rng.exponential(size=size) - 1.0
        scores = draw(size=shape) + draw(size=(shape[0], count))[:, labels]
        statistics = [Statistic(np.stack([one, np.ones(len(one))], axis=1), mean) for one in scores]
        seed = int(rng.integers(2**31))
        for name, groups in (("offered", labels), ("ignoring clusters", None)):
            made = intervals(statistics, seed=seed, resamples=RESAMPLES, clusters=groups)
            found[name] += [bool(one.low[0] <= 0.0 <= one.high[0]) for one in made]
        for one in scores:
            low, high = paired_t(one, labels).interval(0.95)
            found["Student's t"].append(low <= 0.0 <= high)
    bar = within(0.94, 0.96) if count >= 200 and case["kind"] == "normal" else None
    return {name: rate(held, bar=bar if name == "offered" else None) for name, held in found.items()}


def mean(totals: Any) -> Any:
    return ratio(totals[..., :1], totals[..., 1:])
