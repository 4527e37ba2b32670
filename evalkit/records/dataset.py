"""A data set: checked once as a whole, then read chunk by chunk by whoever holds the chunk."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.core.batch import Batch
from evalkit.core.contracts import DataFacts
from evalkit.core.errors import Problem, SpecError, nearest
from evalkit.records.canonical import COLUMNS
from evalkit.records.convert import convert
from evalkit.records.fields import likeliest
from evalkit.records.identity import Keys, groups, repeats, spell, unspell
from evalkit.records.formats import opened
from evalkit.records.memory import InMemory, columns_of, digest
from evalkit.records.pieces import scan_all
from evalkit.records.source import (
    SHOWN, Positions, Scanned, Seen, Source, arranged, kind_name, naming, reference_counts, scan_piece, widen,
)  # fmt: skip

Progress = Callable[[int, int], None]
CHUNK_BYTES = 16 << 20


@dataclass(frozen=True)
class ColumnFacts:
    """What is known of a column over the records of a data set: how many have no value, and the kinds of the others."""

    nulls: int
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Chunk(ABC):
    """Some consecutive records of a data set; picklable, so that any process can read it by itself."""

    index: int  # 0, 1, 2 …
    start: int  # the number of its first record in the data set
    n: int

    @abstractmethod
    def read(self) -> Batch:
        """The records, with canonical columns, ``id`` first; every chunk of a data set has the same columns."""


@dataclass(frozen=True, eq=False)
class FileChunk(Chunk):
    """Records of one or several files, by their positions there."""

    parts: tuple[tuple[Source, Positions], ...]  # runs of positions, shape (k, 2), per file
    wanted: Mapping[str, str]  # canonical name → the file's own
    names: tuple[str, ...]  # the batch's columns
    keys: Keys | None  # of derived ids; None where all are explicit
    repeats: NDArray[np.uint32] | None

    def read(self) -> Batch:
        columns: dict[str, list[Any]] = {name: [] for name in self.names}
        for source, runs in self.parts:
            raw = source.columns(runs, self.wanted)
            for name in self.names:
                if name in raw:
                    fine, wrong = convert(name, raw[name], cells=source.cells)
                    if wrong:
                        raise SpecError(Problem(source.shown, wrong[0].what, "the file changed after it was checked"))
                    columns[name].extend(fine)
            count = max(map(len, columns.values()))
            for values in columns.values():
                values.extend([None] * (count - len(values)))
        if self.keys is not None:
            derived = spell(self.keys, self.repeats)
            columns["id"] = [own if own is not None else other for own, other in zip(columns["id"] or derived, derived)]
        if len(columns["id"]) != self.n:
            raise SpecError(Problem(self.parts[0][0].shown, "the file changed after it was checked", "run the command again"))
        return Batch(columns)


@dataclass(frozen=True, eq=False)
class MemoryChunk(Chunk):
    """Records that came from memory."""

    columns: Mapping[str, list[Any]]

    def read(self) -> Batch:
        return Batch(self.columns)


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
    workers: int = 1,
    chunk_records: int = 10_000,
    needs: Mapping[str, str] | None = None,
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
        progress: is called with bytes done and bytes in all.

    Raises:
        SpecError: with everything that is wrong, at most 20 problems in words.
    """
    sources, problems = opened(files, label)
    if problems:
        raise SpecError(problems)
    fields, first = dict(fields or {}), limit if shuffle is None else None
    sha256 = _digest_in_background([source.path for source in sources])
    scanned = scan_all(sources, fields, limit=first, workers=workers, progress=progress)
    whole = checked(sources, scanned, label, fields, needs)
    return _divide(whole, label, sha256.result(), fields, limit, shuffle, chunk_records)


def from_records(
    records: Any,
    *,
    label: str = "records",
    fields: Mapping[str, str] | None = None,
    limit: int | None = None,
    shuffle: int | None = None,
    chunk_records: int = 10_000,
    needs: Mapping[str, str] | None = None,
) -> DataSet:
    """Check records that are in memory: a pandas DataFrame, or a list of dicts; NaN is an absent value.

    Raises:
        SpecError: as `scan` does; places are ``records[16]``, counted from 0.
    """
    held, n = columns_of(records)
    source = InMemory(Path(label), label, n, 0, held)
    fields = dict(fields or {})
    whole = checked([source], [[scan_piece(source, piece, fields, None) for piece in source.pieces()]], label, fields, needs)
    dataset = _divide(whole, label, "", fields, limit, shuffle, chunk_records)
    read = [chunk.read().columns for chunk in dataset.chunks]
    dataset.chunks = [MemoryChunk(chunk.index, chunk.start, chunk.n, dict(columns)) for chunk, columns in zip(dataset.chunks, read)]
    names = list(dataset.columns)
    dataset.sha256 = digest(names, {name: [value for columns in read for value in columns[name]] for name in names})
    dataset.files = ()
    return dataset


