"""Translation edit rate, equal to sacrebleu's."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from evalkit.core.batch import Batch
from evalkit.core.contracts import DataFacts, Metric
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.metrics.mt_signature import sacrebleu_signature
from evalkit.text.mt_tokens import WordPieces
from evalkit.text.ngrams import Sequences
from evalkit.text.ter_shift import shifted_edits
from evalkit.text.ter_tokens import tercom_line

MOST_PAIRS = 2_000_000_000  # of a word here and one there: about a gigabyte
_TOO_LONG = f"output and reference are too long to compare: their words multiply to more than {MOST_PAIRS:,}"
_SURROGATES = 0xD800  # the first code point that is no character; there are 0x800 of them


@metric("ter")
@dataclass(frozen=True)
class Ter(Metric):
    """Word edits and block shifts over reference words, in percent; 0 is perfect, and it can exceed 100.

    Rows are ``(edits, reference words)``; the corpus value pools them. Of several references the fewest edits count,
    over their mean length. An empty reference gives 100 for any output but the empty one, which gives 0.
    Formula: 100 · (insertions + deletions + substitutions + shifts) / reference words.

    Range: from 0 up; beyond 100 where more is to be edited than the reference has words.

    Misleads: short references make it jump; a paraphrase costs as much as nonsense. Without `normalized` punctuation that
    hangs on a word makes it another word.

    Source: Snover et al. (2006), with Tercom's shift search.
    """

    needs: ClassVar[tuple[str, ...]] = ("output", "reference")
    higher_is_better: ClassVar[bool | None] = False
    normalized: bool = False  # XML entities decoded, Western punctuation set apart
    no_punct: bool = False  # punctuation removed
    asian_support: bool = False  # both of these for Chinese, Japanese and Korean characters and marks too
    case_sensitive: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return ("edits", "reference_words")

    def measure(self, batch: Batch) -> Rows:
        references = batch.lists("reference")
        hypotheses = self._words(batch, "output", batch.texts("output"))
        gold = self._words(batch, "reference", references.flat)
        owners = references.owners.tolist()
        errors = {owner: _TOO_LONG for owner, words in zip(owners, gold) if len(hypotheses[owner]) * len(words) > MOST_PAIRS}
        edits = np.array(
            [shifted_edits(hypotheses[owner], words) if owner not in errors else 0 for owner, words in zip(owners, gold)],
            dtype=np.float64,
        )
        lengths = np.fromiter(map(len, gold), np.float64, len(gold))
        if references.single:
            rows = Rows.of(edits, lengths)
        else:
            starts = references.offsets[:-1]
            rows = Rows.of(np.minimum.reduceat(edits, starts), np.add.reduceat(lengths, starts) / references.counts)
        rows.errors.update(errors)
        rows.values[list(errors)] = np.nan
        return rows

    def combine(self, totals: Floats) -> Floats:
        edits, words = totals[..., 0], totals[..., 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(words > 0, edits / words, np.where(edits > 0, 1.0, 0.0))
        return np.where(np.isnan(edits + words), np.nan, 100 * rate)[..., None]

    def signature(self, facts: DataFacts) -> str:
        return sacrebleu_signature(
            facts,
            case="mixed" if self.case_sensitive else "lc",
            tok="tercom",
            norm=self.normalized,
            punct=not self.no_punct,
            asian=self.asian_support,
        )

    def _words(self, batch: Batch, column: str, texts: list[str]) -> list[str]:
        """Each text's words as a string of one character per word, comparable between the columns of a batch."""
        options = (self.normalized, self.no_punct, self.asian_support, self.case_sensitive)

        def build() -> list[str]:
            pieces = batch.derive(("mt_tokens", "pieces", "ter"), lambda: WordPieces("none"))
            lines = [tercom_line(text, *options) for text in texts]
            if column == "reference" and self.normalized:  # as sacrebleu: a second pass splits "it's ," further
                lines = [tercom_line(" ".join(line.split()), *options) for line in lines]
            return as_strings(pieces.encode(lines))

        return batch.derive(("ter", "words", column, *options), build)


def as_strings(sequences: Sequences) -> list[str]:
    """Token numbers as one string per sequence, a character per token (of 1,112,064; more distinct tokens clash)."""
    codes = sequences.ids.astype(np.uint32)
    codes[codes >= _SURROGATES] += 0x800
    whole = codes.tobytes().decode("utf-32-le")
    bounds = sequences.offsets.tolist()
    return [whole[low:high] for low, high in pairwise(bounds)]
