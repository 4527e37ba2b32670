"""What texts are about: clusters fitted on one half of the reference, their shares compared between the other half and now."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from evalkit.core.drift import Finding, Term
from evalkit.detection.categories import Categories, aligned
from evalkit.detection.profile import Profile
from evalkit.detection.sample import TERMS, VECTOR, By, Sample
from evalkit.detection.shape import of_categories
from evalkit.detection.signal import EMBEDDINGS, Look, Signal, blind
from evalkit.detection.unseen import cut
from evalkit.detection.vectors import unlike
from evalkit.detection.wording import share
from evalkit.stats.contingency import categories as homogeneity
from evalkit.stats.divergence import jensen_shannon, psi, total_variation

MOST, FEWEST = 12, 2  # clusters
FEATURES = 1_000  # words that clusters are made of
ELSEWHERE = "none of these"
_FAR = 0.02  # share of the fitted half that lies further from every cluster than what counts as "none of these"
_LEAST = 40  # texts that clusters are fitted on
_STARTS, _ROUNDS = 4, 25
_TEXTS = {vectors: text for text, vectors in EMBEDDINGS.items()}

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Topics:
    """Clusters of texts: unit vectors, the words or the embedding that they lie in, and how near a text must be.

    Attributes:
        centres: (k, d).
        words: (d,) hashes of the words that are the dimensions; empty: dimensions are those of an embedding.
        weights: (d,) of the words, inverse document frequencies.
        near: the least cosine of a text with a centre of its own.
        column: of the texts, or of the embedding.
        maker: what made the vectors; "": they are the log's own, or there are none.
    """

    centres: Vectors
    words: NDArray[np.uint64]
    weights: Floats
    near: float
    column: str
    maker: str = ""

    @classmethod
    def fit(cls, sample: Sample, column: str, seed: int, *, embedded: bool = True) -> Topics | None:
        """Clusters of a sample's texts, by their embedding where there is one; None where there are too few.

        Args:
            embedded: False takes their words.
        """
        rng = np.random.Generator(np.random.PCG64(seed))
        name = EMBEDDINGS.get(column, "")
        vectors, _ = sample.vectors(name)
        if embedded and len(vectors) >= _LEAST:
            none = np.zeros(0)
            plan = cls(
                np.zeros((0, vectors.shape[1]), dtype=np.float32), none.astype(np.uint64), none, 0.0, name, sample.maker(name)
            )
        elif sample.has(TERMS + column):
            words, weights = _features(sample, column)
            if not len(words):
                return None
            plan = cls(np.zeros((0, len(words)), dtype=np.float32), words, weights, 0.0, column)
            vectors = plan.placed(sample)
        else:
            return None
        vectors = _unit(vectors)
        told = vectors[np.linalg.norm(vectors, axis=1) > 0.5]
        if len(told) < _LEAST or not vectors.shape[1]:
            return None
        k = int(np.clip(round(math.sqrt(len(told) / 10.0)), FEWEST, MOST))
        centres = spherical_kmeans(told, k, rng)
        nearest = (told @ centres.T).max(axis=1)
        return replace(plan, centres=centres, near=float(np.quantile(nearest, _FAR)))

    def placed(self, sample: Sample) -> Vectors:
        """The sample's rows in the space of the clusters (n, d); a row without words or embedding is 0."""
        if not len(self.words):
            vectors, rows = sample.vectors(self.column)
            placed = np.zeros((len(sample), self.centres.shape[1]), dtype=np.float32)
            if vectors.shape[1] == placed.shape[1]:
                placed[rows] = vectors
            return placed
        hashes, rows = sample.terms(self.column)
        at = np.minimum(np.searchsorted(self.words, hashes), len(self.words) - 1)
        known = self.words[at] == hashes
        counts = np.zeros((len(sample), len(self.words)), dtype=np.float32)
        np.add.at(counts, (rows[known], at[known]), 1.0)
        found: Vectors = np.log1p(counts) * self.weights.astype(np.float32)
        return found

    def known(self, sample: Sample) -> NDArray[np.bool_]:
        """Which rows can be assigned (n,): those with an embedding; where topics are of words, all."""
        if len(self.words):
            return np.ones(len(sample), dtype=bool)
        found = np.zeros(len(sample), dtype=bool)
        if sample.has(VECTOR + self.column) and sample.maker(self.column) == self.maker:
            found[sample.vectors(self.column)[1]] = True
        return found

    def assigned(self, sample: Sample) -> NDArray[np.int64]:
        """The cluster of each row (n,); -1 for a row that is near none."""
        cosines = _unit(self.placed(sample)) @ self.centres.T
        best = cosines.argmax(axis=1)
        return np.where(cosines.max(axis=1) >= max(self.near, 1e-6), best, -1)


