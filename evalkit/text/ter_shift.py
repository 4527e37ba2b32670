"""Translation edit rate of one pair: word edits after the block shifts that Tercom's greedy search finds.

The search, its limits and its tie-breaking are those of sacrebleu's port of Tercom; the work is arranged otherwise.
Words are single characters of two strings. A round lists its shifts before it measures any, because a round that
reaches the limit of shifts is thrown away unmeasured; shifts are measured by bit-parallel edit distance, the most
promising first, until none of the rest can win.

sacrebleu measures distances inside a beam around the diagonal. Where an optimal path lies inside, the beam changes
nothing; that is proved per pair, cheaply (`_unbounded`) or by the path itself, and only else is the beam computed.

Source: Snover et al. (2006); bit-parallel distance: Hyyrö (2003).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

MAX_SHIFT_SIZE = 10  # words moved at once
MAX_SHIFT_DISTANCE = 50  # words between a block's place and its match
MAX_CANDIDATES = 1_000  # shifts looked at per pair
BEAM_WIDTH = 25  # cells on each side of the diagonal


class Alignment(NamedTuple):
    """How a hypothesis is edited into the reference."""

    distance: int
    places: list[int]  # per reference word: the last hypothesis word used up there, -1 for none
    wrong_hypothesis: int  # bit i: hypothesis word i is not matched
    wrong_reference: int  # bit j: reference word j is not matched


class Shift(NamedTuple):
    """A block of the hypothesis that also stands in the reference, and where it would go."""

    length: int
    start: int
    target: int


def shifted_edits(hypothesis: str, reference: str) -> int:
    """Shifts and word edits that turn the hypothesis into the reference; one character is one word."""
    if not reference or not hypothesis:
        return len(hypothesis) or len(reference)
    masks: dict[str, int] = {}
    positions: dict[str, list[int]] = {}
    for place, word in enumerate(reference):
        masks[word] = masks.get(word, 0) | 1 << place
        positions.setdefault(word, []).append(place)
    if not any(word in masks for word in hypothesis):
        return beam_distance(hypothesis, reference)
    shifts = checked = 0
    while True:
        alignment = align(hypothesis, reference, masks)
        if not alignment.distance:
            return shifts
        count, candidates = find_shifts(hypothesis, reference, positions, alignment)
        checked += count
        if not candidates or checked >= MAX_CANDIDATES:
            return shifts + alignment.distance
        gain, shifted = best_shift(hypothesis, reference, alignment.distance, candidates)
        if gain <= 0:
            return shifts + alignment.distance
        shifts += 1
        hypothesis = shifted


def find_shifts(
    hypothesis: str, reference: str, positions: dict[str, list[int]], alignment: Alignment
) -> tuple[int, set[Shift]]:
    """The shifts worth measuring, and how many Tercom counts (the same shift may be found more than once).

    A block moves only if something in it is unmatched, something at its match is unmatched, and its match is not
    aligned into the block itself.
    """
    _, places, wrong_hypothesis, wrong_reference = alignment
    mine, theirs = len(hypothesis), len(reference)
    count = 0
    found: set[Shift] = set()
    for start, word in enumerate(hypothesis):
        for match in positions.get(word, ()):
            if abs(match - start) > MAX_SHIFT_DISTANCE:
                continue
            aligned = places[match]
            longest = min(MAX_SHIFT_SIZE, mine - start, theirs - match)
            length = 0
            while length < longest and hypothesis[start + length] == reference[match + length]:
                length += 1
                block = (1 << length) - 1
                if not (wrong_hypothesis >> start) & block or not (wrong_reference >> match) & block:
                    continue
                if start <= aligned < start + length:
                    continue
                previous = -1
                for place in range(match - 1, match + length):
                    target = places[place] + 1 if place >= 0 else 0
                    if target != previous:
                        previous = target
                        count += 1
                        found.add(Shift(length, start, target))
        if count >= MAX_CANDIDATES:
            break
    return count, found


def best_shift(hypothesis: str, reference: str, before: int, candidates: set[Shift]) -> tuple[int, str]:
    """What the best shift gains, and the hypothesis after it: highest gain, longest, earliest block, earliest target."""
    distance = Levenshtein.distance
    best_gain, best_length, best_start, best_target = 0, 0, 0, 0
    best = hypothesis
    doubtful = []
    bounded = not _unbounded(before, len(hypothesis), len(reference))
    for length, start, target in sorted(candidates, key=_by_length):
        if not bounded and (2 * length < best_gain or (2 * length == best_gain and length < best_length)):
            break  # moving a block changes at most its words twice over
        shifted = perform(hypothesis, start, length, target)
        gain = before - distance(shifted, reference)
        if gain < best_gain or gain <= 0:
            continue
        if (gain, length, -start, -target) > (best_gain, best_length, -best_start, -best_target):
            if _unbounded(before - gain, len(hypothesis), len(reference)):
                best_gain, best_length, best_start, best_target, best = gain, length, start, target, shifted
            else:
                doubtful.append((gain, length, -start, -target, shifted))
    best_key = (best_gain, best_length, -best_start, -best_target)
    for *key, shifted in sorted(doubtful, reverse=True):
        if tuple(key) <= best_key:
            break  # inside the beam a distance can only be longer
        gain = before - beam_distance(shifted, reference)
        if (gain, *key[1:]) > best_key and gain > 0:
            best_key, best = (gain, *key[1:]), shifted  # type: ignore[assignment]
    return best_key[0], best


def _by_length(shift: Shift) -> int:
    return -shift.length


def perform(words: str, start: int, length: int, target: int) -> str:
    """The block moved to stand before the word now at ``target`` (within itself: that far to the right)."""
    stop = start + length
    if target < start:
        return words[:target] + words[start:stop] + words[target:start] + words[stop:]
    if target > stop:
        return words[:start] + words[stop:target] + words[start:stop] + words[target:]
    return words[:start] + words[stop : length + target] + words[start:stop] + words[length + target :]


def _unbounded(distance: int, mine: int, theirs: int) -> bool:
    """Whether every optimal path surely lies inside the beam.

    A path of ``distance`` edits strays at most (distance + difference of lengths) / 2 from the pseudo-diagonal.
    """
    return theirs < BEAM_WIDTH or distance + abs(mine - theirs) <= 2 * BEAM_WIDTH - 4


def beam_distance(hypothesis: str, reference: str) -> int:
    """Edit distance within the beam."""
    distance = int(Levenshtein.distance(hypothesis, reference))
    if _unbounded(distance, len(hypothesis), len(reference)):
        return distance
    masks: dict[str, int] = {}
    for place, word in enumerate(reference):
        masks[word] = masks.get(word, 0) | 1 << place
    path = _Deltas(hypothesis, reference, masks).path(hypothesis, reference, "diagonal")
    if _inside(path, len(hypothesis), len(reference)):
        return distance
    return _beam(hypothesis, reference)[0]


def align(hypothesis: str, reference: str, masks: dict[str, int]) -> Alignment:
    """The alignment of least distance within the beam; among equals a match or substitution, then a deletion.

    Args:
        masks: for each word of the reference the bits of the places where it stands.
    """
    deltas = _Deltas(hypothesis, reference, masks)
    path = deltas.path(hypothesis, reference, "diagonal")
    mine, theirs = len(hypothesis), len(reference)
    distance = deltas.distance
    if not _unbounded(distance, mine, theirs) and not all(
        _inside(deltas.path(hypothesis, reference, extreme), mine, theirs) for extreme in ("deletion", "insertion")
    ):
        distance, path = _beam(hypothesis, reference)
    return _alignment(hypothesis, reference, distance, path)


def _alignment(hypothesis: str, reference: str, distance: int, path: list[tuple[int, int]]) -> Alignment:
    """From the cells of a path, last first and without (0, 0)."""
    places = [-1] * len(reference)
    wrong_hypothesis, wrong_reference = (1 << len(hypothesis)) - 1, (1 << len(reference)) - 1
    path = [*path, (0, 0)]
    for (i, j), (up, left) in pairwise(path):
        if left < j:
            places[j - 1] = i - 1
            if up < i and hypothesis[i - 1] == reference[j - 1]:
                wrong_hypothesis ^= 1 << (i - 1)
                wrong_reference ^= 1 << (j - 1)
    return Alignment(distance, places, wrong_hypothesis, wrong_reference)


class _Deltas:
    """Differences between neighbouring cells of the whole edit distance matrix, a bit per reference word.

    For row i and bit j: ``equal`` where the cell equals its diagonal neighbour, ``down`` where it is one more than the
    cell above (a deletion is optimal), ``right`` where it is one more than the cell to its left (an insertion is).
    """

    def __init__(self, hypothesis: str, reference: str, masks: dict[str, int]) -> None:
        full = (1 << len(reference)) - 1
        last = len(reference) - 1
        right, left = full, 0
        distance = len(reference)
        self.equal: list[int] = []
        self.down: list[int] = []
        self.right: list[int] = []
        for word in hypothesis:
            same = masks.get(word, 0)
            equal = ((((same & right) + right) ^ right) | same | left) & full
            down = left | (full & ~(equal | right))
            up = equal & right
            distance += (down >> last) - (up >> last)
            self.equal.append(equal)
            self.down.append(down)
            down = (down << 1 | 1) & full
            right = (up << 1 | (full & ~(equal | down))) & full
            left = down & equal
            self.right.append(right)
        self.distance = distance

    def path(self, hypothesis: str, reference: str, first: str) -> list[tuple[int, int]]:
        """Cells of an optimal path from the end to the start, the start left out; ``first`` is what it prefers."""
        i, j = len(hypothesis), len(reference)
        equal, down, right = self.equal, self.down, self.right
        cells = []
        while i and j:
            cells.append((i, j))
            bit = j - 1
            row = i - 1
            diagonal = hypothesis[row] == reference[bit] or not equal[row] >> bit & 1
            deletion = down[row] >> bit & 1
            if first == "deletion" and deletion:
                i -= 1
            elif first == "insertion" and right[row] >> bit & 1:
                j -= 1
            elif diagonal:
                i -= 1
                j -= 1
            elif deletion:
                i -= 1
            else:
                j -= 1
        cells.extend((row, 0) for row in range(i, 0, -1))
        cells.extend((0, column) for column in range(j, 0, -1))
        return cells


def _band(row: int, mine: int, theirs: int) -> tuple[int, int]:
    """The cells of a row that the beam computes, from and up to."""
    ratio = theirs / mine
    width = math.ceil(ratio / 2 + BEAM_WIDTH) if ratio / 2 > BEAM_WIDTH else BEAM_WIDTH
    centre = math.floor(row * ratio)
    return max(0, centre - width), theirs + 1 if row == mine else min(theirs + 1, centre + width)


def _inside(path: list[tuple[int, int]], mine: int, theirs: int) -> bool:
    """Whether the beam computes every cell of a path."""
    for i, j in path:
        if i:
            low, high = _band(i, mine, theirs)
            if not low <= j < high:
                return False
    return True


def _beam(hypothesis: str, reference: str) -> tuple[int, list[tuple[int, int]]]:
    """The distance within the beam, and its path (cells from the end to the start, the start left out).

    Only the beam's cells are kept: row i holds those from ``lows[i]`` on.
    """
    mine, theirs = len(hypothesis), len(reference)
    infinity = mine + theirs + 1  # no path inside the beam is that long
    rows, lows = [list(range(theirs + 1))], [0]
    for i, word in enumerate(hypothesis, 1):
        low, high = _band(i, mine, theirs)
        above, reach = rows[-1], lows[-1] + len(rows[-1])
        start = low - 1 - lows[-1]  # at least -1: the beam never moves back
        above = [infinity, *above] if start < 0 else above[start:]
        above = above + [infinity] * (high - reach)  # now `above[0]` is the diagonal neighbour of the row's first cell
        row = []
        left = infinity
        for j in range(low, high):
            cost = above[j - low] + (word != reference[j - 1]) if j else infinity
            if above[j - low + 1] < cost:
                cost = above[j - low + 1] + 1
            if left < cost:
                cost = left + 1
            row.append(cost)
            left = cost
        rows.append(row)
        lows.append(low)

    def cell(i: int, j: int) -> int:
        place = j - lows[i]
        return rows[i][place] if 0 <= place < len(rows[i]) else infinity

    cells = []
    i, j = mine, theirs
    while i or j:
        cells.append((i, j))
        if not i:
            j -= 1
        elif not j:
            i -= 1
        elif cell(i, j) == cell(i - 1, j - 1) + (hypothesis[i - 1] != reference[j - 1]):
            i -= 1
            j -= 1
        elif cell(i, j) == cell(i - 1, j) + 1:
            i -= 1
        else:
            j -= 1
    return cell(mine, theirs), cells
