"""From tests to verdicts: adjusted for how many there are, equivalent within a margin, guardrails one-sided, doubt first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from evalkit.core.experiment import Effect, Verdict
from evalkit.experiment.effect import Compared
from evalkit.experiment.spec import MetricSpec
from evalkit.reports.numbers import p_equals
from evalkit.stats import anytime
from evalkit.stats.experiment import above, below, within
from evalkit.stats.multiple import adjust
from evalkit.stats.normal import normal_quantile
from evalkit.stats.power import about, minimum_detectable, needed

FEWEST, EARLY, LATER = 5, 100, 500  # units an arm: of a test, of sequences, of those in an uneven split
_BEYOND = 1_000  # times as many units as there are: nobody waits for that
Key = tuple[str, ...]  # slice, metric, treatment


@dataclass(frozen=True)
class Rules:
    """How verdicts are reached.

    Attributes:
        withheld: why there are none, where there are none; ``withheld_in`` the same of single slices.
        planned: of a sequential analysis, what its sequences are tuned for.
    """

    alpha: float
    adjust: str
    withheld: str = ""
    planned: float | None = None
    withheld_in: Mapping[str, str] = field(default_factory=dict)

    def least(self, n_a: int, n_b: int) -> int:
        """Units an arm below which there is no verdict.

        Confidence sequences are asymptotic. In an uneven split skewed values do not cancel, and it takes longer until the
        sequences hold: of revenue, nine to one, 7.6 % of our simulated experiments found something from 100 units on, 4.0 %
        from 500 on.
        """
        if self.planned is None:
            return FEWEST
        return EARLY if max(n_a, n_b) <= 2 * min(n_a, n_b) else LATER


def decide(compared: Mapping[Key, tuple[MetricSpec, Compared]], rules: Rules) -> dict[Key, Effect]:
    """An effect with its verdict for every metric and treatment.

    The p values of all metrics and treatments are one family, and so are those of equivalence; guardrails are judged one
    by one, for a guard that is adjusted away guards nothing.
    """
    family = [key for key, (spec, _) in compared.items() if not spec.guardrail]
    adjusted = _adjusted({key: compared[key][1].difference.p for key in family}, rules.adjust)
    margins = {key: _p_margin(*compared[key], rules) for key in compared}
    equal = _adjusted({key: margins[key] for key in family if compared[key][0].margin}, rules.adjust)
    found = {}
    for key, (spec, one) in compared.items():
        p_adjusted = adjusted.get(key, one.difference.p)
        here = replace(rules, withheld=rules.withheld or rules.withheld_in.get(key[0], ""))
        verdict, reason = _verdict(spec, one, p_adjusted, equal.get(key, margins[key]), here)
        found[key] = _effect(one, p_adjusted, margins[key], verdict, reason, rules)
    return found


def _adjusted(ps: Mapping[Key, float], method: str) -> dict[Key, float]:
    """Adjusted p values; what has none stays without and counts for nothing."""
    known = [key for key, p in ps.items() if not math.isnan(p)]
    told = adjust([ps[key] for key in known], method).tolist() if known else []
    return {**dict.fromkeys(ps, math.nan), **dict(zip(known, told))}


def _p_margin(spec: MetricSpec, one: Compared, rules: Rules) -> float:
    """One-sided p of a guardrail's "no worse than its margin", or of equivalence within it; NaN without a margin."""
    if spec.margin is None or one.difference.why:
        return math.nan
    size, relative = spec.margin.size, spec.margin.relative
    if rules.planned is not None:
        return _sequential_margin(spec, one, rules)
    if not spec.guardrail:
        return within(*one.tested, size, relative=relative)
    if spec.higher_is_better:
        return above(*one.tested, -size, relative=relative)
    return below(*one.tested, size, relative=relative)


def _sequential_margin(spec: MetricSpec, one: Compared, rules: Rules) -> float:
    """The same from always-valid tests of each end; two-sided ones, which is cautious."""
    assert spec.margin is not None
    assert rules.planned is not None
    a, b = one.tested
    ps = []
    for sign in (-1.0, 1.0):
        scale = 1.0 + sign * spec.margin.size if spec.margin.relative else 1.0
        reached = b.value - scale * a.value - (0.0 if spec.margin.relative else sign * spec.margin.size)
        variance = b.stderr**2 + (scale * a.stderr) ** 2
        p = anytime.valid_p(
            reached, variance, anytime.both_arms(a.n, b.n), alpha=rules.alpha, planned=rules.planned / 4.0
        )  # fmt: skip
        ps.append(p if reached * sign < 0.0 else 1.0)
    return max(ps) if not spec.guardrail else ps[0] if spec.higher_is_better else ps[1]


