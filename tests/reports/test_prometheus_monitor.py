"""A monitor's figures parse as Prometheus text, and its Grafana board asks only for what is exported."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess

import pytest

from evalkit.core.content import content_root
from evalkit.core.watched import Figure
from evalkit.reports.prometheus_monitor import FAMILIES, monitor_metrics
from tests.reports.drifts import EVIL, HOUR, START, incident
from tests.reports.test_prometheus import samples

NAN = math.nan
FIGURES = (
    Figure("output.length", {}, 486.9, 402.3, True, 120),
    Figure("output.length", {"model": "b", "language": "de"}, 583.0, 414.0, True, 20),
    Figure("proxy.cost", {}, NAN, 0.004, False, 0),
)
WINDOWS = tuple((START + HOUR * at, 120, 3) for at in range(24))


def board():
    return json.loads((content_root() / "dashboards" / "grafana" / "evalkit-monitor.json").read_text("utf-8"))


def queries():
    told = board()
    asked = [target["expr"] for panel in told["panels"] for target in panel["targets"]]
    asked += [variable["definition"] for variable in told["templating"]["list"] if variable["type"] == "query"]
    return asked + [one["expr"] for one in told["annotations"]["list"]]


def exported():
    return monitor_metrics("bot", FIGURES, WINDOWS, HOUR, (incident(), incident(closed=1.0), incident(severity="warning")))


def test_values_expectations_and_incidents_are_exported():
    told = samples(exported())
    assert told['evalkit_monitor_value{monitor="bot",signal="output.length",slice=""}'] == 486.9
    assert told['evalkit_monitor_expected{monitor="bot",signal="output.length",slice="language=de, model=b"}'] == 414
    assert told['evalkit_monitor_drifted{monitor="bot",signal="proxy.cost",slice=""}'] == 0
    assert told['evalkit_monitor_rows{monitor="bot",signal="output.length",slice=""}'] == 120
    assert told['evalkit_monitor_open_incidents{monitor="bot",severity="critical"}'] == 1
    assert told['evalkit_monitor_last_window_timestamp_seconds{monitor="bot"}'] == START + HOUR * 24
    assert told['evalkit_monitor_windows{monitor="bot"}'] == 24
    assert not any("proxy.cost" in name for name in told if name.startswith("evalkit_monitor_value"))  # NaN


def test_before_the_first_window_there_is_no_newest_one():
    told = samples(monitor_metrics("bot", (), (), HOUR))
    assert told['evalkit_monitor_windows{monitor="bot"}'] == 0
    assert told['evalkit_monitor_open_incidents{monitor="bot",severity="warning"}'] == 0
    assert not any("last_window" in name for name in told)


def test_every_family_is_described_once_before_its_samples():
    lines = exported().splitlines()
    for name in FAMILIES:
        described = [index for index, line in enumerate(lines) if line.startswith((f"# HELP {name} ", f"# TYPE {name} "))]
        first = next(index for index, line in enumerate(lines) if line.startswith(f"{name}{{"))
        assert described == [first - 2, first - 1]


@pytest.mark.parametrize("text", [EVIL, 'a"b\\c\nd\r\ne\x00', "\ud800", ""])
def test_hostile_names_do_not_break_a_line_and_a_series_appears_once(text):
    figures = (Figure(text, {text: text}, math.inf, -math.inf, False, 1), Figure(text, {text: text}, 2.0, NAN, True, 1))
    told = samples(monitor_metrics(text, figures, WINDOWS, HOUR))
    assert [value for name, value in told.items() if name.startswith("evalkit_monitor_value")] == [2.0]


def test_the_board_asks_only_for_exported_figures_and_labels():
    text = exported()
    names = {name for query in queries() for name in re.findall(r"\bevalkit_\w+", query)}
    assert names == set(FAMILIES)
    for query in queries():
        for name, inside in re.findall(r"\b(evalkit_\w+)\{([^}]*)\}", query):
            for key in re.findall(r"(\w+)(?:=~|!=|=)", inside):
                assert re.search(rf'^{name}\{{.*\b{key}="', text, re.M), (name, key)
    ids = [panel["id"] for panel in board()["panels"]]
    assert len(ids) == len(set(ids))


def test_prometheus_itself_accepts_the_figures_and_the_board_s_queries(tmp_path):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool is installed: figures and queries were not checked by Prometheus; apt-get install prometheus")
    done = subprocess.run([promtool, "check", "metrics"], input=exported(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rules = [
        {"record": f"q{at}", "expr": query.replace("$__range", "1h")}
        for at, query in enumerate(queries())
        if not query.startswith("label_values")
    ]
    path = tmp_path / "rules.yaml"
    path.write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
