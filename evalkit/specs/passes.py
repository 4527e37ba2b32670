"""pass^k and pass@k of a metric whose records pass or fail, over the draws of each record, as values beside its mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evalkit.core.batch import Batch
from evalkit.core.contracts import Metric
from evalkit.core.rows import Floats, Rows
from evalkit.specs.suite import MetricSpec
from evalkit.stats.passk import all_of, any_of, ladder
from evalkit.stats.ratio import ratio


@dataclass(frozen=True)
class Passes(Metric):
    """The mean over records of pass^k (``every``) or pass@k, with n draws and c passes of each; in [0, 1].

    A row stands for a record with all of its draws: ``(estimate, 1)`` at its first draw; the other draws have none. A draw
    that could not be scored is no draw; a record with fewer than k that could is not counted. `stats.passk` has the sources.
    """

    of: str  # the full name of the value whose records are 0 or 1
    k: int
    every: bool
    one_is_better: bool = True

    name: ClassVar[str] = "passes"
    needs: ClassVar[tuple[str, ...]] = ()

    @property
    def label(self) -> str:
        """``exact_match.pass^3`` or ``exact_match.pass@3``."""
        return f"{self.of}.pass{'^' if self.every else '@'}{self.k}"

    @property
    def columns(self) -> tuple[str, ...]:
        return ("estimate", "records")

    def range_of(self, part: str) -> tuple[float, float] | None:  # noqa: ARG002 - the only one
        return 0.0, 1.0

    def combine(self, totals: Floats) -> Floats:
        return ratio(totals[..., 0], totals[..., 1])[..., None]

    def record_values(self, rows: Rows) -> Floats:
        return rows.values[:, :1]

    def measure(self, batch: Batch) -> Rows:
        """No row: what it is made of are another metric's."""
        return Rows(np.full((len(batch), 2), np.nan))

    def over(self, scores: Floats, repeats: int) -> Floats:
        """Rows (n, 2) from the 0 or 1 of every draw, shape (n,), NaN where there is none; draws of a record are neighbours."""
        drawn = scores.reshape(-1, repeats)
        known = ~np.isnan(drawn)
        passed = known & (drawn == (1.0 if self.one_is_better else 0.0))
        estimate = (all_of if self.every else any_of)(known.sum(axis=1), passed.sum(axis=1), self.k)
        rows = np.full((len(scores), 2), np.nan)
        rows[::repeats] = np.stack([estimate, np.where(np.isnan(estimate), np.nan, 1.0)], axis=1)
        return rows


def passes_of(spec: MetricSpec, repeats: int) -> tuple[Passes, ...]:
    """What there is beside a metric's mean with so many draws: none for a value that is no share of records."""
    found: list[Passes] = []
    for part, name in zip(spec.metric.parts, spec.full_names):
        better = spec.metric.direction(part)
        if spec.metric.interval_of(part) == "wilson" and better is not None:
            found += [Passes(name, k, every, better) for every in (True, False) for k in ladder(repeats)]
    return tuple(found)


def with_passes(specs: Sequence[MetricSpec], repeats: int) -> list[MetricSpec]:
    """A suite's metrics and, behind each, what draws add to it: what gates may name."""
    return [each for spec in specs for each in (spec, *(MetricSpec(one.label, one) for one in passes_of(spec, repeats)))]
