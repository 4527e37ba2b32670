"""How unlike each other texts are: distinct n-grams, self-BLEU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np

from evalkit.core.batch import Batch
from evalkit.core.contracts import CorpusMetric, IntervalKind, Metric
from evalkit.core.errors import SpecError, quote
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.metrics.bleu import Bleu
from evalkit.stats.ratio import ratio
from evalkit.text.mt_tokens import WordPieces, squeezed
from evalkit.text.ngrams import Ints, Sequences, ngram_totals

ORDER = 4
PARTS = ("distinct_1", "distinct_2", "self_bleu")


@metric("diversity")
@dataclass(frozen=True)
class Diversity(Metric):
    """Distinct-1 and -2 (0 to 1) and self-BLEU (0 to 100), of a record's samples or of all outputs.

    Distinct-n is the number of different n-grams over the number of n-grams; more texts have a lower one, so that only
    equally many compare. Self-BLEU is the mean of each text's sentence BLEU (sacrebleu's, smoothed, effective order) with all
    the others as its references: low is diverse.

    With ``over: samples`` a record has values of its own, the corpus value is their mean, and a record of fewer than two
    samples, or of samples without words, is skipped. With ``over: output`` the outputs of the whole set, or of a slice, are
    put together: one value without an interval (`DiversityOfOutputs`).

    Formula: distinct-n = different n-grams / n-grams.

    Range: distinct-n 0 to 1, self-BLEU 0 to 100.

    Misleads: nonsense is diverse. Longer texts and more of them have lower distinct-n, so that sets of other size or length
    do not compare.

    Source: Li et al. (2016), arXiv:1510.03055 (there distinct-2 is over the number of words); Zhu et al. (2018),
    arXiv:1802.01886.
    """

    over: Literal["samples", "output"] = "samples"
    tokenize: Literal["13a", "none", "zh", "intl", "char"] = "13a"
    lowercase: bool = False

    def __new__(cls, over: str = "samples", *_: Any, **__: Any) -> Self:
        """An object of the kind of metric that ``over`` asks for."""
        return object.__new__(DiversityOfOutputs if over == "output" else cls)  # type: ignore[return-value]

    def __post_init__(self) -> None:
        if self.over not in ("samples", "output"):
            raise SpecError(f"over is {quote(self.over)}; it is samples or output")

    @property
    def parts(self) -> tuple[str, ...]:
        return PARTS

    @property
    def columns(self) -> tuple[str, ...]:
        """Each part's sum, and the records that have it: texts of one word have no distinct-2."""
        return (*PARTS, *(f"{part}_records" for part in PARTS))

    def direction(self, part: str) -> bool | None:
        return part != "self_bleu"

    def needs_of(self) -> tuple[str, ...]:
        return (self.over,)

    def combine(self, totals: Floats) -> Floats:
        """Means over the records."""
        return ratio(totals[..., :3], totals[..., 3:])

    def measure(self, batch: Batch) -> Rows:
        texts = batch.lists("samples")
        counted = counts(self._tokens(texts.flat), texts.owners, len(batch))
        values = np.concatenate([counted.distinct, _means(counted.bleu, texts.owners, len(batch))[:, None]], axis=1)
        has = ~np.isnan(values)
        skipped = dict.fromkeys(np.flatnonzero(~has[:, 0]).tolist(), "its samples have no words: nothing to compare")
        skipped |= dict.fromkeys(np.flatnonzero(texts.counts < 2).tolist(), "fewer than two samples: nothing to compare")
        return Rows(np.concatenate([np.where(has, values, 0.0), has], axis=1), skipped=skipped)

    def _tokens(self, texts: list[str]) -> Sequences:
        lines = [text.lower() for text in texts] if self.lowercase else texts
        if self.tokenize == "char":
            return Sequences.of_texts(squeezed(lines))
        return WordPieces(self.tokenize).encode(lines)


