"""How much text a retriever hands on, and how much of it is noise."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np

from evalkit.core.batch import Batch
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.metrics.embedded import PassageMetric
from evalkit.metrics.passages import TEXTS, THRESHOLDS, Cosines, Matched, check_threshold
from evalkit.metrics.retrieval import graded, ranked
from evalkit.stats.ratio import ratio
from evalkit.text.ngrams import Ints

IDS = ("retrieved_ids", "relevant_ids")
Way = Literal["auto", "none", "ids", "exact", "normalised", "overlap", "embedding"]


@metric("context_size")
@dataclass(frozen=True)
class ContextSize(PassageMetric):
    """Words and passages that a record's contexts have, and the share of the words that are noise.

    ``words`` and ``passages`` are means over records, from 0 up; neither is better high or low. Words are counted as in
    `evalkit.text.terms`: a character of a script without spaces is one.

    ``noise`` is the share, 0 to 1, of words that stand in passages which match no relevant one, pooled over the records of
    which it is known what is relevant: long contexts weigh more, as they do on the bill. Lower is better. A passage is
    relevant as the rank metrics have it (`RankMetric`): it matches one of ``reference_contexts`` by the way and from the
    threshold that the options say, or, with ``match: ids``, the id at its place in ``retrieved_ids`` is among
    ``relevant_ids`` with a grade above 0. ``auto`` takes the ids where the data has both columns, else texts by ``overlap``,
    else leaves noise out (``none``). Where no record has anything relevant, or no words were retrieved, there is no noise to
    tell, and the part has no value.

    Args:
        match: how a passage is known to be relevant: ``ids``, ``exact``, ``normalised``, ``overlap`` or ``embedding``, as of
            the rank metrics; ``none`` leaves noise out. ``auto``: what the data allows, ids first, else overlap.
        threshold: the likeness from which texts match; by default 0.4 of overlap, 0.8 of embedding.

    Formula: noise = words in passages that match nothing relevant / words in passages.

    Range: words and passages from 0 up; noise 0 to 1.

    Misleads: a long passage that matches counts as all useful, whatever else stands in it, so that shorter cuts look
    noisier. What nobody judged counts as noise. Words are not a model's tokens.

    Source: ours.
    """

    needs: ClassVar[tuple[str, ...]] = ("contexts",)
    higher_is_better: ClassVar[bool | None] = None

    match: Way = "auto"
    threshold: float | None = None  # the likeness from which texts match; by default 0.4 of overlap, 0.8 of embedding

    def __post_init__(self) -> None:
        check_threshold(self.threshold, self.match)

    @property
    def parts(self) -> tuple[str, ...]:
        return ("words", "passages", "noise")

    @property
    def columns(self) -> tuple[str, ...]:
        return ("words", "passages", "records", "noise_words", "judged_words")

    def direction(self, part: str) -> bool | None:
        return False if part == "noise" else None

    def range_of(self, part: str) -> tuple[float, float] | None:
        return None if part == "noise" else (0.0, math.inf)

    def needs_of(self) -> tuple[str, ...]:
        if self.match == "ids":
            return ("contexts", *IDS)
        return self.needs if self.match in ("auto", "none") else TEXTS

    def for_columns(self, columns: Collection[str]) -> Self:
        if self.match != "auto":
            return self
        found: Way = "ids" if set(IDS) <= set(columns) else "overlap" if TEXTS[1] in columns else "none"
        return replace(self, match=found, threshold=self.threshold if found == "overlap" else None)

    def options(self) -> dict[str, Any]:
        """With the threshold that holds."""
        match = "none" if self.match == "auto" else self.match
        least = THRESHOLDS.get(match) if self.threshold is None else self.threshold
        return {"match": match, **({"threshold": least} if match in THRESHOLDS else {})}

    def lacking(self, batch: Batch) -> dict[int, str]:
        """Records without contexts; an empty list is a value, and what is relevant need not be known."""
        return {index: "no contexts" for index, value in enumerate(batch.column("contexts")) if value is None}

    def combine(self, totals: Floats) -> Floats:
        means = ratio(totals[..., :2], totals[..., 2:3])
        return np.concatenate([means, ratio(totals[..., 3:4], totals[..., 4:5])], axis=-1)

    def measured(self, batch: Batch, cosines: Cosines | None) -> Rows:
        lists, n = batch.lists("contexts"), len(batch)
        words = batch.derive(("words", "contexts"), lambda: word_counts(lists.flat))
        errors: dict[int, str] = {}
        if self.match in ("auto", "none"):
            relevant, known = np.ones(len(words), dtype=bool), np.zeros(n, dtype=bool)
        elif self.match == "ids":
            relevant, known = _by_ids(batch, lists.offsets, errors)
        else:
            matched = Matched.of(batch, self.match, self.threshold, cosines)
            relevant = np.zeros(len(words), dtype=bool)
            relevant[matched.relevant] = True
            known = matched.references.counts > 0
            errors = {index: why for index, why in matched.errors.items() if known[index]}
        noise = np.where(relevant | ~known[lists.owners], 0, words)
        of_records = [np.bincount(lists.owners, weights=weights, minlength=n) for weights in (words, noise)]
        rows = Rows.of(of_records[0], lists.counts, np.ones(n), of_records[1], np.where(known, of_records[0], 0), errors=errors)
        self._note(rows, words, noise, lists.offsets, known)
        return rows

    def _note(self, rows: Rows, words: Ints, noise: Ints, offsets: Ints, known: Any) -> None:
        counts, lost, bounds = words.tolist(), noise.tolist(), offsets.tolist()
        scored = rows.scored().tolist()
        for index, (low, high) in enumerate(zip(bounds, bounds[1:])):
            if not scored[index]:
                continue
            total, idle = sum(counts[low:high]), sum(lost[low:high])
            told = f"{total:,} word{'' if total == 1 else 's'} in {high - low} passage{'' if high - low == 1 else 's'}"
            if known[index]:
                useless = [place - low + 1 for place in range(low, high) if lost[place]]
                rows.evidence[index] = {"words": counts[low:high], "match": self.match, "noise": useless}
                told += f", {idle:,} of them in {len(useless)} that match nothing relevant"
            else:
                rows.evidence[index] = {"words": counts[low:high]}
            rows.reasons[index] = told


def word_counts(texts: Sequence[str]) -> Ints:
    """How many words each text has, shape (n,); a text that comes again is read once."""
    import pyarrow as pa

    from evalkit.text.terms import terms

    numbers: dict[str, int] = {}
    own = np.fromiter((numbers.setdefault(text, len(numbers)) for text in texts), dtype=np.int64, count=len(texts))
    counts: Ints = terms(pa.array(list(numbers), pa.large_string())).counts
    return counts[own]


def _by_ids(batch: Batch, offsets: Ints, errors: dict[int, str]) -> tuple[Any, Any]:
    """Of each passage whether its id is relevant, and of each record whether that is known; what is wrong goes to errors."""
    relevant, known = np.zeros(int(offsets[-1]), dtype=bool), np.zeros(len(batch), dtype=bool)
    bounds = offsets.tolist()
    for index, (retrieved, wanted) in enumerate(zip(batch.column(IDS[0]), batch.column(IDS[1]))):
        if retrieved is None or not wanted:
            continue
        low, high = bounds[index : index + 2]
        try:
            ranks, grades = ranked(retrieved), graded(wanted)
        except ValueError as error:
            errors[index] = str(error)
            continue
        if len(ranks) != high - low:
            errors[index] = f"contexts has {high - low} passages, and retrieved_ids {len(ranks)} ids; they must be the same"
            continue
        known[index] = True
        for name, rank in ranks.items():
            relevant[low + rank - 1] = grades.get(name, 0) > 0
    return relevant, known
