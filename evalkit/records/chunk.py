"""Chunks: parts of a data set that any process can read by itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.core.batch import Batch
from evalkit.core.errors import Problem, SpecError
from evalkit.records.convert import convert
from evalkit.records.identity import Keys, spell
from evalkit.records.source import Positions, Source


@dataclass(frozen=True, eq=False)
class Chunk(ABC):
    """Some consecutive records of a data set; picklable, so that any process can read it by itself."""

    index: int  # 0, 1, 2 …
    start: int  # the number of its first record in the data set
    n: int

    def __str__(self) -> str:
        return f"records {self.start + 1:,} to {self.start + self.n:,}"

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
