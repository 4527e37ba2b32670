"""Summaries: alignment and coverage by hand, questions of a source asked once for all its summaries, QA consistency."""

from __future__ import annotations

import math
from typing import Any

import pytest

import evalkit
from evalkit.judges.qa_consistency import token_f1
from evalkit.judges.summarization import coverage
from tests.judges.reading import Laid

SOURCE = "The bridge opened in 1931. It is 300 m long. Ott built it."
SHORT, LONG = "It opened in 1931.", "It opened in 1931, is 500 m long and was built by Ott."
OPENED, TALL, OTT = "The bridge opened in 1931.", "The bridge is 500 m long.", "Ott built the bridge."
ASKED = ["Did it open in 1931?", "Is it 300 m long?", "Did Ott build it?", "Is it red?"]
LAID: dict[str, Any] = {
    "claims": {SHORT: [OPENED], LONG: [OPENED, TALL, OTT], "Hello!": []},
    "says": {SOURCE: [OPENED, OTT]},
    "denies": {SOURCE: [TALL]},
    "questions": ASKED,
    "answers": {
        **{(SOURCE, one): told for one, told in zip(ASKED, ("yes", "yes", "yes", "unknown"))},
        **{(SHORT, one): told for one, told in zip(ASKED, ("yes", "unknown", "unknown", "yes"))},
        **{(LONG, one): told for one, told in zip(ASKED, ("yes", "no", "yes", "no"))},
        **{("Hello!", one): "unknown" for one in ASKED},
    },
}


def test_a_summary_is_as_good_as_the_lower_of_alignment_and_coverage() -> None:
    laid = Laid(**LAID)
    scores = evalkit.score("summarization", [SHORT, LONG], backend=laid, inputs=[SOURCE, SOURCE])
    assert scores["summarization.alignment"].tolist() == pytest.approx([1.0, 2 / 3])
    assert scores["summarization.coverage"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert scores["summarization"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert scores.rows.reasons[1].startswith(f"2 of 3 claims supported; not “{TALL}” (contradicted by the source); 2 of 3 ques")
    assert scores.rows.evidence[0]["questions"][1] == {"question": ASKED[1], "source": "yes", "summary": "unknown"}


def test_what_is_asked_about_the_source_is_asked_once_for_all_of_its_summaries(run_with: Any) -> None:
    laid = Laid(**LAID)
    run_with([{"id": text, "input": SOURCE, "output": text} for text in (SHORT, LONG)], [{"use": "summarization"}], laid)
    assert laid.asked == {"claims": 2, "support": 2, "questions": 1, "answers": 3}


def test_a_summary_that_claims_nothing_has_no_alignment_and_a_source_without_a_yes_no_coverage() -> None:
    scores = evalkit.score("summarization", ["Hello!"], backend=Laid(**LAID), inputs=[SOURCE])
    assert math.isnan(scores["summarization.alignment"][0])
    assert scores["summarization.coverage"][0] == 0.0
    assert math.isnan(scores["summarization"][0])
    assert math.isnan(coverage(["no", "unknown"], ["yes", "yes"]))
    assert coverage(["yes"], ["no"]) == 0.0


@pytest.mark.parametrize(("output", "source"), [("", SOURCE), (SHORT, " ")])
def test_nothing_to_judge_is_skipped(output: str, source: str) -> None:
    for name in ("summarization", "qa_consistency"):
        scores = evalkit.score(name, [output], backend=Laid(**LAID), inputs=[source])
        assert list(scores.rows.skipped) == [0]


def test_questions_of_your_own() -> None:
    laid = Laid(**LAID)
    scores = evalkit.score("summarization", [SHORT], backend=laid, inputs=[SOURCE], questions=[ASKED[0]])
    assert scores["summarization.coverage"][0] == 1.0
    assert laid.asked["questions"] == 0


def test_qa_consistency_compares_the_answers_of_both_texts() -> None:
    pairs = [("When did it open?", "in 1931"), ("How long is it?", "500 m"), ("Who built it?", "Ott")]
    answers = {(SOURCE, question): told for (question, _), told in zip(pairs, ("1931", "300 m", ""))}
    scores = evalkit.score("qa_consistency", [LONG], backend=Laid(pairs=pairs, answers=answers), inputs=[SOURCE])
    assert scores["qa_consistency"][0] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert scores["qa_consistency.answered"][0] == pytest.approx(2 / 3)
    assert scores.rows.evidence[0]["questions"][1] == {
        "question": "How long is it?",
        "summary": "500 m",
        "source": "300 m",
        "f1": 0.5,
    }


def test_a_summary_without_a_question_is_skipped() -> None:
    scores = evalkit.score("qa_consistency", [LONG], backend=Laid(pairs=[("", "")]), inputs=[SOURCE])
    assert scores.rows.skipped == {0: "the output gives rise to no question"}


def test_token_f1_of_nothing_is_zero() -> None:
    assert token_f1("the", "the") == 0.0  # articles are no tokens
    assert token_f1("The 300 m.", "300 m") == 1.0
