"""A log as DuckDB sees it: files found, columns and their types known, faults of a file in one message."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.records.formats import FORMATS, shown

if TYPE_CHECKING:
    import duckdb

MEMORY = "1500MB"
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")
_REALS = ("FLOAT", "DOUBLE", "DECIMAL")
_TABLE = "evalkit_given"


class Log:
    """Rows in files or a data frame; every column name is quoted on its way into SQL, every value is a literal or checked.

    Attributes:
        label: how messages call it.
        columns: column name → DuckDB's type.
        relation: SQL that stands for the rows.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, label: str, relation: str, reader: str | None = None) -> None:
        self.connection, self.label, self.relation, self._reader = connection, label, relation, reader
        self.columns: dict[str, str] = {
            str(name): str(kind) for name, kind, *_ in self.rows(f"DESCRIBE SELECT * FROM {relation}")
        }

    @property
    def text(self) -> bool:
        """Whether the rows are in CSV or JSON files, which take long to read."""
        return self._reader is not None

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The result of a query; what DuckDB cannot read in the files is one message of ours."""
        import duckdb

        try:
            return self.connection.execute(sql).fetchall()
        except RuntimeError as error:
            if "interrupted" in str(error):  # Ctrl-C, as DuckDB tells it
                raise KeyboardInterrupt from error
            raise
        except duckdb.OutOfMemoryException as error:
            raise SpecError(
                Problem(self.label, "the memory limit is too small for this log", "give more: --memory 4GB")
            ) from error
        except duckdb.Error as error:
            said = " ".join(str(error).partition("\n\n")[0].splitlines()).partition(": ")[2] or str(error)
            raise SpecError(Problem(self.label, f"cannot be read: {said[:300]}")) from error

    def run(self, sql: str) -> None:
        """A statement without a result."""
        self.rows(sql)

    def settle(self, values: Iterable[str], names: Iterable[str]) -> None:
        """Fix the types of the columns that are read: what was guessed from a text file's first rows must not break later.

        Whole numbers may turn into fractions (of ``values``), times are read by ourselves, units and variants
        (``names``) are texts. Other columns are no longer read.
        """
        if self._reader is None:
            return
        types = {}
        for name in values:
            kind = self.columns[name]
            types[name] = "DOUBLE" if is_number(kind) or kind == "JSON" else "VARCHAR" if is_time(kind) else kind
        types |= dict.fromkeys(names, "VARCHAR")
        told = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in types.items())
        key = "columns" if self._reader.startswith("read_json") else "types"
        self.relation = f"{self._reader}, {key}={{{told}}})"
        self.columns |= types


@contextmanager
def opened(source: Any, *, memory: str | None = None, threads: int | None = None) -> Iterator[Log]:
    """A log ready for queries: a path or glob of Parquet, JSONL or CSV files, a data frame, or a list of mappings.

    Args:
        memory: what DuckDB may hold before it goes to a temporary folder, as "2GB".
        threads: 0 or None for all cores.

    Raises:
        SpecError: no such file, an unknown format, or a file that cannot be read.
    """
    import duckdb

    with tempfile.TemporaryDirectory(prefix="evalkit-") as folder:
        connection = duckdb.connect(":memory:")
        try:
            _configure(connection, folder, memory or MEMORY, threads or os.cpu_count() or 1)
            if isinstance(source, (str, Path)):
                yield _of_files(connection, str(source))
            else:
                connection.register(_TABLE, _frame(source))
                yield Log(connection, "the records", _TABLE)
        finally:
            connection.close()


def identifier(name: str) -> str:
    """A column's name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL; DuckDB knows no other escape in it than the doubled quote."""
    return "'" + text.replace("'", "''") + "'"


def is_number(kind: str) -> bool:
    """Whether a DuckDB type holds numbers."""
    return kind in _NUMBERS or kind.startswith(_REALS)


def seconds_of(number: str) -> str:
    """SQL of a number that tells a time, as seconds since 1970: it may be of seconds, milli-, micro- or nanoseconds."""
    units = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
    cases = (f"WHEN abs({number}) > {over:g} THEN {number} / {unit:g}" for over, unit in units)
    return f"CASE {' '.join(cases)} ELSE {number} END"


def is_time(kind: str) -> bool:
    """Whether a DuckDB type holds times."""
    return kind == "DATE" or kind.startswith("TIMESTAMP")


def _configure(connection: duckdb.DuckDBPyConnection, folder: str, memory: str, threads: int) -> None:
    import duckdb

    try:
        connection.execute(f"SET memory_limit = {literal(memory)}")
    except duckdb.Error as error:
        raise SpecError(Problem(f"--memory {quote(memory)}", "is no size", "write 2GB or 1500MB")) from error
    connection.execute(f"SET threads = {int(threads)}")
    connection.execute(f"SET temp_directory = {literal(folder)}")
    connection.execute("SET TimeZone = 'UTC'")
    for name in ("autoinstall_known_extensions", "autoload_known_extensions", "preserve_insertion_order"):
        connection.execute(f"SET {name} = false")  # nothing is fetched over a network; rows have no order here


def _of_files(connection: duckdb.DuckDBPyConnection, text: str) -> Log:
    files = _found(text)
    kinds = {_format(path) for path in files}
    if len(kinds) > 1:
        raise SpecError(Problem(text, "matches files of several formats", "name those of one format"))
    names = "[" + ", ".join(literal(_plain(path)) for path in files) + "]"
    kind = kinds.pop()
    if kind == "parquet":
        return Log(connection, text, f"read_parquet({names}, union_by_name=true)")
    options = "format='newline_delimited', maximum_depth=2" if kind == "jsonl" else "header=true"
    reader = f"read_{'json' if kind == 'jsonl' else 'csv'}({names}, {options}, union_by_name=true"
    return Log(connection, text, reader + ")", reader)


def _found(text: str) -> list[Path]:
    path = Path(text)
    if path.is_dir():
        raise SpecError(Problem(text, "is a folder", f"name its files: {text.rstrip('/')}/*.parquet"))
    if path.is_file():
        return [path]
    files = sorted(Path(found) for found in glob.glob(text, recursive=True) if Path(found).is_file())
    if not files:
        there = [each.name for each in path.parent.iterdir() if each.is_file()] if path.parent.is_dir() else []
        close = nearest(path.name, there)
        hint = f"did you mean {quote(str(path.with_name(close)))}?" if close else None
        raise SpecError(Problem(text, "no file matches" if glob.has_magic(text) else "there is no such file", hint))
    return files


def _format(path: Path) -> str:
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix not in FORMATS:
        known = "Parquet (.parquet), JSONL (.jsonl) and CSV (.csv, .tsv)"
        raise SpecError(Problem(shown(path), f"the format {quote(suffix or path.name)} is not known", f"evalkit reads {known}"))
    return FORMATS[suffix]


def _plain(path: Path) -> str:
    """A path that DuckDB takes as it is: the letters of a pattern stand for themselves."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))


def _frame(source: Any) -> Any:
    """Records given in Python as something that DuckDB reads."""
    if isinstance(source, Sequence) and all(isinstance(row, Mapping) for row in source):
        import pyarrow as pa

        if not source:
            raise SpecError("there are no records")
        try:
            return pa.Table.from_pylist([dict(row) for row in source])
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise SpecError(f"the records have values of different types in one column: {error}") from error
    if hasattr(source, "columns") or hasattr(source, "schema"):
        return source
    raise SpecError(f"a log is a path, a data frame or a list of mappings, not {type(source).__name__}")
