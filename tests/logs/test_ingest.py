"""Ingesting: every row once, whatever file it comes in; what is broken is named; what was killed goes on."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from evalkit.cli.app import app
from evalkit.cli.ingesting import Ingest, ingest_logs
from evalkit.core.errors import SpecError, StoreError
from evalkit.logs.ingest import ingest
from evalkit.logs.read import opened
from evalkit.logs.store import LogStore


def row(index, **more):
    return {
        "id": f"r{index}", "input": f"question {index}", "output": f"answer {index}", "model": "m", "latency_ms": 10.5 + index,
        "timestamp": f"2026-11-{1 + index % 5:02d}T10:00:{index % 60:02d}Z", "tenant": index % 3, **more,
    }  # fmt: skip


def lines(path, rows):
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def stored(folder):
    """The store's rows, in no order: each as a sorted tuple of its cells."""
    if not list(folder.glob("date=*/*.parquet")):
        return []
    with opened(str(folder)) as log:
        return sorted(
            tuple(sorted((name, str(value)) for name, value in one.items() if value is not None))
            for batch in log.batches(list(log.columns))
            for one in batch.to_pylist()
        )


def run(*arguments):
    told = CliRunner().invoke(app, ["logs", "ingest", *map(str, arguments)])
    return told.exit_code, told.output


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    return tmp_path


def test_the_same_file_twice_changes_nothing_and_a_grown_one_adds_its_end(folder):
    lines(folder / "a.jsonl", [row(index) for index in range(40)])
    code, said = run("a.jsonl")
    assert (code, "a.jsonl · plain · 40 new · 0 already there" in said, "40 rows in 5 days" in said) == (0, True, True)
    before = {path: path.stat().st_mtime_ns for path in (folder / ".evalkit/logs").rglob("*.parquet")}
    assert "0 new · 40 already there" in run("a.jsonl")[1]
    lines(folder / "a.jsonl", [row(index) for index in range(50)])
    assert "10 new · 40 already there" in run("a.jsonl")[1]
    for path, time_ns in before.items():
        assert path.stat().st_mtime_ns == time_ns, "files are never changed"
    with opened(".evalkit/logs") as log:
        assert log.rows(
            f"SELECT count(DISTINCT id), count(*), min(date)::VARCHAR, typeof(any_value(tenant)) FROM {log.relation}"
        ) == [(50, 50, "2026-11-01", "BIGINT")]


def test_every_kind_of_file_gives_the_same_rows(folder):
    rows = [row(index) for index in range(30)]
    lines(folder / "a.jsonl", rows)
    (folder / "b.jsonl.gz").write_bytes(gzip.compress((folder / "a.jsonl").read_bytes()))
    (folder / "c.json").write_text(json.dumps(rows, indent=1))
    pq.write_table(pa.Table.from_pylist(rows), folder / "d.parquet")
    header = ",".join(rows[0])
    (folder / "e.csv").write_text("\n".join([header, *(",".join(map(str, one.values())) for one in rows)]) + "\n")
    (folder / "f.tsv").write_text("\n".join([header.replace(",", "\t"), *("\t".join(map(str, one.values())) for one in rows)]))
    contents = []
    for name in ("a.jsonl", "b.jsonl.gz", "c.json", "d.parquet", "e.csv", "f.tsv"):
        assert run(name, "--to", f"store-{name}")[0] == 0
        contents.append(stored(folder / f"store-{name}"))
        assert "0 new · 30 already there" in run(name, "--to", "store-a.jsonl")[1]
    assert all(content == contents[0] for content in contents)
    assert len(contents[0]) == 30


