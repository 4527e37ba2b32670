"""What an online experiment came to: who was in it, whether the split held, and each metric's effect a treatment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Verdict = Literal["better", "worse", "equivalent", "inconclusive", "pass", "fail"]
Bounds = tuple[float, float]


@dataclass(frozen=True)
class Split:
    """The sample-ratio check: units a variant against what the split should give; ``ok`` is False from p < threshold."""

    p: float
    ok: bool
    threshold: float
    observed: Mapping[str, int]
    expected: Mapping[str, float]
    test: str
    ignored: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "p": self.p, "ok": self.ok, "threshold": self.threshold, "test": self.test,
            "observed": dict(self.observed), "expected": dict(self.expected), "ignored": self.ignored,
        }  # fmt: skip

    @property
    def worst(self) -> str:
        """The variant that is farthest from what it should have."""
        return max(self.expected, key=lambda name: abs(self.observed[name] - self.expected[name]))


@dataclass(frozen=True)
class Effect:
    """One metric in one treatment (b) against the control (a); NaN is what could not be computed, ``reason`` says why.

    Attributes:
        diff: b - a in the metric's own unit; ``ci`` its interval.
        lift: b / a - 1; its interval excludes 0 where that of the difference does.
        n: units of both arms together; ``n_a`` and ``n_b`` of each.
        mde: the difference that an experiment of this size finds with 80% power.
        variance_cut: share of the variance that the covariate took away; NaN without one.
    """

    a: float
    b: float
    diff: float
    ci: Bounds
    p: float
    p_adjusted: float
    test: str
    effect_size: float
    n: int
    mde: float
    verdict: Verdict
    reason: str = ""
    lift: float = math.nan
    lift_ci: Bounds = (math.nan, math.nan)
    stderr: float = math.nan
    n_a: int = 0
    n_b: int = 0
    p_margin: float = math.nan
    variance_cut: float = math.nan


@dataclass(frozen=True)
class Measured:
    """A metric over the log, and its effect in every treatment.

    Attributes:
        higher_is_better: None where nobody said; then the sign is told and no side called better.
        values: the value of each variant, control first, not adjusted for a covariate.
        missing: rows whose value is null or no finite number.
        unobserved: units whose day N lies beyond the end of the log (retention).
        covered: units whose covariate is known, where there is one.
    """

    name: str
    kind: str
    about: str
    higher_is_better: bool
    guardrail: bool
    margin: str
    values: Mapping[str, float]
    treatments: Mapping[str, Effect]
    missing: int = 0
    unobserved: int = 0
    covariate: str = ""
    covered: int = 0


@dataclass(frozen=True)
class Part:
    """The metrics over the units of one value of a column, and whether the split held among these."""

    by: str
    value: str
    units: Mapping[str, int]
    metrics: Mapping[str, Measured]
    srm: Split


@dataclass(frozen=True)
class Experiment:
    """An analysed experiment; `to_json` is what ``evalkit ab --json`` prints.

    Attributes:
        unit: the column of whom the split was made by; "" where each row stands for itself.
        span: first and last time in the log, as ISO texts, where the analysis needed times.
        left_out: what was left out, and how many: rows without a variant, units in several variants …
        notes: what a reader must know, most important first.
    """

    source: str
    variant: str
    control: str
    unit: str
    rows: int
    units: Mapping[str, int]
    srm: Split
    metrics: Mapping[str, Measured]
    confidence: float
    sequential: bool
    adjust: str
    left_out: Mapping[str, int] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()
    span: tuple[str, str] | None = None
    seconds: float = 0.0

    @property
    def treatments(self) -> tuple[str, ...]:
        """The variants but the control."""
        return tuple(name for name in self.units if name != self.control)

    def __getitem__(self, metric: str) -> Measured:
        return self.metrics[metric]

    def to_json(self) -> dict[str, Any]:
        """Plain data; NaN and infinities are null, and figures have 10 digits, for sums in parallel differ beyond."""
        metrics = {name: _metric(one) for name, one in self.metrics.items()}
        told = {
            "source": self.source,
            "variant": self.variant,
            "control": self.control,
            "unit": self.unit or None,
            "rows": self.rows,
            "units": dict(self.units),
            "left_out": dict(self.left_out),
            "srm": self.srm.to_json(),
            "confidence": self.confidence,
            "sequential": self.sequential,
            "adjust": self.adjust,
            "metrics": metrics,
            "treatments": {
                name: {"metrics": {metric: one["treatments"][name] for metric, one in metrics.items()}}
                for name in self.treatments
            },
            "slices": [
                {
                    "by": {part.by: part.value}, "units": dict(part.units), "srm": part.srm.to_json(),
                    "metrics": {name: _metric(one) for name, one in part.metrics.items()},
                }
                for part in self.parts
            ],
            "notes": list(self.notes),
            "span": list(self.span) if self.span else None,
        }  # fmt: skip
        plain: dict[str, Any] = _plain(told)
        return plain


@dataclass(frozen=True)
class PlanRow:
    """A difference and what finds it: units of the control, of each treatment and of all, the power, the days."""

    effect: float
    lift: float
    control: int
    treatment: int
    total: int
    power: float
    days: float = math.nan


@dataclass(frozen=True)
class Plan:
    """A planned experiment.

    Attributes:
        sd: of one unit; of a share the one that follows from it.
        per_day: new units a day; None where nobody knows.
        seen: units in the log that the baseline comes from.
    """

    metric: str
    baseline: float
    sd: float
    share: bool
    treatments: int
    ratio: float
    confidence: float
    power: float
    rows: tuple[PlanRow, ...]
    per_day: float | None = None
    seen: int = 0
    about: str = ""
    source: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data; what is not known is null."""
        plain: dict[str, Any] = _plain({**asdict(self), "rows": [asdict(row) for row in self.rows]})
        return plain


def _metric(one: Measured) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "about": one.about,
        "higher_is_better": one.higher_is_better,
        "guardrail": one.guardrail,
        "margin": one.margin or None,
        "values": dict(one.values),
        "missing": one.missing,
        "unobserved": one.unobserved,
        "covariate": one.covariate or None,
        "covered": one.covered if one.covariate else None,
        "treatments": {name: _effect(effect) for name, effect in one.treatments.items()},
    }


def _effect(one: Effect) -> dict[str, Any]:
    return {
        "a": one.a, "b": one.b, "diff": one.diff, "ci": list(one.ci), "p": one.p, "p_adjusted": one.p_adjusted,
        "test": one.test, "effect_size": one.effect_size, "n": one.n, "mde": one.mde, "verdict": one.verdict,
        "reason": one.reason, "lift": one.lift, "lift_ci": list(one.lift_ci), "stderr": one.stderr, "n_a": one.n_a,
        "n_b": one.n_b, "p_margin": one.p_margin, "variance_cut": one.variance_cut,
    }  # fmt: skip


def _plain(told: Any) -> Any:
    if isinstance(told, Mapping):
        return {str(key): _plain(value) for key, value in told.items()}
    if isinstance(told, (list, tuple)):
        return [_plain(value) for value in told]
    if isinstance(told, float):
        return float(f"{told:.10g}") if math.isfinite(told) else None
    return told
