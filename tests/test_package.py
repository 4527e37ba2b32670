"""The wheel, installed into an empty environment, runs the quickstart from an empty folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left in the checkout."""
    source = tmp_path_factory.mktemp("source") / "evalkit"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", ".evalkit", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"
    )
    shutil.copytree(ROOT, source, ignore=ignored)
    target = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(target), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = target.glob("evalkit-*.whl")
    return built


def test_the_wheel_carries_the_content_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "evalkit/_content/suites/quickstart.yaml" in names
    assert "evalkit/_content/suites/data/http/answers.jsonl" in names
    assert any(name.startswith("evalkit/_content/dashboards/") for name in names)
    assert "evalkit/store/migrations/versions/0001_runs.py" in names
    assert not [name for name in names if name.startswith("tests")]
    assert wheel.stat().st_size < 3_000_000


def test_an_empty_environment_runs_the_quickstart_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    installed = subprocess.run(
        [python, "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), str(wheel)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stderr
    listed = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout
    assert "torch" not in listed
    assert "fastapi" not in listed
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [tmp_path / "env" / "bin" / "evalkit", "run", "quickstart"],
        cwd=empty, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (empty / ".evalkit").is_dir()
    assert sorted(path.name for path in empty.iterdir()) == [".evalkit"]