def checked(
    sources: list[Source], scanned: list[list[Scanned]], label: str, fields: Mapping[str, str], needs: Mapping[str, str] | None
) -> Whole:
    """The scanned pieces as one, or everything that is wrong with them as one error."""
    whole = Whole.of(sources, scanned)
    found = Findings()
    _report(found, whole, scanned)
    _check_columns(found, label, whole, fields, needs or {})
    _check_ids(found, whole, fields)
    if not whole.n and not found:
        found.add(-1, 0, "empty", Problem(label, "there are no records", _nothing_hint(sources)))
    if found:
        raise SpecError(found.told())
    return whole


# --- the whole, as arrays --------------------------------------------------------------------------------------------


@dataclass
class Whole:
    """All scanned records as a few bytes each."""

    sources: list[Source]
    offsets: NDArray[np.int64]  # source s owns the records [offsets[s], offsets[s + 1])
    starts: Positions
    ends: list[int]  # of the last record of each source
    sizes: NDArray[np.uint32]
    keys: Keys
    named: NDArray[np.bool_]
    columns: dict[str, Seen]
    names: dict[str, None]  # the files' own columns
    references: tuple[int, int] | None

    @classmethod
    def of(cls, sources: list[Source], scanned: list[list[Scanned]]) -> Whole:
        parts = [part for of_source in scanned for part in of_source]
        columns: dict[str, Seen] = {}
        names: dict[str, None] = {}
        references = None
        for part in parts:
            names.update(part.sources)
            references = widen(references, part.references)
            for name, seen in part.columns.items():
                total = columns.setdefault(name, Seen())
                total.values += seen.values
                total.kinds |= seen.kinds
        counts = [sum(len(part.starts) for part in of_source) for of_source in scanned]
        return cls(
            sources,
            np.cumsum([0, *counts]),
            np.concatenate([part.starts for part in parts]),
            [max((part.end for part in of_source), default=0) for of_source in scanned],
            np.concatenate([part.sizes for part in parts]),
            np.concatenate([part.keys for part in parts]),
            np.concatenate([part.named for part in parts]),
            columns, names, references,
        )  # fmt: skip

    @property
    def n(self) -> int:
        return len(self.starts)

    def runs(self, records: NDArray[np.int64]) -> list[tuple[Source, Positions]]:
        """Where some records, in order, stand: stretches of positions per file, neighbours joined."""
        found = []
        bounds = np.searchsorted(records, self.offsets)
        for number, source in enumerate(self.sources):
            own = records[bounds[number] : bounds[number + 1]]
            if len(own):
                low, high = self.starts[own], self._ends(number, own)
                breaks = np.flatnonzero(low[1:] != high[:-1]) + 1
                found.append((source, np.stack([low[np.r_[0, breaks]], high[np.r_[breaks - 1, len(own) - 1]]], axis=1)))
        return found

    def _ends(self, number: int, own: NDArray[np.int64]) -> Positions:
        last = self.offsets[number + 1] - 1
        following = self.starts[np.minimum(own + 1, last)]
        return np.where(own == last, self.ends[number], following)

    def place(self, record: int) -> tuple[int, int]:
        """The file (its number) and the line of a record."""
        number = int(np.searchsorted(self.offsets, record, side="right")) - 1
        return number, self.sources[number].line_of(int(self.starts[record]))

    def ids(self, records: NDArray[np.int64], fields: Mapping[str, str]) -> list[str | None]:
        """The explicit ids of some records, read again from the files."""
        own = fields.get("id", "id")
        ids: list[str | None] = []
        for source, runs in self.runs(records):
            ids.extend(convert("id", source.columns(runs, {"id": own})["id"], cells=source.cells)[0])
        return ids


# --- what is wrong ---------------------------------------------------------------------------------------------------


@dataclass
class Findings:
    """All problems of a data set, of which a message tells the first few of every kind."""

    kept: list[tuple[int, int, str, Problem]] = field(default_factory=list)
    total: int = 0

    def add(self, file: int, line: int, kind: str, problem: Problem, count: int = 1) -> None:
        """Note a problem; ``count`` more than 1 says that it stands for others like it."""
        self.kept.append((file, line, kind, problem))
        self.total += count

    def __bool__(self) -> bool:
        return self.total > 0

    def told(self) -> list[Problem]:
        """At most 20 in the files' order, with no kind crowding out another, and how many more there are."""
        ordered = sorted(self.kept, key=lambda each: each[:2])
        rank: dict[str, int] = {}
        ranked = []
        for at, (_, _, kind, _) in enumerate(ordered):
            rank[kind] = rank.get(kind, 0) + 1
            ranked.append((rank[kind], at))
        chosen = sorted(at for _, at in sorted(ranked)[:SHOWN])
        problems = [ordered[at][3] for at in chosen]
        if self.total > len(problems):
            problems.append(Problem("", f"and {self.total - len(problems):,} more"))
        return problems


def _report(found: Findings, whole: Whole, scanned: list[list[Scanned]]) -> None:
    for number, (source, parts) in enumerate(zip(whole.sources, scanned)):
        base = 0
        for part in parts:
            for fault in part.faults:
                line = fault.line + base if fault.line else 0
                found.add(number, line, fault.kind, Problem(source.place(line), fault.what, fault.hint))
            found.total += sum(part.counts.values()) - len(part.faults)
            base += part.lines


