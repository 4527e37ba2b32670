"""Gates: a rule, what was seen, and an outcome in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.core.contracts import Measure
from evalkit.core.errors import EvalkitError, quote
from evalkit.core.rows import Rows
from evalkit.core.run import GateResult, Outcome, Value
from evalkit.reports import numbers
from evalkit.runner.baseline import Baseline, Difference, compare, from_values
from evalkit.runner.sequential import Sequential, result_of
from evalkit.runner.sequential_order import Kept
from evalkit.runner.values import Measured, Settings, values
from evalkit.specs.suite import GateSpec, Suite
from evalkit.stats.power import more_needed, more_of_share
from evalkit.stats.proportion import wilson_bounds
from evalkit.store.runs import NoBaseline
from evalkit.store.table import Table, cluster_codes

NAMED = 20  # failing records named in a reason
FEWEST = 5  # records (or clusters) from which a bootstrap interval decides; of fewer it is far too narrow


@dataclass(frozen=True)
class Evidence:
    """What gates look at: the run's rows, and baselines by the name that a gate gives."""

    suite: Suite
    table: Table
    measured: Mapping[str, Measured]
    failed: NDArray[np.bool_]  # (n,): records with an error in any metric
    settings: Settings
    baseline: Callable[[str], Baseline]  # raises NoBaseline
    early: Sequential = field(default_factory=Sequential)  # the gates that could stop early


def judge_gates(suite: Suite, evidence: Evidence) -> list[GateResult]:
    """Every gate's outcome, in the suite's order."""
    return [_judge(gate, evidence) if gate not in evidence.early else _early(gate, evidence) for gate in suite.gates]


def _judge(gate: GateSpec, evidence: Evidence) -> GateResult:
    mask = selected(gate.where, evidence.table)
    title = title_of(gate, {label: one.metric for label, one in evidence.measured.items()})
    if not mask.any():
        return _result(gate, title, "inconclusive", math.nan, None, f"no record has {_where(gate)}")
    if gate.metric == "errors":
        return _errors(gate, title, evidence, mask)
    label, index = _part(gate.metric, evidence.measured)
    settings = replace(evidence.settings, confidence=gate.confidence or evidence.settings.confidence)
    one = evidence.measured[label]
    if gate.every:
        return _every(gate, title, one, index, mask, evidence)
    if gate.rule == "no_worse_than":
        return _no_worse(gate, title, one, index, mask, evidence, settings)
    return _bounded(gate, title, one, index, mask, evidence, settings)


def _early(gate: GateSpec, evidence: Evidence) -> GateResult:
    """A gate that was decided, or not, in the order of judging; alike runs need no decision."""
    trial, told = evidence.early.trial(gate), _result(gate, title_of(gate), "inconclusive", math.nan, None, "")
    if trial.broken:  # so nothing could stop it
        return _judge(gate, evidence)
    found = result_of(trial, told, *evidence.early.spent(gate))
    if found.outcome == "inconclusive" and gate.rule == "no_worse_than":
        label, index = _part(gate.metric, evidence.measured)
        settings = replace(evidence.settings, confidence=gate.confidence or evidence.settings.confidence)
        mask = selected(gate.where, evidence.table)
        whole = _no_worse(gate, found.title, evidence.measured[label], index, mask, evidence, settings)
        if whole.ci == (0.0, 0.0):
            return replace(whole, sequential=True, saved=found.saved)
    return found


def selected(where: Mapping[str, Any], table: Kept) -> NDArray[np.bool_]:
    """Which records a ``where`` picks, shape (n,): each column equals its value, or one of its values."""
    mask = np.ones(table.n, dtype=bool)
    for name, wanted in where.items():
        codes, labels = table.codes(name)
        choices = wanted if isinstance(wanted, (list, tuple)) else [wanted]
        allowed = {None if value is None else _text(value) for value in choices}
        mask &= np.isin(codes, [code for code, label in enumerate(labels) if label in allowed])
    return mask


