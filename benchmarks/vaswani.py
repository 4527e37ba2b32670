"""Retrievers, rerankers and chunkers over Vaswani's abstracts (NPL: 11,429 abstracts, 93 queries), as variants of two suites.

The guide on retrieval shows what they score. The collection is no part of the project: it is public, for instance in
PyTerrier's repository (tests/fixtures/vaswani_npl: doc-text.trec.gz, query-text.trec, qrels).

    python benchmarks/vaswani.py FOLDER OUT          (writes OUT/retrievers.jsonl and OUT/chunkers.jsonl)
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.text.porter import porter

Floats = NDArray[np.float64]
DEPTH = 1_000  # how many ids a run keeps, as trec_eval has them
SHOWN = 10  # passages that a reader would be given
BUDGET = 400  # or as many chunks as these words hold
RERANKED = 100
IDLE = frozenset({"the", "and", "for"})

stem = cache(porter)


def words(text: str) -> list[str]:
    """The stems of what is sought: words of three letters and more, in lower case, but for those that say nothing."""
    return [stem(word) for word in re.findall(r"[a-z0-9]+", text.lower()) if len(word) > 2 and word not in IDLE]


@dataclass(frozen=True)
class Collection:
    """Abstracts and queries by id, and which abstracts are relevant to which query."""

    texts: dict[str, str]
    queries: dict[str, str]
    relevant: dict[str, list[str]]

    @classmethod
    def read(cls, folder: Path) -> Collection:
        with gzip.open(folder / "doc-text.trec.gz", "rt", errors="replace") as file:
            found = re.findall(r"<DOCNO>(.*?)</DOCNO>(.*?)</DOC>", file.read(), re.DOTALL)
        asked = re.findall(r"<num>(\d+)</num>\s*<title>(.*?)</title>", (folder / "query-text.trec").read_text(), re.DOTALL)
        relevant: dict[str, list[str]] = defaultdict(list)
        for line in (folder / "qrels").read_text().splitlines():
            query, _, name, grade = line.split()
            if int(grade) > 0:
                relevant[query].append(name)
        texts = {name.strip(): " ".join(text.split()) for name, text in found}
        return cls(texts, {name: " ".join(text.split()) for name, text in asked}, dict(relevant))


class Index:
    """Texts as counts of their words, to be searched."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.words = [Counter(words(text)) for text in texts]
        self.lengths = np.array([len(text.split()) for text in texts], dtype=np.float64)
        postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for place, counts in enumerate(self.words):
            for word, count in counts.items():
                postings[word].append((place, count))
        self.postings = {word: np.array(pairs, dtype=np.int64).T for word, pairs in postings.items()}

    @property
    def n(self) -> int:
        return len(self.words)

    def idf(self, word: str) -> float:
        """How rare a word is, as Lucene's BM25 has it: never negative."""
        held = self.postings[word].shape[1]
        return float(np.log(1 + (self.n - held + 0.5) / (held + 0.5)))

    def bm25(self, query: Counter[str] | dict[str, float], k1: float = 1.2, b: float = 0.75) -> Floats:
        """Of every text (Robertson & Zaragoza 2009); a query's words may have weights."""
        scores = np.zeros(self.n)
        norms = k1 * (1 - b + b * self.lengths / self.lengths.mean())
        for word, weight in query.items():
            if word in self.postings:
                places, counts = self.postings[word]
                scores[places] += weight * self.idf(word) * counts * (k1 + 1) / (counts + norms[places])
        return scores

    @cached_property
    def norms(self) -> Floats:
        """Lengths of the texts as vectors of (1 + ln count) · idf."""
        squares = np.zeros(self.n)
        for word, (places, counts) in self.postings.items():
            squares[places] += ((1 + np.log(counts)) * self.idf(word)) ** 2
        return np.sqrt(np.maximum(squares, 1e-12))

    def tfidf(self, query: Counter[str]) -> Floats:
        """Cosine of every text with the query."""
        scores = np.zeros(self.n)
        for word, count in query.items():
            if word in self.postings:
                places, counts = self.postings[word]
                scores[places] += (1 + np.log(count)) * self.idf(word) ** 2 * (1 + np.log(counts))
        return scores / self.norms

    def vector(self, place: int) -> dict[str, float]:
        """One text as a vector of length 1."""
        return {w: (1 + np.log(c)) * self.idf(w) / self.norms[place] for w, c in self.words[place].items()}


def best(scores: Floats, depth: int = DEPTH) -> list[int]:
    """Places of the best texts that match at all; of equal ones the first stands first."""
    order = np.argsort(-scores, kind="stable")[:depth]
    return [int(place) for place in order if scores[place] > 0]


