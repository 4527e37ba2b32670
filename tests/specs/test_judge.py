"""The file of a DAG judge: what it may say, and what is said about a wrong one."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from evalkit.core.content import Document, content_root
from evalkit.core.contracts import Measure
from evalkit.core.errors import SpecError
from evalkit.specs.dag import Dag, Leaf, Question, Rule, Scale, Task
from evalkit.specs.judge import MOST, read_dag

sys.path.insert(0, str(Path(__file__).parents[1] / "judges"))
from dag_graphs import graphs, right

SHIPPED = ("rag-answer", "safety-triage", "summary-format", "support-answer")


def document(text: str, path: str = "judges/x.yaml") -> Document:
    return Document(path, text, hashlib.sha256(text.encode()).hexdigest())


def judge(nodes: str, head: str = "kind: dag\nroot: first\n") -> Document:
    """A judge whose nodes begin at line 4."""
    return document(f"{head}nodes:\n{nodes}")


def complaints(told: Document | Mapping[str, Any]) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read_dag(told)
    return str(caught.value).split("\n")


# --- right ones ---


def test_the_example_of_the_contract_is_read(project):
    rubric = {"criteria": "The tone fits.", "scale": {"min": 1, "max": 5}, "steps": ["Read.", "Judge."]}
    (project / "rubrics").mkdir()
    (project / "rubrics/tone.yaml").write_text(yaml.safe_dump(rubric))
    (project / "judges").mkdir()
    path = project / "judges/support.yaml"
    path.write_text(
        """{kind: dag, name: support-answer, version: 1, root: [facts], nodes: {
facts: {type: task, ask: "List the facts.", needs: [input, output], then: supported},
supported: {type: binary, ask: "Are they right?", then: {"yes": tone, "no": 0}},
tone: {type: geval, rubric: tone.yaml}}}"""
    )
    dag = read_dag(Document.read(path))
    assert (dag.name, dag.version, dag.root, dag.scale) == ("support-answer", 1, ("facts",), Scale(0, 10))
    assert dag.nodes["facts"] == Task("facts", "List the facts.", ("input", "output"), ("supported",))
    supported, tone = dag.nodes["supported"], dag.nodes["tone"]
    assert isinstance(supported, Question)
    assert supported.then == {"yes": ("tone",), "no": 0.0}
    assert isinstance(tone, Leaf)
    assert tone.metric.parts[tone.part] == "normalized"
    assert tone.metric.parts[tone.told] == ""
    assert dag.levels == (("facts",), ("supported",), ("tone",))
    assert dag.leading == {"facts": (), "supported": ("facts",), "tone": ()}
    assert dag.columns == ("input", "output")


def test_every_kind_of_node_is_read():
    dag = read_dag(
        judge(
            """
  first: {type: regex, pattern: 'x+', flags: i, of: input, then: {yes: shape, no: 0}}
  shape: {type: json_schema, schema: {type: object}, then: {yes: near, no: 1}}
  near: {type: metric, use: rouge.rougeL, min: 0.2, max: 0.9, then: {yes: pick, no: 2}}
  pick: {type: choice, ask: Which?, needs: [output], verdicts: {a b: the first, c: the second}, then: {a b: grade, c: [t1, t2]}}
  t1: {type: task, ask: One., needs: [output], then: grade}
  t2: {type: task, ask: Two., needs: [output], then: grade}
  grade: {type: score, ask: How?, needs: [output], scale: {min: 1, max: 5, levels: {1: bad}}, then: {"1-2": 0, "3": 5, 4 - 5: last}}
  last: {type: metric, use: ter, scale: {min: 0, max: 200}, onto: {min: 5, max: 10}}
