"""Rows of any database that SQLAlchemy speaks to, as Parquet files for DuckDB."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from evalkit.core.errors import MissingExtra, Problem, SpecError

ROWS = 50_000  # that are held at once
_SOURCE = re.compile(r"sqlalchemy:([A-Za-z_][A-Za-z0-9_]*):(.+)", re.DOTALL)
_SHAPE = "sqlalchemy:URL_ENV:SELECT …, where URL_ENV is an environment variable with the database's address"


def split(source: str) -> tuple[str, str]:
    """The environment variable and the query of ``sqlalchemy:URL_ENV:QUERY``.

    Raises:
        SpecError: it is not written so; an address itself is never taken, for a command line can be read by others.
    """
    told = _SOURCE.fullmatch(source)
    if told is None or told[2].startswith("//"):
        raise SpecError(Problem("sqlalchemy", "names no environment variable and no query", f"write {_SHAPE}"))
    return told[1], told[2]


def fetched(variable: str, query: str, folder: Path, rows: int | None = None) -> list[Path]:
    """The query's rows in Parquet files in ``folder``, a few at a time: each file's types are its own.

    Raises:
        SpecError: no such variable, no database there, or a query that it refuses. The password is in no message.
        MissingExtra: the database's driver is not installed.
    """
    import pyarrow.parquet as pq
    import sqlalchemy
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    rows = rows or ROWS
    told, label = os.environ.get(variable), f"sqlalchemy:{variable}"
    if not told:
        raise SpecError(Problem(label, f"the environment variable {variable} is not set", "put the database's address there"))
    try:
        engine = sqlalchemy.create_engine(told)
    except ImportError as error:
        raise MissingExtra(label, error.name or "the database's driver", "postgres") from error
    except ArgumentError as error:
        raise SpecError(
            Problem(label, "is no address of a database", "write postgresql+psycopg://user:password@host/name")
        ) from error
    secret = engine.url.password
    files: list[Path] = []
    try:
        with engine.connect().execution_options(stream_results=True, yield_per=rows) as connection:
            result = connection.execute(sqlalchemy.text(query.strip().rstrip(";").replace(":", "\\:")))
            names = list(result.keys())
            if not names or len(set(names)) < len(names):
                raise SpecError(Problem(label, "two columns have one name" if names else "the query gives no rows"))
            for part in result.partitions(rows):
                files.append(folder / f"rows-{len(files):06d}.parquet")
                pq.write_table(_table(names, part), files[-1])
            if not files:
                files.append(folder / "rows-000000.parquet")
                pq.write_table(_table(names, []), files[-1])
    except SQLAlchemyError as error:
        said = " ".join(str(getattr(error, "orig", None) or error).splitlines())[:300]
        if secret:
            said = said.replace(str(secret), "…")
        raise SpecError(Problem(label, f"the database says: {said}")) from error
    finally:
        engine.dispose()
    return files


def _table(names: Sequence[str], rows: Sequence[Any]) -> Any:
    import pyarrow as pa

    columns = {name: [_plain(row[at]) for row in rows] for at, name in enumerate(names)}
    arrays = {}
    for name, values in columns.items():
        try:
            arrays[name] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            arrays[name] = pa.array([None if value is None else str(value) for value in values], pa.string())
        if pa.types.is_null(arrays[name].type):
            arrays[name] = arrays[name].cast(pa.string() if not rows else pa.int32())
    return pa.table(arrays)


def _plain(value: Any) -> Any:
    """A value that Arrow knows: exact decimals become floats, objects JSON, all else that is strange its text."""
    import msgspec

    if value is None or isinstance(value, (bool, int, float, str, datetime, date)):
        return value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, list) and all(isinstance(item, (str, type(None))) for item in value):
        return value
    if isinstance(value, (list, dict)):
        return msgspec.json.encode(value, enc_hook=str).decode()
    return str(value)
