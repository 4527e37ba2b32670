"""Many texts as one run of UTF-8 bytes, and what descriptors share of it: classes, words, terms, places by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalkit.text.characters import ALONE, APART, SPACE, classes_of
from evalkit.text.ngrams import Ints
from evalkit.text.vocabulary import blocks as ranges

if TYPE_CHECKING:
    import pyarrow as pa

Flags = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

BLOCK = 1 << 19  # bytes looked at together: flags and counts of them stay in the cache
_PAD = 16  # line feeds behind the last text, so that looking ahead needs no bounds
_FEED = 10


@dataclass(frozen=True)
class Wide:
    """The characters beyond ASCII of a block, in order."""

    places: Ints  # of their first bytes
    lengths: Ints  # in bytes, 2 to 4
    codes: Ints
    classes: NDArray[np.uint8]

    def having(self, bits: int) -> Ints:
        """Places of those in one of the classes."""
        places: Ints = self.places[(self.classes & bits) != 0]
        return places

    def cover(self, bits: int) -> Ints:
        """Places of all bytes of those in one of the classes, in no order."""
        chosen = (self.classes & bits) != 0
        places, lengths = self.places[chosen], self.lengths[chosen]
        return np.concatenate([places + step if step < 2 else (places + step)[lengths > step] for step in range(4)])


@dataclass(frozen=True)
class Block:
    """``n`` texts one after the other, a line feed before the first and behind each: nothing that is sought crosses one.

    A missing text is as an empty one here. What several descriptors need is worked out once, when it is first asked for.
    """

    data: Bytes  # with `_PAD` further line feeds at its end
    starts: Ints  # (n,), of each text in data
    ends: Ints  # (n,), the line feed behind each

    def __len__(self) -> int:
        return len(self.starts)

    # --- counting ---

    def count(self, flags: Flags) -> Ints:
        """How many bytes of each text are flagged, shape (n,); ``flags`` is as long as ``data``."""
        ahead = Ranks(flags)
        return ahead(self.ends) - ahead(self.starts)

    def count_at(self, places: Ints) -> Ints:
        """How many of these places, which rise, lie in each text, shape (n,)."""
        if not len(places):
            return np.zeros(len(self), dtype=np.int64)
        counts: Ints = np.searchsorted(places, self.ends) - np.searchsorted(places, self.starts)
        return counts

    def rows_of(self, places: Ints) -> Ints:
        """The text in which each place lies."""
        rows: Ints = np.searchsorted(self.ends, places)
        return rows

    # --- classes of bytes ---

    @cached_property
    def plain(self) -> bool:
        """Whether all is ASCII."""
        return bool(self.data.max() < 128)

    @cached_property
    def upper(self) -> Flags:
        """A to Z."""
        return between(self.data, "A", "Z")

    @cached_property
    def capitals(self) -> Ints:
        """How many A to Z each text has."""
        return self.count(self.upper)

    @cached_property
    def digits(self) -> Flags:
        """0 to 9."""
        return between(self.data, "0", "9")

    @cached_property
    def alphanumeric(self) -> Flags:
        """A to Z, a to z, 0 to 9."""
        return between(self.data | np.uint8(32), "a", "z") | self.digits

    @cached_property
    def space(self) -> Flags:
        """All bytes of white space, as `str.split` understands it."""
        data = self.data
        flags: Flags = (data - np.uint8(9) < 5) | (
            data - np.uint8(28) < 5
        )  # tab to carriage return, four separators and the space
        if not self.plain:
            flags[self.wide.cover(SPACE)] = True
        return flags

    @cached_property
    def wide(self) -> Wide:
        """Characters beyond ASCII. Bytes that are no UTF-8 become some character or other."""
        if self.plain:
            none = np.zeros(0, dtype=np.int64)
            return Wide(none, none, none, none.astype(np.uint8))
        data = self.data
        first = places(data >= 0xC0)
        lead, second, third, fourth = (data[first + step].astype(np.int64) for step in range(4))
        codes = ((lead & 31) << 6) | (second & 63)
        lengths = np.full(len(first), 2, dtype=np.int64)
        longer, longest = lead >= 0xE0, lead >= 0xF0
        lengths += longer
        lengths += longest
        codes[longer] = (((lead & 15) << 12) | ((second & 63) << 6) | (third & 63))[longer]
        if longest.any():
            last = ((second & 63) << 12) | ((third & 63) << 6) | (fourth & 63)
            codes[longest] = (((lead & 7) << 18) | last)[longest]
        return Wide(first, lengths, codes, classes_of(codes))

    @cached_property
    def closes(self) -> Flags:
        """The line feeds behind texts."""
        flags = np.zeros(len(self.data), dtype=bool)
        flags[self.ends] = True
        return flags

    @cached_property
    def feeds(self) -> Ints:
        """Places of line feeds, the first before the first text and one behind each."""
        return places(self.data[: len(self.data) - _PAD] == _FEED)

    # --- sizes ---

    @cached_property
    def sizes(self) -> Ints:
        """Bytes of each text."""
        return self.ends - self.starts

    @cached_property
    def characters(self) -> Ints:
        """Code points of each text."""
        if self.plain:
            return self.sizes
        more = np.append(0, np.cumsum(self.wide.lengths - 1))  # bytes behind the first ones
        first = self.wide.places
        spare = more[np.searchsorted(first, self.ends)] - more[np.searchsorted(first, self.starts)]
        counts: Ints = np.maximum(self.sizes - spare, 0)  # bytes that are no UTF-8 may promise more than there are
        return counts

    # --- words and terms ---

    @cached_property
    def words(self) -> Flags:
        """Where words begin: what stands between white space."""
        begin = np.zeros_like(self.space)
        np.greater(self.space[:-1], self.space[1:], out=begin[1:])
        return begin

    @cached_property
    def spoken(self) -> Flags:
        """The bytes of terms, their apostrophes aside."""
        if self.plain:
            return self.alphanumeric
        within = self.alphanumeric | (self.data >= 0x80)
        within[self.wide.cover(APART)] = False
        return within

    @cached_property
    def terms(self) -> tuple[Ints, Ints]:
        """Where terms begin, and where they end (see `evalkit.text.terms`); both rise."""
        if self.plain:
            within = self._with_apostrophes(self.spoken, self.spoken)
            edges = np.flatnonzero(within[1:] != within[:-1]) + 1
            return edges[::2], edges[1::2]
        wide = self.wide
        joining = self.spoken.copy()
        alone = (wide.classes & ALONE) != 0
        joining[wide.cover(ALONE)] = False
        within = self._with_apostrophes(self.spoken, joining)
        begin = np.zeros_like(within)
        begin[1:] = within[1:] & ~within[:-1]
        begin[wide.places[alone]] = within[wide.places[alone]]  # which only bytes that are no UTF-8 make false
        behind = wide.places[alone] + wide.lengths[alone]
        begin[behind] = within[behind]
        end = within[:-1] & (begin[1:] | ~within[1:])
        return np.flatnonzero(begin), np.flatnonzero(end) + 1

    def _with_apostrophes(self, within: Flags, joining: Flags) -> Flags:
        flags = within.copy()
        flags[1:-1] |= (self.data[1:-1] == ord("'")) & joining[:-2] & joining[2:]
        return flags


def places(flags: Flags) -> Ints:
    """Where flags are set, as `np.flatnonzero` has it, in less time where few are: it sees eight at once."""
    whole = len(flags) // 8 * 8
    eights = np.flatnonzero(flags[:whole].view(np.uint64) != 0)
    if 8 * len(eights) > len(flags) // 8 + 64:
        return np.flatnonzero(flags)
    inside = np.flatnonzero(flags[:whole].reshape(-1, 8)[eights])
    return np.concatenate([(eights[inside >> 3] << 3) + (inside & 7), np.flatnonzero(flags[whole:]) + whole])


def between(data: Bytes, low: str, high: str) -> Flags:
    """Which bytes are in a range of ASCII characters, both ends included."""
    flags: Flags = data - np.uint8(ord(low)) <= np.uint8(ord(high) - ord(low))  # wraps below the low end
    return flags


def blocks(array: pa.Array | pa.ChunkedArray, size: int = BLOCK) -> Iterator[Block]:
    """The texts of an Arrow array in order, as many at once as fit in ``size`` bytes; a longer one alone.

    Raises:
        TypeError: they are not strings.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for chunk in chunks_of(array):
        texts = chunk if not chunk.null_count else pc.fill_null(chunk, "")
        sizes = pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
        for low, high in ranges(sizes + 1, size):
            some = texts.slice(low, high - low)
            as_list = pa.ListArray.from_arrays(pa.array([0, len(some)], pa.int32()), some)
            joined = pc.binary_join(as_list, pa.scalar("\n", some.type))[0]
            ends = np.cumsum(sizes[low:high] + 1)
            data = np.full(int(ends[-1]) + 1 + _PAD, _FEED, dtype=np.uint8)
            data[1 : ends[-1]] = np.frombuffer(joined.as_buffer(), dtype=np.uint8)
            yield Block(data, ends - sizes[low:high], ends)


