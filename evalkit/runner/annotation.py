"""What raters are handed: which records, which question, who does which, in which order; nothing of what a judge said."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.core.content import Document, content_root, locate, project_root
from evalkit.core.errors import Problem, SpecError, UnknownName, nearest, quote
from evalkit.core.registry import content_folders
from evalkit.core.run import Run
from evalkit.logs.sample import WEIGHT
from evalkit.records.dataset import DataSet
from evalkit.records.label_text import CELL, text_of
from evalkit.records.labels import SHUFFLED, SIDES, Scale, turned
from evalkit.runner.others import Others, spec_of_run
from evalkit.runner.review import Chosen
from evalkit.specs.rubric import FIELDS, Rubric, read_rubric

HIDDEN = ("model", "variant", "prompt_version")  # what raters should not know
RATER = "{rater}"  # in a file's name: a file for each


@dataclass(frozen=True)
class Question:
    """What is asked of every record."""

    metric: str
    scale: Scale | None = None
    version: str | None = None
    criteria: str | None = None
    levels: tuple[tuple[int, str], ...] = ()
    needs: tuple[str, ...] = ()

    @classmethod
    def of(cls, rubric: Rubric, metric: str | None = None) -> Question:
        """That of a rubric."""
        scale = Scale(float(rubric.low), float(rubric.high))
        return cls(metric or rubric.name, scale, version_of(rubric), rubric.criteria, rubric.levels, rubric.needs)


def version_of(rubric: Rubric) -> str:
    """A rubric's version with its content: ``1@97f3198a8c05``."""
    return f"{rubric.version}@{rubric.asked()[:12]}"


def rubric_named(name: str, cwd: Path) -> Rubric:
    """A rubric by its path or its name, in the project, in plugins, or among those that evalkit brings.

    Raises:
        UnknownName: there is none.
        SpecError: it is wrong.
    """
    root = project_root(cwd, cwd)
    for tried in (name, f"{name}.yaml", f"rubrics/{name}", f"rubrics/{name}.yaml"):
        try:
            path = locate(tried, beside=cwd, root=root, plugins=content_folders())
        except ValueError as error:
            raise SpecError(Problem("--rubric", str(error))) from error
        if path is not None and path.is_file():
            return read_rubric(Document.read(path))
    bases = (root, *content_folders(), content_root())
    known = {path.stem for base in bases for path in (base / "rubrics").glob("*.yaml") if not path.stem.endswith(".steps")}
    raise UnknownName("rubric", name, known, see="evalkit list rubrics")


def rubric_of_run(run: Run, metric: str, root: Path) -> Rubric | None:
    """The rubric that stands behind a metric of a run, from the suite as it is now; None where there is none to be found."""
    spec = spec_of_run(run, metric, root)
    rubric = getattr(spec.metric, "rubric", None) if spec is not None else None
    return rubric if isinstance(rubric, Rubric) else None


def metric_to_label(run: Run, name: str | None, root: Path) -> tuple[str, Rubric | None]:
    """The metric of a run that people label, and its rubric; without a name, the one that has a rubric.

    Raises:
        UnknownName: the run has no such metric.
        SpecError: none is named, and none or several have a rubric.
    """
    if name is not None:
        bare = name if name in run.main else name.partition(".")[0]
        if bare not in run.main:
            raise UnknownName("metric of this run", name, run.main, see=f"evalkit show {run.run_id}")
        return bare, rubric_of_run(run, bare, root)
    found = [(label, rubric) for label in run.main if (rubric := rubric_of_run(run, label, root)) is not None]
    if len(found) != 1:
        several = (
            f"{len(found)} metrics of the run {run.run_id} have a rubric" if found else "no metric of the run has a rubric"
        )
        names = ", ".join(label for label, _ in found) or ", ".join(run.main)
        raise SpecError(Problem("--metric", several, f"name what is labelled: {names}"))
    return found[0]


def shown_columns(data: DataSet, question: Question, further: Sequence[str], others: Others | None = None) -> list[str]:
    """The columns that raters see: those that the rubric needs, else texts, and those asked for; never which model it was.

    Where they choose between two answers, these are ``output_a`` and ``output_b``.

    Raises:
        SpecError: one is not there.
    """
    there = {name for name, facts in data.columns.items() if facts.nulls < data.n}
    texts = [name for name in FIELDS if name in (question.needs or FIELDS)]
    wanted = [name for name in texts if name in there]
    lacking = [name for name in (*(question.needs or ("output",)), *further) if name not in there]
    if lacking:
        close = nearest(lacking[0], there)
        hint = f"did you mean {quote(close)}?" if close else f"there is {', '.join(sorted(there)[:8])}"
        raise SpecError(Problem(data.path, f"no record has {quote(lacking[0])}, which raters are to see", hint))
    answers = ["output"] * ("output" in wanted) if others is None else list(SIDES)
    kept = [name for name in further if others is None or name not in ("output", others.column)]
    return list(dict.fromkeys([*(name for name in wanted if name != "output"), *answers, *kept]))


