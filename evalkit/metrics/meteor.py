"""METEOR, equal to NLTK's and a good deal faster."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.core.batch import Batch, Ragged
from evalkit.core.contracts import DataFacts, Metric
from evalkit.core.errors import EvalkitError, MissingExtra, SpecError
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.core.signature import VERSION
from evalkit.stats.ratio import ratio
from evalkit.text.align import Alignment
from evalkit.text.lexicon import Lexicon, lexicon
from evalkit.text.ngrams import Ints, Sequences
from evalkit.text.vocabulary import blocks
from evalkit.text.wordnet import find_wordnet, open_wordnet

Stage = Literal["exact", "stem", "wordnet"]
_STAGES: tuple[Stage, ...] = ("exact", "stem", "wordnet")
_BLOCK = 1 << 18  # words of outputs and references aligned at once


@metric("meteor")
@dataclass(frozen=True)
class Meteor(Metric):
    """Words aligned by form, then by stem, then by synonym; F weighted to recall, less a penalty for scattered matches.

    Rows are ``(score, 1)``: the corpus value is the mean of the records' scores, 0 to 1, each against its best reference.
    No match, or nothing on one side, is 0.

    Args:
        alpha: weight of recall against precision in F.
        beta, gamma: the penalty is gamma · (chunks / matches) ** beta.
        tokenizer: ``nltk`` is its word tokeniser without splitting into sentences, ``whitespace`` takes words as they stand.
        stages: ``[exact, stem, wordnet]``, or the first of them: without WordNet the metric is another one, and says so
            in its signature.
        impl: ``reference`` runs NLTK itself.

    Formula: (1 − gamma · (chunks / matches)^beta) · PR / (alpha · P + (1 − alpha) · R), over aligned words.

    Range: 0 to 1.

    Misleads: stems and synonyms are English; in other languages it is little more than recall of words. Recall weighs most,
    so that longer outputs gain. Without WordNet it is another metric.

    Source: Lavie & Agarwal (2007), as in NLTK 3.10.4: the output is scanned from its end and takes the latest free match;
    synonyms are those of the output's stem; chunks are counted in the order of the output.
    """

    needs: ClassVar[tuple[str, ...]] = ("output", "reference")

    alpha: float = 0.9
    beta: float = 3.0
    gamma: float = 0.5
    tokenizer: Literal["nltk", "whitespace"] = "nltk"
    stages: tuple[Stage, ...] = _STAGES
    impl: Literal["fast", "reference"] = "fast"

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        if not self.stages or self.stages != _STAGES[: len(self.stages)]:
            raise SpecError(
                "stages of meteor must be [exact], [exact, stem] or [exact, stem, wordnet], in this order; "
                f"they are [{', '.join(self.stages)}]"
            )
        for name in ("alpha", "gamma"):
            if not 0 <= getattr(self, name) <= 1:
                raise SpecError(f"{name} of meteor is {getattr(self, name)}; it must lie between 0 and 1")
        if not (math.isfinite(self.beta) and self.beta >= 0):
            raise SpecError(f"beta of meteor is {self.beta}; it must be 0 or more")
        if self.impl == "reference" and self.stages != _STAGES:
            raise SpecError("meteor with impl: reference runs NLTK, which has all three stages; leave `stages` out")
        if "wordnet" in self.stages:
            find_wordnet()  # said before anything is scored

    @property
    def columns(self) -> tuple[str, ...]:
        """The sum of the scores, and the records."""
        return ("score", "records")

    def combine(self, totals: Floats) -> Floats:
        """The mean over the records."""
        return ratio(totals[..., :1], totals[..., 1:])

    def signature(self, facts: DataFacts) -> str:
        """``meteor|alpha:0.9|beta:3|gamma:0.5|tok:nltk|stages:exact,stem,wordnet-3.0|refs:1|v:…``."""
        refs = facts.max_references if facts.min_references == facts.max_references else "var"
        stages = ",".join(self.stages)
        if "wordnet" in self.stages:
            stages += f"-{open_wordnet(find_wordnet()).version}"
        weights = [f"{name}:{getattr(self, name):g}" for name in ("alpha", "beta", "gamma")]
        told = [self.name, *weights, f"tok:{self.tokenizer}", f"stages:{stages}", f"refs:{refs}"]
        if self.impl == "reference":
            from importlib.metadata import version

            return "|".join([*told, "impl:nltk", f"v:{version('nltk')}"])
        return "|".join([*told, f"v:{VERSION}"])

    def measure(self, batch: Batch) -> Rows:
        """The score against the best reference, and 1."""
        references = batch.lists("reference")
        if self.impl == "reference":
            scores = self._reference(batch.texts("output"), references)
        else:
            scores = references.best(self._fast(batch, references))
        return Rows.of(scores, np.ones(len(batch)))

    def _fast(self, batch: Batch, references: Ragged) -> Floats:
        """The score of each reference, shape (len(references.flat),)."""
        held = batch.derive("meteor lexicon", lexicon)
        split = held.treebank if self.tokenizer == "nltk" else held.whitespace
        mine = batch.derive(("meteor words", "output", self.tokenizer), lambda: split(batch.texts("output")))
        theirs = batch.derive(("meteor words", "reference", self.tokenizer), lambda: split(references.flat))
        owners = references.owners
        scores = np.empty(len(owners))
        for low, high in blocks(mine.lengths[owners] + theirs.lengths, _BLOCK):
            hypotheses = mine.slice(low, high) if references.single else mine.take(owners[low:high])
            gold = theirs.slice(low, high)
            matches, chunks = self._aligned(hypotheses, gold, held).counts()
            scores[low:high] = self._scores(matches, chunks, hypotheses.lengths, gold.lengths)
        return scores

    def _aligned(self, hypotheses: Sequences, references: Sequences, held: Lexicon) -> Alignment:
        alignment = Alignment(hypotheses, references)
        alignment.match(lambda tokens: tokens.ids)
        if "stem" in self.stages:
            alignment.match(held.stems_of)
        if "wordnet" in self.stages:
            alignment.match_related(held.stems_of, held.synonyms(find_wordnet()).__getitem__)
        return alignment

    def _scores(self, matches: Ints, chunks: Ints, ours: Ints, theirs: Ints) -> Floats:
        precision, recall = ratio(matches, ours, 0.0), ratio(matches, theirs, 0.0)
        fmean = ratio(precision * recall, self.alpha * precision + (1 - self.alpha) * recall, 0.0)
        # Python's own power: NumPy's may differ in the last digit with a record's place in its batch.
        scattered = np.array([share**self.beta for share in ratio(chunks, matches, 0.0).tolist()])
        return (1 - self.gamma * scattered) * fmean

    def _reference(self, outputs: list[str], references: Ragged) -> Floats:
        meteor_score, tokenize = _nltk()
        split: Callable[[str], list[str]] = tokenize if self.tokenizer == "nltk" else str.split
        scores: NDArray[np.float64] = np.empty(len(outputs))
        for index, (output, several) in enumerate(zip(outputs, references, strict=True)):
            scores[index] = meteor_score(
                [split(text) for text in several], split(output), alpha=self.alpha, beta=self.beta, gamma=self.gamma
            )
        return scores


def _nltk() -> tuple[Callable[..., float], Callable[[str], list[str]]]:
    """NLTK's score and tokeniser, with WordNet where NLTK can read it."""
    try:
        import nltk.data
        from nltk.tokenize import NLTKWordTokenizer
        from nltk.translate.meteor_score import meteor_score
    except ImportError as error:
        raise MissingExtra("meteor with impl: reference", "nltk", "reference") from error
    from evalkit.text.wordnet import cache_folder
    from evalkit.text.wordnet_data import obtain

    try:
        nltk.data.find("corpora/wordnet")
    except LookupError:
        place, tried = obtain()  # Debian's files lack one that NLTK wants
        if place is None:
            raise EvalkitError(f"NLTK finds no WordNet, and it could not be arranged: {'; '.join(tried)}") from None
        nltk.data.path.append(str(cache_folder()))
    return meteor_score, NLTKWordTokenizer().tokenize
