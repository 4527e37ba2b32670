"""The guide on retrieval: its retrievers meet the published figures, and it shows what they score."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.core.batch import Batch
from evalkit.metrics.passages import Matched
from evalkit.metrics.retrieval import AveragePrecision, Ndcg, PrecisionAtK, RankMetric, ReciprocalRank
from tests.benchmarks.test_benchmarks import module
from tests.test_docs import ROOT, _replay, blocks

GUIDE = "docs/guides/retrieval.md"
vaswani = module("vaswani")


# --- without the collection ------------------------------------------------------------------------------------------


def test_bm25_is_its_formula():
    index = vaswani.Index(["ohmic contact contact", "ohmic loss", "noise"])
    (idf,) = {index.idf("contact")}
    assert idf == pytest.approx(np.log(1 + (3 - 1 + 0.5) / (1 + 0.5)))
    norm = 1.2 * (0.25 + 0.75 * 3 / 2)
    assert index.bm25({"contact": 1}).tolist() == pytest.approx([idf * 2 * 2.2 / (2 + norm), 0, 0])


def test_cosines_are_those_of_vectors():
    index = vaswani.Index(["ohmic contact contact", "ohmic loss", "noise"])
    query = Counter(["ohmic", "loss"])
    told = [index.vector(place) for place in range(3)]
    asked = {word: index.idf(word) for word in query}
    expected = [sum(asked.get(word, 0) * weight for word, weight in vector.items()) for vector in told]
    assert index.tfidf(query).tolist() == pytest.approx(expected)
    assert [sum(weight**2 for weight in vector.values()) for vector in told] == pytest.approx([1, 1, 1])


def test_cuts_hold_every_word_and_no_scrap():
    text = " ".join(map(str, range(53)))
    pieces, windows = vaswani.chunks(text, 24, 24), vaswani.chunks(text, 24, 12)
    assert " ".join(pieces) == text
    assert [len(piece.split()) for piece in pieces] == [24, 29]
    assert [window.split()[0] for window in windows] == ["0", "12", "24"]
    assert windows[-1].endswith(" 52")
    assert vaswani.chunks("a b", 24, 12) == ["a b"]
    assert vaswani.within(["a b", "c d e", "f"], 5) == ["a b", "c d e"]
    assert vaswani.within(["a b c d"], 2) == ["a b c d"]


def test_reranking_moves_and_loses_nothing():
    texts = ["noise of diodes", "diodes of noise", "noise in ionosphere", "diodes", "ionosphere"]
    index = vaswani.Index(texts)
    query = Counter(vaswani.words("noise of diodes"))
    scores = index.bm25(query)
    found = vaswani.best(scores)
    assert sorted(vaswani.feedback(index, query, found)) == sorted(vaswani.spread(index, scores, found)) == sorted(found)
    assert vaswani.spread(index, scores, found, lam=1.0) == found == [0, 1, 3, 2]
    assert vaswani.spread(index, scores, found, lam=0.3)[-1] == 1  # the copy has to wait


# --- with it ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def collection(shared_data: Path) -> Any:
    return vaswani.Collection.read(shared_data / "vaswani_retrieval")


@pytest.mark.shared_data
def test_bm25_meets_the_published_figures_and_texts_tell_what_ids_do(collection):
    names, texts = list(collection.texts), list(collection.texts.values())
    assert (len(names), len(collection.queries)) == (11_429, 93)
    index = vaswani.Index(texts)
    found = [vaswani.best(index.bm25(Counter(vaswani.words(query)))) for query in collection.queries.values()]
    relevant = [collection.relevant[query] for query in collection.queries]
    batch = Batch({"retrieved_ids": [[names[place] for place in one] for one in found], "relevant_ids": relevant})
    expected: list[tuple[RankMetric, int, float]] = [
        (AveragePrecision(), 0, 0.2831), (Ndcg(k=10), 1, 0.4325), (ReciprocalRank(), 0, 0.6850), (PrecisionAtK(k=10), 0, 0.3516),
    ]  # fmt: skip
    for metric, part, published in expected:
        rows = metric.score(batch)
        assert metric.combine(rows.values.sum(axis=0))[part] == pytest.approx(published, abs=0.001), metric.name

    passages = [one[:100] for one in found]
    as_texts = Batch({
        "contexts": [[texts[place] for place in one] for one in passages],
        "reference_contexts": [[collection.texts[name] for name in one] for one in relevant],
    })  # fmt: skip
    by_id = np.array([names[place] in wanted for one, wanted in zip(passages, map(set, relevant)) for place in one])
    for way, extra in (("exact", 0), ("normalised", 0), ("overlap", 42)):
        by_text = np.zeros(len(by_id), dtype=bool)
        by_text[Matched.of(as_texts, way, None).relevant] = True
        assert not (by_id & ~by_text).any()  # none is missed
        assert (by_text & ~by_id).sum() <= extra
    assert (len(by_id), int(by_id.sum())) == (9_300, 1_170)


@pytest.mark.shared_data
def test_what_the_guide_shows_is_what_the_collection_gives(collection, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "110")
    (tmp_path / "pyproject.toml").write_text("")
    index = vaswani.Index(list(collection.texts.values()))
    for name in ("retrievers", "chunkers"):
        records = getattr(vaswani, name)(collection, index)
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    ran = 0
    for block in blocks(ROOT / GUIDE):
        if block.note.startswith("file:"):
            (tmp_path / block.note.removeprefix("file:").strip()).write_text(block.text)
        elif block.note == "shared data: run":
            _replay(block, GUIDE, monkeypatch, capfd)
            ran += 1
    assert ran == 3
