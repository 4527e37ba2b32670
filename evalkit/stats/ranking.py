"""Bradley-Terry strengths of those who met in pairs, with intervals that know which prompts they shared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.stats.normal import student_quantile
from evalkit.stats.sums import Floats

Indices = NDArray[np.int64]

_ELO = 400.0 / math.log(10.0)
_ROUNDS = 100
_FARTHEST = 40.0  # log odds: beyond, one side always wins


@dataclass(frozen=True)
class Ranking:
    """Strengths in log odds against the baseline, whose own is 0; NaN with a reason where games do not tell one."""

    strength: Floats  # (players,)
    covariance: Floats  # (players, players); zero for the baseline
    df: float  # prompts - 1
    games: Floats  # (players,)
    why: tuple[str, ...]  # (players,): "" where there is a strength
    style: Floats  # (features,): log odds for a standard deviation of each feature; 0 where it does not vary
    baseline: int
    level: float

    @property
    def stderr(self) -> Floats:
        """Of the strengths, (players,)."""
        return np.sqrt(np.diag(self.covariance))

    def bounds(self) -> tuple[Floats, Floats]:
        """Low and high of the strengths, each (players,); they meet at the baseline's 0."""
        reach = student_quantile((1.0 + self.level) / 2.0, self.df) if self.df > 0.0 else math.nan
        wide = np.where(np.arange(len(self.strength)) == self.baseline, 0.0, reach * self.stderr)
        return self.strength - wide, self.strength + wide

    def elo(self, strength: Floats | float, anchor: float = 1000.0) -> Floats:
        """A strength on Elo's scale (base 10, 400 points to tenfold odds), the baseline at ``anchor``."""
        return np.asarray(anchor + _ELO * np.asarray(strength, dtype=np.float64))

    def chance(self, one: int, other: int) -> tuple[float, float, float]:
        """That ``one`` beats ``other``, with its interval; ties count half."""
        apart = float(self.strength[one] - self.strength[other])
        spread = self.covariance[one, one] + self.covariance[other, other] - 2.0 * self.covariance[one, other]
        reach = student_quantile((1.0 + self.level) / 2.0, self.df) if self.df > 0.0 else math.nan
        wide = reach * math.sqrt(max(float(spread), 0.0)) if one != other else 0.0
        return _share(apart), _share(apart - wide), _share(apart + wide)


