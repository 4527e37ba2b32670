"""Tracks: the numbers that are watched from window to window, as sums over rows held against a reference."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.core.drift import Group
from evalkit.detection import numbers, topics, unseen, vectors
from evalkit.detection.alarm import Reading
from evalkit.detection.case import Track as Part
from evalkit.detection.categories import Categories
from evalkit.detection.flags import Flags
from evalkit.detection.frame import Frame
from evalkit.detection.numbers import Numbers
from evalkit.detection.profile import By, Profile, Summary
from evalkit.detection.sample import LABEL, NUMBER, Sample
from evalkit.detection.signal import Signal

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

TAIL = 0.01  # share of the reference on either side beyond which numbers count as that quantile
MOST, LEAST_SHARE = 8, 0.01  # categories of a signal that are watched by name, and the least of the reference they hold
EFFECT = 0.1  # standard deviations of a row that a shift must have, unless the signal says otherwise
LEAST_RATE = 0.005  # and of a rate
SPREAD = "spread"
REST = "others"


@dataclass(frozen=True)
class Track:
    """One number a window: the mean of a value per row.

    Attributes:
        name: "output.length", "output.length:spread", "model:b", and with a slice "output.length on model=b".
        part: which of the signal's tracks it is; "" is the signal's own value.
        variance: of a row, under the reference.
        low, high: between which its value lies.
        rate: of a share, under the reference; None of a mean.
        floor: the least shift that matters, in the track's unit.
    """

    name: str
    signal: str
    group: Group
    unit: str
    variance: float
    floor: float
    part: str = ""
    rate: float | None = None
    by: By | None = None
    low: float = 0.0
    high: float = 1.0

    @property
    def title(self) -> str:
        """The name without its slice."""
        return f"{self.signal}:{self.part}" if self.part else self.signal

    @property
    def place(self) -> Part:
        """As cases tell it."""
        return Part(self.signal, self.part, f"{self.by[0]}={self.by[1]}" if self.by else "")


Sums = dict[str, tuple[Floats, Floats]]  # by track: Σ value and rows, each (windows,)


class Ruler:
    """The tracks of some signals against a reference, and how rows are measured on them.

    A number's value is winsorised at the reference's 1 % and 99 % quantiles, so that one row moves no window; its spread is
    the mean of |2r - 1|, r the row's rank in the reference, ½ where nothing changed. A category is the share of each of the
    reference's most frequent values, and of all others together. Terms are the share of unseen words in a row.
    """

    def __init__(self, signals: Sequence[Signal], reference: Profile, seed: int = 0) -> None:
        self.reference, self.seed = reference, seed
        self.signals = tuple(signals)
        self.topics: dict[str, topics.Topics] = {}
        self._labels: dict[str, list[str]] = {}
        self._placed: dict[str, vectors.Projection] = {}
        self._made: dict[str, tuple[Track, ...]] = {}
        for signal in self.signals:
            made = self._of(signal)
            if made:
                self._made[signal.name] = made
        self.tracks: dict[str, Track] = {track.name: track for made in self._made.values() for track in made}

    @property
    def dark(self) -> list[str]:
        """Signals that have no track: the reference has too little of them."""
        return [signal.name for signal in self.signals if signal.name not in self._made]

    def joined(self, tracks: Mapping[str, Track]) -> Ruler:
        """With tracks that somebody else measures."""
        found = copy(self)
        found.tracks = {**self.tracks, **tracks}
        return found

    def reading(self, track: str, value: float, rows: float) -> Reading:
        """A window's sums as the watcher takes them."""
        if not rows:
            return Reading()
        return Reading(value / rows, self.tracks[track].variance / rows, int(rows))

    def cluster(self, track: Track) -> int:
        """The topic that a track is the share of; -1: none."""
        return -1 if track.part == topics.ELSEWHERE else self._labels[track.signal].index(track.part)

    def placed(self, track: Track, sample: Sample) -> Floats | None:
        """How much each row shows the track of a topic or of an embedding (n,), NaN without a vector; None of other tracks."""
        if track.signal in self._placed:
            at = [one.name for one in self._made[track.signal]].index(track.name)
            found: Floats = self._placed[track.signal].placed(sample)[:, at]
            return found
        fitted = self.topics.get(track.signal)
        if fitted is None:
            return None
        hits = (fitted.assigned(sample) == self.cluster(track)).astype(np.float64)
        return np.where(fitted.known(sample), hits, np.nan)

    # --- measuring ---

    def measure(self, frame: Frame, windows: Codes, count: int) -> Sums:
        """Sums over the rows of a batch, of the signals that all rows have.

        Args:
            windows: (n,) the window of each row, from 0; negative: in none.
            count: how many windows there are.
        """
        found: Sums = {}
        for signal in self.signals:
            if signal.sampled or signal.measure is None or signal.name not in self._made:
                continue
            values = signal.measure(frame)
            self._add(found, signal, values, windows, count, lambda by: _masked(frame.text(by[0]), by[1]))
        return found

    def measure_sample(self, sample: Sample, windows: Codes, count: int, *, own: bool) -> Sums:
        """Sums over sampled rows, of the signals that only these have.

        Args:
            own: the rows are the reference's (`unseen.unseen`).
        """
        found: Sums = {}
        if not len(sample):
            return found
        for signal in self.signals:
            if signal.name not in self._made:
                continue
            if signal.kind == "terms":
                self._terms(found, signal, sample, windows, count, own=own)
            elif signal.name in self.topics:
                fitted = self.topics[signal.name]
                assigned, known = fitted.assigned(sample), fitted.known(sample)
                for track in self._made[signal.name]:
                    hits = np.where(known, assigned == self.cluster(track), np.nan)
                    _sum(found, track.name, hits, windows, count)
            elif signal.name in self._placed:
                placed = self._placed[signal.name].placed(sample)
                for track, column in zip(self._made[signal.name], placed.T):
                    _sum(found, track.name, column, windows, count)
            elif signal.sampled and signal.measure is not None:
                prefix = LABEL if signal.kind == "category" else NUMBER
                if prefix + signal.name in sample.table.column_names:
                    values = (
                        sample.table.column(prefix + signal.name).combine_chunks()
                        if prefix == LABEL
                        else sample.numbers(signal.name)
                    )
                    self._add(
                        found, signal, values, windows, count,
                        lambda by: np.array([one == by[1] for one in sample.labels(by[0])], dtype=bool),
                    )  # fmt: skip
        return found

    def _add(self, found: Sums, signal: Signal, values: object, windows: Codes, count: int, mask: object) -> None:
        whole = self.reference.whole[signal.name]
        scored: dict[str, Floats] = {}
        if isinstance(whole, Numbers):
            assert isinstance(values, np.ndarray)
            low, high = limits(whole)
            known = np.where(np.isfinite(values), values, np.nan)
            scored[""] = np.clip(known, low, high)
            scored[SPREAD] = np.abs(2.0 * ranks(whole, known) - 1.0)
        elif isinstance(whole, Flags):
            assert isinstance(values, np.ndarray)
            scored[""] = values
        else:
            coded = values.dictionary_encode()  # type: ignore[attr-defined]
            codes = np.asarray(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False))
            names = {name: at for at, name in enumerate(coded.dictionary.to_pylist())}
            listed = [track.part for track in self._made[signal.name] if track.part != REST and track.by is None]
            rest = np.ones(len(codes), dtype=bool)
            for name in listed:
                hits = codes == names.get(name, -2)
                rest &= ~hits
                scored[name] = np.where(codes < 0, np.nan, hits)
            scored[REST] = np.where(codes < 0, np.nan, rest)
        for track in self._made[signal.name]:
            rows = scored[track.part]
            if track.by is not None:
                rows = np.where(mask(track.by), rows, np.nan)  # type: ignore[operator]
            _sum(found, track.name, rows, windows, count)

    def _terms(self, found: Sums, signal: Signal, sample: Sample, windows: Codes, count: int, *, own: bool) -> None:
        from evalkit.detection.sample import TERMS

        column = signal.needs[0]
        if not sample.has(TERMS + column):
            return
        told = unseen.shares(sample, column, self.reference.words[column], own=own)
        _sum(found, self._made[signal.name][0].name, told, windows, count)

    # --- making tracks ---

    def _of(self, signal: Signal) -> tuple[Track, ...]:
        if signal.kind == "terms":
            return self._of_terms(signal)
        if signal.compare is topics.finding:
            return self._of_topics(signal)
        if signal.compare is vectors.finding:
            return self._of_vectors(signal)
        whole = self.reference.whole.get(signal.name)
        if whole is None or whole.n < 2:
            return ()
        made = _tracks(signal, whole, None, self.reference)
        if isinstance(whole, Categories):
            return made
        for by, summaries in self.reference.slices.items():
            one = summaries.get(signal.name)
            if one is not None and one.n >= 100:
                made += tuple(track for track in _tracks(signal, one, by, self.reference) if not track.part)
        return made

    def _of_terms(self, signal: Signal) -> tuple[Track, ...]:
        from evalkit.detection.sample import TERMS

        sample, column = self.reference.sample, signal.needs[0]
        if sample is None or not sample.has(TERMS + column) or column not in self.reference.words:
            return ()
        rows = unseen.shares(sample, column, self.reference.words[column], own=True)
        rows = rows[~np.isnan(rows)]
        if len(rows) < 30:
            return ()
        variance = max(float(rows.var()), 1e-6)
        floor = max(EFFECT * math.sqrt(variance), signal.effect[1])
        return (Track(signal.name, signal.name, signal.group, "share", variance, floor),)

    def _of_topics(self, signal: Signal) -> tuple[Track, ...]:
        if self.reference.sample is None or len(self.reference.sample) < 100:
            return ()
        fitted, held = topics.halves(self.reference.sample)
        found = topics.Topics.fit(fitted, signal.needs[0], self.seed)
        if found is None:
            return ()
        self.topics[signal.name] = found
        assigned = found.assigned(held.where(found.known(held)))
        self._labels[signal.name] = topics.labels_of(found, fitted, self.reference)
        parts = [*self._labels[signal.name], topics.ELSEWHERE]
        hits = [*((assigned == at).sum() for at in range(len(found.centres))), (assigned < 0).sum()]
        return tuple(_rate(signal, part, int(count), len(assigned)) for part, count in zip(parts, hits))

    def _of_vectors(self, signal: Signal) -> tuple[Track, ...]:
        found = vectors.Projection.fit(self.reference.sample, signal.needs[0]) if self.reference.sample is not None else None
        if found is None:
            return ()
        self._placed[signal.name] = found
        return tuple(
            Track(f"{signal.name}:{part}", signal.name, signal.group, "sd", 1.0, 2.0 * EFFECT, part, low=-4.0, high=4.0)
            for part in found.parts
        )


