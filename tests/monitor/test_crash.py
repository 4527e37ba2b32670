"""Killed at any moment, a monitor goes on: each window once, each alert at least once and told apart by its id."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from evalkit.store.catalog import Catalog
from evalkit.store.monitors import MonitorStore
from tests.monitor.made import MONITOR, logs, project_with

NOW = "2026-09-15T00:00Z"
ALERTS = "alerts: [{kind: jsonl, path: alerts.jsonl}, {kind: webhook, url_env: SHOP_HOOK}]\n"


def start(path: Path, hook: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "evalkit", "monitor", "run", str(path), "--now", NOW],
        cwd=path.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        env=os.environ | {"SHOP_HOOK": hook},
    )  # fmt: skip


def told(path: Path) -> tuple[list[Any], list[Any]]:
    store = MonitorStore(Catalog(path.parent / ".evalkit"), "shop")
    return [(one.start, one.rows, one.seen) for one in store.seen()], [
        (one.id, one.found, one.since) for one in store.incidents()
    ]


def check(kills: int, project: Path, receiver: Any, tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    table = logs(14.0, per_hour=40.0, after=12.0, more=0.2, new_words=0.3)
    other = tmp_path_factory.mktemp("whole")
    (other / "pyproject.toml").write_text("[project]\nname='x'\nversion='0'\n")
    whole = project_with(other, table, MONITOR + ALERTS)
    clock = time.monotonic()
    process = start(whole, receiver.url)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out.decode()
    took = time.monotonic() - clock
    expected, first = told(whole), [one.told for one in receiver.got]
    receiver.got.clear()

    path = project_with(project, table, MONITOR + ALERTS)
    rng = random.Random(seed)
    killed = 0
    for _ in range(kills * 3):
        if killed == kills:
            break
        process = start(path, receiver.url)
        try:
            process.wait(timeout=took * rng.uniform(0.3, 1.05))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
    assert killed
    out, _ = start(path, receiver.url).communicate(timeout=300)
    assert told(path) == expected, out.decode()
    sent = {alert["id"] for body in (one.told for one in receiver.got) for alert in body["alerts"]}
    assert sent == {alert["id"] for body in first for alert in body["alerts"]}
    lines = [json.loads(line)["id"] for line in (project / "alerts.jsonl").read_text().splitlines()]
    assert set(lines) == sent
    assert not MonitorStore(Catalog(path.parent / ".evalkit"), "shop").waiting()


def test_killed_at_random_moments_each_window_is_there_once_and_each_alert_arrives(
    project: Path, receiver: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    check(4, project, receiver, tmp_path_factory, seed=1)


@pytest.mark.stress
def test_killed_at_twenty_random_moments(project: Path, receiver: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    check(20, project, receiver, tmp_path_factory, seed=2)
