"""A batch of records: a handful of equally long columns, and what is derived from them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


@dataclass(frozen=True)
class Ragged:
    """Several strings per record, stored flat: record ``i`` owns ``flat[offsets[i]:offsets[i + 1]]``."""

    flat: list[str]
    offsets: NDArray[np.int64]  # (n + 1,)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How many strings each record owns, shape (n,)."""
        return np.diff(self.offsets)

    @cached_property
    def owners(self) -> NDArray[np.int64]:
        """The record of each flat string, shape (len(flat),)."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @property
    def single(self) -> bool:
        """Whether every record owns exactly one string, so that ``flat`` aligns with the records."""
        return len(self.flat) == len(self.counts) and bool((self.counts == 1).all())

    def __len__(self) -> int:
        return len(self.counts)

    def __iter__(self) -> Iterator[list[str]]:
        bounds = self.offsets.tolist()
        return (self.flat[low:high] for low, high in zip(bounds, bounds[1:]))

    def best(self, scores: NDArray[np.float64], *, highest: bool = True) -> NDArray[np.float64]:
        """The best of each record's scores; ``scores`` has shape (len(flat), ...), every record owns at least one."""
        if self.single:
            return scores
        reduce = np.maximum if highest else np.minimum
        return reduce.reduceat(scores, self.offsets[:-1], axis=0)

    @classmethod
    def of(cls, lists: Iterable[Sequence[str]]) -> Ragged:
        """From one sequence of strings per record."""
        kept = list(lists)
        offsets = np.zeros(len(kept) + 1, dtype=np.int64)
        np.cumsum([len(strings) for strings in kept], out=offsets[1:])
        return cls([string for strings in kept for string in strings], offsets)


class Batch:
    """Columns of equal length, by canonical name; absent values are ``None``.

    A batch is read-only. What several metrics derive from it (tokens, n-grams, stems) is computed once, by `derive`.
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns differ in length: {lengths}")
        self.columns: dict[str, Sequence[Any]] = dict(columns)
        self._n = next(iter(lengths.values()), 0)
        self._derived: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return self._n

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __repr__(self) -> str:
        return f"Batch({self._n} records: {', '.join(self.columns)})"

    def column(self, name: str) -> Sequence[Any]:
        """The values of a column; all ``None`` when the data has no such column."""
        values = self.columns.get(name)
        return values if values is not None else [None] * self._n

    def missing(self, name: str) -> NDArray[np.bool_]:
        """Where the column has no value: null, or an empty list (an empty string *is* a value)."""

        def build() -> NDArray[np.bool_]:
            if name not in self.columns:
                return np.ones(self._n, dtype=bool)
            values = self.columns[name]
            return np.fromiter((value is None or value == [] for value in values), dtype=bool, count=self._n)

        return self.derive(("missing", name), build)

    def texts(self, name: str) -> list[str]:
        """A text column; null becomes ``""`` (ask `missing` which), chat messages become ``role: content`` lines."""
        return self.derive(("texts", name), lambda: [as_text(value) for value in self.column(name)])

    def lists(self, name: str = "reference") -> Ragged:
        """A column of one or several texts per record (``reference``, ``contexts``, ``samples``)."""
        return self.derive(("lists", name), lambda: self._ragged(name))

    def _ragged(self, name: str) -> Ragged:
        values = self.column(name)
        if all(type(value) is str for value in values):
            return Ragged(list(values), np.arange(self._n + 1, dtype=np.int64))
        return Ragged.of(
            [] if value is None else [as_text(each) for each in value] if isinstance(value, (list, tuple)) else [as_text(value)]
            for value in values
        )

    def derive(self, key: Hashable, build: Callable[[], T]) -> T:
        """What ``build`` returns, computed once per batch and key; whoever shares a key shares the work."""
        if key not in self._derived:
            self._derived[key] = build()
        return self._derived[key]  # type: ignore[no-any-return]

    def take(self, indices: NDArray[np.int64] | Sequence[int]) -> Batch:
        """The records at ``indices``, in that order."""
        wanted = [int(index) for index in indices]
        return Batch({name: [values[index] for index in wanted] for name, values in self.columns.items()})


def as_text(value: Any) -> str:
    """A value of a text column as one string."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list):  # chat messages
        return "\n".join(
            f"{turn.get('role', 'user')}: {turn.get('content', '')}" if isinstance(turn, dict) else str(turn) for turn in value
        )
    return str(value)
