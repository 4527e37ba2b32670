"""Rows of a log as a table with the canonical columns, each of its own type; what does not fit is told, row by row.

Columns beside the canonical ones keep their name: truth values, whole numbers, numbers and texts as they are, all else as
JSON. Names that differ in capitals only are one name to SQL, so that the later gets an underscore, as does ``date``, which
is the store's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from evalkit.core.errors import quote
from evalkit.logs.messages import Row, asked, decoded, json_text, plain, text_of
from evalkit.records.canonical import COLUMNS
from evalkit.records.convert import convert

if TYPE_CHECKING:
    import pyarrow as pa

PARTITION = "date"
ROW, DERIVED, DAY = "_evalkit_row", "_evalkit_derived", "_evalkit_day"  # of staged tables only
FIRST = ("id", "timestamp", "input", "output")  # that every table has
MOST = 500  # further columns of one file; what is beyond goes into `more`, as JSON
_EXTRA = {"messages": "text", "error": "text"}  # columns of logs that are not canonical, and still have one type
_LISTS = ("contexts", "reference_contexts", "retrieved_ids", "flags", "samples")
_JSON = ("reference", "relevant_ids")
_WHOLE = ("prompt_tokens", "completion_tokens", "feedback")
_GOOD = {"up": 1, "thumbs_up": 1, "thumbsup": 1, "positive": 1, "like": 1, "good": 1, "👍": 1, "+1": 1, "yes": 1}
_BAD = {"down": -1, "thumbs_down": -1, "thumbsdown": -1, "negative": -1, "dislike": -1, "bad": -1, "👎": -1, "no": -1}
_FEEDBACK = {**_GOOD, **_BAD, "neutral": 0, "none": 0}


@dataclass
class Naming:
    """How a file's further columns are called; the same for all its blocks."""

    names: dict[str, str | None] = field(default_factory=dict)
    taken: set[str] = field(default_factory=lambda: {*COLUMNS, *_EXTRA, PARTITION, "more", ROW, DERIVED, DAY})

    def of(self, name: str) -> str | None:
        """The column's name; None where there are too many."""
        if name not in self.names:
            told = name.strip() or "unnamed"
            while told.lower() in self.taken:
                told += "_"
            full = len(self.names) >= MOST
            self.names[name] = None if full else told
            if not full:
                self.taken.add(told.lower())
        return self.names[name]


@dataclass
class Columns:
    """Rows as columns, those that do not fit left out and told."""

    table: pa.Table
    kept: list[int]  # which of the rows
    wrong: list[tuple[int, str]]  # index of a row, and the reason


