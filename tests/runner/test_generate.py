"""Suites that generate: answers from a model first, resumable to the last call, then scored as any other data."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from itertools import groupby
from math import comb
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evalkit
from evalkit.core.asking import Reply, Request
from evalkit.core.errors import BudgetSpent, SpecError
from evalkit.records.dataset import scan
from evalkit.specs.passes import Passes
from evalkit.stats.passk import all_of, any_of, ladder

SCRIPTED = """
name: made
dataset: {path: d.jsonl}
backends:
  small: {kind: scripted, replies: [{when: 'what is 3\\b', fail: the endpoint is down}, {when: '[02468]\\?', say: even}], otherwise: odd}
  large: {kind: scripted, model: big, replies: [{when: '[0-6]\\?', say: even}], otherwise: odd}
generate: {backends: [small], prompts: [prompts/ask.md]}
metrics: [exact_match, {use: rouge, types: [rouge1]}]
gates: [{metric: errors, max: 0.5}]
"""


@pytest.fixture
def suite(project: Path, jsonl: Any) -> Path:
    records = [
        {
            "id": f"q{i}",
            "question": f"what is {i}?",
            "reference": ["even", "odd"][i % 2],
            "kind": "abc"[i % 3],
            "extra": {"n": i},
        }
        for i in range(20)
    ]
    jsonl(project / "d.jsonl", records)
    (project / "prompts").mkdir()
    (project / "prompts/ask.md").write_text("---\nversion: 2\nsystem: Answer.\n---\n{{ question }}\n")
    (project / "prompts/kind.md").write_text("{{ kind }}: {{ question }}\n")
    (project / "s.yaml").write_text(SCRIPTED)
    return project / "s.yaml"


def told(done: Any) -> Any:
    assert done.returncode in (0, 1, 3), done.stderr
    return msgspec.json.decode(done.stdout)


def ran(suite: Path, **options: Any) -> dict[str, Any]:
    """results.json of a run made in this process."""
    return json.loads(msgspec.json.encode(evalkit.run(suite, **options).to_json()))


def side_by_side(suite: Path, **options: Any) -> dict[str, Any]:
    """The matrix of a suite's variants."""
    return json.loads(msgspec.json.encode(evalkit.matrix(suite, **options).to_json()))


def runs(folder: Path) -> list[Path]:
    return sorted((folder / ".evalkit/runs").iterdir())


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "generated.jsonl").read_text().splitlines()]


# --- one variant -----------------------------------------------------------------------------------------------------


def test_answers_are_made_scored_and_kept_with_all_columns(suite: Path) -> None:
    results = ran(suite)
    (folder,) = runs(suite.parent)
    rows = lines(folder)
    assert [row["output"] for row in rows[:5]] == ["even", "odd", "even", None, "even"]
    assert rows[1]["extra"] == {"n": 1}
    assert (rows[1]["variant"], rows[1]["prompt_version"], rows[1]["model"]) == ("ask@small", "ask:2", "scripted")
    assert results["metrics"]["exact_match"]["n"] == 19
    assert results["metrics"]["exact_match"]["errors"] == 1
    assert results["dataset"]["generated"]["failed"] == 1
    assert results["dataset"]["source"]["n"] == 20
    assert results["prompts"]["generate/ask"].endswith("{{ question }}\n")
    assert not (folder / "parts").exists()


def test_a_failed_answer_is_an_error_of_every_metric_that_needs_it_and_never_empty(suite: Path) -> None:
    results = ran(suite)
    (folder,) = runs(suite.parent)
    scores = {row["id"]: row for row in pq.read_table(folder / "scores.parquet").to_pylist()}
    assert scores["q3"]["exact_match"] is None or math.isnan(scores["q3"]["exact_match"])
    assert scores["q3"]["exact_match.error"] == "no output: the endpoint is down"
    assert scores["q3"]["rouge.error"] == "no output: the endpoint is down"
    assert lines(folder)[3]["generation_error"] == "the endpoint is down"
    assert results["gates"][0]["observed"] == 1 / 20


