"""ROUGE-N, ROUGE-L and ROUGE-Lsum, equal to rouge-score and a good deal faster."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.core.batch import Batch, Ragged
from evalkit.core.contracts import DataFacts, Metric
from evalkit.core.errors import MissingExtra, SpecError, quote
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.core.signature import VERSION
from evalkit.stats.ratio import ratio
from evalkit.text.lcs import lcs_lengths, union_hits
from evalkit.text.overlap import shared_ngrams
from evalkit.text.vocabulary import blocks
from evalkit.text.words import Words, word_ids, words_of

_BLOCK = 1 << 19  # words of outputs and references scored at once
_NGRAM = re.compile(r"rouge([1-9])")


@metric("rouge")
@dataclass(frozen=True)
class Rouge(Metric):
    """Overlap of n-grams and of the longest common subsequence with the reference: F measures, 0 to 1.

    Rows hold each record's own values and a count: the corpus value is their mean. Of several references the best counts,
    for each type by its F (rouge-score's ``score_multi``). Words are runs of a-z and 0-9 after lower-casing, so texts in
    other scripts have none and score 0, as empty texts do.

    Args:
        types: of ``rouge1`` … ``rouge9``, ``rougeL`` and ``rougeLsum`` (lines are its sentences).
        stemmer: Porter stems, for words of more than 3 letters. On here, as in published results on summaries; rouge-score
            and Hugging Face's evaluate leave it off unless asked.
        detail: precision and recall beside each F, as parts ``rouge1_precision`` and ``rouge1_recall``.
        impl: ``reference`` runs rouge-score itself.

    Formula: F = 2PR / (P + R) of n-grams, or of the longest common subsequence, shared with the reference.

    Range: 0 to 1.

    Misleads: it rewards copied words: an extract with one invented number scores high, a good paraphrase low. Texts that
    are not in Latin letters have no words here and score 0. With and without stemming are two metrics.

    Source: Lin (2004); rouge-score 0.1.2.
    """

    needs: ClassVar[tuple[str, ...]] = ("output", "reference")

    types: tuple[str, ...] = ("rouge1", "rouge2", "rougeL", "rougeLsum")
    stemmer: bool = True
    detail: bool = False
    impl: Literal["fast", "reference"] = "fast"

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", tuple(self.types))
        wrong = [kind for kind in self.types if kind not in ("rougeL", "rougeLsum") and not _NGRAM.fullmatch(kind)]
        if wrong:
            raise SpecError(f"rouge has no type {quote(wrong[0])}; there are rouge1 to rouge9, rougeL and rougeLsum")
        if not self.types or len(set(self.types)) < len(self.types):
            raise SpecError("types of rouge must name at least one type, and each once")

    @property
    def parts(self) -> tuple[str, ...]:
        """``rouge1``, … and with ``detail`` each type's precision and recall after it."""
        shown = ("", "_precision", "_recall") if self.detail else ("",)
        return tuple(f"{kind}{suffix}" for kind in self.types for suffix in shown)

    @property
    def main(self) -> str:
        """ROUGE-L where it was asked for."""
        return "rougeL" if "rougeL" in self.types else self.types[0]

    @property
    def columns(self) -> tuple[str, ...]:
        """The sum of each part, and the records."""
        return (*self.parts, "records")

    def combine(self, totals: Floats) -> Floats:
        """Means over the records."""
        return ratio(totals[..., :-1], totals[..., -1:])

    def signature(self, facts: DataFacts) -> str:
        """``rouge|stem:yes|types:…|refs:1|v:…``; which parts are shown does not matter."""
        refs = facts.max_references if facts.min_references == facts.max_references else "var"
        stem = "yes" if self.stemmer else "no"
        told = [self.name, f"stem:{stem}", f"types:{','.join(self.types)}", f"refs:{refs}"]
        if self.impl == "reference":
            from importlib.metadata import version

            return "|".join([*told, "impl:rouge-score", f"v:{version('rouge-score')}"])
        return "|".join([*told, f"v:{VERSION}"])

    def measure(self, batch: Batch) -> Rows:
        """F (precision, recall) of each type per record, and 1."""
        references = batch.lists("reference")
        if self.impl == "reference":
            values = self._reference(batch.texts("output"), references)
        else:
            values = self._fast(batch, references)
        shown = values if self.detail else values[:, :, :1]
        return Rows(np.concatenate([shown.reshape(len(batch), -1), np.ones((len(batch), 1))], axis=1))

    def _fast(self, batch: Batch, references: Ragged) -> Floats:
        vocabulary = batch.derive(("rouge vocabulary", self.stemmer), lambda: word_ids(stemmer=self.stemmer))
        mine = batch.derive(("rouge words", "output", self.stemmer), lambda: words_of(batch.texts("output"), vocabulary))
        theirs = batch.derive(("rouge words", "reference", self.stemmer), lambda: words_of(references.flat, vocabulary))
        owners = references.owners
        values = np.empty((len(owners), len(self.types), 3))
        sizes = mine.tokens.lengths[owners] + theirs.tokens.lengths
        for low, high in blocks(sizes, _BLOCK):
            hypotheses = mine.slice(low, high) if references.single else mine.take(owners[low:high])
            values[low:high] = self._pairs(hypotheses, theirs.slice(low, high))
        return values if references.single else _best(values, references)

    def _pairs(self, hypotheses: Words, references: Words) -> Floats:
        """F, precision and recall of each pair and type, shape (n, types, 3)."""
        lengths = np.stack([hypotheses.tokens.lengths, references.tokens.lengths])
        orders = {kind: int(kind[5:]) for kind in self.types if _NGRAM.fullmatch(kind)}
        if len(orders) < len(self.types):
            longest = lcs_lengths(hypotheses.tokens, references.tokens)
        values = np.empty((lengths.shape[1], len(self.types), 3))
        for column, kind in enumerate(self.types):
            if kind in orders:
                hits = shared_ngrams(hypotheses.tokens, references.tokens, orders[kind])
                totals = np.maximum(lengths - orders[kind] + 1, 0)
            elif kind == "rougeL":
                hits, totals = longest, lengths
            else:
                hits, totals = _over_lines(longest, hypotheses, references), lengths
            values[:, column] = _scores(hits, totals)
        return values

    def _reference(self, outputs: Sequence[str], references: Ragged) -> Floats:
        try:
            from rouge_score.rouge_scorer import RougeScorer
        except ImportError as error:
            raise MissingExtra("rouge with impl: reference", "rouge-score", "reference") from error
        scorer = RougeScorer(list(self.types), use_stemmer=self.stemmer)
        values = np.empty((len(outputs), len(self.types), 3))
        for index, (output, several) in enumerate(zip(outputs, references, strict=True)):
            scores = scorer.score_multi(several, output)
            for column, kind in enumerate(self.types):
                score = scores[kind]
                values[index, column] = score.fmeasure, score.precision, score.recall
        return values


def _scores(hits: NDArray[np.int64], totals: NDArray[np.int64]) -> Floats:
    """F, precision and recall from shared counts and the totals of both sides (2, n); nothing shared is 0."""
    precision, recall = hits / np.maximum(totals, 1)
    both = precision + recall
    fmeasure = 2 * precision * recall / np.where(both > 0, both, 1.0)
    return np.stack([fmeasure, precision, recall], axis=1)


def _over_lines(longest: NDArray[np.int64], hypotheses: Words, references: Words) -> NDArray[np.int64]:
    """Hits of ROUGE-Lsum: those of ROUGE-L unless one side has several lines with words."""
    hits = longest.copy()
    for index in np.flatnonzero(hypotheses.many_lined() | references.many_lined()).tolist():
        hits[index] = union_hits(references.lists(index), hypotheses.lists(index))
    return hits


def _best(values: Floats, references: Ragged) -> Floats:
    """For each record and type the scores of the first reference with the highest F, shape (n, types, 3)."""
    highest = references.best(values[:, :, 0])
    owners = references.owners
    best = np.empty((len(references), *values.shape[1:]))
    for column in range(values.shape[1]):
        at = np.flatnonzero(values[:, column, 0] == highest[owners, column])[::-1]
        best[owners[at], column] = values[at, column]  # written from the last to the first: the first stays
    return best
