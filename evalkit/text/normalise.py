"""Text brought to a common form before it is compared: what SQuAD and exact match take out."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evalkit.core.errors import quote
from evalkit.text.ngrams import Sequences, offsets_of
from evalkit.text.vocabulary import Numbering, blocks

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
PATIENCE_S = 1.0  # for one pattern on one text
_BLOCK = 1 << 20  # characters whose tokens are Python objects for a moment
_END, _OUT, _FIRST = 0, 1, 2  # ids of the mark behind a text and of articles; tokens follow
_MARK = "A"  # lower-cased text has none
_ENDS_WORDS = bytes(code for code in range(128) if code < 9 or 13 < code < 28 or code == 127)  # yet is no white space
_USUAL = bytes(code for code in range(256) if code not in _ENDS_WORDS)


def squad_tokens(text: str) -> list[str]:
    """Lower case, ASCII punctuation out, then the articles a, an and the; split at white space.

    Source: the SQuAD evaluation script (Rajpurkar et al. 2016), `normalize_answer` and `get_tokens`.
    """
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def squad_numbers() -> Numbering:
    """A vocabulary for `squad_ids`."""
    numbers = Numbering(first=_FIRST)
    numbers.update({_MARK: _END, "a": _OUT, "an": _OUT, "the": _OUT})
    return numbers


def squad_ids(texts: Sequence[str], numbers: Numbering) -> Sequences:
    """The `squad_tokens` of many texts as integers, equal for equal tokens; new ones are entered in ``numbers``."""
    ids: list[NDArray[np.int32]] = [np.zeros(0, dtype=np.int32)]
    lengths: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    sizes = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    for low, high in blocks(sizes + 1, _BLOCK):
        marked = np.fromiter(map(numbers.__getitem__, _squad_words(texts[low:high])), dtype=np.int32)
        real = marked >= _FIRST
        before = np.concatenate([[0], np.cumsum(real)])
        lengths.append(np.diff(before[np.flatnonzero(marked == _END)], prepend=0))
        ids.append(marked[real])
    return Sequences(np.concatenate(ids), offsets_of(np.concatenate(lengths)))


def _without_matches(texts: Sequence[str], pattern: str) -> list[str]:
    import regex  # type: ignore[import-untyped,unused-ignore]  # it can be stopped: some patterns need exponential time

    delete = regex.compile(pattern)
    try:
        return [delete.sub("", text, timeout=PATIENCE_S) for text in texts]
    except TimeoutError:
        raise ValueError(f"the pattern {quote(pattern)} took longer than {PATIENCE_S:g} s on a text") from None


def _squad_words(texts: Sequence[str]) -> list[str]:
    """The tokens of all texts with their articles, a mark behind each text.

    In ASCII a token is an article when it is one as a whole; where other characters end words, the slow way is taken.
    """
    lowered = [low if (low := text.lower()).isascii() else " ".join(squad_tokens(text)) for text in texts]
    joined = _without(f" {_MARK} ".join([*lowered, ""]), string.punctuation)
    if joined.translate(None, _USUAL):
        joined = f" {_MARK} ".join([*(" ".join(squad_tokens(text)) for text in texts), ""]).encode("utf-8", "surrogatepass")
    return joined.decode("utf-8", "surrogatepass").split()


def _without(text: str, characters: str) -> bytes:
    """A text in UTF-8 without some ASCII characters."""
    return text.encode("utf-8", "surrogatepass").translate(None, characters.encode())


def _deleted(texts: list[str], characters: str) -> list[str]:
    """Texts without some ASCII characters, all in one pass."""
    joined = "\0".join(texts)
    if joined.count("\0") != len(texts) - 1:  # no texts, or a text has the character that is to part them
        table = str.maketrans("", "", characters)
        return [text.translate(table) for text in texts]
    return _without(joined, characters).decode("utf-8", "surrogatepass").split("\0")


def stripped(
    texts: Sequence[str],
    *,
    patterns: Sequence[str] = (),
    case: bool = False,
    punctuation: bool = False,
    digits: bool = False,
) -> list[str]:
    """Texts without what is named; in the order of Hugging Face's `exact_match`: patterns, case, punctuation, digits.

    Args:
        patterns: regular expressions whose matches are deleted, one after the other; a text may take each a second.
        case: lower the case.
        punctuation: delete ASCII punctuation.
        digits: delete ASCII digits.
    """
    kept = list(texts)
    for pattern in patterns:
        kept = _without_matches(kept, pattern)
    if case:
        kept = [text.lower() for text in kept]
    if punctuation:
        kept = _deleted(kept, string.punctuation)
    if digits:
        kept = _deleted(kept, string.digits)
    return kept
