"""From a log to its profile: columns recognised, rows streamed, a sample drawn."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.detection.frame import Frame
from evalkit.detection.profile import Builder, Profile
from evalkit.detection.sample import KEY, LABEL, RAW, VECTOR, Sample
from evalkit.detection.signal import EMBEDDINGS, TEXTS, Signal
from evalkit.detection.switch import Sort, Switched, switch
from evalkit.detection.vectors import MOST, short
from evalkit.logs.read import Log, identifier, is_number, is_time, literal, seconds_of
from evalkit.specs.drift import DriftSpec

if TYPE_CHECKING:
    from evalkit.monitor.embedding import Embedder

ROWS, FEWEST = 131_072, 2_048  # in a batch
BYTES = 1 << 24  # of the texts in a batch, about
GLANCE = 1_000  # rows that tell how long texts are
SAMPLED = 8_192


@dataclass(frozen=True)
class Reading:
    """A log whose columns are known by their canonical names, and what embeds its sampled rows."""

    log: Log
    fields: Mapping[str, str]  # canonical → own
    embedder: Embedder | None = None

    @classmethod
    def of(cls, log: Log, spec: DriftSpec, embedder: Embedder | None = None) -> Reading:
        """With the renamings of a configuration.

        Raises:
            SpecError: a column that is named is not there.
        """
        for name, own in spec.fields.items():
            if own not in log.columns:
                close = nearest(own, log.columns)
                hint = f"did you mean {quote(close)}?" if close else f"there is {', '.join(list(log.columns)[:10])}"
                raise SpecError(Problem(spec.source or log.label, f"fields: {name}: no column {quote(own)}", hint))
        taken = set(spec.fields.values())
        plain = {name: name for name in log.columns if name not in taken and name not in spec.fields}
        return cls(log, {**spec.fields, **plain}, embedder)

    @cached_property
    def sorts(self) -> dict[str, Sort]:
        """What each column holds."""
        return {name: _sort(self.log.columns[own], name) for name, own in self.fields.items()}

    def sql(self, name: str) -> str:
        """A column in SQL: numbers as DOUBLE, times as seconds, prompts as text."""
        own = self.fields[name]
        column, kind = identifier(own), self.log.columns[own]
        if name == "timestamp":
            return self.time
        if name in TEXTS:
            return _said(column, kind)
        sort = self.sorts[name]
        if sort == "number":
            return f"CAST({column} AS DOUBLE)"
        if sort == "flag":
            return f"CAST(CAST({column} AS INTEGER) AS DOUBLE)"
        if sort == "vector":
            return f"CAST({column} AS FLOAT[])"
        if sort == "texts":
            texts = f"[json_extract_string(one, '$') FOR one IN {column}]" if kind == "JSON[]" else column
            return f"array_to_string(list_sort({texts}), '+')"
        return f"CAST({column} AS VARCHAR)"

    @property
    def time(self) -> str:
        """The timestamp in SQL, as seconds since 1970; NULL where a row has none."""
        if "timestamp" not in self.fields:
            return "CAST(NULL AS DOUBLE)"
        own = self.fields["timestamp"]
        column, kind = identifier(own), self.log.columns[own]
        if is_time(kind):
            return f"epoch(CAST({column} AS TIMESTAMP))" if kind != "TIMESTAMP WITH TIME ZONE" else f"epoch({column})"
        if is_number(kind):
            return seconds_of(f"CAST({column} AS DOUBLE)")
        text = f"CAST({column} AS VARCHAR)"
        number = f"TRY_CAST({text} AS DOUBLE)"
        return f"coalesce(epoch(TRY_CAST({text} AS TIMESTAMPTZ)), {seconds_of(number)})"

    @property
    def key(self) -> str:
        """A row's hash in SQL: of its id, or of what it holds."""
        if "id" in self.fields:
            made_of = f"CAST({identifier(self.fields['id'])} AS VARCHAR)"
        else:
            parts = [name for name in ("timestamp", "session_id", "user_id", *TEXTS) if name in self.fields]
            columns = parts or list(self.fields)[:8]
            made_of = f"concat_ws(chr(31), {', '.join(f'CAST({identifier(self.fields[one])} AS VARCHAR)' for one in columns)})"
        return f"md5_number_lower({made_of})"

    def distinct(self, name: str) -> int:
        """About how many values a column has."""
        return int(
            self.log.rows(f"SELECT approx_count_distinct({identifier(self.fields[name])}) FROM {self.log.relation}")[0][0]
        )

    def switched(self, spec: DriftSpec, further: Sequence[Signal] = ()) -> Switched:
        """The signals that this log has columns for."""
        return switch(self.sorts, spec, distinct=self.distinct, further=further, made=self.made, source=self.log.label)

    @property
    def made(self) -> tuple[str, ...]:
        """The columns of vectors that the log lacks, and that sampled rows get."""
        told = EMBEDDINGS.items() if self.embedder is not None else ()
        return tuple(column for text, column in told if text in self.fields and column not in self.fields)

    def embedded(self, sample: Sample, signals: Sequence[Signal], rows: int) -> Sample:
        """A sample with the vectors that signals need and the log lacks, in as many rows."""
        needed = self._needed(signals)
        return self.embedder.embedded(sample, needed, rows) if self.embedder is not None and needed else sample

    def try_out(self, signals: Sequence[Signal]) -> None:
        """Embed one text, where signals will need vectors.

        Raises:
            SpecError: the backend gives none.
        """
        if self.embedder is not None and self._needed(signals):
            self.embedder.try_out()

    def unlike(self, reference: Profile) -> list[str]:
        """What is to be said where the vectors of a reference do not compare with those that sampled rows get."""
        if self.embedder is None or (sample := reference.sample) is None:
            return []
        makers = {sample.maker(name) for name in self.made if sample.has(VECTOR + name)} - {self.embedder.identity}
        told = f"and rows get those of {short(self.embedder.identity)} now: what is made of them has no value"
        return [f"the reference has vectors of {short(maker) or 'its own logs'}, {told}" for maker in sorted(makers)]

    def _needed(self, signals: Sequence[Signal]) -> set[str]:
        return {column for signal in signals for column in signal.needs if column in self.made}

    def frames(self, columns: Sequence[str], where: str | None = None) -> Iterator[Frame]:
        """All rows, some at a time."""
        wanted = {name: self.sql(name) for name in columns if name in self.fields}
        for batch in self.log.batches(wanted or {"one": "1"}, where, self._at_once(columns)):
            yield Frame(batch)

    def _at_once(self, columns: Sequence[str]) -> int:
        """Rows in a batch: so many that several of them stay small, also where texts are long."""
        texts = [self.sql(name) for name in columns if name in TEXTS and name in self.fields]
        if not texts:
            return ROWS
        size = " + ".join(f"coalesce(strlen({sql}), 0)" for sql in texts)
        found = self.log.rows(f"SELECT avg({size}) FROM (SELECT * FROM {self.log.relation} LIMIT {GLANCE})")[0][0]
        return min(max(int(BYTES / (found or 1.0)), FEWEST), ROWS)

    def sample(self, switched: Switched, rows: int, where: str | None = None) -> Sample:
        """The rows with the least keys: the same few of the same rows, however they are cut."""
        import pyarrow as pa

        columns = self._sampled(switched)
        condition = f" WHERE {where}" if where else ""
        told = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in columns.items())
        narrowed = copy(self.log)
        narrowed.relation = f"(SELECT {told} FROM {self.log.relation}{condition} ORDER BY {identifier(KEY)} LIMIT {int(rows)})"
        batches = list(narrowed.batches({name: identifier(name) for name in columns}))
        table = pa.Table.from_batches(batches) if batches else pa.table({KEY: pa.array([], pa.uint64())})
        return Sample.of(table, rows)

    def some(self, switched: Switched, share: float, where: str | None = None) -> Iterator[Sample]:
        """About this share of the rows, some thousand at a time: those with keys below it."""
        import pyarrow as pa

        most = min(int(share * 2.0**64), 2**64 - 1)
        condition = f"{self.key} <= {most}::UBIGINT" + (f" AND {where}" if where else "")
        columns = {**self._sampled(switched), RAW + "timestamp": self.time}
        for batch in self.log.batches(columns, condition, SAMPLED):
            table = pa.Table.from_batches([batch])
            yield Sample.of(table, table.num_rows)

    def _sampled(self, switched: Switched) -> dict[str, str]:
        """The columns of a sample in SQL."""
        columns = {KEY: self.key}
        for name in dict.fromkeys([*(one for one in TEXTS if one in self.fields), *switched.sampled]):
            if name in self.fields and name != "timestamp":
                columns[(VECTOR if self.sorts[name] == "vector" else RAW) + name] = self.sql(name)
        return columns | {LABEL + name: self.sql(name) for name in switched.slices}

    def rows(self, where: str | None = None) -> int:
        """How many there are."""
        condition = f" WHERE {where}" if where else ""
        return int(self.log.rows(f"SELECT count(*) FROM {self.log.relation}{condition}")[0][0])

    def span(self) -> tuple[float, float]:
        """The first and the last time, seconds since 1970; NaN where no row has one."""
        low, high = self.log.rows(f"SELECT min({self.time}), max({self.time}) FROM {self.log.relation}")[0]
        return (math.nan if low is None else float(low)), (math.nan if high is None else float(high))

    def counts(self, start: float, end: float, width: float, origin: float) -> dict[float, int]:
        """Rows by the start of their window."""
        window = f"CAST(floor(({self.time} - {origin!r}) / {width!r}) AS BIGINT)"
        found = self.log.rows(
            f"SELECT {window}, count(*) FROM {self.log.relation} WHERE {between(self, start, end)} GROUP BY 1"
        )
        return {origin + int(window) * width: int(count) for window, count in found if window is not None}


