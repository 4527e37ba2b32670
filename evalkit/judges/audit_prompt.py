"""The same judge, asked in other words: paraphrased criteria, the scale from its other end, other labels for its levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

from evalkit.core.contracts import ModelMetric
from evalkit.core.rows import Floats
from evalkit.judges.geval import GEval
from evalkit.judges.pairwise import Pairwise
from evalkit.judges.verdict import Form
from evalkit.specs.rubric import Rubric

_ENDS = {"low": "worst", "high": "best"}


@dataclass(frozen=True)
class Variant:
    """A judge that asks for the same thing otherwise; ``back`` brings its scores to the scale of the first."""

    name: str
    metric: ModelMetric
    back: Callable[[Floats], Floats] = lambda scores: scores


@singledispatch
def variants(metric: Any) -> list[Variant]:  # noqa: ARG001 - others register below
    """The judge's prompts in other words, each made by a rule; none of a judge whose prompts have no such parts."""
    return []


@variants.register
def _(metric: GEval) -> list[Variant]:
    rubric = metric.rubric
    assert isinstance(rubric, Rubric)
    found = [
        Variant("paraphrased", replace(metric, rubric=replace(rubric, **_paraphrase(rubric)))),
        Variant("reordered scale", replace(metric, rubric=replace(rubric, levels=_from_the_top(rubric)))),
    ]
    shift = -rubric.low if rubric.low else 1
    moved = replace(
        rubric,
        low=rubric.low + shift,
        high=rubric.high + shift,
        levels=tuple((score + shift, meaning) for score, meaning in rubric.levels),
        examples=tuple(replace(one, score=one.score + shift) for one in rubric.examples),
    )
    return [*found, Variant("other numbers", replace(metric, rubric=moved), lambda scores: scores - shift)]


@variants.register
def _(metric: Pairwise) -> list[Variant]:
    criteria = str(metric.criteria)
    found = [Variant("paraphrased", replace(metric, criteria=paraphrased(criteria), judge=None))]
    other: Form = "brackets" if metric.reply != "brackets" else "json"
    return [*found, Variant("other labels", replace(metric, reply=other, judge=None))]


def paraphrased(criteria: str) -> str:
    """The same criterion behind other words."""
    return f"What you are asked to look at, and at nothing else, can be put like this. {criteria.strip()}"


def _paraphrase(rubric: Rubric) -> dict[str, Any]:
    steps = tuple(f"Please do this: {step[:1].lower()}{step[1:]}" for step in rubric.steps)
    return {"criteria": paraphrased(rubric.criteria), "steps": steps}


def _from_the_top(rubric: Rubric) -> tuple[tuple[int, str], ...]:
    """The anchored levels from the highest down; of a scale without anchors its two ends."""
    levels = rubric.levels or ((rubric.low, _ENDS["low"]), (rubric.high, _ENDS["high"]))
    return tuple(sorted(levels, reverse=True))
