"""Killing a run that asks a model loses the answers on their way, and nothing else."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

RECORDS = 300
CONCURRENCY = 16
WRITTEN_S = 0.25  # between the server's last byte of an answer and the client's having kept it, on a busy machine
SUITE = """
name: crash
dataset: {path: data.jsonl}
backends:
  judge: {kind: openai, base_url: %s, model: small, max_concurrency: %d, timeout_s: 20}
metrics:
  - {use: yes_no, as: good, question: Is it good?, backend: judge}
  - {use: yes_no, as: polite, question: Is it polite?, backend: judge}
  - exact_match
slices: [model]
resamples: 200
"""


@pytest.fixture
def suite(project: Path, endpoint: Any, records: Any, jsonl: Any) -> Path:
    endpoint.reset(latency_s=0.04)
    jsonl(project / "data.jsonl", records(RECORDS, seed=7))
    (project / "crash.yaml").write_text(SUITE % (endpoint.url, CONCURRENCY))
    return project / "crash.yaml"


def start(suite: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "evalkit", "run", str(suite), *more],
        cwd=suite.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )  # fmt: skip


def results(folder: Path) -> dict[str, Any]:
    told = msgspec.json.decode((folder / "results.json").read_bytes())
    for changing in ("run_id", "started_at", "seconds", "usage"):
        del told[changing]
    return told


def killed(suite: Path, endpoint: Any, rng: random.Random, after: int) -> int:
    """Kill a run after so many further requests and a moment; how many answers were on their way then."""
    before = endpoint.asked()
    endpoint.set(latency_s=0.04, most=before + after + 3 * CONCURRENCY)  # on a busy machine a run could outrun its killer
    process = start(suite)
    while process.poll() is None and endpoint.asked() < before + after:
        time.sleep(0.002)
    time.sleep(rng.random() * 0.02)
    os.kill(process.pid, signal.SIGKILL)
    moment = time.monotonic()
    output = process.communicate()[0].decode()
    assert process.returncode == -signal.SIGKILL, f"the run was faster than its killer: give it more records\n{output}"
    time.sleep(0.3)  # the server sees that nobody is there any more
    flying = [entry for entry in endpoint.log()[before:] if entry.outcome == "gone" or entry.left >= moment - WRITTEN_S]
    return min(len(flying), CONCURRENCY)


def check_kills(suite: Path, endpoint: Any, kills: int, seed: int) -> None:
    process = start(suite, "--out", str(suite.parent / "whole"), "--store", str(suite.parent / "other"))
    assert process.wait(timeout=200) == 0, process.stdout.read().decode()
    process.stdout.close()
    whole = endpoint.asked()
    assert whole == 2 * sum(1 for _ in (suite.parent / "data.jsonl").open())
    endpoint.reset(latency_s=0.04)
    rng = random.Random(seed)
    moments = sorted(rng.sample(range(1, whole // 2), kills))
    in_flight = sum(killed(suite, endpoint, rng, after - before) for before, after in zip([0, *moments], moments))
    endpoint.set(latency_s=0.04)
    process = start(suite)
    output = process.communicate(timeout=200)[0].decode()
    assert process.returncode == 0, output
    assert whole <= endpoint.asked() <= whole + in_flight
    (folder,) = (suite.parent / ".evalkit").glob("runs/*")
    assert results(folder) == results(suite.parent / "whole")
    for name in ("scores.parquet", "rows.parquet"):
        assert pq.read_table(folder / name).equals(pq.read_table(suite.parent / "whole" / name))
    assert pq.read_table(folder / "calls.parquet").num_rows == whole
    assert not (folder / "parts").exists()
    assert not list(folder.glob(".*tmp"))


def test_a_judged_run_killed_five_times_asks_again_only_for_what_was_on_its_way(suite: Path, endpoint: Any) -> None:
    check_kills(suite, endpoint, 5, seed=1)


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(4))
def test_a_judged_run_killed_again_and_again_asks_only_for_what_was_on_its_way(suite: Path, endpoint: Any, seed: int) -> None:
    check_kills(suite, endpoint, 5, seed=100 + seed)


@pytest.mark.stress
def test_a_judged_run_killed_twenty_times_ends_in_the_same_scores(suite: Path, endpoint: Any, records: Any, jsonl: Any) -> None:
    jsonl(suite.parent / "data.jsonl", records(1_500, seed=9))
    check_kills(suite, endpoint, 20, seed=200)


def test_ctrl_c_says_how_to_go_on_and_the_same_command_asks_for_the_rest(suite: Path, endpoint: Any) -> None:
    process = start(suite)
    while endpoint.asked() < 200 and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGINT)
    output = process.communicate(timeout=30)[0].decode()
    assert process.returncode == 130, output
    assert "Go on with: evalkit run" in output
    assert "Traceback" not in output
    assert "never retrieved" not in output
    process = start(suite, "--json")
    output = process.communicate(timeout=200)[0].decode()
    assert process.returncode == 0, output
    assert endpoint.asked() <= 2 * RECORDS + CONCURRENCY
    assert len(list((suite.parent / ".evalkit/runs").iterdir())) == 1


def test_ctrl_c_does_not_wait_for_a_server_that_hangs(suite: Path, endpoint: Any) -> None:
    endpoint.reset(faults={"hang": 1.0})
    process = start(suite)
    while endpoint.asked() < CONCURRENCY and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    clock = time.monotonic()
    output = process.communicate(timeout=30)[0].decode()
    assert process.returncode == 130, output
    assert time.monotonic() - clock < 10
    assert "Traceback" not in output


def test_fresh_measures_anew_with_the_replies_of_an_interrupted_run(suite: Path, endpoint: Any) -> None:
    process = start(suite)
    while endpoint.asked() < RECORDS and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    process = start(suite, "--fresh")
    output = process.communicate(timeout=200)[0].decode()
    assert process.returncode == 0, output
    assert "measured already" not in output
    assert endpoint.asked() <= 2 * RECORDS + 2 * CONCURRENCY
    assert len(list((suite.parent / ".evalkit/runs").iterdir())) == 2
