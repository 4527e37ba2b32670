"""PandaLM's published figures (Wang et al. 2023, arXiv:2306.05087), from its judges' recorded verdicts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

import evalkit

pytestmark = pytest.mark.shared_data

GPT35 = {"accuracy": 71.07, "macro_precision": 58.79, "macro_recall": 57.36, "macro_f1": 57.55}
PANDALM = {"accuracy": 66.77, "macro_precision": 57.38, "macro_recall": 57.50, "macro_f1": 57.43}
KAPPAS = {("annotator1", "annotator2"): 0.852, ("annotator1", "annotator3"): 0.879, ("annotator2", "annotator3"): 0.862}


@pytest.fixture(scope="module")
def pairs(shared_data: Path) -> list[dict[str, Any]]:
    file = shared_data / "pandalm" / "pandalm_testset.jsonl"
    if not file.is_file():
        pytest.skip(f"PandaLM's test set is not at {file}")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def majority(pair: dict[str, Any]) -> int:
    """What most annotators said; of three different answers the first, as in PandaLM's compute_metrics.py."""
    votes = Counter(pair[f"annotator{number}"] for number in (1, 2, 3))
    return max(votes, key=votes.__getitem__)


def records(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "id": str(pair["idx"]),
            "input": f"{pair['instruction']}\n\n{pair['input']}".strip(),
            "output": str(pair["response1"]),
            "output_b": str(pair["response2"]),
            "human": majority(pair),
        }
        for pair in pairs
    ]


def recorded(pairs: list[dict[str, Any]], judge: str, file: Path) -> Path:
    """A judge's verdicts in the form in which PandaLM writes them, as a recording."""
    with file.open("w", encoding="utf-8") as out:
        for pair in pairs:
            verdict = {"0": "Tie"}.get(str(pair[judge]), str(pair[judge]))
            text = f"{verdict}\n\n### Reason: {pair[f'{judge}_reason']}"
            said = {"metric": "preference", "id": str(pair["idx"]), "call": "given", "repeat": 0, "text": text, "model": judge}
            out.write(json.dumps(said, ensure_ascii=False) + "\n")
    return file


def spec(**options: Any) -> dict[str, Any]:
    return {
        "use": "pairwise", "as": "preference", "against": {"column": "output_b"}, "orders": "given", "reply": "first_line",
        "labels": "human", "backend": "judge", **options,
    }  # fmt: skip


def judged(pairs: list[dict[str, Any]], judge: str, folder: Path, **options: Any) -> Any:
    file = recorded(pairs, judge, folder / f"{judge}.jsonl")
    return evalkit.evaluate(
        records(pairs), [spec(**options)], backends={"judge": {"kind": "replay", "path": str(file)}}, resamples=100
    )


@pytest.mark.parametrize(("judge", "published"), [("gpt35", GPT35), ("pandalm7b", PANDALM)])
def test_both_judges_reach_their_published_figures(
    pairs: list[dict[str, Any]], judge: str, published: dict[str, float], tmp_path: Path
) -> None:
    run = judged(pairs, judge, tmp_path, compat="garbage_as_tie")
    assert run["preference"].errors == 0
    assert {part: round(100 * run[f"preference.{part}"].mean, 2) for part in published} == published
    assert run.usage.calls == 0


def test_annotators_agree_as_published(pairs: list[dict[str, Any]]) -> None:
    for (one, other), kappa in KAPPAS.items():
        both = [{"output": str(pair[one]), "reference": str(pair[other])} for pair in pairs]
        run = evalkit.evaluate(both, [{"accuracy": {"labels": ["0", "1", "2"]}}], resamples=100)
        assert round(run["accuracy.kappa"].mean, 3) == kappa


def test_the_labels_are_the_published_ones(pairs: list[dict[str, Any]]) -> None:
    assert Counter(map(majority, pairs)) == {0: 105, 1: 422, 2: 472}


def test_by_default_replies_that_are_no_verdict_are_errors_and_the_report_counts_them(
    pairs: list[dict[str, Any]], project: Path, jsonl: Any, cli: Any
) -> None:
    jsonl(project / "pairs.jsonl", records(pairs))
    recorded(pairs, "gpt35", project / "said.jsonl")
    suite = {
        "dataset": "pairs.jsonl", "metrics": [spec()], "resamples": 100,
        "backends": {"judge": {"kind": "replay", "path": "said.jsonl"}},
    }  # fmt: skip
    (project / "s.yaml").write_text(json.dumps(suite))
    done = cli("run", "s.yaml", "--json")
    value = msgspec.json.decode(done.stdout)["metrics"]["preference"]
    assert (value["n"], value["errors"]) == (974, 25)
    line = next(line for line in cli("run", "s.yaml").stdout.splitlines() if line.startswith("preference "))
    assert line.split()[5:7] == ["974", "25"], "n and errors, in the terminal"
    garbage = [str(pair["idx"]) for pair in pairs if pair["gpt35"] == "garbage"]
    folder = next((project / ".evalkit/runs").iterdir())
    import pyarrow.parquet as pq

    wrong = {
        row["id"]: row["preference.error"]
        for row in pq.read_table(folder / "scores.parquet").to_pylist()
        if row["preference.error"]
    }
    assert sorted(wrong) == sorted(garbage)
    assert set(wrong.values()) == {"the reply's first line is not 1, 2 or Tie: 'garbage\\n\\n### Reason: '"}
