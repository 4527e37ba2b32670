"""An experiment from a log: first whether the split held, then every metric's effect, then what may be said of it."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.core.experiment import Effect, Experiment, Measured, Part, Split
from evalkit.experiment.columns import Columns, Question
from evalkit.experiment.decide import Rules, decide
from evalkit.experiment.effect import Compared, arms_of, compare
from evalkit.experiment.overview import Overview, look, slices
from evalkit.experiment.spec import MetricSpec, parse_covariates, parse_margins, parse_metric, with_options
from evalkit.experiment.units import Sums, sums_of
from evalkit.logs.read import Log, opened
from evalkit.reports.numbers import p_equals
from evalkit.stats import sample_ratio
from evalkit.stats.anytime import PLANNED

MOST_SLICES = 20
NAMED = 3  # slices without their split that a note names
ADJUSTMENTS = ("holm", "bh", "by", "hochberg", "sidak", "bonferroni", "none")


@dataclass(frozen=True)
class Design:
    """An analysis as its caller wrote it; the texts are those of the command line.

    Attributes:
        unit: "" for `user_id` where the log has one, else rows; "row" for rows.
        split: what each variant should get, by name; {} for the same of all.
        planned: units of both arms together that a sequential analysis is tightest at.
    """

    variant: str
    control: str
    metrics: Sequence[str]
    unit: str = ""
    cuped: Sequence[str] = ()
    guardrails: Sequence[str] = ()
    margins: Sequence[str] = ()
    lower: Sequence[str] = ()
    treatments: Sequence[str] = ()
    by: str = ""
    split: Mapping[str, float] | None = None
    sequential: bool = False
    planned: float | None = None
    ignore_srm: bool = False
    confidence: float = 0.95
    adjust: str = "holm"
    memory: str | None = None
    threads: int | None = None


def analyse(source: Any, design: Design) -> Experiment:
    """Analyse an experiment.

    Args:
        source: a path or glob of Parquet, JSONL or CSV files, a data frame, or a list of mappings.

    Raises:
        SpecError: the file, a column, a value or an option is wrong; the message says which and what is near.
    """
    began = time.perf_counter()
    if not 0.5 <= design.confidence < 1.0:
        raise SpecError(Problem("--confidence", f"{design.confidence:g} is no confidence", "write 0.95"))
    if design.adjust not in ADJUSTMENTS:
        close = nearest(design.adjust, ADJUSTMENTS)
        hint = f"did you mean {close}?" if close else f"write {', '.join(ADJUSTMENTS)}"
        raise SpecError(Problem("--adjust", f"there is no adjustment {quote(design.adjust)}", hint))
    with opened(source, memory=design.memory, threads=design.threads) as log:
        question = question_of(log, design)
        columns = Columns(log, question)
        overview = look(columns)
        weights = _weights(overview, design)
        sums = sums_of(columns, overview)
        srm = _split(overview, sums, weights, design, sample_ratio.THRESHOLD)
        effects = decide(_compared(question, overview, sums, design, ""), _rules(srm, design, design.adjust))
        metrics = _measured(question, overview, sums, effects, "")
        parts, more = _parts(columns, overview, srm, weights, design) if question.by else ((), 0)
    left_out = {
        f"rows without {question.variant}": overview.without_variant,
        f"rows without {question.unit}": overview.without_unit,
        "rows of other variants": overview.other_variants,
        "units in several variants": sums.crossed,
    }
    found = Experiment(
        source=log.label,
        variant=question.variant,
        control=question.control,
        unit=question.unit,
        rows=overview.rows,
        units=dict(zip(overview.variants, sums.units)),
        srm=srm,
        metrics=metrics,
        confidence=design.confidence,
        sequential=design.sequential,
        adjust=design.adjust,
        left_out={name: n for name, n in left_out.items() if n},
        parts=parts,
        span=_iso(overview.span),
        seconds=time.perf_counter() - began,
    )
    return replace(found, notes=tuple(_notes(found, question, design, log.columns, more)))


def question_of(log: Log, design: Design) -> Question:
    """The design over a log's columns: every name checked, every metric parsed."""
    columns = list(log.columns)
    if not design.metrics and not design.guardrails:
        raise SpecError(Problem("--metric", "there is no metric", "write --metric clicked:proportion"))
    metrics = [parse_metric(text, columns) for text in design.metrics]
    metrics += [parse_metric(text, columns, option="--guardrail", guardrail=True) for text in design.guardrails]
    margins, covariates = parse_margins(design.margins, metrics), parse_covariates(design.cuped, metrics, columns)
    metrics = with_options(metrics, margins, covariates, design.lower)
    unit = "" if design.unit == "row" else design.unit or ("user_id" if "user_id" in columns else "")
    return Question(design.variant, design.control, unit, tuple(metrics), tuple(design.treatments), design.by)


