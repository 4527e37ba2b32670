"""Retrieval as a judge sees it, relevancy, abstention: worked by hand over verdicts that are laid down."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import evalkit
from evalkit.judges.context_precision import average_precision
from evalkit.text.abstaining import abstaining, only_abstaining
from tests.judges.reading import Laid

P1, P2, P3 = "The bridge opened in 1931. It is red.", "Ferries run daily.", "Ott built it in 1931."


def value(scores: Any, part: str) -> float:
    return float(scores[part][0])


# --- context precision -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("useful", "wanted"),
    [([P1, P3], (1 / 1 + 2 / 3) / 2), ([P3], 1 / 3), ([P1, P2, P3], 1.0), ([], 0.0)],
)
def test_context_precision_is_average_precision_of_what_was_useful(useful: list[str], wanted: float) -> None:
    laid = Laid(useful=useful)
    scores = evalkit.score("context_precision", ["…"], ["1931"], backend=laid, inputs=["When?"], contexts=[[P1, P2, P3]])
    assert value(scores, "context_precision") == pytest.approx(wanted)
    assert value(scores, "context_precision.useful") == pytest.approx(len(useful) / 3)
    assert [one["useful"] for one in scores.rows.evidence[0]["passages"]] == [P1 in useful, P2 in useful, P3 in useful]
    assert laid.asked == {"useful": 1}


def test_without_a_reference_the_output_is_what_passages_are_useful_for() -> None:
    laid = Laid(useful=[P1])
    scores = evalkit.score("context_precision", ["In 1931."], backend=laid, inputs=["When?"], contexts=[[P1]], against="output")
    assert value(scores, "context_precision") == 1.0
    assert "In 1931." in laid.prompts[0]


def test_nothing_retrieved_leaves_nothing_to_judge() -> None:
    scores = evalkit.score("context_precision", ["…"], ["1931"], backend=Laid(), inputs=["When?"], contexts=[[]])
    assert scores.rows.skipped == {0: "there are no contexts to judge"}
    scores = evalkit.score("context_relevancy", ["…"], backend=Laid(), inputs=["When?"], contexts=[[]])
    assert scores.rows.skipped == {0: "there are no contexts to judge"}


def test_average_precision_equals_the_one_of_ranks() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        flags = (rng.random(6) < 0.4).tolist()
        ids = [str(at) for at in range(6)]
        relevant = [name for name, one in zip(ids, flags) if one]
        if relevant:
            scores = evalkit.score("map", ["…"], retrieved_ids=[ids], relevant_ids=[relevant])
            assert average_precision(flags) == pytest.approx(float(scores["map"][0]))


# --- relevancy ---------------------------------------------------------------------------------------------------------


def test_context_relevancy_is_the_share_of_relevant_sentences_over_all_passages() -> None:
    laid = Laid(relevant=["The bridge opened in 1931.", "Ott built it in 1931."])
    scores = evalkit.score("context_relevancy", ["…"], backend=laid, inputs=["When?"], contexts=[[P1, P2, P3]])
    assert value(scores, "context_relevancy") == 0.5
    notes = scores.rows.evidence[0]["sentences"]
    assert [(one["passage"], one["relevant"]) for one in notes] == [(1, True), (1, False), (2, False), (3, True)]


def test_answer_relevancy_by_sentences() -> None:
    laid = Laid(relevant=["In 1931."])
    options = {"variant": "sentences", "inputs": ["When?"]}
    assert value(evalkit.score("answer_relevancy", ["In 1931. I like it."], backend=laid, **options), "answer_relevancy") == 0.5
    empty = evalkit.score("answer_relevancy", [" "], backend=laid, **options)
    assert empty.rows.skipped == {0: "the output is empty: nothing to judge"}


@pytest.mark.parametrize(("noncommittal", "wanted"), [(False, 0.6), (True, 0.0)])
def test_answer_relevancy_by_questions_is_their_cosine_unless_the_answer_commits_to_nothing(
    noncommittal: bool, wanted: float
) -> None:
    laid = Laid(drawn=("When was it?", noncommittal), vectors={"When?": [1, 0], "When was it?": [0.6, 0.8]})
    scores = evalkit.score("answer_relevancy", ["In 1931."], backend=laid, inputs=["When?"])
    assert value(scores, "answer_relevancy") == pytest.approx(wanted)
    assert value(scores, "answer_relevancy.noncommittal") == float(noncommittal)
    assert laid.asked["question"] == 3


def test_a_draw_without_any_question_is_an_error() -> None:
    scores = evalkit.score("answer_relevancy", ["Hm."], backend=Laid(drawn=("", False)), inputs=["When?"])
    assert scores.rows.errors == {0: "no draw holds a question"}


# --- abstention --------------------------------------------------------------------------------------------------------

SAID = ["I don't know.", "In 1931.", "The passages do not say.", "In 1932.", "", "It is red."]
COULD = [False, True, True, False, False, True]


def test_abstention_by_its_table() -> None:
    scores = evalkit.score("abstention", SAID, answerable=COULD)
    tp, fp, fn, tn = 2, 1, 1, 2
    assert scores.corpus["abstention.precision"] == pytest.approx(tp / (tp + fp))
    assert scores.corpus["abstention.recall"] == pytest.approx(tp / (tp + fn))
    assert scores.corpus["abstention.f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert scores.corpus["abstention.accuracy"] == pytest.approx((tp + tn) / 6)
    assert scores.corpus["abstention.false_abstention"] == pytest.approx(fp / (fp + tn))
    assert scores.corpus["abstention.missed"] == pytest.approx(fn / (tp + fn))
    assert scores.rows.reasons[2] == "abstained, but the contexts hold the answer: “The passages do not say”"
    assert scores.rows.reasons[3] == "answered, but the contexts lack the answer"


def test_where_nobody_abstained_there_is_no_precision() -> None:
    scores = evalkit.score("abstention", ["In 1931."], answerable=[True])
    assert math.isnan(scores.corpus["abstention.precision"])
    assert scores.corpus["abstention.accuracy"] == 1.0


def test_a_record_that_does_not_say_whether_it_is_answerable_is_an_error() -> None:
    assert evalkit.score("abstention", ["In 1931."], answerable=[None]).rows.errors == {0: "no answerable"}


def test_a_judge_says_whether_it_abstained_and_whether_it_had_to() -> None:
    laid = Laid(verdict="no")
    options: dict[str, Any] = {"variant": "judge", "answerable": "judge"}
    scores = evalkit.score(
        "abstention", ["In 1931.", "Red."], backend=laid, inputs=["When?"] * 2, contexts=[[P1], []], **options
    )
    assert scores.rows.values.tolist() == [[0, 0, 1, 0], [0, 0, 1, 0]]  # answered, though nothing holds the answer
    assert laid.asked == {"verdict": 3}  # without contexts nobody need be asked
    assert scores.rows.evidence[1]["answerable_because"] == "there are no contexts"


@pytest.mark.parametrize(
    "text",
    [
        "I don't know.",
        "I do not know the answer to that.",
        "I'm not sure about this one.",
        "Sorry, I cannot answer that from what I have.",
        "The passage does not say.",
        "The passages don’t mention how large the limit is.",
        "The given context doesn't provide this.",
        "That is not mentioned in the text.",
        "This isn't stated in any of the documents.",
        "There is not enough information to answer.",
        "No information is given about the year.",
        "Unknown",
        "Not stated.",
        "N/A",
        "It cannot be determined.",
        "I have no idea.",
        "Information not available.",
        "Keine Ahnung.",
        "Das weiß ich leider nicht.",
        "Das geht aus dem Text nicht hervor.",
        "Der Kontext enthält dazu keine Angaben.",
        "Je ne sais pas.",
        "Le texte ne le précise pas.",
        "No lo sé.",
        "El texto no menciona la fecha.",
        "Non lo so.",
        "Não sei.",
    ],
)
def test_words_of_not_knowing(text: str) -> None:
    assert abstaining([text])[0][0]


@pytest.mark.parametrize(
    "text",
    [
        "In 1931.",
        "The server must not send a body.",
        "No.",
        "It is not known as the Old Bridge but as Ottbridge.",
        "You do not need to know the year.",
        "The text says 1931.",
        "404 Not Found",
        "The field is unknown to older clients, which ignore it.",
        "HEAD does not return content.",
        "Das ist der Text, den der Server sendet.",
        "Solo en 1931.",
        "If the port is not specified, 80 is used.",
        "Though not stated in every text, Ott was shot in 1932.",
        "A 204 response has no additional data.",
        "Das Dokument wird nicht verändert.",
        "404 means that the document was not found.",
    ],
)
def test_words_of_knowing(text: str) -> None:
    found, words = abstaining([text])
    assert not found[0], words


@pytest.mark.parametrize(
    ("sentence", "only"),
    [
        ("The passages do not say who built it.", True),
        ("No, the passage does not say.", True),
        ("I don't know.", True),
        ("The text does not mention the year, but Ott was shot in 1932.", False),
        ("Though it is not stated in the text, Ott was shot in 1932.", False),
        ("If it is not mentioned in the text the default is 80.", False),
        ("It opened in 1931.", False),
    ],
)
def test_a_sentence_that_says_more_than_that_it_does_not_know_is_a_claim(sentence: str, only: bool) -> None:
    assert only_abstaining(sentence) is only


def test_hostile_text_takes_no_longer_than_its_beginning() -> None:
    import time

    texts = [part * 200_000 for part in ("not ", "the text is not ", "nicht dem Text ", "I ", "no information ", " " * 3)]
    start = time.perf_counter()
    abstaining(texts)
    assert time.perf_counter() - start < 2.0
