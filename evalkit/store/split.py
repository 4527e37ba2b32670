"""A finished run taken apart again, so that only its errors need to be measured anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from evalkit.core.contracts import Measure
from evalkit.core.rows import Rows
from evalkit.store.parts import NOTES, Part, from_json, full_names, part_path, write_part
from evalkit.store.table import Notes, Table


def split(folder: Path, target: Path, metrics: Mapping[str, Measure], spans: Sequence[range]) -> None:
    """Write the rows of a finished run as parts again, each of the records whose numbers are given.

    Raises:
        StoreError: the run's files are missing or damaged.
    """
    run = Table(folder)
    for number, span in enumerate(spans):
        part = Part(run.ids[span.start : span.stop])
        for label, metric in metrics.items():
            if label not in run:
                continue
            errors, skipped, reasons, evidence = (_within(run.notes(label, kind), span) for kind in NOTES)
            values = run.statistics(label)[span.start : span.stop].copy()
            part.rows[label] = Rows(values, errors, skipped, reasons, from_json(evidence))
            own = [_scores(run, name)[span.start : span.stop] for name in full_names(label, metric)]
            part.values[label] = np.stack(own, axis=1) if own else np.empty((len(part), 0))
        write_part(part_path(target, number), part, metrics)


def _scores(run: Table, name: str) -> np.ndarray:
    found = run.scores(name)
    return np.full(run.n, np.nan) if found is None else found


def _within(told: Notes, span: range) -> Notes:
    return {place: told[index] for place, index in enumerate(span) if index in told}
