"""Scanning many pieces of files: here, or in several processes at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from evalkit.records.source import Piece, Scanned, Source, scan_piece

WORTH_A_POOL = 64 << 20  # bytes; below, starting processes takes longer than it saves


def scan_all(
    sources: Sequence[Source],
    fields: Mapping[str, str],
    *,
    limit: int | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[list[Scanned]]:
    """Every piece of every source, in order; with ``limit`` only as many as hold the first records."""
    tasks = [(number, source, piece) for number, source in enumerate(sources) for piece in source.pieces()]
    total = sum(source.size for source in sources)
    if limit is None and workers > 1 and len(tasks) > 1 and total >= WORTH_A_POOL:
        try:
            return _in_processes(sources, tasks, fields, min(workers, len(tasks)), progress, total)
        except BrokenProcessPool:
            pass  # no processes can be started here (a script without a main guard, a sandbox): do it alone
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
    workers: int,
    progress: Callable[[int, int], None] | None,
    total: int,
) -> list[list[Scanned]]:
    scanned: list[list[Scanned]] = [[] for _ in sources]
    done = 0
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(scan_piece, source, piece, fields, None) for _, source, piece in tasks]
        try:
            for (number, source, piece), future in zip(tasks, futures):
                scanned[number].append(future.result())
                done += share(source, piece)
                if progress is not None:
                    progress(done, total)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return scanned


def share(source: Source, piece: Piece) -> int:
    """The bytes of a piece, more or less."""
    pieces = source.pieces()
    whole = pieces[-1].high - pieces[0].low
    return round(source.size * (piece.high - piece.low) / whole) if whole else source.size
