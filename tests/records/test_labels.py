"""Labels from files: what they mean, what is wrong with them, how raters come together."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.core.errors import SpecError
from evalkit.records.label_files import merged, read_labels, same_version
from evalkit.records.label_text import guarded, text_of, unguarded
from evalkit.records.labels import Scale, as_number, disputed, settle, value_of

LINE = {"id": "r1", "metric": "tone", "label": 4, "rater": "ana"}


@pytest.fixture
def labels(tmp_path, jsonl):
    def read(*lines, **options):
        return read_labels([jsonl(tmp_path / "labels.jsonl", [{**LINE, **line} for line in lines])], **options)

    return read


def refused(call, *parts):
    with pytest.raises(SpecError) as error:
        call()
    told = str(error.value)
    assert all(part in told for part in parts), told
    return told


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (4, 4.0), ("4", 4.0), (" 3.5 ", 3.5), ("-1", -1.0), (True, "yes"), (False, "no"), ("Yes", "yes"), ("n", "no"),
        ("PASS", "pass"), ("a", "A"), ("B", "B"), ("Tie", "tie"), ("", None), (None, None), (math.nan, None), ("NaN", None),
        ("very  good", "very good"),
    ],
)  # fmt: skip
def test_a_label_is_a_number_or_a_word(cell, value):
    assert value_of(cell) == value


@pytest.mark.parametrize(
    "cell", [[1], {"a": 1}, math.inf, 10**400, "a comment that goes on and on, far beyond what a category's name is"]
)
def test_what_is_no_label_is_refused(cell):
    with pytest.raises(ValueError, match="is"):
        value_of(cell)


def test_words_that_mean_numbers():
    assert [as_number(value) for value in ("yes", "fail", "A", "B", "tie", 3.0)] == [1, 0, 1, 0, 0.5, 3]
    assert math.isnan(as_number("purple"))


@pytest.mark.parametrize(
    ("told", "shown", "values"),
    [
        ("1..5", "1..5", (1, 2, 3, 4, 5)),
        ("0 to 1", "0..1", (0, 1)),
        ("yes,no", "yes|no", ("yes", "no")),
        ("a|b|Tie", "A|B|tie", ("A", "B", "tie")),
    ],
)
def test_a_scale_is_a_range_or_categories(told, shown, values):
    scale = Scale.parse(told)
    assert (str(scale), scale.values) == (shown, values)
    assert Scale.parse(str(scale)) == scale
    assert scale.holds(values[0])
    assert not scale.holds("other")


@pytest.mark.parametrize("told", ["", "5", "5..1", "yes", "yes,yes", "1,2,3"])
def test_what_is_no_scale_is_refused(told):
    with pytest.raises(ValueError, match="scale"):
        Scale.parse(told)


def test_lines_without_a_label_are_pending(labels):
    found = labels({}, {"id": "r2", "label": None}, {"id": "r3", "label": ""})
    assert (len(found), found.pending) == (1, 2)


@pytest.mark.parametrize(
    ("lines", "options", "parts"),
    [
        ([{}, {"label": 5}], {}, ["labels.jsonl:2", 'ana labelled "r1" on tone already', "see", "labels.jsonl:1"]),
        ([{"label": 9}], {"scales": {"tone": Scale(1, 5)}}, ["labels.jsonl:1", "9 is not on the scale of tone", "1..5"]),
        ([{"label": "maybe", "scale": "yes|no"}], {}, ["labels.jsonl:1", '"maybe" is not on the scale', "yes|no"]),
        ([{"metric": "tome"}], {"metrics": ["tone"]}, ["labels.jsonl:1", 'no metric is called "tome"', 'did you mean "tone"']),
        ([{}, {"id": "r2"}, {"id": "r3", "label": "good"}], {}, ["labels.jsonl:3", '"good" stands among numbers', "1 of 3"]),
        ([{"id": None}], {}, ["labels.jsonl:1", "no id"]),
        ([{"rater": ""}], {}, ["labels.jsonl:1", "no rater", "--rater"]),
        ([{"metric": None}], {}, ["labels.jsonl:1", "no metric", "--metric"]),
        ([{"label": [4]}], {}, ["labels.jsonl:1", "is a list"]),
        ([{"label": None}], {}, ["holds 1 lines, and no label in any"]),
        ([{"scale": "1..5"}, {"id": "r2", "scale": "1..7"}], {}, ["labels.jsonl:2", "1..7 here and 1..5 before"]),
    ],
)
def test_what_is_wrong_is_told_with_its_line(labels, lines, options, parts):
    refused(lambda: labels(*lines, **options), *parts)


def test_all_that_is_wrong_is_told_at_once_and_twenty_in_words(labels):
    told = refused(lambda: labels(*({"id": f"r{at}", "label": 7} for at in range(30)), scales={"tone": Scale(1, 5)}))
    assert told.count("is not on the scale") == 20
    assert "and 10 more" in told


def test_files_that_hold_no_labels_say_so(tmp_path):
    empty, other = tmp_path / "empty.csv", tmp_path / "other.csv"
    empty.write_text("")
    other.write_text("id,Label\nr1,4\n")
    refused(lambda: read_labels([empty]), "holds no labels")
    refused(lambda: read_labels([other]), "no column `label`", 'is it "Label"')
    refused(lambda: read_labels([tmp_path / "gone.csv"]), "no such file")
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"id": "r1", "label": 4, "metric": "m", "rater": "a"}\n{"id": \n')
    refused(lambda: read_labels([broken]), "broken.jsonl:2")


def test_a_name_can_stand_for_what_lines_leave_out(labels):
    found = labels({"rater": None, "metric": None}, metric="tone", rater="ben")
    assert (found.raters, found.metrics) == (["ben"], ["tone"])


def test_another_version_of_the_rubric_is_a_warning(labels):
    found = labels({"rubric_version": "1@aaa"}, {"id": "r2", "rubric_version": "2@bbb"}, versions={"tone": "2@bbb"})
    assert found.warnings == ["1 labels of tone were made with version 1@aaa of the rubric, which is now 2@bbb"]
    assert "different versions" in labels({"rubric_version": 1}, {"id": "r2", "rubric_version": 2}).warnings[0]
    assert same_version("1", "1@abc")
    assert not same_version("1@abd", "1@abc")


def test_a_spreadsheet_with_semicolons_and_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "excel.csv"
    path.write_bytes("\ufeffid;metric;label;rater\r\nr1;tone;4;ana\r\nr2;tone;;ana\r\n".encode())
    found = read_labels([path])
    assert (found.ids, found.values, found.pending) == (["r1"], [4.0], 1)


def test_merging_adds_what_is_new_and_refuses_what_differs(labels):
    known, again = labels({}, {"id": "r2"}), labels({}, {"id": "r3"})
    both, same = merged(known, again)
    assert (both.ids, same) == (["r1", "r2", "r3"], 1)
    refused(lambda: merged(known, labels({"label": 2})), 'ana labelled "r1" 2 here and 4 before')
    refused(lambda: merged(known, labels({"id": "r9", "label": "good"})), "words here and numbers before")


def test_an_adjudicated_label_decides(labels):
    found = labels(
        {}, {"rater": "ben", "label": 1}, {"rater": "cy", "label": 2, "adjudicated": True},
        {"id": "r2"}, {"id": "r2", "rater": "adjudicator", "label": 5},
    )  # fmt: skip
    settled = {one.id: one for one in settle(found, "tone")}
    assert (settled["r1"].value, settled["r1"].adjudicated, settled["r1"].apart) == (2.0, True, 3.0)
    assert (settled["r2"].value, dict(settled["r2"].labels)) == (5.0, {"ana": 4.0})
    assert disputed(settled.values()) == []
    ids, raters, told = found.matrix("tone")
    assert (ids, raters, told.tolist()) == (["r1", "r2"], ["ana", "ben"], [[4.0, 1.0], [4.0, None]])


@pytest.mark.parametrize(("by", "value"), [(None, 3.0), ("mean", 3.0), ("median", 4.0), ("majority", 4.0)])
def test_numbers_come_together_as_asked(labels, by, value):
    found = labels({}, {"rater": "ben"}, {"rater": "cy", "label": 1})
    assert settle(found, "tone", by=by)[0].value == value


def test_words_have_a_majority_or_none(labels):
    found = labels(
        {"label": "yes"},
        {"rater": "ben", "label": True},
        {"rater": "cy", "label": "no"},
        {"id": "r2", "label": "y"},
        {"id": "r2", "label": "n", "rater": "ben"},
    )
    first, second = settle(found, "tone")
    assert (first.value, first.apart) == ("yes", pytest.approx(1 / 3))
    assert (second.value, second.apart) == (None, 0.5)
    assert [one.id for one in disputed([first, second])] == ["r2", "r1"]
    assert [one.id for one in disputed([first, second], threshold=0.4)] == ["r2"]
    with pytest.raises(ValueError, match="majority"):
        settle(found, "tone", by="mean")


def test_what_is_further_apart_than_the_threshold_is_disputed(labels):
    found = labels({}, {"rater": "ben", "label": 3}, {"id": "r2"}, {"id": "r2", "rater": "ben", "label": 2})
    settled = settle(found, "tone")
    assert [one.id for one in disputed(settled)] == ["r2"]
    assert [one.id for one in disputed(settled, threshold=0)] == ["r2", "r1"]
    assert disputed(settled, threshold=2) == []


# --- files -------------------------------------------------------------------------------------------------------------


@given(st.text(max_size=12) | st.sampled_from(["=1+1", "'=x", "''=x", "+49", "-1", "@me", "\tx", "'quoted'"]))
def test_a_guarded_cell_is_no_formula_and_comes_back(cell):
    safe = guarded(cell)
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unguarded(safe) == cell


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_labels_come_back_as_they_were_written(tmp_path, labels, suffix):
    found = labels(
        {"id": "=1+1", "output": "=cmd|' /C calc'!A0", "time": "2026-11-22T10:00:00Z", "rubric_version": "1@abc"},
        {"id": "-2", "label": 2.5, "rater": "+ben", "output": 'says "hi",\nand goes', "adjudicated": True},
        {"id": "r3", "label": 1, "output": "'=quoted", "sampling_weight": 2.5},
    )
    path = tmp_path / f"again{suffix}"
    path.write_text(text_of(found.rows(), path), encoding="utf-8", newline="")
    again = read_labels([path])
    assert list(again.rows()) == list(found.rows())
    if suffix == ".csv":
        text = path.read_text(encoding="utf-8")
        cells = [cell for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")) for cell in row]
        assert text.startswith("\ufeff")
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_lists_are_spelled_in_a_spreadsheet_and_kept_in_jsonl(tmp_path):
    row = {"id": "r1", "label": 4, "metric": "m", "rater": "a", "contexts": ["one", "two"], "reference": ["x"]}
    assert json.loads(text_of([row], tmp_path / "x.jsonl")) == row
    path = tmp_path / "x.csv"
    path.write_text(text_of([row], path), encoding="utf-8", newline="")
    assert "[1] one\n\n[2] two" in path.read_text(encoding="utf-8")
    assert read_labels([path]).extra == [{"reference": "x"}]
