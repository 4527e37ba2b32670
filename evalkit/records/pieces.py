"""Scanning many pieces of files: here, or in several processes at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from evalkit.core.workers import Workers
from evalkit.records.source import Piece, Scanned, Source, scan_piece

WORTH_A_POOL = 64 << 20  # bytes; below, starting processes takes longer than it saves


def scan_all(
    sources: Sequence[Source],
    fields: Mapping[str, str],
    *,
    limit: int | None = None,
    workers: Workers | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[list[Scanned]]:
    """Every piece of every source, in order; with ``limit`` only as many as hold the first records."""
    tasks = [(number, source, piece) for number, source in enumerate(sources) for piece in source.pieces()]
    total = sum(source.size for source in sources)
    if limit is None and workers is not None and workers.count > 1 and len(tasks) > 1 and total >= WORTH_A_POOL:
        return _in_processes(sources, tasks, fields, workers, progress, total)
    return _alone(sources, tasks, fields, limit, progress, total)


Task = tuple[int, Source, Piece]


def _alone(
    sources: Sequence[Source],
    tasks: Sequence[Task],
    fields: Mapping[str, str],
    limit: int | None,
    progress: Callable[[int, int], None] | None,
    total: int,
) -> list[list[Scanned]]:
    scanned: list[list[Scanned]] = [[] for _ in sources]
    done = taken = 0
    for number, source, piece in tasks:
        scanned[number].append(scan_piece(source, piece, fields, None if limit is None else limit - taken))
        taken += len(scanned[number][-1].starts)
        done += share(source, piece)
        if progress is not None:
            progress(done, total)
        if limit is not None and taken >= limit:
            break
    return scanned


def _in_processes(
    sources: Sequence[Source],
    tasks: Sequence[Task],
    fields: Mapping[str, str],
    workers: Workers,
    progress: Callable[[int, int], None] | None,
    total: int,
) -> list[list[Scanned]]:
    found: dict[int, Scanned] = {}
    done = 0
    for index, scanned in workers.map(scan_piece, [(source, piece, fields, None) for _, source, piece in tasks]):
        found[index] = scanned
        _, source, piece = tasks[index]
        done += share(source, piece)
        if progress is not None:
            progress(done, total)
    return [[found[index] for index, (number, _, _) in enumerate(tasks) if number == of] for of in range(len(sources))]


def share(source: Source, piece: Piece) -> int:
    """The bytes of a piece, more or less."""
    pieces = source.pieces()
    whole = pieces[-1].high - pieces[0].low
    return round(source.size * (piece.high - piece.low) / whole) if whole else source.size
