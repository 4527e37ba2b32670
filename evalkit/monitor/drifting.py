"""`evalkit drift`: two sets of logs, or logs and a saved profile, compared signal by signal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit.core.drift import Drift, Off
from evalkit.core.errors import Problem, SpecError
from evalkit.detection.compare import compare
from evalkit.detection.kept import SUFFIX, from_bytes, to_bytes
from evalkit.detection.profile import Profile, relabelled
from evalkit.detection.signal import Signal
from evalkit.detection.switch import Switched
from evalkit.logs.read import opened
from evalkit.monitor.embedding import Embedder, embedder_of
from evalkit.monitor.measures import with_metrics, with_scores
from evalkit.monitor.own import own_signals
from evalkit.monitor.reading import Reading, profile
from evalkit.monitor.suited import suited
from evalkit.specs.drift import DriftSpec
from evalkit.store.files import write_bytes


def drift(
    current: Any, reference: Any, spec: DriftSpec | None = None, *, memory: str | None = None, threads: int | None = None
) -> Drift:
    """The current logs against a reference.

    Args:
        current, reference: paths, patterns, folders, queries, data frames or lists of mappings; the reference may be a
            profile that was saved (``.profile``), or a suite by path or name: then inputs are compared, and nothing else.

    Raises:
        SpecError: logs that cannot be read, without rows, or with no signal in common.
    """
    spec = spec or DriftSpec()
    with embedder_of(spec) as embedder:
        return _compared(current, reference, spec, embedder, memory, threads)


def _compared(
    current: Any, reference: Any, spec: DriftSpec, embedder: Embedder | None, memory: str | None, threads: int | None
) -> Drift:
    clock, suite = time.perf_counter(), suited(reference)
    if suite is not None:
        spec = replace(spec, slices=(), metrics=())
        plain = DriftSpec(seed=spec.seed, rows=spec.rows, embed_rows=spec.embed_rows)
        before, switched = _reference(suite.rows, plain, embedder, memory, threads)
        before = relabelled(before, f"suite {suite.name}")
    else:
        before, switched = _reference(reference, spec, embedder, memory, threads)
    with opened(current, memory=memory, threads=threads) as log:
        reading = Reading.of(log, spec, embedder)
        now = with_metrics(reading.switched(spec, own_signals()), reading, spec)
        if suite is not None:
            now, switched = _inputs(now), _inputs(switched)
        shared, off = _shared(now, before, switched)
        if not shared:
            raise SpecError(Problem(log.label, "has no signal in common with the reference", "see fields: in --config"))
        reading.try_out(shared)
        after = profile(reading, replace(now, signals=shared), spec, threads=threads)
        after = with_scores(after, shared, reading, spec)
    if not after.n:
        raise SpecError(Problem(after.label, "has no rows"))
    found = compare(before, after, shared, level=spec.level, seed=spec.seed, off=off, fewest=spec.fewest)
    notes = (*((suite.note,) if suite else ()), *found.notes, *(embedder.warnings if embedder else ()))
    return replace(found, notes=notes, seconds=time.perf_counter() - clock)


def saved(
    source: Any, path: Path, spec: DriftSpec | None = None, *, memory: str | None = None, threads: int | None = None
) -> Profile:
    """Profile logs into a file, so that they may be deleted; returns the profile.

    Raises:
        SpecError: the logs cannot be read, or the file's name does not end in ``.profile``.
    """
    spec = spec or DriftSpec()
    if path.suffix != SUFFIX:
        raise SpecError(Problem(str(path), "is no name for a profile", f"end it in {SUFFIX}: {path.with_suffix(SUFFIX)}"))
    with embedder_of(spec) as embedder:
        found, _ = _reference(source, spec, embedder, memory, threads)
    write_bytes(path, to_bytes(found, examples=spec.examples))
    return found


def is_profile(reference: Any) -> bool:
    """Whether this names a saved profile."""
    return isinstance(reference, (str, Path)) and str(reference).endswith(SUFFIX)


def _reference(
    reference: Any, spec: DriftSpec, embedder: Embedder | None, memory: str | None, threads: int | None
) -> tuple[Profile, Switched | None]:
    if is_profile(reference):
        path = Path(reference)
        try:
            return from_bytes(path.read_bytes(), str(reference)), None
        except OSError as error:
            raise SpecError(Problem(str(reference), f"the profile cannot be read ({error.strerror})")) from None
    with opened(reference, memory=memory, threads=threads) as log:
        reading = Reading.of(log, spec, embedder)
        switched = with_metrics(reading.switched(spec, own_signals()), reading, spec)
        reading.try_out(switched.signals)
        found = profile(reading, switched, spec, threads=threads)
        if not found.n:
            raise SpecError(Problem(log.label, "has no rows"))
        return with_scores(found, switched.signals, reading, spec), switched


def _inputs(switched: Switched | None) -> Switched:
    """The signals of what goes in; words of outputs are not counted either."""
    assert switched is not None
    on = tuple(one for one in switched.signals if one.group == "input" and one.name != "prompt_version")
    off = tuple(one for one in switched.off if one.name.startswith("input."))
    return replace(switched, signals=on, off=off, words=tuple(name for name in switched.words if name == "input"))


def _shared(now: Switched, before: Profile, switched: Switched | None) -> tuple[tuple[Signal, ...], Sequence[Off]]:
    """The signals that both sides have, and why the others are off."""
    off = {one.name: one for one in (switched.off if switched else ())} | {one.name: one for one in now.off}
    shared = []
    for signal in now.signals:
        if before.kinds.get(signal.name) == signal.kind:
            shared.append(signal)
            off.pop(signal.name, None)
        elif signal.name not in off:
            off[signal.name] = Off(signal.name, "the reference does not have it")
    for name in before.kinds:
        if all(signal.name != name for signal in now.signals) and name not in off:
            off[name] = Off(name, "the current logs do not have it")
    return tuple(shared), tuple(off.values())
