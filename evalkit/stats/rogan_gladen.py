"""The true share behind a judge's passes, from how often the judge is right about what people pass and what they fail."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evalkit.stats.normal import normal_quantile


@dataclass(frozen=True)
class Corrected:
    """A corrected share, with what it rests on; NaN where the judge does not tell passes from failures.

    Attributes:
        sensitivity: P(judge passes | people pass). ``specificity``: P(judge fails | people fail).
    """

    value: float
    low: float
    high: float
    sensitivity: float
    specificity: float


def rogan_gladen(
    passed: float, n: int, true_passes: int, human_passes: int, true_fails: int, human_fails: int, level: float = 0.95
) -> Corrected:
    """(p̂ + specificity − 1) / (sensitivity + specificity − 1), clipped to [0, 1].

    The interval holds what is unknown of all three shares; it is NaN where no true share could give such passes: the labelled
    records are none of this kind. Undefined where sensitivity + specificity is at most 1.

    Args:
        passed: of the ``n`` judged records, how many the judge passes.
        true_passes: of ``human_passes`` labelled records that people pass, how many the judge passes.
        true_fails: of ``human_fails`` that people fail, how many the judge fails.

    Source: Rogan & Gladen (1978), American Journal of Epidemiology 107, 71-76; interval: Lang & Reiczigel (2014), Preventive
    Veterinary Medicine 113, 13-22, as in Lee et al. (2025), How to Correctly Report LLM-as-a-Judge Evaluations,
    arXiv:2511.21140, section 4.
    """
    if not (n > 0 and human_passes > 0 and human_fails > 0):
        return Corrected(math.nan, math.nan, math.nan, _share(true_passes, human_passes), _share(true_fails, human_fails))
    p, sensitivity, specificity = passed / n, true_passes / human_passes, true_fails / human_fails
    if sensitivity + specificity <= 1.0:
        return Corrected(math.nan, math.nan, math.nan, sensitivity, specificity)
    value = (p + specificity - 1.0) / (sensitivity + specificity - 1.0)
    z = normal_quantile((1.0 + level) / 2.0)
    size = n + z * z
    share = (p * n + z * z / 2.0) / size
    one, zero = human_passes + 2.0, human_fails + 2.0
    se, sp = (true_passes + 1.0) / one, (true_fails + 1.0) / zero
    informed = se + sp - 1.0
    if informed <= 0.0:
        return Corrected(_held(value), 0.0, 1.0, sensitivity, specificity)
    middle = (share + sp - 1.0) / informed
    of_se, of_sp = se * (1.0 - se) / one, sp * (1.0 - sp) / zero
    shift = 2.0 * z * z * (middle * of_se - (1.0 - middle) * of_sp)
    reach = z * math.sqrt(share * (1.0 - share) / size + (1.0 - middle) ** 2 * of_sp + middle**2 * of_se) / informed
    low, high = middle + shift - reach, middle + shift + reach
    if high <= 0.0 or low >= 1.0:  # the judge passes less than were nothing to pass, or more than all
        low, high = math.nan, math.nan
    return Corrected(_held(value), _held(low), _held(high), sensitivity, specificity)


def rogan_gladen_of(labels: ArrayLike, judged: ArrayLike, pool: ArrayLike, level: float = 0.95) -> Corrected:
    """`rogan_gladen` of records: 0 or 1 from people and judge of n of them, from the judge alone of others.

    The judge's share is that of all records, labelled ones among them.
    """
    y, f, u = (np.asarray(column, dtype=np.float64) for column in (labels, judged, pool))
    everything = np.concatenate([f, u])
    if not np.isin(np.concatenate([y, everything]), (0.0, 1.0)).all():
        raise ValueError("labels and verdicts must be 0 or 1")
    passes, fails = y == 1.0, y == 0.0
    return rogan_gladen(
        float(everything.sum()), len(everything), int(f[passes].sum()), int(passes.sum()),
        int((1.0 - f[fails]).sum()), int(fails.sum()), level,
    )  # fmt: skip


def _share(of: float, n: float) -> float:
    return of / n if n else math.nan


def _held(share: float) -> float:
    return share if math.isnan(share) else min(max(share, 0.0), 1.0)