def _weights(overview: Overview, design: Design) -> list[float]:
    """What each variant should get, in any unit; the same for all where nobody says."""
    names, wanted = overview.variants, dict(design.split or {})
    if wanted:
        right = f"write {','.join(f'{name}=1' for name in names)}"
        unknown = [name for name in wanted if name not in names]
        lacking = [name for name in names if name not in wanted]
        if unknown or lacking:
            what = f"names {quote(unknown[0])}, which is no variant" if unknown else f"says nothing of {quote(lacking[0])}"
            raise SpecError(Problem("--split", what, right))
        if not all(0.0 < share < math.inf for share in wanted.values()):
            raise SpecError(Problem("--split", "a share is no number above 0", right))
    return [wanted.get(name, 1.0) for name in names]


def _split(overview: Overview, sums: Sums, weights: Sequence[float], design: Design, threshold: float) -> Split:
    names = overview.variants
    total, weight = sum(sums.units), math.fsum(weights)
    expected = {name: total * share / weight for name, share in zip(names, weights)}
    if design.sequential:
        p, test = sample_ratio.always_valid(sums.units, weights), "sequential multinomial test"
    else:
        p, test = sample_ratio.chi_square(sums.units, weights), "chi-square test"
    ok = not p < threshold
    return Split(p, ok, threshold, dict(zip(names, sums.units)), expected, test, design.ignore_srm and not ok)


Compares = dict[tuple[str, ...], tuple[MetricSpec, Compared]]  # by slice ("" for all), metric, treatment


def _compared(question: Question, overview: Overview, sums: Sums, design: Design, where: str) -> Compares:
    """Every metric in every treatment, before anybody judges it."""
    planned = (design.planned or PLANNED) if design.sequential else None
    found: Compares = {}
    for spec in question.metrics:
        plain, adjusted = arms_of(spec, sums)
        for at, name in enumerate(overview.variants[1:], 1):
            pair = plain[0], plain[at]
            told = compare(spec, sums, pair, adjusted(at), level=design.confidence, planned=planned)
            found[where, spec.name, name] = (spec, told)
    return found


def _rules(srm: Split, design: Design, adjust: str) -> Rules:
    return Rules(
        alpha=1.0 - design.confidence,
        adjust=adjust,
        withheld=_withheld(srm),
        planned=(design.planned or PLANNED) if design.sequential else None,
    )


def _withheld(srm: Split) -> str:
    return "" if srm.ok or srm.ignored else "the split did not hold (sample-ratio mismatch)"


def _measured(
    question: Question, overview: Overview, sums: Sums, effects: Mapping[tuple[str, ...], Effect], where: str
) -> dict[str, Measured]:
    """The metrics with their effects."""
    found = {}
    for spec in question.metrics:
        plain, _ = arms_of(spec, sums)
        found[spec.name] = Measured(
            name=spec.name,
            kind=spec.kind,
            about=spec.about,
            higher_is_better=spec.higher_is_better,
            guardrail=spec.guardrail,
            margin=str(spec.margin) if spec.margin else "",
            values={name: arm.value for name, arm in zip(overview.variants, plain)},
            treatments={name: effects[where, spec.name, name] for name in overview.variants[1:]},
            missing=overview.missing.get(spec.name, 0) if not where else 0,
            unobserved=sums.unobserved.get(spec.name, 0),
            covariate="/".join(spec.covariate),
            covered=sums.covered.get(spec.name, 0),
        )
    return found


