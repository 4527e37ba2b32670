"""The shipped suites that load a model into this process, on the real small ones; `make test-models` fetches them first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from evalkit.backends.folder import models_folder
from evalkit.core.content import content_root

pytestmark = pytest.mark.models
SMALL = "qwen2.5-coder-0.5b-instruct"


@pytest.fixture
def run(cli: Any, tmp_path: Path) -> Any:
    """A shipped suite over its first records, with other models; its results."""
    if not (models_folder() / SMALL).is_dir():
        pytest.skip(f"NOT TESTED: {SMALL} is not here; `make test-models` fetches it")

    def call(name: str, **models: str) -> Any:
        given = [part for key, model in models.items() for part in ("--set", f"backends.{key}.model={model}")]
        suite = content_root() / "suites" / f"{name}.yaml"
        more = ("--set", "dataset.limit=4", "--store", tmp_path / "store", "--out", tmp_path / name)
        done = cli("run", suite, *given, *more, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        return msgspec.json.decode((tmp_path / name / "results.json").read_bytes())

    return call


def test_learned(run: Any, minilm: str) -> None:
    metrics = run("learned", writer=f"cache:{SMALL}", encoder=minilm)["metrics"]
    assert {value["n"] for value in metrics.values()} == {4}
    assert 1 < metrics["perplexity_given"]["mean"] < metrics["perplexity"]["mean"], "an answer follows from its question"
    assert 0 < metrics["semantic_similarity"]["mean"] <= 1


def test_judged(run: Any) -> None:
    result = run("judged", judge=f"cache:{SMALL}")
    assert 1 <= result["metrics"]["correctness"]["mean"] <= 5
    assert result["metrics"]["correctness.mass"]["mean"] > 0.5, "the scale's tokens are what the model wants to say"
    assert result["usage"]["calls"] == 4


def test_rag_by_an_encoder(run: Any, minilm: str) -> None:
    metrics = run("rag-encoder", encoder=minilm)["metrics"]
    assert metrics["faithfulness"]["n"] + metrics["faithfulness"]["skipped"] == 4
    assert 0 <= metrics["context_recall"]["mean"] <= 1
    assert 0 < metrics["redundancy"]["mean"] < 1