def spherical_kmeans(vectors: Vectors, k: int, rng: np.random.Generator) -> Vectors:
    """Unit centres (k, d) of unit vectors (n, d), nearest by cosine: the best of a few starts.

    Source: Dhillon & Modha (2001); starts: Arthur & Vassilvitskii (2007).
    """
    best, most = vectors[:k], -math.inf
    for _ in range(_STARTS):
        centres = _seeded(vectors, k, rng)
        for _ in range(_ROUNDS):
            cosines = vectors @ centres.T
            nearest = cosines.argmax(axis=1)
            sums = np.zeros_like(centres)
            np.add.at(sums, nearest, vectors)
            empty = ~np.isin(np.arange(k), nearest)
            sums[empty] = vectors[np.argsort(cosines.max(axis=1))[: int(empty.sum())]]
            moved = _unit(sums)
            if np.allclose(moved, centres, atol=1e-5):
                break
            centres = moved
        held = float((vectors @ centres.T).max(axis=1).sum())
        if held > most:
            best, most = centres, held
    return best


def _seeded(vectors: Vectors, k: int, rng: np.random.Generator) -> Vectors:
    chosen = [int(rng.integers(len(vectors)))]
    gap = 1.0 - vectors @ vectors[chosen[0]]
    for _ in range(k - 1):
        odds = np.maximum(gap, 0.0).astype(np.float64) ** 2
        total = odds.sum()
        chosen.append(int(rng.choice(len(vectors), p=odds / total)) if total > 0.0 else int(rng.integers(len(vectors))))
        gap = np.minimum(gap, 1.0 - vectors @ vectors[chosen[-1]])
    return vectors[chosen]


def compared(signal: Signal, reference: Profile, current: Profile, seed: int, fewest: int) -> Look:
    """The shares of topics, in the half of the reference's sample that the clusters do not come from, and now.

    The clusters are those of all rows, for slices too.
    """
    column = signal.needs[0]
    if reference.sample is None or current.sample is None or len(reference.sample) < 100:
        return blind("the reference sample has fewer than 100 rows")
    if len(current.sample) < fewest:
        return blind(f"the current sample has {len(current.sample)} rows; {fewest} are needed")
    fitted, held = halves(reference.sample)
    name = EMBEDDINGS.get(column, "")
    sides = (reference.sample, current.sample)
    embedded = all(side.has(VECTOR + name) for side in sides) and unlike(*sides, name) is None
    topics = Topics.fit(fitted, column, seed, embedded=embedded)
    if topics is None:
        return blind(f"too few texts of {column} have words in common")
    labels = labels_of(topics, fitted, reference)
    return partial(_finding, signal, topics, labels, reference, held, current.sample, seed, fewest)


def _finding(
    signal: Signal, topics: Topics, labels: Sequence[str], reference: Profile, held: Sample, current: Sample, seed: int,
    fewest: int, by: By | None,
) -> tuple[Finding | None, str]:  # fmt: skip
    column, held, current = signal.needs[0], held.on(by), current.on(by)
    told = current.where(topics.known(current))
    before, after = topics.assigned(held.where(topics.known(held))), topics.assigned(told)
    if min(len(before), len(after)) < fewest:
        return None, f"the rows that can be told apart are {len(before)} and {len(after)}; {fewest} are needed"
    counted = [
        Categories.of([*labels, ELSEWHERE], [*(int((side == at).sum()) for at in range(len(labels))), int((side < 0).sum())])
        for side in (before, after)
    ]
    names, one, two = aligned(*counted)
    tested = homogeneity(one, two, seed=seed)
    others = {"js": jensen_shannon(one, two), "psi": psi(one, two), "tv": total_variation(one, two)}
    statistic, threshold = signal.effect
    apart = two / max(two.sum(), 1) - one / max(one.sum(), 1)
    shares = {name: (float(a), float(b)) for name, a, b in zip(names, one / max(one.sum(), 1), two / max(two.sum(), 1))}
    terms = []
    for at in np.argsort(-apart)[:5]:
        if apart[at] > 0.01:
            name = names[at]
            cluster = -1 if name == ELSEWHERE else labels.index(name)
            rows = np.flatnonzero(after == cluster)
            terms.append(_told(name, shares[name], column, rows, reference, told))
    most = sorted(names, key=lambda name: -abs(shares[name][1] - shares[name][0]))[:2]
    why = "; ".join(f"{_short(name)} {share(shares[name][0])} → {share(shares[name][1])}" for name in most)
    if terms and terms[0].text.startswith(ELSEWHERE):
        why = f"{terms[0].text}: {share(terms[0].reference)} → {share(terms[0].current)}"
    return (
        Finding(
            name=signal.name, group=signal.group, kind="category", statistic=statistic, value=others[statistic],
            threshold=threshold, test=tested.test, p=tested.p, q=math.nan, drifted=False,
            why=f"{signal.name} has another mix: {why}", n_reference=len(before), n_current=len(after), others=others,
            shape=of_categories(names, one, two), terms=tuple(terms),
        ),
        "",
    )  # fmt: skip


