"""A judge card: how far one judge agrees with people, what moves it that should not, and the labels that correct it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from evalkit.core.run import interval, jsonable, number


@dataclass(frozen=True)
class Finding:
    """One figure of a card: its value and interval in its own unit, and what it means; NaN, with a reason, if unknown."""

    value: float
    ci: tuple[float, float] | None = None
    says: str = ""
    n: int = 0
    p: float = math.nan
    reason: str | None = None
    unit: str = ""
    parts: Mapping[str, Any] = field(default_factory=dict)  # what it is made of: an attack's own shift, a variant's
    probe: bool = False  # whether the judge was asked anew for it

    @classmethod
    def unknown(cls, reason: str, n: int = 0, *, probe: bool = False) -> Finding:
        """Nothing can be said, and why."""
        return cls(math.nan, reason=reason, n=n, probe=probe)


@dataclass(frozen=True)
class Labelled:
    """The labelled records: what people said and what the judge said of the same outputs, column by column."""

    ids: tuple[str, ...]
    labels: tuple[float, ...]
    judged: tuple[float, ...]
    outputs: tuple[str | None, ...] = ()  # sha256 of each output, so that another answer to the same input is not taken for it
    clusters: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()  # inverse to how likely each was to be labelled


@dataclass(frozen=True)
class Judge:
    """Which judge a card is of."""

    label: str  # its name in the suite
    metric: str  # its registered name: geval, pairwise …
    value: str  # the full name of the value that was compared
    fingerprint: str
    signature: str = ""
    about: str | None = None
    mode: str | None = None


@dataclass(frozen=True)
class Card:
    """All of it; `to_json` is what ``calibrate --json`` prints and the store keeps.

    Attributes:
        scale: least and greatest label; None where it is not known.
        judge_scale: that of the judge's scores, where they had to be brought to the labels' own.
        raw: the judge's mean over the run. ``alone``: the mean of the labels. ``corrected``: both together.
        needed: labels in all that would halve the interval of ``corrected``; None where no number would.
        maps: ``isotonic`` and ``ordinal``: from a score to the label that people would give.
        reliability: the bins of the reliability diagram, raw and corrected by a map that was fitted without them.
        notes: what a reader must know to trust it.
    """

    judge: Judge
    made_at: str
    run_id: str
    suite: str
    labels_file: str
    labels_sha256: str
    n: int
    raters: int
    scale: tuple[float, float] | None
    judge_scale: tuple[float, float] | None
    confidence: float
    agreement: Mapping[str, Finding]
    levels: Mapping[str, Mapping[str, Finding]]
    bias: Mapping[str, Finding]
    variance: Finding
    prompt_sensitivity: Finding
    raw: Finding
    alone: Finding
    corrected: Finding
    rogan_gladen: Finding | None
    needed: int | None
    pool: int
    maps: Mapping[str, Any]
    reliability: Mapping[str, Any]
    labelled: Labelled
    notes: tuple[str, ...] = ()
    usage: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""

    @property
    def short(self) -> str:
        """The name by which others cite it."""
        return self.judge.fingerprint[:12]

    def to_json(self) -> dict[str, Any]:
        """JSON of a fixed shape; NaN is null."""
        from evalkit.core.version import VERSION

        told: dict[str, Any] = {"evalkit": VERSION, "card": self.short}
        told |= {name: getattr(self, name) for name in ("made_at", "run_id", "suite", "labels_file", "labels_sha256")}
        told |= {name: getattr(self, name) for name in ("n", "raters", "scale", "judge_scale", "confidence")}
        told["judge"] = asdict(self.judge)
        told["agreement"] = _flat(self.agreement)
        told["levels"] = {level: _flat(found) for level, found in self.levels.items()}
        told["bias"] = {name: asdict(found) for name, found in self.bias.items()}
        for name in ("variance", "prompt_sensitivity", "raw", "alone"):
            told[name] = asdict(getattr(self, name))
        told["corrected"] = _named_mean(self.corrected)
        told["rogan_gladen"] = _named_mean(self.rogan_gladen) if self.rogan_gladen is not None else None
        told |= {"labels_to_halve": self.needed, "pool": self.pool, "maps": self.maps, "reliability": self.reliability}
        told |= {"notes": self.notes, "usage": self.usage, "labelled": asdict(self.labelled)}
        return dict(jsonable(told))

    @classmethod
    def from_json(cls, told: Mapping[str, Any], path: str = "") -> Card:
        """A card from its JSON.

        Raises:
            LookupError, TypeError, ValueError: it is none.
        """
        same = ("made_at", "run_id", "suite", "labels_file", "labels_sha256", "n", "raters", "confidence", "pool")
        gladen = told.get("rogan_gladen")
        return cls(
            judge=Judge(**{name: told["judge"].get(name) for name in Judge.__dataclass_fields__}),
            **{name: told[name] for name in same},
            scale=interval(told.get("scale")),
            judge_scale=interval(told.get("judge_scale")),
            agreement=_found(told["agreement"]),
            levels={level: _found(found) for level, found in told.get("levels", {}).items()},
            bias={name: _finding(found) for name, found in told["bias"].items()},
            variance=_finding(told["variance"]),
            prompt_sensitivity=_finding(told["prompt_sensitivity"]),
            raw=_finding(told["raw"]),
            alone=_finding(told["alone"]),
            corrected=_finding({**told["corrected"], "value": told["corrected"]["mean"]}),
            rogan_gladen=_finding({**gladen, "value": gladen["mean"]}) if gladen is not None else None,
            needed=told.get("labels_to_halve"),
            maps=dict(told.get("maps", {})),
            reliability=dict(told.get("reliability", {})),
            labelled=_labelled(told["labelled"]),
            notes=tuple(told.get("notes", ())),
            usage=dict(told.get("usage", {})),
            path=path,
        )


def _flat(found: Mapping[str, Finding]) -> dict[str, Any]:
    """Figures by name, their intervals apart: ``{"spearman": 0.5, "ci": {"spearman": [0.4, 0.6]}}``."""
    told: dict[str, Any] = {name: one.value for name, one in found.items()}
    told["ci"] = {name: one.ci for name, one in found.items()}
    told["n"] = {name: one.n for name, one in found.items()}
    reasons = {name: one.reason for name, one in found.items() if one.reason is not None}
    return told | {"reasons": reasons}


def _found(told: Mapping[str, Any]) -> dict[str, Finding]:
    names = [name for name in told if name not in ("ci", "n", "reasons")]
    return {
        name: Finding(number(told[name]), interval(told["ci"][name]), n=told["n"][name], reason=told["reasons"].get(name))
        for name in names
    }


def _labelled(told: Mapping[str, Any]) -> Labelled:
    """The columns, each as long as the ids or empty, numbers where numbers belong: a run reckons with them."""
    columns = {name: tuple(told[name]) for name in Labelled.__dataclass_fields__}
    n = len(columns["ids"])
    for name, column in columns.items():
        numbers = name in ("labels", "judged", "weights")
        fits = all(
            isinstance(one, (int, float)) and math.isfinite(one) if numbers else one is None or isinstance(one, str)
            for one in column
        )
        if not fits or len(column) not in ((n,) if name in ("labels", "judged") else (0, n)):
            raise ValueError(f"labelled.{name} does not fit")
    if any(weight <= 0 for weight in columns["weights"]):
        raise ValueError("labelled.weights must be above 0")
    return Labelled(**columns)


def _named_mean(found: Finding) -> dict[str, Any]:
    told = asdict(found)
    return {"mean": told.pop("value")} | told


def _finding(told: Mapping[str, Any]) -> Finding:
    kept = {name: told[name] for name in Finding.__dataclass_fields__ if name in told}
    return Finding(**{**kept, "value": number(told["value"]), "ci": interval(told.get("ci")), "p": number(told.get("p"))})
