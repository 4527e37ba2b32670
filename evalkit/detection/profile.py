"""A set of logs in little space: a summary per signal and slice, and a sample of the rows; parts merge to the whole."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from evalkit.core.drift import Kind
from evalkit.detection.categories import NULL, Categories
from evalkit.detection.flags import Flags
from evalkit.detection.frame import Frame
from evalkit.detection.numbers import Numbers
from evalkit.detection.sample import LABEL, NUMBER, RAW, TERMS, By, Sample
from evalkit.detection.signal import TEXTS, Signal
from evalkit.detection.texts import terms_in
from evalkit.detection.vocabulary import Vocabulary

Summary = Numbers | Flags | Categories

SHARED, NAMED = 5, 2_000  # rows that must have a word, and the most words, that are spelled in a profile
SLICES = 20  # values of one column, the most frequent first


@dataclass(frozen=True)
class Profile:
    """What is known of a set of rows.

    Attributes:
        kinds: of the signals, by name.
        whole: by signal, over all rows (of a sampled signal: over the sample).
        slices: the same for rows of one value of a column.
        words: the vocabulary of each text column.
        sizes: rows by slice.
        first, last: seconds since 1970; NaN where rows have no times.
        names: hashes of words that several sampled rows have, spelled.
    """

    n: int
    kinds: Mapping[str, Kind]
    whole: Mapping[str, Summary]
    words: Mapping[str, Vocabulary]
    sample: Sample | None
    slices: Mapping[By, Mapping[str, Summary]] = field(default_factory=dict)
    sizes: Mapping[By, int] = field(default_factory=dict)
    first: float = math.nan
    last: float = math.nan
    label: str = ""
    names: Mapping[int, str] = field(default_factory=dict)

    def merge(self, other: Profile) -> Profile:
        """Of both sides' rows; signals that either side lacks are left out."""
        kinds = {name: kind for name, kind in self.kinds.items() if other.kinds.get(name) == kind}
        slices = {
            by: _merged(self.slices.get(by, {}), other.slices.get(by, {}))
            for by in dict.fromkeys([*self.slices, *other.slices])
        }
        samples = [one.sample for one in (self, other) if one.sample is not None]
        return Profile(
            n=self.n + other.n,
            kinds=kinds,
            whole={name: one for name, one in _merged(self.whole, other.whole).items() if name in kinds},
            words={name: self.words[name].merge(other.words[name]) for name in self.words if name in other.words},
            sample=Sample.merged(samples) if samples else None,
            slices=slices,
            sizes={by: self.sizes.get(by, 0) + other.sizes.get(by, 0) for by in slices},
            first=float(np.fmin(self.first, other.first)),
            last=float(np.fmax(self.last, other.last)),
            label=self.label,
            names={**self.names, **other.names},
        )


def _merged(one: Mapping[str, Summary], two: Mapping[str, Summary]) -> dict[str, Summary]:
    return {name: merged(one.get(name), two.get(name)) for name in dict.fromkeys([*one, *two])}


def merged(one: Summary | None, two: Summary | None) -> Summary:
    """Two summaries of one signal as that of all their rows."""
    if one is None or two is None:
        found = one if two is None else two
        assert found is not None
        return found
    if type(one) is not type(two):
        raise TypeError(f"{type(one).__name__} and {type(two).__name__} summarise different kinds of signal")
    return one.merge(two)  # type: ignore[arg-type]


class Builder:
    """Makes a profile out of batches of rows, in one pass and flat memory.

    Args:
        signals: those that are on.
        slices: columns whose values are looked at one by one.
        words: text columns whose vocabulary is kept.
    """

    def __init__(self, signals: Sequence[Signal], slices: Sequence[str] = (), words: Sequence[str] = ()) -> None:
        self.signals = tuple(signals)
        self.slice_columns, self.word_columns = tuple(slices), tuple(words)
        self.n = 0
        self.first = self.last = math.nan
        self._whole: dict[str, Summary] = {}
        self._slices: dict[By, dict[str, Summary]] = {}
        self._sizes: dict[By, int] = {}
        self._words = {name: Vocabulary.empty() for name in self.word_columns}

    def measured(self, frame: Frame) -> Profile:
        """A batch as a profile of its own, without touching this one: what several threads may do at once.

        Summaries are as coarse as those that they will be merged into are by now: the whole comes out the same, and cells that
        would be merged away need no sorting.
        """
        part = Builder(self.signals, self.slice_columns, self.word_columns)
        part._take(frame, self)
        return part.profile()

    def add(self, part: Profile) -> None:
        """Take a measured batch in."""
        self.n += part.n
        self.first, self.last = float(np.fmin(self.first, part.first)), float(np.fmax(self.last, part.last))
        self._whole = _merged(self._whole, part.whole)
        for by, found in part.slices.items():
            self._slices[by] = _merged(self._slices.get(by, {}), found)
            self._sizes[by] = self._sizes.get(by, 0) + part.sizes[by]
        for name, words in part.words.items():
            self._words[name] = self._words[name].merge(words)

    def _take(self, frame: Frame, into: Builder) -> None:
        self.n = len(frame)
        slices = list(self._slices_of(frame))
        if "timestamp" in frame.batch.schema.names:
            times = frame.numbers("timestamp")
            if not np.isnan(times).all():
                self.first, self.last = float(np.nanmin(times)), float(np.nanmax(times))
        for signal in self.signals:
            if signal.sampled or signal.measure is None:
                continue
            values = signal.measure(frame)
            self._whole[signal.name] = summary(signal.kind, values, into._whole.get(signal.name))
            for by, rows in slices:
                kept = values[rows] if isinstance(values, np.ndarray) else values.take(rows)
                coarse = into._slices.get(by, {}).get(signal.name)
                self._slices.setdefault(by, {})[signal.name] = summary(signal.kind, kept, coarse)
        for by, rows in slices:
            self._sizes[by] = len(rows)
        for name in self.word_columns:
            texts = len(frame) - frame.text(name).null_count
            self._words[name] = Vocabulary.of(terms_in(frame, name).hashes, texts, into._words[name].level)

    def _slices_of(self, frame: Frame) -> Iterable[tuple[By, NDArray[np.int64]]]:
        for column in self.slice_columns:
            coded = frame.text(column).dictionary_encode()
            codes = np.asarray(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False))
            for code, value in enumerate(coded.dictionary.to_pylist()):
                yield (column, str(value)), np.flatnonzero(codes == code)

    def profile(self, sample: Sample | None = None, label: str = "") -> Profile:
        """All that was taken in; the sample's own signals are measured on it."""
        kept = self._frequent()
        whole = dict(self._whole)
        slices = {by: dict(found) for by, found in self._slices.items() if by in kept}
        if sample is not None:
            sample = sampled(sample, self.signals)
            for signal in self.signals:
                if signal.sampled:
                    _of_sample(signal, sample, whole, slices)
        return Profile(
            n=self.n,
            kinds={signal.name: signal.kind for signal in self.signals},
            whole=whole,
            words=dict(self._words),
            sample=sample,
            slices=slices,
            sizes={by: self._sizes[by] for by in slices},
            first=self.first,
            last=self.last,
            label=label,
            names={} if sample is None else names_of(sample),
        )

    def _frequent(self) -> set[By]:
        kept: set[By] = set()
        for column in self.slice_columns:
            values = [by for by in self._slices if by[0] == column]
            kept.update(sorted(values, key=lambda by: (-self._sizes[by], by[1]))[:SLICES])
        return kept


