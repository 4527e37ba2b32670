"""Shared n-grams of many pairs of sequences, counted by sorting packed integers instead of filling dictionaries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]

CHUNK = 1 << 14  # symbols handled at once: the working arrays stay in the cache and memory stays flat
_KEY_BITS = 64


@dataclass(frozen=True)
class Sequences:
    """Many sequences of symbols (token ids, code points), stored flat: ``i`` is ``ids[offsets[i]:offsets[i + 1]]``.

    Equal symbols are equal integers; any integers of [0, 2**31) will do, and 0 means nothing special.
    """

    ids: NDArray[np.int32]
    offsets: Ints  # (n + 1,)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Ints:
        """Symbols per sequence, shape (n,)."""
        return np.diff(self.offsets)

    def slice(self, low: int, high: int) -> Sequences:
        """The sequences from ``low`` up to ``high``, without copying their symbols."""
        first, last = self.offsets[low], self.offsets[high]
        return Sequences(self.ids[first:last], self.offsets[low : high + 1] - first)

    def take(self, indices: Ints) -> Sequences:
        """The sequences at ``indices``, which may repeat, in that order."""
        lengths = self.lengths[indices]
        offsets = offsets_of(lengths)
        places = np.repeat(self.offsets[:-1][indices] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Sequences(self.ids[places], offsets)

    @classmethod
    def of_texts(cls, texts: Sequence[str]) -> Sequences:
        """The code points of texts."""
        encoded = "".join(texts).encode("utf-32-le", "surrogatepass")
        return cls(np.frombuffer(encoded, dtype=np.int32), offsets_of(np.fromiter(map(len, texts), np.int64, len(texts))))


def offsets_of(lengths: Ints) -> Ints:
    """Where each of consecutive sequences begins, and where the last one ends, shape (n + 1,)."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def ngram_totals(lengths: Ints, order: int) -> Ints:
    """How many n-grams of 1..order sequences of these lengths have, shape (n, order)."""
    totals: Ints = np.maximum(lengths[:, None] - np.arange(order), 0)
    return totals


def pair_matches(hypotheses: Sequences, references: Sequences, order: int) -> Ints:
    """N-grams that hypothesis ``i`` shares with reference ``i``, clipped: Σ min(count, count), shape (n, order).

    Column ``k`` holds the n-grams of ``k + 1`` symbols. Exact for any alphabet, order and length. ROUGE-N of a pair is
    ``pair_matches(h, r, n)[:, n - 1]`` over `ngram_totals`; for several references per record repeat the hypotheses
    with `Sequences.take`.
    """
    matches = np.zeros((len(hypotheses), order), dtype=np.int64)
    for low, high in _chunks(hypotheses.lengths + references.lengths):
        mine, theirs = hypotheses.slice(low, high), references.slice(low, high)
        segments = np.arange(high - low)
        ids = np.concatenate([mine.ids, theirs.ids])
        lengths = np.concatenate([mine.lengths, theirs.lengths])
        sides = np.repeat(np.array([0, 1], dtype=np.int64), high - low)
        matches[low:high] = _count(ids, lengths, np.concatenate([segments, segments]), sides, order)
    return matches


def pooled_matches(hypotheses: Sequences, references: Sequences, offsets: Ints, order: int) -> Ints:
    """N-grams of hypothesis ``i`` clipped by their highest count in any one of its references, shape (n, order).

    Its references are ``offsets[i]`` up to ``offsets[i + 1]`` (BLEU's clipping over several references).
    """
    matches = np.zeros((len(hypotheses), order), dtype=np.int64)
    counts = np.diff(offsets)
    symbols = np.diff(references.offsets[offsets])
    for low, high in _chunks(hypotheses.lengths + symbols):
        mine, theirs = hypotheses.slice(low, high), references.slice(int(offsets[low]), int(offsets[high]))
        owners = np.repeat(np.arange(high - low), counts[low:high])
        ranks = np.arange(len(owners)) - (offsets[low:high] - offsets[low])[owners] + 1
        ids = np.concatenate([mine.ids, theirs.ids])
        lengths = np.concatenate([mine.lengths, theirs.lengths])
        segments = np.concatenate([np.arange(high - low), owners])
        sides = np.concatenate([np.zeros(high - low, dtype=np.int64), ranks])
        matches[low:high] = _count(ids, lengths, segments, sides, order)
    return matches


