"""Killing a run at any moment costs at most the batches in hand."""

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

SUITE = """
name: crash
dataset: {path: data.jsonl}
metrics: [levenshtein, rouge, bleu]
slices: [model]
gates: [{metric: rouge.rougeL, min: 0.2}]
resamples: 200
"""


@pytest.fixture
def suite(project: Path, records: Any, jsonl: Any) -> Path:
    jsonl(project / "data.jsonl", records(20_000, seed=7))
    (project / "crash.yaml").write_text(SUITE)
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


def parts(store: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in store.glob("runs/*/parts/*.arrow")}


def killed_until_done(suite: Path, kills: int, rng: random.Random) -> Path:
    """Kill the run at random moments, then let it finish; the folder of the run."""
    store = suite.parent / ".evalkit"
    done = 0
    while done < kills:
        process = start(suite)
        before = parts(store)
        deadline, wanted = time.monotonic() + 120, len(before) + rng.randrange(0, 4)
        while process.poll() is None and len(parts(store)) < wanted and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(rng.random() * 0.05)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        time.sleep(0.1)  # its workers see the closed pipe
        after = parts(store)
        assert not before or before.items() <= after.items() or not after, "a finished batch was measured again"
        assert process.returncode == -signal.SIGKILL, "the run was faster than its killer: give it more records"
        done += 1
    process = start(suite)
    output = process.communicate(timeout=200)[0].decode()
    assert process.returncode == 0, output
    (folder,) = store.glob("runs/*")
    return folder


def check_kills(suite: Path, kills: int, seed: int) -> None:
    process = start(suite, "--out", str(suite.parent / "whole"), "--store", str(suite.parent / "other"))
    assert process.wait(timeout=200) == 0, process.stdout.read().decode()
    process.stdout.close()
    folder = killed_until_done(suite, kills, random.Random(seed))
    assert results(folder) == results(suite.parent / "whole")
    for name in ("scores.parquet", "rows.parquet"):
        assert pq.read_table(folder / name).equals(pq.read_table(suite.parent / "whole" / name))
    assert not (folder / "parts").exists()
    assert not list(folder.glob(".*tmp"))


def test_a_run_killed_five_times_at_random_ends_in_the_same_scores(suite: Path) -> None:
    check_kills(suite, 5, seed=1)


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(4))
def test_a_run_killed_again_and_again_ends_in_the_same_scores(suite: Path, seed: int) -> None:
    check_kills(suite, 5, seed=100 + seed)


def test_ctrl_c_says_how_to_go_on_and_the_same_command_does(suite: Path, cli: Any) -> None:
    process = start(suite)
    store = suite.parent / ".evalkit"
    while len(parts(store)) < 3 and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGINT)
    output = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 130, output
    assert "Go on with: evalkit run" in output
    assert "Traceback" not in output
    again = cli("run", suite, cwd=suite.parent)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "are measured already" in again.stdout
    assert len(list(store.glob("runs/*"))) == 1


def test_fresh_starts_anew_beside_an_interrupted_run(suite: Path, cli: Any) -> None:
    process = start(suite)
    store = suite.parent / ".evalkit"
    while len(parts(store)) < 2 and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    fresh = cli("run", suite, "--fresh", cwd=suite.parent)
    assert fresh.returncode == 0, fresh.stderr
    assert "measured already" not in fresh.stdout
    assert len(list(store.glob("runs/*"))) == 2


def test_a_changed_gate_goes_on_with_the_interrupted_run_even_when_it_selects_by_a_new_column(suite: Path, cli: Any) -> None:
    process = start(suite)
    store = suite.parent / ".evalkit"
    while len(parts(store)) < 3 and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    suite.write_text(
        SUITE.replace("slices: [model]\n", "").replace("min: 0.2}", "min: 0.2, where: {input: [q1, q2, q5, q8, q9]}}")
    )
    again = cli("run", suite, cwd=suite.parent)
    assert again.returncode in (0, 1), again.stderr
    assert "measured already" in again.stdout
    assert "on input=q1|q2|q5|q8|q9" in again.stdout


def test_two_runs_at_once_do_not_disturb_each_other(suite: Path) -> None:
    processes = [start(suite), start(suite)]
    outputs = [process.communicate(timeout=200)[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    one, other = sorted((suite.parent / ".evalkit" / "runs").iterdir())
    assert results(one) == results(other)
