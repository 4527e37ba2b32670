"""A win rate as it would be were both answers equally long."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.stats.sums import Floats

PENALTIES = np.logspace(-4, 4, 10)  # the candidates of scikit-learn's LogisticRegressionCV, as 1 / strength
FOLDS = 5
_STEPS = 100
_DONE = 1e-9  # of a coefficient, from where a step is none


def length_controlled(preference: Floats, weight: Floats, shorter: Floats, draws: Floats) -> Floats:
    """The length-controlled win rate of weighted records: (b,).

    The model of AlpacaEval 2 without what only its own instructions have (their difficulty, the two gamed baselines): the
    package calls it ``length_controlled_minimal``. A record's preference is σ(θ + φ·tanh((len_b − len_m) / sd)), with sd over
    the records; the value is σ(θ), the preference with the length term at 0. φ has an L1 penalty, whose strength five-fold
    cross-validation chooses among ten by log loss; it is chosen once, on all records, and every draw keeps it.

    Two things are not the package's. It penalises θ too, which draws win rates to one half, and where lengths say little to one
    half exactly, whatever the records say; here θ is free. And it deals records to folds as they stand; here they are dealt in
    the order of their preference and length, so that the value does not depend on the order of the data.

    Args:
        preference: (n,), from 0 to 1: how far the model's answer is preferred to the baseline's.
        weight: (n,), of each record in the fit.
        shorter: (n,): the baseline's length in characters minus the model's.
        draws: (b, n): how often each record counts.

    Returns:
        NaN below five records, and for a draw of none.

    Source: Dubois et al. (2024), Length-Controlled AlpacaEval, arXiv:2404.04475, section 3.
    """
    found = np.full(len(draws), np.nan)
    if len(preference) < FOLDS:
        return found
    penalty = chosen_penalty(preference, weight, shorter)
    drawn = draws.sum(axis=1) > 0.0
    feature = standardised(shorter, draws[drawn])
    theta = fitted(preference, weight * draws[drawn], feature, penalty)[:, 0]
    found[drawn] = _logistic(theta)
    return found


def standardised(shorter: Floats, draws: Floats) -> Floats:
    """tanh(length difference / its standard deviation), per draw: (b, n); 0 where all differences are the same."""
    total = draws.sum(axis=1)
    mean = draws @ shorter / total
    squares = np.maximum(draws @ (shorter * shorter) - total * mean * mean, 0.0)
    spread = np.sqrt(squares / np.maximum(total - 1.0, 1.0))
    rounding = 1e-9 * np.maximum(np.abs(mean), 1.0)
    scale = np.where(spread > rounding, spread, np.inf)
    feature: Floats = np.tanh(shorter / scale[:, None])
    return feature


def chosen_penalty(preference: Floats, weight: Floats, shorter: Floats) -> float:
    """The penalty with the lowest mean log loss over the folds; of equal ones the strongest."""
    n = len(preference)
    feature = np.broadcast_to(standardised(shorter, np.ones((1, n))), (FOLDS, n))
    held_out = folds_of(preference, shorter) == np.arange(FOLDS)[:, None]  # (folds, n)
    losses = []
    for penalty in PENALTIES:
        w = fitted(preference, weight * ~held_out, feature, float(penalty))
        loss = weight * _loss(preference, w[:, :1] + w[:, 1:] * feature)
        losses.append(float(((loss * held_out).sum(axis=1) / (weight * held_out).sum(axis=1)).mean()))
    return float(PENALTIES[int(np.argmin(losses))])


def folds_of(preference: Floats, shorter: Floats) -> NDArray[np.int64]:
    """The fold of every record, (n,): dealt in the order of preference, then length."""
    folds = np.empty(len(preference), dtype=np.int64)
    folds[np.lexsort((shorter, preference))] = np.arange(len(preference)) % FOLDS
    return folds


def fitted(preference: Floats, weight: Floats, feature: Floats, penalty: float) -> Floats:
    """Logistic regressions with an L1 penalty: the coefficients (b, 2) of a constant, which is free, and of ``feature``.

    Each minimises |φ| + penalty · Σ weight · log loss, by Newton steps on the smooth part, each solved with the L1 term
    and halved until the sum falls (Yuan, Ho & Lin 2012, Newton-GLMNET).

    Args:
        preference: (n,), soft labels.
        weight: (b, n).
        feature: (b, n).
    """
    w = np.zeros((len(weight), 2))
    scaled = penalty * weight
    value = _objective(w, preference, scaled, feature)
    for _ in range(_STEPS):
        p = _logistic(w[:, :1] + w[:, 1:] * feature)
        off = scaled * (p - preference)
        slope = np.stack([off.sum(axis=1), (off * feature).sum(axis=1)], axis=1)
        bend = scaled * p * (1.0 - p)
        curve = (bend.sum(axis=1), (bend * feature).sum(axis=1), (bend * feature * feature).sum(axis=1))
        step = _newton(w, slope, curve)
        promised = (slope * step).sum(axis=1) + np.abs(w[:, 1] + step[:, 1]) - np.abs(w[:, 1])
        share = np.ones(len(w))
        for _ in range(40):
            tried = w + share[:, None] * step
            reached = _objective(tried, preference, scaled, feature)
            worse = reached > value + 0.01 * share * promised + 1e-12 * np.abs(value)
            if not worse.any():
                break
            share[worse] *= 0.5
        moved = np.abs(tried - w).max(axis=1)
        w, value = tried, reached
        if (moved < _DONE * np.maximum(np.abs(w).max(axis=1), 1.0)).all():
            break
    return w


def _newton(w: Floats, slope: Floats, curve: tuple[Floats, Floats, Floats]) -> Floats:
    """The step (b, 2) to the minimum of the quadratic model plus |φ|: the best of φ's three signs."""
    ridge = 1e-10 * (curve[0] + curve[2]) + 1e-12
    a, b, c = curve[0] + ridge, curve[1], curve[2] + ridge
    pull = np.stack([a * w[:, 0] + b * w[:, 1], b * w[:, 0] + c * w[:, 1]], axis=1) - slope
    best = np.stack([pull[:, 0] / a, np.zeros(len(w))], axis=1)  # φ = 0
    lowest = -0.5 * pull[:, 0] * best[:, 0]
    for sign in (-1.0, 1.0):
        first, second = pull[:, 0], pull[:, 1] - sign
        u = np.stack([c * first - b * second, a * second - b * first], axis=1) / (a * c - b * b)[:, None]
        height = -0.5 * (first * u[:, 0] + second * u[:, 1])
        better = (np.sign(u[:, 1]) == sign) & (height < lowest)
        best[better], lowest[better] = u[better], height[better]
    return best - w


def _objective(w: Floats, preference: Floats, scaled: Floats, feature: Floats) -> Floats:
    loss = _loss(preference, w[:, :1] + w[:, 1:] * feature)
    total: Floats = np.abs(w[:, 1]) + (scaled * loss).sum(axis=1)
    return total


def _loss(preference: Floats, z: Floats) -> Floats:
    """Log loss of soft labels at log odds ``z``."""
    loss: Floats = np.logaddexp(0.0, z) - preference * z
    return loss


def _logistic(z: Floats) -> Floats:
    p: Floats = np.exp(-np.logaddexp(0.0, -z))
    return p
