"""G-Eval over a backend whose replies and token probabilities are known."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

import evalkit
from evalkit.core.asking import Capability, Reply, Request, Token
from evalkit.core.content import content_root
from evalkit.core.errors import BackendError, SpecError
from evalkit.judges.geval import GEval
from evalkit.specs.rubric import read_rubric

RUBRIC = {"name": "c", "criteria": "Is it consistent?", "steps": ["Read.", "Score."]}


@dataclass
class Known:
    """Says what a function of the request says; tokens are single characters, digits with the alternatives given."""

    say: Any
    alternatives: dict[str, float] = field(default_factory=dict)
    can: frozenset[Capability] = frozenset({"chat", "logprobs"})
    identity: str = "known"
    model: str = "known"
    attempts: int = 3
    asked: list[Request] = field(default_factory=list)

    async def complete(self, request: Request) -> Reply:
        self.asked.append(request)
        text = self.say(request)
        tokens = tuple(self._token(sign) for sign in text) if request.logprobs else ()
        return Reply(text, tokens, prompt_tokens=10, completion_tokens=len(text))

    def _token(self, sign: str) -> Token:
        if not sign.isdigit() or not self.alternatives:
            return Token(sign, 0.0, ((sign, 0.0),))
        own = 1 - sum(self.alternatives.values())
        top = {sign: own, **self.alternatives}
        return Token(sign, math.log(own), tuple((text, math.log(p)) for text, p in top.items()))


def told(score: int, reason: str = "because") -> Any:
    return lambda _: json.dumps({"score": score, "reason": reason})


def test_the_logprob_mode_takes_the_expected_score_and_keeps_mass_and_reason():
    backend = Known(told(4), {"5": 0.25, "x": 0.25})
    scores = evalkit.score("geval", ["an answer"], inputs=["a question"], backend=backend, rubric=RUBRIC)
    assert scores["geval"][0] == pytest.approx((4 * 0.5 + 5 * 0.25) / 0.75)
    assert scores["geval.normalized"][0] == pytest.approx((scores["geval"][0] - 1) / 4)
    assert scores["geval.mass"][0] == pytest.approx(0.75)
    assert scores.reasons == {0: "because"}
    assert scores.rows.evidence[0]["probabilities"] == {"4": 0.5, "5": 0.25}
    assert len(backend.asked) == 1


def test_without_log_probabilities_the_mode_is_sampled_and_draws_are_calls():
    backend = Known(lambda request: json.dumps({"score": 1 + request.repeat, "reason": "r"}), can=frozenset({"chat"}))
    scores = evalkit.score("geval", ["an answer"], inputs=["q"], backend=backend, rubric=RUBRIC, samples=5)
    assert scores["geval"][0] == 3
    assert sorted(request.repeat for request in backend.asked) == [0, 1, 2, 3, 4]
    assert all(request.temperature == 1 for request in backend.asked)
    assert scores.rows.evidence[0] == {"scores": [1, 2, 3, 4, 5]}


def test_a_bare_score_costs_one_constrained_reply():
    backend = Known(lambda _: "2")
    scores = evalkit.score("geval", ["x"], inputs=["q"], backend=backend, rubric=RUBRIC, reason="none", mode="single")
    assert scores["geval"][0] == 2
    assert backend.asked[0].choices == ("1", "2", "3", "4", "5")
    assert backend.asked[0].schema is None
    assert backend.asked[0].max_tokens == 8


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("I'd give it a 4 out of 5.", "not JSON"),
        ('{"score": 9, "reason": "r"}', "does not fit its schema"),
        ('{"score": "4", "reason": "r"}', "does not fit its schema"),
        ('{"score": 4.5, "reason": "r"}', "does not fit its schema"),
        ('{"reason": "r"}', "does not fit its schema"),
        ('{"score": 4, "reason": "r", "score": 5}', "2 scores"),
        ('{"score": 4, "reason": "r"} or 5', "not JSON"),
        ("", "not JSON"),
    ],
)
def test_a_reply_without_one_score_of_the_scale_is_asked_again_then_an_error(reply, why):
    backend = Known(lambda _: reply)
    scores = evalkit.score("geval", ["an answer"], inputs=["q"], backend=backend, rubric=RUBRIC, mode="single")
    assert math.isnan(scores["geval"][0])
    assert why in scores.errors[0]
    assert len(backend.asked) == 3
    assert backend.asked[0].temperature == 0 < backend.asked[1].temperature


def test_missing_log_probabilities_never_become_the_raw_score():
    backend = Known(lambda request: "4" if request.logprobs else "", can=frozenset({"chat"}))
    backend._token = lambda sign: None  # type: ignore[method-assign,assignment,return-value]

    async def silent(request: Request) -> Reply:
        return Reply('{"score": 4, "reason": "r"}')

    backend.complete = silent  # type: ignore[method-assign]
    scores = evalkit.score("geval", ["an answer"], inputs=["q"], backend=backend, rubric=RUBRIC, mode="logprob")
    assert "no log-probabilities" in scores.errors[0]
    assert math.isnan(scores["geval"][0])


def test_an_empty_answer_is_skipped_and_a_missing_one_an_error():
    backend = Known(told(3))
    scores = evalkit.score("geval", ["", None, " \n", "x"], inputs=["q"] * 4, backend=backend, rubric=RUBRIC, mode="single")
    assert set(scores.skipped) == {0, 2}
    assert scores.errors == {1: "no output"}
    assert scores["geval"][3] == 3
    assert len(backend.asked) == 1


def test_steps_are_written_once_and_locked_beside_the_rubric(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    path = tmp_path / "mine.yaml"
    path.write_text("criteria: Is it kind?\n")

    def say(request: Request) -> str:
        return (
            '{"steps": ["Read it.", "Feel it."]}'
            if "three to five" in request.messages[-1]["content"]
            else '{"score": 3, "reason": "r"}'
        )

    document = evalkit.core.content.Document.read(path)  # type: ignore[attr-defined]
    for _ in range(2):
        backend = Known(say)
        evalkit.score(GEval(document, mode="single"), ["x"], inputs=["q"], backend=backend)
        assert "2. Feel it." in backend.asked[-1].messages[0]["content"]
    assert len(backend.asked) == 1, "the second time they were read"
    locked = yaml.safe_load((tmp_path / "mine.steps.yaml").read_text())
    assert locked["steps"] == ["Read it.", "Feel it."]
    path.write_text("criteria: Is it very kind?\n")
    backend = Known(say)
    evalkit.score(GEval(evalkit.core.content.Document.read(path), mode="single"), ["x"], inputs=["q"], backend=backend)  # type: ignore[attr-defined]
    assert len(backend.asked) == 2, "the rubric changed, and its steps with it"


def test_records_that_share_an_input_share_the_beginning_of_their_prompts():
    backend = Known(told(3))
    evalkit.score("geval", ["first", "second"], inputs=["the document"] * 2, backend=backend, rubric=RUBRIC, mode="single")
    one, other = ("".join(message["content"] for message in request.messages) for request in backend.asked)
    shared = next(place for place, (a, b) in enumerate(zip(one, other)) if a != b)
    assert one.index("the document") < shared
    assert one[shared - 12 : shared].endswith("<<<OUTPUT ")


def test_every_shipped_rubric_is_complete():
    paths = sorted((content_root() / "rubrics").glob("*.yaml"))
    assert len(paths) >= 11
    for path in paths:
        rubric = read_rubric(evalkit.core.content.Document.read(path))  # type: ignore[attr-defined]
        assert rubric.name == path.stem
        assert rubric.steps
        assert len(rubric.levels) == len(rubric.scores), path


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("criteria: x\nscal: {min: 1}", r':2: .*no key "scal"; did you mean "scale"'),
        ("needs: [output]", "lacks `criteria`"),
        ("criteria: x\nscale: {min: 5, max: 1}", ":2: .*goes up from min to max"),
        ("criteria: x\nscale: {min: 1, max: 5, levels: {7: x}}", "no score 7"),
        ("criteria: x\nneeds: [input]", "lacks output"),
        ("criteria: x\nneeds: [output, refrence]", "reference"),
        ("criteria: x\nexamples: [{output: y, score: 9}]", "from 1 to 5"),
        ("[", "bracket"),
    ],
)
def test_a_wrong_rubric_says_where_and_what(tmp_path: Path, text: str, why: str):
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(SpecError, match=why):
        read_rubric(evalkit.core.content.Document.read(tmp_path / "r.yaml"))  # type: ignore[attr-defined]


def test_a_backend_that_fails_is_an_error_of_the_record():
    def say(request: Request) -> str:
        raise BackendError("the context is full")

    scores = evalkit.score("geval", ["x"], inputs=["q"], backend=Known(say), rubric=RUBRIC, mode="single")
    assert scores.errors == {0: "the context is full"}
