"""Planning an experiment: how many units find which difference, from figures or from what a log already tells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.core.errors import Problem, SpecError, quote
from evalkit.core.experiment import Plan, PlanRow
from evalkit.experiment.columns import Columns, Question
from evalkit.experiment.effect import arms_of
from evalkit.experiment.overview import look
from evalkit.experiment.spec import parse_covariates, parse_metric, with_options
from evalkit.experiment.units import sums_of
from evalkit.logs.read import Log, identifier, is_number, is_time, opened, seconds_of
from evalkit.stats.design import power_mean, power_proportion, sample_size_mean, sample_size_proportion
from evalkit.stats.experiment import covariate_of, ratio_arm
from evalkit.stats.power import minimum_detectable

USUAL = ("1%", "2%", "5%", "10%", "20%")  # of the baseline, where no effect is asked for
ALL = "all rows"


@dataclass(frozen=True)
class Wanted:
    """What is to be planned, as its caller wrote it.

    Attributes:
        effects: differences to find, "0.01" or "5%" of the baseline.
        units: of all variants together, of which the smallest difference found is asked.
        sd: of one unit; None with a baseline is a share.
        ratio: units of a treatment for each of the control.
        per_day: new units a day, of all variants together.
        variant, control: where a log has them, only the control's rows are looked at.
    """

    metric: str | None = None
    baseline: float | None = None
    sd: float | None = None
    effects: Sequence[str] = ()
    units: int | None = None
    treatments: int = 1
    ratio: float = 1.0
    per_day: float | None = None
    power: float = 0.8
    confidence: float = 0.95
    unit: str = ""
    cuped: Sequence[str] = ()
    variant: str = ""
    control: str = ""
    memory: str | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Baseline:
    """What one unit is like; without ``sd`` it is worth 0 or 1."""

    name: str
    value: float
    sd: float | None
    units: int = 0
    per_day: float | None = None
    about: str = ""
    source: str = ""


def plan(source: Any | None, wanted: Wanted) -> Plan:
    """How many units each wanted difference needs, or which one so many units find.

    Raises:
        SpecError: a figure is missing or impossible, or the log is wrong.
    """
    _check(wanted)
    base = _given(wanted) if source is None else _seen(source, wanted)
    per_day = wanted.per_day or base.per_day
    rows = []
    for text in wanted.effects or (() if wanted.units else USUAL):
        effect = _effect(text, base)
        if base.sd is None and not 0.0 < base.value + effect < 1.0:
            if wanted.effects:
                raise SpecError(Problem(f"--effect {quote(text)}", f"a share of {base.value:g} cannot move by {effect:g}"))
            continue
        rows.append(_sized(base, effect, wanted, per_day) if wanted.units is None else _powered(base, effect, wanted, per_day))
    if wanted.units and not wanted.effects:
        rows.append(_powered(base, _found(base, wanted), wanted, per_day))
    return Plan(
        metric=base.name, about=base.about, source=base.source, baseline=base.value, sd=_sd(base),
        share=base.sd is None, treatments=wanted.treatments, ratio=wanted.ratio, confidence=wanted.confidence,
        power=wanted.power, per_day=per_day, seen=base.units, rows=tuple(rows),
    )  # fmt: skip


def _check(wanted: Wanted) -> None:
    if not 0.5 <= wanted.confidence < 1.0:
        raise SpecError(Problem("--confidence", f"{wanted.confidence:g} is no confidence", "write 0.95"))
    if not 1.0 - wanted.confidence < wanted.power < 1.0:
        raise SpecError(Problem("--power", f"{wanted.power:g} is no power", "write 0.8"))
    if bool(wanted.variant) != bool(wanted.control):
        raise SpecError(Problem("--variant", "goes with --control, and the other way round", "name both, or neither"))


def _given(wanted: Wanted) -> Baseline:
    """The baseline from the command line."""
    if wanted.baseline is None:
        hint = "write --baseline 0.12 (a share), add --sd for a mean, or name a log"
        raise SpecError(Problem("--baseline", "there is no baseline", hint))
    if wanted.sd is None and not 0.0 < wanted.baseline < 1.0:
        what = f"{wanted.baseline:g} is no share between 0 and 1"
        raise SpecError(Problem("--baseline", what, "add --sd, the standard deviation of one unit, for a mean"))
    if wanted.sd is not None and not 0.0 < wanted.sd < math.inf:
        raise SpecError(Problem("--sd", f"{wanted.sd:g} is no standard deviation", "write a number above 0"))
    return Baseline(wanted.metric or ("share" if wanted.sd is None else "mean"), wanted.baseline, wanted.sd)


def _seen(source: Any, wanted: Wanted) -> Baseline:
    """The baseline from a log: its value, and how much a unit spreads, its rows taken together."""
    if wanted.metric is None:
        raise SpecError(Problem("--metric", "there is no metric", "write --metric clicked:proportion"))
    with opened(source, memory=wanted.memory, threads=wanted.threads) as log:
        metrics = [parse_metric(wanted.metric, list(log.columns))]
        (spec,) = with_options(metrics, {}, parse_covariates(wanted.cuped, metrics, list(log.columns)), ())
        unit = "" if wanted.unit == "row" else wanted.unit or ("user_id" if "user_id" in log.columns else "")
        days = _days(log)
        columns = Columns(log, Question(wanted.variant, wanted.control or ALL, unit, (spec,)))
        sums = sums_of(columns, look(columns))
    plain, _ = arms_of(spec, sums)
    arm = plain[0]
    if spec.covariate and arm.n > 1:
        moments = sums.moments[spec.name][:1]
        arm = ratio_arm(moments[0], *covariate_of(moments))
    if arm.n < 2 or not arm.stderr > 0.0:
        raise SpecError(Problem(spec.name, "the log does not tell how much a unit spreads", "it needs two units that differ"))
    sd = arm.stderr * math.sqrt(arm.n)
    everyone = sum(sums.units) if not wanted.variant else 0
    per_day = everyone / days if days and everyone else None
    return Baseline(
        spec.name, plain[0].value, None if spec.name in sums.whole else sd, arm.n, per_day, spec.about, log.label
    )  # fmt: skip


def _days(log: Log) -> float | None:
    """How many days the column ``timestamp`` spans, where there is one that can be read."""
    kind = log.columns.get("timestamp", "")
    column = identifier("timestamp")
    if is_time(kind):
        told = f"epoch({column})"
    elif kind == "VARCHAR":
        told = f"epoch(TRY_CAST({column} AS TIMESTAMPTZ))"
    elif is_number(kind):
        told = seconds_of(f"CAST({column} AS DOUBLE)")
    else:
        return None
    ((seconds,),) = log.rows(f"SELECT max(t) - min(t) FROM (SELECT {told} AS t FROM {log.relation})")
    return seconds / 86_400.0 if seconds else None


def _effect(text: str, base: Baseline) -> float:
    """A difference in the metric's own unit."""
    relative = text.strip().endswith("%")
    try:
        size = float(text.strip().removesuffix("%"))
    except ValueError:
        size = math.nan
    effect = size / 100.0 * abs(base.value) if relative else size
    if not math.isfinite(effect) or effect == 0.0:
        raise SpecError(Problem(f"--effect {quote(text)}", "is no difference", "write 0.01, or 5% of the baseline"))
    return effect