@dataclass(frozen=True)
class DiversityOfOutputs(Diversity, CorpusMetric):
    """`Diversity` of all outputs together."""

    interval: ClassVar[IntervalKind] = "none"
    additive: ClassVar[bool] = False

    @property
    def columns(self) -> tuple[str, ...]:
        return ("records",)

    def combine(self, totals: Floats) -> Floats:
        return CorpusMetric.combine(self, totals)

    def measure(self, batch: Batch) -> Rows:
        return CorpusMetric.measure(self, batch)

    def corpus(self, batch: Batch) -> Floats:
        """Distinct-1, distinct-2 and self-BLEU over all outputs, shape (3,)."""
        texts = batch.texts("output")
        counted = counts(self._tokens(texts), np.zeros(len(texts), dtype=np.int64), 1)
        mean = counted.bleu.mean() if len(texts) > 1 else np.nan
        return np.array([*counted.distinct[0], mean])


class Counted(NamedTuple):
    """Of groups: distinct-1 and -2, shape (groups, 2), NaN where there are no n-grams. Of texts: BLEU against the others
    of their group, shape (n,), 0 to 100."""

    distinct: Floats
    bleu: Floats


def counts(texts: Sequences, groups: Ints, n: int) -> Counted:
    """What is shared among the texts of each group.

    An n-gram of a text is clipped by its highest count in any other text of the group: the highest count of all, or where
    only this text has it so often, the second highest. So a group of m texts takes no m² comparisons.

    Args:
        groups: of each text, 0 to n − 1, ascending.
    """
    matches = np.zeros((len(texts), ORDER), dtype=np.int64)
    distinct = np.zeros((n, 2), dtype=np.int64)
    lengths, symbols = texts.lengths, texts.ids.astype(np.int64)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(symbols))  # symbols to the text's end
    owner = np.repeat(np.arange(len(texts)), lengths)
    prefix = groups[owner]  # the rank of the n-gram without its last symbol, told apart by group
    places = np.arange(len(symbols))
    for order in range(ORDER):
        places = places[left[places] > order]
        if not len(places):
            break
        keys = prefix[places] * (symbols.max() + 1) + symbols[places + order]
        _, ranks = np.unique(keys, return_inverse=True)
        prefix = np.zeros(len(symbols), dtype=np.int64)
        prefix[places] = ranks
        pairs, times = np.unique(ranks * len(texts) + owner[places], return_counts=True)
        gram, text = np.divmod(pairs, len(texts))
        starts = np.flatnonzero(np.diff(gram, prepend=-1))
        if order < 2:
            distinct[:, order] = np.bincount(groups[text[starts]], minlength=n)
        others = _highest_elsewhere(gram, times, starts)
        matches[:, order] = np.bincount(text, weights=np.minimum(times, others), minlength=len(texts))
    totals = ngram_totals(lengths, ORDER)
    rows = np.column_stack([matches, totals, lengths, _closest_length(lengths, groups)])
    summed = np.stack([np.bincount(groups, weights=totals[:, order], minlength=n) for order in range(2)], axis=1)
    return Counted(ratio(distinct, summed), Bleu().record_values(Rows(rows))[:, 0])


def _highest_elsewhere(gram: Ints, times: Ints, starts: Ints) -> Ints:
    """Of each (n-gram, text): the n-gram's highest count in another text, 0 where no other has it."""
    highest = np.maximum.reduceat(times, starts)[gram]
    at_top = times == highest
    alone = np.add.reduceat(at_top.astype(np.int64), starts)[gram] == 1
    second = np.maximum.reduceat(np.where(at_top, 0, times), starts)[gram]
    made: Ints = np.where(at_top & alone, second, highest)
    return made


def _closest_length(lengths: Ints, groups: Ints) -> Ints:
    """Of each text the length, among the others of its group, that is closest to its own, of two the shorter; alone: 0."""
    order = np.lexsort((lengths, groups))
    sizes, owners = lengths[order], groups[order]
    far = np.iinfo(np.int64).max // 2
    same = owners[1:] == owners[:-1]
    below = np.concatenate([[far], np.where(same, sizes[1:] - sizes[:-1], far)])  # how much shorter the one before is
    above = np.concatenate([np.where(same, sizes[1:] - sizes[:-1], far), [far]])
    closest = np.where(below <= above, sizes - below, sizes + above)
    found = np.zeros(len(lengths), dtype=np.int64)
    found[order] = np.where(np.minimum(below, above) == far, 0, closest)
    return found


def _means(values: Floats, groups: Ints, n: int) -> Floats:
    """The mean of each group's values, NaN where it has none."""
    return ratio(np.bincount(groups, weights=values, minlength=n), np.bincount(groups, minlength=n))
