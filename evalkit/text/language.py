"""The language of texts, by py3langid's n-grams of bytes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evalkit.core.errors import MissingExtra
from evalkit.text.bytes import chunks_of

if TYPE_CHECKING:
    import pyarrow as pa

UNKNOWN = "und"
REACH = 2_000  # characters of a text that are read
LEAST_BYTES = 20  # of letters, in UTF-8: about four words, or seven Chinese characters
SURE = 0.5  # the probability from which a language is named


def language(array: pa.Array | pa.ChunkedArray) -> NDArray[np.object_]:
    """The language of each text as an ISO 639 code, shape (n,); None where it is missing.

    ``und`` (undetermined) is a text with less than 20 bytes of letters, as an empty one; one without linguistic content; one
    whose likeliest language has a probability below 0.5. The first 2,000 characters count, and a tenth of a millisecond a text
    is usual. Source: Lui & Baldwin (2012), ACL demo, in Barbaresi's py3langid with its own model.

    Raises:
        MissingExtra: py3langid is not installed.
    """
    identify = _identifier().classify
    texts = (text for chunk in chunks_of(array) for text in chunk.to_pylist())
    codes = np.empty(len(array), dtype=object)
    for place, text in enumerate(texts):
        codes[place] = None if text is None else _code(identify, text[:REACH])
    return codes


def _code(identify: Any, text: str) -> str:
    letters = "".join(filter(str.isalpha, text))
    if len(letters.encode("utf-8", "replace")) < LEAST_BYTES:
        return UNKNOWN
    code, _ = identify(text)
    return UNKNOWN if code == "zxx" else str(code)


@cache
def _identifier() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise MissingExtra("the text descriptor language", "py3langid", "logs") from error
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True, min_confidence=SURE)
