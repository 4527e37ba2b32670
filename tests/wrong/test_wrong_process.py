"""The whole catalogue through the real command: exit code 2, one clear message a problem, and nothing left behind."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest
from cases import Case, wrong_data, wrong_suites

from evalkit.cli.app import guarded

SUITES = list(wrong_suites())
DATA = list(wrong_data())
SAMPLE = (SUITES + DATA)[:: len(SUITES + DATA) // 12]  # also in processes of their own
OURS = ("data", "suites", "pyproject.toml")  # what every case's project holds at its top


def command(case: Case) -> list[str]:
    """The words after ``evalkit``."""
    return ["run", case.suite, *(word for told in case.sets for word in ("--set", told))]


def files(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder, by path, with its content; folders, links and other things have none."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in folder.rglob("*")
    }


def check(case: Case, code: int, out: str, err: str, before: dict[str, bytes | None], project: Path) -> None:
    """What holds for every wrong thing, whatever it is."""
    assert code == 2, err
    assert out == ""
    assert "Traceback" not in err
    lines = err.splitlines()
    assert all(line.startswith("error: ") for line in lines), err
    assert case.missed("\n".join(line.removeprefix("error: ") for line in lines)) == [], err
    assert not any(line.endswith(".") and not line.endswith("..") for line in lines), err
    assert err.isprintable() or all(line.isprintable() for line in lines), err
    assert files(project) == before


@pytest.mark.parametrize("case", SUITES + DATA, ids=lambda case: case.name)
def test_the_command_tells_it_and_leaves_nothing_behind(case: Case, tmp_path, monkeypatch, capsys):
    project = tmp_path / "project"
    case.write(project)
    before = files(project)
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "argv", ["evalkit", *command(case)])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    code = guarded()
    out, err = capsys.readouterr()
    check(case, code, out, err, before, project)


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.name)
def test_so_does_a_process_of_its_own(case: Case, tmp_path, cli):
    project = tmp_path / "project"
    case.write(project)
    before = files(project)
    done = cli(*command(case), cwd=project)
    check(case, done.returncode, done.stdout, done.stderr, before, project)


def test_check_tells_the_same_as_run(tmp_path, monkeypatch, capsys):
    for number, case in enumerate((SUITES + DATA)[::40]):
        project = tmp_path / str(number) / "project"
        case.write(project)
        monkeypatch.chdir(project)
        told = []
        for verb in ("run", "check"):
            monkeypatch.setattr(sys, "argv", ["evalkit", verb, *command(case)[1:]])
            told.append((guarded(), *capsys.readouterr()))
        assert told[0] == told[1]
