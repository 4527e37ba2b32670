"""Rows of sufficient statistics: what measuring a batch gives, one row per record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.core.errors import BackendError

T = TypeVar("T")
NOT_JUDGED = "not judged: "  # how the note of a record begins that nobody was asked about any more

Floats = NDArray[np.float64]


@dataclass
class Rows:
    """Sufficient statistics of ``n`` records, and what is to be said about single ones.

    A record is *scored*, or an *error* (it should have been scored and could not be), or *skipped* (there was nothing
    to score). The values of the last two are NaN and never enter a sum.
    """

    values: Floats  # (n, k)
    errors: dict[int, str] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    evidence: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.values = np.asarray(self.values, dtype=np.float64)
        if self.values.ndim == 1:
            self.values = self.values[:, None]
        for index in (*self.errors, *self.skipped):
            self.values[index] = np.nan

    @classmethod
    def of(cls, *columns: ArrayLike, errors: Mapping[int, str] | None = None, skipped: Mapping[int, str] | None = None) -> Rows:
        """From one array of shape (n,) per statistic."""
        stacked = np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)
        return cls(stacked, dict(errors or {}), dict(skipped or {}))

    def __len__(self) -> int:
        return len(self.values)

    def scored(self) -> NDArray[np.bool_]:
        """Which records have a value, shape (n,)."""
        mask = np.ones(len(self.values), dtype=bool)
        mask[[*self.errors, *self.skipped]] = False
        return mask

    def settled(self, outcomes: Sequence[T | BaseException]) -> Iterator[tuple[int, T]]:
        """What came for each row, by its number, of outcomes as ``asyncio.gather(..., return_exceptions=True)`` gives them.

        A `BackendError` becomes that row's error; anything else that was raised is raised.
        """
        for index, outcome in enumerate(outcomes):
            if isinstance(outcome, BackendError):
                self.errors[index] = str(outcome)
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                yield index, outcome

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> Rows:
        """The rows at ``indices``, in that order."""
        place = {int(old): new for new, old in enumerate(indices)}

        def moved(notes: dict[int, Any]) -> dict[int, Any]:
            return {place[old]: note for old, note in notes.items() if old in place}

        return Rows(
            self.values[np.asarray(indices, dtype=np.int64)],
            moved(self.errors),
            moved(self.skipped),
            moved(self.reasons),
            moved(self.evidence),
        )

    def spread(self, indices: Sequence[int] | NDArray[np.int64], n: int, why: Mapping[int, str]) -> Rows:
        """These rows placed at ``indices`` of ``n`` records; the records in ``why`` are errors."""
        values = np.full((n, self.values.shape[1]), np.nan)
        values[np.asarray(indices, dtype=np.int64)] = self.values
        where = [int(index) for index in indices]

        def moved(notes: dict[int, Any]) -> dict[int, Any]:
            return {where[old]: note for old, note in notes.items()}

        return Rows(values, {**moved(self.errors), **why}, moved(self.skipped), moved(self.reasons), moved(self.evidence))

    def replaced(self, indices: Sequence[int], fresh: Rows) -> Rows:
        """These rows with those at ``indices`` taken from ``fresh``, notes included."""
        changed = set(indices)
        values = self.values.copy()
        values[list(indices)] = fresh.values
        merged = []
        for name in ("errors", "skipped", "reasons", "evidence"):
            kept = {index: note for index, note in getattr(self, name).items() if index not in changed}
            merged.append(kept | {indices[index]: note for index, note in getattr(fresh, name).items()})
        return Rows(values, *merged)

    @classmethod
    def concat(cls, parts: Sequence[Rows]) -> Rows:
        """One after the other."""
        whole = cls(np.concatenate([part.values for part in parts]))
        start = 0
        for part in parts:
            for name in ("errors", "skipped", "reasons", "evidence"):
                getattr(whole, name).update({start + index: note for index, note in getattr(part, name).items()})
            start += len(part)
        return whole
