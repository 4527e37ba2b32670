"""Tests and intervals that hold at every moment: beside a slow oracle, by their invariants, and by how often they are wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.stats.anytime import tuning
from evalkit.stats.sequential import BoundedTest, bernstein_sequence, betting_interval
from evalkit.stats.sequential_unbounded import START, UnboundedTest, reach, unbounded_interval

ALPHA = 0.025
SCORES = st.lists(st.integers(1, 5), min_size=1, max_size=120)


def slow_capital(values: list[float], bound: float, horizons: list[float], alpha: float) -> list[float]:
    """All bettors' capital after every value in [0, 1], wagering on a mean above the bound; as in the paper, one by one."""
    whole = sum(0.5**bettor for bettor in range(len(horizons)))
    capital, told = [0.5**bettor / whole for bettor in range(len(horizons))], []
    seen: list[float] = []
    squares = 0.0
    for value in values:
        variance = (0.25 + squares) / (1.0 + len(seen))
        for bettor, horizon in enumerate(horizons):
            stake = math.sqrt(2.0 * math.log(1.0 / alpha) / (horizon * variance))
            capital[bettor] *= 1.0 + min(stake, 0.75 / bound) * (value - bound)
        seen.append(value)
        squares += (value - (0.5 + sum(seen)) / (1.0 + len(seen))) ** 2
        told.append(sum(capital))
    return told


def slow_decision(values: list[float], bound: float, horizons: list[float]) -> tuple[str, int] | None:
    above = slow_capital(values, bound, horizons, ALPHA)
    below = slow_capital([1.0 - value for value in values], 1.0 - bound, horizons, ALPHA)
    for count, (up, down) in enumerate(zip(above, below), start=1):
        if max(up, down) >= 1.0 / ALPHA:
            return ("above" if up >= 1.0 / ALPHA else "below"), count
    return None


def test_decisions_are_those_of_a_slow_bettor() -> None:
    rng = np.random.default_rng(1)
    for _ in range(40):
        values = rng.beta(*rng.uniform(0.5, 4.0, size=2), size=300)
        bound = float(rng.uniform(0.2, 0.8))
        test = BoundedTest(bound, 0.0, 1.0, ALPHA, horizon=300)
        test.update(values, np.ones(300))
        assert test.found == slow_decision(values.tolist(), bound, [300.0, 75.0])


def test_the_interval_is_what_a_grid_of_slow_bettors_has_not_refuted() -> None:
    values = np.random.default_rng(2).beta(2.0, 1.0, size=120)
    low, high = betting_interval(values, np.ones(120), low=0.0, high=1.0, alpha=ALPHA, horizon=400)
    grid = [at / 200 for at in range(1, 200)]
    horizons = [400.0, 100.0, 25.0]
    kept = [
        bound
        for bound in grid
        if max(slow_capital(values.tolist(), bound, horizons, ALPHA)) < 1 / ALPHA
        and max(slow_capital((1 - values).tolist(), 1 - bound, horizons, ALPHA)) < 1 / ALPHA
    ]
    assert kept[0] - 1 / 200 <= low <= kept[0]
    assert kept[-1] <= high <= kept[-1] + 1 / 200


def test_bernstein_bounds_are_those_of_the_papers_theorem() -> None:
    values = np.random.default_rng(3).beta(1.0, 3.0, size=60)
    lows, highs = bernstein_sequence(values, low=0.0, high=1.0, alpha=ALPHA)
    mean, variance, total, weighted, spent, best = 0.5, 0.25, 0.0, 0.0, 0.0, (0.0, 1.0)
    squares = 0.25
    for t, value in enumerate(values.tolist(), start=1):
        stake = min(math.sqrt(2 * math.log(1 / ALPHA) / (variance * t * math.log(1 + t))), 0.5)
        total, weighted = total + stake, weighted + stake * value
        spent += 4 * (value - mean) ** 2 * (-math.log(1 - stake) - stake) / 4
        half = (math.log(1 / ALPHA) + spent) / total
        best = max(best[0], weighted / total - half), min(best[1], weighted / total + half)
        assert (lows[t - 1], highs[t - 1]) == pytest.approx(best, abs=1e-12)
        mean = (0.5 + values[:t].sum()) / (t + 1)
        squares += (value - mean) ** 2
        variance = squares / (t + 1)


@pytest.mark.parametrize("t", [100, 1_000, 50_000])
def test_the_asymptotic_reach_is_the_boundary_of_a_mixture_of_normal_martingales(t: int) -> None:
    """∫ exp(λS − λ²t/2) 2φ(λ/ρ)/ρ dλ over λ > 0 is at most 1/alpha where S is the boundary, and close to it."""
    from scipy.integrate import quad

    target, alpha = 1_000.0, 0.025
    rho = math.sqrt(tuning(target, 2 * alpha))
    total = t * float(reach(np.array([float(t)]), alpha, target)[0])
    peak = total / (t + 1 / rho**2)

    def density(x: float) -> float:
        return math.exp(x * total - x * x * t / 2 - x * x / (2 * rho**2)) * 2 / math.sqrt(2 * math.pi) / rho

    mixed, _ = quad(density, 0, 20 * peak, points=[peak], limit=500)
    assert 1 / alpha <= mixed <= 1.5 / alpha, "capital at the boundary is at least 1/alpha: the error is at most alpha"


