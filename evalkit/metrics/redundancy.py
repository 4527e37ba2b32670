"""How far retrieved passages repeat each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from evalkit.core.batch import Batch
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.metrics.embedded import PassageMetric
from evalkit.metrics.passages import Cosines, check_threshold
from evalkit.stats.ratio import ratio
from evalkit.text.ngrams import Ints
from evalkit.text.shingles import Pairs, shingles, within

DUPLICATES = {"overlap": 0.8, "embedding": 0.95}
_NAMED = 3  # pairs in a reason
_KEPT = 20  # pairs in the evidence of a record


@metric("redundancy")
@dataclass(frozen=True)
class Redundancy(PassageMetric):
    """How like a better-ranked passage each retrieved one is, the first left out: the mean of the highest likeness; 0 to 1.

    Likeness is the share of the runs of three words of the shorter passage that the longer one has too (``overlap``), or the
    cosine of sentence vectors, below 0 as 0 (``embedding``). Runs of three tell copies and overlapping chunks, of whatever
    length, from passages that are about the same in other words; vectors tell the latter too.

    Parts: ``diversity`` is 1 − the mean likeness of all pairs; ``duplicates`` the share of passages, the first left out,
    whose likeness with a better-ranked one is ``threshold`` or more. Corpus values are means over records. Blank passages,
    with ``overlap`` those without words, are left out; fewer than two of the rest: skipped.

    Args:
        similarity: what likeness is: ``overlap`` or ``embedding``, which needs a backend that embeds.
        threshold: the likeness of near-duplicates; by default 0.8 of overlap, 0.95 of embedding.
        k: only the first k passages.

    Formula: 1/(m − 1) · Σ over ranks i > 1 of max over j < i of likeness(i, j).

    Range: 0 to 1.

    Misleads: more passages find more that is alike, so that only equally many compare (``k``). By ``overlap`` two passages
    that say the same in other words do not repeat each other, and boilerplate that stands in all of them does. A retriever
    that returns unrelated noise repeats nothing: read it beside recall.

    Source: what maximal marginal relevance (Carbonell & Goldstein 1998) takes off a candidate, averaged over what was
    retrieved; runs of words as in Broder (1997).
    """

    needs: ClassVar[tuple[str, ...]] = ("contexts",)
    higher_is_better: ClassVar[bool | None] = False

    similarity: Literal["overlap", "embedding"] = "overlap"
    threshold: float | None = None  # the likeness of near-duplicates; by default 0.8 of overlap, 0.95 of embedding
    k: int | None = None  # only the first k passages; None: all

    def __post_init__(self) -> None:
        check_threshold(self.threshold, self.similarity, "similarity")
        if self.k is not None and self.k < 2:
            raise ValueError(f"k must be at least 2, not {self.k}: one passage repeats nothing")

    @property
    def parts(self) -> tuple[str, ...]:
        return ("", "diversity", "duplicates")

    @property
    def columns(self) -> tuple[str, ...]:
        return ("redundancy", "diversity", "duplicates", "records")

    def direction(self, part: str) -> bool | None:
        return part == "diversity"

    def range_of(self, part: str) -> tuple[float, float] | None:  # noqa: ARG002 - one for all
        return 0.0, 1.0

    def options(self) -> dict[str, Any]:
        """With the threshold that holds."""
        return {**super().options(), "threshold": self.least}

    @property
    def least(self) -> float:
        """The likeness from which a passage is a near-duplicate."""
        return DUPLICATES[self.similarity] if self.threshold is None else self.threshold

    def lacking(self, batch: Batch) -> dict[int, str]:
        """As for any metric, but an empty list is a value: nothing was retrieved."""
        return {index: "no contexts" for index, value in enumerate(batch.column("contexts")) if value is None}

    def combine(self, totals: Floats) -> Floats:
        """Means over the records."""
        return ratio(totals[..., :-1], totals[..., -1:])

    def measured(self, batch: Batch, cosines: Cosines | None) -> Rows:
        lists = batch.lists("contexts")
        owners, n = lists.owners, len(batch)
        ranks = np.arange(len(owners)) - lists.offsets[owners] + 1
        first = np.flatnonzero(ranks <= self.k) if self.k is not None else np.arange(len(owners))
        kept, pairs = _alike([lists.flat[place] for place in first.tolist()], owners[first], cosines)
        owners, ranks = owners[first[kept]], ranks[first[kept]]

        m = np.bincount(owners, minlength=n)
        closest, best = _closest(pairs, len(owners))
        summed = np.bincount(owners, weights=best, minlength=n)
        mean = ratio(np.bincount(owners[pairs.left], weights=pairs.likeness, minlength=n), m * (m - 1) / 2)
        again = best >= self.least - 1e-12
        repeated = np.bincount(owners, weights=again, minlength=n)
        wrong = dict.fromkeys(np.flatnonzero(np.isnan(summed)).tolist(), "a passage's vector has no direction")
        skipped = {index: _too_few(int(m[index])) for index in np.flatnonzero(m < 2).tolist() if index not in wrong}
        rows = Rows.of(ratio(summed, m - 1), 1 - mean, ratio(repeated, m - 1), np.ones(n), errors=wrong, skipped=skipped)
        self._note(rows, owners, ranks, closest, best)
        return rows

    def _note(self, rows: Rows, owners: Ints, ranks: Ints, closest: Ints, best: Floats) -> None:
        """Which passage is most like which, the most alike first."""
        told: dict[int, list[dict[str, Any]]] = {}
        scored = rows.scored()
        order = np.lexsort((ranks, -best, owners))
        order = order[(best[order] > 0) & scored[owners[order]]]
        columns = (owners[order], ranks[order], ranks[closest[order]], best[order])
        for owner, rank, other, likeness in zip(*(column.tolist() for column in columns)):
            told.setdefault(owner, []).append({"rank": rank, "like": other, "likeness": round(likeness, 4)})
        for index in np.flatnonzero(scored).tolist():
            pairs = told.get(index, [])
            same = [pair for pair in pairs if pair["likeness"] >= self.least - 1e-4]
            if same:
                named = ", ".join(f"{pair['rank']} repeats {pair['like']}" for pair in same[:_NAMED])
                rows.reasons[index] = named + (", …" if len(same) > _NAMED else "")
            elif pairs:
                most = pairs[0]
                rows.reasons[index] = f"most alike are {most['like']} and {most['rank']}, at {most['likeness']:.2f}"
            else:
                rows.reasons[index] = "no two passages have anything in common"
            rows.evidence[index] = {"similarity": self.similarity, "threshold": self.least, "pairs": pairs[:_KEPT]}


def _too_few(m: int) -> str:
    return "one passage: nothing that it could repeat" if m else "no passages: nothing that could repeat"


def _alike(texts: list[str], owners: Ints, cosines: Cosines | None) -> tuple[Ints, Pairs]:
    """The places of the texts that say anything, and all pairs of those that are like each other at all."""
    if cosines is not None:
        kept = np.flatnonzero(np.array([bool(text.strip()) for text in texts], dtype=bool))
        filled = [texts[place] for place in kept.tolist()]
        pairs = cosines.across(filled, owners[kept], filled, owners[kept])
        upper = pairs.left < pairs.right
        return kept, Pairs(pairs.left[upper], pairs.right[upper], pairs.likeness[upper])
    runs = shingles(texts)
    kept = np.flatnonzero(runs.words)
    return kept, within(runs.take(kept), owners[kept])


def _closest(pairs: Pairs, n: int) -> tuple[Ints, Floats]:
    """Of each of n passages the better-ranked one that is most like it, and how like; 0 where none is."""
    order = np.lexsort((-pairs.left, pairs.likeness, pairs.right))  # NaN last, so that it is seen
    closest, best = np.zeros(n, dtype=np.int64), np.zeros(n)
    closest[pairs.right[order]] = pairs.left[order]  # of several the last one stays: the most alike, then the best ranked
    best[pairs.right[order]] = pairs.likeness[order]
    return closest, best