def feedback(
    index: Index, query: Counter[str], found: Sequence[int], texts: int = 5, terms: int = 20, alpha: float = 0.5
) -> list[int]:
    """The first 100 anew, by a query that the first 5 have lent words to (Rocchio 1971, without negatives); the rest behind."""
    centre: Counter[str] = Counter()
    for place in found[:texts]:
        for word, weight in index.vector(place).items():
            centre[word] += weight / texts
    lent = dict(centre.most_common(terms))
    top = max(lent.values(), default=1.0)
    widened = {word: query.get(word, 0) + alpha * lent.get(word, 0.0) / top for word in {*query, *lent}}
    scores = index.bm25(widened)
    return [*sorted(found[:RERANKED], key=lambda place: -scores[place]), *found[RERANKED:]]


def spread(index: Index, scores: Floats, found: Sequence[int], lam: float = 0.7) -> list[int]:
    """The first 30 anew, each next one for its score less its likeness to those before (Carbonell & Goldstein 1998)."""
    pool, chosen = list(found[:30]), list[int]()
    vectors = {place: index.vector(place) for place in pool}
    top = max((scores[place] for place in pool), default=1.0)

    def like(one: int, other: int) -> float:
        return sum(weight * vectors[other].get(word, 0.0) for word, weight in vectors[one].items())

    nearest = dict.fromkeys(pool, 0.0)
    while pool:
        pick = max(pool, key=lambda place: lam * scores[place] / top - (1 - lam) * nearest[place])
        chosen.append(pick)
        pool.remove(pick)
        for place in pool:
            nearest[place] = max(nearest[place], like(place, pick))
    return [*chosen, *found[30:]]


def chunks(text: str, size: int, step: int) -> list[str]:
    """Runs of so many words, a new one every ``step`` words; a rest of less than a third is added to the last one."""
    told, found, low = text.split(), list[str](), 0
    while True:
        rest = len(told) - low - size
        if rest < size // 3:
            return [*found, " ".join(told[low:])]
        found.append(" ".join(told[low : low + size]))
        low += step


def within(texts: Sequence[str], budget: int = BUDGET) -> list[str]:
    """The first texts that together have no more words than these; the first in any case."""
    ends = np.cumsum([len(text.split()) for text in texts])
    return list(texts[: max(int(np.searchsorted(ends, budget, side="right")), 1)])


def retrievers(collection: Collection, index: Index) -> Iterable[dict[str, Any]]:
    """A record a query, with the ids and the first texts that each retriever found."""
    names, texts = list(collection.texts), list(collection.texts.values())
    for number, text in collection.queries.items():
        query = Counter(words(text))
        scores = index.bm25(query)
        found = best(scores)
        runs = {
            "bm25": found,
            "bm25_flat": best(index.bm25(query, k1=1.2, b=0.0)),
            "tfidf": best(index.tfidf(query)),
            "feedback": feedback(index, query, found),
            "mmr": spread(index, scores, found),
        }
        record: dict[str, Any] = {"id": f"q{number}", "input": text, "relevant_ids": collection.relevant[number]}
        for name, places in runs.items():
            record |= {
                f"{name}_ids": [names[place] for place in places],
                f"{name}_texts": [texts[place] for place in places[:SHOWN]],
            }
        yield record


def chunkers(collection: Collection, index: Index) -> Iterable[dict[str, Any]]:
    """A record a query, with what BM25 found of abstracts cut in several ways, 400 words each, and what is relevant."""
    cuts = {"abstracts": list(collection.texts.values())}
    for name, size, step in (("pieces", 24, 24), ("windows", 24, 12)):
        cuts[name] = [chunk for text in collection.texts.values() for chunk in chunks(text, size, step)]
    indices = {name: index if name == "abstracts" else Index(texts) for name, texts in cuts.items()}
    for number, text in collection.queries.items():
        query = Counter(words(text))
        wanted = [collection.texts[name] for name in collection.relevant[number]]
        record: dict[str, Any] = {"id": f"q{number}", "input": text, "reference_contexts": wanted}
        for name, searched in indices.items():
            record[name] = within([cuts[name][place] for place in best(searched.bm25(query), 100)])
        yield record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    collection = Collection.read(given.folder)
    index = Index(list(collection.texts.values()))
    given.out.mkdir(parents=True, exist_ok=True)
    made: dict[str, Callable[..., Iterable[dict[str, Any]]]] = {"retrievers": retrievers, "chunkers": chunkers}
    for name, make in made.items():
        with (given.out / f"{name}.jsonl").open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in make(collection, index))
    print(
        f"{len(collection.texts):,} abstracts, {len(collection.queries)} queries: {given.out}/retrievers.jsonl, chunkers.jsonl"
    )


if __name__ == "__main__":
    main()