@settings(max_examples=30, deadline=None)
@given(SCORES, st.floats(1.1, 4.9))
def test_a_bound_is_refuted_exactly_when_it_lies_outside_of_the_interval(scores: list[int], bound: float) -> None:
    ones = np.ones(len(scores))
    test = BoundedTest(bound, 1.0, 5.0, ALPHA, horizon=len(scores))
    test.update(scores, ones)
    low, high = betting_interval(scores, ones, low=1.0, high=5.0, alpha=ALPHA, horizon=len(scores))
    assert (test.found is not None) == (bound < low - 1e-9 or bound > high + 1e-9) or min(
        abs(bound - low), abs(bound - high)
    ) < 1e-6


@settings(max_examples=30, deadline=None)
@given(SCORES, st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_fed_in_pieces_or_at_once_it_decides_alike(scores: list[int], cuts: list[int]) -> None:
    whole, pieces = (BoundedTest(2.5, 1.0, 5.0, ALPHA, horizon=100) for _ in range(2))
    whole.update(scores, np.ones(len(scores)))
    for part in np.split(np.array(scores, dtype=float), np.minimum(np.cumsum(cuts), len(scores))):
        pieces.update(part, np.ones(len(part)))
    assert pieces.found == whole.found
    assert pieces.seen <= len(scores)


@settings(max_examples=20, deadline=None)
@given(SCORES)
def test_intervals_never_grow(scores: list[int]) -> None:
    ends = [
        betting_interval(scores[:n], np.ones(n), low=1.0, high=5.0, alpha=ALPHA, horizon=150) for n in range(1, len(scores), 7)
    ]
    for (low, high), (next_low, next_high) in zip(ends, ends[1:]):
        assert next_low >= low - 1e-9
        assert next_high <= high + 1e-9


@settings(max_examples=20, deadline=None)
@given(SCORES, st.floats(0.1, 100.0), st.floats(-50.0, 50.0))
def test_another_unit_of_measurement_gives_the_same_interval_in_it(scores: list[int], factor: float, shift: float) -> None:
    ones, values = np.ones(len(scores)), np.array(scores, dtype=float)
    found = betting_interval(values, ones, low=1.0, high=5.0, alpha=ALPHA, horizon=100)
    moved = betting_interval(
        factor * values + shift, ones, low=factor + shift, high=5.0 * factor + shift, alpha=ALPHA, horizon=100
    )
    assert moved == pytest.approx([factor * end + shift for end in found], abs=1e-6 * max(1.0, factor))
    low, high = betting_interval(-values, ones, low=-5.0, high=-1.0, alpha=ALPHA, horizon=100)
    assert (-high, -low) == pytest.approx(found, abs=1e-9), "turned upside down, likewise"


def test_a_bound_beyond_all_values_is_decided_by_the_first_record_and_one_at_the_end_by_evidence() -> None:
    ones = np.ones(50)
    for bound, found in ((0.0, ("above", 1)), (-1.0, ("above", 1)), (1.5, ("below", 1)), (1.0, None)):
        test = BoundedTest(bound, 0.0, 1.0, ALPHA, horizon=50)
        test.update(ones, ones)
        assert test.found == found


def test_a_value_outside_of_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="outside of 1 to 5"):
        BoundedTest(3.0, 1.0, 5.0, ALPHA, horizon=50).update([3.0, 6.0], [1.0, 1.0])


def test_without_bounds_nothing_is_decided_before_the_hundredth_unit() -> None:
    values = np.random.default_rng(5).normal(10.0, size=200)
    test = UnboundedTest(0.0, ALPHA, horizon=200)
    test.update(values, np.ones(200))
    assert test.found == ("above", START)
    assert all(map(math.isnan, unbounded_interval(values[:99], np.ones(99), alpha=ALPHA, horizon=200)))
    low, high = unbounded_interval(values, np.ones(200), alpha=ALPHA, horizon=200)
    assert low < 10.0 < high


def test_without_bounds_fed_in_pieces_or_at_once_it_decides_alike() -> None:
    values, sizes = np.random.default_rng(6).normal(0.2, size=900), np.random.default_rng(7).integers(1, 4, size=900)
    whole, pieces = (UnboundedTest(0.0, ALPHA, horizon=900) for _ in range(2))
    whole.update(values * sizes, sizes)
    for low in range(0, 900, 25):
        pieces.update(values[low : low + 25] * sizes[low : low + 25], sizes[low : low + 25])
    assert whole.found is not None
    assert pieces.found is not None
    assert pieces.found[0] == whole.found[0]
    assert abs(pieces.found[1] - whole.found[1]) <= 1


# --- how often they are wrong ----------------------------------------------------------------------------------------

