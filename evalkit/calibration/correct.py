"""The mean that people would give: prediction-powered, beside the judge's own, the labels' alone, and Rogan and Gladen's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.calibration.material import Material
from evalkit.core.card import Finding
from evalkit.core.rows import Floats
from evalkit.stats.calibration import MOST_LEVELS, cross_fitted, isotonic, ordinal, reliability
from evalkit.stats.prediction_powered import Powered, labels_alone, labels_needed, prediction_powered
from evalkit.stats.rogan_gladen import rogan_gladen_of


@dataclass(frozen=True)
class Corrections:
    """Means on the labels' scale."""

    raw: Finding
    alone: Finding
    corrected: Finding
    rogan_gladen: Finding | None
    needed: int | None
    pool: int
    notes: tuple[str, ...]


def corrections(material: Material, level: float) -> Corrections:
    """All of them, over the run's population.

    Without weights the pool is what nobody labelled; with them the whole run, for those that were not drawn are no sample of
    it: a labelled record then stands on both sides, and is one unit.
    """
    judged, at, rest = material.judged, material.at, material.rest
    y, f, w, scale = material.labels, judged[at], material.weights, material.scale
    groups = material.clusters
    scored = np.flatnonzero(~np.isnan(judged))
    pool = rest if w is None else scored
    names = groups if groups is not None else np.arange(len(judged)) if w is not None else None
    clusters = (names[at], names[pool]) if names is not None else None
    alone = labels_alone(y, level=level, scale=scale, weights=w, clusters=groups[at] if groups is not None else None)
    powered = alone
    if len(pool):
        powered = prediction_powered(y, f, judged[pool], level=level, scale=scale, weights=w, clusters=clusters)
        if not powered.width < alone.width:
            powered = alone
    notes = _like(material, f, judged[rest]) if w is None else []
    everything = float(judged[scored].mean())
    return Corrections(
        Finding(everything, n=len(scored)),
        _finding(alone),
        _corrected(powered, alone, len(pool)),
        _rogan_gladen(material, level),
        labels_needed(y, f, len(rest)),
        len(pool),
        tuple(notes),
    )


def maps(material: Material, *, seed: int, level: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The calibration maps, and the reliability of raw and of (cross-fitted) mapped scores."""
    x, y, scale = material.judged[material.at], material.labels, material.scale
    whole = isotonic(x, y)
    told: dict[str, Any] = {"isotonic": {"scores": whole.knots.tolist(), "labels": whole.values.tolist()}}
    if 2 <= len(np.unique(y)) <= MOST_LEVELS:
        spread = ordinal(x, y)
        told["ordinal"] = {
            "scores": spread.knots.tolist(),
            "levels": spread.levels.tolist(),
            "cumulative": spread.above.tolist(),
            "expected": spread(spread.knots).tolist(),
        }
    mapped = cross_fitted(isotonic, x, y, rng=np.random.default_rng(seed), clusters=material.groups(material.at))
    raw = reliability(x, y, level=level, scale=scale)
    found: dict[str, Any] = {"raw": _diagram(raw) | _errors(x, y)}
    if not np.isnan(mapped).any():
        found["cross_fitted"] = _diagram(reliability(mapped, y, level=level, scale=scale)) | _errors(mapped, y)
    return told, found


def _errors(said: Floats, labels: Floats) -> dict[str, float]:
    """How far single scores are from their labels."""
    off = said - labels
    return {"mean_absolute_error": float(np.abs(off).mean()), "root_mean_squared_error": float(np.sqrt((off**2).mean()))}


def _diagram(found: Any) -> dict[str, Any]:
    return {
        "bins": [
            {"low": b.low, "high": b.high, "n": b.n, "score": b.judged, "label": b.labelled, "ci": [b.label_low, b.label_high]}
            for b in found.bins
        ],
        "error": found.error,
        "by_chance": found.by_chance,
        "offset": found.offset,
    }


def _finding(one: Powered) -> Finding:
    known = not math.isnan(one.low)
    reason = None if known else f"an interval needs 3 labels (or clusters that hold one), there are {one.units}"
    return Finding(one.value, (one.low, one.high) if known else None, n=one.labels, reason=reason)


def _corrected(powered: Powered, alone: Powered, pool: int) -> Finding:
    found = _finding(powered)
    saved = 1.0 - (powered.width / alone.width) if alone.width > 0.0 else math.nan
    parts = {"lambda": powered.lam, "pool": pool, "stderr": powered.stderr, "interval": powered.kind, "narrower": saved}
    return Finding(found.value, found.ci, n=found.n, reason=found.reason, parts=parts)


def _rogan_gladen(material: Material, level: float) -> Finding | None:
    """Of verdicts that are 0 or 1 on both sides; None of others."""
    judged = material.judged
    scored = judged[~np.isnan(judged)]
    if material.weights is not None or not np.isin(scored, (0.0, 1.0)).all() or not np.isin(material.middle, (0.0, 1.0)).all():
        return None
    found = rogan_gladen_of(material.middle, judged[material.at], judged[material.rest], level)
    rates = {"sensitivity": found.sensitivity, "specificity": found.specificity}
    if math.isnan(found.value):
        one = math.isnan(found.sensitivity) or math.isnan(found.specificity)
        why = "people gave one verdict only" if one else "the judge passes what people fail as often as what they pass"
        return Finding(math.nan, n=len(material.at), reason=why, parts=rates)
    if material.clusters is not None:
        why = "no interval: it takes every record for itself, and these come in clusters"
        return Finding(found.value, n=len(material.at), reason=why, parts=rates)
    return Finding(found.value, (found.low, found.high), n=len(material.at), parts=rates)


def _like(material: Material, labelled: Floats, others: Floats) -> list[str]:
    """Whether the judge scores the labelled records like the others, as it would a random sample."""
    if material.clusters is not None or len(others) < 2 or not float(np.ptp(np.concatenate([labelled, others]))):
        return []
    from scipy.stats import ttest_ind

    p = float(ttest_ind(labelled, others, equal_var=False).pvalue)
    if not p < 0.01:
        return []
    apart = float(labelled.mean() - others.mean())
    word = "higher" if apart > 0 else "lower"
    told = (
        f"the judge scores the labelled records {abs(apart):.2g} {word} than the others (p = {p:.2g}): they are no random "
        "sample of the run, and corrected values hold only for records like them; give a sampling_weight where chances differed"
    )
    return [told]
