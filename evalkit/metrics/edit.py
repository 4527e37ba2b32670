"""Levenshtein distance and similarity, in characters or words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.core.batch import Batch
from evalkit.core.contracts import Metric
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.stats.ratio import ratio
from evalkit.text.edit import edit_distances, lengths_of, similarities, words_as_characters
from evalkit.text.vocabulary import Numbering

MOST_PAIRS = 1_000_000_000_000  # of a character here and one there: about a minute


@metric("levenshtein")
@dataclass(frozen=True)
class Levenshtein(Metric):
    """Edits that turn the output into the reference: insertions, deletions and substitutions, each costing 1.

    ``distance`` counts them, to the closest reference; ``similarity`` is 1 − distance / the longer one's length, for the
    best reference (two empty texts: 1). Characters are Unicode code points: an accent written as a combining mark is one
    of its own. Words stand between white space. Rows are ``(distance, similarity, 1)``: both values are means over records.

    Misleads: it sees letters and no meaning: a synonym costs more than a wrong digit. `distance` grows with length, so that
    sets of long and of short texts do not compare; take `similarity` there.

    Source: Levenshtein (1966); equal to rapidfuzz's ``distance`` and ``normalized_similarity``.
    """

    needs: ClassVar[tuple[str, ...]] = ("output", "reference")

    unit: Literal["characters", "words"] = "characters"

    @property
    def parts(self) -> tuple[str, ...]:
        """The bare name means the distance."""
        return ("distance", "similarity")

    @property
    def columns(self) -> tuple[str, ...]:
        """Sums of both parts, and the records."""
        return ("distance", "similarity", "records")

    def direction(self, part: str) -> bool | None:
        """A small distance is good, a high similarity is."""
        return part == "similarity"

    def range_of(self, part: str) -> tuple[float, float] | None:
        """Both are means over records."""
        return (0.0, math.inf) if part == "distance" else (0.0, 1.0)

    def combine(self, totals: Floats) -> Floats:
        """Means over the records."""
        return ratio(totals[..., :2], totals[..., 2:])

    def measure(self, batch: Batch) -> Rows:
        """Distance to the closest reference and similarity to the best, of each record, and 1."""
        references = batch.lists("reference")
        outputs, gold = batch.texts("output"), references.flat
        if self.unit == "words":
            numbers = batch.derive("whitespace word numbers", Numbering)
            outputs = batch.derive(("words as characters", "output"), lambda: words_as_characters(outputs, numbers))
            gold = batch.derive(("words as characters", "reference"), lambda: words_as_characters(gold, numbers))
        lengths = lengths_of(outputs)
        if not references.single:
            owners = references.owners
            outputs, lengths = [outputs[owner] for owner in owners.tolist()], lengths[owners]
        sizes = lengths_of(gold)
        errors = too_long(lengths * sizes, references.owners)
        if errors:
            outputs = ["" if owner in errors else text for owner, text in zip(references.owners.tolist(), outputs)]
        distances = edit_distances(outputs, gold)
        alike = similarities(distances, lengths, sizes)
        closest = references.best(distances.astype(np.float64), highest=False)
        rows = Rows.of(closest, references.best(alike), np.ones(len(batch)))
        rows.errors.update(errors)
        rows.values[list(errors)] = np.nan
        return rows


def too_long(pairs: NDArray[np.int64], owners: NDArray[np.int64]) -> dict[int, str]:
    """The records with a pair of texts that would take minutes, and why; ``pairs`` are products of both lengths."""
    why = f"output and reference are too long to compare: their lengths multiply to more than {MOST_PAIRS:,}"
    return dict.fromkeys(owners[pairs > MOST_PAIRS].tolist(), why)
