"""BLEU, equal to sacrebleu's."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal

import numpy as np

from evalkit.core.batch import Batch, Ragged
from evalkit.core.contracts import DataFacts, Metric
from evalkit.core.errors import SpecError
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.metrics.mt_signature import sacrebleu_signature
from evalkit.text.mt_segmenters import PACKAGES, SENTENCEPIECE, Segmenter, file_sha256, installed, mecab, sentencepiece
from evalkit.text.mt_tokens import WordPieces, squeezed
from evalkit.text.ngrams import Ints, Sequences, ngram_totals, pair_matches, pooled_matches

Tokenizer = Literal["none", "13a", "zh", "intl", "char", "ja-mecab", "ko-mecab", "spm", "flores101", "flores200", "spBLEU-1K"]
Smoothing = Literal["exp", "floor", "add-k", "none"]
_SMOOTH_DEFAULTS = {"floor": 0.1, "add-k": 1.0}
_TOKENISED_LINES = 100  # sacrebleu's own limit


@metric("bleu")
@dataclass(frozen=True)
class Bleu(Metric):
    """N-gram precision with brevity penalty, 0 to 100; the corpus value pools counts over all records.

    Rows are ``(matches₁…ₙ, totals₁…ₙ, hypothesis length, reference length)`` in tokens. Of several references each
    n-gram counts as often as in the reference that has it most, and the length is the closest one's (of equally close
    ones the shortest). A record's own value is sacrebleu's `sentence_bleu`, that is, always with effective order
    (as its command line has it for sentences); an empty output or reference gives 0.

    ``spm_model`` is a local sentencepiece file for the tokenisers spm, flores101, flores200 and spBLEU-1K; nothing is
    ever downloaded. Source: Papineni et al. (2002); Post (2018); smoothing as in Chen & Cherry (2014).

    Formula: BP · exp(Σ ln pₙ / N), pₙ = clipped matches / n-grams of the output, BP = exp(1 − r/c) where the output (c) is
    shorter than the references (r), else 1.

    Range: 0 to 100.

    Misleads: single sentences are too short for it: read the corpus value. Paraphrases score low however right they are,
    and values with other tokenisers, other numbers of references or other languages do not compare: quote the signature.
    """

    needs: ClassVar[tuple[str, ...]] = ("output", "reference")
    tokenize: Tokenizer = "13a"
    lowercase: bool = False
    force: bool = False  # says nothing about outputs that look tokenised already
    smooth_method: Smoothing = "exp"
    smooth_value: float | None = None  # None: 0.1 for floor, 1 for add-k
    max_ngram_order: int = 4
    effective_order: bool = False  # of the corpus value
    spm_model: str | None = None
    impl: Literal["fast", "reference"] = "fast"

    def __post_init__(self) -> None:
        if self.max_ngram_order < 1:
            raise SpecError(f"max_ngram_order is {self.max_ngram_order}; it must be at least 1")
        if self.smooth_value is not None and self.smooth_value < 0:
            raise SpecError(f"smooth_value is {self.smooth_value}; it must not be negative")
        if self.tokenize in SENTENCEPIECE and self.spm_model is None and self.impl == "fast":
            raise SpecError(
                f"tokenize: {self.tokenize} needs spm_model, the path of a local sentencepiece file; nothing is downloaded"
            )
        if self.spm_model is not None:
            if self.tokenize not in SENTENCEPIECE:
                raise SpecError(f"spm_model is given, but tokenize: {self.tokenize} does not use it")
            file_sha256(self.spm_model)
        if self.impl == "reference":
            installed("bleu with impl: reference", "reference", "sacrebleu")
            if self.tokenize in SENTENCEPIECE:
                raise SpecError(
                    f"impl: reference with tokenize: {self.tokenize} would download a model; use impl: fast with spm_model"
                )
        if self.tokenize in PACKAGES:
            installed(f"tokenize: {self.tokenize}", *PACKAGES[self.tokenize])

    @property
    def columns(self) -> tuple[str, ...]:
        orders = range(1, self.max_ngram_order + 1)
        return (*(f"matches{n}" for n in orders), *(f"totals{n}" for n in orders), "hypothesis_length", "reference_length")

    def measure(self, batch: Batch) -> Rows:
        outputs, references = batch.texts("output"), batch.lists("reference")
        if not self.force and sum(output.endswith(" .") for output in outputs) >= _TOKENISED_LINES:
            _note_tokenised()
        if self.impl == "reference":
            return Rows(self._reference_rows(outputs, references))
        order = self.max_ngram_order
        hypotheses, gold = self._tokens(batch, "output", outputs), self._tokens(batch, "reference", references.flat)
        if references.single:
            matches = pair_matches(hypotheses, gold, order)
        else:
            matches = pooled_matches(hypotheses, gold, references.offsets, order)
        lengths = hypotheses.lengths
        closest = closest_lengths(lengths, gold.lengths, references)
        return Rows(np.column_stack([matches, ngram_totals(lengths, order), lengths, closest]))

    def combine(self, totals: Floats) -> Floats:
        if self.impl == "reference":
            return self._reference_values(totals, self.effective_order)
        return self._values(totals, self.effective_order)[..., None]

    def record_values(self, rows: Rows) -> Floats:
        if self.impl == "reference":
            return self._reference_values(rows.values, True)
        return self._values(rows.values, True)[..., None]

    def signature(self, facts: DataFacts) -> str:
        smooth: str = self.smooth_method
        if smooth in _SMOOTH_DEFAULTS:
            smooth += f"[{self._smooth_value:.2f}]"
        return sacrebleu_signature(
            facts,
            case="lc" if self.lowercase else "mixed",
            eff=self.effective_order,
            tok=self._tokenizer_signature(),
            smooth=smooth,
        )

    def options(self) -> dict[str, Any]:
        """The options; a model file is its content, not its path."""
        told = super().options()
        if self.spm_model is not None:
            told["spm_model"] = f"sha256:{file_sha256(self.spm_model)}"
        return told

    @property
    def _smooth_value(self) -> float:
        return _SMOOTH_DEFAULTS.get(self.smooth_method, 0.0) if self.smooth_value is None else self.smooth_value

    def _tokenizer_signature(self) -> str:
        if self.tokenize in ("ja-mecab", "ko-mecab"):
            return mecab(self.tokenize)[1]
        if self.tokenize in SENTENCEPIECE:
            model = f"[sha256-{file_sha256(self.spm_model)[:12]}]" if self.spm_model else ""
            return SENTENCEPIECE[self.tokenize] + model
        return self.tokenize

    def _tokens(self, batch: Batch, column: str, texts: list[str]) -> Sequences:
        """A column's tokens; numbers are comparable between the columns of a batch."""
        lowercase, tokenize = self.lowercase, self.tokenize
        model = file_sha256(self.spm_model) if self.spm_model else None

        def build() -> Sequences:
            lines = [text.lower() for text in texts] if lowercase else texts
            if tokenize == "char":
                return Sequences.of_texts(squeezed(lines))
            if tokenize in ("none", "13a", "zh", "intl"):
                pieces = batch.derive(("mt_tokens", "pieces", tokenize), lambda: WordPieces(tokenize))
                return pieces.encode(lines)
            segment = self._segmenter(model)
            pieces = batch.derive(("mt_tokens", "pieces", tokenize, model), lambda: WordPieces("none"))
            return pieces.encode([segment(line.rstrip()) for line in lines])

        return batch.derive(("mt_tokens", column, tokenize, model, lowercase), build)

    def _segmenter(self, model: str | None) -> Segmenter:
        if self.spm_model is None or model is None:
            return mecab(self.tokenize)[0]
        return sentencepiece(self.spm_model, model)

    def _values(self, totals: Floats, effective_order: bool) -> Floats:
        """BLEU of sums, shape (..., k) to (...); sums need not be whole numbers."""
        order = self.max_ngram_order
        totals = np.asarray(totals, dtype=np.float64)
        length, wanted = totals[..., 2 * order], totals[..., 2 * order + 1]
        added = self._smooth_value if self.smooth_method == "add-k" else 0.0
        usable = np.ones(totals.shape[:-1], dtype=bool)  # until an order has no n-grams at all
        orders = np.zeros(totals.shape[:-1])
        logs = np.zeros(totals.shape[:-1])
        halvings = np.ones(totals.shape[:-1])
        with np.errstate(divide="ignore", invalid="ignore"):
            penalty = np.where(length < wanted, np.where(length > 0, np.exp(1 - wanted / length), 0.0), 1.0)
            for n in range(order):
                matches, possible = totals[..., n], totals[..., order + n]
                if n:
                    matches, possible = matches + added, possible + added
                usable = usable & (possible != 0)
                none = matches == 0
                if self.smooth_method == "exp":
                    halvings = np.where(usable & none, halvings * 2, halvings)
                    unmatched = 100.0 / (halvings * possible)
                elif self.smooth_method == "floor":
                    unmatched = 100.0 * self._smooth_value / possible
                else:
                    unmatched = np.zeros_like(possible)
                precision = np.where(none, unmatched, 100.0 * matches / possible)
                logs = np.where(usable, logs + np.log(precision), logs)
                orders = orders + usable
            mean = logs / np.maximum(orders, 1)
            scores = penalty * np.exp(mean)
        if not effective_order:
            scores = np.where(usable, scores, 0.0)
        missing = np.isnan(totals).any(axis=-1)
        scores = np.where((totals[..., :order] != 0).any(axis=-1), scores, 0.0)
        return np.where(missing, np.nan, scores)

    def _reference(self, effective_order: bool) -> Any:
        """sacrebleu's own BLEU with these options."""
        from sacrebleu.metrics.bleu import BLEU

        return BLEU(
            lowercase=self.lowercase,
            force=True,
            tokenize=self.tokenize,
            smooth_method=self.smooth_method,
            smooth_value=self.smooth_value,
            max_ngram_order=self.max_ngram_order,
            effective_order=effective_order,
        )

    def _reference_rows(self, outputs: list[str], references: Ragged) -> Floats:
        scorer = self._reference(True)
        most = int(references.counts.max(initial=0))
        streams = [[texts[rank] if rank < len(texts) else None for texts in references] for rank in range(most)]
        rows = np.array(scorer._extract_corpus_statistics(outputs, streams), dtype=np.float64)
        return np.column_stack([rows[:, 2:], rows[:, :2]])  # sacrebleu has the lengths first

    def _reference_values(self, totals: Floats, effective_order: bool) -> Floats:
        scorer = self._reference(effective_order)
        totals = np.asarray(totals, dtype=np.float64)
        flat = totals.reshape(-1, totals.shape[-1])
        order = self.max_ngram_order
        scores = [
            float("nan")
            if np.isnan(row).any()
            else scorer._compute_score_from_stats([*row[2 * order :].tolist(), *row[: 2 * order].tolist()]).score
            for row in flat
        ]
        return np.array(scores, dtype=np.float64).reshape(*totals.shape[:-1], 1)


def closest_lengths(hypotheses: Ints, references: Ints, owners: Ragged) -> Ints:
    """Of each record's references the length closest to the hypothesis', the shorter of two equally close."""
    if owners.single:
        return references
    spread = np.abs(references - hypotheses[owners.owners])
    scale = int(references.max(initial=0)) + 1
    return np.minimum.reduceat(spread * scale + references, owners.offsets[:-1]) % scale


@cache
def _note_tokenised() -> None:
    """Once a process: outputs that end in a tokenised period are tokenised twice, which may lower the score."""
    logging.getLogger(__name__).warning(
        "bleu: %d or more outputs end in ' .', as if tokenised already; undo that, or set `force: true`", _TOKENISED_LINES
    )
