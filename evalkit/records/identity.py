"""Identities of records: derived ids, and duplicates among explicit ones.

A derived id is the first 12 hex digits of the sha256 of one line of JSON: ``[input, reference, contexts, relevant_ids]``
in UTF-8, in their canonical form, ``null`` where absent, object keys sorted, no white space.  The output is left out, so
that the runs of two systems over the same questions align.  Repeats get ``-2``, ``-3`` … in the data set's order,
counted over the whole data set: a sample keeps the ids that the whole would give.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from evalkit.records.canonical import IDENTITY

Keys = NDArray[np.uint64]
_ENCODER = msgspec.json.Encoder(order="sorted")


def content_keys(columns: Mapping[str, Sequence[Any]], n: int) -> Keys:
    """The 48 bits that a derived id spells out in hex, of every record; ``columns`` are canonical."""
    parts = [columns.get(name) or [None] * n for name in IDENTITY]
    lines = _ENCODER.encode_lines(list(zip(*parts))).split(b"\n")
    sha256 = hashlib.sha256
    digests = b"".join([sha256(line).digest() for line in lines[:n]])
    whole = np.zeros((n, 8), dtype=np.uint8)
    whole[:, 2:] = np.frombuffer(digests, dtype=np.uint8).reshape(n, 32)[:, :6]
    return whole.view(">u8").ravel().astype(np.uint64)


def name_keys(ids: Sequence[str]) -> Keys:
    """64 bits that two explicit ids share if they are equal, and otherwise almost never (who compares, looks again).

    A polynomial over the bytes, each replaced by a fixed random number: array operations, where a digest of each id
    would take longer than decoding the record.
    """
    text = "".join(ids)
    raw = np.frombuffer(text.encode(), dtype=np.uint8)
    lengths = np.fromiter(
        map(len, ids) if text.isascii() else (len(name.encode()) for name in ids), dtype=np.int64, count=len(ids)
    )
    starts = np.cumsum(lengths) - lengths
    rng = np.random.Generator(np.random.PCG64(2026))
    table = rng.integers(0, 2**64, size=257, dtype=np.uint64)
    with np.errstate(over="ignore"):
        powers = np.multiply.accumulate(np.full(int(lengths.max(initial=1)), table[256] | np.uint64(1)))
        terms = table[:256][raw] * powers[np.arange(len(raw)) - np.repeat(starts, lengths)]
        keys: Keys = np.add.reduceat(terms, starts) if len(starts) else np.zeros(0, dtype=np.uint64)
        return (keys ^ (keys >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15)


def spell(keys: Keys, repeats: NDArray[np.uint32] | None) -> list[str]:
    """Derived ids of content keys; ``repeats`` is 0 or 1 for a first appearance, k for the k-th."""
    digits = keys.astype(">u8").tobytes().hex()
    ids = [digits[at + 4 : at + 16] for at in range(0, len(digits), 16)]
    if repeats is not None:
        for index in np.flatnonzero(repeats > 1).tolist():
            ids[index] = f"{ids[index]}-{repeats[index]}"
    return ids


def unspell(name: str) -> tuple[int, int] | None:
    """The content key and repeat that an explicit id would spell, if it looks like a derived one."""
    digits, dash, repeat = name.partition("-")
    if (
        len(digits) != 12
        or not set(digits) <= set("0123456789abcdef")
        or (dash and not (repeat.isdigit() and repeat[0] != "0"))
    ):
        return None
    return int(digits, 16), int(repeat) if dash else 1


def all_differ(keys: Keys) -> bool:
    """Whether no key stands twice."""
    arranged = np.sort(keys)
    return not bool((arranged[1:] == arranged[:-1]).any())


def groups(keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A stable order that brings equal keys together, and each record's place (0, 1, …) among its equals in it."""
    order = np.argsort(keys, kind="stable")
    arranged = keys[order]
    first = np.r_[True, arranged[1:] != arranged[:-1]] if len(keys) else np.zeros(0, dtype=bool)
    begins = np.flatnonzero(first)
    rank = np.arange(len(keys)) - np.repeat(begins, np.diff(np.r_[begins, len(keys)]))
    return order, rank


def repeats(keys: Keys, derived: NDArray[np.bool_], taken: Mapping[int, set[int]]) -> NDArray[np.uint32] | None:
    """How often each derived key has appeared so far (1 = first); None when none repeats.

    ``taken`` holds the repeats that explicit ids already spell; a derived id steps over them.
    """
    if not taken and all_differ(keys if derived.all() else keys[derived]):
        return None
    where = np.flatnonzero(derived)
    order, rank = groups(keys[where])
    counts = np.zeros(len(keys), dtype=np.uint32)
    counts[where[order]] = rank + 1
    for key, used in taken.items():
        number = 0
        for index in where[keys[where] == np.uint64(key)].tolist():
            number += 1
            while number in used:
                number += 1
            counts[index] = number
    return counts
