"""The proxies of a monitor: rows of each window scored by metrics and judges, and a fixed set that tells a changed judge."""

from __future__ import annotations

import hashlib
import json
import shutil
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from evalkit.core.batch import Batch
from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.core.times import iso
from evalkit.core.watched import Incident
from evalkit.detection.alarm import Reading as Measured
from evalkit.detection.case import Case
from evalkit.detection.season import Season
from evalkit.detection.switch import Switched
from evalkit.detection.tracks import Track
from evalkit.detection.unseen import cut
from evalkit.monitor.drawing import drawn
from evalkit.monitor.proxies import SENTINEL, Proxy, apart_of, joined, learned_proxy, learned_sentinel
from evalkit.monitor.reading import Reading
from evalkit.monitor.reference import Learned, origin_of, starts_between
from evalkit.monitor.scoring import Scored, Scorer
from evalkit.records.dataset import scan
from evalkit.specs.judged import JudgeSample
from evalkit.specs.monitor import MonitorSpec
from evalkit.store.files import write_text

REPEATS = 3  # times that a sentinel set is judged for the reference
_SHOWN = ("input", "output", "model", "prompt_version")
_EXAMPLES = 5
_TOGETHER = 2.0  # windows: a proxy that moved no earlier than so many before its judge did moved with it


