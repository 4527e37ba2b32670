"""Words of one text matched to words of another, for many pairs at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.text.ngrams import Ints, Sequences

_CELLS = 1 << 18  # tokens sorted at once: 2 MB of keys
_PAD = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Matches:
    """Matched places, as indices into the flat tokens of both sides; every place occurs once at most."""

    first: Ints
    second: Ints


def match_from_the_ends(first: Sequences, second: Sequences) -> Matches:
    """Equal tokens of each pair: the last one here with the last one there, the one before with the one before, …

    That is what a scan of ``first`` from its end finds when it takes the latest free equal token of ``second``. Each pair
    is a row of keys (token, side, place); sorted, equal tokens meet where the side changes, and matches lie mirrored
    around that point, because places count from the start on one side and from the end on the other.
    """
    found_first, found_second = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for pairs in similar_pairs(first.lengths, second.lengths):
        keys, bits = _rows(first, second, pairs)
        width = keys.shape[1]
        keys.sort(axis=1)
        flat = keys.ravel()
        sided = flat >> bits
        at = np.flatnonzero((sided[1:] - sided[:-1] == 1) & (sided[:-1] & 1 == 0))
        token, step, places = sided[at], 0, (1 << bits) - 1
        while len(at):
            owner = pairs[at // width]
            found_first.append(first.offsets[owner] + (flat[at - step] & places))
            found_second.append(second.offsets[owner] + places - (flat[at + 1 + step] & places))
            step += 1
            # Rows end in a pad, so a run never reaches into the next row, nor out of the last one.
            on = (sided[at - step] == token) & (sided[np.minimum(at + 1 + step, len(flat) - 1)] == token + 1)
            at, token = at[on], token[on]
    return Matches(np.concatenate(found_first), np.concatenate(found_second))


def similar_pairs(first: Ints, second: Ints) -> Iterator[Ints]:
    """Pairs of similar size, as many as fit in `_CELLS` when padded to the same width; those with an empty side left out."""
    sizes = first + second + 1
    order = np.flatnonzero((first > 0) & (second > 0))
    order = order[np.argsort(sizes[order], kind="stable")]
    low = 0
    while low < len(order):
        high = min(len(order), low + max(1, _CELLS // int(sizes[order[low]])))
        high = min(high, low + max(1, _CELLS // int(sizes[order[high - 1]])))
        yield order[low:high]
        low = high


def _rows(first: Sequences, second: Sequences, pairs: Ints) -> tuple[Ints, int]:
    """A row of unsorted keys per pair, padded at its end with at least one pad; and how many bits the place takes."""
    ours, theirs = first.take(pairs), second.take(pairs)
    lengths, others = ours.lengths, theirs.lengths
    bits = int(max(lengths.max(), others.max())).bit_length()
    side, last = 1 << bits, (1 << bits) - 1
    rows = np.full((len(pairs), int((lengths + others).max()) + 1), _PAD)
    columns = np.arange(rows.shape[1])
    mine = columns < lengths[:, None]
    rows[mine] = (ours.ids.astype(np.int64) << (bits + 1)) | _places(ours)
    rows[(columns < (lengths + others)[:, None]) & ~mine] = (
        (theirs.ids.astype(np.int64) << (bits + 1)) | side | (last - _places(theirs))
    )
    return rows, bits


def _places(tokens: Sequences) -> Ints:
    """The place of each token in its own text."""
    return np.arange(len(tokens.ids)) - np.repeat(tokens.offsets[:-1], tokens.lengths)


@dataclass
class Alignment:
    """Stages of matching, each among the words that the stages before it left over."""

    first: Sequences
    second: Sequences

    def __post_init__(self) -> None:
        self._found: list[Matches] = []
        self._left = np.arange(len(self.first.ids)), np.arange(len(self.second.ids))

    def _remaining(self, forms: Callable[[Sequences], NDArray[np.int32]]) -> tuple[Sequences, Sequences]:
        """What is left of both sides, each word in the form that this stage compares."""
        rest = []
        for tokens, left in zip((self.first, self.second), self._left, strict=True):
            taken = Sequences(tokens.ids[left], np.searchsorted(left, tokens.offsets))
            rest.append(Sequences(forms(taken), taken.offsets))
        return rest[0], rest[1]

    def match(self, forms: Callable[[Sequences], NDArray[np.int32]]) -> None:
        """A stage that matches words of equal form."""
        self._enter(match_from_the_ends(*self._remaining(forms)))

    def match_related(self, forms: Callable[[Sequences], NDArray[np.int32]], related: Callable[[int], frozenset[int]]) -> None:
        """A stage that matches a word of ``first`` to the latest free word of ``second`` that is related to it.

        Words of ``first`` are taken from the end; ``related`` need not contain the word itself, which an earlier stage
        has matched wherever it could be.
        """
        first, second = self._remaining(forms)
        ids, others = first.ids.tolist(), second.ids.tolist()
        found: tuple[list[int], list[int]] = ([], [])
        bounds = zip(first.offsets.tolist(), first.offsets[1:].tolist(), strict=False)
        ranges = zip(second.offsets.tolist(), second.offsets[1:].tolist(), strict=False)
        for (low, high), (start, end) in zip(bounds, ranges, strict=True):
            if low == high or start == end:
                continue
            free: dict[int, list[int]] = {}
            for place in range(start, end):
                free.setdefault(others[place], []).append(place)
            names = set(free)
            for place in range(high - 1, low - 1, -1):
                relatives = related(ids[place])
                if names.isdisjoint(relatives):
                    continue
                best = max(names & relatives, key=lambda name: free[name][-1])
                found[0].append(place)
                found[1].append(free[best].pop())
                if not free[best]:
                    names.discard(best)
                    if not names:
                        break
        self._enter(Matches(np.array(found[0], dtype=np.int64), np.array(found[1], dtype=np.int64)))

    def _enter(self, stage: Matches) -> None:
        left_first, left_second = self._left
        self._found.append(Matches(left_first[stage.first], left_second[stage.second]))
        self._left = np.delete(left_first, stage.first), np.delete(left_second, stage.second)

    def counts(self) -> tuple[Ints, Ints]:
        """Matched words of each pair, and the chunks they form: runs that are adjacent on both sides; shape (n,) each."""
        first = np.concatenate([stage.first for stage in self._found])
        second = np.concatenate([stage.second for stage in self._found])
        order = np.argsort(first)
        first, second = first[order], second[order]
        owner = np.repeat(np.arange(len(self.first)), self.first.lengths)[first]
        starts = np.ones(len(first), dtype=bool)
        starts[1:] = (np.diff(first) != 1) | (np.diff(second) != 1) | (np.diff(owner) != 0)
        n = len(self.first)
        return np.bincount(owner, minlength=n), np.bincount(owner[starts], minlength=n)
