"""Text brought to a common form before it is compared: what SQuAD and exact match take out."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_DIGITS = str.maketrans("", "", string.digits)


def squad_tokens(text: str) -> list[str]:
    """Lower case, ASCII punctuation out, then the articles a, an and the; split at white space.

    Source: the SQuAD evaluation script (Rajpurkar et al. 2016), `normalize_answer` and `get_tokens`.
    """
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


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
        patterns: regular expressions whose matches are deleted, one after the other.
        case: lower the case.
        punctuation: delete ASCII punctuation.
        digits: delete ASCII digits.
    """
    kept = list(texts)
    for pattern in patterns:
        delete = re.compile(pattern)
        kept = [delete.sub("", text) for text in kept]
    if case:
        kept = [text.lower() for text in kept]
    if punctuation:
        kept = [text.translate(_PUNCTUATION) for text in kept]
    if digits:
        kept = [text.translate(_DIGITS) for text in kept]
    return kept
