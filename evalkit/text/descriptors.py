"""Descriptors: what can be said of every text of a column in a few microseconds, and of a sample of it in more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.core.errors import UnknownName
from evalkit.text import form
from evalkit.text.bytes import Block, blocks, missing
from evalkit.text.characters import DIGIT, PUNCTUATION, SPACE, UPPER
from evalkit.text.language import language
from evalkit.text.readability import HIGHEST, readability
from evalkit.text.refusal import refusal
from evalkit.text.repetition import repetition
from evalkit.text.sentence_count import sentence_counts
from evalkit.text.terms import Terms, terms_of
from evalkit.text.tone import tone

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["count", "share", "flag", "score", "category"]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Descriptor:
    """A number for each text, or a word for it: what it is, in which unit, and between which bounds."""

    name: str
    about: str
    kind: Kind
    unit: str
    low: float
    high: float
    measure: Callable[[Any], NDArray[Any]]
    of: Literal["block", "terms", "array"] = "block"  # what ``measure`` reads
    group: Literal["all", "sample"] = "all"  # fast enough for all rows, or meant for a sample


@dataclass(frozen=True)
class Described:
    """Descriptors of ``n`` texts, NaN where a text is missing; and their terms, if they were asked for."""

    values: dict[str, NDArray[Any]]
    terms: Terms | None


# --- characters ------------------------------------------------------------------------------------------------------


def characters(block: Block) -> NDArray[np.int64]:
    """Code points, as Python's ``len`` counts; an empty text has 0."""
    return block.characters


def words(block: Block) -> NDArray[np.int64]:
    """Runs of anything but white space, as ``len(text.split())``; Unicode's white space counts."""
    return block.count(block.words)


def lines(block: Block) -> NDArray[np.int64]:
    """Line feeds and one more; 0 for an empty text. CRLF is one break, a lone CR none."""
    return block.count_at(block.feeds) + (block.sizes > 0)


def upper_share(block: Block) -> Values:
    """Upper-case letters (A to Z, and Unicode's Lu) over code points; 0 for an empty text."""
    return _share(block, block.capitals, UPPER)


def digit_share(block: Block) -> Values:
    """Decimal digits (0 to 9, and Unicode's Nd) over code points; 0 for an empty text."""
    return _share(block, block.count(block.digits), DIGIT)


def punctuation_share(block: Block) -> Values:
    """ASCII's 32 marks and symbols, and Unicode's P*, over code points; 0 for an empty text."""
    data = block.data
    printing = data - np.uint8(33) < 94
    return _share(block, block.count(printing & ~block.alphanumeric), PUNCTUATION)


def space_share(block: Block) -> Values:
    """White space, as ``str.isspace`` understands it, over code points; 0 for an empty text."""
    ascii_space = block.space if block.plain else block.space & (block.data < 128)
    return _share(block, block.count(ascii_space), SPACE)


def non_ascii_share(block: Block) -> Values:
    """Code points beyond ASCII over all; 0 for an empty text."""
    share: Values = block.count_at(block.wide.places) / np.maximum(block.characters, 1)
    return share


def _share(block: Block, ascii_count: NDArray[np.int64], wide_class: int) -> Values:
    counts = ascii_count if block.plain else ascii_count + block.count_at(block.wide.having(wide_class))
    share: Values = counts / np.maximum(block.characters, 1)
    return share


# --- the table -------------------------------------------------------------------------------------------------------


def _count(name: str, unit: str, about: str, measure: Callable[[Block], NDArray[Any]]) -> Descriptor:
    return Descriptor(name, about, "count", unit, 0.0, np.inf, measure)


def _part(name: str, unit: str, about: str, measure: Callable[[Any], NDArray[Any]], **more: Any) -> Descriptor:
    return Descriptor(name, about, "share", unit, 0.0, 1.0, measure, **more)


def _flag(name: str, about: str, measure: Callable[[Any], NDArray[Any]], **more: Any) -> Descriptor:
    return Descriptor(name, about, "flag", "0 or 1", 0.0, 1.0, measure, **more)


