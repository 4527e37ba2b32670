"""A monitor of 40 tracks over a year in which nothing drifts, and over years in which four things do.

A service has 300 rows an hour at first and three times as many a year later, most of them by day. Its tracks are ten rates of
0.002 to 0.97 (the first, 0.04, are refusals), the shares of ten topics, ten mean mid-ranks (the first of lengths) and ten judges'
means over at most 200 rows an hour. All have two harmonics of the day, weekends of their own and a weekly wave, and noise beyond
sampling that fades by half within 1 to 6 hours, of a size between an eighth and six tenths of the sampling error of a usual hour.
The reference is what comes before the year. Windows are drawn as sufficient statistics: binomials, a multinomial, normal means.

*Alarms a month* are incidents that open, each track counting as a signal of its own; the bar is twice what is stated. A year with
drifts has all four, each in its own track from a random day on, all at once or growing over two weeks. Found is what opens in
that track between the drift's begin and two weeks after it is complete; *delay* is in hours from its begin (median). *Others* are
alarms of the tracks in which nothing was moved; new topics take shares from all topics, so these are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from evalkit.core.times import MONTH
from evalkit.detection.alarm import Plan, Watcher
from evalkit.detection.season import Expectation
from evalkit.stats.multiple import adjust
from simulations._run import Bar, Case, Measure, at_least, at_most, figure, rate
from simulations._stream import DAY, FLOORS, HOUR, KINDS, MOVED, TRACKS, YEAR, Drift, Stream, drawn, pooled, rates_of, variances

NAME = "Alarms of a monitor"
BATCH = 10  # services that are watched side by side: arrays as long as NumPy likes them
FOUND_WITHIN = 14 * DAY  # after a drift is complete


def cases() -> Iterator[Case]:
    yield Case("nothing drifts, 4 weeks of reference", 20, {"days": 28, "budgets": (0.25, 1.0, 4.0)})
    yield Case("2 weeks of reference", 10, {"days": 14, "budgets": (1.0,)})
    yield Case("8 weeks of reference", 10, {"days": 56, "budgets": (1.0,)})
    yield Case("windows of a day, 8 weeks", 20, {"days": 56, "budgets": (1.0,), "width": DAY})
    yield Case("noise twice as large", 10, {"days": 28, "budgets": (1.0,), "noise": 1.2})
    yield Case("no noise but sampling", 10, {"days": 28, "budgets": (1.0,), "noise": 0.0})
    yield Case("four drifts, all at once", 20, {"days": 28, "over": 0.0})
    yield Case("four drifts, over 2 weeks", 20, {"days": 28, "over": 14 * DAY})


class Services(Watcher):
    """Several services in one: Benjamini-Hochberg is of each."""

    def _adjusted(self, p: Any) -> Any:
        return np.concatenate([adjust(one, "bh") for one in p.reshape(-1, TRACKS)])


def learned(stream: Stream, windows: int) -> tuple[list[Expectation], Any]:
    """Expectations of all tracks from the first ``windows``, and the variances of all windows."""
    rates = rates_of(stream, windows)
    spread = variances(stream, rates)
    found = [
        Expectation.fit(
            stream.times[:windows], stream.values[:windows, at], spread[:windows, at], stream.width,
            rate=None if np.isnan(rates[at]) else float(rates[at]),
        )
        for at in range(TRACKS)
    ]  # fmt: skip
    return found, spread


def opened(streams: Sequence[Stream], fits: Sequence[tuple[list[Expectation], Any]], windows: int, budget: float) -> Any:
    """Which tracks opened an incident in which window after the reference, shape (services, windows, tracks)."""
    width = streams[0].width
    plan = Plan(TRACKS, width, budget)
    names = [(service, at) for service in range(len(streams)) for at in range(TRACKS)]
    told = {f"{service} {at}": fits[service][0][at] for service, at in names}
    watcher = Services(plan, told, {f"{service} {at}": float(FLOORS[at]) for service, at in names})
    state, found = watcher.start(), []
    for at in range(windows, len(streams[0].times)):
        values, spread, sizes = (
            np.concatenate(columns)
            for columns in zip(*((stream.values[at], fit[1][at], stream.sizes[at]) for stream, fit in zip(streams, fits)))
        )
        state, verdicts = watcher.judge(state, float(streams[0].times[at]), values, spread, sizes)
        found.append(verdicts["opened"])
    return np.stack(found).reshape(len(found), len(streams), TRACKS).transpose(1, 0, 2)


def batches(trials: int) -> Iterator[int]:
    for start in range(0, trials, BATCH):
        yield min(BATCH, trials - start)


def simulate(case: Case, rng: Any) -> dict[str, Measure]:
    return drifting(case, rng) if "over" in case.given else calm(case, rng)


def calm(case: Case, rng: Any) -> dict[str, Measure]:
    width, days = case.given.get("width", HOUR), case["days"]
    windows = int(days * DAY // width)
    counts: dict[float, list[float]] = {budget: [] for budget in case["budgets"]}
    for many in batches(case.trials):
        streams = [pooled(drawn(rng, days=days + YEAR, noise=case.given.get("noise", 0.6)), width) for _ in range(many)]
        fits = [learned(stream, windows) for stream in streams]
        for budget in counts:
            found = opened(streams, fits, windows, budget)
            counts[budget] += (found.sum(axis=(1, 2)) / (YEAR * DAY / MONTH)).tolist()
    return {
        f"alarms a month, {budget:g} stated": figure(told, bar=Bar(high=2.0 * budget), digits=2) for budget, told in counts.items()
    }  # fmt: skip


def drifting(case: Case, rng: Any) -> dict[str, Measure]:
    over, days = case["over"], case["days"]
    windows = int(days * DAY // HOUR)
    found: list[list[bool]] = [[] for _ in KINDS]
    delays: list[list[float]] = [[] for _ in KINDS]
    others: list[float] = []
    for many in batches(case.trials):
        drifts = [
            [
                Drift(kind, float(rng.uniform(days + 7, days + YEAR - 30) * DAY // HOUR * HOUR), over)
                for kind in range(len(KINDS))
            ]
            for _ in range(many)
        ]
        streams = [drawn(rng, days=days + YEAR, drifts=one) for one in drifts]
        alarms = opened(streams, [learned(stream, windows) for stream in streams], windows, 1.0)
        for service, one in enumerate(drifts):
            since = np.arange(alarms.shape[1]) * HOUR + days * DAY
            for drift in one:
                times = since[alarms[service, :, MOVED[drift.kind]]]
                later = times[(times >= drift.begin) & (times < drift.begin + over + FOUND_WITHIN)]
                found[drift.kind].append(len(later) > 0)
                if len(later):
                    delays[drift.kind].append((later[0] - drift.begin) / HOUR)
            left = np.ones(TRACKS, dtype=bool)
            left[[*MOVED, *range(10, 20)]] = False
            others.append(float(alarms[service][:, left].sum()) / (YEAR * DAY / MONTH))
    told: dict[str, Measure] = {}
    for kind, name in enumerate(KINDS):
        told[f"{name}: found"] = rate(found[kind], bar=at_least(0.9))
        told[f"{name}: delay"] = figure([float(np.median(delays[kind]))] if delays[kind] else [], digits=0)
    return told | {"others a month": figure(others, bar=at_most(2.0), digits=2)}
