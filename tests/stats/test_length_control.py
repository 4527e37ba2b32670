"""The length-controlled win rate: equal to AlpacaEval's, and blind to what must not move it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from evalkit.stats.length_control import (
    FOLDS,
    PENALTIES,
    chosen_penalty,
    fitted,
    folds_of,
    length_controlled,
    standardised,
)

# seed, records, θ, φ → win rate and length-controlled win rate of alpaca_eval 0.6.6 (scikit-learn 1.9.1) with
# `length_controlled_minimal`, on the data of `made`, in percent.
ALPACA_EVAL = [
    ((1, 100, 0.3, -1.0), 63.5, 60.90048027584006),
    ((2, 805, -0.5, -0.8), 46.33540372670807, 42.12235252886402),
    ((5, 200, -0.2, -0.1), 48.5, 46.751120349220805),
    ((6, 805, -1.0, -0.3), 33.913, 32.572),
    ((7, 805, 0.5, -1.5), 63.851, 59.035),
    ((8, 805, -2.0, -0.5), 17.143, 16.400),
]
DRAWN_TO_HALF = ((9, 805, 0.0, 0.0), 51.242, 50.0)  # lengths say nothing, and it says that the records do not either


def made(seed: int, n: int, theta: float, phi: float) -> tuple[np.ndarray, np.ndarray]:
    """Preferences, and by how much the model's answers are shorter."""
    rng = np.random.default_rng(seed)
    model, baseline = rng.integers(20, 2000, n), rng.integers(20, 1500, n)
    shorter = (baseline - model).astype(float)
    p = 1 / (1 + np.exp(-(theta + phi * np.tanh(shorter / shorter.std(ddof=1)))))
    return np.where(rng.random(n) < 0.15, 0.5, (rng.random(n) < p).astype(float)), shorter


def value(preference: np.ndarray, shorter: np.ndarray, weight: np.ndarray | None = None) -> float:
    weight = np.ones(len(preference)) if weight is None else weight
    return float(length_controlled(preference, weight, shorter, np.ones((1, len(preference))))[0])


@pytest.mark.parametrize(("data", "raw", "published"), ALPACA_EVAL)
def test_it_is_alpaca_evals_within_what_its_penalty_on_the_win_rate_takes(data: tuple, raw: float, published: float) -> None:
    preference, shorter = made(*data)
    assert 100 * preference.mean() == pytest.approx(raw, abs=1e-3)
    assert 100 * value(preference, shorter) == pytest.approx(published, abs=0.1)


def test_where_lengths_say_nothing_the_win_rate_stays() -> None:
    data, raw, published = DRAWN_TO_HALF
    assert published == 50
    assert 100 * value(*made(*data)) == pytest.approx(raw, abs=0.2)


def test_few_records_leave_the_value_uncertain() -> None:
    preference, shorter = np.repeat([0.5, 0.0], [9, 1]), np.arange(10.0)
    draws = np.random.default_rng(0).multinomial(10, np.full(10, 0.1), size=200).astype(float)
    found = length_controlled(preference, np.ones(10), shorter, draws)
    assert np.quantile(found, 0.975) - np.quantile(found, 0.025) > 0.1


@pytest.mark.parametrize("penalty", [0.01, 0.4, 20.0, 1e4])
def test_the_fit_is_the_minimum_that_a_general_optimiser_finds(penalty: float) -> None:
    preference, _ = made(3, 60, 0.4, -0.7)
    rng = np.random.default_rng(0)
    weight, feature = rng.integers(0, 4, (3, 60)).astype(float), np.tanh(rng.normal(size=(3, 60)))
    for row, found in enumerate(fitted(preference, weight, feature, penalty)):

        def total(parts: np.ndarray, row: int = row) -> float:
            theta, phi = parts[0], parts[1] - parts[2]  # |x| is smooth in halves that are not negative
            z = theta + phi * feature[row]
            return float(parts[1:].sum() + penalty * (weight[row] * (np.logaddexp(0, z) - preference * z)).sum())

        best = minimize(
            total,
            np.full(3, 0.1),
            bounds=[(None, None), (0, None), (0, None)],
            method="L-BFGS-B",
            options={"ftol": 1e-15, "gtol": 1e-10},
        )
        assert found == pytest.approx([best.x[0], best.x[1] - best.x[2]], abs=2e-4)
        ours = np.array([found[0], max(found[1], 0), max(-found[1], 0)])
        assert total(ours) <= best.fun + 1e-9


