"""The view model says what the run came to, and lists the right records."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from evalkit.core.run import GateResult, Run, Value
from evalkit.reports.change import change
from evalkit.reports.records import RecordView, field_texts, lowest_of
from evalkit.reports.spread import histogram
from evalkit.reports.summary import summarise

NAN = math.nan


def value(mean, ci=None, *, better=True, fingerprint="x", n=100):
    return Value(mean, ci, 0.95, NAN, n, higher_is_better=better, fingerprint=fingerprint)


def small_run(metrics, *, gates=(), status="passed", **more):
    return Run("r", status, {"name": "s"}, {"n": 4}, metrics, gates=list(gates), main={name: name for name in metrics}, **more)


def gate(outcome, **more):
    return GateResult("m", "min", 0.5, 0.4, None, outcome, "why", "m ≥ 0.5", **more)


def test_the_headline_counts_what_went_wrong(summary):
    assert summary.headline == "quickstart failed: 1 of 6 gates failed, 2 were inconclusive, 1 skipped"
    assert summary.subtitle == "300 records · 2 models · suites/quickstart.yaml"
    assert summary.exit_text == "exit 1: a gate failed"


@pytest.mark.parametrize(
    ("outcomes", "status", "verdict", "exit_text"),
    [
        ([], "passed", "was scored; it has no gates", "exit 0: no gates"),
        (["pass", "pass"], "passed", "passed all 2 gates", "exit 0: every gate passed"),
        (["pass"], "passed", "passed its gate", "exit 0: every gate passed"),
        (["inconclusive"], "failed", "failed: 1 was inconclusive of 1 gate", "exit 1: a gate was inconclusive"),
        (["fail", "fail"], "failed", "failed: 2 of 2 gates failed", "exit 1: 2 gates failed"),
        (["pass", "skipped"], "passed", "passed: 1 of 2 gates passed, 1 skipped", "exit 0: no gate stands in the way"),
        (["fail"], "incomplete", "is incomplete: more records failed than the errors gate allows",
         "exit 3: more records failed than the errors gate allows"),
    ],
)  # fmt: skip
def test_the_verdict_is_a_sentence(outcomes, status, verdict, exit_text):
    told = summarise(small_run({"m": value(0.4)}, gates=map(gate, outcomes), status=status))
    assert (told.verdict, told.exit_text) == (verdict, exit_text)


def test_a_run_survives_its_own_json(summary):
    again = summarise(Run.from_json(summary.run.to_json()))
    assert [row.text for row in again.metrics] == [row.text for row in summary.metrics]
    assert again.headline == summary.headline


def test_the_worst_records_are_the_lowest_scores_or_the_highest_where_lower_is_better():
    scores = {"up": np.array([0.3, NAN, 0.1, 0.9]), "down": np.array([5.0, 9.0, NAN, 1.0]), "neither": np.arange(4.0)}
    run = small_run({"up": value(0.4), "down": value(5, better=False), "neither": value(1, better=None)})
    told = summarise(run, records=RecordView(ids=list("abcd"), scores=scores))
    listed = {group.metric: [case.id for case in group.cases] for group in told.cases("worst")}
    assert listed == {"up": ["c", "a"], "down": ["b", "a"]}


@settings(deadline=None)
@given(arrays.arrays(float, st.integers(1, 80), elements=st.integers(0, 6).map(float)), st.integers(1, 5))
def test_the_lowest_are_those_of_a_stable_sort(values, most):
    assert lowest_of(values, most).tolist() == np.argsort(values, kind="stable")[:most].tolist()


def test_no_record_is_called_worst_when_all_are_alike():
    told = summarise(small_run({"m": value(1)}), records=RecordView(ids=list("ab"), scores={"m": np.ones(2)}))
    assert told.cases("worst") == ()


def test_flips_are_records_that_went_from_right_to_wrong():
    view = RecordView(
        ids=list("abcd"),
        scores={"m": np.array([0.0, 1.0, 1.0, 0.0])},
        baseline_scores={"m": np.array([1.0, 0.0, 1.0, NAN])},
        fetch=lambda indices: [{"output": f"now {index}"} for index in indices],
        baseline_fetch=lambda indices: [{"output": f"then {index}"} for index in indices],
    )
    run = small_run({"m": value(0.5)})
    (group,) = summarise(run, baseline=run, records=view).cases("lost")
    assert group.binary
    assert group.note == "1 record went from right to wrong, 1 from wrong to right"
    assert [(case.id, case.before, case.score, case.previous) for case in group.cases] == [("a", "1", "0", ("then 0",))]


def test_records_that_a_gate_names_are_listed_with_their_texts(summary):
    (group,) = summary.cases("gate")
    assert [case.id for case in group.cases] == ["q-017", "q-203"]
    assert group.cases[0].text("input")


def test_infinite_scores_are_left_out_of_comparisons_without_a_warning():
    scores = {"m": np.array([math.inf, 1.0, 2.0, -math.inf])}
    view = RecordView(ids=list("abcd"), scores=scores, baseline_scores={"m": np.array([math.inf, 2.0, 1.0, 0.0])})
    run = small_run({"m": value(1.5)})
    (group,) = summarise(run, baseline=run, records=view).cases("lost")
    assert [case.id for case in group.cases] == ["b"]


def test_every_record_is_fetched_once_and_few_are_asked_for(view, run):
    asked = []

    def fetch(indices):
        asked.append(list(indices))
        return view.fetch(indices)

    summarise(run, records=dataclasses.replace(view, fetch=fetch))
    assert len(asked) == 1
    assert len(set(asked[0])) == len(asked[0]) <= 300


def test_errors_are_grouped_by_message_and_counted(summary):
    found = {(group.metric, group.n) for group in summary.errors}
    assert ("faithfulness", 300) in found
    assert ("consistency", 2) in found


def test_many_different_error_messages_stay_bounded():
    view = RecordView(ids=[str(i) for i in range(500)], scores={}, errors={"m": {i: f"message {i}" for i in range(500)}})
    told = summarise(small_run({"m": value(NAN)}), records=view)
    assert len(told.errors) == 13
    assert sum(group.n for group in told.errors) == 500


# --- differences -----------------------------------------------------------------------------------------------------


def test_without_a_test_of_the_rows_only_intervals_that_are_apart_tell_anything():
    now, near, far = value(30.0, (28.0, 32.0)), value(29.0, (27.0, 31.0)), value(20.0, (18.0, 22.0))
    assert (change(now, near, digits=1).basis, change(now, near, digits=1).direction) == ("overlap", "unclear")
    assert change(now, far, digits=1).direction == "better"


@pytest.mark.parametrize(
    ("better", "tested", "direction"),
    [(True, (0.1, 0.05, 0.15), "better"), (False, (0.1, 0.05, 0.15), "worse"), (None, (0.1, 0.05, 0.15), "changed"),
     (True, (0.1, -0.05, 0.25), "unclear"), (True, (0.0, 0.0, 0.0), "same")],
)  # fmt: skip
def test_a_difference_counts_only_where_zero_is_outside_its_interval(better, tested, direction):
    found = change(value(0.5, better=better), value(0.4, better=better), digits=3, tested=tested)
    assert found.direction == direction


def test_values_measured_otherwise_are_not_called_comparable():
    assert not change(value(0.5), value(0.4, fingerprint="y"), digits=3).comparable


def test_a_missing_value_has_no_difference():
    assert change(value(NAN), value(0.4), digits=3) is None


# --- distributions ---------------------------------------------------------------------------------------------------


def test_every_finite_score_is_in_a_bar_or_counted_aside():
    rng = np.random.default_rng(3)
    for scores in (
        rng.random(500),
        rng.lognormal(0, 3, 5_000),
        rng.integers(0, 4, 300).astype(float),
        np.array([7.0]),
        rng.normal(size=99),
    ):
        spread = histogram(np.concatenate([scores, [NAN, math.inf]]))
        assert sum(spread.counts) + spread.below + spread.above == len(scores)


def test_few_distinct_values_get_a_bar_each():
    spread = histogram(np.array([0.0, 1.0, 1.0, NAN]))
    assert spread.discrete
    assert spread.edges[:-1] == (0.0, 1.0)
    assert spread.counts == (1, 2)


def test_nothing_scored_has_no_histogram():
    assert histogram(np.array([NAN])) is None
    assert histogram(np.array([])) is None


def test_constant_huge_and_tiny_scores_do_not_break_the_binning():
    for scores in (
        np.full(50, 1e300),
        np.linspace(1, 1 + 1e-15, 50),
        np.linspace(-1, 1, 40) * 1e308,
        np.array([-1.7e308, 1.7e308]),
        np.full(3, 5e-324),
    ):
        assert histogram(scores) is not None


# --- texts -----------------------------------------------------------------------------------------------------------


def test_fields_become_bounded_visible_texts():
    assert field_texts("a\x00b\x1b[0m\u202e", 50) == (("a⟨U+0000⟩b⟨U+001B⟩[0m⟨U+202E⟩",), 0)
    assert field_texts([{"role": "user", "content": "hi"}], 50) == (("user: hi",), 0)
    assert field_texts(["x" * 99] * 9, 10) == ((("x" * 9 + "…"),) * 6, 3)
    assert field_texts({"d1": 2}, 50) == (("d1: 2",), 0)
    assert field_texts(np.array(["a", "b"], dtype=object), 50) == (("a", "b"), 0)
    assert field_texts([], 50) == ((), 0)


def test_slices_keep_the_largest_values_of_a_wide_column(run):
    from evalkit.core.run import Slice

    wide = [Slice({"user": index}, index, {"m": value(0.5)}) for index in range(100)]
    (group,) = summarise(small_run({"m": value(0.5)}, slices=wide)).slices
    assert len(group.rows) == 24
    assert group.left_out == 76
    assert group.rows[-1].name == "99"
