"""Nearly equal texts: MinHash over character shingles, in array operations throughout."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHINGLE = 5  # bytes
SKETCH = 64  # shingles that a text is judged by, more or less
BANDS, ROWS = 16, 4  # texts that agree in all rows of any band are compared
_BLOCK = 4 << 20  # bytes worked on at once
_COARSE = np.uint32(12)  # the upper 20 bits tell shingles apart well enough to count them
_SAMPLE = 2_000  # texts among which the usual shingles are counted
_FEWEST = 4
_MOST_PAIRS = 200_000


def similar_pairs(texts: Sequence[str], *, least: float = 0.8) -> list[tuple[int, int, float]]:
    """Pairs of texts that share at least ``least`` of their shingles (Jaccard), as (i, j, similarity), i < j.

    Letter case, punctuation and white space do not count; texts whose numbers differ are never a pair ("What is 2 + 3?",
    "What is 2 + 4?"). Shingles of more than a tenth of the texts, such as those of a template, do not count either. Of a
    long text a sample of shingles is compared, so that its similarity is an estimate.

    Source: Broder (1997), "On the resemblance and containment of documents"; banding after Leskovec et al., ch. 3.
    """
    normal = [" ".join(re.findall(r"\w+", text.lower())) for text in texts]
    owners, hashes = _sketches([text.encode("utf-8", "replace") for text in normal])
    if not len(owners):
        return []
    offsets = np.searchsorted(owners, np.arange(len(texts) + 1))
    found = []
    for i, j in _candidates(hashes, offsets):
        if normal[i] == normal[j]:
            found.append((i, j, 1.0))
            continue
        one, other = (set(hashes[offsets[at] : offsets[at + 1]].tolist()) for at in (i, j))
        shared = len(one & other)
        similarity = shared / (len(one) + len(other) - shared)
        if similarity >= least and shared >= _FEWEST and _numbers(normal[i]) == _numbers(normal[j]):
            found.append((i, j, similarity))
    return found


def _numbers(text: str) -> list[str]:
    return sorted(re.findall(r"\d+", text))


def _sketches(texts: Sequence[bytes]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """The text and the hash of all shingles that count, text by text, each once."""
    usual = _usual(texts)
    parts: list[NDArray[np.uint64]] = []
    begin = size = 0
    for at, text in enumerate(texts):
        size += len(text)
        if size >= _BLOCK or at == len(texts) - 1:
            owner, hashed = _shingles(texts[begin : at + 1])
            if usual is not None:
                rare = ~usual[hashed >> _COARSE]
                owner, hashed = owner[rare], hashed[rare]
            counts = np.bincount(owner, minlength=at + 1 - begin)
            threshold = np.minimum(2.0**32 - 1, 2.0**32 * SKETCH / np.maximum(counts, 1)).astype(np.uint32)
            kept = hashed <= threshold[owner]
            parts.append(_distinct(owner[kept] + begin, hashed[kept]))
            begin, size = at + 1, 0
    keyed = np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint64)
    return (keyed >> np.uint64(32)).astype(np.int64), keyed.astype(np.uint32)


def _usual(texts: Sequence[bytes]) -> NDArray[np.bool_] | None:
    """Which shingles, by the upper bits of their hash, stand in more than a tenth of the texts; None where none do."""
    sample = texts[:: max(len(texts) // _SAMPLE, 1)][:_SAMPLE]
    counts = np.zeros(1 << 20, dtype=np.int64)
    for low in range(0, len(sample), 100):
        keyed = _distinct(*_shingles([text[:20_000] for text in sample[low : low + 100]]))
        counts += np.bincount(keyed.astype(np.uint32) >> _COARSE, minlength=1 << 20)
    usual = counts > max(20, len(sample) // 10)
    return usual if usual.any() else None


def _distinct(owner: NDArray[np.int64], hashed: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Text and hash in one number each (the text above), sorted, without repeats."""
    keyed = np.sort((owner.astype(np.uint64) << np.uint64(32)) | hashed)
    return keyed[np.r_[True, keyed[1:] != keyed[:-1]]] if len(keyed) else keyed


def _shingles(texts: Sequence[bytes]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """All shingles of some texts: the text's number and the hash."""
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    raw = np.frombuffer(b"".join(texts) + bytes(SHINGLE), dtype=np.uint8).astype(np.uint64)
    n = int(lengths.sum())
    hashed = np.zeros(n, dtype=np.uint64)
    for offset in range(SHINGLE):
        hashed |= raw[offset : offset + n] << np.uint64(8 * offset)
    windows = np.maximum(lengths - SHINGLE + 1, np.minimum(lengths, 1))  # a short text is one shingle
    starts = np.cumsum(lengths) - lengths
    short = np.flatnonzero((lengths > 0) & (lengths < SHINGLE))  # what follows it is not part of its shingle
    hashed[starts[short]] &= (np.uint64(1) << (np.uint64(8) * lengths[short].astype(np.uint64))) - np.uint64(1)
    with np.errstate(over="ignore"):
        hashed *= np.uint64(0x9E3779B97F4A7C15)
        hashed ^= hashed >> np.uint64(29)
        hashed *= np.uint64(0xBF58476D1CE4E5B9)
    hashed >>= np.uint64(32)
    whole = np.ones(n, dtype=bool)
    for back in range(1, SHINGLE):  # windows that would run into the next text
        spill = starts + lengths - back
        whole[spill[(lengths > back) & (lengths - back >= windows)]] = False
    return np.repeat(np.arange(len(texts)), lengths)[whole], hashed[whole].astype(np.uint32)


def _candidates(hashes: NDArray[np.uint32], offsets: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Pairs of texts whose MinHash signatures agree in a band."""
    full = np.flatnonzero(np.diff(offsets))
    starts = offsets[full]
    rng = np.random.default_rng(0)
    factors = rng.integers(1, 2**32, size=(BANDS, ROWS), dtype=np.uint32) | np.uint32(1)
    shifts = rng.integers(0, 2**32, size=(BANDS, ROWS), dtype=np.uint32)
    ranks = np.empty_like(hashes)
    pairs: list[NDArray[np.int64]] = []
    total = 0
    for band in range(BANDS):
        key = np.zeros(len(full), dtype=np.uint64)
        with np.errstate(over="ignore"):
            for row in range(ROWS):
                np.multiply(hashes ^ shifts[band, row], factors[band, row], out=ranks)
                lowest = np.minimum.reduceat(ranks, starts)
                key = (key ^ lowest) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(row)
        order = np.argsort(key, kind="stable")
        alike = key[order]
        for step in range(1, 8):  # neighbours in a bucket; of a large bucket not every pair
            same = np.flatnonzero(alike[step:] == alike[:-step])
            if not len(same):
                break
            pairs.append(np.sort(np.stack([full[order[same]], full[order[same + step]]], axis=1), axis=1))
            total += len(same)
        if total > _MOST_PAIRS:
            break
    if not pairs:
        return []
    distinct = np.unique(np.concatenate(pairs), axis=0)[:_MOST_PAIRS]
    return [(int(i), int(j)) for i, j in distinct]
