"""Suites with `variants:`: a run of each, tested against the control, resumable; what is wrong with them told with its line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import evalkit
from evalkit.core.errors import BudgetSpent, SpecError
from tests.conftest import write_jsonl

SUITE = """
dataset: queries.jsonl
variants:
  old: {fields: {retrieved_ids: old_ids}}
  new: {fields: {retrieved_ids: new_ids}}
  again: {path: again.jsonl, fields: {retrieved_ids: old_ids}}
metrics: [{use: mrr, k: [3]}, recall_at_k]
gates: [{metric: mrr, min: 0.05}]
slices: [kind]
"""


def records(n: int = 60) -> list[dict[str, Any]]:
    rng = np.random.default_rng(5)
    made = []
    for index in range(n):
        old, new = ([f"p{place}" for place in rng.permutation(40)[:5]] for _ in range(2))
        for ids, chance in ((old, 0.4), (new, 0.8)):
            if rng.random() < chance and f"r{index}" not in ids:
                ids[rng.integers(5)] = f"r{index}"
        made.append({
            "id": f"q{index}", "old_ids": old, "new_ids": new, "relevant_ids": [f"r{index}"], "kind": "ab"[index % 2],
            "perfect": [f"r{index}"],
        })  # fmt: skip
    return made


@pytest.fixture
def suite(project: Path) -> Callable[..., Path]:
    def write(text: str = SUITE) -> Path:
        (project / "s.yaml").write_text(text)
        return project / "s.yaml"

    write_jsonl(project / "queries.jsonl", records())
    write_jsonl(project / "again.jsonl", records()[::-1])  # the order does not matter
    return write


def said(path: Path) -> str:
    with pytest.raises(SpecError) as told:
        evalkit.matrix(path)
    return str(told.value)


# --- side by side ----------------------------------------------------------------------------------------------------


def test_every_variant_is_a_run_and_a_line_and_the_tests_are_those_of_compare(suite, project):
    found = evalkit.matrix(suite())
    assert list(found.runs) == ["old", "new", "again"]
    compared = evalkit.compare(*found.runs.values(), slices=())
    told = found.to_json()
    for line, other in zip(told["lines"][1:], compared.comparisons):
        for name, value in other.metrics.items():
            own = line["metrics"][name]
            assert own["diff"] == pytest.approx(value.diff)
            assert own["p_adjusted"] == pytest.approx(value.p_adjusted, nan_ok=True)
            assert own["verdict"] == value.verdict
    assert told["control"] == "old"
    assert told["tests"] == compared.families["metrics"] == 4
    assert {run.dataset["variant"] for run in found.runs.values()} == set(found.runs)
    assert (project / f".evalkit/runs/{found.runs['old'].run_id}/matrix.html").is_file()
    again = told["lines"][2]["metrics"]["mrr"]
    assert (again["diff"], again["verdict"], again["pairs"]) == (0, "inconclusive", 60)


def test_the_difference_is_paired_whatever_the_order_of_the_records(suite):
    found = evalkit.matrix(suite())
    rows = {name: run.to_pandas().set_index("id") for name, run in found.runs.items()}
    gain = rows["new"]["recall_at_k.at_5"] - rows["old"]["recall_at_k.at_5"]
    line = found.to_json()["lines"][1]["metrics"]["recall_at_k.at_5"]
    assert line["diff"] == pytest.approx(gain.mean())
    sign = stats.binomtest(int((gain > 0).sum()), int((gain != 0).sum())).pvalue
    assert line["p"] == pytest.approx(sign, rel=0.5)  # McNemar's exact test is a sign test
    assert line["verdict"] == "better"


def test_the_control_is_the_one_that_is_named_and_limits_hold_for_all(suite):
    found = evalkit.matrix(
        suite(SUITE + "control: new\n"),
        limit=20,
        overrides={"variants.again.path": "queries.jsonl", "variants.again.fields": {"retrieved_ids": "perfect"}},
    )
    assert list(found.runs) == ["new", "old", "again"]
    assert {run.dataset["n"] for run in found.runs.values()} == {20}
    assert found.runs["again"]["mrr"].mean == 1


def test_many_differences_of_nothing_are_adjusted_for_and_are_none(suite, project):
    rng = np.random.default_rng(11)
    made = [
        {"id": f"q{at}", "relevant_ids": ["p0"], **{f"v{k}": [f"p{one}" for one in rng.permutation(12)[:6]] for k in range(9)}}
        for at in range(150)
    ]
    write_jsonl(project / "queries.jsonl", made)
    sides = "\n".join(f"  v{k}: {{fields: {{retrieved_ids: v{k}}}}}" for k in range(9))
    found = evalkit.matrix(suite(f"dataset: queries.jsonl\nvariants:\n{sides}\nmetrics: [mrr, hit_rate, ndcg]\n"))
    cells = [cell for row in found.cells.values() for cell in row[1:]]
    assert len(cells) == 24
    assert all(cell.change.direction == "unclear" for cell in cells)
    assert any(line["metrics"][name]["p"] < 0.05 for line in found.to_json()["lines"][1:] for name in ("mrr", "ndcg"))


def test_the_terminal_names_the_data_the_tests_and_the_worst_exit_code(suite, cli, project):
    done = cli("run", suite(SUITE.replace("min: 0.05", "min: 0.25")))
    assert done.returncode == 1
    assert "queries.jsonl, retrieved_ids from new_ids" in done.stdout
    assert "differences are to old; p is adjusted (Holm) over 4 tests of main values" in done.stdout
    assert "better, p 0.0" in done.stdout
    assert "no change" in done.stdout
    assert "a gate did not pass in 2 of 3 variants" in done.stdout
    out = cli("run", suite(), "--out", "out", "--json")
    assert [line["name"] for line in json.loads(out.stdout)["lines"]] == ["old", "new", "again"]
    assert {path.name for path in (project / "out").iterdir()} >= {"old", "new", "again", "matrix.json"}


def test_check_says_what_is_compared_and_of_which_variant_a_fault_is(suite, cli, project):
    done = cli("check", suite())
    assert done.returncode == 0
    assert "variants  old, new, again: each compared with old" in done.stdout
    assert "new: " in done.stdout.partition("the data")[2]


def test_evalkit_run_in_python_says_that_there_are_several(suite):
    with pytest.raises(SpecError, match=r"has 3 variants \(old, new, again\); evalkit.matrix runs them all"):
        evalkit.run(suite())


def test_texts_and_ids_are_read_alike_in_all_variants(project):
    texts = {"contexts": ["one two three four", "five six seven"], "reference_contexts": ["five six seven"]}
    ids = {"retrieved_ids": ["a", "b"], "relevant_ids": ["a"]}
    write_jsonl(project / "a.jsonl", [{"id": f"q{at}", **texts, **ids} for at in range(6)])
    write_jsonl(project / "b.jsonl", [{"id": f"q{at}", **texts} for at in range(6)])
    write_jsonl(project / "c.jsonl", [{"id": f"q{at}", **ids} for at in range(6)])
    (project / "s.yaml").write_text("variants: {a: a.jsonl, b: b.jsonl}\nmetrics: [mrr]\n")
    found = evalkit.matrix("s.yaml")
    assert [run["mrr"].mean for run in found.runs.values()] == [1 / 2, 1 / 2]  # by texts, as b has no ids
    (project / "s.yaml").write_text("variants:\n  b: b.jsonl\n  c: c.jsonl\nmetrics: [mrr]\n")
    told = said(project / "s.yaml")
    assert 's.yaml:2: variants.b: mrr reads "retrieved_ids" and "relevant_ids" of other variants, and this one has none' in told


# --- judged, and killed ----------------------------------------------------------------------------------------------

JUDGED = """
variants: {{one: one.jsonl, two: two.jsonl}}
backends: {{judge: {{kind: openai, base_url: {url}, model: small, max_concurrency: 8, timeout_s: 20}}}}
metrics:
  - {{use: yes_no, as: good, question: Is it good?}}
  - exact_match