def _verdict(spec: MetricSpec, one: Compared, p: float, p_margin: float, rules: Rules) -> tuple[Verdict, str]:
    if rules.withheld:
        return "inconclusive", rules.withheld
    if one.difference.why and math.isnan(one.difference.p):
        return "inconclusive", one.difference.why
    least = rules.least(*(arm.n for arm in one.plain))
    if min(arm.n for arm in one.plain) < least:
        return "inconclusive", f"no verdict before {least} units an arm"
    if spec.guardrail:
        return _guarded(spec, one, p_margin, rules)
    if p_margin <= rules.alpha:
        return "equivalent", f"within ±{spec.margin}"
    if p <= rules.alpha:
        return ("better" if (one.difference.diff > 0.0) == spec.higher_is_better else "worse"), ""
    if one.difference.p <= rules.alpha:
        return "inconclusive", f"{p_equals(one.difference.p)} alone, but not among so many tests"
    return "inconclusive", one.difference.why or _more(spec, one, rules)


def _more(spec: MetricSpec, one: Compared, rules: Rules) -> str:
    """How many units would find a difference as large as this one, or as the margin; "" where that is beyond reason."""
    size = _absolute(spec, one) if spec.margin else abs(one.difference.diff)
    n = one.plain[0].n + one.plain[1].n
    wanted = needed(one.difference.stderr, n, size, level=1.0 - rules.alpha)
    if rules.planned is not None or wanted is None or not n < wanted < _BEYOND * n:
        return ""
    return f"about {about(wanted):,} units would find {'the margin' if spec.margin else 'a difference as large'}"


def _guarded(spec: MetricSpec, one: Compared, p_margin: float, rules: Rules) -> tuple[Verdict, str]:
    """pass: shown to be no worse than the margin; fail: shown to be worse than it; without one, 0 is the margin."""
    sign = -1.0 if spec.higher_is_better else 1.0
    harm = sign * one.difference.diff
    if spec.margin is None:
        one_sided = one.difference.p / (2.0 if rules.planned is None else 1.0)
        if one_sided <= rules.alpha and harm:
            return ("fail", "worse than the control") if harm > 0.0 else ("pass", "better than the control")
        return "inconclusive", f"no clear harm, but only a margin can clear it: --margin {spec.name}=X"
    if p_margin <= rules.alpha:
        return "pass", f"not worse by {spec.margin} or more"
    if rules.planned is None:
        test = below if spec.higher_is_better else above
        p_harm = test(*one.tested, sign * spec.margin.size, relative=spec.margin.relative)
        if p_harm <= rules.alpha:
            return "fail", f"worse by more than {spec.margin}"
    elif (one.difference.low if sign > 0 else -one.difference.high) > _absolute(spec, one):
        return "fail", f"worse by more than {spec.margin}"
    known = "worse than the control, by" if one.difference.p <= rules.alpha and harm > 0.0 else "may be worse by"
    return "inconclusive", f"{known} more or less than {spec.margin}"


def _absolute(spec: MetricSpec, one: Compared) -> float:
    assert spec.margin is not None
    return spec.margin.size * (abs(one.plain[0].value) if spec.margin.relative else 1.0)


def _effect(one: Compared, p_adjusted: float, p_margin: float, verdict: Verdict, reason: str, rules: Rules) -> Effect:
    told = one.difference
    stderr = told.stderr
    mde = minimum_detectable(stderr, level=1.0 - rules.alpha)
    if rules.planned is not None and stderr > 0.0:
        n = anytime.both_arms(one.plain[0].n, one.plain[1].n)
        half = anytime.half_width(stderr**2, n, alpha=rules.alpha, planned=rules.planned / 4.0)
        mde = half + normal_quantile(0.8) * stderr
    return Effect(
        a=one.adjusted[0].value, b=one.adjusted[1].value, diff=told.diff, ci=(told.low, told.high), p=told.p,
        p_adjusted=p_adjusted, test=told.test, effect_size=one.effect_size, n=one.plain[0].n + one.plain[1].n, mde=mde,
        verdict=verdict, reason=reason, lift=told.lift, lift_ci=(told.lift_low, told.lift_high), stderr=stderr,
        n_a=one.plain[0].n, n_b=one.plain[1].n, p_margin=p_margin, variance_cut=one.variance_cut,
    )  # fmt: skip
