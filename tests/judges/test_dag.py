"""The DAG judge over backends whose replies are known."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evalkit
from evalkit.core import registry
from evalkit.core.asking import Reply, Request
from evalkit.core.batch import Batch
from evalkit.core.content import content_root
from evalkit.core.contracts import DataFacts, Metric
from evalkit.core.errors import BackendRefused, SpecError
from evalkit.core.rows import Rows
from evalkit.core.signature import fingerprint
from evalkit.judges.dag import DagJudge
from evalkit.judges.prompt import fenced
from evalkit.specs.judge import read_dag

sys.path.insert(0, str(Path(__file__).parent))
from dag_graphs import VERDICTS, graphs


@dataclass
class Known:
    """Says what a function of the request says."""

    say: Callable[[str], str]
    max_concurrency: int = 64
    attempts: int = 3
    identity: str = "known"
    asked: list[Request] = field(default_factory=list)
    slow_s: float = 0.0
    open: int = 0
    widest: int = 0

    async def complete(self, request: Request) -> Reply:
        self.asked.append(request)
        self.open += 1
        self.widest = max(self.widest, self.open)
        await asyncio.sleep(self.slow_s)
        self.open -= 1
        return Reply(self.say(whole(request)), prompt_tokens=1, completion_tokens=1)

    def calls(self) -> list[tuple[str, str]]:
        """Who asked, in order: (record, call)."""
        return [(request.origin.record, request.origin.call) for request in self.asked if request.origin is not None]


def whole(request: Request) -> str:
    return "\n".join(str(message["content"]) for message in request.messages)


def verdict(told: str | int, reason: str = "because") -> str:
    return json.dumps({"reason": reason, "verdict": told})


def judge(nodes: Mapping[str, Any], root: str = "first", **head: Any) -> dict[str, Any]:
    return {"kind": "dag", "root": root, "nodes": nodes, **head}


def binary(yes: Any = 10, no: Any = 0, needs: Any = ("output",), ask: str = "Is it right?") -> dict[str, Any]:
    return {"type": "binary", "ask": ask, "needs": list(needs), "then": {"yes": yes, "no": no}}


def score(told: Mapping[str, Any], say: Callable[[str], str], outputs: list[Any], **columns: Any) -> Any:
    backend = Known(say)
    scores = evalkit.score("dag", outputs, backend=backend, judge=told, **columns)
    return scores, backend


def no_model(_: str) -> str:
    raise AssertionError("a model was asked")


# --- paths ---


@given(graphs(), st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_every_record_takes_the_path_that_its_verdicts_say(told, outputs):
    """Against a walk of one record after another, in which a node is asked when all tasks before it are done."""

    def chosen(node: str, output: str) -> str:
        return VERDICTS[hashlib.sha256(f"{node}{output}".encode()).digest()[0] % 3]

    def walked(output: str) -> tuple[float, list[str], dict[str, set[str]]]:
        """The score, the decisions on the way, and to each node asked the tasks whose texts it must see."""
        path: list[str] = []
        shown: dict[str, set[str]] = {}
        targets: Any = told["root"]
        while isinstance(targets, list):
            todo = list(targets)
            decider = ""
            while todo:
                name = todo.pop()
                shown.setdefault(name, set())
                node = told["nodes"][name]
                if node["type"] == "task":
                    todo += node["then"]
                    for target in node["then"]:
                        shown.setdefault(target, set()).add(name)
                else:
                    decider = name
            path.append(decider)
            targets = told["nodes"][decider]["then"][chosen(decider, output)]
        return float(targets), path, shown

    def say(text: str) -> str:
        output = text.rpartition("<<<OUTPUT ")[2].split("\n")[1]
        node = re.search(r"Decide (d\d)\.", text)
        task = text.partition("Write ")[2].partition(".")[0]
        return verdict(chosen(node[1], output)) if node else f"{task} wrote of {output}"

    ids = [f"r{place}" for place in range(len(outputs))]
    scores, backend = score(told, say, [f"{place}{output}" for place, output in enumerate(outputs)], id=ids)
    for place, output in enumerate(outputs):
        wanted, path, shown = walked(f"{place}{output}")
        assert scores["dag"][place] == wanted
        evidence = scores.rows.evidence[place]
        assert [step["node"] for step in evidence if "verdict" in step] == path
        assert {step["node"] for step in evidence} == set(shown)
        asked = {request.origin.call: whole(request) for request in backend.asked if request.origin.record == f"r{place}"}
        assert set(asked) == set(shown)
        for name, tasks in shown.items():
            assert {
                task
                for task in told["nodes"]
                if f" wrote of {place}{output}\n" in asked[name] and f"\n{task} wrote of " in asked[name]
            } == tasks
    assert not scores.errors


def test_all_records_of_a_level_are_asked_at_once():
    nodes = {
        "first": {"type": "task", "ask": "List.", "needs": ["output"], "then": "second"},
        "second": binary("third"),
        "third": binary(),
    }
    backend = Known(lambda text: "a list" if "List." in text else verdict("yes"), slow_s=0.02)
    evalkit.score("dag", [f"answer {n}" for n in range(40)], backend=backend, judge=judge(nodes))
    assert (backend.widest, len(backend.asked)) == (40, 120)
    assert [call for _, call in backend.calls()] == ["first"] * 40 + ["second"] * 40 + ["third"] * 40


def test_two_tasks_run_side_by_side_and_the_node_behind_them_sees_both():
    nodes = {
        "one": {"type": "task", "ask": "One.", "needs": ["output"], "then": "last"},
        "two": {"type": "task", "ask": "Two.", "needs": ["output"], "then": "last"},
        "last": {"type": "binary", "ask": "Both?", "then": {"yes": 10, "no": 0}},
    }
    backend = Known(lambda text: verdict("yes") if "Both?" in text else f"text {'1' if 'One.' in text else '2'}", slow_s=0.02)
    scores = evalkit.score("dag", ["x"], backend=backend, judge=judge(nodes, root=["one", "two"]))
    assert backend.widest == 2
    told = whole(backend.asked[-1])
    assert fenced("ONE", "text 1") in told
    assert fenced("TWO", "text 2") in told
    assert fenced("OUTPUT", "x") not in told, "it did not ask for the output"
    assert fenced("OUTPUT", "x") in whole(backend.asked[0])
    assert scores["dag"].tolist() == [10]


def test_a_task_is_asked_once_for_records_that_share_its_texts():
    nodes = {"first": {"type": "task", "ask": "List.", "needs": ["input"], "then": "second"}, "second": binary()}
    backend = Known(lambda text: "a list" if "List." in text else verdict("yes"))
    scores = evalkit.score("dag", ["a", "b", "c"], inputs=["same"] * 3, backend=backend, judge=judge(nodes))
    assert scores["dag"].tolist() == [10, 10, 10]
    assert [call for _, call in backend.calls()] == ["first", "second", "second", "second"]


# --- values ---


def test_the_bare_score_is_raw_and_normalized_is_a_share():
    metric = DagJudge(judge({"first": binary(3, -1)}, scale={"min": -1, "max": 3}))
    assert metric.about() == "raw -1–3"
    backend = Known(lambda text: verdict("yes" if "good" in text else "no"))
    scores = evalkit.score(metric, ["good", "bad", "good", "good"], backend=backend)
    assert scores["dag"].tolist() == [3, -1, 3, 3]
    assert scores["dag.normalized"].tolist() == [1, 0, 1, 1]
    assert scores.corpus == {"dag": 2.0, "dag.normalized": 0.75}


def test_score_nodes_lead_by_the_number_that_the_model_gives():
    node = {"type": "score", "ask": "How?", "needs": ["output"], "scale": {"min": 1, "max": 5}}
    say = lambda text: verdict(int(text.rpartition("<<<OUTPUT ")[2].split("\n")[1]))  # noqa: E731
    scores, backend = score(judge({"first": node}), say, ["1", "2", "3", "4", "5"])
    assert scores["dag"].tolist() == [0, 2.5, 5, 7.5, 10]
    assert backend.asked[0].schema["properties"]["verdict"] == {"enum": [1, 2, 3, 4, 5]}
    spans = {**node, "then": {"1-2": 0, "3": 4, "4-5": "second"}}
    scores, _ = score(
        judge({"first": spans, "second": {"type": "regex", "pattern": "5", "then": {"yes": 10, "no": 6}}}),
        say,
        ["2", "3", "4", "5"],
    )
    assert scores["dag"].tolist() == [0, 4, 6, 10]


def test_rules_need_no_model_and_tell_what_they_found():
    nodes = {
        "first": {"type": "regex", "pattern": "^sorry", "flags": "i", "then": {"yes": 1, "no": "shape"}},
        "shape": {"type": "json_schema", "schema": {"type": "object", "required": ["a"]}, "then": {"yes": "near", "no": 2}},
        "near": {"type": "metric", "use": "levenshtein.similarity", "min": 0.5, "then": {"yes": 10, "no": 3}},
    }
    metric = DagJudge(judge(nodes))
    assert metric.wants_of() == frozenset()
    assert metric.needs_of() == ("output", "reference")
    outputs = ["Sorry, no", "plain", '{"b": 1}', '{"a": 1}', '{"a": "quite another thing"}']
    scores = evalkit.score(metric, outputs, ['{"a": 1}'] * 5, backend=Known(no_model))
    assert scores["dag"].tolist() == [1, 2, 2, 10, 3]
    assert scores.rows.evidence[2][1] == {
        "node": "shape",
        "verdict": "no",
        "reason": "$: 'a' is a required property",
        "value": 0.0,
    }
    assert "near: no (levenshtein.similarity is 0." in scores.reasons[4]
    assert scores.reasons[4].endswith("wanted at least 0.5)")


def test_a_rule_may_measure_another_column_or_what_a_task_wrote():
    nodes = {
        "first": {"type": "regex", "pattern": "URGENT", "of": "input", "then": {"yes": "facts", "no": 5}},
        "facts": {"type": "task", "ask": "List.", "needs": ["output"], "then": "counted"},
        "counted": {"type": "regex", "pattern": r"(- .*\n?){2,}", "of": "facts", "then": {"yes": 10, "no": 0}},
    }
    say = lambda text: "- a\n- b" if "twice" in text else "- a"  # noqa: E731
    scores, backend = score(judge(nodes), say, ["twice", "once", "twice", "x"], input=["URGENT", "URGENT", "later", None])
    assert scores["dag"].tolist()[:3] == [10, 0, 5]
    assert scores.errors == {3: "first: no input"}
    assert len(backend.asked) == 2


class Counted(Metric):
    """Characters of the output; a test's own metric."""

    needs = ("output",)
    higher_is_better = False

    @property
    def columns(self):
        return ("n", "records")

    def measure(self, batch: Batch) -> Rows:
        return Rows.of([len(text) for text in batch.texts("output")], np.ones(len(batch)))

    def combine(self, totals):
        return (totals[..., 0] / totals[..., 1])[..., None]


