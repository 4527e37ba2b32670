"""A run that may stop early, killed again and again: the same records are judged, the same is decided, nothing is asked twice."""

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

CONCURRENCY = 16
SUITE = """
name: crash
dataset: {path: data.jsonl}
backends:
  judge: {kind: openai, base_url: %s, model: small, max_concurrency: %d, timeout_s: 20}
metrics:
  - {use: yes_no, as: good, question: Is it good?, backend: judge}
  - exact_match
slices: [model]
gates: [{metric: good, min: %s, sequential: true}]
resamples: 200
"""


@pytest.fixture
def suite(project: Path, endpoint: Any, records: Any, jsonl: Any) -> Path:
    jsonl(project / "data.jsonl", records(1_500, seed=7))
    (project / "crash.yaml").write_text(SUITE % (endpoint.url, CONCURRENCY, 0.44))
    return project / "crash.yaml"


def start(suite: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "evalkit", "run", str(suite), *more],
        cwd=suite.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )  # fmt: skip


def finish(suite: Path, *more: str) -> str:
    output = start(suite, *more).communicate(timeout=200)[0].decode()
    assert "exit 0" in output, output
    return output


def results(folder: Path) -> dict[str, Any]:
    told = msgspec.json.decode((folder / "results.json").read_bytes())
    for changing in ("run_id", "started_at", "seconds", "usage"):
        del told[changing]
    return told


def killed(suite: Path, endpoint: Any, after: int) -> None:
    """Kill a run once so many further requests came."""
    before = endpoint.asked()
    endpoint.set(latency_s=0.02, most=before + after + CONCURRENCY)  # or a slow machine would let the run outrun its killer
    process = start(suite)
    clock = time.monotonic()
    while process.poll() is None and endpoint.asked() < before + after and time.monotonic() < clock + 60:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    output = process.communicate()[0].decode()
    assert process.returncode == -signal.SIGKILL, output
    time.sleep(0.3)  # the server sees that nobody is there any more


def check_kills(suite: Path, endpoint: Any, kills: int, seed: int) -> None:
    endpoint.reset(latency_s=0.0)
    finish(suite, "--out", str(suite.parent / "whole"), "--store", str(suite.parent / "other"))
    whole = endpoint.asked()
    assert 300 < whole < 1_400, "the gate had decided, and not at once"
    endpoint.reset()
    moments = sorted(random.Random(seed).sample(range(20, whole - 80), kills))
    for before, after in zip([0, *moments], moments):
        killed(suite, endpoint, max(after - before, 1))
    endpoint.set(latency_s=0.0, most=0)
    finish(suite)
    assert whole <= endpoint.asked() <= whole + kills * CONCURRENCY, "asked again is only what was on its way"
    (folder,) = (suite.parent / ".evalkit").glob("runs/*")
    assert results(folder) == results(suite.parent / "whole")
    for name in ("scores.parquet", "rows.parquet"):
        mine, theirs = (pq.read_table(where / name).to_pandas() for where in (folder, suite.parent / "whole"))
        assert mine.equals(theirs)
    assert pq.read_table(folder / "calls.parquet").num_rows == whole
    assert not (folder / "parts").exists()


def test_a_run_killed_three_times_judges_and_decides_the_same(suite: Path, endpoint: Any) -> None:
    check_kills(suite, endpoint, 3, seed=1)


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(4))
def test_a_run_killed_again_and_again_judges_and_decides_the_same(suite: Path, endpoint: Any, seed: int) -> None:
    check_kills(suite, endpoint, 6, seed=10 + seed)


def test_a_gate_that_becomes_an_ordinary_one_after_a_kill_gets_every_record(suite: Path, endpoint: Any) -> None:
    endpoint.reset(latency_s=0.0)
    killed(suite, endpoint, 120)
    suite.write_text(suite.read_text().replace(", sequential: true", ""))
    endpoint.set(latency_s=0.0, most=0)
    finish(suite)
    (folder,) = (suite.parent / ".evalkit").glob("runs/*")
    told = results(folder)
    assert told["metrics"]["good"]["n"] == 1_500
    assert not told["gates"][0]["sequential"]


@pytest.mark.stress
def test_another_bound_after_a_kill_goes_on_in_the_same_order(suite: Path, endpoint: Any) -> None:
    endpoint.reset(latency_s=0.0)
    killed(suite, endpoint, 120)
    suite.write_text(suite.read_text().replace("min: 0.44", "min: 0.4"))
    before = endpoint.asked()
    endpoint.set(latency_s=0.0, most=0)
    finish(suite)
    (folder,) = (suite.parent / ".evalkit").glob("runs/*")
    judged = results(folder)["metrics"]["good"]["n"]
    assert judged < 1_000
    assert endpoint.asked() - before <= judged - 120 + 3 * CONCURRENCY, "what had been judged is not asked again"


@pytest.mark.stress
def test_ctrl_c_says_how_to_go_on_and_the_same_command_decides(suite: Path, endpoint: Any) -> None:
    endpoint.reset(latency_s=0.03)
    process = start(suite)
    while endpoint.asked() < 60 and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGINT)
    output = process.communicate(timeout=30)[0].decode()
    assert process.returncode == 130, output
    assert "Go on with: evalkit run" in output
    endpoint.set(latency_s=0.0)
    assert "decided after" in finish(suite)
    assert len(list((suite.parent / ".evalkit/runs").iterdir())) == 1
