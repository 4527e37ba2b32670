"""Spread within records, and the intraclass correlation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit.stats.repeated import intraclass, within_sd

# Shrout & Fleiss (1979), table 2: four judges, six targets; ICC(1,1) = .17, interval -.13 to .72 (McGraw & Wong's F limits).
RATINGS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def test_the_example_of_shrout_and_fleiss() -> None:
    found = intraclass(RATINGS)
    assert round(found.value, 2) == 0.17
    assert (round(found.low, 2), round(found.high, 2)) == (-0.13, 0.72)


def test_the_mean_squares_are_those_of_an_analysis_of_variance() -> None:
    import pandas as pd
    import statsmodels.formula.api as smf
    from statsmodels.stats.anova import anova_lm

    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 1)) + 0.5 * rng.normal(size=(20, 5))
    table = pd.DataFrame({"score": x.ravel(), "record": np.repeat(np.arange(20), 5)})
    squares = anova_lm(smf.ols("score ~ C(record)", table).fit())["mean_sq"].to_numpy()
    assert intraclass(x).value == pytest.approx((squares[0] - squares[1]) / (squares[0] + 4 * squares[1]))
    assert within_sd(x).value == pytest.approx(math.sqrt(squares[1]))
    assert within_sd(x).low < within_sd(x).value < within_sd(x).high


def test_scores_that_never_change_have_no_spread() -> None:
    x = np.repeat([[1.0], [2.0], [5.0]], 4, axis=1)
    assert within_sd(x).value == 0.0
    assert intraclass(x).value == 1.0


def test_what_cannot_be_told_is_nan_with_a_reason() -> None:
    assert intraclass(np.ones((5, 3))).reason == "all scores are the same"
    assert within_sd(np.ones((1, 3))).reason is not None
    assert within_sd([[1.0, math.nan], [2.0, 3.0]]).n == 1, "a record that lacks a score is left out"
