"""What the run itself tells of a judge's biases, each with the reason where it tells nothing."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np

from evalkit.calibration.material import Material
from evalkit.core.card import Finding
from evalkit.judges.audit import position, self_preference, verbosity, verbosity_of_pairs
from evalkit.reports import numbers

_MODELS = re.compile(r"(?:^|, )judges?: (.+)\Z")


def biases(material: Material, *, seed: int, level: float) -> dict[str, Finding]:
    """Position, verbosity and self-preference; those that need the judge asked anew are the probes'."""
    found = {
        "position": _position(material, level),
        "verbosity": _verbosity(material, seed, level),
        "self_preference": _self_preference(material, seed, level),
    }
    return {name: worded(one) for name, one in found.items()}


def worded(found: Finding) -> Finding:
    """With the places in its sentence filled in: ``{moved}``, ``{higher}`` and ``{oftener}`` are its figure and interval."""
    if found.ci is None or math.isnan(found.value) or not found.says:
        return replace(found, says="")
    low, high = found.ci
    digits = numbers.decimals(found.value, low, high, width=high - low)
    up = found.value > 0
    if low <= 0.0 <= high:
        by = f"{numbers.signed(found.value, digits)} ({numbers.signed_interval(low, high, digits)})"
        moved, up = f"scores move by {by} {found.unit}", True
    else:
        ends = sorted((abs(low), abs(high)))
        bounds = f"{numbers.number(ends[0], digits)} to {numbers.number(ends[1], digits)}"
        by = f"{numbers.number(abs(found.value), digits)} ({bounds})"
        moved = f"scores {'rise' if up else 'fall'} by {by} {found.unit}"
    words = {"higher": f"{by} {'higher' if up else 'lower'}", "oftener": f"{by} {'more' if up else 'less'} often"}
    told = found.says.format(moved=moved, **words)
    return replace(found, says=f"{told}: no shift is shown" if low <= 0.0 <= high else told)


def _position(material: Material, level: float) -> Finding:
    if material.metric != "pairwise":
        return Finding.unknown("only judges of pairs are shown two places")
    notes = material.table.notes(material.judge, "evidence")
    which = np.array(sorted(notes), dtype=np.int64)
    return position([notes[index] for index in which.tolist()], level=level, clusters=material.groups(which))


def _verbosity(material: Material, seed: int, level: float) -> Finding:
    at = material.at
    lengths = _lengths(material, "output")
    if lengths is None:
        return Finding.unknown(material.lacking or "the run's data has no outputs")
    how: Any = {"rng": np.random.default_rng(seed), "level": level, "clusters": material.groups(at)}
    if material.metric == "pairwise":
        others = _lengths(material, _opposite(material))
        if others is None:
            return Finding.unknown("the other answers are not in the run's data")
        return verbosity_of_pairs(material.judged[at], lengths, others, material.labels, **how)
    return verbosity(material.judged[at], lengths, material.labels, **how)


def _lengths(material: Material, name: str) -> Any:
    """Characters of the labelled records' texts; an empty or missing one is 0, and left out later."""
    texts = material.column(name)
    return (
        None if texts is None else np.array([len(str(texts[index] or "")) for index in material.at.tolist()], dtype=np.float64)
    )


def _opposite(material: Material) -> str:
    options = material.run.uses.get(material.judge, {}).get("options") or {}
    against = options.get("against")
    return str(against.get("column")) if isinstance(against, dict) else ""


def _self_preference(material: Material, seed: int, level: float) -> Finding:
    models = material.column("model")
    told = _MODELS.search(material.value.about or "")
    if models is None:
        return Finding.unknown("the run's data has no column `model`")
    if told is None:
        return Finding.unknown("the run does not tell the judge's model")
    if material.metric == "pairwise":
        return Finding.unknown("of pairs, the data tells the model of one answer only")
    judges = {_plain(name) for name in told.group(1).split(", ")}
    own = np.array([_plain(models[index]) in judges for index in material.at.tolist()])
    if not own.any():
        return Finding.unknown(f"no labelled output is of the judge's own model ({told.group(1)})", n=len(own))
    how: Any = {"rng": np.random.default_rng(seed), "level": level, "clusters": material.groups(material.at)}
    return self_preference(material.judged[material.at], own, material.labels, **how)


def _plain(model: Any) -> str:
    """A model's name without its folder, its hub and what was said of it."""
    return str(model).removesuffix(" (replayed)").rstrip("/").rpartition("/")[2].removeprefix("cache:").casefold()
