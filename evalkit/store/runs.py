"""Finished runs, found by id, by suite, or as a results.json committed beside the code."""

from __future__ import annotations

from pathlib import Path

import msgspec

from evalkit.core.errors import EvalkitError, Problem, SpecError, quote
from evalkit.core.run import Run
from evalkit.store.catalog import Catalog
from evalkit.store.told import Told

MOST_BYTES = 500 << 20  # of a results.json


class NoBaseline(EvalkitError, LookupError):
    """There is no run to compare with yet: a gate that needs one is skipped."""


def load_run(path: Path) -> Run:
    """A finished run from its folder or its results.json.

    Raises:
        SpecError: no such file, or it is not a results.json of evalkit.
    """
    file = path / "results.json" if path.is_dir() else path
    try:
        if file.exists() and (not file.is_file() or file.stat().st_size > MOST_BYTES):
            raise ValueError(f"it is no file of at most {MOST_BYTES >> 20} MB")
        told = msgspec.json.decode(file.read_bytes())
        msgspec.convert(told, Told)
        return Run.from_json(told, file.parent)
    except FileNotFoundError:
        raise SpecError(Problem(str(file), "there is no such results.json", "name a run id, latest:SUITE or a path")) from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        said = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise SpecError(Problem(str(file), f"this is not a results.json of evalkit ({said})")) from error


def find_run(name: str, catalog: Catalog, root: Path) -> Run:
    """A finished run by id, ``latest``, ``latest:SUITE``, or a path (beside the working folder, or in the project).

    Raises:
        NoBaseline: ``latest`` or ``latest:SUITE``, and nothing has run yet.
        UnknownName: no such run id.
        SpecError: a path that leads nowhere.
    """
    if name.endswith(".json") or "/" in name or Path(name).is_dir():
        candidate = Path(name)
        return load_run(candidate if candidate.exists() or candidate.is_absolute() else root / name)
    if name == "latest" or name.startswith("latest:"):
        suite = name.partition(":")[2] or None
        if not catalog.finished(suite=suite):
            raise NoBaseline(f"there is no finished run of {quote(suite)} yet" if suite else "there is no finished run yet")
    return load_run(catalog.folder_of(name))
