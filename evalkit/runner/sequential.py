"""Gates that may stop early: what each asks of every record, whether it has decided, and what it says at the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from evalkit.comparison.pairing import aligned
from evalkit.core.contracts import Measure
from evalkit.core.errors import EvalkitError
from evalkit.core.rows import NOT_JUDGED, Floats, Rows
from evalkit.core.run import GateResult, Outcome, Value
from evalkit.reports import numbers
from evalkit.runner.baseline import Baseline
from evalkit.runner.sequential_order import Kept, Order
from evalkit.runner.values import Measured, Settings
from evalkit.specs.suite import GateSpec, MetricSpec
from evalkit.stats.normal import normal_quantile
from evalkit.stats.power import more_needed
from evalkit.stats.sequential import BoundedTest, Side, betting_interval
from evalkit.stats.sequential_unbounded import UnboundedTest, unbounded_interval


@dataclass(frozen=True)
class Question:
    """What a gate asks of each record, and the bound that the mean of the answers is held to.

    Attributes:
        mask: the records that the gate is about, shape (n,); of a difference, those that both runs can have scored.
        theirs: the baseline's values of them, NaN elsewhere, shape (n,); None: no difference.
        limits: between which a record's value lies; infinite where there are none.
        good: on which side of the bound the gate passes.
    """

    gate: GateSpec
    metric: Measure
    index: int
    mask: NDArray[np.bool_]
    theirs: Floats | None
    limits: tuple[float, float]
    bound: float
    good: Side
    alpha: float  # of one side
    order: Order

    def values(self, places: NDArray[np.int64], statistics: Floats) -> Floats:
        """The records' values, shape (k,); NaN where one is no evidence."""
        found = own_values(self.metric, statistics, self.index)
        if self.gate.threshold is not None:
            lower = self.metric.direction(self.metric.parts[self.index]) is False
            reached = found <= self.gate.threshold if lower else found >= self.gate.threshold
            found = np.where(np.isnan(found), np.nan, reached)
        if self.theirs is not None:
            found = found - self.theirs[places]
        return np.where(self.mask[places], found, np.nan)


def question_of(
    gate: GateSpec, spec: MetricSpec, fingerprint: str, kept: Kept, order: Order, mask: NDArray[np.bool_],
    baseline: Callable[[str], Baseline], confidence: float,
) -> Question | None:  # fmt: skip
    """The question of a sequential gate; None where it cannot be decided record by record: there is nothing to compare with.

    Args:
        kept: the run's records.
        mask: those that the gate's ``where`` picks, shape (n,).
        confidence: the suite's; the gate's own goes before it.
    """
    index = spec.full_names.index(gate.metric)
    limits = (0.0, 1.0) if gate.threshold is not None else spec.metric.range_of(spec.metric.parts[index])
    if limits is None:
        return None
    alpha = (1.0 - (gate.confidence or confidence)) / 2.0
    if gate.rule != "no_worse_than":
        assert gate.bound is not None
        good: Side = "above" if gate.rule == "min" else "below"
        return Question(gate, spec.metric, index, mask, None, limits, gate.bound, good, alpha, order)
    theirs = _of_baseline(gate, spec, fingerprint, kept, mask, baseline)
    if theirs is None:
        return None
    lower = spec.metric.direction(spec.metric.parts[index]) is False
    bound, good = (gate.margin, "below") if lower else (-gate.margin, "above")
    span = limits[1] - limits[0]
    return Question(gate, spec.metric, index, mask & ~np.isnan(theirs), theirs, (-span, span), bound, good, alpha, order)


def _of_baseline(
    gate: GateSpec, spec: MetricSpec, fingerprint: str, kept: Kept, mask: NDArray[np.bool_], baseline: Callable[[str], Baseline]
) -> Floats | None:
    """The baseline's values of the run's records, NaN where it has none; None where they cannot be compared one by one."""
    try:
        found = baseline(gate.baseline or "baseline")
    except EvalkitError:
        return None
    value, table = found.run.metrics.get(gate.metric), found.table
    if value is None or value.fingerprint != fingerprint or table is None or spec.label not in table:
        return None
    if len(table.labels[spec.label]) != len(spec.metric.columns):
        return None
    here, there = aligned(kept.ids, table.ids, mask)
    if len(here) < 2:
        return None
    theirs = np.full(kept.n, np.nan)
    theirs[here] = own_values(spec.metric, table.statistics(spec.label)[there], spec.full_names.index(gate.metric))
    return theirs


