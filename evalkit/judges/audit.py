"""What moves a judge that should not, as far as a run tells: the place of an answer, its length, who wrote it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.core.card import Finding
from evalkit.core.rows import Floats
from evalkit.stats.normal import student_quantile
from evalkit.stats.pairs import unseen
from evalkit.stats.prediction_powered import labels_alone
from evalkit.stats.proportion import wilson

FEWEST = 10  # records of which a partial association is told
PERMUTATIONS = 2_000
MOST_LEVELS = 12


@dataclass(frozen=True)
class Slope:
    """How a score goes with something else among records of equal label: per unit of it."""

    value: float
    low: float
    high: float
    p: float
    n: int
    reason: str | None = None


def partial_slope(
    score: ArrayLike,
    other: ArrayLike,
    label: ArrayLike,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    clusters: ArrayLike | None = None,
) -> Slope:
    """Least squares of the score on ``other``, given the label: a level of its own for each of up to 12 labels, else a line.

    The interval is robust to unequal variances (HC3), or to clusters (Student's t on clusters - 1); p is of permutations of
    the score's residuals (clusters stay whole in sign), exchangeable where ``other`` does not matter.

    Source: Frisch & Waugh (1933), Lovell (1963); HC3: MacKinnon & White (1985); permutations: Freedman & Lane (1983).
    """
    y, x, g = (np.asarray(column, dtype=np.float64) for column in (score, other, label))
    n = len(y)
    design = _design(g)
    free = n - design.shape[1] - 1
    if n < FEWEST or free < 3:
        return Slope(
            math.nan, math.nan, math.nan, math.nan, n, f"it needs {FEWEST} labelled records with a text, there are {n}"
        )
    basis = np.linalg.qr(design)[0]
    left, right = y - basis @ (basis.T @ y), x - basis @ (basis.T @ x)
    square = float(right @ right)
    if square <= 1e-12 * max(float(x @ x), 1.0):
        return Slope(math.nan, math.nan, math.nan, math.nan, n, "it is the same for all records of equal label")
    if float(left @ left) <= 1e-12 * max(float(y @ y), 1.0):
        return Slope(0.0, math.nan, math.nan, math.nan, n, "the judge gives all records of equal label the same score")
    value = float(right @ left) / square
    rest = left - value * right
    if clusters is None:
        leverage = (basis**2).sum(axis=1) + right**2 / square
        spread = float((right**2 * (rest / np.maximum(1.0 - leverage, 1e-6)) ** 2).sum())
        df = float(free)
        units = np.arange(n)
    else:
        units = np.unique(np.asarray(clusters), return_inverse=True)[1]
        many = int(units.max()) + 1
        if many < 3:
            return Slope(value, math.nan, math.nan, math.nan, n, "an interval needs three clusters")
        sums = np.bincount(units, weights=right * rest)
        spread = float(sums @ sums) * many / (many - 1.0) * (n - 1.0) / free
        df = many - 1.0
    reach = student_quantile((1.0 + level) / 2.0, df) * math.sqrt(spread) / square
    return Slope(
        value, value - reach, value + reach, _permuted(left, right, basis, units if clusters is not None else None, rng), n
    )


def _design(label: Floats) -> Floats:
    levels, codes = np.unique(label, return_inverse=True)
    if len(levels) <= MOST_LEVELS:
        return np.eye(len(levels))[codes]
    return np.stack([np.ones(len(label)), label - label.mean()], axis=1)


def _permuted(left: Floats, right: Floats, basis: Floats, units: NDArray[np.int64] | None, rng: np.random.Generator) -> float:
    """Share of permutations that reach the observed partial correlation; of clusters, of flips of their signs."""
    seen = abs(float(left @ right))
    if units is not None:
        sums = np.bincount(units, weights=left * right)
        signs = rng.integers(0, 2, (PERMUTATIONS, len(sums))) * 2.0 - 1.0
        return (1 + int((np.abs(signs @ sums) >= seen * (1.0 - 1e-12)).sum())) / (PERMUTATIONS + 1)
    reached, seen = 1, seen / math.sqrt(float(left @ left))
    block = max(1, 1_000_000 // len(left))
    for start in range(0, PERMUTATIONS, block):
        shuffled = rng.permuted(np.broadcast_to(left, (min(block, PERMUTATIONS - start), len(left))), axis=1)
        norms = (shuffled**2).sum(axis=1) - ((shuffled @ basis) ** 2).sum(axis=1)  # of what the labels leave of it
        reached += int((np.abs(shuffled @ right) >= seen * np.sqrt(np.maximum(norms, 0.0)) * (1.0 - 1e-12)).sum())
    return reached / (PERMUTATIONS + 1)


def verbosity(
    score: Floats,
    lengths: Floats,
    label: Floats,
    *,
    rng: np.random.Generator,
    level: float,
    clusters: ArrayLike | None = None,
) -> Finding:
    """How much more an answer of twice the length is given, among answers that people rate the same.

    Where the label is itself uncertain, length that people reward rightly is not wholly taken out: an upper bound, then.
    """
    kept = lengths > 0
    groups = np.asarray(clusters)[kept] if clusters is not None else None
    slope = partial_slope(score[kept], np.log2(lengths[kept]), label[kept], rng=rng, level=level, clusters=groups)
    return _of_slope(slope, "points per doubling", "with equal labels, an answer twice as long is scored {higher}")


def verbosity_of_pairs(
    preference: Floats,
    lengths: Floats,
    others: Floats,
    label: Floats,
    *,
    rng: np.random.Generator,
    level: float,
    clusters: ArrayLike | None = None,
) -> Finding:
    """How much oftener the longer answer wins, among pairs of which people say the same; per doubling of the ratio."""
    kept = (lengths > 0) & (others > 0)
    ratio = np.log2(lengths[kept] / others[kept])
    groups = np.asarray(clusters)[kept] if clusters is not None else None
    slope = partial_slope(preference[kept], ratio, label[kept], rng=rng, level=level, clusters=groups)
    return _of_slope(slope, "win rate per doubling", "with equal labels, an answer twice as long as the other wins {oftener}")


def self_preference(
    score: Floats,
    own: NDArray[np.bool_],
    label: Floats,
    *,
    rng: np.random.Generator,
    level: float,
    clusters: ArrayLike | None = None,
) -> Finding:
    """How much more the judge's own model's answers are given than others', among answers that people rate the same."""
    if own.all() or not own.any():
        every = "all" if own.any() else "none"
        return Finding.unknown(f"{every} of the labelled outputs are the judge's own model's", n=len(own))
    slope = partial_slope(score, own.astype(np.float64), label, rng=rng, level=level, clusters=clusters)
    return _of_slope(slope, "points", "with equal labels, the judge's own model's answers are scored {higher}")


def _of_slope(slope: Slope, unit: str, words: str) -> Finding:
    ci = None if math.isnan(slope.low) else (slope.low, slope.high)
    return Finding(slope.value, ci, words if ci else "", slope.n, slope.p, slope.reason, unit)


# --- pairs asked in both orders --------------------------------------------------------------------------------------


def position(evidence: Sequence[str], *, level: float, clusters: ArrayLike | None = None) -> Finding:
    """How much oftener the answer that stands first is preferred than the one that stands second, over both orders.

    Args:
        evidence: of every pair, as `judges.pairwise` writes it.

    ``parts`` tells the share of pairs whose verdict changed with the order, Wilson's interval.

    Source: Zheng et al. (2023), arXiv:2306.05685, section 3.3 and 3.4: position bias and consistency.
    """
    shifts, changed = [], 0
    for text in evidence:
        orders = json.loads(text).get("orders", {})
        if "given" not in orders or "swapped" not in orders:
            continue
        straight, swapped = orders["given"]["winner"], orders["swapped"]["winner"]
        firsts = (straight == "output") + (swapped == "other")
        seconds = (straight == "other") + (swapped == "output")
        shifts.append((firsts - seconds) / 2.0)
        changed += straight != swapped
    n = len(shifts)
    if n < 3:
        return Finding.unknown("it needs pairs that were asked in both orders", n=n)
    found = shift(np.array(shifts), level=level, clusters=clusters if clusters is not None and len(clusters) == n else None)  # type: ignore[arg-type]
    low, high = wilson(changed, n, level)
    parts = {"order_dependent": changed / n, "order_dependent_ci": [float(low), float(high)]}
    words = "the answer that stands first is preferred {oftener} than the one that stands second"
    return Finding(found.value, found.ci, words, n, unit="share of verdicts", parts=parts)


# --- differences of the same record ----------------------------------------------------------------------------------


def shift(
    differences: Floats, *, level: float = 0.95, clusters: ArrayLike | None = None, reach: float = 2.0, says: str = "",
    unit: str = "points", probe: bool = False, parts: Mapping[str, Any] | None = None,
) -> Finding:  # fmt: skip
    """The mean of paired differences with Student's t, and p of sign flips.

    Where all are alike, the interval is what may be unseen: a share z²/(n + z²) of records that differ by ``reach``.
    """
    d = np.asarray(differences, dtype=np.float64)
    n = len(d)
    if n < 3:
        return Finding.unknown(f"it needs three records, there are {n}", n=n, probe=probe)
    found = labels_alone(d, level=level, kind="t", clusters=clusters)
    low, high = found.low, found.high
    if not float(np.ptp(d)):
        more = unseen(n, level) * reach
        low, high = found.value - more, found.value + more
    ci = None if math.isnan(low) else (low, high)
    reason = None if ci else "an interval needs three clusters"
    return Finding(found.value, ci, says, n, math.nan, reason, unit, dict(parts or {}), probe)
