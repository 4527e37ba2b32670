"""A signal that is true or false: how often it was true."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Flags:
    """``hits`` of ``n`` rows, and the rows without a value."""

    hits: int = 0
    n: int = 0
    missing: int = 0

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Flags:
        """Of values (n,) that are 0, 1 or NaN."""
        known = values[~np.isnan(values)]
        return cls(int((known != 0.0).sum()), len(known), len(values) - len(known))

    def merge(self, other: Flags) -> Flags:
        """Of both sides' rows."""
        return Flags(self.hits + other.hits, self.n + other.n, self.missing + other.missing)

    @property
    def rate(self) -> float:
        """Hits over rows with a value."""
        return self.hits / self.n if self.n else math.nan

    def packed(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Plain facts, and arrays: what a profile's file holds."""
        return {"hits": self.hits, "n": self.n, "missing": self.missing}, {}

    @classmethod
    def unpacked(cls, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Flags:  # noqa: ARG003
        """What `packed` came from."""
        return cls(int(facts["hits"]), int(facts["n"]), int(facts["missing"]))
