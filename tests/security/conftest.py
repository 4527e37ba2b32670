"""The command in this process, in a small project."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., tuple[int, str, str]]
SUITE = "dataset: {path: x.jsonl}\nmetrics: [exact_match]\n"


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Exit code, stdout and stderr of ``evalkit ARGUMENTS``."""
    from evalkit.cli.app import guarded

    def called(*arguments: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["evalkit", *map(str, arguments)])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        capsys.readouterr()
        code = guarded()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert "defect of ours" not in err
        return code, out, err

    return called


@pytest.fixture
def suite(project: Path) -> Path:
    """A suite over five records that passes."""
    rows = [{"id": f"r{n}", "output": str(n), "reference": str(n), "model": "ab"[n % 2]} for n in range(5)]
    (project / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = project / "x.yaml"
    path.write_text(SUITE)
    return path
