"""The house: who may import whom, and what the command line may import at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("pandas", "numpy", "torch", "nltk", "pyarrow", "pydantic", "sqlalchemy", "rich", "yaml", "jinja2")


def test_imports_point_down_and_rooms_on_one_line_are_blind_to_each_other() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint('\\n'.join(sys.modules), file=sys.stderr)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {line.partition(".")[0] for line in done.stderr.splitlines()}


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"sys.argv = ['evalkit', *{arguments!r}]\nfrom evalkit.cli.app import guarded\nassert guarded() == 0"
    allowed = {"pydantic"} if "run" in arguments else set()  # Typer reads a verb's arguments with it
    assert not (modules_after(code) & set(HEAVY)) - allowed


def test_importing_evalkit_imports_nothing_heavy() -> None:
    assert not modules_after("import evalkit") & set(HEAVY)


def test_a_run_does_not_import_pandas_torch_or_a_reference_package() -> None:
    code = "import evalkit\nevalkit.evaluate([{'output': 'a b', 'reference': 'a c'}], metrics=['rouge', 'bleu', 'chrf', 'exact_match'])"
    assert not modules_after(code) & {"pandas", "torch", "nltk", "sacrebleu", "rouge_score", "scipy", "alembic"}


def test_every_built_in_name_has_its_class_where_the_table_says() -> None:
    from evalkit.core.registry import entries

    for kind in ("metric", "backend"):
        for entry in entries(kind):
            if entry.owner == "evalkit":
                assert entry.load().name == entry.name, entry
