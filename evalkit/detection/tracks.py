"""Tracks: the numbers that are watched from window to window, as sums over rows held against a reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.core.drift import Group
from evalkit.detection import numbers, topics, unseen, vectors
from evalkit.detection.alarm import Reading
from evalkit.detection.case import Track as Part
from evalkit.detection.categories import Categories, bucket_of
from evalkit.detection.flags import Flags
from evalkit.detection.frame import Frame
from evalkit.detection.numbers import Numbers
from evalkit.detection.profile import Profile, Summary
from evalkit.detection.sample import LABEL, NUMBER, TERMS, By, Sample
from evalkit.detection.signal import Signal

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

TAIL = 0.01  # share of the reference on either side beyond which numbers count as that quantile
MOST, LEAST_SHARE = 8, 0.01  # categories of a signal that are watched by name, and the least of the reference they hold
SLICE_ROWS = 100  # of the reference that a slice must have for a track of its own
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


Mask = Callable[[By], "NDArray[np.bool_]"]  # which rows belong to a slice
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
            fit = self._placed[track.signal]
            found: Floats = fit.placed(sample)[:, fit.parts.index(track.part)]
            return found
        fitted = self.topics.get(track.signal)
        if fitted is None:
            return None
        hits = (fitted.assigned(sample) == self.cluster(track)).astype(np.float64)
        return np.where(fitted.known(sample), hits, np.nan)

    def shown(self, track: Track, label: str) -> bool:
        """Whether a row with this category is one that the track is the share of."""
        whole = self.reference.whole[track.signal]
        assert isinstance(whole, Categories)
        name = bucket_of(label) if whole.hashed else label
        return name not in _often(whole) if track.part == REST else name == track.part

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
                parts = {track.part: self.cluster(track) for track in self._made[signal.name]}
                scored = {part: np.where(known, assigned == at, np.nan) for part, at in parts.items()}
                self._sums(found, signal, scored, windows, count, sample.are_on)
            elif signal.name in self._placed:
                fit = self._placed[signal.name]
                self._sums(found, signal, dict(zip(fit.parts, fit.placed(sample).T)), windows, count, sample.are_on)
            elif signal.sampled and signal.measure is not None:
                prefix = LABEL if signal.kind == "category" else NUMBER
                if prefix + signal.name in sample.table.column_names:
                    values = (
                        sample.table.column(prefix + signal.name).combine_chunks()
                        if prefix == LABEL
                        else sample.numbers(signal.name)
                    )
                    self._add(found, signal, values, windows, count, sample.are_on)
        return found

    def _add(self, found: Sums, signal: Signal, values: object, windows: Codes, count: int, on: Mask) -> None:
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
            names = coded.dictionary.to_pylist()
            names = [bucket_of(name) for name in names] if whole.hashed else names
            rest = np.ones(len(codes), dtype=bool)
            for name in _often(whole):
                hits = np.isin(codes, [at for at, one in enumerate(names) if one == name])
                rest &= ~hits
                scored[name] = np.where(codes < 0, np.nan, hits)
            scored[REST] = np.where(codes < 0, np.nan, rest)
        self._sums(found, signal, scored, windows, count, on)

    def _terms(self, found: Sums, signal: Signal, sample: Sample, windows: Codes, count: int, *, own: bool) -> None:
        column = signal.needs[0]
        if sample.has(TERMS + column):
            told = unseen.shares(sample, column, self.reference.words[column], own=own)
            self._sums(found, signal, {"": told}, windows, count, sample.are_on)

    def _sums(self, found: Sums, signal: Signal, scored: Mapping[str, Floats], windows: Codes, count: int, on: Mask) -> None:
        """Add what the rows show of each part of a signal (n,), over all rows and over slices."""
        masks: dict[By, NDArray[np.bool_]] = {}
        for track in self._made[signal.name]:
            rows = scored[track.part]
            if track.by is not None:
                if track.by not in masks:
                    masks[track.by] = on(track.by)
                rows = np.where(masks[track.by], rows, np.nan)
            _sum(found, track.name, rows, windows, count)

    # --- making tracks ---

    def _of(self, signal: Signal) -> tuple[Track, ...]:
        if signal.kind == "terms":
            return self._of_terms(signal)
        if signal.compare is topics.compared:
            return self._of_topics(signal)
        if signal.compare is vectors.compared:
            return self._of_vectors(signal)
        whole = self.reference.whole.get(signal.name)
        if whole is None or whole.n < 2:
            return ()
        made = _tracks(signal, whole, None, whole)
        for by, summaries in self.reference.slices.items():
            one = summaries.get(signal.name)
            own = isinstance(whole, Categories) and signal.needs == (by[0],)  # a slice has one value of its own column
            if one is not None and one.n >= SLICE_ROWS and not own:
                made += _tracks(signal, one, by, whole)
        return made

    def _slices(self, sample: Sample) -> Iterable[tuple[By | None, NDArray[np.bool_]]]:
        """All rows, and then those of each slice that has enough of them."""
        for by in (None, *self.reference.slices):
            rows = sample.are_on(by)
            if by is None or int(rows.sum()) >= SLICE_ROWS:
                yield by, rows

    def _of_terms(self, signal: Signal) -> tuple[Track, ...]:
        sample, column = self.reference.sample, signal.needs[0]
        if sample is None or not sample.has(TERMS + column) or column not in self.reference.words:
            return ()
        told, made = unseen.shares(sample, column, self.reference.words[column], own=True), []
        for by, here in self._slices(sample):
            rows = told[here & ~np.isnan(told)]
            if len(rows) >= (30 if by is None else SLICE_ROWS):
                variance = max(float(rows.var()), 1e-6)
                floor = max(EFFECT * math.sqrt(variance), signal.effect[1])
                made.append(Track(named(signal, "", by), signal.name, signal.group, "share", variance, floor, by=by))
        return tuple(made)

    def _of_topics(self, signal: Signal) -> tuple[Track, ...]:
        if self.reference.sample is None or len(self.reference.sample) < 100:
            return ()
        fitted, held = topics.halves(self.reference.sample)
        found = topics.Topics.fit(fitted, signal.needs[0], self.seed)
        if found is None:
            return ()
        self.topics[signal.name] = found
        self._labels[signal.name] = topics.labels_of(found, fitted, self.reference)
        parts = [*self._labels[signal.name], topics.ELSEWHERE]
        held = held.where(found.known(held))
        assigned, made = found.assigned(held), []
        for by, here in self._slices(held):
            hits = [int((assigned[here] == at).sum()) for at in (*range(len(found.centres)), -1)]
            made += [_rate(signal, part, count, int(here.sum()), by) for part, count in zip(parts, hits)]
        return tuple(made)

    def _of_vectors(self, signal: Signal) -> tuple[Track, ...]:
        sample = self.reference.sample
        found = vectors.Projection.fit(sample, signal.needs[0]) if sample is not None else None
        if sample is None or found is None:
            return ()
        self._placed[signal.name] = found
        sample = sample.where(~np.isnan(found.placed(sample)[:, 0]))
        placed, made = found.placed(sample), []
        for by, here in self._slices(sample):
            spreads = placed[here].std(axis=0) if by else np.ones(len(found.parts))
            made += [
                Track(
                    named(signal, part, by), signal.name, signal.group, "sd", float(sd**2), 2.0 * EFFECT * float(sd), part,
                    by=by, low=-4.0, high=4.0,
                )
                for part, sd in zip(found.parts, spreads) if sd > 0.0
            ]  # fmt: skip
        return tuple(made)


def named(signal: Signal, part: str, by: By | None) -> str:
    """The name of a track."""
    return signal.name + (f":{part}" if part else "") + (f" on {by[0]}={by[1]}" if by else "")


def _tracks(signal: Signal, whole: Summary, by: By | None, full: Summary) -> tuple[Track, ...]:
    """Of a summary, which is that of a slice where ``by`` is given; what counts as its parts is that of ``full``, all rows."""
    if isinstance(whole, Numbers):
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
        group, name = signal.group, signal.name
        made = [Track(named(signal, "", by), name, group, signal.unit, variance, floor, by=by, low=low, high=high)]
        if around > 0.0:
            least = EFFECT * math.sqrt(around)
            made.append(Track(named(signal, SPREAD, by), name, group, "", around, least, SPREAD, by=by))
        return tuple(made)
    if isinstance(whole, Flags):
        return (_rate(signal, "", whole.hits, whole.n, by),)
    assert isinstance(full, Categories)
    often, whole = _often(full), whole.in_buckets() if full.hashed else whole
    hits = [whole.counts.get(name, 0) for name in often]
    made = [_rate(signal, name, count, whole.n, by) for name, count in zip(often, hits)] if len(full.counts) > 1 else []
    return (*made, _rate(signal, REST, whole.n - sum(hits), whole.n, by))


def _often(full: Categories) -> list[str]:
    """The values that are watched by name; of one value alone, what is watched is all others."""
    names = sorted(full.counts, key=lambda name: (-full.counts[name], name))[:MOST]
    return [name for name in names if full.counts[name] >= LEAST_SHARE * full.n]


def _rate(signal: Signal, part: str, hits: int, n: int, by: By | None = None) -> Track:
    rate = (hits + 0.5) / (n + 1.0)
    variance = rate * (1.0 - rate)
    floor = max(LEAST_RATE, EFFECT * math.sqrt(variance))
    return Track(named(signal, part, by), signal.name, signal.group, "share", variance, floor, part, rate, by)


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
