"""What a batch's text columns tell: descriptors and terms, read in one pass over their bytes and kept with the batch."""

from __future__ import annotations

from evalkit.detection.frame import Frame
from evalkit.text.descriptors import Described, describe
from evalkit.text.terms import Terms, terms

INPUT = ("characters", "words", "upper", "digits", "punctuation", "non_ascii")
OUTPUT = ("characters", "words", "sentences", "repetition", "refusal", "json", "markdown", "code_block")
READ = {"input": INPUT, "output": OUTPUT}


def described(frame: Frame, column: str) -> Described:
    """All descriptors of a text column and its terms."""
    return frame.derive(("described", column), lambda: describe(frame.text(column), READ[column], with_terms=True))


def terms_in(frame: Frame, column: str) -> Terms:
    """The terms of a text column: those that came with its descriptors, or else read for themselves."""
    known: Described | None = frame.known(("described", column))
    if known is not None and known.terms is not None:
        return known.terms
    return frame.derive(("terms", column), lambda: terms(frame.text(column)))