def summary(kind: Kind, values: object, like: Summary | None = None) -> Summary:
    """Values of some rows, summarised as their kind asks; numbers at least as coarsely as ``like``."""
    if kind == "number":
        assert isinstance(values, np.ndarray)
        return Numbers.of(values, like.level if isinstance(like, Numbers) else 0)
    if kind == "flag":
        assert isinstance(values, np.ndarray)
        return Flags.of(values)
    counted = values.value_counts()  # type: ignore[attr-defined]
    names, counts = counted.field("values").to_pylist(), counted.field("counts").to_pylist()
    told = {name: count for name, count in zip(names, counts) if name is not None}
    return Categories.of(told, told.values(), missing=sum(counts) - sum(told.values()))


def sampled(sample: Sample, signals: Sequence[Signal]) -> Sample:
    """A sample with what signals find in its rows, wherever its texts are still there."""
    import pyarrow as pa

    from evalkit.text.terms import terms

    frame = Frame(sample.table.rename_columns([name.removeprefix(RAW) for name in sample.table.column_names]))
    for signal in signals:
        prefix = LABEL if signal.kind == "category" else NUMBER
        if signal.kind in ("terms", "vector") or signal.measure is None or prefix + signal.name in sample.table.column_names:
            continue
        values = signal.measure(frame)
        sample = sample.with_column(
            prefix + signal.name, pa.array(values, from_pandas=True) if isinstance(values, np.ndarray) else values
        )
    for name in TEXTS:
        if RAW + name in sample.table.column_names and TERMS + name not in sample.table.column_names:
            found = terms(frame.text(name))
            lists = pa.LargeListArray.from_arrays(pa.array(found.offsets), pa.array(found.hashes))
            sample = sample.with_column(TERMS + name, lists)
    return sample


def names_of(sample: Sample) -> dict[int, str]:
    """Spellings of the words that at least `SHARED` of the rows have: what one row alone has is not kept."""
    import pyarrow as pa

    from evalkit.text.terms import texts_of

    found: dict[int, str] = {}
    for column in [name.removeprefix(TERMS) for name in sample.table.column_names if name.startswith(TERMS)]:
        if not sample.has(RAW + column):
            continue
        hashes, rows = sample.terms(column)
        pairs = np.unique(np.stack([hashes, rows.astype(np.uint64)]), axis=1)
        words, texts = np.unique(pairs[0], return_counts=True)
        words = words[texts >= SHARED]
        most = words[np.argsort(-texts[texts >= SHARED], kind="stable")[:NAMED]]
        found |= texts_of(pa.array(sample.texts(column), pa.string()), most)
    return found


def _of_sample(signal: Signal, sample: Sample, whole: dict[str, Summary], slices: Mapping[By, dict[str, Summary]]) -> None:
    import pyarrow as pa

    if signal.kind not in ("number", "flag", "category"):
        return
    prefix = LABEL if signal.kind == "category" else NUMBER
    if prefix + signal.name not in sample.table.column_names:
        return
    values = pa.array(sample.labels(signal.name), pa.string()) if signal.kind == "category" else sample.numbers(signal.name)
    whole[signal.name] = summary(signal.kind, values)
    for by, found in slices.items():
        if LABEL + by[0] in sample.table.column_names:
            rows = np.flatnonzero(sample.are_on(by))
            kept = values[rows] if isinstance(values, np.ndarray) else values.take(pa.array(rows))
            found[signal.name] = summary(signal.kind, kept)


def relabelled(profile: Profile, label: str) -> Profile:
    """The same under another name."""
    return replace(profile, label=label)


__all__ = ["NULL", "SLICES", "Builder", "By", "Profile", "Summary", "merged", "relabelled", "sampled", "summary"]