def _level(wanted: Wanted) -> float:
    """The level of each comparison: Bonferroni's, which is what Holm's first step is."""
    return 1.0 - (1.0 - wanted.confidence) / wanted.treatments


def _sd(base: Baseline) -> float:
    return math.sqrt(base.value * (1.0 - base.value)) if base.sd is None else base.sd


def _sized(base: Baseline, effect: float, wanted: Wanted, per_day: float | None) -> PlanRow:
    told: dict[str, Any] = {
        "level": wanted.confidence, "power": wanted.power, "ratio": wanted.ratio, "treatments": wanted.treatments,
    }  # fmt: skip
    try:
        if base.sd is None:
            found = sample_size_proportion(base.value, effect, **told)
        else:
            found = sample_size_mean(base.sd, effect, **told)
    except ValueError as error:
        raise SpecError(Problem("--effect", str(error))) from error
    return _row(base, effect, found.control, found.treatment, wanted.power, wanted, per_day)


def _arms(wanted: Wanted) -> tuple[int, int]:
    """Units of the control and of each treatment, of those there are."""
    assert wanted.units is not None
    control = wanted.units / (1.0 + wanted.ratio * wanted.treatments)
    arms = int(control), int(control * wanted.ratio)
    if min(arms) < 2:
        raise SpecError(Problem("--units", f"{wanted.units:,} are too few for {wanted.treatments + 1} variants"))
    return arms


def _powered(base: Baseline, effect: float, wanted: Wanted, per_day: float | None) -> PlanRow:
    control, treatment = _arms(wanted)
    if base.sd is None:
        power = power_proportion(base.value, effect, control, treatment, level=_level(wanted))
    else:
        power = power_mean(base.sd, effect, control, treatment, level=_level(wanted))
    return _row(base, effect, control, treatment, power, wanted, per_day)


def _found(base: Baseline, wanted: Wanted) -> float:
    """The smallest difference that so many units find with the wanted power."""
    control, treatment = _arms(wanted)
    if base.sd is not None:
        df = control + treatment - 2.0
        stderr = base.sd * math.sqrt(1.0 / control + 1.0 / treatment)
        return minimum_detectable(stderr, level=_level(wanted), power=wanted.power, df=df)
    apart = minimum_detectable(math.sqrt(1.0 / control + 1.0 / treatment), level=_level(wanted), power=wanted.power)
    angle = math.asin(math.sqrt(base.value)) + apart / 2.0  # Cohen's h, undone
    if angle >= math.pi / 2.0:
        raise SpecError(Problem("--units", f"{wanted.units:,} find no rise of a share of {base.value:g}", "it needs more"))
    return math.sin(angle) ** 2 - base.value


def _row(
    base: Baseline, effect: float, control: int, treatment: int, power: float, wanted: Wanted, per_day: float | None
) -> PlanRow:
    total = control + wanted.treatments * treatment
    return PlanRow(
        effect=effect, lift=effect / base.value if base.value else math.nan, control=control, treatment=treatment,
        total=total, power=power, days=total / per_day if per_day else math.nan,
    )  # fmt: skip