"""


def judged(project: Path, endpoint: Any, n: int) -> Path:
    for name in ("one", "two"):
        made = [
            {"id": f"q{at}", "input": f"q {at}", "output": f"{name} says {at}", "reference": f"one says {at}"}
            for at in range(n)
        ]
        write_jsonl(project / f"{name}.jsonl", made)
    (project / "s.yaml").write_text(JUDGED.format(url=endpoint.url))
    return project / "s.yaml"


def test_judged_metrics_are_compared_too_and_a_budget_is_that_of_all_runs(project, endpoint):
    path = judged(project, endpoint, 12)
    found = evalkit.matrix(path)
    assert endpoint.asked() == 24
    assert [run["exact_match"].mean for run in found.runs.values()] == [1, 0]
    assert [run.usage.calls for run in found.runs.values()] == [12, 12]
    assert found.to_json()["lines"][1]["metrics"]["exact_match"]["verdict"] == "worse"
    endpoint.reset()
    with pytest.raises(BudgetSpent):
        evalkit.matrix(path, fresh=True, store="other", overrides={"budget": {"max_calls": 20}})
    assert endpoint.asked() <= 20


def test_a_killed_command_goes_on_with_all_its_variants_and_repeats_no_answered_call(project, endpoint):
    n = 150
    path = judged(project, endpoint, n)
    endpoint.reset(latency_s=0.03)
    for after in (60, 210):  # within the first variant, then within the second
        endpoint.set(latency_s=0.03, most=after + 24)
        process = subprocess.Popen(
            [sys.executable, "-m", "evalkit", "run", str(path)], cwd=project,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        while process.poll() is None and endpoint.asked() < after:
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "the run was faster than its killer"
        time.sleep(0.3)
    endpoint.set(latency_s=0.0)
    found = evalkit.matrix(path)
    assert endpoint.asked() <= 2 * n + 2 * 8
    assert len(list((project / ".evalkit/runs").iterdir())) == 2
    assert {run["good"].n + run["good"].errors for run in found.runs.values()} == {n}
    whole = evalkit.matrix(path, store="elsewhere", fresh=True)
    assert {name: run["good"].mean for name, run in whole.runs.items()} == {
        name: run["good"].mean for name, run in found.runs.items()
    }


# --- what is wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (("again.jsonl", "agian.jsonl"), ['s.yaml:6: variants.again.path', 'did you mean "again.jsonl"']),
        (("fields: {retrieved_ids: new_ids}", "filds: {retrieved_ids: new_ids}"), ['s.yaml:5: variants.new has no key "filds"; did you mean "fields"']),
        (("retrieved_ids: new_ids", "retrieved_ids: news_ids"), ['s.yaml:5: variants.new', '`fields` takes retrieved_ids from "news_ids"', '"new_ids"']),
        (("retrieved_ids: new_ids", "retrieved_ids: old_ids"), ['s.yaml:5: variants: "old" and "new" are the same data']),
        (("  new:", "  'a/b':"), ['s.yaml:5: a variant\'s name wants letters']),
        (("slices:", "control: newer\nslices:"), ['control names no variant "newer"; did you mean "new"']),
        (("slices:", "generate: {backends: [x]}\nslices:"), ["variants and generate are both there"]),
        (("dataset: queries.jsonl", "dataset: '-'"), ["stdin can be read once"]),
        (("dataset: queries.jsonl\n", ""), ["variants.old lacks `path`, as the suite has no `dataset`", "variants.new lacks `path`"]),
        (("variants:", "variant:"), ['the suite has no key "variant"; did you mean "variants"']),
    ],
)  # fmt: skip
def test_what_is_wrong_with_variants_is_told_with_its_line(suite, change, messages):
    told = said(suite(SUITE.replace(*change, 1)))
    for message in messages:
        assert message in told


def test_one_variant_is_none_and_a_control_needs_some(suite):
    assert "variants names one, and a comparison takes two" in said(
        suite("dataset: queries.jsonl\nvariants: {old: {fields: {retrieved_ids: old_ids}}}\nmetrics: [mrr]\n")
    )
    assert "control is one of `variants`, and the suite has none" in said(
        suite("dataset: queries.jsonl\ncontrol: old\nmetrics: [mrr]\n")
    )


def test_records_that_not_all_variants_have_are_named(suite, project):
    write_jsonl(project / "again.jsonl", [*records()[3:], {**records(1)[0], "id": "new-one"}])
    told = said(suite())
    assert 's.yaml:6: variants.again: "again" does not have 3 records of "old": q0, q1, q2' in told
    assert 's.yaml:6: variants.again: "again" has 1 record that "old" does not have: new-one' in told


def test_records_without_ids_are_told_that_they_need_some(suite, project):
    write_jsonl(project / "queries.jsonl", [
        {"input": f"q {at}", "a": [f"text {at}"], "b": [f"other {at}"], "reference_contexts": ["text 1"]} for at in range(5)
    ])  # fmt: skip
    told = said(
        suite("dataset: queries.jsonl\nvariants:\n  a: {fields: {contexts: a}}\n  b: {fields: {contexts: b}}\nmetrics: [mrr]\n")
    )
    assert '"b" does not have 5 records of "a"' in told
    assert "give every record an `id`: without one it is derived from the content, contexts included" in told


def test_what_is_wrong_with_the_data_of_all_is_told_once(suite, project):
    with (project / "queries.jsonl").open("a") as out:
        out.write("{broken\n")
    told = said(suite(SUITE.replace("  again: {path: again.jsonl, fields: {retrieved_ids: old_ids}}\n", "")))
    assert told.count("queries.jsonl:61") == 1


def test_check_says_where_variants_were_asked_otherwise(suite, cli, project):
    write_jsonl(project / "queries.jsonl", [{**record, "input": f"what is {at}?"} for at, record in enumerate(records())])
    write_jsonl(
        project / "again.jsonl", [{**record, "input": f"what is {at // 2 * 2}?"} for at, record in enumerate(records())]
    )
    done = cli("check", suite())
    assert done.returncode == 0
    assert "again: 30 records have another input than under old: q1, q3, q5, …" in done.stdout
    assert "new: 30" not in done.stdout


def test_a_column_without_any_value_is_none(project):
    texts = {"contexts": ["one two three four", "five six seven"], "reference_contexts": ["five six seven"]}
    write_jsonl(
        project / "d.jsonl", [{"id": f"q{at}", **texts, "retrieved_ids": None, "relevant_ids": None} for at in range(6)]
    )
    (project / "s.yaml").write_text("dataset: d.jsonl\nmetrics: [mrr]\n")
    assert evalkit.run("s.yaml")["mrr"].mean == 1 / 2


def test_texts_are_matched_by_an_endpoint_s_vectors_in_every_variant(project, endpoint):
    made = [
        {"id": f"q{at}", "a": ["cat", f"dog {at}"], "b": [f"dog {at}", "cat"], "reference_contexts": [f"dog {at}"]}
        for at in range(8)
    ]
    write_jsonl(project / "d.jsonl", made)
    (project / "s.yaml").write_text(
        "dataset: d.jsonl\nvariants: {a: {fields: {contexts: a}}, b: {fields: {contexts: b}}}\n"
        f"backends: {{vectors: {{kind: openai, base_url: {endpoint.url}, model: small}}}}\n"
        "metrics: [{use: mrr, match: embedding, threshold: 0.999}, {use: redundancy, similarity: embedding}, {use: context_size, match: embedding, threshold: 0.999}]\n"
    )
    found = evalkit.matrix("s.yaml")
    assert [run["mrr"].mean for run in found.runs.values()] == [1 / 2, 1]
    assert [run["context_size.noise"].mean for run in found.runs.values()] == [1 / 3, 1 / 3]
    assert found.runs["a"]["redundancy"].mean == pytest.approx(found.runs["b"]["redundancy"].mean)
    assert "match:embedding|threshold:0.999" in found.runs["a"]["mrr"].signature
    assert found.to_json()["lines"][1]["metrics"]["mrr"]["verdict"] == "better"
    assert evalkit.compare(*found.runs.values(), slices=())["mrr"].n == 8  # built again from what the run tells of it


def test_every_gate_of_every_variant_is_a_test_of_pytest(suite, project):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--evalkit", str(suite(SUITE.replace("min: 0.05", "min: 0.25"))), "-p", "no:cacheprovider"],
        cwd=project, capture_output=True, text=True,
    )  # fmt: skip
    assert "4 passed" in done.stdout, done.stdout
    assert "2 failed" in done.stdout


def test_editors_know_variants():
    import jsonschema

    from evalkit.specs.schema import suite_schema

    schema = suite_schema()
    fine = {
        "variants": {"a": "a.jsonl", "b": {"path": "b.jsonl", "fields": {"contexts": "found"}}},
        "control": "b",
        "metrics": ["mrr"],
    }
    jsonschema.validate(fine, schema)
    for wrong in ({"variants": {"a": "a.jsonl"}}, {"variants": {"a": "a.jsonl", "b": {"filds": {}}}}, {}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"metrics": ["mrr"], **wrong}, schema)
