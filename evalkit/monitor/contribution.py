"""How much each row has to do with a drift: what people look at first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from evalkit.core.drift import Finding
from evalkit.core.errors import Problem, SpecError
from evalkit.detection.frame import Frame
from evalkit.detection.signal import Signal
from evalkit.logs.read import literal, opened
from evalkit.monitor.drifting import drift
from evalkit.monitor.own import own_signals
from evalkit.monitor.reading import Reading
from evalkit.specs.drift import DriftSpec
from evalkit.text.terms import hash_of, terms

DRIFT = "drift"  # the column that holds it

Floats = NDArray[np.float64]


@contextmanager
def contributing(source: str, reference: str, spec: DriftSpec | None = None) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A query for the source's rows with the column ``drift``, for as long as the block lasts, and the signals behind it.

    Of every signal that drifted over all rows, a row contributes the logarithm of how much more frequent its own cell of the
    distribution is now than in the reference, and nothing where it is less frequent; of unseen words, of the new words it
    has. Signals that only samples have (topics, tone, language, vectors) count for nothing here.

    Raises:
        SpecError: nothing that rows have has drifted, or a side cannot be read.
    """
    spec = spec or DriftSpec()
    found = {one.name: one for one in drift(source, reference, spec).whole if one.drifted}
    with TemporaryDirectory(prefix="evalkit-") as folder, opened(source) as log:
        reading = Reading.of(log, spec)
        switched = reading.switched(spec, own_signals())
        behind = [one for one in switched.signals if one.name in found and _tells(one, found[one.name])]
        if not behind:
            what = "nothing that single rows show has drifted" if found else "nothing has drifted"
            raise SpecError(Problem(source, what, "draw with another --strategy"))
        path = Path(folder) / "drift.parquet"
        _write(path, reading, behind, found)
        key = f"CAST({reading.key} AS UBIGINT)"
        keyed = f"(SELECT *, {key} AS evalkit_key FROM {log.relation})"  # noqa: S608 - names are quoted
        scored = f"read_parquet({literal(str(path))})"
        query = f"sql:SELECT l.*, d.{DRIFT} FROM {keyed} l JOIN {scored} d ON l.evalkit_key = d.evalkit_key"  # noqa: S608
        yield query, tuple(one.name for one in behind)


def _tells(signal: Signal, finding: Finding) -> bool:
    if signal.kind == "terms":
        return bool(finding.terms)
    return signal.measure is not None and not signal.sampled and finding.shape is not None


def _write(path: Path, reading: Reading, signals: Sequence[Signal], found: dict[str, Finding]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: reading.sql(name) for one in signals for name in one.needs} | {"evalkit_key": reading.key}
    schema = pa.schema([("evalkit_key", pa.uint64()), (DRIFT, pa.float64())])
    seen: set[int] = set()
    with pq.ParquetWriter(path, schema) as out:
        for batch in reading.log.batches(columns):
            frame = Frame(batch)
            total = np.zeros(len(frame))
            for signal in signals:
                total += np.nan_to_num(_of(signal, found[signal.name], frame))
            keys = batch.column("evalkit_key").cast(pa.uint64())
            told = keys.to_pylist()
            first = np.zeros(len(told), dtype=bool)  # rows of one key hold the same, or their ids are no ids
            for at, one in enumerate(told):
                first[at] = one not in seen
                seen.add(one)
            table = pa.table({"evalkit_key": keys, DRIFT: total}, schema=schema)
            out.write_table(table.filter(pa.array(first)))


def _of(signal: Signal, finding: Finding, frame: Frame) -> Floats:
    """What each row contributes to one finding (n,)."""
    if signal.kind == "terms":
        return _of_terms(finding, frame, signal.needs[0])
    shape = finding.shape
    assert shape is not None
    assert signal.measure is not None
    small = 0.5 / max(finding.n_reference, finding.n_current)
    gains = np.array([max(math.log((now + small) / (then + small)), 0.0) for then, now in zip(shape.reference, shape.current)])
    values = signal.measure(frame)
    if signal.kind == "flag":
        return np.where(np.isnan(values), np.nan, gains[(values > 0.0).astype(np.int64)])
    if signal.kind == "number" and shape.edges:
        cells = np.clip(np.searchsorted(np.array(shape.edges), values, "right") - 1, 0, len(gains) - 1)
        return np.where(np.isnan(values), np.nan, gains[cells])
    labels = [f"{value:,.6g}" for value in values] if signal.kind == "number" else values.to_pylist()
    place = {label: at for at, label in enumerate(shape.labels)}
    rest = len(gains) - 1 if shape.labels and shape.labels[-1].endswith(" others") else -1
    at = [place.get(label, rest) if label is not None else -1 for label in labels]
    return np.array([gains[one] if one >= 0 else np.nan for one in at])


def _of_terms(finding: Finding, frame: Frame, column: str) -> Floats:
    """The new words that a row has, each counting for how much it has grown."""
    found = terms(frame.text(column))
    gains = {hash_of(term.text): math.log1p(1_000.0 * term.current) for term in finding.terms}
    words = np.array(sorted(gains), dtype=np.uint64)
    weights = np.array([gains[int(word)] for word in words])
    at = np.minimum(np.searchsorted(words, found.hashes), len(words) - 1)
    hits = words[at] == found.hashes
    return np.bincount(found.rows[hits], weights=weights[at[hits]], minlength=len(frame)).astype(np.float64)
