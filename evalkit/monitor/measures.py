"""Metrics as signals of a comparison: their scores of the sampled rows, on either side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from evalkit.core.contracts import Metric
from evalkit.core.drift import Off
from evalkit.core.errors import Problem, SpecError, quote
from evalkit.detection.flags import Flags
from evalkit.detection.numbers import Numbers
from evalkit.detection.profile import Profile
from evalkit.detection.signal import Signal
from evalkit.detection.switch import Switched
from evalkit.monitor.drawing import rows_of
from evalkit.monitor.reading import Reading
from evalkit.runner.measure import guarded, values_of
from evalkit.specs.drift import DriftSpec
from evalkit.specs.suite import MetricSpec


def with_metrics(switched: Switched, reading: Reading, spec: DriftSpec) -> Switched:
    """With a signal for each metric whose columns are there.

    Raises:
        SpecError: a metric is called like a signal.
    """
    names = {one.name for one in switched.signals} | {one.name for one in switched.off}
    on: list[Signal] = []
    off: list[Off] = []
    for metric in spec.metrics:
        if metric.label in names:
            what = f"the logs have a signal {quote(metric.label)} already"
            place = f"{spec.source}:{metric.line}" if spec.source and metric.line else spec.source or "metrics"
            raise SpecError(Problem(place, what, f"call the metric otherwise: as: {metric.label}_score"))
        lacking = [name for name in metric.metric.needs_of() if name not in reading.fields]
        if lacking:
            off.append(Off(metric.label, f"no column {' and '.join(map(quote, lacking))}"))
        else:
            on.append(_signal(metric))
    return replace(switched, signals=(*switched.signals, *on), off=(*switched.off, *off))


def with_scores(profile: Profile, signals: Sequence[Signal], reading: Reading, spec: DriftSpec) -> Profile:
    """With what the metrics make of the sampled rows; errors and what was skipped are missing values."""
    asked = [metric for metric in spec.metrics if any(signal.name == metric.label for signal in signals)]
    if not asked:
        return profile
    batch = rows_of(reading, [name for metric in asked for name in metric.metric.needs_of()], spec.rows)
    whole = dict(profile.whole)
    for spec_ in asked:
        metric = spec_.metric
        assert isinstance(metric, Metric)
        values = np.asarray(values_of(metric, guarded(metric, batch))[:, metric.parts.index(metric.main)], dtype=np.float64)
        whole[spec_.label] = Flags.of(values) if _signal(spec_).kind == "flag" else Numbers.of(values)
    return replace(profile, whole=whole)


def _signal(spec: MetricSpec) -> Signal:
    """Scores that are 0 or 1 are a rate."""
    flag = spec.metric.interval_of(spec.metric.main) == "wilson"
    return Signal(spec.label, "proxy", "flag" if flag else "number", spec.metric.needs_of(), "share" if flag else "")
