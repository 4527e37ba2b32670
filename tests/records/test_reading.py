"""The same records in any format, file layout or chunk size are the same batches, with the same ids."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import pickle
import string
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.core.workers import Workers
from evalkit.records import jsonl, pieces, whole
from evalkit.records.dataset import from_records, scan

RECORDS = [
    {"id": "q-1", "input": 'a "quoted", text', "output": "first\nsecond", "reference": "r", "contexts": ["p", "q, r"], "latency_ms": 12.5, "tag": "x"},
    {"id": "q-2", "input": "日本語 \u2028 é 👩‍👩‍👧", "output": "", "reference": ["r", "s"], "relevant_ids": {"d": 2, "e": 1}, "answerable": True},
    {"id": "q-3", "input": "plain", "output": None, "reference": "42", "relevant_ids": ["d"], "retrieved_ids": ["e", "d"], "answerable": False},
    {"id": "q-4", "input": "\r\n in the text", "output": "null", "contexts": [], "feedback": -1, "prompt_tokens": 7, "tag": ""},
]  # fmt: skip
NAMES = list(dict.fromkeys(name for record in RECORDS for name in record))


def as_jsonl(records) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def as_csv(records, names=NAMES) -> str:
    """Absent values are bare empty cells; empty texts stand in quotes."""

    def cell(value) -> str:
        if value is None:
            return ""
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return '"' + text.replace('"', '""') + '"'

    return "".join(
        ",".join(cells) + "\r\n" for cells in [names, *([cell(record.get(name)) for name in names] for record in records)]
    )


def as_parquet(records, path: Path, **options) -> Path:
    """``reference`` as lists and grades as a map, since a Parquet column has one type."""
    table = pa.table(
        {
            name: pa.array([record.get(name) for record in records], from_pandas=True)
            for name in dict.fromkeys(name for record in records for name in record)
        }
    )
    pq.write_table(table, path, **options)
    return path


@pytest.mark.parametrize("explicit", [True, False])
def test_jsonl_csv_dicts_and_data_frames_give_equal_batches_and_ids(write, rows, explicit):
    records = [record if explicit else {key: value for key, value in record.items() if key != "id"} for record in RECORDS]
    names = NAMES if explicit else NAMES[1:]
    read = [
        rows(scan([write(as_jsonl(records))], label="data.jsonl")),
        rows(scan([write(as_csv(records, names), "data.csv")], label="data.csv")),
        rows(from_records(records)),
        rows(from_records(pd.DataFrame(records))),
    ]
    assert list(read[0]) == ["id", *(name for name in read[0] if name != "id")]
    assert all(columns == read[0] for columns in read)


def test_parquet_gives_what_jsonl_gives(write, rows):
    records = [
        {"input": "a", "output": "b", "reference": ["r"], "contexts": ["p", "q"], "relevant_ids": {"d": 2}, "latency_ms": 1.5, "answerable": True},
        {"input": "c", "output": None, "reference": ["r", "s"], "contexts": None, "relevant_ids": {"e": 1}, "latency_ms": None, "answerable": None},
        {"input": "a", "output": "", "reference": ["r"], "contexts": ["p", "q"], "relevant_ids": {"d": 2}, "latency_ms": 2.0, "answerable": False},
    ]  # fmt: skip
    path = write("", "data.parquet")
    expected = rows(scan([write(as_jsonl(records))], label="data.jsonl"))
    assert expected["id"][2] == expected["id"][0] + "-2"
    for options in ({}, {"row_group_size": 1}, {"use_dictionary": False, "compression": "zstd"}):
        as_parquet(records, path, **options)
        for chunk_records in (1, 2, 10):
            assert rows(scan([path], label="data.parquet", chunk_records=chunk_records)) == expected


def test_types_that_only_parquet_and_pandas_have_become_plain(write, rows):
    frame = pd.DataFrame(
        {
            "input": pd.array(["a", None], dtype="string"),
            "timestamp": pd.to_datetime(["2026-11-22T10:00:00Z", None]),
            "model": pd.Categorical(["m", "n"]),
            "prompt_tokens": pd.array([3, None], dtype="Int64"),
            "embedding": [[0.5, 1.0], None],
            "cost": [float("nan"), 0.25],
            "user_id": [7, 8],
            "nested": [{"a": [1, 2]}, {"a": []}],
        }
    )
    path = write("", "data.parquet")
    frame.to_parquet(path)
    expected = {
        "input": ["a", None], "timestamp": ["2026-11-22T10:00:00+00:00", None], "model": ["m", "n"], "prompt_tokens": [3, None],
        "embedding": [[0.5, 1.0], None], "cost": [None, 0.25], "user_id": ["7", "8"], "nested": [{"a": [1, 2]}, {"a": []}],
    }  # fmt: skip
    for dataset in (scan([path], label="data.parquet"), from_records(frame)):
        columns = rows(dataset)
        assert {name: columns[name] for name in expected} == expected


def test_a_derived_id_is_the_hash_that_the_contract_names(write, rows):
    record = {"input": "wo?", "output": "hier", "reference": ["d", "é"], "contexts": ["p\n"], "relevant_ids": {"b": 1, "a": 2}}
    line = json.dumps(["wo?", ["d", "é"], ["p\n"], {"a": 2, "b": 1}], ensure_ascii=False, separators=(",", ":"))
    (identity,) = rows(scan([write(as_jsonl([record]))], label="data.jsonl"))["id"]
    assert identity == hashlib.sha256(line.encode()).hexdigest()[:12]


def test_derived_ids_do_not_depend_on_the_output_and_repeats_are_counted(write, rows):
    one = rows(
        scan([write('{"input": "a", "output": "x"}\n{"input": "b"}\n{"input": "a"}\n{"input": "a"}\n')], label="data.jsonl")
    )["id"]
    two = rows(
        scan([write('{"input": "a", "output": "y"}\n{"input": "b"}\n{"input": "a"}\n{"input": "a"}\n')], label="data.jsonl")
    )["id"]
    assert one == two == [one[0], one[1], f"{one[0]}-2", f"{one[0]}-3"]


def test_derived_ids_step_over_explicit_ones_that_spell_the_same(write, rows):
    (own,) = rows(from_records([{"input": "a"}]))["id"]
    records = [{"id": f"{own}-2", "input": "z"}, {"input": "a"}, {"input": "a"}, {"input": "a"}]
    assert rows(scan([write(as_jsonl(records))], label="data.jsonl"))["id"] == [f"{own}-2", own, f"{own}-3", f"{own}-4"]
    records = [{"id": own, "input": "z"}, {"input": "a"}]
    assert rows(from_records(records))["id"] == [own, f"{own}-2"]


def test_several_files_are_one_data_set_with_unique_ids_and_all_columns(write, rows):
    files = [
        write('{"input": "a", "tag": "x"}\n', "a.jsonl"),
        write("input,note\r\na,n\r\n", "b.csv"),
        write("", "c.jsonl"),
        write('{"input": "a"}', "d.jsonl"),
    ]
    dataset = scan(files, label="*", chunk_records=2)
    columns = rows(dataset)
    assert columns["input"] == ["a"] * 3
    assert columns["id"] == [columns["id"][0] + suffix for suffix in ("", "-2", "-3")]
    assert columns["tag"] == ["x", None, None]
    assert columns["note"] == [None, "n", None]
    assert dataset.sha256 == hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        '{"input": "a"}\n{"input": "b"}\n',
        '{"input": "a"}\n{"input": "b"}',
        '{"input": "a"}\r\n{"input": "b"}\r\n',
        '\n{"input": "a"}\r\n   \n\n{"input": "b"}\n\n\r\n  ',
        '\ufeff{"input": "a"}\n\t{"input": "b"} \n',
        ' { "input" : "a" }\n{"input": "b"}\n',
    ],
)
def test_line_ends_blank_lines_and_a_byte_order_mark_do_not_matter(write, rows, text):
    for chunk_records in (1, 10):
        assert rows(scan([write(text)], label="data.jsonl", chunk_records=chunk_records))["input"] == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "input,note\na,1\nb,2\n",
        "input,note\r\na,1\r\n\r\nb,2",
        "\ufeffinput,note\na,1\n,\nb,2\n,\n",
        '"input";"note"\n"a";1\nb;"2"\n',
        "input\tnote\na\t1\nb\t2\n",
    ],
)
def test_csv_dialects_do_not_matter(write, rows, text):
    for chunk_records in (1, 10):
        columns = rows(scan([write(text, "data.csv")], label="data.csv", chunk_records=chunk_records))
        assert (columns["input"], columns["note"]) == (["a", "b"], ["1", "2"])


def test_a_bare_empty_cell_is_absent_and_a_quoted_one_is_an_empty_text(write, rows):
    text = 'input,output,note\n"","x ""y"", """"","a,"""",b"\nq,,""\n5" pipe,"",\n'
    columns = rows(scan([write(text, "data.csv")], label="data.csv"))
    assert columns["input"] == ["", "q", '5" pipe']
    assert columns["output"] == ['x "y", ""', None, ""]
    assert columns["note"] == ['a,"",b', "", None]


def test_an_index_that_pandas_wrote_without_a_name_is_kept(write, rows):
    assert rows(scan([write(",input\n0,a\n1,b\n", "data.csv")], label="data.csv"))["unnamed"] == ["0", "1"]


def test_unicode_line_separators_do_not_end_a_line(write, rows):
    odd = "a\u2028b\u2029c\x85d\x0be"
    assert rows(scan([write(json.dumps({"input": odd}).replace("\\u2028", "\u2028") + "\n")], label="data.jsonl"))["input"] == [
        odd
    ]
    assert rows(scan([write(f'input,output\n{odd},"{odd}"\n', "data.csv")], label="data.csv"))["output"] == [odd]


def test_numbers_and_bools_in_text_columns_become_the_text_of_the_file(write, rows):
    text = '{"output": 4.20, "reference": [1.50, 2, "x"], "input": true}\n{"output": 12345678901234567890123, "reference": 1e2, "input": 0}\n'
    columns = rows(scan([write(text)], label="data.jsonl"))
    assert columns["output"] == ["4.20", "12345678901234567890123"]
    assert columns["reference"] == [["1.50", "2", "x"], "1e2"]
    assert columns["input"] == ["true", "0"]


def test_metadata_keeps_its_python_values_and_absent_keys_are_none(write, rows):
    columns = rows(
        scan([write('{"input": "a", "meta": {"k": [1, null]}, "n": 1.5}\n{"input": "b", "flag": true}\n')], label="data.jsonl")
    )
    assert columns["meta"] == [{"k": [1, None]}, None]
    assert columns["n"] == [1.5, None]
    assert columns["flag"] == [None, True]


def test_fields_rename_swap_and_shadow(write, rows):
    path = write('{"summary": "s", "output": "o", "input": "i"}\n')
    dataset = scan([path], label="data.jsonl", fields={"output": "summary"})
    columns = rows(dataset)
    assert columns["output"] == ["s"]
    assert "summary" not in columns
    assert dataset.shadowed == ("output",)
    columns = rows(scan([path], label="data.jsonl", fields={"output": "summary", "reference": "output", "input": "summary"}))
    assert (columns["output"], columns["reference"], columns["input"]) == (["s"], ["o"], ["s"])


def test_facts_tell_nulls_kinds_and_the_range_of_references(write):
    text = '{"reference": "a", "x": 1}\n{"reference": ["a", "b", "c"], "x": "t"}\n{"reference": null}\n{"reference": []}\n'
    dataset = scan([write(text)], label="data.jsonl")
    assert (dataset.facts.min_references, dataset.facts.max_references) == (1, 3)
    assert dataset.columns["reference"].nulls == 1
    assert dataset.columns["reference"].kinds == {"text", "list"}
    assert dataset.columns["x"].nulls == 2
    assert dataset.columns["x"].kinds == {"number", "text"}


def test_a_chunk_can_be_pickled_and_read_elsewhere(write):
    dataset = scan([write(as_jsonl(RECORDS))], label="data.jsonl", chunk_records=3)
    memory = from_records(RECORDS, chunk_records=3)
    for chunk in (*dataset.chunks, *memory.chunks):
        assert pickle.loads(pickle.dumps(chunk)).read().columns == chunk.read().columns


# --- limits and samples ----------------------------------------------------------------------------------------------


def numbered(n: int) -> str:
    return "".join(f'{{"id": "r{number}", "input": "text {number}"}}\n' for number in range(n))


def test_a_limit_takes_the_first_records_and_checks_no_further(write, rows):
    path = write(numbered(10) + "{\n")
    dataset = scan([path], label="data.jsonl", limit=4, chunk_records=3)
    assert rows(dataset)["id"] == ["r0", "r1", "r2", "r3"]
    assert [chunk.n for chunk in dataset.chunks] == [3, 1]
    assert dataset.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_sample_is_seeded_keeps_the_order_and_grows(write, rows):
    path = write(numbered(1_000))

    def sample(limit, seed):
        return rows(scan([path], label="data.jsonl", limit=limit, shuffle=seed, chunk_records=7))["id"]

    small, again, large, other = sample(50, 7), sample(50, 7), sample(200, 7), sample(50, 8)
    assert small == again != other
    assert set(small) < set(large)
    assert small == sorted(small, key=lambda name: int(name[1:]))
    assert len(small) == 50
    assert 300 < sum(int(name[1:]) for name in large) / 200 < 700
    assert sample(None, 7) == sample(5_000, 7) == [f"r{number}" for number in range(1_000)]


def test_a_sample_keeps_the_ids_and_facts_of_its_own_records(write, rows):
    path = write('{"input": "a", "reference": ["x", "y"]}\n' * 40 + '{"input": "b", "reference": "x"}\n' * 40)
    ids = rows(scan([path], label="data.jsonl"))["id"]
    dataset = scan([path], label="data.jsonl", limit=10, shuffle=1)
    assert set(rows(dataset)["id"]) < set(ids)
    first = scan([path], label="data.jsonl", limit=40)
    assert (first.facts.min_references, first.facts.max_references) == (2, 2)
    assert first.columns["reference"].kinds == {"list"}


# --- properties ------------------------------------------------------------------------------------------------------

texts = st.text(
    alphabet=st.sampled_from([*string.ascii_letters[:6], " ", '"', ",", "\n", "\r", "\\", "\u2028", "é", "日", "👩", "{", "}"]),
    max_size=12,
)
records_of_all_kinds = st.lists(
    st.fixed_dictionaries(
        {"input": texts},
        optional={
            "output": st.none() | texts,
            "reference": texts | st.lists(texts, min_size=1, max_size=3),
            "tag": texts,
            "cost": st.integers(0, 9),
        },
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=records_of_all_kinds,
    chunk_records=st.integers(1, 9),
    piece=st.integers(1, 200),
    block=st.integers(1, 90),
    ends=st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_any_pieces_blocks_and_chunks_of_a_jsonl_give_the_same_records(write, rows, records, chunk_records, piece, block, ends):
    path = write(ends.join(json.dumps(record, ensure_ascii=False) for record in records))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "PIECE_BYTES", piece)
        patch.setattr(jsonl, "BLOCK_BYTES", block)
        columns = rows(scan([path], label="data.jsonl", chunk_records=chunk_records))
    for name in set().union(*records):
        assert columns[name] == [record.get(name) for record in records]
    assert columns["id"] == rows(from_records(records))["id"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=records_of_all_kinds, chunk_records=st.integers(1, 9))
def test_any_chunks_of_a_csv_give_the_same_records(write, rows, records, chunk_records):
    names = list(dict.fromkeys(name for record in records for name in record))
    records = [{name: record[name] for name in record if name != "reference"} for record in records]
    path = write(as_csv(records, names), "data.csv")
    columns = rows(scan([path], label="data.csv", chunk_records=chunk_records))
    for name in set(names) - {"reference"}:
        assert columns[name] == [record.get(name) for record in records]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(st.tuples(texts, texts), min_size=1, max_size=12))
def test_cells_that_pythons_csv_module_wrote_come_back(write, rows, cells):
    cells = [(one or "x", other or "y") for one, other in cells]
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([("input", "note"), *cells])
    columns = rows(scan([write(buffer.getvalue(), "data.csv")], label="data.csv", chunk_records=3))
    assert list(zip(columns["note"])) == [(other,) for _, other in cells]


def test_worker_processes_find_the_same_as_one(write, rows, monkeypatch):
    monkeypatch.setattr(pieces, "WORTH_A_POOL", 0)
    files = [
        write("".join(f'{{"input": "text {number % 50}", "output": "{number}"}}\n' for number in range(400)), f"{name}.jsonl")
        for name in "abc"
    ]
    seen = []
    alone = scan(files, label="*", chunk_records=70)
    with Workers(2) as workers:
        shared = scan(
            files, label="*", workers=workers, chunk_records=70, progress=lambda done, total: seen.append((done, total))
        )
    assert rows(alone) == rows(shared)
    assert alone.columns == shared.columns
    assert alone.sha256 == shared.sha256
    total = sum(path.stat().st_size for path in files)
    assert len(seen) == 3
    assert seen[-1] == (total, total)


def test_chunks_are_cut_by_bytes_too(write, rows, monkeypatch):
    monkeypatch.setattr(whole, "CHUNK_BYTES", 5_000)
    text = "".join(json.dumps({"input": "x" * size}) + "\n" for size in (2_000, 2_000, 9_000, 100, 100, 100))
    dataset = scan([write(text)], label="data.jsonl")
    assert [chunk.n for chunk in dataset.chunks] == [2, 1, 3]
    rows(dataset)


def test_one_line_of_ten_megabytes_works(write, rows):
    dataset = scan(
        [write('{"input": "a"}\n' + json.dumps({"input": "x" * 10_000_000}) + '\n{"input": "b"}\n')], label="data.jsonl"
    )
    assert [len(value) for value in rows(dataset)["input"]] == [1, 10_000_000, 1]