def halves(sample: Sample) -> tuple[Sample, Sample]:
    """Every second row: keys are hashes, so both halves are random."""
    even = np.arange(len(sample)) % 2 == 0
    return sample.where(even), sample.where(~even)


def _features(sample: Sample, column: str) -> tuple[NDArray[np.uint64], Floats]:
    """Words in at least 3 texts and at most 40 % of them, those of the most texts first, and their weights."""
    hashes, rows = sample.terms(column)
    pairs = np.unique(np.stack([hashes, rows.astype(np.uint64)]), axis=1)
    words, texts = np.unique(pairs[0], return_counts=True)
    kept = (texts >= 3) & (texts <= 0.4 * len(sample))
    words, texts = words[kept], texts[kept]
    if len(words) > FEATURES:
        most = np.sort(np.argsort(-texts, kind="stable")[:FEATURES])
        words, texts = words[most], texts[most]
    return words, np.log((1.0 + len(sample)) / (1.0 + texts)) + 1.0


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Vectors = vectors / np.where(lengths > 0.0, lengths, 1.0)
    return found


def labels_of(topics: Topics, sample: Sample, reference: Profile) -> list[str]:
    """A name for each cluster: its weightiest words, where these are known."""
    names = reference.names
    found: list[str] = []
    assigned = topics.assigned(sample)
    for at in range(len(topics.centres)):
        column = topics.column if len(topics.words) else _TEXTS[topics.column]
        words = distinguishing(sample.where(assigned == at), sample.where(assigned != at), column, names)
        told = ", ".join(words[:3])
        label = told or f"topic {at + 1}"
        found.append(label if label not in found else f"{label} ({at + 1})")
    return found


def distinguishing(some: Sample, others: Sample, column: str, names: Mapping[int, str] | None = None) -> list[str]:
    """The words that set some texts apart from others: highest log-odds over their standard error, weak prior.

    Source: Monroe, Colaresi & Quinn (2008), eq. 16 and 22, over the texts that have a word.
    """
    import pyarrow as pa

    from evalkit.text.terms import texts_of

    if not some.has(TERMS + column) or not others.has(TERMS + column):
        return []
    counts = []
    for sample in (some, others):
        hashes, rows = sample.terms(column)
        pairs = np.unique(np.stack([hashes, rows.astype(np.uint64)]), axis=1) if len(hashes) else np.zeros((2, 0), np.uint64)
        counts.append(np.unique(pairs[0], return_counts=True))
    words = np.union1d(counts[0][0], counts[1][0])
    held = np.zeros((2, len(words)))
    for side, (found, number) in enumerate(counts):
        held[side, np.searchsorted(words, found)] = number
    n, m = len(some), len(others)
    a, b = held[0] + 0.5, held[1] + 0.5
    odds = np.log(a / (n + 1.0 - a).clip(0.5)) - np.log(b / (m + 1.0 - b).clip(0.5))
    z = odds / np.sqrt(1.0 / a + 1.0 / b)
    best = [int(words[at]) for at in np.argsort(-z)[:8] if z[at] > 1.0 and held[0, at] >= 2]
    known = dict(names or {})
    missing = [word for word in best if word not in known]
    if missing:
        known |= texts_of(pa.array(some.texts(column), pa.string()), missing)
    return [known[word] for word in best if word in known]


def _told(
    name: str, shares: tuple[float, float], column: str, rows: NDArray[np.int64], reference: Profile, current: Sample
) -> Term:
    assert reference.sample is not None
    mask = np.zeros(len(current), dtype=bool)
    mask[rows] = True
    texts = [text for text in current.where(mask).texts(column) if text][:3]
    if name == ELSEWHERE:
        words = distinguishing(current.where(mask), reference.sample, column)[:4]
        name = f"{ELSEWHERE} ({', '.join(words)})" if words else ELSEWHERE
    return Term(name, shares[0], shares[1], tuple(cut(text) for text in texts))


def _short(name: str) -> str:
    return f"“{name}”" if "," in name else name
