"""Words as ROUGE sees them: runs of a-z and 0-9, lower-cased, stemmed if wanted, as integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.text.ngrams import Sequences, offsets_of
from evalkit.text.porter import porter
from evalkit.text.vocabulary import Memo, Numbering, blocks

_TEXT, _LINE = 0, 1  # ids of the marks for the end of a text and of a line; words follow
_BLOCK = 1 << 20  # characters tokenised at once: their tokens are Python objects for a moment
_LIMIT = 400_000  # words a vocabulary may hold before the next batch starts another
_KEPT = (
    bytes(code if code in b"\x00\x01" or chr(code).isdigit() or chr(code).islower() else 32 for code in range(128)) + b" " * 128
)


class WordIds(Memo[bytes, int]):
    """Ids of words; words with one stem share an id. Grows as it is used, and is the same for both sides of a batch."""

    def __init__(self, *, stemmer: bool) -> None:
        super().__init__(self._enter)
        self.stemmer = stemmer
        self.stems = Numbering(first=2)
        self[b"\x00"], self[b"\x01"] = _TEXT, _LINE

    def _enter(self, word: bytes) -> int:
        text = word.decode("ascii")
        return self.stems[porter(text) if self.stemmer and len(text) > 3 else text]  # short words stay as they are


_current: dict[bool, WordIds] = {}


def word_ids(*, stemmer: bool) -> WordIds:
    """The process's vocabulary; a new one once it has grown too large. Ids of different vocabularies do not compare."""
    held = _current.get(stemmer)
    if held is None or len(held) > _LIMIT:
        held = _current[stemmer] = WordIds(stemmer=stemmer)
    return held


@dataclass(frozen=True)
class Words:
    """The words of ``n`` texts, and in which line of its text each stands."""

    tokens: Sequences
    lines: NDArray[np.int32] | None  # of each token, rising within a text; None: no text has more than one line

    def slice(self, low: int, high: int) -> Words:
        """The texts ``low`` up to ``high``."""
        first, last = self.tokens.offsets[low], self.tokens.offsets[high]
        return Words(self.tokens.slice(low, high), None if self.lines is None else self.lines[first:last])

    def take(self, indices: NDArray[np.int64]) -> Words:
        """The texts at ``indices``, which may repeat, in that order."""
        tokens = self.tokens.take(indices)
        if self.lines is None:
            return Words(tokens, None)
        return Words(tokens, Sequences(self.lines, self.tokens.offsets).take(indices).ids)

    def many_lined(self) -> NDArray[np.bool_]:
        """Which texts have words in more than one line, shape (n,)."""
        several = np.zeros(len(self.tokens), dtype=bool)
        if self.lines is not None:
            filled = np.flatnonzero(self.tokens.lengths)
            first, last = self.tokens.offsets[filled], self.tokens.offsets[filled + 1] - 1
            several[filled] = self.lines[first] != self.lines[last]
        return several

    def lists(self, index: int) -> list[list[int]]:
        """The words of one text, a list for each line that has any."""
        low, high = self.tokens.offsets[index], self.tokens.offsets[index + 1]
        ids = self.tokens.ids[low:high]
        if self.lines is None:
            return [ids.tolist()] if len(ids) else []
        cuts = np.flatnonzero(np.diff(self.lines[low:high])) + 1
        return [part.tolist() for part in np.split(ids, cuts) if len(part)]


def words_of(texts: Sequence[str], vocabulary: WordIds) -> Words:
    """The words of texts by rouge-score's rules, a block of characters at a time.

    One pass over the joined bytes does what ``[^a-z0-9]+`` and splitting do per text.
    """
    sizes = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    ids: list[NDArray[np.int32]] = []
    lines: list[NDArray[np.int32]] = []
    lengths: list[NDArray[np.int64]] = []
    for low, high in blocks(sizes + 1, _BLOCK):
        marked = np.fromiter(map(vocabulary.__getitem__, _split(texts[low:high])), dtype=np.int32)
        ends = np.flatnonzero(marked == _TEXT)
        breaks = marked == _LINE
        real = marked > _LINE
        before = np.concatenate([[0], np.cumsum(real)])
        lengths.append(np.diff(before[ends], prepend=0))
        ids.append(marked[real])
        if breaks.any():
            lines.append(np.cumsum(breaks, dtype=np.int32)[real])
        else:
            lines.append(np.zeros(len(ids[-1]), dtype=np.int32))
    whole = Sequences(_joined(ids), offsets_of(np.concatenate(lengths) if lengths else np.zeros(0, dtype=np.int64)))
    numbers = _joined(lines)
    return Words(whole, numbers if numbers.any() else None)


def _split(texts: Sequence[str]) -> list[bytes]:
    """Words and marks of some texts, each text closed by its mark."""
    joined = "\x00".join([_lower(text) for text in texts])
    if "\x01" in joined or joined.count("\x00") >= len(texts):
        joined = "\x00".join([_lower(text.replace("\x00", " ").replace("\x01", " ")) for text in texts])
    cleaned = joined.replace("\n", " \x01 ").replace("\x00", " \x00 ")
    return (cleaned.encode("ascii") + b" \x00").translate(_KEPT).split()


def _lower(text: str) -> str:
    """Lower case, with a question mark for every letter that is not ASCII: no word has one, and ASCII is fast."""
    lowered = text.lower()
    return lowered if lowered.isascii() else lowered.encode("ascii", "replace").decode("ascii")


def _joined(parts: list[NDArray[np.int32]]) -> NDArray[np.int32]:
    return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, dtype=np.int32), *parts])
