"""Embeddings of two samples: whether they come from one distribution, and how well the two can be told apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from evalkit.core.drift import Finding
from evalkit.detection.profile import Profile
from evalkit.detection.sample import VECTOR, By, Sample
from evalkit.detection.signal import Look, Signal, blind
from evalkit.detection.wording import number
from evalkit.stats.domain import domain_auc, frechet, mean_shift, moments
from evalkit.stats.mmd import mmd

MOST = 1_000  # vectors of either side: more make the answer no surer, and cost the square
COMPONENTS = 3  # that are watched from window to window

Floats = NDArray[np.float64]


def compared(signal: Signal, reference: Profile, current: Profile, seed: int, fewest: int) -> Look:
    """MMD says whether chance explains the difference, the AUC of a classifier between both sides how large it is."""
    column = signal.needs[0]
    for profile, name in ((reference, "reference"), (current, "current")):
        if profile.sample is None or not profile.sample.has(VECTOR + column):
            return blind(f"the {name} side has no vectors of {column}")
    assert reference.sample is not None
    assert current.sample is not None
    if (why := unlike(reference.sample, current.sample, column)) is not None:
        return blind(why)
    return partial(_finding, signal, reference.sample, current.sample, seed, fewest)


def _finding(
    signal: Signal, reference: Sample, current: Sample, seed: int, fewest: int, by: By | None
) -> tuple[Finding | None, str]:
    column, sides = signal.needs[0], []
    for sample, name in ((reference, "reference"), (current, "current")):
        vectors, _ = sample.on(by).vectors(column)
        if len(vectors) < fewest:
            return None, f"the {name} sample has {len(vectors)} vectors; {fewest} are needed"
        sides.append(vectors[:MOST])
    x, y = sides
    if x.shape[1] != y.shape[1]:
        return None, f"vectors have {x.shape[1]} dimensions in the reference and {y.shape[1]} now"
    tested = mmd(x, y, seed=seed)
    told = domain_auc(x, y, seed=seed, permutations=1)
    before, after = moments(x), moments(y)
    others = {
        "auc": told.statistic, "mmd2": tested.statistic, "mean_shift": mean_shift(x, y, seed=seed).statistic,
        "frechet": frechet(before[0], before[1], after[0], after[1]),
    }  # fmt: skip
    statistic, threshold = signal.effect
    return (
        Finding(
            name=signal.name, group=signal.group, kind=signal.kind, statistic=statistic, value=others[statistic],
            threshold=threshold, test=tested.test, p=tested.p, q=math.nan, drifted=False,
            why=f"{signal.name}: a classifier tells old from new with AUC {number(told.statistic)} (0.5: it cannot)",
            n_reference=len(x), n_current=len(y), others=others,
        ),
        "",
    )  # fmt: skip


def unlike(reference: Sample | None, current: Sample | None, column: str) -> str | None:
    """Why the vectors of two samples say nothing about each other: they come from different models."""
    if reference is None or current is None:
        return None
    before, now = reference.maker(column), current.maker(column)
    if before == now:
        return None
    named = [f"made by {short(maker)}" if maker else "the logs' own" for maker in (before, now)]
    return f"the vectors of the reference are {named[0]}, and those of now {named[1]}"


def short(maker: str) -> str:
    """A backend's identity without its options."""
    return maker.partition(":{")[0].rstrip(":")


@dataclass(frozen=True)
class Projection:
    """The directions in which the reference's vectors vary most, how far these lie from their middle, and others on this scale.

    Attributes:
        mean: (d,); ``axes`` (components, d), unit vectors over the standard deviation along them.
        far, spread: mean and standard deviation of the distance from ``mean``.
        column: of the vectors; ``maker``: what made them.
    """

    mean: Floats
    axes: Floats
    far: float
    spread: float
    column: str
    maker: str

    @property
    def parts(self) -> list[str]:
        """What each number of a row is."""
        return [*(f"component {at + 1}" for at in range(len(self.axes))), "distance"]

    @classmethod
    def fit(cls, sample: Sample, column: str) -> Projection | None:
        """Principal components; None where there are too few vectors."""
        if not sample.has(VECTOR + column):
            return None
        vectors, _ = sample.vectors(column)
        if len(vectors) < 30:
            return None
        mean = vectors.mean(axis=0, dtype=np.float64)
        far = np.linalg.norm(vectors - mean, axis=1)
        _, scale, axes = np.linalg.svd(vectors - mean, full_matrices=False)
        sd = scale / math.sqrt(len(vectors) - 1.0)
        kept = [at for at in range(min(COMPONENTS, len(sd))) if sd[at] > 1e-9]
        if not kept:
            return None
        spread = max(float(far.std()), 1e-9)
        return cls(mean, np.array([axes[at] / sd[at] for at in kept]), float(far.mean()), spread, column, sample.maker(column))

    def placed(self, sample: Sample) -> Floats:
        """Each row's `parts` (n, parts), in standard deviations of the reference; NaN without a vector."""
        vectors, rows = sample.vectors(self.column)
        found = np.full((len(sample), len(self.parts)), np.nan)
        if vectors.shape[1] == len(self.mean) and sample.maker(self.column) == self.maker:
            apart = vectors - self.mean
            far = (np.linalg.norm(apart, axis=1) - self.far) / self.spread
            found[rows] = np.clip(np.column_stack([apart @ self.axes.T, far]), -4.0, 4.0)
        return found