def rank(
    first: ArrayLike,
    second: ArrayLike,
    score: ArrayLike,
    *,
    players: Sequence[str],
    baseline: int = 0,
    prompts: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    features: ArrayLike | None = None,
    level: float = 0.95,
) -> Ranking:
    """Strengths by maximum likelihood from n games: log odds of a win are the difference of two strengths.

    Errors are those of the sandwich over prompts, so that games about one prompt (both orders, many players) count as one
    draw, with the factor C / (C - 1) and Student's t on C - 1 degrees of freedom. A likelihood has its maximum where every
    two players are joined by a chain of wins or ties in both directions (Ford 1957). Those joined with the baseline so are
    rated from their games with each other; for any other the reason is told: it met none of them, or it won (lost) every
    game against them, and its strength has no bound.

    Args:
        first, second: (n,) places in ``players``.
        score: (n,) from 0 to 1: 1 where the first won, a half for a tie.
        players: their names.
        baseline: whose strength is 0.
        prompts: (n,) labels; None: each game is about a prompt of its own.
        weights: (n,) ≥ 0, as of verdicts that count threefold.
        features: (n, f) of the first less the second (`style_features`), so that strengths are those of equal style.

    Source: Bradley & Terry (1952); sandwich: White (1982), Liang & Zeger (1986). The fit is scikit-learn's
    ``LogisticRegression(penalty=None, fit_intercept=False)`` with ties as half a win each.
    """
    one, two = (np.asarray(side, dtype=np.int64) for side in (first, second))
    won, n, k = np.asarray(score, dtype=np.float64), len(one), len(players)
    heavy = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    style = np.zeros((n, 0)) if features is None else np.asarray(features, dtype=np.float64)
    _checked(one, two, won, heavy, style, k, baseline)
    labels = np.arange(n) if prompts is None else np.unique(np.asarray(prompts), return_inverse=True)[1]
    games = np.asarray(np.bincount(one, heavy, k) + np.bincount(two, heavy, k), dtype=np.float64)
    why, rated = _joined(one, two, won, heavy, list(players), baseline)
    inside = rated[one] & rated[two] & (heavy > 0.0)
    nothing = np.full(k, np.nan)
    if rated.sum() < 2:
        strength = np.where(np.arange(k) == baseline, 0.0, np.nan)
        told = ["" if at == baseline else reason for at, reason in enumerate(why)]
        return Ranking(
            strength, np.diag(strength), math.nan, games, tuple(told), np.full(style.shape[1], np.nan), baseline, level
        )
    free = [at for at in np.flatnonzero(rated).tolist() if at != baseline]
    varies = [j for j in range(style.shape[1]) if style[inside, j].any()]
    design = np.zeros((int(inside.sum()), len(free) + len(varies)))
    rows = np.arange(len(design))
    column = np.full(k, -1)
    column[free] = np.arange(len(free))
    for side, sign in ((one[inside], 1.0), (two[inside], -1.0)):
        known = column[side] >= 0
        design[rows[known], column[side][known]] += sign
    design[:, len(free) :] = style[inside][:, varies]
    fitted = _fit(design, won[inside], heavy[inside])
    covariance = np.full((k, k), np.nan)
    slopes = np.zeros(style.shape[1])
    if fitted is None:
        reason = "the features tell the winner of every game, or of all that matter: no strength remains"
        told = [why[at] or ("" if at == baseline else reason) for at in range(k)]
        strength = np.where(np.arange(k) == baseline, 0.0, nothing)
        return Ranking(strength, covariance, math.nan, games, tuple(told), np.full(style.shape[1], np.nan), baseline, level)
    found, chance = fitted
    spread, clusters = _sandwich(design, won[inside], heavy[inside], chance, labels[inside])
    strength = nothing
    strength[baseline] = 0.0
    strength[free] = found[: len(free)]
    covariance[np.ix_(rated, rated)] = 0.0
    covariance[np.ix_(free, free)] = spread[: len(free), : len(free)]
    slopes[varies] = found[len(free) :]
    return Ranking(strength, covariance, clusters - 1.0, games, tuple(why), slopes, baseline, level)


def rank_wins(wins: ArrayLike, *, players: Sequence[str], baseline: int = 0, level: float = 0.95) -> Ranking:
    """`rank` from a matrix: ``wins[i, j]`` (k, k) games that i won against j, ties half on either side.

    Halves are told as what they are, half a win each; every game counts as a prompt of its own.
    """
    table = np.asarray(wins, dtype=np.float64)
    if table.shape != (len(players), len(players)) or (table < 0.0).any():
        raise ValueError(f"wins must be a square of {len(players)} players without negative counts, not {table.shape}")
    one, two = np.nonzero(np.floor(table))
    counts = np.floor(table)[one, two].astype(np.int64)
    half_one, half_two = np.nonzero(np.triu(table - np.floor(table)))
    parts = (table - np.floor(table))[half_one, half_two]
    first = np.concatenate([np.repeat(one, counts), half_one])
    second = np.concatenate([np.repeat(two, counts), half_two])
    score = np.concatenate([np.ones(int(counts.sum())), np.full(len(parts), 0.5)])
    weights = np.concatenate([np.ones(int(counts.sum())), 2.0 * parts])
    return rank(first, second, score, players=players, baseline=baseline, weights=weights, level=level)


def style_features(a: ArrayLike, b: ArrayLike) -> Floats:
    """What of style sets the first answer apart from the second: (n, f) counts of each to (n, f) features.

    (a - b) / (a + b + 1), over its root mean square: that is its z-score where every game counts in both orders, so that
    naming the answers the other way round turns the sign and nothing else. 0 where a count never differs.

    Source: Arena-Hard-Auto's style control (Li et al. 2024), there with the mean of one order subtracted and a penalised fit.
    """
    one, two = (np.asarray(side, dtype=np.float64) for side in (a, b))
    if one.ndim != 2 or one.shape != two.shape or (one < 0.0).any() or (two < 0.0).any():
        raise ValueError(f"counts of both answers must align and not be negative; they have shapes {one.shape} and {two.shape}")
    apart = (one - two) / (one + two + 1.0)
    spread = np.sqrt((apart**2).mean(axis=0)) if len(apart) else np.zeros(apart.shape[1])
    scaled: Floats = np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 0.0)
    return scaled


def _share(log_odds: float) -> float:
    if math.isnan(log_odds):
        return math.nan
    return 1.0 / (1.0 + math.exp(-log_odds)) if log_odds > -700.0 else 0.0


