"""What is not ours is neither read for ever, nor believed, nor overwritten."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

GATED = (
    "dataset: {path: x.jsonl}\nmetrics: [exact_match]\ngates: [{metric: exact_match, no_worse_than: baseline, margin: 0.1}]\n"
)


@pytest.mark.parametrize("name", ["x.yaml", "x.jsonl", "schema.json"])
def test_a_pipe_is_told_and_not_waited_for(suite: Path, call, name):
    suite.write_text("dataset: {path: x.jsonl}\nmetrics: [{json_schema: {schema: schema.json}}]\n")
    (suite.parent / "schema.json").write_text("{}")
    (suite.parent / name).unlink()
    os.mkfifo(suite.parent / name)
    code, out, err = call("run", "x.yaml")
    assert (code, out) == (2, "")
    assert "is a pipe or a device" in err


def test_a_pipe_is_no_data_for_init_and_no_baseline(suite: Path, call):
    os.mkfifo("p.jsonl")
    os.mkfifo("results.json")
    code, _, err = call("init", "p.jsonl")
    assert (code, "is a pipe or a device" in err) == (2, True)
    code, _, err = call("run", "x.yaml", "--baseline", "results.json")
    assert (code, "this is not a results.json of evalkit" in err) == (2, True)


@pytest.mark.parametrize(
    "files",
    [
        {"results.json": '{"mine": 1}'},
        {"junit.xml": "<x/>"},
        {"report.html": "<p>"},
        {"parts/notes.txt": "mine"},
        {"previous/notes.txt": "mine"},
        {"lock": "12345"},
        {"rows.parquet": ""},
    ],
    ids=lambda files: next(iter(files)),
)
def test_an_out_folder_that_holds_somebody_elses_files_is_refused_untouched(suite: Path, call, files):
    for name, text in files.items():
        path = Path("theirs") / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    code, _, err = call("run", "x.yaml", "--out", "theirs")
    assert code == 2
    assert "which no run of evalkit wrote; name an empty folder with --out" in err
    left = {str(path.relative_to("theirs")): path.read_text() for path in Path("theirs").rglob("*") if path.is_file()}
    assert left == files


def test_links_in_an_out_folder_are_not_followed(suite: Path, call):
    Path("theirs").mkdir()
    Path("theirs/00000.parquet").write_text("mine")
    Path("out").mkdir()
    Path("out/parts").symlink_to(Path("theirs").resolve())
    code, _, err = call("run", "x.yaml", "--out", "out")
    assert (code, "holds parts" in err) == (2, True)
    assert Path("theirs/00000.parquet").read_text() == "mine"


def test_files_of_other_names_stay_and_a_run_replaces_its_own(suite: Path, call):
    Path("out").mkdir()
    Path("out/notes.txt").write_text("mine")
    Path("out/.draft.tmp").write_text("mine")
    first = [call("run", "x.yaml", "--out", "out")[0] for _ in range(2)]
    assert first == [0, 0]
    assert sorted(path.name for path in Path("out").iterdir()) == [
        ".draft.tmp",
        "notes.txt",
        "results.json",
        "rows.parquet",
        "scores.parquet",
    ]


def test_an_out_that_is_a_file_is_told(suite: Path, call):
    Path("out").write_text("mine")
    code, _, err = call("run", "x.yaml", "--out", "out")
    assert (code, "a file stands where a folder is needed" in err) == (2, True)
    assert Path("out").read_text() == "mine"


# --- baselines -------------------------------------------------------------------------------------------------------


@pytest.fixture
def base(suite: Path, call) -> Path:
    """A run to be damaged."""
    assert call("run", "x.yaml", "--out", "base")[0] == 0
    suite.write_text(GATED)
    return Path("base")


def _set(told, *steps):
    *path, key, value = steps
    for step in path:
        told = told[step]
    told[key] = value


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "[]",
        "null",
        "[" * 100_000,
        ("metrics", None),
        ("metrics", "exact_match", "mean", "high"),
        ("metrics", "exact_match", "ci", [1]),
        ("main", "exact_match", "nothing"),
        ("git", "main"),
        ("status", "\x1b[31m"),
        ("slices", [1]),
        ("usage", {"calls": "many"}),
        ("seconds", "long"),
    ],
    ids=lambda damage: str(damage)[:30].replace("\x1b", ""),
)
def test_a_results_json_of_another_shape_is_told_before_anything_is_scored(base: Path, call, damage):
    file = base / "results.json"
    if isinstance(damage, str):
        file.write_text(damage)
    else:
        told = json.loads(file.read_text())
        _set(told, *damage)
        file.write_text(json.dumps(told))
    for arguments in (("run", "x.yaml", "--baseline", "base"), ("show", "base")):
        code, out, err = call(*arguments)
        assert code == 2
        assert "base/results.json: this is not a results.json of evalkit (" in err
        assert "scoring" not in out
        assert err.count("\n") == 1
        assert err.strip().isprintable()


def _with(name, values):
    return lambda table: table.set_column(table.column_names.index(name), name, pa.array(values))


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("rows.parquet", _with("id", range(5))),
        ("rows.parquet", _with("exact_match#hits", ["x"] * 5)),
        ("rows.parquet", _with("exact_match#hits", pa.array([1] * 5, pa.int32()))),
        ("rows.parquet", lambda table: table.append_column("@cluster", pa.array([[1]] * 5))),
        ("rows.parquet", lambda table: table.drop_columns(["id"])),
        ("rows.parquet", lambda table: table.slice(0, 2)),
        ("scores.parquet", lambda table: table.slice(0, 2)),
        ("scores.parquet", _with("exact_match.error", [[1]] * 5)),
        ("rows.parquet", None),
        ("scores.parquet", None),
    ],
)
def test_tables_of_another_shape_are_told_before_anything_is_scored(base: Path, call, file, change):
    path = base / file
    if change is None:
        path.write_bytes(b"PAR1 and then nothing")
    else:
        pq.write_table(change(pq.read_table(path)), path)
    code, out, err = call("run", "x.yaml", "--baseline", "base")
    assert (code, "cannot be read" in err, "scoring" in out) == (2, True, False)


def test_what_a_foreign_baseline_says_cannot_steer_the_terminal(base: Path, call):
    told = json.loads((base / "results.json").read_text())
    told |= {"run_id": "\x1b[2Ja\u202eb\x9b31m", "started_at": "\x1b]0;x\x07"}
    told["prompts"] = {"p\x1b[1m": "\x1b[5m"}
    told["metrics"]["exact_match"] |= {"signature": "\x1b[31m", "fingerprint": "other"}
    (base / "results.json").write_text(json.dumps(told))
    for arguments in (("run", "x.yaml", "--baseline", "base"), ("show", "base")):
        _, out, err = call(*arguments)
        assert all(line.isprintable() for line in (out + err).splitlines())
        assert "⟨U+001B⟩" in out


# --- stores ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "alter table runs drop column summary",
        "update runs set started_at = 'yesterday'",
        "update runs set summary = '{'",
        "drop table runs",
    ],
)
def test_a_catalog_that_another_hand_changed_is_told(suite: Path, call, change):
    assert call("run", "x.yaml")[0] == 0
    with sqlite3.connect(".evalkit/catalog.sqlite") as catalog:
        catalog.execute(change)
    code, _, err = call("list", "runs")
    assert code == 2
    assert "catalog.sqlite: the catalog cannot be read (" in err


def test_a_run_whose_folder_is_gone_is_told_by_its_path(suite: Path, call):
    assert call("run", "x.yaml")[0] == 0
    shutil.rmtree(".evalkit/runs")
    code, _, err = call("show", "latest")
    assert (code, "there is no such results.json" in err) == (2, True)


@pytest.mark.parametrize("name", ["*", "../..", "20*", "/", "latest:*"])
def test_a_run_is_named_by_its_whole_id_and_nothing_like_a_pattern(suite: Path, call, name):
    assert call("run", "x.yaml")[0] == 0
    assert call("show", name)[0] == 2


# --- data ------------------------------------------------------------------------------------------------------------


def test_a_parquet_file_whose_texts_are_not_utf8_is_told(suite: Path, call):
    offsets = pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0")
    texts = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"\xffa")])
    pq.write_table(pa.table({"output": texts, "reference": ["a", "a"]}), "x.parquet")
    suite.write_text("dataset: {path: x.parquet}\nmetrics: [exact_match]\n")
    code, out, err = call("run", "x.yaml")
    assert (code, out) == (2, "")
    assert "x.parquet: a text in it is not UTF-8" in err


def test_a_parquet_file_with_a_pickle_in_its_schema_runs_nothing(suite: Path, call):
    pickle = b"cos\nsystem\n(S'touch pwned'\ntR."
    marks = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": pickle}
    schema = pa.schema([("output", pa.string()), ("reference", pa.string()), pa.field("x", pa.string(), metadata=marks)])
    pq.write_table(pa.table({"output": ["a"], "reference": ["a"], "x": ["a"]}, schema=schema), "x.parquet")
    suite.write_text("dataset: {path: x.parquet}\nmetrics: [exact_match]\nslices: [x]\n")
    assert call("run", "x.yaml")[0] == 0
    assert not Path("pwned").exists()