def chunks_of(array: pa.Array | pa.ChunkedArray) -> list[pa.Array]:
    """The chunks of an array of texts, as strings with 32- or 64-bit offsets."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        pass
    elif pa.types.is_dictionary(kind) or pa.types.is_null(kind) or kind == pa.string_view():
        array = array.cast(pa.large_string())
    else:
        raise TypeError(f"texts are strings, not {kind}")
    return array.chunks if isinstance(array, pa.ChunkedArray) else [array]


def missing(array: pa.Array | pa.ChunkedArray) -> Flags:
    """Which entries are null, shape (n,)."""
    import pyarrow.compute as pc

    flags: Flags = (
        pc.is_null(array).to_numpy() if hasattr(array, "chunks") else pc.is_null(array).to_numpy(zero_copy_only=False)
    )
    return flags


class Ranks:
    """How many flags are set ahead of a place: they are packed into words of 64, whose sums are added up once."""

    def __init__(self, flags: Flags) -> None:
        bits = np.packbits(flags, bitorder="little")
        self._words = np.zeros(len(bits) // 8 + 1, dtype="<u8")
        self._words.view(np.uint8)[: len(bits)] = bits
        self._before = np.zeros(len(self._words) + 1, dtype=np.int64)
        np.cumsum(_ones(self._words), out=self._before[1:])

    def __call__(self, at: Ints) -> Ints:
        words = at >> 6
        rest = self._words[words] & ((np.uint64(1) << (at & 63).astype(np.uint64)) - np.uint64(1))
        ahead: Ints = self._before[words] + _ones(rest).astype(np.int64)
        return ahead


def _ones(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Set bits of each 64-bit word. Source: Warren, Hacker's Delight, 5-1; NumPy 1 has no ufunc for it."""
    if hasattr(np, "bitwise_count"):
        counted: NDArray[np.uint64] = np.bitwise_count(words)
        return counted
    one, two, four = (np.uint64(int(digits * 8, 16)) for digits in ("55", "33", "0f"))
    words = words - ((words >> np.uint64(1)) & one)
    words = (words & two) + ((words >> np.uint64(2)) & two)
    words = (words + (words >> np.uint64(4))) & four
    return (words * np.uint64(int("01" * 8, 16))) >> np.uint64(56)
