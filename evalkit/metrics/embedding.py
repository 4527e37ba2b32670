"""Metrics of vectors that an encoder gives: BERTScore of tokens, cosine of whole texts."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from evalkit.core.asking import Capability, Encoded, Tools
from evalkit.core.batch import Batch
from evalkit.core.content import Document
from evalkit.core.contracts import ModelMetric
from evalkit.core.errors import MissingExtra, SpecError
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.stats.matching import Matched, greedy_scores, unit
from evalkit.stats.ratio import ratio

PARTS = ("precision", "recall", "f1")
# The layers that correlate best with people on WMT16, as bert-score has them; of any other model the last layer is taken.
LAYERS = {
    "bert-base-uncased": 9,
    "bert-large-uncased": 18,
    "bert-base-multilingual-cased": 9,
    "bert-base-chinese": 8,
    "roberta-base": 10,
    "roberta-large": 17,
    "roberta-large-mnli": 19,
    "xlm-roberta-base": 9,
    "xlm-roberta-large": 17,
    "distilbert-base-uncased": 5,
    "microsoft/deberta-large-mnli": 18,
    "microsoft/deberta-xlarge-mnli": 40,
}
_AT_ONCE = 512  # texts whose tokens are counted for idf at once


@dataclass(frozen=True, eq=False)
class Idf:
    """How rare each token is among the references of a data set: ln((n + 1) / (references with it + 1))."""

    weights: Mapping[int, float]
    unseen: float
    texts: tuple[str, ...] = field(default=(), repr=False)  # the references, where the reference package is to count them

    def of(self, ids: NDArray[np.int64]) -> Floats:
        """Weights of tokens, shape (m,)."""
        return np.array([self.weights.get(token, self.unseen) for token in ids.tolist()], dtype=np.float64)

    @classmethod
    def counted(cls, counts: Mapping[int, int], n: int) -> Idf:
        """From the number of references that hold each token, of n."""
        return cls({token: math.log((n + 1) / (count + 1)) for token, count in counts.items()}, math.log(n + 1))


@metric("bertscore")
@dataclass(frozen=True)
class BertScore(ModelMetric):
    """Greedy cosine matching of the output's token vectors with the reference's: precision, recall, F1; mean over records.

    Equal to the bert-score package on the same encoder. The encoder's own tokens ([CLS], [SEP]) are not counted, though a
    token may match them. Of several references the best counts, for each part by itself. A text without tokens gives 0 of
    all three, before rescaling. Where idf weighs every token of a text 0, the record is an error (there: no number, and an
    F1 of 0). One thing is not copied: there a token less similar than 0 to all others counts as 0 if its pair happened to
    be padded.

    Args:
        num_layers: whose vectors are taken; None: the layer that is known best for the model, else the last.
        idf: weigh tokens by their rarity among all references of the data set, which are read once before.
        rescale_with_baseline: precision, recall and F1 of unrelated texts, b in (x − b)/(1 − b); or one of bert-score's
            baseline files, of which the line of the layer is taken.
        impl: ``reference`` runs the package itself, on the backend's model.

    Formula: R = mean over reference tokens of the highest cosine with a token of the output, P the other way round, F1 =
    2PR / (P + R).

    Misleads: its values crowd near the top: unrelated texts may have 0.8 unless it is rescaled, and differences are small.
    Negations, names and numbers move it little. Scores of two encoders or layers do not compare.

    Source: Zhang et al. (2020), arXiv:1904.09675; bert-score 0.3.13.
    """

    needs: ClassVar[tuple[str, ...]] = ("output", "reference")
    wants: ClassVar[frozenset[Capability]] = frozenset({"encode"})

    num_layers: int | None = None
    idf: bool = False
    rescale_with_baseline: Document | tuple[float, float, float] | None = None
    impl: Literal["fast", "reference"] = "fast"
    _idf: Idf | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.num_layers is not None and self.num_layers < 0:
            raise SpecError(f"num_layers is {self.num_layers}; it must not be negative (0 is the embeddings)")
        if isinstance(self.rescale_with_baseline, tuple) and max(self.rescale_with_baseline) >= 1:
            raise SpecError("rescale_with_baseline must be three numbers below 1: of precision, recall and F1")
        if self.impl == "reference":
            try:
                import bert_score  # noqa: F401
            except ImportError as error:
                raise MissingExtra("bertscore with impl: reference", "bert-score", "bertscore") from error

    @property
    def parts(self) -> tuple[str, ...]:
        return PARTS

    @property
    def main(self) -> str:
        return "f1"

    @property
    def columns(self) -> tuple[str, ...]:
        """The sum of each part, and the records."""
        return (*PARTS, "records")

    def range_of(self, part: str) -> tuple[float, float] | None:  # noqa: ARG002 - one for all
        return -math.inf, 1.0  # rescaled, it has no least value

    def combine(self, totals: Floats) -> Floats:
        """Means over the records."""
        return ratio(totals[..., :-1], totals[..., -1:])

    def about(self) -> str | None:
        told = [f"layer {self.num_layers}"] if self.num_layers is not None else []
        return ", ".join([*told, *(["idf"] if self.idf else []), *(["rescaled"] if self.rescale_with_baseline else [])]) or None

    async def prepared(self, tools: Tools) -> Self:
        """With the layer and the baseline's numbers fixed."""
        made = self if self.num_layers is not None else replace(self, num_layers=LAYERS.get(tools.model))
        if made.num_layers is None and made.impl == "reference":
            raise SpecError(f"bertscore with impl: reference needs num_layers; none is known best for {tools.model}")
        if isinstance(made.rescale_with_baseline, Document):
            made = replace(made, rescale_with_baseline=_baseline(made.rescale_with_baseline, made.num_layers))
        return made

    def learns_of(self) -> tuple[str, ...]:
        return ("reference",) if self.idf else ()

    async def learned(self, batches: Iterable[Batch], tools: Tools) -> Self:
        """With the weights of tokens counted over all references; layer 0 gives the tokens and runs no layer."""
        counts: Counter[int] = Counter()
        n, kept = 0, list[str]()
        for batch in batches:
            references = [text.strip() for text in batch.lists("reference").flat]
            n += len(references)
            if self.impl == "reference":
                kept += references
                continue
            times = Counter(references)
            texts = [text for text in times if text]
            for low in range(0, len(texts), _AT_ONCE):
                some = texts[low : low + _AT_ONCE]
                for text, found in zip(some, await tools.encode(some, 0)):
                    for token in set(found.ids.tolist()):
                        counts[token] += times[text]
        return replace(self, _idf=replace(Idf.counted(counts, n), texts=tuple(kept)))

    async def measure(self, batch: Batch, tools: Tools) -> Rows:
        references = batch.lists("reference")
        outputs = [batch.texts("output")[owner] for owner in references.owners]
        if self.impl == "reference":
            scores = self._by_package(outputs, references.flat, tools.source)
        else:
            scores = await self._fast(outputs, references.flat, tools)
        best = references.best(scores)
        wrong = np.flatnonzero(np.isnan(best).any(axis=1)).tolist()
        why = "idf weighs no token of its output, or none of its reference" if self.idf else "a token's vector has no direction"
        return Rows(np.column_stack([best, np.ones(len(best))]), errors=dict.fromkeys(wrong, why))

    async def _fast(self, outputs: Sequence[str], references: Sequence[str], tools: Tools) -> Floats:
        pairs = [(output.strip(), reference.strip()) for output, reference in zip(outputs, references)]
        texts = [text for text in dict.fromkeys(text for pair in pairs for text in pair) if text]
        found = {text: self._weighed(one) for text, one in zip(texts, await tools.encode(texts, self.num_layers))}
        scores = np.array([_scores(found.get(output), found.get(reference)) for output, reference in pairs], dtype=np.float64)
        if self.rescale_with_baseline is not None:
            baseline = np.array(self.rescale_with_baseline, dtype=np.float64)
            scores = (scores - baseline) / (1 - baseline)
        return scores

    def _weighed(self, found: Encoded) -> _Weighed | None:
        """Vectors and weights of a text's tokens; None where it has none of its own."""
        special = found.special if found.special is not None else np.zeros(len(found.ids), dtype=bool)
        if special.all():
            return None
        weights = self._idf.of(found.ids) if self._idf is not None else np.ones(len(found.ids))
        weights[np.isin(found.ids, found.ids[special])] = 0.0  # also a "[SEP]" that the text itself says
        return unit(found.vectors), weights

    def _by_package(self, outputs: Sequence[str], references: Sequence[str], model: str) -> Floats:
        scorer = _scorer(model, self.num_layers, self._idf)
        if self.rescale_with_baseline is not None:
            import torch

            scorer._baseline_vals = torch.tensor(self.rescale_with_baseline)
        scorer._rescale_with_baseline = self.rescale_with_baseline is not None
        return np.stack([part.double().numpy() for part in scorer.score(list(outputs), list(references))], axis=1)


