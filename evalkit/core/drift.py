"""What a comparison of two sets of logs came to: a finding per signal and slice, and which signals were off and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Group = Literal["input", "output", "proxy", "column"]
Kind = Literal["number", "flag", "category", "terms", "vector"]

GROUPS: tuple[Group, ...] = ("input", "output", "proxy", "column")


@dataclass(frozen=True)
class Shape:
    """A signal's distribution on both sides over the same cells, for plots and tables.

    Attributes:
        labels: of the cells, in order; ``edges`` (cells + 1) where they are ranges of numbers.
        reference, current: share of each cell; each sums to 1, or to 0 where that side is empty.
    """

    labels: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]
    edges: tuple[float, ...] = ()


@dataclass(frozen=True)
class Term:
    """A word, category or topic that has become more (or less) frequent, with texts that show it."""

    text: str
    reference: float  # share before
    current: float  # share now
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One signal, compared: a test says whether chance explains the difference, an effect size whether it matters.

    Attributes:
        name: "output.length"; ``by`` is the slice it was taken over, empty for all rows.
        statistic, value, threshold: the effect size, and the least that counts as drift.
        test, p, q: the test's name, its p, and p after Benjamini-Hochberg over all findings of the comparison.
        drifted: q at most the level and the value at least the threshold.
        why: one sentence for people.
        before, after: the signal's own value on both sides (a mean, a share); NaN where it has none.
        unit: of ``before`` and ``after``: "characters", "share", "ms" ….
        others: further statistics by name ("psi", "js", "ks", "mean", "median", "auc" …).
        terms: what is new or has grown, most first.
    """

    name: str
    group: Group
    kind: Kind
    statistic: str
    value: float
    threshold: float
    test: str
    p: float
    q: float
    drifted: bool
    why: str
    n_reference: int
    n_current: int
    before: float = math.nan
    after: float = math.nan
    unit: str = ""
    by: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, float] = field(default_factory=dict)
    shape: Shape | None = None
    terms: tuple[Term, ...] = ()

    @property
    def label(self) -> str:
        """The name with its slice: ``output.length on model=a``."""
        told = ", ".join(f"{column}={value}" for column, value in self.by.items())
        return f"{self.name} on {told}" if told else self.name


@dataclass(frozen=True)
class Off:
    """A signal that was not looked at, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Side:
    """One of the two sets of logs."""

    label: str
    n: int
    first: str | None = None  # ISO time of its first and last row, where it has times
    last: str | None = None


@dataclass(frozen=True)
class Drift:
    """All findings of one comparison; `to_json` is what ``evalkit drift --json`` prints.

    Attributes:
        findings: over all rows first, then slices; each in the order of the signals.
        level: of the false discovery rate.
        notes: what a reader must know, most important first.
    """

    findings: tuple[Finding, ...]
    off: tuple[Off, ...]
    reference: Side
    current: Side
    level: float = 0.05
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def drifted(self) -> bool:
        """Whether any signal drifted."""
        return any(finding.drifted for finding in self.findings)

    def __getitem__(self, label: str) -> Finding:
        """A finding by its name, or by its name and slice: ``output.length on model=a``.

        Raises:
            KeyError: there is none; the signal may be off.
        """
        for finding in self.findings:
            if label == finding.label:
                return finding
        why = next((f": {one.why}" for one in self.off if one.name == label), "")
        raise KeyError(f"no finding is called {label}{why}")

    @property
    def whole(self) -> tuple[Finding, ...]:
        """The findings over all rows."""
        return tuple(finding for finding in self.findings if not finding.by)

    def slices_of(self, name: str) -> tuple[Finding, ...]:
        """The findings of one signal over slices, those that drifted most first."""
        found = [finding for finding in self.findings if finding.by and finding.name == name]
        return tuple(sorted(found, key=lambda one: (not one.drifted, -one.value if one.value == one.value else math.inf)))

    def to_json(self) -> dict[str, Any]:
        """Plain data; NaN and infinities are null."""
        told = {
            "drifted": self.drifted,
            "level": self.level,
            "signals": [_finding(one) for one in self.findings],
            "off": [{"name": one.name, "why": one.why} for one in self.off],
            "reference": _side(self.reference),
            "current": _side(self.current),
            "notes": list(self.notes),
        }
        plain: dict[str, Any] = plain_data(told)
        return plain


def plain_data(told: Any) -> Any:
    """Nested mappings, sequences and numbers as JSON has them: NaN and infinities are None, figures have 10 digits."""
    if isinstance(told, Mapping):
        return {str(key): plain_data(value) for key, value in told.items()}
    if isinstance(told, (list, tuple)):
        return [plain_data(value) for value in told]
    if isinstance(told, float):
        return float(f"{told:.10g}") if math.isfinite(told) else None
    return told


def _side(side: Side) -> dict[str, Any]:
    return {"label": side.label, "n": side.n, "first": side.first, "last": side.last}


def _finding(one: Finding) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": one.name, "group": one.group, "kind": one.kind, "by": dict(one.by), "statistic": one.statistic,
        "value": one.value, "threshold": one.threshold, "test": one.test, "p": one.p, "q": one.q, "drifted": one.drifted,
        "why": one.why, "before": one.before, "after": one.after, "unit": one.unit or None, "others": dict(one.others),
        "n": {"reference": one.n_reference, "current": one.n_current},
    }  # fmt: skip
    if one.shape is not None:
        told["shape"] = {
            "labels": list(one.shape.labels), "reference": list(one.shape.reference), "current": list(one.shape.current),
            "edges": list(one.shape.edges) or None,
        }  # fmt: skip
    if one.terms:
        told["terms"] = [
            {"text": term.text, "reference": term.reference, "current": term.current, "examples": list(term.examples)}
            for term in one.terms
        ]
    return told
