"""What windows came to, as a report and the store have it: points, timelines, figures, and an incident's words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from evalkit.core.watched import Figure, Point, Severity, Timeline, Watched
from evalkit.detection.alarm import Verdict
from evalkit.detection.case import Case
from evalkit.detection.tracks import SPREAD, Track
from evalkit.detection.wording import changed
from evalkit.monitor.reference import History
from evalkit.reports.prometheus_monitor import monitor_metrics
from evalkit.store.monitors import Seen

CRITICAL = 6.0  # standard deviations of a window from which an incident is critical


def point_of(verdict: Verdict, track: Track) -> list[Any]:
    """A window of a track as the store keeps it; the band ends where the values do."""
    numbers = (verdict.value, verdict.expected, max(verdict.low, track.low), min(verdict.high, track.high))
    told = [x if math.isfinite(x) else None for x in (*numbers, float(verdict.n), verdict.p, verdict.q)]
    return [*told, verdict.status]


def timeline(track: Track, seen: Sequence[Seen], history: History, most: int) -> Timeline:
    """A track over the processed windows, and before them over the reference's own, where there is room."""
    points = list(_past(track, history, most)) if len(seen) < most else []
    for one in seen:
        told = one.seen.get(track.name)
        if told is not None:
            value, expected, low, high, n, p, q = (math.nan if x is None else float(x) for x in told[:-1])
            points.append(Point(one.start, value, expected, low, high, int(n), p, q, told[-1]))
    return Timeline(track.title, track.group, track.unit, tuple(points), dict([track.by]) if track.by else {})


def _past(track: Track, history: History, most: int) -> Iterator[Point]:
    values, sizes = history.values.get(track.name), history.sizes.get(track.name)
    if values is None or sizes is None:
        return
    last = slice(max(0, len(history.starts) - most), None)
    for start, value, n in zip(history.starts[last], values[last], sizes[last]):
        yield Point(
            float(start), float(value), math.nan, math.nan, math.nan, int(n), math.nan, math.nan, "learning" if n else "none"
        )  # fmt: skip


def figures_of(found: Watched) -> tuple[tuple[Figure, ...], str]:
    """The newest window's numbers, and the same as Prometheus reads them."""
    last = [(line, line.points[-1]) for line in found.timelines if line.points and line.points[-1].status != "learning"]
    told = tuple(Figure(line.name, line.by, at.value, at.expected, at.status == "drifted", at.n) for line, at in last)
    return told, monitor_metrics(found.name, told, found.windows, found.width, found.incidents)


def severity_of(case: Case) -> Severity:
    """By how far windows lie from what was expected."""
    return "critical" if abs(case.size) >= CRITICAL else "warning"


def why_of(case: Case, track: Track) -> str:
    """``output.refusal rose: 3.0% → 8.2%``."""
    rises = case.after > case.before
    if track.part == SPREAD:
        return f"the spread of {track.signal} {'grew' if rises else 'shrank'}"
    what = f"{track.signal} ({track.part})" if track.part else track.signal
    return f"{what} {'rose' if rises else 'fell'}: {changed(case.before, case.after, track.unit)}"
