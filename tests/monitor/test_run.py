"""A monitor processes each window once, finds what changed on the day it changed, and says nothing otherwise."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalkit.core.errors import SpecError, StoreError
from evalkit.core.times import iso, moment
from evalkit.monitor.run import Ran, _locked, run_monitor
from evalkit.specs.monitor import load_monitor
from evalkit.store.catalog import Catalog
from evalkit.store.monitors import MonitorStore
from tests.conftest import ROOT
from tests.monitor.made import DAY, HOUR, MONITOR, START, logs, project_with

DAYS = 14.0


@pytest.fixture(scope="module")
def changing() -> pa.Table:
    return logs(DAYS, after=12.0, more=0.12, new_words=0.1)


def ran(path: Path, days: float, **options: Any) -> Ran:
    return run_monitor(load_monitor(path), Catalog(path.parent / ".evalkit"), now=START + days * DAY, **options)


def test_a_change_is_found_on_its_day_and_named_and_alerts_go_out(project: Path, changing: pa.Table) -> None:
    path = project_with(project, changing, MONITOR + "alerts: [{kind: jsonl, path: alerts.jsonl}]\n")
    found = ran(path, DAYS)
    assert found.processed == 4 * 24
    by_name = {one.name: one for one in found.watched.open}
    refusal = by_name["output.refusal"]
    assert abs(refusal.since - (START + 12.0 * DAY)) <= 3 * HOUR, iso(refusal.since)
    assert refusal.found - (START + 12.0 * DAY) <= 6 * HOUR
    assert refusal.before == pytest.approx(0.03, abs=0.015)
    assert refusal.after > 0.1
    assert len(refusal.examples) == 5
    assert all("can't help" in row["output"] for row in refusal.examples)
    assert "input.terms" in by_name
    assert not [one for one in found.watched.incidents if one.found < START + 12.0 * DAY]
    assert found.watched.latest is not None
    told = [json.loads(line) for line in (project / "alerts.jsonl").read_text().splitlines()]
    assert {one["incident"]["name"] for one in told if one["event"] == "opened"} >= {"output.refusal", "input.terms"}
    assert len({one["id"] for one in told}) == len(told)
    page = (found.folder / "report.html").read_text()
    assert "output.refusal" in page


def test_a_real_model_that_is_replaced_is_found_on_the_day_it_happened(project: Path) -> None:
    shutil.copytree(ROOT / "suites" / "monitors", project / "suites" / "monitors")
    shutil.copytree(ROOT / "suites" / "data" / "http-logs", project / "suites" / "data" / "http-logs")
    spec = load_monitor(project / "suites" / "monitors" / "http.yaml")
    switch = moment("2026-09-22")
    found = run_monitor(spec, Catalog(project / ".evalkit"), now=moment("2026-09-29"))
    names = {one.name: one for one in found.watched.open}
    assert names["latency_ms"].found == names["latency_ms"].since == switch
    assert names["output.length"].since == switch
    assert names["output.length"].found <= switch + DAY
    assert {"output.words", "output.verbosity"} <= names.keys()
    assert not [one for one in found.watched.incidents if one.name.startswith(("input.", "prompt"))]
    assert not [one for one in found.watched.incidents if one.found < switch]


def test_one_models_answers_alone_raise_nothing(project: Path) -> None:
    lines = (ROOT / "suites" / "data" / "http-logs" / "logs.jsonl").read_text().splitlines()
    before = [line for line in lines if json.loads(line)["timestamp"] < "2026-09-22"]
    (project / "logs.jsonl").write_text("\n".join(before) + "\n")
    told = (ROOT / "suites" / "monitors" / "http.yaml").read_text()
    told = told.replace("../data/http-logs/logs.jsonl", "logs.jsonl").replace("to: 2026-09-20", "to: 2026-09-13")
    (project / "http.yaml").write_text(told)
    found = run_monitor(load_monitor(project / "http.yaml"), Catalog(project / ".evalkit"), now=moment("2026-09-22"))
    assert found.processed == 9
    assert not found.watched.incidents


def test_nothing_is_said_where_nothing_changed(project: Path) -> None:
    path = project_with(project, logs(DAYS, seed=3))
    found = ran(path, DAYS)
    assert len(found.watched.incidents) <= 1
    assert found.processed == 4 * 24


def test_windows_in_pieces_are_the_windows_at_once(project: Path, changing: pa.Table, tmp_path_factory: Any) -> None:
    path = project_with(project, changing)
    at_once = ran(path, DAYS)
    other = tmp_path_factory.mktemp("pieces")
    (other / "pyproject.toml").write_text("[project]\nname='x'\nversion='0'\n")
    again = project_with(other, changing)
    pieces = [ran(again, days).processed for days in (10.5, 10.6, 12.25, DAYS, DAYS)]
    assert pieces == [12, 2, 40, 42, 0]
    told = [MonitorStore(Catalog(folder / ".evalkit"), "shop") for folder in (project, other)]
    assert [one.seen for one in told[0].seen()] == [one.seen for one in told[1].seen()]
    found = [[replace(one, examples=()) for one in store.incidents()] for store in told]
    assert found[0] == found[1]
    assert at_once.watched.windows == ran(again, DAYS).watched.windows


def test_late_rows_are_counted_and_not_judged_again(project: Path) -> None:
    whole = logs(11.0)
    early = whole.slice(0, whole.num_rows - 10)
    path = project_with(project, early)
    ran(path, 11.0)
    pq.write_table(whole, project / "logs.parquet")
    again = ran(path, 11.0)
    assert again.processed == 0
    assert sum(late for _, _, late in again.watched.windows) == 10
    assert any("10 rows came" in note for note in again.watched.notes)
    assert ran(path, 11.0).watched.windows == again.watched.windows


def test_a_window_waits_for_late_rows_as_long_as_it_is_told(project: Path) -> None:
    path = project_with(project, logs(11.0), MONITOR + "lateness: 2h\n")
    assert ran(path, 10.0 + 2.5 / 24).processed == 0
    assert ran(path, 10.0 + 3.0 / 24).processed == 1


def test_windows_without_rows_are_processed_and_say_nothing(project: Path) -> None:
    table = logs(11.0)
    times = table.column("timestamp").cast(pa.int64()).to_numpy() / 1e6
    gap = (times < START + 10.25 * DAY) | (times >= START + 10.5 * DAY)
    path = project_with(project, table.filter(pa.array(gap)))
    found = ran(path, 11.0)
    assert found.processed == 24
    assert sum(rows == 0 for _, rows, _ in found.watched.windows) == 6
    line = next(one for one in found.watched.timelines if one.name == "output.length" and not one.by)
    assert sum(point.status == "none" for point in line.points[-24:]) == 6


def test_the_reference_may_be_deleted_once_it_is_learned(project: Path) -> None:
    table = logs(12.0)
    path = project_with(project, table)
    assert ran(path, 11.0).processed == 24
    times = table.column("timestamp").cast(pa.int64()).to_numpy() / 1e6
    pq.write_table(table.filter(pa.array(times >= START + 11.0 * DAY)), project / "logs.parquet")
    assert ran(path, 12.0).processed == 24


def test_another_reference_begins_anew_and_says_so(project: Path) -> None:
    path = project_with(project, logs(12.0))
    ran(path, 12.0)
    path.write_text(MONITOR.replace("2026-09-11", "2026-09-10"))
    found = ran(path, 12.0)
    assert found.processed == 3 * 24
    assert any("learned anew" in note for note in found.watched.notes)


def test_columns_that_come_and_go_begin_nothing_anew_and_what_is_gone_is_said(project: Path) -> None:
    table = logs(12.0)
    path = project_with(project, table)
    ran(path, 11.0)
    wider = table.drop_columns(["latency_ms"]).append_column("cost", pa.array([0.5] * table.num_rows))
    pq.write_table(wider, project / "logs.parquet")
    found = ran(path, 12.0)
    assert found.processed == 24
    assert len(found.watched.windows) == 48
    assert "the logs no longer have what latency_ms is read from" in found.watched.notes


def test_the_reference_of_one_monitor_serves_another(project: Path) -> None:
    path = project_with(project, logs(12.0))
    first = ran(path, 12.0)
    (project / "then.profile").write_bytes((project / ".evalkit/monitors/shop/reference.profile").read_bytes())
    other = project / "other.yaml"
    other.write_text(MONITOR.replace("name: shop", "name: other").replace("{from: 2026-09-01, to: 2026-09-11}", "then.profile"))
    again = ran(other, 12.0)
    assert again.processed == first.processed == 48
    assert [(one.name, one.found) for one in again.watched.incidents] == [
        (one.name, one.found) for one in first.watched.incidents
    ]
    other.write_text(other.read_text().replace("window: 1h", "window: 2h"))
    with pytest.raises(SpecError, match="are 1h wide, and here 2h"):
        ran(other, 12.0)


def test_two_processes_are_not_at_one_monitor(project: Path) -> None:
    path = project_with(project, logs(11.0))
    with _locked(project / ".evalkit" / "monitors" / "shop"), pytest.raises(StoreError, match="another process"):
        ran(path, 11.0)


def test_logs_without_times_are_told(project: Path) -> None:
    path = project_with(project, logs(11.0).drop_columns(["timestamp"]))
    with pytest.raises(SpecError, match='no column "timestamp"'):
        ran(path, 11.0)


def test_a_reference_without_rows_is_told(project: Path) -> None:
    path = project_with(project, logs(11.0), MONITOR.replace("2026-09", "2025-09"))
    with pytest.raises(SpecError, match="no rows from 2025-09-01"):
        ran(path, 11.0)
