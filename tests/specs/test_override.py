"""--set key=value."""

from __future__ import annotations

import pytest

from evalkit.core.errors import SpecError
from evalkit.specs.override import split_overrides

SUITE = "metrics: [{contains: {mode: all}}, exact_match]\n"


def test_values_are_yaml_and_lists_are_entered_by_index_or_by_a_metrics_name(load):
    suite = load(
        SUITE,
        overrides={
            "dataset.limit": "3",
            "metrics.0.ignore_case": "true",
            "metrics.exact_match.ignore_case": "true",
            "slices": "[tag]",
            "budget.max_calls": "7",
        },
    )
    assert suite.dataset.limit == 3
    assert suite.metrics[0].metric.options() == {"mode": "all", "ignore_case": True}
    assert suite.metrics[1].metric.options()["ignore_case"] is True
    assert suite.slices == ("tag",)
    assert suite.budget == {"max_calls": 7}


def test_an_override_may_bring_a_short_form_or_replace_a_whole_section(load):
    assert [spec.label for spec in load(SUITE, overrides={"metrics": "[rouge, {regex: {pattern: a}}]"}).metrics] == [
        "rouge",
        "regex",
    ]
    assert load(SUITE, overrides={"metrics.0": "json_valid"}).metrics[0].label == "json_valid"
    assert load(SUITE, overrides={"dataset": "'-'"}).dataset.path == "-"


def test_values_from_python_are_taken_as_they_stand(load):
    assert load(SUITE, overrides={"dataset.limit": 2, "name": "other"}).name == "other"
    with pytest.raises(SpecError, match=r"--set seed=a list: seed wants a whole number"):
        load(SUITE, overrides={"seed": [1]})


def test_a_null_takes_a_key_back(load):
    assert load(f"{SUITE}seed: 5\n", overrides={"seed": "null"}).seed == 0


def test_pairs_without_equals_are_told_all_at_once():
    assert split_overrides(["a=1", "b.c=x=y"]) == {"a": "1", "b.c": "x=y"}
    with pytest.raises(SpecError) as told:
        split_overrides(["a", "b=1", "=c"])
    assert [problem.where for problem in told.value.problems] == ["--set a", "--set =c"]


def test_a_problem_with_an_overridden_value_is_blamed_on_the_override(load):
    with pytest.raises(SpecError) as told:
        load("metrics: [exact_match]\nseed: 1\n", overrides={"seed": "x"})
    assert str(told.value).startswith("--set seed=x: seed wants a whole number")
