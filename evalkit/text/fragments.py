"""What a summary took from its source: extractive fragments, and the n-grams that the source does not have."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalkit.text.ngrams import Ints, Sequences
from evalkit.text.vocabulary import blocks

_BLOCK = 1 << 18  # tokens handled at once
_PAIRS = 1 << 20  # places of summary and source held against each other at once; a record with more goes its own way
_RADIX = 1 << 31  # symbols are below it
BOUNDARY = _RADIX - 1  # between two passages of a source: a symbol that no summary has


class Fragments(NamedTuple):
    """The fragments of ``n`` summaries, one after the other."""

    owners: Ints  # whose each is, 0 to n − 1, ascending
    starts: Ints  # its first token, counted within its summary
    lengths: Ints  # its tokens, from 1 up


def extractive_fragments(summaries: Sequences, sources: Sequences) -> Fragments:
    """The longest runs of tokens that each summary shares with its source, taken greedily from its beginning.

    At each token of the summary the longest run that begins there and stands in the source is taken, and the next is looked for
    behind it. As in the authors' procedure, the search through the source goes on behind each run that it finds, so that a
    longer one that begins inside another is not seen (it takes a text that repeats itself to tell).

    Runs of two tokens and more are joined by their first two, for all records at once, and followed along their diagonals.

    Source: Grusky et al. (2018), arXiv:1804.11283, figure 4.
    """
    longest = np.zeros(len(summaries.ids), dtype=np.int64)
    for low, high in blocks(summaries.lengths + sources.lengths, _BLOCK):
        first, last = summaries.offsets[low], summaries.offsets[high]
        longest[first:last] = _longest_from(summaries.slice(low, high), sources.slice(low, high))
    steps, bounds = longest.tolist(), summaries.offsets.tolist()
    owners: list[int] = []
    starts: list[int] = []
    for owner, (place, end) in enumerate(pairwise(bounds)):
        while place < end:
            if steps[place]:
                owners.append(owner)
                starts.append(place)
            place += steps[place] or 1
    at = np.array(starts, dtype=np.int64)
    whose = np.array(owners, dtype=np.int64)
    return Fragments(whose, at - summaries.offsets[whose], longest[at])


def novel_ngrams(summaries: Sequences, sources: Sequences, order: int) -> tuple[Ints, Ints]:
    """Of each summary the different n-grams that its source lacks, and all its different n-grams; two of shape (n, order)."""
    novel = np.zeros((len(summaries), order), dtype=np.int64)
    totals = np.zeros_like(novel)
    for low, high in blocks(summaries.lengths + sources.lengths, _BLOCK):
        for place, told in enumerate(_occurrences(summaries.slice(low, high), sources.slice(low, high), order)):
            totals[low:high, place] = np.bincount(told.owners, minlength=high - low)
            novel[low:high, place] = np.bincount(told.owners[~told.seen], minlength=high - low)
    return novel, totals


class _Occurrences(NamedTuple):
    """The n-grams of one length that a block's summaries have, numbered apart for each record, and where they stand."""

    owners: Ints  # the record of each n-gram
    seen: NDArray[np.bool_]  # whether its source has it
    places: Ints  # where in the summaries one begins, ascending
    ranks: Ints  # and which
    source_places: Ints  # where in the sources one of them begins, ascending
    source_ranks: Ints


