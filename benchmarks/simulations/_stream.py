"""A year of a service's hourly windows, as sufficient statistics: 40 tracks with seasons, growth and noise that lasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.signal import lfilter
from scipy.special import expit, logit, ndtr

HOUR, DAY, WEEK = 3_600.0, 86_400.0, 604_800.0
START = 1_700_000_000.0 // WEEK * WEEK + 4 * DAY  # a Monday
YEAR = 365  # days
SCORED = 200  # rows of a window that a judge reads
LENGTH_SD = 0.8  # of the logarithm of a length
UNIFORM_SD = 12.0**-0.5  # of a mid-rank

RATES = (0.04, 0.002, 0.01, 0.02, 0.08, 0.15, 0.3, 0.5, 0.9, 0.97)  # the first is the refusal rate
TOPICS = (0.001, 0.25, 0.2, 0.15, 0.12, 0.1, 0.08, 0.05, 0.03, 0.019)  # the first is all that fits no other
RANKS = JUDGED = 10
NAMES = (
    *(f"rate {at}" for at in range(len(RATES))), *(f"topic {at}" for at in range(len(TOPICS))),
    *(f"rank {at}" for at in range(RANKS)), *(f"judge {at}" for at in range(JUDGED)),
)  # fmt: skip
TRACKS = len(NAMES)
KINDS = ("refusals +5 points", "length +15 %", "new topic 5 %", "judge −0.2 sd")
MOVED = (0, 20, 10, 30)  # the track of each
FLOORS = np.concatenate([
    [min(max(0.2 * min(rate, 1.0 - rate), 0.005), 0.02) for rate in RATES], [0.02] * len(TOPICS), [0.02] * RANKS, [0.1] * JUDGED
])  # fmt: skip


@dataclass(frozen=True)
class Stream:
    """Windows of a reference and of what follows it.

    Attributes:
        times: shape (windows,).
        values, sizes: shape (windows, tracks).
        means: what ranks and judges mean before sampling, shape (windows, 20).
        width: of a window, seconds.
    """

    times: Any
    values: Any
    sizes: Any
    width: float
    means: Any = None


@dataclass(frozen=True)
class Drift:
    """What is injected: one of `KINDS`, ``begin`` seconds after `START`, growing over ``over`` seconds."""

    kind: int
    begin: float
    over: float


def seasonal(times: Any, rng: Any, tracks: int) -> Any:
    """Curves around 0 of size about 1, shape (windows, tracks): two harmonics of the day, other weekends, a weekly wave."""
    day, week = 2 * np.pi * times / DAY, 2 * np.pi * times / WEEK
    weekend = (np.floor(times / DAY) + 3) % 7 >= 5
    phase = rng.uniform(0, 2 * np.pi, (4, tracks))
    size = np.array([0.8, 0.4, 0.3, 0.3])[:, None] * rng.uniform(0.3, 1.3, (4, tracks))
    told = size[0] * np.cos(day[:, None] - phase[0]) + size[1] * np.cos(2 * day[:, None] - phase[1])
    told += size[2] * np.cos(week[:, None] - phase[2])
    return told + (weekend - 2 / 7)[:, None] * size[3] * np.where(phase[3] < np.pi, 1.0, -1.0)


def lasting(windows: int, rng: Any, tracks: int, width: float) -> Any:
    """AR(1) noise of variance 1, shape (windows, tracks); a track forgets half of it in 1 to 6 hours."""
    memory = 0.5 ** (width / HOUR / rng.uniform(1.0, 6.0, tracks))
    shocks = rng.normal(size=(windows, tracks)) * np.sqrt(1 - memory**2)
    shocks[0] /= np.sqrt(1 - memory**2)
    return np.stack([lfilter([1.0], [1.0, -memory[at]], shocks[:, at]) for at in range(tracks)], axis=1)


def drawn(
    rng: Any, *, days: int, growth: float = 3.0, volume: float = 300.0, noise: float = 0.6, drifts: Sequence[Drift] = ()
) -> Stream:
    """Hours of a service: ``volume`` rows an hour at first on average, ``growth`` times as many after a year.

    ``noise`` is the standard deviation of what lasts, over that of sampling in an average hour at first, at the most.
    """
    windows = days * 24
    times = START + HOUR * np.arange(windows)
    rates, topics = len(RATES), len(TOPICS)
    waves, hum = seasonal(times, rng, 41), lasting(windows, rng, 41, HOUR)
    traffic = np.exp(0.7 * waves[:, 40] + 0.1 * hum[:, 40]) * growth ** ((times - START) / (YEAR * DAY))
    rows = rng.poisson(volume * traffic / 1.2)
    hum = hum[:, :40] * rng.uniform(0.2, 1.0, 40) * noise
    moved = [np.zeros(windows) for _ in KINDS]
    for drift in drifts:
        moved[drift.kind] += np.clip((times + HOUR - START - drift.begin) / max(drift.over, HOUR), 0.0, 1.0)

    base = logit(np.array(RATES))
    sampled = np.minimum(1.0 / np.sqrt(volume * np.array(RATES) * (1 - np.array(RATES))), 0.5)  # on the scale of log odds
    chance = expit(base + 0.25 * waves[:, :rates] + hum[:, :rates] * sampled)
    chance[:, 0] += 0.05 * moved[0]
    found = [rng.binomial(rows[:, None], chance) / np.maximum(rows, 1)[:, None]]

    mix = np.log(np.array(TOPICS)) + 0.2 * waves[:, 10:20] + hum[:, 10:20] / np.sqrt(volume * np.maximum(TOPICS, 0.02))
    mix = np.exp(mix) / np.exp(mix).sum(axis=1, keepdims=True)
    mix = mix * (1 - 0.05 * moved[2])[:, None]
    mix[:, 0] += 0.05 * moved[2]
    left, rest, counts = rows.copy(), np.ones(windows), np.empty((windows, topics))
    for at in range(topics):  # a multinomial, one category after another
        counts[:, at] = rng.binomial(left, np.clip(mix[:, at] / rest, 0.0, 1.0)) if at < topics - 1 else left
        left = left - counts[:, at].astype(int)
        rest = rest - mix[:, at]
    found.append(counts / np.maximum(rows, 1)[:, None])

    spread = UNIFORM_SD / np.sqrt(volume)
    rank = 0.5 + 0.03 * waves[:, 20:30] + hum[:, 20:30] * spread
    rank[:, 0] += (ndtr(np.log(1.15) / LENGTH_SD / np.sqrt(2)) - 0.5) * moved[1]
    found.append(rank + rng.normal(size=rank.shape) * UNIFORM_SD / np.sqrt(np.maximum(rows, 1))[:, None])

    read = np.minimum(rows, SCORED)
    judged = 0.08 * waves[:, 30:40] + hum[:, 30:40] / np.sqrt(SCORED)
    judged[:, 0] -= 0.2 * moved[3]
    found.append(judged + rng.normal(size=judged.shape) / np.sqrt(np.maximum(read, 1))[:, None])

    sizes = np.concatenate([np.repeat(rows[:, None], 30, axis=1), np.repeat(read[:, None], 10, axis=1)], axis=1)
    values = np.where(sizes > 0, np.concatenate(found, axis=1), np.nan)
    return Stream(times, values, sizes.astype(float), HOUR, np.concatenate([rank, judged], axis=1))


def pooled(stream: Stream, width: float) -> Stream:
    """The same in wider windows."""
    many = int(width // stream.width)
    if many == 1:
        return stream
    windows = len(stream.times) // many
    shape = (windows, many, -1)
    sizes = stream.sizes[: windows * many].reshape(shape)
    sums = (np.nan_to_num(stream.values[: windows * many]) * stream.sizes[: windows * many]).reshape(shape).sum(axis=1)
    with np.errstate(invalid="ignore"):
        values = sums / sizes.sum(axis=1)
    return Stream(stream.times[: windows * many : many], values, sizes.sum(axis=1), width)


def rates_of(stream: Stream, windows: int) -> Any:
    """Rates of the reference as a monitor would pool them, NaN for tracks that are none."""
    sizes, values = stream.sizes[:windows], np.nan_to_num(stream.values[:windows])
    rates = ((sizes * values).sum(axis=0) + 0.5) / (sizes.sum(axis=0) + 1)
    return np.where(np.arange(40) < 20, rates, np.nan)


def variances(stream: Stream, rates: Any) -> Any:
    """Sampling variances under the reference, shape (windows, tracks)."""
    told = np.where(np.isnan(rates), np.where(np.arange(40) < 30, UNIFORM_SD**2, 1.0), rates * (1 - rates))
    with np.errstate(divide="ignore"):
        return told / stream.sizes
