"""An experiment in words: what every report of it shows, number by number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from evalkit.core.experiment import Effect, Experiment, Measured, Part, Split
from evalkit.reports import numbers
from evalkit.reports.safe import one_line


@dataclass(frozen=True)
class EffectRow:
    """One treatment of one metric, in words; the control's row has a value only."""

    variant: str
    value: str
    effect: Effect | None = None
    diff: str = ""
    interval: str = ""
    lift: str = ""
    lift_interval: str = ""
    p: str = ""
    verdict: str = ""
    reason: str = ""
    n: str = ""

    @property
    def change(self) -> str:
        """The difference and its interval on one line."""
        return ", ".join(part for part in (self.diff, self.interval) if part)

    @property
    def relative(self) -> str:
        """The lift and its interval on one line."""
        return ", ".join(part for part in (self.lift, self.lift_interval) if part)


@dataclass(frozen=True)
class MetricBlock:
    """A metric with a row a variant."""

    name: str
    about: str
    guardrail: bool
    notes: tuple[str, ...]
    rows: tuple[EffectRow, ...]


@dataclass(frozen=True)
class PartBlock:
    """The metrics in one slice."""

    title: str
    units: str
    blocks: tuple[MetricBlock, ...]


@dataclass(frozen=True)
class Story:
    """An experiment as its reports tell it; every text that a user wrote must still be escaped."""

    experiment: Experiment
    title: str
    subtitle: str
    headline: str
    split: str
    split_rows: tuple[tuple[str, str, str, str], ...]  # variant, units, expected, share
    warnings: tuple[str, ...]
    blocks: tuple[MetricBlock, ...]
    parts: tuple[PartBlock, ...]
    facts: tuple[tuple[str, str], ...]

    @property
    def metrics(self) -> tuple[MetricBlock, ...]:
        """The metrics that are compared."""
        return tuple(block for block in self.blocks if not block.guardrail)

    @property
    def guardrails(self) -> tuple[MetricBlock, ...]:
        """The metrics that must not get worse."""
        return tuple(block for block in self.blocks if block.guardrail)


def story(found: Experiment) -> Story:
    """Put an experiment in words."""
    total = sum(found.units.values())
    who = f"by {found.unit}" if found.unit else "each row a unit"
    return Story(
        experiment=found,
        title=one_line(found.source, 200),
        subtitle=f"{numbers.counted(found.rows, 'row')} · {numbers.counted(total, 'unit')} {one_line(who, 80)} · "
        f"{one_line(', '.join(found.treatments), 200)} against {one_line(found.control, 80)}",
        headline=_headline(found),
        split=_split(found),
        split_rows=tuple(
            (
                name,
                numbers.count(n),
                numbers.count(round(found.srm.expected[name])),
                numbers.percent(n / total if total else 0.0),
            )
            for name, n in found.units.items()
        ),
        warnings=found.notes,
        blocks=_blocks(found.metrics, found),
        parts=tuple(
            PartBlock(f"{part.by} = {part.value}", _units_of(part), _blocks(part.metrics, found)) for part in found.parts
        ),
        facts=tuple(_facts(found)),
    )


def lift_text(lift: float, low: float, high: float) -> tuple[str, str]:
    """A lift and its interval in percent: ``+4.1%`` and ``+1.2% to +7.0%``."""
    if math.isnan(lift):
        return "", ""
    digits = numbers.decimals(100 * lift, 100 * low, 100 * high, width=100 * (high - low))
    digits = min(digits, 2)
    told = f"{numbers.signed(100 * lift, digits)}%"
    if math.isnan(low) or math.isnan(high):
        return told, ""
    return told, f"{numbers.signed(100 * low, digits)}% to {numbers.signed(100 * high, digits)}%"


def _blocks(metrics: Mapping[str, Measured], found: Experiment) -> tuple[MetricBlock, ...]:
    return tuple(_block(one, found) for one in metrics.values())


