"""Categories of two samples: the chi-square test of homogeneity, by permutation where counts are small, and of two shares."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.shift import Counts, Shifted, aligned, generator
from evalkit.stats.sums import Floats
from evalkit.stats.welch import few_expected, proportions, two_proportions

DRAWS = 9_999
_EXPECTED = 5.0  # counts expected in every cell, from which the chi-square distribution is relied on
_HITS = 200  # draws at least as extreme, after which p is known well enough
_FIRST = 500  # draws at first; as many again after each look
_BLOCK = 1_000_000  # counts drawn at once
_MOST = 999_999_999  # records of both sides that NumPy draws from
_LISTED = 12_000_000  # those it may list one by one, 8 bytes each
_RECORD, _COLOUR = 1.0, 10.0  # what drawing takes by listed record, and by category


def categories(a: ArrayLike, b: ArrayLike, *, seed: int | np.random.SeedSequence = 0, draws: int = DRAWS) -> Shifted:
    """Pearson's chi-square of two samples over m categories, in any order, and its p; two categories are `proportion`.

    Both sides are samples: a reference that is taken for the truth (a test of goodness of fit against its shares) finds
    a difference far more often than it says. Where every cell of either side is expected to hold 5 records, p is that of
    the chi-square distribution; otherwise the records of scarcer categories are dealt anew to the two sides, margins fixed
    (and the others, given how many of them a side gets, trusted as before): (hits + 1) / (draws + 1), or, after 200 hits,
    200 / draws so far. More than 10⁹ records are too many to deal: there categories of
    which fewer than 5 are expected are counted as one.

    Args:
        a, b: (m,) counts.
        seed: of the draws.
        draws: the most of them.

    Source: Pearson (1900, 1911); permutation p: Phipson & Smyth (2010), stopped early: Besag & Clifford (1991).
    """
    one, two = aligned(a, b)
    n, m = int(one.sum()), int(two.sum())
    if not n or not m:
        return Shifted.unknown("chi-square")
    if len(one) == 1:
        return Shifted(0.0, 1.0, "chi-square")
    if len(one) == 2:
        return proportion(int(one[0]), n, int(two[0]), m)
    few, pooled = (one if n <= m else two), one + two
    scarce = pooled * (min(n, m) / (n + m)) < _EXPECTED
    if scarce.any() and n + m > _MOST:
        few, pooled = (np.append(side[~scarce], side[scarce].sum()) for side in (few, pooled))
        told = "chi-square, rare categories as one"
    elif scarce.any():
        return _dealt(few, pooled, scarce, generator(seed), draws)
    else:
        told = "chi-square"
    return _tested(few, pooled, told)


def proportion(hits_a: int, n_a: int, hits_b: int, n_b: int) -> Shifted:
    """Pearson's chi-square of two shares, without a correction; p is Fisher's exact one where a count below 5 is expected.

    p is 1 where all records hit, or none. Source: Pearson (1900); Fisher (1935), chapter 2; see `stats.welch`.
    """
    if not (0 <= hits_a <= n_a and 0 <= hits_b <= n_b):
        raise ValueError(f"hits lie between 0 and n, not {hits_a} of {n_a} and {hits_b} of {n_b}")
    if not (n_a > 0 and n_b > 0):
        return Shifted.unknown("chi-square of two shares")
    if not 0 < hits_a + hits_b < n_a + n_b:
        return Shifted(0.0, 1.0, "chi-square of two shares")
    found = proportions([hits_a, hits_b], [n_a, n_b])
    if few_expected(hits_a, n_a, hits_b, n_b):
        exact = two_proportions(hits_a, n_a, hits_b, n_b).p
        return Shifted(found.statistic, _positive(exact), "Fisher's exact test")
    return Shifted(found.statistic, _positive(found.p), "chi-square of two shares")


def _tested(few: Counts, pooled: Counts, told: str) -> Shifted:
    from scipy.special import chdtrc

    statistic = float(_chi_square(few[None, :], pooled)[0])
    return Shifted(statistic, _positive(float(chdtrc(len(pooled) - 1, statistic))), told)


def _chi_square(few: Counts, pooled: Counts) -> Floats:
    """Of tables whose one side is ``few`` (k, m) and whose both sides are ``pooled`` (m,): shape (k,)."""
    every, n = float(pooled.sum()), float(few[0].sum())
    off = few - pooled * (n / every)
    statistics: Floats = (off**2) @ (1.0 / pooled) * (every**2 / (n * (every - n)))
    return statistics


def _dealt(few: Counts, pooled: Counts, scarce: NDArray[np.bool_], rng: np.random.Generator, draws: int) -> Shifted:
    """Only scarce categories are dealt one by one: within the others, given their sum, chi-square is relied on."""
    statistic, n = float(_chi_square(few[None, :], pooled)[0]), int(few.sum())
    common, held = int((~scarce).sum()), int(pooled[~scarce].sum())
    colours = np.append(pooled[scarce], held) if common else pooled
    least, done, hits = statistic * (1.0 - 1e-10), 0, 0
    most = max(1, _BLOCK // len(colours))
    while done < draws:
        drawn = _hands(colours, n, min(most, max(_FIRST, done), draws - done), rng)
        values = _chi_square(drawn, colours)
        if common > 1:
            values += rng.chisquare(common - 1, len(drawn)) * _variance(drawn[:, -1], held) / _variance(n, int(pooled.sum()))
        found = hits + np.cumsum(values >= least)
        if found[-1] >= _HITS:
            stopped = done + int(np.searchsorted(found, _HITS)) + 1
            return Shifted(statistic, _HITS / stopped, "chi-square, permuted")
        done, hits = done + len(drawn), int(found[-1])
    return Shifted(statistic, (hits + 1) / (draws + 1), "chi-square, permuted")


def _variance(n: ArrayLike, every: int) -> Floats:
    """Of a category's count over its size, but for its share: n of ``every`` records are drawn."""
    drawn = np.asarray(n, dtype=np.float64)
    found: Floats = drawn * (every - drawn) / (every * max(every - 1.0, 1.0))
    return found


def _hands(colours: Counts, n: int, size: int, rng: np.random.Generator) -> Counts:
    """Counts (size, m) of n records out of those of ``colours`` (m,)."""
    left = int(colours.sum())
    if n * _RECORD < len(colours) * _COLOUR and left <= _LISTED:
        return rng.multivariate_hypergeometric(colours, n, size=size, method="count")
    drawn, wanted = np.empty((size, len(colours)), dtype=np.int64), np.full(size, n)
    for at, count in enumerate(colours[:-1].tolist()):  # a small colour's share of the hand is quicker than a hand's of it
        drawn[:, at] = rng.hypergeometric(wanted, left - wanted, count)
        wanted, left = wanted - drawn[:, at], left - count
    drawn[:, -1] = wanted
    return drawn


def _positive(p: float) -> float:
    """A p that is too small for a float is not 0."""
    return p if math.isnan(p) else min(1.0, max(p, float(np.finfo(np.float64).tiny)))
