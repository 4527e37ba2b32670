"""Records for people to look at: where they come from, and which of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.core.errors import Problem, SpecError, UnknownName, nearest, quote
from evalkit.core.rows import Floats
from evalkit.core.run import Run
from evalkit.logs.sample import FEEDBACK, WEIGHT, check, sizes_of
from evalkit.records.dataset import DataSet, scan
from evalkit.records.formats import shown
from evalkit.stats import sampling
from evalkit.store.outputs import data_of
from evalkit.store.table import ROWS, SCORES, Table


@dataclass(frozen=True)
class Chosen:
    """Which records, and how many of all records each stands for."""

    indices: Sequence[int]
    weights: Sequence[float]
    of: int  # all records

    def rows(self, data: DataSet) -> Iterator[dict[str, Any]]:
        """The chosen records as JSON objects, absent values left out, with their weight.

        A weight that a record brings, from an earlier sample, is multiplied.
        """
        place, start = dict(zip(self.indices, self.weights)), 0
        for batch in data.batches():
            columns = list(batch.columns.items())
            for index in range(start, start + len(batch)):
                if index in place:
                    row = {name: values[index - start] for name, values in columns if values[index - start] is not None}
                    before = _number(row.get(WEIGHT))
                    yield row | {WEIGHT: round(place[index] * (1.0 if before is None else before), 9)}
            start += len(batch)


def records_of(source: str | None, run: Run | None, root: Path) -> DataSet:
    """The records of a file, or those that a run scored.

    Raises:
        SpecError: neither is named, or the data are wrong, gone or changed.
    """
    if source is not None:
        files = sorted(map(Path, glob(source, recursive=True))) if has_magic(source) else [Path(source)]
        return scan(files, label=source)
    if run is not None:
        return data_of(run, root)[0]
    raise SpecError(Problem("", "no records are named", "name a data file, or a run with --run"))


def chosen_records(
    data: DataSet,
    *,
    n: int | None,
    seed: int,
    strategy: str = "random",
    by: str | None = None,
    scores: Sequence[str] = (),
    run: Run | None = None,
    around: float | None = None,
) -> Chosen:
    """A sample of ``n`` records (None: all), with every record's weight.

    Args:
        strategy: ``random``; ``stratified``: as many of every value of the column ``by`` as can be; ``uncertain``: rather
            those whose score lies near ``around`` (without it: midway between the least and the largest);
            ``disagreement``: rather those that two scores rank differently; ``feedback``: rather those that users did not
            like, by the column ``feedback`` or the one score that is named.
        scores: metrics of the ``run``, or numeric columns of the data.

    Raises:
        SpecError: the strategy lacks what it needs, or a column is not there or holds no numbers.
    """
    check(strategy, by, scores)
    size = data.n if n is None else n
    if strategy == "random":
        found = sampling.simple(data.n, size, seed)
    elif strategy == "stratified":
        found = sampling.stratified(_strata(data, str(by)), size, seed)
    else:
        values = [_scores(data, name, run) for name in scores or (FEEDBACK,)]
        found = sampling.by_size(sizes_of(strategy, values, around), size, seed)
    return Chosen(found.indices.tolist(), found.weights.tolist(), data.n)


def metric_of_run(run: Run, name: str) -> str:
    """The full name of a metric's value in a run: a bare name means its main part.

    Raises:
        UnknownName: the run has no such metric.
    """
    if name in run.metrics:
        return name
    if name in run.main:
        return run.main[name]
    raise UnknownName("metric of this run", name, [*run.main, *run.metrics], see=f"evalkit show {run.run_id}")


def column(data: DataSet, name: str) -> list[Any]:
    """One column over all records.

    Raises:
        SpecError: there is none of that name.
    """
    if name not in data.columns:
        close = nearest(name, data.columns)
        hint = f"did you mean {quote(close)}?" if close else f"there is {', '.join(list(data.columns)[:8])}"
        raise SpecError(Problem(data.path, f"no column is called {quote(name)}", hint))
    return [value for batch in data.batches() for value in batch.column(name)]


def _strata(data: DataSet, by: str) -> list[str]:
    return ["" if value is None else value if isinstance(value, str) else repr(value) for value in column(data, by)]


def _scores(data: DataSet, name: str, run: Run | None) -> Floats:
    """The numbers of a metric of the run, in the order of the records, or of a column; NaN where there is none."""
    if run is not None and (name in run.metrics or name in run.main or name not in data.columns):
        if run.folder is None or not (run.folder / ROWS).is_file() or not (run.folder / SCORES).is_file():
            raise SpecError(Problem("--run", f"the run {run.run_id} has no scores of single records any more", "run it again"))
        table = Table(run.folder)
        told = table.scores(metric_of_run(run, name))
        if told is None:
            raise SpecError(Problem("--score", f"{name} has a value of the whole run only, none of single records"))
        place = {one: at for at, one in enumerate(table.ids)}
        at = [place.get(one, -1) for batch in data.batches() for one in batch.texts("id")]
        values = np.where(np.array(at) >= 0, told[at], np.nan)
        if not np.isfinite(values).any():
            raise SpecError(Problem("--score", f"no record of {data.path} has a score of {name} in the run {run.run_id}"))
        return values
    values = np.array([_number(value, math_nan=True) for value in column(data, name)], dtype=np.float64)
    if not np.isfinite(values).any():
        raise SpecError(Problem(data.path, f"the column {quote(name)} holds no numbers"))
    return values


def _number(value: Any, *, math_nan: bool = False) -> Any:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return np.nan if math_nan else None
    return found if np.isfinite(found) else (np.nan if math_nan else None)


def new_file(path: Path, suffixes: Sequence[str] = (".jsonl", ".csv", ".tsv")) -> None:
    """Check that a file can be written, and that nobody's work lies there.

    Raises:
        SpecError: it is there already, or its name does not tell a format.
    """
    if path.suffix.lower() not in suffixes:
        told = quote(path.suffix) if path.suffix else "no ending"
        raise SpecError(Problem(shown(path), f"the format is not known from {told}", f"name a file {', '.join(suffixes)}"))
    if path.exists():
        raise SpecError(Problem(shown(path), "is there already", "name another file, or move it away: it may hold labels"))