def _sampled(
    name: str, about: str, kind: Kind, unit: str, low: float, high: float, measure: Callable[[Any], NDArray[Any]]
) -> Descriptor:
    return Descriptor(name, about, kind, unit, low, high, measure, of="array", group="sample")


DESCRIPTORS = {
    each.name: each
    for each in (
        _count("characters", "characters", "length in characters", characters),
        _count("words", "words", "length in words", words),
        _count("sentences", "sentences", "sentences", sentence_counts),
        _count("lines", "lines", "lines", lines),
        _count("links", "links", "links", form.links),
        _part("upper", "of characters", "share of capital letters", upper_share),
        _part("digits", "of characters", "share of digits", digit_share),
        _part("punctuation", "of characters", "share of punctuation", punctuation_share),
        _part("non_ascii", "of characters", "share of characters beyond ASCII", non_ascii_share),
        _part("spaces", "of characters", "share of white space", space_share),
        _part("repetition", "of runs of four terms", "share of text that repeats itself", repetition, of="terms"),
        _flag("refusal", "begins with a refusal", refusal, of="array"),
        _flag("json", "is valid JSON", form.json_valid),
        _flag("json_broken", "begins like JSON and is not valid", form.json_broken),
        _flag("markdown", "shows Markdown", form.markdown),
        _flag("code_block", "has a code block", form.code_block),
        _flag("open_code_block", "has a code block that is not closed", form.open_code_block),
        _sampled("tone", "tone, from bad to good", "score", "VADER compound", -1.0, 1.0, tone),
        _sampled("readability", "reading ease", "score", "Flesch", -np.inf, HIGHEST, readability),
        _sampled("language", "language", "category", "ISO 639", np.nan, np.nan, language),
    )
}
ALL_ROWS = tuple(name for name, each in DESCRIPTORS.items() if each.group == "all")
"""Those for every row: together a few microseconds a text."""
SAMPLED = tuple(name for name, each in DESCRIPTORS.items() if each.group == "sample")
"""Those for a sample of rows."""


def describe(array: pa.Array | pa.ChunkedArray, names: Sequence[str] = ALL_ROWS, *, with_terms: bool = False) -> Described:
    """Descriptors of an Arrow array of strings, all of them in one pass over its bytes.

    Args:
        array: ``n`` texts, strings of any of Arrow's kinds, whole or chunked; null is a missing text, an empty one a value.
        names: of `DESCRIPTORS`.
        with_terms: also give the terms, which are then read once for both.

    Returns:
        For each name float64 of shape (n,), NaN where the text is missing; a flag is 1.0 or 0.0. A category has strings, as
        objects, and None.

    Raises:
        UnknownName: a descriptor that there is not.
        TypeError: the array holds no strings.
        MissingExtra: a sampled descriptor needs a package that is not installed.
    """
    chosen = [_known(name) for name in names]
    parts: dict[str, list[Values]] = {name: [np.zeros(0)] for name in names}
    values: dict[str, NDArray[Any]] = {}
    held: list[Terms] = []
    by_block = [each for each in chosen if each.of != "array"]
    want_terms = with_terms or any(each.of == "terms" for each in chosen)
    if by_block or with_terms:
        for block in blocks(array):
            found = terms_of(block) if want_terms else None
            if found is not None and with_terms:
                held.append(found)
            for each in by_block:
                value = each.measure(found if each.of == "terms" else block)
                parts[each.name].append(value.astype(np.float64))
    for each in chosen:
        if each.of == "array":
            value = each.measure(array)
            values[each.name] = value if each.kind == "category" else value.astype(np.float64)
        else:
            values[each.name] = np.concatenate(parts[each.name])
    if array.null_count:
        absent = missing(array)
        for each in chosen:
            values[each.name][absent] = None if each.kind == "category" else np.nan
    return Described(values, Terms.joined(held) if with_terms else None)


def _known(name: str) -> Descriptor:
    if name not in DESCRIPTORS:
        raise UnknownName("text descriptor", name, DESCRIPTORS)
    return DESCRIPTORS[name]
