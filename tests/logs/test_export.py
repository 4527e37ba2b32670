"""Labelled rows out: with provenance, disputes left out and told, confirmed failures as must-pass records of a suite."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from evalkit.cli.app import app
from evalkit.core.errors import SpecError
from evalkit.logs.export import export

LOG = [
    {"id": f"r{index}", "input": f"question {index}", "output": f"answer {index}", "reference": f"right {index}", "model": "m",
     "timestamp": f"2026-11-2{index}T10:00:00Z"}
    for index in range(8)
]  # fmt: skip


def label(index, value, rater="ana", **more):
    return {"id": f"r{index}", "metric": "correctness", "label": value, "rater": rater, "time": "2026-11-30T09:00:00Z",
            "rubric_version": "1@97f3198a8c05", "scale": "1..5", **more}  # fmt: skip


LABELS = [
    label(0, 5), label(0, 4, "ben"),  # good
    label(1, 1), label(1, 2, "ben", time="2026-12-01T09:00:00Z"),  # a failure, confirmed
    label(2, 5), label(2, 1, "ben"),  # disputed
    label(3, 5), label(3, 1, "ben"), label(3, 2, "adjudicator"),  # decided: a failure
    label(4, 1),  # one rater
    label(5, 2), label(5, 3, "ben"),  # bad on the whole, and not all say so
    label(99, 5),  # not in the log
]  # fmt: skip


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    lines(tmp_path / "log.jsonl", LOG)
    lines(tmp_path / "labels.jsonl", LABELS)
    told = CliRunner().invoke(app, ["logs", "ingest", "log.jsonl"])
    assert told.exit_code == 0, told.output
    return tmp_path


def run(*arguments):
    told = CliRunner().invoke(app, ["logs", "export", *map(str, arguments)])
    return told.exit_code, told.output


@pytest.mark.parametrize("source", ["log.jsonl", ".evalkit/logs", "sql:SELECT * FROM 'log.jsonl'"])
def test_records_labels_and_failures(folder, source):
    found = export(folder / "labels.jsonl", source, tag="must-pass")
    records = {row["id"]: row for row in found.records}
    assert sorted(records) == ["r0", "r1", "r3", "r4", "r5"]
    assert {name for name, row in records.items() if row.get("tag") == "must-pass"} == {"r1", "r3", "r4"}
    assert found.failures == 3
    assert found.missing == ["r99"]
    assert found.disputed == ["r2: ana 5, ben 1 (correctness)"]
    row = records["r1"]
    assert (row["input"], row["output"], row["reference"], row["labels"]) == (
        "question 1",
        "answer 1",
        "right 1",
        {"correctness": 1.5},
    )
    assert row["provenance"] == [
        {
            "source": source,
            "id": "r1",
            "metric": "correctness",
            "raters": {"ana": 1, "ben": 2},
            "time": "2026-12-01T09:00:00Z",
            "rubric_version": "1@97f3198a8c05",
        }
    ]
    assert records["r3"]["provenance"][0]["adjudicated"] is True
    assert records["r3"]["labels"] == {"correctness": 2}
    assert "date" not in row


def test_how_many_must_agree_and_what_a_failure_is_can_be_said(folder):
    def failures(**options):
        found = export(folder / "labels.jsonl", "log.jsonl", tag="bad", **options)
        return {row["id"] for row in found.records if "tag" in row}

    assert failures(raters=2) == {"r1", "r3"}
    assert failures(fail_below=2) == {"r4"}, "ben gave r1 a 2"
    assert failures(fail_below=5, raters=2) == {"r1", "r3", "r5"}
    assert failures(threshold=4) == {"r1", "r3", "r4"}


def test_words_have_a_majority_or_are_left_out(folder):
    said = [
        ("r0", "ana", "yes"),
        ("r0", "ben", "no"),
        ("r1", "ana", "no"),
        ("r1", "ben", "no"),
        ("r2", "ana", "no"),
        ("r2", "ben", "no"),
        ("r2", "cleo", "yes"),
        ("r3", "ana", "rude"),
    ]
    lines(folder / "words.jsonl", [{"id": one, "metric": "polite", "label": word, "rater": rater} for one, rater, word in said])
    found = export(folder / "words.jsonl", "log.jsonl", tag="must-pass", fail=["rude"])
    assert found.disputed == ["r0: ana yes, ben no (polite)"]
    assert {row["id"]: row["labels"]["polite"] for row in found.records} == {"r1": "no", "r2": "no", "r3": "rude"}
    assert {row["id"] for row in found.records if "tag" in row} == {"r1", "r3"}, "of r2 somebody thinks otherwise"


def test_labels_that_hold_their_records_need_no_source(folder):
    own = [
        {**label(1, 1), **LOG[1], "messages": json.dumps([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}])}
    ]
    lines(folder / "own.jsonl", own)
    (row,) = export(folder / "own.jsonl", None, tag="must-pass").records
    assert (row["output"], row["tag"], [turn["content"] for turn in row["input"]]) == ("answer 1", "must-pass", ["a", "b"])


def test_the_data_set_passes_check_and_its_gate_names_the_failures(folder):
    code, said = run("log.jsonl", "--labels", "labels.jsonl", "--out", "suite_data.jsonl", "--failures", "must-pass")
    assert code == 0, said
    assert "5 records · suite_data.jsonl" in said
    assert "3 confirmed failures tagged must-pass" in said
    assert "raters disagree on 1 record" in said
    (folder / "suite.yaml").write_text(
        "name: known\ndataset: suite_data.jsonl\nmetrics: [exact_match]\n"
        "gates:\n  - {metric: exact_match, where: {tag: must-pass}, threshold: 1, every: true}\n"
    )
    assert CliRunner().invoke(app, ["check", "suite.yaml"]).exit_code == 0
    told = CliRunner().invoke(app, ["run", "suite.yaml"])
    assert told.exit_code == 1
    assert "3 of 3 records: r1, r3, r4" in told.output
    code, said = run("log.jsonl", "--labels", "labels.jsonl", "--out", "again.jsonl", "--json")
    assert json.loads(said)["records"] == 5


def test_wrong_exports_are_one_message_each(folder):
    from evalkit.cli.exporting import Export, export_labelled

    lines(folder / "bare.jsonl", [{"id": "r1", "metric": "m", "label": 1, "rater": "ana"}])
    lines(folder / "split.jsonl", [label(1, 1), label(1, 5, "ben")])
    (folder / "there.jsonl").write_text("")

    def refused(**options):
        asked = {"source": "log.jsonl", "labels": folder / "labels.jsonl", "out": folder / "out.jsonl", "metric": None, "tag": None, "fail_below": None,
                 "fail": (), "raters": 1, "threshold": None, "as_json": False}  # fmt: skip
        with pytest.raises(SpecError) as error:
            export_labelled(Export(**{**asked, **options}))
        assert not (folder / "out.jsonl").exists()
        return str(error.value)

    assert "add --labels labels.jsonl" in refused(labels=None)
    assert "add --out suite_data.jsonl" in refused(out=None)
    assert "is there already" in refused(out=folder / "there.jsonl")
    assert "name a file .jsonl" in refused(out=folder / "out.csv")
    assert 'no labels are of "corectness"; did you mean "correctness"?' in refused(metric="corectness")
    assert "no columns of the records; name the log" in refused(source=None, labels=folder / "bare.jsonl")
    assert "add --fail-below 3" in refused(labels=folder / "bare.jsonl", tag="must-pass")
    assert "raters disagree on all of them; let somebody decide" in refused(labels=folder / "split.jsonl")
    assert 'there is no such file; did you mean "log.jsonl"?' in refused(source="lgo.jsonl")
    lines(folder / "no_ids.jsonl", [{"input": "a"}])
    assert 'the log has no column "id"' in refused(source="no_ids.jsonl")
