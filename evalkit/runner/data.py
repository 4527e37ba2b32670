"""The records of a suite, checked before anything is scored."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit.core.workers import Workers
from evalkit.records.dataset import DataSet, from_records, scan, scan_hf, scan_stdin
from evalkit.runner.mutate import mutated_file
from evalkit.specs.needs import instead, needs, selects
from evalkit.specs.suite import Suite

CHUNK_RECORDS = 10_000
SMALL = 32 << 20  # bytes; below, chunks are smaller, so that both processors and a resumed run gain by them
SMALL_CHUNK_RECORDS = 500


def open_data(
    suite: Suite,
    spool: Path,
    *,
    records: Any = None,
    workers: Workers | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DataSet:
    """Scan the suite's data set, or check records given in Python.

    Args:
        spool: a folder for what comes from stdin or a hub, so that workers, and a resumed run, can read it.

    Raises:
        SpecError: everything that is wrong with the data.
    """
    spec = suite.dataset
    wanted, selecting = ({column: " and ".join(who) for column, who in read(suite).items()} for read in (needs, selects))
    checks: dict[str, Any] = {"needs": wanted, "selects": selecting, "instead": instead(suite)}
    if spec.mutate is not None:
        plain = _opened(suite, spool, records, workers, progress, {})
        path = mutated_file(plain, spec.mutate, spool)
        return scan([path], label=plain.path, workers=workers, chunk_records=SMALL_CHUNK_RECORDS, **checks)
    return _opened(suite, spool, records, workers, progress, checks)


def _opened(
    suite: Suite,
    spool: Path,
    records: Any,
    workers: Workers | None,
    progress: Callable[[int, int], None] | None,
    checks: dict[str, Any],
) -> DataSet:
    spec = suite.dataset
    common: dict[str, Any] = {"fields": spec.fields, "limit": spec.limit, "shuffle": spec.shuffle, **checks}
    if records is not None:
        return from_records(records, chunk_records=CHUNK_RECORDS, **common)
    if spec.path == "-" or spec.path.startswith("hf:"):
        common |= {"chunk_records": CHUNK_RECORDS, "workers": workers, "progress": progress}
        if spec.path == "-":
            return scan_stdin(sys.stdin.buffer, spool, **common)
        return scan_hf(spec.path, spool, **common)
    return scan(
        spec.files,
        label=spec.path,
        workers=workers,
        chunk_records=CHUNK_RECORDS if spec.size >= SMALL else SMALL_CHUNK_RECORDS,
        progress=progress,
        **common,
    )


def limited(suite: Suite, limit: int | None) -> Suite:
    """The suite over the first ``limit`` records, of each variant where it has several data."""
    if limit is None:
        return suite
    sides = [replace(one, dataset=replace(one.dataset, limit=limit)) for one in suite.variants]
    return replace(suite, dataset=replace(suite.dataset, limit=limit), variants=tuple(sides))