def _chunks(weights: Ints) -> Iterator[tuple[int, int]]:
    """Runs of records that together weigh at most `CHUNK`, or hold one record alone."""
    ends = np.cumsum(weights)
    low, n = 0, len(weights)
    while low < n:
        reached = int(ends[low - 1]) if low else 0
        high = max(int(np.searchsorted(ends, reached + CHUNK, side="right")), low + 1)
        yield low, high
        low = high


def _count(ids: NDArray[np.int32], lengths: Ints, segments: Ints, sides: Ints, order: int) -> Ints:
    """Clipped matches per segment and order; the segments of a chunk are numbered from 0.

    Args:
        ids: the symbols of all sequences, one sequence after the other.
        lengths, segments, sides: of each sequence; side 0 is the hypothesis, 1, 2, … are its references.
    """
    n = int(segments[-1]) + 1
    if not len(ids):
        return np.zeros((n, order), dtype=np.int64)
    symbols, bits = _dense(ids)
    side_bits = int(sides.max()).bit_length()
    room = _KEY_BITS - side_bits - n.bit_length()
    owner = np.repeat(segments, lengths).astype(np.uint64)
    if order * bits > room:
        symbols, bits = _local(symbols, bits, owner)
    if order * bits > room:
        return _count_by_ranks(symbols, lengths, owner, np.repeat(sides, lengths), n, order)
    keys = _packed(symbols, bits, lengths, owner, order)
    keys <<= np.uint64(side_bits)
    keys |= np.repeat(sides, lengths).astype(np.uint64)
    if side_bits > 1:
        return _runs_of_many(keys, bits, side_bits, n, order)
    return _runs_of_pairs(keys, bits, n, order)


def _dense(ids: NDArray[np.int32]) -> tuple[Keys, int]:
    """Symbols renumbered 1, 2, … within the chunk, and the bits that the highest takes."""
    highest = int(ids.max())
    if highest < 16 * len(ids) + (1 << 18):
        seen = np.zeros(highest + 1, dtype=bool)
        seen[ids] = True
        table = np.cumsum(seen, dtype=np.int64).astype(np.uint64)
        return table[ids], int(table[-1]).bit_length()
    distinct, places = np.unique(ids, return_inverse=True)
    return places.astype(np.uint64) + np.uint64(1), len(distinct).bit_length()


def _local(symbols: Keys, bits: int, owner: Keys) -> tuple[Keys, int]:
    """Symbols renumbered 1, 2, … within their own segment: n-grams are only compared there, and fewer bits do.

    One sort of (segment, symbol, place) groups them; the place says where the new number goes.
    """
    place_bits = np.uint64(len(symbols).bit_length())
    if int(owner[-1]).bit_length() + bits + int(place_bits) > _KEY_BITS:
        return symbols, bits  # a chunk of more than 2**31 symbols: let it go by ranks
    keys = (((owner << np.uint64(bits)) | symbols) << place_bits) | np.arange(len(symbols), dtype=np.uint64)
    keys.sort()
    places = (keys & ((np.uint64(1) << place_bits) - np.uint64(1))).astype(np.int64)
    groups = keys >> place_bits
    segment = (groups >> np.uint64(bits)).astype(np.int64)
    fresh = np.ones(len(keys), dtype=np.int64)
    fresh[1:] = groups[1:] != groups[:-1]
    numbers = np.cumsum(fresh)
    firsts = np.flatnonzero(np.concatenate([[True], segment[1:] != segment[:-1]]))
    before = np.zeros(int(segment[-1]) + 1, dtype=np.int64)
    before[segment[firsts]] = numbers[firsts] - 1
    local = np.empty(len(keys), dtype=np.uint64)
    local[places] = (numbers - before[segment]).astype(np.uint64)
    return local, int(local.max()).bit_length()


def _packed(symbols: Keys, bits: int, lengths: Ints, owner: Keys, order: int) -> Keys:
    """One key per place: its segment, then the ``order`` symbols from there on, 0 beyond the sequence's end."""
    n = len(symbols)
    padded = np.concatenate([symbols, np.zeros(order - 1, dtype=np.uint64)])
    keys = owner.copy()
    width = np.uint64(bits)
    for ahead in range(order):
        keys <<= width
        keys |= padded[ahead : ahead + n]
    ends = np.cumsum(lengths)
    for left in range(1, order):  # the last places of a sequence have fewer symbols before its end
        places = (ends - left)[lengths >= left]
        over = np.uint64((order - left) * bits)
        keys[places] = (keys[places] >> over) << over
    return keys