def _bounded(
    gate: GateSpec, title: str, one: Measured, index: int, mask: NDArray[np.bool_], evidence: Evidence, settings: Settings
) -> GateResult:
    clusters = cluster_codes(evidence.table)
    own = clusters[mask] if clusters is not None else None
    part = one.of(mask)
    if gate.threshold is not None:  # the share of records that reach it
        scores = _record_values(part, index)
        known = ~np.isnan(scores)
        hits = _reaches(scores[known], gate.threshold, one.metric, index).astype(float)
        observed = float(hits.mean()) if len(hits) else math.nan
        ci = wilson_bounds(hits, own[known] if own is not None else None, settings.confidence)
        n, stderr, kind = len(hits), math.nan, "wilson"
        if ci is not None and any(map(math.isnan, ci)):
            ci = None
    else:
        value = values([part], own, settings)[one.full_names[index]]
        observed, ci, stderr, n = value.mean, value.ci, value.stderr, value.n
        kind = one.metric.interval_of(one.metric.parts[index])
    if math.isnan(observed):
        return _result(gate, title, "inconclusive", observed, ci, "no record could be scored")
    assert gate.bound is not None
    scored = ~np.isnan(part.statistics).any(axis=1)
    units, what = n, "record"
    if own is not None:
        units = len(np.unique(own[scored]))
        what = "cluster" if units < n else what
    if kind == "bootstrap" and units < FEWEST:
        why = f"{numbers.number(observed)}; {numbers.counted(units, what)}: a gate on this metric asks for {FEWEST}"
        return _result(gate, title, "inconclusive", observed, ci, why)
    if kind != "none" and ci is None:
        why = f"{numbers.number(observed)}; {numbers.counted(units, what)} cannot tell an interval"
        return _result(gate, title, "inconclusive", observed, ci, why)
    low, high = ci if ci is not None else (observed, observed)
    at_least = gate.rule == "min"
    good = low >= gate.bound if at_least else high <= gate.bound
    bad = high < gate.bound if at_least else low > gate.bound
    if ci is None:
        why = f"the value is {numbers.number(observed)} (no interval)"
        return _result(gate, title, "pass" if good else "fail", observed, ci, why)
    if good:
        why = f"the interval starts at {numbers.number(low)}" if at_least else f"the interval ends at {numbers.number(high)}"
        return _result(gate, title, "pass", observed, ci, why)
    if bad:
        why = f"the interval ends at {numbers.number(high)}" if at_least else f"the interval starts at {numbers.number(low)}"
        return _result(gate, title, "fail", observed, ci, f"{numbers.number(observed)}; {why}")
    if kind == "wilson" or stderr == 0.0:
        more = more_of_share(observed, low, high, n, bound=gate.bound, level=settings.confidence)
    else:
        more = more_needed(observed, stderr, n, bound=gate.bound, level=settings.confidence)
    why = f"{numbers.number(observed)}, {numbers.number(low)} to {numbers.number(high)}{_more(more)}"
    return _result(gate, title, "inconclusive", observed, ci, why)


