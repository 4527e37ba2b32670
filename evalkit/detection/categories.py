"""The distribution of a signal of few values: counts by name, or by hash where the names are too many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

NAMES = 2_000  # at most; beyond, counts are by bucket of the names' hashes
BUCKETS = 512
NULL = "∅"  # how a missing value is called where it counts as a value


@dataclass(frozen=True)
class Categories:
    """Counts by name; merging parts gives the counts of the whole, in any order.

    Attributes:
        counts: of each name; or, where ``hashed``, of each bucket "#17".
        missing: rows without a value.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    missing: int = 0
    hashed: bool = False

    @classmethod
    def of(cls, names: Iterable[str], counts: Iterable[int], missing: int = 0) -> Categories:
        """Of distinct names and how often each stands."""
        return cls({name: int(count) for name, count in zip(names, counts) if count}, missing)._held()

    def merge(self, other: Categories) -> Categories:
        """Of both sides' rows."""
        one, two = (self, other) if self.hashed == other.hashed else (self.in_buckets(), other.in_buckets())
        counts = dict(one.counts)
        for name, count in two.counts.items():
            counts[name] = counts.get(name, 0) + count
        return Categories(counts, self.missing + other.missing, one.hashed)._held()

    @property
    def n(self) -> int:
        """Rows with a value."""
        return sum(self.counts.values())

    def share(self, name: str) -> float:
        """Of the rows with a value, those of this name."""
        return self.counts.get(name, 0) / self.n if self.n else float("nan")

    def in_buckets(self) -> Categories:
        """The same counts by bucket of the names' hashes."""
        if self.hashed:
            return self
        counts: dict[str, int] = {}
        for name, count in self.counts.items():
            bucket = bucket_of(name)
            counts[bucket] = counts.get(bucket, 0) + count
        return Categories(counts, self.missing, hashed=True)

    def _held(self) -> Categories:
        return self if self.hashed or len(self.counts) <= NAMES else self.in_buckets()

    def packed(self) -> tuple[dict[str, Any], dict[str, Counts]]:
        """Plain facts, and arrays: what a profile's file holds."""
        return {"counts": dict(sorted(self.counts.items())), "missing": self.missing, "hashed": self.hashed}, {}

    @classmethod
    def unpacked(cls, facts: Mapping[str, Any], arrays: Mapping[str, Counts]) -> Categories:  # noqa: ARG003
        """What `packed` came from."""
        return cls({str(name): int(count) for name, count in facts["counts"].items()}, facts["missing"], facts["hashed"])


def bucket_of(name: str) -> str:
    """The bucket that a name's hash falls into."""
    return f"#{int.from_bytes(blake2b(name.encode('utf-8', 'surrogatepass'), digest_size=8).digest()) % BUCKETS}"


def aligned(a: Categories, b: Categories) -> tuple[list[str], Counts, Counts]:
    """Names that either side has, the reference's most frequent first, and both sides' counts over them."""
    one, two = (a, b) if a.hashed == b.hashed else (a.in_buckets(), b.in_buckets())
    names = sorted({*one.counts, *two.counts}, key=lambda name: (-one.counts.get(name, 0), -two.counts.get(name, 0), name))
    counts = np.array([[side.counts.get(name, 0) for name in names] for side in (one, two)], dtype=np.int64).reshape(2, -1)
    return names, counts[0], counts[1]
