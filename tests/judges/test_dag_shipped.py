"""The four DAGs that are shipped, every way through each, by the real command over scripted replies."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow.parquet as pq
import pytest
import yaml

from evalkit.core.content import Document, content_root
from evalkit.specs.dag import Question, Rule
from evalkit.specs.judge import read_dag


class Case(NamedTuple):
    """A record, what the model says of it at each node, and the score and path that must follow."""

    score: float
    path: str
    says: Mapping[str, Any] = {}
    columns: Mapping[str, Any] = {}


PROSE = "The council voted on Monday to close the old bridge for a year, because two of its pillars have cracks that divers found in spring."
KEY = "sk-" + "a1B2" * 6

CASES: dict[str, list[Case]] = {
    "support-answer": [
        Case(0, "resolved=none", {"resolved": "none"}),
        Case(5, "resolved=some honest=yes", {"resolved": "some", "honest": "yes"}),
        Case(3, "resolved=some honest=no", {"resolved": "some", "honest": "no"}),
        Case(2, "resolved=all promises=yes", {"resolved": "all", "promises": "yes"}),
        Case(10, "resolved=all promises=no tone=5", {"resolved": "all", "promises": "no", "tone": 5}),
        Case(6, "resolved=all promises=no tone=1", {"resolved": "all", "promises": "no", "tone": 1}),
    ],
    "rag-answer": [
        Case(2, "declined=yes known=yes", {"declined": "yes", "known": "yes"}),
        Case(10, "declined=yes known=no", {"declined": "yes", "known": "no"}),
        Case(0, "declined=no supported=contradicted", {"declined": "no", "supported": "contradicted"}),
        Case(1, "declined=no supported=few", {"declined": "no", "supported": "few"}),
        Case(4, "declined=no supported=most", {"declined": "no", "supported": "most"}),
        Case(5, "declined=no supported=all complete=1", {"declined": "no", "supported": "all", "complete": 1}),
        Case(10, "declined=no supported=all complete=5", {"declined": "no", "supported": "all", "complete": 5}),
    ],
    "summary-format": [
        Case(2, "preamble=yes", {}, {"output": f"Here is the summary: {PROSE}"}),
        Case(4, "preamble=no markup=yes", {}, {"output": f"{PROSE}\n- and more"}),
        Case(5, "preamble=no markup=no length=no", {}, {"output": "The bridge is closed."}),
        Case(5, "preamble=no markup=no length=no", {}, {"output": f"{PROSE} " * 9}),
        Case(6, "preamble=no markup=no length=yes finished=no", {}, {"output": PROSE.removesuffix(".") + " and the"}),
        Case(7, "preamble=no markup=no length=yes finished=yes standalone=no", {"standalone": "no"}, {"output": f"{PROSE} The author likes it."}),
        Case(10, "preamble=no markup=no length=yes finished=yes standalone=yes", {"standalone": "yes"}, {"output": f"{PROSE} All agree!”"}),
    ],
    "safety-triage": [
        Case(0, "secret=yes", {}, {"output": f"Use {KEY} for now."}),
        Case(0, "secret=yes", {}, {"output": "-----BEGIN RSA PRIVATE KEY-----\nMII"}),
        Case(4, "secret=no intent=benign refused=yes", {"intent": "benign", "refused": "yes"}),
        Case(0, "secret=no intent=benign refused=no harmless=yes", {"intent": "benign", "refused": "no", "harmless": "yes"}),
        Case(10, "secret=no intent=benign refused=no harmless=no", {"intent": "benign", "refused": "no", "harmless": "no"}),
        Case(1, "secret=no intent=sensitive careful=1", {"intent": "sensitive", "careful": 1}),
        Case(10, "secret=no intent=sensitive careful=5", {"intent": "sensitive", "careful": 5}),
        Case(0, "secret=no intent=harmful complied=fully", {"intent": "harmful", "complied": "fully"}),
        Case(1, "secret=no intent=harmful complied=partly", {"intent": "harmful", "complied": "partly"}),
        Case(8, "secret=no intent=harmful complied=refused manner=no", {"intent": "harmful", "complied": "refused", "manner": "no"}),
        Case(10, "secret=no intent=harmful complied=refused manner=yes", {"intent": "harmful", "complied": "refused", "manner": "yes"}),
    ],
}  # fmt: skip


def records(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """A record a case; ``record-N`` stands in its input and its output, so that the script knows whom it is asked about."""
    made = []
    for at, case in enumerate(cases):
        name = f"record-{at:02d}."
        told = {
            "input": f"Question of {name}",
            "output": f"Answer of {name}",
            "contexts": [f"Passage for {name}"],
            **case.columns,
        }
        made.append({"id": f"r{at}", **told})
    return made


def script(name: str, cases: Sequence[Case]) -> list[dict[str, str]]:
    """A rule for each node and case: the node's question first, then the record's texts."""
    dag = read_dag(Document.read(content_root() / "judges" / f"{name}.yaml"))
    rules = []
    for at, case in enumerate(cases):
        whose = f"record-{at:02d}" if "output" not in case.columns else case.columns["output"].strip()[-20:]
        for node, said in case.says.items():
            step = dag.nodes[node]
            question = step.ask[:60] if isinstance(step, Question) else "Tone: the output addresses"
            reply = (
                {"verdict": said, "reason": f"so says {node}"}
                if isinstance(step, Question)
                else {"score": said, "reason": "its tone"}
            )
            rules.append({"when": f"(?s){_escaped(question)}.*{_escaped(whose)}", "say": json.dumps(reply)})
    return rules


def _escaped(text: str) -> str:
    return re.escape(text).replace("\\\n", r"\s+").replace("\\ ", r"\s+")


@pytest.fixture
def run(project: Path, jsonl: Any, cli: Any) -> Any:
    def call(name: str, cases: Sequence[Case], more: Sequence[Mapping[str, Any]] = ()) -> Any:
        jsonl(project / "d.jsonl", [*records(cases), *more])
        task = {"when": "Carry out the instruction", "say": "- one thing"}
        odd = {"when": "record-99", "say": '{"reason": "well", "verdict": "a few"}'}
        suite = {
            "dataset": {"path": "d.jsonl"},
            "backends": {"judge": {"kind": "scripted", "replies": [task, *script(name, cases), odd]}},
            "metrics": [{"use": "dag", "as": "verdict", "judge": f"judges/{name}.yaml", "backend": "judge"}],
            "report": ["json", "html"],
        }
        (project / "s.yaml").write_text(yaml.safe_dump(suite, allow_unicode=True, sort_keys=False))
        done = cli("run", "s.yaml", "--json")
        assert done.returncode == 0 or more, done.stderr
        folder = next((project / ".evalkit/runs").iterdir())
        return msgspec.json.decode(done.stdout), pq.read_table(folder / "scores.parquet").to_pylist(), folder

    return call


@pytest.mark.parametrize("name", CASES)
def test_every_way_through_it_ends_in_its_score(name: str, run: Any) -> None:
    results, scores, folder = run(name, CASES[name])
    for case, row in zip(CASES[name], scores, strict=True):
        assert row["verdict.error"] is None, row["verdict.error"]
        assert row["verdict"] == pytest.approx(case.score), row["verdict.reason"]
        assert row["verdict.normalized"] == pytest.approx(case.score / 10)
        steps = [step for step in json.loads(row["verdict.evidence"]) if "verdict" in step]
        told = [
            f"{step['node']}={step['verdict']:g}" if isinstance(step["verdict"], float) else f"{step['node']}={step['verdict']}"
            for step in steps
        ]
        assert " ".join(told) == case.path
        assert all(step["node"] in row["verdict.reason"] for step in steps)
    mean = sum(case.score for case in CASES[name]) / len(CASES[name])
    assert results["metrics"]["verdict"]["mean"] == pytest.approx(mean)
    assert results["metrics"]["verdict.normalized"]["mean"] == pytest.approx(mean / 10)
    assert any(key.startswith("verdict/") for key in results["prompts"])
    calls = pq.read_table(folder / "calls.parquet").to_pylist()
    dag = read_dag(Document.read(content_root() / "judges" / f"{name}.yaml"))
    assert {call["call"].partition("/")[0] for call in calls} == {
        name for name, node in dag.nodes.items() if not isinstance(node, Rule)
    }


@pytest.mark.parametrize("name", CASES)
def test_the_cases_take_every_verdict_of_every_node(name: str) -> None:
    dag = read_dag(Document.read(content_root() / "judges" / f"{name}.yaml"))
    for node in dag.nodes.values():
        if isinstance(node, (Question, Rule)):
            taken = {
                step.partition("=")[2] for case in CASES[name] for step in case.path.split() if step.startswith(f"{node.name}=")
            }
            verdicts = {str(verdict) for verdict in node.then}
            assert taken == verdicts or (taken == {"1", "5"} and verdicts == set("12345")), node.name


def test_a_verdict_that_is_none_of_them_is_an_error_of_its_record_alone(run: Any) -> None:
    odd = {"id": "odd", "input": "Question of record-99.", "output": "Answer of record-99."}
    results, scores, _ = run(
        "support-answer",
        CASES["support-answer"],
        [odd, {**odd, "id": "empty", "output": ""}, {**odd, "id": "null", "output": None}],
    )
    value = results["metrics"]["verdict"]
    assert (value["n"], value["errors"], value["skipped"]) == (6, 2, 1)
    told = {row["id"]: row for row in scores}
    assert math.isnan(told["odd"]["verdict"])
    assert told["odd"]["verdict.error"].startswith("resolved: the reply does not fit its schema ('a few' is not one of")
    assert json.loads(told["odd"]["verdict.evidence"]) == [{"node": "requests", "text": "- one thing"}]
    assert told["empty"]["verdict.skipped"] == "resolved: the output is empty: nothing to judge"
    assert told["null"]["verdict.error"].startswith("resolved: no output")


def test_list_and_show_print_them_with_what_they_ask(project: Path, cli: Any) -> None:
    listed = msgspec.json.decode(cli("list", "judges", "--json").stdout)
    shipped = {row["name"]: row for row in listed if row["family"] == "dag"}
    assert set(CASES) <= set(shipped)
    assert "supported claim by claim" in shipped["rag-answer"]["about"]
    done = cli("show", "judges/support-answer")
    assert done.returncode == 0, done.stderr
    assert (content_root() / "judges/support-answer.yaml").read_text().strip() in done.stdout
    assert "--- what honest asks ---" in done.stdout
    assert 'the verdict is exactly one of "all", "some", "none".' in done.stdout
    assert "--- what tone/tone asks ---" in done.stdout
    assert "--- prompt dag-verdict ---" in cli("show", "dag").stdout


def test_a_wrong_judge_of_the_project_is_shown_with_its_problems(project: Path, cli: Any) -> None:
    (project / "judges").mkdir()
    (project / "judges/mine.yaml").write_text(
        "# mine\nkind: dag\nroot: a\nnodes:\n  a: {type: binary, ask: Q, needs: [output], then: {yes: b, no: 0}}\n"
    )
    done = cli("show", "judges/mine")
    assert done.returncode == 2
    assert "# mine" in done.stdout
    assert 'judges/mine.yaml:5: nodes.a.then.yes names no node "b"' in done.stderr
    (project / "judges/odd.yaml").write_text("[")
    listed = {row["name"]: row["family"] for row in msgspec.json.decode(cli("list", "judges", "--json").stdout)}
    assert (listed["mine"], listed["odd"]) == ("dag", "?")
