"""Samples without replacement whose probabilities are known, so that what is seen in them can be weighted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.sums import Floats

FLOOR = 0.2  # of a sample drawn by size, the share that is spread evenly: no record is out of reach, no weight above 5 times


@dataclass(frozen=True)
class Sample:
    """Which of n records were drawn, in their order, and with which probability each."""

    indices: NDArray[np.int64]  # (size,)
    probability: Floats  # (size,), in (0, 1]

    @property
    def weights(self) -> Floats:
        """Horvitz & Thompson's: each drawn record stands for so many."""
        weights: Floats = 1.0 / self.probability
        return weights


def simple(n: int, size: int, seed: int) -> Sample:
    """``size`` of ``n`` records, all alike; all of them where there are no more."""
    size = min(size, n)
    chosen = np.sort(np.random.default_rng(seed).choice(n, size, replace=False))
    return Sample(chosen, np.full(size, size / max(n, 1)))


def stratified(strata: ArrayLike, size: int, seed: int) -> Sample:
    """As many of every stratum (n,) as can be, so that rare ones are seen too; what a small one lacks the others get."""
    names, stratum = np.unique(np.asarray(strata), return_inverse=True)
    held = np.bincount(stratum, minlength=len(names))
    rng = np.random.default_rng(seed)
    taken = shares(held, min(size, len(stratum)), rng)
    chosen = np.concatenate(
        [rng.choice(np.flatnonzero(stratum == at), count, replace=False) for at, count in enumerate(taken)]
    ).astype(np.int64)
    chosen.sort()
    return Sample(chosen, (taken / held)[stratum[chosen]])


def by_size(sizes: Floats, size: int, seed: int, *, floor: float = FLOOR) -> Sample:
    """``size`` records with probability proportional to ``sizes`` (n,) ≥ 0, the ``floor`` share of it spread evenly.

    Systematic sampling in random order: the probabilities are exact, and so is the size. A record that would have to be
    drawn more than once is drawn for certain.

    Source: Madow (1949); probabilities: Särndal, Swensson & Wretman (1992), section 3.6.
    """
    n = len(sizes)
    size = min(size, n)
    told = np.where(np.isfinite(sizes), np.maximum(sizes, 0.0), 0.0)
    total = float(told.sum())
    wanted = np.full(n, 1.0 / max(n, 1)) if total <= 0.0 else floor / n + (1.0 - floor) * told / total
    probability = np.zeros(n)
    sure = np.zeros(n, dtype=bool)
    while True:  # those above 1 are certain, and the others share what is left
        rest = size - int(sure.sum())
        probability = np.where(sure, 1.0, rest * wanted / max(float(wanted[~sure].sum()), 1e-300))
        over = (probability > 1.0 - 1e-12) & ~sure
        if not over.any() or not rest:
            break
        sure |= over
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.flatnonzero(~sure))
    running = np.cumsum(probability[order])
    rest = size - int(sure.sum())
    ticks = rng.random() + np.arange(rest)
    places = np.minimum(np.searchsorted(running, ticks, side="right"), max(len(order) - 1, 0))
    chosen = np.sort(np.concatenate([np.flatnonzero(sure), order[places] if rest else order[:0]]))
    return Sample(chosen, probability[chosen])


def shares(held: NDArray[np.int64], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How many of ``size`` each stratum gives, as equal as ``held`` allows; what cannot be divided goes to some at random."""
    taken = np.zeros(len(held), dtype=np.int64)
    left = min(size, int(held.sum()))
    while left:
        open_ = np.flatnonzero(taken < held)
        each = left // len(open_)
        if not each:
            taken[rng.choice(open_, left, replace=False)] += 1
            break
        more = np.minimum(held[open_] - taken[open_], each)
        taken[open_] += more
        left -= int(more.sum())
    return taken


def uncertainty(scores: Floats, middle: float) -> Floats:
    """1 at ``middle``, 0 at the score that lies furthest from it; NaN scores are 0."""
    apart = np.abs(scores - middle)
    widest = float(np.nanmax(apart, initial=0.0)) if np.isfinite(apart).any() else 0.0
    told: Floats = np.nan_to_num(1.0 - apart / widest, nan=0.0) if widest > 0.0 else np.isfinite(scores).astype(np.float64)
    return told


def rank_gap(one: Floats, two: Floats) -> Floats:
    """How far apart two scores rank the same record, 0 to 1; NaN scores are 0."""
    both = np.isfinite(one) & np.isfinite(two)
    gaps = np.zeros(len(one))
    if both.sum() > 1:
        ranks = [_midranks(side[both]) for side in (one, two)]
        gaps[both] = np.abs(ranks[0] - ranks[1]) / (both.sum() - 1)
    return gaps


def _midranks(values: Floats) -> Floats:
    _, code, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts + 1) / 2.0)[code]
    return ranks
