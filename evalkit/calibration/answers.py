"""What a judge's answers to probes come to: shifts beside its first scores, spread over repeats, the effect of other words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from evalkit.calibration.biases import worded
from evalkit.calibration.calibrate import NOT_ASKED, Asked
from evalkit.calibration.material import Material
from evalkit.calibration.wanted import Wanted
from evalkit.core.card import Finding
from evalkit.core.rows import Floats
from evalkit.judges.audit import shift
from evalkit.judges.audit_probes import Asking, kinds_of
from evalkit.judges.audit_texts import STYLES
from evalkit.reports import numbers
from evalkit.stats.correlation import PARTS, undefined, values_of
from evalkit.stats.repeated import intraclass, within_sd


def told_of(
    material: Material,
    wanted: Wanted,
    chosen: Any,
    todo: Sequence[Asking],
    scores: Sequence[Floats],
    off: dict[str, str],
    usage: dict[str, Any],
    notes: tuple[str, ...],
) -> Asked:
    before = material.scores[chosen]
    reach = material.judge_scale[1] - material.judge_scale[0] if material.judge_scale else 1.0
    groups = material.groups(chosen)
    unit = "points" if material.metric != "pairwise" else "of the win rate"
    bias: dict[str, Finding] = {}

    def moved(after: Floats, says: str, level: float, parts: dict[str, Any] | None = None) -> Finding:
        kept = ~np.isnan(after)
        own = groups[kept] if groups is not None else None
        if own is not None and len(np.unique(own)) == len(own):
            own = None
        return shift(
            (after - before)[kept], level=level, clusters=own, reach=reach, says=says, unit=unit, probe=True, parts=parts
        )

    for one, after in zip(todo, scores):
        if one.name in STYLES:
            bias[one.name] = worded(moved(after, "{moved} " + STYLES[one.name][1], wanted.level))
        elif one.name == "injection":
            kinds, change = np.array(kinds_of(len(after))), after - before
            each = {kind: _mean(change[kinds == kind]) for kind in sorted(set(kinds.tolist()))}
            says = "{moved} when a text that asks for the best score stands behind an answer"
            bias["injection"] = worded(moved(after, says, wanted.level, {"by attack": each}))
    bias |= {name: Finding.unknown(why, probe=True) for name, why in off.items() if name not in ("prompt", "repeats")}
    drawn = [after for one, after in zip(todo, scores) if one.name == "repeats"]
    variance = (
        _variance(np.stack([before, *drawn], axis=1), wanted) if drawn else Finding.unknown(NOT_ASKED.format(name="repeats"))
    )
    put = {one.name + one.part: one for one in todo if one.name == "prompt"}
    prompt = Finding.unknown(off.get("prompt", NOT_ASKED.format(name="prompt")))
    if put:
        level = 1.0 - (1.0 - wanted.level) / len(put)
        moves = {
            one.part: (moved(after, "", level), _rank(before, after))
            for one, after in zip(todo, scores)
            if one.name == "prompt"
        }
        prompt = _prompt(moves)
    return Asked(bias, variance, prompt, usage, notes)


def _variance(scores: Floats, wanted: Wanted) -> Finding:
    """The spread of one record's scores, and how much of all variance lies between records."""
    sd = within_sd(scores, level=wanted.level, seed=wanted.seed, resamples=wanted.resamples)
    icc = intraclass(scores, level=wanted.level)
    if math.isnan(sd.value):
        return Finding.unknown(sd.reason or "", n=sd.n, probe=True)
    times = scores.shape[1]
    share = numbers.number(icc.value)
    says = (
        f"asked {times} times, one record's scores spread by {numbers.number(sd.value)} points (standard deviation)"
        + (f"; {share} of all variance lies between records" if not math.isnan(icc.value) else "")
        if sd.value
        else f"asked {times} times, every record got the same score each time"
    )
    parts = {"icc": icc.value, "icc_ci": [icc.low, icc.high], "times": times}
    ci = None if math.isnan(sd.low) else (sd.low, sd.high)
    return Finding(sd.value, ci, says, sd.n, unit="points", parts=parts, probe=True)


def _prompt(moves: dict[str, tuple[Finding, float]]) -> Finding:
    """The variant that moves the mean most; intervals hold for all of them together (Bonferroni)."""
    known = {name: pair for name, pair in moves.items() if not math.isnan(pair[0].value)}
    if not known:
        return Finding.unknown(next(iter(moves.values()))[0].reason or "no variant was scored", probe=True)
    most = max(known, key=lambda name: abs(known[name][0].value))
    parts = {
        name: {"shift": found.value, "ci": found.ci, "spearman": rank, "n": found.n} for name, (found, rank) in moves.items()
    }
    ranks = [rank for _, rank in known.values() if not math.isnan(rank)]
    also = f"; ranks keep a correlation of at least {numbers.number(min(ranks))}" if ranks else ""
    says = f"of {numbers.counted(len(known), 'other wording')}, “{most}” moves the judge most: {{moved}}{also}"
    return worded(replace(known[most][0], says=says, parts=parts))


def _rank(before: Floats, after: Floats) -> float:
    kept = ~np.isnan(after)
    x, y = before[kept], after[kept]
    return math.nan if undefined(x, y) is not None else float(values_of(x, y)[PARTS.index("spearman")])


def _mean(values: Floats) -> float:
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else math.nan