class Judging:
    """Scores for one run of a monitor; a context manager, and nothing at all where the monitor has no ``judge_sample``.

    Args:
        folder: the monitor's own; what was learned lies there, and what a killed run has paid for.
        cache: the folder of the store's replies.

    Raises:
        SpecError: the logs or the sentinel set lack a column, or a name is taken; nothing was asked.
    """

    def __init__(self, spec: MonitorSpec, reading: Reading, switched: Switched, folder: Path, cache: Path) -> None:
        self.spec, self.reading, self.folder = spec, reading, folder
        self.samples = spec.judge_samples
        self.slices = switched.slices
        problems = [*_lacking(spec, reading), *_taken(spec, switched)]
        if problems:
            raise SpecError(problems)
        self.sentinel = _sentinel_set(spec)
        self.scorer = Scorer(self.samples, spec.backends, spec.prices, cache, folder / "spending")
        self.notes: list[str] = []
        self._troubles: dict[str, _Trouble] = {}
        self._proxies: dict[str, Proxy] = {}
        self._facts = folder / "proxies.json"
        self._drawn: dict[str, Iterator[tuple[float, Batch]]] = {}
        self._last: dict[str, Scored] = {}
        self._watched = self._windows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.scorer.__exit__(kind, error, trace)

    @property
    def identity(self) -> str:
        """All that moves what proxies are held against."""
        if not self.samples:
            return ""
        told = [(one.metric.label, self.scorer.identity(one), one.n, one.windows, dict(one.budget)) for one in self.samples]
        data = hashlib.sha256(self.spec.sentinel.read_bytes()).hexdigest() if self.spec.sentinel else ""
        return hashlib.sha256(repr((told, data)).encode()).hexdigest()

    @property
    def warnings(self) -> list[str]:
        """What went wrong, a line a metric and kind of trouble."""
        return [line for label, trouble in self._troubles.items() for line in trouble.lines(label)]

    # --- the reference ---

    def joined(self, learned: Learned, plan: str, *, anew: bool) -> Learned:
        """The reference with proxies: those that were learned before, and else learned now.

        Where a backend answers nobody, its proxy is off in this run, and learned by the next.

        Args:
            plan: of the monitor; what was learned under another is of no use, and with ``anew`` nothing that was learned is.
        """
        kept = {} if anew else self._kept(plan)
        for sample in self.samples:
            names = [
                sample.metric.label,
                *([SENTINEL + sample.metric.label] if self.sentinel is not None and sample.asks else []),
            ]
            for name in reversed(names):  # the sentinel first: it is judged before all else
                found = kept.get(name) or (self._learned(sample) if name == sample.metric.label else self._learned_set(sample))
                if found is not None:
                    self._proxies[name] = found
        if self._proxies.keys() - kept.keys():
            told = {"plan": plan, "proxies": {name: one.to_json() for name, one in self._proxies.items()}}
            write_text(self._facts, json.dumps(told))
            shutil.rmtree(self.folder / "sentinel", ignore_errors=True)
            self.scorer.forget()
        return joined(learned, list(self._proxies.values()))

    def _kept(self, plan: str) -> dict[str, Proxy]:
        if not self._facts.is_file():
            return {}
        told = json.loads(self._facts.read_text())
        if told["plan"] != plan:
            return {}
        return {name: Proxy.from_json(name, one) for name, one in told["proxies"].items()}

    def _learned(self, sample: JudgeSample) -> Proxy | None:
        """Some windows of the reference, scored: one out of each of as many stretches of equal length."""
        spec, label = self.spec, sample.metric.label
        assert not isinstance(spec.reference, Path)
        start, end = spec.reference
        rows = self.reading.counts(start, end, spec.window, origin_of(spec.window))
        all_of = starts_between(start, end, spec.window)
        enough = np.array([one for one in all_of.tolist() if rows.get(one, 0) >= spec.minimum])
        chosen = _spread(enough, sample.windows, spec.drift.seed)
        windows: list[tuple[float, Scored]] = []
        for at, batch in self._rows(sample, chosen):
            scored = self._scored(sample, batch, f"reference {at}", at)
            if scored.refused:
                self._trouble(label).unlearned = scored.refused
                return None
            windows.append((at, scored))
        found = learned_proxy(
            sample, windows, self.slices, spec.window, season=cast("Season", spec.season), minimum=spec.minimum
        )
        scores = sum(int(scored.known.sum()) for _, scored in windows)
        of_each = "all rows" if sample.n is None else f"up to {sample.n:,} rows"
        note = f"{label} was learned from {of_each} of each of {len(windows)} of the reference's {len(all_of):,} windows"
        self.notes.append(f"{note}: {scores:,} scores")
        return found

    def _learned_set(self, sample: JudgeSample) -> Proxy | None:
        assert self.sentinel is not None
        label, repeats = sample.metric.label, []
        for number in range(REPEATS):
            with self.scorer.apart(self.folder / "sentinel" / f"reference-{number}"):
                scored = self._scored(sample, self.sentinel, f"sentinel {number}", None)
            if scored.refused:
                self._trouble(label).unlearned = scored.refused
                return None
            repeats.append(scored)
        told = f"the sentinel set of {label}: {len(self.sentinel)} records"
        self.notes.append(f"{told}, judged {REPEATS} times for the reference, and anew once a run")
        return learned_sentinel(sample, repeats, self.spec.window)

    # --- windows ---

    def begin(self, windows: NDArray[np.float64]) -> None:
        """What will be asked for, in this order: rows are read for some windows at a time."""
        self._windows += len(windows)
        for sample in self.samples:
            if sample.metric.label in self._proxies:
                self._drawn[sample.metric.label] = self._rows(sample, windows)

    def readings(self, start: float) -> dict[str, Measured]:
        """What the watcher needs of a window."""
        if self._watched:  # the window before is in the store
            self.scorer.forget()
        found: dict[str, Measured] = {}
        if not self._watched and self._windows:
            found |= self._sentinels(start)
        for sample in self.samples:
            proxy = self._proxies.get(sample.metric.label)
            if proxy is None:
                continue
            at, batch = next(self._drawn[sample.metric.label])
            assert at == start
            scored = self._last[sample.metric.label] = self._scored(sample, batch, f"window {start}", start)
            found |= proxy.readings(scored)
        self._watched += 1
        return found

    def _sentinels(self, start: float) -> dict[str, Measured]:
        """The sentinel set judged anew, by every judge; a killed run that comes back to the same window does not pay again."""
        proxies = [(one, self._proxies.get(SENTINEL + one.metric.label)) for one in self.samples]
        if not any(proxy for _, proxy in proxies) or self.sentinel is None:
            return {}
        base = self.folder / "sentinel"
        own = base / f"{start:.0f}"
        for other in base.iterdir() if base.is_dir() else ():
            if other != own:
                shutil.rmtree(other, ignore_errors=True)
        found: dict[str, Measured] = {}
        for sample, proxy in proxies:
            if proxy is None:
                continue
            with self.scorer.apart(own):
                scored = self._scored(sample, self.sentinel, f"sentinel of {start}", None)
            self._last[proxy.name] = scored
            found |= proxy.against(scored)
        if self._windows > 1:
            told = f"{self._windows:,} windows were due at once, and all of them were judged now"
            self.notes.append(f"{told}: a judge has no past, so the sentinel set was judged once, with the first")
        return found

    def examples(self, track: Track, *, rises: bool) -> list[Mapping[str, str]] | None:
        """At most five rows of the newest window that show an incident of a proxy: the worst; None: it is no proxy.

        Of a sentinel set, those that moved most.
        """
        scored = self._last.get(track.signal)
        sample = next((one for one in self.samples if one.metric.label == track.signal.removeprefix(SENTINEL)), None)
        if scored is None or sample is None:
            return [] if sample is not None else None
        metric = sample.metric.metric
        better = metric.direction(metric.main)
        if track.signal.startswith(SENTINEL):
            before = self._proxies[track.signal].scores
            shown = apart_of(scored, before) * (1.0 if rises else -1.0)
        else:
            before = {}
            shown = scored.values if (rises if better is None else not better) else -scored.values
        if track.by is not None:
            here = [str(value) == track.by[1] for value in scored.batch.column(track.by[0])]
            shown = np.where(here, shown, np.nan)
        order = [int(at) for at in np.argsort(-shown, kind="stable") if not np.isnan(shown[at])][:_EXAMPLES]
        return [_example(scored, at, before) for at in order]

    def _rows(self, sample: JudgeSample, starts: NDArray[np.float64]) -> Iterator[tuple[float, Batch]]:
        columns = [*sample.metric.metric.needs_of(), *_SHOWN, *self.slices]
        return drawn(self.reading, columns, starts, self.spec.window, sample.n, origin_of(self.spec.window))

    def _scored(self, sample: JudgeSample, batch: Batch, when: str, start: float | None) -> Scored:
        scored = self.scorer.score(sample, batch, f"{self.identity} {when}")
        self._trouble(sample.metric.label).note(scored, start)
        return scored

    def _trouble(self, label: str) -> _Trouble:
        return self._troubles.setdefault(label, _Trouble())