def _joined(
    one: Indices, two: Indices, won: Floats, weights: Floats, players: list[str], baseline: int
) -> tuple[list[str], NDArray[np.bool_]]:
    """Why each player has no strength, and who is joined with the baseline in both directions."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order, connected_components

    k = len(players)
    ahead = (won > 0.0) & (weights > 0.0), (won < 1.0) & (weights > 0.0)
    above = np.concatenate([one[ahead[0]], two[ahead[1]]])
    below = np.concatenate([two[ahead[0]], one[ahead[1]]])
    beats = coo_array((np.ones(len(above)), (above, below)), shape=(k, k)).tocsr()
    _, strong = connected_components(beats, directed=True, connection="strong")
    _, weak = connected_components(beats, directed=True, connection="weak")
    rated = strong == strong[baseline]
    beaten = set(breadth_first_order(beats, baseline, directed=True, return_predecessors=False).tolist())
    why = []
    for at in range(k):
        if rated[at]:
            why.append("")
        elif weak[at] != weak[baseline]:
            why.append(f"no game joins it with {players[baseline]}, not even through others")
        elif at in beaten:
            why.append(
                "it, or all that it is joined with, lost every game against those rated: its strength has no lower bound"
            )
        elif baseline in set(breadth_first_order(beats, at, directed=True, return_predecessors=False).tolist()):
            why.append("it, or all that it is joined with, won every game against those rated: its strength has no upper bound")
        else:
            why.append("games join it with those rated only through wins, or losses, of others that have no strength")
    return why, rated


def _fit(design: Floats, won: Floats, weights: Floats) -> tuple[Floats, Floats] | None:
    """Newton's method with halved steps: coefficients and chances; None where the likelihood has no maximum."""

    def likelihood(at: Floats) -> float:
        odds = design @ at
        return float(weights @ (won * odds - np.logaddexp(0.0, odds)))

    found = np.zeros(design.shape[1])
    best = likelihood(found)
    for _ in range(_ROUNDS):
        chance = 1.0 / (1.0 + np.exp(-np.clip(design @ found, -700.0, 700.0)))
        slope = design.T @ (weights * (won - chance))
        curve = (design * (weights * chance * (1.0 - chance))[:, None]).T @ design
        try:
            step = np.linalg.solve(curve, slope)
        except np.linalg.LinAlgError:
            return None
        if not np.isfinite(step).all() or np.abs(design @ found).max(initial=0.0) > _FARTHEST:
            return None
        if np.abs(step).max() < 1e-10:
            return found + step, chance
        for _ in range(30):
            reached = likelihood(found + step)
            if reached >= best - 1e-12 * abs(best):
                break
            step = step / 2.0
        found, best = found + step, reached
    return None


def _sandwich(design: Floats, won: Floats, weights: Floats, chance: Floats, labels: Indices) -> tuple[Floats, int]:
    """The covariance of the coefficients, and over how many prompts it was told."""
    curve = np.linalg.inv((design * (weights * chance * (1.0 - chance))[:, None]).T @ design)
    _, codes = np.unique(labels, return_inverse=True)
    clusters = int(codes.max()) + 1
    scores = design * (weights * (won - chance))[:, None]
    sums = np.stack([np.bincount(codes, column, clusters) for column in scores.T], axis=1)
    factor = clusters / (clusters - 1.0) if clusters > 1 else math.nan
    spread: Floats = factor * curve @ (sums.T @ sums) @ curve
    return spread, clusters


def _checked(one: Indices, two: Indices, won: Floats, weights: Floats, style: Floats, k: int, baseline: int) -> None:
    n = len(one)
    if not len(two) == len(won) == len(weights) == len(style) == n:
        raise ValueError("first, second, score, weights and features need one entry per game")
    if not 0 <= baseline < k or (n and (min(one.min(), two.min()) < 0 or max(one.max(), two.max()) >= k)):
        raise ValueError(f"players are numbered from 0 to {k - 1}")
    if (one == two).any():
        raise ValueError(f"game {int(np.flatnonzero(one == two)[0])} is of a player against itself")
    if not ((won >= 0.0) & (won <= 1.0)).all() or not (weights >= 0.0).all() or not np.isfinite(style).all():
        raise ValueError("scores must lie between 0 and 1, weights must not be negative, and features must be numbers")
