"""From a run to raters and back: `evalkit annotate` and `evalkit logs sample`, as a user calls them."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from evalkit.cli.app import app

RUBRIC = {
    "name": "tone",
    "criteria": "Tone: the output is polite.",
    "scale": {"min": 1, "max": 5},
    "needs": ["input", "output"],
}


@pytest.fixture
def data(project, jsonl, records):
    made = records(40, seed=3)
    for at, record in enumerate(made):
        record |= {"score": at / 40, "other": (40 - at) / 40 if at % 2 else at / 40, "output": f"={record['output']}"}
    jsonl(project / "data.jsonl", made)
    (project / "tone.yaml").write_text(json.dumps(RUBRIC))
    return "data.jsonl"


@pytest.fixture
def call(project, monkeypatch, capsys):
    """The command in this process: exit code, what it printed, what it complained of."""
    from evalkit.cli import app as module

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["evalkit", *map(str, arguments)])
        code = module.guarded()
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def sheet(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def lines(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def filled(path, out, label):
    rows = sheet(path)
    for row in rows:
        row["label"] = label(row)
    with open(out, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_export_hands_out_records_blind_shuffled_and_guarded(call, data):
    code, said, _ = call(
        "annotate", data, "--export", "sheet.csv", "--rubric", "tone.yaml", "--raters", "ana,ben", "--overlap", "0.25"
    )
    assert code == 0, said
    rows = sheet("sheet.csv")
    assert list(rows[0]) == ["id", "metric", "scale", "input", "output", "label", "comment", "rater", "time", "rubric_version"]
    assert {row["scale"] for row in rows} == {"1..5"}
    assert all(row["output"].startswith("'=") and not row["label"] for row in rows)
    by = {rater: [row["id"] for row in rows if row["rater"] == rater] for rater in ("ana", "ben")}
    assert {rater: len(ids) for rater, ids in by.items()} == {"ana": 25, "ben": 25}
    assert len(set(by["ana"]) & set(by["ben"])) == 10
    assert set(by["ana"]) | set(by["ben"]) == {f"r{at}" for at in range(40)}
    assert by["ana"] != sorted(by["ana"], key=lambda name: int(name[1:]))
    assert "no scores, no names of models" in said
    call("annotate", data, "--export", "again.csv", "--rubric", "tone.yaml", "--raters", "ana,ben", "--overlap", "0.25")
    assert sheet("again.csv") == rows


def test_a_sample_says_what_each_record_stands_for_and_a_file_for_each_rater(call, data):
    code, said, _ = call(
        "annotate",
        data,
        "--export",
        "{rater}.jsonl",
        "--metric",
        "polite",
        "--scale",
        "yes,no",
        "--raters",
        "ana,ben",
        "--sample",
        "8",
        "--json",
    )
    assert code == 0
    told = json.loads(said)
    assert (told["records"], told["of"], told["scale"], told["files"]) == (8, 40, "yes|no", ["ana.jsonl", "ben.jsonl"])
    rows = lines("ben.jsonl")
    assert {row["sampling_weight"] for row in rows} == {5.0}
    assert {row["rater"] for row in rows} == {"ben"}
    assert "score" not in rows[0]
    assert "model" not in rows[0]


def test_labels_come_back_agreement_is_told_and_disputes_are_decided(call, data):
    call("annotate", data, "--export", "sheet.csv", "--rubric", "tone.yaml", "--raters", "ana,ben")
    level = lambda row: 1 + int(row["id"][1:]) % 5  # noqa: E731
    filled("sheet.csv", "done.csv", lambda row: level(row) if row["rater"] == "ana" or row["id"] not in ("r3", "r8") else 1)
    code, said, _ = call("annotate", "--import", "done.csv", "--into", "labels.jsonl", "--adjudicate", "decide.csv", "--json")
    assert code == 0
    told = json.loads(said)
    tone = told["metrics"]["tone"]
    assert (told["labels"], told["new"], tone["records"], tone["raters"]) == (80, 80, 40, {"ana": 40, "ben": 40})
    (pair,) = tone["agreement"]["pairs"]
    assert pair["agreement"]["value"] == pytest.approx(38 / 40)
    from sklearn.metrics import cohen_kappa_score

    rows = sheet("done.csv")
    a, b = (
        [int(row["label"]) for row in sorted(rows, key=lambda row: row["id"]) if row["rater"] == name]
        for name in ("ana", "ben")
    )
    assert pair["kappa"]["value"] == pytest.approx(cohen_kappa_score(a, b, weights="quadratic"))
    import krippendorff

    alpha = krippendorff.alpha([a, b], level_of_measurement="ordinal")
    assert tone["agreement"]["alpha"]["value"] == pytest.approx(alpha)
    low, high = tone["agreement"]["alpha"]["ci"]
    assert low < alpha < high
    assert [one["id"] for one in tone["disagreements"]] == ["r3", "r8"]
    assert [row["said"] for row in sheet("decide.csv")] == ["ana: 4; ben: 1"] * 2

    filled("decide.csv", "decided.csv", lambda _: 3)
    code, said, _ = call("annotate", "--import", "decided.csv", "--into", "labels.jsonl")
    assert code == 0
    assert "2 new labels" in said
    assert "2 decided" in said
    assert "disagree" not in said
    from evalkit.records.label_files import read_labels
    from evalkit.records.labels import settle

    kept = read_labels([Path("labels.jsonl")])
    assert {one.id: one.value for one in settle(kept, "tone")}["r3"] == 3.0
    assert kept.extra[0]["output"].startswith("=")  # the apostrophe was the spreadsheet's
    assert all(time for time in kept.times)


def test_a_file_imported_twice_changes_nothing(call, data):
    call("annotate", data, "--export", "sheet.csv", "--metric", "polite", "--scale", "yes,no", "--raters", "ana")
    filled("sheet.csv", "done.csv", lambda row: "y" if int(row["id"][1:]) % 3 else "No")
    call("annotate", "--import", "done.csv", "--into", "labels.jsonl")
    before = lines("labels.jsonl")
    code, said, _ = call("annotate", "--import", "done.csv", "--into", "labels.jsonl")
    assert code == 0
    assert "40 were there already" in said
    assert "nobody to agree with" in said
    assert lines("labels.jsonl") == before


def test_ids_that_tell_the_model_are_a_warning(call, project, jsonl):
    made = [{"id": f"q{at}/{model}", "output": "x", "model": model} for at in range(4) for model in ("small", "large")]
    jsonl(project / "data.jsonl", made)
    _, said, _ = call("annotate", "data.jsonl", "--export", "a.csv", "--metric", "m", "--scale", "1..5")
    assert "the ids tell the model (q" in said
    jsonl(project / "other.jsonl", [{**one, "id": f"q{at}"} for at, one in enumerate(made)])
    _, said, _ = call("annotate", "other.jsonl", "--export", "b.csv", "--metric", "m", "--scale", "1..5")
    assert "tell the model" not in said


def test_two_answers_are_shown_in_an_order_that_nobody_can_guess_and_come_back_in_their_own(call, project, jsonl):
    """A rater who always prefers the longer answer: the import says so, whichever side it stood on."""
    made = [
        {"id": f"r{at}", "input": "q", "output": "short" if at % 4 else "a long answer", "other": "middling"}
        for at in range(60)
    ]
    made[7]["other"] = None
    jsonl(project / "data.jsonl", made)
    call_ = ("annotate", "data.jsonl", "--metric", "better", "--against", "other", "--raters", "ana,ben")
    code, said, _ = call(*call_, "--export", "pairs.csv")
    assert code == 0
    assert "1 records are left out: the column other has no other answer" in said
    rows = [row for row in sheet("pairs.csv") if row["rater"] == "ana"]
    assert list(rows[0])[:6] == ["id", "metric", "scale", "input", "output_a", "output_b"]
    assert {row["scale"] for row in rows} == {"A|B|tie"}
    first = np.mean([row["output_b"] == "middling" for row in rows])
    assert 0.25 < first < 0.75
    longer = lambda row: "A" if len(row["output_a"]) > len(row["output_b"]) else "b"  # noqa: E731
    filled("pairs.csv", "done.csv", lambda row: longer(row) if row["rater"] == "ana" or row["id"] != "r8" else "tie")
    code, said, _ = call("annotate", "--import", "done.csv", "--into", "labels.jsonl", "--adjudicate", "decide.csv")
    assert code == 0
    assert "disagree on 1 record" in said
    for row in lines("labels.jsonl"):
        if row["rater"] == "ana":
            assert row["label"] == ("B" if int(row["id"][1:]) % 4 else "A")
        assert row["output_b"] == "middling"
        assert "shuffled" not in row
    assert call("annotate", "--import", "done.csv", "--into", "labels.jsonl")[0] == 0
    (decide,) = sheet("decide.csv")
    assert (decide["said"], decide["output"], decide["output_b"]) == ("ana: A; ben: tie", "a long answer", "middling")


def test_a_pairwise_metric_of_a_run_is_labelled_against_what_it_compared_with(call, data, project):
    """Two runs over the same questions: raters see both answers, and the import knows which was whose."""
    (project / "old.yaml").write_text("name: old\ndataset: data.jsonl\nmetrics: [exact_match]\n")
    assert call("run", "old.yaml")[0] == 0
    newer = [{**row, "output": row["reference"]} for row in lines("data.jsonl")]
    (project / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in newer))
    code, _, complaint = call("annotate", "new.jsonl", "--metric", "m", "--against", "latest:old", "--export", "pairs.jsonl")
    assert code == 0, complaint
    shown, olds = {row["id"]: row for row in lines("pairs.jsonl")}, {row["id"]: row for row in lines("data.jsonl")}
    for row in newer:
        sides = {shown[row["id"]]["output_a"], shown[row["id"]]["output_b"]}
        assert sides == {row["output"], olds[row["id"]]["output"]}
    judge = 'backends: {judge: {kind: scripted, otherwise: \'{"reason": "x", "verdict": "tie"}\'}}'
    suite = (
        f"name: duel\ndataset: new.jsonl\n{judge}\nmetrics: [{{use: pairwise, as: win, against: latest:old, backend: judge}}]\n"
    )
    (project / "duel.yaml").write_text(suite)
    code, said, complaint = call("run", "duel.yaml")
    assert code == 0, said + complaint
    code, said, _ = call("annotate", "--run", "latest:duel", "--metric", "win", "--export", "duel.jsonl")
    assert code == 0
    assert "A or B is the better answer" in said
    assert all(
        {row["output_a"], row["output_b"]} == {shown[row["id"]]["output_a"], shown[row["id"]]["output_b"]}
        for row in lines("duel.jsonl")
    )
    code, _, complaint = call("annotate", "new.jsonl", "--metric", "m", "--against", "nothing", "--export", "x.jsonl")
    assert (code, "is no column of new.jsonl, and no run" in complaint) == (2, True)


def test_the_files_of_several_raters_are_imported_together(call, data):
    call("annotate", data, "--export", "{rater}.csv", "--metric", "m", "--scale", "1..5", "--raters", "ana,ben,cy")
    for rater in ("ana", "ben", "cy"):
        filled(f"{rater}.csv", f"{rater}-done.csv", lambda row: 1 + int(row["id"][1:]) % 5)
    code, said, _ = call("annotate", "--import", "ana-done.csv", "ben-done.csv", "cy-done.csv", "--json")
    assert code == 0
    told = json.loads(said)["metrics"]["m"]
    assert told["raters"] == {"ana": 40, "ben": 40, "cy": 40}
    assert len(told["agreement"]["pairs"]) == 3
    assert told["agreement"]["alpha"]["value"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["annotate", "a.jsonl", "b.jsonl", "--export", "x.csv", "--metric", "m"], ["2 data files are named"]),
        (["annotate"], ["comes with the dashboard", "--export FILE"]),
        (["annotate", "data.jsonl", "--export", "x.csv"], ["not said what is labelled"]),
        (["annotate", "--export", "x.csv", "--metric", "m"], ["no records are named"]),
        (["annotate", "data.jsonl", "--export", "x.xlsx", "--metric", "m"], ['".xlsx"', ".csv"]),
        (["annotate", "data.jsonl", "--export", "data.jsonl", "--metric", "m"], ["is there already"]),
        (["annotate", "data.jsonl", "--export", "x.csv", "--metric", "m", "--scale", "5..1"], ["does not go up"]),
        (["annotate", "data.jsonl", "--export", "x.csv", "--metric", "m", "--column", "modle"], ['did you mean "model"']),
        (["annotate", "data.jsonl", "--export", "x.csv", "--rubric", "ton"], ['no rubric is called "ton"', '"tone"']),
        (["annotate", "data.jsonl", "--export", "x.csv", "--metric", "m", "--raters", "a,a"], ["named twice"]),
        (["annotate", "data.jsonl", "--export", "{rater}.csv", "--metric", "m"], ["add --raters"]),
        (["annotate", "data.jsonl", "--export", "x.csv", "--import", "y.csv"], ["two steps"]),
        (["annotate", "--import", "gone.csv"], ["no such file"]),
        (["annotate", "--import", "data.jsonl"], ["no column `label`"]),
        (["logs", "ingest", "x"], ["there is no such file"]),
        (["logs", "export"], ["add --labels"]),
        (["logs", "sample", "data.jsonl"], ["--out"]),
        (["logs", "sample", "--out", "x.jsonl"], ["no records are named"]),
        (["logs", "sample", "data.jsonl", "--out", "x.jsonl", "--strategy", "stratfied"], ["did you mean stratified"]),
        (["logs", "sample", "data.jsonl", "--out", "x.jsonl", "--strategy", "stratified"], ["--by"]),
        (["logs", "sample", "data.jsonl", "--out", "x.jsonl", "--strategy", "stratified", "--by", "modl"], ['"model"']),
        (["logs", "sample", "data.jsonl", "--out", "x.jsonl", "--strategy", "uncertain"], ["needs one score"]),
        (
            ["logs", "sample", "data.jsonl", "--out", "x.jsonl", "--strategy", "uncertain", "--score", "input"],
            ["holds no numbers"],
        ),
    ],
)
def test_wrong_calls_say_what_is_wrong_and_write_nothing(call, data, arguments, parts):
    before = sorted(os.listdir())
    code, said, complaint = call(*arguments)
    assert (code, said) == (2, "")
    assert all(part in complaint for part in parts), complaint
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    "how",
    [
        ["random"],
        ["stratified", "--by", "model"],
        ["uncertain", "--score", "score", "--around", "0.5"],
        ["disagreement", "--score", "score", "--score", "other"],
    ],
)
def test_a_review_sample_keeps_records_and_weights(call, data, how):
    code, said, _ = call("logs", "sample", data, "--n", 12, "--out", "review.jsonl", "--strategy", *how)
    assert code == 0
    assert "12 of 40 records" in said
    rows = lines("review.jsonl")
    whole = {record["id"]: record for record in lines(data)}
    assert all({key: row[key] for key in whole[row["id"]]} == whole[row["id"]] for row in rows)
    assert all(row["sampling_weight"] >= 1 for row in rows)
    if how[0] == "stratified":
        assert set(Counter(row["model"] for row in rows).values()) == {6}
    if how[0] == "uncertain":
        assert np.mean([abs(row["score"] - 0.5) for row in rows]) < 0.25  # of all records it is 0.25


def test_a_sample_of_a_sample_multiplies_its_weights(call, data):
    call("logs", "sample", data, "--n", 20, "--out", "one.jsonl")
    call("logs", "sample", "one.jsonl", "--n", 10, "--out", "two.jsonl")
    assert {row["sampling_weight"] for row in lines("two.jsonl")} == {4.0}


def test_the_outputs_of_a_run_are_labelled_and_checked_against_it(call, data, project):
    (project / "suite.yaml").write_text("name: s\ndataset: data.jsonl\nmetrics: [exact_match, token_f1]\n")
    assert call("run", "suite.yaml")[0] == 0
    code, said, _ = call(
        "annotate", "--export", "sheet.csv", "--run", "latest", "--metric", "token_f1", "--scale", "0..1", "--raters", "ana"
    )
    assert code == 0, said
    assert len(sheet("sheet.csv")) == 40
    code, _, complaint = call("annotate", "--export", "other.csv", "--run", "latest")
    assert code == 2
    assert "name what is labelled: exact_match, token_f1" in complaint
    filled("sheet.csv", "done.csv", lambda row: 0.5)
    assert call("annotate", "--import", "done.csv", "--run", "latest")[0] == 0
    (project / "done.csv").write_text((project / "done.csv").read_text().replace("token_f1", "token_f"))
    code, _, complaint = call("annotate", "--import", "done.csv", "--run", "latest")
    assert (code, 'did you mean "token_f1"' in complaint) == (2, True)
    code, said, _ = call(
        "logs", "sample", "--run", "latest", "--n", 5, "--out", "u.jsonl", "--strategy", "uncertain", "--score", "token_f1"
    )
    assert code == 0
    (project / "data.jsonl").write_text((project / "data.jsonl").read_text() + '{"id": "new", "output": "x"}\n')
    code, _, complaint = call("annotate", "--export", "late.csv", "--run", "latest", "--metric", "token_f1")
    assert (code, "have changed since it ran" in complaint) == (2, True)


def test_help_names_what_there_is():
    told = CliRunner().invoke(app, ["annotate", "--help"]).stdout
    assert all(option in told for option in ("--export", "--import", "--into", "--adjudicate", "--overlap"))
