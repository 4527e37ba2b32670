"""Calibration maps and reliability: equal to scikit-learn where it has them, honest where it has not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.stats.calibration import cross_fitted, isotonic, ordinal, reliability


@given(st.integers(0, 10_000), st.integers(1, 60))
def test_the_isotonic_map_is_that_of_scikit_learn(seed: int, n: int) -> None:
    from sklearn.isotonic import IsotonicRegression

    rng = np.random.default_rng(seed)
    x, y, w = rng.integers(0, 12, n).astype(float), rng.normal(size=n), rng.uniform(0.1, 3, n)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(x, y, w)
    at = np.linspace(-2, 14, 40)
    assert isotonic(x, y, w)(at) == pytest.approx(theirs.predict(at), abs=1e-9)


@given(st.integers(0, 10_000))
def test_an_ordinal_map_is_a_distribution_that_rises_with_the_score(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.uniform(1, 5, 40)
    y = np.clip(np.round(x + rng.normal(0, 1, 40)), 1, 5)
    if len(np.unique(y)) < 2:
        return
    found = ordinal(x, y)
    at = np.linspace(0, 6, 25)
    spread = found.distribution(at)
    assert spread.min() >= -1e-9
    assert spread.sum(axis=1) == pytest.approx(1.0)
    assert (np.diff(found.cumulative(at), axis=0) >= -1e-9).all(), "a higher score makes no low label likelier"
    assert (np.diff(found(at)) >= -1e-9).all()
    assert found(x).mean() == pytest.approx(y.mean(), abs=1e-9), "fitted on them, it is right on average"


def test_an_ordinal_map_wants_levels() -> None:
    with pytest.raises(ValueError, match="2 to 12"):
        ordinal([1.0, 2.0], [3.0, 3.0])
    with pytest.raises(ValueError, match="2 to 12"):
        ordinal(np.arange(20.0), np.arange(20.0))


def test_a_map_does_not_flatter_itself_on_noise() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=60), rng.normal(size=60)
    own = float(((isotonic(x, y)(x) - y) ** 2).mean())
    other = float(((cross_fitted(isotonic, x, y, rng=rng) - y) ** 2).mean())
    assert own < y.var() < other


def test_no_record_of_a_cluster_fits_the_map_of_another() -> None:
    seen: list[set[float]] = []

    def fit(x: Any, y: Any) -> Any:
        seen.append(set(y.tolist()))
        return lambda at: np.zeros(len(at))

    clusters = np.repeat(np.arange(10), 3)
    cross_fitted(fit, np.arange(30.0), clusters.astype(float), rng=np.random.default_rng(0), clusters=clusters)
    assert all(len(labels) == 8 for labels in seen), "two whole clusters are left out of each fold"


def test_a_single_unit_has_no_cross_fitted_value() -> None:
    assert np.isnan(cross_fitted(isotonic, [1.0, 2.0], [1.0, 2.0], rng=np.random.default_rng(0), clusters=[0, 0])).all()


def test_a_judge_without_error_has_the_error_that_chance_brings() -> None:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(200):
        p = rng.uniform(0, 1, 300)
        y = (rng.random(300) < p).astype(float)
        one = reliability(p, y, scale=(0.0, 1.0))
        found.append((one.error, one.by_chance))
    error, chance = np.mean(found, axis=0)
    assert error == pytest.approx(chance, rel=0.08)


def test_bins_hold_everything_once_and_equal_scores_stay_together() -> None:
    rng = np.random.default_rng(2)
    for x in (rng.integers(1, 6, 200).astype(float), rng.normal(size=97), np.ones(12)):
        found = reliability(x, x + rng.normal(size=len(x)))
        assert sum(one.n for one in found.bins) == len(x)
        assert all(one.high < other.low for one, other in zip(found.bins, found.bins[1:]))
        assert len(found.bins) <= 10 or len(np.unique(x)) <= 10


def test_the_offset_is_the_mean_difference_and_nothing_labelled_has_no_diagram() -> None:
    assert reliability([2.0, 3.0, 4.0], [1.0, 2.0, 3.0]).offset == pytest.approx(1.0)
    assert math.isnan(reliability([], []).error)
