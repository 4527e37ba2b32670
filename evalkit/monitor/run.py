"""`evalkit monitor run`: every window that is due, each exactly once; incidents, alerts, reports."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from evalkit.core.drift import Drift
from evalkit.core.errors import Problem, SpecError, StoreError
from evalkit.core.times import iso, span
from evalkit.core.watched import Alert, Figure, Incident, Watched
from evalkit.detection.alarm import Plan, State, Watcher
from evalkit.detection.alarm import Reading as Measured
from evalkit.detection.case import Case, Cases, gather
from evalkit.detection.compare import compare
from evalkit.detection.kept import from_bytes, to_bytes, windows_in
from evalkit.detection.season import Season
from evalkit.detection.switch import OFF
from evalkit.detection.tracks import parts_of
from evalkit.logs.read import opened
from evalkit.monitor.deliver import Delivery, Parcel, deliver, export
from evalkit.monitor.embedding import WINDOW, embedder_of
from evalkit.monitor.examples import examples_of
from evalkit.monitor.judging import Judging, blame_of
from evalkit.monitor.own import own_signals
from evalkit.monitor.reading import Reading, between, profile
from evalkit.monitor.reference import Learned, learn, measured, origin_of, starts_between
from evalkit.monitor.telling import figures_of, point_of, severity_of, timeline, why_of
from evalkit.reports.watched_pages import watched_html, watched_json, watched_markdown
from evalkit.specs.monitor import MonitorSpec
from evalkit.store.catalog import Catalog
from evalkit.store.files import explained, write_bytes, write_text
from evalkit.store.monitors import MonitorStore, Seen, Waiting

SHOWN = 2_000  # windows of a report
AT_ONCE = 2_000  # windows measured in one pass
LOOK_BACK = 500  # processed windows that are looked at for late rows


@dataclass(frozen=True)
class Ran:
    """What a call of ``monitor run`` came to."""

    watched: Watched
    processed: int
    folder: Path
    warnings: tuple[str, ...]
    figures: str  # in Prometheus' format


def run_monitor(spec: MonitorSpec, catalog: Catalog, *, now: float, fresh: bool = False, send: bool = True) -> Ran:
    """Process what is due, deliver what waits, and write the report.

    Each window enters the store with all that follows from it in one transaction, and alerts leave from there: whenever the
    process is killed, the next call goes on, no window is processed twice, and no alert is lost.

    Raises:
        SpecError: the logs or the reference are wrong.
        StoreError: another process is at this monitor, or the store cannot be used.
    """
    folder = catalog.home / "monitors" / spec.name
    with _locked(folder):
        store = MonitorStore(catalog, spec.name)
        with opened(spec.source, memory=spec.memory) as log, embedder_of(spec.drift, catalog.home) as embedder:
            session = _Session(spec, store, folder, Reading.of(log, spec.drift, embedder))
            with session.judging:
                session.prepare(fresh)
                processed = session.process(now)
            latest = session.latest()
        found = session.watched(latest)
        figures = figures_of(found)
        reports = spec.report or folder
        write_text(reports / "report.html", watched_html(found))
        write_text(reports / "report.md", watched_markdown(found))
        write_text(reports / "report.json", watched_json(found))
        troubles = [*session.judging.warnings, *(embedder.warnings if embedder else ())]
        warnings = [*troubles, *(_deliver(store, spec, figures) if send else ())]
        if not send and (waiting := store.waiting()):
            warnings.append(f"{len(waiting)} alerts wait for a run without --no-alerts")
        return Ran(found, processed, reports, tuple(warnings), figures[1])


class _Session:
    """One call: the logs are open, the monitor is locked."""

    def __init__(self, spec: MonitorSpec, store: MonitorStore, folder: Path, reading: Reading) -> None:
        self.spec, self.store, self.folder, self.reading = spec, store, folder, reading
        if "timestamp" not in reading.fields:
            hint = "name it: timestamp: COLUMN"
            raise SpecError(Problem(spec.drift.source or spec.source, 'the logs have no column "timestamp"', hint))
        self.switched = reading.switched(spec.drift, own_signals())
        self.judging = Judging(spec, reading, self.switched, folder, store.catalog.home)
        self.notes: list[str] = []
        self.learned: Learned
        self.watcher: Watcher
        self.state: State
        self.cases: dict[str, Case] = {}
        self.profile_at = folder / "reference.profile"

    # --- the reference ---

    def prepare(self, fresh: bool) -> None:
        """The reference as it was learned, or learned now."""
        plan = self._plan()
        before = None if fresh else self.store.plan()
        if before is not None and before[0] == plan and self.profile_at.is_file():
            self.learned = self._read(self.profile_at)
        else:
            if before is not None:
                self.notes.append("the monitor's file has changed: the reference was learned anew, and windows begin anew")
            self.learned = self._learn()
            kept = to_bytes(self.learned.profile, examples=self.spec.drift.examples, windows=self.learned.facts())
            write_bytes(self.profile_at, kept)
            self.store.begin(plan)
            before = (plan, None)
        self.learned = self.judging.joined(self.learned, plan, anew=fresh)
        tracks = self.learned.ruler.tracks
        expected = {name: one for name, one in self.learned.expectations.items() if name in tracks}
        self._missing()
        if not expected:
            hint = "; ".join(self.judging.warnings) or "take a longer one"
            raise SpecError(Problem(self.spec.drift.source, "no signal of the reference can be watched", hint))
        self.watcher = Watcher(
            Plan(len(expected), self.spec.window, self.spec.budget, self.spec.minimum),
            expected,
            {name: tracks[name].floor for name in expected},
        )
        told = before[1] or {}
        self.state = self.watcher.start(told.get("tracks"))
        cases = {signal: Case.from_json(one) for signal, one in (told.get("cases") or {}).items()}
        self.cases = {signal: case for signal, case in cases.items() if case.lead in tracks}

    def _learn(self) -> Learned:
        spec = self.spec
        if isinstance(spec.reference, Path):
            return self._read(spec.reference)
        start, end = spec.reference
        return learn(
            self.reading, self.switched, spec.drift, start=start, end=end, width=spec.window,
            season=cast("Season", spec.season), minimum=spec.minimum,
        )  # fmt: skip

    def _read(self, path: Path) -> Learned:
        """What was learned, from its file.

        Raises:
            SpecError: it is no reference of a monitor, or one of other windows.
        """
        data = path.read_bytes()
        found, windows = from_bytes(data, str(path)), windows_in(data)
        if not windows:
            what = f"the profile {path.name} knows nothing of windows, for no monitor made it"
            raise SpecError(
                Problem(self.spec.drift.source, what, "take the reference.profile of a monitor, or {from: …, to: …}")
            )
        learned = Learned.kept(found, windows, self.switched.signals, self.spec.drift.seed)
        if learned.width != self.spec.window:
            what = f"the windows of the profile {path.name} are {span(learned.width)} wide, and here {span(self.spec.window)}"
            raise SpecError(Problem(self.spec.drift.source, what, f"write window: {span(learned.width)}"))
        return learned

    def _missing(self) -> None:
        """Say which signals of the reference the logs no longer have: a column that is gone is a change too."""
        now = {signal.name for signal in self.switched.signals} | {one.name for one in self.switched.off if one.why == OFF}
        gone = sorted(name for name in self.learned.profile.kinds if name not in now)
        if gone:
            some = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
            self.notes.append(f"the logs no longer have what {some} {'is' if len(gone) == 1 else 'are'} read from")
        self.notes += self.reading.unlike(self.learned.profile)

    def _plan(self) -> str:
        """A hash of all that moves what windows are held against; a column that comes or goes begins nothing anew."""
        spec = self.spec
        reference = hashlib.sha256(spec.reference.read_bytes()).digest() if isinstance(spec.reference, Path) else spec.reference
        names = sorted((name, one.statistic, repr(one.threshold)) for name, one in spec.drift.signals.items())
        told = (
            spec.window,
            reference,
            spec.season,
            spec.minimum,
            spec.budget,
            spec.drift.slices,
            spec.drift.off,
            spec.drift.seed,
        )
        fields = sorted(spec.drift.fields.items())
        judged = [self.judging.identity] if spec.judge_samples else []
        embedder = self.reading.embedder
        judged += [embedder.identity, str(spec.drift.embed_rows)] if embedder is not None else []
        return hashlib.sha256(repr((told, names, fields, spec.drift.rows, *judged)).encode()).hexdigest()

    # --- windows ---

    def due(self, now: float) -> np.ndarray[Any, Any]:
        """Starts of the windows to process: whole ones, over for as long as rows may be late, with a row at or behind them."""
        spec = self.spec
        newest = self.store.newest()
        width, origin = spec.window, origin_of(spec.window)
        begin = float(self.learned.history.starts[-1]) + width if newest is None else newest + width
        _, last = self.reading.span()
        if math.isnan(last):
            return np.zeros(0)
        if last < now - 3.0 * width - spec.lateness:
            self.notes.append(
                f"the newest row is of {iso(last)}: {span(max(width, 60.0))} windows after it have nothing to say"
            )
        end = min(now - spec.lateness, origin + (math.floor((last - origin) / width) + 1.0) * width)
        return starts_between(math.ceil((begin - origin) / width - 1e-9) * width + origin, end, width)

    def process(self, now: float) -> int:
        """All windows that are due, oldest first; returns how many."""
        windows = self.due(now)
        self._late()
        self.judging.begin(windows)
        for first in range(0, len(windows), AT_ONCE):
            some = windows[first : first + AT_ONCE]
            sums = measured(
                self.reading, self.switched, self.learned.ruler, some, self.spec.window, self.learned.share,
                embedded=self.learned.embedded(self.spec.drift),
            )  # fmt: skip
            rows = self.reading.counts(
                float(some[0]), float(some[-1]) + self.spec.window, self.spec.window, origin_of(self.spec.window)
            )
            for at, start in enumerate(some.tolist()):
                readings = {
                    name: self.learned.ruler.reading(name, float(sums[name][0][at]), float(sums[name][1][at]))
                    for name in self.watcher.names
                    if name in sums
                }
                self._window(start, rows.get(start, 0), readings | self.judging.readings(start))
        return len(windows)

    def _window(self, start: float, rows: int, readings: Mapping[str, Measured]) -> None:
        tracks = self.learned.ruler.tracks
        state, verdicts = self.watcher.step(self.state, start, readings)
        cases = gather(self.cases, start, verdicts, parts_of({name: tracks[name] for name in verdicts}))
        changed_now = self._incidents(cases, start)
        alerts = [
            Alert(f"{self.spec.name}:{one.id}:{'closed' if one.closed is not None else 'opened'}", self.spec.name,
                  "closed" if one.closed is not None else "opened", one, self._link())
            for one, is_news in changed_now if is_news
        ]  # fmt: skip
        kept = {"tracks": state.to_json(), "cases": {signal: case.to_json() for signal, case in cases.open.items()}}
        seen = Seen(start, rows, 0, {name: point_of(verdict, tracks[name]) for name, verdict in verdicts.items()})
        entered = self.store.enter(
            seen, kept, [one for one, _ in changed_now], alerts, [one.name for one in self.spec.alerts if one.takes_alerts]
        )
        if not entered:
            raise StoreError(f"the window {iso(start)} of {self.spec.name} was processed by another process meanwhile")
        self.state, self.cases = state, cases.open

    def _incidents(self, cases: Cases, start: float) -> list[tuple[Incident, bool]]:
        """The incidents that this window changes, and whether that is news to be told."""
        known = {one.id: one for one in self.store.incidents()} if cases.open or cases.closed else {}
        found: list[tuple[Incident, bool]] = []
        opened_now = {case.signal for case in cases.opened}
        together = {case.signal: case for case in (*cases.closed, *cases.open.values())}
        for case in (*cases.open.values(), *cases.closed):
            id_ = f"{case.signal}@{int(case.found)}"
            track = self.learned.ruler.tracks[case.lead]
            told, rises = known.get(id_), case.after > case.before
            examples = told.examples if told else self.judging.examples(track, rises=rises)
            if examples is None:
                where = between(self.reading, start, start + self.spec.window)
                examples = examples_of(self.reading, self.switched, self.learned, track, where, rises=rises)
            blame = blame_of(case, together, self.spec.window, told)
            one = Incident(
                id=id_, name=track.title, group=track.group, severity=severity_of(case),
                kind="judge" if blame else case.kind, found=case.found, since=case.since, before=case.before, after=case.after,
                unit=track.unit, why=blame + why_of(case, track), closed=case.closed,
                by=dict([track.by]) if track.by else {}, slice=case.slice, examples=tuple(examples),
            )  # fmt: skip
            found.append((one, case.signal in opened_now or case.closed is not None))
        return found

    def _late(self) -> None:
        """Rows that came to windows after these were processed: counted and told, and not judged again."""
        seen = self.store.seen(LOOK_BACK)
        if not seen:
            return
        width = self.spec.window
        now = self.reading.counts(seen[0].start, seen[-1].start + width, width, origin_of(width))
        more = {one.start: now.get(one.start, 0) - one.rows for one in seen}
        late = {one.start: more[one.start] for one in seen if more[one.start] > one.late}  # fewer: logs that were deleted
        if late:
            self.store.late(late)
            self.notes.append(
                f"{sum(late.values()):,} rows came to {len(late)} windows after these were processed: counted, not judged; "
                "a larger `lateness` waits for them"
            )

    def latest(self) -> Drift | None:
        """The newest processed window against the reference."""
        newest = self.store.newest()
        if newest is None:
            return None
        where = between(self.reading, newest, newest + self.spec.window)
        label = f"{iso(newest)} – {iso(newest + self.spec.window)}"
        spec = replace(self.spec.drift, embed_rows=self.spec.drift.embed_rows or WINDOW)
        current = profile(self.reading, self.switched, spec, where=where, label=label)
        if not current.n:
            return None
        return compare(
            self.learned.profile, current, self.switched.signals, level=self.spec.drift.level, seed=self.spec.drift.seed,
            off=self.switched.off, fewest=self.spec.drift.fewest,
        )  # fmt: skip

    # --- telling ---

    def watched(self, latest: Drift | None) -> Watched:
        """All that the report shows."""
        seen = self.store.seen(SHOWN)
        tracks = {name: self.learned.ruler.tracks[name] for name in self.watcher.names}
        return Watched(
            name=self.spec.name,
            source=self.reading.log.label,
            width=self.spec.window,
            windows=tuple((one.start, one.rows, one.late) for one in seen),
            timelines=tuple(timeline(track, seen, self.learned.history, SHOWN) for track in tracks.values()),
            incidents=tuple(self.store.incidents()),
            off=(*self.switched.off, *self.learned.dark),
            latest=latest,
            budget=self.spec.budget,
            notes=(*self.notes, *self.judging.notes),
        )

    def _link(self) -> str:
        return self.spec.link or str((self.spec.report or self.folder) / "report.html")


def _deliver(store: MonitorStore, spec: MonitorSpec, figures: tuple[tuple[Figure, ...], str]) -> Iterator[str]:
    """Send what waits; what arrived is marked at once, message by message."""
    sinks = {one.name: one.sink for one in spec.alerts}
    waiting: list[Waiting] = store.waiting()
    parcels = [Parcel(one.alert, one.sink, one.attempts) for one in waiting]

    def arrived(sent: Sequence[Parcel]) -> None:
        for parcel in sent:
            store.delivered(parcel.alert.id, parcel.sink)

    async def all_of_it() -> tuple[Delivery, dict[str, str]]:
        told = await deliver(parcels, sinks, arrived=arrived)
        return told, await export(figures[0], figures[1], sinks)

    told, failed = asyncio.run(all_of_it())
    for failure in told.failed:
        store.delivered(failure.parcel.alert.id, failure.parcel.sink, failure.why)
    yield from told.warnings
    for name, why in failed.items():
        yield f"figures for {name} were not written: {why}"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The monitor's folder, for this process alone; the system frees it when the process dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("a")
    except OSError as error:
        raise explained(error, folder) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(f"{folder}: another process is at this monitor; wait until it is done") from error
        yield