def test_the_penalty_is_what_a_plain_cross_validation_chooses() -> None:
    preference, shorter = made(1, 100, 0.3, -1.0)
    feature, folds = standardised(shorter, np.ones((1, 100)))[0], folds_of(preference, shorter)
    losses = []
    for penalty in PENALTIES:
        each = []
        for fold in range(FOLDS):
            out = folds == fold
            theta, phi = fitted(preference[~out], np.ones((1, (~out).sum())), feature[None, ~out], penalty)[0]
            p = 1 / (1 + np.exp(-(theta + phi * feature[out])))
            each.append(-(preference[out] * np.log(p) + (1 - preference[out]) * np.log(1 - p)).mean())
        losses.append(np.mean(each))
    assert chosen_penalty(preference, np.ones(100), shorter) == PENALTIES[int(np.argmin(losses))]


def test_a_judge_who_only_likes_length_finds_no_winner() -> None:
    rng = np.random.default_rng(4)
    shorter = np.where(rng.random(400) < 0.8, -1.0, 1.0) * rng.integers(50, 800, 400)  # four of five are longer
    preference = (shorter < 0).astype(float) * 0.8 + 0.1
    assert preference.mean() > 0.68
    assert value(preference, shorter) == pytest.approx(0.5, abs=0.05)


def test_without_a_difference_in_length_it_is_the_win_rate() -> None:
    preference = np.repeat([0.0, 0.5, 1.0], [300, 100, 600])
    assert value(preference, np.zeros(1000)) == pytest.approx(0.65, abs=1e-9)
    assert value(preference, np.full(1000, -7.0)) == pytest.approx(0.65, abs=1e-9)


rows = st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.integers(-3000, 3000)), min_size=5, max_size=40)


@settings(max_examples=30, deadline=None)
@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_the_records_does_not_matter(records: list[tuple[float, int]], random) -> None:
    preference, shorter = np.array(records, dtype=float).T
    order = np.array(random.sample(range(len(records)), len(records)))
    assert value(preference[order], shorter[order]) == pytest.approx(value(preference, shorter), abs=1e-7)


@settings(deadline=None)
@given(rows)
def test_exchanging_the_two_models_gives_the_rest_of_the_wins(records: list[tuple[float, int]]) -> None:
    preference, shorter = np.array(records, dtype=float).T
    feature = standardised(shorter, np.ones((1, len(shorter))))
    one = fitted(preference, np.ones((1, len(shorter))), feature, 3.0)
    two = fitted(1 - preference, np.ones((1, len(shorter))), -feature, 3.0)
    assert two[:, 1] == pytest.approx(one[:, 1], abs=1e-5)
    assert np.tanh(two[:, 0]) == pytest.approx(-np.tanh(one[:, 0]), abs=1e-6), "a clean sweep has no finite constant"


@settings(deadline=None)
@given(rows, st.integers(1, 5))
def test_a_record_drawn_twice_counts_as_two(records: list[tuple[float, int]], times: int) -> None:
    preference, shorter = np.array(records, dtype=float).T
    n = len(records)
    drawn = np.ones(n)
    drawn[0] = times
    twice = np.repeat(np.arange(n), drawn.astype(int))
    feature = standardised(shorter, drawn[None])
    assert feature[:, twice] == pytest.approx(standardised(shorter[twice], np.ones((1, len(twice)))), abs=1e-9)
    one = fitted(preference, drawn[None], feature, 2.0)
    two = fitted(preference[twice], np.ones((1, len(twice))), feature[:, twice], 2.0)
    assert np.tanh(one) == pytest.approx(np.tanh(two), abs=1e-6)


def test_few_records_have_none_and_a_draw_of_nothing_has_none() -> None:
    ones = np.ones(4)
    assert np.isnan(length_controlled(ones, ones, ones, np.ones((2, 4)))).all()
    found = length_controlled(np.ones(6), np.ones(6), np.arange(6.0), np.array([[1.0] * 6, [0.0] * 6]))
    assert np.isnan(found).tolist() == [False, True]


@pytest.mark.parametrize("preference", [0.0, 1.0])
def test_a_clean_sweep_is_one_whatever_the_lengths(preference: float) -> None:
    assert value(np.full(20, preference), np.arange(20.0)) == pytest.approx(preference, abs=1e-6)
