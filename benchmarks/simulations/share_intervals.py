"""Share of 95 % intervals of shares, and of differences of shares, that hold the truth.

*one share*: Wilson's interval, its form for clusters of 5 (half of whose records are of one mind). *paired*: Tango's score
interval of the difference of two shares over the same records; gains and losses are the chances that a record changes.
*two samples*: Newcombe's interval. Counts are whole, so that coverage moves in steps around 95 %: the bar is for 200 records
or clusters or more of which at least ten are expected to succeed, to fail, or to change.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evalkit.stats.pairs import apart, paired_share, score_interval
from evalkit.stats.proportion import wilson, wilson_clustered
from simulations._run import Case, Measure, rate, within

NAME = "Coverage of intervals of shares"

SIZES = (20, 50, 200, 1_000)
BAR = within(0.94, 0.96)


def cases() -> Iterator[Case]:
    for share in (0.02, 0.1, 0.3, 0.5):
        for n in SIZES:
            yield Case(f"one share, {share:g} of {n}", 20_000, {"kind": "one", "share": share, "n": n})
    for gains, losses in ((0.01, 0.01), (0.05, 0.02), (0.1, 0.1), (0.2, 0.1)):
        for n in SIZES:
            yield Case(
                f"paired, {gains:g} gain and {losses:g} lose of {n}", 20_000,
                {"kind": "paired", "gains": gains, "losses": losses, "n": n},
            )  # fmt: skip
    for a, b in ((0.1, 0.1), (0.3, 0.5), (0.02, 0.05)):
        for n in SIZES:
            yield Case(f"two samples, {a:g} and {b:g} of {n}", 20_000, {"kind": "two", "a": a, "b": b, "n": n})
    for n in (50, 200, 1_000):
        yield Case(f"one share in clusters of 5, 0.3 of {n}", 4_000, {"kind": "clusters", "share": 0.3, "n": n})
        yield Case(f"paired in clusters of 5, 0.2 change of {n}", 4_000, {"kind": "paired clusters", "n": n})


def simulate(case: Case, rng: Any) -> dict[str, Measure]:
    n, trials = case["n"], case.trials
    kind = case["kind"]
    if kind == "one":
        share = case["share"]
        low, high = wilson(rng.binomial(n, share, trials), n)
        often = n >= 200 and n * min(share, 1 - share) >= 10
        return {"covered": rate((low <= share) & (share <= high), bar=BAR if often else None)}
    if kind == "paired":
        gains, losses = case["gains"], case["losses"]
        counts = rng.multinomial(n, [gains, losses, 1.0 - gains - losses], trials)[:, :2]
        truth = gains - losses
        known = {pair: score_interval(*pair, n) for pair in set(map(tuple, counts.tolist()))}
        held = [known[tuple(pair)][0] <= truth <= known[tuple(pair)][1] for pair in counts.tolist()]
        often = n >= 200 and n * (gains + losses) >= 10
        return {"covered": rate(held, bar=BAR if often else None)}
    if kind == "two":
        a, b = case["a"], case["b"]
        x, y = rng.binomial(n, a, trials), rng.binomial(n, b, trials)
        known_pairs = {}
        for pair in set(zip(x.tolist(), y.tolist(), strict=True)):
            ends = [(one / n, *(float(bound) for bound in wilson(one, n))) for one in pair]
            known_pairs[pair] = apart(ends[0], ends[1])
        held = [known_pairs[pair][0] <= b - a <= known_pairs[pair][1] for pair in zip(x.tolist(), y.tolist(), strict=True)]
        often = n >= 200 and n * min(a, b) >= 10
        return {"covered": rate(held, bar=BAR if often else None)}
    labels = np.repeat(np.arange(n // 5), 5)
    same = rng.random((trials, n)) < np.sqrt(0.5)
    if kind == "clusters":
        share = case["share"]
        own, shared = rng.random((trials, n)) < share, np.repeat(rng.random((trials, n // 5)) < share, 5, axis=1)
        hits = np.where(same, shared, own).reshape(trials, -1, 5).sum(axis=2)
        bounds = [wilson_clustered(one, np.full(n // 5, 5)) for one in hits]
        return {"covered": rate([low <= share <= high for low, high in bounds], bar=BAR if n >= 1_000 else None)}
    values = np.array([1.0, -1.0, 0.0])
    own, shared = (rng.choice(values, p=[0.12, 0.08, 0.8], size=(trials, count)) for count in (n, n // 5))
    difference = np.where(same, np.repeat(shared, 5, axis=1), own)
    bounds = [paired_share(one, labels) for one in difference]
    return {"covered": rate([low <= 0.04 <= high for low, high in bounds], bar=BAR if n >= 1_000 else None)}
