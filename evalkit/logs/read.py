"""A log as DuckDB sees it: files found, columns and their types known, faults of a file in one message.

A source is a file, a pattern, a folder (partitioned as ``date=2026-11-29/…`` or not), ``sql:SELECT … FROM 'x.parquet'``,
``sqlalchemy:URL_ENV:SELECT …`` (the database's address stands in that environment variable), a data frame or mappings.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.logs.found import found, kind_of

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

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

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        label: str,
        relation: str,
        reader: str | None = None,
        frame: Any = None,
    ) -> None:
        self.connection, self.label, self.relation, self._reader, self._frame = connection, label, relation, reader, frame
        self.columns: dict[str, str] = {
            str(name): str(kind) for name, kind, *_ in self.rows(f"DESCRIBE SELECT * FROM {relation}")
        }

    @property
    def text(self) -> bool:
        """Whether the rows are in CSV or JSON files, which take long to read."""
        return self._reader is not None

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The result of a query; what DuckDB cannot read in the files is one message of ours."""
        with self.explained():
            return self.connection.execute(sql).fetchall()

    def batches(
        self, columns: Sequence[str] | Mapping[str, str], where: str | None = None, rows: int = 131_072
    ) -> Iterator[pa.RecordBatch]:
        """The rows as record batches, in no certain order, with flat memory; other queries may run between two batches.

        Args:
            columns: names of columns; or a mapping from the names that the batches shall have to SQL.
            where: a condition in SQL, made of ``identifier(…)`` and ``literal(…)``.
            rows: how many at most in a batch.

        Raises:
            SpecError: a column that is not there, or rows that cannot be read.
        """
        if isinstance(columns, Mapping):
            wanted = [f"{sql} AS {identifier(name)}" for name, sql in columns.items()]
        else:
            wanted = [identifier(self.known(name)) for name in columns]
        condition = f" WHERE {where}" if where else ""
        sql = f"SELECT {', '.join(wanted)} FROM {self.relation}{condition}"
        cursor = self.connection.cursor()  # a result that is still being read would end with the connection's next query
        try:
            with self.explained():
                _quiet(cursor)
                if self._frame is not None:
                    cursor.register(_TABLE, self._frame)
                relation = cursor.sql(sql)
                if not hasattr(relation, "to_arrow_reader"):  # before DuckDB 1.5
                    reader = relation.fetch_arrow_reader(rows)
                else:
                    reader = relation.to_arrow_reader(rows)
            while True:
                with self.explained():
                    batch = next(reader, None)
                if batch is None:
                    return
                if batch.num_rows:
                    yield batch
        finally:
            cursor.close()

    def known(self, name: str) -> str:
        """The name, where the log has such a column.

        Raises:
            SpecError: it has none.
        """
        if name not in self.columns:
            close = nearest(name, self.columns)
            hint = f"did you mean {quote(close)}?" if close else f"it has {', '.join(list(self.columns)[:8])}"
            raise SpecError(Problem(self.label, f"the log has no column {quote(name)}", hint))
        return name

    @contextmanager
    def explained(self) -> Iterator[None]:
        """DuckDB's errors in one message of ours."""
        import duckdb
        import pyarrow as pa

        try:
            yield
        except KeyboardInterrupt:
            raise
        except duckdb.OutOfMemoryException as error:
            raise self._too_small() from error
        except (duckdb.Error, pa.ArrowException) as error:  # a reader of batches tells DuckDB's errors as Arrow's
            if "Out of Memory" in str(error):
                raise self._too_small() from error
            if "INTERRUPT" in str(error):
                raise KeyboardInterrupt from error
            said = " ".join(str(error).partition("\n\n")[0].splitlines()).partition(": ")[2] or str(error)
            raise SpecError(Problem(self.label, f"cannot be read: {said[:300]}")) from error
        except RuntimeError as error:
            if "interrupted" in str(error):  # Ctrl-C, as DuckDB tells it
                raise KeyboardInterrupt from error
            raise

    def _too_small(self) -> SpecError:
        return SpecError(Problem(self.label, "the memory limit is too small for this log", "give more: --memory 4GB"))

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
    """A log ready for queries.

    Args:
        source: a path, pattern or folder of Parquet, JSONL or CSV files (``.gz`` too); ``sql:QUERY``;
            ``sqlalchemy:URL_ENV:QUERY``; a data frame, or a list of mappings.
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
                yield _named(connection, str(source), Path(folder))
            else:
                frame = _frame(source)
                connection.register(_TABLE, frame)
                yield Log(connection, "the records", _TABLE, frame=frame)
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
    _quiet(connection)
    for name in ("autoinstall_known_extensions", "autoload_known_extensions", "preserve_insertion_order"):
        connection.execute(f"SET {name} = false")  # nothing is fetched over a network; rows have no order here


def _quiet(connection: duckdb.DuckDBPyConnection) -> None:
    """What each connection has for itself: times in UTC, and no bar of progress amid what a command prints."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")


def _named(connection: duckdb.DuckDBPyConnection, text: str, folder: Path) -> Log:
    """What a source's text names."""
    if text.startswith("sql:"):
        query = text.removeprefix("sql:")
        return Log(connection, "sql", _subquery(connection, query))
    if text.startswith("sqlalchemy:"):
        from evalkit.logs.database import fetched, split

        variable, query = split(text)
        files = fetched(variable, query, folder)
        return Log(connection, f"sqlalchemy:{variable}", _reading(files))
    return _of_files(connection, text)


def _subquery(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """One SELECT as a relation.

    Raises:
        SpecError: it is something else, several statements, or no SQL.
    """
    import duckdb

    try:
        statements = connection.extract_statements(query)
    except duckdb.Error as error:
        said = " ".join(str(error).partition("\n\n")[0].splitlines()).partition(": ")[2] or str(error)
        raise SpecError(Problem("sql", f"is no SQL: {said[:300]}")) from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise SpecError(Problem("sql", "is not one SELECT", "write sql:SELECT … FROM 'logs/*.parquet'"))
    return f"(\n{query.strip().rstrip(';')}\n)"  # on lines of its own: a comment may end it


def _of_files(connection: duckdb.DuckDBPyConnection, text: str) -> Log:
    files = found(text)
    kinds = {kind_of(path) for path in files}
    if len(kinds) > 1:
        called = "is a folder with" if Path(text).is_dir() else "matches"
        raise SpecError(Problem(text, f"{called} files of several formats", "name those of one format"))
    kind = kinds.pop()
    if kind == "parquet":
        return Log(connection, text, _reading(files))
    options = "format='newline_delimited', maximum_depth=2" if kind == "jsonl" else "header=true"
    reader = f"read_{'json' if kind == 'jsonl' else 'csv'}({_list(files)}, {options}, union_by_name=true"
    return Log(connection, text, reader + ")", reader)


def _reading(files: Sequence[Path]) -> str:
    """Parquet files as a relation; folders called ``name=value`` are columns."""
    return f"read_parquet({_list(files)}, union_by_name=true)"


def _list(files: Sequence[Path]) -> str:
    return "[" + ", ".join(literal(_plain(path)) for path in files) + "]"


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
