"""chrF and chrF++, equal to sacrebleu's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evalkit.core.batch import Batch, Ragged
from evalkit.core.contracts import DataFacts, Metric
from evalkit.core.errors import SpecError
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.metrics.mt_signature import sacrebleu_signature
from evalkit.text.mt_tokens import WordPieces, squeezed
from evalkit.text.ngrams import Ints, Sequences, ngram_totals, pair_matches

_EPSILON = 1e-16
_CHARACTERS = 1 << 18  # decoded at once, so that memory stays flat however large the batch is


@metric("chrf")
@dataclass(frozen=True)
class Chrf(Metric):
    """F score over character n-grams (chrF), with ``word_order: 2`` over words too (chrF++); 0 to 100.

    Rows are ``(hypothesis n-grams, reference n-grams, matches)`` for each order, characters first. The corpus value
    pools them. Of several references the one with the best F score counts, the first of equally good ones. Orders that
    one side is too short for are left out, unless ``eps_smoothing``. An empty output or reference gives 0.
    Formula: Fᵦ of the mean precision and the mean recall over orders of n-grams.

    Range: 0 to 100.

    Misleads: unrelated texts of one language share many short n-grams: some 20 points mean nothing. It says little of order
    and meaning; a wrong number moves it hardly at all.

    Source: Popović (2015, 2017).
    """

    needs: ClassVar[tuple[str, ...]] = ("output", "reference")
    char_order: int = 6
    word_order: int = 0
    beta: float = 2  # how much more recall counts than precision
    lowercase: bool = False
    whitespace: bool = False  # whether white space counts as characters
    eps_smoothing: bool = False  # as chrF++.py, Moses and NLTK

    def __post_init__(self) -> None:
        if self.char_order < 0 or self.word_order < 0 or self.char_order + self.word_order < 1:
            raise SpecError("char_order and word_order must not be negative, and one of them must be at least 1")

    @property
    def columns(self) -> tuple[str, ...]:
        grams = [f"char{n}" for n in range(1, self.char_order + 1)] + [f"word{n}" for n in range(1, self.word_order + 1)]
        return tuple(f"{gram}_{what}" for gram in grams for what in ("hypothesis", "reference", "matches"))

    def measure(self, batch: Batch) -> Rows:
        references = batch.lists("reference")
        parts = []
        if self.char_order:
            parts.append(self._characters(batch, references))
        if self.word_order:
            parts.append(self._words(batch, references))
        counts = np.concatenate(parts, axis=1)  # (references, orders, 3)
        statistics: Floats = counts.reshape(len(counts), len(self.columns)).astype(np.float64)
        if references.single:
            return Rows(statistics)
        return Rows(statistics[first_best(self._f_score(statistics), references)])

    def combine(self, totals: Floats) -> Floats:
        return self._f_score(np.asarray(totals, dtype=np.float64))[..., None]

    def signature(self, facts: DataFacts) -> str:
        return sacrebleu_signature(
            facts,
            case="lc" if self.lowercase else "mixed",
            eff=not self.eps_smoothing,
            nc=self.char_order,
            nw=self.word_order,
            space=self.whitespace,
        )

    def _characters(self, batch: Batch, references: Ragged) -> Ints:
        """Statistics of character n-grams for each reference, shape (references, char_order, 3)."""
        order, lowercase, whitespace = self.char_order, self.lowercase, self.whitespace

        def build() -> Ints:
            outputs, gold = batch.texts("output"), references.flat
            owners = references.owners
            parts = [np.zeros((0, order, 3), dtype=np.int64)]
            for low, high in _slices(outputs, gold, owners):
                hypotheses = [outputs[owner] for owner in owners[low:high].tolist()]
                mine, theirs = (self._code_points(texts) for texts in (hypotheses, gold[low:high]))
                parts.append(_statistics(mine, theirs, order))
            return np.concatenate(parts)

        return batch.derive(("chrf", "characters", order, lowercase, whitespace), build)

    def _words(self, batch: Batch, references: Ragged) -> Ints:
        """Statistics of word n-grams for each reference, shape (references, word_order, 3)."""
        order, lowercase = self.word_order, self.lowercase

        def build() -> Ints:
            pieces = batch.derive(("mt_tokens", "pieces", "chrf"), lambda: WordPieces("chrf"))
            mine, theirs = (pieces.encode(self._cased(texts)) for texts in (batch.texts("output"), references.flat))
            return _statistics(mine if references.single else mine.take(references.owners), theirs, order)

        return batch.derive(("chrf", "words", order, lowercase), build)

    def _cased(self, texts: list[str]) -> list[str]:
        return [text.lower() for text in texts] if self.lowercase else texts

    def _code_points(self, texts: list[str]) -> Sequences:
        texts = self._cased(texts)
        return Sequences.of_texts(texts if self.whitespace else squeezed(texts))

    def _f_score(self, totals: Floats) -> Floats:
        """F score of sums, shape (..., 3 · orders) to (...); the operations of sacrebleu in its own order."""
        factor = self.beta**2
        orders = self.char_order + self.word_order
        shape = totals.shape[:-1]
        precisions, recalls, used, summed = np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            for n in range(orders):
                mine, theirs, shared = (totals[..., 3 * n + k] for k in range(3))
                precision = np.where(mine > 0, shared / mine, _EPSILON)
                recall = np.where(theirs > 0, shared / theirs, _EPSILON)
                weighted = factor * precision + recall
                summed = summed + np.where(weighted > 0, (1 + factor) * precision * recall / weighted, _EPSILON)
                both = (mine > 0) & (theirs > 0)
                precisions = np.where(both, precisions + precision, precisions)
                recalls = np.where(both, recalls + recall, recalls)
                used = used + both
            if self.eps_smoothing:
                scores = 100 * summed / orders
            else:
                precisions, recalls = precisions / used, recalls / used
                scores = (1 + factor) * precisions * recalls / (factor * precisions + recalls)
                scores = np.where((used > 0) & (precisions + recalls != 0), 100 * scores, 0.0)
        return np.where(np.isnan(totals).any(axis=-1), np.nan, scores)


def first_best(scores: Floats, references: Ragged) -> Ints:
    """The flat place of each record's best reference, the first of equally good ones."""
    best = np.maximum.reduceat(scores, references.offsets[:-1])
    places = np.flatnonzero(scores == best[references.owners])
    _, firsts = np.unique(references.owners[places], return_index=True)
    return places[firsts]


def _statistics(hypotheses: Sequences, references: Sequences, order: int) -> Ints:
    """``(hypothesis n-grams, reference n-grams, matches)`` of pairs, shape (n, order, 3)."""
    mine, theirs = ngram_totals(hypotheses.lengths, order), ngram_totals(references.lengths, order)
    mine[theirs == 0] = 0  # where the reference is too short for an order, the hypothesis is not held against it
    return np.stack([mine, theirs, pair_matches(hypotheses, references, order)], axis=2)


def _slices(outputs: Sequence[str], references: Sequence[str], owners: Ints) -> Iterator[tuple[int, int]]:
    """Runs of references that with their outputs have about `_CHARACTERS` characters, or are one alone."""
    lengths = np.fromiter(map(len, outputs), np.int64, len(outputs))
    ends = np.cumsum(lengths[owners] + np.fromiter(map(len, references), np.int64, len(references)))
    low = 0
    while low < len(ends):
        reached = int(ends[low - 1]) if low else 0
        high = max(int(np.searchsorted(ends, reached + _CHARACTERS, side="right")), low + 1)
        yield low, high
        low = high
