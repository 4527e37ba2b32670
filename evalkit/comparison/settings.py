"""How a comparison is made: level, resamples, which test, what p values are adjusted for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.stats.bca import Method

Test = Literal["auto", "wilcoxon", "t", "bootstrap"]
Adjust = Literal["holm", "bh", "none"]


@dataclass(frozen=True)
class Settings:
    """Of one comparison.

    Attributes:
        confidence: of the intervals; tests decide at 1 - confidence.
        margins: full metric name (or a metric's bare name) → the largest difference that does not matter, in its own unit.
        slices: columns to slice by; None: those that both runs kept.
        method: of the bootstrap.
        changed: how many records that changed most are told of each metric and side.
    """

    confidence: float = 0.95
    resamples: int = 10_000
    seed: int = 0
    test: Test = "auto"
    adjust: Adjust = "holm"
    margins: Mapping[str, float] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    slices: tuple[str, ...] | None = None
    method: Method = "auto"
    changed: int = 5
    intervals_only: bool = False  # no p values: gates read the ends of intervals

    def __post_init__(self) -> None:
        problems = []
        if not 0.5 <= self.confidence < 1.0:
            problems.append(Problem("--confidence", f"{self.confidence:g} is no level between 0.5 and 1", "write 0.95"))
        if self.resamples < 100 and not self.intervals_only:
            problems.append(Problem("--resamples", f"{self.resamples} are too few to tell", "10,000 is usual"))
        for name, chosen, known in (("--test", self.test, get_args(Test)), ("--adjust", self.adjust, get_args(Adjust))):
            if chosen not in known:
                close = nearest(str(chosen), known)
                hint = f"did you mean {close}?" if close else f"one of {', '.join(known)}"
                problems.append(Problem(name, f"nothing is called {quote(str(chosen))}", hint))
        for name, margin in self.margins.items():
            if not 0.0 < margin < float("inf"):
                problems.append(Problem("--margin", f"the margin of {name} is {margin:g}, not above 0", "write METRIC=0.02"))
        if problems:
            raise SpecError(problems)
