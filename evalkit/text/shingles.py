"""Runs of words that texts have in common, for all pairs within many small groups at once: are they cut from one text?"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evalkit.text.ngrams import Ints, offsets_of

if TYPE_CHECKING:
    from evalkit.text.terms import Hashes

LENGTH = 3  # words of a run: single words are shared by all texts of a field, three in a row by few that were not copied
_TEXTS, _GROUPS = 1 << 11, 1 << 8  # looked at together, so that what is sorted stays in the cache
_MULTIPLY, _FOLD = np.uint64(0x9E3779B97F4A7C15), np.uint64(29)
_BITS, _ROOM = np.uint64(48), np.uint64(16)  # of a hash, and those above it, which say whose it is
_HASH = np.uint64((1 << 48) - 1)


def plain(text: str) -> str:
    """A text in one form of Unicode (NFKC) and without case: ``ﬁ`` is ``fi``, ``É`` is ``é``, ``ß`` is ``ss``."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


@dataclass(frozen=True)
class Shingles:
    """The different runs of words of ``n`` texts, as hashes of 48 bits.

    Those of text ``i`` are ``hashes[offsets[i]:offsets[i + 1]]``.

    Attributes:
        words: how many words each text has, shape (n,).
    """

    hashes: Hashes
    offsets: Ints  # (n + 1,)
    words: Ints

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> Ints:
        """Different runs of each text, shape (n,)."""
        return np.diff(self.offsets)

    @property
    def rows(self) -> Ints:
        """The text of each run."""
        return np.repeat(np.arange(len(self)), self.counts)

    def take(self, indices: Ints) -> Shingles:
        """Those of the texts at ``indices``, which may repeat, in that order."""
        counts = self.counts[indices]
        offsets = offsets_of(counts)
        places = np.repeat(self.offsets[:-1][indices] - offsets[:-1], counts) + np.arange(offsets[-1])
        return Shingles(self.hashes[places], offsets, self.words[indices])


def shingles(texts: Sequence[str], length: int = LENGTH) -> Shingles:
    """The different runs of ``length`` words (`evalkit.text.terms`) of texts in `plain` form.

    A text of fewer words has one run, of all its words; a text without words has none.
    """
    numbers: dict[str, int] = {}
    own = np.fromiter((numbers.setdefault(text, len(numbers)) for text in texts), dtype=np.int64, count=len(texts))
    different = list(numbers)
    blocks = [_of_block(different[low : low + _TEXTS], length) for low in range(0, max(len(different), 1), _TEXTS)]
    hashes, counts, words = (np.concatenate(parts) for parts in zip(*blocks))
    return Shingles(hashes, offsets_of(counts), words).take(own)


def _of_block(texts: Sequence[str], length: int) -> tuple[Hashes, Ints, Ints]:
    """The runs of some texts, and how many runs and words each has."""
    import pyarrow as pa

    from evalkit.text.terms import terms

    found = terms(pa.array([plain(text) for text in texts], pa.large_string()))
    counts, symbols = found.counts, found.hashes
    lengths = np.minimum(counts, length)
    owners = np.repeat(np.arange(len(texts)), counts)
    left = np.repeat(found.offsets[1:], counts) - np.arange(len(symbols))  # words to the text's end
    starts = np.flatnonzero(left >= lengths[owners])
    owners = owners[starts]
    hashes = np.zeros(len(starts), dtype=np.uint64)
    for place in range(length):
        inside = np.flatnonzero(lengths[owners] > place)
        mixed = hashes[inside]
        hashes[inside] = (mixed ^ (mixed >> _FOLD)) * _MULTIPLY + symbols[starts[inside] + place]
    keys = np.sort(_keyed(hashes >> _ROOM, owners))
    keys = keys[np.diff(keys, prepend=~keys[:1]) != 0]
    return keys & _HASH, np.bincount((keys >> _BITS).astype(np.int64), minlength=len(texts)), counts


def _keyed(hashes: Hashes, owners: Ints) -> Hashes:
    """Hashes told apart by owner, of which there are fewer than 65,536."""
    told: Hashes = hashes | (owners.astype(np.uint64) << _BITS)
    return told


@dataclass(frozen=True)
class Pairs:
    """Pairs of texts that share anything, ascending by left and right, and how like each other they are, from 0 to 1."""

    left: Ints
    right: Ints
    likeness: NDArray[np.float64]


def within(texts: Shingles, groups: Ints) -> Pairs:
    """Every pair of texts of one group, the earlier one left, and the share of the shorter's runs that the longer has too.

    Shorter is the one with fewer different runs: a text that was cut out of another has a likeness of 1 with it.

    Args:
        groups: of each text, from 0, ascending.
    """
    return _pairs(texts, groups, texts, groups)


def across(left: Shingles, left_groups: Ints, right: Shingles, right_groups: Ints) -> Pairs:
    """The same of every left text with every right one of its group."""
    return _pairs(left, left_groups, right, right_groups)


def _pairs(left: Shingles, left_groups: Ints, right: Shingles, right_groups: Ints) -> Pairs:
    n = max((int(groups[-1]) + 1 for groups in (left_groups, right_groups) if len(groups)), default=0)
    found = [_empty()]
    for low in range(0, n, _GROUPS):
        mine, theirs = (np.searchsorted(groups, (low, low + _GROUPS)) for groups in (left_groups, right_groups))
        some = left.take(np.arange(*mine)), left_groups[slice(*mine)] - low
        others = (right.take(np.arange(*theirs)), right_groups[slice(*theirs)] - low) if right is not left else some
        pairs = _of_few(*some, *others)
        found.append(Pairs(pairs.left + mine[0], pairs.right + theirs[0], pairs.likeness))
    return Pairs(*(np.concatenate([getattr(one, name) for one in found]) for name in ("left", "right", "likeness")))


def _of_few(left: Shingles, left_groups: Ints, right: Shingles, right_groups: Ints) -> Pairs:
    """By one product of sparse matrices: a row is a text, a column a run in a group."""
    same = left is right
    keys = _keyed(left.hashes, left_groups[left.rows])
    both = keys if same else np.concatenate([keys, _keyed(right.hashes, right_groups[right.rows])])
    known, columns = np.unique(both, return_inverse=True)
    first = _matrix(left, columns[: len(keys)], len(known))
    second = first if same else _matrix(right, columns[len(keys) :], len(known))
    found = (first @ second.T).tocoo()
    kept = found.row < found.col if same else np.ones(len(found.row), dtype=bool)
    rows, others, shared = found.row[kept].astype(np.int64), found.col[kept].astype(np.int64), found.data[kept]
    order = np.lexsort((others, rows))
    rows, others = rows[order], others[order]
    return Pairs(rows, others, shared[order] / np.minimum(left.counts[rows], right.counts[others]))


def _matrix(texts: Shingles, columns: Ints, n: int) -> Any:
    from scipy import sparse

    return sparse.csr_matrix((np.ones(len(columns)), columns, texts.offsets), shape=(len(texts), max(n, 1)))


def _empty() -> Pairs:
    none = np.zeros(0, dtype=np.int64)
    return Pairs(none, none, np.zeros(0))