Draw = Callable[[np.random.Generator, int], Any]
LIKERT = np.array([0.05, 0.1, 0.2, 0.35, 0.3])
POPULATIONS: dict[str, tuple[Draw, float, float, float]] = {
    "share 0.5": (lambda rng, n: (rng.random(n) < 0.5).astype(float), 0.5, 0.0, 1.0),
    "share 0.95": (lambda rng, n: (rng.random(n) < 0.95).astype(float), 0.95, 0.0, 1.0),
    "beta": (lambda rng, n: rng.beta(2.0, 1.0, size=n), 2 / 3, 0.0, 1.0),
    "scores 1 to 5": (
        lambda rng, n: rng.choice(np.arange(1.0, 6.0), size=n, p=LIKERT),
        float(LIKERT @ np.arange(1, 6)),
        1.0,
        5.0,
    ),
    "skewed": (lambda rng, n: rng.beta(0.05, 0.95, size=n), 0.05, 0.0, 1.0),
    "differences of 0/1": (lambda rng, n: rng.choice([-1.0, 0.0, 1.0], size=n, p=[0.08, 0.84, 0.08]), 0.0, -1.0, 1.0),
}
TRIALS = 300


@pytest.mark.parametrize("name", POPULATIONS)
def test_peeking_after_every_record_is_wrong_in_less_than_5_percent(name: str) -> None:
    """The truth lies exactly at the bound: any decision is wrong. 5 % and three standard errors."""
    draw, mean, low, high = POPULATIONS[name]
    rng, wrong = np.random.default_rng(8), 0
    for _ in range(TRIALS):
        test = BoundedTest(mean, low, high, ALPHA, horizon=2_000)
        test.update(draw(rng, 2_000), np.ones(2_000))
        wrong += test.found is not None
    assert wrong / TRIALS <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / TRIALS)


@pytest.mark.parametrize(
    ("draw", "mean"),
    [
        (lambda rng: rng.lognormal(size=2_000), math.exp(0.5)),
        (lambda rng: -rng.gamma(0.5, size=2_000), -0.5),
        (lambda rng: rng.standard_t(3, size=2_000), 0.0),
    ],
    ids=["lognormal", "gamma, turned", "t3"],
)
def test_without_bounds_peeking_is_wrong_in_less_than_5_percent_even_where_values_are_skewed(draw: Any, mean: float) -> None:
    rng, wrong = np.random.default_rng(12), 0
    for _ in range(TRIALS):
        test = UnboundedTest(mean, ALPHA, horizon=2_000)
        test.update(draw(rng), np.ones(2_000))
        wrong += test.found is not None
    assert wrong / TRIALS <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / TRIALS)


@pytest.mark.parametrize("name", ["share 0.95", "skewed"])
def test_bernstein_bounds_hold_the_mean_at_all_moments_together(name: str) -> None:
    draw, mean, low, high = POPULATIONS[name]
    rng = np.random.default_rng(9)
    lows, highs = bernstein_sequence([draw(rng, 1_000) for _ in range(TRIALS)], low=low, high=high, alpha=ALPHA)
    assert ((lows[:, -1] <= mean) & (mean <= highs[:, -1])).mean() >= 0.95


def test_clusters_that_are_alike_inside_are_wrong_in_less_than_5_percent() -> None:
    """400 clusters of 1 to 8 records, all 0 or all 1; the larger ones are 1 more often, so that size and value go together."""
    rng, wrong = np.random.default_rng(10), 0
    sizes_known = np.arange(1.0, 9.0)
    chance = 0.4 + 0.05 * sizes_known
    mean = float((sizes_known * chance).sum() / sizes_known.sum())
    for _ in range(TRIALS):
        sizes = rng.integers(1, 9, size=400).astype(float)
        sums = sizes * (rng.random(400) < 0.4 + 0.05 * sizes)
        test = BoundedTest(mean, 0.0, 1.0, ALPHA, horizon=400, most=8.0)
        test.update(sums, sizes)
        wrong += test.found is not None
    assert wrong / TRIALS <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / TRIALS)


@pytest.mark.parametrize("name", ["share 0.5", "share 0.95", "scores 1 to 5", "differences of 0/1"])
def test_half_of_2000_records_are_saved_when_the_truth_is_twice_the_margin_away(name: str) -> None:
    """The margin: what a fixed test of 2,000 records finds with 80 % power, 2.80 standard errors of their mean."""
    draw, mean, low, high = POPULATIONS[name]
    rng, used, right = np.random.default_rng(11), [], 0
    margin = 2.8016 * draw(rng, 100_000).std() / math.sqrt(2_000)
    for _ in range(100):
        test = BoundedTest(mean - 2 * margin, low, high, ALPHA, horizon=2_000)
        test.update(draw(rng, 2_000), np.ones(2_000))
        used.append(test.found[1] if test.found else 2_000)
        right += test.found is not None and test.found[0] == "above"
    assert np.mean(used) + 50 <= 1_000, "with two batches under way at the end"
    assert right >= 95
