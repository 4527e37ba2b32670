"""Signals that others have registered: a class that reads columns, or a plain function of a row's values."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from evalkit.core.drift import GROUPS, Kind
from evalkit.core.errors import SpecError, quote
from evalkit.core.registry import entries
from evalkit.detection.frame import Frame
from evalkit.detection.signal import STATISTICS, Signal


def own_signals() -> tuple[Signal, ...]:
    """All that are registered under the kind ``signal``.

    Raises:
        SpecError: one does not say what it reads.
    """
    return tuple(_signal(entry.name, entry.load()) for entry in entries("signal"))


def _signal(name: str, cls: Any) -> Signal:
    function: Callable[..., Any] | None = getattr(cls, "function", None)
    needs = tuple(getattr(cls, "needs", ())) or (tuple(inspect.signature(function).parameters) if function else ())
    kind, group = getattr(cls, "kind", "number"), getattr(cls, "group", "column")
    if not needs:
        raise SpecError(f"the signal {quote(name)} does not say which columns it reads: give it `needs = (…)`")
    if kind not in STATISTICS or kind in ("terms", "vector") or group not in GROUPS:
        raise SpecError(
            f"the signal {quote(name)} has the kind {quote(kind)} and the group {quote(group)}; a kind is number, flag or "
            f"category, a group {', '.join(GROUPS)}"
        )
    measure = _by_row(function, needs, kind) if function else cls().measure
    return Signal(name, group, cast("Kind", kind), needs, getattr(cls, "unit", ""), measure, sampled=bool(function))


def _by_row(function: Callable[..., Any], needs: tuple[str, ...], kind: str) -> Callable[[Frame], Any]:
    """A function of one row's values, over a sample of the rows; a row without one of them has no value."""

    def measure(frame: Frame) -> Any:
        import pyarrow as pa

        rows = zip(*(frame.array(column).to_pylist() for column in needs))
        values = [None if any(value is None for value in row) else function(*row) for row in rows]
        if kind == "category":
            return pa.array([None if value is None else str(value) for value in values], pa.string())
        return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)

    return measure
