"""What a run will do: which metrics over which data, and the hash by which an interrupted run is found again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from evalkit.core.asking import Backend
from evalkit.core.contracts import Measure, Metric, ModelMetric
from evalkit.core.signature import canonical, fingerprint
from evalkit.records.dataset import DataSet
from evalkit.specs.generate import Variant
from evalkit.specs.suite import MetricSpec, Suite
from evalkit.specs.variants import DataVariant
from evalkit.store.outputs import Outputs


@dataclass(frozen=True)
class Plan:
    """A validated suite over scanned data; of one of several variants, with the one that a run is of.

    ``variant`` is of a suite that generates, ``side`` of one that has several data, whose ``dataset`` is this variant's.

    ``data`` is what goes in until the answers are there, then the file that holds them, of which ``made`` tells.
    """

    suite: Suite
    data: DataSet
    backends: Mapping[str, Backend] = field(default_factory=dict)
    variant: Variant | None = None
    made: Mapping[str, Any] | None = None
    outputs: Mapping[str, Outputs] = field(default_factory=dict)  # of runs that metrics compare with, by name
    side: DataVariant | None = None

    @property
    def called(self) -> str | None:
        """The name of the variant that a run is of."""
        one = self.variant or self.side
        return one.name if one is not None else None

    @cached_property
    def metrics(self) -> dict[str, Measure]:
        """Every metric by its label."""
        return {spec.label: spec.metric for spec in self.suite.metrics}

    @cached_property
    def cpu(self) -> dict[str, Metric]:
        """Those that worker processes measure, batch by batch."""
        return {label: metric for label, metric in self.metrics.items() if isinstance(metric, Metric)}

    @cached_property
    def asking(self) -> dict[str, ModelMetric]:
        """Those that ask a model."""
        return {label: metric for label, metric in self.metrics.items() if isinstance(metric, ModelMetric)}

    @cached_property
    def keep(self) -> tuple[str, ...]:
        """Columns that rows keep: what slices and gates select by, and the cluster."""
        routes = self.suite.generate.routes if self.suite.generate is not None else ()
        wanted = ["cluster", *self.suite.slices, *(name for gate in self.suite.gates for name in gate.where)]
        wanted += [route.by for route in routes]
        return tuple(dict.fromkeys(name for name in wanted if name in self.data.columns))

    def signature(self, label: str) -> str:
        """The metric's citable line over this data."""
        return self.metrics[label].signature(self.data.facts)

    def fingerprint(self, spec: MetricSpec) -> str:
        """sha256 of all that moves this metric's score but the data."""
        others = spec.metric.others() if isinstance(spec.metric, ModelMetric) else ()
        names = dict.fromkeys((*((spec.backend,) if spec.backend else ()), *others))
        return fingerprint(spec.metric, backend="+".join(self.backends[name].identity for name in names) or None)

    def _shown(self, name: str) -> str:
        """A backend's model, for readers; its name in the suite where the model comes from the environment."""
        spec = self.suite.backends.get(name)
        if spec is not None and "model_env" in spec.options:
            return name
        backend = self.backends[name]
        return str(getattr(backend, "shown", None) or getattr(backend, "model", None) or name)

    def about(self, spec: MetricSpec) -> str | None:
        """What a reader must know of a model's value: ``raw 1–5, logprob, judge: NAME``; a judge is a model that is asked."""
        if not isinstance(spec.metric, ModelMetric) or spec.backend is None:
            return None
        names = dict.fromkeys((spec.backend, *spec.metric.others()))
        shown = [self._shown(name) for name in names]
        role = "judge" if "chat" in spec.metric.wants_of() else "model"
        models = f"{role}{'s' if len(shown) > 1 else ''}: {', '.join(shown)}"
        return ", ".join(filter(None, (spec.metric.about(), spec.metric.mode, models)))

    @cached_property
    def sha256(self) -> str:
        """Equal for runs that would measure the same: data, selection, metrics, backends; gates and reports may differ."""
        told: dict[str, Any] = {
            "suite": self.suite.name,
            "data": self.data.sha256,
            "fields": dict(self.suite.dataset.fields),
            "limit": self.suite.dataset.limit,
            "shuffle": self.suite.dataset.shuffle,
            "chunks": [chunk.n for chunk in self.data.chunks],
            "metrics": {spec.label: self.fingerprint(spec) for spec in self.suite.metrics},
        }
        if self.side is not None:
            told["variant"] = self.side.name
        if self.variant is not None and self.suite.generate is not None:
            backend = self.backends[self.variant.backend].identity
            told["generate"] = self.suite.generate.identity(self.variant, backend)
        return hashlib.sha256(canonical(told)).hexdigest()