_Weighed = tuple[NDArray[np.float32], Floats]


def _scores(output: _Weighed | None, reference: _Weighed | None) -> Matched:
    if output is None or reference is None:
        return Matched(0.0, 0.0, 0.0)
    return greedy_scores(output[0], reference[0], output[1], reference[1])


def _baseline(document: Document, layer: int | None) -> tuple[float, float, float]:
    """A layer's line of a baseline file: a header, then ``LAYER,P,R,F``."""
    if layer is None:
        raise SpecError("bertscore takes a line of its baseline file by the layer; say num_layers")
    lines = {line["LAYER"]: line for line in csv.DictReader(document.text.splitlines()) if "LAYER" in line}
    try:
        line = lines[str(layer)]
        return float(line["P"]), float(line["R"]), float(line["F"])
    except (KeyError, TypeError, ValueError) as error:
        raise SpecError(f"{document.path} has no line LAYER,P,R,F of layer {layer}") from error


@lru_cache(maxsize=2)
def _scorer(model: str, layers: int, idf: Idf | None) -> Any:
    from bert_score import BERTScorer

    scorer = BERTScorer(model, num_layers=layers, idf=idf is not None, lang="en", nthreads=0)
    if not hasattr(scorer._tokenizer, "build_inputs_with_special_tokens"):  # transformers 5: it would stop at an empty text
        scorer._tokenizer.build_inputs_with_special_tokens = lambda _: scorer._tokenizer.encode("")
    if idf is not None:
        scorer.compute_idf(list(idf.texts))
    return scorer


