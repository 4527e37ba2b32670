"""Rows to values: every part of every metric with its interval, over all records and over each slice."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.core.batch import Batch
from evalkit.core.contracts import CorpusMetric, Measure
from evalkit.core.errors import EvalkitError
from evalkit.core.rows import Floats, Rows
from evalkit.core.run import Slice, Value
from evalkit.specs.suite import IntervalMethod
from evalkit.stats.bootstrap import Interval, Statistic, intervals
from evalkit.stats.proportion import wilson_bounds

MOST_SLICES = 50  # values of one column; beyond, the largest are shown


@dataclass(frozen=True)
class Settings:
    """How intervals are made."""

    confidence: float
    resamples: int
    seed: int
    method: IntervalMethod = "auto"


@dataclass(frozen=True)
class Measured:
    """One metric's rows over the whole data set."""

    label: str
    metric: Measure
    statistics: Floats  # (n, k), NaN rows unscored
    errors: NDArray[np.bool_]
    skipped: NDArray[np.bool_]
    signature: str = ""
    fingerprint: str = ""
    mode: str | None = None
    about: str | None = None
    texts: Batch | None = None  # of a `CorpusMetric`: the needed columns of all these records

    @property
    def full_names(self) -> list[str]:
        return [f"{self.label}.{part}" if part else self.label for part in self.metric.parts]

    def statistic(self) -> Statistic:
        """As the bootstrap takes it."""
        return statistic_of(self.metric, self.statistics)

    def of(self, mask: NDArray[np.bool_]) -> Measured:
        """Over some of the records."""
        return Measured(
            self.label,
            self.metric,
            self.statistics[mask],
            self.errors[mask],
            self.skipped[mask],
            self.signature,
            self.fingerprint,
            self.mode,
            self.about,
            self.texts.take(np.flatnonzero(mask)) if self.texts else None,
        )

    def corpus(self) -> Floats | None:
        """The values of a `CorpusMetric`, NaN when no record could be scored; None of any other metric."""
        if not isinstance(self.metric, CorpusMetric) or self.texts is None:
            return None
        scored = np.flatnonzero(~np.isnan(self.statistics).any(axis=1))
        nothing = np.full(len(self.metric.parts), np.nan)
        if not len(scored):
            return nothing
        try:
            return self.metric.corpus(self.texts if len(scored) == len(self.statistics) else self.texts.take(scored))
        except EvalkitError as error:  # the other metrics of the run are none the worse for it
            warnings.warn(f"{self.label} could not be computed: {error}", RuntimeWarning, stacklevel=2)
            return nothing


def statistic_of(metric: Measure, rows: Floats) -> Statistic:
    """Rows with the way to combine them."""
    open_ended = [index for index, part in enumerate(metric.parts) if metric.open_ended(part)]
    own = metric.record_values(Rows(rows)) if open_ended else rows
    means = {index: own[:, index] for index in open_ended}
    return Statistic(rows, metric.combine, None if metric.additive else metric.combine_rows, means)


def values(measured: Sequence[Measured], clusters: NDArray[np.int64] | None, settings: Settings) -> dict[str, Value]:
    """Every part of every metric, by full name."""
    estimated = intervals(
        [one.statistic() for one in measured],
        seed=settings.seed,
        level=settings.confidence,
        resamples=settings.resamples,
        clusters=clusters,
        method=settings.method,
    )
    found: dict[str, Value] = {}
    for one, interval in zip(measured, estimated):
        found |= _values_of(one, interval, clusters, settings)
    return found


def _values_of(one: Measured, interval: Interval, clusters: NDArray[np.int64] | None, settings: Settings) -> dict[str, Value]:
    scored: NDArray[np.bool_] = np.asarray(~np.isnan(one.statistics).any(axis=1))
    everywhere, total = scored, len(one.statistics)
    own = one.metric.record_values(Rows(one.statistics)) if one.metric.partial else None
    whole = one.corpus()
    told: dict[str, Value] = {}
    for index, (part, name) in enumerate(zip(one.metric.parts, one.full_names)):
        bounds: tuple[float, float] | None = (float(interval.low[index]), float(interval.high[index]))
        kind = one.metric.interval_of(part)
        if own is not None:
            scored = everywhere & ~np.isnan(own[:, index])
        n = int(scored.sum())
        if kind == "wilson":
            hits = one.metric.record_values(Rows(one.statistics[scored]))[:, index]
            bounds = wilson_bounds(hits, clusters[scored] if clusters is not None else None, settings.confidence)
        elif bounds in ((1.0, 1.0), (0.0, 0.0)):
            bounds = _all_alike(one, index, bounds[0], scored, clusters, settings)
        if kind == "none" or bounds is None or any(map(math.isnan, bounds)):
            bounds = None
        elif one.metric.open_ended(part):
            bounds = _within(one.metric.range_of(part), bounds, float(interval.value[index]))
        told[name] = Value(
            mean=float(interval.value[index] if whole is None else whole[index]),
            ci=bounds,
            confidence=settings.confidence,
            stderr=float(interval.stderr[index]),
            n=n,
            errors=int(one.errors.sum()),
            skipped=int(one.skipped.sum()),
            coverage=n / total if total else math.nan,
            mode=one.mode,
            about=one.about if part == one.metric.main else None,
            signature=one.signature,
            fingerprint=one.fingerprint,
            higher_is_better=one.metric.direction(part),
        )
    return told


def _within(limits: tuple[float, float] | None, bounds: tuple[float, float], value: float) -> tuple[float, float]:
    """Bounds no farther out than the limits of a record, nor than the value, which may lie beyond by a rounding."""
    least, greatest = limits or (-math.inf, math.inf)
    low, high = bounds
    return max(low, min(least, value)), min(high, max(greatest, value))


def _all_alike(
    one: Measured, index: int, value: float, scored: NDArray[np.bool_], clusters: NDArray[np.int64] | None, settings: Settings
) -> tuple[float, float] | None:
    """The interval of a score whose records are all 1, or all 0: Wilson's, as of a share.

    A bootstrap of equal records has no width, so three perfect records would pass any gate. Only where more is better:
    such scores lie between 0 and 1, and a record of another score lowers the mean by at most 1.
    """
    own = one.metric.record_values(Rows(one.statistics[scored]))[:, index]
    if one.metric.direction(one.metric.parts[index]) is not True or not (own == value).all():
        return value, value
    return wilson_bounds(own, clusters[scored] if clusters is not None else None, settings.confidence)


def slices(
    measured: Sequence[Measured],
    columns: Mapping[str, tuple[NDArray[np.int64], list[Any]]],
    clusters: NDArray[np.int64] | None,
    settings: Settings,
) -> list[Slice]:
    """Every metric for each value of each slice column, the largest slices first where there are many.

    Args:
        columns: by name, integer codes of shape (n,) and the values they stand for.
    """
    found = []
    for name, (codes, labels) in columns.items():
        sizes = np.bincount(codes, minlength=len(labels))
        shown = sorted(range(len(labels)), key=lambda code: (-sizes[code], str(labels[code])))[:MOST_SLICES]
        for code in sorted(shown, key=lambda code: (labels[code] is None, str(labels[code]))):
            mask = codes == code
            part = [one.of(mask) for one in measured]
            own = clusters[mask] if clusters is not None else None
            found.append(Slice({name: labels[code]}, int(sizes[code]), values(part, own, settings)))
    return found
