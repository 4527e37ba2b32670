"""Samples of large logs: the same rows again, known chances, estimates without bias."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from evalkit.cli.app import app
from evalkit.core.errors import SpecError
from evalkit.logs.sample import draw

N = 600
RNG = np.random.default_rng(5)
VALUE = RNG.gamma(2.0, 3.0, N)
ROWS = [
    {
        "id": f"r{index}", "input": f"question {index}", "value": float(VALUE[index]), "kind": "abc"[int(RNG.random() ** 2 * 3)],
        "score": float(RNG.random()), "other": float(RNG.random()), "feedback": [-1, 1, None, 0][int(RNG.random() ** 0.5 * 4)],
    }
    for index in range(N)
]  # fmt: skip


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for day in (1, 2, 3):
        part = tmp_path / "logs" / f"date=2026-11-0{day}"
        part.mkdir(parents=True)
        for half in (0, 1):
            begin = (day - 1) * 200 + half * 100
            pq.write_table(pa.Table.from_pylist(ROWS[begin : begin + 100]), part / f"{half}.parquet")
    return tmp_path


STRATEGIES = [
    {"strategy": "random"},
    {"strategy": "stratified", "by": "kind"},
    {"strategy": "uncertain", "scores": ["score"]},
    {"strategy": "uncertain", "scores": ["score"], "around": 1.0},
    {"strategy": "disagreement", "scores": ["score", "other"]},
    {"strategy": "feedback"},
    {"strategy": "feedback", "scores": ["feedback"]},
]


@pytest.mark.parametrize("options", STRATEGIES, ids=str)
def test_weighted_means_over_many_seeds_are_the_mean_of_all(store, options):
    totals = []
    pq.write_table(pa.Table.from_pylist(ROWS), "all.parquet")
    for seed in range(50):
        rows = draw("all.parquet", n=60, seed=seed, **options).rows
        assert len(rows) == 60
        assert len({row["id"] for row in rows}) == 60
        totals.append(sum(row["sampling_weight"] * row["value"] for row in rows) / N)
    error = np.std(totals, ddof=1) / np.sqrt(len(totals))
    assert abs(np.mean(totals) - VALUE.mean()) < 4.0 * error


def test_feedback_draws_rather_what_users_did_not_like(store):
    rows = draw("logs", n=60, seed=1, strategy="feedback").rows
    share = sum(row["feedback"] == -1 for row in ROWS if row["feedback"] is not None) / N
    bad = sum(row.get("feedback") == -1 for row in rows)
    assert bad / 60 > 2 * share or bad == sum(row["feedback"] == -1 for row in ROWS)
    assert any(row.get("feedback") != -1 for row in rows), "a fifth is spread evenly"


def test_a_seed_draws_the_same_rows_from_a_folder_a_pattern_and_a_query(store):
    wanted = draw("logs", n=20, seed=3).rows
    assert draw("logs", n=20, seed=3).rows == wanted
    assert draw("logs/*/*.parquet", n=20, seed=3).rows == wanted
    assert draw("logs", n=20, seed=4).rows != wanted
    query = draw("sql:SELECT id, value FROM 'logs/*/*.parquet' WHERE value > 6", n=10, seed=3)
    assert query.of == int((VALUE > 6).sum())
    assert {tuple(row) for row in query.rows} == {("id", "value", "sampling_weight")}
    assert draw("logs", n=10_000, seed=0).rows[0]["sampling_weight"] == 1.0


def test_weights_of_an_earlier_sample_are_multiplied(store):
    table = pa.Table.from_pylist([{**row, "sampling_weight": 2.0} for row in ROWS])
    pq.write_table(table, "all.parquet")
    assert {row["sampling_weight"] for row in draw("all.parquet", n=60, seed=0).rows} == {20.0}


def test_wrong_samples_are_one_message_each(store):
    def refused(source="logs", **options):
        with pytest.raises(SpecError) as error:
            draw(source, n=5, seed=0, **options)
        return str(error.value)

    assert 'no strategy is called "feedbak"; did you mean feedback?' in refused(strategy="feedbak")
    assert "add --by COLUMN" in refused(strategy="stratified")
    assert 'no column "knd"; did you mean "kind"?' in refused(strategy="stratified", by="knd")
    assert "needs one score" in refused(strategy="uncertain")
    assert "needs two scores" in refused(strategy="disagreement", scores=["score"])
    assert "one column at most" in refused(strategy="feedback", scores=["score", "other"])
    assert 'no column "scor"' in refused(strategy="uncertain", scores=["scor"])
    assert 'the column "kind" holds no numbers' in refused(strategy="uncertain", scores=["kind"])
    pq.write_table(pa.Table.from_pylist(ROWS).slice(0, 0), "none.parquet")
    assert "there are no records" in refused("none.parquet")


def test_the_command_draws_from_the_store_and_from_lines(store):
    (store / "all.jsonl").write_text(
        "".join(json.dumps({k: v for k, v in row.items() if v is not None}) + "\n" for row in ROWS)
    )
    for source, out in (("logs", "one.jsonl"), ("all.jsonl", "two.jsonl")):
        told = CliRunner().invoke(
            app, ["logs", "sample", source, "--n", "50", "--strategy", "feedback", "--out", out, "--json"]
        )
        assert told.exit_code == 0, told.output
        assert json.loads(told.stdout)["of"] == N
        rows = [json.loads(line) for line in (store / out).read_text().splitlines()]
        assert len(rows) == 50
        assert sum(row.get("feedback") == -1 for row in rows) >= 30
    told = CliRunner().invoke(app, ["logs", "sample", "logs", "--n", "5", "--out", "three.csv"])
    assert "5 of 600 records · random" in told.stdout
