"""Writing what a run came to: results.json, and the reports that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from evalkit.core.run import Run
from evalkit.records.dataset import DataSet
from evalkit.reports.render import FILES, render
from evalkit.store.files import write_text
from evalkit.store.table import ROWS, SCORES, Table

if TYPE_CHECKING:
    from evalkit.reports.records import RecordView
    from evalkit.reports.summary import Summary
    from evalkit.runner.execute import Outcome

RESULTS = "results.json"


def report_outcome(
    outcome: Outcome, *, html: Path | None = None, markdown: Path | None = None
) -> tuple[Summary, dict[str, Path]]:
    """The view model of a run that has just been measured, and where its reports were written."""
    from evalkit.reports.summary import summarise

    run, kinds = outcome.run, outcome.plan.suite.report
    view = None
    if html or markdown or {"html", "markdown"} & set(kinds):  # nobody else reads of single records
        view = record_view(run, outcome.table, outcome.plan.data, outcome.baseline)
    summary = summarise(run, baseline=outcome.baseline, records=view, differences=outcome.differences)
    return summary, write_reports(run, summary, kinds, html=html, markdown=markdown)


def write_reports(
    run: Run, summary: Summary, kinds: Iterable[str], *, html: Path | None = None, markdown: Path | None = None
) -> dict[str, Path]:
    """The reports of a run in its folder, results.json last and always; copies of two of them where named.

    Returns:
        Where each kind is.
    """
    assert run.folder is not None
    wanted = {kind: run.folder / FILES[kind] for kind in kinds if kind != "json"}
    for kind, path in wanted.items():
        write_text(path, render(kind, summary))
    write_copies(summary, html, markdown)
    write_text(run.folder / RESULTS, results_json(run))
    return {**wanted, "json": run.folder / RESULTS}


def write_copies(summary: Summary, html: Path | None, markdown: Path | None) -> None:
    """What ``--html FILE`` and ``--markdown FILE`` ask for."""
    for kind, path in (("html", html), ("markdown", markdown)):
        if path is not None:
            write_text(path, render(kind, summary))


def results_json(run: Run) -> str:
    """results.json as text: two-space indents, so that a committed baseline has readable diffs."""
    return msgspec.json.format(msgspec.json.encode(run.to_json()), indent=2).decode() + "\n"


def record_view(run: Run, table: Table, data: DataSet | None, baseline: Run | None = None) -> RecordView:
    """The single records of a run for its reports; with the data at hand, their texts too."""
    from evalkit.reports.records import RecordView

    labels = list(run.main)
    scores = {name: column for name in run.metrics if (column := table.scores(name)) is not None}
    return RecordView(
        ids=table.ids,
        scores=scores,
        errors={label: notes for label in labels if (notes := table.notes(label, "error"))},
        fetch=fetching(data) if data is not None else None,
        baseline_scores=_aligned(scores, baseline, table.ids) if baseline is not None else None,
        reasons={label: notes for label in labels if (notes := table.notes(label, "reason"))},
        evidence=lambda label, indices: table.notes_at(label, "evidence", indices),
    )


def stored_view(run: Run) -> RecordView | None:
    """The single records of a stored run, without their texts; None where its folder lacks them."""
    if run.folder is None or not (run.folder / SCORES).is_file() or not (run.folder / ROWS).is_file():
        return None
    return record_view(run, Table(run.folder), None)


def _aligned(names: Iterable[str], baseline: Run, ids: Sequence[str]) -> dict[str, NDArray[np.float64]] | None:
    """The baseline's scores in the order of ``ids``, NaN where it lacks a record."""
    if baseline.folder is None or not (baseline.folder / ROWS).is_file():
        return None
    theirs = Table(baseline.folder)
    place = {name: index for index, name in enumerate(theirs.ids)}
    at = np.array([place.get(name, -1) for name in ids], dtype=np.int64)
    found = {name: scores for name in names if (scores := theirs.scores(name)) is not None}
    return {name: np.where(at >= 0, scores[at], np.nan) for name, scores in found.items()}


def fetching(data: DataSet) -> Callable[[Sequence[int]], list[Mapping[str, Any]]]:
    """What reads single records by their index; only the chunks that hold them are read."""
    starts = np.array([chunk.start for chunk in data.chunks])

    def fetch(indices: Sequence[int]) -> list[Mapping[str, Any]]:
        owners = np.searchsorted(starts, np.asarray(indices), side="right") - 1
        found: dict[int, Mapping[str, Any]] = {}
        for owner in np.unique(owners):
            chunk = data.chunks[int(owner)]
            batch = chunk.read()
            for index in (int(index) for index, own in zip(indices, owners) if own == owner):
                found[index] = {name: values[index - chunk.start] for name, values in batch.columns.items()}
        return [found[int(index)] for index in indices]

    return fetch
