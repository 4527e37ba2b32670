"""What a judge's length bias comes out as, where it is known: the score's partial slope on length, given people's label.

The judge's score is the label, *bias* points a doubling of length, and noise; longer answers are also better, so that a plain
correlation of score and length would be far off. *estimate less truth* is the mean error, *held* the share of 95 % intervals
that hold the truth, *p ≤ 0.05* the share of permutation tests that call it a bias: 5 % where there is none. *clusters*: answers
of 5 go together. *t*: the shift of paired probes, whose noise is rounded to whole points.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evalkit.judges.audit import partial_slope, shift
from simulations._run import Case, Measure, at_least, at_most, figure, rate, within

NAME = "Biases of judges"


def cases() -> Iterator[Case]:
    for bias in (0.0, 0.3):
        for n in (50, 200):
            yield Case(f"length, bias {bias:g}, {n} labels", 2_000, {"kind": "length", "bias": bias, "n": n, "size": 1})
    yield Case("length, bias 0, 200 labels in clusters of 5", 1_000, {"kind": "length", "bias": 0.0, "n": 200, "size": 5})
    for n in (20, 50):
        yield Case(f"probe, shift 0.3, {n} records", 4_000, {"kind": "probe", "bias": 0.3, "n": n})


def simulate(case: Case, rng: Any) -> dict[str, Measure]:
    bias, n = case["bias"], case["n"]
    errors, held, called = [], [], []
    for _ in range(case.trials):
        if case["kind"] == "probe":
            change = np.round(rng.normal(bias, 1.0, n))
            found = shift(change)
            assert found.ci is not None
            value, (low, high) = found.value, found.ci
        else:
            labels = rng.integers(1, 6, n).astype(np.float64)
            length = 6.0 + 0.5 * labels + rng.normal(0.0, 1.0, n)
            names = np.repeat(np.arange(n // case["size"]), case["size"])
            shared = rng.normal(0.0, 0.5, n // case["size"])[names] if case["size"] > 1 else 0.0
            score = labels + bias * length + rng.normal(0.0, 0.8, n) + shared
            told = partial_slope(score, length, labels, rng=rng, clusters=names if case["size"] > 1 else None)
            value, low, high = told.value, told.low, told.high
            called.append(told.p <= 0.05)
        errors.append(value - bias)
        held.append(low <= bias <= high)
    measures = {"estimate less truth": figure(errors, bar=within(-0.01, 0.01)), "held": rate(held, bar=at_least(0.93))}
    if called:
        measures["p ≤ 0.05"] = rate(called, bar=at_most(0.06) if not bias else None)
    return measures
