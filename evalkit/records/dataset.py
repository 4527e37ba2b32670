"""A data set: checked once as a whole, then read chunk by chunk by whoever holds the chunk."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from evalkit.core.batch import Batch
from evalkit.core.contracts import DataFacts
from evalkit.core.errors import Problem, SpecError
from evalkit.core.workers import Workers
from evalkit.records.chunk import Chunk, FileChunk, MemoryChunk
from evalkit.records.findings import Findings, check_columns, check_ids, nothing_hint, report
from evalkit.records.formats import opened
from evalkit.records.hub import spooled_hub
from evalkit.records.identity import repeats, unspell
from evalkit.records.memory import InMemory, columns_of, digest
from evalkit.records.pieces import scan_all
from evalkit.records.source import (
    Scanned,
    Seen,
    Source,
    arranged,
    kind_name,
    naming,
    reference_counts,
    scan_piece,
    widen,
)
from evalkit.records.spool import spooled_stream
from evalkit.records.whole import Whole, cuts, sampled

__all__ = ["Chunk", "ColumnFacts", "DataSet", "from_records", "scan", "scan_hf", "scan_stdin"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ColumnFacts:
    """What is known of a column over the records of a data set: how many have no value, and the kinds of the others."""

    nulls: int
    kinds: frozenset[str] = frozenset()


@dataclass
class DataSet:
    """Records that were checked: every value has its column's type, every id is unique."""

    path: str  # as written by the user
    sha256: str  # of the bytes of all files, in order; of the canonical records where they came from memory
    n: int
    chunks: list[Chunk]
    columns: dict[str, ColumnFacts]
    facts: DataFacts
    files: tuple[Path, ...] = ()
    shadowed: tuple[str, ...] = ()  # the file's own columns whose name `fields` gave to another

    @property
    def filled(self) -> frozenset[str]:
        """The columns that have a value in any record."""
        return frozenset(name for name, facts in self.columns.items() if facts.nulls < self.n)

    def batches(self) -> Iterable[Batch]:
        """All records in order, a chunk at a time."""
        return (chunk.read() for chunk in self.chunks)


def scan(
    files: Sequence[Path],
    *,
    label: str,
    fields: Mapping[str, str] | None = None,
    limit: int | None = None,
    shuffle: int | None = None,
    workers: Workers | None = None,
    chunk_records: int = 10_000,
    needs: Mapping[str, str] | None = None,
    selects: Mapping[str, str] | None = None,
    instead: Mapping[str, tuple[str, ...]] | None = None,
    progress: Progress | None = None,
) -> DataSet:
    """Check all records of some files in one pass, and divide them into chunks.

    Args:
        files: JSONL, CSV or Parquet files, also mixed; their records follow each other in this order.
        label: the data set as the user wrote it.
        fields: canonical column → the file's own name for it.
        limit: take so many records: the first, or with ``shuffle`` a random sample. Without ``shuffle`` the records
            after the last one taken are not checked.
        shuffle: seed of the sample, which stays in the data set's order; a smaller sample is part of a larger one.
        workers: processes that share the pass, where the files are large enough to gain by it.
        needs: canonical column → who needs it, for the message when no record has it.
        selects: likewise of columns that must be there, but may be null in every record.
        instead: needed column → columns that do as well, so that data with all of them need not have it.
        progress: is called with bytes done and bytes in all.

    Raises:
        SpecError: with everything that is wrong, at most 20 problems in words.
    """
    told = "stdin" if label == "-" else label
    sources, problems = opened(files, told)
    if problems:
        raise SpecError(problems)
    fields, first = dict(fields or {}), limit if shuffle is None else None
    sha256, stopped = _digest_in_background([source.path for source in sources])
    try:
        scanned = scan_all(sources, fields, limit=first, workers=workers, progress=progress)
        whole = checked(sources, scanned, told, fields, needs, selects, instead)
    except BaseException:
        stopped.set()
        raise
    return _divide(whole, label, sha256.result(), fields, limit, shuffle, chunk_records)


