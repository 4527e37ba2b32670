"""A suite as the rest of evalkit sees it: validated, every path found, every metric built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from evalkit.core.contracts import Measure
    from evalkit.specs.generate import GenerateSpec
    from evalkit.specs.mutate import MutateSpec
    from evalkit.specs.variants import DataVariant

GateRule = Literal["min", "max", "no_worse_than", "every"]
ReportKind = Literal["json", "html", "junit", "markdown", "prometheus"]
IntervalMethod = Literal["auto", "bca", "percentile"]


@dataclass(frozen=True)
class DatasetSpec:
    """Where the records are; ``fields`` maps a canonical column to the file's own name for it."""

    path: str  # as written: a file, a glob, "-" or "hf:NAME"
    files: tuple[Path, ...] = ()  # what a file or glob resolved to, sorted; empty for "-" and "hf:"
    fields: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    shuffle: int | None = None
    line: int = 0
    mutate: MutateSpec | None = None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.files if path.is_file())


@dataclass(frozen=True)
class MetricSpec:
    """One entry of ``metrics:``, built: its label (``as`` or the name) and the metric with its options."""

    label: str
    metric: Measure
    backend: str | None = None
    line: int = 0

    @property
    def full_names(self) -> tuple[str, ...]:
        """The names of its values, as gates and results use them: ``rouge.rouge1``."""
        return tuple(f"{self.label}.{part}" if part else self.label for part in self.metric.parts)

    @property
    def main(self) -> str:
        """The full name that the bare label means."""
        return self.full_names[self.metric.parts.index(self.metric.main)]


@dataclass(frozen=True)
class GateSpec:
    """One gate; ``metric`` is a full name (``rouge.rougeL``) or ``errors``."""

    metric: str
    rule: GateRule
    bound: float | None = None  # of min and max
    baseline: str | None = None  # of no_worse_than: as written; "baseline" means the suite's or the command line's
    margin: float = 0.0
    confidence: float | None = None  # None: the suite's
    where: Mapping[str, Any] = field(default_factory=dict)  # column: value (or a list of values)
    threshold: float | None = None  # a record passes from here; with min/max: the share of passing records is compared
    every: bool = False  # each record must pass; failures are named
    on_inconclusive: Literal["fail", "pass"] = "fail"
    sequential: bool = False  # records are judged in random order until this is decided
    line: int = 0


@dataclass(frozen=True)
class BackendSpec:
    """One entry of ``backends:``; ``options`` is what its class takes, keys ending in ``_env`` not yet read."""

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True)
class Suite:
    """A validated suite file."""

    name: str
    path: Path | None  # None: built in Python
    root: Path  # the project root; paths in messages are shown relative to it
    sha256: str
    dataset: DatasetSpec
    metrics: tuple[MetricSpec, ...]
    backends: Mapping[str, BackendSpec] = field(default_factory=dict)
    slices: tuple[str, ...] = ()
    gates: tuple[GateSpec, ...] = ()
    report: tuple[ReportKind, ...] = ("json",)
    seed: int = 0
    confidence: float = 0.95
    resamples: int = 1_000
    interval: IntervalMethod = "auto"
    baseline: str | None = None
    store: str | None = None
    budget: Mapping[str, float] = field(default_factory=dict)
    prices: Mapping[str, Any] = field(default_factory=dict)
    generate: GenerateSpec | None = None
    variants: tuple[DataVariant, ...] = ()  # the control first, whose data `dataset` is

    @property
    def of(self) -> tuple[str, ...]:
        """The names of the variants where there are several, each of which is a run of its own; else none."""
        if self.variants:
            return tuple(variant.name for variant in self.variants)
        made = self.generate.variants if self.generate is not None else ()
        return tuple(variant.name for variant in made) if len(made) > 1 else ()
