"""Records from a stream, from memory, and from Hugging Face data sets."""

from __future__ import annotations

import builtins
import io
import os
import pty
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalkit.core.errors import MissingExtra, SpecError
from evalkit.records.dataset import from_records, scan, scan_hf, scan_stdin
from evalkit.records.hub import parsed

JSONL = b'{"input": "a"}\n{"input": "b"}\n'


@pytest.mark.parametrize(
    ("text", "suffix"), [(JSONL, ".jsonl"), (b"input,output\na,x\nb,y\n", ".csv"), (b"input\toutput\na\tx\nb\ty\n", ".tsv")]
)
def test_a_stream_is_kept_under_the_name_of_its_content_and_read_like_a_file(tmp_path, rows, text, suffix):
    first, again = (scan_stdin(io.BytesIO(text), tmp_path / "spool") for _ in range(2))
    assert first.path == "-"
    assert first.files == again.files
    assert first.files[0].suffix == suffix
    assert rows(first)["input"] == ["a", "b"]
    assert first.files[0].read_bytes() == text
    assert len(list((tmp_path / "spool").iterdir())) == 1


def test_a_parquet_stream_works(tmp_path, rows):
    buffer = io.BytesIO()
    pd.DataFrame({"input": ["a", "b"]}).to_parquet(buffer)
    buffer.seek(0)
    assert rows(scan_stdin(buffer, tmp_path))["input"] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "stdin: no records arrived"),
        (b" \n\n", "stdin: no records arrived"),
        (b"hello\n", "stdin: the records are neither JSONL, CSV nor Parquet; JSONL lines begin with {, CSV with a header"),
        (
            b'{"input": "a"}\n{"input"\n',
            "stdin:2: broken JSON at column 9: expecting ':' delimiter; the line seems to be cut off",
        ),
    ],
)
def test_a_wrong_stream_is_called_stdin(tmp_path, text, said):
    with pytest.raises(SpecError) as caught:
        scan_stdin(io.BytesIO(text), tmp_path)
    assert str(caught.value) == said


def test_a_terminal_is_not_waited_for(tmp_path):
    leader, follower = pty.openpty()
    try:
        with open(follower, "rb", buffering=0) as stream, pytest.raises(SpecError, match="stdin: is a terminal"):
            scan_stdin(stream, tmp_path)
    finally:
        os.close(leader)


def test_columns_that_lack_are_told_of_stdin_too(tmp_path):
    with pytest.raises(SpecError, match=r'^stdin: no record has the column "output", which rouge needs'):
        scan_stdin(io.BytesIO(JSONL), tmp_path, needs={"output": "rouge"})


def test_problems_of_records_in_memory_are_numbered_as_python_does():
    with pytest.raises(SpecError) as caught:
        from_records([{"contexts": ["a"]}, {"contexts": "a"}], fields={"output": "x"})
    assert [problem.where for problem in caught.value.problems] == ["records", "records[1]"]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ("text", "records: a str is not a sequence of records; give a DataFrame or a list of dicts, one per record"),
        ({"input": "a"}, "records: a dict is not a sequence of records; give a DataFrame or a list of dicts, one per record"),
        ([{"input": "a"}, ["b"]], "records[1]: is a list, not a dict"),
        ([], "records: there are no records; the list is empty"),
        ([{"input": "cut \ud83d"}], "records[0]: input holds half of a surrogate pair; the text was cut inside an emoji"),
    ],
)
def test_what_is_not_a_list_of_records_is_an_error(records, said):
    with pytest.raises(SpecError) as caught:
        from_records(records)
    assert str(caught.value) == said


def test_a_data_frame_with_a_column_twice_is_an_error():
    frame = pd.DataFrame([["a", "b"]], columns=["input", "input"])
    with pytest.raises(SpecError, match=r'DataFrame: the column "input" stands twice; rename one of them'):
        from_records(frame)


def test_numpy_and_pandas_values_become_plain_and_nan_is_absent(rows):
    records = [
        {
            "input": "a",
            "contexts": np.array(["p", "q"]),
            "latency_ms": np.float64(1.5),
            "prompt_tokens": np.int64(3),
            "output": float("nan"),
        },
        {
            "input": "b",
            "contexts": ("p",),
            "answerable": np.bool_(True),
            "timestamp": pd.Timestamp("2026-11-22"),
            "cost": pd.NA,
        },
    ]
    columns = rows(from_records(records))
    assert columns["contexts"] == [["p", "q"], ["p"]]
    assert columns["output"] == [None, None]
    assert columns["cost"] == [None, None]
    assert columns["answerable"] == [None, True]
    assert columns["timestamp"] == [None, "2026-11-22T00:00:00"]
    assert [type(value) for value in (columns["latency_ms"][0], columns["prompt_tokens"][0])] == [float, int]


