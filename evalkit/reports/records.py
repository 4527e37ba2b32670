"""Single records as reports show them: the worst of a metric, those that a baseline did better, and errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.core.batch import as_text
from evalkit.core.run import GateResult
from evalkit.reports import numbers
from evalkit.reports.exhibits import CELL, Exhibit, exhibits
from evalkit.reports.safe import one_line, shortened, visible

Scores = NDArray[np.float64]
Fetch = Callable[[Sequence[int]], Sequence[Mapping[str, Any]]]

TEXT_FIELDS = ("input", "output", "reference", "contexts", "reference_contexts", "retrieved_ids", "relevant_ids")
TEXT_BUDGET = 800_000  # bytes of record texts in one report, after escaping
TEXT_LIMITS = (2_000, 800, 300, 100)  # characters of a field: the longest that keeps to the budget


@dataclass(frozen=True)
class RecordView:
    """What a report may know about single records; index ``i`` is the same record everywhere.

    Args:
        ids: identity of every record, shape (n,).
        scores: full metric name → each record's own value, shape (n,); NaN where it was not scored.
        errors: metric label → record index → why it could not be scored.
        fetch: the records' own fields at some indices, in that order; asked once, for a few hundred at most.
        baseline_scores: as ``scores``, of the baseline's records with the same ids; NaN where it lacks one.
        baseline_fetch: as ``fetch``, for what the baseline answered; an empty mapping where it lacks the record.
        reasons: metric label → record index → what a judge said.
        evidence: of a metric's label and records, by index: what its verdicts rest on, as JSON.
    """

    ids: Sequence[str]
    scores: Mapping[str, Scores]
    errors: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    fetch: Fetch | None = None
    baseline_scores: Mapping[str, Scores] | None = None
    baseline_fetch: Fetch | None = None
    reasons: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    evidence: Callable[[str, Sequence[int]], Mapping[int, str]] | None = None


@dataclass(frozen=True)
class Text:
    """One field of a record: its name and one or several texts, already cut and made visible."""

    name: str
    texts: tuple[str, ...]
    left_out: int = 0  # further texts of the field that are not shown


@dataclass(frozen=True)
class Case:
    """One record in a list: who it is, what it scored, what it says."""

    index: int
    id: str
    score: str
    before: str = ""  # what the baseline scored
    reason: str = ""
    evidence: tuple[Exhibit, ...] = ()
    texts: tuple[Text, ...] = ()
    previous: tuple[str, ...] = ()  # what the baseline answered

    def text(self, name: str) -> str:
        """The first text of a field, or an empty string."""
        return next((field.texts[0] for field in self.texts if field.name == name and field.texts), "")


@dataclass(frozen=True)
class CaseGroup:
    """Records listed for one reason: the worst of a metric, its flips, or a gate's failures."""

    kind: Literal["worst", "lost", "gate"]
    metric: str
    title: str
    note: str
    cases: tuple[Case, ...]
    lost: int = 0  # records that were right and are wrong, or score worse
    binary: bool = False  # right or wrong, nothing between


@dataclass(frozen=True)
class ErrorGroup:
    """One message that some records of a metric failed with."""

    metric: str
    message: str
    n: int
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Wanted:
    """A list before its texts are fetched."""

    kind: Literal["worst", "lost", "gate"]
    metric: str
    title: str
    note: str
    indices: tuple[int, ...]
    lost: int = 0
    binary: bool = False


def worst_of(name: str, scores: Scores, *, higher_is_better: bool, most: int, digits: int | None = None) -> Wanted | None:
    """The records with the lowest scores (highest where lower is better); None where all are equally good."""
    costs = -scores if not higher_is_better else scores
    scored = np.flatnonzero(np.isfinite(costs))
    if not len(scored):
        return None
    values = costs[scored]
    below = scored[values < values.max()]
    if not len(below):
        return None
    order = below[lowest_of(costs[below], most)]
    lowest = costs[order[0]]
    ties = int((values == lowest).sum())
    shown = numbers.score(float(scores[order[0]]), digits)
    note = f"{numbers.count(ties)} of {numbers.counted(len(scored), 'record')} at {shown}" if ties > 1 else f"from {shown}"
    return Wanted("worst", name, name, note, tuple(order.tolist()))


def lost_of(name: str, now: Scores, then: Scores, *, higher_is_better: bool, most: int) -> Wanted | None:
    """The records that the baseline did better: from right to wrong for 0/1 scores, else the largest falls."""
    with np.errstate(invalid="ignore"):  # two infinities have no difference
        change = (now - then) if higher_is_better else (then - now)
    both = np.isfinite(change)
    fell = np.flatnonzero(both & (change < 0))
    if not len(fell):
        return None
    gained = int((both & (change > 0)).sum())
    binary = bool(np.isin(now[both], (0.0, 1.0)).all() and np.isin(then[both], (0.0, 1.0)).all())
    order = fell[lowest_of(change[fell], most)]
    verb = "went from right to wrong" if binary else "got worse"
    other = "from wrong to right" if binary else "better"
    note = f"{numbers.counted(len(fell), 'record')} {verb}, {numbers.count(gained)} {other}"
    return Wanted("lost", name, name, note, tuple(order.tolist()), lost=len(fell), binary=binary)


def lowest_of(values: Scores, most: int) -> NDArray[np.int64]:
    """Places of the ``most`` lowest values, lowest first, ties in their order: a stable sort's head without the sort."""
    if len(values) > 8 * most:
        bound = np.partition(values, most - 1)[most - 1]
        below = np.flatnonzero(values < bound)
        places = np.concatenate([below, np.flatnonzero(values == bound)[: most - len(below)]])
    else:
        places = np.arange(len(values))
    return places[np.argsort(values[places], kind="stable")][:most]


