"""What a comparison of runs came to: differences with their tests and verdicts, what was unlike, which records changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from evalkit.core.run import jsonable

Verdict = Literal["better", "worse", "equivalent", "inconclusive"]
VERDICTS: tuple[Verdict, ...] = ("better", "worse", "equivalent", "inconclusive")


@dataclass(frozen=True)
class Compared:
    """One value of two runs: ``diff`` is b - a in the metric's own unit; what is not known is NaN or None.

    Attributes:
        p: of the two-sided test of no difference; ``p_adjusted`` over its whole family (`family`).
        test: what was done, by name.
        method: how the interval came about.
        effect_size: in the measure that ``effect`` names.
        n: pairs, or records of the smaller side where there are none.
        mde: the difference that these records would detect in 80 % of the cases.
        needed: records that would detect one as large as the margin (without one: as large as this one) in 80 % of the cases.
        p_equivalent: of the two one-sided tests that |difference| < margin, adjusted; NaN without a margin.
        gained, lost, even: records that score better, worse and the same in b.
        comparable: whether both runs measured the same way.
        why: the verdict in words.
    """

    a: float
    b: float
    diff: float
    ci: tuple[float, float] | None
    confidence: float
    p: float
    p_adjusted: float
    test: str
    method: str
    effect_size: float
    effect: str
    n: int
    mde: float
    verdict: Verdict
    needed: int | None = None
    margin: float | None = None
    p_equivalent: float = math.nan
    stderr: float = math.nan
    gained: int = 0
    lost: int = 0
    even: int = 0
    higher_is_better: bool | None = True
    main: bool = True
    comparable: bool = True
    family: str = "metrics"
    why: str = ""

    @property
    def wins(self) -> bool | None:
        """Whether b is on the better side of a; None where neither direction is better, or there is no difference."""
        if self.higher_is_better is None or not self.diff:
            return None
        return (self.diff > 0) == self.higher_is_better


@dataclass(frozen=True)
class SliceCompared:
    """The values over the records that share ``by`` in both runs."""

    by: dict[str, Any]
    n: int
    metrics: dict[str, Compared]


@dataclass(frozen=True)
class Named:
    """A run as a comparison names it."""

    run_id: str
    suite: str
    n: int
    started_at: str = ""
    folder: str = ""


@dataclass(frozen=True)
class Matched:
    """How the records of two runs found each other."""

    n: int
    only_a: int
    only_b: int
    ids_a: tuple[str, ...] = ()  # the first of those that only a has
    ids_b: tuple[str, ...] = ()
    clusters: int | None = None  # of the matched records, where the runs tell


@dataclass(frozen=True)
class Unlike:
    """Something other than the outputs that differs between the runs, and may be what moved a value."""

    what: str  # "data", "prompt generate/answer", "measure consistency" …
    a: str
    b: str
    serious: bool = False  # the values themselves are measured differently


@dataclass(frozen=True)
class Changed:
    """One record that scores otherwise in b."""

    id: str
    a: float
    b: float


@dataclass(frozen=True)
class Comparison:
    """Run b against run a."""

    a: Named
    b: Named
    matched: Matched
    metrics: dict[str, Compared]
    slices: list[SliceCompared] = field(default_factory=list)
    unlike: list[Unlike] = field(default_factory=list)
    changed: dict[str, dict[str, list[Changed]]] = field(default_factory=dict)  # metric → "gained", "lost"
    notes: list[str] = field(default_factory=list)
    main: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Compared:
        if name in self.metrics:
            return self.metrics[name]
        if name in self.main:
            return self.metrics[self.main[name]]
        from evalkit.core.errors import UnknownName

        raise UnknownName("metric of this comparison", name, self.metrics, see="evalkit compare --help")

    def to_json(self) -> dict[str, Any]:
        """As `compare --json` prints one comparison."""
        return {
            "a": asdict(self.a),
            "b": asdict(self.b),
            "matched": jsonable(asdict(self.matched)),
            "unlike": [asdict(one) for one in self.unlike],
            "metrics": {name: jsonable(asdict(value)) for name, value in self.metrics.items()},
            "slices": [
                {"by": part.by, "n": part.n, "metrics": {name: jsonable(asdict(v)) for name, v in part.metrics.items()}}
                for part in self.slices
            ],
            "changed": {
                name: {side: [jsonable(asdict(one)) for one in listed] for side, listed in sides.items()}
                for name, sides in self.changed.items()
            },
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Rating:
    """One run's strength among those that a pairwise judge compared.

    Attributes:
        rating: Bradley–Terry log-strength on Elo's scale, the baseline at 1000.
        win_rate: the chance that it beats the baseline, from 0 to 1.
    """

    run_id: str
    name: str
    rating: float
    ci: tuple[float, float] | None
    win_rate: float
    games: float


@dataclass(frozen=True)
class WinRate:
    """The share of its own games that a run won, ties half, with its interval; None where that is not known.

    ``length_controlled`` is the same were both answers equally long.
    """

    run_id: str
    name: str
    won: tuple[float, float, float] | None
    length_controlled: tuple[float, float, float] | None


@dataclass(frozen=True)
class Arena:
    """Win rates and ratings by one pairwise metric; ``why`` says of whom there is no rating."""

    metric: str
    ratings: tuple[Rating, ...] = ()
    why: str = ""
    rates: tuple[WinRate, ...] = ()


@dataclass(frozen=True)
class Comparisons:
    """Every run against the first, and what p values were adjusted for."""

    comparisons: tuple[Comparison, ...]
    adjusted: str  # "holm", "bh" …
    confidence: float
    resamples: int
    arenas: tuple[Arena, ...] = ()
    families: Mapping[str, int] = field(default_factory=dict)  # family → how many tests it holds

    def __getitem__(self, name: str) -> Compared:
        return self.comparisons[0][name]

    @property
    def worse(self) -> bool:
        """Whether any value of any run is worse than the baseline's."""
        return any(value.verdict == "worse" for one in self.comparisons for value in one.metrics.values())

    def to_json(self) -> dict[str, Any]:
        """What `compare --json` prints: the first comparison at the top, all of them under ``comparisons``."""
        from evalkit.core.signature import VERSION

        told = [one.to_json() for one in self.comparisons]
        return {
            "evalkit": VERSION,
            "adjusted": self.adjusted,
            "confidence": self.confidence,
            "resamples": self.resamples,
            "families": dict(self.families),
            **told[0],
            "comparisons": told,
            "arenas": [jsonable(asdict(arena)) for arena in self.arenas],
        }

    def to_pandas(self) -> Any:
        """A row per run, metric and slice."""
        import pandas as pd

        rows = []
        for one in self.comparisons:
            parts: list[tuple[dict[str, Any], dict[str, Compared]]] = [({}, one.metrics)]
            parts += [(part.by, part.metrics) for part in one.slices]
            for by, metrics in parts:
                for name, value in metrics.items():
                    low, high = value.ci or (math.nan, math.nan)
                    told = {key: inner for key, inner in asdict(value).items() if key != "ci"}
                    rows.append({"run": one.b.run_id, "metric": name, **by, **told, "low": low, "high": high})
        return pd.DataFrame(rows)
