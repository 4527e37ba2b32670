"""The tone of English texts, by VADER's lexicon and rules."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evalkit.core.errors import MissingExtra
from evalkit.text.bytes import chunks_of

if TYPE_CHECKING:
    import pyarrow as pa

REACH = 4_000  # characters of a text that are read: VADER's time grows faster than the text


def tone(array: pa.Array | pa.ChunkedArray) -> NDArray[np.float64]:
    """VADER's compound score of each text, shape (n,): from −1, all bad, over 0, neutral, to 1, all good; NaN where missing.

    An empty text and one without any word of the lexicon have 0. It is meant for English; the first 4,000 characters count, and
    a millisecond a text is usual. Source: Hutto & Gilbert (2014), ICWSM.

    Raises:
        MissingExtra: vaderSentiment is not installed.
    """
    compound = _analyser().polarity_scores
    texts = (text for chunk in chunks_of(array) for text in chunk.to_pylist())
    scores = (np.nan if text is None else compound(text[:REACH])["compound"] for text in texts)
    return np.fromiter(scores, dtype=np.float64, count=len(array))


@cache
def _analyser() -> Any:
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError as error:
        raise MissingExtra("the text descriptor tone", "vaderSentiment", "logs") from error
    return SentimentIntensityAnalyzer()
