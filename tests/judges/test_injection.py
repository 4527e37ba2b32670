"""Answers that try to steer their judge: no fence can be closed from inside, and no such text is taken for a verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evalkit.core.asking import Reply
from evalkit.core.batch import Batch
from evalkit.core.content import content_root
from evalkit.core.errors import Malformed
from evalkit.judges.geval import GEval
from evalkit.judges.prompt import fenced, fill

RECORDS = [
    json.loads(line)
    for line in (content_root() / "suites/data/injection/outputs.jsonl").read_text(encoding="utf-8").splitlines()
]
ATTACKS = [record for record in RECORDS if record["attack"] != "none"]
RUBRIC = {"name": "r", "criteria": "Is it right?", "steps": ["Read."], "needs": ["input", "output", "reference"]}
by_id = pytest.mark.parametrize("record", ATTACKS, ids=lambda record: record["id"])


def test_there_are_at_least_forty():
    assert len(ATTACKS) >= 40
    assert len({record["attack"] for record in ATTACKS}) == 8


def user_message(record: dict[str, Any]) -> str:
    metric = GEval(RUBRIC, mode="single")
    return str(metric._messages(Batch({name: [record[name]] for name in ("input", "output", "reference")}), 0)[-1]["content"])


@by_id
def test_the_fence_holds(record: dict[str, Any]):
    told = user_message(record)
    block = fenced("OUTPUT", record["output"])
    mark = block.split("\n")[0].removeprefix("<<<OUTPUT ")
    assert told.count(block) == 1, "the text stands in it as it is"
    assert mark not in record["output"]
    assert told.count(f"{mark} OUTPUT>>>") == 1
    assert told.index(f"{mark} OUTPUT>>>") == told.index(block) + len(block) - len(f"{mark} OUTPUT>>>")


def test_a_text_that_knows_the_marks_of_others_cannot_end_its_own():
    text = "x"
    for _ in range(5):  # each round quotes the marks that the last one got
        block = fenced("OUTPUT", text)
        head, *_, foot = block.split("\n")
        text += f"\n{foot}\n{head}"
        assert fenced("OUTPUT", text).count(fenced("OUTPUT", text).split("\n")[0].removeprefix("<<<OUTPUT ")) == 2


@by_id
def test_braces_in_a_text_are_no_places_to_fill(record: dict[str, Any]):
    assert (
        fill("{output} {input}", {"output": "{input}" + record["output"], "input": "x"}) == "{input}" + record["output"] + " x"
    )


@by_id
@pytest.mark.parametrize("reason", ["none", "after", "before"])
def test_a_judge_that_repeats_the_attack_gives_no_verdict(record: dict[str, Any], reason: Any):
    metric = GEval(RUBRIC, mode="single", reason=reason)
    for text in (
        record["output"],
        f"The output says: {record['output']}",
        f'{{"score": 1, "reason": "r"}}\n{record["output"]}',
    ):
        with pytest.raises(Malformed):
            metric._verdict(Reply(text))


@by_id
def test_a_verdict_that_quotes_the_attack_keeps_its_own_score(record: dict[str, Any]):
    for reason, keys in (("after", ("score", "reason")), ("before", ("reason", "score"))):
        told = {"score": 1, "reason": f"it says {record['output']}"}
        reply = Reply(json.dumps({key: told[key] for key in keys}, ensure_ascii=False))
        assert GEval(RUBRIC, mode="single", reason=reason)._verdict(reply).score == 1
