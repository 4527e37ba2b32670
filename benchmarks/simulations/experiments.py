"""Online experiments: users are split in two, have several rows each, and every kind of metric of `evalkit ab` is tested.

False positives: share of experiments without an effect in which p ≤ 0.05. Coverage: share of experiments with an effect in
which the 95 % interval of the difference, and that of the lift, hold the truth. Users have 1 + Poisson(2) rows and a level of
their own, so rows of one user go together; "rows taken for users" is the false positive rate of who forgets that. Revenue is
0 for nine users of ten and lognormal (sigma 1) for the tenth. The covariate is correlated 0.8 with a user's level and not
known of a fifth of the users.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from evalkit.stats.experiment import (
    Arm,
    Difference,
    Moments,
    compare_arms,
    compare_shares,
    covariate_of,
    quantile_arm,
    quantile_ranks,
    ratio_arm,
)
from simulations._run import Case, Measure, at_most, rate, within

NAME = "Experiments over logs"

Z95 = 1.6448536269514722


def cases() -> Iterator[Case]:
    for kind, sizes in {
        "share of rows": (100, 1_000),
        "share of users, 30 %": (100, 1_000),
        "share of users, 3 %": (100, 1_000),
        "mean of rows": (100, 1_000),
        "mean of rows with a covariate": (100, 1_000),
        "clicks over views": (100, 1_000),
        "95th percentile of rows": (300, 1_000),
        "median of rows": (100, 1_000),
        "revenue a user": (200, 1_000, 5_000),
    }.items():
        for n in sizes:
            yield Case(f"{kind}, {n:,} users an arm", 6_000, {"kind": kind, "n": n})


def moments(*columns: Any) -> Moments:
    table = np.stack(columns)
    return Moments(table.shape[1], table.mean(axis=1), np.cov(table))


def added(values: Any, of: Any, n: int) -> Any:
    return np.bincount(of, weights=values, minlength=n)


def rows_of(n: int, rng: Any) -> tuple[Any, Any]:
    """How many rows each user has, and whose each row is."""
    sizes = 1 + rng.poisson(2.0, n)
    return sizes.astype(float), np.repeat(np.arange(n), sizes)


Drawn = tuple[Any, Any]  # what is compared, and the rows where someone may take them for users


def share_of_rows(n: int, rng: Any, effect: bool) -> Drawn:
    sizes, of = rows_of(n, rng)
    own = rng.beta(2.4, 7.6, n) if effect else rng.beta(2.0, 8.0, n)
    hit = (rng.random(len(of)) < own[of]).astype(float)
    return moments(added(hit, of, n), sizes), hit


def share_of_users(share: float) -> Callable[[int, Any, bool], Drawn]:
    return lambda n, rng, effect: ((int(rng.binomial(n, share * (1.2 if effect else 1.0))), n), None)


def mean_of_rows(n: int, rng: Any, effect: bool) -> Drawn:
    sizes, of = rows_of(n, rng)
    values = 5.0 + (0.2 if effect else 0.0) + rng.normal(size=n)[of] + rng.normal(size=len(of))
    return moments(added(values, of, n), sizes), values


def with_covariate(n: int, rng: Any, effect: bool) -> Drawn:
    sizes, of = rows_of(n, rng)
    own = rng.normal(size=n)
    values = 5.0 + (0.2 if effect else 0.0) + own[of] + rng.normal(size=len(of))
    before = np.where(rng.random(n) < 0.2, np.nan, 0.8 * own + 0.6 * rng.normal(size=n))
    return (added(values, of, n), sizes, before), values


def clicks_over_views(n: int, rng: Any, effect: bool) -> Drawn:
    views = rng.geometric(0.1, n).astype(float)
    own = rng.beta(2.4, 7.6, n) if effect else rng.beta(2.0, 8.0, n)
    return moments(rng.binomial(views.astype(int), own).astype(float), views), None


def quantile_of_rows(level: float) -> Callable[[int, Any, bool], Drawn]:
    def draw(n: int, rng: Any, effect: bool) -> Drawn:
        sizes, of = rows_of(n, rng)
        values = np.exp((0.1 if effect else 0.0) + 0.4 * rng.normal(size=n)[of] + 0.4 * rng.normal(size=len(of)))
        cut = float(np.quantile(values, level))
        ranks = quantile_ranks(moments(added(values <= cut, of, n), sizes), level)
        return quantile_arm(cut, n, tuple(np.quantile(values, ranks)) if ranks else None), None

    return draw


def revenue(n: int, rng: Any, effect: bool) -> Drawn:
    values = np.where(rng.random(n) < 0.1, rng.lognormal(1.0, 1.0, n), 0.0) * (1.2 if effect else 1.0)
    return moments(values, np.ones(n)), None


_SPREAD = float(np.sqrt(0.32))
_PAID = 0.1 * float(np.exp(1.5))
# kind → how an arm is drawn, and the true values of control and treatment
KINDS: dict[str, tuple[Callable[[int, Any, bool], Drawn], float, float]] = {
    "share of rows": (share_of_rows, 0.20, 0.24),
    "share of users, 30 %": (share_of_users(0.30), 0.30, 0.36),
    "share of users, 3 %": (share_of_users(0.03), 0.03, 0.036),
    "mean of rows": (mean_of_rows, 5.0, 5.2),
    "mean of rows with a covariate": (with_covariate, 5.0, 5.2),
    "clicks over views": (clicks_over_views, 0.20, 0.24),
    "95th percentile of rows": (quantile_of_rows(0.95), float(np.exp(Z95 * _SPREAD)), float(np.exp(0.1 + Z95 * _SPREAD))),
    "median of rows": (quantile_of_rows(0.5), 1.0, float(np.exp(0.1))),
    "revenue a user": (revenue, _PAID, 1.2 * _PAID),
}


def compared(a: Any, b: Any) -> Difference:
    if isinstance(a, Moments):
        return compare_arms(ratio_arm(a), ratio_arm(b))
    if isinstance(a, Arm):
        return compare_arms(a, b)
    if len(a) == 2:
        return compare_shares(*a, *b)
    mean = float(np.nanmean(np.concatenate([a[2], b[2]])))
    pair = [moments(over, under, np.where(np.isnan(x), mean, x), np.ones(len(x))) for over, under, x in (a, b)]
    adjust = covariate_of(pair)
    return compare_arms(ratio_arm(pair[0], *adjust), ratio_arm(pair[1], *adjust))


def simulate(case: Case, rng: Any) -> dict[str, Measure]:
    draw, before, after = KINDS[case["kind"]]
    n, p, naive, difference, lift = case["n"], [], [], [], []
    for _ in range(case.trials):
        (a, rows_a), (same, rows_b), (other, _) = draw(n, rng, False), draw(n, rng, False), draw(n, rng, True)
        p.append(compared(a, same).p)
        if rows_a is not None:
            sides = [ratio_arm(moments(rows, np.ones(len(rows)))) for rows in (rows_a, rows_b)]
            naive.append(compare_arms(*sides).p)
        told = compared(a, other)
        difference.append(told.low <= after - before <= told.high)
        lift.append(told.lift_low <= after / before - 1.0 <= told.lift_high if told.lift_low == told.lift_low else np.nan)
    rare = case["kind"] in ("revenue a user", "share of users, 3 %") or (n < 1_000 and "95th" in case["kind"])
    light = n >= 200 and not rare
    exact = "share of users" in case["kind"]
    known = [one for one in p if one == one]
    found = {
        "false positives": rate(np.array(known) <= 0.05, bar=within(0.04, 0.06) if light and not exact else at_most(0.06)),
        "coverage of the difference": rate(difference, bar=within(0.94, 0.96) if light else None),
        "coverage of the lift": rate(lift, bar=within(0.94, 0.96) if light else None),
    }
    if naive:
        found["rows taken for users"] = rate(np.array(naive) <= 0.05)
    return found