def _tracks(signal: Signal, whole: Summary, by: By | None, reference: Profile) -> tuple[Track, ...]:
    on = f" on {by[0]}={by[1]}" if by else ""
    if isinstance(whole, Numbers):
        full = reference.whole[signal.name]
        assert isinstance(full, Numbers)
        low, high = limits(full)
        values, counts = np.clip(whole.values, low, high), whole.counts
        mean = float(values @ counts) / whole.n
        variance = float(((values - mean) ** 2) @ counts) / whole.n
        spreads = np.abs(2.0 * ranks(full, whole.values) - 1.0)
        middle = float(spreads @ counts) / whole.n
        around = float(((spreads - middle) ** 2) @ counts) / whole.n
        if not variance > 0.0:
            return ()
        floor = (signal.threshold if signal.threshold == signal.threshold else EFFECT) * math.sqrt(variance)
        made = [Track(signal.name + on, signal.name, signal.group, signal.unit, variance, floor, by=by, low=low, high=high)]
        if around > 0.0 and by is None:
            made.append(
                Track(f"{signal.name}:{SPREAD}", signal.name, signal.group, "", around, EFFECT * math.sqrt(around), SPREAD)
            )
        return tuple(made)
    if isinstance(whole, Flags):
        return (_rate(signal, "", whole.hits, whole.n, by),)
    often = sorted(whole.counts, key=lambda name: (-whole.counts[name], name))
    often = [name for name in often[:MOST] if whole.counts[name] >= LEAST_SHARE * whole.n]
    rest = whole.n - sum(whole.counts[name] for name in often)
    named = [_rate(signal, name, whole.counts[name], whole.n, by) for name in often] if len(whole.counts) > 1 else []
    return (*named, _rate(signal, REST, rest, whole.n, by))


