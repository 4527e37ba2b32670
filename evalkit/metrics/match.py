"""Outputs held against references as strings: equality, containment, patterns, shared tokens."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.core.batch import Batch, Ragged
from evalkit.core.contracts import Metric
from evalkit.core.errors import quote
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.metrics.share import Share, hits
from evalkit.stats.ratio import ratio
from evalkit.text.normalise import squad_tokens, stripped

Texts = Sequence[Sequence[str]]  # a list of tokens each


@metric("exact_match")
@dataclass(frozen=True)
class ExactMatch(Share):
    """Share of outputs that equal a reference, character by character.

    Nothing is normalised unless an option says so; they are those of Hugging Face's `exact_match`, in its order.
    """

    needs = ("output", "reference")
    ignore_case: bool = False
    ignore_punctuation: bool = False
    ignore_numbers: bool = False
    regexes_to_ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for pattern in self.regexes_to_ignore:
            try:
                re.compile(pattern)
            except re.error as error:
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
    text."""

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
    """

    needs = ("output", "reference")

    @property
    def columns(self) -> tuple[str, ...]:
        return ("f1", "records")

    def measure(self, batch: Batch) -> Rows:
        references = batch.lists("reference")
        outputs = batch.derive(("squad_tokens", "output"), lambda: list(map(squad_tokens, batch.texts("output"))))
        wanted = batch.derive(("squad_tokens", "reference"), lambda: list(map(squad_tokens, references.flat)))
        scores = token_f1(outputs, wanted, references.owners)
        return Rows.of(references.best(scores), np.ones(len(batch)))

    def combine(self, totals: Floats) -> Floats:
        return ratio(totals[..., 0], totals[..., 1])[..., None]


def token_f1(outputs: Texts, references: Texts, owners: NDArray[np.int64]) -> Floats:
    """F1 of each reference with its owner's output, shape (len(references),)."""
    ids: dict[str, int] = {}
    found, found_lengths = _flat_ids(outputs, ids)
    wanted, wanted_lengths = _flat_ids(references, ids)
    size = max(len(ids), 1)
    # A token's second occurrence in a text is another token: then what two texts share is a plain set intersection.
    found_keys, found_nth = _occurrences(found, found_lengths, size)
    wanted_keys, wanted_nth = _occurrences(wanted, wanted_lengths, size)
    depth = int(max(found_nth.max(initial=0), wanted_nth.max(initial=0))) + 1
    # A reference's tokens are looked up in the text of the output that owns it.
    places = np.repeat(np.arange(len(references)), wanted_lengths)
    wanted_keys = owners[places] * size + wanted_keys % size
    shared = np.isin(wanted_keys * depth + wanted_nth, found_keys * depth + found_nth)
    common = np.bincount(places[shared], minlength=len(references)).astype(np.float64)
    lengths = found_lengths[owners] + wanted_lengths
    # 2·(c/p)·(c/r) / (c/p + c/r) with p and r tokens is 2c / (p + r); the script's own order of operations is kept, to
    # agree with it to the last digit.
    precision, recall = ratio(common, found_lengths[owners], 0.0), ratio(common, wanted_lengths, 0.0)
    scores = ratio(2 * precision * recall, precision + recall, 0.0)
    scores[lengths == 0] = 1.0
    return scores


def repeated(outputs: list[str], references: Ragged) -> Sequence[str]:
    """Each output once for every reference of its record."""
    return outputs if references.single else [outputs[owner] for owner in references.owners.tolist()]


def _flat_ids(texts: Texts, ids: dict[str, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids of all texts, flat, and how many each has; new tokens are entered in ``ids``."""
    flat = [ids.setdefault(token, len(ids)) for tokens in texts for token in tokens]
    return np.array(flat, dtype=np.int64), np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))


def _occurrences(
    tokens: NDArray[np.int64], lengths: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each token a key of (text, token), and how often that key stood before it."""
    keys = np.repeat(np.arange(len(lengths)), lengths) * size + tokens
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, dtype=np.int64)
    runs = np.diff(np.append(first, len(ordered)))
    nth = np.empty(len(keys), dtype=np.int64)
    nth[order] = np.arange(len(keys)) - np.repeat(first, runs)
    return keys, nth
