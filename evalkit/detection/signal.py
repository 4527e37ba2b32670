"""A signal: one thing about every row that may drift."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evalkit.core.drift import Finding, Group, Kind
from evalkit.detection.frame import Frame

if TYPE_CHECKING:
    from evalkit.detection.profile import Profile
    from evalkit.detection.sample import By

Look = Callable[["By | None"], "tuple[Finding | None, str]"]  # of a slice (None: of all rows): a finding, or why there is none

TEXTS = ("input", "output")  # columns that are read as texts
EMBEDDINGS = {"input": "embedding", "output": "output_embedding"}  # and the columns of their vectors
STATISTICS = {  # by kind: the effect size that is shown and held against a threshold, the default first
    "number": {"wasserstein": 0.1, "psi": 0.1, "js": 0.1, "ks": 0.1, "auc": 0.05},
    "flag": {"h": 0.1, "difference": 0.02, "js": 0.1},
    "category": {"js": 0.1, "psi": 0.1, "tv": 0.05},
    "terms": {"difference": 0.01},
    "vector": {"auc": 0.58, "mean_shift": 0.2, "frechet": 0.1},
}


@dataclass(frozen=True)
class Signal:
    """What is measured, of which columns, and what counts as a change.

    Attributes:
        name: "output.length".
        needs: columns without which it is off.
        measure: a `Frame` to values: numbers (n,) with NaN for a number or a flag (0 and 1), an Arrow array of texts for a
            category. Terms and vectors are no values of a row: they come from the sample, and have none.
        compare: of a signal that is no value of a row: this, reference, current, a seed and the fewest rows, to what finds the
            difference of all rows and of every slice: what these have in common is worked out once.
        sampled: measured on a sample of the rows only: it is slow, or needs a model.
        package: that it needs, beyond evalkit's own: one of the extra ``logs``.
        statistic, threshold: the effect size and the least that counts; None and NaN: those of the kind.
    """

    name: str
    group: Group
    kind: Kind
    needs: tuple[str, ...]
    unit: str = ""
    measure: Callable[[Frame], Any] | None = None
    compare: Callable[[Signal, Profile, Profile, int, int], Look] | None = None
    sampled: bool = False
    package: str = ""
    statistic: str = ""
    threshold: float = field(default=float("nan"))

    @property
    def effect(self) -> tuple[str, float]:
        """The statistic that is held against its threshold, and the threshold."""
        known = STATISTICS[self.kind]
        name = self.statistic or next(iter(known))
        return name, self.threshold if self.threshold == self.threshold else known[name]


def blind(why: str) -> Look:
    """Of a signal of which nothing can be found, whatever the slice."""
    return lambda by: (None, why)  # noqa: ARG005 - as others are called
