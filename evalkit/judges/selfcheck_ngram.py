"""The n-gram model of SelfCheckGPT: how surprising each token of an answer is after all that was sampled."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from evalkit.core.rows import Floats

TOKENS = "words-1"
"""The tokeniser's name in signatures."""

_EACH = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # scripts without spaces: a token a sign
_TOKEN = re.compile(rf"[{_EACH}]|\d+(?:[.,]\d+)+|(?:(?![{_EACH}])\w)+(?:['’](?:(?![{_EACH}])\w)+)*+|[^\w\s]")
_PAD = ""  # before a sentence; no token is empty


def tokens(text: str, *, lowercase: bool = True) -> list[str]:
    """Words with their apostrophes, numbers with their points, and every other sign by itself."""
    return _TOKEN.findall(text.lower() if lowercase else text)


def surprisals(sentences: Sequence[Sequence[str]], others: Iterable[Sequence[str]], n: int, smoothing: float) -> list[Floats]:
    """−ln P of every token of every sentence, each of shape (tokens,), never negative but for rounding.

    P(g) = (count(g) + k) / (total + k·V), the joint probability of the n-gram g that ends in the token, over all n-grams of
    ``sentences`` and ``others`` together, with V distinct ones and one for all that were never seen. A sentence begins with
    n − 1 empty tokens.

    Args:
        sentences: tokens of the answer's sentences.
        others: tokens of the samples' sentences.
        smoothing: k; 0 is the authors' choice, and finite here, for the answer's own n-grams are always counted.

    Source: Manakul et al. (2023), section 5.3; the joint probability is their code's.
    """
    own = [_ngrams(sentence, n) for sentence in sentences]
    counts: Counter[tuple[str, ...]] = Counter()
    for listed in (*own, *(_ngrams(sentence, n) for sentence in others)):
        counts.update(listed)
    whole = np.log(sum(counts.values()) + smoothing * (len(counts) + 1)) if counts else 0.0
    return [whole - np.log(np.array([counts[gram] for gram in listed], dtype=np.float64) + smoothing) for listed in own]


def _ngrams(sentence: Sequence[str], n: int) -> list[tuple[str, ...]]:
    padded = [_PAD] * (n - 1) + list(sentence)
    return list(zip(*(padded[start:] for start in range(n))))