@pytest.fixture
def counted():
    yield registry.metric("counted")(dataclass(frozen=True)(Counted))
    registry.forget("metric", "counted")


def test_a_leaf_maps_its_scale_and_turns_round_where_lower_is_better(counted):
    leaf = {"type": "metric", "use": "counted", "scale": {"min": 0, "max": 4}, "onto": {"min": 6, "max": 10}}
    scores, _ = score(judge({"first": leaf}), no_model, ["", "xx", "xxxx", "xxxxx"])
    assert scores["dag"].tolist()[:3] == [10, 8, 6]
    assert scores.errors == {3: "first: counted is 5, which is not on its scale, 0–4"}
    assert scores.rows.evidence[1] == [{"node": "first", "verdict": 2.0, "reason": ""}]


RUBRIC = {"name": "c", "criteria": "Is it kind?", "steps": ["Read.", "Score."], "needs": ["output"]}


def test_a_rubric_is_a_leaf_that_keeps_its_own_reason_and_evidence():
    nodes = {
        "first": binary("tone", "tone2"),
        "tone": {"type": "geval", "rubric": RUBRIC},
        "tone2": {"type": "geval", "rubric": {**RUBRIC, "criteria": "Is it brief?"}, "min": 3, "then": {"yes": 1, "no": 0}},
    }

    def say(text: str) -> str:
        if "kind" in text or "brief" in text:
            return json.dumps({"score": 4, "reason": "warm"})
        return verdict("yes" if "good" in text else "no")

    metric = DagJudge(judge(nodes))
    backend = Known(say)
    scores = evalkit.score(metric, ["good", "bad"], backend=backend, id=["a", "b"])
    assert scores["dag"].tolist() == [7.5, 1]
    assert scores.reasons[0] == "first: yes (because) → tone: 4 (warm)"
    assert scores.rows.evidence[0][1] == {"node": "tone", "verdict": 4.0, "reason": "warm", "evidence": {"scores": [4] * 5}}
    assert sorted(set(backend.calls())) == [("a", "first"), ("a", "tone/score"), ("b", "first"), ("b", "tone2/score")]
    assert {"first", "tone/geval", "tone/c", "tone2/geval", "tone2/c"} == set(metric.prompts())


