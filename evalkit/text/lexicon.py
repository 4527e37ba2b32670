"""Words as METEOR sees them: lower-cased tokens, their stems and the synonyms of those, all as integers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalkit.text.ngrams import Sequences, offsets_of
from evalkit.text.porter import porter
from evalkit.text.treebank import inner, pieces, treebank
from evalkit.text.vocabulary import Memo, Numbering
from evalkit.text.wordnet import open_wordnet

_LIMIT = 400_000  # pieces a lexicon may remember before the next batch starts another


class Lexicon:
    """Numbers of words and stems, with what was found out about them once. Grows as it is used."""

    def __init__(self) -> None:
        self.words = Numbering()
        self.stems = Numbering()
        self._stem_of = np.zeros(0, dtype=np.int32)
        self._inner: Memo[str, tuple[int, ...]] = Memo(lambda piece: self._numbers(inner(piece)))
        self._last: Memo[str, tuple[int, ...]] = Memo(lambda piece: self._numbers(treebank(piece)))
        self._plain: Memo[str, int] = Memo(lambda word: self.words[word.lower()])
        self._synonyms: dict[Path, Memo[int, frozenset[int]]] = {}

    def __len__(self) -> int:
        return len(self._inner) + len(self._last) + len(self._plain) + len(self.stems)

    def _numbers(self, tokens: Iterable[str]) -> tuple[int, ...]:
        return tuple(self.words[token.lower()] for token in tokens)

    def treebank(self, texts: Sequence[str]) -> Sequences:
        """NLTK's word tokens of texts, lower-cased one by one."""
        of_piece, of_last = self._inner.__getitem__, self._last.__getitem__
        ids: list[int] = []
        ends = []
        for text in texts:
            parts, last = pieces(text)
            ids.extend(chain.from_iterable(map(of_piece, parts)))
            ids.extend(of_last(last))
            ends.append(len(ids))
        return Sequences(np.array(ids, dtype=np.int32), np.array([0, *ends], dtype=np.int64))

    def whitespace(self, texts: Sequence[str]) -> Sequences:
        """What stands between white space, lower-cased one by one."""
        words = [text.split() for text in texts]
        offsets = offsets_of(np.fromiter(map(len, words), dtype=np.int64, count=len(words)))
        flat = map(self._plain.__getitem__, chain.from_iterable(words))
        return Sequences(np.fromiter(flat, dtype=np.int32, count=int(offsets[-1])), offsets)

    def stems_of(self, tokens: Sequences) -> NDArray[np.int32]:
        """Numbers of the stems of words."""
        known = len(self._stem_of)
        fresh = self.words.names[known:]
        if fresh:
            added = np.fromiter((self.stems[porter(word)] for word in fresh), dtype=np.int32, count=len(fresh))
            self._stem_of = np.concatenate([self._stem_of[:known], added])
        return self._stem_of[tokens.ids]

    def synonyms(self, place: Path) -> Memo[int, frozenset[int]]:
        """The synonyms of stems, taken as words of the WordNet at ``place``."""
        if place not in self._synonyms:
            wordnet = open_wordnet(place)
            self._synonyms[place] = Memo(
                lambda stem: frozenset(self.stems[word] for word in wordnet.synonyms(self.stems.names[stem]))
            )
        return self._synonyms[place]


_current: list[Lexicon] = []


def lexicon() -> Lexicon:
    """The process's lexicon; a new one once it has grown too large. Numbers of different lexicons do not compare."""
    if not _current or len(_current[-1]) > _LIMIT:
        _current[:] = [Lexicon()]
    return _current[-1]