def _parts(
    columns: Columns, overview: Overview, srm: Split, weights: Sequence[float], design: Design
) -> tuple[tuple[Part, ...], int]:
    """The slices with most rows, and how many there are beyond; all of them are one family of tests.

    The split is checked in each, all of them together as seldom wrong as the one of the whole log.
    """
    question = columns.question
    values = slices(columns, MOST_SLICES + 1)
    sums = {value: sums_of(columns, overview, value) for value in values[:MOST_SLICES]}
    threshold = sample_ratio.THRESHOLD / max(len(sums), 1)
    splits = {value: _split(overview, own, weights, design, threshold) for value, own in sums.items()}
    compared: Compares = {}
    for value, own in sums.items():
        compared |= _compared(question, overview, own, design, value)
    rules = _rules(srm, design, "bh" if design.adjust == "holm" else design.adjust)
    effects = decide(compared, replace(rules, withheld_in={value: _withheld(split) for value, split in splits.items()}))
    parts = [
        Part(
            question.by,
            value,
            dict(zip(overview.variants, own.units)),
            _measured(question, overview, own, effects, value),
            splits[value],
        )
        for value, own in sums.items()
    ]
    return tuple(parts), max(0, len(values) - MOST_SLICES)


def _notes(found: Experiment, question: Question, design: Design, columns: Collection[str], more: int) -> list[str]:
    """What a reader must know."""
    notes = []
    if not found.srm.ok:
        notes.append(
            f"Sample-ratio mismatch: {_apart(found.srm)}. Something loses or adds units of one variant, and "
            "every difference below may come from that. "
            + ("Verdicts stand only because --ignore-srm was given." if found.srm.ignored else "Verdicts are withheld.")
        )
    wrong = [part for part in found.parts if not part.srm.ok]
    if wrong:
        listed = [f"{part.by} = {part.value}: {_apart(part.srm)}" for part in wrong[:NAMED]]
        listed += [f"and {len(wrong) - NAMED} more"] if len(wrong) > NAMED else []
        notes.append(
            f"Sample-ratio mismatch in {'; '.join(listed)}. Something loses or adds units of one variant there, or the variant "
            f"itself changes {question.by}. "
            + ("Verdicts stand only because --ignore-srm was given." if design.ignore_srm else "There are no verdicts there.")
        )
    if not question.unit:
        notes.append(
            "Each row counts as a unit of its own. Where one user has several rows, intervals are then too narrow: name the "
            "column of users with --unit."
        )
    units = sum(found.units.values())
    crossed = found.left_out.get("units in several variants", 0)
    if crossed > 0.01 * units:
        notes.append(
            f"{crossed:,} units (more than 1%) were seen in several variants and are left out: look at the assignment."
        )
    if more:
        notes.append(f"Only the {MOST_SLICES} values of {question.by} with most rows are shown.")
    skipped = [spec.name for spec in question.metrics if spec.kind == "quantile"]
    if skipped and any(text in columns for text in design.cuped):
        notes.append(f"{', '.join(skipped)}: a quantile takes no covariate.")
    return notes


def _apart(srm: Split) -> str:
    """``short has 1,410 units where the split gives 1,500 (p = 0.0002)``."""
    worst = srm.worst
    return f"{worst} has {srm.observed[worst]:,} units where the split gives {srm.expected[worst]:,.0f} ({p_equals(srm.p)})"


def _iso(span: tuple[float, float] | None) -> tuple[str, str] | None:
    if span is None or not all(abs(at) < 2.5e11 for at in span):  # numbers that are no times: beyond the year 9892
        return None
    first, last = (datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z") for at in span)
    return first, last
