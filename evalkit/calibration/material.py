"""What a calibration works on: a run's judge, people's labels of its records, and the texts where they can be had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.calibration.people import People
from evalkit.calibration.scales import judge_scale, label_scale
from evalkit.core.errors import EvalkitError, Problem, SpecError, UnknownName, quote
from evalkit.core.rows import Floats
from evalkit.core.run import Run, Value
from evalkit.reports.numbers import count, counted
from evalkit.runner.corrected import digest, to_scale
from evalkit.stats.prediction_powered import FEWEST
from evalkit.store.cards import is_fingerprint
from evalkit.store.outputs import data_of
from evalkit.store.table import ROWS, SCORES, Table

WANTED = ("input", "output", "model", "cluster", "prompt_version", "variant")
SHOWN = 3  # ids that a message names


@dataclass(frozen=True)
class Material:
    """One judge over all records of a run, and the labels of some; arrays of all records have shape (m,), of labels (n,).

    Attributes:
        scores: the judge's, on its own scale; NaN where it gave none.
        at: which records are labelled.
        labels: the mean over raters. ``middle``: their median, for figures over categories. ``ratings``: what each
            of them said, (n, raters).
        weights: of the labelled records, None where all weigh the same.
        texts: columns of the run's data, None where they cannot be had; ``lacking`` says why.
    """

    run: Run
    table: Table
    judge: str
    metric: str
    name: str  # of the value
    scores: Floats
    at: NDArray[np.int64]
    labels: Floats
    middle: Floats
    ratings: Floats
    weights: Floats | None
    clusters: NDArray[np.int64] | None
    scale: tuple[float, float] | None
    judge_scale: tuple[float, float] | None
    raters: int
    texts: Mapping[str, Sequence[Any]] | None
    lacking: str
    notes: tuple[str, ...]

    @property
    def value(self) -> Value:
        """What the run says of the judge."""
        return self.run.metrics[self.name]

    @property
    def ids(self) -> list[str]:
        return self.table.ids

    @property
    def judged(self) -> Floats:
        """Every score on the labels' scale, (m,)."""
        return to_scale(self.scores, self.judge_scale, self.scale)

    @property
    def rest(self) -> NDArray[np.int64]:
        """The records that the judge scored and nobody labelled."""
        open_ = ~np.isnan(self.scores)
        open_[self.at] = False
        return np.flatnonzero(open_)

    def column(self, name: str) -> Sequence[Any] | None:
        """A column of the data over all records; None where there is none, or it is empty."""
        values = self.texts.get(name) if self.texts is not None else None
        return values if values is not None and any(value is not None for value in values) else None

    def groups(self, of: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """The clusters of some records; None where there are none."""
        return self.clusters[of] if self.clusters is not None else None

    def digests(self) -> tuple[str | None, ...]:
        """The sha256 of every labelled record's output; none where the texts cannot be had."""
        outputs = self.column("output")
        return () if outputs is None else tuple(digest(outputs[index]) for index in self.at.tolist())


def gather(run: Run, judge: str, people: People, root: Path, scale: tuple[float, float] | None = None) -> Material:
    """Align labels with the records of a run.

    Args:
        scale: of the labels, where it is not the judge's own.

    Raises:
        UnknownName: the run has no such judge.
        SpecError: no label fits, or a label lies outside the scale.
    """
    label, name = _named(run, judge)
    if run.folder is None or not (run.folder / ROWS).is_file() or not (run.folder / SCORES).is_file():
        what = f"the run {run.run_id} has no scores of single records (rows.parquet and scores.parquet) any more"
        raise SpecError(Problem("--run", what, "run the suite again"))
    table = Table(run.folder)
    scores = table.scores(name)
    if scores is None:
        raise SpecError(Problem("--run", f"the run {run.run_id} has no scores of {name}", "run the suite again"))
    if not is_fingerprint(run.metrics[name].fingerprint):
        what = f"the run {run.run_id} does not tell the fingerprint of {name}, by which its card is found again"
        raise SpecError(Problem("--run", what, "run the suite again"))
    metric = str(run.uses.get(label, {}).get("metric") or label)
    chosen = people.of(label, metric, judge)
    notes = list(chosen.notes)
    texts, lacking = _texts(run, root)
    place = {record: index for index, record in enumerate(table.ids)}
    found, strangers, changed, unscored = [], [], [], []
    for at, record in enumerate(chosen.ids):
        index = place.get(record)
        if index is None:
            strangers.append(record)
        elif _differs(chosen.outputs[at], texts, index):
            changed.append(record)
        elif np.isnan(scores[index]):
            unscored.append(record)
        else:
            found.append((index, at))
    if not found:
        raise _nothing(run, people, chosen.ids, strangers, changed, unscored, table.ids, name)
    for these, what in (
        (strangers, f"no record of the run {run.run_id} has their id"),
        (changed, "they are of another output than the run's"),
        (unscored, f"{name} has no score there"),
    ):
        if these:
            notes.append(f"{_labels(len(these))} left out: {what} ({_few(these)})")
    if len(found) < FEWEST:
        what = f"{count(len(found))} of {count(len(chosen.ids))} labels fit the run: too few to say anything of a judge"
        raise SpecError(Problem(people.path, what, "some 50 are a beginning"))
    indices, of = (np.array(column, dtype=np.int64) for column in zip(*sorted(found)))
    values, middle = chosen.means[of], chosen.medians[of]
    own = judge_scale(table, label, name, scores)
    theirs, said = label_scale(values, own, scale, people.path, [chosen.ids[at] for at in of.tolist()], name)
    return Material(
        run, table, label, metric, name, scores, indices, values, middle, chosen.ratings[of],
        chosen.weights[of] if chosen.weights is not None else None,
        _clusters(table, texts), theirs, own, chosen.raters, texts, lacking, (*notes, *said),
    )  # fmt: skip


def _named(run: Run, judge: str) -> tuple[str, str]:
    """The label of a judge in the run, and the full name of its main value."""
    if judge in run.main:
        return judge, run.main[judge]
    if judge in run.metrics:
        return judge.partition(".")[0] if judge.partition(".")[0] in run.main else judge, judge
    using = [label for label, told in run.uses.items() if told.get("metric") == judge]
    if len(using) == 1:
        return using[0], run.main[using[0]]
    if using:
        what = f"{quote(judge)} is {len(using)} judges of the run {run.run_id}: {', '.join(using)}"
        raise SpecError(Problem("JUDGE", what, "name one of them"))
    raise UnknownName(f"judge of the run {run.run_id}", judge, run.main, see=f"evalkit show {run.run_id}")


def _texts(run: Run, root: Path) -> tuple[dict[str, list[Any]] | None, str]:
    """The columns that biases are looked for in; None, and why, where the data cannot be had."""
    try:
        data, _ = data_of(run, root)
    except EvalkitError as error:
        return None, str(error).partition(";")[0]
    against = (run.uses or {}).values()
    others = [told["options"]["against"]["column"] for told in against if _has_column(told)]
    columns: dict[str, list[Any]] = {name: [] for name in (*WANTED, *others)}
    for batch in data.batches():
        for name, collected in columns.items():
            collected.extend(batch.column(name))
    return columns, ""


def _has_column(told: Any) -> bool:
    options = told.get("options") if isinstance(told, Mapping) else None
    against = options.get("against") if isinstance(options, Mapping) else None
    return isinstance(against, Mapping) and isinstance(against.get("column"), str)


def _differs(output: str | None, texts: Mapping[str, Sequence[Any]] | None, index: int) -> bool:
    return output is not None and texts is not None and texts["output"][index] is not None and output != texts["output"][index]


def _clusters(table: Table, texts: Mapping[str, Sequence[Any]] | None) -> NDArray[np.int64] | None:
    """Codes of the records' clusters; a record without one is its own."""
    if "cluster" in table.attributes:
        codes, labels = table.codes("cluster")
        values: list[Any] = [labels[code] for code in codes.tolist()]
    elif texts is not None and any(value is not None for value in texts["cluster"]):
        values = list(texts["cluster"])
    else:
        return None
    named = [f"c:{value}" if value is not None else f"r:{record}" for value, record in zip(values, table.ids)]
    found = np.unique(np.array(named, dtype=object).astype(str), return_inverse=True)[1]
    return found if int(found.max()) + 1 < len(found) else None


def _nothing(
    run: Run,
    people: People,
    ids: Sequence[str],
    strangers: Sequence[str],
    changed: Sequence[str],
    unscored: Sequence[str],
    known: Sequence[str],
    name: str,
) -> SpecError:
    """Why not one label can be used."""
    if len(strangers) == len(ids):
        what = f"none of its {counted(len(ids), 'id')} is in the run {run.run_id}: it has {_few(ids)}, the run {_few(known)}"
        return SpecError(Problem(people.path, what, "label records of this run, or name the run that was labelled"))
    if changed and len(changed) >= len(unscored):
        what = f"its outputs are not those of the run {run.run_id} ({_few(changed)})"
        return SpecError(Problem(people.path, what, "labels belong to an output: name the run that was labelled"))
    what = f"{name} has no score of any labelled record ({_few(unscored)})"
    return SpecError(Problem(people.path, what, f"see evalkit show {run.run_id}"))


def _labels(n: int) -> str:
    return "1 label is" if n == 1 else f"{count(n)} labels are"


def _few(ids: Sequence[str]) -> str:
    more = ", …" if len(ids) > SHOWN else ""
    return ", ".join(quote(one, 30) for one in ids[:SHOWN]) + more
