"""What a summary is, beside its source: how short, how much of it copied and in what runs, how much new."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from evalkit.core.batch import Batch
from evalkit.core.contracts import Metric
from evalkit.core.errors import SpecError
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.metrics.source import OfSource, texts_of
from evalkit.stats.ratio import ratio
from evalkit.text.fragments import BOUNDARY, Fragments, extractive_fragments, novel_ngrams
from evalkit.text.lexicon import Lexicon, lexicon
from evalkit.text.mt_tokens import squeezed
from evalkit.text.ngrams import Ints, Sequences, offsets_of

Tokens = Literal["nltk", "whitespace", "char"]
ORDER = 4
_SHOWN = 25  # words of a copied run that a reason shows


class Sides(NamedTuple):
    """Summaries and their sources as tokens."""

    summaries: Sequences
    sources: Sequences  # a `BOUNDARY` between two passages
    sizes: Ints  # tokens of each source, boundaries apart
    lexicon: Lexicon | None  # whose numbers the tokens are; None: they are characters


class BesideSource(OfSource, Metric):
    """A mean over records of something that is measured of a summary and its source, as lower-cased tokens.

    A record whose output or source has no token is skipped: there is nothing to compare.
    """

    higher_is_better: ClassVar[bool | None] = None

    source: str = "input"
    tokenize: Tokens = "nltk"

    def __post_init__(self) -> None:
        if self.source == "output":
            raise SpecError("source is output; it must be the column that the output was made from")

    @property
    def columns(self) -> tuple[str, ...]:
        return ("value", "records")

    def combine(self, totals: Floats) -> Floats:
        return ratio(totals[..., :1], totals[..., 1:])

    def measure(self, batch: Batch) -> Rows:
        sides = self._sides(batch)
        skipped = dict.fromkeys(np.flatnonzero(sides.sizes == 0).tolist(), f"{self.source} is empty: nothing to compare with")
        skipped |= dict.fromkeys(
            np.flatnonzero(sides.summaries.lengths == 0).tolist(), "the output is empty: nothing to compare"
        )
        rows = Rows(self._values(batch, sides), skipped=skipped)
        rows.reasons = {at: why for at, why in self._reasons(batch, sides).items() if at not in skipped}
        return rows

    @abstractmethod
    def _values(self, batch: Batch, sides: Sides) -> Floats:
        """The rows, shape (n, k); those of records without tokens do not matter."""

    def _reasons(self, batch: Batch, sides: Sides) -> dict[int, str]:  # noqa: ARG002
        return {}

    def _sides(self, batch: Batch) -> Sides:
        return batch.derive(("summary tokens", self.source, self.tokenize), lambda: self._tokenised(batch))

    def _tokenised(self, batch: Batch) -> Sides:
        passages = texts_of(batch, (self.source,))
        outputs = batch.texts("output")
        if self.tokenize == "char":
            held = None
            mine, theirs = (Sequences.of_texts(squeezed(map(str.lower, texts))) for texts in (outputs, passages.flat))
        else:
            held = batch.derive("meteor lexicon", lexicon)
            cut = held.treebank if self.tokenize == "nltk" else held.whitespace
            mine = batch.derive(("meteor words", "output", self.tokenize), lambda: cut(outputs))
            theirs = cut(passages.flat)
        ends = theirs.offsets[passages.offsets]
        if passages.counts.max(initial=0) < 2:
            return Sides(mine, Sequences(theirs.ids, ends), np.diff(ends), held)
        ids = np.insert(theirs.ids, theirs.offsets[1:], BOUNDARY)  # behind every passage
        return Sides(mine, Sequences(ids, offsets_of(np.diff(ends) + passages.counts)), np.diff(ends), held)

    def _fragments(self, batch: Batch, sides: Sides) -> Fragments:
        return batch.derive(
            ("fragments", self.source, self.tokenize), lambda: extractive_fragments(sides.summaries, sides.sources)
        )


@metric("compression")
@dataclass(frozen=True)
class Compression(BesideSource):
    """How many times longer the source is than the output: |A| / |S| in tokens, above 0; mean over records.

    Args:
        source: the column that the output was made from: a text, or a list of passages (``contexts``), counted together.
        tokenize: ``nltk`` is NLTK's word tokeniser (the paper took spaCy's), ``whitespace`` words as they stand, ``char``
            every character that is no white space, for languages that do not part their words.

    Misleads: it knows nothing of what was left out: an output of one word compresses best. Refusals and cut-off outputs
    look like strong summaries.

    Source: Grusky et al. (2018), Newsroom, arXiv:1804.11283.
    """

    source: str = "input"
    tokenize: Tokens = "nltk"

    def range_of(self, part: str) -> tuple[float, float] | None:  # noqa: ARG002
        return 0.0, math.inf

    def _values(self, batch: Batch, sides: Sides) -> Floats:  # noqa: ARG002
        return np.stack([ratio(sides.sizes, sides.summaries.lengths), np.ones(len(sides.sizes))], axis=1)

    def _reasons(self, batch: Batch, sides: Sides) -> dict[int, str]:  # noqa: ARG002
        pairs = zip(sides.sizes.tolist(), sides.summaries.lengths.tolist())
        return {
            index: f"{theirs:,} tokens in {self.source}, {mine:,} in the output" for index, (theirs, mine) in enumerate(pairs)
        }


class Extractive(BesideSource):
    """A mean over records of a sum over extractive fragments, per token of the summary."""

    power: ClassVar[int]

    def _values(self, batch: Batch, sides: Sides) -> Floats:
        found = self._fragments(batch, sides)
        sums = np.bincount(found.owners, weights=found.lengths.astype(float) ** self.power, minlength=len(sides.sizes))
        return np.stack([ratio(sums, sides.summaries.lengths), np.ones(len(sums))], axis=1)

    def _reasons(self, batch: Batch, sides: Sides) -> dict[int, str]:
        return batch.derive(
            ("copied runs", self.source, self.tokenize), lambda: _copied_runs(self._fragments(batch, sides), sides, self.source)
        )


@metric("coverage")
@dataclass(frozen=True)
class Coverage(Extractive):
    """Share of the output's tokens that belong to runs copied from the source: Σ |f| / |S|, 0 to 1; mean over records.

    The fragments f are found greedily from the output's beginning: at each token the longest run that stands in the source
    as well, one token at least, is taken, and the next is looked for behind it. Case does not count, runs do not cross from
    one passage into the next. Neither direction is better.

    Args:
        source: the column that the output was made from: a text, or a list of passages (``contexts``).
        tokenize: ``nltk``, ``whitespace`` or ``char``, as `compression` has it.

    Misleads: common words stand in any long source, so that also a made-up sentence has a coverage of a half. High is
    neither faithful (words can be put together anew) nor good (it may be copied).

    Source: Grusky et al. (2018), Newsroom, arXiv:1804.11283, with the procedure of its figure 4.
    """

    source: str = "input"
    tokenize: Tokens = "nltk"

    power: ClassVar[int] = 1

    def range_of(self, part: str) -> tuple[float, float] | None:  # noqa: ARG002
        return 0.0, 1.0


@metric("density")
@dataclass(frozen=True)
class Density(Extractive):
    """Mean length of the copied run that a token of the output belongs to: Σ |f|² / |S|, from 0 up; mean over records.

    0 where nothing was copied; as many as the output has tokens where all of it is one run of the source. The fragments are
    those of `coverage`. Neither direction is better.

    Args:
        source: the column that the output was made from: a text, or a list of passages (``contexts``).
        tokenize: ``nltk``, ``whitespace`` or ``char``, as `compression` has it.

    Misleads: one long copied run outweighs all else, and the value grows with the output's length. It tells extracts from
    abstracts, not good from bad.

    Source: Grusky et al. (2018), Newsroom, arXiv:1804.11283, with the procedure of its figure 4.
    """

    source: str = "input"
    tokenize: Tokens = "nltk"

    power: ClassVar[int] = 2

    def range_of(self, part: str) -> tuple[float, float] | None:  # noqa: ARG002
        return 0.0, math.inf


@metric("novelty")
@dataclass(frozen=True)
class Novelty(BesideSource):
    """Share of the output's different n-grams that the source lacks, for n from 1 to 4: 0 to 1; mean over records.

    Rows are each part's value, and 1 where the output has an n-gram so long; records without one do not count for that part.
    Case does not count. The bare name is ``n2``. Neither direction is better.

    Range: 0 to 1.

    Args:
        source: the column that the output was made from: a text, or a list of passages (``contexts``).
        tokenize: ``nltk``, ``whitespace`` or ``char``, as `compression` has it.

    Misleads: paraphrase and invention are new alike. Short outputs have few long n-grams, so that n3 and n4 of single
    records are coarse.

    Source: See et al. (2017), arXiv:1704.04368, figure 6; n-grams are counted once each, as in Fabbri et al. (2021), SummEval.
    """

    source: str = "input"
    tokenize: Tokens = "nltk"

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(f"n{n}" for n in range(1, ORDER + 1))

    @property
    def main(self) -> str:
        return "n2"

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.parts, *(f"{part}_records" for part in self.parts))

    def combine(self, totals: Floats) -> Floats:
        return ratio(totals[..., :ORDER], totals[..., ORDER:])

    def _values(self, batch: Batch, sides: Sides) -> Floats:  # noqa: ARG002
        novel, totals = novel_ngrams(sides.summaries, sides.sources, ORDER)
        return np.concatenate([ratio(novel, totals, 0.0), totals > 0], axis=1)


def _copied_runs(found: Fragments, sides: Sides, source: str) -> dict[int, str]:
    """Of each record how many runs it copied, and its longest one."""
    n = len(sides.sizes)
    counts = np.bincount(found.owners, minlength=n).tolist()
    told = {index: f"nothing of the output stands in {source}" for index in range(n) if not counts[index]}
    order = np.lexsort((-found.starts, found.lengths, found.owners))
    last = order[np.flatnonzero(np.diff(found.owners[order], append=n))]  # the longest of each, of several the first
    for index, start, length in zip(found.owners[last].tolist(), found.starts[last].tolist(), found.lengths[last].tolist()):
        begin = int(sides.summaries.offsets[index]) + start
        ids = sides.summaries.ids[begin : begin + min(length, _SHOWN)].tolist()
        shown = "".join(map(chr, ids)) if sides.lexicon is None else " ".join(sides.lexicon.words.names[one] for one in ids)
        more = " …" if length > _SHOWN else ""
        runs = f"{counts[index]:,} copied runs, the longest" if counts[index] > 1 else "one copied run,"
        told[index] = f"{runs} {length:,} token{'s' if length > 1 else ''}: {shown}{more}"
    return told
