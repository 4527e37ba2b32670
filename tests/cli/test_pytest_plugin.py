"""``pytest --evalkit suites/x.yaml``: one item per gate."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SUITE = """
dataset: {path: d.jsonl}
metrics: [exact_match]
gates:
  - {metric: exact_match, min: 0.2}
  - {metric: exact_match, min: 0.95}
  - {metric: exact_match, no_worse_than: baseline}
"""


@pytest.fixture
def suite(project: Path, records: Any, jsonl: Any) -> Path:
    jsonl(project / "d.jsonl", records(200))
    (project / "s.yaml").write_text(SUITE)
    return project


def run(*arguments: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_each_gate_is_an_item_and_says_why_it_failed(suite: Path) -> None:
    done = run("--evalkit", "s.yaml", "-v", "-rs")
    assert done.returncode == 1, done.stdout
    assert "2 passed" in done.stdout
    assert "1 failed" in done.stdout
    assert "1 skipped" in done.stdout
    assert "fail: exact_match ≥ 0.95:" in done.stdout
    assert "def runtest" not in done.stdout, "our own lines of code are no part of the reason"


def test_suites_stand_beside_ordinary_tests_and_can_be_selected(suite: Path) -> None:
    (suite / "test_mine.py").write_text("def test_mine():\n    assert True\n")
    both = run("--evalkit", "s.yaml", "test_mine.py")
    assert "3 passed" in both.stdout
    one = run("--evalkit", "s.yaml", "test_mine.py", "-k", "mine")
    assert one.returncode == 0, one.stdout
    assert "1 passed" in one.stdout


def test_a_wrong_suite_is_a_usage_error(suite: Path) -> None:
    (suite / "s.yaml").write_text(SUITE.replace("exact_match, min: 0.2", "exact_mtch, min: 0.2"))
    done = run("--evalkit", "s.yaml")
    assert done.returncode == 4
    assert "s.yaml:5" in done.stdout + done.stderr


def test_without_the_option_pytest_does_not_import_evalkits_parts(suite: Path) -> None:
    (suite / "test_mine.py").write_text(
        "import sys\ndef test_mine():\n    assert not {'numpy', 'evalkit.api'} & set(sys.modules)\n"
    )
    assert run("test_mine.py").returncode == 0
