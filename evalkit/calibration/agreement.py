"""How far a judge agrees with people: correlations at three levels, and kappa over the scale's levels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from evalkit.calibration.material import Material
from evalkit.core.card import Finding
from evalkit.core.rows import Floats
from evalkit.stats.agreement import cohen_kappa, krippendorff_alpha, percent_agreement
from evalkit.stats.calibration import MOST_LEVELS
from evalkit.stats.estimate import Estimate
from evalkit.stats.grouped import meta_evaluation

NAMES = {"spearman": "spearman", "kendall_b": "kendall", "kendall_c": "kendall_c", "pearson": "pearson"}
SYSTEMS = ("model", "variant", "prompt_version")
FEWEST_SYSTEMS = 3


def agreement(
    material: Material, *, seed: int, level: float, resamples: int
) -> tuple[dict[str, Finding], dict[str, dict[str, Finding]]]:
    """The figures over all labelled records, and the correlations within documents and of systems, where there are such.

    ``kendall`` is tau-b; ``kappa`` is weighted by the squared distance where the scale has more than two levels.
    """
    judged, labels = material.judged[material.at], material.labels
    documents, systems = _documents(material), _systems(material)
    found = meta_evaluation(judged, labels, documents=documents, systems=systems, seed=seed, level=level, resamples=resamples)
    own = {name: _finding(found["dataset"][part]) for part, name in NAMES.items()}
    own |= kappas(judged, material, seed=seed, level=level, resamples=resamples)
    own |= _raters(material, seed=seed, level=level, resamples=resamples)
    others = {at: {name: _finding(told[part]) for part, name in NAMES.items()} for at, told in found.items() if at != "dataset"}
    return own, others


def kappas(judged: Floats, material: Material, *, seed: int, level: float, resamples: int) -> dict[str, Finding]:
    """Kappa and the plain share of agreement over the scale's levels: scores and labels rounded to the nearest."""
    levels = levels_of(material)
    if levels is None:
        why = f"the labels take more than {MOST_LEVELS} values: they are no levels of a scale"
        return {"kappa": Finding.unknown(why), "exact": Finding.unknown(why)}
    a, b = nearest_level(judged, levels), nearest_level(material.middle, levels)
    groups = material.groups(material.at)
    kappa = cohen_kappa(
        a, b, weights="quadratic" if len(levels) > 2 else "none", values=levels.tolist(), level=level, seed=seed,
        resamples=resamples, clusters=groups, interval="bootstrap" if groups is not None else "asymptotic",
    )  # fmt: skip
    return {"kappa": _finding(kappa), "exact": _finding(percent_agreement(a, b, level=level, clusters=groups))}


def _raters(material: Material, *, seed: int, level: float, resamples: int) -> dict[str, Finding]:
    """Krippendorff's alpha of the raters among themselves: no judge can be held to more than people reach."""
    if material.ratings.shape[1] < 2:
        return {}
    groups = material.groups(material.at)
    alpha = krippendorff_alpha(material.ratings, scale="interval", level=level, seed=seed, resamples=resamples, clusters=groups)
    return {"raters": _finding(alpha)}


def levels_of(material: Material) -> Floats | None:
    """The levels of the labels' scale: whole numbers from end to end, for pairs also the tie; else those that occur."""
    seen = np.unique(material.middle)
    if material.metric == "pairwise" and material.scale == (0.0, 1.0):
        return np.array([0.0, 0.5, 1.0])
    if material.scale is not None and all(end == int(end) for end in material.scale):
        whole = np.arange(int(material.scale[0]), int(material.scale[1]) + 1, dtype=np.float64)
        if len(whole) <= MOST_LEVELS and (len(whole) > 2 or np.isin(seen, whole).all()):
            return whole
    return seen if 1 < len(seen) <= MOST_LEVELS else None


def nearest_level(values: Floats, levels: Floats) -> Floats:
    """Each value's nearest level; the lower of two that are as near."""
    nearest: Floats = levels[np.abs(values[:, None] - levels[None, :]).argmin(axis=1)]
    return nearest


def _documents(material: Material) -> Any:
    """What outputs answer the same thing: a cluster, else an input that stands more than once."""
    groups = material.groups(material.at)
    if groups is not None:
        return groups
    inputs = material.column("input")
    if inputs is None:
        return None
    codes = np.unique(np.array([str(inputs[index]) for index in material.at.tolist()]), return_inverse=True)[1]
    return codes if int(codes.max()) + 1 < len(codes) else None


def _systems(material: Material) -> Any:
    for name in SYSTEMS:
        values = material.column(name)
        if values is not None:
            own = np.array([str(values[index]) for index in material.at.tolist()])
            if len(np.unique(own)) >= FEWEST_SYSTEMS:
                return own
    return None


def _finding(one: Estimate) -> Finding:
    bounds = None if math.isnan(one.low) or math.isnan(one.high) else (one.low, one.high)
    return Finding(one.value, bounds, n=one.n, reason=one.reason if math.isnan(one.value) or bounds is None else None)


def best(found: Mapping[str, Finding]) -> Finding:
    """The figure that one sentence gives: Spearman's, else kappa."""
    return found["spearman"] if not math.isnan(found["spearman"].value) else found["kappa"]
