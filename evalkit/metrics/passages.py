"""Passages as texts: which of those that were retrieved is which of those that should have been."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from evalkit.core.batch import Batch, Ragged
from evalkit.stats.matching import Vectors
from evalkit.text.ngrams import Ints, offsets_of
from evalkit.text.shingles import Pairs, across, plain, shingles

Match = Literal["auto", "ids", "exact", "normalised", "overlap", "embedding"]
TEXTS = ("contexts", "reference_contexts")
THRESHOLDS = {"overlap": 0.4, "embedding": 0.8}
_MARKS = re.compile(r"[\W_]+")
_ROUNDING = 1e-12  # of a likeness, which is a quotient
_NAMED = 5  # passages in a reason


def check_threshold(threshold: float | None, way: str, option: str = "match") -> None:
    """Raise `ValueError` unless a threshold is a likeness, and something is compared with it."""
    if threshold is None:
        return
    if way not in THRESHOLDS and way != "auto":
        raise ValueError(f"threshold belongs to `{option}: overlap` and `{option}: embedding`, and this is {way}")
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1, not {threshold:g}")


def normal(text: str) -> str:
    """A text without case, punctuation and what tells forms of Unicode apart, its words one space apart.

    Where nothing else is in it, the punctuation stays.
    """
    simple = plain(text)
    return _MARKS.sub(" ", simple).strip() or " ".join(simple.split())


@dataclass(frozen=True)
class Cosines:
    """Likeness by a model: vectors of length 1, and which row each text has."""

    vectors: Vectors
    rows: dict[str, int]

    def across(self, left: Sequence[str], left_groups: Ints, right: Sequence[str], right_groups: Ints) -> Pairs:
        """The cosine of every left text with every right one of its group; below 0 it counts as 0.

        Args:
            left_groups, right_groups: of each text, from 0, ascending.
        """
        n = max((int(groups[-1]) + 1 for groups in (left_groups, right_groups) if len(groups)), default=0)
        mine, theirs = (np.searchsorted(groups, np.arange(n + 1)).tolist() for groups in (left_groups, right_groups))
        at, others = (np.array([self.rows[text] for text in texts], dtype=np.int64) for texts in (left, right))
        found = [(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))]
        for low, high, first, last in zip(mine, mine[1:], theirs, theirs[1:]):
            if low == high or first == last:
                continue
            cosines = self.vectors[at[low:high]] @ self.vectors[others[first:last]].T
            rows, columns = np.divmod(np.arange(cosines.size), last - first)
            found.append((rows + low, columns + first, np.maximum(cosines.ravel().astype(np.float64), 0.0)))
        return Pairs(*(np.concatenate(parts) for parts in zip(*found)))


@dataclass(frozen=True)
class Matched:
    """The retrieved and the wanted passages of ``n`` records, and which of them match.

    Attributes:
        references: without blank ones, and each text once.
        numbers: of each of the references, its place in its record's own list, from 1.
        pairs: what is like what at all; left is a retrieved passage, right a wanted one, numbered through the batch.
        threshold: the likeness from which a pair matches.
    """

    n: int
    contexts: Ragged
    references: Ragged
    numbers: Ints
    pairs: Pairs
    threshold: float
    way: str
    errors: dict[int, str]
    skipped: dict[int, str]

    @classmethod
    def of(cls, batch: Batch, way: str, threshold: float | None, cosines: Cosines | None = None) -> Matched:
        """Of a batch; without a model it is compared once, whoever asks."""
        least = THRESHOLDS.get(way, 1.0) if threshold is None else threshold
        if cosines is not None:
            return cls._compared(batch, way, least, cosines)
        return batch.derive(("matched", way, least), lambda: cls._compared(batch, way, least, None))

    @classmethod
    def _compared(cls, batch: Batch, way: str, threshold: float, cosines: Cosines | None) -> Matched:
        errors: dict[int, str] = {}
        for column in TEXTS:
            for index, value in enumerate(batch.column(column)):
                if value is None:
                    errors.setdefault(index, f"no {column}")
        contexts = batch.lists(TEXTS[0])
        references, numbers = _different(batch.lists(TEXTS[1]), exact=way == "exact")
        none = np.flatnonzero(references.counts == 0).tolist()
        why = "reference_contexts is empty: nothing is known to be relevant"
        skipped = {index: why for index in none if index not in errors}
        pairs = _like(contexts, references, way, cosines)
        for owner in set(contexts.owners[pairs.left[np.isnan(pairs.likeness)]].tolist()):
            errors.setdefault(owner, "a passage's vector has no direction")
        return cls(len(batch), contexts, references, numbers, pairs, threshold, way, errors, skipped)

    @cached_property
    def matching(self) -> Pairs:
        """The pairs that match, of records that can be scored, ascending by retrieved passage."""
        kept = self.pairs.likeness >= self.threshold - _ROUNDING
        kept &= ~np.isin(self.contexts.owners[self.pairs.left], [*self.errors, *self.skipped])
        return Pairs(self.pairs.left[kept], self.pairs.right[kept], self.pairs.likeness[kept])

    @cached_property
    def relevant(self) -> Ints:
        """The retrieved passages that match any wanted one, ascending."""
        return np.unique(self.matching.left)

    @cached_property
    def finds(self) -> Pairs:
        """Each wanted passage that was found, with the best-ranked passage that matches it, by record and rank."""
        pairs = self.matching
        order = np.lexsort((pairs.left, pairs.right))
        _, first = np.unique(pairs.right[order], return_index=True)
        chosen = order[first]
        chosen = chosen[np.lexsort((pairs.right[chosen], pairs.left[chosen]))]
        return Pairs(pairs.left[chosen], pairs.right[chosen], pairs.likeness[chosen])

    def ranks(self, passages: Ints) -> Ints:
        """The ranks of retrieved passages, from 1."""
        ranks: Ints = passages - self.contexts.offsets[self.contexts.owners[passages]] + 1
        return ranks

    @cached_property
    def notes(self) -> tuple[dict[int, str], dict[int, Any]]:
        """Of each record that can be scored, in words how much was found, and as evidence which passage is which."""
        reasons: dict[int, str] = {}
        evidence: dict[int, Any] = {}
        matches, missed = self._matches(), self._missed()
        for index, (wanted, retrieved) in enumerate(zip(self.references.counts.tolist(), self.contexts.counts.tolist())):
            if index in self.errors or index in self.skipped:
                continue
            found, lost = matches.get(index, []), missed.get(index, [])
            told = f"{wanted - len(lost)} of {wanted} reference passages found among {retrieved}"
            if found:
                told += f", the first at rank {found[0]['rank']}"
            if lost:
                more = ", …" if len(lost) > _NAMED else ""
                told += f"; not found: {', '.join(str(one['reference']) for one in lost[:_NAMED])}{more}"
            reasons[index] = told
            threshold = {"threshold": self.threshold} if self.way in THRESHOLDS else {}
            evidence[index] = {"match": self.way, **threshold, "matches": found, "missed": lost}
        return reasons, evidence

    def _matches(self) -> dict[int, list[dict[str, Any]]]:
        """Of each record the pairs that match, by rank."""
        pairs = self.matching
        ranks, owners = self.ranks(pairs.left).tolist(), self.contexts.owners[pairs.left].tolist()
        found: dict[int, list[dict[str, Any]]] = {}
        for owner, rank, number, likeness in zip(owners, ranks, self.numbers[pairs.right].tolist(), pairs.likeness.tolist()):
            found.setdefault(owner, []).append({"rank": rank, "reference": number, "likeness": round(likeness, 4)})
        return found

    def _missed(self) -> dict[int, list[dict[str, Any]]]:
        """Of each record the wanted passages that were not found, each with what came closest, where anything is like it."""
        lost = np.setdiff1d(np.arange(len(self.references.flat)), self.matching.right)
        near = np.flatnonzero(np.isin(self.pairs.right, lost) & (self.pairs.likeness > 0))
        near = near[np.lexsort((self.pairs.left[near], -self.pairs.likeness[near], self.pairs.right[near]))]
        right, first = np.unique(self.pairs.right[near], return_index=True)
        closest = dict(zip(right.tolist(), near[first].tolist()))
        found: dict[int, list[dict[str, Any]]] = {}
        for owner, reference in zip(self.references.owners[lost].tolist(), lost.tolist()):
            note: dict[str, Any] = {"reference": int(self.numbers[reference])}
            if reference in closest:
                pair = closest[reference]
                rank = int(self.ranks(self.pairs.left[pair : pair + 1])[0])
                note |= {"closest_rank": rank, "likeness": round(float(self.pairs.likeness[pair]), 4)}
            found.setdefault(owner, []).append(note)
        return found


def _different(lists: Ragged, *, exact: bool) -> tuple[Ragged, Ints]:
    """Each record's texts without blank ones and repeated ones, and the place of each in its record's list, from 1."""
    seen: set[tuple[int, str]] = set()
    kept = []
    for place, (owner, text) in enumerate(zip(lists.owners.tolist(), lists.flat)):
        key = owner, text if exact else normal(text)
        if text.strip() and key not in seen:
            seen.add(key)
            kept.append(place)
    places = np.array(kept, dtype=np.int64)
    owners = lists.owners[places]
    counts = np.bincount(owners, minlength=len(lists))
    return Ragged([lists.flat[place] for place in kept], offsets_of(counts)), places - lists.offsets[owners] + 1


def _like(contexts: Ragged, references: Ragged, way: str, cosines: Cosines | None) -> Pairs:
    """What is like what, by the way that was asked for."""
    if cosines is not None:
        filled = np.flatnonzero([bool(text.strip()) for text in contexts.flat])
        texts = [contexts.flat[place] for place in filled.tolist()]
        pairs = cosines.across(texts, contexts.owners[filled], references.flat, references.owners)
        return Pairs(filled[pairs.left], pairs.right, pairs.likeness)
    if way == "overlap":
        both = shingles([*contexts.flat, *references.flat])
        mine, theirs = both.take(np.arange(len(contexts.flat))), both.take(np.arange(len(contexts.flat), len(both)))
        return across(mine, contexts.owners, theirs, references.owners)
    return _equal(contexts, references, exact=way == "exact")


def _equal(contexts: Ragged, references: Ragged, *, exact: bool) -> Pairs:
    """The pairs of equal texts; a record's references differ, so that a passage equals one at most."""
    numbers: dict[str, int] = {}
    forms: dict[str, int] = {}  # a text is brought to its form once, however often it was retrieved

    def number(text: str) -> int:
        if text not in forms:
            forms[text] = numbers.setdefault(text if exact else normal(text), len(numbers))
        return forms[text]

    theirs = np.fromiter(map(number, references.flat), dtype=np.int64, count=len(references.flat))
    mine = np.fromiter(map(number, contexts.flat), dtype=np.int64, count=len(contexts.flat))
    wanted = references.owners * len(numbers) + theirs
    order = np.argsort(wanted)
    keys = contexts.owners * len(numbers) + mine
    at = np.searchsorted(wanted[order], keys)
    left = (
        np.flatnonzero((at < len(wanted)) & (wanted[order][np.minimum(at, max(len(wanted) - 1, 0))] == keys))
        if len(wanted)
        else at[:0]
    )
    return Pairs(left, order[at[left]], np.ones(len(left)))
