"""The schedules that docs/alerts.md shows are what systemd, Kubernetes, GitHub and Airflow read."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from evalkit.core.registry import entries
from evalkit.specs.options import option_fields

PAGE = (Path(__file__).parents[2] / "docs/alerts.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w*\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
YAML = [yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="NOT TESTED: units of systemd, for it is not installed")
def test_systemd_takes_the_units(tmp_path):
    units = [name for name in FILES if name.endswith((".service", ".timer"))]
    assert len(units) == 3
    for name in units:
        # The command of this environment: systemd looks whether it is there.
        (tmp_path / name).write_text(FILES[name].replace("/srv/shop/.venv/bin/evalkit", f"{sys.executable} -m evalkit"))
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / name) for name in units)], capture_output=True, text=True, check=False
    )
    if done.returncode and "Failed to initialize manager" in done.stderr:
        pytest.skip("NOT TESTED: units of systemd, for it cannot run here")
    ours = [line for line in done.stderr.splitlines() if "evalkit-shop" in line]
    assert not ours
    assert done.returncode == 0, done.stderr


def test_kubernetes_keeps_runs_apart():
    (job,) = [one for one in YAML if one.get("kind") == "CronJob"]
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_python_that_is_shown_is_python():
    compile(FILES["dags/monitor_shop.py"], "monitor_shop.py", "exec")


def test_the_page_names_every_sink_and_each_of_its_options():
    lacking = []
    for entry in entries("sink"):
        if entry.owner != "evalkit":
            continue
        (row,) = [line for line in PAGE.split("\n") if line.startswith(f"| `{entry.name}` |")]
        cls = entry.load()
        named = {field: other for other, field in getattr(cls, "aliases", {}).items()}
        for field in option_fields(cls):
            if f"`{named.get(field, field)}`" not in row and not (field == "examples" and f"`{field}`" in PAGE):
                lacking.append(f"{entry.name}: {field}")
    assert not lacking


def test_the_alerts_that_are_shown_are_right(tmp_path):
    from evalkit.specs.home import Home
    from evalkit.specs.node import Node
    from evalkit.specs.sinks import read_alerts
    from evalkit.specs.tree import read_tree

    text = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0]
    tree = read_tree(text, "shop.yaml")
    assert len(read_alerts(Node(tree).get("alerts"), Home.of(None, tmp_path))) == 5
    assert not tree.problems