def columns_of(rows: Sequence[Row], naming: Naming, *, first: int, salt: bytes = b"") -> Columns:
    """A table of canonical rows.

    Args:
        first: the number of the first row within its source.
        salt: goes into derived ids, so that nobody finds by trying what a redacted text was.
    """
    import pyarrow as pa

    values: dict[str, list[Any]] = {}
    wrong: dict[int, str] = {}
    names = list(dict.fromkeys([*FIRST, *(name for row in rows for name in row)]))
    more: list[Row] = [{} for _ in rows]
    for name in names:
        column = [row.get(name) for row in rows]
        if name in COLUMNS or name in _EXTRA:
            values[name] = _canonical(name, column, wrong)
            continue
        told = naming.of(name)
        if told is None:
            for at, value in enumerate(column):
                if value is not None:
                    more[at][name] = value
        else:
            values[told] = column
    if any(more):
        values["more"] = [json_text(each) if each else None for each in more]
    kept = [at for at in range(len(rows)) if at not in wrong]
    if wrong:
        values = {name: [column[at] for at in kept] for name, column in values.items()}
    derived = [value is None for value in values["id"]]
    values["id"] = _ids(values, salt)
    arrays = {name: _array(name, column) for name, column in values.items()}
    arrays |= {
        ROW: pa.array([first + at for at in kept], pa.int64()),
        DERIVED: pa.array(derived, pa.bool_()),
        DAY: pa.array([None if told is None else told // 86_400_000_000 for told in values["timestamp"]], pa.int32()).cast(
            pa.date32()
        ),
    }
    return Columns(pa.table(arrays), kept, sorted(wrong.items()))


def seconds(value: Any) -> int | None:
    """A time as microseconds since 1970: ISO 8601 (UTC where it has no offset), or a number of seconds, ms, µs or ns.

    Raises:
        ValueError: it is none, or not between 1970 and 9999.
    """
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            try:
                value = float(text) if "." in text else int(text)
            except ValueError:
                raise ValueError(f"timestamp is no time: {quote(text, 40)}; write 2026-11-29T08:00:00Z") from None
    if isinstance(value, datetime):
        told = value if value.tzinfo else value.replace(tzinfo=UTC)
        since = told - datetime(1970, 1, 1, tzinfo=UTC)
        micro = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    elif isinstance(value, date):
        micro = (value - date(1970, 1, 1)).days * 86_400_000_000
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e20:
        size = abs(value)
        up, down = (1, 1_000) if size > 1e17 else (1, 1) if size > 1e14 else (1_000, 1) if size > 1e11 else (1_000_000, 1)
        micro = int(value) * up // down if isinstance(value, int) else round(value * up / down)
    else:
        raise ValueError(f"timestamp is no time: {quote(value, 40)}; write 2026-11-29T08:00:00Z")
    if not 0 <= micro < 253_402_300_800_000_000:
        raise ValueError(f"timestamp lies before 1970 or after 9999: {quote(value, 40)}")
    return micro


# --- columns ---------------------------------------------------------------------------------------------------------


def _canonical(name: str, column: list[Any], wrong: dict[int, str]) -> list[Any]:
    """A canonical column's values; a row whose value is none of its kind is told in ``wrong``."""
    if name == "timestamp":
        times: list[int | None] = []
        for at, value in enumerate(column):
            try:
                times.append(seconds(value))
            except (ValueError, OverflowError) as error:
                wrong.setdefault(at, str(error))
                times.append(None)
        return times
    kind = _EXTRA.get(name) or COLUMNS[name].kind
    lenient = _LENIENT.get(name) or _LENIENT.get(kind)
    if lenient is not None:
        column = [None if value is None else lenient(value) for value in column]
    if name in _EXTRA:
        return column
    converted, faults = convert(name, column)
    for fault in faults:
        wrong.setdefault(fault.index, f"{fault.what}; {fault.hint}" if fault.hint else fault.what)
    told = list(converted)
    if name in _JSON:
        return [value if value is None or isinstance(value, str) else json_text(value) for value in told]
    if name in _WHOLE:
        for at, value in enumerate(told):
            if value is not None and (value != int(value) or abs(value) > 2**53):
                wrong.setdefault(at, f"{name} must be a whole number, not {value!r}")
                told[at] = None
            elif value is not None:
                told[at] = int(value)
    return told


def _number(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return int(value) if value.strip().lstrip("+-").isdecimal() else float(value)
        except ValueError:
            return value
    return int(value) if isinstance(value, bool) else value


def _feedback(value: Any) -> Any:
    if isinstance(value, bool):
        return 1 if value else -1
    told = _FEEDBACK.get(value.strip().lower(), value) if isinstance(value, str) else value
    return _number(told)


def _passages(value: Any) -> Any:
    told = decoded(value)
    if isinstance(told, str):
        return [told]
    if isinstance(told, Iterable) and not isinstance(told, (Mapping, bytes)):
        return [text if (text := _passage(each)) is not None else "" for each in told]
    return told


def _passage(value: Any) -> str | None:
    if isinstance(value, Mapping):
        for name in ("page_content", "text", "content", "passage", "document", "chunk"):
            if isinstance(value.get(name), str):
                return str(value[name])
    return text_of(value)


def _names(value: Any) -> Any:
    told = decoded(value)
    if isinstance(told, str):
        return [part.strip() for part in told.split(",") if part.strip()]
    return [str(each) for each in told] if isinstance(told, (list, tuple, set)) else told


def _text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return text_of(value) if isinstance(value, (list, dict)) else json_text(value)


def _truth(value: Any) -> Any:
    return {"true": True, "false": False, "1": True, "0": False}.get(value.lower(), value) if isinstance(value, str) else value


def _vector(value: Any) -> Any:
    return decoded(value)


_LENIENT = {
    "number": _number, "feedback": _feedback, "passages": _passages, "names": _names, "text": _text, "prompt": _text,
    "truth": _truth, "vector": _vector,
}  # fmt: skip


def with_messages(row: Row) -> Row:
    """A row whose ``input`` may be a list of chat messages, as its last question and all ``messages``."""
    told = row.get("input")
    if isinstance(told, str) and not told.lstrip().startswith("["):
        return row
    value = decoded(told.strip()) if isinstance(told, str) else told
    if not isinstance(value, (list, tuple)) or not all(isinstance(turn, Mapping) for turn in value) or not value:
        return row
    return {**row, **asked(plain(list(value)))}


def _array(name: str, column: list[Any]) -> pa.Array:
    import pyarrow as pa

    if name == "timestamp":
        return pa.array(column, pa.timestamp("us", tz="UTC"))
    if name in _LISTS:
        return pa.array(column, pa.list_(pa.string()))
    if name == "embedding":
        return pa.array(column, pa.list_(pa.float32()))
    if name in _WHOLE:
        return pa.array(column, pa.int64())
    if name in ("latency_ms", "cost"):
        return pa.array(column, pa.float64())
    if name == "answerable":
        return pa.array(column, pa.bool_())
    if name in COLUMNS or name in _EXTRA:
        return pa.array(column, pa.string())
    kinds = {type(value) for value in column} - {type(None)}
    if kinds <= {bool}:
        return pa.array(column, pa.bool_() if kinds else pa.string())
    if kinds <= {int} and all(value is None or abs(value) < 2**63 for value in column):
        return pa.array(column, pa.int64())
    if kinds <= {int, float}:
        return pa.array([None if value is None else float(value) for value in column], pa.float64())
    return pa.array([value if value is None or isinstance(value, str) else _written(value) for value in column], pa.string())


def _written(value: Any) -> str:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return json_text(value)


def _ids(values: dict[str, list[Any]], salt: bytes) -> list[str]:
    """Each row's id, or where it has none the hash of all that it holds."""
    told = []
    names = sorted(name for name in values if name != "id")
    for at, own in enumerate(values["id"]):
        if own is not None:
            told.append(own)
            continue
        content = json_text([[name, value] for name in names if (value := values[name][at]) is not None])
        told.append(hashlib.blake2b(content.encode(), key=salt, digest_size=10).hexdigest())
    return told
