"""How unusual a standardised residual is, with the skewness of its sampling and the tails that the reference has shown.

A residual ``z`` of mean 0, variance 1 and skewness g is taken for a Poisson count of 1/g² on average, ``z = g (x - 1/g²)``:
exact for rare events, the normal distribution as g goes to 0, and close to a sum of anything between them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.sums import Floats

_LEAST_SKEW = 0.002  # below it the count is normal to three digits, four standard deviations out
_MOST_SKEW = 2.0  # that the approximation of quantiles is good for
_LEAST_RATE = 0.1  # the lowest share of its rate that a count is suspected to have fallen to
LIMIT = 4.0  # normal scores beyond it say no more


def score(z: Floats, skew: Floats, within: NDArray[Any] | float = 0.5) -> Floats:
    """The normal score of ``z``: mid-p of the count, so that it is neither too rare nor too common on average.

    ``within`` (0 to 1) is where in a count's own probability the score lies: spread evenly, scores of counts are normal.
    """
    from scipy.special import gammainc, gammaincc, ndtri

    g = np.where(skew < 0.0, -1.0, 1.0) * np.maximum(np.abs(skew), _LEAST_SKEW)
    rate = 1.0 / g**2
    count = np.maximum(rate + z / g, 0.0)
    some = np.maximum(count, 1e-300)
    above = (1.0 - within) * np.where(count > 0.0, gammainc(some, rate), 1.0) + within * gammainc(count + 1.0, rate)
    below = (1.0 - within) * np.where(count > 0.0, gammaincc(some, rate), 0.0) + within * gammaincc(count + 1.0, rate)
    smaller = np.clip(np.minimum(above, below), 1e-300, 0.5)
    side = np.where(above < below, 1.0, -1.0) * np.sign(g)
    told: Floats = side * -ndtri(smaller)
    return told


def stretched(normal: Floats, skew: Floats) -> Floats:
    """The ``z`` that has this normal score, about.

    Source: Wilson & Hilferty (1931), the cube of a normal variable.
    """
    g = np.where(skew < 0.0, -1.0, 1.0) * np.clip(np.abs(skew), _LEAST_SKEW, _MOST_SKEW)
    told: Floats = 2.0 / g * (np.maximum(1.0 + g / 6.0 * (normal - g / 6.0), 0.0) ** 3 - 1.0)
    return told


def p_value(t: Floats, df: Floats) -> Floats:
    """Two-sided p of Student's t."""
    from scipy.special import stdtr

    told: Floats = np.minimum(2.0 * stdtr(np.minimum(df, 1e9), -np.abs(t)), 1.0)
    return told


def quantile(p: float, df: Floats) -> Floats:
    """The t that has the two-sided ``p``."""
    from scipy.special import stdtrit

    told: Floats = -stdtrit(np.minimum(df, 1e9), p / 2.0)
    return told


def tempered(z: Floats, normal: Floats, t: Floats, tail: Floats) -> Floats:
    """``z`` as far as it counts in a sum: drawn in where the tails are heavy, and held to `LIMIT` normal scores.

    Args:
        normal: its normal score; ``t`` is the same over the scale of the tails.
        tail: degrees of freedom of the tails, infinite where they are normal.
    """
    from scipy.special import ndtri, stdtr

    finite = np.minimum(tail, 1e9)
    drawn = np.where(tail < 1e9, -ndtri(np.clip(stdtr(finite, -np.abs(t)), 1e-300, 0.5)), np.abs(t))
    size = np.abs(normal)
    told: Floats = np.where(size > 1e-9, z * np.minimum(drawn, LIMIT) / np.maximum(size, 1e-9), z)
    return told


def evidence(z: Floats, skew: Floats, shift: ArrayLike, side: ArrayLike) -> Floats:
    """Log-likelihood ratio of ``z`` for a mean moved by ``shift`` > 0 to the ``side`` (±1), against no shift.

    For skew 0 it is ``side * shift * z - shift² / 2``, so that its running maximum is Page's CUSUM with reference value
    shift / 2; its exponential has mean 1 under no shift, however skewed the count.
    """
    g = np.where(skew < 0.0, -1.0, 1.0) * np.maximum(np.abs(skew), _LEAST_SKEW)
    tilt = np.log(np.maximum(1.0 + np.multiply(side, shift) * g, _LEAST_RATE)) / g
    told: Floats = tilt * z - (np.expm1(tilt * g) - tilt * g) / g**2
    return told


def tails_of(scores: Floats) -> tuple[float, float]:
    """Degrees of freedom and scale of Student's t that fits the reference's normal scores; infinite where a normal one does.

    Maximum likelihood over a few degrees of freedom, each against the normal with one parameter less.
    """
    from scipy.special import gammaln

    squares = scores**2
    best, chosen = 0.0, (np.inf, float(np.sqrt(squares.mean())))
    normal = -0.5 * len(scores) * (np.log(2.0 * np.pi * squares.mean()) + 1.0)
    for df in (3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 30.0):
        scale = float(np.median(squares)) or float(squares.mean())
        for _ in range(30):
            scale = float(np.mean((df + 1.0) * squares / (df + squares / scale)))
        constant = gammaln((df + 1.0) / 2.0) - gammaln(df / 2.0) - 0.5 * np.log(df * np.pi * scale)
        likelihood = float(np.sum(constant - (df + 1.0) / 2.0 * np.log1p(squares / (df * scale))))
        if 2.0 * (likelihood - normal) > max(best, 3.84):
            best, chosen = 2.0 * (likelihood - normal), (df, scale**0.5)
    return chosen
