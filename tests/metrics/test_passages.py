"""Rank metrics over texts: equal to those over ids where texts are as good as ids, and what counts where they are not."""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

import evalkit
from evalkit.core.batch import Batch
from evalkit.core.contracts import DataFacts, Metric, ModelMetric
from evalkit.core.described import described
from evalkit.core.errors import SpecError
from evalkit.core.signature import fingerprint
from evalkit.metrics.passages import normal
from evalkit.metrics.retrieval import AveragePrecision, HitRate, Ndcg, PrecisionAtK, RecallAtK, ReciprocalRank
from tests.conftest import write_jsonl

CUTS = (1, 2, 3, 5)
CLASSES = [PrecisionAtK, RecallAtK, HitRate, ReciprocalRank, AveragePrecision, Ndcg]
TEXTS = [
    "A server that is busy answers 503 and may say when to come back.",
    "The field Retry-After holds seconds, or a date of the calendar.",
    "Clients follow a redirect by asking the address in Location.",
    "Caches keep what they were given for as long as max-age allows.",
    "An entity tag names one version of a resource, byte by byte.",
    "Ranges let a client fetch the rest of a download that broke off.",
    "Cookies travel with every request to the host that set them.",
    "Upgrade turns a connection into one of another protocol.",
]


def values(cls, columns: dict, **options) -> list[list[float]]:
    metric = cls(k=CUTS, **options)
    return metric.record_values(metric.score(Batch(columns))).tolist()


def texts(contexts: list, references: list, cls=AveragePrecision, **options) -> list[float]:
    """Of one record."""
    return values(cls, {"contexts": [contexts], "reference_contexts": [references]}, **{"match": "exact", **options})[0]


# --- texts as good as ids --------------------------------------------------------------------------------------------

places = st.lists(st.integers(0, len(TEXTS) - 1), unique=True, max_size=len(TEXTS))
queries = st.lists(st.tuples(places, places), min_size=1, max_size=5)


@pytest.mark.parametrize("match", ["exact", "normalised", "overlap"])
@settings(max_examples=60, deadline=None)
@given(queries)
def test_different_texts_score_as_ids_do_and_as_pytrec_eval(match, found):
    by_ids = {
        "retrieved_ids": [[str(place) for place in one] for one, _ in found],
        "relevant_ids": [[str(place) for place in other] for _, other in found],
    }
    by_texts = {
        "contexts": [[TEXTS[place] for place in one] for one, _ in found],
        "reference_contexts": [[TEXTS[place] for place in other] for _, other in found],
    }
    for cls in CLASSES:
        np.testing.assert_array_equal(values(cls, by_texts, match=match), values(cls, by_ids))
    judged = {str(at): one for at, one in enumerate(found) if all(one)}
    if not judged:
        return
    qrels = {name: {str(place): 1 for place in relevant} for name, (_, relevant) in judged.items()}
    runs = {name: {str(place): -float(rank) for rank, place in enumerate(one)} for name, (one, _) in judged.items()}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"map", "ndcg", "recip_rank", "P.3", "recall.3"}).evaluate(runs)
    for cls, part, name in [
        (AveragePrecision, 0, "map"), (Ndcg, 0, "ndcg"), (ReciprocalRank, 0, "recip_rank"),
        (PrecisionAtK, 2, "P_3"), (RecallAtK, 2, "recall_3"),
    ]:  # fmt: skip
        ours = values(cls, by_texts, match=match)
        for at, told in theirs.items():
            assert ours[int(at)][part] == pytest.approx(told[name], abs=1e-12)


# --- what counts where several are one -------------------------------------------------------------------------------


def test_a_second_chunk_of_a_passage_is_relevant_and_finds_nothing_new():
    a, b, other = TEXTS[0], TEXTS[1], TEXTS[2]
    contexts = [f"{a} Besides, it rains.", other, a, b]  # a, nothing, a again, b
    assert texts(contexts, [a, b], PrecisionAtK, match="overlap") == [1, 1 / 2, 2 / 3, 3 / 5]
    assert texts(contexts, [a, b], RecallAtK, match="overlap") == [1 / 2, 1 / 2, 1 / 2, 1]
    assert texts(contexts, [a, b], match="overlap")[0] == pytest.approx((1 / 1 + 2 / 4) / 2)
    ideal = 1 + 1 / math.log2(3)
    assert texts(contexts, [a, b], Ndcg, match="overlap")[0] == pytest.approx((1 + 1 / math.log2(5)) / ideal)
    assert texts(contexts, [a, b], ReciprocalRank, match="overlap")[0] == 1