ROWS = [
    {key: value for key, value in row(index).items() if key != "id" or index % 2}
    | ({"timestamp": None} if index % 7 == 0 else {})
    for index in range(24)
]  # every second row has no id, some have no time


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.data())
def test_any_parts_in_any_order_come_to_the_same_store(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("parts")
    whole = LogStore.at(folder / "whole")
    ingest(lines(folder / "whole.jsonl", ROWS), whole)
    cuts = st.tuples(st.integers(0, 23), st.integers(1, 24)).filter(lambda pair: pair[0] < pair[1])
    parts = data.draw(st.lists(cuts, max_size=3)) + data.draw(
        st.sampled_from([[(0, 12), (12, 24)], [(0, 20), (5, 24)], [(0, 24)]])
    )
    store = LogStore.at(folder / "store")
    for place, (begin, end) in enumerate(data.draw(st.permutations(parts))):
        ingest(lines(folder / f"{place}.jsonl", ROWS[begin:end]), store)
    assert stored(folder / "store") == stored(folder / "whole")
    assert len(stored(folder / "store")) == 24


def test_a_query_is_a_source_too(folder, monkeypatch):
    import sqlite3

    lines(folder / "a.jsonl", [row(index) for index in range(20)])
    assert "sql · plain · 6 new" in run("sql:SELECT * FROM 'a.jsonl' WHERE id IN ('r1', 'r2', 'r3', 'r4', 'r5', 'r6')")[1]
    with sqlite3.connect("logs.db") as database:
        database.execute("CREATE TABLE logs (id, input, output, timestamp, latency_ms, model, tenant)")
        rows = [
            tuple(row(index)[name] for name in ("id", "input", "output", "timestamp", "latency_ms", "model", "tenant"))
            for index in range(20)
        ]
        database.executemany("INSERT INTO logs VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    database.close()
    monkeypatch.setenv("LOGS_DB", "sqlite:///logs.db")
    assert "sqlalchemy:LOGS_DB · plain · 14 new · 6 already there" in run("sqlalchemy:LOGS_DB:SELECT * FROM logs")[1]
    run("a.jsonl", "--to", "other")
    assert stored(folder / ".evalkit/logs") == stored(folder / "other")


def test_equal_rows_without_ids_are_as_many_as_the_file_has(folder):
    same = {"input": "hi", "output": "hello", "timestamp": "2026-11-01"}
    store = LogStore.at(folder / "store")
    assert ingest(lines(folder / "a.jsonl", [same] * 3), store).added.new == 3
    assert ingest(lines(folder / "a.jsonl", [same] * 3), store).added.again == 3
    assert ingest(lines(folder / "a.jsonl", [same] * 5), store).added.new == 2
    assert ingest(lines(folder / "b.jsonl", [same]), store).added.new == 0
    assert len({dict(one)["id"] for one in stored(folder / "store")}) == 5


def test_an_id_with_another_content_is_told_and_the_first_stays(folder):
    lines(folder / "a.jsonl", [row(1), row(1, output="other")])
    assert "1 row not added, whose id is there with another input or output: r1" in run("a.jsonl")[1]
    lines(folder / "b.jsonl", [row(1, output="third")])
    assert "1 row not added, whose id is there with another input or output" in run("b.jsonl")[1]
    assert dict(stored(folder / ".evalkit/logs")[0])["output"] == "answer 1"


def test_broken_lines_are_counted_named_and_kept(folder):
    good = [json.dumps(row(index)) for index in range(8)]
    bad = [
        '{"input": "torn',
        "[1, 2]",
        '{"input": 1, "timestamp": "soon"}',
        '{"latency_ms": "fast"}',
        '{"feedback": 7}',
        "\x00\x00",
    ]
    raw = "\n".join([*good[:4], *bad, "", *good[4:]]).encode() + b'\n{"input": "\xff"}\n'
    (folder / "a.jsonl").write_bytes(raw)
    code, said = run("a.jsonl")
    assert code == 0
    assert "8 new · 0 already there · 7 broken" in said
    assert "a.jsonl:5: broken JSON at column" in said
    assert "a.jsonl:6: holds a list, not an object" in said
    assert "a.jsonl:7: timestamp is no time" in said
    assert "and 2 more of a.jsonl" in said
    (kept,) = (folder / ".evalkit/logs/_rejected").iterdir()
    told = [json.loads(line) for line in kept.read_text().splitlines()]
    assert sorted(one["line"] for one in told) == [5, 6, 7, 8, 9, 10, 16]
    assert next(one for one in told if one["line"] == 5)["text"] == bad[0]
    assert all(one["file"] == "a.jsonl" and one["reason"] for one in told)
    assert len(stored(folder / ".evalkit/logs")) == 8, "what is set aside is not read as rows"
    code, said = run("a.jsonl", "--json")
    assert json.loads(said)["broken"] == 7


def test_broken_rows_of_a_csv_are_named_too(folder):
    (folder / "a.csv").write_bytes(b'input,output\na,b\n"two\nlines",c\nd\ne,f,g\nh,\xff\n"open,k\n')
    code, said = run("a.csv")
    assert (code, "2 new · 0 already there · 4 broken" in said) == (0, True), said
    assert "a.csv:5: the row has 1 cells, the header 2" in said
    assert "a.csv:7: the row is not UTF-8" in said
    (folder / "numbers.csv").write_text("input,zip,n,share,ok\na,01234,1,0.5,true\nb,99999,2,1,false\n")
    run("numbers.csv", "--to", "typed")
    with opened("typed") as log:
        assert [log.columns[name] for name in ("zip", "n", "share", "ok")] == ["VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN"]


def test_nothing_that_can_be_read_is_an_error(folder):
    (folder / "a.jsonl").write_text("no json\nat all\n")
    (folder / "torn.parquet").write_bytes(b"PAR1 and no more")
    (folder / "torn.jsonl.gz").write_bytes(gzip.compress(b'{"input": "a"}\n' * 1000)[:-9])
    (folder / "x.xlsx").write_bytes(b"PK\x03\x04")
    (folder / "empty.jsonl").write_text("")
    for name, said in [
        ("a.jsonl", "a.jsonl:1: broken JSON at column 1"),
        ("torn.parquet", "the Parquet file is damaged"),
        ("torn.jsonl.gz", "the gzip stream is damaged"),
        ("x.xlsx", 'the format ".xlsx" is not known'),
        ("b.jsonl", 'there is no such file; did you mean "a.jsonl"?'),
        ("*.nothing", "no file matches"),
    ]:
        code, output = run(name)
        assert code in (1, 2), output
        with pytest.raises((SpecError, StoreError)) as error:
            ingest_logs(Ingest((name,), None, None, (), False, False))
        assert said in str(error.value)
    assert run("empty.jsonl")[0] == 0
    lines(folder / "good.jsonl", [row(1)])
    code, output = run("good.jsonl", "torn.parquet")
    assert (code, "warning: torn.parquet: the Parquet file is damaged" in output, "1 new" in output) == (0, True, True)


def test_wrong_options_are_one_message_each(folder):
    lines(folder / "a.jsonl", [{"question": "q", "answer": "a"}])
    (folder / "full").mkdir()
    (folder / "full" / "mine.txt").write_text("x")

    def refused(**options):
        asked = {
            "sources": ("a.jsonl",),
            "to": None,
            "format": None,
            "fields": (),
            "redact": False,
            "as_json": False,
            **options,
        }
        with pytest.raises((SpecError, StoreError)) as error:
            ingest_logs(Ingest(**asked))
        return str(error.value)

    assert 'no format is called "otell"; did you mean otel?' in refused(format="otell")
    assert "names no two columns; write input=question" in refused(fields=("input",))
    assert 'no column is called "inptu"; did you mean input?' in refused(fields=("inptu=question",))
    assert 'has no column "questoin"; did you mean "question"?' in refused(fields=("input=questoin",))
    assert "holds other files" in refused(to=folder / "full")
    assert "name another folder with --to" in refused(to=folder / "a.jsonl" / "below")
    assert run("a.jsonl", "--to", "plain")[0] == 0
    assert run("a.jsonl", "--to", "red", "--redact")[0] == 0
    assert "its rows are not redacted; name another folder" in refused(to=folder / "plain", redact=True)
    assert "its rows are redacted; add --redact" in refused(to=folder / "red")


def test_columns_are_guessed_by_name_told_and_can_be_said(folder):
    lines(
        folder / "a.jsonl",
        [{"question": f"q{index}", "answer": "a", "created_at": 1_764_000_000 + index, "Model": "x"} for index in range(3)],
    )
    _, said = run("a.jsonl", "--field", "reference=answer")
    assert "taken for: input = question, timestamp = created_at, model = Model" in said
    found = [dict(one) for one in stored(folder / ".evalkit/logs")]
    assert {(one["input"], one["reference"], one["model"], one["date"]) for one in found} == {
        (f"q{n}", "a", "x", "2025-11-24") for n in range(3)
    }


def test_times_of_all_kinds_and_none(folder):
    times = [
        "2026-11-29T10:00:00Z",
        "2026-11-29 11:00:00+01:00",
        1795946400,
        1795946400000,
        1795946400000000,
        1795946400000000000,
        1795946400.0,
        None,
    ]
    lines(folder / "a.jsonl", [{"id": str(place), "input": "a", "timestamp": told} for place, told in enumerate(times)])
    assert run("a.jsonl")[0] == 0
    with opened(".evalkit/logs") as log:
        assert log.rows(f"SELECT DISTINCT epoch(timestamp), date::VARCHAR FROM {log.relation} ORDER BY 1 NULLS LAST") == [
            (1795946400.0, "2026-11-29"),
            (None, None),
        ]
    assert (folder / ".evalkit/logs/date=__HIVE_DEFAULT_PARTITION__").is_dir()


def test_odd_columns_keep_their_values(folder):
    odd = {
        "id": "1",
        "date": "my own",
        "Input": "other case",
        "": "no name",
        "a b": [1, {"c": None}],
        'x"; DROP': True,
        "big": 2**70,
        "ts": 1.5,
    }
    lines(folder / "a.jsonl", [odd | {"input": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}])
    assert run("a.jsonl")[0] == 0
    (found,) = [dict(one) for one in stored(folder / ".evalkit/logs")]
    assert (found["input"], found["Input_"], found["date_"], found["unnamed"]) == ("u", "other case", "my own", "no name")
    assert (found["a b"], found['x"; DROP'], json.loads(found["messages"])[0]["role"]) == ('[1,{"c":null}]', "True", "system")
    lines(folder / "b.jsonl", [{"id": str(place), **{f"k{place}-{each}": each for each in range(300)}} for place in range(3)])
    assert run("b.jsonl", "--to", "wide")[0] == 0
    with opened("wide") as log:
        assert len(log.columns) < 520
        assert log.rows(f"SELECT count(more) FROM {log.relation}") == [(2,)]


def test_redacted_rows_stay_apart_and_hold_nothing(folder):
    secrets = ["ana@example.com", "ben@example.com"]
    rows = [
        {"input": f"I am {mail}", "output": "ok", "user_id": mail, "contexts": [f"see {mail}"], "extra": {"to": mail}}
        for mail in secrets
    ]
    lines(folder / "a.jsonl", rows)
    (folder / "b.jsonl").write_text(f'{{"input": "{secrets[0]}" torn\n' + json.dumps({"id": secrets[0], "input": "x"}) + "\n")
    assert "2 new" in run("a.jsonl", "--redact")[1]
    assert "0 new · 2 already there" in run("a.jsonl", "--redact")[1]
    assert run("b.jsonl", "--redact")[0] == 0
    found = [dict(one) for one in stored(folder / ".evalkit/logs")]
    assert sorted(one["input"] for one in found) == ["I am [EMAIL]", "I am [EMAIL]", "x"]
    assert {one["extra"] for one in found if "extra" in one} == {'{"to":"[EMAIL]"}'}
    for path in (folder / ".evalkit").rglob("*"):
        assert not path.is_file() or b"example.com" not in path.read_bytes(), path


KILLED = """
import sys
from evalkit.cli.ingesting import Ingest, ingest_logs
ingest_logs(Ingest(("big.jsonl",), None, None, (), False, True))
"""


def killed_and_again(folder, moments):
    lines(folder / "big.jsonl", [row(index) for index in range(4_000)])
    for moment in moments:
        process = subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.DEVNULL)
        time.sleep(moment)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        there = stored(folder / ".evalkit/logs")
        assert len(set(there)) == len(there), "a reader never meets a row twice"
    assert run("big.jsonl")[0] == 0
    found = stored(folder / ".evalkit/logs")
    assert len(found) == 4_000
    assert len({dict(one)["id"] for one in found}) == 4_000
    assert not list((folder / ".evalkit/logs/_staging").iterdir())


def test_what_is_killed_and_run_again_adds_every_row_once(folder):
    killed_and_again(folder, [0.5, 1.0])


@pytest.mark.stress
def test_what_is_killed_at_many_moments_adds_every_row_once(folder):
    killed_and_again(folder, [0.3 + 0.05 * step for step in range(40)])


def test_two_ingests_at_once_add_every_row_once(folder):
    lines(folder / "big.jsonl", [row(index) for index in range(3_000)])
    both = [subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE) for _ in range(2)]
    told = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    assert sum(one["new"] for one in told) == 3_000
    assert len(stored(folder / ".evalkit/logs")) == 3_000


MEASURE = """
import resource, sys
from pathlib import Path
from evalkit.logs.ingest import ingest
from evalkit.logs.store import LogStore
ingest(Path(sys.argv[1]), LogStore.at(Path(sys.argv[2])))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.stress
def test_memory_stays_flat(folder):
    def peak(n):
        with (folder / f"{n}.jsonl").open("w") as file:
            for index in range(n):
                file.write(json.dumps(row(index, input="word " * 60 + str(index))) + "\n")
        command = [sys.executable, "-c", MEASURE, f"{n}.jsonl", f"store-{n}"]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert peak(1_000_000) < peak(100_000) + 600
