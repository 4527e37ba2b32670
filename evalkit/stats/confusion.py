"""Agreement of two labellings, from their confusion matrix."""

from __future__ import annotations

import numpy as np

from evalkit.stats.ratio import ratio
from evalkit.stats.sums import Floats

PARTS = ("accuracy", "kappa", "macro_precision", "macro_recall", "macro_f1")


def agreement(counts: Floats) -> Floats:
    """`PARTS` of confusion matrices ``counts`` (..., classes, classes), true classes by row; shape (..., 5).

    Kappa is Cohen's (1960), and has no value where chance alone agrees. Averages are over classes; 0/0 is 0 where a class
    occurs on one side only, and a class that occurs on neither is left out, as in scikit-learn.
    """
    return of_margins(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1), counts.sum(-2))


def of_margins(both: Floats, true: Floats, given: Floats) -> Floats:
    """The same from the diagonal and the two margins, each (..., classes): all that the matrix is asked for."""
    total = true.sum(-1)
    accuracy = ratio(both.sum(-1), total)
    chance = ratio((true * given).sum(-1), total * total)
    kappa = ratio(accuracy - chance, 1.0 - chance)
    rates = np.stack([ratio(both, given, 0.0), ratio(both, true, 0.0), ratio(2.0 * both, true + given, 0.0)], axis=-2)
    occurs = (true + given > 0)[..., None, :]  # (..., 1, classes)
    macro = ratio(np.where(occurs, rates, 0.0).sum(-1), occurs.sum(-1).astype(np.float64))
    return np.concatenate([accuracy[..., None], kappa[..., None], macro], axis=-1)
