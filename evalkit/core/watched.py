"""What a monitor has seen: windows, a timeline per signal, incidents, and the alerts that go out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from evalkit.core.drift import Drift, Group, Off, plain_data

NEWEST = 168  # points of a timeline in JSON: a week of hours

Severity = Literal["warning", "critical"]
Event = Literal["opened", "closed"]
Status = Literal["ok", "drifted", "few", "none", "learning"]


@dataclass(frozen=True)
class Point:
    """One window of one signal's timeline.

    Attributes:
        start: of the window, seconds since 1970.
        value: of the signal in its own unit; NaN where nothing was measured.
        expected, low, high: what the reference leads one to expect of this hour and weekday, and its band.
        p, q: of the window alone, q after Benjamini-Hochberg over all signals and slices of the window.
        status: "drifted" while an incident is open, "few" rows to tell, "none" at all, "learning" in the reference.
    """

    start: float
    value: float
    expected: float
    low: float
    high: float
    n: int
    p: float
    q: float
    status: Status


@dataclass(frozen=True)
class Timeline:
    """A signal, or one of its parts, over the windows; ``by`` is the slice, empty for all rows."""

    name: str
    group: Group
    unit: str
    points: tuple[Point, ...]
    by: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name with its slice."""
        told = ", ".join(f"{column}={value}" for column, value in self.by.items())
        return f"{self.name} on {told}" if told else self.name


@dataclass(frozen=True)
class Incident:
    """A shift that is believed, from the window in which it was found until it is over.

    Attributes:
        id: the same however often its window is processed.
        found, since, closed: window starts in seconds: when it was told, when the change began by our estimate, and the
            first window of the calm that ended it (None: open).
        before, after: what was expected, and what is seen since ``since``, in the signal's own unit.
        kind: "jump", found by one window; "slow", by many together; "judge": the sentinel set moved, not the product.
        slice: the slice that drives it, as "model=b"; "" where none stands out.
        examples: at most five rows of the window, by column.
    """

    id: str
    name: str
    group: Group
    severity: Severity
    kind: Literal["jump", "slow", "judge"]
    found: float
    since: float
    before: float
    after: float
    unit: str
    why: str
    closed: float | None = None
    by: Mapping[str, str] = field(default_factory=dict)
    slice: str = ""
    examples: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class Alert:
    """A message that must arrive: sent at least once, told apart by its id."""

    id: str  # of incident and event: a receiver that has seen it drops it
    monitor: str
    event: Event
    incident: Incident
    report: str = ""  # link to, or path of, the report

    @property
    def title(self) -> str:
        """One line: what, how much, since when, which slice."""
        from evalkit.core.times import iso

        one = self.incident
        where = f", driven by {one.slice}" if one.slice else ""
        return f"{self.monitor}: {one.why}{where}, since {iso(one.since)}" + (" (over)" if self.event == "closed" else "")

    def to_json(self) -> dict[str, Any]:
        """Plain data, as JSON lines and webhooks carry it."""
        plain: dict[str, Any] = plain_data(
            {"id": self.id, "monitor": self.monitor, "event": self.event, "title": self.title, "report": self.report or None}
            | {"incident": incident_json(self.incident)}
        )
        return plain


@dataclass(frozen=True)
class Figure:
    """One exported number of the newest window: what Prometheus and the Grafana board read."""

    name: str  # of the signal
    by: Mapping[str, str]
    value: float
    expected: float
    drifted: bool
    n: int


@dataclass(frozen=True)
class Watched:
    """All that a monitor's report shows.

    Attributes:
        windows: (start, rows, late rows) of every processed window, oldest first.
        width: of a window, in seconds.
        latest: the newest window against its reference, signal by signal.
        budget: false alarms a month that the thresholds are set to.
    """

    name: str
    source: str
    width: float
    windows: tuple[tuple[float, int, int], ...]
    timelines: tuple[Timeline, ...]
    incidents: tuple[Incident, ...]
    off: tuple[Off, ...]
    latest: Drift | None
    budget: float
    notes: tuple[str, ...] = ()

    @property
    def open(self) -> tuple[Incident, ...]:
        """Incidents that are not over."""
        return tuple(one for one in self.incidents if one.closed is None)

    def to_json(self) -> dict[str, Any]:
        """Plain data; what ``evalkit monitor run --json`` prints."""
        plain: dict[str, Any] = plain_data(
            {
                "monitor": self.name,
                "source": self.source,
                "window_s": self.width,
                "windows": [{"start": start, "rows": rows, "late": late} for start, rows, late in self.windows],
                "open": [incident_json(one) for one in self.open],
                "incidents": [incident_json(one) for one in self.incidents],
                "false_alarms_per_month": self.budget,
                "signals": [
                    {"name": line.name, "group": line.group, "by": dict(line.by), "unit": line.unit or None}
                    | {"points": [asdict(point) for point in line.points[-NEWEST:]]}
                    for line in self.timelines
                ],
                "off": [{"name": one.name, "why": one.why} for one in self.off],
                "latest": self.latest.to_json() if self.latest else None,
                "notes": list(self.notes),
            }
        )
        return plain


def incident_json(one: Incident) -> dict[str, Any]:
    """An incident as plain data, its times as ISO texts."""
    from evalkit.core.times import iso

    told = asdict(one) | {"by": dict(one.by), "examples": [dict(row) for row in one.examples]}
    return told | {name: None if told[name] is None else iso(told[name]) for name in ("found", "since", "closed")}
