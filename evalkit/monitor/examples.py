"""Rows that show an incident: those of its window in which the signal is as it was not before."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from evalkit.detection import unseen
from evalkit.detection.profile import sampled
from evalkit.detection.sample import LABEL, NUMBER, RAW, Sample
from evalkit.detection.signal import TEXTS, Signal
from evalkit.detection.switch import Switched
from evalkit.detection.tracks import Track
from evalkit.detection.unseen import cut
from evalkit.monitor.embedding import WINDOW
from evalkit.monitor.reading import Reading
from evalkit.monitor.reference import Learned

MOST = 5
_LOOKED_AT = 500  # rows of a window
_SHOWN = ("id", "input", "output", "model", "prompt_version")


def examples_of(
    reading: Reading, switched: Switched, learned: Learned, track: Track, where: str, *, rises: bool
) -> list[Mapping[str, str]]:
    """At most five rows, by column, each cut to what is read."""
    sample = reading.sample(switched, _LOOKED_AT, where)
    if not len(sample):
        return []
    signal = next(one for one in switched.signals if one.name == track.signal)
    sample = reading.embedded(sampled(sample, (signal,)), _embedding(switched, learned, track), WINDOW)
    told = _told(sample, learned, track)
    told = np.where(sample.are_on(track.by), told, np.nan)
    order = np.argsort(np.where(np.isnan(told), -np.inf, told if rises else -told), kind="stable")[::-1]
    rows = [int(at) for at in order if not np.isnan(told[at])][:MOST]
    columns = [name for name in _SHOWN if sample.has(RAW + name)]
    if track.signal in reading.fields and track.signal not in columns:
        columns += [track.signal] if sample.has(RAW + track.signal) else []
    taken = sample.table.select([RAW + name for name in columns]).take(rows).to_pylist()
    found = [{name: cut(str(row[RAW + name])) for name in columns if row[RAW + name] is not None} for row in taken]
    return [row for row in found if row]


def _told(sample: Sample, learned: Learned, track: Track) -> NDArray[np.float64]:
    """How much each row shows the track (n,)."""
    plain = next((name for name in TEXTS if track.signal == f"{name}.terms"), None)
    if plain is not None:
        return unseen.shares(sample, plain, learned.profile.words[plain], own=False)
    if NUMBER + track.signal in sample.table.column_names:
        return sample.numbers(track.signal)
    if LABEL + track.signal in sample.table.column_names:
        labels = sample.labels(track.signal)
        return np.array([np.nan if one is None else float(learned.ruler.shown(track, one)) for one in labels])
    placed = learned.ruler.placed(track, sample)
    return placed if placed is not None else np.full(len(sample), 0.0)


def _embedding(switched: Switched, learned: Learned, track: Track) -> list[Signal]:
    """The signal of the vectors that the track is of."""
    fitted = learned.ruler.topics.get(track.signal)
    column = fitted.column if fitted is not None else ""
    return [one for one in switched.signals if one.kind == "vector" and (one.name == track.signal or column in one.needs)]
