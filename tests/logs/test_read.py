"""Sources of a log: files, patterns, folders, queries; and rows in batches."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy

from evalkit.core.errors import MissingExtra, SpecError
from evalkit.logs.read import identifier, literal, opened

ROWS = [{"id": f"r{index}", "n": index, "text": f"a text, number {index}"} for index in range(300)]


def content(source, columns=("id", "n"), **options):
    with opened(source) as log:
        return sorted(tuple(row.values()) for batch in log.batches(columns, **options) for row in batch.to_pylist())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for day in (1, 2, 3):
        part = tmp_path / "store" / f"date=2026-11-0{day}"
        part.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(ROWS[100 * (day - 1) : 100 * day]), part / "a.parquet")
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "all.parquet")
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (tmp_path / "all.jsonl.gz").write_bytes(gzip.compress((tmp_path / "all.jsonl").read_bytes()))
    lines = ["id,n,text", *(f'{row["id"]},{row["n"]},"{row["text"]}"' for row in ROWS)]
    (tmp_path / "all.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "all.csv.gz").write_bytes(gzip.compress((tmp_path / "all.csv").read_bytes()))
    return tmp_path


@pytest.mark.parametrize(
    "source",
    [
        "all.parquet",
        "all.jsonl",
        "all.jsonl.gz",
        "all.csv",
        "all.csv.gz",
        "store",
        "store/",
        "store/*/*.parquet",
        "store/**/*.parquet",
        "sql:SELECT * FROM 'all.parquet'",
        "sql:SELECT id, n FROM 'store/*/*.parquet' UNION ALL SELECT id, n FROM 'all.jsonl' WHERE n < 0; ",
        "sql:SELECT id, n FROM 'all.csv' -- a comment",
    ],
)
def test_every_source_gives_the_same_rows(folder, source):
    assert content(source) == [(row["id"], row["n"]) for row in sorted(ROWS, key=lambda row: row["id"])]


def test_frames_and_mappings_give_batches_too():
    wanted = sorted((row["id"], row["n"]) for row in ROWS)
    assert content(ROWS) == wanted
    assert content(pa.Table.from_pylist(ROWS).to_pandas()) == wanted


def test_partitions_are_a_column_and_can_be_asked_for(folder):
    with opened("store") as log:
        assert log.columns["date"] == "DATE"
        sql = f"{identifier('date')} = {literal('2026-11-02')}"
        assert sum(batch.num_rows for batch in log.batches(["id"], where=sql)) == 100
        assert not list(log.batches(["id"], where=f"{identifier('date')} > {literal('2027-01-01')}"))


def test_a_folder_passes_over_what_is_set_aside(folder):
    aside = folder / "store" / "_rejected"
    aside.mkdir()
    (aside / "a.jsonl").write_text('{"line": 1}\n')
    (folder / "store" / ".half.parquet").write_bytes(b"PAR1")
    assert len(content("store")) == 300


def test_columns_can_be_made_of_sql_and_queries_run_between_batches(folder):
    seen = 0
    with opened("all.parquet") as log:
        for batch in log.batches({"length": f"length({identifier('text')})", "half": f"{identifier('n')} / 2.0"}, rows=64):
            assert batch.schema.names == ["length", "half"]
            assert log.rows(f"SELECT count(*) FROM {log.relation}") == [(300,)]
            seen += batch.num_rows
    assert seen == 300


def test_hostile_names_and_values_are_names_and_values(tmp_path):
    name, value = 'a"; DROP TABLE x; --', "it's; --"
    with opened([{name: value}, {name: "other"}]) as log:
        found = [
            row for batch in log.batches([name], where=f"{identifier(name)} = {literal(value)}") for row in batch.to_pylist()
        ]
    assert found == [{name: value}]


def refused(source):
    with pytest.raises(SpecError) as error, opened(source) as log:
        list(log.batches(["id"]))
    return str(error.value)


def test_wrong_sources_are_one_message_each(folder, monkeypatch):
    (folder / "torn.parquet").write_bytes((folder / "all.parquet").read_bytes()[:-200])
    (folder / "mixed").mkdir()
    (folder / "mixed" / "a.csv").write_text("id\n1\n")
    (folder / "mixed" / "b.jsonl").write_text('{"id": 1}\n')
    (folder / "empty").mkdir()
    assert 'did you mean "all.parquet"?' in refused("al.parquet")
    assert "a folder with files of several formats" in refused("mixed")
    assert "is a folder without a data file" in refused("empty")
    assert "cannot be read" in refused("torn.parquet")
    assert "is not one SELECT" in refused("sql:DROP TABLE x")
    assert "is not one SELECT" in refused("sql:SELECT 1; SELECT 2")
    assert "is not one SELECT" in refused("sql:COPY (SELECT 1) TO 'x.csv'")
    assert "is no SQL" in refused("sql:SELEC 1")
    assert "cannot be read" in refused("sql:SELECT * FROM 'nowhere.parquet'")
    assert 'no column "id"; it has x' in refused("sql:SELECT 1 AS x")
    assert "names no environment variable" in refused("sqlalchemy:SELECT 1")
    assert "names no environment variable" in refused("sqlalchemy:sqlite:///x.db")
    assert "LOGS_DB is not set" in refused("sqlalchemy:LOGS_DB:SELECT 1")
    monkeypatch.setenv("LOGS_DB", "no address")
    assert "is no address of a database" in refused("sqlalchemy:LOGS_DB:SELECT 1")
    monkeypatch.setenv("LOGS_DB", "sqlite:///logs.db")
    assert "the database says: no such table: logs" in refused("sqlalchemy:LOGS_DB:SELECT * FROM logs")
    monkeypatch.setenv("LOGS_DB", "nothing+psycopg://x:geheim@127.0.0.1:1/x")
    assert "is no address of a database" in refused("sqlalchemy:LOGS_DB:SELECT 1")
    monkeypatch.setenv("LOGS_DB", "postgresql+psycopg://x:geheim@127.0.0.1:1/x")
    told = refused("sqlalchemy:LOGS_DB:SELECT 1")
    assert "the database says" in told
    assert "geheim" not in told
    monkeypatch.setenv("LOGS_DB", "oracle+cx_oracle://x:geheim@127.0.0.1:1/x")
    with pytest.raises(MissingExtra, match="needs the package"):
        refused("sqlalchemy:LOGS_DB:SELECT 1")


def test_a_database_gives_its_rows_a_few_at_a_time(folder, monkeypatch):
    from evalkit.logs import database

    monkeypatch.setattr(database, "ROWS", 70)
    monkeypatch.setenv("LOGS_DB", "sqlite:///logs.db")
    engine = sqlalchemy.create_engine("sqlite:///logs.db")
    pa.Table.from_pylist(ROWS).to_pandas().to_sql("logs", engine, index=False)
    with engine.begin() as connection:  # a column that is null at first, then whole, then a fraction, then a text
        connection.execute(sqlalchemy.text("ALTER TABLE logs ADD COLUMN odd"))
        connection.execute(
            sqlalchemy.text("UPDATE logs SET odd = CASE WHEN n > 250 THEN 'x' WHEN n > 200 THEN 0.5 WHEN n > 100 THEN n END")
        )
    assert len(content("sqlalchemy:LOGS_DB:SELECT * FROM logs")) == 300
    found = dict(content("sqlalchemy:LOGS_DB:SELECT id, odd FROM logs -- with ':colon' % percent", ("id", "odd")))
    assert (found["r0"], found["r299"]) == (None, "x")
    assert float(found["r201"]) == 0.5
    assert content("sqlalchemy:LOGS_DB:SELECT id FROM logs WHERE n < 0", ("id",)) == []


MEASURE = """
import resource, sys
from evalkit.logs.read import opened
with opened(sys.argv[1], threads=1) as log:
    first = None
    for batch in log.batches(["text"], rows=20_000):
        first = first or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first) // 1024)
"""


def test_batches_take_flat_memory(tmp_path):
    writer, n = None, 50_000
    for part in range(30):  # 1.5 million rows, 240 MB of text
        numbers = pa.array(np.arange(n) + part * n).cast(pa.string())
        table = pa.table({"text": pa.compute.binary_join_element_wise(numbers, numbers, "x" * 70)})
        writer = writer or pq.ParquetWriter(tmp_path / "big.parquet", table.schema)
        writer.write_table(table)
    writer.close()
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "big.parquet")], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 80, "megabytes more than after the first batch"