def test_what_was_judged_can_be_read_back_as_a_data_set(suite: Path) -> None:
    first = ran(suite)
    (folder,) = runs(suite.parent)
    (suite.parent / "again.yaml").write_text(
        f"dataset: {folder / 'generated.jsonl'}\nmetrics: [exact_match, {{use: rouge, types: [rouge1]}}, latency]\n"
    )
    again = ran(suite.parent / "again.yaml")
    for name in ("exact_match", "rouge.rouge1"):
        assert again["metrics"][name]["mean"] == first["metrics"][name]["mean"]
    assert again["metrics"]["latency.p50"]["mean"] > 0


def test_the_same_scores_as_when_the_outputs_had_been_in_the_data(suite: Path, jsonl: Any) -> None:
    made = ran(suite)
    (folder,) = runs(suite.parent)
    jsonl(suite.parent / "flat.jsonl", [{key: row[key] for key in ("id", "output", "reference")} for row in lines(folder)])
    (suite.parent / "flat.yaml").write_text("dataset: flat.jsonl\nmetrics: [exact_match, {use: rouge, types: [rouge1]}]\n")
    flat = ran(suite.parent / "flat.yaml")
    for name, value in flat["metrics"].items():
        assert {key: value[key] for key in ("mean", "ci", "n", "errors")} == {
            key: made["metrics"][name][key] for key in ("mean", "ci", "n", "errors")
        }


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_columns_of_the_data_come_through_as_they_are(suite: Path, kind: str) -> None:
    import pandas as pd

    frame = pd.DataFrame(
        {"id": ["a", "b"], "question": ['x, "y"\n', "é🙂"], "reference": ["r", "s"], "score": [1.5, 2.0], "n": [3, 4]}
    )
    path = suite.parent / f"d.{kind}"
    writer = {"csv": frame.to_csv, "parquet": frame.to_parquet}.get(kind)
    if writer is None:
        frame.to_json(path, orient="records", lines=True)
    else:
        writer(path, index=False)
    suite.write_text(SCRIPTED.replace("d.jsonl", path.name))
    ran(suite)
    (folder,) = runs(suite.parent)
    before = scan([path], label="x").chunks[0].read()
    after = scan([folder / "generated.jsonl"], label="x").chunks[0].read()
    for name in ("id", "question", "reference", "score", "n"):
        assert list(after.column(name)) == list(before.column(name))


def test_a_prompt_that_one_record_cannot_fill_is_that_records_error(suite: Path, cli: Any, jsonl: Any) -> None:
    jsonl(
        suite.parent / "d.jsonl",
        [{"id": "a", "question": None, "reference": "odd"}, {"id": "b", "question": "1?", "reference": "odd"}],
    )
    results = ran(suite)
    assert results["metrics"]["exact_match"]["errors"] == 1
    (folder,) = runs(suite.parent)
    assert (
        lines(folder)[0]["generation_error"]
        == "the prompt could not be made: prompts/ask.md:5: question is null in this record"
    )
    done = cli("check", suite)
    assert (
        "prompts/ask.md:5: question is null in this record, so no prompt can be made of 1 of the first 2 records" in done.stdout
    )


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("one\n{{ qestion }}", 'prompts/ask.md:2: no record of d.jsonl has the column "qestion"; did you mean "question"?'),
        ("{{ question / 2 }}", "prompts/ask.md:1: TypeError"),
        ("{% if %}", "prompts/ask.md:1: the template is broken"),
    ],
)
def test_what_is_wrong_with_a_prompt_is_told_before_anything_is_asked(
    suite: Path, endpoint: Any, prompt: str, wanted: str
) -> None:
    (suite.parent / "prompts/ask.md").write_text(prompt)
    with pytest.raises(SpecError) as error:
        ran(http(suite, endpoint))
    assert wanted in str(error.value)
    assert endpoint.log() == []
    assert not (suite.parent / ".evalkit/runs").exists()


def test_a_cost_that_nobody_can_know_is_told_before_anything_is_asked(suite: Path, cli: Any) -> None:
    suite.write_text(SCRIPTED.replace("metrics: [", "metrics: [cost, "))
    done = cli("check", suite)
    assert done.returncode == 2
    assert 'cost needs to know what an answer of "small" costs; add `prices: {small: ' in done.stderr
    assert not (suite.parent / ".evalkit/runs").exists()


