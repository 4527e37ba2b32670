"""A proxy: the mean of a metric's scores over some rows of each window, and what the reference leads one to expect of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.core.drift import Off
from evalkit.detection.alarm import Reading as Measured
from evalkit.detection.memory import Noise
from evalkit.detection.season import LEAST_WINDOWS, Expectation, Season, Terms
from evalkit.detection.tracks import EFFECT, LEAST_RATE, Track
from evalkit.monitor.reference import Learned
from evalkit.monitor.scoring import Scored
from evalkit.specs.judged import JudgeSample

SENTINEL = "sentinel."
_SLICE_ROWS = 100  # of the reference that a slice must have, and the most values of a column
_SLICES = 20
_STEADY = 0.05  # standard deviations of records that a judge counts as varying by, who says the same each time

Floats = NDArray[np.float64]
History = Mapping[float, tuple[float, float]]  # by a window's start: its value, and its rows


@dataclass(frozen=True)
class Proxy:
    """A metric as it is watched.

    Attributes:
        tracks: that of all rows, then those of slices.
        expectations, history: by track.
        dark: why there is no track.
        told: how it was learned.
        scores: of a sentinel, its records' scores in the reference, by id.
    """

    name: str
    tracks: tuple[Track, ...] = ()
    expectations: Mapping[str, Expectation] = field(default_factory=dict)
    history: Mapping[str, History] = field(default_factory=dict)
    dark: tuple[Off, ...] = ()
    told: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)

    def readings(self, scored: Scored) -> dict[str, Measured]:
        """A window's rows as the watcher takes them."""
        return {
            track.name: _reading(track, scored.values[_rows_of(scored, track)])
            for track in self.tracks
            if track.name in self.expectations
        }

    def against(self, scored: Scored) -> dict[str, Measured]:
        """A sentinel's records as the watcher takes them: each against its own score in the reference."""
        apart = apart_of(scored, self.scores)
        apart = apart[~np.isnan(apart)]
        if not self.tracks or not len(apart):
            return {}
        level = float(np.mean(list(self.scores.values())))
        (track,) = self.tracks
        return {track.name: Measured(level + float(apart.mean()), track.variance / len(apart), len(apart))}

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "tracks": [_plain(track) for track in self.tracks],
            "expectations": {name: one.to_json() for name, one in self.expectations.items()},
            "history": {name: [[start, *pair] for start, pair in one.items()] for name, one in self.history.items()},
            "dark": [[one.name, one.why] for one in self.dark],
            "told": self.told,
            "scores": dict(self.scores),
        }

    @classmethod
    def from_json(cls, name: str, told: Mapping[str, Any]) -> Proxy:
        """Of `to_json`."""
        return cls(
            name,
            tuple(_track_of(one) for one in told["tracks"]),
            {track: Expectation.from_json(one) for track, one in told["expectations"].items()},
            {track: {start: (value, rows) for start, value, rows in one} for track, one in told["history"].items()},
            tuple(Off(*one) for one in told["dark"]),
            told["told"],
            told["scores"],
        )


def learned_proxy(
    sample: JudgeSample, windows: Sequence[tuple[float, Scored]], slices: Sequence[str], width: float, *, season: Season,
    minimum: int,
) -> Proxy:  # fmt: skip
    """Of scored windows of the reference: means, how rows vary, and how windows do beyond that."""
    label = sample.metric.label
    tracks = _tracks(sample, [scored for _, scored in windows], slices)
    if not tracks:
        return Proxy(label, dark=(Off(label, "the scores of the reference do not vary, or there are none"),))
    expectations, history, dark = {}, {}, []
    for track in tracks:
        found = [(start, scored.values[_rows_of(scored, track)]) for start, scored in windows]
        known = [(start, values[~np.isnan(values)]) for start, values in found]
        past = {start: (float(values.mean()), float(len(values))) for start, values in known if len(values)}
        enough = {start: pair for start, pair in past.items() if pair[1] >= minimum}
        if len(enough) < LEAST_WINDOWS:
            if track.by is None:
                what = f"{len(enough)} windows of the reference have {minimum} scores; {LEAST_WINDOWS} are needed"
                dark.append(Off(label, what))
            continue
        values, sizes = np.array(list(enough.values())).T
        expectations[track.name] = Expectation.fit(
            list(enough), values, track.variance / sizes, width, season=season, rate=track.rate
        )
        history[track.name] = past
    watched = tuple(track for track in tracks if track.name in expectations)
    return Proxy(label, watched, expectations, history, tuple(dark))


def learned_sentinel(sample: JudgeSample, repeats: Sequence[Scored], width: float) -> Proxy:
    """Of a sentinel set that was judged several times: what each record gets, and how much that varies from time to time.

    The expectation has no season: a judge does not know the hour. Its spread is the judge's own, pooled over records.
    """
    name = SENTINEL + sample.metric.label
    ids = list(repeats[0].batch.texts("id"))
    values = np.array([one.values for one in repeats])  # (times, records)
    there = ~np.isnan(values).any(axis=0)
    values, ids = values[:, there], [one for one, kept in zip(ids, there) if kept]
    if values.shape[1] < 2:
        return Proxy(name, dark=(Off(name, "too few records of the sentinel set could be scored"),))
    scores, n = values.mean(axis=0), values.shape[1]
    df = n * (len(repeats) - 1)
    own = float(((values - scores) ** 2).sum()) / df
    spread = float(scores.std()) or _span(sample)
    variance = max(own, (_STEADY * spread) ** 2)
    low, high = _limits(sample)
    track = Track(name, name, "proxy", "", variance, EFFECT * spread, low=low, high=high)
    level = float(scores.mean())
    expectation = Expectation(
        width, len(repeats), Terms(), (level,), ((own / (n * len(repeats)),),), Noise(0.0, 0.0), float(df)
    )
    return Proxy(name, (track,), {name: expectation}, {}, scores=dict(zip(ids, scores.tolist())))


