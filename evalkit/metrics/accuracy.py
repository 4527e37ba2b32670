"""Label equality, and what follows from the counts of each label."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.core.batch import Batch
from evalkit.core.contracts import IntervalKind, Metric
from evalkit.core.errors import quote
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.stats.ratio import ratio


@metric("accuracy")
@dataclass(frozen=True)
class Accuracy(Metric):
    """Share of outputs whose label is a reference's, white space around it and case apart.

    Without ``labels``, rows are ``(hit, 1)`` and accuracy is all there is: sums over batches need the labels named
    first. With them, rows also hold the diagonal and the margins of the confusion matrix, which is all that precision,
    recall, F1 and Cohen's kappa ask of it, in 3 columns a label instead of one a pair.  A label outside ``labels``
    counts as one class ``other``: a wrong answer lowers recall like any other, but the averages are over ``labels``
    only.

    0/0 is as in scikit-learn: 0 for a label that occurs on one side only; a label that occurs on neither has no value
    and is left out of the macro averages.  Kappa takes all labels outside ``labels`` for one, and has no value where
    chance alone agrees.  Of several references the one that fits counts, else the first.

    Formula: hits / records; kappa = (accuracy − chance) / (1 − chance).

    Misleads: where one label is common, always saying it scores high: look at kappa and macro F1 too, which need `labels`.
    Between sets with other shares of labels accuracies do not compare.

    Source: definitions as in scikit-learn; kappa: Cohen (1960).
    """

    needs = ("output", "reference")
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        twice = [label for label, times in Counter(map(plain, self.labels)).items() if times > 1]
        if twice:
            message = f"labels: {quote(twice[0])} is named twice; white space around a label and its case do not count"
            raise ValueError(message)

    @property
    def parts(self) -> tuple[str, ...]:
        if not self.labels:
            return ("",)
        averages = [f"{how}_{what}" for how in ("macro", "micro") for what in ("precision", "recall", "f1")]
        each = [f"{what}_{label}" for what in ("precision", "recall", "f1") for label in self.labels]
        return ("", "kappa", *averages, *each)

    @property
    def columns(self) -> tuple[str, ...]:
        classes = (*self.labels, "other") if self.labels else ()
        counts = [f"{what}:{label}" for what in ("hits", "output", "reference") for label in classes]
        return ("hits", "records", *counts)

    def interval_of(self, part: str) -> IntervalKind:
        return "bootstrap" if part else "wilson"

    def measure(self, batch: Batch) -> Rows:
        references = batch.lists("reference")
        outputs = list(map(plain, batch.texts("output")))
        wanted = list(map(plain, references.flat))
        pairs = zip(references.owners.tolist(), wanted, strict=True)
        equal = np.fromiter((outputs[owner] == label for owner, label in pairs), dtype=np.float64, count=len(wanted))
        hit = references.best(equal)
        if not self.labels:
            return Rows.of(hit, np.ones(len(batch)))
        told, first = self._classes(outputs), self._classes(wanted)[references.offsets[:-1]]
        gold = np.where(hit > 0, told, first)
        one_hot = np.eye(len(self.labels) + 1)
        counts = one_hot[told] * (told == gold)[:, None], one_hot[told], one_hot[gold]
        return Rows(np.column_stack([hit, np.ones(len(batch)), *counts]))

    def _classes(self, labels: list[str]) -> NDArray[np.int64]:
        index = {plain(label): place for place, label in enumerate(self.labels)}
        return np.fromiter((index.get(label, len(index)) for label in labels), dtype=np.int64, count=len(labels))

    def combine(self, totals: Floats) -> Floats:
        hit, records = totals[..., 0], totals[..., 1]
        accuracy = ratio(hit, records)
        if not self.labels:
            return accuracy[..., None]
        both, told, gold = np.split(totals[..., 2:], 3, axis=-1)  # each (..., labels + 1)
        chance = ratio((told * gold).sum(-1), records * records)
        kappa = ratio(ratio(both.sum(-1), records) - chance, 1 - chance)  # two labels of `other` agree here, as by chance
        both, told, gold = both[..., :-1], told[..., :-1], gold[..., :-1]
        each = np.stack(_rates(both, told, gold), axis=-2)  # (..., 3, labels)
        pooled = np.stack(_rates(both.sum(-1), told.sum(-1), gold.sum(-1)), axis=-1)
        known = ~np.isnan(each)
        macro = ratio(np.where(known, each, 0.0).sum(-1), known.sum(-1))
        by_label = each.reshape(*each.shape[:-2], -1)
        return np.concatenate([accuracy[..., None], kappa[..., None], macro, pooled, by_label], axis=-1)


def plain(label: str) -> str:
    """A label as it is compared."""
    return label.strip().casefold()


def _rates(both: Floats, told: Floats, gold: Floats) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 of counts of equal shape; NaN where a label was neither told nor true."""
    absent = told + gold == 0
    rates = ratio(both, told, 0.0), ratio(both, gold, 0.0), ratio(2 * both, told + gold, 0.0)
    precision, recall, f1 = (np.where(absent, np.nan, rate) for rate in rates)
    return precision, recall, f1
