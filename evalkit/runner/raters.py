"""How far the raters of labels agree, metric by metric."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.records.labels import Labels, Settled, disputed, settle
from evalkit.stats.agreement import Estimate, Scale, Weights, cohen_kappa, fleiss_kappa, krippendorff_alpha, percent_agreement

MOST_LEVELS = 101


@dataclass(frozen=True)
class Pair:
    """Two raters over the records that both labelled."""

    raters: tuple[str, str]
    agreement: Estimate
    kappa: Estimate
    weights: Weights


@dataclass(frozen=True)
class Raters:
    """The labels of one metric: who gave how many, how far they agree, and what is to be decided."""

    metric: str
    labels: int
    settled: tuple[Settled, ...]
    counts: dict[str, int]  # labels by rater
    values: tuple[Any, ...]  # the levels that kappas are of; none where labels are no levels
    alpha: Estimate
    scale: Scale  # of alpha
    fleiss: Estimate
    pairs: tuple[Pair, ...]
    open: tuple[Settled, ...]  # disputed

    @property
    def adjudicated(self) -> int:
        """Records that an adjudicator decided."""
        return sum(one.adjudicated for one in self.settled)


def raters_of(
    labels: Labels, metric: str, *, threshold: float | None = None, seed: int = 0, level: float = 0.95, resamples: int = 1_000
) -> Raters:
    """Agreement of the raters of one metric.

    Numbers on a scale of levels are ordinal (alpha) and their kappas have quadratic weights; other numbers have no kappas
    and alpha of the interval scale; categories are nominal.
    """
    own = labels.of(metric)
    _, raters, told = labels.matrix(metric)
    values = levels_of(labels, metric)
    number = labels.is_number(metric)
    scale: Scale = "nominal" if not number else "ordinal" if values else "interval"
    how: dict[str, Any] = {"level": level, "seed": seed, "resamples": resamples}
    settled = settle(labels, metric)
    alone = Estimate.unknown("one rater: there is nobody to agree with", n=len(told), level=level)
    none = Estimate.unknown("the labels are no levels of a scale: see alpha", n=len(told), level=level)
    several = len(raters) > 1
    return Raters(
        metric,
        len(own),
        tuple(settled),
        dict(Counter(name for name, final in zip(own.raters, own.adjudicated) if not final)),
        values,
        krippendorff_alpha(told, scale=scale, values=values or None, **how) if several else alone,
        scale,
        (fleiss_kappa(told, values=values, **how) if values else none) if several else alone,
        tuple(_pairs(raters, told, values, number=number, how=how)),
        tuple(disputed(settled, threshold)),
    )


def levels_of(labels: Labels, metric: str) -> tuple[Any, ...]:
    """The levels of a metric's labels in their order: of its scale, else those that occur; none where numbers are no levels."""
    found = {value for value, name in zip(labels.values, labels.metrics) if name == metric}
    scale = labels.scales.get(metric)
    if scale is not None and scale.values and found <= set(scale.values):
        return scale.values
    if not labels.is_number(metric):
        return tuple(sorted(found, key=str))
    numbers = [value for value in found if not isinstance(value, str)]
    if not numbers or not all(value.is_integer() for value in numbers) or max(numbers) - min(numbers) >= MOST_LEVELS:
        return ()
    return tuple(float(value) for value in range(int(min(numbers)), int(max(numbers)) + 1))


def _pairs(
    raters: Sequence[str], told: NDArray[Any], values: tuple[Any, ...], *, number: bool, how: dict[str, Any]
) -> list[Pair]:
    weights: Weights = "quadratic" if number else "none"
    found = []
    for one, two in combinations(range(len(raters)), 2):
        a, b = told[:, one], told[:, two]
        share = percent_agreement(a, b, level=how["level"])
        if values:
            kappa = cohen_kappa(a, b, weights=weights, values=values, **how)
        else:
            kappa = Estimate.unknown("the labels are no levels of a scale", n=share.n, level=how["level"])
        found.append(Pair((raters[one], raters[two]), share, kappa, weights))
    return found


def told_json(found: Raters) -> dict[str, Any]:
    """As ``annotate --import --json`` tells it; NaN is null."""
    return {
        "labels": found.labels,
        "records": len(found.settled),
        "raters": found.counts,
        "adjudicated": found.adjudicated,
        "agreement": {
            "alpha": {**estimate_json(found.alpha), "scale": found.scale},
            "fleiss": estimate_json(found.fleiss),
            "pairs": [
                {
                    "raters": list(pair.raters),
                    "n": pair.agreement.n,
                    "agreement": estimate_json(pair.agreement),
                    "kappa": {**estimate_json(pair.kappa), "weights": pair.weights},
                }
                for pair in found.pairs
            ],
        },
        "disagreements": [
            {"id": one.id, "apart": one.apart, "labels": dict(one.labels), "value": one.value} for one in found.open
        ],
    }


def estimate_json(one: Estimate) -> dict[str, Any]:
    """A value with its interval."""

    def number(value: float) -> float | None:
        return None if math.isnan(value) else float(value)

    ci = None if math.isnan(one.low) else [number(one.low), number(one.high)]
    told = {"value": number(one.value), "ci": ci, "n": int(np.asarray(one.n)), "method": one.method}
    return told | ({"reason": one.reason} if one.reason else {})