def _block(one: Measured, found: Experiment) -> MetricBlock:
    effects = one.treatments.values()
    digits = max(map(_digits, effects), default=3)
    control = one.values[found.control]
    rows = [EffectRow(found.control, numbers.number(control, digits))]
    for name, effect in one.treatments.items():
        lift, lift_interval = lift_text(effect.lift, *effect.lift_ci)
        known = not math.isnan(effect.ci[0])
        p = effect.p_margin if one.guardrail and one.margin else effect.p_adjusted
        rows.append(
            EffectRow(
                name,
                numbers.number(one.values[name], digits),
                effect,
                numbers.signed(effect.diff, digits) if not math.isnan(effect.diff) else "",
                numbers.signed_interval(*effect.ci, digits) if known else "",
                lift,
                lift_interval,
                "" if math.isnan(p) else numbers.p_value(p),
                effect.verdict,
                effect.reason,
                numbers.count(effect.n),
            )
        )
    way = "higher is better" if one.higher_is_better else "lower is better"
    about = f"{one.about}, {way}" + (f", margin {one.margin}" if one.margin else "")
    return MetricBlock(one.name, about, one.guardrail, tuple(_remarks(one)), tuple(rows))


def _digits(effect: Effect) -> int:
    low, high = effect.ci
    if math.isnan(low):
        return numbers.decimals(effect.b)
    return min(max(numbers.decimals(effect.b), numbers.decimals(0.0, (high - low) / 2.0) - 1), numbers.decimals(effect.b) + 2)


def _remarks(one: Measured) -> Iterable[str]:
    """What is to be known of a metric's values."""
    if one.missing:
        what = "neither thumbs up nor down" if one.kind == "satisfaction" else "no value"
        yield f"{numbers.counted(one.missing, 'row')} with {what}, left out"
    if one.unobserved:
        yield f"{numbers.counted(one.unobserved, 'unit')} left out: the log ends before their last day"
    if one.covariate:
        cuts = [effect.variance_cut for effect in one.treatments.values() if not math.isnan(effect.variance_cut)]
        known = f"CUPED: {one.covariate} is known of {numbers.counted(one.covered, 'unit')}"
        cut = f"; it takes {numbers.percent(max(min(cuts), 0.0))} of the variance away" if cuts else ""
        yield f"{known}{cut}. Values are as seen, differences adjusted"


def _headline(found: Experiment) -> str:
    """The outcome in one sentence."""
    if not found.srm.ok and not found.srm.ignored:
        return "Sample-ratio mismatch: no verdict"
    told = []
    for word, guard in (("fail", True), ("worse", False), ("better", False), ("equivalent", False), ("pass", True)):
        names = [
            f"{name} ({variant})" if len(found.treatments) > 1 else name
            for name, one in found.metrics.items()
            if one.guardrail == guard
            for variant, effect in one.treatments.items()
            if effect.verdict == word
        ]
        if names:
            verb = {"fail": "fails its guardrail", "pass": "keeps its guardrail"}.get(word, word)
            told.append(f"{verb}: {', '.join(names[:4])}{f' and {len(names) - 4} more' if len(names) > 4 else ''}")
    text = "; ".join(told) or "nothing is clear yet"
    return one_line(text[0].upper() + text[1:], 400)


def _split(found: Experiment) -> str:
    return _split_words(found.srm)


def _split_words(srm: Split) -> str:
    units = " / ".join(numbers.count(n) for n in srm.observed.values())
    return f"{units}   {'as planned' if srm.ok else 'NOT AS PLANNED'} ({srm.test}, {numbers.p_equals(srm.p)})"


def _units_of(part: Part) -> str:
    """``1,204 units``, and the split where it does not hold."""
    units = numbers.counted(sum(part.units.values()), "unit")
    return units if part.srm.ok else f"{units}, split {_split_words(part.srm)}"


def _facts(found: Experiment) -> Iterable[tuple[str, str]]:
    tests = dict.fromkeys(effect.test for one in found.metrics.values() for effect in one.treatments.values())
    kind = "that hold at every look" if found.sequential else "of the difference"
    yield "intervals", f"{numbers.percent(found.confidence)} intervals {kind}; lifts are made of the same bounds"
    yield "tests", "; ".join(tests)
    count = sum(len(one.treatments) for one in found.metrics.values() if not one.guardrail)
    if count > 1 and found.adjust != "none":
        yield "p", f"adjusted for {count} comparisons ({found.adjust}); guardrails are one-sided and not adjusted"
    for what, n in found.left_out.items():
        yield "left out", f"{numbers.count(n)} {what}"
    if found.span:
        yield "log", f"{found.span[0]} to {found.span[1]}"
    yield "took", numbers.spoken_duration(found.seconds)
