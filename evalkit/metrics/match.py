"""Outputs held against references as strings: equality, containment, patterns, shared tokens."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from evalkit.core.batch import Batch, Ragged
from evalkit.core.contracts import Metric
from evalkit.core.errors import quote
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.metrics.share import Share, hits
from evalkit.stats.ratio import ratio
from evalkit.text.ngrams import Sequences
from evalkit.text.normalise import squad_ids, squad_numbers, stripped
from evalkit.text.overlap import shared_ngrams


@metric("exact_match")
@dataclass(frozen=True)
class ExactMatch(Share):
    """Share of outputs that equal a reference, character by character.

    Nothing is normalised unless an option says so; they are those of Hugging Face's `exact_match`, in its order.

    Misleads: a right answer in other words is wrong here, and so is one with a full stop too many. On free text a rise may
    be nothing but a rise in obedience to a format.

    Source: Hugging Face evaluate's `exact_match`, for the options.
    """

    needs = ("output", "reference")
    ignore_case: bool = False
    ignore_punctuation: bool = False
    ignore_numbers: bool = False
    regexes_to_ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.regexes_to_ignore:
            import regex  # type: ignore[import-untyped,unused-ignore]
        for pattern in self.regexes_to_ignore:
            try:
                regex.compile(pattern)
            except regex.error as error:
                raise ValueError(f"regexes_to_ignore: {quote(pattern)} is not a regular expression: {error}") from None

    def measure(self, batch: Batch) -> Rows:
        outputs, references = self._plain(batch.texts("output")), batch.lists("reference")
        equal = map(operator.eq, repeated(outputs, references), self._plain(references.flat))
        return hits(references.best(np.fromiter(equal, np.float64, count=len(references.flat))))

    def _plain(self, texts: Sequence[str]) -> list[str]:
        return stripped(
            texts,
            patterns=self.regexes_to_ignore,
            case=self.ignore_case,
            punctuation=self.ignore_punctuation,
            digits=self.ignore_numbers,
        )


@metric("contains")
@dataclass(frozen=True)
class Contains(Share):
    """Share of outputs in which any reference, or all of them, stands as it is; an empty reference stands in every
    text.

    Misleads: an output that names every answer contains the right one, and so does one that denies it; long outputs find it
    easier. Digits match inside other numbers: 20 stands in 204.

    Source: ours.
    """

    needs = ("output", "reference")
    mode: Literal["any", "all"] = "any"
    ignore_case: bool = False

    def measure(self, batch: Batch) -> Rows:
        outputs, references = batch.texts("output"), batch.lists("reference")
        wanted = references.flat
        if self.ignore_case:
            outputs, wanted = [text.casefold() for text in outputs], [text.casefold() for text in wanted]
        inside = map(operator.contains, repeated(outputs, references), wanted)
        found = np.fromiter(inside, dtype=np.float64, count=len(wanted))
        return hits(references.best(found, highest=self.mode == "any"))


@metric("regex")
@dataclass(frozen=True)
class Regex(Share):
    """Share of outputs that a pattern matches, somewhere (``search``) or from end to end (``full``).

    The syntax is that of the `regex` package, a superset of Python's `re`.  A record on which matching takes longer
    than ``timeout_s`` is an error: some patterns need exponential time on some texts.

    Misleads: it measures what the pattern says and not what was meant by it: try it on outputs that should fail before
    trusting a high share.

    Source: ours.
    """

    needs = ("output",)
    pattern: str
    mode: Literal["search", "full"] = "search"
    flags: str = ""  # letters of: a (ASCII), i (ignore case), m (multi-line), s (dot takes newlines), x (verbose)
    timeout_s: float = 1.0  # for one record

    def __post_init__(self) -> None:
        import regex  # type: ignore[import-untyped,unused-ignore]

        unknown = sorted(set(self.flags.lower()) - set("aimsx"))
        if unknown:
            raise ValueError(f"flags: {quote(''.join(unknown))} is unknown; the letters a, i, m, s and x are flags")
        if not self.timeout_s > 0:
            raise ValueError(f"timeout_s must be above 0, not {self.timeout_s:g}")
        try:
            self._compiled()
        except regex.error as error:
            raise ValueError(f"pattern: {quote(self.pattern)} is not a regular expression: {error}") from None

    def measure(self, batch: Batch) -> Rows:
        compiled = self._compiled()
        match = compiled.search if self.mode == "search" else compiled.fullmatch
        found, errors = np.zeros(len(batch)), {}
        for index, text in enumerate(batch.texts("output")):
            try:
                found[index] = match(text, timeout=self.timeout_s) is not None
            except TimeoutError:
                errors[index] = f"the pattern took longer than {self.timeout_s:g} s on this output"
        return hits(found, errors)

    def _compiled(self) -> Any:  # the package keeps compiled patterns itself
        import regex  # type: ignore[import-untyped,unused-ignore]

        flags = 0
        for letter in self.flags.upper():
            flags |= getattr(regex, letter)
        return regex.compile(self.pattern, flags)


@metric("token_f1")
@dataclass(frozen=True)
class TokenF1(Metric):
    """Harmonic mean of token precision and recall, the best over references; the value is the mean over records.

    Tokens are SQuAD's: lower case, no punctuation, no articles, split at white space.  Two texts without tokens agree
    (1), one without disagrees with any other (0).  Rows are ``(f1, 1)``.  Source: SQuAD 2.0's evaluation script,
    `compute_f1`.

    Formula: 2PR / (P + R) with P = shared tokens / tokens of the output, R = shared tokens / tokens of the reference.

    Range: 0 to 1.

    Misleads: a long, correct answer against a short reference scores low, and one wrong word in a name costs little. "not"
    is one token: the opposite scores nearly as high.
    """

    needs = ("output", "reference")

    @property
    def columns(self) -> tuple[str, ...]:
        return ("f1", "records")

    def measure(self, batch: Batch) -> Rows:
        references = batch.lists("reference")
        numbers = batch.derive("squad numbers", squad_numbers)
        found = batch.derive(("squad ids", "output"), lambda: squad_ids(batch.texts("output"), numbers))
        wanted = batch.derive(("squad ids", "reference"), lambda: squad_ids(references.flat, numbers))
        scores = token_f1(found if references.single else found.take(references.owners), wanted)
        return Rows.of(references.best(scores), np.ones(len(batch)))

    def combine(self, totals: Floats) -> Floats:
        return ratio(totals[..., 0], totals[..., 1])[..., None]


def token_f1(found: Sequences, wanted: Sequences) -> Floats:
    """F1 of the tokens of each pair, shape (n,)."""
    common = shared_ngrams(found, wanted, 1).astype(np.float64)
    # 2·(c/p)·(c/r) / (c/p + c/r) with p and r tokens is 2c / (p + r); the script's own order of operations is kept, to
    # agree with it to the last digit.
    precision, recall = ratio(common, found.lengths, 0.0), ratio(common, wanted.lengths, 0.0)
    scores = ratio(2 * precision * recall, precision + recall, 0.0)
    scores[found.lengths + wanted.lengths == 0] = 1.0
    return scores


def repeated(outputs: list[str], references: Ragged) -> Sequence[str]:
    """Each output once for every reference of its record."""
    return outputs if references.single else [outputs[owner] for owner in references.owners.tolist()]
