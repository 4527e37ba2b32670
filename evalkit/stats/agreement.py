"""How far raters agree: shares, kappas, alpha; the names that other rooms import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from evalkit.stats.bootstrap import Statistic, intervals
from evalkit.stats.categories import coded
from evalkit.stats.confusion import PARTS, of_margins
from evalkit.stats.estimate import Estimate
from evalkit.stats.kappa import How, Weights, cohen_kappa, fleiss_kappa
from evalkit.stats.krippendorff import Scale, krippendorff_alpha
from evalkit.stats.proportion import wilson_interval
from evalkit.stats.sums import Floats

__all__ = [
    "Estimate",
    "How",
    "Scale",
    "Weights",
    "classification",
    "cohen_kappa",
    "fleiss_kappa",
    "krippendorff_alpha",
    "percent_agreement",
]


def percent_agreement(a: ArrayLike, b: ArrayLike, *, level: float = 0.95, clusters: ArrayLike | None = None) -> Estimate:
    """Share of the records that both rated on which they agree, 0 to 1; Wilson's interval, clustered where asked."""
    codes, _ = coded(np.stack([np.asarray(a, dtype=object), np.asarray(b, dtype=object)], axis=1))
    both = (codes >= 0).all(axis=1)
    if not both.any():
        return Estimate.unknown("no record has a label of both raters", level=level)
    equal = (codes[both, 0] == codes[both, 1]).astype(np.float64)
    groups = None if clusters is None else np.asarray(clusters)[both]
    rows = Statistic(np.stack([equal, np.ones(len(equal))], axis=1), lambda totals: totals[..., :1] / totals[..., 1:])
    return Estimate.part(wilson_interval(rows, level=level, clusters=groups))


def classification(
    true: ArrayLike,
    told: ArrayLike,
    *,
    values: Sequence[Any] | None = None,
    level: float = 0.95,
    seed: int = 0,
    resamples: int = 1_000,
    clusters: ArrayLike | None = None,
) -> dict[str, Estimate]:
    """Accuracy, kappa and macro precision, recall and F1 of what was told against what is true; bootstrap over records.

    Records that lack either are left out. 0/0 is as in scikit-learn (`stats.confusion`); accuracy has Wilson's interval.
    """
    codes, scale = coded(np.stack([np.asarray(true, dtype=object), np.asarray(told, dtype=object)], axis=1), values)
    both = (codes >= 0).all(axis=1)
    n, k = int(both.sum()), len(scale)
    if not n:
        return {part: Estimate.unknown("no record has both labels", level=level) for part in PARTS}
    one_hot = np.eye(k)
    first, second = codes[both, 0], codes[both, 1]
    rows = np.concatenate([one_hot[first] * (first == second)[:, None], one_hot[first], one_hot[second]], axis=1)
    groups = None if clusters is None else np.asarray(clusters)[both]

    def combine(totals: Floats) -> Floats:
        both, margin, given = np.split(totals, 3, axis=-1)
        return of_margins(both, margin, given)

    found = intervals([Statistic(rows, combine)], seed=seed, level=level, resamples=resamples, clusters=groups)[0]
    only = "both sides name one and the same category: chance alone agrees"
    estimates = {
        part: Estimate.part(found, at, reason=only if np.isnan(found.value[at]) else None) for at, part in enumerate(PARTS)
    }
    share = percent_agreement(first, second, level=level, clusters=groups)
    return estimates | {"accuracy": share}
