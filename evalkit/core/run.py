"""What a run came to: values, slices, gates; and its results.json."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Outcome = Literal["pass", "fail", "inconclusive", "skipped"]
Status = Literal["passed", "failed", "incomplete"]


@dataclass(frozen=True)
class Corrected:
    """What people would say, by the card of this very judge; the mean is NaN, with a reason, where a card was not used.

    Attributes:
        labels: how many it rests on. ``card``: the first 12 digits of the judge's fingerprint.
        here: whether the labels are of outputs of this run; else the judge is taken to be off by as much here.
        scale: of the labels, where it is not the judge's own.
    """

    mean: float
    ci: tuple[float, float] | None = None
    labels: int = 0
    card: str = ""
    here: bool = True
    why: str = ""
    scale: tuple[float, float] | None = None


@dataclass(frozen=True)
class Value:
    """One part of one metric over one set of records.

    ``mean`` is the corpus value in the metric's own unit; it and the bounds are NaN when nothing could be scored.
    """

    mean: float
    ci: tuple[float, float] | None
    confidence: float
    stderr: float
    n: int
    errors: int = 0
    skipped: int = 0
    coverage: float = 1.0
    mode: str | None = None
    about: str | None = None  # what a reader must know of the value: its scale, how it came about, which judge
    signature: str = ""
    fingerprint: str = ""
    higher_is_better: bool | None = True
    corrected: Corrected | None = None


@dataclass(frozen=True)
class Slice:
    """Every metric over the records that share the values ``by``."""

    by: dict[str, Any]
    n: int
    metrics: dict[str, Value]


@dataclass(frozen=True)
class GateResult:
    """What became of one gate: the rule as asked, what was seen, and the reason in words."""

    metric: str
    rule: str
    bound: float | None
    observed: float
    ci: tuple[float, float] | None
    outcome: Outcome
    reason: str
    title: str = ""  # the rule as a person would write it: "rouge.rougeL ≥ 0.25"
    records: tuple[str, ...] = ()
    where: dict[str, Any] = field(default_factory=dict)
    lets_by: bool = False  # on_inconclusive: pass
    sequential: bool = False  # records were judged in random order until this was decided; `ci` holds wherever that was
    used: int | None = None  # of a sequential gate: after how many records it had decided
    saved: int | None = None  # likewise: about how many calls of its metric were not made

    @property
    def passed(self) -> bool:
        """Whether this gate lets the run by."""
        return self.outcome in ("pass", "skipped") or (self.outcome == "inconclusive" and self.lets_by)


@dataclass(frozen=True)
class Spent:
    """What calls to models took; ``cached`` are answers that needed none."""

    calls: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None  # None where no price is known


@dataclass(frozen=True)
class Usage(Spent):
    """What the models took, over all and by who asked: the metrics' names, and ``generate``.

    A call that several metrics ask for counts for the one that asked first; for the others it is ``cached``.
    """

    retries: Mapping[str, int] = field(default_factory=dict)  # calls that had to be made again, by what was wrong
    metrics: dict[str, Spent] = field(default_factory=dict)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Usage:
        """As results.json tells it; runs of earlier versions do not say who asked."""
        return cls(**{**told, "metrics": {name: Spent(**one) for name, one in told.get("metrics", {}).items()}})


@dataclass(repr=False)
class Run:
    """A finished run, as Python holds it; `to_json` is results.json."""

    run_id: str
    status: Status
    suite: dict[str, Any]  # name, sha256, path
    dataset: dict[str, Any]  # path, sha256, n
    metrics: dict[str, Value]
    slices: list[Slice] = field(default_factory=list)
    gates: list[GateResult] = field(default_factory=list)
    git: dict[str, Any] | None = None
    prompts: dict[str, str] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    baseline: str | None = None
    main: dict[str, str] = field(default_factory=dict)  # a metric's bare name → the full name of its main part
    uses: dict[str, Any] = field(default_factory=dict)  # a metric's bare name → what `core.described` tells of it
    started_at: str = ""
    seconds: float = 0.0
    folder: Path | None = None
    exit_code: int = 0

    def __repr__(self) -> str:
        return f"<Run {self.run_id}: {self.status}, {len(self.metrics)} values over {self.dataset.get('n', 0):,} records>"

    def __getitem__(self, name: str) -> Value:
        if name in self.metrics:
            return self.metrics[name]
        if name in self.main:
            return self.metrics[self.main[name]]
        from evalkit.core.errors import UnknownName

        raise UnknownName("metric of this run", name, self.metrics, see="evalkit show RUN")

    def to_json(self) -> dict[str, Any]:
        """The content of results.json; NaN is null."""
        from evalkit.core.signature import VERSION

        return {
            "evalkit": VERSION,
            "run_id": self.run_id,
            "status": self.status,
            "exit_code": self.exit_code,
            "suite": self.suite,
            "dataset": self.dataset,
            "git": self.git,
            "prompts": self.prompts,
            "metrics": {name: jsonable(asdict(value)) for name, value in self.metrics.items()},
            "main": self.main,
            "uses": self.uses,
            "slices": [
                {"by": part.by, "n": part.n, "metrics": {name: jsonable(asdict(v)) for name, v in part.metrics.items()}}
                for part in self.slices
            ],
            "gates": [jsonable({**asdict(gate), "passed": gate.passed}) for gate in self.gates],
            "baseline": self.baseline,
            "usage": asdict(self.usage),
            "started_at": self.started_at,
            "seconds": round(self.seconds, 3),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any], folder: Path | None = None) -> Run:
        """A run from its results.json."""
        return cls(
            run_id=told["run_id"],
            status=told["status"],
            suite=dict(told["suite"]),
            dataset=dict(told["dataset"]),
            metrics={name: _value(entry) for name, entry in told["metrics"].items()},
            slices=[
                Slice(part["by"], part.get("n", 0), {name: _value(entry) for name, entry in part["metrics"].items()})
                for part in told.get("slices", [])
            ],
            gates=[_gate(entry) for entry in told.get("gates", [])],
            git=told.get("git"),
            prompts=dict(told.get("prompts", {})),
            usage=Usage.from_json(told.get("usage", {})),
            baseline=told.get("baseline"),
            main=dict(told.get("main", {})),
            uses=dict(told.get("uses", {})),
            started_at=told.get("started_at", ""),
            seconds=told.get("seconds", 0.0),
            folder=folder,
            exit_code=told.get("exit_code", 0),
        )

    def to_pandas(self) -> Any:
        """The scores of every record as a DataFrame (scores.parquet)."""
        import pandas as pd

        if self.folder is None or not (self.folder / "scores.parquet").is_file():
            raise FileNotFoundError(f"run {self.run_id} has no scores.parquet beside its results")
        return pd.read_parquet(self.folder / "scores.parquet")


def jsonable(value: Any) -> Any:
    """NaN and infinities as null, tuples as lists, all the way down."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): jsonable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(inner) for inner in value]
    return value


def number(value: Any) -> float:
    """A JSON number, with null as NaN."""
    return math.nan if value is None else float(value)


def interval(value: Any) -> tuple[float, float] | None:
    """A JSON pair, with null as none."""
    return None if value is None or value[0] is None else (number(value[0]), number(value[1]))


def _value(entry: Mapping[str, Any]) -> Value:
    told = {**entry, "mean": number(entry["mean"]), "stderr": number(entry["stderr"]), "ci": interval(entry["ci"])}
    told["corrected"] = _corrected(entry.get("corrected"))
    return Value(**{name: told[name] for name in Value.__dataclass_fields__ if name in told})


def _corrected(entry: Mapping[str, Any] | None) -> Corrected | None:
    if entry is None:
        return None
    told = {**entry, "mean": number(entry["mean"]), "ci": interval(entry.get("ci")), "scale": interval(entry.get("scale"))}
    return Corrected(**{name: told[name] for name in Corrected.__dataclass_fields__ if name in told})


def _gate(entry: Mapping[str, Any]) -> GateResult:
    told = {**entry, "observed": number(entry["observed"]), "ci": interval(entry["ci"]), "records": tuple(entry["records"])}
    return GateResult(**{name: told[name] for name in GateResult.__dataclass_fields__ if name in told})