def scan_stdin(
    stream: BinaryIO,
    spool_folder: Path,
    *,
    label: str = "-",
    fields: Mapping[str, str] | None = None,
    limit: int | None = None,
    shuffle: int | None = None,
    workers: Workers | None = None,
    chunk_records: int = 10_000,
    needs: Mapping[str, str] | None = None,
    selects: Mapping[str, str] | None = None,
    instead: Mapping[str, tuple[str, ...]] | None = None,
    progress: Progress | None = None,
) -> DataSet:
    """Check records that arrive on a stream; they are kept in ``spool_folder``, under a name made of their sha256.

    The format is told from the first bytes: JSONL, CSV (a header with commas, semicolons or tabs) or Parquet.
    """
    path = spooled_stream(stream, spool_folder)
    return scan(
        [path], label=label, fields=fields, limit=limit, shuffle=shuffle, workers=workers, chunk_records=chunk_records,
        needs=needs, selects=selects, instead=instead, progress=progress,
    )  # fmt: skip


def scan_hf(
    name: str,
    spool_folder: Path,
    *,
    fields: Mapping[str, str] | None = None,
    limit: int | None = None,
    shuffle: int | None = None,
    workers: Workers | None = None,
    chunk_records: int = 10_000,
    needs: Mapping[str, str] | None = None,
    selects: Mapping[str, str] | None = None,
    instead: Mapping[str, tuple[str, ...]] | None = None,
    progress: Progress | None = None,
) -> DataSet:
    """Check a Hugging Face data set; its records are written to ``spool_folder`` as JSONL, so that workers can read them.

    Args:
        name: ``hf:NAME``, with a configuration and a split as ``hf:OWNER/NAME/CONFIG:SPLIT``, or ``hf:FOLDER:SPLIT`` for
            a local folder (data files, or what ``save_to_disk`` wrote). Without a split: ``test``, else
            ``validation``, else the only one.

    Raises:
        MissingExtra: the package ``datasets`` is not installed.
        SpecError: no such data set, configuration or split; or as `scan`.
    """
    path = spooled_hub(name, spool_folder)
    return scan(
        [path], label=name, fields=fields, limit=limit, shuffle=shuffle, workers=workers, chunk_records=chunk_records,
        needs=needs, selects=selects, instead=instead, progress=progress,
    )  # fmt: skip


def from_records(
    records: Any,
    *,
    label: str = "records",
    fields: Mapping[str, str] | None = None,
    limit: int | None = None,
    shuffle: int | None = None,
    chunk_records: int = 10_000,
    needs: Mapping[str, str] | None = None,
    selects: Mapping[str, str] | None = None,
    instead: Mapping[str, tuple[str, ...]] | None = None,
) -> DataSet:
    """Check records that are in memory: a pandas DataFrame, or a list of dicts; NaN is an absent value.

    Raises:
        SpecError: as `scan` does; places are ``records[16]``, counted from 0.
    """
    held, n = columns_of(records)
    source = InMemory(Path(label), label, n, 0, held)
    fields = dict(fields or {})
    whole = checked(
        [source],
        [[scan_piece(source, piece, fields, None) for piece in source.pieces()]],
        label,
        fields,
        needs,
        selects,
        instead,
    )
    dataset = _divide(whole, label, "", fields, limit, shuffle, chunk_records)
    read = [{name: list(values) for name, values in chunk.read().columns.items()} for chunk in dataset.chunks]
    dataset.chunks = [MemoryChunk(chunk.index, chunk.start, chunk.n, columns) for chunk, columns in zip(dataset.chunks, read)]
    names = list(dataset.columns)
    dataset.sha256 = digest(names, {name: [value for columns in read for value in columns[name]] for name in names})
    dataset.files = ()
    return dataset


