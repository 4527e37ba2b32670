"""Share of prediction-powered 95 % intervals that hold the mean that people would give, and how wide they are.

*n labels*, 1,000 further records that only the judge scored. *kept* is for the interval that evalkit gives (a score interval
where the labels have a scale, else Student's t), *t* for Student's t, *normal* for that of the papers and of ppi_py; *width* is
the mean width over that of the labels alone. Shares are of a judge that is right in nine of ten cases (*useless*: in half of
them); graded labels lie on 1 to 5, at its ceiling or in its middle; *normal* and *lognormal* labels have no scale, and of very
skewed ones any interval of so few labels covers less. *clusters*: labelled and judged records of 5 go together.
*Rogan–Gladen*: of a share, with the interval of Lang and Reiczigel, of those data sets in which it is defined.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evalkit.stats.prediction_powered import labels_alone, prediction_powered
from evalkit.stats.rogan_gladen import rogan_gladen_of
from simulations._run import Case, Measure, at_least, at_most, figure, rate

NAME = "Coverage of prediction-powered means"

POOL = 1_000
LABELS = (30, 50, 100, 200)
SHARES = {"share 0.5": (0.5, 0.9), "share 0.8": (0.8, 0.9), "share 0.95": (0.95, 0.9), "share 0.9, useless judge": (0.9, 0.5)}
GRADED = {"graded, ceiling": (1, 1, 2, 6, 40), "graded, middle": (10, 20, 40, 20, 10)}
COVERED, NARROWER = at_least(0.94), at_most(1.0)


def cases() -> Iterator[Case]:
    for name, (share, right) in SHARES.items():
        for n in LABELS:
            yield Case(f"{name}, {n} labels", 2_000, {"kind": "share", "share": share, "right": right, "n": n})
    for name, weights in GRADED.items():
        for n in LABELS:
            yield Case(f"{name}, {n} labels", 2_000, {"kind": "graded", "weights": weights, "n": n})
    for name in ("normal", "lognormal"):
        for n in LABELS:
            yield Case(f"{name}, {n} labels", 2_000, {"kind": name, "n": n})
    for n in (100, 200):
        yield Case(f"share 0.8 in clusters of 5, {n} labels", 1_000, {"kind": "clusters", "share": 0.8, "right": 0.9, "n": n})


def simulate(case: Case, rng: Any) -> dict[str, Measure]:
    n, kind = case["n"], case["kind"]
    scale = {"graded": (1.0, 5.0), "normal": None, "lognormal": None}.get(kind, (0.0, 1.0))
    held: dict[str, list[float]] = {"kept": [], "t": [], "normal": [], "Rogan–Gladen": []}
    widths, alones = [], []
    for _ in range(case.trials):
        y, f, truth = _drawn(case, n + POOL, rng)
        names = np.arange(n + POOL) // 5 if kind == "clusters" else None
        clusters = (names[:n], names[n:]) if names is not None else None
        told = y[:n], f[:n], f[n:]
        found = prediction_powered(*told, scale=scale, clusters=clusters)
        held["kept"].append(found.low <= truth <= found.high)
        if kind != "clusters":
            for name in ("t", "normal"):
                other = prediction_powered(*told, kind=name)
                held[name].append(other.low <= truth <= other.high)
        if kind == "share" and case["right"] > 0.5:
            gladen = rogan_gladen_of(*told)
            held["Rogan–Gladen"].append(np.nan if np.isnan(gladen.low) else float(gladen.low <= truth <= gladen.high))
        widths.append(found.width)
        alones.append(labels_alone(y[:n], scale=scale, clusters=clusters[0] if clusters is not None else None).width)
    skewed = kind == "lognormal"
    measures = {"kept": rate(np.array(held["kept"]), bar=None if skewed else COVERED)}
    measures["width"] = figure(np.array(widths) / np.array(alones), bar=NARROWER)
    measures |= {name: rate(np.array(held[name])) for name in ("t", "normal", "Rogan–Gladen") if held[name]}
    return measures


def _drawn(case: Case, size: int, rng: Any) -> tuple[Any, Any, float]:
    """Labels, the judge's scores, and the mean of all labels there could be."""
    kind = case["kind"]
    if kind in ("share", "clusters"):
        share, right = case["share"], case["right"]
        y = (rng.random(size) < share).astype(np.float64)
        if kind == "clusters":
            shared = np.repeat(rng.random(-(-size // 5)) < share, 5)[:size]
            y = np.where(rng.random(size) < 0.6, shared, y).astype(np.float64)
        return y, np.where(rng.random(size) < right, y, 1.0 - y), share
    if kind == "graded":
        p = np.array(case["weights"], dtype=np.float64) / sum(case["weights"])
        y = rng.choice(5, size, p=p) + 1.0
        return y, np.clip(np.round(y + rng.normal(-0.3, 0.7, size)), 1.0, 5.0), float(p @ np.arange(1.0, 6.0))
    if kind == "lognormal":
        y = np.exp(rng.normal(0.0, 0.6, size))
        return y, y * np.exp(rng.normal(0.0, 0.3, size)), float(np.exp(0.18))
    y = rng.normal(size=size)
    return y, 0.8 * y + 0.6 * rng.normal(size=size) + 0.5, 0.0