def _no_worse(
    gate: GateSpec, title: str, one: Measured, index: int, mask: NDArray[np.bool_], evidence: Evidence, settings: Settings
) -> GateResult:
    name = gate.baseline or "baseline"
    try:
        baseline = evidence.baseline(name)
    except NoBaseline as error:
        return _result(gate, title, "skipped", math.nan, None, f"nothing to compare with: {error}")
    theirs = baseline.run.metrics.get(gate.metric)
    if theirs is None:
        return _result(gate, title, "inconclusive", math.nan, None, f"the baseline {baseline.run.run_id} has no {gate.metric}")
    if theirs.fingerprint != one.fingerprint:
        was, now = theirs.signature, one.signature
        what = f"{was} then, {now} now" if was != now else "its prompt, model or version is another"
        why = f"the metric changed since {baseline.run.run_id}: {what}; run the baseline again"
        return _result(gate, title, "inconclusive", math.nan, None, why)
    found, how = _difference(gate, one, mask, evidence, baseline, theirs, settings)
    if found is None:
        return _result(gate, title, "inconclusive", math.nan, None, how)
    # A lower-is-better metric is worse when it rises.
    sign = -1.0 if one.metric.direction(one.metric.parts[index]) is False else 1.0
    index = index if len(found.interval.value) > 1 else 0
    if found.units < FEWEST and "bootstrap" in found.interval.methods[index] and not found.same:
        told = numbers.counted(found.units, "cluster" if found.units < found.n else "record")
        why = f"{told} in both runs: a gate on this metric asks for {FEWEST}"
        return _result(gate, title, "inconclusive", float(found.interval.value[index]), None, why)
    diff, low, high = (float(getattr(found.interval, side)[index]) for side in ("value", "low", "high"))
    ci = (low, high)
    if any(map(math.isnan, (diff, low, high))):
        return _result(gate, title, "inconclusive", diff, None, "too few records stand in both runs to compare")
    worst, best = sorted((sign * low, sign * high))
    told = f"difference {numbers.signed(diff)}, {numbers.signed_interval(low, high)}{how}"
    if worst >= -gate.margin:
        return _result(gate, title, "pass", diff, ci, told)
    if best < -gate.margin:
        return _result(gate, title, "fail", diff, ci, told)
    more = more_needed(sign * diff, float(found.interval.stderr[index]), found.n, bound=-gate.margin, level=settings.confidence)
    return _result(gate, title, "inconclusive", diff, ci, f"{told}{_more(more)}")


def _difference(
    gate: GateSpec,
    one: Measured,
    mask: NDArray[np.bool_],
    evidence: Evidence,
    baseline: Baseline,
    theirs: Value,
    settings: Settings,
) -> tuple[Difference | None, str]:
    """Current minus baseline and what must be said of the test; without one, why there is none."""
    run, table = baseline.run.run_id, baseline.table
    if table is None:
        if gate.where:
            return None, f"the baseline {run} has no rows.parquet beside its results.json: its {_where(gate)} is not known"
        now = values([one], cluster_codes(evidence.table), settings)[gate.metric]
        return from_values(now, theirs, settings.confidence), " (unpaired: the baseline has no rows.parquet)"
    unknown = [name for name in gate.where if name not in table.attributes]
    there = selected({name: wanted for name, wanted in gate.where.items() if name not in unknown}, table)
    found = compare(one.label, one.metric, evidence.table, mask, table, there, settings)
    if found is None:
        return None, f"the rows of {run} hold no {one.label}"
    if found.test == "unpaired":
        if unknown:
            return None, f"the runs share no records, and the rows of {run} do not hold {' and '.join(unknown)}"
        return found, " (unpaired: the runs share no records)"
    shared, all_of_them = found.n, int(mask.sum())
    if found.same:
        return found, f": none of {shared:,} records scores differently" if shared > 1 else ": the only record scores the same"
    return found, f" (over the {shared:,} records that both runs scored)" if shared < all_of_them else ""


def _every(gate: GateSpec, title: str, one: Measured, index: int, mask: NDArray[np.bool_], evidence: Evidence) -> GateResult:
    own = _record_values(one.of(mask), index)
    assert gate.threshold is not None
    skipped = one.skipped[mask]
    reached = np.zeros(len(own), dtype=bool)
    known = ~np.isnan(own)
    reached[known] = _reaches(own[known], gate.threshold, one.metric, index)
    bad = np.flatnonzero(~reached & ~skipped)  # an error is no pass: a must-pass record that was not scored did not pass
    counted = int((~skipped).sum())
    observed = float(reached.sum() / counted) if counted else math.nan
    if not counted:
        return _result(gate, title, "inconclusive", observed, None, "no record could be scored")
    if not len(bad):
        return _result(gate, title, "pass", observed, None, f"all {counted:,} records" if counted > 1 else "the only record")
    where = np.flatnonzero(mask)
    names = tuple(evidence.table.ids[where[at]] for at in bad)
    shown = ", ".join(name if len(name) <= 60 else f"{name[:59]}…" for name in names[:NAMED]) + (
        f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    )
    return _result(gate, title, "fail", observed, None, f"{len(names):,} of {counted:,} records: {shown}", names)


