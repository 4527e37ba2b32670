"""Labels from files: JSONL or CSV, every fault with its file and line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.records.canonical import COLUMNS as CANONICAL
from evalkit.records.formats import opened, shown
from evalkit.records.label_text import unguarded
from evalkit.records.labels import ADJUDICATOR, COLUMNS, LINES, SHUFFLED, Labels, Scale, straight, value_of
from evalkit.records.source import SHOWN, Source, Tally

OWN = (*COLUMNS, "adjudicated", "scale", "said")
_LISTS = {name for name, column in CANONICAL.items() if column.kind in ("passages", "names", "vector")}


def read_labels(
    files: Sequence[Path],
    *,
    metrics: Iterable[str] | None = None,
    scales: Mapping[str, Scale] | None = None,
    versions: Mapping[str, str] | None = None,
    metric: str | None = None,
    rater: str | None = None,
) -> Labels:
    """The labels of some files; lines whose label is empty are counted, not read.

    Args:
        metrics: the names that are known; any other is a fault. None: whatever the files name.
        scales: by metric, what a label may be; without one, what a line's own ``scale`` column says.
        versions: by metric, the version of its rubric now; labels of another are warned of.
        metric, rater: for lines that name none.

    Raises:
        SpecError: everything that is wrong, the first 20 in words: a label without id, metric or rater, off its scale, of
            another kind than the metric's others, twice by one rater; an unknown metric; no label at all.
    """
    if not files:
        raise SpecError(Problem("", "no labels file is named"))
    known = None if metrics is None else sorted(metrics)
    reader = _Reader(known, dict(scales or {}), metric, rater)
    for path in files:
        told, problems = opened([path], shown(path))
        reader.problems += problems
        for source in told:
            reader.read(source)
    reader.check_kinds()
    labels = reader.labels
    if not reader.problems and not len(labels):
        what = f"holds {labels.pending:,} lines, and no label in any" if labels.pending else "holds no labels"
        reader.problems.append(Problem(", ".join(shown(path) for path in files), what, "fill the column `label`"))
    if reader.problems:
        hidden = len(reader.problems) - SHOWN
        more = [Problem("", f"… and {hidden:,} more")] if hidden > 0 else []
        raise SpecError([*reader.problems[:SHOWN], *more])
    labels.warnings += _of_versions(labels, versions or {})
    return labels


def merged(known: Labels, fresh: Labels) -> tuple[Labels, int]:
    """Both together, and how many of ``fresh`` were there already with the same label.

    Raises:
        SpecError: a rater says another thing than before.
    """
    at = {key: index for index, key in enumerate(zip(known.ids, known.metrics, known.raters, known.adjudicated))}
    problems, new = [], []
    for index, key in enumerate(zip(fresh.ids, fresh.metrics, fresh.raters, fresh.adjudicated)):
        before = at.get(key)
        if before is None:
            new.append(index)
        elif known.values[before] != fresh.values[index]:
            what = (
                f"{key[2]} labelled {quote(key[0])} {_told(fresh.values[index])} here and {_told(known.values[before])} before"
            )
            problems.append(Problem(fresh.places[index], what, f"see {known.places[before]}: keep one of the two"))
    for name in dict.fromkeys(fresh.metrics):
        if name in known.metrics and known.is_number(name) != fresh.is_number(name):
            what = f"the labels of {quote(name)} are {_kind(fresh, name)} here and {_kind(known, name)} before"
            problems.append(Problem(fresh.places[fresh.metrics.index(name)], what, "a metric's labels are of one kind"))
    if problems:
        raise SpecError(problems[:SHOWN])
    added = fresh.take(new)
    together: dict[str, Any] = {name: [*getattr(known, name), *getattr(added, name)] for name in LINES}
    whole = Labels(**together, scales={**known.scales, **fresh.scales}, pending=fresh.pending)
    whole.warnings = list(dict.fromkeys([*known.warnings, *fresh.warnings]))
    return whole, len(fresh) - len(new)


class _Reader:
    """Takes in the lines of file after file, and keeps what is wrong."""

    def __init__(self, known: list[str] | None, scales: dict[str, Scale], metric: str | None, rater: str | None) -> None:
        self.known, self.metric, self.rater = known, metric, rater
        self.given = frozenset(scales)
        self.labels = Labels(scales=scales)
        self.problems: list[Problem] = []
        self._seen: dict[tuple[str, str, str, bool], int] = {}
        self._unknown: set[str] = set()

    def read(self, source: Source) -> None:
        before, empty = len(self.problems), True
        for place, row in _rows(source, self.problems):
            if empty and "label" not in row:
                self.problems.append(self._no_label(source, row))
                return
            empty = False
            self._take(place, row)
        if empty and len(self.problems) == before:
            self.problems.append(Problem(source.shown, "holds no labels", "it is empty, or has a header only"))

    def _no_label(self, source: Source, row: Mapping[str, Any]) -> Problem:
        close = nearest("label", row)
        hint = f"is it {quote(close)}? rename it to label" if close else f"labels are {{{', '.join(COLUMNS)}}}, a line each"
        return Problem(source.shown, "has no column `label`", hint)

    def _take(self, place: str, row: Mapping[str, Any]) -> None:
        labels = self.labels
        try:
            value = value_of(row.get("label"))
        except ValueError as error:
            self.problems.append(Problem(place, f"the label {error}"))
            return
        if value is None:
            labels.pending += 1
            return
        name, metric, rater = (_text(row.get(key)) for key in ("id", "metric", "rater"))
        settled = _yes(row.get("adjudicated")) or (rater or "").casefold() == ADJUDICATOR
        metric, rater = metric or self.metric, rater or self.rater or (ADJUDICATOR if settled else None)
        for told, what, hint in (
            (name, "no id", "the id says which record it is of"),
            (metric, "no metric", "fill the column `metric`, or name it with --metric"),
            (rater, "no rater", "fill the column `rater`, or name the rater with --rater"),
        ):
            if told is None:
                self.problems.append(Problem(place, f"the label has {what}", hint))
        if name is None or metric is None or rater is None:
            return
        if self.known is not None and metric not in self.known:
            if metric not in self._unknown:
                close = nearest(metric, self.known)
                hint = f"did you mean {quote(close)}?" if close else f"there is {', '.join(self.known[:5])}"
                self.problems.append(Problem(place, f"no metric is called {quote(metric)}", hint))
            self._unknown.add(metric)
            return
        scale = self._scale(place, metric, row.get("scale"))
        if scale is not None and not scale.holds(value):
            self.problems.append(Problem(place, f"the label {_told(value)} is not on the scale of {metric}", f"it is {scale}"))
            return
        if _yes(row.get(SHUFFLED)):
            row, value = straight(row, metric, name, value)
        key = (name, metric, rater, settled)
        if key in self._seen:
            first = labels.places[self._seen[key]]
            self.problems.append(Problem(place, f"{rater} labelled {quote(name)} on {metric} already", f"see {first}"))
            return
        self._seen[key] = len(labels)
        labels.ids.append(name)
        labels.metrics.append(metric)
        labels.values.append(value)
        labels.raters.append(rater)
        labels.times.append(_text(row.get("time")))
        labels.versions.append(_text(row.get("rubric_version")))
        labels.adjudicated.append(settled)
        labels.places.append(place)
        labels.extra.append({key: _weight(key, cell) for key, cell in row.items() if key not in OWN and _whole(key, cell)})

    def _scale(self, place: str, metric: str, told: Any) -> Scale | None:
        if metric in self.given or not isinstance(told, str) or not told.strip():
            return self.labels.scales.get(metric)
        try:
            scale = Scale.parse(told)
        except ValueError as error:
            self.problems.append(Problem(place, str(error)))
            return None
        held = self.labels.scales.setdefault(metric, scale)
        if held != scale:
            self.problems.append(Problem(place, f"{metric} has the scale {scale} here and {held} before"))
        return scale

    def check_kinds(self) -> None:
        """A metric's labels are numbers or words, not both: the fewer are told."""
        labels = self.labels
        for metric in labels.names:
            own = [at for at, name in enumerate(labels.metrics) if name == metric]
            words = [at for at in own if isinstance(labels.values[at], str)]
            if not words or len(words) == len(own):
                continue
            odd = words if 2 * len(words) <= len(own) else [at for at in own if not isinstance(labels.values[at], str)]
            usual = "numbers" if odd is words else "words"
            at = odd[0]
            what = f"the label {_told(labels.values[at])} stands among {usual}: the labels of {metric} are of mixed kinds"
            more = f"{len(odd):,} of {len(own):,} are not {usual}"
            self.problems.append(Problem(labels.places[at], what, more))