def test_steps_and_mode_of_a_rubric_are_settled_before_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rubric = {name: told for name, told in RUBRIC.items() if name != "steps"}

    def say(text: str) -> str:
        if "You write instructions" in text:
            return json.dumps({"steps": ["Look.", "Count."]})
        return json.dumps({"score": 5, "reason": "r"})

    metric = DagJudge(judge({"first": {"type": "geval", "rubric": rubric}}))
    backend = Known(say)
    scores = evalkit.score(metric, ["x"], backend=backend)
    assert scores["dag"].tolist() == [10]
    assert backend.calls()[0] == ("", "first/steps")
    assert "1. Look." in whole(backend.asked[-1])
    assert metric.mode is None or metric.mode == "auto"


# --- what is no score ---


@pytest.mark.parametrize(
    "reply",
    [
        "yes",
        "Yes, it is right.",
        '{"verdict": "yes"}',
        verdict("Yes"),
        verdict("maybe"),
        verdict(1),
        '{"reason": "", "verdict": "yes"',
        "",
        "[]",
    ],
)
def test_a_reply_that_is_no_verdict_is_asked_again_and_then_an_error(reply):
    scores, backend = score(judge({"first": binary()}), lambda _: reply, ["x"])
    assert math.isnan(scores["dag"][0])
    assert scores.errors[0].startswith("first: the reply ")
    assert len(backend.asked) > 1
    second = iter([reply, verdict("no")])
    scores, _ = score(judge({"first": binary()}), lambda _: next(second), ["x"])
    assert scores["dag"].tolist() == [0]