def test_a_passage_that_was_retrieved_twice_is_relevant_twice_and_found_once():
    a, b = TEXTS[:2]
    assert texts([a, a], [a, b], PrecisionAtK)[:2] == [1, 1]
    assert texts([a, a], [a, b], RecallAtK)[:2] == [1 / 2, 1 / 2]
    assert texts([a, a, b], [a, b])[0] == pytest.approx((1 + 2 / 3) / 2)


def test_a_passage_that_holds_two_references_finds_both_and_they_stand_one_behind_the_other():
    a, b, c = TEXTS[:3]
    both = f"{a} {b}"
    assert texts([both], [a, b], match="overlap")[0] == 1
    assert texts([both], [a, b], Ndcg, match="overlap")[0] == 1
    assert texts([both], [a, b], RecallAtK, match="overlap")[0] == 1  # at rank 1
    assert texts([both], [a, b], PrecisionAtK, match="overlap")[:2] == [1, 1 / 2]
    # at places 2, 3 and 4: the rank of c is 3, and the place is taken
    assert texts([TEXTS[5], both, c], [a, b, c], match="overlap")[0] == pytest.approx((1 / 2 + 2 / 3 + 3 / 4) / 3)


chunks = st.lists(st.sampled_from("abc"), min_size=1, max_size=12).map(
    lambda letters: " ".join(f"{one}{one}" for one in letters)
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.lists(chunks, max_size=6), st.lists(chunks, max_size=5)), min_size=1, max_size=4))
def test_no_value_leaves_its_range_however_passages_lie_in_each_other(found):
    columns = {"contexts": [one for one, _ in found], "reference_contexts": [other for _, other in found]}
    for cls in CLASSES:
        told = np.array(values(cls, columns, match="overlap"))
        scored = ~np.isnan(told)
        assert ((told[scored] >= 0) & (told[scored] <= 1 + 1e-12)).all()
        assert (scored.all(axis=1) | ~scored.any(axis=1)).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(chunks, min_size=1, max_size=6), st.lists(chunks, min_size=1, max_size=5))
def test_overlap_is_what_plain_sets_of_three_words_say(contexts, references):
    def runs(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        return {tuple(words[at : at + 3]) for at in range(max(len(words) - 2, 1))}

    different = list(dict.fromkeys(references))
    like = [[len(runs(one) & runs(each)) / min(len(runs(one)), len(runs(each))) for each in different] for one in contexts]
    expected = [any(value >= 0.4 - 1e-12 for value in row) for row in like]
    (precision,) = values(PrecisionAtK, {"contexts": [contexts], "reference_contexts": [references]}, match="overlap")
    assert precision[-1] == pytest.approx(sum(expected[:5]) / 5)
    (recall,) = values(RecallAtK, {"contexts": [contexts], "reference_contexts": [references]}, match="overlap")
    found = [any(row[at] >= 0.4 - 1e-12 for row in like[:5]) for at in range(len(different))]
    assert recall[-1] == pytest.approx(sum(found) / len(different))


# --- ways of matching ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Server answers.", "the server   answers"),
        ("fine print", "\ufb01ne print"),  # a ligature
        ("STRASSE", "straße"),
        ("cafe\u0301 au lait", "café au lait"),
        ("snake_case", "snake case"),
        ("…", "..."),  # NFKC makes one of the other
    ],
)
def test_normalised_texts_match_whatever_their_case_marks_and_spaces(one, other):
    assert normal(one) == normal(other)
    assert texts([one], [other], match="normalised")[0] == 1
    assert texts([one], [other], match="exact")[0] == 0


def test_normalised_texts_with_other_words_do_not_match():
    assert texts(["the server answers 503"], ["the server answers 502"], match="normalised")[0] == 0
    assert texts(["!"], ["?"], match="normalised")[0] == 0


def test_half_a_passage_matches_by_overlap_and_one_about_the_same_does_not():
    whole = "When a server is busy it answers 503 and says in Retry-After how many seconds a client should wait."
    words = whole.split()
    halves = [" ".join(words[:9]), " ".join(words[9:])]
    straddling = f"{halves[1]} Another matter are redirects, which a client follows by asking the address in Location."
    same_topic = "A client that met 503 should wait for as many seconds as the server says in its Retry-After."
    for chunk in (*halves, straddling, f"Before. {whole} After."):
        assert texts([chunk], [whole], match="overlap")[0] == 1, chunk
    assert texts([same_topic], [whole], match="overlap")[0] == 0
    assert texts([straddling], [whole], match="overlap", threshold=0.9)[0] == 0


def test_scripts_without_spaces_overlap_too():
    assert texts(["服务器很忙的时候会回答五零三"], ["今天服务器很忙的时候会回答五零三，请稍后再试"], match="overlap")[0] == 1
    assert texts(["天气很好我们去公园散步吧"], ["今天服务器很忙的时候会回答五零三，请稍后再试"], match="overlap")[0] == 0