def failures_of(gates: Sequence[tuple[str, GateResult]], view: RecordView, *, most: int) -> list[Wanted]:
    """The records that gates name, by a gate's title, where the view knows them."""
    naming = [(title, gate) for title, gate in gates if gate.records and gate.outcome != "pass"]
    names = {name for _, gate in naming for name in gate.records[:most]}
    if not names:
        return []
    where = {name: index for index, name in enumerate(view.ids) if name in names}
    found = []
    for title, gate in naming:
        indices = tuple(where[name] for name in gate.records[:most] if name in where)
        if indices:
            note = numbers.counted(len(gate.records), "record")
            found.append(Wanted("gate", gate.metric, title, note, indices))
    return found


def cases(
    wanted: Sequence[Wanted], view: RecordView, main: Mapping[str, str], digits: Mapping[str, int]
) -> tuple[CaseGroup, ...]:
    """The lists with their texts; every record is fetched once and the whole keeps to `TEXT_BUDGET`."""
    indices = sorted({index for group in wanted for index in group.indices})
    records = dict(zip(indices, view.fetch(indices), strict=True)) if view.fetch and indices else {}
    changed = sorted({index for group in wanted if group.kind == "lost" for index in group.indices})
    earlier = dict(zip(changed, view.baseline_fetch(changed), strict=True)) if view.baseline_fetch and changed else {}
    labels = {full: label for label, full in main.items()}
    for limit in TEXT_LIMITS:
        texts = {index: record_texts(record, limit) for index, record in records.items()}
        previous = {index: field_texts(record.get("output"), limit)[0] for index, record in earlier.items()}
        groups = tuple(_group(group, view, texts, previous, labels, digits, limit) for group in wanted)
        if sum(_weight(case) for group in groups for case in group.cases) <= TEXT_BUDGET:
            break
    return groups


def _group(
    wanted: Wanted,
    view: RecordView,
    texts: Mapping[int, tuple[Text, ...]],
    previous: Mapping[int, tuple[str, ...]],
    labels: Mapping[str, str],
    digits: Mapping[str, int],
    limit: int,
) -> CaseGroup:
    shown = digits.get(wanted.metric)
    scores = view.scores.get(wanted.metric)
    before = (view.baseline_scores or {}).get(wanted.metric)
    label = labels.get(wanted.metric, wanted.metric)
    reasons = view.reasons.get(label, {})
    evidence = view.evidence(label, wanted.indices) if view.evidence is not None else {}
    listed = tuple(
        Case(
            index=index,
            id=one_line(str(view.ids[index]), 120),
            score=numbers.score(float(scores[index]), shown) if scores is not None else "",
            before=numbers.score(float(before[index]), shown) if before is not None and np.isfinite(before[index]) else "",
            reason=shortened(visible(str(reasons.get(index, ""))), limit),
            evidence=exhibits(evidence.get(index), min(limit, CELL)),
            texts=texts.get(index, ()),
            previous=previous.get(index, ()) if wanted.kind == "lost" else (),
        )
        for index in wanted.indices
    )
    return CaseGroup(wanted.kind, wanted.metric, wanted.title, wanted.note, listed, wanted.lost, wanted.binary)


def _weight(case: Case) -> int:
    """Bytes of a case's texts in HTML: UTF-8, and five for a character that is escaped."""
    parts = [case.reason, *case.previous, *(text for field in case.texts for text in field.texts)]
    weight = sum(len(part.encode()) + 4 * sum(map(part.count, "<>&\"'")) for part in parts)
    return weight + sum(one.weight for one in case.evidence) + 400


def record_texts(record: Mapping[str, Any], limit: int) -> tuple[Text, ...]:
    """The canonical text fields of a record that hold anything."""
    found = []
    for name in TEXT_FIELDS:
        if record.get(name) is not None:
            texts, left_out = field_texts(record[name], limit)
            found.append(Text(name, texts, left_out))
    return tuple(found)


def field_texts(value: Any, limit: int, most: int = 6) -> tuple[tuple[str, ...], int]:
    """A field as texts of at most ``limit`` characters, and how many more it holds; chat messages are one text."""
    if value is None:
        return (), 0
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        value = [f"{key}: {inner}" for key, inner in value.items()]
    if isinstance(value, (list, tuple)) and not any(isinstance(item, Mapping) for item in value):
        kept = tuple(shortened(visible(str(item)[: limit + 1]), limit) for item in value[:most])
        return kept, max(len(value) - most, 0)
    whole = as_text(list(value) if isinstance(value, tuple) else value)
    return (shortened(visible(whole[: limit + 1]), limit),), 0


def errors_of(view: RecordView, *, most: int = 12, examples: int = 5) -> tuple[ErrorGroup, ...]:
    """Every metric's error messages, the commonest first, each with a few ids."""
    groups: list[ErrorGroup] = []
    for label, notes in view.errors.items():
        by_message: dict[str, list[int]] = {}
        for index, message in notes.items():
            by_message.setdefault(str(message)[:500], []).append(index)
        ranked = sorted(by_message.items(), key=lambda entry: -len(entry[1]))
        for message, indices in ranked[:most]:
            ids = tuple(one_line(str(view.ids[index]), 80) for index in sorted(indices)[:examples])
            groups.append(ErrorGroup(label, one_line(message, 300), len(indices), ids))
        rest = ranked[most:]
        if rest:
            total = sum(len(indices) for _, indices in rest)
            groups.append(ErrorGroup(label, f"{numbers.counted(len(rest), 'other message')}", total, ()))
    return tuple(groups)
