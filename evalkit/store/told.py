"""The shape of results.json: a file from outside is checked against it before anything in it is believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from evalkit.core.run import Outcome, Status


class ToldCorrected(msgspec.Struct):
    """What people would say."""

    mean: float | None
    ci: tuple[float | None, float | None] | None = None
    labels: int = 0
    card: str = ""
    here: bool = True
    why: str = ""
    scale: tuple[float, float] | None = None


class ToldValue(msgspec.Struct):
    """One value; what later versions add is left alone."""

    mean: float | None
    ci: tuple[float | None, float | None] | None
    confidence: float
    stderr: float | None
    n: int
    errors: int = 0
    skipped: int = 0
    coverage: float | None = 1.0
    mode: str | None = None
    about: str | None = None
    signature: str = ""
    fingerprint: str = ""
    higher_is_better: bool | None = True
    corrected: ToldCorrected | None = None


class ToldSlice(msgspec.Struct):
    """The values over some records."""

    by: dict[str, Any]
    metrics: dict[str, ToldValue]
    n: int = 0


class ToldGate(msgspec.Struct):
    """What became of a gate."""

    metric: str
    rule: str
    bound: float | None
    observed: float | None
    ci: tuple[float | None, float | None] | None
    outcome: Outcome
    reason: str
    records: list[str]
    title: str = ""
    where: dict[str, Any] = {}
    lets_by: bool = False
    sequential: bool = False
    used: int | None = None
    saved: int | None = None


class ToldSuite(msgspec.Struct):
    """Which suite it was."""

    name: str
    sha256: str = ""
    path: str | None = None


class ToldGenerated(msgspec.Struct):
    """How the outputs were made, where the run made them."""

    file: str


class ToldData(msgspec.Struct):
    """Which data it was."""

    path: str = ""
    sha256: str = ""
    n: int = 0
    files: list[str] | None = None
    fields: dict[str, str] | None = None
    limit: int | None = None
    shuffle: int | None = None
    generated: ToldGenerated | None = None


class ToldGit(msgspec.Struct):
    """Which commit it was."""

    commit: str
    dirty: bool


class ToldSpent(msgspec.Struct, frozen=True):
    """What the calls of one metric took."""

    calls: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None


class ToldUsage(ToldSpent, frozen=True):
    """What the models took."""

    retries: dict[str, int] = {}
    metrics: dict[str, ToldSpent] = {}


class ToldUse(msgspec.Struct):
    """Which metric stood behind a name."""

    metric: str
    options: dict[str, Any] | None = None
    against: str | None = None


class Told(msgspec.Struct):
    """All of it."""

    run_id: str
    status: Status
    suite: ToldSuite
    dataset: ToldData
    metrics: dict[str, ToldValue]
    slices: list[ToldSlice] = []
    gates: list[ToldGate] = []
    git: ToldGit | None = None
    prompts: dict[str, str] = {}
    usage: ToldUsage = ToldUsage()
    baseline: str | None = None
    main: dict[str, str] = {}
    uses: dict[str, ToldUse] = {}
    started_at: str = ""
    seconds: float = 0.0
    exit_code: int = 0

    def __post_init__(self) -> None:
        """Refuse a main part that has no value."""
        strange = [part for part in self.main.values() if part not in self.metrics]
        if strange:
            raise ValueError(f"main names {strange[0]}, which has no value")
        made = self.dataset.generated
        if made is not None and (made.file != Path(made.file).name or not made.file):
            raise ValueError("dataset.generated.file is no file of the run's own folder")
