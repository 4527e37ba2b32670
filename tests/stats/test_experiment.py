"""Effects of experiments: equal to tea-tasting, scipy and statsmodels; intervals of lifts and differences agree about zero."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from evalkit.stats.experiment import (
    Arm,
    Moments,
    above,
    below,
    compare_arms,
    compare_shares,
    covariate_of,
    effect_size,
    pooled,
    ratio_arm,
    ratio_bounds,
    share_arm,
    within,
)


def moments(*columns):
    table = np.stack([np.asarray(column, dtype=float) for column in columns])
    return Moments(table.shape[1], table.mean(axis=1), np.cov(table))


def users(seed, n=400, lift=0.0):
    rng = np.random.default_rng(seed)
    sessions = 1.0 + rng.poisson(2.0, n)
    before = rng.poisson(sessions * 0.3).astype(float)
    return {
        "sessions": sessions,
        "orders": rng.binomial(sessions.astype(int), 0.25 + lift).astype(float),
        "sessions_covariate": 1.0 + rng.poisson(sessions),
        "orders_covariate": before,
        "one": np.ones(n),
    }


CASES = {
    "mean": (("orders", "one"), {"numer": "orders"}),
    "ratio": (("orders", "sessions"), {"numer": "orders", "denom": "sessions"}),
    "mean with covariate": (
        ("orders", "one", "orders_covariate", "one"),
        {"numer": "orders", "numer_covariate": "orders_covariate"},
    ),
    "ratio with covariate": (
        ("orders", "sessions", "orders_covariate", "sessions_covariate"),
        {
            "numer": "orders",
            "denom": "sessions",
            "numer_covariate": "orders_covariate",
            "denom_covariate": "sessions_covariate",
        },
    ),
}


def compared(a, b, columns, level=0.95):
    one, two = (moments(*(side[name] for name in columns)) for side in (a, b))
    adjust = covariate_of((one, two)) if len(columns) == 4 else (0.0, 0.0)
    arms = ratio_arm(one, *adjust), ratio_arm(two, *adjust)
    return arms, compare_arms(*arms, level=level)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_means_ratios_and_covariates_equal_tea_tasting_on_random_users(case, seed):
    import pyarrow as pa
    import tea_tasting as tt

    a, b = users(seed), users(seed + 100, n=350, lift=0.03)
    columns, options = CASES[case]
    table = pa.table(
        {name: np.concatenate([a[name], b[name]]) for name in a}
        | {"variant": np.repeat([0, 1], [len(a["one"]), len(b["one"])])}
    )
    theirs = tt.Experiment(m=tt.RatioOfMeans(**options)).analyze(table)["m"]
    arms, ours = compared(a, b, columns)
    assert (arms[0].value, arms[1].value) == (
        pytest.approx(theirs.control, rel=1e-12),
        pytest.approx(theirs.treatment, rel=1e-12),
    )
    assert ours.diff == pytest.approx(theirs.effect_size, rel=1e-10)
    assert (ours.low, ours.high) == (
        pytest.approx(theirs.effect_size_ci_lower, rel=1e-9),
        pytest.approx(theirs.effect_size_ci_upper, rel=1e-9),
    )
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-9)
    assert ours.diff / ours.stderr == pytest.approx(theirs.statistic, rel=1e-10)
    assert ours.lift == pytest.approx(theirs.rel_effect_size, rel=1e-10)
    # theirs is made on the log scale: another interval of the same thing
    assert (ours.lift_low, ours.lift_high) == (
        pytest.approx(theirs.rel_effect_size_ci_lower, abs=0.03),
        pytest.approx(theirs.rel_effect_size_ci_upper, abs=0.03),
    )


@pytest.mark.shared_data
def test_tea_tastings_own_three_cases_are_reproduced(shared_data):
    folder = shared_data / "stat_parity_cases"
    cases = json.loads((folder / "tea_tasting.json").read_text())["cases"]
    rows = list(csv.DictReader((folder / "tea_tasting_users.csv").open()))
    sides = [
        {name: [float(row[name]) for row in rows if row["variant"] == v] for name in rows[0] if name not in ("user", "variant")}
        for v in "01"
    ]
    for side in sides:
        side["one"] = [1.0] * len(side["orders"])
    plain, ratio, cuped = (case["expected"] for case in cases)
    arms, ours = compared(*sides, ("orders", "one"))
    assert (arms[0].value, arms[1].value) == (pytest.approx(plain["control"]), pytest.approx(plain["treatment"]))
    assert (ours.diff, ours.p) == (pytest.approx(plain["effect_size"], rel=1e-12), pytest.approx(plain["pvalue"], rel=1e-12))
    assert (ours.low, ours.high) == (
        pytest.approx(plain["effect_size_ci_lower"], rel=1e-9),
        pytest.approx(plain["effect_size_ci_upper"], rel=1e-9),
    )
    assert ours.diff / ours.stderr == pytest.approx(plain["statistic"], rel=1e-12)
    # the second case pools the variances and asks one side: so do we, by hand, from the same arms
    arms, ours = compared(*sides, ("orders", "sessions"))
    a, b = arms
    squares = ((a.n - 1) * a.n * a.stderr**2 + (b.n - 1) * b.n * b.stderr**2) / (a.n + b.n - 2)
    statistic = ours.diff / math.sqrt(squares / a.n + squares / b.n)
    assert statistic == pytest.approx(ratio["statistic"], rel=1e-12)
    assert stats.t.sf(statistic, a.n + b.n - 2) == pytest.approx(ratio["pvalue"], rel=1e-12)
    # the third is the normal test of one side, with covariates
    arms, ours = compared(*sides, ("orders", "sessions", "orders_covariate", "sessions_covariate"))
    assert (arms[0].value, arms[1].value) == (pytest.approx(cuped["control"]), pytest.approx(cuped["treatment"]))
    assert ours.diff / ours.stderr == pytest.approx(cuped["statistic"], rel=1e-9)
    normal = [Arm(arm.value, arm.stderr, arm.n, math.inf) for arm in arms]
    assert below(*normal, 0.0) == pytest.approx(cuped["pvalue"], rel=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_means_equal_scipys_welch(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.lognormal(size=17 + seed), rng.lognormal(0.4, size=29)
    _, ours = compared({"x": a, "one": np.ones(len(a))}, {"x": b, "one": np.ones(len(b))}, ("x", "one"))
    theirs = stats.ttest_ind(b, a, equal_var=False)
    bounds = theirs.confidence_interval(0.95)
    assert (ours.p, ours.df) == (pytest.approx(theirs.pvalue, rel=1e-10), pytest.approx(theirs.df, rel=1e-10))
    assert (ours.low, ours.high) == (pytest.approx(bounds.low, rel=1e-9), pytest.approx(bounds.high, rel=1e-9))


@pytest.mark.parametrize(("x_a", "n_a", "x_b", "n_b"), [(40, 200, 61, 210), (500, 10_000, 561, 10_050), (12, 30, 20, 31)])
def test_shares_equal_statsmodels_z_test_and_newcombes_interval(x_a, n_a, x_b, n_b):
    from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

    ours = compare_shares(x_a, n_a, x_b, n_b)
    assert ours.p == pytest.approx(proportions_ztest([x_b, x_a], [n_b, n_a])[1], rel=1e-10)
    bounds = confint_proportions_2indep(x_b, n_b, x_a, n_a, method="newcomb")
    assert (ours.low, ours.high) == (pytest.approx(bounds[0], abs=1e-12), pytest.approx(bounds[1], abs=1e-12))


def test_few_successes_are_tested_exactly():
    ours = compare_shares(1, 100, 6, 100)
    assert ours.test == "Fisher's exact test"
    assert ours.p == pytest.approx(stats.fisher_exact([[1, 99], [6, 94]]).pvalue, rel=1e-12)
    assert compare_shares(10, 100, 20, 100).test == "two-proportion z-test"


def test_arms_without_a_success_prove_nothing_however_equal_they_look():
    ours = compare_shares(0, 20, 0, 20)
    assert ours.p == 1.0
    assert ours.low < -0.1 < 0.1 < ours.high
    assert within(share_arm(0, 20), share_arm(0, 20), 0.05) > 0.05
    assert within(share_arm(0, 2_000), share_arm(0, 2_000), 0.05) < 0.001


def test_no_spread_and_no_units_are_no_p_value_but_a_reason():
    constant = ratio_arm(moments([3.0] * 5, [1.0] * 5))
    other = ratio_arm(moments([4.0] * 5, [1.0] * 5))
    assert compare_arms(constant, constant).p == 1.0
    assert math.isnan(compare_arms(constant, other).p)
    assert compare_arms(constant, other).why
    lonely = ratio_arm(Moments(1, np.array([2.0, 1.0]), np.full((2, 2), np.nan)))
    assert math.isnan(compare_arms(constant, lonely).p)
    assert "too few" in compare_arms(constant, lonely).why


def test_fiellers_interval_is_where_the_linear_contrast_is_not_refuted():
    a, b = Arm(2.0, 0.2, 100, math.inf), Arm(2.5, 0.25, 100, math.inf)
    found = compare_arms(a, b)
    for bound in (found.lift_low, found.lift_high):
        contrast = b.value - (1 + bound) * a.value
        stderr = math.sqrt(b.stderr**2 + ((1 + bound) * a.stderr) ** 2)
        assert abs(contrast) / stderr == pytest.approx(stats.norm.ppf(0.975), rel=1e-9)


@given(st.floats(0.5, 50), st.floats(-50, 50), st.floats(0.01, 0.24), st.floats(0.01, 5))
def test_a_lift_holds_zero_where_its_difference_does(a, b, own, other):
    found = compare_arms(Arm(a, own * a, 50, 49.0), Arm(b, other, 60, 59.0))
    assume(min(abs(found.low), abs(found.high)) > 1e-9)
    assert not math.isnan(found.lift_low)
    assert (found.low <= 0 <= found.high) == (found.lift_low <= 0 <= found.lift_high)
    assert found.lift_low <= found.lift <= found.lift_high


@given(st.integers(0, 60), st.integers(0, 60), st.integers(60, 90), st.integers(60, 90))
def test_shares_turned_round_turn_the_difference_round(x_a, x_b, n_a, n_b):
    there, back = compare_shares(x_a, n_a, x_b, n_b), compare_shares(x_b, n_b, x_a, n_a)
    assert (there.diff, there.low, there.high) == (
        pytest.approx(-back.diff, abs=1e-12),
        pytest.approx(-back.high, abs=1e-12),
        pytest.approx(-back.low, abs=1e-12),
    )
    assert there.p == pytest.approx(back.p, rel=1e-9)
    if not math.isnan(there.lift_low):
        assert (there.low <= 1e-12 and there.high >= -1e-12) == (there.lift_low <= 1e-12 and there.lift_high >= -1e-12)


@pytest.mark.parametrize(
    ("x_a", "n_a", "x_b", "n_b"), [(2, 100, 9, 100), (1, 500, 4, 480), (30, 100, 33, 90), (5, 100, 0, 100)]
)
def test_a_lifts_bounds_are_where_the_differences_of_a_scaled_control_ends(x_a, n_a, x_b, n_b):
    """Also where a rare share's interval is lopsided: each bound solves its own equation (Donner & Zou 2012, eq. 8)."""
    from evalkit.stats.proportion import wilson

    found = compare_shares(x_a, n_a, x_b, n_b)
    a, b = x_a / n_a, x_b / n_b
    (a_low, a_high), (b_low, b_high) = (tuple(map(float, wilson(x, n))) for x, n in ((x_a, n_a), (x_b, n_b)))
    low, high = 1 + found.lift_low, 1 + found.lift_high
    assert b - low * a - math.hypot(b - b_low, low * (a_high - a)) == pytest.approx(0, abs=1e-12)
    assert b - high * a + math.hypot(b_high - b, high * (a - a_low)) == pytest.approx(0, abs=1e-12)


