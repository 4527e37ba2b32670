"""What `evalkit annotate --import` does once its arguments are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.cli.annotating import print_json, run_named, scale_told
from evalkit.core.content import project_root
from evalkit.core.errors import Problem, SpecError

if TYPE_CHECKING:
    from evalkit.core.run import Run
    from evalkit.records.labels import Labels, Scale
    from evalkit.runner.raters import Raters


@dataclass(frozen=True)
class Import:
    """The arguments of ``evalkit annotate --import``."""

    files: tuple[Path, ...]
    into: Path | None
    run: str | None
    metric: str | None
    rubric: str | None
    scale: str | None
    rater: str | None
    adjudicate: Path | None
    threshold: float | None
    seed: int
    store: str | None
    as_json: bool


def import_labels(asked: Import) -> int:
    """Check and merge labelled files, and tell how far raters agree."""
    from evalkit.cli.raters_shown import print_labels
    from evalkit.records.label_files import merged, read_labels
    from evalkit.records.label_text import text_of
    from evalkit.runner.raters import raters_of, told_json
    from evalkit.runner.review import new_file
    from evalkit.store.files import write_text

    if asked.adjudicate is not None:
        new_file(asked.adjudicate)
    root = project_root(Path.cwd())
    run = run_named(asked.run, asked.store, root)
    scales, versions = _known(asked, run, root)
    known = None if run is None else [*run.main, *run.metrics]
    labels = read_labels(asked.files, metrics=known, scales=scales, versions=versions, metric=asked.metric, rater=asked.rater)
    if run is not None:
        _ids(labels, run)
    _stamp(labels)
    fresh, again = len(labels), 0
    if asked.into is not None:
        _check_into(asked.into)
        if asked.into.exists():
            before = read_labels([asked.into], scales={**labels.scales, **scales}, versions=versions)
            labels, again = merged(before, labels)
        fresh -= again
    found = [raters_of(labels, metric, threshold=asked.threshold, seed=asked.seed) for metric in labels.names]
    if asked.adjudicate is not None:
        write_text(asked.adjudicate, text_of(_to_decide(labels, found), asked.adjudicate))
    if asked.into is not None:
        write_text(asked.into, text_of(labels.rows(), asked.into))
    if asked.as_json:
        print_json(
            {
                "labels": len(labels), "new": fresh, "again": again, "pending": labels.pending,
                "into": str(asked.into) if asked.into else None,
                "adjudicate": str(asked.adjudicate) if asked.adjudicate else None,
                "metrics": {one.metric: told_json(one) for one in found}, "warnings": labels.warnings,
            }
        )  # fmt: skip
        return 0
    print_labels(labels, found, fresh, again, asked.into, asked.adjudicate)
    return 0


def _known(asked: Import, run: Run | None, root: Path) -> tuple[dict[str, Scale], dict[str, str]]:
    """The scales and rubric versions that labels are checked against, as far as options tell them."""
    from evalkit.records.labels import Scale
    from evalkit.runner.annotation import rubric_named, rubric_of_run, version_of

    rubrics = {}
    if run is not None:
        rubrics = {label: told for label in run.main if (told := rubric_of_run(run, label, root)) is not None}
    if asked.rubric is not None:
        told = rubric_named(asked.rubric, Path.cwd())
        rubrics[asked.metric or told.name] = told
    scales = {label: Scale(float(told.low), float(told.high)) for label, told in rubrics.items()}
    own = scale_told(asked.scale)
    if own is not None:
        if asked.metric is None:
            raise SpecError(Problem("--scale", "of which metric?", "add --metric NAME"))
        scales[asked.metric] = own
    return scales, {label: version_of(told) for label, told in rubrics.items()}


def _ids(labels: Labels, run: Run) -> None:
    """Warn of labels of records that the run does not have."""
    from evalkit.store.table import ROWS, Table

    if run.folder is None or not (run.folder / ROWS).is_file():
        return
    strangers = sorted(set(labels.ids) - set(Table(run.folder).ids))
    if strangers:
        few = ", ".join(strangers[:3]) + (" …" if len(strangers) > 3 else "")
        labels.warnings.append(f"{len(strangers):,} labelled records are not in the run {run.run_id}: {few}")


def _stamp(labels: Labels) -> None:
    """Labels without a time get that of the import."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    labels.times = [time or now for time in labels.times]


def _check_into(path: Path) -> None:
    from evalkit.runner.review import new_file

    if not path.exists():
        new_file(path)
    elif path.suffix.lower() not in (".jsonl", ".csv", ".tsv"):
        raise SpecError(Problem(str(path), "labels are kept as .jsonl or .csv", "name such a file"))


def _to_decide(labels: Labels, found: Sequence[Raters]) -> list[dict[str, Any]]:
    """A line for each disputed record: what raters said, and room for the adjudicator's label."""
    from evalkit.cli.raters_shown import plain
    from evalkit.records.labels import ADJUDICATOR

    first = {(name, metric): at for at, (name, metric) in reversed(list(enumerate(zip(labels.ids, labels.metrics))))}
    lines = []
    for one in found:
        for record in one.open:
            at = first[record.id, record.metric]
            said = "; ".join(f"{rater}: {plain(value)}" for rater, value in record.labels.items())
            scale = labels.scales.get(record.metric)
            lines.append(
                {
                    "id": record.id, "metric": record.metric, "label": None, "rater": ADJUDICATOR, "time": None,
                    "rubric_version": labels.versions[at], "scale": str(scale) if scale else None, "said": said,
                    **{name: cell for name, cell in labels.extra[at].items() if name != "comment"},
                }
            )  # fmt: skip
    return lines
