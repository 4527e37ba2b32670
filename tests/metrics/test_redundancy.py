"""redundancy: hand-worked values, plain sets as an oracle, what is left out, and time over many records."""

from __future__ import annotations

import json
import time
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evalkit
from evalkit.core.batch import Batch
from evalkit.core.contracts import ModelMetric
from evalkit.metrics.redundancy import Redundancy
from tests.metrics.test_passages import TEXTS, Directions, suite


def told(contexts: list, **options) -> list[float]:
    metric = Redundancy(**options)
    return metric.record_values(metric.score(Batch({"contexts": [contexts]})))[0].tolist()


def test_different_passages_repeat_nothing():
    assert told(TEXTS) == [0, 1, 0]


def test_a_passage_that_comes_again_repeats_the_first_and_what_was_cut_out_of_it_does_too():
    words = TEXTS[0].split()
    part = " ".join(words[4:10])
    assert told([TEXTS[0], TEXTS[0]]) == [1, 0, 1]
    assert told([TEXTS[0], part]) == [1, 0, 1]
    assert told([part, TEXTS[0]]) == [1, 0, 1]
    assert told([TEXTS[0], TEXTS[1], part]) == pytest.approx([1 / 2, 1 - 1 / 3, 1 / 2])


def test_chunks_that_overlap_by_half_repeat_less_than_half():
    words = [f"w{at}" for at in range(40)]
    chunks = [" ".join(words[low : low + 20]) for low in (0, 10, 20)]
    assert told(chunks) == pytest.approx([8 / 18, 1 - (8 / 18 * 2) / 3, 0])  # 8 of the 18 runs of each are in the one before
    assert told(chunks, threshold=0.4)[2] == 1


chunks = st.lists(st.sampled_from("abc"), min_size=1, max_size=10).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(chunks, min_size=2, max_size=6), min_size=1, max_size=4))
def test_it_is_what_plain_sets_of_three_words_say(records):
    def runs(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        return {tuple(words[at : at + 3]) for at in range(max(len(words) - 2, 1))}

    def like(one: str, other: str) -> float:
        return len(runs(one) & runs(other)) / min(len(runs(one)), len(runs(other)))

    metric = Redundancy(threshold=0.5)
    rows = metric.score(Batch({"contexts": records}))
    for texts, found in zip(records, metric.record_values(rows).tolist()):
        best = [max(like(text, other) for other in texts[:place]) for place, text in enumerate(texts) if place]
        pairs = [like(*pair) for pair in combinations(texts, 2)]
        assert found == pytest.approx([np.mean(best), 1 - np.mean(pairs), np.mean([value >= 0.5 for value in best])])


def test_only_the_first_k_count():
    assert told([TEXTS[0], TEXTS[1], TEXTS[0]], k=2)[0] == 0
    assert told([TEXTS[0], TEXTS[1], TEXTS[0]])[0] == 1 / 2


def test_with_vectors_passages_about_the_same_repeat_each_other():
    backend = Directions({"dog": (1.0, 0.0), "hound": (0.8, 0.6), "cat": (0.0, 1.0), "anti": (-1.0, 0.0), "none": (0.0, 0.0)})
    lists = [["dog", "hound", "cat"], ["dog", "anti"], ["dog", "none"], ["dog", "dog again"]]
    found = evalkit.score("redundancy", [""] * 4, contexts=lists, similarity="embedding", backend=backend)
    assert found["redundancy"][:2].tolist() == pytest.approx([(0.8 + 0.6) / 2, 0])
    assert found["redundancy.diversity"][:2].tolist() == pytest.approx([1 - (0.8 + 0.6) / 3, 1])
    assert found["redundancy.duplicates"].tolist() == pytest.approx([0, 0, np.nan, 1], nan_ok=True)
    assert found.errors == {2: "a passage's vector has no direction"}
    assert isinstance(Redundancy(similarity="embedding"), ModelMetric)


def test_edges():
    rows = Redundancy().score(Batch({"contexts": [[], ["one passage"], None, ["", TEXTS[0], "…", TEXTS[0]], ["", "one"]]}))
    assert rows.errors == {2: "no contexts"}
    assert rows.skipped == {
        0: "no passages: nothing that could repeat",
        1: "one passage: nothing that it could repeat",
        4: "one passage: nothing that it could repeat",
    }
    assert Redundancy().record_values(rows)[3].tolist() == [1, 0, 1]  # those without words are left out
    assert Redundancy().score(Batch({"contexts": []})).values.shape == (0, 4)


def test_reasons_and_evidence_name_the_pairs():
    rows = Redundancy().score(Batch({"contexts": [[TEXTS[0], TEXTS[1], TEXTS[0], f"{TEXTS[1]} Yes."], TEXTS[:2]]}))
    assert rows.reasons == {0: "3 repeats 1, 4 repeats 2", 1: "no two passages have anything in common"}
    assert rows.evidence[0] == {
        "similarity": "overlap",
        "threshold": 0.8,
        "pairs": [{"rank": 3, "like": 1, "likeness": 1.0}, {"rank": 4, "like": 2, "likeness": 1.0}],
    }
    json.dumps(rows.evidence)
    half = " ".join(TEXTS[0].split()[:9]) + " and that is all there is to say about it today, thank you."
    (reason,) = Redundancy().score(Batch({"contexts": [[TEXTS[0], half]]})).reasons.values()
    assert reason.startswith("most alike are 1 and 2, at 0.")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Redundancy(k=1), "k must be at least 2"),
        (lambda: Redundancy(threshold=2), "threshold must be above 0 and at most 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_in_a_suite_it_is_the_mean_over_records(project):
    suite(project, [{"contexts": [TEXTS[0], TEXTS[0]]}, {"contexts": TEXTS[:2]}, {"contexts": TEXTS[:1]}], "redundancy")
    run = evalkit.run("suite.yaml")
    value = run["redundancy"]
    assert (value.mean, value.n, value.skipped, value.higher_is_better) == (1 / 2, 2, 1, False)
    assert run["redundancy.diversity"].higher_is_better is True


def test_many_records_take_seconds():
    rng = np.random.default_rng(3)
    vocabulary = np.array([f"word{at}" for at in range(5_000)])
    lists = [[" ".join(vocabulary[rng.integers(0, 5_000, 60)]) for _ in range(10)] for _ in range(1_000)]
    begun = time.perf_counter()
    Redundancy().score(Batch({"contexts": lists}))
    assert time.perf_counter() - begun < 8  # about 0.5 s on two busy cores
