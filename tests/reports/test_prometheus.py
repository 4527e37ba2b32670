"""The exported figures parse as Prometheus text, and the Grafana board asks only for what is exported."""

from __future__ import annotations

import dataclasses
import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.content import content_root
from evalkit.reports.prometheus import FAMILIES, label, render_prometheus

LINE = re.compile(r'(?P<name>[a-z_]+)\{(?P<labels>(?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\} (?P<value>-?[0-9.e+-]+|[+-]Inf)')


def samples(text):
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = LINE.fullmatch(line)
            assert match, line
            assert line.rsplit(" ", 1)[0] not in found, "a series appears once"
            found[line.rsplit(" ", 1)[0]] = float(match["value"])
    return found


def test_values_intervals_counts_and_gates_are_exported(run):
    told = samples(render_prometheus(run))
    assert told['evalkit_metric{suite="quickstart",metric="bleu.score",stat="mean"}'] == 23.41
    assert told['evalkit_metric{suite="quickstart",metric="bleu.score",stat="high"}'] == 25.31
    assert told['evalkit_metric_records{suite="quickstart",metric="consistency",kind="errors"}'] == 3
    assert told['evalkit_run_timestamp_seconds{suite="quickstart"}'] == 1795329312
    assert told['evalkit_run_exit_code{suite="quickstart"}'] == 1
    assert sum(value for name, value in told.items() if name.startswith("evalkit_gate{")) == len(run.gates)
    assert sum(value for name, value in told.items() if name.startswith("evalkit_gate_passed{")) == 4
    assert any('slice="v3 <b>&"' in name for name in told)


def test_what_does_not_exist_is_left_out(run):
    told = samples(render_prometheus(run))
    assert not any("faithfulness" in name and name.startswith("evalkit_metric{") for name in told)
    assert 'evalkit_metric{suite="quickstart",metric="evaluate:exact",stat="low"}' not in told


def test_every_family_is_described_once_before_its_samples(run):
    lines = render_prometheus(run).splitlines()
    for name in FAMILIES:
        described = [index for index, line in enumerate(lines) if line.startswith((f"# HELP {name} ", f"# TYPE {name} "))]
        first = next(index for index, line in enumerate(lines) if line.startswith(f"{name}{{"))
        assert described == [first - 2, first - 1]


@settings(deadline=None)
@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=40))
def test_any_text_is_one_escaped_label(text):
    assert re.fullmatch(r'(?:[^"\\\n]|\\[\\"n])*', label(text))
    label(text).encode("utf-8")


def test_hostile_names_do_not_break_a_line(run):
    bad = 'a"b\\c\nd\r\ne\x00'
    samples(render_prometheus(dataclasses.replace(run, suite={"name": bad}, metrics={bad: run.metrics["mrr"]}, gates=[])))


def test_the_grafana_board_asks_only_for_exported_figures_and_labels(run):
    board = json.loads((content_root() / "dashboards" / "grafana" / "evalkit.json").read_text("utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked += [variable["definition"] for variable in board["templating"]["list"] if variable["type"] == "query"]
    names = {name for query in asked for name in re.findall(r"\bevalkit_\w+", query)}
    assert names <= set(FAMILIES)
    assert names >= {"evalkit_metric", "evalkit_gate", "evalkit_metric_records", "evalkit_run_exit_code"}
    text = render_prometheus(run)
    for query in asked:
        for name, inside in re.findall(r"\b(evalkit_\w+)\{([^}]*)\}", query):
            for key in re.findall(r"(\w+)(?:=~|!=|=)", inside):
                assert re.search(rf'^{name}\{{.*\b{key}="', text, re.M), (name, key)
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
