"""What was retrieved against what is relevant, by ids or by texts, by trec_eval's conventions."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from evalkit.core.batch import Batch
from evalkit.core.contracts import IntervalKind
from evalkit.core.errors import SpecError, quote
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.metrics.embedded import PassageMetric
from evalkit.metrics.passages import TEXTS, THRESHOLDS, Cosines, Match, Matched, check_threshold
from evalkit.stats.ratio import ratio

Cutoffs = int | tuple[int, ...]
Ints = NDArray[np.int64]
_LARGEST = sys.float_info.max


@dataclass(frozen=True, kw_only=True)
class RankMetric(PassageMetric):
    """A mean over queries; rows are a query's own values and 1.

    ``retrieved_ids`` is a list, best first; an empty one retrieved nothing and scores 0.  ``relevant_ids`` is a list
    (each with grade 1) or ``{id: grade}``; what it does not name is not relevant.  A query without any judgement is
    skipped, as trec_eval leaves out a topic without qrels; one whose judged items all have grade 0 scores 0.  An id
    listed twice is an error.  Source: trec_eval 9, `m_*.c`.

    Without ids the texts speak: ``contexts`` are what was retrieved, best first, ``reference_contexts`` what is relevant,
    each with grade 1. ``match: auto`` takes the ids where the data has both columns, else texts by ``overlap``.

    - ``exact``: equal texts. ``normalised``: equal but for case, punctuation, white space and forms of Unicode (NFKC).
    - ``overlap``: the share of the runs of three words of the shorter of two texts that the longer has too, so that a
      passage that was cut elsewhere still matches. The default threshold lets a chunk match of which half stands in the
      reference: a little less than half of its runs do. Texts of fewer than three words match their equals only.
    - ``embedding``: the cosine of sentence vectors, of a backend that can embed; which threshold is right depends on the
      model.

    A reference passage is found once, at the rank of the first passage that matches it; a later chunk of it is no second
    hit for recall, average precision and nDCG, but it is a relevant passage for precision, as is one that was retrieved
    twice (`redundancy` tells of those). Where a passage matches several references, all are found at its rank; in average
    precision and nDCG they then take places one behind the other, so that neither exceeds 1. A reference passage that is
    named twice counts once, a blank one not at all.

    Args:
        match: how a retrieved passage is known to be a relevant one: by ``ids``, or with ``contexts`` and
            ``reference_contexts`` by their texts: ``exact``, ``normalised`` (case, punctuation, white space, forms of
            Unicode), ``overlap`` (the share of the shorter one's runs of three words that the longer one has too) or
            ``embedding`` (cosine; a backend that embeds). ``auto``: by ids where the data has both columns, else ``overlap``.
        threshold: the likeness from which texts match; by default 0.4 of overlap, 0.8 of embedding.
        k: the cutoffs, a part ``at_K`` each.
        level: the grade from which an item is relevant; texts have the grade 1.
    """

    needs = ("retrieved_ids", "relevant_ids")

    match: Match = "auto"
    threshold: float | None = None  # the likeness from which texts match; by default 0.4 of overlap, 0.8 of embedding

    @property
    def columns(self) -> tuple[str, ...]:
        return (*(part or "value" for part in self.parts), "queries")

    def needs_of(self) -> tuple[str, ...]:
        return self.needs if self.match in ("auto", "ids") else TEXTS

    def needs_instead(self) -> tuple[str, ...]:
        return TEXTS if self.match == "auto" else ()

    def for_columns(self, columns: Collection[str]) -> Self:
        if self.match != "auto" or (set(self.needs) <= set(columns)) or not set(TEXTS) <= set(columns):
            return self
        try:
            return replace(self, match="overlap")
        except ValueError as error:
            raise SpecError(f"{self.name}: {error}") from None

    def options(self) -> dict[str, Any]:
        """Those of ids without what texts are matched by; of texts with the threshold that holds."""
        told = super().options()
        match, threshold = told.pop("match"), told.pop("threshold")
        if match in ("auto", "ids"):
            return told
        least = {"threshold": THRESHOLDS[match] if threshold is None else threshold} if match in THRESHOLDS else {}
        return {**told, "match": match, **least}

    def lacking(self, batch: Batch) -> dict[int, str]:  # noqa: ARG002
        return {}  # an empty list is a value here, and `Judged` tells which records have none

    def measured(self, batch: Batch, cosines: Cosines | None) -> Rows:
        if self.match in ("auto", "ids"):
            judged = batch.derive(("judged",), lambda: Judged.of(batch))
        else:
            matched = Matched.of(batch, self.match, self.threshold, cosines)
            key = ("judged", self.match, matched.threshold)
            judged = batch.derive(key, lambda: Judged.of_texts(matched)) if cosines is None else Judged.of_texts(matched)
        values = np.column_stack([*self.per_query(judged), np.ones(judged.n)])
        return Rows(values, dict(judged.errors), dict(judged.skipped), dict(judged.reasons), dict(judged.evidence))

    def _check(self, level: float = 1) -> None:
        check_level(level)
        check_threshold(self.threshold, self.match)
        if level > 1 and self.match not in ("auto", "ids"):
            raise ValueError(
                f"level is {level:g}, and texts have the grade 1: with `match: {self.match}` none would be relevant"
            )

    def combine(self, totals: Floats) -> Floats:
        return ratio(totals[..., :-1], totals[..., -1:])

    @abstractmethod
    def per_query(self, judged: Judged) -> list[Floats]:
        """One array of shape (n,) per part."""


class CutMetric(RankMetric):
    """A metric of the first k ranks, for one or several k; the bare name means the largest."""

    k: Cutoffs
    level: float

    def __post_init__(self) -> None:
        check_cutoffs(self.k, least=1)
        self._check(self.level)

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(f"at_{k}" for k in listed(self.k))

    @property
    def main(self) -> str:
        return f"at_{max(listed(self.k))}"


@metric("precision_at_k")
@dataclass(frozen=True)
class PrecisionAtK(CutMetric):
    """Relevant items among the first k, over k, also where fewer than k were retrieved.

    Formula: relevant among the first k / k.

    Range: 0 to 1.

    Misleads: a query with fewer than k relevant items cannot reach 1. What nobody judged counts as not relevant: a better
    retriever that finds other passages looks worse.

    Source: trec_eval's `P`.
    """

    k: Cutoffs = (1, 5, 10)
    level: float = 1  # the grade from which an item is relevant

    def per_query(self, judged: Judged) -> list[Floats]:
        return [judged.hits(self.level, k) / k for k in listed(self.k)]


@metric("recall_at_k")
@dataclass(frozen=True)
class RecallAtK(CutMetric):
    """Relevant items among the first k, over all relevant ones.

    Formula: relevant among the first k / relevant.

    Range: 0 to 1.

    Misleads: it does not care where among the k an item stands, nor how much noise is beside it, and grows with k by
    itself. Where judgements are incomplete it is too high.

    Source: trec_eval's `recall`.
    """

    k: Cutoffs = (1, 5, 10)
    level: float = 1  # the grade from which an item is relevant

    def per_query(self, judged: Judged) -> list[Floats]:
        relevant = judged.relevant(self.level)
        return [ratio(judged.found(self.level, k), relevant, 0.0) for k in listed(self.k)]


@metric("hit_rate")
@dataclass(frozen=True)
class HitRate(CutMetric):
    """Share of queries with anything relevant among the first k (trec_eval's `success`).

    Misleads: one relevant item is as good as ten, at any rank: it saturates early and then hides differences.

    Source: trec_eval's `success`.
    """

    interval: ClassVar[IntervalKind] = "wilson"
    k: Cutoffs = (1, 5, 10)
    level: float = 1  # the grade from which an item is relevant

    def per_query(self, judged: Judged) -> list[Floats]:
        return [(judged.hits(self.level, k) > 0).astype(np.float64) for k in listed(self.k)]


@metric("mrr")
@dataclass(frozen=True)
class ReciprocalRank(RankMetric):
    """One over the rank of the first relevant item; 0 if none was retrieved, or none among the first k.

    Formula: 1 / rank of the first relevant item.

    Range: 0 to 1.

    Misleads: only the first relevant item counts: for questions whose answer takes several passages it says little. From
    rank 1 to 2 it falls by a half, from 10 to 20 by a twentieth.

    Source: Voorhees (1999), TREC-8 question answering; trec_eval's `recip_rank`.
    """

    k: Cutoffs = ()  # further parts `at_K`, the rank cut there
    level: float = 1  # the grade from which an item is relevant

    def __post_init__(self) -> None:
        check_cutoffs(self.k)
        self._check(self.level)

    @property
    def parts(self) -> tuple[str, ...]:
        return ("", *(f"at_{k}" for k in listed(self.k)))

    def per_query(self, judged: Judged) -> list[Floats]:
        relevant = judged.hit_grades >= self.level
        first = np.full(judged.n, np.inf)
        np.minimum.at(first, judged.hit_owners[relevant], judged.hit_ranks[relevant])
        return [1 / first, *(np.where(first <= k, 1 / first, 0.0) for k in listed(self.k))]


@metric("map")
@dataclass(frozen=True)
class AveragePrecision(RankMetric):
    """Precision at the rank of each relevant item, over all relevant ones, retrieved or not; mean over queries.

    Formula: Σ P@k at the ranks k of relevant items / relevant items.

    Range: 0 to 1.

    Misleads: queries with one relevant item weigh as much as those with fifty, and swing far more. Grades are not seen, and
    items without a judgement count as not relevant.

    Source: trec_eval's `map`.
    """

    k: Cutoffs = ()  # further parts `at_K`: items behind rank K count as not retrieved (trec_eval's `map_cut`)
    level: float = 1  # the grade from which an item is relevant

    def __post_init__(self) -> None:
        check_cutoffs(self.k)
        self._check(self.level)

    @property
    def parts(self) -> tuple[str, ...]:
        return ("", *(f"at_{k}" for k in listed(self.k)))

    def per_query(self, judged: Judged) -> list[Floats]:
        found = judged.found_grades >= self.level
        owners, ranks = judged.found_owners[found], judged.found_ranks[found]
        precisions = places(owners, judged.n) / judged.found_places[found]
        relevant = judged.relevant(self.level)
        cuts = [np.inf, *listed(self.k)]
        return [ratio(summed(np.where(ranks <= k, precisions, 0.0), owners, judged.n), relevant, 0.0) for k in cuts]


@metric("ndcg")
@dataclass(frozen=True)
class Ndcg(RankMetric):
    """Gain discounted by log₂(rank + 1), over that of the ideal ranking of all judged items; 0 where the ideal is 0.

    The gain is the grade (``linear``, trec_eval and Järvelin & Kekäläinen 2002) or 2^grade − 1 (``exp``, Burges et al.
    2005).

    Formula: DCG / ideal DCG, DCG = Σ gain / log₂(rank + 1).

    Range: 0 to 1.

    Misleads: `linear` and `exp` gains are two metrics. It is relative to what was judged: with few judgements per query it
    is close to a lottery, and never tells how good the best possible was.

    Source: Järvelin & Kekäläinen (2002); trec_eval's `ndcg`.
    """

    k: Cutoffs = (5, 10)  # parts `at_K`, both rankings cut there, beside the uncut value
    gain: Literal["linear", "exp"] = "linear"

    def __post_init__(self) -> None:
        check_cutoffs(self.k)
        self._check()

    @property
    def parts(self) -> tuple[str, ...]:
        return ("", *(f"at_{k}" for k in listed(self.k)))

    def per_query(self, judged: Judged) -> list[Floats]:
        n = judged.n
        best_first = np.lexsort((-judged.grades, judged.owners))
        ideal_owners, ideal_grades = judged.owners[best_first], judged.grades[best_first]
        ideal_ranks = places(ideal_owners, n)
        ideal = self._gains(ideal_grades) / np.log2(ideal_ranks + 1)
        found = self._gains(judged.found_grades) / np.log2(judged.found_places + 1)
        return [
            ratio(
                summed(np.where(judged.found_places <= k, found, 0.0), judged.found_owners, n),
                summed(np.where(ideal_ranks <= k, ideal, 0.0), ideal_owners, n),
                0.0,
            )
            for k in (np.inf, *listed(self.k))
        ]

    def _gains(self, grades: Floats) -> Floats:
        return grades if self.gain == "linear" else np.exp2(grades) - 1


@dataclass(frozen=True)
class Judged:
    """The judged items of a batch of queries, flat, query by query; what has a grade of 0 or less is left out.

    Of ids, what was retrieved and is relevant was found, once. Of texts several retrieved passages may be one wanted item,
    and one passage several: what was retrieved (the hits) and what was found by it then differ.
    """

    n: int
    owners: Ints  # the query of each item
    grades: Floats
    found_owners: Ints  # of those that were retrieved, in the order of their ranks
    found_ranks: Ints  # from 1
    found_places: Ints  # the ranks, but no two of a query alike: what one passage finds stands one behind the other
    found_grades: Floats
    hit_owners: Ints  # of the retrieved passages that are relevant, in the order of their ranks
    hit_ranks: Ints
    hit_grades: Floats
    errors: dict[int, str] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    evidence: dict[int, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, batch: Batch) -> Judged:
        """Of the two id columns: one dictionary of ranks a query, in which its judged items are looked up."""
        n = len(batch)
        errors: dict[int, str] = {}
        skipped: dict[int, str] = {}
        counts = np.zeros(n, dtype=np.int64)
        every_rank: list[int] = []
        every_grade: list[float] = []
        pairs = zip(batch.column("retrieved_ids"), batch.column("relevant_ids"), strict=True)
        for index, (retrieved, relevant) in enumerate(pairs):
            try:
                ranks_of, grades_of = ranked(retrieved), graded(relevant)
            except ValueError as error:
                errors[index] = str(error)
                continue
            if not grades_of:
                skipped[index] = "relevant_ids is empty: nothing is known to be relevant"
                continue
            every_rank.extend(map(ranks_of.get, grades_of, repeat(0)))
            every_grade.extend(grades_of.values())
            counts[index] = len(grades_of)
        owners = np.repeat(np.arange(n), counts)
        ranks, grades = np.array(every_rank, dtype=np.int64), np.array(every_grade, dtype=np.float64)
        kept = grades > 0
        owners, ranks, grades = owners[kept], ranks[kept], grades[kept]
        found = np.flatnonzero(ranks)
        found = found[np.lexsort((ranks[found], owners[found]))]
        whose, where, worth = owners[found], ranks[found], grades[found]
        return cls(n, owners, grades, whose, where, where, worth, whose, where, worth, errors, skipped)

    @classmethod
    def of_texts(cls, matched: Matched) -> Judged:
        """Of passages that were matched; each wanted one has grade 1."""
        finds, relevant = matched.finds, matched.relevant
        owners, ranks = matched.contexts.owners[finds.left], matched.ranks(finds.left)
        order = places(owners, matched.n)
        ahead = owners * (len(matched.contexts.flat) + 1)  # so that the furthest place of one query ends where another begins
        furthest = order + np.maximum.accumulate(ranks - order + ahead) - ahead
        wanted = matched.references.owners
        return cls(
            matched.n,
            wanted,
            np.ones(len(wanted)),
            owners,
            ranks,
            furthest,
            np.ones(len(owners)),
            matched.contexts.owners[relevant],
            matched.ranks(relevant),
            np.ones(len(relevant)),
            matched.errors,
            matched.skipped,
            *matched.notes,
        )

    def relevant(self, level: float) -> Floats:
        """How many items are relevant, shape (n,)."""
        return summed(self.grades >= level, self.owners, self.n)

    def found(self, level: float, k: int) -> Floats:
        """How many of the relevant items the first k hold, shape (n,)."""
        return summed((self.found_grades >= level) & (self.found_ranks <= k), self.found_owners, self.n)

    def hits(self, level: float, k: int) -> Floats:
        """How many of the first k are relevant, shape (n,)."""
        return summed((self.hit_grades >= level) & (self.hit_ranks <= k), self.hit_owners, self.n)


def ranked(retrieved: Any) -> dict[str, int]:
    """The rank of each id of a record, from 1.

    Raises:
        ValueError: there is no list, or it names an id twice.
    """
    if retrieved is None:
        raise ValueError("no retrieved_ids")
    ids = _ids(retrieved, "retrieved_ids")
    ranks = dict(zip(ids, range(1, len(ids) + 1), strict=True))
    if len(ranks) < len(ids):
        raise ValueError(f"retrieved_ids lists {quote(_repeated(ids))} twice")
    return ranks


def graded(relevant: Any) -> Mapping[str, float]:
    """The grade of each judged id of a record.

    Raises:
        ValueError: there are none, one is named twice, or a grade is no number.
    """
    if relevant is None:
        raise ValueError("no relevant_ids")
    if not isinstance(relevant, Mapping):
        ids = _ids(relevant, "relevant_ids")
        grades = dict.fromkeys(ids, 1.0)
        if len(grades) < len(ids):
            raise ValueError(f"relevant_ids lists {quote(_repeated(ids))} twice")
        return grades
    names, grades_told = relevant.keys(), relevant.values()
    if set(map(type, grades_told)) - {int} or max(map(abs, grades_told), default=0) > _LARGEST:
        for name, grade in relevant.items():
            if not isinstance(grade, (int, float)) or not abs(grade) <= _LARGEST:
                told = quote(grade) if isinstance(grade, str) else repr(grade)[:60]
                raise ValueError(f"relevant_ids: the grade of {quote(name)} is {told}, not a number")
    texts = _spelled(names, "relevant_ids")
    return relevant if texts is names else dict(zip(texts, grades_told, strict=True))


def _ids(value: Any, column: str) -> Collection[str]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{column} must be a list of ids, not {type(value).__name__}")
    return _spelled(value, column)


def _spelled(ids: Collection[Any], column: str) -> Collection[str]:
    """The ids as they are where all are text, else with whole numbers spelled out."""
    try:
        "".join(ids)  # the fastest way to see it
    except TypeError:
        strangers = [each for each in ids if type(each) not in (str, int)]
        if strangers:
            raise ValueError(f"{column} holds {strangers[0]!r}, which is no id") from None
        return list(map(str, ids))
    return ids


def _repeated(ids: Iterable[str]) -> str:
    return Counter(ids).most_common(1)[0][0]


def places(owners: Ints, n: int) -> Ints:
    """The place of each item within its owner's, from 1; equal owners stand together, in ascending order."""
    starts = np.searchsorted(owners, np.arange(n))
    return np.arange(1, len(owners) + 1) - starts[owners]


def summed(values: NDArray[Any], owners: Ints, n: int) -> Floats:
    """Sums by owner, shape (n,), added in the order of the items."""
    return np.bincount(owners, weights=values, minlength=n).astype(np.float64, copy=False)


def listed(k: Cutoffs) -> tuple[int, ...]:
    """One cutoff or several, as several."""
    return (k,) if isinstance(k, int) else tuple(k)


def check_cutoffs(k: Cutoffs, least: int = 0) -> None:
    """Raise `ValueError` unless every cutoff is a rank and none is named twice."""
    cutoffs = listed(k)
    if len(cutoffs) < least:
        raise ValueError("k must name at least one cutoff")
    for cutoff in cutoffs:
        if cutoff < 1:
            raise ValueError(f"k must be at least 1, not {cutoff}")
    if len(set(cutoffs)) < len(cutoffs):
        raise ValueError(f"k names {Counter(cutoffs).most_common(1)[0][0]} twice")


def check_level(level: float) -> None:
    """Raise `ValueError` unless a grade above 0 is asked for."""
    if not level > 0:
        raise ValueError(f"level must be above 0, not {level:g}: an item with grade 0 is not relevant")
