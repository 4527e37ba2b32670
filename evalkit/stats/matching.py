"""Greedy matching of two sets of vectors by cosine: the arithmetic of BERTScore."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.floating[Any]]


class Matched(NamedTuple):
    """Precision, recall and F1; each between -1 and 1, NaN where all weights of a side are 0."""

    precision: float
    recall: float
    f1: float


def unit(vectors: Vectors) -> Vectors:
    """Vectors of length 1, shape (m, d); a vector of zeros has no direction and becomes NaN."""
    with np.errstate(invalid="ignore", divide="ignore"):
        made: Vectors = vectors / np.sqrt(np.einsum("md,md->m", vectors, vectors))[:, None]
    return made


def greedy_match(candidate: Vectors, reference: Vectors) -> tuple[Vectors, Vectors]:
    """The highest cosine of every vector with any vector of the other side.

    Args:
        candidate: shape (m, d), of length 1 (`unit`), m > 0.
        reference: shape (k, d), likewise.

    Returns:
        (m,) of the candidate's vectors, whose mean is precision; (k,) of the reference's, whose mean is recall.

    Source: Zhang et al. (2020), section 3.
    """
    cosines = candidate @ reference.T
    return cosines.max(axis=1), cosines.max(axis=0)


def greedy_scores(
    candidate: Vectors,
    reference: Vectors,
    candidate_weights: Vectors | None = None,
    reference_weights: Vectors | None = None,
) -> Matched:
    """Weighted means of `greedy_match`, and their harmonic mean; a side without vectors makes all three 0.

    Args:
        candidate, reference: of length 1, shapes (m, d) and (k, d).
        candidate_weights, reference_weights: not negative, shapes (m,) and (k,); None: all equal. A token of weight 0 is not
            counted, and others may still match it.
    """
    if not len(candidate) or not len(reference):
        return Matched(0.0, 0.0, 0.0)
    of_candidate, of_reference = greedy_match(candidate, reference)
    precision, recall = _mean(of_candidate, candidate_weights), _mean(of_reference, reference_weights)
    both = precision + recall
    return Matched(precision, recall, 2 * precision * recall / both if both else 0.0)


def _mean(values: Vectors, weights: Vectors | None) -> float:
    if weights is None:
        return float(values.mean(dtype=np.float64))
    total = float(weights.sum(dtype=np.float64))
    return float(np.dot(values.astype(np.float64), weights)) / total if total else float("nan")