def _rows(source: Source, problems: list[Problem]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line with its place; what cannot be read goes to ``problems``."""
    base = 0
    for piece in source.pieces():
        tally = Tally(source, {}, None)
        for block in source.blocks(piece, {}, tally):
            names = list(block.columns)
            for line, *cells in zip(block.lines, *(block.columns[name] for name in names)):
                row = dict(zip(names, cells))
                yield (
                    source.place(base + int(line)),
                    {key: unguarded(cell) for key, cell in row.items()} if source.cells else row,
                )
        problems += [Problem(source.place(base + one.line if one.line else 0), one.what, one.hint) for one in tally.faults]
        base += tally.lines


def _of_versions(labels: Labels, versions: Mapping[str, str]) -> list[str]:
    """Labels that were made by another version of their rubric than today's, or than each other's."""
    found = []
    for metric in labels.names:
        made = [version for version, name in zip(labels.versions, labels.metrics) if name == metric and version is not None]
        now = versions.get(metric)
        kinds = sorted(set(made))
        if now is not None and any(not same_version(one, now) for one in kinds):
            old = sum(not same_version(one, now) for one in made)
            others = ", ".join(one for one in kinds if not same_version(one, now))
            found.append(f"{old:,} labels of {metric} were made with version {others} of the rubric, which is now {now}")
        elif len(kinds) > 1:
            found.append(f"the labels of {metric} were made with different versions of the rubric: {', '.join(kinds)}")
    return found


def same_version(one: str, other: str) -> bool:
    """``1`` fits ``1@9a42e3925cd3``; where both tell the content, it decides."""
    (number, _, content), (another, _, text) = one.partition("@"), other.partition("@")
    return content == text if content and text else number == another


def _whole(name: str, cell: Any) -> bool:
    """Whether a column's cell is worth keeping: what a spreadsheet spelled out is not the list that it was."""
    spelled = isinstance(cell, str) and (
        name in _LISTS or (name == "reference" and cell.startswith("[1] ") and "\n\n[2] " in cell)
    )
    return cell is not None and not spelled


def _weight(name: str, cell: Any) -> Any:
    """A sampling weight as the number that a CSV cell spells; any other cell as it is."""
    if name == "sampling_weight" and isinstance(cell, str):
        value = value_of(cell)
        return value if isinstance(value, float) else cell
    return cell


def _text(cell: Any) -> str | None:
    if cell is None or isinstance(cell, (list, dict)):
        return None
    text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
    return text.strip() or None


def _yes(cell: Any) -> bool:
    return cell is True or (isinstance(cell, str) and cell.strip().casefold() in ("true", "yes", "y", "1")) or cell == 1


def _told(value: Any) -> str:
    return quote(value) if isinstance(value, str) else f"{value:g}"


def _kind(labels: Labels, metric: str) -> str:
    return "numbers" if labels.is_number(metric) else "words"
