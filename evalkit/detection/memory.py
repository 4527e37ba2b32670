"""Noise that remembers: what windows vary beyond sampling, and how much of it lasts into the next window.

A window's residual is ``latent + sampling``: the latent part is a stationary AR(1) process of variance ``variance`` and
autocorrelation ``memory`` between neighbours, the sampling part is independent with a variance that is known of each window.
A Kalman filter of one number tells them apart, takes windows of any size, and steps over those that are missing.

Source: Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter, ch. 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from evalkit.stats.sums import Floats

_SHARES = np.array([0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1.0, 1.3])  # of the residuals' variance
_MEMORIES = np.array([0.0, 0.2, 0.4, 0.6, 0.75, 0.85, 0.92, 0.96, 0.985])
_FINE = 5
_OUTLYING = 3.0  # standard deviations from which a residual counts linearly
_SIGNIFICANT = 2.71  # twice the log-likelihood: 5 % of a parameter on the edge of its range
_CONFIDENCE = 0.9
_LONGEST = 20_000  # windows that the noise is learned from: the newest


@dataclass(frozen=True)
class Noise:
    """Variance of the latent part, in squared units of the residuals, and its autocorrelation from one window to the next."""

    variance: float = 0.0
    memory: float = 0.0


class Learned(NamedTuple):
    """Noise, and how well it is known.

    Attributes:
        persistence: long-run variance of residuals over that under ``noise``, at the most with 90 % confidence: noises that the
            residuals allow, weighted by their likelihood.
    """

    noise: Noise
    persistence: float


def fit_noise(residuals: Floats, sampling: Floats, steps: Floats, *, rough: bool = False) -> Learned:
    """Maximum likelihood, on a grid and a finer one around its best point; outliers count less.

    Args:
        residuals: shape (n,), around a mean of 0.
        sampling: their sampling variances, shape (n,), above 0.
        steps: windows since the one before, shape (n,); 1 where none is missing.
        rough: the first grid will do.
    """
    residuals, sampling, steps = residuals[-_LONGEST:], sampling[-_LONGEST:], steps[-_LONGEST:]
    total = float(np.mean(np.minimum(residuals**2, 9.0 * np.median(residuals**2) / 0.455 + 1e-300)))
    coarse, likelihood = _grid(_SHARES, _MEMORIES), np.zeros(0)
    share, memory = coarse
    for finer in (False,) if rough else (False, True):
        if finer:
            at = int(likelihood.argmax())
            share, memory = _grid(_around(_SHARES, coarse[0][at]), _around(_MEMORIES, coarse[1][at]))
        likelihood = _likelihoods(residuals, sampling, steps, total * share, memory)
    at = int(likelihood.argmax())
    forgetting = np.flatnonzero(memory == 0.0)
    if len(forgetting):
        without = int(forgetting[likelihood[forgetting].argmax()])
        if 2.0 * (likelihood[at] - likelihood[without]) < _SIGNIFICANT:
            at = without
    weights = np.exp(likelihood - likelihood.max())
    # Volume may grow, and sampling then hides less of the noise than it did in the reference.
    long_run = 0.5 * float(np.median(sampling)) + total * share * (1.0 + memory) / (1.0 - memory)
    ratio = long_run / max(float(long_run[at]), 1e-300)
    order = np.argsort(ratio)
    sure = order[int(np.searchsorted(np.cumsum(weights[order]), _CONFIDENCE * weights.sum()))]
    return Learned(Noise(total * float(share[at]), float(memory[at])), max(float(ratio[sure]), 1.0))


def whiten(columns: Floats, sampling: Floats, steps: Floats, noise: Noise) -> Floats:
    """Standardised innovations of each column: independent, and of variance 1 where the column is such a residual.

    ``columns`` has shape (n, k). The filter is linear, so that least squares of whitened values on whitened terms are the
    generalised ones.
    """
    if noise.variance == 0.0 or noise.memory == 0.0:
        plain: Floats = columns / np.sqrt(sampling + noise.variance)[:, None]
        return plain
    # The gains do not depend on the values: numbers first, then one recursion for all columns.
    spread, gains, totals = noise.variance, [], []
    decays = noise.memory**steps
    for decay, observed in zip(decays.tolist(), sampling.tolist()):
        spread = decay * decay * spread + (1.0 - decay * decay) * noise.variance
        total = spread + observed
        gains.append(spread / total)
        totals.append(total)
        spread *= observed / total
    gain = np.array(gains)
    kept, new = ((1.0 - gain) * np.append(decays[1:], 0.0)).tolist(), (gain * np.append(decays[1:], 0.0))[:, None] * columns
    means, mean = np.zeros_like(columns), np.zeros(columns.shape[1])
    for at in range(len(columns) - 1):
        mean = kept[at] * mean + new[at]
        means[at + 1] = mean
    told: Floats = (columns - means) / np.sqrt(np.array(totals))[:, None]
    return told


def _grid(shares: Floats, memories: Floats) -> tuple[Floats, Floats]:
    """All pairs of the two, as two arrays."""
    share, memory = np.meshgrid(shares, memories)
    return share.ravel(), memory.ravel()


def _around(grid: Floats, best: float) -> Floats:
    """Points between the second neighbours of ``best``."""
    at = int(np.searchsorted(grid, best))
    low, high = grid[max(at - 2, 0)], grid[min(at + 2, len(grid) - 1)]
    return np.unique(np.concatenate([np.linspace(low, best, _FINE), np.linspace(best, high, _FINE)]))


def _likelihoods(residuals: Floats, sampling: Floats, steps: Floats, variances: Floats, memories: Floats) -> Floats:
    """Log-likelihoods up to a constant, of all pairs of a variance and a memory at once."""
    mean, spread, told = np.zeros(len(variances)), variances.copy(), np.zeros(len(variances))
    for residual, observed, step in zip(residuals.tolist(), sampling.tolist(), steps.tolist()):
        decay = memories if step == 1.0 else memories**step
        mean = decay * mean
        square = decay * decay
        spread = square * spread + (1.0 - square) * variances
        total = spread + observed
        innovation = residual - mean
        distance = np.abs(innovation) / np.sqrt(total)
        inner = np.minimum(distance, _OUTLYING)
        told -= 0.5 * np.log(total) + inner * (distance - 0.5 * inner)
        gain = spread / total
        mean = mean + gain * innovation
        spread = (1.0 - gain) * spread
    return told
