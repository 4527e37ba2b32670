"""How a value differs from the baseline's, and whether the difference is more than noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.core.run import Value
from evalkit.reports import numbers

Direction = Literal["better", "worse", "changed", "unclear", "same"]
Basis = Literal["given", "paired", "overlap"]


@dataclass(frozen=True)
class Change:
    """A difference to the baseline, as numbers and in words.

    ``direction`` is "unclear" where zero is inside the interval (or, without one, where the two intervals overlap);
    "changed" is a clear difference of a metric that has no better direction.
    """

    before: float
    difference: float
    low: float
    high: float
    direction: Direction
    basis: Basis
    comparable: bool  # False: the two values were not measured the same way
    before_text: str
    text: str
    interval_text: str

    @property
    def words(self) -> str:
        """The direction as a reader says it."""
        return {"unclear": "within the noise", "same": "no change"}.get(self.direction, self.direction)


def change(
    now: Value,
    before: Value,
    *,
    digits: int,
    given: tuple[float, float, float] | None = None,
    scores: NDArray[np.float64] | None = None,
    earlier: NDArray[np.float64] | None = None,
    clusters: NDArray[np.int64] | None = None,
) -> Change | None:
    """The difference of two values of one metric; None where either is missing.

    Args:
        digits: decimals of the value as it is shown; the difference gets as many.
        given: difference, low and high of a paired test that was already made; it wins.
        scores, earlier: the records' own values in both runs, aligned, shape (n,); they give a paired interval where
            the metric is their mean.
        clusters: codes of records that are not independent, shape (n,).
    """
    if math.isnan(now.mean) or math.isnan(before.mean):
        return None
    basis: Basis = "overlap"
    difference, low, high = now.mean - before.mean, math.nan, math.nan
    if given is not None:
        basis, (difference, low, high) = "given", given
    elif scores is not None and earlier is not None and _is_mean(now, scores) and _is_mean(before, earlier):
        found = paired(scores, earlier, clusters, now.confidence)
        if found is not None:
            basis, (difference, low, high) = "paired", found
    return Change(
        before=before.mean,
        difference=difference,
        low=low,
        high=high,
        direction=_direction(difference, low, high, now, before),
        basis=basis,
        comparable=not (now.fingerprint and before.fingerprint) or now.fingerprint == before.fingerprint,
        before_text=numbers.number(before.mean, digits),
        text=numbers.signed(difference, digits),
        interval_text="" if math.isnan(low) else numbers.signed_interval(low, high, digits),
    )


def paired(
    now: NDArray[np.float64], then: NDArray[np.float64], clusters: NDArray[np.int64] | None, confidence: float
) -> tuple[float, float, float] | None:
    """Mean difference of records that both runs scored, with a normal interval; clusters enter as sums.

    The clustered variance is C/(C−1) · Σ(cluster sums of centred differences)² / n². None below two clusters.
    """
    both = np.isfinite(now) & np.isfinite(then)
    differences = now[both] - then[both]
    n = len(differences)
    mean = float(differences.mean()) if n else math.nan
    if n < 2:
        return None
    centred: NDArray[np.float64] = differences - mean
    if clusters is not None:
        _, codes = np.unique(clusters[both], return_inverse=True)
        centred = np.bincount(codes, weights=centred).astype(np.float64)
    groups = len(centred)
    if groups < 2:
        return None
    error = math.sqrt(groups / (groups - 1) * float(centred @ centred)) / n
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    return mean, mean - reach, mean + reach


def _is_mean(value: Value, scores: NDArray[np.float64]) -> bool:
    """Whether a corpus value is the plain mean of its records' values (BLEU's and a quantile's are not)."""
    finite = scores[np.isfinite(scores)]
    return len(finite) > 0 and math.isclose(float(finite.mean()), value.mean, rel_tol=1e-6, abs_tol=1e-9)


def _direction(difference: float, low: float, high: float, now: Value, before: Value) -> Direction:
    if difference == 0 and (math.isnan(low) or low == high):
        return "same"
    if not math.isnan(low):
        clear = low > 0 or high < 0
    else:
        clear = now.ci is not None and before.ci is not None and (now.ci[0] > before.ci[1] or now.ci[1] < before.ci[0])
    if not clear:
        return "unclear"
    if now.higher_is_better is None:
        return "changed"
    return "better" if (difference > 0) == now.higher_is_better else "worse"