def _occurrences(summaries: Sequences, sources: Sequences, order: int) -> Iterator[_Occurrences]:
    """For n-grams of 1 to ``order`` tokens; in the source only what had its first n − 1 tokens in the summary is looked at."""
    ids, theirs = summaries.ids.astype(np.int64), sources.ids.astype(np.int64)
    left = np.repeat(summaries.offsets[1:], summaries.lengths) - np.arange(len(ids))  # tokens to the end
    source_left = np.repeat(sources.offsets[1:], sources.lengths) - np.arange(len(theirs))
    records = np.arange(len(summaries))
    places, source_places = np.arange(len(ids)), np.arange(len(theirs))
    ranks, source_ranks = np.repeat(records, summaries.lengths), np.repeat(records, sources.lengths)
    owners = records
    for n in range(order):
        on, source_on = left[places] > n, source_left[source_places] > n
        places, source_places = places[on], source_places[source_on]
        keys = ranks[on] * _RADIX + ids[places + n]
        theirs_keys = source_ranks[source_on] * _RADIX + theirs[source_places + n]
        grams, ranks = np.unique(keys, return_inverse=True)
        at = np.searchsorted(grams, theirs_keys)
        found = np.zeros(len(at), dtype=bool)
        within = at < len(grams)
        found[within] = grams[at[within]] == theirs_keys[within]
        source_places, source_ranks = source_places[found], at[found]
        owners = owners[grams // _RADIX]
        seen = np.zeros(len(grams), dtype=bool)
        seen[source_ranks] = True
        yield _Occurrences(owners, seen, places, ranks, source_places, source_ranks)


def _longest_from(summaries: Sequences, sources: Sequences) -> Ints:
    """Of each token of the summaries the length of the run that the procedure finds from there on, 0 for none."""
    single, double = _occurrences(summaries, sources, 2)
    longest = np.zeros(len(summaries.ids), dtype=np.int64)
    longest[single.places] = single.seen[single.ranks]
    by_rank = np.argsort(double.source_ranks, kind="stable")
    ends = np.cumsum(np.bincount(double.source_ranks, minlength=len(double.owners)))
    times = np.diff(ends, prepend=0)[double.ranks]  # of each place in the summaries: how often its two tokens are in the source
    sums = np.concatenate([[0], np.cumsum(times)])
    cuts = sums[np.searchsorted(double.places, summaries.offsets)]
    for low, high in blocks(np.diff(cuts), _PAIRS):
        if cuts[high] - cuts[low] > _PAIRS:
            first, last = summaries.offsets[low], summaries.offsets[high]
            source = sources.ids[sources.offsets[low] : sources.offsets[high]]
            longest[first:last] = _one_by_one(summaries.ids[first:last], source)
            continue
        some = slice(*np.searchsorted(double.places, summaries.offsets[[low, high]]))
        many = times[some]
        if not many.sum():
            continue
        place = np.repeat(double.places[some], many)
        nth = np.arange(len(place)) - np.repeat(np.cumsum(many) - many, many)
        begins = np.repeat((ends - np.diff(ends, prepend=0))[double.ranks[some]], many)
        source_place = double.source_places[by_rank[begins + nth]]
        _enter_best(longest, place, source_place, _run_lengths(place, source_place))
    return longest


def _run_lengths(place: Ints, source_place: Ints) -> Ints:
    """Of pairs of places whose two tokens are equal, how far both sides go on alike: pairs on a diagonal follow each other."""
    diagonal = source_place - place
    order = np.lexsort((place, diagonal))
    on = (np.diff(place[order]) == 1) & (np.diff(diagonal[order]) == 0)
    last = np.flatnonzero(np.append(~on, True))
    lengths = np.empty(len(place), dtype=np.int64)
    lengths[order] = last[np.searchsorted(last, np.arange(len(place)))] - np.arange(len(place)) + 2
    return lengths


def _enter_best(longest: Ints, place: Ints, source_place: Ints, lengths: Ints) -> None:
    """The longest run of each place, without those that begin inside a run that the search has already found."""
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    group = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(place)))
    longest[place[starts]] = np.maximum.reduceat(lengths, starts)
    far = int(source_place.max()) + int(lengths.max()) + 1
    reached = np.maximum.accumulate(group * far + source_place + lengths)
    inside = np.zeros(len(place), dtype=bool)
    inside[1:] = (group[1:] * far + source_place[1:] < reached[:-1]) & (group[1:] == group[:-1])
    bounds = np.append(starts, len(place))
    for one in np.unique(group[inside]).tolist():
        low, high = bounds[one], bounds[one + 1]
        best = end = 0
        for at, length in zip(source_place[low:high].tolist(), lengths[low:high].tolist()):
            if at >= end:
                best, end = max(best, length), at + length
        longest[place[low]] = best


def _one_by_one(summary: NDArray[np.int32], source: NDArray[np.int32]) -> Ints:
    """The same for one record whose texts repeat themselves so much that all pairs of places would fill the memory.

    Only the places that the walk comes to are looked at: a run is grown for all its places in the source at once.
    """
    longest = np.zeros(len(summary), dtype=np.int64)
    place = 0
    while place < len(summary):
        starts = np.flatnonzero(source == summary[place])
        lengths = np.ones(len(starts), dtype=np.int64)
        growing, size = np.arange(len(starts)), 1
        while len(growing) and place + size < len(summary):
            growing = growing[starts[growing] + size < len(source)]
            growing = growing[source[starts[growing] + size] == summary[place + size]]
            size += 1
            lengths[growing] = size
        best = at = 0
        while at < len(starts):
            best = max(best, int(lengths[at]))
            at = int(np.searchsorted(starts, starts[at] + lengths[at]))
        longest[place] = best
        place += best or 1
    return longest