@metric("semantic_similarity")
@dataclass(frozen=True)
class SemanticSimilarity(ModelMetric):
    """Cosine of the output's and the reference's sentence vectors, -1 to 1; of several references the closest counts.

    Which values mean "the same" depends on the model. Source: Reimers & Gurevych (2019), arXiv:1908.10084.

    Formula: a · b / (‖a‖ ‖b‖).

    Misleads: it tells what a text is about and not whether it is true: an answer and its opposite are close. Encoders cut
    long texts off, silently: what stands behind that does not count.
    """

    needs: ClassVar[tuple[str, ...]] = ("output", "reference")
    wants: ClassVar[frozenset[Capability]] = frozenset({"embed"})

    @property
    def columns(self) -> tuple[str, ...]:
        return ("similarity", "records")

    def range_of(self, part: str) -> tuple[float, float] | None:  # noqa: ARG002 - one for all
        return -1.0, 1.0

    def combine(self, totals: Floats) -> Floats:
        return ratio(totals[..., :1], totals[..., 1:])

    async def measure(self, batch: Batch, tools: Tools) -> Rows:
        outputs, references = batch.texts("output"), batch.lists("reference")
        texts = list(dict.fromkeys([*outputs, *references.flat]))
        vectors = dict(zip(texts, unit(await tools.embed(texts))))
        cosines = [vectors[outputs[owner]] @ vectors[text] for owner, text in zip(references.owners, references.flat)]
        best = references.best(np.array(cosines, dtype=np.float64))
        wrong = dict.fromkeys(np.flatnonzero(np.isnan(best)).tolist(), "a text's vector has no direction")
        return Rows.of(best, np.ones(len(best)), errors=wrong)
