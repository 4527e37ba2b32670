"""What stopping early saves on real verdicts: GPT-3.5's and PandaLM-7B's of 999 pairs of answers, replayed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import evalkit

pytestmark = pytest.mark.shared_data
JUDGES = ("gpt35", "pandalm7b")
POWER = 2.8016  # standard errors: what a fixed test finds with 80 % power, 1.960 + 0.842


@pytest.fixture(scope="module")
def pairs(shared_data: Path) -> list[dict[str, Any]]:
    file = shared_data / "pandalm" / "pandalm_testset.jsonl"
    if not file.is_file():
        pytest.skip(f"PandaLM's test set is not at {file}")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def suite(pairs: list[dict[str, Any]], project: Path, jsonl: Any) -> Path:
    """1,998 records: each pair as each judge saw it. Whoever replays knows a reply by its record."""
    rows = [(pair, judge) for pair in pairs for judge in JUDGES]
    question = [f"{pair['instruction']}\n\n{pair['input']}".strip() for pair, _ in rows]
    jsonl(
        project / "pairs.jsonl",
        [
            {
                "id": f"{pair['idx']}-{judge}", "input": asked, "output": str(pair["response1"]),
                "output_b": str(pair["response2"]), "judge": judge, "cluster": f"pair {pair['idx']}",
            }
            for (pair, judge), asked in zip(rows, question)
        ],
    )  # fmt: skip
    said = [
        {
            "metric": "preference", "id": f"{pair['idx']}-{judge}", "call": "given", "model": "recorded",
            "text": f"{ {'0': 'Tie'}.get(str(pair[judge]), str(pair[judge])) }\n\n### Reason: {pair[f'{judge}_reason']}",
        }
        for pair, judge in rows
    ]  # fmt: skip
    jsonl(project / "said.jsonl", said)
    return project / "s.yaml"


def written(suite: Path, gates: list[dict[str, Any]], seed: int = 0) -> Path:
    told = {
        "name": "preference", "dataset": "pairs.jsonl", "resamples": 200, "seed": seed, "slices": ["judge"],
        "backends": {"judge": {"kind": "replay", "path": "said.jsonl"}},
        "metrics": [
            {
                "use": "pairwise", "as": "preference", "against": {"column": "output_b"}, "orders": "given",
                "reply": "first_line", "compat": "garbage_as_tie", "backend": "judge",
            }
        ],
        "gates": gates,
    }  # fmt: skip
    suite.write_text(json.dumps(told))
    return suite


def test_more_than_half_of_1998_real_verdicts_are_saved_when_the_bound_is_twice_the_margin_away(suite: Path) -> None:
    """The margin is the least distance that all of them together would find with 80 % power; clusters of two count as such."""
    whole = evalkit.run(written(suite, []))["preference"]
    margin = POWER * whole.stderr
    for rule, bound, outcome in (
        ("min", whole.mean - 2 * margin, "pass"),
        ("max", whole.mean + 2 * margin, "pass"),
        ("min", whole.mean + 2 * margin, "fail"),
    ):
        saved = []
        for seed in range(4):
            run = evalkit.run(written(suite, [{"metric": "preference", rule: bound, "sequential": True}], seed))
            (gate,) = run.gates
            assert gate.outcome == outcome
            assert gate.saved == 1_998 - run["preference"].n
            assert gate.ci is not None
            assert gate.ci[0] <= whole.mean <= gate.ci[1]
            saved.append(gate.saved / 1_998)
        print(f"{rule} {bound:.3f}: {np.mean(saved):.1%} of 1,998 calls saved")
        assert np.mean(saved) >= 0.5, (rule, bound, saved)


def test_the_whole_way_through_the_command_line_and_recorded_again(suite: Path, cli: Any) -> None:
    """A recording of what was judged replays to the same decision."""
    written(suite, [{"metric": "preference", "min": 0.3, "sequential": True}])
    first = cli("run", suite, "--record", "again.jsonl", cwd=suite.parent)
    assert first.returncode == 0, first.stderr
    line = next(line for line in first.stdout.splitlines() if line.startswith("pass "))
    assert "decided after" in line
    assert "judge calls saved" in first.stdout
    suite.write_text(suite.read_text().replace("said.jsonl", "again.jsonl"))
    again = msgspec.json.decode(cli("run", suite, "--json", cwd=suite.parent).stdout)
    assert again["gates"][0]["reason"] in " ".join(first.stdout.split())
    assert again["metrics"]["preference"]["errors"] == 0
    assert again["metrics"]["preference"]["coverage"] < 0.5