class Trial:
    """A question put to one record after the other, in order, until it has an answer."""

    def __init__(self, question: Question) -> None:
        self.question = question
        order, self.at, self._fed = question.order, 0, 0
        self._sums, self._sizes = np.zeros(len(order.ends)), np.zeros(len(order.ends))
        sizes = np.bincount(order.units[question.mask[order.places]], minlength=len(order.ends))
        self.horizon, self.most = float(max((sizes > 0).sum(), 1)), float(max(sizes.max(initial=1), 1))
        self.broken = ""  # why no test is possible after all
        wanted = np.flatnonzero(question.mask[order.places])
        self.last = int(wanted[-1]) + 1 if len(wanted) else 0  # records of the order, behind which there is no evidence
        low, high = question.limits
        self.bounded = math.isfinite(low) and math.isfinite(high)
        self._test: BoundedTest | UnboundedTest = (
            BoundedTest(question.bound, low, high, question.alpha, self.horizon, self.most)
            if self.bounded
            else UnboundedTest(question.bound, question.alpha, self.horizon)
        )
        self._units: list[NDArray[np.int64]] = []

    def feed(self, statistics: Floats) -> None:
        """The rows of the next records in order, shape (k, columns); NaN rows are no evidence."""
        order = self.question.order
        places = order.places[self.at : self.at + len(statistics)]
        units = order.units[self.at : self.at + len(statistics)]
        values = self.question.values(places, statistics)
        known = ~np.isnan(values)
        np.add.at(self._sums, units[known], values[known])
        np.add.at(self._sizes, units[known], 1.0)
        self.at += len(statistics)
        complete = order.complete(self.at)
        fresh = self._fed + np.flatnonzero(self._sizes[self._fed : complete])
        self._fed = complete
        self._units.append(fresh)
        try:
            if not self.broken:
                self._test.update(self._sums[fresh], self._sizes[fresh])
        except ValueError as error:
            self.broken = str(error)

    @property
    def decided(self) -> tuple[Side, int] | None:
        """On which side of the bound the mean lies, and after how many records of the order that was known."""
        if self._test.found is None or self.broken:
            return None
        side, count = self._test.found
        unit = np.concatenate(self._units)[count - 1]
        return side, int(self.question.order.ends[unit])

    @property
    def over(self) -> bool:
        """Whether more records would change nothing: it has decided, or has had all of its evidence."""
        return not self.broken and (self._test.found is not None or self.at >= self.last)

    def interval(self) -> tuple[float, float]:
        """What is not refuted by now."""
        units = np.concatenate(self._units) if self._units else np.zeros(0, dtype=np.int64)
        if self.broken:
            return math.nan, math.nan
        sums, sizes = self._sums[units], self._sizes[units]
        return interval_of(sums, sizes, self.question.limits, self.question.alpha, self.horizon, self.most)

    @property
    def mean(self) -> float:
        """Of all that was fed, complete clusters or not."""
        return float(self._sums.sum() / self._sizes.sum()) if self._sizes.any() else math.nan

    @property
    def known(self) -> int:
        """How many records were evidence."""
        return int(self._sizes.sum())


def judged_of(order: Order, skipped: dict[int, str]) -> int:
    """How many records of the order were judged before it stopped, from the notes of a metric's skipped records."""
    left = [index for index, note in skipped.items() if note.startswith(NOT_JUDGED)]
    return int(order.slots[left].min()) if left else len(order)


def result_of(trial: Trial, result: GateResult, judged: int, calls: float) -> GateResult:
    """What a sequential gate says once judging has stopped.

    Args:
        result: the gate as asked, to be filled in.
        judged: how many records were judged.
        calls: of the model, for one record.
    """
    total, (low, high), observed = len(trial.question.order), trial.interval(), trial.mean
    ci = None if math.isnan(low) or math.isnan(high) else (low, high)
    unit = "difference " if trial.question.theirs is not None else ""
    shown = numbers.signed(observed) if unit else numbers.number(observed)
    span = _span(low, high, signed=bool(unit)) if ci else "no interval yet"
    saved = round((total - judged) * calls)
    told = replace(result, observed=observed, ci=ci, sequential=True, saved=saved)
    if trial.decided is not None:
        side, used = trial.decided
        outcome: Outcome = "pass" if side == trial.question.good else "fail"
        spared = f"; about {numbers.counted(saved, 'judge call')} saved" if saved else "; no judge call saved"
        why = f"decided after {used:,} of {numbers.counted(total, 'record')}{spared}; {unit}{shown}, {span}"
        return replace(told, outcome=outcome, used=used, reason=why)
    if not trial.known:
        return replace(told, outcome="inconclusive", reason="no record could be scored")
    about = int(trial.question.mask.sum())
    which = "" if about == total else " that it is about" if trial.question.theirs is None else " that both runs have"
    why = f"undecided after all {numbers.counted(about, 'record')}{which}; {unit}{shown}, {span}"
    if ci is not None and (more := _more(trial, (high - low) / 2.0)):
        why += f"; about {more:,} more records would tell"
    return replace(told, outcome="inconclusive", reason=why)


def interval_of(
    sums: Floats, sizes: Floats, limits: tuple[float, float], alpha: float, horizon: float, most: float
) -> tuple[float, float]:
    """The confidence sequence's interval by now: betting where values have bounds, asymptotic where they have none."""
    low, high = limits
    if math.isfinite(low) and math.isfinite(high):
        return betting_interval(sums, sizes, low=low, high=high, alpha=alpha, horizon=horizon, most=most)
    return unbounded_interval(sums, sizes, alpha=alpha, horizon=horizon)


