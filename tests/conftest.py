"""What tests of several rooms share."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# The same examples every time, so that a commit passes or fails; `make stress` looks for new ones.
settings.register_profile("fixed", derandomize=True)
settings.load_profile("default" if os.environ.get("EVALKIT_NEW_EXAMPLES") else "fixed")

ROOT = Path(__file__).resolve().parent.parent
WORDS = "the server sends a fresh answer when its cached copy is stale and no client asked for 304 again".split()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The development data sets, which are no part of the project."""
    folder = Path(os.environ.get("EVALKIT_SHARED_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"the shared development data is not at {folder}; set EVALKIT_SHARED_DATA")
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder, which is the working folder too."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\nname='x'\nversion='0'\n")
    return tmp_path


def write_jsonl(path: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    """Records as JSON lines."""
    with path.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    return path


def made_records(n: int, *, right: float = 0.6, seed: int = 0) -> list[dict[str, Any]]:
    """``n`` records, a share of them answered right, from a seed."""
    import random

    rng = random.Random(seed)
    records = []
    for index in range(n):
        reference = " ".join(rng.choices(WORDS, k=rng.randrange(4, 14)))
        output = reference if rng.random() < right else " ".join(rng.choices(WORDS, k=rng.randrange(3, 14)))
        records.append(
            {"id": f"r{index}", "input": f"q{index}", "output": output, "reference": reference, "model": rng.choice("ab")}
        )
    return records


Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def cli() -> Cli:
    """The real command in a process of its own."""

    def call(*arguments: Any, cwd: Path | None = None, stdin: str | None = None, **environment: str) -> Any:
        env = {**os.environ, "PYTHONWARNINGS": "default", "COLUMNS": "120", **environment}
        return subprocess.run(
            [sys.executable, "-m", "evalkit", *map(str, arguments)],
            capture_output=True, text=True, cwd=cwd, env=env, input=stdin, timeout=240, check=False,
        )  # fmt: skip

    return call


@pytest.fixture(scope="session")
def _server() -> Iterator[Any]:
    path = Path(__file__).parent / "backends" / "server.py"
    spec = importlib.util.spec_from_file_location("evalkit_tests_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    with module.Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(_server: Any) -> Any:
    """An OpenAI-compatible server of our own (`tests/backends/server.py`), without faults and with an empty log."""
    _server.reset()
    return _server


@pytest.fixture
def records() -> Callable[..., list[dict[str, Any]]]:
    """`made_records`."""
    return made_records


@pytest.fixture
def jsonl() -> Callable[[Path, Iterable[Mapping[str, Any]]], Path]:
    """`write_jsonl`."""
    return write_jsonl