"""
        )
    )
    first, near, pick, grade, last = (dag.nodes[name] for name in ("first", "near", "pick", "grade", "last"))
    assert isinstance(first, Rule)
    assert (first.of, first.least, first.most) == ("input", 1.0, 1.0)
    assert isinstance(near, Rule)
    assert (near.metric.parts[near.part], near.least, near.most) == ("rougeL", 0.2, 0.9)
    assert isinstance(pick, Question)
    assert pick.verdicts == {"a b": "the first", "c": "the second"}
    assert pick.then["c"] == ("t1", "t2")
    assert isinstance(grade, Question)
    assert grade.then == {1: 0.0, 2: 0.0, 3: 5.0, 4: ("last",), 5: ("last",)}
    assert grade.verdicts[1] == "bad"
    assert isinstance(last, Leaf)
    assert (last.scale, last.onto) == (Scale(0, 200), Scale(5, 10))
    assert dag.leading["grade"] == ("t1", "t2")
    assert dag.levels[-1] == ("last",)


def test_scores_without_verdicts_spread_over_the_scale():
    dag = read_dag(
        judge(
            "  first: {type: score, ask: How?, needs: [output], scale: {min: 1, max: 5}}",
            "kind: dag\nscale: {min: -1, max: 1}\nroot: first\n",
        )
    )
    assert dag.nodes["first"].then == {1: -1.0, 2: -0.5, 3: 0.0, 4: 0.5, 5: 1.0}


@pytest.mark.parametrize("name", SHIPPED)
def test_the_judges_that_are_shipped_are_faultless(name):
    path = content_root() / "judges" / f"{name}.yaml"
    dag = read_dag(Document.read(path))
    assert (dag.name, dag.version, dag.scale) == (name, 1, Scale(0, 10))
    assert path.read_text().startswith("# ")
    ends = [then for node in dag.nodes.values() if isinstance(node, (Question, Rule)) for then in node.then.values()]
    ends += [node.onto.high for node in dag.nodes.values() if isinstance(node, Leaf)]
    scores = [then for then in ends if isinstance(then, float)]
    assert min(scores) <= 2
    assert max(scores) == 10


# --- wrong ones: the place, then words of the message; every problem of the file, and no other ---

GOOD = "  first: {type: binary, ask: Is it?, needs: [output], then: {yes: 10, no: 0}}\n"
WRONG: dict[str, tuple[Document, tuple[tuple[str, ...], ...]]] = {
    "an empty file": (document(""), (("judges/x.yaml:1", "a judge is a mapping", "kind: dag"),)),
    "a list": (document("- a\n"), (("judges/x.yaml:1", "a judge is a mapping"),)),
    "no YAML": (document("kind: [dag\n"), (("judges/x.yaml:1", "bracket"),)),
    "no kind": (document(f"root: first\nnodes:\n{GOOD}"), (("judges/x.yaml:1", "lacks `kind`"),)),
    "another kind": (judge(GOOD, "kind: panel\nroot: first\n"), ((":1", "kind wants dag", '"panel"', "use: panel"),)),
    "an unknown key": (judge(GOOD, "kind: dag\nrooot: first\n"), ((":2", 'no key "rooot"', '"root"'), (":1", "lacks `root`", "root: [first]"))),
    "no nodes": (document("kind: dag\nroot: first\n"), ((":1", "lacks `nodes`"), (":2", 'names no node "first"'))),
    "nodes as a list": (document("kind: dag\nroot: first\nnodes: [1]\n"), ((":3", "wants a mapping of names"), (":2", "names no node"))),
    "a node without a type": (judge("  first: {ask: Is it?, then: {yes: 1, no: 0}}\n"), ((":4", "lacks `type`", "binary"),)),
    "an unknown type": (judge("  first: {type: binry, ask: Is it?}\n"), ((":4", '"binry"', '"binary"'),)),
    "a metric as a type": (judge("  first: {type: rouge, then: {yes: 1, no: 0}}\n"), ((":4", "type: metric, use: rouge"),)),
    "an unknown key of a node": (
        judge("  first:\n    type: binary\n    aks: Is it?\n    needs: [output]\n    then: {yes: 1, no: 0}\n"),
        ((":6", 'nodes.first has no key "aks"', '"ask"'), (":4", "lacks `ask`")),
    ),
    "an unknown node": (
        judge("  first: {type: binary, ask: Q, needs: [output], then:\n    {yes: secnd, no: 0}}\n  second: {type: regex, pattern: x, then: {yes: 1, no: 0}}\n"),
        ((":5", 'nodes.first.then.yes names no node "secnd"', '"second"'),),
    ),
    "a score in quotes": (judge('  first: {type: binary, ask: Q, needs: [output], then: {yes: "10", no: 0}}\n'), ((":4", 'no node "10"', "without quotes"),)),
    "a score off the scale": (
        judge("  first: {type: binary, ask: Q, needs: [output], then: {yes: 5, no: -1}}\n", "kind: dag\nscale: {min: 0, max: 4}\nroot: first\n"),
        ((":5", "then.yes is 5", "from 0 to 4"), (":5", "then.no is -1")),
    ),
    "a true or false": (judge("  first: {type: binary, ask: Q, needs: [output], then: {yes: true, no: 0}}\n"), ((":4", "a score or the name of a node", "true"),)),
    "a verdict too few": (judge("  first: {type: binary, ask: Q, needs: [output], then: {yes: 5}}\n"), ((":4", 'lacks the verdict "no"'),)),
    "a verdict too many": (judge("  first: {type: binary, ask: Q, needs: [output], then: {yes: 5, no: 0, maybe: 2}}\n"), ((":4", 'no verdict "maybe"', "yes, no"),)),
    "a verdict twice": (judge("  first: {type: binary, ask: Q, needs: [output], then: {yes: 5, no: 0, yes: 2}}\n"), ((":4", 'the key "yes" stands twice'),)),
    "verdicts that differ from those declared": (
        judge("  first: {type: choice, ask: Q, needs: [output], verdicts: [good, bad], then: {good: 1, bed: 0}}\n"),
        ((":4", 'no verdict "bed"', '"bad"'), (":4", 'lacks the verdict "bad"')),
    ),
    "one verdict": (judge("  first: {type: choice, ask: Q, needs: [output], then: {a: 1}}\n"), ((":4", "one verdict"),)),
    "a task that ends": (judge("  first: {type: task, ask: Q, needs: [output], then: 5}\n"), ((":4", "a task decides nothing"),)),
    "a task with verdicts": (judge("  first: {type: task, ask: Q, needs: [output], then: {yes: a}}\n  a: {type: regex, pattern: x, then: {yes: 1, no: 0}}\n"), ((":4", "a task gives none"),)),
    "a task without an end": (judge("  first: {type: task, ask: Q, needs: [output]}\n"), ((":4", "lacks `then`"),)),
    "a cycle": (
        judge("  first: {type: binary, ask: Q, needs: [output], then: {yes: next, no: 0}}\n  next: {type: binary, ask: Q, needs: [output], then: {yes: first, no: 0}}\n"),
        ((":5", "leads back", "first → next → first"),),
    ),
    "two cycles": (
        judge("  first: {type: binary, ask: Q, needs: [output], then: {yes: first, no: b}}\n  b: {type: binary, ask: Q, needs: [output], then: {yes: b, no: 0}}\n"),
        ((":4", "first → first"), (":5", "b → b")),
    ),
    "an unreachable node": (judge(f"{GOOD}  other: {{type: regex, pattern: x, then: {{yes: 1, no: 0}}}}\n"), ((":5", "nothing leads to nodes.other"),)),
    "a root that is led to": (
        judge("  first: {type: binary, ask: Q, needs: [output], then: {yes: next, no: 0}}\n  next: {type: binary, ask: Q, needs: [output], then: {yes: 1, no: 0}}\n", "kind: dag\nroot: [first, next]\n"),
        ((":2", 'root names "next", which "first" leads to'), (":2", 'leads to "first" and "next"')),
    ),
    "two roots that decide": (
        judge("  first: {type: binary, ask: Q, needs: [output], then: {yes: 1, no: 0}}\n  next: {type: binary, ask: Q, needs: [output], then: {yes: 1, no: 0}}\n", "kind: dag\nroot: [first, next]\n"),
        ((":2", 'leads to "first" and "next"', "one node decides at a time"),),
    ),
    "tasks that do not meet": (
        judge("  first: {type: task, ask: Q, needs: [output], then: [a, b]}\n  a: {type: regex, pattern: x, then: {yes: 1, no: 0}}\n  b: {type: regex, pattern: x, then: {yes: 1, no: 0}}\n"),
        ((":4", 'nodes.first.then leads to "a" and "b"'),),
    ),
    "a task that may not have run": (
        judge(
            "  first: {type: binary, ask: Q, needs: [output], then: {yes: t, no: d}}\n  t: {type: task, ask: Q, needs: [output], then: d}\n"
            "  d:\n    type: binary\n    ask: Q\n    needs: [t, output]\n    then: {yes: 1, no: 0}\n"
        ),
        ((":9", 'names the task "t", which may not have run'),),
    ),
    "a question about nothing": (
        judge("  first: {type: binary, ask: Q, needs: [output], then: {yes: d, no: 0}}\n  d: {type: binary, ask: Q, then: {yes: 1, no: 0}}\n"),
        ((":5", "nodes.d is shown nothing"),),
    ),
    "a decision as a text": (
        judge("  first: {type: binary, ask: Q, needs: [output], then: {yes: d, no: 0}}\n  d: {type: binary, ask: Q, needs: [first], then: {yes: 1, no: 0}}\n"),
        ((":5", '"first", which is no task'),),
    ),
    "a column's name": (judge("  output: {type: regex, pattern: x, then: {yes: 1, no: 0}}\n", "kind: dag\nroot: output\n"), ((":4", '"output", as a column'),)),
    "a name with a space": (judge("  a b: {type: regex, pattern: x, then: {yes: 1, no: 0}}\n", "kind: dag\nroot: a b\n"), ((":4", "letters, digits"),)),
    "an unknown metric": (judge("  first: {type: metric, use: rogue, min: 1, then: {yes: 1, no: 0}}\n"), ((":4", 'names no metric "rogue"', '"rouge"'),)),
    "an unknown part": (judge("  first: {type: metric, use: rouge.rougeX, min: 1, then: {yes: 1, no: 0}}\n"), ((":4", 'rouge has no part "rougeX"', '"rougeL"'),)),
    "an unknown option": (judge("  first: {type: metric, use: rouge, minn: 1, min: 1, then: {yes: 1, no: 0}}\n"), ((":4", 'no key "minn"', '"min"'),)),
    "a wrong option": (judge("  first: {type: regex, pattern: '(', then: {yes: 1, no: 0}}\n"), ((":4", "nodes.first (regex)", "not a regular expression"),)),
    "an option too few": (judge("  first: {type: regex, then: {yes: 1, no: 0}}\n"), ((":4", 'lacks the option "pattern"'),)),
    "no bound": (judge("  first: {type: metric, use: rouge, then: {yes: 1, no: 0}}\n"), ((":4", "lacks `min` or `max`"),)),
    "a bound without a verdict": (judge("  first: {type: metric, use: rouge, min: 0.3}\n"), ((":4", "nothing that follows from it"),)),
    "bounds that exclude each other": (judge("  first: {type: metric, use: rouge, min: 0.3, max: 0.2, then: {yes: 1, no: 0}}\n"), ((":4", "at least 0.3 and at most 0.2"),)),
    "a metric of the whole corpus": (judge("  first: {type: metric, use: 'evaluate:mauve', min: 0.3, then: {yes: 1, no: 0}}\n"), ((":4", "no value of a single record"),)),
    "a judge in a judge": (judge("  first: {type: metric, use: dag, judge: y.yaml}\n"), ((":4", "cannot hold another dag"),)),
    "a backend of its own": (judge("  first: {type: metric, use: yes_no, question: Q, backend: b}\n"), ((":4", "no key backend"),)),
    "a missing file": (judge("  first: {type: json_schema, schema: none.json, then: {yes: 1, no: 0}}\n"), ((":4", "names no file", '"none.json"'),)),
    "scores that lack one": (judge('  first: {type: score, ask: Q, needs: [output], scale: {min: 1, max: 5}, then: {"1-2": 0, "4-5": 1}}\n'), ((":4", "lacks the scores 3"),)),
    "scores that overlap": (judge('  first: {type: score, ask: Q, needs: [output], scale: {min: 1, max: 3}, then: {"1-2": 0, "2-3": 1}}\n'), ((":4", "has the score 2 twice"),)),
    "scores off the scale": (judge('  first: {type: score, ask: Q, needs: [output], scale: {min: 1, max: 2}, then: {"1-3": 0, "1-2": 1}}\n'), ((":4", 'no scores "1-3"'),)),
    "a scale that goes down": (judge("  first: {type: score, ask: Q, needs: [output], scale: {min: 5, max: 1}}\n"), ((":4", "goes up"),)),
    "a score node without a scale": (judge("  first: {type: score, ask: Q, needs: [output]}\n"), ((":4", "lacks `scale`"),)),
    "a stretch off the scale": (judge("  first: {type: metric, use: rouge, onto: {min: 5, max: 20}}\n"), ((":4", "onto is 5–20", "from 0 to 10"),)),
    "a stretch beside verdicts": (judge("  first: {type: metric, use: rouge, min: 0.3, onto: {min: 5, max: 10}, then: {yes: 1, no: 0}}\n"), ((":4", "verdicts and `onto`"),)),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_each_problem_is_told_with_its_place_and_no_other(case, project):
    told, expected = case
    lines = complaints(told)
    for place, *words in expected:
        assert any(
            f"{place.removeprefix('judges/x.yaml')}: " in line and all(word in line for word in words) for line in lines
        ), lines
    assert all(line.startswith("judges/x.yaml:") for line in lines)
    assert len(lines) == len(expected), lines


def test_all_problems_come_at_once_in_the_order_of_the_file(project):
    lines = complaints(
        judge(
            """
  first: {type: binary, ask: "", needs: [output], then: {yes: second, no: 11}}
  second: {type: task, ask: Q, needs: output, then: thrid}
  third: {type: choice, ask: Q, then: {a: 1}}
  fourth: {type: regexp, pattern: x}
