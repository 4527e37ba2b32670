"""Ratings of runs by a pairwise judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evalkit
from evalkit import Run
from evalkit.comparison.sides import RunSide
from evalkit.core.described import described
from evalkit.judges.pairwise import Pairwise

VERDICT = {1: "A", -1: "B", 0: "tie"}


@pytest.fixture
def judged(project: Path, cli: Any) -> Any:
    """A run of a suite whose pairwise judge says what it is told, stored in the project."""

    def run(name: str, records: list[dict[str, Any]], wins: list[int], against: str) -> Run:
        (project / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        replies = [
            json.dumps({"key": None, "metric": "pairwise", "id": record["id"], "call": call, "repeat": 0,
                        "text": json.dumps({"reason": "r", "verdict": VERDICT[sign * win]}), "usage": {}, "model": "judge"})
            for record, win in zip(records, wins)
            for call, sign in (("given", 1), ("swapped", -1))
        ]  # fmt: skip
        (project / f"{name}-replies.jsonl").write_text("\n".join(replies) + "\n")
        (project / f"{name}.yaml").write_text(
            f"name: {name}\ndataset: {{path: {name}.jsonl}}\nbackends: {{judge: {{kind: replay, path: {name}-replies.jsonl}}}}\n"
            f"metrics: [exact_match, {{use: pairwise, against: {against}, backend: judge}}]\n"
        )
        done = cli("run", f"{name}.yaml", "--json", cwd=project)
        assert done.returncode == 0, done.stderr
        return Run.from_json(json.loads(done.stdout), project / ".evalkit" / "runs" / json.loads(done.stdout)["run_id"])

    return run


def records(n: int, output: str) -> list[dict[str, Any]]:
    return [{"id": f"r{at}", "input": f"q{at}", "output": f"{output} {at}", "reference": f"a {at}"} for at in range(n)]


def test_a_win_rate_becomes_a_rating_with_an_interval(judged: Any, project: Path, cli: Any) -> None:
    (project / "base.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records(40, "a")))
    (project / "base.yaml").write_text("name: base\ndataset: {path: base.jsonl}\nmetrics: [exact_match]\n")
    assert cli("run", "base.yaml", cwd=project).returncode == 0
    better = judged("better", records(40, "b"), [1] * 26 + [0] * 4 + [-1] * 10, "latest:base")
    assert better["pairwise"].mean == pytest.approx(28 / 40)
    assert better.uses["pairwise"]["against"].split("-")[1] == "base"
    told = cli("compare", "latest:base", "latest:better", "--json", cwd=project)
    assert told.returncode == 0, told.stderr
    arena = json.loads(told.stdout)["arenas"][0]
    first, second = arena["ratings"]
    assert (first["run_id"], second["rating"]) == (better.run_id, 1000.0)
    assert first["win_rate"] == pytest.approx(28 / 40, abs=1e-6)
    assert first["rating"] == pytest.approx(1000 + 400 * np.log10(28 / 12), abs=1e-3)
    assert first["ci"][0] < first["rating"] < first["ci"][1]
    shown = cli("compare", "latest:base", "latest:better", cwd=project)
    assert "pairwise: pairwise" in shown.stdout
    assert "beats the baseline 70% of the time" in shown.stdout
    (rate,) = arena["rates"]
    assert rate["won"] == pytest.approx([better["pairwise"].mean, *better["pairwise"].ci])
    assert rate["length_controlled"][0] == pytest.approx(better["pairwise.length_controlled"].mean)
    assert "wins 70% (" in shown.stdout
    assert "were both answers equally long" in shown.stdout


def test_who_won_every_game_has_no_rating_and_it_says_why(judged: Any, project: Path, cli: Any) -> None:
    (project / "base.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records(20, "a")))
    (project / "base.yaml").write_text("name: base\ndataset: {path: base.jsonl}\nmetrics: [exact_match]\n")
    assert cli("run", "base.yaml", cwd=project).returncode == 0
    judged("best", records(20, "b"), [1] * 20, "latest:base")
    arena = json.loads(cli("compare", "latest:base", "latest:best", "--json", cwd=project).stdout)["arenas"][0]
    assert [rating["rating"] for rating in arena["ratings"]] == [1000.0]
    assert "won every game" in arena["why"]
    assert arena["rates"][0]["won"][0] == 1.0


def test_a_description_names_the_run_that_was_looked_up() -> None:
    metric = Pairwise(against="latest:base")
    assert "against" not in described(metric)
    assert described(metric.pinned("run-1", "0" * 64))["against"] == "run-1"


def test_runs_without_a_pairwise_metric_have_no_arena() -> None:
    from evalkit.comparison.arena import arenas
    from evalkit.comparison.settings import Settings

    run = evalkit.evaluate(records(5, "a"), metrics=["exact_match"])
    assert arenas([RunSide.of(run), RunSide.of(run)], Settings()) == []
