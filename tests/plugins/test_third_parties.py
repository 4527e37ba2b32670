"""Installed third-party packages: a good one works like a built-in, a broken one is a warning that names it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

GOOD = '''
from dataclasses import dataclass
import evalkit
from evalkit import Metric, Rows

@evalkit.metric("shout")
@dataclass(frozen=True)
class Shout(Metric):
    """Share of letters that are capitals."""

    least: int = 1

    @property
    def columns(self):
        return ("capitals", "letters")

    def measure(self, batch):
        texts = batch.texts("output")
        return Rows.of([sum(c.isupper() for c in t) for t in texts], [max(sum(c.isalpha() for c in t), self.least) for t in texts])

    def combine(self, totals):
        return totals[..., :1] / totals[..., 1:]
'''
SAME = GOOD.replace('"shout"', '"rouge"').replace("class Shout", "class Loud")


def install(site: Path, name: str, code: str, folder: dict[str, str] | None = None) -> None:
    """A distribution as pip lays it out: a package, its metadata, its entry point."""
    package = site / name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(code)
    for path, text in (folder or {}).items():
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).write_text(text)
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text("")
    (info / "entry_points.txt").write_text(f"[evalkit.plugins]\n{name} = {name}\n")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def evalkit(site: Path, *arguments: str, cwd: Path) -> Any:
    code = f"import sys; sys.path.insert(0, {str(site)!r}); from evalkit.__main__ import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=cwd, check=False)


def test_a_good_package_is_listed_shown_checked_and_run_in_worker_processes(
    site: Path, project: Path, records: Any, jsonl: Any
) -> None:
    install(site, "loud_metrics", GOOD)
    jsonl(project / "d.jsonl", records(4_000))
    (project / "s.yaml").write_text("dataset: {path: d.jsonl}\nmetrics: [{shout: {least: 2}}, exact_match]\n")
    listed = evalkit(site, "list", "metrics", cwd=project)
    assert "Share of letters that are capitals. (from loud_metrics)" in listed.stdout
    ran = evalkit(site, "run", "s.yaml", cwd=project)
    assert ran.returncode == 0, ran.stderr
    assert "shout" in ran.stdout
    wrong = evalkit(site, "run", "s.yaml", "--set", "metrics.0.laest=3", cwd=project)
    assert wrong.returncode == 2


def test_a_broken_package_is_one_warning_that_names_it_and_the_rest_works_on(site: Path, project: Path) -> None:
    install(site, "loud_metrics", GOOD)
    install(site, "brokenpkg", "import a_module_that_is_not_there\n")
    done = evalkit(site, "list", "metrics", cwd=project)
    assert done.returncode == 0
    assert (
        """warning: the plug-in "brokenpkg" could not be loaded (ModuleNotFoundError: No module named 'a_module_that_is_not_there')"""
        in done.stderr
    )
    assert "Traceback" not in done.stderr
    assert "shout" in done.stdout
    assert "rouge" in done.stdout


def test_a_name_that_a_built_in_has_is_refused_and_both_owners_are_named(site: Path, project: Path) -> None:
    install(site, "samename", SAME)
    done = evalkit(site, "list", "metrics", cwd=project)
    assert done.returncode == 0
    assert '"rouge" is registered twice, by evalkit (evalkit.metrics.rouge:Rouge) and by samename:Loud' in done.stderr


def test_a_package_may_bring_suites_and_data(site: Path, project: Path) -> None:
    suite = "dataset: {path: tiny.jsonl}\nmetrics: [exact_match]\n"
    install(site, "bringer", GOOD, {"suites/brought.yaml": suite, "suites/tiny.jsonl": '{"output": "a", "reference": "a"}\n'})
    done = evalkit(site, "run", "brought", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "exact_match" in done.stdout


def test_a_plug_in_is_not_imported_when_only_built_ins_are_used(site: Path, project: Path) -> None:
    install(site, "brokenpkg", "import a_module_that_is_not_there\n")
    done = evalkit(site, "show", "rouge", cwd=project)
    assert done.returncode == 0
    assert done.stderr == ""
