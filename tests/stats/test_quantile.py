"""Weighted quantiles equal numpy's on repeated values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.stats.quantile import MeanAndQuantiles, mean_and_quantiles, weighted_quantiles

LEVELS = [0.0, 0.05, 0.25, 0.5, 0.95, 0.99, 1.0]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1e9, 1e9), st.integers(0, 4)), min_size=1, max_size=60),
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5),
)
def test_whole_weights_repeat_values_to_the_last_digit(pairs, levels):
    values, counts = (np.array(column) for column in zip(*pairs, strict=True))
    found = weighted_quantiles(values.astype(float), counts[None].astype(float), levels)[0]
    if counts.sum() == 0:
        assert np.isnan(found).all()
    else:
        assert np.array_equal(found, np.quantile(np.repeat(values, counts), levels))


@pytest.mark.parametrize("n", [1, 2, 100, 4_096, 4_097, 50_000])
@pytest.mark.parametrize("ordered", [False, True])
def test_every_size_takes_the_right_road(n, ordered):
    rng = np.random.default_rng(n)
    values = np.round(rng.lognormal(size=n), 2)
    if ordered:
        values.sort()
    weights = rng.poisson(1.0, (4, n)).astype(float)
    weights[0] = 1.0
    weights[1] = 0.0
    found = weighted_quantiles(values, weights, LEVELS)
    assert np.array_equal(found[0], np.quantile(values, LEVELS))
    assert np.isnan(found[1]).all()
    for row in (2, 3):
        repeated = np.repeat(values, weights[row].astype(int))
        if len(repeated):
            assert np.array_equal(found[row], np.quantile(repeated, LEVELS))


def test_nan_values_are_ignored_and_infinite_ones_are_values():
    weights = np.ones((1, 4))
    assert weighted_quantiles(np.array([3.0, np.nan, 1.0, 2.0]), weights, [0.5]) == [[2.0]]
    assert weighted_quantiles(np.array([3.0, np.inf, 1.0, 2.0]), weights, [0.0, 1.0]).tolist() == [[1.0, np.inf]]
    assert np.isnan(weighted_quantiles(np.full(4, np.nan), weights, [0.5])).all()


def test_fractions_of_a_record_move_no_value_past_its_neighbours():
    values = np.array([1.0, 2.0, 3.0])
    found = weighted_quantiles(values, np.array([[0.4, 0.4, 0.4], [2.5, 0.0, 2.5]]), [0.0, 0.5, 1.0])
    assert ((found >= 1.0) & (found <= 3.0)).all()
    assert found[1, 0] == 1.0
    assert found[1, 2] == 3.0


def test_the_mean_stands_before_the_quantiles():
    values = np.array([[10.0], [np.nan], [30.0]])
    found = mean_and_quantiles(values, np.array([[1.0, 5.0, 3.0], [0.0, 1.0, 0.0]]), [0.5])
    assert found[0].tolist() == [25.0, 30.0]
    assert np.isnan(found[1]).all()
    assert np.array_equal(MeanAndQuantiles((0.5,))(values, np.ones((1, 3))), [[20.0, 20.0]])


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="between 0 and 1"):
        weighted_quantiles(np.ones(3), np.ones((1, 3)), [95])
    with pytest.raises(ValueError, match=r"\(b, 3\) is needed"):
        weighted_quantiles(np.ones(3), np.ones((1, 4)), [0.5])
