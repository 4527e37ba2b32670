"""Wrong input: one message that says what, where and the nearest right thing; hostile names are names."""

from __future__ import annotations

import pandas as pd
import pytest

from evalkit.core.errors import SpecError
from evalkit.experiment.analyse import Design, analyse
from evalkit.experiment.spec import parse_metric, parse_split

GOOD = [
    {"user_id": f"u{index}", "variant": "ab"[index % 2], "clicked": index % 3 == 0, "n": index % 5, "word": "x", "day": "soon",
     "timestamp": f"2026-01-0{1 + index % 9}T00:00:00Z"}
    for index in range(40)
]  # fmt: skip


def refused(source=GOOD, **options):
    told = {"variant": "variant", "control": "a", "metrics": ["clicked:proportion"], **options}
    with pytest.raises(SpecError) as error:
        analyse(source, Design(**told))
    return str(error.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"variant": "varian"}, 'no column "varian"; did you mean "variant"?'),
        ({"control": "A"}, 'did you mean "a"? it has "a" (20 rows), "b" (20 rows)'),
        ({"control": "zebra"}, 'it has "a" (20 rows), "b" (20 rows)'),
        ({"treatments": ["c"]}, '--treatment "c": is no value of the column "variant"'),
        ({"variant": "word", "control": "x"}, "has one value only"),
        ({"unit": "user"}, '--unit "user": the log has no column "user"; did you mean "user_id"?'),
        ({"by": "country"}, '--by "country": the log has no column'),
        ({"metrics": []}, "there is no metric"),
        ({"metrics": ["clicked"]}, "names no kind; write clicked:mean"),
        ({"metrics": ["clicked:proportoin"]}, "did you mean proportion?"),
        ({"metrics": ["clickd:mean"]}, 'did you mean "clicked"?'),
        ({"metrics": ["word:mean"]}, 'the column "word" holds text, not numbers'),
        ({"metrics": ["n:proportion"]}, "rows are neither 0 nor 1, for instance 2; n:mean takes any number"),
        ({"metrics": ["n:satisfaction"]}, "rows are neither -1 nor 0 nor 1"),
        ({"metrics": ["day:retention@7"]}, 'rows of "day" are no time, for instance "soon"'),
        ({"metrics": ["clicked:retention@7"]}, "holds true and false, not times"),
        ({"metrics": ["timestamp:retention@0"]}, "days count from 1"),
        ({"metrics": ["timestamp:retention@9-3"]}, "days count from 1"),
        ({"metrics": ["n:p0"]}, "a quantile lies between"),
        ({"metrics": ["n:ratio"]}, "a ratio has two columns"),
        ({"metrics": ["n/views:ratio"]}, 'no column "views"'),
        ({"metrics": ["n:mean", "n:mean"]}, "asked for twice"),
        ({"metrics": ["n:mean"], "guardrails": ["n:mean"]}, "asked for twice"),
        ({"margins": ["n:mean=1"]}, 'no metric is called "n:mean"; metrics are clicked:proportion'),
        ({"margins": ["clicked=-1"]}, "is no margin"),
        ({"margins": ["clicked:proportion"]}, "names no metric"),
        ({"cuped": ["befor"]}, 'no column "befor"'),
        ({"cuped": ["word"]}, 'the column "word" holds text'),
        ({"metrics": ["n:p95"], "cuped": ["n:p95=n"]}, "a quantile takes no covariate"),
        ({"lower": ["clickd"]}, 'did you mean "clicked"?'),
        ({"split": {"a": 1, "c": 1}}, 'names "c", which is no variant'),
        ({"split": {"a": 1}}, 'says nothing of "b"'),
        ({"split": {"a": 1, "b": 0}}, "no number above 0"),
        ({"confidence": 95.0}, "write 0.95"),
        ({"adjust": "holmes"}, "did you mean holm?"),
        ({"memory": "much"}, "is no size"),
    ],
)
def test_a_wrong_option_is_one_message_with_the_way_out(options, said):
    assert said in refused(**options)


def test_a_metric_that_may_be_two_must_be_named():
    said = refused(metrics=["n:mean", "n:total"], margins=["n=1"])
    assert "may be n:mean or n:total" in said