def _rate(signal: Signal, part: str, hits: int, n: int, by: By | None = None) -> Track:
    rate = (hits + 0.5) / (n + 1.0)
    variance = rate * (1.0 - rate)
    name = signal.name + (f":{part}" if part else "") + (f" on {by[0]}={by[1]}" if by else "")
    floor = max(LEAST_RATE, EFFECT * math.sqrt(variance))
    return Track(name, signal.name, signal.group, "share", variance, floor, part, rate, by)


def limits(whole: Numbers) -> tuple[float, float]:
    """The quantiles that numbers are winsorised at."""
    return whole.quantile(TAIL), whole.quantile(1.0 - TAIL)


def ranks(whole: Numbers, values: Floats) -> Floats:
    """The share of the reference below each value, with half of those in its own cell; NaN of NaN."""
    reached = np.concatenate([[0.0], np.cumsum(whole.counts)]) / whole.n
    keys = numbers.cells_of(np.where(np.isnan(values), 0.0, values), whole.level)
    left = np.searchsorted(whole.cells, keys, "left")
    right = np.searchsorted(whole.cells, keys, "right")
    return np.where(np.isnan(values), np.nan, 0.5 * (reached[left] + reached[right]))


def _sum(found: Sums, name: str, rows: Floats, windows: Codes, count: int) -> None:
    known = ~np.isnan(rows) & (windows >= 0)
    sums = np.bincount(windows[known], weights=rows[known], minlength=count).astype(np.float64)
    sizes = np.bincount(windows[known], minlength=count).astype(np.float64)
    if name in found:
        sums, sizes = sums + found[name][0], sizes + found[name][1]
    found[name] = sums, sizes


def added(parts: Iterable[Sums]) -> Sums:
    """Sums of all parts."""
    total: Sums = {}
    for part in parts:
        for name, (sums, sizes) in part.items():
            held = total.get(name)
            total[name] = (sums, sizes) if held is None else (held[0] + sums, held[1] + sizes)
    return total


def _masked(column: object, value: str) -> NDArray[np.bool_]:
    import pyarrow.compute as pc

    return np.asarray(pc.equal(column, value).fill_null(False).to_numpy(zero_copy_only=False))


def parts_of(tracks: Mapping[str, Track]) -> dict[str, Part]:
    """What each track is of, as cases tell it."""
    return {name: track.place for name, track in tracks.items()}
