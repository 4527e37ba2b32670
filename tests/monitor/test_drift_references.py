"""`evalkit drift` against a suite, and with metrics of the sampled rows."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

import evalkit
from evalkit.core.errors import SpecError
from evalkit.monitor.drifting import saved
from evalkit.specs.drift import drift_of, load_drift

OFF = {"off": ["*.language", "output.*"]}


def questions(n: int, subject: str, seed: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [
        {"id": f"{seed}-{at}", "question": f"how does {subject} {rng.choice('abcdefgh')} work {'again ' * rng.randrange(4)}?"}
        for at in range(n)
    ]


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose suite calls its column of inputs otherwise."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "suites").mkdir()
    rows = [row | {"output": "42", "reference": "42"} for row in questions(300, "http", 1)]
    (tmp_path / "suites/data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / "suites/shop.yaml"
    path.write_text("dataset: {path: data.jsonl, fields: {input: question}}\nmetrics: [exact_match]\n")
    return path


def test_a_suite_is_held_against_the_traffic_by_its_inputs_alone(suite: Path) -> None:
    same = [{"input": row["question"], "output": "something else"} for row in questions(300, "http", 2)]
    other = [{"input": row["question"], "output": "something else"} for row in questions(300, "parcels", 3)]
    for reference in ("shop", "suites/shop.yaml", suite):
        found = evalkit.drift(same, reference, OFF)
        assert not found.drifted
        assert {one.group for one in found.findings} == {"input"}
        assert found.notes[0] == "shop is a suite: only inputs are compared, for its outputs are no traffic"
    found = evalkit.drift(other, "shop", OFF)
    assert found["input.terms"].drifted
    assert found.reference.label == "suite shop"
    assert all(one.name.startswith("input.") for one in found.off)


def test_what_is_no_suite_is_read_as_a_log(suite: Path, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/a.jsonl").write_text(
        "".join(json.dumps({"input": row["question"]}) + "\n" for row in questions(40, "x", 1))
    )
    assert not evalkit.drift("logs", "logs", OFF).drifted
    with pytest.raises(SpecError, match="there is no such"):
        evalkit.drift("logs", "suites/ship.yaml", OFF)


def test_a_suite_without_inputs_is_told(suite: Path) -> None:
    suite.write_text("dataset: {path: data.jsonl}\nmetrics: [exact_match]\n")
    with pytest.raises(SpecError, match="the data set of shop has no input"):
        evalkit.drift([{"input": "x"}], "shop", OFF)


def answers(n: int, right: float, seed: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [
        {"id": f"{seed}-{at}", "output": "yes" if rng.random() < right else "no", "reference": ["yes", "aye"]}
        for at in range(n)
    ]


def test_metrics_of_the_sampled_rows_are_compared_as_signals(tmp_path: Path) -> None:
    config = {"metrics": ["exact_match", {"use": "token_f1", "as": "overlap"}, "hit_rate"], "off": ["*.language", "output.*"]}
    found = evalkit.drift(answers(400, 0.6, 1), answers(400, 0.9, 2), config)
    one = found["exact_match"]
    assert one.drifted
    assert (one.group, one.kind, one.unit) == ("proxy", "flag", "share")
    assert one.before == pytest.approx(0.9, abs=0.05)
    assert one.after == pytest.approx(0.6, abs=0.08)
    assert found["overlap"].drifted
    assert {off.name: off.why for off in found.off}["hit_rate"] == 'no column "retrieved_ids" and "relevant_ids"'
    assert not evalkit.drift(answers(400, 0.9, 1), answers(400, 0.9, 2), config)["exact_match"].drifted

    saved(answers(400, 0.9, 2), tmp_path / "then.profile", drift_of(config))  # scores outlive the logs
    again = evalkit.drift(answers(400, 0.6, 1), tmp_path / "then.profile", config)
    assert (again["exact_match"].value, again["exact_match"].p) == (one.value, one.p)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("metrics: [exakt_match]", 'd.yaml:1.*did you mean "exact_match"'),
        ("level: 0.05\nmetrics: [{use: geval, rubric: {name: c, criteria: d, steps: [e]}}]", "asks a model"),
        ("metrics: [{rouge: {typs: [rouge1]}}]", "typs"),
    ],
)
def test_metrics_that_are_wrong_are_told_with_their_line(tmp_path: Path, told: str, message: str) -> None:
    (tmp_path / "d.yaml").write_text(told + "\n")
    with pytest.raises(SpecError, match=message):
        load_drift(tmp_path / "d.yaml")


def test_a_metric_may_not_be_called_like_a_signal() -> None:
    rows = [row | {"latency_ms": 5.0} for row in answers(40, 0.5, 1)]
    with pytest.raises(SpecError, match="as: latency_ms_score"):
        evalkit.drift(rows, rows, {"metrics": [{"use": "exact_match", "as": "latency_ms"}], "off": ["*.language", "output.*"]})