def _runs_of_pairs(keys: Keys, bits: int, n: int, order: int) -> Ints:
    """Matches where each segment has one reference: one sort, every order is a prefix of the next."""
    keys.sort()
    matches = np.zeros((n, order), dtype=np.int64)
    theirs = np.cumsum(keys & np.uint64(1), dtype=np.int64)  # references up to and with each place
    both = np.arange(1, len(keys) + 1)
    values = keys >> np.uint64(1)
    width, symbol = np.uint64(bits), np.uint64((1 << bits) - 1)
    for k in range(order, 0, -1):
        last = np.ones(len(values), dtype=bool)
        np.not_equal(values[1:], values[:-1], out=last[:-1])
        values, theirs, both = values[last], theirs[last], both[last]
        reference = np.diff(theirs, prepend=0)
        shared = np.minimum(reference, np.diff(both, prepend=0) - reference)
        shared[(values & symbol) == 0] = 0  # shorter than k symbols
        some = np.flatnonzero(shared)
        segment = (values[some] >> np.uint64(k * bits)).astype(np.int64)
        matches[:, k - 1] = np.bincount(segment, weights=shared[some], minlength=n)
        values = values >> width
    return matches


def _runs_of_many(keys: Keys, bits: int, side_bits: int, n: int, order: int) -> Ints:
    """Matches where segments have several references: one sort per order, sides kept beside the prefix."""
    matches = np.zeros((n, order), dtype=np.int64)
    side = keys & np.uint64((1 << side_bits) - 1)
    values = keys >> np.uint64(side_bits)
    symbol = np.uint64((1 << bits) - 1)
    for k in range(order, 0, -1):
        kept = (values & symbol) != 0
        grams, shared = _clipped((values[kept] << np.uint64(side_bits)) | side[kept], side_bits)
        segment = (grams >> np.uint64(k * bits)).astype(np.int64)
        matches[:, k - 1] = np.bincount(segment, weights=shared, minlength=n)
        values = values >> np.uint64(bits)
    return matches


def _clipped(keys: Keys, side_bits: int) -> tuple[Keys, Ints]:
    """From (gram, side) keys: each distinct gram, and min(count in side 0, highest count in another side)."""
    if not len(keys):
        return keys, np.zeros(0, dtype=np.int64)
    keys.sort()
    last = np.ones(len(keys), dtype=bool)
    np.not_equal(keys[1:], keys[:-1], out=last[:-1])
    ends = np.flatnonzero(last)
    counts = np.diff(ends, prepend=-1)
    runs = keys[ends]
    grams = runs >> np.uint64(side_bits)
    mine = (runs & np.uint64((1 << side_bits) - 1)) == 0
    starts = np.flatnonzero(np.concatenate([[True], grams[1:] != grams[:-1]]))
    hypothesis = np.add.reduceat(np.where(mine, counts, 0), starts)
    reference = np.maximum.reduceat(np.where(mine, 0, counts), starts)
    return grams[starts], np.minimum(hypothesis, reference)


def _count_by_ranks(symbols: Keys, lengths: Ints, owner: Keys, sides: Ints, n: int, order: int) -> Ints:
    """The same without packing, for alphabets or orders whose keys take more than 64 bits.

    An n-gram is the pair (rank of the n-gram without its last symbol, last symbol), ranked anew for every order.
    """
    matches = np.zeros((n, order), dtype=np.int64)
    side_bits = np.uint64(int(sides.max()).bit_length())
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(symbols))  # symbols to the sequence's end
    places = np.arange(len(symbols))
    prefix = owner
    alphabet = symbols.max() + np.uint64(1)
    for k in range(1, order + 1):
        places = places[left[places] >= k]
        if not len(places):
            break
        _, prefix_of, ranks = np.unique(
            prefix[places] * alphabet + symbols[places + (k - 1)], return_index=True, return_inverse=True
        )
        prefix = np.zeros(len(symbols), dtype=np.uint64)
        prefix[places] = ranks
        grams, shared = _clipped((prefix[places] << side_bits) | sides[places].astype(np.uint64), int(side_bits))
        segment = owner[places[prefix_of]][grams.astype(np.int64)].astype(np.int64)
        matches[:, k - 1] = np.bincount(segment, weights=shared, minlength=n)
    return matches
