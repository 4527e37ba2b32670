"""A sample of a large log for people to look at, each row with the number of rows it stands for.

Only the columns that a strategy goes by are read of all rows, and the drawn rows whole; what the rows are is fixed by files
and places in them, so that a seed draws the same rows again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.core.rows import Floats
from evalkit.logs.found import found, kind_of
from evalkit.logs.read import Log, identifier, is_number, literal, opened
from evalkit.records.formats import shown
from evalkit.stats import sampling

STRATEGIES = ("random", "stratified", "uncertain", "disagreement", "feedback", "score")
WEIGHT, PLACE = "sampling_weight", "_evalkit_place"
FEEDBACK = "feedback"


@dataclass(frozen=True)
class Drawn:
    """The rows of a sample, in the log's order, and the number of all rows."""

    rows: list[dict[str, Any]]
    of: int
    columns: tuple[str, ...]


def is_large(source: str) -> bool:
    """Whether a source is drawn from here: a folder, Parquet files or a query; other files are checked as records are."""
    if source.startswith(("sql:", "sqlalchemy:")) or Path(source).is_dir():
        return True
    return all(kind_of(path) == "parquet" for path in found(source))


def draw(
    source: str,
    *,
    n: int,
    seed: int,
    strategy: str = "random",
    by: str | None = None,
    scores: Sequence[str] = (),
    around: float | None = None,
) -> Drawn:
    """``n`` rows of a log (all, where there are no more), as JSON objects with their `WEIGHT`.

    Args:
        strategy: ``random``; ``stratified`` by a column's values; ``uncertain``: rather those whose score lies near
            ``around``; ``disagreement``: rather those that two scores rank differently; ``feedback``: rather those
            that users did not like; ``score``: rather those whose score is large, in proportion. A fifth of the last four
            is spread evenly, so that no row is out of reach.
        scores: numeric columns; of ``feedback``, the column that is below 0 where a user did not like the answer.

    Raises:
        SpecError: the strategy lacks what it needs, or the log has no such column, or no rows.
    """
    check(strategy, by, scores)
    with _numbered(source) as (log, names):
        size = int(log.rows(f"SELECT count(*) FROM {log.relation}")[0][0])
        if not size:
            raise SpecError(Problem(source, "there are no records"))
        if strategy == "random":
            told = sampling.simple(size, n, seed)
        elif strategy == "stratified":
            told = sampling.stratified(_texts(log, str(by)), n, seed)
        else:
            values = [_numbers(log, name) for name in scores or (FEEDBACK,)]
            told = sampling.by_size(sizes_of(strategy, values, around), n, seed)
        rows = list(_rows(log, names, dict(zip(told.indices.tolist(), told.weights.tolist()))))
    return Drawn(rows, size, tuple(names))


def check(strategy: str, by: str | None, scores: Sequence[str]) -> None:
    """Whether a strategy is one, and has what it goes by.

    Raises:
        SpecError: it is none, or lacks it.
    """
    if strategy not in STRATEGIES:
        close = nearest(strategy, STRATEGIES)
        hint = f"did you mean {close}?" if close else f"there is {', '.join(STRATEGIES)}"
        raise SpecError(Problem("--strategy", f"no strategy is called {quote(strategy)}", hint))
    if strategy == "stratified" and by is None:
        raise SpecError(Problem("--by", "a stratified sample needs a column to go by", "add --by COLUMN"))
    wanted = {"uncertain": (1,), "disagreement": (2,), "feedback": (0, 1), "score": (1,)}.get(strategy)
    if wanted is not None and len(scores) not in wanted:
        said = {"disagreement": "two scores", "feedback": "one column at most"}.get(strategy, "one score")
        what = f"the strategy {strategy} needs {said}, and {len(scores)} are named"
        raise SpecError(Problem("--score", what, "name a column, or a metric of --run, with each --score"))


def sizes_of(strategy: str, scores: Sequence[Floats], around: float | None) -> Floats:
    """How much each row is to be preferred (n,), from the scores that a strategy goes by; a row without a score by 0."""
    if strategy == "disagreement":
        return sampling.rank_gap(scores[0], scores[1])
    if strategy == "feedback":
        disliked: Floats = (np.nan_to_num(scores[0], nan=0.0) < 0.0).astype(np.float64)
        return disliked
    if strategy == "score":
        large: Floats = np.maximum(np.nan_to_num(scores[0], nan=0.0), 0.0)
        return large
    known = scores[0][np.isfinite(scores[0])]
    middle = around if around is not None else float(known.min() + known.max()) / 2.0
    return sampling.uncertainty(scores[0], middle)