def test_an_empty_text_of_a_task_is_an_error():
    nodes = {"first": {"type": "task", "ask": "List.", "needs": ["output"], "then": "second"}, "second": binary()}
    scores, _ = score(judge(nodes), lambda text: " \n" if "List." in text else verdict("yes"), ["x"])
    assert scores.errors == {0: "first: the reply is empty"}


def test_an_error_on_the_way_keeps_the_path_so_far():
    nodes = {"first": binary("second"), "second": binary(ask="And this?")}
    scores, _ = score(judge(nodes), lambda text: "hm" if "And this?" in text else verdict("yes"), ["x"])
    assert scores.errors[0].startswith("second: the reply is not JSON")
    assert [step["node"] for step in scores.rows.evidence[0]] == ["first"]


def test_a_null_is_an_error_only_where_a_node_on_the_path_reads_it():
    nodes = {"first": binary("second", 3), "second": binary(needs=["reference", "output"])}
    say = lambda text: verdict("no" if "bad" in text else "yes")  # noqa: E731
    scores, _ = score(judge(nodes), say, ["good", "bad", None], reference=[None, None, "x"])
    assert scores.errors == {0: "second: no reference", 2: "first: no output"}
    assert scores["dag"][1] == 3


def test_nothing_to_judge_is_skipped_and_rules_still_judge_it():
    nodes = {"first": binary("second"), "second": binary(needs=["contexts"])}
    scores, _ = score(judge(nodes), lambda _: verdict("yes"), ["", " ", "x", "x"], contexts=[["c"], ["c"], [], ["c"]])
    assert scores.skipped == {
        0: "first: the output is empty: nothing to judge",
        1: "first: the output is empty: nothing to judge",
        2: "second: the record has no contexts: nothing to judge",
    }
    assert scores["dag"][3] == 10
    empty = {"first": {"type": "regex", "pattern": r"\S", "then": {"yes": "second", "no": 1}}, "second": binary()}
    scores, _ = score(judge(empty), lambda _: verdict("yes"), ["", "x"])
    assert scores["dag"].tolist() == [1, 10]


def test_a_metric_that_skips_or_fails_inside_does_so_for_the_record():
    nodes = {"first": {"type": "metric", "use": "yes_no", "question": "Kind?"}}
    scores, _ = score(judge(nodes), lambda text: verdict("no") if "bad" in text else "hm", ["", "bad", "odd"])
    assert scores.skipped == {0: "first: the output is empty: nothing to judge"}
    assert scores.errors[2].startswith("first: the reply is not JSON")
    assert scores["dag"][1] == 0


def test_a_refusal_ends_the_run_and_is_no_record_s_error():
    def say(_: str) -> str:
        raise BackendRefused("the key was refused")

    with pytest.raises(BackendRefused):
        score(judge({"first": binary()}), say, ["x", "y"])


def test_a_pattern_that_never_ends_is_an_error_of_its_record():
    nodes = {"first": {"type": "regex", "pattern": r"(a|aa)+$", "timeout_s": 0.05, "then": {"yes": 1, "no": 0}}}
    scores, _ = score(judge(nodes), no_model, ["a" * 200 + "b", "aaa"])
    assert "took longer" in scores.errors[0]
    assert scores["dag"][1] == 1


