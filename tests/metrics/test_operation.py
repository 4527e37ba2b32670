"""latency, cost and tokens."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.batch import Batch
from evalkit.metrics.operation import Cost, Latency, Tokens


def corpus(metric, rows, weights=None) -> np.ndarray:
    scored = rows.values[rows.scored()]
    return metric.combine_rows(scored, np.ones((1, len(scored))) if weights is None else np.atleast_2d(weights))[0]


amounts = st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1, max_size=40)


@settings(max_examples=100, deadline=None)
@given(amounts)
def test_mean_and_quantiles_equal_numpys(values):
    rows = Latency().score(Batch({"latency_ms": values}))
    wanted = [np.mean(values), *np.quantile(values, [0.5, 0.95, 0.99])]
    assert corpus(Latency(), rows) == pytest.approx(wanted, rel=1e-12, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 4)), min_size=1, max_size=30))
def test_weights_count_how_often_a_record_was_drawn(pairs):
    values, weights = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    rows = Cost().score(Batch({"cost": values.tolist()}))
    found = corpus(Cost(), rows, weights)
    drawn = np.repeat(values, weights.astype(int))
    if not len(drawn):
        assert np.isnan(found).all()
        return
    assert found == pytest.approx([drawn.mean(), *np.quantile(drawn, [0.5, 0.95, 0.99])], rel=1e-12, abs=1e-12)


def test_the_bare_name_means_the_mean_and_less_is_better():
    for metric in (Latency(), Cost(), Tokens()):
        assert metric.parts == ("mean", "p50", "p95", "p99")
        assert metric.main == "mean"
        assert metric.direction("p95") is False
        assert metric.additive is False


def test_sums_give_the_mean_and_no_quantile():
    rows = Latency().score(Batch({"latency_ms": [10, 30]}))
    assert Latency().combine(rows.values.sum(0)).tolist() == [20, *[pytest.approx(math.nan, nan_ok=True)] * 3]


def test_a_record_stands_with_its_own_value_under_every_part():
    rows = Latency().score(Batch({"latency_ms": [10, None]}))
    assert Latency().record_values(rows).tolist()[0] == [10, 10, 10, 10]
    assert np.isnan(Latency().record_values(rows)[1]).all()


def test_tokens_are_those_of_prompt_and_completion_or_of_one():
    columns = {"prompt_tokens": [100, 5], "completion_tokens": [20, None]}
    rows = Tokens().score(Batch(columns))
    assert rows.values[0, 0] == 120
    assert rows.errors == {1: "no completion_tokens"}
    assert Tokens(which="prompt").needs_of() == ("prompt_tokens",)
    assert Tokens(which="prompt").score(Batch(columns)).values[:, 0].tolist() == [100, 5]
    assert Tokens(which="completion").score(Batch(columns)).values[0, 0] == 20


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (-1, "latency_ms is -1, which is negative"),
        (-0.5, "latency_ms is -0.5, which is negative"),
        ("fast", "latency_ms is 'fast', not a number"),
        ("", "latency_ms is '', not a number"),
        (True, "latency_ms is True, not a number"),
        (math.nan, "latency_ms is nan, not a number"),
        (math.inf, "latency_ms is inf, not a number"),
        (-math.inf, "latency_ms is -inf, not a number"),
        ([1], "latency_ms is [1], not a number"),
        (10**400, None),
        (None, "no latency_ms"),
    ],
)
def test_what_is_no_amount_is_an_error_of_that_record(value, error):
    rows = Latency().score(Batch({"latency_ms": [5, value]}))
    assert list(rows.errors) == [1]
    assert error is None or rows.errors[1] == error
    assert corpus(Latency(), rows).tolist() == [5, 5, 5, 5]


def test_zero_and_a_number_written_as_text_are_amounts():
    assert Latency().score(Batch({"latency_ms": [0, "12.5"]})).values[:, 0].tolist() == [0, 12.5]


def test_nothing_scored_has_no_value():
    rows = Latency().score(Batch({"latency_ms": [None]}))
    assert np.isnan(corpus(Latency(), rows)).all()