# --- reading ---------------------------------------------------------------------------------------------------------


@contextmanager
def _numbered(source: str) -> Iterator[tuple[Log, list[str]]]:
    """The log with the place of each row, and the names of its own columns."""
    query = source.startswith(("sql:", "sqlalchemy:"))
    with TemporaryDirectory(prefix="evalkit-") as folder:
        if query:  # asked once: a second time the rows may come in another order
            with opened(source) as log:
                path = str(Path(folder) / "rows.parquet")
                log.run(f"COPY (SELECT * FROM {log.relation}) TO {literal(path)} (FORMAT parquet)")
            files = [Path(path)]
        else:
            files = found(source)
        with opened(f"sql:{_placed(files)}") as log:
            log.label = source
            yield log, [name for name in log.columns if name != PLACE]


def _placed(files: Sequence[Path]) -> str:
    """SQL of the files' rows with the place of each: the rows of the files before it, and its own number in its file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        counts = [pq.read_metadata(path).num_rows for path in files]
    except (pa.ArrowException, OSError) as error:
        raise SpecError(Problem(shown(files[0].parent), f"a Parquet file is damaged: {str(error).splitlines()[0]}")) from error
    starts = ", ".join(f"({literal(str(path))}, {start})" for path, start in zip(files, np.cumsum([0, *counts[:-1]]).tolist()))
    names = ", ".join(literal(str(path)) for path in files)
    read = f"read_parquet([{names}], union_by_name=true, filename='_evalkit_file', file_row_number=true)"
    return (
        f"SELECT t.* EXCLUDE (_evalkit_file, file_row_number), o.start + t.file_row_number AS {PLACE} "
        f"FROM {read} t JOIN (VALUES {starts}) o(file, start) ON t._evalkit_file = o.file"
    )


def _column(log: Log, name: str) -> str:
    return identifier(log.known(name))


def _texts(log: Log, name: str) -> list[str]:
    """A column as texts, in the log's order."""
    sql = f"SELECT coalesce(CAST({_column(log, name)} AS VARCHAR), '') FROM {log.relation} ORDER BY {PLACE}"
    return [text for (text,) in log.rows(sql)]


def _numbers(log: Log, name: str) -> Floats:
    """A column as numbers, in the log's order; NaN where there is none."""
    column = _column(log, name)
    kind = log.columns[name]
    told = f"CAST({column} AS DOUBLE)" if is_number(kind) or kind == "BOOLEAN" else f"TRY_CAST({column} AS DOUBLE)"
    size = int(log.rows(f"SELECT count(*) FROM {log.relation}")[0][0])
    values = np.full(size, np.nan)
    for batch in log.batches({"place": PLACE, "value": told}):
        own = batch.column("value").to_numpy(zero_copy_only=False).astype(np.float64)
        values[batch.column("place").to_numpy(zero_copy_only=False)] = own
    if not np.isfinite(values).any():
        raise SpecError(Problem(log.label, f"the column {quote(name)} holds no numbers"))
    return values


def _rows(log: Log, names: Sequence[str], weights: dict[int, float]) -> Iterator[dict[str, Any]]:
    """The drawn rows, whole, absent values left out; a weight that a row brings is multiplied."""
    import pyarrow as pa

    drawn: dict[int, dict[str, Any]] = {}
    places = pa.array(sorted(weights), pa.int64())
    log.connection.register("_evalkit_drawn", pa.table({"p": places}))
    columns = ", ".join(identifier(name) for name in names)
    told = log.connection.sql(
        f"SELECT {PLACE} AS _evalkit_at, {columns} FROM {log.relation} WHERE {PLACE} IN (SELECT p FROM _evalkit_drawn)"
    )
    table = told.to_arrow_table()
    for row in table.to_pylist():
        place = row.pop("_evalkit_at")
        before = row.get(WEIGHT)
        weight = round(weights[place] * (float(before) if isinstance(before, (int, float)) else 1.0), 9)
        drawn[place] = {name: plain(value) for name, value in row.items() if value is not None} | {WEIGHT: weight}
    yield from (drawn[place] for place in sorted(drawn))


def plain(value: Any) -> Any:
    """A value as JSON has it: times in ISO 8601, everything else as it is."""
    from datetime import date, datetime

    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value