# --- prompts ---


def asked_of(nodes: Mapping[str, Any], columns: Mapping[str, list[Any]]) -> list[str]:
    backend = Known(lambda text: "list" if "List." in text else verdict("yes"))
    outputs = columns["output"]
    evalkit.score(
        "dag",
        outputs,
        backend=backend,
        judge=judge(nodes),
        **{name: told for name, told in columns.items() if name != "output"},
    )
    return [whole(request) for request in backend.asked]


def test_prompts_share_all_but_the_output_and_it_comes_last():
    told = asked_of(
        {"first": binary(needs=["output", "input", "contexts"])},
        {"output": ["one", "two"], "input": ["q"] * 2, "contexts": [["c1", "c2"]] * 2},
    )
    shared = next(place for place, (a, b) in enumerate(zip(*told)) if a != b)
    assert told[0][:shared].rpartition("\n")[2].startswith("<<<OUTPUT ")
    for block in (fenced("INPUT", "q"), fenced("CONTEXT 1", "c1"), fenced("CONTEXT 2", "c2")):
        assert block in told[0][:shared]
    assert told[0].index("Is it right?") < told[0].index("<<<INPUT")


ATTACKS = [
    json.loads(line)["output"]
    for line in (content_root() / "suites/data/injection/outputs.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("output", ATTACKS, ids=range(len(ATTACKS)))
def test_no_output_can_leave_its_fence_nor_what_a_task_repeats_of_it(output):
    nodes = {"first": {"type": "task", "ask": "List.", "needs": ["output"], "then": "second"}, "second": binary()}
    backend = Known(lambda text: output if "List." in text else verdict("no"))
    scores = evalkit.score("dag", [output], backend=backend, judge=judge(nodes))
    if not output.strip():
        assert scores.skipped
        return
    last = whole(backend.asked[-1])
    for name, text in (("FIRST", output.strip()), ("OUTPUT", output)):
        block = fenced(name, text)
        mark = block.partition("\n")[0].rpartition(" ")[2]
        assert last.count(block) == 1
        assert last.count(mark) == 2
    assert scores["dag"].tolist() == [0]


@pytest.mark.parametrize("output", ATTACKS, ids=range(len(ATTACKS)))
def test_an_attack_that_the_model_repeats_is_taken_for_a_verdict_only_if_it_is_one(output):
    scores, _ = score(judge({"first": binary()}), lambda _: output, ["x"])
    try:
        body = json.loads(output.strip().removeprefix("```json").removesuffix("```"))
        one = isinstance(body, dict) and set(body) == {"reason", "verdict"} and body["verdict"] in ("yes", "no")
    except ValueError:
        one = False
    assert one or scores.errors


# --- identity ---


def test_the_fingerprint_follows_the_question_the_path_and_the_rubric_inside(tmp_path):
    def printed(nodes: Mapping[str, Any]) -> str:
        return fingerprint(DagJudge(judge(nodes)))

    leaf = {"type": "geval", "rubric": RUBRIC}
    prints = [
        printed({"first": binary()}),
        printed({"first": binary(ask="Is it wrong?")}),
        printed({"first": binary(9)}),
        printed({"first": binary("tone"), "tone": leaf}),
        printed({"first": binary("tone"), "tone": {**leaf, "samples": 7}}),
        printed({"first": binary("tone"), "tone": {"type": "geval", "rubric": {**RUBRIC, "criteria": "Is it short?"}}}),
    ]
    assert len(set(prints)) == len(prints)
    assert printed({"first": binary()}) == prints[0]
    line = DagJudge(judge({"first": binary()}, name="mine", version=3)).signature(DataFacts())
    assert line.startswith("dag|judge:")
    assert "|name:mine|version:3|" in line


def test_a_wrong_judge_is_a_spec_error_in_python_too():
    with pytest.raises(SpecError, match="lacks the verdict"):
        evalkit.score("dag", ["x"], backend=Known(no_model), judge=judge({"first": {**binary(), "then": {"yes": 1}}}))


def test_prompts_hold_every_question_with_a_place_for_the_texts():
    metric = DagJudge(read_dag(judge({"first": binary("second"), "second": {**binary(), "ask": "Another {texts}?"}})))
    told = metric.prompts()
    assert set(told) == {"first", "second"}
    assert "Is it right?" in told["first"]
    assert told["first"].count("{texts}") == 1
    assert told["second"].count("{texts}") == 2, "braces of a question stay what they are"
