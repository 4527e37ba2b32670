"""Real judges and real people: GPT-3.5 and PandaLM on PandaLM's pairs, ROUGE on SummEval's summaries."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pytest

import evalkit
from evalkit.calibration.calibrate import Settings, calibrate
from evalkit.core.batch import Batch
from evalkit.core.card import Card
from evalkit.core.contracts import Metric
from evalkit.core.registry import forget, metric
from evalkit.core.rows import Rows

pytestmark = pytest.mark.shared_data

SIDES = {0: "tie", 1: "A", 2: "B"}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def pandalm(shared_data: Path, project: Path) -> tuple[Path, list[dict[str, Any]]]:
    """A project with PandaLM's pairs, GPT-3.5's recorded verdicts, and the labels of three people."""
    file = shared_data / "pandalm" / "pandalm_testset.jsonl"
    pairs = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    told = [
        {"id": str(one["idx"]), "input": str(one["instruction"]), "output": str(one["response1"]), "b": str(one["response2"])}
        for one in pairs
    ]
    said = [
        {"metric": "preference", "id": str(one["idx"]), "call": "given", "text": f"{ {'0': 'Tie'}.get(str(one['gpt35']), one['gpt35'])}\n"}
        for one in pairs
    ]  # fmt: skip
    write(project / "pairs.jsonl", [{**row, "cluster": None} for row in told])
    write(project / "said.jsonl", said)
    spec = {
        "use": "pairwise", "as": "preference", "against": {"column": "b"}, "orders": "given", "reply": "first_line",
        "backend": "judge", "compat": "garbage_as_tie",
    }  # fmt: skip
    suite = {
        "dataset": "pairs.jsonl",
        "metrics": [spec],
        "backends": {"judge": {"kind": "replay", "path": "said.jsonl"}},
        "resamples": 100,
    }
    (project / "s.yaml").write_text(json.dumps({"name": "pandalm", **suite}))
    labels = [
        {"id": str(one["idx"]), "label": SIDES[one[f"annotator{rater}"]], "rater": f"annotator{rater}"}
        for one in pairs
        for rater in (1, 2, 3)
    ]
    return project, labels


def card_of(judge: str, folder: Path, labels: list[dict[str, Any]], run: Any, **how: Any) -> Card:
    return calibrate(
        judge, write(folder / "labels.jsonl", labels), run, folder, folder / ".evalkit", Settings(resamples=100, **how)
    )


def test_gpt35_agrees_with_people_as_often_as_published(pandalm: tuple[Path, list[dict[str, Any]]]) -> None:
    """Accuracy .7107 against the majority; a record that all three label otherwise is a tie to us, the first's to PandaLM."""
    folder, labels = pandalm
    card = card_of("preference", folder, labels, evalkit.run("s.yaml"))
    assert card.raters == 3
    assert card.n == 999
    by_rater = np.array([{"A": 1.0, "B": 0.0, "tie": 0.5}[row["label"]] for row in labels]).reshape(-1, 3).T
    alpha = krippendorff.alpha(reliability_data=by_rater, level_of_measurement="interval")
    assert card.agreement["raters"].value == pytest.approx(alpha), "people agree with each other far better than with it"
    assert card.agreement["exact"].value == pytest.approx(0.7107, abs=0.002)
    people = np.mean([{"A": 1.0, "B": 0.0, "tie": 0.5}[row["label"]] for row in labels])
    assert card.alone.value == pytest.approx(people), "the win rate that three people give"


def test_a_tenth_of_the_labels_finds_the_win_rate_that_people_give(pandalm: tuple[Path, list[dict[str, Any]]]) -> None:
    """Over 20 draws of 100 pairs: the interval holds the truth as it should, and is narrower than that of the labels."""
    folder, labels = pandalm
    run = evalkit.run("s.yaml")
    people = float(np.mean([{"A": 1.0, "B": 0.0, "tie": 0.5}[row["label"]] for row in labels]))
    ids = sorted({row["id"] for row in labels})
    held, widths = 0, []
    for seed in range(20):
        chosen = set(random.Random(seed).sample(ids, 100))
        card = card_of("preference", folder, [row for row in labels if row["id"] in chosen], run)
        assert card.corrected.ci is not None
        assert card.alone.ci is not None
        held += card.corrected.ci[0] <= people <= card.corrected.ci[1]
        widths.append((card.corrected.ci[1] - card.corrected.ci[0]) / (card.alone.ci[1] - card.alone.ci[0]))
    assert held >= 17, "19 of 20 are expected; 16 or fewer would happen once in 400"
    assert max(widths) <= 1.0
    assert np.mean(widths) < 0.9


@pytest.fixture
def recorded() -> Any:
    """A metric whose scores stand in the data."""

    @metric("recorded")
    @dataclass(frozen=True)
    class Recorded(Metric):
        needs = ("score",)

        @property
        def columns(self) -> tuple[str, ...]:
            return ("score", "records")

        def measure(self, batch: Batch) -> Rows:
            return Rows.of(np.array(batch.column("score"), dtype=np.float64), np.ones(len(batch)))

        def combine(self, totals: Any) -> Any:
            return totals[..., :1] / totals[..., 1:]

    yield Recorded
    forget("metric", "recorded")


@pytest.mark.usefixtures("recorded")
def test_rouge_2_goes_with_the_experts_on_summeval_as_published(shared_data: Path, project: Path) -> None:
    """Spearman and Kendall within documents, averaged: relevance .290 and .219, consistency .187 and .155."""
    lines = (shared_data / "summeval_16systems" / "summeval.jsonl").read_text(encoding="utf-8").splitlines()
    told = [
        (one["doc_id"], name, one["ref_summs"], system)
        for one in map(json.loads, lines)
        for name, system in one["systems"].items()
    ]
    outputs = [system["summary"] for _, _, references, system in told for _ in references]
    every = evalkit.score("rouge", outputs, [reference for _, _, references, _ in told for reference in references])
    scores = every["rouge.rouge2"].reshape(len(told), -1).mean(axis=1).tolist()
    records = [
        {"id": f"{document}/{name}", "output": system["summary"], "model": name, "cluster": document, "score": score}
        for (document, name, _, system), score in zip(told, scores)
    ]
    write(project / "data.jsonl", records)
    (project / "s.yaml").write_text("name: s\ndataset: data.jsonl\nresamples: 100\nmetrics: [{use: recorded, as: rouge2}]\n")
    run = evalkit.run("s.yaml")
    for aspect, (spearman, kendall) in {"relevance": (0.290, 0.219), "consistency": (0.187, 0.155)}.items():
        labels = [{"id": row["id"], "label": system[aspect]} for row, (_, _, _, system) in zip(records, told)]
        card = card_of("rouge2", project, labels, run, scale=(1.0, 5.0))
        within = card.levels["document"]
        assert within["spearman"].value == pytest.approx(spearman, abs=0.0006)
        assert within["kendall"].value == pytest.approx(kendall, abs=0.0006)
        assert card.levels["system"]["spearman"].n == 16
