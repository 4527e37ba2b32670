"""Means that are watched while they come in: tests and intervals that hold at every moment, however often one looks.

What is fed are units in random order: a unit is a record, or a cluster of records, with the sum of its records' values and how
many they are. Units are taken for independent draws from a population of units, and the mean is Σ sums / Σ sizes of it: of the
population, not of the finite set that happens to lie in a file.

A bettor who wagers on each unit before it is seen, at odds that are fair if the mean is at a bound, multiplies the capital 1 by
more than 1/alpha at any moment with a probability of at most alpha (Ville's inequality). Capital that large decides.

Source: Waudby-Smith & Ramdas (2024), Estimating means of bounded random variables by betting, JRSS-B 86(1), arXiv:2010.09686.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.core.rows import Floats

Side = Literal["above", "below"]
SIDES: tuple[Side, Side] = ("above", "below")

CAP = 0.75  # of what may be wagered at most: more, and one unit could lose everything
SOONEST = 25  # units; the shortest horizon for which a bettor sizes its bets
FASTER = 4  # each bettor's horizon is a quarter of the next one's
_STEPS = 50  # of a bisection: to 1e-15 of the range


@dataclass
class Stakes:
    """How much each of several bettors wagers on every unit, known before the unit is.

    Each aims at a moment of its own, h = horizon, horizon/4, horizon/16 …, and wagers √(2 ln(1/alpha) / (h σ̂²)), the best for a
    decision after h units (section 3.3 there, with a horizon in place of t ln t). Each begins with twice the capital of the
    next, for late decisions are the hard ones, and what they have is added up: so a decision at any moment costs little more
    than if that moment had been known. σ̂² is of the units before, over a prior of one unit of variance ¼.

    Args:
        most: the largest size that a unit can have; sums lie in [0, size].
    """

    alpha: float
    horizon: float
    most: float = 1.0
    _seen: float = field(default=0.0, init=False)
    _sums: float = field(default=0.0, init=False)
    _sizes: float = field(default=0.0, init=False)
    _squares: float = field(default=0.0, init=False)

    @property
    def horizons(self) -> Floats:
        """The moments aimed at, latest first, shape (bettors,)."""
        count = 1 + max(0, math.floor(math.log(max(self.horizon, 1.0) / SOONEST, FASTER)))
        return np.asarray(max(self.horizon, 1.0) / float(FASTER) ** np.arange(count))

    @property
    def shares(self) -> Floats:
        """The capital that each begins with, shape (bettors,); 1 in all."""
        halves = 0.5 ** np.arange(len(self.horizons))
        return np.asarray(halves / halves.sum())

    def on(self, sums: Floats, sizes: Floats) -> Floats:
        """What is wagered on each of the next units per (sum − bound · size) / most, shape (bettors, n)."""
        count = self._seen + np.arange(1.0, len(sums) + 1.0)
        mean = (0.5 + self._sums + np.cumsum(sums)) / (1.0 + self._sizes + np.cumsum(sizes))
        squares = self._squares + np.cumsum(((sums - mean * sizes) / self.most) ** 2)
        variance = (0.25 + squares) / (1.0 + count)
        before = np.empty_like(variance)
        before[:1] = (0.25 + self._squares) / (1.0 + self._seen)
        before[1:] = variance[:-1]
        if len(sums):
            self._seen, self._squares = float(count[-1]), float(squares[-1])
            self._sums, self._sizes = self._sums + float(sums.sum()), self._sizes + float(sizes.sum())
        return np.sqrt(2.0 * math.log(1.0 / self.alpha) / (self.horizons[:, None] * before))


def log_growth(stakes: Floats, sums: Floats, sizes: Floats, bound: float, most: float, side: Side) -> Floats:
    """What every bettor's capital gains on each unit, as logarithms, shape (bettors, n).

    Above: they wager that the mean is above ``bound``, and win at random at most what they lose if it is not. Sums lie in
    [0, size], the bound in [0, 1]. The gain falls with the bound (above) or rises with it (below), so that the bounds that are
    refuted make an interval.
    """
    if side == "below":
        sums, bound = sizes - sums, 1.0 - bound
    limit = CAP / bound if bound > 0.0 else math.inf
    return np.asarray(np.log1p(np.minimum(stakes, limit) * ((sums - bound * sizes) / most)))


@dataclass
class BoundedTest:
    """Whether the mean of values between ``low`` and ``high`` lies above or below a bound, asked after every unit.

    If the mean is at the bound or below, it is ever said to be above with a probability of at most ``alpha``; and the other way
    round: ``alpha`` is of one side.

    Args:
        horizon: about how many units there can be; the test is at its best there and some way before, and valid anywhere.
        most: the largest size of a unit. With clusters it is the largest cluster's: one large cluster makes bets small.
    """

    bound: float
    low: float
    high: float
    alpha: float
    horizon: float
    most: float = 1.0
    found: tuple[Side, int] | None = field(default=None, init=False)  # what was decided, and after how many units
    seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._stakes = Stakes(self.alpha, self.horizon, self.most)
        self._capital = {side: np.log(self._stakes.shares) for side in SIDES}

    def update(self, sums: ArrayLike, sizes: ArrayLike) -> None:
        """The next units: sums of values and how many they are, each of shape (n,)."""
        sizes = np.asarray(sizes, dtype=np.float64)
        if self.found is not None or not len(sizes):
            return
        sums = _scaled(sums, sizes, self.low, self.high)
        bound = (self.bound - self.low) / (self.high - self.low)
        if bound <= 0.0 or bound > 1.0:  # no mean is on the other side
            self.found, self.seen = ("above" if bound <= 0.0 else "below", 1), len(sizes)
            return
        stakes = self._stakes.on(sums, sizes)
        first: dict[Side, int] = {}
        for side in SIDES:
            growth = np.cumsum(log_growth(stakes, sums, sizes, bound, self.most, side), axis=1)
            capital = self._capital[side][:, None] + growth
            self._capital[side] = capital[:, -1]
            reached = np.flatnonzero(_together(capital) >= -math.log(self.alpha))
            if len(reached):
                first[side] = int(reached[0])
        if first:
            side = min(first, key=first.__getitem__)
            self.found = (side, self.seen + first[side] + 1)
        self.seen += len(sizes)


def betting_interval(
    sums: ArrayLike, sizes: ArrayLike, *, low: float, high: float, alpha: float, horizon: float, most: float = 1.0
) -> tuple[float, float]:
    """The bounds that `BoundedTest` has not refuted by now, as an interval that holds the mean at all moments together.

    ``alpha`` is of one side: with 0.025 the interval holds the mean with 95%, whenever one stops. As the moments before count
    too, it never grows. It is NaN where nothing was fed.
    """
    sizes = np.asarray(sizes, dtype=np.float64)
    if not len(sizes):
        return math.nan, math.nan
    sums = _scaled(sums, sizes, low, high)
    bettors = Stakes(alpha, horizon, most)
    start, stakes = np.log(bettors.shares)[:, None], bettors.on(sums, sizes)

    def refuted(bound: float, side: Side) -> bool:
        capital = start + np.cumsum(log_growth(stakes, sums, sizes, bound, most, side), axis=1)
        return bool((_together(capital) >= -math.log(alpha)).any())

    ends = []
    for side, outer in zip(SIDES, (0.0, 1.0)):
        inner = 1.0 - outer
        if refuted(inner, side):
            ends.append(inner)
            continue
        kept, gone = inner, outer  # kept is not refuted; gone is, or is the end of the range
        for _ in range(_STEPS):
            middle = 0.5 * (kept + gone)
            kept, gone = (kept, middle) if refuted(middle, side) else (middle, gone)
        ends.append(gone)
    return low + (high - low) * ends[0], low + (high - low) * ends[1]


def bernstein_sequence(values: ArrayLike, *, low: float, high: float, alpha: float) -> tuple[Floats, Floats]:
    """Predictable plug-in empirical Bernstein bounds after each value, in closed form: shapes (..., n) to two of (..., n).

    Wider than betting, at a fraction of the cost. ``alpha`` is of one side; earlier moments count too.

    Source: Waudby-Smith & Ramdas (2024), theorem 2, with c = ½.
    """
    x = (np.asarray(values, dtype=np.float64) - low) / (high - low)
    t = np.arange(1.0, x.shape[-1] + 1.0)
    mean = (0.5 + np.cumsum(x, axis=-1)) / (t + 1.0)
    variance = (0.25 + np.cumsum((x - mean) ** 2, axis=-1)) / (t + 1.0)
    start = np.ones((*x.shape[:-1], 1))
    mean, variance = (np.concatenate([start * first, one[..., :-1]], axis=-1) for first, one in ((0.5, mean), (0.25, variance)))
    stakes = np.minimum(np.sqrt(2.0 * math.log(1.0 / alpha) / (variance * t * np.log1p(t))), 0.5)
    total = np.cumsum(stakes, axis=-1)
    centre = np.cumsum(stakes * x, axis=-1) / total
    psi = -np.log1p(-stakes) - stakes
    reach = (math.log(1.0 / alpha) + np.cumsum((x - mean) ** 2 * psi, axis=-1)) / total
    lows = np.maximum.accumulate(np.clip(centre - reach, 0.0, 1.0), axis=-1)
    highs = np.minimum.accumulate(np.clip(centre + reach, 0.0, 1.0), axis=-1)
    return low + (high - low) * lows, low + (high - low) * highs


def _scaled(sums: ArrayLike, sizes: Floats, low: float, high: float) -> Floats:
    """Sums as if every value lay in [0, 1].

    Raises:
        ValueError: some lie outside of their range, so that no bet on them is fair.
    """
    scaled = (np.asarray(sums, dtype=np.float64) - low * sizes) / (high - low)
    if len(scaled) and not (scaled.min() >= -1e-9 and (scaled - sizes).max() <= 1e-9):
        raise ValueError(f"a value lies outside of {low:g} to {high:g}")
    return np.asarray(np.clip(scaled, 0.0, sizes))


def _together(capital: NDArray[np.float64]) -> Floats:
    """The logarithm of all bettors' capital, (bettors, n) to (n,)."""
    most = capital.max(axis=0)
    return np.asarray(most + np.log(np.exp(capital - most).sum(axis=0)))