class _Trouble:
    """What went wrong with one metric, counted."""

    def __init__(self) -> None:
        self.rows = self.errors = self.spent = self.refused = 0
        self.unlearned = self.first = self.least = self.why = ""

    def note(self, scored: Scored, start: float | None) -> None:
        self.rows += len(scored.values)
        self.errors += len(scored.rows.errors)
        if scored.rows.errors and not self.first:
            self.first = next(iter(scored.rows.errors.values()))
        where = "the sentinel set" if start is None else f"the window of {iso(start)}"
        if scored.spent:
            self.spent += 1
            self.least = f"{int(scored.known.sum()):,} of {len(scored.values):,} rows of {where} were judged"
        if scored.refused:
            self.refused += 1
            self.why = self.why or f"{scored.refused} (first in {where})"

    def lines(self, label: str) -> Iterator[str]:
        if self.unlearned:
            yield f"{label} is off, for the reference could not be judged: {self.unlearned}; the next run tries again"
        elif self.refused:
            yield f"{label} has no value, or that of fewer rows, in {self.refused:,} windows: {self.why}"
        if self.spent:
            yield f"{label}: the budget was spent in {self.spent:,} windows; in the last, {self.least}"
        if self.errors:
            yield f"{label}: {self.errors:,} of {self.rows:,} rows could not be scored, the first for this: {cut(self.first)}"


