"""One metric in one treatment against the control: which test, and what it says before anybody judges it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from evalkit.experiment.spec import MetricSpec
from evalkit.experiment.units import Sums
from evalkit.stats import anytime
from evalkit.stats.effect import cohen_h
from evalkit.stats.experiment import (
    Arm,
    Difference,
    compare_arms,
    compare_shares,
    covariate_of,
    effect_size,
    nothing,
    ratio_arm,
    ratio_bounds,
    share_arm,
)

Pair = tuple[Arm, Arm]


@dataclass(frozen=True)
class Compared:
    """A difference with the arms behind it; ``tested`` are those for tests against a margin."""

    plain: Pair
    adjusted: Pair
    tested: Pair
    difference: Difference
    effect_size: float
    variance_cut: float = math.nan


def arms_of(spec: MetricSpec, sums: Sums) -> tuple[list[Arm], Callable[[int], Pair]]:
    """Every variant's value, and how to get control and treatment adjusted for the covariate."""
    if spec.kind == "quantile":
        arms = sums.quantiles[spec.name]
        return arms, lambda at: (arms[0], arms[at])
    moments = sums.moments[spec.name]
    plain = [ratio_arm(one) for one in moments]

    def adjusted(at: int) -> Pair:
        pair = moments[0], moments[at]
        if not spec.covariate or min(one.n for one in pair) < 2:
            return plain[0], plain[at]
        coefficient, centre = covariate_of(pair)
        return ratio_arm(pair[0], coefficient, centre), ratio_arm(pair[1], coefficient, centre)

    return plain, adjusted


def compare(spec: MetricSpec, sums: Sums, plain: Pair, adjusted: Pair, *, level: float, planned: float | None) -> Compared:
    """The difference of a treatment to the control; with ``planned``, one that holds however often one looks."""
    cut = math.nan
    if spec.covariate:
        before, after = (one[0].stderr ** 2 + one[1].stderr ** 2 for one in (plain, adjusted))
        cut = 1.0 - after / before if before > 0.0 else math.nan
    if spec.name in sums.whole and planned is None:
        told = [(round(arm.value * arm.n) if arm.n else 0, arm.n) for arm in plain]
        (x_a, n_a), (x_b, n_b) = told
        difference = compare_shares(x_a, n_a, x_b, n_b, level=level)
        size = cohen_h(plain[0].value, plain[1].value) if n_a and n_b else math.nan
        return Compared(plain, plain, (share_arm(x_a, n_a), share_arm(x_b, n_b)), difference, size)
    difference = compare_arms(*adjusted, level=level, test=_test(spec))
    if spec.kind == "quantile" and difference.why:
        difference = replace(difference, why="too few units for this quantile")
    size = math.nan if spec.kind == "quantile" else effect_size(*plain)
    if planned is not None:
        difference = _always_valid(difference, adjusted, level, planned)
    return Compared(plain, adjusted, adjusted, difference, size, cut)


def _always_valid(found: Difference, pair: Pair, level: float, planned: float) -> Difference:
    """The same difference with a confidence sequence and an always-valid p."""
    if found.why or not found.stderr:
        return replace(nothing(*pair, found.test, found.why or "no unit differs from the others of its arm"))
    n, alpha = anytime.both_arms(pair[0].n, pair[1].n), 1.0 - level
    told = {"alpha": alpha, "planned": planned / 4.0}  # both arms of planned / 2 units
    half = anytime.half_width(found.stderr**2, n, **told)
    p = anytime.valid_p(found.diff, found.stderr**2, n, **told)
    q = half / found.stderr
    a, b = pair
    low, high = ratio_bounds((a.value, *a.bounds(q)), (b.value, *b.bounds(q)))
    return replace(
        found, low=found.diff - half, high=found.diff + half, p=p, lift_low=low, lift_high=high, df=math.inf,
        test="asymptotic confidence sequence",
    )  # fmt: skip


def _test(spec: MetricSpec) -> str:
    if spec.kind == "quantile":
        return "z-test of quantiles, delta method over units"
    name = "Welch's t-test" if spec.kind == "total" else "Welch's t-test, delta method over units"
    return f"{name}, CUPED" if spec.covariate else name
