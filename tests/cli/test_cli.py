"""The command as its users meet it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

SUITE = """# How well the model answers.
dataset: {path: d.jsonl}
metrics: [exact_match, rouge, latency]
slices: [model]
gates:
  - {metric: exact_match, min: 0.3}
report: [json, html, junit, markdown]
"""


@pytest.fixture
def suite(project: Path, records: Any, jsonl: Any) -> Path:
    jsonl(project / "d.jsonl", [{**record, "latency_ms": 5 + index} for index, record in enumerate(records(120))])
    (project / "s.yaml").write_text(SUITE)
    return project / "s.yaml"


def test_a_run_prints_its_table_its_gates_and_where_the_report_is(suite: Path, cli: Any) -> None:
    done = cli("run", "s.yaml")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"s +120 records · s.yaml", lines[0])
    assert re.search(r"^metric +value +95% interval +n +errors +skipped$", done.stdout, re.M)
    assert re.search(r"^exact_match +0\.\d+ +0\.\d+ – 0\.\d+ +120 +0 +0$", done.stdout, re.M)
    assert re.search(r"^pass +exact_match ≥ 0.3 +the interval starts at 0\.\d+$", done.stdout, re.M)
    report = re.search(r"^report +(\S+)$", done.stdout, re.M)
    assert report is not None
    assert (suite.parent / report[1]).is_file()
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stderr == ""


def test_everything_of_the_contract_is_in_the_runs_folder(suite: Path, cli: Any) -> None:
    cli("run", "s.yaml", "--out", "here")
    assert {"results.json", "scores.parquet", "rows.parquet", "report.html", "report.md", "junit.xml"} <= set(
        os.listdir("here")
    )
    results = msgspec.json.decode(Path("here/results.json").read_bytes())
    assert set(results) >= {
        "evalkit",
        "run_id",
        "status",
        "suite",
        "dataset",
        "git",
        "prompts",
        "metrics",
        "slices",
        "gates",
        "usage",
        "started_at",
        "seconds",
    }
    assert re.fullmatch(r"\d{8}T\d{6}Z-s-[0-9a-f]{6}", results["run_id"])
    value = results["metrics"]["rouge.rougeL"]
    assert set(value) >= {
        "mean",
        "ci",
        "confidence",
        "stderr",
        "n",
        "errors",
        "skipped",
        "coverage",
        "mode",
        "signature",
        "fingerprint",
    }
    assert results["metrics"]["latency.p95"]["mean"] == pytest.approx(5 + 0.95 * 119)
    assert {tuple(part["by"].items())[0] for part in results["slices"]} == {("model", "a"), ("model", "b")}
    scores = pq.read_schema("here/scores.parquet").names
    assert {"id", "exact_match", "rouge.rouge1", "rouge.reason", "rouge.error", "rouge.evidence"} <= set(scores)
    assert pq.read_table("here/scores.parquet")["id"].to_pylist()[:2] == ["r0", "r1"]


def test_json_is_alone_on_stdout(suite: Path, cli: Any) -> None:
    done = cli("run", "s.yaml", "--json")
    assert msgspec.json.decode(done.stdout)["status"] == "passed"


def test_a_rerun_prints_the_same_digits(suite: Path, cli: Any) -> None:
    one, other = (cli("run", "s.yaml", "--json").stdout for _ in range(2))
    assert msgspec.json.decode(one)["metrics"] == msgspec.json.decode(other)["metrics"]


def test_markdown_and_html_go_where_they_are_asked_to(suite: Path, cli: Any) -> None:
    cli("run", "s.yaml", "--markdown", "pr.md", "--html", "sub/r.html")
    assert Path("pr.md").read_text().startswith("**evalkit: s passed")
    assert Path("sub/r.html").read_text().startswith("<!doctype html>")


def test_a_failed_gate_is_exit_1_and_a_wrong_suite_exit_2(suite: Path, cli: Any) -> None:
    assert cli("run", "s.yaml", "--set", "gates.0.min=0.99").returncode == 1
    done = cli("run", "s.yaml", "--set", "metrics.0=exactmatch")
    assert done.returncode == 2
    assert "exact_match" in done.stderr


def test_records_come_from_stdin_as_well(suite: Path, cli: Any) -> None:
    text = (suite.parent / "d.jsonl").read_text()
    piped = cli("run", "s.yaml", "--set", "dataset.path=-", "--json", stdin=text)
    assert piped.returncode == 0, piped.stderr
    filed = cli("run", "s.yaml", "--json")
    assert msgspec.json.decode(piped.stdout)["metrics"] == msgspec.json.decode(filed.stdout)["metrics"]


def test_limit_and_shuffle_take_a_sample(suite: Path, cli: Any) -> None:
    done = cli("run", "s.yaml", "--limit", "10", "--set", "dataset.shuffle=3", "--json")
    assert msgspec.json.decode(done.stdout)["dataset"]["n"] == 10


def test_the_newest_run_can_be_the_next_ones_baseline(suite: Path, cli: Any) -> None:
    cli("run", "s.yaml")
    done = cli(
        "run",
        "s.yaml",
        "--baseline",
        "latest:s",
        "--markdown",
        "pr.md",
        "--set",
        "gates.0={metric: rouge, no_worse_than: baseline, margin: 0.01}",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^pass +rouge.rougeL no worse than baseline − 0.01 +difference 0", done.stdout, re.M)


def test_an_unknown_engine_is_refused_and_ray_is_not_yet(suite: Path, cli: Any) -> None:
    assert "not yet" in cli("run", "s.yaml", "--engine", "ray").stderr
    assert cli("run", "s.yaml", "--engine", "spark").returncode == 2


def test_check_scores_nothing_and_names_the_datas_faults(suite: Path, cli: Any) -> None:
    done = cli("check", "s.yaml")
    assert done.returncode == 0
    assert "ready to run" in done.stdout
    assert not (suite.parent / ".evalkit" / "runs").exists()
    told = msgspec.json.decode(cli("check", "s.yaml", "--json").stdout)
    assert told["ok"] is True
    assert told["records"] == 120


def test_show_prints_a_runs_fingerprints_and_a_metrics_options(suite: Path, cli: Any) -> None:
    cli("run", "s.yaml")
    shown = cli("show", "latest").stdout
    assert "fingerprints" in shown
    assert "exact_match|ignore_case:no" in shown
    assert re.search(r"stemmer +true \| false, default true", cli("show", "rouge").stdout)
    assert cli("show", "s.yaml").stdout == SUITE
    rubric = msgspec.json.decode(cli("show", "rubrics/tone", "--json").stdout)
    assert (rubric["kind"], list(rubric["prompts"])) == ("rubric", ["geval"])
    assert rubric["text"].splitlines()[1] == "name: tone"
    wrong = cli("show", "rogue")
    assert wrong.returncode == 2
    assert 'did you mean "rouge"?' in wrong.stderr


def test_list_knows_metrics_suites_and_runs(suite: Path, cli: Any) -> None:
    cli("run", "s.yaml")
    assert "token_f1" in cli("list", "metrics").stdout
    assert "quickstart" in cli("list", "suites").stdout
    (run,) = msgspec.json.decode(cli("list", "runs", "--json").stdout)
    assert run["status"] == "passed"
    assert cli("list", "metrcs").returncode == 2


def test_init_writes_a_suite_that_runs(project: Path, cli: Any, jsonl: Any) -> None:
    rows = [
        {"question": f"What is {i} + {i}?", "answer": str(i + i), "expected": str(2 * i), "llm": "m" if i % 2 else "n"}
        for i in range(40)
    ]
    jsonl(project / "mine.jsonl", rows)
    wrote = cli("init", "mine.jsonl")
    assert wrote.returncode == 0, wrote.stderr
    ran = cli("run", "mine.yaml")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "exact_match" in ran.stdout
    again = cli("init", "mine.jsonl")
    assert again.returncode == 2
    assert "--force" in again.stderr


def test_schema_is_a_json_schema_that_the_shipped_suites_meet(cli: Any) -> None:
    import jsonschema
    import yaml

    schema = msgspec.json.decode(cli("schema").stdout)
    root = Path(__file__).resolve().parents[2]
    suites = sorted((root / "suites").glob("*.yaml"))
    assert len(suites) > 5
    for path in suites:
        jsonschema.validate(yaml.safe_load(path.read_text()), schema)


def test_on_a_terminal_there_is_colour_and_a_bar(suite: Path) -> None:
    primary, secondary = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "110"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "evalkit", "run", "s.yaml"], stdout=secondary, stderr=secondary, env=environment
    )
    os.close(secondary)
    output = b""
    while True:
        try:
            block = os.read(primary, 65536)
        except OSError:
            break
        if not block:
            break
        output += block
    process.wait()
    os.close(primary)
    assert b"\x1b[" in output
    assert "━".encode() in output


def test_an_unwritable_store_is_one_clear_sentence(suite: Path, cli: Any) -> None:
    (suite.parent / "file").write_text("")
    done = cli("run", "s.yaml", "--store", "file/store")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "name another folder with --store" in done.stderr


def test_a_full_disk_is_one_clear_sentence_and_keeps_what_was_finished(suite: Path, cli: Any) -> None:
    mount = suite.parent / "small"
    mount.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(mount)], check=False).returncode
    ):
        pytest.skip("a small file system can only be mounted as root")
    try:
        with (suite.parent / "d.jsonl").open("a") as out:
            for index in range(20_000):
                out.write(
                    msgspec.json.encode(
                        {"id": f"x{index}", "output": f"a {index}", "reference": f"b {index}", "latency_ms": 1, "model": "a"}
                    ).decode()
                    + "\n"
                )
        done = cli("run", "s.yaml", "--store", "small")
        assert done.returncode == 3, done.stderr
        assert "the disk is full" in done.stderr
        assert "Traceback" not in done.stderr
        assert not list(mount.glob("**/*.tmp"))
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_a_reader_that_goes_away_is_no_error(suite: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m evalkit list metrics | head -1", shell=True, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


def test_a_wrong_option_names_the_nearest(suite: Path, cli: Any) -> None:
    done = cli("run", "s.yaml", "--basline", "x")
    assert done.returncode == 2
    assert "--baseline" in done.stderr


def test_what_cannot_be_written_is_told_before_anything_is_scored(suite: Path, cli: Any) -> None:
    (suite.parent / "file").write_text("")
    for arguments in (["--html", "file/x.html"], ["--markdown", "."], ["--out", ""]):
        done = cli("run", "s.yaml", *arguments)
        assert done.returncode == 2, arguments
        assert done.stderr.startswith(f"error: {arguments[0]}")
    assert not (suite.parent / ".evalkit").exists()


def test_a_baseline_that_is_not_there_yet_is_a_warning_where_no_gate_needs_it(suite: Path, cli: Any) -> None:
    done = cli("run", "s.yaml", "--baseline", "latest:nothing")
    assert done.returncode == 0
    assert "warning: compared with nothing" in done.stderr


@pytest.mark.parametrize("what", [["list", "metrics"], ["--version"], ["list", "backends"]])
def test_a_reader_that_went_away_is_no_failed_gate(what: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run([sys.executable, "-m", "evalkit", *what], stdout=write, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")