def _errors(gate: GateSpec, title: str, evidence: Evidence, mask: NDArray[np.bool_]) -> GateResult:
    mask = mask & evidence.early.judged_by_all(len(mask))  # what nobody was asked about cannot have failed
    if not mask.any():
        return _result(gate, title, "inconclusive", math.nan, None, "no record that the gate is about was judged")
    failed = evidence.failed & mask
    share = float(failed.sum() / mask.sum())
    bound = gate.bound if gate.bound is not None else 0.0
    good = share <= bound if gate.rule == "max" else share >= bound
    names = tuple(evidence.table.ids[index] for index in np.flatnonzero(failed)[:1000]) if failed.any() else ()
    why = f"{int(failed.sum()):,} of {int(mask.sum()):,} records have an error"
    return _result(gate, title, "pass" if good else "fail", share, None, why, () if good else names)


def _record_values(one: Measured, index: int) -> NDArray[np.float64]:
    unscored = np.isnan(one.statistics).any(axis=1)
    scores = np.asarray(one.metric.record_values(Rows(one.statistics.copy())), dtype=np.float64)[:, index].copy()
    scores[unscored] = math.nan
    return scores


def _reaches(scores: NDArray[np.float64], threshold: float, metric: Measure, index: int) -> NDArray[np.bool_]:
    lower = metric.direction(metric.parts[index]) is False
    reached: NDArray[np.bool_] = scores <= threshold if lower else scores >= threshold
    return reached


def _part(name: str, measured: Mapping[str, Measured]) -> tuple[str, int]:
    for label, one in measured.items():
        if name in one.full_names:
            return label, one.full_names.index(name)
    raise EvalkitError(f"no value is called {quote(name)}")  # specs checks it, so only a part that the data decides comes here


def title_of(gate: GateSpec, metrics: Mapping[str, Measure] | None = None) -> str:
    """The rule as a person would write it: ``rouge.rougeL ≥ 0.25``.

    Args:
        metrics: by their labels; a record passes a metric of which less is better down to its threshold.
    """
    on = f" on {_where(gate)}" if gate.where else ""
    if gate.every:
        assert gate.threshold is not None
        lower = any(
            metric.direction(part) is False
            for label, metric in (metrics or {}).items()
            for part in metric.parts
            if gate.metric == (f"{label}.{part}" if part else label)
        )
        sign = "=" if gate.threshold == (0 if lower else 1) else "≤" if lower else "≥"
        return f"{gate.metric} {sign} {_plain(gate.threshold)}{on or ' in every record'}"
    if gate.rule == "no_worse_than":
        margin = f" − {_plain(gate.margin)}" if gate.margin else ""
        return f"{gate.metric} no worse than {gate.baseline or 'baseline'}{margin}{on}"
    assert gate.bound is not None
    subject = gate.metric if gate.threshold is None else f"share with {gate.metric} reaching {_plain(gate.threshold)}"
    return f"{subject} {'≥' if gate.rule == 'min' else '≤'} {_plain(gate.bound)}{on}"


def _result(
    gate: GateSpec,
    title: str,
    outcome: Outcome,
    observed: float,
    ci: tuple[float, float] | None,
    reason: str,
    records: Sequence[str] = (),
) -> GateResult:
    bound = gate.threshold if gate.every else -gate.margin if gate.rule == "no_worse_than" else gate.bound
    return GateResult(
        metric=gate.metric,
        rule=gate.rule,
        bound=bound,
        observed=observed,
        ci=ci,
        outcome=outcome,
        reason=reason,
        title=title,
        records=tuple(records),
        where=dict(gate.where),
        lets_by=gate.on_inconclusive == "pass",
    )


def _where(gate: GateSpec) -> str:
    return ", ".join(
        f"{name}={'|'.join(map(_text, wanted if isinstance(wanted, (list, tuple)) else [wanted]))}"
        for name, wanted in gate.where.items()
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)


def _more(more: int | None) -> str:
    return "" if not more else f"; about {more:,} more records would tell"


def _plain(number: float) -> str:
    """A bound as its author wrote it."""
    return f"{number:g}".replace("-", "−")
