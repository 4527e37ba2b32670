"""Terms: the words of texts as 64-bit hashes, for vocabularies of any size; the same on every machine and in every version.

A term is a longest run of ASCII letters and digits, of apostrophes with letters or digits on both sides, and of characters
beyond ASCII other than punctuation, white space and controls; A to Z count as a to z, and other letters as they stand.
A symbol (an emoji) and a character of a script without spaces between words (Han, kana, Thai, Lao, Khmer, Burmese) is a
term by itself. "Don't panic, 世界!" has the terms ``don't``, ``panic``, ``世`` and ``界``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalkit.text.bytes import Block, Bytes, between, blocks
from evalkit.text.ngrams import Ints

if TYPE_CHECKING:
    import pyarrow as pa

Hashes = NDArray[np.uint64]

LONGEST = 64  # bytes of a term that its hash reads; longer ones differ by these and by their length
_STEP = 8  # bytes read at once
_SEED, _MULTIPLY, _ROUND = (np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F))


@dataclass(frozen=True)
class Terms:
    """The terms of ``n`` texts in order: those of text ``i`` are ``hashes[offsets[i]:offsets[i + 1]]``."""

    hashes: Hashes
    offsets: Ints  # (n + 1,)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> Ints:
        """Terms of each text, shape (n,)."""
        return np.diff(self.offsets)

    @property
    def rows(self) -> Ints:
        """The text of each term."""
        return np.repeat(np.arange(len(self)), self.counts)

    @classmethod
    def joined(cls, parts: Iterable[Terms]) -> Terms:
        """Those of consecutive texts."""
        held = list(parts)
        counts = np.concatenate([np.zeros(1, dtype=np.int64), *(part.counts for part in held)])
        return cls(np.concatenate([np.zeros(0, dtype=np.uint64), *(part.hashes for part in held)]), np.cumsum(counts))


def terms(array: pa.Array | pa.ChunkedArray) -> Terms:
    """The terms of an Arrow array of strings; a null has none."""
    return Terms.joined(map(terms_of, blocks(array)))


def texts_of(array: pa.Array | pa.ChunkedArray, hashes: Iterable[int] | Hashes) -> dict[int, str]:
    """The lower-cased terms that have these hashes, as far as the texts hold them; where two share one, the first.

    It reads until all are found: where a term is known to be new, only texts that may hold it need be given.
    """
    wanted = np.unique(np.fromiter(map(int, hashes), dtype=np.uint64))
    found: dict[int, str] = {}
    for block in blocks(array):
        if len(found) == len(wanted):
            break
        held = terms_of(block).hashes
        left = wanted[~np.isin(wanted, np.fromiter(found, dtype=np.uint64))]
        at = np.flatnonzero(np.isin(held, left))
        named, first = np.unique(held[at], return_index=True)
        starts, ends = block.terms
        lowered = _lowered(block)
        for name, place in zip(named.tolist(), at[first].tolist()):
            found[name] = lowered[starts[place] : ends[place]].tobytes().decode("utf-8", "replace")
    return found


def hash_of(term: str) -> int:
    """The hash of one term, given as `texts_of` spells it."""
    import pyarrow as pa

    held = terms(pa.array([term])).hashes
    if len(held) != 1:
        raise ValueError(f"{term!r} is no term")
    return int(held[0])


def terms_of(block: Block) -> Terms:
    """The terms of a block."""
    starts, ends = block.terms
    offsets = np.append(0, np.searchsorted(starts, block.ends))
    return Terms(_hashed(_lowered(block), starts, ends - starts), offsets)


def _lowered(block: Block) -> Bytes:
    """The bytes with A to Z as a to z, zeros behind them."""
    data = np.zeros(len(block.data) + LONGEST, dtype=np.uint8)
    data[: len(block.data)] = block.data | (between(block.data, "A", "Z").view(np.uint8) << 5)
    return data


def _hashed(data: Bytes, starts: Ints, lengths: Ints) -> Hashes:
    """A hash of each run of bytes: eight at a time, each multiplied and folded in, as wyhash does with its words."""
    at_each = np.lib.stride_tricks.as_strided(
        data[:_STEP].view("<u8"), (len(data) - _STEP + 1,), (1,)
    )  # eight bytes from any place on
    hashes = lengths.astype(np.uint64) * _ROUND + _SEED
    _fold(hashes, at_each[starts] & _mask(lengths))
    for step in range(_STEP, LONGEST, _STEP):
        longer = np.flatnonzero(lengths > step)
        if not len(longer):
            break
        more = hashes[longer]
        _fold(more, at_each[starts[longer] + step] & _mask(lengths[longer] - step))
        hashes[longer] = more
    hashes ^= hashes >> np.uint64(29)
    return hashes


def _fold(hashes: Hashes, words: Hashes) -> None:
    hashes ^= words
    hashes *= _MULTIPLY
    hashes ^= hashes >> np.uint64(32)
    hashes *= _ROUND


def _mask(lengths: Ints) -> Hashes:
    """Ones over as many bytes as there are, eight at most."""
    spare = (_STEP - np.minimum(lengths, _STEP)).astype(np.uint64) << np.uint64(3)
    return np.uint64(0xFFFFFFFFFFFFFFFF) >> spare
