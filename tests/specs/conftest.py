"""A project to load suites in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.specs.load import load_suite
from evalkit.specs.suite import Suite

Load = Callable[..., Suite]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a marker, some data and the working folder in it."""
    root = tmp_path / "project"
    (root / "suites").mkdir(parents=True)
    (root / "data").mkdir()
    (root / "pyproject.toml").touch()
    rows = [{"id": f"r{n}", "input": f"q{n}", "output": "a", "reference": "a", "tag": "x"} for n in range(5)]
    (root / "data/x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def load(project: Path) -> Load:
    """Load a suite from its text; ``dataset`` is added where the text has none."""

    def read(text: str, **more: Any) -> Suite:
        if "dataset" not in text:
            text = f"dataset: ../data/x.jsonl\n{text}"
        (project / "suites/x.yaml").write_text(text, encoding="utf-8")
        return load_suite("suites/x.yaml", **more)

    return read
