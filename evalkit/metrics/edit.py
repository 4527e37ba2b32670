"""Levenshtein distance and similarity, in characters or words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from evalkit.core.batch import Batch
from evalkit.core.contracts import Metric
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.stats.ratio import ratio
from evalkit.text.edit import edit_distances, lengths_of, similarities, words_as_characters
from evalkit.text.vocabulary import Numbering


@metric("levenshtein")
@dataclass(frozen=True)
class Levenshtein(Metric):
    """Edits that turn the output into the reference: insertions, deletions and substitutions, each costing 1.

    ``distance`` counts them, to the closest reference; ``similarity`` is 1 − distance / the longer one's length, for the
    best reference (two empty texts: 1). Characters are Unicode code points: an accent written as a combining mark is one
    of its own. Words stand between white space. Rows are ``(distance, similarity, 1)``: both values are means over records.

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
        distances = edit_distances(outputs, gold)
        alike = similarities(distances, lengths, lengths_of(gold))
        closest = references.best(distances.astype(np.float64), highest=False)
        return Rows.of(closest, references.best(alike), np.ones(len(batch)))
