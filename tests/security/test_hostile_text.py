"""Text that others wrote is data: it steers no terminal, no report, no suite, and holds no process up."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

EVIL = [
    "\x1b[2J\x1b]0;title\x07",
    "a\u202eb\u2066c",
    "\x9b31m",
    "<script>alert(1)</script>",
    "](javascript:alert(1))",
    "@everyone #1",
    "a\nb\rc",
    "../../etc/passwd",
    "x" * 10_000,
    "nul\x00nul",
    "{{7*7}} %s {0}",
]


def _records(folder: Path, rows) -> None:
    (folder / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_nothing_that_stands_in_records_steers_a_terminal_or_a_report(suite: Path, call):
    _records(suite.parent, [{"id": text, "output": text, "reference": "other", "input": text, "tag": text} for text in EVIL])
    suite.write_text(
        "dataset: {path: x.jsonl}\nmetrics: [exact_match, rouge]\nslices: [tag]\n"
        "gates: [{metric: exact_match, every: true, threshold: 1}]\nreport: [json, html, markdown, junit]\n"
    )
    code, out, err = call("run", "x.yaml", "--out", "out")
    assert code == 1
    assert all(line.isprintable() for line in (out + err).splitlines())
    assert max(map(len, out.splitlines())) < 1_000
    for name in ("report.html", "report.md", "junit.xml", "results.json"):
        text = Path("out", name).read_text(encoding="utf-8")
        assert not any(sign in text for sign in "\x00\x07\x1b"), name
        assert "<script>alert" not in text or name == "results.json"
    markdown = Path("out/report.md").read_text(encoding="utf-8")
    assert "](javascript" not in markdown
    assert "@everyone" not in markdown


def test_column_names_that_look_like_ours_collide_with_nothing(suite: Path, call):
    odd = ["a#b", "@x", "id#x", "exact_match", "exact_match.error", "exact_match#hits", "q\"u'o", "new\nline", "rouge.rougeL"]
    _records(suite.parent, [{"id": str(n), "output": "a", "reference": "a", **dict.fromkeys(odd, f"{n}")} for n in range(3)])
    listed = ", ".join(json.dumps(name) for name in odd)
    suite.write_text(f"dataset: {{path: x.jsonl}}\nmetrics: [exact_match, rouge]\nslices: [{listed}]\n")
    assert call("run", "x.yaml", "--out", "out")[0] == 0
    told = json.loads(Path("out/results.json").read_text())
    assert {next(iter(part["by"])) for part in told["slices"]} == set(odd)
    assert told["metrics"]["exact_match"]["mean"] == 1
    assert call("run", "x.yaml", "--baseline", "out")[0] == 0


@pytest.mark.parametrize(
    "line",
    [
        '{"output": "\\ud800"}',
        '{"output": 1e400}',
        '{"output": ' + "9" * 5_000 + "}",
        '{"output": "a", "m": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"output": NaN}',
    ],
    ids=["half a character", "a number beyond all", "5,000 digits", "100,000 levels", "NaN"],
)
def test_json_that_python_chokes_on_is_told_with_its_line(suite: Path, call, line):
    (suite.parent / "x.jsonl").write_text(f'{{"output": "a", "reference": "a"}}\n{line}\n')
    code, out, err = call("run", "x.yaml")
    assert (code, out) == (2, "")
    assert err.startswith("error: x.jsonl:2: broken JSON: ")


def test_a_drafted_suite_holds_no_line_that_the_data_wrote(suite: Path, call):
    tags = ["a\ngates: [{metric: errors, max: 1}]", "b\x1b[31m\u2028store: /", "c\x85d"]
    rows = [{"output": "yes it is", "reference": "yes it was", "tag": tags[n % 3]} for n in range(60)]
    _records(suite.parent, rows)
    assert call("init", "x.jsonl", "-o", "new.yaml")[0] == 0
    lines = Path("new.yaml").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("gates:") for line in lines) == 1
    assert not any(line.startswith("store:") for line in lines)
    assert call("run", "new.yaml")[0] == 0


@pytest.mark.parametrize(
    "metric",
    [
        '{regex: {pattern: "(a|aa)+$", timeout_s: 0.2}}',
        '{exact_match: {regexes_to_ignore: ["(a|aa)+$"]}}',
        '{json_schema: {schema: {pattern: "^(a|aa)+$"}}}',
        '{json_schema: {schema: {patternProperties: {"^(a|aa)+$": {}}}}}',
        '{json_schema: {schema: {additionalProperties: false, patternProperties: {"^(a|aa)+$": {}}}}}',
    ],
)
def test_a_pattern_that_takes_for_ever_is_an_error_of_its_record(suite: Path, call, monkeypatch, metric):
    for module in ("evalkit.metrics.structured", "evalkit.text.normalise"):
        monkeypatch.setattr(f"{module}.PATIENCE_S", 0.2)
    hard = "a" * 60 + "!"
    output = hard if "json" not in metric else json.dumps(hard if "Prop" not in metric else {hard: 1})
    _records(
        suite.parent, [{"id": "bad", "output": output, "reference": "x"}, {"id": "good", "output": '""', "reference": '""'}]
    )
    suite.write_text(f"dataset: {{path: x.jsonl}}\nmetrics: [{metric}]\ngates: [{{metric: errors, max: 0.6}}]\n")
    began = time.monotonic()
    code, out, _ = call("run", "x.yaml", "--json")
    assert time.monotonic() - began < 20
    assert code == 0
    (value,) = json.loads(out)["metrics"].values()
    assert (value["n"], value["errors"]) == (1, 1)


@pytest.mark.parametrize(("metric", "module"), [("levenshtein", "edit"), ("ter", "ter")])
def test_texts_too_long_for_a_quadratic_metric_are_an_error_of_their_record(suite: Path, call, monkeypatch, metric, module):
    monkeypatch.setattr(f"evalkit.metrics.{module}.MOST_PAIRS", 1_000)
    long = "a b c d e f g h i j " * 10
    _records(
        suite.parent,
        [
            {"id": "long", "output": long, "reference": [long, "a"]},
            {"id": "short", "output": "a b", "reference": ["a", "a b"]},
        ],
    )
    suite.write_text(f"dataset: {{path: x.jsonl}}\nmetrics: [{metric}]\ngates: [{{metric: errors, max: 0.6}}]\n")
    code, out, _ = call("run", "x.yaml", "--json")
    assert code == 0
    value = next(iter(json.loads(out)["metrics"].values()))
    assert (value["n"], value["errors"], value["mean"]) == (1, 1, 0)


def test_a_secret_that_a_backend_reads_from_the_environment_is_written_nowhere(suite: Path, call, monkeypatch):
    monkeypatch.setenv("A_SECRET", "hunter2-do-not-tell")
    suite.write_text(
        "dataset: {path: x.jsonl}\nbackends: {j: {kind: scripted, model_env: A_SECRET, otherwise: no verdict}}\n"
        "metrics: [{use: yes_no, question: is it, backend: j}]\nreport: [json, html, markdown, junit, prometheus]\n"
    )
    code, out, err = call("run", "x.yaml", "--store", "store")
    assert code == 3  # the replies are no verdicts
    assert "hunter2" not in out + err
    files = [path for path in Path("store").rglob("*") if path.is_file()]
    assert len(files) > 6
    assert not any(b"hunter2" in path.read_bytes() for path in files)
    monkeypatch.delenv("A_SECRET")
    code, _, err = call("run", "x.yaml", "--store", "store")
    assert (code, "A_SECRET is not set" in err) == (2, True)


def test_a_password_in_a_database_url_is_not_shown(suite: Path, call):
    code, out, err = call("run", "x.yaml", "--store", "postgresql://me:hunter2@127.0.0.1:1/x")
    assert code == 2
    assert "hunter2" not in out + err


@pytest.mark.parametrize(
    "told",
    [
        "",
        "=",
        "seed=" + "9" * 5_000,
        "metrics=" + "[" * 5_000 + "]" * 5_000,
        "name=../../x",
        "name=a\x1b[31mb",
        "a." * 3_000 + "=1",
    ],
    ids=lambda told: told[:12].replace("\x1b", ""),
)
def test_an_override_whatever_it_is_gives_one_printable_line_that_says_why(suite: Path, call, told):
    code, out, err = call("run", "x.yaml", "--set", told)
    assert (code, out) == (2, "")
    assert err.startswith("error: --set ")
    assert err.count("\n") == 1
    assert err.strip().isprintable()
    assert len(err) < 700


@pytest.mark.parametrize("debug", [None, "1"])
def test_a_defect_of_ours_says_so_and_shows_its_traceback_when_asked(monkeypatch, capsys, debug):
    from evalkit.cli.errors import explain

    monkeypatch.delenv("EVALKIT_DEBUG", raising=False)
    if debug:
        monkeypatch.setenv("EVALKIT_DEBUG", debug)
    try:
        raise RuntimeError("odd\x1b[31m")
    except RuntimeError as error:
        assert explain(error) == 2
    err = capsys.readouterr().err
    assert ("Traceback (most recent call last)" in err) == bool(debug)
    assert "This is a defect of ours" in err
    assert "RuntimeError: odd⟨U+001B⟩[31m" in err


def test_the_shell_of_the_action_gets_inputs_by_environment_only():
    action = (Path(__file__).parents[2] / "action.yml").read_text()
    steps = action.partition("runs:")[2]
    inside = [block.partition("\n    - ")[0] for block in steps.split("run:")[1:]]
    assert inside
    assert not any("${{" in block for block in inside)
    assert os.linesep.join(inside).count("eval ") == 0