@dataclass
class Directions:
    """A vector by the first word of a text."""

    vectors: dict[str, tuple[float, ...]]
    identity: str = "directions"
    can: frozenset = frozenset({"embed"})
    attempts: int = 1

    async def embed(self, text: str) -> np.ndarray:
        return np.array(self.vectors[text.split()[0]], dtype=np.float32)


def test_texts_match_by_the_cosine_of_their_vectors():
    backend = Directions({"dog": (1.0, 0.0), "hound": (0.9, 0.3), "cat": (0.0, 1.0), "none": (0.0, 0.0)})
    given = {
        "contexts": [["cat 1", "hound", "dog"], ["cat 2"], ["none"], []],
        "reference_contexts": [["dog 2"], ["dog"], ["dog"], ["cat"]],
    }
    scores = evalkit.score("mrr", [""] * 4, match="embedding", backend=backend, **given)
    assert scores["mrr"].tolist() == pytest.approx([1 / 2, 0, math.nan, 0], nan_ok=True)
    assert scores.errors == {2: "a passage's vector has no direction"}
    assert scores.rows.evidence[0]["matches"][0] == {"rank": 2, "reference": 1, "likeness": pytest.approx(0.9487, abs=1e-4)}
    assert scores.rows.evidence[1]["missed"] == [{"reference": 1}]
    strict = evalkit.score("mrr", [""] * 4, match="embedding", threshold=0.97, backend=backend, **given)
    assert strict["mrr"][0] == pytest.approx(1 / 3)


@pytest.mark.parametrize("cls", CLASSES)
def test_with_embedding_it_is_a_metric_that_asks_a_model_and_else_one_that_does_not(cls):
    plainly, asking = cls(match="overlap"), cls(match="embedding", k=(3,))
    assert isinstance(plainly, Metric)
    assert not isinstance(plainly, ModelMetric)
    assert isinstance(asking, ModelMetric)
    assert asking.wants_of() == {"embed"}
    assert (asking.name, asking.parts, asking.main) == (cls.name, cls(k=(3,)).parts, cls(k=(3,)).main)
    assert asking.interval_of(asking.main) == plainly.interval_of(plainly.main)
    assert described(asking)["options"]["match"] == "embedding"
    assert "match:embedding|threshold:0.8" in asking.signature(DataFacts())
    assert pickle.loads(pickle.dumps(plainly)) == plainly
    assert pickle.loads(pickle.dumps(asking)) == asking


def test_fingerprints_tell_metrics_and_ways_apart():
    made = [cls(match=match) for cls in CLASSES for match in ("ids", "exact", "normalised", "overlap", "embedding")]
    assert len({fingerprint(metric) for metric in made}) == len(made)
    assert fingerprint(Ndcg(match="overlap")) == fingerprint(Ndcg(match="overlap", threshold=0.4))
    assert fingerprint(Ndcg()) == fingerprint(Ndcg(match="ids"))


# --- edges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("match", ["exact", "normalised", "overlap"])
@pytest.mark.parametrize("cls", CLASSES)
def test_edges(cls, match):
    a, b = TEXTS[:2]
    rows = cls(match=match).score(
        Batch(
            {
                "contexts": [[], [a], [a], None, [a], ["", "  ", a], [a]],
                "reference_contexts": [[a], [], ["", " "], [a], None, [a, "", a], [b]],
            }
        )
    )
    assert rows.errors == {3: "no contexts", 4: "no reference_contexts"}
    assert set(rows.skipped) == {1, 2}
    assert "nothing is known to be relevant" in rows.skipped[1]
    assert not rows.values[[0, 6], :-1].any()  # nothing retrieved, and nothing relevant retrieved: 0
    assert rows.values[5, -1] == 1
    own = cls(match=match).score(Batch({"contexts": [["x y z", "x y z", a]], "reference_contexts": [[a]]}))
    assert rows.values[5].tolist() == own.values[0].tolist()  # blank passages keep their ranks
    assert rows.reasons[5] == "1 of 1 reference passages found among 3, the first at rank 3"
    assert rows.reasons[0] == "0 of 1 reference passages found among 0; not found: 1"


def test_evidence_says_which_passage_is_which_and_what_came_closest():
    a, b, c = TEXTS[:3]
    near = " ".join([*b.split()[:4], "and", "then", "something", "else", "that", "nobody", "wrote"])
    rows = RecallAtK(match="overlap").score(Batch({"contexts": [[c, a, near]], "reference_contexts": [["", a, b]]}))
    assert rows.evidence[0] == {
        "match": "overlap",
        "threshold": 0.4,
        "matches": [{"rank": 2, "reference": 2, "likeness": 1.0}],  # as they are numbered in the record
        "missed": [{"reference": 3, "closest_rank": 3, "likeness": pytest.approx(2 / 8, abs=0.06)}],
    }
    assert rows.reasons[0] == "1 of 2 reference passages found among 3, the first at rank 2; not found: 3"
    json.dumps(rows.evidence)


