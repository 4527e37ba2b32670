"""Several judges over the same record, and how far they agree."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from evalkit.core.asking import Capability, Tools
from evalkit.core.batch import Batch
from evalkit.core.content import Document
from evalkit.core.contracts import ModelMetric
from evalkit.core.member import Member
from evalkit.core.registry import judge
from evalkit.core.rows import Floats, Rows
from evalkit.core.signature import fingerprint
from evalkit.judges.dag_visit import Named
from evalkit.specs.panel import By, read_panel
from evalkit.stats.ratio import ratio


@judge("panel")
@dataclass(frozen=True)
class Panel(ModelMetric):
    """The verdict of several judges, or of one judge on several models, on each record; the value is their mean over records.

    ``judges`` is a list of ``{use: NAME, as: LABEL, backend: NAME, options}``; either each names its backend or none does.
    ``by`` makes one value of their votes: ``mean``; ``median``; ``majority``, the value that most of them gave, and where
    several are given equally often the mean of those: a tie between yes and no is a half. A vote is a judge's main part, or the
    ``part`` that is named: judges of different scales need ``part: normalized``. ``quorum`` votes must be there, by default
    all: with fewer the record is an error, and where none failed but some had nothing to judge, it is skipped.

    Parts: the bare value; ``disagreement``, the mean over records of the votes' range (highest minus lowest) for mean and
    median, of their entropy in bits for majority (0: all alike; 1: two halves). Every vote stands in the evidence.

    Misleads: judges of one family err together, and their agreement is then no evidence: three votes of alike models are
    little more than one.

    Range: that of its judges' values; `disagreement` from 0 up.

    Source: Verga et al. (2024), Replacing Judges with Juries, arXiv:2404.18796.
    """

    judges: tuple[Member, ...] = ()
    judge: Document | None = None  # a file with all of this
    by: By | None = None  # mean, unless the file says otherwise
    part: str | None = None
    quorum: int | None = None

    needs: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if self.judge is not None:
            if self.judges:
                raise ValueError("give either `judge` or `judges`, not both")
            told = read_panel(self.judge)
            for name, value in (("judges", told.judges), ("judge", None)):
                object.__setattr__(self, name, value)
            for name in ("by", "part", "quorum"):
                if getattr(self, name) is None:
                    object.__setattr__(self, name, getattr(told, name))
        object.__setattr__(self, "by", self.by or "mean")
        self._check()

    def _check(self) -> None:
        """Whether these judges can sit together.

        Raises:
            ValueError: they cannot.
        """
        if len(self.judges) < 2:
            raise ValueError("a panel has at least two judges; write `judges: [{use: …, backend: …}, …]`")
        if self.quorum is not None and not 1 <= self.quorum <= len(self.judges):
            raise ValueError(f"quorum is from 1 to {len(self.judges)}, the number of judges, not {self.quorum}")
        if len({member.backend is None for member in self.judges}) > 1:
            raise ValueError("either every judge of the panel names its `backend`, or none does and all ask the panel's own")
        seats = [(member.backend, fingerprint(member.metric)) for member in self.judges]
        for place, member in enumerate(self.judges):
            if seats[place] in seats[:place]:
                twin = self.judges[seats.index(seats[place])].label
                raise ValueError(f"{member.label} is the same judge as {twin}, and would only repeat it")
            if self.part is not None and self.part not in member.metric.parts:
                known = ", ".join(filter(None, member.metric.parts)) or "none"
                raise ValueError(f"{member.label} has no part {self.part!r}; its parts: {known}")
        directions = {member.metric.direction(self._part(member)) for member in self.judges}
        if len(directions) > 1:
            raise ValueError("for some judges of the panel more is better, for others not; their votes have no common mean")
        scales = dict.fromkeys(member.metric.about() for member in self.judges)
        if len(scales) > 1 and self.part is None:
            told = ", ".join(str(scale or "0–1") for scale in scales)
            raise ValueError(f"the judges' scales differ ({told}); add `part: normalized`, or another part that they share")
        if len({member.metric.outputs_of() for member in self.judges} - {None}) > 1:
            raise ValueError("the judges compare with different runs; a panel compares with one")

    def _part(self, member: Member) -> str:
        return member.metric.main if self.part is None else self.part

    # --- what it needs and gives ---

    @property
    def parts(self) -> tuple[str, ...]:
        return ("", "disagreement")

    @property
    def columns(self) -> tuple[str, ...]:
        return ("value", "disagreement", "judged")

    def direction(self, part: str) -> bool | None:
        first = self.judges[0]
        return False if part == "disagreement" else first.metric.direction(self._part(first))

    def range_of(self, part: str) -> tuple[float, float] | None:
        known = [member.metric.range_of(self._part(member)) or (-math.inf, math.inf) for member in self.judges]
        low, high = min(low for low, _ in known), max(high for _, high in known)
        if part == "disagreement":
            return 0.0, math.log2(len(self.judges)) if self.by == "majority" else high - low
        return low, high

    def needs_of(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(column for member in self.judges for column in member.metric.needs_of()))

    def lacking(self, batch: Batch) -> dict[int, str]:
        """None: what a judge lacks is that judge's error, and a quorum may do without it."""
        return {}

    def outputs_of(self) -> str | None:
        return next((name for member in self.judges if (name := member.metric.outputs_of())), None)

    def pinned(self, run_id: str, sha256: str) -> Self:
        return self._holding([member.metric.pinned(run_id, sha256) for member in self.judges])

    def others(self) -> tuple[str, ...]:
        named = (name for member in self.judges for name in (member.backend, *member.metric.others()) if name is not None)
        return tuple(dict.fromkeys(named))

    def wants_of(self) -> frozenset[Capability]:
        own = self.others()[:1] if self.judges[0].backend is not None else ()
        return frozenset[Capability]().union(
            *(member.metric.wants_of() for member in self.judges if member.backend is None or member.backend in own)
        )

    def wants_from(self, backend: str) -> frozenset[Capability]:
        return frozenset[Capability]().union(
            *(member.metric.wants_of() for member in self.judges if member.backend == backend),
            *(member.metric.wants_from(backend) for member in self.judges),
        )

    def instead(self, lacking: frozenset[Capability]) -> str | None:
        hints = ((member.label, member.metric.instead(lacking & member.metric.wants_of())) for member in self.judges)
        return next((f"for the judge {label}, {hint}" for label, hint in hints if hint is not None), None)

    @property
    def mode(self) -> str | None:
        modes = dict.fromkeys(member.metric.mode for member in self.judges if member.metric.mode is not None)
        return ", ".join(modes) or None

    def about(self) -> str:
        scale = self.part or self.judges[0].metric.about()
        return ", ".join(filter(None, (f"{self.by} of {len(self.judges)} judges", scale)))

    def prompts(self) -> dict[str, str]:
        return {f"{member.label}/{name}": text for member in self.judges for name, text in member.metric.prompts().items()}

    def options(self) -> dict[str, Any]:
        """Every judge by its label and all that moves its score."""
        told = super().options()
        del told["judge"]
        return {**told, "judges": [f"{member.label}:{fingerprint(member.metric)[:12]}" for member in self.judges]}

    # --- asking ---

    async def prepared(self, tools: Tools) -> Self:
        return self._holding([await member.metric.prepared(_seat(member, tools)) for member in self.judges])

    def learns_of(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(column for member in self.judges for column in member.metric.learns_of()))

    async def learned(self, batches: Iterable[Batch], tools: Tools) -> Self:
        seen = list(batches)
        return self._holding(
            [
                await member.metric.learned(seen, _seat(member, tools)) if member.metric.learns_of() else member.metric
                for member in self.judges
            ]
        )

    def _holding(self, metrics: Sequence[ModelMetric]) -> Self:
        judges = tuple(replace(member, metric=metric) for member, metric in zip(self.judges, metrics))
        return replace(self, judges=judges)

    async def measure(self, batch: Batch, tools: Tools) -> Rows:
        outcomes = await asyncio.gather(
            *(member.metric.score(batch, _seat(member, tools)) for member in self.judges), return_exceptions=True
        )
        scored: list[Rows] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            scored.append(outcome)
        votes = [self._votes(member, rows) for member, rows in zip(self.judges, scored)]
        rows = Rows(np.full((len(batch), 3), np.nan))
        for index in range(len(batch)):
            told = {member.label: float(vote[index]) for member, vote in zip(self.judges, votes) if not np.isnan(vote[index])}
            why = {member.label: said for member, one in zip(self.judges, scored) if (said := one.errors.get(index))}
            idle = {member.label: said for member, one in zip(self.judges, scored) if (said := one.skipped.get(index))}
            silent = {member.label for member in self.judges} - {*told, *why, *idle}
            why |= dict.fromkeys(sorted(silent), "gave no number")
            rows.evidence[index] = {"votes": told} | ({"failed": why} if why else {}) | ({"skipped": idle} if idle else {})
            if len(told) >= (self.quorum or len(self.judges)):
                rows.values[index] = (combined(list(told.values()), self._by), disagreement(list(told.values()), self._by), 1.0)
                rows.reasons[index] = self._reason(told, scored, index)
            elif why:
                rows.errors[index] = self._short(told) + "; ".join(f"{label}: {said}" for label, said in why.items())
            else:
                rows.skipped[index] = self._short(told) + "; ".join(f"{label}: {said}" for label, said in idle.items())
        return rows

    @property
    def _by(self) -> By:
        return self.by or "mean"

    def _votes(self, member: Member, rows: Rows) -> Floats:
        """A judge's votes, (n,); NaN where it gave none."""
        values = np.asarray(member.metric.record_values(rows), dtype=np.float64)[
            :, member.metric.parts.index(self._part(member))
        ]
        votes: Floats = np.where(rows.scored(), values, np.nan)
        return votes

    def _short(self, told: Mapping[str, float]) -> str:
        return f"{len(told)} of {len(self.judges)} judges voted, {self.quorum or len(self.judges)} must: "

    def _reason(self, told: Mapping[str, float], scored: Sequence[Rows], index: int) -> str:
        said = {member.label: one.reasons.get(index) for member, one in zip(self.judges, scored)}
        return "; ".join(f"{label} {vote:g}" + (f": {said[label]}" if said[label] else "") for label, vote in told.items())

    def combine(self, totals: Floats) -> Floats:
        return ratio(totals[..., :2], totals[..., 2:])


def combined(votes: Sequence[float], by: By) -> float:
    """One value of some votes: their mean, their median, or the mean of those that were given most often."""
    if by == "majority":
        counts = Counter(votes)
        most = max(counts.values())
        return float(np.mean([vote for vote, count in counts.items() if count == most]))
    return float(np.median(votes) if by == "median" else np.mean(votes))


def disagreement(votes: Sequence[float], by: By) -> float:
    """How far votes lie apart: their range; of a majority the entropy of their shares, in bits."""
    if by != "majority":
        return max(votes) - min(votes)
    shares = np.array(list(Counter(votes).values())) / len(votes)
    return abs(float((shares * np.log2(shares)).sum()))


def _seat(member: Member, tools: Tools) -> Tools:
    """The tools of one judge: its backend, and its label on every call, so that recorded calls are told apart."""
    return Named.of(tools.using(member.backend) if member.backend is not None else tools, member.label)
