"""Rogan and Gladen's correction: published figures, and what it cannot do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit.stats.rogan_gladen import rogan_gladen, rogan_gladen_of


def test_the_figures_of_llm_judge_agreement() -> None:
    """Its page: people fail 40, of which the judge passes 10; people pass 80, of which it fails 2; 320 of 400 pass."""
    found = rogan_gladen(320, 400, 78, 80, 30, 40)
    assert (found.sensitivity, found.specificity) == (0.975, 0.75)
    assert round(100 * found.value, 1) == 75.9
    assert (round(100 * found.low, 1), round(100 * found.high, 1)) == (67.3, 84.1)


def test_a_perfect_judge_is_not_corrected() -> None:
    assert rogan_gladen(70, 100, 50, 50, 50, 50).value == pytest.approx(0.7)


def test_records_and_counts_come_to_the_same() -> None:
    y = np.r_[np.ones(80), np.zeros(40)]
    f = np.r_[np.ones(78), np.zeros(2), np.ones(10), np.zeros(30)]
    u = np.r_[np.ones(320 - 88), np.zeros(400 - 320 - 32)]
    assert rogan_gladen_of(y, f, u) == rogan_gladen(320, 400, 78, 80, 30, 40)


@pytest.mark.parametrize(
    "told",
    [(50, 100, 5, 10, 5, 10), (50, 100, 2, 10, 3, 10), (50, 100, 0, 0, 5, 10), (50, 100, 5, 10, 0, 0), (0, 0, 1, 2, 1, 2)],
)
def test_a_judge_that_does_not_tell_passes_from_failures_has_no_correction(told: tuple[int, ...]) -> None:
    found = rogan_gladen(*told)
    assert math.isnan(found.value)
    assert math.isnan(found.low)


def test_it_stays_between_0_and_1() -> None:
    found = rogan_gladen(14, 100, 18, 20, 17, 20)
    assert found.value == found.low == 0.0
    assert 0.0 < found.high < 0.3


def test_passes_that_no_true_share_could_give_have_no_interval() -> None:
    found = rogan_gladen(2, 1_000, 180, 200, 160, 200)
    assert found.value == 0.0
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_others_than_verdicts_are_refused() -> None:
    with pytest.raises(ValueError, match="0 or 1"):
        rogan_gladen_of([1, 0, 1], [1, 0.5, 0], [1])


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(400):
        y = (rng.random(500) < 0.7).astype(float)
        f = np.where(rng.random(500) < np.where(y > 0, 0.9, 0.8), y, 1 - y)
        found = rogan_gladen_of(y[:100], f[:100], f[100:])
        hits += found.low <= 0.7 <= found.high
    assert hits >= 0.93 * 400
