"""A run against an endpoint that fails in every way it can, and against one that cannot answer at all."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

FAULTS = {"429": 0.05, "500": 0.05, "hang": 0.03, "truncated": 0.015, "cut": 0.015, "schema": 0.02, "reset": 0.01}
KEY = "sk-canary-0123456789"


@pytest.fixture
def suite(project: Path, endpoint: Any) -> Any:
    """A function that writes a suite of one judge over ``n`` records."""

    def write(n: int = 150, *, more: str = "", **backend: Any) -> Path:
        rows = [{"id": f"r{i}", "input": f"q{i}", "output": f"answer {i}"} for i in range(n)]
        (project / "d.jsonl").write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
        told = {"kind": "openai", "base_url": endpoint.url, "model": "small", "timeout_s": 10, "max_concurrency": 32, **backend}
        options = ", ".join(f"{name}: {msgspec.json.encode(value).decode()}" for name, value in told.items())
        (project / "s.yaml").write_text(
            "name: s\ndataset: {path: d.jsonl}\n"
            f"backends: {{judge: {{{options}}}}}\n"
            "metrics: [{use: yes_no, as: good, question: Is it good?, backend: judge}]\n"
            f"resamples: 200\nreport: [json, markdown]\n{more}\n"
        )
        return project / "s.yaml"

    return write


def told(done: Any, code: int = 0) -> Any:
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return msgspec.json.decode(done.stdout)


def scores(run: Any, project: Path) -> dict[str, Any]:
    rows = pq.read_table(project / ".evalkit/runs" / run["run_id"] / "scores.parquet").to_pylist()
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row["good"] for row in rows}


def one_message(done: Any, code: int) -> str:
    """What stderr says, which must be one line."""
    assert done.returncode == code, done.stdout + done.stderr
    shown = r"asking +[\d,]+/[\d,]+ |going on +[\d,]+ records are measured already"
    lines = [line for line in done.stderr.splitlines() if not re.match(shown, line)]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """``evalkit ARGUMENTS`` in this process: the same, without the time that a start takes."""
    from evalkit.cli.app import guarded

    def called(*arguments: Any, **environment: str) -> Any:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["evalkit", *map(str, arguments)])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        capsys.readouterr()
        code = guarded()
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)

    return called


# --- faults ----------------------------------------------------------------------------------------------------------


def check_faults(suite: Any, endpoint: Any, call: Any, n: int) -> None:
    path = suite(n, timeout_s=0.7)
    calm = told(call("run", path, "--json"))
    assert endpoint.outcomes() == {"good": n}
    endpoint.reset(latency_s=0.005, faults=FAULTS)
    run = told(call("run", path, "--json", "--no-cache"))
    good = run["metrics"]["good"]
    assert (good["n"], good["errors"], good["skipped"], good["coverage"]) == (n, 0, 0, 1.0)
    assert good["mean"] == calm["metrics"]["good"]["mean"]
    assert scores(run, path.parent) == scores(calm, path.parent), "every record has the score of a calm run"
    met = endpoint.outcomes()
    assert all(met[kind] for kind in ("429", "500", "gone", "schema", "reset")), f"not every fault came: {met}"
    answered = Counter(entry.prompt for entry in endpoint.log() if entry.outcome == "good")
    assert len(answered) == n
    assert set(answered.values()) == {1}, "an answer was thrown away"
    useless = met["schema"] + met["cut"] + met["truncated"]
    expected = {"429": met["429"], "500": met["500"], "lost": met["reset"], "malformed": useless, "timeout": met["gone"]}
    assert run["usage"]["retries"] == expected, "the report says what happened"
    assert run["usage"]["calls"] == n + met["schema"] + met["cut"]
    report = (path.parent / ".evalkit/runs" / run["run_id"] / "report.md").read_text()
    assert f"asked again {met['429']} × HTTP 429, {met['500']} × HTTP 500, {met['reset']} × connection lost" in report
    assert f"{useless} × a reply of no use, {met['gone']} × no answer in time" in report


def test_an_endpoint_that_fails_in_every_way_costs_no_record(suite: Any, endpoint: Any, call: Any) -> None:
    check_faults(suite, endpoint, call, 500)


@pytest.mark.stress
def test_an_endpoint_that_fails_in_every_way_costs_none_of_5000_records(suite: Any, endpoint: Any, call: Any) -> None:
    check_faults(suite, endpoint, call, 5_000)


def test_a_server_that_allows_so_many_a_second_is_asked_at_its_pace(suite: Any, endpoint: Any, call: Any) -> None:
    endpoint.reset(per_second=60)
    run = told(call("run", suite(200, max_concurrency=64), "--json"))
    assert run["metrics"]["good"]["n"] == 200
    refused = endpoint.outcomes()["429"]
    assert refused < 200, "requests were hurled at a server that says it is too much"


def test_replies_of_no_use_are_errors_of_their_records_and_never_a_score(suite: Any, endpoint: Any, call: Any) -> None:
    endpoint.reset(say="I would rather not say.")
    run = told(call("run", suite(20), "--json"), 3)
    good = run["metrics"]["good"]
    assert (good["n"], good["errors"], good["mean"]) == (0, 20, None)
    assert run["usage"]["retries"] == {"malformed": 100}, "five times each"


# --- the cache -------------------------------------------------------------------------------------------------------


def test_a_second_run_makes_no_call_and_no_cache_makes_all_of_them(suite: Any, endpoint: Any, call: Any) -> None:
    path = suite(150)
    first = told(call("run", path, "--json"))
    assert (first["usage"]["calls"], first["usage"]["cached"]) == (150, 0)
    second = told(call("run", path, "--json"))
    assert second["run_id"] != first["run_id"]
    assert (second["usage"]["calls"], second["usage"]["cached"]) == (0, 150)
    assert second["metrics"] == first["metrics"]
    fresh = told(call("run", path, "--json", "--fresh"))
    assert (fresh["usage"]["calls"], fresh["usage"]["cached"]) == (0, 150)
    assert endpoint.outcomes() == {"good": 150}
    again = told(call("run", path, "--json", "--no-cache"))
    assert (again["usage"]["calls"], again["usage"]["cached"]) == (150, 0)
    assert endpoint.outcomes() == {"good": 300}


def test_another_model_another_address_and_another_option_are_asked_anew(suite: Any, endpoint: Any, call: Any) -> None:
    told(call("run", suite(5), "--json"))
    told(call("run", suite(5, extra={"top_k": 1}), "--json"))
    told(call("run", suite(5, base_url=endpoint.url.replace("127.0.0.1", "localhost")), "--json"))
    assert endpoint.outcomes() == {"good": 15}
    told(call("run", suite(5, max_concurrency=2, timeout_s=5), "--json"))
    assert endpoint.outcomes() == {"good": 15}, "how fast it is asked is no part of what is asked"


def test_two_runs_at_once_share_the_cache(suite: Any, endpoint: Any) -> None:
    endpoint.reset(latency_s=0.02)
    path = suite(200, max_concurrency=8)
    command = [sys.executable, "-m", "evalkit", "run", str(path), "--json"]
    processes = [subprocess.Popen(command, cwd=path.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    runs = [msgspec.json.decode(output) for output, _ in outputs]
    assert runs[0]["metrics"] == runs[1]["metrics"]
    assert scores(runs[0], path.parent) == scores(runs[1], path.parent)
    asked = sum(run["usage"]["calls"] for run in runs)
    assert endpoint.outcomes()["good"] == asked <= 400
    assert all(run["usage"]["calls"] + run["usage"]["cached"] == 200 for run in runs)


# --- budgets ---------------------------------------------------------------------------------------------------------


def test_a_budget_of_calls_stops_the_run_and_a_larger_one_goes_on(suite: Any, endpoint: Any, call: Any) -> None:
    path = suite(230, more="budget: {max_calls: 100}")
    said = one_message(call("run", path, "--json"), 3)
    assert "the budget of 100 calls is spent" in said
    assert "Raise `budget: {max_calls: …}` and run the same command again" in said
    assert endpoint.outcomes() == {"good": 100}
    assert "100 calls is spent" in one_message(call("run", path, "--json"), 3), "what was spent is remembered"
    assert endpoint.outcomes() == {"good": 100}
    path.write_text(path.read_text().replace("100", "170"))
    assert "the budget of 170 calls is spent" in one_message(call("run", path, "--json"), 3)
    assert endpoint.outcomes() == {"good": 170}
    path.write_text(path.read_text().replace("170", "230"))
    run = told(call("run", path, "--json"))
    assert endpoint.outcomes() == {"good": 230}, "only the rest was paid for"
    assert run["usage"]["calls"] == 230
    assert run["metrics"]["good"]["n"] == 230
    assert len(list((path.parent / ".evalkit/runs").iterdir())) == 1


def test_a_budget_of_money_stops_the_run_and_a_larger_one_goes_on(suite: Any, endpoint: Any, call: Any) -> None:
    more = "prices: {small: {prompt: 0, completion: 1000}}\nbudget: {max_cost: %s}"
    path = suite(150, max_concurrency=4, more="prices: {small: {prompt: 0, completion: 1000}}")
    dear = told(call("run", path, "--json", "--out", path.parent / "whole", "--store", path.parent / "other"))["usage"]["cost"]
    assert dear == pytest.approx(sum(len(answer_of(entry)) // 4 for entry in endpoint.log()) / 1000)
    endpoint.reset(latency_s=0.002)
    suite(150, max_concurrency=4, more=more % (dear / 2))
    said = one_message(call("run", path, "--json"), 3)
    assert "cost is spent" in said
    half = endpoint.outcomes()["good"]
    assert 65 < half < 85, "what was on its way was still taken"
    suite(150, max_concurrency=4, more=more % (dear * 1.01))
    run = told(call("run", path, "--json"))
    assert endpoint.outcomes() == {"good": 150}
    assert run["usage"]["cost"] == pytest.approx(dear)


def answer_of(entry: Any) -> str:
    """What the endpoint says to a request."""
    module = sys.modules["evalkit_tests_server"]
    return module.answer(entry.body["messages"], entry.body["response_format"]["json_schema"]["schema"])


def test_a_budget_of_money_wants_a_price(suite: Any, endpoint: Any, call: Any) -> None:
    said = one_message(call("run", suite(5, more="budget: {max_cost: 1}"), "--json"), 2)
    assert "the price of small is not known" in said
    assert not endpoint.log()


def test_a_killed_run_remembers_what_it_spent(suite: Any, endpoint: Any, call: Any) -> None:
    endpoint.reset(latency_s=0.05)
    path = suite(400, max_concurrency=4, more="budget: {max_calls: 90}")
    process = subprocess.Popen([sys.executable, "-m", "evalkit", "run", str(path)], cwd=path.parent, stdout=subprocess.DEVNULL)
    while len(endpoint.log()) < 60:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = len(endpoint.log())
    assert before < 90, "the run was faster than its killer"
    one_message(call("run", path, "--json"), 3)
    most = 90 + 0.5 / 0.05 * 4  # what can be asked between two notes of what was spent
    assert 90 <= len(endpoint.log()) <= most, "the budget began anew"


# --- nobody, nothing, no entry ---------------------------------------------------------------------------------------


def nothing_left(project: Path) -> None:
    assert not list(project.glob(".evalkit/runs/*"))
    assert not list(project.rglob("results.json"))


def test_nobody_listening_is_one_message(suite: Any, call: Any) -> None:
    path = suite(150, base_url="http://127.0.0.1:9/v1")
    clock = time.monotonic()
    said = one_message(call("run", path, "--json"), 2)
    assert "http://127.0.0.1:9/v1 cannot be reached (connection refused); is the server running?" in said
    assert time.monotonic() - clock < 15
    nothing_left(path.parent)


def test_a_wrong_key_is_one_message_without_the_key(suite: Any, endpoint: Any, call: Any) -> None:
    endpoint.reset(key="sk-right-0123456789")
    path = suite(150, api_key_env="JUDGE_KEY")
    said = one_message(call("run", path, "--json", JUDGE_KEY=KEY), 2)
    assert "(401): the key was refused" in said
    assert KEY not in said
    assert len(endpoint.log()) <= 32, "asked on with a key that does not fit"
    nothing_left(path.parent)
    assert told(call("run", path, "--json", JUDGE_KEY="sk-right-0123456789\n"))["metrics"]["good"]["n"] == 150


def test_no_key_where_one_is_wanted_says_how_to_give_it(suite: Any, endpoint: Any, call: Any) -> None:
    endpoint.reset(key="sk-right-0123456789")
    assert "it wants a key: set api_key_env" in one_message(call("run", suite(5), "--json"), 2)


def test_an_unknown_model_is_one_message(suite: Any, call: Any) -> None:
    path = suite(150, model="large")
    assert 'knows no model "large"' in one_message(call("run", path, "--json"), 2)
    nothing_left(path.parent)


def test_a_variable_that_is_not_set_is_one_message(suite: Any, endpoint: Any, call: Any) -> None:
    said = one_message(call("run", suite(5, api_key_env="NO_SUCH_KEY"), "--json"), 2)
    assert "the environment variable NO_SUCH_KEY is not set" in said
    assert not endpoint.log()


def test_a_key_withdrawn_in_the_middle_ends_the_run_and_the_rest_is_asked_later(suite: Any, endpoint: Any, call: Any) -> None:
    endpoint.reset(latency_s=0.03)
    path = suite(300, max_concurrency=8, api_key_env="JUDGE_KEY")
    command = [sys.executable, "-m", "evalkit", "run", str(path)]
    process = subprocess.Popen(
        command,
        cwd=path.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "JUDGE_KEY": KEY},
    )
    while endpoint.outcomes()["good"] < 150:
        time.sleep(0.05)
    endpoint.set(latency_s=0.03, key="sk-another-0123456789")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    assert "records were answered and are kept. Run the same command again to go on" in said
    assert len(said.strip().splitlines()) == 1, said
    endpoint.set()
    run = told(call("run", path, "--json", JUDGE_KEY=KEY))
    assert run["metrics"]["good"]["n"] == 300
    assert endpoint.outcomes()["good"] == 300, "what was answered was asked again"


def test_structured_output_falls_back_to_what_the_endpoint_knows(suite: Any, endpoint: Any, call: Any) -> None:
    calm = told(call("run", suite(60), "--json"))
    for refused in (["json_schema"], ["json_schema", "json_object"]):
        endpoint.reset(refused=refused)
        run = told(call("run", suite(60), "--json", "--no-cache"))
        assert run["metrics"]["good"]["n"] == 60
        met = endpoint.outcomes()
        assert met["good"] == 60
        assert met["400"] <= 32 * len(refused), "found out once, not for every record"
        kinds = {
            (entry.body.get("response_format") or {}).get("type", "none") for entry in endpoint.log() if entry.outcome == "good"
        }
        assert kinds == {"none" if len(refused) == 2 else "json_object"}
    assert calm["metrics"]["good"]["n"] == 60


def test_a_model_that_wants_another_word_for_its_longest_reply_gets_it(suite: Any, endpoint: Any, call: Any) -> None:
    endpoint.reset(unknown=["max_tokens"])
    run = told(call("run", suite(40, max_concurrency=4, extra={"temperature": None}), "--json"))
    assert run["metrics"]["good"]["n"] == 40
    good = [entry.body for entry in endpoint.log() if entry.outcome == "good"]
    assert all("max_completion_tokens" in body and "max_tokens" not in body and "temperature" not in body for body in good)


def test_a_parameter_that_nobody_knows_is_an_error_of_the_record_in_the_servers_words(
    suite: Any, endpoint: Any, call: Any
) -> None:
    endpoint.reset(unknown=["frequency"])
    run = told(call("run", suite(3, extra={"frequency": 1}), "--json"), 3)
    rows = pq.read_table(next(Path(".evalkit/runs").iterdir()) / "scores.parquet").to_pylist()
    assert run["metrics"]["good"]["errors"] == 3
    assert rows[0]["good.error"] == "the endpoint refused the request (400): Unsupported parameter: 'frequency'."