def _check_columns(found: Findings, label: str, whole: Whole, fields: Mapping[str, str], needs: Mapping[str, str]) -> None:
    if not whole.n:
        return
    for name, source in fields.items():
        if source not in whole.names:
            close = nearest(source, whole.names)
            hint = f"did you mean {close!r}?" if close else f"it has {_listed(whole.names)}"
            found.add(-1, 0, "fields", Problem(label, f"`fields` takes {name} from {source!r}, which no record has", hint))
    named = naming(whole.names, fields)
    for name, who in needs.items():
        if name in fields and fields[name] not in whole.names:
            continue  # told above
        if name not in named:
            free = [column for column in whole.names if column not in COLUMNS and column not in fields.values()]
            close = likeliest(name, free)
            hint = f"is it {close!r}? then `fields: {{{name}: {close}}}`" if close else f"it has {_listed(whole.names)}"
            found.add(-1, 0, "needs", Problem(label, f"no record has the column {name!r}, which {who} needs", hint))
        elif not whole.columns.get(name, Seen()).values:
            found.add(-1, 0, "needs", Problem(label, f"the column {name!r}, which {who} needs, is null in every record"))


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    return ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "") if known else "no columns at all"


def _check_ids(found: Findings, whole: Whole, fields: Mapping[str, str]) -> None:
    explicit = np.flatnonzero(whole.named)
    if not len(explicit) or "type of id" in {kind for _, _, kind, _ in found.kept}:
        return
    order, rank = groups(whole.keys[explicit])
    again = np.flatnonzero(rank)
    if not len(again):
        return
    by_record = again[np.argsort(explicit[order[again]], kind="stable")][:SHOWN]
    real, kept = 0, found.total
    for at in by_record.tolist():
        record = int(explicit[order[at]])
        earlier = np.sort(explicit[order[at - rank[at] : at][:SHOWN]])
        ids = whole.ids(np.append(earlier, record), fields)
        if ids[-1] not in ids[:-1]:
            continue  # two ids that share a hash
        number, line = whole.place(record)
        other, first = whole.place(int(earlier[ids.index(ids[-1])]))
        source = whole.sources[number]
        where = f"on line {first}" if other == number and source.unit == ":" else f"in {whole.sources[other].place(first)}"
        hint = "ids must be unique; leave them out to have them derived from the content"
        found.add(number, line, "id", Problem(source.place(line), f"the id {ids[-1]!r} already stands {where}", hint))
        real += 1
    if real:
        found.total = kept + real + len(again) - len(by_record)


def _nothing_hint(sources: Sequence[Source]) -> str:
    if all(source.size == 0 for source in sources):
        return "the file is empty" if len(sources) == 1 else "all files are empty"
    return "it holds nothing but blank lines or a header"


# --- chunks ----------------------------------------------------------------------------------------------------------


def sampled(n: int, limit: int | None, shuffle: int | None) -> NDArray[np.int64]:
    """The numbers of the records that are taken, ascending.

    With a seed, every number gets a pseudo-random rank (splitmix64 of number and seed, the same everywhere and for ever)
    and the lowest ranks are taken, so that a smaller sample is part of a larger one.
    """
    if limit is None or limit >= n:
        return np.arange(n)
    if shuffle is None:
        return np.arange(limit)
    with np.errstate(over="ignore"):
        mixed = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(shuffle % 2**64) * np.uint64(
            0xD1B54A32D192ED03
        )
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
    return np.sort(np.argpartition(mixed, limit)[:limit])


def cuts(sizes: NDArray[np.uint32], records: int, most_bytes: int = CHUNK_BYTES) -> list[int]:
    """Where chunks begin and end: no more than ``records`` nor, unless a single record is larger, ``most_bytes`` each."""
    total = np.cumsum(sizes, dtype=np.int64)
    bounds, n = [0], len(sizes)
    while bounds[-1] < n:
        begin = bounds[-1]
        before = int(total[begin - 1]) if begin else 0
        fits = int(np.searchsorted(total, before + most_bytes, side="right"))
        bounds.append(min(max(fits, begin + 1), begin + records, n))
    return bounds


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
    for index, (low, high) in enumerate(zip(bounds, bounds[1:])):
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
    facts = {name: ColumnFacts(n - seen[name].values, frozenset(seen[name].kinds)) if name in seen else ColumnFacts(n) for name in names}
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


# --- digest ----------------------------------------------------------------------------------------------------------


def _digest_in_background(paths: Sequence[Path]) -> Future[str]:
    """sha256 of the files' bytes, one after the other, on a thread of its own (hashing does not hold the interpreter)."""

    def digest() -> str:
        sha = hashlib.sha256()
        for path in paths:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    sha.update(block)
        return sha.hexdigest()

    pool = ThreadPoolExecutor(1)
    future = pool.submit(digest)
    pool.shutdown(wait=False)
    return future