# --- over HTTP -------------------------------------------------------------------------------------------------------

HTTP = """
name: http
dataset: d.jsonl
backends:
  local: {{kind: openai, base_url: {url}, model: small, max_concurrency: 8}}
generate: {{prompts: [prompts/ask.md], {more}}}
metrics: [levenshtein, latency, tokens, cost]
prices: {{small: {{prompt: 1.0, completion: 2.0}}}}
"""


def http(suite: Path, endpoint: Any, more: str = "max_tokens: 64") -> Path:
    suite.write_text(HTTP.format(url=endpoint.url, more=more))
    return suite


def test_latency_tokens_and_cost_are_those_of_the_answers(suite: Path, endpoint: Any) -> None:
    endpoint.reset(latency_s=0.05)
    results = ran(http(suite, endpoint))
    (folder,) = runs(suite.parent)
    for row in lines(folder):
        assert 50 <= row["latency_ms"] < 5_000
        assert row["cost"] == pytest.approx((row["prompt_tokens"] + 2 * row["completion_tokens"]) / 1e6)
    assert results["usage"]["calls"] == 20
    assert results["usage"]["cost"] == pytest.approx(sum(row["cost"] for row in lines(folder)))
    assert results["metrics"]["cost.mean"]["mean"] == pytest.approx(results["usage"]["cost"] / 20)
    body = endpoint.log()[0].body
    assert [turn["role"] for turn in body["messages"]] == ["system", "user"]
    assert body["max_tokens"] == 64
    calls = pq.read_table(folder / "calls.parquet").to_pylist()
    assert [(call["metric"], call["id"], call["call"]) for call in calls] == [
        ("generate", f"q{i}", "generate") for i in range(20)
    ]


def test_a_second_run_asks_nothing_and_knows_what_the_answers_took(suite: Path, endpoint: Any) -> None:
    endpoint.reset()
    ran(http(suite, endpoint))
    again = ran(suite)
    assert len(endpoint.log()) == 20
    assert (again["usage"]["calls"], again["usage"]["cached"]) == (0, 20)
    first, second = runs(suite.parent)
    assert (first / "generated.jsonl").read_bytes() == (second / "generated.jsonl").read_bytes()


def test_faults_of_a_server_leave_every_record_answered_or_an_error(suite: Path, endpoint: Any) -> None:
    endpoint.reset(faults={"429": 0.1, "500": 0.1, "truncated": 0.1, "reset": 0.05})
    results = ran(http(suite, endpoint))
    assert results["metrics"]["levenshtein.distance"]["n"] + results["metrics"]["levenshtein.distance"]["errors"] == 20
    (folder,) = runs(suite.parent)
    assert all((row["output"] is None) == (row["generation_error"] is not None) for row in lines(folder))
    assert all(row["output"] != "" for row in lines(folder))


def start(suite: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "evalkit", "run", str(suite), "--json"],
        cwd=suite.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def test_a_killed_generation_goes_on_without_making_an_answered_call_again(suite: Path, endpoint: Any, jsonl: Any) -> None:
    n, in_flight, kills, rng = 400, 8, 3, random.Random(3)
    jsonl(suite.parent / "d.jsonl", [{"id": f"q{i}", "question": f"{i}?", "reference": "answer 0"} for i in range(n)])
    http(suite, endpoint, "repeats: 2, temperature: 1")
    endpoint.reset(latency_s=0.02)
    for _ in range(kills):
        process = start(suite)
        before = len(endpoint.log())
        wanted = before + rng.randrange(40, 160)
        while process.poll() is None and len(endpoint.log()) < wanted:
            time.sleep(0.01)
        assert process.poll() is None, "the run was faster than its killer: give it more records"
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert len(runs(suite.parent)) == 1
    results = ran(suite)
    log = endpoint.log()
    assert len(log) <= 2 * n + kills * in_flight
    assert len({entry.prompt for entry in log}) == 2 * n
    (folder,) = runs(suite.parent)
    rows = lines(folder)
    assert [row["id"] for row in rows] == [f"q{i}{mark}" for i in range(n) for mark in ("", "#2")]
    endpoint.reset()
    (suite.parent / "whole").mkdir()
    whole = ran(suite, store=str(suite.parent / "other"), out=suite.parent / "whole")
    plain = [{key: row[key] for key in row if key != "latency_ms"} for row in rows]
    assert plain == [{key: row[key] for key in row if key != "latency_ms"} for row in lines(suite.parent / "whole")]
    assert results["metrics"]["levenshtein.distance"] == whole["metrics"]["levenshtein.distance"]
    usage = results["usage"]
    assert len(log) - kills * in_flight <= usage["calls"] <= len(log)
    assert usage["calls"] + usage["cached"] >= 2 * n