def test_a_control_that_may_be_zero_has_no_lift_interval():
    assert math.isnan(ratio_bounds((0.1, -0.1, 0.3), (1.0, 0.5, 1.5))[0])
    low, high = ratio_bounds((-2.0, -2.2, -1.8), (-3.0, -3.1, -2.9))
    assert low < 0.5 < high


@given(st.integers(0, 2**32 - 1))
def test_pooled_moments_are_those_of_all_units(seed):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(rng.normal(), 1 + rng.random(), (2, rng.integers(2, 30))) for _ in range(3)]
    found, whole = pooled([moments(*part) for part in parts]), moments(*np.concatenate(parts, axis=1))
    assert found.n == whole.n
    assert found.mean == pytest.approx(whole.mean, abs=1e-12)
    assert found.covariance == pytest.approx(whole.covariance, rel=1e-9, abs=1e-12)


def test_a_covariate_that_does_not_vary_changes_nothing():
    a, b = users(5), users(6)
    for side in (a, b):
        side["flat"] = np.full(len(side["one"]), 7.0)
    _, plain = compared(a, b, ("orders", "one"))
    _, flat = compared(a, b, ("orders", "one", "flat", "one"))
    assert (flat.diff, flat.stderr) == (plain.diff, plain.stderr)


def test_margins_are_one_sided_tests_of_a_shifted_difference():
    rng = np.random.default_rng(3)
    a, b = rng.normal(10, 2, 80), rng.normal(10.1, 2, 70)
    arms = [ratio_arm(moments(side, np.ones(len(side)))) for side in (a, b)]
    over = stats.ttest_ind(b - 0.5, a, equal_var=False, alternative="less").pvalue
    under = stats.ttest_ind(b + 0.5, a, equal_var=False, alternative="greater").pvalue
    assert below(*arms, 0.5) == pytest.approx(over, rel=1e-10)
    assert above(*arms, -0.5) == pytest.approx(under, rel=1e-10)
    assert within(*arms, 0.5) == pytest.approx(max(over, under), rel=1e-10)
    relative = stats.ttest_ind(b, 1.05 * a, equal_var=False, alternative="less").pvalue
    assert below(*arms, 0.05, relative=True) == pytest.approx(relative, rel=1e-10)


def test_equivalence_equals_statsmodels_tost():
    from statsmodels.stats.weightstats import ttost_ind

    rng = np.random.default_rng(9)
    a, b = rng.normal(0, 1, 60), rng.normal(0.1, 1.4, 90)
    arms = [ratio_arm(moments(side, np.ones(len(side)))) for side in (a, b)]
    assert within(*arms, 0.6) == pytest.approx(ttost_ind(b, a, -0.6, 0.6, usevar="unequal")[0], rel=1e-9)


def test_effect_size_is_cohens_d_with_the_mean_of_both_variances():
    rng = np.random.default_rng(4)
    a, b = rng.normal(0, 1, 50), rng.normal(1, 2, 50)
    arms = [ratio_arm(moments(side, np.ones(len(side)))) for side in (a, b)]
    want = (b.mean() - a.mean()) / math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    assert effect_size(*arms) == pytest.approx(want, rel=1e-12)