def test_the_hash_of_records_in_memory_is_that_of_their_content():
    records = [{"input": "a", "output": "x", "n": 1}, {"input": "b", "output": None}]
    one, two = from_records(records), from_records(pd.DataFrame(records).astype({"n": "Int64"}))
    assert one.sha256 == two.sha256 != from_records(records[:1]).sha256


def test_records_in_memory_are_not_changed():
    records = [{"input": 1, "reference": [1, "a"]}]
    from_records(records)
    assert records == [{"input": 1, "reference": [1, "a"]}]


# --- Hugging Face ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("hf:squad", ("squad", None, None)),
        ("hf:rajpurkar/squad:train", ("rajpurkar/squad", None, "train")),
        ("hf:nyu-mll/glue/mnli:test", ("nyu-mll/glue", "mnli", "test")),
        ("hf:./folder/of/files:test", ("./folder/of/files", None, "test")),
    ],
)
def test_a_name_holds_data_set_configuration_and_split(name, parts):
    assert parsed(name) == parts


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "datasets":
            raise ModuleNotFoundError("No module named 'datasets'", name="datasets")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r'the data set "hf:a/b" needs the package "datasets".*evalkit\[hf\]'):
        scan_hf("hf:a/b", tmp_path)


@pytest.fixture
def offline(monkeypatch, tmp_path):
    pytest.importorskip("datasets")
    import datasets.config

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("offline")
@pytest.mark.filterwarnings("ignore")
def test_a_saved_data_set_and_a_folder_of_files_are_read(tmp_path, rows, monkeypatch):
    import datasets

    monkeypatch.chdir(tmp_path)
    records = [{"question": f"q{number}", "contexts": ["a", "b"], "score": number / 2} for number in range(5)]
    datasets.disable_progress_bars()
    datasets.Dataset.from_list(records).save_to_disk("saved")
    datasets.DatasetDict(
        {"train": datasets.Dataset.from_list(records), "dev": datasets.Dataset.from_list(records[:2])}
    ).save_to_disk("both")
    saved = rows(scan_hf("hf:saved", tmp_path / "spool", fields={"input": "question"}))
    assert saved["input"] == [f"q{number}" for number in range(5)]
    assert saved["contexts"] == [["a", "b"]] * 5
    assert saved["id"] == rows(from_records(records, fields={"input": "question"}))["id"]
    assert scan_hf("hf:both:dev", tmp_path / "spool").n == 2
    with pytest.raises(SpecError, match="hf:both: has the splits train, dev; choose one: hf:both:train"):
        scan_hf("hf:both", tmp_path / "spool")
    with pytest.raises(SpecError, match=r'hf:both:tran: has no split "tran"; did you mean "train"?'):
        scan_hf("hf:both:tran", tmp_path / "spool")


@pytest.mark.usefixtures("offline")
@pytest.mark.filterwarnings("ignore")
def test_a_data_set_out_of_reach_is_one_sentence(tmp_path):
    with pytest.raises(
        SpecError, match=r"^hf:\./nowhere: could not be loaded: .*; is the name right, and the hub or folder in reach\?$"
    ):
        scan_hf("hf:./nowhere", tmp_path)


# --- real data -------------------------------------------------------------------------------------------------------


@pytest.mark.shared_data
def test_shared_data_files_are_read_whole(rows):
    folder = Path(os.environ.get("EVALKIT_SHARED_DATA", Path(__file__).resolve().parents[2].parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no folder of shared data")
    paths = [
        path
        for pattern in ("*/*.jsonl", "*/*.csv", "*/*.parquet")
        for path in sorted(folder.glob(pattern))
        if path.stat().st_size < 5 << 20
    ]
    assert paths
    for path in paths:
        read, problems = whole(path)
        assert (read is None) == bool(problems)
        assert all(problem.where.startswith(path.name) for problem in problems if problem.where)  # a place for each
        if read is not None:
            rows(read)


def whole(path: Path):
    """The data set, or what is wrong with it: some files have columns of our names with other content."""
    try:
        return scan([path], label=path.name), ()
    except SpecError as error:
        return None, error.problems