def checked(
    sources: list[Source],
    scanned: list[list[Scanned]],
    label: str,
    fields: Mapping[str, str],
    needs: Mapping[str, str] | None,
    selects: Mapping[str, str] | None,
    instead: Mapping[str, tuple[str, ...]] | None = None,
) -> Whole:
    """The scanned pieces as one, or everything that is wrong with them as one error."""
    whole = Whole.of(sources, scanned)
    found = Findings()
    report(found, whole, scanned)
    check_columns(found, label, whole, fields, needs or {}, selects or {}, instead or {})
    check_ids(found, whole, fields)
    if not whole.n and not found:
        found.add(-1, 0, "empty", Problem(label, "there are no records", nothing_hint(sources)))
    if found:
        raise SpecError(found.told())
    return whole


def _divide(
    whole: Whole, label: str, digest: str, fields: Mapping[str, str], limit: int | None, shuffle: int | None, records: int
) -> DataSet:
    wanted = naming(whole.names, fields)
    names = tuple(arranged(wanted))
    derived = ~whole.named
    counted = repeats(whole.keys, derived, _taken(whole, derived, fields)) if derived.any() else None
    chosen = sampled(whole.n, limit, shuffle)
    bounds = cuts(whole.sizes[chosen], records)
    chunks: list[Chunk] = []
    for index, (low, high) in enumerate(pairwise(bounds)):
        own = chosen[low:high]
        keyed = bool(derived[own].any())
        chunks.append(
            FileChunk(
                index, low, high - low, tuple(whole.runs(own)), wanted, names,
                whole.keys[own] if keyed else None,
                counted[own] if keyed and counted is not None else None,
            )
        )  # fmt: skip
    seen, references = whole.columns, whole.references
    if len(chosen) < whole.n:
        seen, references = _look_again(chunks)
    n = len(chosen)
    facts = {
        name: ColumnFacts(n - seen[name].values, frozenset(seen[name].kinds)) if name in seen else ColumnFacts(n)
        for name in names
    }
    facts["id"] = ColumnFacts(0, frozenset({"text"}))
    own_names = set(wanted.values())
    return DataSet(
        label, digest, n, chunks, facts, DataFacts(*(references or (1, 1))),
        tuple(source.path for source in whole.sources), tuple(name for name in whole.names if name not in own_names),
    )  # fmt: skip


def _look_again(chunks: Iterable[Chunk]) -> tuple[dict[str, Seen], tuple[int, int] | None]:
    """The facts of a sample."""
    columns: dict[str, Seen] = {}
    references = None
    for chunk in chunks:
        for name, values in chunk.read().columns.items():
            seen, kinds = columns.setdefault(name, Seen()), set(map(type, values))
            seen.values += sum(value is not None for value in values)
            seen.kinds.update(kind_name(kind) for kind in kinds - {type(None)})
            if name == "reference" and kinds != {type(None)}:
                references = widen(references, reference_counts(values, kinds))
    return columns, references


def _taken(whole: Whole, derived: NDArray[np.bool_], fields: Mapping[str, str]) -> dict[int, set[int]]:
    """Repeats of derived ids that explicit ids already spell; only looked for where both kinds of id are present."""
    explicit = np.flatnonzero(~derived)
    taken: dict[int, set[int]] = {}
    keys = set(whole.keys[derived].tolist()) if len(explicit) else set()
    for low in range(0, len(explicit), 10_000):
        for name in whole.ids(explicit[low : low + 10_000], fields):
            told = unspell(name) if name is not None else None
            if told is not None and told[0] in keys:
                taken.setdefault(told[0], set()).add(told[1])
    return taken


def _digest_in_background(paths: Sequence[Path]) -> tuple[Future[str], threading.Event]:
    """sha256 of the files' bytes, one after the other, and how to stop it.

    It has a thread of its own: hashing does not hold the interpreter, so that it costs no time beside the scan.
    """
    stopped = threading.Event()

    def digest() -> str:
        sha = hashlib.sha256()
        for path in paths:
            with path.open("rb") as file:
                while not stopped.is_set() and (block := file.read(1 << 20)):
                    sha.update(block)
        return sha.hexdigest()

    pool = ThreadPoolExecutor(1)
    future = pool.submit(digest)
    pool.shutdown(wait=False)
    return future, stopped
