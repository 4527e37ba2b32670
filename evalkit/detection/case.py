"""A case: the tracks of one signal that alarm together or one after another, told once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from evalkit.detection.alarm import Kind, Verdict

_STANDS_OUT = 2.0  # times as large, per standard deviation, as that of any other slice of the same column
_MOVED = 3.0  # standard deviations that a slice has moved at the least, where it raised no alarm itself


class Track(NamedTuple):
    """What a track is of: ``part`` of a signal ("topic 3"), over a slice ("model=b"), both empty for the whole."""

    signal: str
    part: str = ""
    slice: str = ""


@dataclass(frozen=True)
class Case:
    """An open incident of a signal.

    Attributes:
        lead: the name of the track that tells it: one over all rows where any alarmed, else the slice that moved most.
        slice: the slice that drives it; "" where none stands out.
        found, since: window starts, seconds: when it was told, and when the change began.
        size: the shift in standard deviations of a window.
        tracks: all that have alarmed in it, open or not; ``open`` are those that still are.
    """

    signal: str
    lead: str
    slice: str
    kind: Kind
    found: float
    since: float
    before: float
    after: float
    size: float
    tracks: tuple[str, ...]
    open: tuple[str, ...]
    closed: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self) | {"tracks": list(self.tracks), "open": list(self.open)}

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Case:
        """Of `to_json`."""
        return Case(**dict(told) | {"tracks": tuple(told["tracks"]), "open": tuple(told["open"])})


class Cases(NamedTuple):
    """What a window did to the cases: those open after it, by signal, and the ones that it opened and closed."""

    open: dict[str, Case]
    opened: tuple[Case, ...]
    closed: tuple[Case, ...]


def gather(before: Mapping[str, Case], time: float, verdicts: Mapping[str, Verdict], tracks: Mapping[str, Track]) -> Cases:
    """One case a signal: its tracks that alarm join the open one, and the last that closes closes it.

    Args:
        before: the cases that are open, by signal.
        tracks: what each track of ``verdicts`` is of.
    """
    alarms: dict[str, list[str]] = {}
    for name, verdict in verdicts.items():
        if verdict.opened:
            alarms.setdefault(tracks[name].signal, []).append(name)
    open_now: dict[str, Case] = {}
    closed: list[Case] = []
    for signal, case in before.items():
        joined = alarms.pop(signal, [])
        over = {name for name in case.open if name in verdicts and verdicts[name].closed}
        left = tuple(name for name in case.open if name not in over) + tuple(joined)
        updated = replace(case, open=left, tracks=case.tracks + tuple(name for name in joined if name not in case.tracks))
        updated = _told_anew(updated, verdicts)
        if joined and not updated.slice:
            updated = replace(updated, slice=driver(joined, verdicts, tracks))
        if left:
            open_now[signal] = updated
        else:
            closed.append(replace(updated, closed=max(verdicts[name].since for name in over)))
    opened = [_opened(signal, time, names, verdicts, tracks) for signal, names in alarms.items()]
    return Cases(open_now | {case.signal: case for case in opened}, tuple(opened), tuple(closed))


def driver(names: Iterable[str], verdicts: Mapping[str, Verdict], tracks: Mapping[str, Track]) -> str:
    """The slice of a signal's alarming tracks that moves where the others of its column do not; "" where none does."""
    signal_of = {(tracks[name].signal, tracks[name].part) for name in names}
    best, found = 0.0, ""
    columns: dict[tuple[str, str, str], list[tuple[float, str]]] = {}
    for name, verdict in verdicts.items():
        track = tracks[name]
        if track.slice and (track.signal, track.part) in signal_of:
            column = track.slice.partition("=")[0]
            size = verdict.z if math.isnan(verdict.size) else verdict.size
            columns.setdefault((track.signal, track.part, column), []).append((0.0 if math.isnan(size) else abs(size), name))
    for moved in columns.values():
        if len(moved) > 1:  # one slice alone is the whole
            (first, name), (second, _) = sorted(moved, key=lambda one: -one[0])[:2]
            if first > max(best, _STANDS_OUT * second) and (verdicts[name].opened or first > _MOVED):
                best, found = first, tracks[name].slice
    return found


def _opened(signal: str, time: float, names: list[str], verdicts: Mapping[str, Verdict], tracks: Mapping[str, Track]) -> Case:
    whole = [name for name in names if not tracks[name].slice]
    lead = max(whole or names, key=lambda name: abs(verdicts[name].size))
    one = verdicts[lead]
    slice_ = driver(names, verdicts, tracks) or ("" if whole else tracks[lead].slice)
    return Case(
        signal, lead, slice_, one.kind or "jump", time, one.since, one.before, one.after, one.size, tuple(names), tuple(names)
    )


def _told_anew(case: Case, verdicts: Mapping[str, Verdict]) -> Case:
    """What has been seen since, by now."""
    lead = verdicts.get(case.lead)
    if lead is None or lead.status != "drifted" or math.isnan(lead.after):
        return case
    return replace(case, before=lead.before, after=lead.after)
