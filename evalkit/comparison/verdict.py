"""From tests to verdicts: p values adjusted within their families, and what may be said of each difference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evalkit.comparison.settings import Settings
from evalkit.comparison.tested import Tested
from evalkit.core.compared import Compared, Verdict
from evalkit.stats.equivalence import tost_p
from evalkit.stats.multiple import adjust
from evalkit.stats.power import minimum_detectable, needed

FEWEST = 5  # records (or clusters) from which a difference is called better, worse or none that matters


@dataclass(frozen=True)
class Facts:
    """What is known of a value beside its test."""

    higher_is_better: bool | None
    main: bool
    comparable: bool
    margin: float | None
    family: str


def compared(tested: Tested, facts: Facts, settings: Settings) -> Compared:
    """A value without its verdict: p values are adjusted once all are there."""
    low, high = tested.bounds(settings.confidence)
    known = not (math.isnan(low) or math.isnan(high))
    df = float(tested.units - 1) if tested.units > 1 else math.inf
    stderr = tested.stderr
    detectable = minimum_detectable(stderr, level=settings.confidence, df=df) if stderr > 0.0 else math.nan
    effect = facts.margin if facts.margin is not None else abs(tested.diff)
    equivalent = math.nan
    if facts.margin is not None and known and tested.units >= FEWEST:
        least = 1.0 / (settings.resamples + 1) if "bootstrap" in tested.method else 1e-6
        equivalent = tost_p(tested.bounds, facts.margin, least=least)
    return Compared(
        a=tested.a,
        b=tested.b,
        diff=tested.diff,
        ci=(low, high) if known else None,
        confidence=settings.confidence,
        p=tested.p,
        p_adjusted=math.nan,
        test=tested.test,
        method=tested.method,
        effect_size=tested.effect_size,
        effect=tested.effect,
        n=tested.n,
        mde=detectable,
        verdict="inconclusive",
        needed=needed(stderr, tested.n, effect, level=settings.confidence) if stderr > 0.0 and effect > 0.0 else None,
        margin=facts.margin,
        p_equivalent=equivalent,
        stderr=stderr,
        gained=tested.gained,
        lost=tested.lost,
        even=tested.even,
        higher_is_better=facts.higher_is_better,
        main=facts.main,
        comparable=facts.comparable,
        family=facts.family,
        why=_too_little(tested),
    )


def judged(values: Sequence[Compared], settings: Settings) -> tuple[list[Compared], dict[str, int]]:
    """The values with adjusted p values and verdicts, and how many tests each family holds.

    The main values of all metrics and runs are one family, their further parts another, the slices a third: each is what one
    reads together. Equivalence is a question of its own, and its p values are adjusted the same way.
    """
    found = list(values)
    sizes: dict[str, int] = {}
    for family in dict.fromkeys(value.family for value in values):
        places = [place for place, value in enumerate(values) if value.family == family]
        method = "bh" if family == "slices" and settings.adjust == "holm" else settings.adjust
        of_difference = adjust([values[place].p if values[place].comparable else math.nan for place in places], method)
        of_equivalence = adjust([values[place].p_equivalent for place in places], method)
        sizes[family] = sum(not math.isnan(p) for p in of_difference)
        for place, p, same in zip(places, of_difference.tolist(), of_equivalence.tolist()):
            adjusted = replace(values[place], p_adjusted=p, p_equivalent=same)
            verdict, why = _verdict(adjusted, 1.0 - settings.confidence)
            found[place] = replace(adjusted, verdict=verdict, why=why)
    return found, sizes


def _too_little(tested: Tested) -> str:
    if tested.same:
        return "no record differs"
    if tested.units < FEWEST:
        return f"{tested.units} {'record tells' if tested.units == 1 else 'records tell'} too little"
    return ""


def _verdict(value: Compared, alpha: float) -> tuple[Verdict, str]:
    """What may be said, and why."""
    if not value.comparable:
        return "inconclusive", "the two runs measure it differently"
    if value.p_equivalent <= alpha:
        return "equivalent", f"the difference is smaller than {value.margin:g}"
    if value.why:
        return "inconclusive", value.why
    if math.isnan(value.p) or value.ci is None:
        return "inconclusive", "there is no test of it" if math.isnan(value.p) else "it has no interval"
    low, high = value.ci
    if value.p_adjusted <= alpha and not low <= 0.0 <= high:
        if value.wins is None:
            return "inconclusive", "it differs, and neither direction is better"
        return ("better", "") if value.wins else ("worse", "")
    if value.p_adjusted <= alpha:
        return "inconclusive", "the test finds a difference, and the interval does not"
    if value.p <= alpha < value.p_adjusted:
        return "inconclusive", "the difference may be chance: one of several tests"
    return "inconclusive", ""


def margins_of(given: Mapping[str, float], main: Mapping[str, str]) -> dict[str, float]:
    """Margins by full name: a metric's bare name stands for its main part."""
    return {main.get(name, name): margin for name, margin in given.items()}