def anytime(
    values: dict[str, Value],
    one: Measured,
    order: Order,
    judged: int,
    settings: Settings,
    mask: NDArray[np.bool_] | None = None,
) -> dict[str, Value]:
    """Values of a metric whose judging may have stopped early, with intervals that hold wherever it stopped.

    Args:
        values: of all metrics, by full name; those of this one change.
        judged: how many records of the order were judged.
        mask: the records that the values are of, shape (n,); None: all.
    """
    chosen = np.ones(len(order), dtype=bool) if mask is None else mask
    inside = order.units[chosen[order.places]]
    whole = np.bincount(inside, minlength=len(order.ends))
    horizon, most = float(max((whole > 0).sum(), 1)), float(max(whole.max(initial=1), 1))
    complete = order.ends[: order.complete(judged)]
    places = order.places[: int(complete[-1]) if len(complete) else 0]
    units = order.units[: len(places)]
    found = dict(values)
    for index, (part, name) in enumerate(zip(one.metric.parts, one.full_names)):
        limits = one.metric.range_of(part)
        own = own_values(one.metric, one.statistics[places], index)
        known = ~np.isnan(own) & chosen[places]
        all_sums, all_sizes = (_sum_by(units[known], of[known]) for of in (own, np.ones(len(own))))
        sums, sizes = all_sums[all_sizes > 0], all_sizes[all_sizes > 0]
        ci: tuple[float, float] | None = None
        if limits is not None:
            try:
                ci = interval_of(sums, sizes, limits, (1.0 - settings.confidence) / 2.0, horizon, most)
            except ValueError:
                ci = None
        about = values[name].about
        if part == one.metric.main:
            note = f"{judged:,} of {len(order):,} records judged, at random" if judged < len(order) else "all records judged"
            about = ", ".join(filter(None, (about, f"{note}; interval for any stop")))
        found[name] = replace(values[name], ci=None if ci is None or math.isnan(ci[0]) else ci, about=about)
    return found


def own_values(metric: Measure, statistics: Floats, index: int) -> Floats:
    """Each record's own value of one part, shape (n,); NaN where it was not scored."""
    scores = np.asarray(metric.record_values(Rows(statistics.copy())), dtype=np.float64)[:, index].copy()
    scores[np.isnan(statistics).any(axis=1)] = np.nan
    return scores


def _sum_by(units: NDArray[np.int64], values: Floats) -> Floats:
    return np.asarray(np.bincount(units, weights=values), dtype=np.float64)


def labels_of(gates: Sequence[GateSpec], specs: Sequence[MetricSpec]) -> dict[str, list[GateSpec]]:
    """The sequential gates of each metric, by its label."""
    found: dict[str, list[GateSpec]] = {}
    for gate in gates:
        for spec in specs:
            if gate.sequential and gate.metric in spec.full_names:
                found.setdefault(spec.label, []).append(gate)
    return found


@dataclass
class Sequential:
    """The gates of a finished run that could stop early: asked again of its rows, in the order of judging."""

    order: Order = field(default_factory=lambda: Order(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)))
    judged: dict[str, int] = field(default_factory=dict)  # how many records of the order, by the metric's label
    calls: dict[str, float] = field(default_factory=dict)  # of a model, for one record
    _trials: list[tuple[GateSpec, str, Trial]] = field(default_factory=list)

    def add(self, gate: GateSpec, label: str, trial: Trial) -> None:
        """A gate with its answer."""
        self._trials.append((gate, label, trial))

    def __contains__(self, gate: GateSpec) -> bool:
        return any(one is gate for one, _, _ in self._trials)

    def trial(self, gate: GateSpec) -> Trial:
        """What became of a gate's question."""
        return next(trial for one, _, trial in self._trials if one is gate)

    def judged_by_all(self, n: int) -> NDArray[np.bool_]:
        """The records that were judged by every metric that could stop early, shape (n,)."""
        found = np.ones(n, dtype=bool)
        for judged in self.judged.values():
            found[self.order.places[judged:]] = False
        return found

    def spent(self, gate: GateSpec) -> tuple[int, float]:
        """How many records of its metric were judged, and the calls that each took."""
        label = next(label for one, label, _ in self._trials if one is gate)
        return self.judged[label], self.calls.get(label, 1.0)


def _more(trial: Trial, half: float) -> int | None:
    """About how many more records until the interval, of that half width now, is clear of the bound."""
    level = 1.0 - 2.0 * trial.question.alpha
    stderr = half / normal_quantile((1.0 + level) / 2.0)
    return more_needed(trial.mean, stderr, trial.known, bound=trial.question.bound, level=level)


def _span(low: float, high: float, *, signed: bool) -> str:
    return numbers.signed_interval(low, high) if signed else f"{numbers.number(low)} to {numbers.number(high)}"
