"""The shipped suites of answers and summaries, over what a small real model said as their judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT


@pytest.fixture
def run(cli: Any, tmp_path: Path) -> Any:
    """A shipped suite from its replay; its results."""

    def call(name: str) -> Any:
        done = cli("run", ROOT / "suites" / f"{name}.yaml", "--out", tmp_path / name, cwd=tmp_path)
        assert done.returncode in (0, 1), done.stdout + done.stderr
        assert "warning" not in done.stderr.lower(), done.stderr
        return msgspec.json.decode((tmp_path / name / "results.json").read_bytes())

    return call


def test_rag(run: Any, tmp_path: Path) -> None:
    result = run("rag")
    metrics = result["metrics"]
    assert not any(value["errors"] for value in metrics.values())
    assert metrics["faithfulness"]["n"] + metrics["faithfulness"]["skipped"] == 24
    assert metrics["faithfulness"]["skipped"] > 0, "some answers say that the passages do not say"
    assert 0 < metrics["answer_correctness"]["mean"] < 1
    table = pq.read_table(tmp_path / "rag" / "scores.parquet")
    told = [msgspec.json.decode(one) for one in table["faithfulness.evidence"].to_pylist() if one]
    assert all(set(claim) >= {"claim", "supported_by"} for one in told for claim in one["claims"])


def test_summaries(run: Any) -> None:
    metrics = run("summaries")["metrics"]
    assert not any(value["errors"] for value in metrics.values())
    assert metrics["summarization"]["mean"] <= min(
        metrics["summarization.alignment"]["mean"], metrics["summarization.coverage"]["mean"]
    )
    assert metrics["compression"]["mean"] > 1
