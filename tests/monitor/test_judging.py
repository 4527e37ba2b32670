"""Proxies: metrics over samples of windows, judges that change, judges that fail, and what is paid for twice (nothing)."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from evalkit.core.errors import SpecError
from evalkit.core.times import moment
from evalkit.core.watched import Incident, Timeline, Watched
from evalkit.monitor.run import Ran, run_monitor
from evalkit.runner.stores import catalog_at
from evalkit.specs.monitor import load_monitor
from tests.backends.server import Endpoint

ROOT = Path(__file__).resolve().parents[2]
HTTP = ROOT / "suites" / "data" / "http"
MONDAY = moment("2026-11-02")
HOUR = 3_600.0
REFERENCE = 24  # hours, of which the monitors here learn
RUBRIC = {"name": "kind", "criteria": "Is the answer kind?", "needs": ["input", "output"], "steps": ["Read.", "Score."]}
GEVAL = {"use": "geval", "as": "kindness", "rubric": "kind.yaml", "mode": "single", "backend": "judge"}
SAID = '{"score": %d, "reason": "because"}'

Rows = list[dict[str, Any]]


def logs(hours: int, per_hour: int = 24, make: Callable[[int, int], Mapping[str, Any]] | None = None) -> Rows:
    """So many rows in each hour from Monday on; ``make`` adds columns by hour and number."""
    rows: Rows = []
    for hour in range(hours):
        for at in range(per_hour):
            number = hour * per_hour + at
            row = {"id": f"r-{number}", "timestamp": MONDAY + hour * HOUR + at * HOUR / per_hour, "input": f"question {number}"}
            rows.append(row | {"output": f"answer {number}"} | dict(make(hour, at) if make else {}))
    return rows


class Desk:
    """A folder with a monitor in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "kind.yaml").write_text(yaml.safe_dump(RUBRIC))

    def write(self, rows: Rows, *, name: str = "logs.jsonl") -> None:
        (self.folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def monitor(self, **told: Any) -> None:
        plain: dict[str, Any] = {
            "name": "m", "source": "logs.jsonl", "window": "1h", "drift": {"off": ["*"]},
            "reference": {"from": "2026-11-02T00:00Z", "to": f"2026-11-0{2 + REFERENCE // 24}T00:00Z"},
            "false_alarms_per_month": 4,
        }  # fmt: skip
        (self.folder / "m.yaml").write_text(yaml.safe_dump(plain | told, sort_keys=False))

    def run(self, hours: float, **options: Any) -> Ran:
        """Process what is due so many hours after Monday began."""
        spec = load_monitor(self.folder / "m.yaml", cwd=self.folder)
        return run_monitor(spec, catalog_at(str(self.folder / "store"), self.folder), now=MONDAY + hours * HOUR, **options)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(scope="module")
def server() -> Iterator[Endpoint]:
    with Endpoint() as running:
        yield running


@pytest.fixture
def endpoint(server: Endpoint) -> Endpoint:
    server.reset()
    return server


def live(endpoint: Endpoint, **options: Any) -> dict[str, Any]:
    return {"judge": {"kind": "openai", "base_url": endpoint.url, "model": "small", **options}}


def line(watched: Watched, name: str, **by: str) -> Timeline:
    return next(one for one in watched.timelines if one.name == name and dict(one.by) == by)


def incident(watched: Watched, name: str) -> Incident:
    (found,) = [one for one in watched.incidents if one.name == name]
    return found


# --- metrics without a model -----------------------------------------------------------------------------------------


def test_a_metric_without_a_model_is_watched_over_all_rows_and_its_drop_is_an_incident_that_shows_the_worst_rows(desk):
    def answers(hour: int, at: int) -> dict[str, Any]:
        right = at % 4 if hour < REFERENCE + 2 else at % 2  # three of four, then half
        return {"reference": ["yes", "yes!"], "output": "yes" if right else f"no, {hour}", "model": "ab"[at % 2]}

    desk.write(logs(REFERENCE + 8, 100, answers))
    desk.monitor(judge_sample={"metric": "exact_match", "n": "all"}, drift={"off": ["*"], "slices": ["model"]})
    ran = desk.run(REFERENCE + 8)

    points = line(ran.watched, "exact_match").points
    assert [point.n for point in points] == [100] * (REFERENCE + 8)
    assert [point.status for point in points[:REFERENCE]] == ["learning"] * REFERENCE
    assert [round(point.value, 3) for point in points[REFERENCE:]] == [0.75, 0.75, *[0.5] * 6]
    found = incident(ran.watched, "exact_match")
    assert (found.group, found.unit, found.kind) == ("proxy", "share", "jump")
    assert found.since == MONDAY + (REFERENCE + 2) * HOUR
    assert found.slice == "model=a"  # whose rows have even numbers
    assert found.why.startswith("exact_match fell: 75.0% → 50")
    assert len(found.examples) == 5
    assert all(row["score"] == "0" and row["output"].startswith("no") for row in found.examples)
    assert not ran.warnings


def test_a_sample_is_the_rows_with_the_least_keys_whatever_the_order_of_the_log(desk):
    rows = logs(REFERENCE + 2, 60, lambda hour, at: {"output": json.dumps(at) if at % 3 else "{"})
    desk.monitor(judge_sample={"metric": "json_valid", "n": 25})
    values = []
    for seed in (1, 2):
        random.Random(seed).shuffle(rows)
        desk.write(rows)
        points = line(desk.run(REFERENCE + 2, fresh=True).watched, "json_valid").points
        assert {point.n for point in points} == {25}
        values.append([point.value for point in points])
    assert values[0] == values[1]
    assert len(set(values[0])) > 3  # and another in each window


def test_some_windows_of_a_long_reference_are_scored_of_different_hours_and_this_is_told(desk):
    desk.write(logs(96 + 1, 30, lambda _, at: {"output": "[]" if at % 3 else "["}))
    desk.monitor(
        reference={"from": "2026-11-02T00:00Z", "to": "2026-11-06T00:00Z"},
        judge_sample={"metric": "json_valid", "n": 20, "reference_windows": 8},
    )
    watched = desk.run(97).watched
    past = [point for point in line(watched, "json_valid").points if point.status == "learning"]
    assert len(past) == 8
    hours = [(point.start - MONDAY) / HOUR for point in past]
    assert [int(hour // 12) for hour in hours] == list(range(8))  # one of each stretch
    assert len({hour % 12 for hour in hours}) > 2
    assert "json_valid was learned from up to 20 rows of each of 8 of the reference's 96 windows: 160 scores" in watched.notes


def test_lists_objects_and_renamed_columns_reach_a_metric_as_they_stand_in_the_log(desk):
    def ranked(hour: int, at: int) -> dict[str, Any]:
        found = [f"p{at % 5}", "p9"]
        return {"gold": {"p1": 2, "p2": 1} if at % 2 else ["p3"], "retrieved_ids": found, "hour": hour}

    desk.write(logs(REFERENCE + 1, 40, ranked))
    desk.monitor(judge_sample={"metric": "hit_rate", "n": "all"}, drift={"off": ["*"], "fields": {"relevant_ids": "gold"}})
    ran = desk.run(REFERENCE + 1)
    hits = [(f"p{at % 5}" in ("p1", "p2")) if at % 2 else at % 5 == 3 for at in range(40)]
    assert line(ran.watched, "hit_rate").points[-1].value == pytest.approx(sum(hits) / 40)


def test_rows_that_cannot_be_scored_are_counted_and_named_and_are_no_numbers(desk):
    rows = logs(
        REFERENCE + 1, 40, lambda hour, at: {"reference": None if at % 4 == 0 else "yes", "output": ("yes", "no")[at % 2]}
    )
    desk.write(rows)
    desk.monitor(judge_sample={"metric": "exact_match", "n": "all"})
    ran = desk.run(REFERENCE + 1)
    last = line(ran.watched, "exact_match").points[-1]
    assert (last.n, last.value) == (30, pytest.approx(10 / 30))
    assert ran.warnings == ("exact_match: 250 of 1,000 rows could not be scored, the first for this: no reference",)


# --- judges ----------------------------------------------------------------------------------------------------------


def recorded() -> tuple[Rows, set[str]]:
    """Real answers of a small model, and the ids of those that a real judge marked down: 2.5 of 5 or less."""
    import evalkit

    rows = [json.loads(line) for line in (HTTP / "answers.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["id"].endswith("/0.5b")]
    metric = {"use": "geval", "as": "correctness", "rubric": str(ROOT / "rubrics/correctness.yaml"), "reason": "none"}
    judge = {"judge": {"kind": "replay", "path": str(HTTP / "correctness.replay.jsonl")}}
    run = evalkit.evaluate(rows, [metric | {"backend": "judge"}], backends=judge)
    table = run.to_pandas()
    return rows, set(table[table["correctness"] < 3.5]["id"])


def test_a_product_that_answers_worse_is_found_by_a_replayed_judge_and_the_judge_is_not_blamed(desk):
    rows, low = recorded()
    rng = random.Random(5)
    worse = [row for row in rows if row["id"] in low]
    assert len(worse) >= 24

    chosen = [rng.sample(rows if hour < REFERENCE + 3 else worse, 24) for hour in range(REFERENCE + 6)]
    plain = ("id", "input", "output", "reference")
    desk.write(logs(REFERENCE + 6, 24, lambda hour, at: {name: chosen[hour][at][name] for name in plain}))
    desk.write([{name: row[name] for name in ("id", "input", "output", "reference")} for row in rows[:30]], name="fixed.jsonl")
    metric = {"use": "geval", "as": "correctness", "rubric": str(ROOT / "rubrics/correctness.yaml"), "reason": "none"}
    desk.monitor(
        backends={"judge": {"kind": "replay", "path": str(HTTP / "correctness.replay.jsonl")}},
        judge_sample={"metric": metric | {"backend": "judge"}}, sentinel="fixed.jsonl",
    )  # fmt: skip
    for hour in range(1, 7):  # a window a run, as a schedule has it
        ran = desk.run(REFERENCE + hour)
        assert ran.processed == 1
    found = incident(ran.watched, "correctness")
    assert found.kind in ("jump", "slow")
    assert found.why.startswith("correctness fell: 3.")
    assert found.found >= MONDAY + (REFERENCE + 3) * HOUR
    assert all(row["id"] in low for row in found.examples)
    sentinel = line(ran.watched, "sentinel.correctness").points
    assert {point.n for point in sentinel} == {30}
    assert len({round(point.value, 9) for point in sentinel}) == 1  # a recording says the same each time
    assert all(one.name != "sentinel.correctness" for one in ran.watched.incidents)


def test_a_judge_that_changes_is_told_by_the_sentinel_set_and_the_product_is_not_blamed(desk, endpoint):
    desk.write(logs(REFERENCE + 6, 30))
    desk.write([{"id": f"s-{at}", "input": f"fixed {at}", "output": "so it is"} for at in range(30)], name="fixed.jsonl")
    desk.monitor(backends=live(endpoint), judge_sample={"metric": GEVAL, "n": 24}, sentinel="fixed.jsonl")
    for hour in (1, 2):
        ran = desk.run(REFERENCE + hour)
        assert not ran.watched.incidents
    endpoint.set(say='{"score": 1, "reason": "It is not."}')
    for hour in (3, 4):
        ran = desk.run(REFERENCE + hour)

    judge = incident(ran.watched, "sentinel.kindness")
    assert judge.kind == "judge"
    assert judge.found == MONDAY + (REFERENCE + 2) * HOUR
    assert judge.why.startswith("the judge changed: sentinel.kindness fell: ")
    assert judge.after == pytest.approx(1.0)
    assert len(judge.examples) == 5
    assert all("→ 1" in row["score"] for row in judge.examples)
    product = incident(ran.watched, "kindness")
    assert product.kind == "judge"
    assert product.why.startswith("the judge changed at the same time: kindness fell: ")
    assert product.examples[0]["reason"] == "It is not."

    endpoint.set()  # and is itself again
    desk.write(logs(REFERENCE + 18, 30))
    for hour in range(5, 16):
        ran = desk.run(REFERENCE + hour)
    closed = incident(ran.watched, "kindness"), incident(ran.watched, "sentinel.kindness")
    assert all(one.closed is not None and one.kind == "judge" for one in closed)


def test_windows_that_were_due_at_once_have_one_sentinel_with_the_first_of_them(desk, endpoint):
    desk.write(logs(REFERENCE + 5, 30))
    desk.write([{"id": f"s-{at}", "input": f"fixed {at}", "output": "so it is"} for at in range(20)], name="fixed.jsonl")
    desk.monitor(backends=live(endpoint), judge_sample={"metric": GEVAL, "n": 20}, sentinel="fixed.jsonl")
    ran = desk.run(REFERENCE + 5)
    points = [point for point in line(ran.watched, "sentinel.kindness").points if point.status != "learning"]
    assert [point.n for point in points] == [20, 0, 0, 0, 0]
    assert any("5 windows were due at once" in note and "a judge has no past" in note for note in ran.watched.notes)
    assert endpoint.asked() == 20 * (REFERENCE + 5) + 20 * (3 + 1)
    assert len({repr(entry.body) for entry in endpoint.log()}) == 20 * (REFERENCE + 5) + 20


def test_a_budget_that_ends_leaves_fewer_rows_and_says_so(desk, endpoint):
    desk.write(logs(REFERENCE + 2, 60))
    desk.monitor(backends=live(endpoint), judge_sample={"metric": GEVAL, "n": 50, "budget": {"max_calls": 25}})
    ran = desk.run(REFERENCE + 2)
    assert {point.n for point in line(ran.watched, "kindness").points} == {25}
    assert endpoint.asked() == 25 * (REFERENCE + 2)
    (warning,) = ran.warnings
    assert "the budget was spent in 26 windows" in warning
    assert "25 of 50 rows of the window of 2026-11-03T01:00Z were judged" in warning


def test_a_judge_that_is_gone_costs_its_own_windows_and_no_other_signal(desk, endpoint):
    desk.write(logs(REFERENCE + 3, 30, lambda _, at: {"reference": "x", "output": "x" if at % 2 else "y"}))
    told: dict[str, Any] = {"judge_sample": [{"metric": GEVAL, "n": 20}, {"metric": "exact_match", "n": "all"}]}
    desk.monitor(backends=live(endpoint), **told)
    first = desk.run(REFERENCE + 1)
    assert not first.warnings
    asked = endpoint.asked()
    endpoint.set(model="another")  # the one that is asked is unknown now
    ran = desk.run(REFERENCE + 3)
    judged = [point.status for point in line(ran.watched, "kindness").points][-3:]
    assert judged == ["ok", "none", "none"]
    assert [point.status for point in line(ran.watched, "exact_match").points][-3:] == ["ok"] * 3
    (warning,) = ran.warnings
    assert "kindness has no value, or that of fewer rows, in 2 windows" in warning
    assert "small` does not exist" in warning
    assert endpoint.asked() < asked + 40  # the second window is not asked about again and again


def test_a_judge_that_is_not_there_when_the_reference_is_learned_is_off_and_tried_again(desk, endpoint):
    desk.write(logs(REFERENCE + 3, 30, lambda _, at: {"reference": "x", "output": "x" if at % 2 else "y"}))
    desk.monitor(backends=live(endpoint), judge_sample=[{"metric": GEVAL, "n": 20}, {"metric": "exact_match", "n": "all"}])
    endpoint.set(model="another")
    ran = desk.run(REFERENCE + 1)
    assert [one.name for one in ran.watched.timelines] == ["exact_match"]
    (warning,) = ran.warnings
    assert warning.startswith("kindness is off, for the reference could not be judged")
    endpoint.set()
    ran = desk.run(REFERENCE + 2)
    assert line(ran.watched, "kindness").points[-1].n == 20
    assert not ran.warnings


def test_replies_that_cannot_be_read_are_errors_of_their_rows(desk):
    script = {
        "kind": "scripted",
        "replies": [{"when": "question 7[0-9]*", "fail": "no idea"}, {"when": "answer \\d*[13579]\\b", "say": SAID % 2}],
    }
    desk.write(logs(REFERENCE + 1, 40))
    desk.monitor(backends={"judge": script | {"otherwise": SAID % 4}}, judge_sample={"metric": GEVAL, "n": 40})
    ran = desk.run(REFERENCE + 1)
    points = line(ran.watched, "kindness").points
    assert sum(point.n for point in points) == 40 * (REFERENCE + 1) - sum(
        str(number).startswith("7") for number in range(40 * (REFERENCE + 1))
    )
    assert any("could not be scored, the first for this: no idea" in warning for warning in ran.warnings)


@pytest.mark.parametrize(("answered", "runs"), [(30, 1), (550, 1), (600, 2)])  # that judge the sentinel set for a window
def test_a_monitor_that_is_killed_while_it_judges_pays_for_no_answer_twice(desk, endpoint, answered, runs):
    desk.write(logs(REFERENCE + 4, 30))
    desk.write([{"id": f"s-{at}", "input": f"fixed {at}", "output": "so it is"} for at in range(20)], name="fixed.jsonl")
    desk.monitor(
        backends=live(endpoint, timeout_s=60), judge_sample={"metric": GEVAL, "n": 20, "budget": {"max_calls": 40}},
        sentinel="fixed.jsonl",
    )  # fmt: skip
    endpoint.set(most=answered)  # further requests wait
    command = [sys.executable, "-m", "evalkit", "monitor", "run", "m.yaml", "--store", "store", "--now", "2026-11-03T04:00Z"]
    process = subprocess.Popen(command, cwd=desk.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while endpoint.asked() <= answered and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    endpoint.set()
    done = subprocess.run(command, cwd=desk.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    good = Counter(repr(entry.body["messages"]) for entry in endpoint.log() if entry.outcome == "good")
    fixed = {prompt: count for prompt, count in good.items() if re.search(r"fixed \d+", prompt)}
    rows = {prompt: count for prompt, count in good.items() if prompt not in fixed}
    assert len(rows) == 20 * (REFERENCE + 4)
    assert set(rows.values()) == {1}
    assert len(fixed) == 20
    assert set(fixed.values()) == {3 + runs}  # three times for the reference, and once a run that has begun a window
    told = json.loads((desk.folder / "store/monitors/m/report.json").read_text())
    (judged,) = [one for one in told["signals"] if one["name"] == "kindness"]
    assert [point["n"] for point in judged["points"]] == [20] * (REFERENCE + 4)


# --- files that are wrong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"judge_sample": {"metric": "rougee"}}, r"m.yaml:\d+: judge_sample.metric names no metric \"rougee\"; did you mean \"rouge\"\?"),
        ({"judge_sample": {"metric": GEVAL}}, r"judge_sample.metric.* names no backend \"judge\""),
        ({"judge_sample": {"metric": {"rouge": {"typs": ["rouge1"]}}}}, r"typs.*did you mean \"types\""),
        ({"judge_sample": {"n": 20}}, r"judge_sample lacks `metric`"),
        ({"judge_sample": [{"metric": "rouge", "m": 3}]}, r"judge_sample\[0\] has no key \"m\""),
        ({"judge_sample": [{"metric": "rouge"}, {"metric": "rouge"}]}, r"two metrics are called \"rouge\""),
        ({"judge_sample": {"metric": "rouge"}, "sentinel": "logs.jsonl"}, r"sentinel needs a judge"),
        (
            {"judge_sample": {"metric": GEVAL, "n": "all"}, "backends": {"judge": {"kind": "scripted", "otherwise": SAID % 3}}},
            r"kindness asks a model about every row",
        ),
        (
            {"judge_sample": {"metric": GEVAL, "budget": {"max_cost": 1}}, "backends": {"judge": {
                "kind": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "small"}}},
            r"the price of small is not known",
        ),
        ({"judge_sample": {"metric": {"use": "pairwise", "against": "latest:x", "backend": "judge"}},
          "backends": {"judge": {"kind": "scripted", "otherwise": SAID % 3}}}, r"compares with another run"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_told_with_its_line_before_anything_is_asked(desk, told, message):
    desk.write(logs(2, 2))
    desk.monitor(**told)
    with pytest.raises(SpecError, match=message):
        load_monitor(desk.folder / "m.yaml", cwd=desk.folder)


def test_columns_that_the_logs_lack_are_told_all_at_once_before_anything_is_asked(desk, endpoint):
    desk.write(logs(REFERENCE + 1, 20))
    desk.monitor(backends=live(endpoint), judge_sample=[{"metric": GEVAL}, {"metric": "rouge"}, {"metric": "hit_rate"}])
    with pytest.raises(SpecError) as caught:
        desk.run(REFERENCE + 1)
    told = str(caught.value)
    assert 'rouge needs the column "reference", which the logs lack' in told
    assert 'hit_rate needs the column "retrieved_ids", which the logs lack' in told
    assert re.search(r"m\.yaml:\d+", told)
    assert endpoint.asked() == 0


def test_a_metric_may_not_be_called_like_a_signal_of_the_logs(desk):
    desk.write(logs(REFERENCE + 1, 20, lambda _, at: {"latency_ms": 100.0 + at}))
    desk.monitor(judge_sample={"metric": {"use": "json_valid", "as": "latency_ms"}})
    with pytest.raises(SpecError, match=r"the logs have a signal \"latency_ms\" already; call it otherwise"):
        desk.run(REFERENCE + 1)


def test_a_sentinel_set_that_is_too_small_or_lacks_a_column_is_told_before_anything_is_asked(desk, endpoint):
    desk.write(logs(REFERENCE + 1, 20))
    desk.monitor(backends=live(endpoint), judge_sample={"metric": GEVAL}, sentinel="fixed.jsonl")
    desk.write([{"id": "a", "input": "x", "output": "y"}], name="fixed.jsonl")
    with pytest.raises(SpecError, match="the sentinel set has 1 records; at least 20 are needed"):
        desk.run(REFERENCE + 1)
    desk.write([{"id": str(at), "input": "x"} for at in range(30)], name="fixed.jsonl")
    with pytest.raises(SpecError, match="output"):
        desk.run(REFERENCE + 1)
    assert endpoint.asked() == 0


def test_another_rubric_is_another_reference(desk):
    desk.write(logs(REFERENCE + 2, 30))
    script = {"kind": "scripted", "replies": [{"when": "answer \\d*[13579]\\b", "say": SAID % 2}], "otherwise": SAID % 4}
    desk.monitor(backends={"judge": script}, judge_sample={"metric": GEVAL, "n": 30})
    desk.run(REFERENCE + 2)
    (desk.folder / "kind.yaml").write_text(yaml.safe_dump(RUBRIC | {"criteria": "Is it short?"}))
    ran = desk.run(REFERENCE + 2)
    assert ran.processed == 2
    assert any("learned anew" in note for note in ran.watched.notes)
