"""Labelled rows as a data set for a suite: what people said, where each record comes from, and which are known failures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.logs.messages import decoded
from evalkit.logs.read import Log, identifier, opened
from evalkit.logs.sample import plain
from evalkit.records.formats import shown
from evalkit.records.label_files import read_labels
from evalkit.records.labels import Labels, Settled, Value, as_number, disputed, settle

HIDDEN = ("date", "sampling_weight")  # of a row, what the data set does not need


@dataclass
class Exported:
    """The records, and what was left out."""

    records: list[dict[str, Any]] = field(default_factory=list)
    failures: int = 0  # confirmed ones
    disputed: list[str] = field(default_factory=list)  # "id: ana 5, ben 2 (metric)"
    missing: list[str] = field(default_factory=list)  # ids that the source does not have
    unjudged: list[str] = field(default_factory=list)  # metrics whose labels tell no failure


def export(
    labels_file: Path,
    source: str | None,
    *,
    metric: str | None = None,
    tag: str | None = None,
    fail_below: float | None = None,
    fail: Sequence[str] = (),
    threshold: float | None = None,
    raters: int = 1,
) -> Exported:
    """Records with their label and provenance; those that people found bad carry ``tag``.

    Args:
        source: the log that the rows come from, by id; without one, what the labels file has of each record.
        tag: of confirmed failures: nobody who labelled the record thinks otherwise, at least ``raters`` did, or an
            adjudicator decided so.
        fail_below: numbers below it are failures; else those below the middle of the label's scale.
        fail: words that are failures, besides no, fail and bad.
        threshold: how far raters may lie apart before their record is left out, as of ``annotate --import``.

    Raises:
        SpecError: the labels are wrong, none of the rows is found, or nothing tells what a failure is.
    """
    labels = read_labels([labels_file])
    names = [_known(labels, metric)] if metric is not None else labels.names
    found = Exported()
    settled = {name: settle(labels, name) for name in names}
    open_ = {(one.id, one.metric) for told in settled.values() for one in disputed(told, threshold) if not _settles(one)}
    kept: dict[str, dict[str, Settled]] = {}
    for name, told in settled.items():
        for one in told:
            if one.value is None or (one.id, name) in open_:
                said = ", ".join(f"{rater} {_label(value)}" for rater, value in one.labels.items())
                found.disputed.append(f"{one.id}: {said} ({name})")
            else:
                kept.setdefault(one.id, {})[name] = one
    lines = {(labels.ids[at], labels.metrics[at], labels.raters[at]): at for at in range(len(labels))}
    rows = _rows(labels, list(kept), source)
    found.missing = [identity for identity in kept if identity not in rows]
    if kept and not rows:
        what = "none of the labelled ids is in it" if source else "it holds labels and ids, and no columns of the records"
        hint = None if source else "name the log that the rows come from: evalkit logs export --labels FILE LOG"
        raise SpecError(Problem(source or shown(labels_file), what, hint))
    bounds = {name: _bound(labels, name, fail_below) for name in names if labels.is_number(name)}
    if tag is not None:
        found.unjudged = [name for name, bound in bounds.items() if math.isnan(bound)]
        if found.unjudged and len(found.unjudged) == len(names):
            raise SpecError(
                Problem("--failures", f"nothing tells which labels of {names[0]} are failures", "add --fail-below 3")
            )
    for identity, judged in kept.items():
        if identity not in rows:
            continue
        record = {"id": identity, **{name: cell for name, cell in rows[identity].items() if name not in HIDDEN}}
        record["labels"] = {name: _label(one.value) for name, one in judged.items()}
        record["provenance"] = [_provenance(labels, one, lines, source or shown(labels_file)) for one in judged.values()]
        bad = [one for name, one in judged.items() if _fails(one.value, bounds.get(name, math.nan), fail)]
        if tag is not None and any(_confirmed(one, bounds.get(one.metric, math.nan), fail, raters) for one in bad):
            record["tag"] = tag
            found.failures += 1
        found.records.append(record)
    return found


def _known(labels: Labels, metric: str) -> str:
    if metric not in labels.names:
        close = nearest(metric, labels.names)
        hint = f"did you mean {quote(close)}?" if close else f"there is {', '.join(labels.names)}"
        raise SpecError(Problem("--metric", f"no labels are of {quote(metric)}", hint))
    return metric


def _settles(one: Settled) -> bool:
    """Whether raters who differ come to one label all the same: words that most of them say."""
    return isinstance(one.value, str)


def _label(value: Value | None) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# --- failures --------------------------------------------------------------------------------------------------------


def _bound(labels: Labels, metric: str, told: float | None) -> float:
    if told is not None:
        return told
    scale = labels.scales.get(metric)
    return math.nan if scale is None or scale.categories else (scale.low + scale.high) / 2.0


def _fails(value: Value | None, bound: float, words: Sequence[str]) -> bool:
    if value is None:
        return False
    if isinstance(value, str):
        return value in words or as_number(value) == 0.0
    return value < bound


def _confirmed(one: Settled, bound: float, words: Sequence[str], raters: int) -> bool:
    if one.adjudicated:
        return True
    return len(one.labels) >= raters and all(_fails(value, bound, words) for value in one.labels.values())


def _provenance(labels: Labels, one: Settled, lines: Mapping[tuple[str, str, str], int], source: str) -> dict[str, Any]:
    """Whence a record and its label come."""
    own = [at for (identity, metric, _), at in lines.items() if (identity, metric) == (one.id, one.metric)]
    told = {
        "source": source,
        "id": one.id,
        "metric": one.metric,
        "raters": {labels.raters[at]: _label(labels.values[at]) for at in own},
        "adjudicated": one.adjudicated or None,
        "time": max((str(labels.times[at]) for at in own if labels.times[at]), default=None),
        "rubric_version": next((labels.versions[at] for at in own if labels.versions[at]), None),
    }
    return {name: value for name, value in told.items() if value is not None}


# --- rows ------------------------------------------------------------------------------------------------------------


def _rows(labels: Labels, ids: Sequence[str], source: str | None) -> dict[str, dict[str, Any]]:
    """The labelled rows by id, from the source, else from the labels file itself; chat messages as a list again."""
    own: dict[str, dict[str, Any]] = {}
    for at, identity in enumerate(labels.ids):
        cells = {name: cell for name, cell in labels.extra[at].items() if name not in ("comment", "shuffled")}
        if set(cells) - {"sampling_weight"}:
            own.setdefault(identity, cells)
    wanted = set(ids)
    if source is None:
        return {identity: _restored(row) for identity, row in own.items() if identity in wanted}
    found: dict[str, dict[str, Any]] = {}
    with opened(source) as log:
        for row in _of_log(log, ids):
            identity = str(row.pop("id"))
            found.setdefault(identity, _restored({**own.get(identity, {}), **row}))
    return found


def _of_log(log: Log, ids: Sequence[str]) -> list[dict[str, Any]]:
    import pyarrow as pa

    told = f"CAST({identifier(log.known('id'))} AS VARCHAR)"
    log.connection.register("_evalkit_labelled", pa.table({"wanted": pa.array(ids, pa.string())}))
    names = [name for name in log.columns if name != "id"]
    columns = ", ".join(["_id AS id", *(f"t.{identifier(name)}" for name in names)])
    relation = f"(SELECT *, {told} AS _id FROM {log.relation}) t"
    with log.explained():
        table = log.connection.sql(
            f"SELECT {columns} FROM {relation} WHERE _id IN (SELECT wanted FROM _evalkit_labelled)"
        ).to_arrow_table()
    return [{name: plain(value) for name, value in row.items() if value is not None} for row in table.to_pylist()]


def _restored(row: dict[str, Any]) -> dict[str, Any]:
    """A row as a suite reads it: the input as the chat that it was, references as a list again."""
    told = dict(row)
    messages = decoded(told.pop("messages", None))
    if isinstance(messages, list):
        told["input"] = messages
    for name in ("reference", "relevant_ids"):
        if name in told:
            told[name] = decoded(told[name])
    return told
