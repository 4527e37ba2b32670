"""Whether planned numbers of records keep their promise, and how often "equivalent" is said of what is not.

*planned*: so many paired records as the standard error says are needed for 80 % power; *found* is how often the t test finds
the difference then. *equivalent*: the same of two one-sided tests where the true difference is 0. The plan's standard errors
are the true ones, so that the figure is the formula's; of few records it takes the normal test's power for the t test's, and
falls short by a few in a hundred. *on the margin*: how often equivalence is *claimed* (p ≤ 0.05) though the difference is the margin.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from evalkit.stats.equivalence import tost_t
from evalkit.stats.power import needed, needed_equivalent
from evalkit.stats.student import paired_t
from simulations._run import Case, Measure, at_most, rate, within

NAME = "Planned power, and false equivalence"
SPREADS = {"normal": 1.0, "t3": math.sqrt(3.0), "uniform": math.sqrt(1.0 / 12.0)}


def cases() -> Iterator[Case]:
    for kind in SPREADS:
        for effect in (0.5, 0.2, 0.1):
            yield Case(
                f"planned, {kind}, a difference of {effect:g} sd", 5_000, {"kind": kind, "effect": effect, "what": "planned"}
            )
    for kind in SPREADS:
        for effect in (0.5, 0.2):
            yield Case(
                f"equivalent, {kind}, a margin of {effect:g} sd", 5_000, {"kind": kind, "effect": effect, "what": "equal"}
            )
    for kind in SPREADS:
        for n in (10, 30, 200):
            yield Case(f"on the margin, {kind}, {n} records", 10_000, {"kind": kind, "n": n, "what": "margin"})


def drawn(kind: str, shape: tuple[int, int], rng: Any) -> Any:
    """Mean 0."""
    if kind == "t3":
        return rng.standard_t(3, size=shape)
    return rng.random(shape) - 0.5 if kind == "uniform" else rng.normal(size=shape)


def simulate(case: Case, rng: Any) -> dict[str, Measure]:
    sd = SPREADS[case["kind"]]
    if case["what"] == "margin":
        # Half a standard deviation of a record, but at least three standard errors of the mean, so that both tests matter little.
        margin = max(0.5, 3.0 / math.sqrt(case["n"])) * sd
        tests = [paired_t(one + margin) for one in drawn(case["kind"], (case.trials, case["n"]), rng)]
        return {"claimed": rate([tost_t(one.mean, one.stderr, one.df, margin) <= 0.05 for one in tests], bar=at_most(0.06))}
    effect = case["effect"] * sd
    planned = (needed if case["what"] == "planned" else needed_equivalent)(sd / math.sqrt(200), 200, effect)
    assert planned is not None
    shift = effect if case["what"] == "planned" else 0.0
    found = []
    for start in range(0, case.trials, 500):
        for one in drawn(case["kind"], (min(500, case.trials - start), planned), rng):
            told = paired_t(one + shift)
            p = told.p if case["what"] == "planned" else tost_t(told.mean, told.stderr, told.df, effect)
            found.append(p <= 0.05)
    large = planned >= 200 and case["kind"] != "t3"
    return {"found": rate(found, bar=within(0.78, 0.82) if large else None), "records": Measure(planned, math.nan, digits=0)}