def profile(
    reading: Reading, switched: Switched, spec: DriftSpec, *, where: str | None = None, label: str = "",
    threads: int | None = None,
) -> Profile:  # fmt: skip
    """One pass over the rows, and one over the keys; memory does not grow with the rows."""
    builder = Builder(switched.signals, switched.slices, switched.words)
    columns = [*switched.columns, *(["timestamp"] if "timestamp" in reading.fields else [])]
    workers = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:  # Arrow and NumPy leave the interpreter while they work
        waiting: deque[Future[Profile]] = deque()
        for frame in reading.frames(columns, where):
            waiting.append(pool.submit(builder.measured, frame))
            while len(waiting) > workers or (waiting and waiting[0].done()):
                builder.add(waiting.popleft().result())
        while waiting:
            builder.add(waiting.popleft().result())
    wanted = any(signal.sampled or signal.compare is not None for signal in switched.signals)
    sample = reading.sample(switched, spec.rows, where) if wanted else None
    if sample is not None:
        sample = reading.embedded(sample, switched.signals, spec.embed_rows or MOST)
    return builder.profile(sample, label or reading.log.label)


def between(reading: Reading, start: float, end: float) -> str:
    """The rows of a window in SQL: from ``start`` to before ``end``, seconds since 1970."""
    own = reading.fields.get("timestamp")
    kind = reading.log.columns[own] if own else ""
    if own and kind.startswith("TIMESTAMP"):  # compared as it is: whole row groups are passed over
        from datetime import UTC, datetime

        zone = "TIMESTAMPTZ" if kind == "TIMESTAMP WITH TIME ZONE" else "TIMESTAMP"
        format_ = "%Y-%m-%d %H:%M:%S.%f" + ("+00" if zone == "TIMESTAMPTZ" else "")
        low, high = (literal(datetime.fromtimestamp(at, UTC).strftime(format_)) for at in (start, end))
        column = identifier(own)
        return f"{column} >= CAST({low} AS {zone}) AND {column} < CAST({high} AS {zone})"
    return f"{reading.time} >= {start!r} AND {reading.time} < {end!r}"


