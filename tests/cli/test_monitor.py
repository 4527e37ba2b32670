"""`evalkit drift` and `evalkit monitor` as a user calls them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.monitor.made import MONITOR, logs, project_with


def evalkit(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "evalkit", *arguments], cwd=cwd, capture_output=True, text=True, timeout=300)


def test_drift_prints_json_alone_and_fails_where_it_is_asked_to(project: Path) -> None:
    project_with(project, logs(3.0, after=1.5, more=0.2))
    then, now = (f"sql:SELECT * FROM 'logs.parquet' WHERE timestamp {sign} '2026-09-02 12:00:00'" for sign in ("<", ">="))
    done = evalkit("drift", now, "--reference", then, "--json", "--fail-on-drift", "--html", "page.html", cwd=project)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert told["drifted"]
    assert {"name", "group", "statistic", "value", "p", "q", "threshold", "drifted", "why"} <= told["signals"][0].keys()
    assert {one["name"] for one in told["signals"] if one["drifted"]} >= {"output.refusal"}
    assert "output.refusal" in (project / "page.html").read_text()
    same = evalkit("drift", "logs.parquet", "--reference", "logs.parquet", "--fail-on-drift", cwd=project)
    assert same.returncode == 0
    assert same.stdout.rstrip().splitlines()[-1].startswith("no drift: ")


def test_a_saved_profile_is_a_reference(project: Path) -> None:
    project_with(project, logs(1.0))
    saved = evalkit("drift", "logs.parquet", "--save-profile", "then.profile", cwd=project)
    assert saved.returncode == 0, saved.stderr
    assert re.match(r"profile  then\.profile · [\d,]+ rows · \d+ signals", saved.stdout)
    assert evalkit("drift", "logs.parquet", "--reference", "then.profile", cwd=project).returncode == 0


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("name: shop", "the monitor lacks `source`"),
        (
            MONITOR.replace("window: 1h", "window: hourly"),
            'shop.yaml:4: window: "hourly" is no duration; write 15m, 1h, 1d or 1w',
        ),
        (MONITOR.replace("window", "windows"), "error: shop.yaml:2: the monitor lacks `window`"),
        (MONITOR.replace("from: 2026-09-01", "from: 2026-10-01"), "`from` lies after `to`; exchange them"),
        (MONITOR.replace("from: 2026-09-01", "from: soon"), '"soon" is no time'),
        (MONITOR.replace("logs.parquet", "lgs.parquet"), 'did you mean "'),
        (MONITOR + "season: yearly\n", "season wants"),
        (MONITOR + "alerts: [{kind: slak, url_env: X}]\n", 'did you mean "slack"?'),
        (MONITOR + "alerts: [{kind: slack, url_env: NOT_THERE}]\n", "NOT_THERE"),
        (MONITOR + "false_alarms_per_month: 0\n", "false_alarms_per_month wants a number from"),
    ],
)
def test_a_wrong_file_is_one_clear_message_with_its_place(project: Path, told: str, said: str) -> None:
    project_with(project, logs(0.2), told)
    done = evalkit("monitor", "run", "shop.yaml", "--now", "2026-09-12", cwd=project)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_names_what_is(project: Path) -> None:
    done = evalkit("monitor", "run", "htp", cwd=project)
    assert done.returncode == 2
    assert 'did you mean "http"?' in done.stderr


def test_watch_runs_serves_figures_and_ends_when_it_is_told(project: Path) -> None:
    project_with(project, logs(10.5, per_hour=20.0))
    process = subprocess.Popen(
        [sys.executable, "-m", "evalkit", "monitor", "watch", "shop.yaml", "--every", "1s", "--metrics", "127.0.0.1:0"],
        cwd=project, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        address = process.stderr.readline().split()[1]
        line = process.stderr.readline()
        assert ": 12 windows in " in line
        until = time.monotonic() + 30.0
        text = ""
        while "evalkit_monitor_value" not in text and time.monotonic() < until:
            with urllib.request.urlopen(address, timeout=10) as reply:
                text = reply.read().decode()
            time.sleep(0.1)
        assert 'evalkit_monitor_value{monitor="shop",signal="output.length",slice=""}' in text
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.stderr.close()
