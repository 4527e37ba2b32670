"""The benchmarks work: on little data each one runs, finds both sides equal, and says what it measured."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent.parent.parent / "benchmarks"
NAMES = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
FAST = {"bleu", "chrf", "levenshtein", "retrieval", "ter"}  # the others take seconds: imports, whole commands
PEERS = {
    "bleu": ["sacrebleu"], "bootstrap": ["scipy"], "permutation": ["scipy"], "chrf": ["sacrebleu"], "meteor": ["nltk"], "million": ["psutil", "rouge-score"],
    "retrieval": ["pytrec_eval-terrier"], "rouge": ["rouge-score"], "ter": ["sacrebleu"],
}  # fmt: skip


def module(name: str) -> ModuleType:
    """A file of benchmarks/, which is no package."""
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[name] = loaded
        spec.loader.exec_module(loaded)
    finally:
        sys.path.remove(str(FOLDER))
    return loaded


@pytest.mark.parametrize("name", [name if name in FAST else pytest.param(name, marks=pytest.mark.stress) for name in NAMES])
def test_a_quick_benchmark_finds_both_sides_equal(name: str, tmp_path: Path) -> None:
    for package in PEERS.get(name, ()):
        try:
            version(package)
        except PackageNotFoundError:
            pytest.skip(f"{package} is not installed; `make bench` installs it")
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"bench_{name}.py"), "--quick", "--out", str(tmp_path)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    if name == "qags" and "no data at" in done.stderr:
        pytest.skip(done.stderr.strip())
    told = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert told["quick"]
    assert told["name"] == name
    assert all(told[key] for key in ("about", "how", "machine", "versions", "rows"))
    for row in told["rows"]:
        assert all(row[key] for key in ("work", "inputs", "unit"))
        assert row["evalkit"] >= 0
        assert row["met"] is None  # figures of little data are held to no bar
        if row["peer"] and not name.startswith("start"):
            assert row["equal"]
            assert row["ratio"] == pytest.approx(row["peer_value"] / row["evalkit"], rel=0.01)


def test_every_benchmark_is_in_the_table() -> None:
    assert sorted(module("run_all").NAMES) == NAMES


def test_bars_are_judged_by_ratio_or_by_our_own_figure() -> None:
    common = module("_common")
    bars = common.times(3), common.at_most(150), common.at_least(90)
    assert [bars[0].met(10.0, ratio) for ratio in (3.0, 2.9, None)] == [True, False, False]
    assert [bars[1].met(ours, 99.0) for ours in (150.0, 151.0)] == [True, False]
    assert [bars[2].met(ours, None) for ours in (90.0, 89.0)] == [True, False]
    assert [bar.told("MiB") for bar in bars] == ["≥ 3×", "≤ 150 MiB", "≥ 90 MiB"]


def test_the_page_has_a_line_per_row_and_marks_a_missed_bar() -> None:
    row: dict[str, Any] = {
        "work": "ROUGE", "inputs": "10 pairs", "peer": "rouge-score, twice", "version": "0.1.2", "unit": "ms", "peer_value": 1.2345,
        "evalkit": 0.01, "ratio": 123.45, "bar": "≥ 200×", "met": False, "equal": "every value",
    }  # fmt: skip
    own = {**row, "work": "help", "peer": None, "version": None, "peer_value": None, "ratio": None, "bar": None, "met": None}
    machine = {"processor": "a CPU", "cores": 2, "memory_gib": 8, "system": "an OS", "python": "CPython 3.13"}
    told = {
        "name": "x", "about": "About.", "how": "How.", "command": "python benchmarks/bench_x.py", "date": "2026-01-01",
        "seconds": 1.0, "machine": machine, "versions": {"rouge-score": "0.1.2"}, "rows": [row, own],
    }  # fmt: skip
    lines = module("run_all").page([told]).splitlines()
    assert "| ROUGE | rouge-score 0.1.2, twice | 1.23 ms | 0.0100 ms | 123× | ≥ 200× **missed** |" in lines
    assert "| help |  |  | 0.0100 ms |  |  |" in lines
    assert "Measured: 2026-01-01, a CPU, 2 cores, 8 GiB, an OS, CPython 3.13." in lines


def test_made_records_are_the_same_every_time_and_fit_the_classic_suite() -> None:
    texts = module("_texts")
    assert list(texts.answer_records(20)) == list(texts.answer_records(20))
    assert texts.pairs(5, 10, 20) == texts.pairs(5, 10, 20)
    wanted = {"output", "reference", "retrieved_ids", "relevant_ids", "latency_ms", "completion_tokens", "model", "kind"}
    for record in texts.answer_records(20):
        assert wanted <= record.keys()
        assert len(set(record["retrieved_ids"])) == len(record["retrieved_ids"])


def test_qags_measures_equal_plain_ones() -> None:
    import numpy as np
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    qags = module("bench_qags")
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 6, 80) / 5.0
    good = rng.random(80) < 0.3 + 0.5 * scores
    rows = np.stack([scores, good], axis=1).astype(float)
    weights = rng.integers(0, 3, (5, 80)).astype(float)
    found = qags.separation(rows, weights)[:, 0]
    assert found == pytest.approx([roc_auc_score(good, scores, sample_weight=one) for one in weights])
    cut = qags.best_threshold(scores, good)
    best = max(balanced_accuracy_score(good, scores >= one) for one in (*np.unique(scores), 2.0))
    assert balanced_accuracy_score(good, scores >= cut) == pytest.approx(best)
    right = qags.held_out(rng.random(400), rng.random(400) < 0.5)
    assert right.mean() == pytest.approx(
        0.5, abs=0.08
    )  # a score that says nothing is no better than chance on what it has not seen


def test_the_page_tells_how_scores_agree_with_people() -> None:
    row: dict[str, Any] = {
        "work": "x, XSum", "inputs": "9 summaries of XSum", "method": "unsupported_entities", "n": 9, "auroc": [0.5, 0.4, 0.6], "balanced_accuracy": [0.5, 0.4, 0.6],
        "pearson": [0.1, 0, 0.2], "spearman": [0.1, 0, 0.2], "kendall_b": [0.1, 0, 0.2], "doubted": 4, "rightly": 3,
    }  # fmt: skip
    lines = module("run_all")._consistency([{"name": "qags", "rows": [row]}])
    assert "| unsupported_entities | 9 | 0.500 (0.400–0.600) | 0.500 (0.400–0.600) | 0.100 | 0.100 | 0.100 |" in lines
    assert "Of the summaries in which `unsupported_entities` finds any, people too found fault with 3 of 4." in lines