def _said(column: str, kind: str) -> str:
    """A prompt or an answer in SQL: text as it is; of chat messages what was said, without the product's own system prompt."""
    messages = (
        f"CAST({column} AS JSON[])" if kind in ("JSON", "JSON[]") or (kind.startswith("STRUCT") and kind.endswith("[]")) else ""
    )
    if not messages:
        return f"CAST({column} AS VARCHAR)"
    if kind.startswith("STRUCT"):
        messages = f"[to_json(m) FOR m IN {column}]"
    asked = "json_extract_string(m, '$.role') IS DISTINCT FROM 'system'"
    spoken = f"[json_extract_string(m, '$.content') FOR m IN {messages} IF {asked}]"
    joined = f"array_to_string({spoken}, chr(10))"
    if kind != "JSON":
        return joined
    return f"CASE json_type({column}) WHEN 'ARRAY' THEN {joined} ELSE json_extract_string({column}, '$') END"


def _sort(kind: str, name: str) -> Sort:
    """What a column of a DuckDB type holds."""
    if name == "timestamp" or is_time(kind):
        return "time"
    if name in TEXTS:
        return "text"
    if kind == "BOOLEAN":
        return "flag"
    if kind.endswith("]"):
        inner = kind[: kind.rindex("[")]
        if is_number(inner) or (inner == "JSON" and name in EMBEDDINGS.values()):  # a text file's lists may be told as JSON
            return "vector"
        return "texts" if inner in ("VARCHAR", "JSON") else "other"
    if is_number(kind):
        return "number"
    return "text" if kind in ("VARCHAR", "UUID") or kind.startswith("ENUM") else "other"
