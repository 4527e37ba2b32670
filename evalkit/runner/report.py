"""Writing what a run came to: results.json, and the reports that were asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from evalkit.core.run import Run
from evalkit.records.dataset import DataSet
from evalkit.reports.render import FILES, render
from evalkit.store.arrow import to_floats
from evalkit.store.files import write_text
from evalkit.store.rows import read_scores, read_table

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

    view = record_view(outcome.run, outcome.plan.data, outcome.baseline)
    summary = summarise(outcome.run, baseline=outcome.baseline, records=view)
    return summary, write_reports(outcome.run, summary, outcome.plan.suite.report, html=html, markdown=markdown)


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


def record_view(run: Run, data: DataSet | None, baseline: Run | None = None) -> RecordView | None:
    """The single records of a run for its reports; with the data at hand, their texts too. None without scores.parquet."""
    from evalkit.reports.records import RecordView

    if run.folder is None or not (run.folder / "scores.parquet").is_file():
        return None
    labels = list(run.main) or list(dict.fromkeys(name.partition(".")[0] for name in run.metrics))
    table = read_table(run.folder)
    scores = _scores(run)
    return RecordView(
        ids=table.ids,
        scores=scores,
        errors=_notes(run, labels, "error"),
        fetch=_fetch(data) if data is not None else None,
        baseline_scores=_aligned(run, baseline, table.ids) if baseline is not None else None,
        reasons=_notes(run, labels, "reason"),
    )


def _scores(run: Run) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    assert run.folder is not None
    return {name: to_floats(column) for name, column in read_scores(run.folder, run.metrics).items()}


def _notes(run: Run, labels: Iterable[str], kind: str) -> dict[str, dict[int, str]]:
    assert run.folder is not None
    found = {}
    for name, column in read_scores(run.folder, [f"{label}.{kind}" for label in labels]).items():
        if column.null_count < len(column):
            told = {index: text for index, text in enumerate(column.to_pylist()) if text is not None}
            found[name.removesuffix(f".{kind}")] = told
    return found


def _aligned(run: Run, baseline: Run, ids: Sequence[str]) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]] | None:
    if baseline.folder is None or not (baseline.folder / "scores.parquet").is_file():
        return None
    theirs = read_table(baseline.folder).ids
    place = {name: index for index, name in enumerate(theirs)}
    at = np.array([place.get(name, -1) for name in ids], dtype=np.int64)
    return {name: np.where(at >= 0, scores[at], np.nan) for name, scores in _scores(baseline).items() if name in run.metrics}


def _fetch(data: DataSet) -> Any:
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
