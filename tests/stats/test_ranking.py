"""Bradley-Terry strengths against scikit-learn, their covariance, and what games cannot tell."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from evalkit.stats.ranking import rank, rank_wins, style_features

NAMES = ("base", "small", "large", "tuned")


def games(n=800, seed=0, slope=0.0):
    """Random games of four players about n / 4 prompts, ties included, with one feature."""
    rng = np.random.default_rng(seed)
    strength = np.array([0.0, -0.7, 0.9, 0.4])
    first = rng.integers(0, 4, n)
    second = (first + rng.integers(1, 4, n)) % 4
    feature = rng.normal(size=(n, 1))
    odds = strength[first] - strength[second] + slope * feature[:, 0]
    score = np.where(rng.random(n) < 0.2, 0.5, rng.random(n) < 1 / (1 + np.exp(-odds))).astype(float)
    return first, second, score, rng.integers(0, n // 4, n), feature


def design(first, second, features=None):
    x = np.zeros((len(first), 4))
    x[np.arange(len(first)), first] += 1
    x[np.arange(len(first)), second] -= 1
    return x[:, 1:] if features is None else np.hstack([x[:, 1:], features])


def sklearns(x, score, weights=None):
    """Ties as half a win each, by duplicated rows."""
    weights = np.ones(len(x)) if weights is None else weights
    doubled = np.concatenate([weights * score, weights * (1 - score)])
    fit = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-12, max_iter=2_000)
    fit.fit(np.concatenate([x, x]), np.repeat([1, 0], len(x)), sample_weight=doubled)
    return fit.coef_[0]


def test_strengths_are_scikit_learns():
    first, second, score, _, _ = games()
    weights = np.random.default_rng(1).integers(1, 4, len(first)).astype(float)
    ours = rank(first, second, score, players=NAMES, weights=weights)
    assert ours.strength[0] == 0.0
    assert ours.strength[1:] == pytest.approx(sklearns(design(first, second), score, weights), abs=1e-5)


def test_strengths_at_equal_style_are_scikit_learns_with_the_feature_as_a_column():
    first, second, score, _, feature = games(slope=0.8)
    ours = rank(first, second, score, players=NAMES, features=feature)
    theirs = sklearns(design(first, second, feature), score)
    assert np.append(ours.strength[1:], ours.style) == pytest.approx(theirs, abs=1e-5)
    assert ours.style[0] > 0.4


def test_errors_are_statsmodels_clustered_by_prompt():
    first, second, score, prompts, _ = games()
    fit = GLM(score, design(first, second), family=Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": prompts, "use_correction": False}
    )
    ours = rank(first, second, score, players=NAMES, prompts=prompts)
    clusters = len(np.unique(prompts))
    assert ours.df == clusters - 1
    assert ours.strength[1:] == pytest.approx(fit.params, abs=1e-6)
    expected = fit.cov_params() * clusters / (clusters - 1)
    assert ours.covariance[1:, 1:] == pytest.approx(expected, rel=1e-5)
    assert ours.covariance[0].tolist() == [0.0] * 4


def test_a_matrix_of_wins_is_its_games_in_any_order_of_players():
    first, second, score, _, _ = games()
    wins = np.zeros((4, 4))
    np.add.at(wins, (first, second), score)
    np.add.at(wins, (second, first), 1 - score)
    by_games, by_wins = rank(first, second, score, players=NAMES), rank_wins(wins, players=NAMES)
    assert by_wins.strength == pytest.approx(by_games.strength, abs=1e-8)
    assert by_wins.games == pytest.approx(by_games.games)
    order = [2, 0, 3, 1]
    turned = rank_wins(wins[np.ix_(order, order)], players=[NAMES[at] for at in order], baseline=1)
    assert turned.strength == pytest.approx(by_wins.strength[order], abs=1e-8)


def test_two_players_have_their_win_rate_and_elos_scale():
    ours = rank_wins([[0, 30], [60, 0]], players=("base", "other"))
    share, low, high = ours.chance(1, 0)
    assert share == pytest.approx(2 / 3)
    assert low < 2 / 3 < high
    assert ours.elo(ours.strength)[1] == pytest.approx(1000 + 400 * math.log10(2))
    assert ours.elo(ours.strength)[0] == 1000.0
    assert ours.chance(0, 0) == (0.5, 0.5, 0.5)
    bounds = ours.bounds()
    assert bounds[0][0] == bounds[1][0] == 0.0
    assert low == pytest.approx(1 / (1 + math.exp(-bounds[0][1])))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_naming_a_game_the_other_way_round_changes_nothing(seed):
    first, second, score, prompts, _ = games(120, seed)
    rng = np.random.default_rng(seed)
    counts = rng.poisson(30, (2, 120, 2))
    turned = rng.random(120) < 0.5
    a = rank(first, second, score, players=NAMES, prompts=prompts, features=style_features(*counts))
    swapped = np.where(turned[:, None], counts[1], counts[0]), np.where(turned[:, None], counts[0], counts[1])
    b = rank(
        np.where(turned, second, first), np.where(turned, first, second), np.where(turned, 1 - score, score),
        players=NAMES, prompts=prompts, features=style_features(*swapped),
    )  # fmt: skip
    assert b.strength == pytest.approx(a.strength, abs=1e-8, nan_ok=True)
    assert b.style == pytest.approx(a.style, abs=1e-8, nan_ok=True)
    assert b.covariance == pytest.approx(a.covariance, abs=1e-8, nan_ok=True)


def test_intervals_cover_strengths_when_prompts_go_together():
    rng = np.random.default_rng(5)
    held = []
    for _ in range(300):
        prompts = np.repeat(np.arange(60), 4)
        mood = np.repeat(rng.normal(0.0, 1.5, 60), 4)  # a prompt suits one of both
        odds = np.log(0.6 / 0.4) * 1.4 + mood
        score = (rng.random(240) < 1 / (1 + np.exp(-odds))).astype(float)
        found = rank(np.ones(240, int), np.zeros(240, int), score, players=("base", "other"), prompts=prompts)
        held.append(found.chance(1, 0)[1:])
    mood = rng.normal(0.0, 1.5, 2_000_000)
    truth = np.mean(1 / (1 + np.exp(-(np.log(0.6 / 0.4) * 1.4 + mood))))
    assert 0.92 <= np.mean([low <= truth <= high for low, high in held]) <= 0.98


def test_what_games_cannot_tell_has_a_reason_and_the_others_keep_their_strengths():
    first, second, score, _, _ = games()
    names = (*NAMES, "champion", "loser", "stranger", "strangers friend")
    more_first = np.array([4, 4, 5, 6, 7])
    more_second = np.array([0, 2, 1, 7, 6])
    more_score = np.array([1.0, 1.0, 0.0, 1.0, 1.0])
    whole = rank(np.append(first, more_first), np.append(second, more_second), np.append(score, more_score), players=names)
    alone = rank(first, second, score, players=NAMES)
    assert whole.strength[:4] == pytest.approx(alone.strength)
    assert np.isnan(whole.strength[4:]).all()
    assert whole.why[:4] == ("", "", "", "")
    assert "won every game" in whole.why[4]
    assert "lost every game" in whole.why[5]
    assert "no game joins it with base" in whole.why[6]
    assert all(map(math.isnan, whole.chance(4, 0)))


def test_a_baseline_that_lost_every_game_leaves_nothing_to_rate():
    ours = rank_wins([[0, 0], [5, 0]], players=("base", "other"))
    assert ours.strength[0] == 0.0
    assert math.isnan(ours.strength[1])
    assert "won every game" in ours.why[1]


def test_features_that_tell_every_winner_leave_no_strength():
    first, second, score, _, _ = games(200)
    feature = np.where(score == 1.0, 1.0, np.where(score == 0.0, -1.0, 0.0))[:, None]
    kept = score != 0.5
    ours = rank(first[kept], second[kept], score[kept], players=NAMES, features=feature[kept])
    assert np.isnan(ours.strength[1:]).all()
    assert "features tell the winner" in ours.why[1]


def test_features_that_never_differ_change_nothing():
    first, second, score, _, _ = games()
    same = np.full((len(first), 1), 7.0)
    ours = rank(first, second, score, players=NAMES, features=style_features(same, same))
    assert ours.strength == pytest.approx(rank(first, second, score, players=NAMES).strength)
    assert ours.style.tolist() == [0.0]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda: rank([0], [0], [1.0], players=NAMES), "against itself"),
        (lambda: rank([0], [9], [1.0], players=NAMES), "numbered from 0 to 3"),
        (lambda: rank([0], [1], [1.5], players=NAMES), "between 0 and 1"),
        (lambda: rank([0, 1], [1], [1.0], players=NAMES), "one entry per game"),
        (lambda: rank_wins([[0, 1]], players=NAMES), "must be a square"),
        (lambda: style_features([[1.0]], [[-1.0]]), "not be negative"),
    ],
)
def test_what_is_no_game_is_told(wrong, why):
    with pytest.raises(ValueError, match=why):
        wrong()