def blame_of(case: Case, cases: Mapping[str, Case], width: float, told: Incident | None) -> str:
    """How an incident is told that a judge has to answer for; "": it is the product's own.

    Args:
        cases: all that are open, or closed just now, by signal.
        told: as it was told before.
    """
    if case.signal.startswith(SENTINEL):
        return "the judge changed: "
    judge = cases.get(SENTINEL + case.signal)
    together = judge is not None and case.found >= judge.since - _TOGETHER * width
    over = case.closed is not None and told is not None and told.kind == "judge"  # and so is the judge's
    return "the judge changed at the same time: " if together or over else ""


def _lacking(spec: MonitorSpec, reading: Reading) -> Iterator[Problem]:
    """Columns that the metrics need and the logs lack."""
    for sample in spec.judge_samples:
        for column in sample.metric.metric.needs_of():
            if column not in reading.fields:
                close = nearest(column, reading.fields)
                told = f"did you mean {quote(close)}? " if close else ""
                what = f"{sample.metric.label} needs the column {quote(column)}, which the logs lack"
                hint = f"{told}drift: {{fields: {{{column}: …}}}} names the logs' own"
                yield Problem(f"{spec.path}:{sample.metric.line}", what, hint)


def _taken(spec: MonitorSpec, switched: Switched) -> Iterator[Problem]:
    names = {one.name for one in switched.signals} | {one.name for one in switched.off}
    for sample in spec.judge_samples:
        label = sample.metric.label
        if label in names:
            what = f"the logs have a signal {quote(label)} already"
            yield Problem(f"{spec.path}:{sample.metric.line}", what, f"call it otherwise: as: {label}_score")


def _sentinel_set(spec: MonitorSpec) -> Batch | None:
    """The records that judges judge anew in each run.

    Raises:
        SpecError: they are wrong, lack a column, or are too few.
    """
    judges = [sample.metric for sample in spec.judge_samples if sample.asks]
    if spec.sentinel is None or not judges:
        return None
    needs = {column: one.label for one in judges for column in one.metric.needs_of()}
    found = scan([spec.sentinel], label=str(spec.sentinel), needs=needs)
    if found.n < spec.minimum:
        what = f"the sentinel set has {found.n} records; at least {spec.minimum} are needed (`minimum`)"
        raise SpecError(Problem(str(spec.sentinel), what, "add records, or lower `minimum`"))
    batches = list(found.batches())
    names = dict.fromkeys(name for batch in batches for name in batch.columns)
    return Batch({name: [value for batch in batches for value in batch.column(name)] for name in names})


def _spread(starts: NDArray[np.float64], most: int, seed: int) -> NDArray[np.float64]:
    """One of each of ``most`` stretches, drawn: at even steps, all might be of the same hour."""
    if len(starts) <= most:
        return starts
    rng = np.random.default_rng(zlib.crc32(b"windows of the reference") ^ seed)
    return np.array([rng.choice(stretch) for stretch in np.array_split(starts, most)])


def _example(scored: Scored, at: int, before: Mapping[str, float]) -> dict[str, str]:
    batch = scored.batch
    row: dict[str, Any] = {"id": batch.texts("id")[at], "score": f"{scored.values[at]:.4g}"}
    if before:
        row["score"] = f"{before[row['id']]:.4g} → {row['score']}"
    row |= {name: batch.texts(name)[at] for name in _SHOWN if name in batch and batch.column(name)[at] is not None}
    if at in scored.rows.reasons:
        row["reason"] = scored.rows.reasons[at]
    return {name: cut(str(value)) for name, value in row.items()}