def assigned(n: int, raters: Sequence[str], overlap: float, seed: int) -> dict[str, list[int]]:
    """Which of ``n`` records each rater gets, in an order of their own.

    The ``overlap`` share goes to all raters, the rest is dealt out evenly; both at random.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    common = n if len(raters) < 2 else round(overlap * n)
    given = {}
    for at, rater in enumerate(raters):
        own = np.concatenate([order[:common], order[common + at :: len(raters)]])
        given[rater] = rng.permutation(own).tolist()
    return given


def sheets(
    path: Path,
    data: DataSet,
    chosen: Chosen,
    question: Question,
    *,
    columns: Sequence[str],
    raters: Sequence[str] = (),
    overlap: float = 1.0,
    seed: int = 0,
    others: Others | None = None,
) -> tuple[dict[Path, str], dict[str, int], list[str]]:
    """The texts of the files to write, how many lines each rater gets, and what to be warned of.

    Of two answers which stands first depends on a hash of the metric and the id, so that an import can tell.

    Raises:
        SpecError: no record has another answer.
    """
    rows, warnings = list(chosen.rows(data)), []
    if others is not None:
        rows, lost = _both(rows, question.metric, others)
        if lost:
            warnings.append(f"{lost:,} records are left out: {others.told} has no other answer for them")
    given = assigned(len(rows), raters or ("",), overlap, seed)
    weighted = any(row[WEIGHT] != 1.0 for row in rows)
    lines = {
        rater: [_line(rows[at], question, columns, rater or None, weighted=weighted) for at in own]
        for rater, own in given.items()
    }
    if RATER in path.name:
        files = {path.with_name(path.name.replace(RATER, _file_name(rater))): own for rater, own in lines.items()}
    else:
        files = {path: [line for own in lines.values() for line in own]}
    first = ["id", "metric", "scale", *columns, "label", "comment", "rater", "time", "rubric_version"]
    texts = {file: text_of(own, file, first) for file, own in files.items()}
    long = sum(isinstance(value, str) and len(value) > CELL for row in rows for value in map(row.get, columns))
    if long and path.suffix.lower() != ".jsonl":
        warnings.append(f"{long:,} texts are longer than a spreadsheet's cell holds ({CELL:,} characters): use .jsonl")
    telling = _telling(rows)
    if telling is not None:
        warnings.append(f"the ids tell the {telling[0]} ({telling[1]} and the like): raters can see which is which")
    return texts, {rater: len(own) for rater, own in given.items()}, warnings


def _both(rows: Sequence[dict[str, Any]], metric: str, others: Others) -> tuple[list[dict[str, Any]], int]:
    """The records that have two answers, as sides A and B, and how many have not."""
    kept = []
    for row in rows:
        answers = row.get("output"), others.by_id.get(row["id"])
        if None not in answers:
            sides = answers[::-1] if turned(metric, row["id"]) else answers
            kept.append(row | dict(zip(SIDES, sides)) | {SHUFFLED: True})
    if not kept:
        raise SpecError(Problem("--against", f"no record has two answers: its own, and one of {others.told}"))
    return kept, len(rows) - len(kept)


def _telling(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
    """The column that ids give away, and such an id: what they begin or end with has one value of it each."""
    for name in HIDDEN:
        values = [row.get(name) for row in rows]
        kinds = len({repr(value) for value in values})
        if not 1 < kinds <= len(rows) // 2:
            continue
        for end in (0, -1):
            parts = [re.split(r"[/:#@|]", row["id"])[end] for row in rows]
            if len(set(parts)) == kinds == len({(part, repr(value)) for part, value in zip(parts, values)}):
                return name, rows[0]["id"]
    return None


def _line(
    row: Mapping[str, Any], question: Question, columns: Sequence[str], rater: str | None, *, weighted: bool
) -> dict[str, Any]:
    told = {"id": row["id"], "metric": question.metric, "scale": str(question.scale) if question.scale else None}
    told |= {name: row.get(name) for name in columns}
    told |= {"label": None, "comment": None, "rater": rater, "time": None, "rubric_version": question.version}
    told |= {SHUFFLED: True} if SHUFFLED in row else {}
    return told | ({WEIGHT: row[WEIGHT]} if weighted else {})


def _file_name(rater: str) -> str:
    return "".join(char if char.isalnum() or char in "-_." else "-" for char in rater) or "rater"
