"""The signals that every log may have, by the columns that they read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.core.drift import Group
from evalkit.detection import topics, unseen, vectors
from evalkit.detection.frame import Frame
from evalkit.detection.signal import TEXTS, Signal
from evalkit.detection.texts import INPUT, OUTPUT, described
from evalkit.text.descriptors import DESCRIPTORS, describe

Floats = NDArray[np.float64]

_CALLED = {"characters": "length"}  # where a signal is not called as its descriptor is


def builtin() -> tuple[Signal, ...]:
    """All of them, in the order of reports."""
    return (
        *(_described("input", name) for name in INPUT),
        *_read("input"),
        Signal("input.embedding", "input", "vector", ("embedding",), compare=vectors.compared),
        Signal("prompt_version", "input", "category", ("prompt_version",), measure=_texts("prompt_version")),
        *(_described("output", name) for name in OUTPUT),
        Signal("output.verbosity", "output", "number", ("input", "output"), "", _verbosity),
        *_read("output"),
        Signal("output.embedding", "output", "vector", ("output_embedding",), compare=vectors.compared),
        Signal(
            "output.tone", "output", "number", ("output",), "", _one("output", "tone"), sampled=True, package="vaderSentiment"
        ),
        Signal("output.readability", "output", "number", ("output",), "points", _one("output", "readability"), sampled=True),
        Signal(
            "output.language_mismatch",
            "output",
            "flag",
            ("input", "output"),
            "share",
            _mismatch,
            sampled=True,
            package="py3langid",
        ),
        Signal("output.flagged", "output", "flag", ("flags",), "share", _flagged),
        Signal("output.flags", "output", "category", ("flags",), measure=_flags),
        Signal("model", "column", "category", ("model",), measure=_texts("model")),
        Signal("feedback", "proxy", "number", ("feedback",), "", _numbers("feedback")),
        Signal("latency_ms", "proxy", "number", ("latency_ms",), "ms", _numbers("latency_ms")),
        Signal("prompt_tokens", "proxy", "number", ("prompt_tokens",), "tokens", _numbers("prompt_tokens")),
        Signal("completion_tokens", "proxy", "number", ("completion_tokens",), "tokens", _numbers("completion_tokens")),
        Signal("cost", "proxy", "number", ("cost",), "", _numbers("cost")),
        Signal("error", "proxy", "flag", ("error",), "share", _error),
    )


def _read(column: str) -> tuple[Signal, ...]:
    """What reading a text column tells beyond counting."""
    group: Group = "input" if column == "input" else "output"
    return (
        Signal(f"{column}.terms", group, "terms", (column,), "share", compare=unseen.compared),
        Signal(f"{column}.topics", group, "category", (column,), compare=topics.compared),
        Signal(
            f"{column}.language", group, "category", (column,), measure=_language(column), sampled=True, package="py3langid"
        ),
    )


def _described(column: str, name: str) -> Signal:
    group: Group = "input" if column == "input" else "output"
    told = DESCRIPTORS[name]
    kind = "flag" if told.kind == "flag" else "number"
    unit = told.unit if told.kind in ("count", "score") else "share"

    def measure(frame: Frame) -> Floats:
        return described(frame, column).values[name]

    return Signal(f"{column}.{_CALLED.get(name, name)}", group, kind, (column,), unit, measure)  # type: ignore[arg-type]


def _one(column: str, name: str) -> Callable[[Frame], Floats]:
    """A descriptor that is worked out by itself."""
    return lambda frame: describe(frame.text(column), (name,)).values[name]


def _numbers(column: str) -> Callable[[Frame], Floats]:
    return lambda frame: frame.numbers(column)


def _texts(column: str) -> Callable[[Frame], Any]:
    return lambda frame: frame.text(column)


def _language(column: str) -> Callable[[Frame], Any]:
    def measure(frame: Frame) -> Any:
        import pyarrow as pa

        from evalkit.text.language import language

        return frame.derive(("language", column), lambda: pa.array(language(frame.text(column)).tolist(), pa.string()))

    return measure


def _mismatch(frame: Frame) -> Floats:
    """Whether the output is in another language than the input; NaN where either is too short to tell."""
    asked, answered = (_language(column)(frame).to_pylist() for column in TEXTS)
    return np.array(
        [np.nan if one in (None, "und") or two in (None, "und") else float(one != two) for one, two in zip(asked, answered)],
        dtype=np.float64,
    )


def _verbosity(frame: Frame) -> Floats:
    """Words of the output over words of the input; NaN where the input has none."""
    asked, answered = described(frame, "input").values["words"], described(frame, "output").values["words"]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(asked > 0.0, answered / asked, np.nan)


def _flags(frame: Frame) -> Any:
    """The flags that are set, as one name."""
    import pyarrow.compute as pc

    told = frame.text("flags")
    return pc.if_else(pc.equal(told, ""), "none", told)


def _flagged(frame: Frame) -> Floats:
    """Whether any flag is set; no list of flags is none set."""
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.utf8_length(frame.text("flags")), 0)
    flagged: Floats = (np.asarray(lengths.to_numpy(zero_copy_only=False)) > 0).astype(np.float64)
    return flagged


def _error(frame: Frame) -> Floats:
    """Whether the request failed: a flag as it is, a message that is not empty, a number that is not 0."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = frame.array("error")
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        told: Floats = (np.nan_to_num(frame.numbers("error")) != 0.0).astype(np.float64)
        return told
    lengths = np.asarray(pc.fill_null(pc.utf8_length(column), 0).to_numpy(zero_copy_only=False))
    failed: Floats = (lengths > 0).astype(np.float64)
    return failed
