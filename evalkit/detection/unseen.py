"""Words that the reference does not have: more of them than it would itself predict, and which."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from evalkit.core.drift import Finding, Term
from evalkit.detection.profile import Profile
from evalkit.detection.sample import TERMS, By, Sample
from evalkit.detection.shape import of_numbers
from evalkit.detection.signal import Look, Signal, blind
from evalkit.detection.vocabulary import Vocabulary
from evalkit.detection.wording import changed
from evalkit.stats.normal import normal_cdf

PERMUTATIONS = 4_999
SHOWN = 10
_BLOCK = 4_000_000  # rows dealt at once, over all permutations of a block

Floats = NDArray[np.float64]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Unseen:
    """Of each sampled row with words: how many words, and how many that no other row of the reference has."""

    words: Floats
    unseen: Floats
    new: Hashes  # the unseen ones, flat
    rows: NDArray[np.int64]  # of `new`
    kept: NDArray[np.bool_]  # of all sampled rows, those with words

    @property
    def rate(self) -> float:
        """Unseen words over words."""
        total = float(self.words.sum())
        return float(self.unseen.sum()) / total if total else math.nan


def unseen(sample: Sample, column: str, vocabulary: Vocabulary, *, own: bool) -> Unseen:
    """Unseen words of the rows of a sample.

    Args:
        own: the rows are part of the vocabulary: a word is unseen where its own row is the only one to have it, so that
            rows of the reference are held against the reference without them, as later rows are (leave one out).
    """
    hashes, rows = sample.terms(column)
    counts = vocabulary.counts_of(hashes)
    looked = counts >= 0
    hashes, rows, counts = hashes[looked], rows[looked], counts[looked]
    if own and len(hashes):
        _, word = np.unique(hashes, return_inverse=True)
        _, pair, held = np.unique(rows * (int(word.max()) + 1) + word, return_inverse=True, return_counts=True)
        counts = counts - held[pair]
    fresh = counts <= 0
    words = np.bincount(rows, minlength=len(sample)).astype(np.float64)
    missing = np.bincount(rows[fresh], minlength=len(sample)).astype(np.float64)
    kept = words > 0.0
    place = np.cumsum(kept) - 1
    return Unseen(words[kept], missing[kept], hashes[fresh], place[rows[fresh]], kept)


def shares(sample: Sample, column: str, vocabulary: Vocabulary, *, own: bool) -> Floats:
    """The share of unseen words in every row of the sample (n,); NaN in a row without words."""
    found = unseen(sample, column, vocabulary, own=own)
    told = np.full(len(sample), np.nan)
    told[found.kept] = found.unseen / found.words
    return told


def compared(signal: Signal, reference: Profile, current: Profile, seed: int, fewest: int) -> Look:
    """Whether the current rows have more unseen words than rows of the reference have; those of a slice than its rows had.

    Unseen are words that no row of the reference has, whatever its slice.
    """
    column = signal.needs[0]
    vocabulary = reference.words.get(column)
    for profile, side in ((reference, "reference"), (current, "current")):
        if profile.sample is None or not profile.sample.has(TERMS + column) or vocabulary is None:
            return blind(f"the {side} side has no words of {column}")
    assert reference.sample is not None
    assert current.sample is not None
    assert vocabulary is not None
    return partial(_finding, signal, vocabulary, reference.sample, current.sample, seed, fewest)


def _finding(
    signal: Signal, vocabulary: Vocabulary, reference: Sample, current: Sample, seed: int, fewest: int, by: By | None
) -> tuple[Finding | None, str]:
    column, current = signal.needs[0], current.on(by)
    before = unseen(reference.on(by), column, vocabulary, own=True)
    after = unseen(current, column, vocabulary, own=False)
    for found, name in ((before, "reference"), (after, "current")):
        if len(found.words) < fewest:
            return None, f"the {name} sample has {len(found.words)} texts; {fewest} are needed"
    p = _p(before, after, seed)
    statistic, threshold = signal.effect
    value = after.rate - before.rate
    parts = [found.unseen / found.words for found in (before, after)]
    values = np.unique(np.concatenate(parts))
    one, two = (np.bincount(np.searchsorted(values, part), minlength=len(values)) for part in parts)
    terms = new_terms(current, column, after)
    told = f": {', '.join(term.text for term in terms[:5])}" if terms else ""
    return (
        Finding(
            name=signal.name, group=signal.group, kind=signal.kind, statistic=statistic, value=value, threshold=threshold,
            test="permutation of rows, one-sided", p=p, q=math.nan, drifted=False,
            why=f"words that the reference does not have: {changed(before.rate, after.rate, 'share')} of all{told}",
            n_reference=len(before.words), n_current=len(after.words), before=before.rate, after=after.rate, unit="share",
            others={
                "expected": vocabulary.unseen_expected, "rows_reference": float((before.unseen > 0).mean()),
                "rows_current": float((after.unseen > 0).mean()), "vocabulary": float(len(vocabulary.hashes)),
            },
            shape=of_numbers(values, one, two), terms=terms,
        ),
        "",
    )  # fmt: skip


def _p(before: Unseen, after: Unseen, seed: int) -> float:
    """One-sided p of the rate of unseen words: rows dealt anew to both sides; beyond all deals, that of a normal tail."""
    words, missing = np.concatenate([before.words, after.words]), np.concatenate([before.unseen, after.unseen])
    excess = missing - words * (missing.sum() / words.sum())  # sums to 0 over all rows
    m, n = len(after.words), len(words)
    observed = float(excess[n - m :].sum())
    sd = math.sqrt(m * (n - m) / (n * (n - 1.0)) * float(excess @ excess))
    if not sd > 0.0:
        return 1.0
    rng = np.random.Generator(np.random.PCG64(seed))
    hits, left = 0, PERMUTATIONS
    while left:
        size = min(left, max(1, _BLOCK // n))
        order = np.argpartition(rng.random((size, n), dtype=np.float32), m - 1, axis=1)[:, :m] if m < n else None
        hits += int((excess[order].sum(axis=1) >= observed - 1e-9 * sd).sum()) if order is not None else size
        left -= size
    if hits:
        return (hits + 1.0) / (PERMUTATIONS + 1.0)
    return min(1.0 / (PERMUTATIONS + 1.0), max(normal_cdf(-observed / sd), 1e-300))


def new_terms(sample: Sample, column: str, found: Unseen) -> tuple[Term, ...]:
    """Unseen words by the number of rows that have them, most first, with texts that show them."""
    import pyarrow as pa

    from evalkit.text.terms import texts_of

    if not len(found.new):
        return ()
    rows: Counter[int] = Counter()
    pairs = np.unique(np.stack([found.new, found.rows.astype(np.uint64)]), axis=1)
    rows.update(pairs[0].tolist())
    often = [word for word, count in rows.most_common(SHOWN) if count > 1] or [word for word, _ in rows.most_common(3)]
    texts = sample.texts(column)
    names = texts_of(pa.array(texts, pa.string()), often)
    total = max(len(found.words), 1)
    shown = []
    for word in often:
        if word in names:
            examples = [text for text in texts if text and names[word] in text.lower()][:3]
            shown.append(Term(names[word], 0.0, rows[word] / total, tuple(cut(text) for text in examples)))
    return tuple(shown)


def cut(text: str, limit: int = 160) -> str:
    """A text as an example: one line, no longer than is read."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
