"""What `evalkit annotate --export` does once its arguments are read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.cli.running import relative
from evalkit.core.content import project_root
from evalkit.core.errors import Problem, SpecError

if TYPE_CHECKING:
    from evalkit.core.run import Run
    from evalkit.records.dataset import DataSet
    from evalkit.records.labels import Scale
    from evalkit.runner.annotation import Question
    from evalkit.runner.others import Others


@dataclass(frozen=True)
class Export:
    """The arguments of ``evalkit annotate --export``."""

    path: Path
    data: str | None
    run: str | None
    metric: str | None
    rubric: str | None
    scale: str | None
    columns: tuple[str, ...]
    raters: str | None
    against: str | None
    overlap: float
    sample: int | None
    seed: int
    store: str | None
    as_json: bool


def wanted(export: Path | None, files: Sequence[Path] | None, data: Sequence[str]) -> str | None:
    """Check that one of the two is asked for; the records to export.

    Raises:
        SpecError: neither is, or both are, or several data files are to be exported at once.
    """
    if export is None and not files:
        what = "the review page in the browser comes with the dashboard, which is not there yet"
        hint = "`--export FILE` writes a file for raters, `--import FILE` reads what they said"
        raise SpecError(Problem("evalkit annotate", what, hint))
    if export is not None and files:
        raise SpecError(Problem("evalkit annotate", "--export and --import are two steps", "give one of them"))
    if export is not None and len(data) > 1:
        what = f"{len(data)} data files are named to export"
        raise SpecError(Problem("evalkit annotate", what, "name one, or a pattern in quotes: 'data/*.jsonl'"))
    return data[0] if data else None


def export_sheets(asked: Export) -> int:
    """Write the files for raters."""
    from evalkit.reports import numbers
    from evalkit.reports.console import make_console, say, width_of, wrapped
    from evalkit.reports.safe import one_line
    from evalkit.runner.annotation import HIDDEN, RATER, sheets, shown_columns
    from evalkit.runner.review import chosen_records, new_file, records_of
    from evalkit.store.files import write_text

    raters = _raters(asked.raters)
    if RATER in asked.path.name and not raters:
        raise SpecError(Problem("--raters", f"the file is named for {RATER}, and no raters are", "add --raters ana,ben"))
    new_file(asked.path)
    if asked.data is not None and asked.run is not None:
        raise SpecError(Problem("--run", "records are named twice: a file and a run", "give one of them"))
    root = project_root(Path.cwd())
    run = run_named(asked.run, asked.store, root)
    question = _question(asked.metric, asked.rubric, asked.scale, run, root)
    data = records_of(asked.data, run, root)
    chosen = chosen_records(data, n=asked.sample, seed=asked.seed)
    others = _others(asked, run, question, data, root)
    if others is not None and question.scale is None:
        question = replace(question, scale=scale_told("A|B|tie"))
    columns = shown_columns(data, question, asked.columns, others)
    texts, lines, warnings = sheets(
        asked.path, data, chosen, question, columns=columns, raters=raters, overlap=asked.overlap, seed=asked.seed,
        others=others,
    )  # fmt: skip
    for path in texts:
        new_file(path)
    for path, text in texts.items():
        write_text(path, text)
    if asked.as_json:
        print_json(
            {
                "files": [str(path) for path in texts], "metric": question.metric, "records": len(chosen.indices),
                "of": chosen.of, "lines": {rater or "": count for rater, count in lines.items()}, "columns": columns,
                "criteria": question.criteria,
                "scale": str(question.scale) if question.scale else None, "rubric_version": question.version,
                "seed": asked.seed, "warnings": warnings,
            }
        )  # fmt: skip
        return 0
    console = make_console()
    of = "" if len(chosen.indices) == chosen.of else f" of {numbers.count(chosen.of)}"
    head = f"{question.metric}   {numbers.count(len(chosen.indices))}{of} records · seed {asked.seed}"
    say(console, (head, "bold"))
    for path in texts:
        say(console, ("file     ", "dim"), (relative(path), ""))
    if raters:
        say(
            console, ("raters   ", "dim"), (" · ".join(f"{rater} {numbers.count(count)}" for rater, count in lines.items()), "")
        )
    hidden = "no scores" if set(HIDDEN) & set(columns) else "no scores, no names of models"
    say(console, ("shows    ", "dim"), (f"{', '.join(columns)}; {hidden}, shuffled", ""))
    if question.criteria:
        for place, line in enumerate(wrapped(one_line(question.criteria, 2_000), min(width_of(console), 110) - 9)):
            say(console, ("         " if place else "asks     ", "dim"), (line, ""))
    if question.scale is not None:
        version = f" · rubric version {question.version}" if question.version else ""
        say(console, ("scale    ", "dim"), (f"{question.scale}{version}", ""))
    if others is not None:
        say(console, ("         A or B is the better answer; which side is which changes from record to record", "dim"))
    for score, meaning in question.levels:
        say(console, (f"         {score}  {meaning}", "dim"))
    for warning in warnings:
        say(console, (f"warning: {warning}", "yellow"))
    say(console, ("\nfill the column `label`, then: ", "dim"), (f"evalkit annotate --import {relative(next(iter(texts)))}", ""))
    return 0


# --- what is asked, and of whom --------------------------------------------------------------------------------------


def run_named(name: str | None, store: str | None, root: Path) -> Run | None:
    if name is None:
        return None
    from evalkit.runner.stores import catalog_at
    from evalkit.store.runs import find_run

    return find_run(name, catalog_at(store, root), root)


def _raters(told: str | None) -> list[str]:
    names = [name.strip() for name in (told or "").split(",") if name.strip()]
    if len(set(names)) < len(names):
        raise SpecError(Problem("--raters", "a rater is named twice", "every rater needs a name of their own"))
    return names


def _others(asked: Export, run: Run | None, question: Question, data: DataSet, root: Path) -> Others | None:
    """The other answers, where raters choose between two."""
    from evalkit.runner.others import others_named, others_of_run

    if asked.against is not None:
        return others_named(asked.against, data, asked.store, root)
    return None if run is None else others_of_run(run, question.metric, data, asked.store, root)


def scale_told(told: str | None) -> Scale | None:
    from evalkit.records.labels import Scale

    if told is None:
        return None
    try:
        return Scale.parse(told)
    except ValueError as error:
        raise SpecError(Problem("--scale", str(error))) from None


def _question(metric: str | None, rubric: str | None, scale: str | None, run: Run | None, root: Path) -> Question:
    from evalkit.runner.annotation import Question, metric_to_label, rubric_named

    told = None if rubric is None else rubric_named(rubric, Path.cwd())
    if told is not None and scale is not None:
        raise SpecError(Problem("--scale", "the rubric has a scale of its own", "leave one of the two out"))
    if run is not None and (metric is not None or told is None):
        metric, own = metric_to_label(run, metric, root)
        told = told if told is not None or scale is not None else own
    if told is not None:
        return Question.of(told, metric)
    if metric is None:
        what = "it is not said what is labelled"
        raise SpecError(Problem("evalkit annotate", what, "add --rubric FILE, or --metric NAME with --scale"))
    return Question(metric, scale_told(scale))


def print_json(told: dict[str, Any]) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n")