def test_an_empty_batch_has_no_rows():
    for match in ("exact", "overlap"):
        rows = Ndcg(match=match).score(Batch({"contexts": [], "reference_contexts": []}))
        assert rows.values.shape == (0, 4)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Ndcg(match="exact", threshold=0.5), "threshold belongs to `match: overlap` and `match: embedding`"),
        (lambda: Ndcg(match="overlap", threshold=1.5), r"threshold must be above 0 and at most 1, not 1\.5"),
        (lambda: Ndcg(match="embedding", threshold=0), "threshold must be above 0 and at most 1, not 0"),
        (lambda: PrecisionAtK(match="overlap", level=2), "texts have the grade 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


# --- in suites -------------------------------------------------------------------------------------------------------

BOTH = {
    "retrieved_ids": ["p1", "p2"], "relevant_ids": ["p2"], "contexts": [TEXTS[0], TEXTS[1]], "reference_contexts": [TEXTS[0]],
}  # fmt: skip


def suite(project, records, *metrics: str, more: str = "") -> None:
    write_jsonl(project / "data.jsonl", records)
    listed = "\n".join(f"  - {one}" for one in metrics)
    (project / "suite.yaml").write_text(f"dataset: data.jsonl\nmetrics:\n{listed}\n{more}")


def test_a_suite_takes_ids_where_the_data_has_them_and_else_texts(project):
    suite(project, [BOTH], "mrr", "{use: mrr, as: texts, match: exact}")
    run = evalkit.run("suite.yaml")
    assert (run["mrr"].mean, run["texts"].mean) == (1 / 2, 1)
    assert "match" not in run["mrr"].signature
    suite(project, [{name: value for name, value in BOTH.items() if "contexts" in name}], "mrr", "ndcg")
    run = evalkit.run("suite.yaml")
    assert run["mrr"].mean == 1
    assert "match:overlap|threshold:0.4" in run["mrr"].signature
    assert evalkit.score("mrr", [""], contexts=[BOTH["contexts"]], reference_contexts=[[TEXTS[1]]])["mrr"].tolist() == [1 / 2]


def test_a_level_that_texts_do_not_have_is_told_where_there_are_no_ids(project, cli):
    suite(project, [{name: value for name, value in BOTH.items() if "contexts" in name}], "{use: mrr, level: 2}")
    assert "mrr: level is 2, and texts have the grade 1" in cli("check", "suite.yaml").stderr
    with pytest.raises(SpecError, match="mrr: level is 2, and texts have the grade 1"):
        evalkit.run("suite.yaml")
    suite(project, [BOTH], "{use: mrr, level: 2}")
    assert evalkit.run("suite.yaml")["mrr"].mean == 0  # a list of ids has the grade 1 too, as trec_eval has it


def test_data_with_neither_ids_nor_texts_is_told_what_would_do(project):
    suite(project, [{"output": "x", "contexts": ["a"], "retrieved_ids": ["p1"]}], "mrr", "ndcg")
    with pytest.raises(SpecError) as told:
        evalkit.run("suite.yaml")
    said = str(told.value)
    assert 'no record has the column "relevant_ids", which mrr and ndcg needs' in said
    assert '"contexts" and "reference_contexts" would do as well' in said
    suite(project, [{"output": "x", "retrieved_ids": ["p1"]}], "{use: mrr, match: overlap}")
    with pytest.raises(SpecError, match='no record has the column "contexts", which mrr needs'):
        evalkit.run("suite.yaml")
    with pytest.raises(SpecError, match="give retrieved_ids=…, relevant_ids=…, or contexts=… and reference_contexts=…"):
        evalkit.score("mrr", ["x"])


def test_a_suite_names_the_backend_that_embeds_and_no_other(project):
    suite(project, [BOTH], "{use: mrr, match: embedding}")
    with pytest.raises(SpecError, match="mrr asks a model, and the suite declares none"):
        evalkit.run("suite.yaml")
    suite(project, [BOTH], "{use: mrr, match: embedding}", more="backends: {local: {kind: scripted}}\n")
    with pytest.raises(SpecError, match="cannot give a text a vector"):
        evalkit.run("suite.yaml")
    suite(project, [BOTH], "{use: mrr, match: exact, backend: x}")
    with pytest.raises(SpecError, match="mrr asks no model with these options"):
        evalkit.run("suite.yaml")
