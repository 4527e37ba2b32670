"""Prediction-powered means against ppi_py, and what they must never do."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.stats.prediction_powered import (
    combined,
    labels_alone,
    labels_needed,
    power_tuning,
    prediction_powered,
)
from evalkit.stats.proportion import wilson
from evalkit.stats.score_interval import score_bounds


@pytest.fixture(scope="module")
def ppi() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("ppi_py")


def made(seed: int, n: int = 60, size: int = 800) -> tuple[Any, Any, Any, np.random.Generator]:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n)
    return y, 0.7 * y + rng.normal(size=n) + 0.4, rng.normal(size=size) + 0.4, rng


@pytest.mark.parametrize("seed", range(8))
def test_the_normal_interval_and_lambda_are_those_of_ppi_py(ppi: Any, seed: int) -> None:
    y, f, u, _ = made(seed, n=20 + 30 * seed, size=100 + 300 * seed)
    for lam in (0.0, 0.5, 1.0):
        ours = prediction_powered(y, f, u, lam=lam, kind="normal", level=0.9)
        theirs = np.ravel(ppi.ppi_mean_ci(y, f, u, alpha=0.1, lam=lam))
        assert (ours.low, ours.high) == pytest.approx(theirs, abs=1e-12)
    tuned = power_tuning(y, f, u)
    ours = prediction_powered(y, f, u, lam=tuned, kind="normal", level=0.9)
    assert (ours.low, ours.high) == pytest.approx(np.ravel(ppi.ppi_mean_ci(y, f, u, alpha=0.1)), abs=1e-12)
    assert ours.value == pytest.approx(float(ppi.ppi_mean_pointestimate(y, f, u)[0]), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_weighted_estimate_is_that_of_ppi_py(ppi: Any, seed: int) -> None:
    y, f, u, rng = made(seed)
    w, v = rng.uniform(0.5, 2.0, len(y)), rng.uniform(0.5, 2.0, len(u))
    lam = power_tuning(y, f, u, weights=w, pool_weights=v)
    theirs = ppi.ppi_mean_pointestimate(y, f, u, w=w, w_unlabeled=v)
    assert prediction_powered(y, f, u, lam=lam, weights=w, pool_weights=v).value == pytest.approx(float(theirs[0]), abs=1e-12)


@given(st.integers(0, 10_000), st.integers(3, 40), st.sampled_from([None, (1.0, 5.0)]))
def test_it_is_never_wider_than_the_labels_alone(seed: int, n: int, scale: tuple[float, float] | None) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(1, 6, n).astype(float)
    f, u = np.clip(y + rng.normal(0, rng.uniform(0, 4), n), 1, 5), rng.uniform(1, 5, rng.integers(1, 200))
    found, alone = prediction_powered(y, f, u, scale=scale), labels_alone(y, scale=scale)
    assert found.high - found.low <= alone.high - alone.low + 1e-12
    assert found.lam >= 0.0
    if scale is not None:
        assert 1.0 <= found.low <= found.value <= found.high <= 5.0


def test_a_perfect_judge_makes_every_judged_record_a_label() -> None:
    rng = np.random.default_rng(0)
    y, u = rng.normal(size=50), rng.normal(size=5_000)
    found, everything = prediction_powered(y, y, u, kind="t"), labels_alone(np.concatenate([y, u]), kind="t")
    assert found.value == pytest.approx(everything.value, abs=2 * everything.stderr), "about the mean over all"
    assert found.stderr < 0.2 * labels_alone(y).stderr


def test_a_judge_of_no_use_leaves_the_labels_as_they_are() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=60)
    alone = labels_alone(y)
    for f, u in ((np.ones(60), np.ones(500)), (-y, -rng.normal(size=500))):
        found = prediction_powered(y, f, u)
        assert found.lam == 0.0
        assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=1e-12)


def test_an_offset_of_the_judge_is_taken_out() -> None:
    y, f, u, _ = made(3)
    straight, shifted = prediction_powered(y, f, u), prediction_powered(y, f + 10.0, u + 10.0)
    assert straight.value == pytest.approx(shifted.value, abs=1e-9)
    assert straight.width == pytest.approx(shifted.width, rel=1e-9)


def test_the_unit_of_the_judge_does_not_matter() -> None:
    y, f, u, _ = made(4)
    plain, tenths = prediction_powered(y, f, u), prediction_powered(y, f / 10 + 3, u / 10 + 3)
    assert (tenths.value, tenths.low, tenths.high) == pytest.approx((plain.value, plain.low, plain.high))
    assert tenths.lam == pytest.approx(10 * plain.lam)
    assert power_tuning(y, f / 10, u / 10) == 1.0, "where ppi_py stops"


def test_labels_that_are_all_alike_still_leave_doubt() -> None:
    found = prediction_powered(np.ones(30), np.ones(30), np.ones(500), scale=(0.0, 1.0))
    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.80 < found.low < 0.95, "thirty passes are no proof of a hundred"


def test_a_score_interval_of_shares_is_close_to_wilsons() -> None:
    y = np.r_[np.ones(170), np.zeros(30)]
    found = labels_alone(y, scale=(0.0, 1.0))
    assert (found.low, found.high) == pytest.approx(tuple(map(float, wilson(170, 200))), abs=0.006)


def test_a_score_interval_in_the_middle_of_a_scale_is_close_to_students() -> None:
    y = np.random.default_rng(0).normal(50, 5, 400)
    score, student = labels_alone(y, scale=(0.0, 100.0)), labels_alone(y)
    assert (score.low, score.high) == pytest.approx((student.low, student.high), abs=0.6)


def test_clusters_of_one_change_nothing_and_copies_tell_nothing_new() -> None:
    y, f, u, rng = made(5)
    plain = prediction_powered(y, f, u, lam=0.5)
    own = prediction_powered(y, f, u, lam=0.5, clusters=(np.arange(60), 1_000 + np.arange(len(u))))
    assert (own.low, own.high) == pytest.approx((plain.low, plain.high), rel=1e-9)
    order = rng.permutation(120)
    twice = prediction_powered(
        np.tile(y, 2)[order], np.tile(f, 2)[order], u, lam=0.5,
        clusters=(np.tile(np.arange(60), 2)[order], 1_000 + np.arange(len(u))),
    )  # fmt: skip
    assert twice.units == 60
    assert twice.width == pytest.approx(plain.width, rel=1e-9), "each record twice is no more than once"


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("lam", [None, 1.0])
def test_without_a_pool_the_labels_are_all_there_is(clustered: bool, lam: float | None) -> None:
    """A run that is labelled to its last record: there is nothing that the judge could add."""
    rng = np.random.default_rng(6)
    y = rng.normal(4.0, 1.0, 60)
    names = (np.arange(60) // 2, np.empty(0, dtype=np.int64)) if clustered else None
    found = prediction_powered(y, y + rng.normal(1.0, 0.3, 60), [], lam=lam, clusters=names)
    alone = labels_alone(y, clusters=names[0] if names else None)
    assert (found.value, found.low, found.high, found.lam) == (alone.value, alone.low, alone.high, 0.0)


def test_one_record_on_both_sides_is_one_unit() -> None:
    """Labels drawn from the run with unequal chances: the pool is the whole run, and nothing is counted as independent twice."""
    y, f, u, _ = made(6)
    everything = np.concatenate([f, u])
    names = np.arange(len(everything))
    nested = prediction_powered(y, f, everything, clusters=(names[:60], names))
    apart = prediction_powered(y, f, u)
    assert nested.value == pytest.approx(apart.value, abs=0.02)
    assert nested.width == pytest.approx(apart.width, rel=0.05)


def test_weights_give_back_the_population_that_was_drawn_from() -> None:
    rng = np.random.default_rng(7)
    population = rng.integers(0, 2, 40_000).astype(float)
    chance = np.where(population > 0, 0.01, 0.04)
    drawn = rng.random(40_000) < chance
    judged = np.where(rng.random(40_000) < 0.9, population, 1 - population)
    names = np.arange(40_000)
    found = prediction_powered(
        population[drawn], judged[drawn], judged, weights=1 / chance[drawn], clusters=(names[drawn], names), scale=(0, 1)
    )
    assert found.low < population.mean() < found.high
    naive = prediction_powered(population[drawn], judged[drawn], judged[~drawn], scale=(0, 1))
    assert not naive.low < population.mean() < naive.high


def test_strata_together_are_their_shares_mean() -> None:
    y, f, u, _ = made(8)
    one, two = prediction_powered(y, f, u), prediction_powered(y + 2, f, u)
    both = combined([one, two], [0.25, 0.75])
    assert both.value == pytest.approx(0.25 * one.value + 0.75 * two.value)
    assert both.stderr == pytest.approx(math.hypot(0.25 * one.stderr, 0.75 * two.stderr))
    assert both.low < both.value < both.high


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_labels_have_no_interval(n: int) -> None:
    found = prediction_powered(np.ones(n) * 2.0, np.ones(n), np.ones(10)) if n else labels_alone(np.empty(0))
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_what_it_is_given_must_be_numbers() -> None:
    with pytest.raises(ValueError, match="leave out what has none"):
        prediction_powered([1.0, math.nan, 2.0], [1.0, 1.0, 1.0], [1.0])
    with pytest.raises(ValueError, match="positive"):
        prediction_powered([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], [1.0], weights=[1.0, 0.0, 1.0])


@given(st.integers(0, 1_000))
def test_the_labels_that_halve_the_interval_do_halve_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 80))
    y = rng.normal(size=n)
    f = y + rng.normal(0, rng.uniform(0.3, 2), n)
    needed = labels_needed(y, f, 20_000)
    assert needed is not None
    rho = float(np.corrcoef(y, f)[0, 1])
    variance = lambda m: (1 - max(rho, 0) ** 2 * (20_000 + n - m) / (20_000 + n)) / m  # noqa: E731
    assert variance(needed) <= variance(n) / 4 < variance(needed - 1)


def test_no_labels_out_of_a_small_run_halve_its_interval() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=50)
    assert labels_needed(y, y + rng.normal(size=50), 40) is None


def test_bounds_never_leave_the_scale_and_meet_the_ends_only_there() -> None:
    for value in np.linspace(1, 5, 9):
        low, high = score_bounds(float(value), 0.02, 40, 2.0, (1.0, 5.0))
        assert 1.0 <= low <= value <= high <= 5.0
        assert (low == 1.0) == (value == 1.0)
        assert (high == 5.0) == (value == 5.0)


def test_fifty_labels_cover_where_the_papers_interval_does_not() -> None:
    """Nine of ten pass: the score interval covers, the normal one of ppi_py falls short (a small simulation, seeded)."""
    rng = np.random.default_rng(11)
    covered = {"score": 0, "normal": 0}
    for _ in range(400):
        y, t = (rng.random(50) < 0.93).astype(float), (rng.random(600) < 0.93).astype(float)
        f, u = (np.where(rng.random(len(one)) < 0.92, one, 1 - one) for one in (y, t))
        for kind in covered:
            found = prediction_powered(y, f, u, scale=(0, 1), kind=kind)  # type: ignore[arg-type]
            covered[kind] += found.low <= 0.93 <= found.high
    assert covered["score"] >= 0.93 * 400
    assert covered["normal"] < 0.91 * 400
