"""A look at one window of all tracks: how far each is from what is expected, as a handful of array operations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalkit.detection.season import MOST, Expectation, Terms, average, bounded_rates, design
from evalkit.detection.tails import p_value, score, tempered
from evalkit.stats.sums import Floats

_MOST_VARIED = 0.5  # of a rate: noise that is larger yet is not taken for more skewed


class Look(NamedTuple):
    """A window of all tracks; every array has shape (tracks,), and is NaN where nothing was measured.

    Attributes:
        expected: by the reference alone; ``centre`` also by what is remembered of the windows before.
        residual: value less ``expected``; ``deviation`` is the standard deviation of value less ``centre``.
        step: the innovation in units of the noise, where its standard deviation is ``unit``; ``gain`` of it is remembered.
        latent, spread: mean and variance of the noise before this window.
        lasting: how much of a shift that lasts is left in the innovations.
        persistence: long-run variance of residuals over their variance.
        counted: the innovation as it counts in a chart; ``t`` and ``p`` as it counts alone.
        terms: weight of the window, and weighted residual and expectation, shape (tracks, 3).
    """

    expected: Floats
    centre: Floats
    residual: Floats
    deviation: Floats
    step: Floats
    unit: Floats
    gain: Floats
    latent: Floats
    spread: Floats
    lasting: Floats
    persistence: Floats
    skew: Floats
    counted: Floats
    t: Floats
    p: Floats
    terms: Floats


@dataclass(frozen=True)
class Expectations:
    """Expectations as arrays, in the order they were given."""

    width: float
    coefficients: Floats  # (tracks, columns of the widest design)
    covariance: Floats  # (tracks, columns, columns)
    variance: Floats  # of the noise, and its memory
    memory: Floats
    df: Floats
    tail: Floats
    scale: Floats
    skew: Floats
    rate: Floats  # NaN where the track is none

    @staticmethod
    def of(expectations: Sequence[Expectation], width: float) -> Expectations:
        n, columns = len(expectations), MOST.columns
        coefficients, covariance = np.zeros((n, columns)), np.zeros((n, columns, columns))
        for at, one in enumerate(expectations):
            places = _places(one.terms)
            coefficients[at, places] = one.coefficients
            covariance[at][np.ix_(places, places)] = one.covariance
        rows = [
            (one.noise.variance, one.noise.memory, one.df, one.tail, one.scale, one.skew, one.rate or math.nan)
            for one in expectations
        ]
        return Expectations(width, coefficients, covariance, *np.array(rows, dtype=np.float64).reshape(n, 7).T)

    @cached_property
    def level_stderr(self) -> Floats:
        """Standard errors of the means over a week."""
        mean = average(MOST)
        told: Floats = np.sqrt(np.maximum(np.einsum("i,tij,j->t", mean, self.covariance, mean), 0.0))
        return told

    @cached_property
    def is_rate(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.rate)

    def look(
        self, latent: Floats, spread: Floats, offset: Floats, steps: Floats, time: float, values: Floats, variances: Floats
    ) -> Look:
        """The window that starts at ``time``, ``steps`` windows after the one that left the noise at ``latent``, ``spread``.

        ``offset`` is how far the level has moved from the reference's without being an incident.
        """
        row = design(np.array(time, dtype=np.float64), self.width, MOST)
        leverage = np.maximum((self.covariance @ row) @ row, 0.0)
        expected, ratio, odds = bounded_rates(self.coefficients @ row, self.rate, self.is_rate)
        decay = self.memory**steps
        latent = decay * latent
        spread = decay**2 * spread + (1.0 - decay**2) * self.variance
        sampling = variances / ratio  # in units of the noise, as both above
        total = spread + sampling + leverage / ratio**2
        unit = np.sqrt(total)
        residual = values - expected
        step = (residual - offset) / ratio - latent
        z = step / unit
        # Rates: counts in sampling, and noise that is even on the scale of log odds.
        sampled = np.sqrt(variances * ratio) * (sampling / total) ** 1.5
        varied = np.clip(ratio * np.sqrt(spread) * odds, -_MOST_VARIED, _MOST_VARIED)  # a lognormal's coefficient of variation
        skew = np.where(
            self.is_rate, odds * sampled + varied * (3.0 + varied**2) * (spread / total) ** 1.5, self.skew * sampled
        )
        there = ~np.isnan(z)
        normal = np.where(there, score(np.where(there, z, 0.0), np.where(there, skew, 0.0)), np.nan)
        t = normal / self.scale
        gain = spread / total
        weight = 1.0 / (ratio**2 * (sampling + self.variance))
        return Look(
            expected=expected, centre=expected + offset + ratio * latent, residual=residual, deviation=unit * ratio,
            step=step, unit=unit, gain=gain, latent=latent, spread=spread,
            lasting=(1.0 - decay) / np.maximum(1.0 - decay * (1.0 - gain), 1e-12),
            persistence=1.0 + 2.0 * self.variance * self.memory / (1.0 - self.memory) / (sampling + self.variance),
            skew=skew, counted=tempered(z, normal, t, self.tail), t=t, p=p_value(t, np.minimum(self.df, self.tail)),
            terms=np.stack([weight, weight * residual, weight * expected], axis=-1),
        )  # fmt: skip

    def inside(self, values: Floats) -> Floats:
        """Bands of rates stay within 0 and 1."""
        return np.where(self.is_rate, np.clip(values, 0.0, 1.0), values)


def _places(terms: Terms) -> list[int]:
    """Where the columns of a design lie in the widest one."""
    places = list(range(1 + 2 * terms.daily))
    start = 1 + 2 * MOST.daily
    places += range(start, start + 2 * terms.weekly)
    start += 2 * MOST.weekly
    return [*places, *range(start, start + (2 * terms.weekend - 1 if terms.weekend else 0))]
