"""Which signals are on, for the columns that a log has, and why the others are off."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.util import find_spec
from typing import Literal

from evalkit.core.drift import Off
from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.detection.builtin import builtin
from evalkit.detection.frame import Frame
from evalkit.detection.signal import EMBEDDINGS, STATISTICS, TEXTS, Signal
from evalkit.specs.drift import DriftSpec

Sort = Literal["number", "flag", "text", "time", "vector", "texts", "other"]  # what a log's column holds

# Columns that say who or which, not what: they differ between any two sets of logs.
IDENTITIES = ("id", "timestamp", "session_id", "user_id", "cluster", "sampling_weight")
OFF = "switched off"
NAMES = 200  # a text column of more distinct values is no category


@dataclass(frozen=True)
class Switched:
    """The signals that are on, those that are off, and the columns that slices and vocabularies are taken of."""

    signals: tuple[Signal, ...]
    off: tuple[Off, ...]
    slices: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that must be read for all rows."""
        measured = [signal for signal in self.signals if not signal.sampled and signal.compare is None]
        needed = [column for signal in measured for column in signal.needs]
        return tuple(dict.fromkeys([*needed, *self.slices, *self.words]))

    @property
    def sampled(self) -> tuple[str, ...]:
        """The columns that must be read for the sampled rows."""
        needed = [column for signal in self.signals for column in signal.needs]
        return tuple(dict.fromkeys([*needed, *self.slices, *self.words]))


def switch(
    columns: Mapping[str, Sort],
    spec: DriftSpec,
    *,
    distinct: Callable[[str], int] = lambda _: 0,
    further: Sequence[Signal] = (),
    made: Collection[str] = (),
    source: str = "the log",
) -> Switched:
    """Signals for the columns of a log.

    Args:
        columns: what each holds, by canonical name where it has one.
        distinct: how many values a text column has; asked only of columns that may be categories.
        further: signals of plug-ins and metrics.
        made: columns of vectors that the log lacks, and that sampled rows will get.

    Raises:
        SpecError: the configuration names a signal or a slice that is not there.
    """
    on: list[Signal] = []
    off: list[Off] = []
    for signal in (*builtin(), *further):
        lacking = [name for name in signal.needs if name not in columns and name not in made]
        if not lacking and signal.package and find_spec(signal.package) is None:
            off.append(Off(signal.name, f'needs the package {signal.package}: pip install "evalkit[logs]"'))
        elif lacking:
            off.append(Off(signal.name, f"no column {' and '.join(map(quote, lacking))}{_unmade(lacking, columns)}"))
        else:
            on.append(signal)
    known = {column for signal in on for column in signal.needs}
    for name, sort in columns.items():
        if name in IDENTITIES or name in TEXTS or (name in known and name not in spec.slices):
            continue
        if any(signal.name == name for signal in on):
            continue
        found, why = _of_column(name, sort, distinct)
        if found:
            on.append(found)
        elif why:
            off.append(Off(name, why))
    slices = _slices(columns, spec, source)
    asked = _asked(on, off, spec, columns)
    words = [name for name in TEXTS if any(one.kind == "terms" and name in one.needs for one in asked.signals)]
    return Switched(asked.signals, asked.off, slices, tuple(words))


def _unmade(lacking: Sequence[str], columns: Mapping[str, Sort]) -> str:
    """What a column of vectors that is not there could be made with."""
    texts = [text for text, vectors in EMBEDDINGS.items() if vectors in lacking and text in columns]
    return ", and no `embed:` backend" if texts else ""


def _of_column(name: str, sort: Sort, distinct: Callable[[str], int]) -> tuple[Signal | None, str]:
    """The signal of a column of the log's own; or why there is none."""
    if sort == "number":
        return Signal(name, "column", "number", (name,), measure=lambda frame, name=name: frame.numbers(name)), ""  # type: ignore[misc]
    if sort == "flag":
        return Signal(name, "column", "flag", (name,), "share", lambda frame, name=name: frame.numbers(name)), ""  # type: ignore[misc]
    if sort == "text":
        values = distinct(name)
        if values > NAMES:
            return None, f"about {values:,} distinct values: an identifier or free text, not a category"
        return Signal(name, "column", "category", (name,), measure=category(name)), ""
    if sort in ("time", "other", "texts", "vector"):
        return None, f"holds {'times' if sort == 'time' else 'lists or structures'}, which no signal reads"
    return None, ""


def category(column: str) -> Callable[[Frame], object]:
    """The texts of a column as they are."""
    return lambda frame: frame.text(column)


def _slices(columns: Mapping[str, Sort], spec: DriftSpec, source: str) -> tuple[str, ...]:
    for name in spec.slices:
        if name not in columns:
            close = nearest(name, columns)
            hint = f"did you mean {quote(close)}?" if close else f"there is {', '.join(list(columns)[:10])}"
            raise SpecError(Problem(spec.source or source, f"slices: there is no column {quote(name)}", hint))
    return spec.slices


def _asked(on: Iterable[Signal], off: Iterable[Off], spec: DriftSpec, columns: Iterable[str]) -> Switched:
    """With what the configuration says of each signal."""
    names = [signal.name for signal in on]
    dark = [one.name for one in off]
    for pattern in (*spec.signals, *spec.off):
        if not any(fnmatchcase(name, pattern) for name in (*names, *dark, *columns)):
            close = nearest(pattern, [*names, *dark])
            hint = f"did you mean {quote(close)}?" if close else f"there is {', '.join(names[:12])}"
            raise SpecError(Problem(spec.source or "signals", f"no signal is called {quote(pattern)}", hint))
    kept: list[Signal] = []
    gone = list(off)
    for signal in on:
        if any(fnmatchcase(signal.name, pattern) for pattern in spec.off):
            gone.append(Off(signal.name, OFF))
            continue
        for pattern, told in spec.signals.items():
            if not fnmatchcase(signal.name, pattern):
                continue
            statistics = STATISTICS[signal.kind]
            if told.statistic and told.statistic not in statistics:
                raise SpecError(
                    Problem(
                        f"{spec.source}:{told.line}" if told.line else spec.source,
                        f"{signal.name} has no statistic {quote(told.statistic)}",
                        f"a {signal.kind} has {', '.join(statistics)}",
                    )
                )
            signal = replace(
                signal, statistic=told.statistic or signal.statistic,
                threshold=told.threshold if told.threshold == told.threshold else signal.threshold,
            )  # fmt: skip
        kept.append(signal)
    return Switched(tuple(kept), tuple(gone), (), ())