def test_wrong_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame(GOOD).to_parquet("log.parquet")
    (tmp_path / "log.xlsx").write_text("x")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 no more")
    (tmp_path / "torn.jsonl").write_text('{"user_id": 1, "variant": "a", "clicked": true}\n{"user_id": 2,\n')
    (tmp_path / "empty.csv").write_text("user_id,variant,clicked\n")
    (tmp_path / "a.csv").write_text("user_id,variant,clicked\n1,a,0\n")
    assert 'there is no such file; did you mean "log.parquet"?' in refused("lgo.parquet")
    assert "no file matches" in refused("*.jsonlx")
    assert "is a folder" in refused(str(tmp_path))
    assert 'the format ".xlsx" is not known' in refused("log.xlsx")
    assert "cannot be read" in refused("torn.parquet")
    assert "cannot be read" in refused("torn.jsonl")
    assert "has no rows" in refused("empty.csv")
    (tmp_path / "nulls.csv").write_text("user_id,variant,clicked\n1,a,\n2,b,\n")
    found = analyse("nulls.csv", Design("variant", "a", ["clicked:proportion"]))
    assert found["clicked:proportion"].missing == 2
    assert "several formats" in refused("[al]*.[pc]*[vt]")
    assert "there are no records" in refused([])
    assert "not int" in refused(7)


@pytest.mark.parametrize(
    "name",
    [
        'a"; DROP TABLE rows; --',
        "a'b",
        'x" FROM rows --',
        "select",
        "a b",
        "ünïcødé",
        "x0",
        "v",
        "u",
        "rows",
        "a/b",
        "a:b",
        "a=b",
        "*",
        "",
    ],
)
def test_hostile_and_odd_names_are_names(name, tmp_path):
    frame = pd.DataFrame(GOOD).rename(columns={"clicked": name, "user_id": f"{name} id", "variant": f"{name} variant"})
    frame[f"{name} variant"] = frame[f"{name} variant"].map({"a": f"{name}1", "b": "b'); DROP TABLE units; --"})
    frame[f"{name} by"] = name + "'"
    if name:
        folder = tmp_path / "it's [a] *folder?"
        folder.mkdir()
        path = folder / "log';--.parquet"
        frame.to_parquet(path)
        sources = [str(path), frame]
    else:
        sources = [frame]
    metric = f"{name}:proportion"
    for source in sources if name else []:
        design = Design(f"{name} variant", f"{name}1", [metric], unit=f"{name} id", by=f"{name} by")
        found = analyse(source, design)
        assert found.units == {f"{name}1": 20, "b'); DROP TABLE units; --": 20}
        assert found[metric].values[f"{name}1"] == pytest.approx(0.35)
        assert [part.value for part in found.parts] == [name + "'"]
    if not name:
        with pytest.raises(SpecError):
            analyse(frame, Design(" variant", "1", [metric]))


def test_a_ratio_of_columns_with_slashes_is_split_where_both_are_columns():
    assert parse_metric("a/b/c:ratio", ["a/b", "c"]).columns == ("a/b", "c")
    assert parse_metric("a/b/c:ratio", ["a", "b/c"]).columns == ("a", "b/c")


def test_a_split_is_positive_shares():
    assert parse_split("a=90%,b=10%") == {"a": 90.0, "b": 10.0}
    for text in ("a", "a=x", "a=0,b=1", "=1"):
        with pytest.raises(SpecError, match="is no share"):
            parse_split(text)


def test_a_log_whose_first_rows_are_whole_numbers_may_go_on_with_fractions(tmp_path):
    rows = [{"user_id": index, "variant": "ab"[index % 2], "x": index % 7} for index in range(30_000)]
    rows += [{"user_id": f"late {index}", "variant": "ab"[index % 2], "x": 0.5} for index in range(100)]
    frame = pd.DataFrame(rows)
    frame.to_csv(tmp_path / "log.csv", index=False)
    frame.to_json(tmp_path / "log.jsonl", orient="records", lines=True)
    for name in ("log.csv", "log.jsonl"):
        found = analyse(str(tmp_path / name), Design("variant", "a", ["x:mean"]))
        assert sum(found.units.values()) == 30_100
        assert found["x:mean"].values["b"] == pytest.approx(frame[frame["variant"] == "b"]["x"].mean())


def test_a_log_larger_than_the_memory_limit_is_still_added_up(tmp_path):
    import duckdb

    path = tmp_path / "log.parquet"
    duckdb.sql(
        f"COPY (SELECT 'user ' || range AS user_id, CASE WHEN hash(range) % 2 = 0 THEN 'a' ELSE 'b' END AS variant, "
        f"random() AS x FROM range(400_000)) TO '{path}' (FORMAT parquet)"
    )
    found = analyse(str(path), Design("variant", "a", ["x:mean", "x:p95"], memory="60MB", threads=2))
    assert sum(found.units.values()) == 400_000
    assert "memory limit is too small" in refused(str(path), metrics=["x:mean"], memory="4MB")