def test_ctrl_c_says_how_to_go_on(suite: Path, cli: Any, endpoint: Any) -> None:
    endpoint.reset(latency_s=0.2)
    http(suite, endpoint, "repeats: 20, temperature: 1")
    process = subprocess.Popen(
        [sys.executable, "-m", "evalkit", "run", str(suite)],
        cwd=suite.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    while len(endpoint.log()) < 60 and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    output = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 130, output
    assert "Go on with: evalkit run" in output
    assert "Traceback" not in output
    endpoint.set()
    done = cli("run", suite)
    assert done.returncode == 0, done.stderr
    assert "are answered already" in done.stdout
    assert len(endpoint.log()) <= 400 + 8


def test_a_spent_budget_stops_all_variants_and_a_larger_one_goes_on(suite: Path, endpoint: Any) -> None:
    endpoint.reset()
    http(suite, endpoint, "max_tokens: 9").write_text(
        suite.read_text().replace("prompts/ask.md]", "prompts/ask.md, prompts/kind.md]") + "budget: {max_calls: 30}\n"
    )
    with pytest.raises(BudgetSpent, match="the budget of 30 calls is spent"):
        side_by_side(suite)
    assert len(endpoint.log()) == 30
    suite.write_text(suite.read_text().replace("max_calls: 30", "max_calls: 100"))
    matrix = side_by_side(suite)
    assert len(endpoint.log()) == 40
    assert [line["name"] for line in matrix["lines"]] == ["ask@local", "kind@local"]
    assert len(runs(suite.parent)) == 2


def test_retry_errors_asks_again_only_for_what_failed(suite: Path, endpoint: Any) -> None:
    endpoint.reset(unknown=("max_tokens", "max_completion_tokens"))
    first = ran(http(suite, endpoint))
    assert first["metrics"]["levenshtein.distance"]["errors"] == 20
    endpoint.reset()
    half = ran(suite, retry_errors=True)
    assert half["metrics"]["levenshtein.distance"]["n"] == 20
    assert len(endpoint.log()) == 20
    before = lines(runs(suite.parent)[-1])
    endpoint.reset()
    again = ran(suite, retry_errors=True)
    assert endpoint.log() == []
    assert again["usage"]["cached"] == 0, "what was answered is taken over, not asked of the cache"
    assert again["metrics"] == half["metrics"]
    assert before in [lines(folder) for folder in runs(suite.parent)]


def test_no_cache_asks_again_and_another_prompt_is_another_run(suite: Path, cli: Any, endpoint: Any) -> None:
    endpoint.reset()
    ran(http(suite, endpoint))
    told(cli("run", suite, "--json", "--no-cache"))
    assert len(endpoint.log()) == 40
    (suite.parent / "prompts/ask.md").write_text("Say: {{ question }}")
    changed = ran(suite)
    assert len(endpoint.log()) == 60
    assert changed["dataset"]["generated"]["prompt_version"] != "ask:2"


def test_what_was_recorded_can_be_replayed(suite: Path, cli: Any, endpoint: Any) -> None:
    endpoint.reset()
    made = told(cli("run", http(suite, endpoint), "--json", "--record", "tape.jsonl"))
    tape = [json.loads(line) for line in (suite.parent / "tape.jsonl").read_text().splitlines()]
    assert [(call["metric"], call["id"], call["call"], call["repeat"]) for call in tape][:2] == [
        ("generate", "q0", "generate", 0), ("generate", "q1", "generate", 0)
    ]  # fmt: skip
    assert {call["text"] for call in tape} == {row["output"] for row in lines(runs(suite.parent)[0])}
    assert made["usage"]["calls"] == len(tape)


# --- draws and samples -----------------------------------------------------------------------------------------------


@given(
    n=st.integers(1, 12),
    data=st.data(),
)
def test_pass_k_is_the_share_of_choices_of_k_draws(n: int, data: st.DataObject) -> None:
    from itertools import combinations

    draws = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    k = data.draw(st.integers(1, n))
    chosen = list(combinations(draws, k))
    assert float(all_of(n, sum(draws), k)) == pytest.approx(np.mean([all(one) for one in chosen]), abs=1e-12)
    assert float(any_of(n, sum(draws), k)) == pytest.approx(np.mean([any(one) for one in chosen]), abs=1e-12)
    assert float(all_of(n, sum(draws), k)) <= sum(draws) / n + 1e-12 <= float(any_of(n, sum(draws), k)) + 2e-12


def test_pass_k_of_many_draws_overflows_nowhere() -> None:
    assert float(all_of(1000, 900, 100)) == pytest.approx(comb(900, 100) / comb(1000, 100), rel=1e-9)
    assert float(any_of(1000, 3, 500)) == pytest.approx(1 - comb(997, 500) / comb(1000, 500), rel=1e-9)
    assert np.isnan(all_of(2, 1, 3))
    assert [ladder(n) for n in (1, 2, 3, 8)] == [(), (2,), (2, 3), (2, 4, 8)]


def test_a_draw_that_could_not_be_scored_is_no_draw() -> None:
    rows = Passes("m", 2, True).over(np.array([1.0, 1.0, np.nan, 1.0, np.nan, np.nan, 1.0, 0.0, 1.0]), 3)
    assert rows[::3, 0].tolist()[0] == 1.0
    assert np.isnan(rows[3, 0])
    assert rows[6, 0] == pytest.approx(1 / 3)
    assert np.isnan(np.delete(rows, [0, 6], axis=0)).all()


def test_draws_are_records_that_share_a_cluster_and_pass_k_stands_beside_the_mean(suite: Path, endpoint: Any) -> None:
    endpoint.reset()
    suite.write_text(
        HTTP.format(url=endpoint.url, more="repeats: 4, temperature: 0.9").replace(
            "metrics: [levenshtein,", "metrics: [{use: regex, pattern: 'answer [0-7]'},"
        )
        + "slices: [kind]\ngates: [{metric: regex.pass@2, min: 0.1}]\n"
    )
    results = ran(suite)
    assert {entry.body.get("seed") for entry in endpoint.log()} == {None, 1, 2, 3}
    assert {entry.body["temperature"] for entry in endpoint.log()} == {0.9}
    (folder,) = runs(suite.parent)
    rows = lines(folder)
    assert [row["id"] for row in rows[:5]] == ["q0", "q0#2", "q0#3", "q0#4", "q1"]
    assert all(row["cluster"] == row["id"].partition("#")[0] for row in rows)
    scores = pq.read_table(folder / "scores.parquet").column("regex").to_numpy().reshape(20, 4)
    passed = scores.sum(axis=1).astype(int)
    assert 0 < passed.sum() < 80
    metrics = results["metrics"]
    for k in (2, 4):
        assert metrics[f"regex.pass^{k}"]["mean"] == pytest.approx(np.mean([comb(c, k) / comb(4, k) for c in passed]))
        assert metrics[f"regex.pass@{k}"]["mean"] == pytest.approx(np.mean([1 - comb(4 - c, k) / comb(4, k) for c in passed]))
        assert metrics[f"regex.pass^{k}"]["n"] == 20
        assert metrics[f"regex.pass^{k}"]["coverage"] == 1.0
        low, high = metrics[f"regex.pass@{k}"]["ci"]
        assert low < metrics[f"regex.pass@{k}"]["mean"] < high or low == high
    assert results["gates"][0]["metric"] == "regex.pass@2"
    assert "regex.pass^4" in results["slices"][0]["metrics"]
    assert list(metrics).index("regex.pass^2") == list(metrics).index("regex") + 1


def test_draws_at_temperature_0_are_warned_of(suite: Path) -> None:
    suite.write_text(SCRIPTED.replace("prompts/ask.md]}", "prompts/ask.md], repeats: 2, temperature: 0}"))
    with pytest.warns(UserWarning, match="2 draws at temperature 0 differ only by what the server leaves to chance"):
        ran(suite)


def test_an_id_that_a_draw_would_take_is_told_first(suite: Path, jsonl: Any) -> None:
    jsonl(suite.parent / "d.jsonl", [{"id": name, "question": "1?", "reference": "odd"} for name in ("a", "a#2")])
    suite.write_text(SCRIPTED.replace("prompts/ask.md]}", "prompts/ask.md], repeats: 2, temperature: 1}"))
    with pytest.raises(SpecError, match=r'd.jsonl: the id "a#2" is what a further draw of "a" would be called'):
        ran(suite)


def test_samples_are_further_draws_at_their_own_temperature(suite: Path, endpoint: Any) -> None:
    endpoint.reset()
    ran(http(suite, endpoint, "samples: {n: 3, temperature: 0.8}"))
    (folder,) = runs(suite.parent)
    for row in lines(folder):
        assert len(set(row["samples"])) == 3
        assert row["output"] not in row["samples"]
        assert row["samples_error"] is None
    heats = sorted(entry.body["temperature"] for entry in endpoint.log())
    assert heats == [0.0] * 20 + [0.8] * 60


# --- variants --------------------------------------------------------------------------------------------------------

SEVERAL = SCRIPTED.replace(
    "[small], prompts: [prompts/ask.md]}",
    """[small, large], prompts: [prompts/ask.md, prompts/kind.md],
  routes: {easy-to-small: {by: kind, use: {a: ask@small}, else: ask@large}, "<b>all</b>": {by: kind, else: ask@small}}}
slices: [kind]
report: [json, html]""",
)


def test_every_variant_is_a_run_of_its_own_and_a_line_of_the_matrix(suite: Path, cli: Any) -> None:
    suite.write_text(SEVERAL)
    matrix = told(cli("run", suite, "--json", "--html", "m.html", "--markdown", "m.md"))
    names = ["ask@small", "ask@large", "kind@small", "kind@large"]
    assert [line["name"] for line in matrix["lines"]] == [*names, "easy-to-small", "<b>all</b>"]
    found = {}
    for folder in runs(suite.parent):
        results = json.loads((folder / "results.json").read_bytes())
        found[results["dataset"]["generated"]["variant"]] = results
        assert (folder / "report.html").is_file()
        assert {row["variant"] for row in lines(folder)} == {results["dataset"]["generated"]["variant"]}
    assert sorted(found) == sorted(names)
    for line in matrix["lines"][:4]:
        assert line["run_id"] == found[line["name"]]["run_id"]
        assert line["metrics"]["exact_match"]["mean"] == found[line["name"]]["metrics"]["exact_match"]["mean"]
    assert "<b>all" not in (suite.parent / "m.html").read_text()
    assert "<b>all" not in (suite.parent / "m.md").read_text().replace("<br>", "")
    assert "&lt;b&gt;all" in (suite.parent / "m.html").read_text()
    stored = [path for folder in runs(suite.parent) for path in folder.glob("matrix.*")]
    assert sorted(path.name for path in stored) == ["matrix.html", "matrix.json", "matrix.md"]


def test_differences_in_the_matrix_are_those_of_a_paired_comparison(suite: Path) -> None:
    suite.write_text(SEVERAL)
    matrix = side_by_side(suite)
    by_name = {line["name"]: line for line in matrix["lines"]}
    suite.write_text(
        SCRIPTED.replace("[small], ", "[large], ")
        + f"  - {{metric: exact_match, no_worse_than: {by_name['ask@small']['run_id']}, margin: 1}}\n".replace(
            "  - ", "gates:\n  - "
        ).replace("gates:\n", "")
    )
    suite.write_text(suite.read_text().replace("gates: [{metric: errors, max: 0.5}]\n", "gates:\n"))
    gate = ran(suite)["gates"][0]
    line = by_name["ask@large"]["metrics"]["exact_match"]
    assert (gate["observed"], gate["ci"]) == (pytest.approx(line["diff"]), pytest.approx(line["diff_ci"]))


def test_a_route_is_worth_what_its_picks_are_worth(suite: Path) -> None:
    suite.write_text(SEVERAL)
    matrix = side_by_side(suite)
    scores, kinds = {}, {}
    for folder in runs(suite.parent):
        variant = json.loads((folder / "results.json").read_bytes())["dataset"]["generated"]["variant"]
        scores[variant] = pq.read_table(folder / "scores.parquet").column("exact_match").to_numpy(zero_copy_only=False)
        kinds = {row["id"]: row["kind"] for row in lines(folder)}
    picked = [scores["ask@small" if kind == "a" else "ask@large"][index] for index, kind in enumerate(kinds.values())]
    route, same = matrix["lines"][4], matrix["lines"][5]
    assert route["metrics"]["exact_match"]["mean"] == pytest.approx(np.nanmean(picked))
    assert route["metrics"]["exact_match"]["errors"] == int(np.isnan(picked).sum())
    assert route["shares"] == {"ask@small": 0.35, "ask@large": 0.65}
    assert same["metrics"]["exact_match"]["mean"] == matrix["lines"][0]["metrics"]["exact_match"]["mean"]
    assert same["metrics"]["exact_match"]["ci"] == matrix["lines"][0]["metrics"]["exact_match"]["ci"]
    assert same["metrics"]["exact_match"]["diff"] == 0.0
    by_kind = {part["by"]["kind"]: part["metrics"]["exact_match"]["mean"] for part in route["slices"]}
    for kind, group in groupby(sorted(zip(kinds.values(), picked)), key=lambda pair: pair[0]):
        assert by_kind[kind] == pytest.approx(np.nanmean([score for _, score in group]))


def test_the_terminal_shows_the_matrix_and_the_exit_code_is_the_worst(suite: Path, cli: Any) -> None:
    suite.write_text(SEVERAL.replace("gates: [{metric: errors, max: 0.5}]", "gates: [{metric: exact_match, min: 0.99}]"))
    done = cli("run", suite)
    assert done.returncode == 1, done.stderr
    assert "ask@large " in done.stdout
    assert "1 of 20 answers failed" in done.stdout
    assert "exit 1: a gate did not pass in" in done.stdout


def test_out_holds_a_folder_for_each_variant(suite: Path) -> None:
    suite.write_text(SEVERAL)
    assert side_by_side(suite, out="here")["exit_code"] == 0
    assert sorted(path.name for path in (suite.parent / "here").iterdir()) == [
        "ask@large", "ask@small", "kind@large", "kind@small", "matrix.html", "matrix.json", "matrix.md",
    ]  # fmt: skip


# --- models in this process ------------------------------------------------------------------------------------------

EVENTS: list[str] = []


def local_backend(name: str) -> type:
    """A backend that holds a model in this process, and notes when it loads and when it lets go."""

    class Held:
        local = True
        max_concurrency = 4

        def __init__(self, model: str = "m") -> None:
            self.model, self.identity = model, f"{name}:{model}"

        async def prepare(self) -> None:
            EVENTS.append(f"load {self.model}")

        async def close(self) -> None:
            EVENTS.append(f"unload {self.model}")

        async def complete(self, request: Request) -> Reply:
            if EVENTS[-1] != f"ask {self.model}":
                EVENTS.append(f"ask {self.model}")
            text = str(request.messages[-1]["content"])
            if "verdict" in text:
                return Reply('{"reason": "", "verdict": "yes"}', prompt_tokens=1)
            if "cut" in text:
                return Reply("half of it", finish="length", prompt_tokens=1, completion_tokens=request.max_tokens)
            return Reply("whole", prompt_tokens=1, completion_tokens=1)

    return Held


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> str:
    """A registered backend of that kind."""
    from evalkit.core import registry

    monkeypatch.setattr(registry, "_table", dict(registry._table))
    evalkit.backend("held")(local_backend("held"))
    EVENTS.clear()
    return "held"


def test_all_answers_come_first_then_the_model_is_unloaded_then_others_judge(suite: Path, held: str) -> None:
    suite.write_text("""
name: gpu
dataset: d.jsonl
backends: {one: {kind: held, model: one}, two: {kind: held, model: two}, judge: {kind: held, model: judge}}
generate: {backends: [one, two], prompts: [prompts/ask.md, prompts/kind.md]}
metrics: [{use: yes_no, question: Is it?, backend: judge}]
""")
    matrix = evalkit.matrix(suite)
    assert [line.name for line in matrix.lines] == ["ask@one", "ask@two", "kind@one", "kind@two"]
    assert EVENTS[:7] == ["load one", "ask one", "unload one", "load two", "ask two", "unload two", "load judge"]
    assert EVENTS[-1] == "unload judge"
    assert all(run["yes_no"].mean == 1.0 for run in matrix.runs.values())


def test_a_model_that_judges_its_own_answers_stays(suite: Path, held: str) -> None:
    suite.write_text("""
dataset: d.jsonl
backends: {one: {kind: held, model: one}}
generate: {backends: [one], prompts: [prompts/ask.md]}
metrics: [{use: yes_no, question: Is it?}]
""")
    assert evalkit.run(suite)["yes_no"].n == 20
    assert EVENTS == ["load one", "ask one", "unload one"]


def test_an_answer_that_was_cut_off_counts_and_is_told(suite: Path, held: str) -> None:
    (suite.parent / "prompts/ask.md").write_text("{% if question == 'what is 3?' %}cut{% endif %} {{ question }}")
    suite.write_text("""
dataset: d.jsonl
backends: {one: {kind: held, model: one}}
generate: {backends: [one], prompts: [prompts/ask.md], max_tokens: 5}
metrics: [exact_match]
slices: [finish]
report: [html]
""")
    run = evalkit.run(suite)
    assert run["exact_match"].errors == 0
    assert run.dataset["generated"]["cut"] == 1
    assert {part.by["finish"]: part.n for part in run.slices} == {"stop": 19, "length": 1}
    row = lines(run.folder)[3]
    assert (row["output"], row["finish"]) == ("half of it", "length")
    assert "1 cut off at 5 tokens" in (run.folder / "report.html").read_text()


# --- in Python -------------------------------------------------------------------------------------------------------


def test_records_given_in_python_can_be_answered_and_scored_without_a_store(project: Path) -> None:
    run = evalkit.evaluate(
        [{"input": "a", "reference": "x"}, {"input": "b", "reference": "y"}],
        metrics=["exact_match"],
        backends={"local": {"kind": "scripted", "otherwise": "x"}},
        generate={"backends": ["local"]},
    )
    assert run["exact_match"].mean == 0.5
    assert not (project / ".evalkit/runs").exists()


def test_a_suite_with_several_variants_is_no_single_run(suite: Path) -> None:
    suite.write_text(SEVERAL)
    with pytest.raises(SpecError, match=r"has 4 variants .*; evalkit.matrix runs them all"):
        evalkit.run(suite)
    assert not (suite.parent / ".evalkit/runs").exists()
    (suite.parent / "plain.yaml").write_text(
        "dataset: d.jsonl\nmetrics: [json_valid]\ndataset: {path: d.jsonl, fields: {output: question}}\n".replace(
            "dataset: d.jsonl\n", ""
        )
    )
    with pytest.raises(SpecError, match="no `variants:` or `generate:`"):
        evalkit.matrix(suite.parent / "plain.yaml")


def test_pytest_has_an_item_for_every_gate_of_every_variant(suite: Path) -> None:
    suite.write_text(SEVERAL)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--evalkit", str(suite), "-p", "no:cacheprovider", "-v", "-p", "no:xdist"],
        cwd=suite.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "8 passed" in done.stdout, done.stdout + done.stderr
    assert "ask@large: scored" in done.stdout