"""
        )
    )
    assert [line.split(":")[1] for line in lines] == ["5", "5", "6", "7", "8", "8"]


def test_a_wrong_rubric_is_told_with_its_own_place(project):
    (project / "rubrics").mkdir()
    (project / "rubrics/odd.yaml").write_text("name: odd\nscale: {min: 5, max: 1}\n")
    lines = complaints(judge("  first: {type: geval, rubric: odd}\n"))
    assert [line.partition(": ")[0] for line in lines] == ["rubrics/odd.yaml:1", "rubrics/odd.yaml:2"]


def test_a_judge_in_a_suite_tells_its_own_lines(load, project):
    (project / "judges").mkdir()
    (project / "judges/j.yaml").write_text("kind: dag\nroot: first\nnodes:\n  first: {type: binary, ask: Q, then: {yes: 1}}\n")
    with pytest.raises(SpecError) as caught:
        load("backends: {b: {kind: scripted}}\nmetrics:\n  - {use: dag, judge: ../judges/j.yaml}\n  - rogue\n")
    lines = str(caught.value).split("\n")
    assert [line.partition(": ")[0] for line in lines] == ["suites/x.yaml:5", "judges/j.yaml:4", "judges/j.yaml:4"], lines


def test_a_suite_finds_a_shipped_judge(load):
    suite = load("backends: {b: {kind: scripted}}\nmetrics:\n  - {use: dag, judge: judges/support-answer.yaml}\n")
    assert suite.metrics[0].metric.graph.name == "support-answer"
    assert suite.metrics[0].metric.needs_of() == ("input", "output")


def test_a_judge_has_a_bounded_number_of_nodes(project):
    nodes = "".join(f"  n{at}: {{type: regex, pattern: x, then: {{yes: 1, no: 0}}}}\n" for at in range(MOST + 1))
    assert "at most 200" in complaints(judge(nodes, "kind: dag\nroot: n0\n"))[-1]


# --- any graph ---


@given(graphs(wrong=True))
@settings(max_examples=300, deadline=None)
def test_a_graph_is_taken_exactly_when_every_way_through_it_is_right(told):
    try:
        dag = read_dag(told)
    except SpecError:
        assert not right(told)
        return
    assert right(told)
    level = {name: depth for depth, names in enumerate(dag.levels) for name in names}
    for name, node in dag.nodes.items():
        targets = (
            node.then
            if isinstance(node, Task)
            else [one for then in node.then.values() if isinstance(then, tuple) for one in then]
        )
        assert all(level[name] < level[target] for target in targets)


@given(graphs(), st.data())
@settings(max_examples=150, deadline=None)
def test_a_task_is_sure_to_have_run_exactly_when_no_way_avoids_it(told, data):
    """A node that names a task in its `needs` is taken only if every way to the node passes the task."""
    assert right(told)
    tasks = [name for name, node in told["nodes"].items() if node["type"] == "task"]
    assume(tasks)
    task, user = data.draw(st.sampled_from(tasks)), data.draw(st.sampled_from(list(told["nodes"])))
    sure = all(task in ran for ran in ran_before(told, user))
    wanted = {**told, "nodes": {**told["nodes"], user: {**told["nodes"][user], "needs": ["output", task]}}}
    event(f"sure: {sure}")
    if sure:
        assert isinstance(read_dag(wanted), Dag)
    else:
        assert any("may not have run" in line for line in complaints(wanted))


def ran_before(told: Mapping[str, Any], user: str) -> list[set[str]]:
    """For each way to a node, the tasks that have run when it is the node's turn."""
    nodes, found = told["nodes"], []

    def walk(targets: list[str], ran: set[str]) -> None:
        """One step: tasks side by side, each after all that lead to it, to the node in which they meet."""
        there, todo = set[str](), list(targets)
        while todo:
            name = todo.pop()
            there.add(name)
            todo += nodes[name]["then"] if nodes[name]["type"] == "task" else []

        def before(name: str) -> set[str]:
            owners = {one for one in there if nodes[one]["type"] == "task" and name in nodes[one]["then"]}
            return ran.union(owners, *map(before, owners))

        if user in there:
            found.append(before(user))
        (decider,) = (name for name in there if nodes[name]["type"] != "task")
        for then in nodes[decider]["then"].values():
            if isinstance(then, list):
                walk(then, before(decider))

    walk(told["root"], set())
    return found


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 20) | st.floats(-5, 5) | st.sampled_from(["", "first", "yes", "task", "rouge", "1-3"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["yes", "no", "min", "max", "type", "then", "first"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
KEYS = [
    "type",
    "ask",
    "needs",
    "then",
    "verdicts",
    "scale",
    "onto",
    "use",
    "of",
    "min",
    "max",
    "pattern",
    "schema",
    "rubric",
    "levels",
]
TYPES = ["task", "binary", "choice", "score", "metric", "regex", "json_schema", "geval", "x"]


@given(
    st.dictionaries(
        st.sampled_from(["first", "yes", "input"]),
        ANY | st.builds(lambda kind, told: {**told, "type": kind}, st.sampled_from(TYPES), st.dictionaries(st.sampled_from(KEYS), ANY, max_size=6)),
        max_size=3,
    ),
    ANY,
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_whatever_stands_in_a_judge_it_is_taken_or_one_of_our_errors_is_told(nodes, root):
    text = yaml.safe_dump({"kind": "dag", "root": root, "nodes": nodes}, allow_unicode=True)
    for told in (document(text), {"kind": "dag", "root": root, "nodes": nodes}):
        try:
            dag = read_dag(told)
        except SpecError as error:
            assert error.problems
        else:
            assert set(dag.nodes) == set(nodes)
            assert all(isinstance(metric, Measure) for metric in dag.nested.values())


def test_the_digest_follows_what_a_judge_says_and_refers_to_and_no_path(project):
    def digest(folder: str, pattern: str, name: str = "s.json") -> str:
        home = project / folder
        home.mkdir(exist_ok=True)
        (home / name).write_text(f'{{"type": "string", "pattern": "{pattern}"}}')
        path = home / "j.yaml"
        path.write_text(
            f"kind: dag\nroot: first\nnodes:\n  first: {{type: json_schema, schema: {name}, then: {{yes: 1, no: 0}}}}\n"
        )
        return read_dag(Document.read(path)).digest

    assert digest("a", "x") == digest("b", "x")
    assert digest("a", "y") != digest("b", "x")
    changed = (project / "a/j.yaml").read_text().replace("no: 0", "no: 2")
    (project / "a/j.yaml").write_text(changed)
    assert read_dag(Document.read(Path("a/j.yaml"))).digest != digest("b", "y")