def joined(learned: Learned, proxies: Sequence[Proxy]) -> Learned:
    """A reference with its proxies among its tracks, so that timelines, incidents and reports need not tell them apart."""
    if not proxies:
        return learned
    starts = learned.history.starts
    at = {start: index for index, start in enumerate(starts.tolist())}
    values, sizes = dict(learned.history.values), dict(learned.history.sizes)
    for proxy in proxies:
        for name, past in proxy.history.items():
            values[name], sizes[name] = np.full(len(starts), np.nan), np.zeros(len(starts))
            for start, (value, rows) in past.items():
                if start in at:
                    values[name][at[start]], sizes[name][at[start]] = value, rows
    made = {track.name: track for proxy in proxies for track in proxy.tracks}
    expected = {name: one for proxy in proxies for name, one in proxy.expectations.items()}
    return replace(
        learned,
        ruler=learned.ruler.joined(made),
        expectations={**learned.expectations, **expected},
        history=replace(learned.history, values=values, sizes=sizes),
        dark=(*learned.dark, *(one for proxy in proxies for one in proxy.dark)),
    )


def apart_of(scored: Scored, scores: Mapping[str, float]) -> Floats:
    """How far each record is from its score in the reference (n,); NaN where either is missing."""
    apart: Floats = scored.values - np.array([scores.get(one, math.nan) for one in scored.batch.texts("id")])
    return apart


def _tracks(sample: JudgeSample, windows: Sequence[Scored], slices: Sequence[str]) -> tuple[Track, ...]:
    label = sample.metric.label
    values = np.concatenate([scored.values for scored in windows]) if windows else np.zeros(0)
    whole = _track(sample, label, values, None)
    if whole is None:
        return ()
    made = [whole]
    for column in slices:
        told = [_labels(scored, column) for scored in windows if column in scored.batch]
        labels = np.concatenate(told) if told else np.zeros(0, dtype=object)
        scores = np.concatenate([scored.values for scored in windows if column in scored.batch]) if told else np.zeros(0)
        names, counts = np.unique(labels[(labels != None) & ~np.isnan(scores)], return_counts=True)  # noqa: E711 - by element
        for value, rows in sorted(zip(names.tolist(), counts.tolist()), key=lambda one: (-one[1], one[0]))[:_SLICES]:
            if rows >= _SLICE_ROWS:
                made.append(_track(sample, f"{label} on {column}={value}", scores[labels == value], (column, value)) or whole)
    return tuple(dict.fromkeys(made))


def _track(sample: JudgeSample, name: str, values: Floats, by: tuple[str, str] | None) -> Track | None:
    known = values[~np.isnan(values)]
    metric, label = sample.metric.metric, sample.metric.label
    if len(known) < 2:
        return None
    if metric.interval_of(metric.main) == "wilson":  # every score is 0 or 1
        rate = (float(known.sum()) + 0.5) / (len(known) + 1.0)
        variance = rate * (1.0 - rate)
        return Track(name, label, "proxy", "share", variance, max(LEAST_RATE, EFFECT * math.sqrt(variance)), "", rate, by)
    variance = float(known.var())
    if not variance > 0.0:
        return None
    low, high = _limits(sample)
    return Track(name, label, "proxy", "", variance, EFFECT * math.sqrt(variance), by=by, low=low, high=high)


def _plain(track: Track) -> dict[str, Any]:
    """Plain data; infinities are null."""
    limits = {name: told if math.isfinite(told) else None for name, told in (("low", track.low), ("high", track.high))}
    return asdict(track) | limits


def _track_of(told: Mapping[str, Any]) -> Track:
    limits = {name: open_ if told[name] is None else told[name] for name, open_ in (("low", -math.inf), ("high", math.inf))}
    return Track(**dict(told) | limits | {"by": tuple(told["by"]) if told["by"] else None})


def _reading(track: Track, values: Floats) -> Measured:
    known = values[~np.isnan(values)]
    if not len(known):
        return Measured()
    return Measured(float(known.mean()), track.variance / len(known), len(known))


def _rows_of(scored: Scored, track: Track) -> NDArray[np.bool_]:
    if track.by is None:
        return np.ones(len(scored.values), dtype=bool)
    if track.by[0] not in scored.batch:
        return np.zeros(len(scored.values), dtype=bool)
    return np.asarray(_labels(scored, track.by[0]) == track.by[1], dtype=bool)


def _labels(scored: Scored, column: str) -> NDArray[np.object_]:
    told: NDArray[np.object_] = np.empty(len(scored.batch), dtype=object)
    told[:] = [None if value is None else str(value) for value in scored.batch.column(column)]
    return told


def _limits(sample: JudgeSample) -> tuple[float, float]:
    """Between which a score lies."""
    metric = sample.metric.metric
    return metric.range_of(metric.main) or (-math.inf, math.inf)


def _span(sample: JudgeSample) -> float:
    """A tenth of what a metric can reach, where its records all have one score."""
    low, high = _limits(sample)
    return 0.1 * (high - low) if math.isfinite(high - low) else 0.1
