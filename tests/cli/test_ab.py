"""`evalkit ab` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROWS = [
    {
        "user_id": f"u{index % 400}", "variant": ("control", "short")[index % 2], "clicked": (index * 7919) % 101 < 30 + 20 * (index % 2),
        "latency_ms": 300 + (index * 31) % 97, "timestamp": 1_767_225_600 + 3_600 * index,
    }
    for index in range(2_000)
]  # fmt: skip
PLAIN = ("--variant", "variant", "--control", "control", "--metric", "clicked:proportion")


@pytest.fixture
def log(project: Path, jsonl) -> Path:
    return jsonl(project / "log.jsonl", ROWS)


def test_it_prints_the_split_and_a_verdict_and_writes_reports(cli, log, project):
    done = cli(
        "ab",
        log,
        *PLAIN,
        "--guardrail",
        "latency_ms:p95",
        "--margin",
        "latency_ms=20",
        "--html",
        "a/x.html",
        "--markdown",
        "x.md",
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "split   200 / 200   as planned" in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("  short")]
    assert [("   better" in line, "   pass" in line) for line in lines] == [(True, False), (False, True)]
    assert "<title>" in (project / "a" / "x.html").read_text()
    assert "clicked:proportion" in (project / "x.md").read_text()


def test_json_is_alone_on_stdout_and_equals_python(cli, log):
    import evalkit

    done = cli("ab", log, *PLAIN, "--json", "--sequential", "--planned", "500")
    told = json.loads(done.stdout)
    found = evalkit.ab(log, variant="variant", control="control", metrics=["clicked:proportion"], sequential=True, planned=500)
    ours = told["metrics"]["clicked:proportion"]["treatments"]["short"]
    want = found.to_json()["metrics"]["clicked:proportion"]["treatments"]["short"]
    assert ours.keys() == want.keys()
    for name, value in ours.items():
        plain = value is None or isinstance(value, str)
        assert value == (want[name] if plain else pytest.approx(want[name], rel=1e-8)), name
    assert told["sequential"] is True
    with pytest.raises(evalkit.SpecError, match='no option "correction"'):
        evalkit.ab(log, variant="variant", control="control", metrics=["clicked:proportion"], correction="holm")


def test_wrong_input_is_one_line_exit_2_and_nothing_written(cli, log, project):
    for arguments, said in (
        (("nope.jsonl", *PLAIN), "there is no such file"),
        ((log, *PLAIN, "--unit", "user"), 'did you mean "user_id"?'),
        ((log, *PLAIN, "--split", "control=x"), "is no share"),
        ((log, *PLAIN, "--html", project), "cannot be written"),
    ):
        done = cli("ab", *arguments, "--markdown", "x.md")
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert said in done.stderr
        assert not (project / "x.md").exists()


def test_a_plan_from_figures_and_from_a_log(cli, log):
    from statsmodels.stats.power import NormalIndPower, TTestIndPower
    from statsmodels.stats.proportion import proportion_effectsize

    done = cli("ab", "plan", "--baseline", "0.12", "--effect", "0.01", "--effect", "5%", "--per-day", "1000", "--json")
    rows = json.loads(done.stdout)["rows"]
    for row, effect in zip(rows, (0.01, 0.006)):
        want = NormalIndPower().solve_power(proportion_effectsize(0.12 + effect, 0.12), alpha=0.05, power=0.8)
        assert row["control"] == pytest.approx(want, abs=1)
        assert row["days"] == pytest.approx(row["total"] / 1000)
    told = json.loads(cli("ab", "plan", "--baseline", "5", "--sd", "2", "--units", "400", "--treatments", "2", "--json").stdout)
    want = TTestIndPower().solve_power(nobs1=133, alpha=0.025, power=0.8) * 2
    assert told["rows"][0]["effect"] == pytest.approx(want, rel=1e-6)
    done = cli("ab", "plan", log, "--metric", "latency_ms:mean")
    assert done.returncode == 0
    assert "400 units in" in done.stdout
    assert "+10.0%" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--baseline", "12"), "add --sd"),
        ((), "there is no baseline"),
        (("--baseline", "0.1", "--effect", "2"), "cannot move by 2"),
        (("--baseline", "0.1", "--effect", "much"), "is no difference"),
        (("--baseline", "0.1", "--power", "80"), "write 0.8"),
        (("log.jsonl",), "there is no metric"),
        (("log.jsonl", "--metric", "clicked:proportion", "--variant", "variant"), "goes with --control"),
    ],
)
def test_a_plan_that_cannot_be_made_says_what_is_missing(cli, log, arguments, said):
    done = cli("ab", "plan", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_help_imports_nothing_heavy():
    import subprocess
    import sys

    code = (
        "import sys\nsys.argv = ['evalkit', 'ab', '--help']\nfrom evalkit.cli.app import guarded\nassert guarded() == 0\n"
        "heavy = {'numpy', 'scipy', 'duckdb', 'pandas', 'pyarrow', 'jinja2'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_and_usage_read_as_they_are_typed(cli):
    assert "evalkit ab [OPTIONS]" in cli("ab", "--help").stdout
    assert "evalkit ab plan [OPTIONS]" in cli("ab", "plan", "--help").stdout
    assert cli("ab").returncode == 2
