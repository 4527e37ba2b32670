"""Adjusted p values against R's, statsmodels' and a definition."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from evalkit.stats.multiple import adjust

THEIRS = {
    "bonferroni": "bonferroni", "sidak": "sidak", "holm": "holm", "hochberg": "simes-hochberg", "bh": "fdr_bh", "by": "fdr_by",
}  # fmt: skip
P = st.lists(st.floats(0.0, 1.0) | st.sampled_from([0.0, 0.01, 0.05, 1.0]), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(P, st.sampled_from(sorted(THEIRS)))
def test_statsmodels_gives_the_same(p, method):
    assert adjust(p, method) == pytest.approx(multipletests(p, method=THEIRS[method])[1], abs=1e-12)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("holm", [0.03, 0.06, 0.06, 0.02]),
        ("bh", [0.02, 0.04, 0.04, 0.02]),
        ("bonferroni", [0.04, 0.16, 0.12, 0.02]),
    ],
)
def test_four_by_hand(method, expected):
    assert adjust([0.01, 0.04, 0.03, 0.005], method) == pytest.approx(expected)


@pytest.mark.shared_data
def test_rs_figures(shared_data):
    told = json.loads((shared_data / "stat_parity_cases" / "multiple_testing_R.json").read_text())
    table = np.array(told["adjusted_sorted_by_rawp"])
    names = {"Bonferroni": "bonferroni", "Holm": "holm", "Hochberg": "hochberg", "SidakSS": "sidak", "BH": "bh", "BY": "by"}
    given_p = np.array(told["pvalues_unsorted"])
    for column, method in names.items():
        ours = adjust(given_p, method)[np.argsort(given_p)]
        assert ours == pytest.approx(table[:, told["columns"].index(column)], abs=1e-12), column


@settings(max_examples=60, deadline=None)
@given(P, st.sampled_from(sorted([*THEIRS, "none"])))
def test_nan_stays_nan_is_not_counted_and_order_does_not_matter(p, method):
    whole = adjust([np.nan, *p, np.nan], method)
    assert np.isnan(whole[[0, -1]]).all()
    assert whole[1:-1].tolist() == adjust(p, method).tolist()
    assert sorted(adjust(p[::-1], method)) == pytest.approx(sorted(adjust(p, method)))
    assert (whole[1:-1] >= np.array(p) - 1e-15).all()


def test_shapes_stay_and_nothing_is_nothing():
    assert adjust([[0.01, 0.02], [0.03, np.nan]], "bonferroni") == pytest.approx(
        np.array([[0.03, 0.06], [0.09, np.nan]]), nan_ok=True
    )
    assert adjust([], "bh").shape == (0,)


def test_wrong_input_is_told():
    with pytest.raises(ValueError, match="must be one of bh"):
        adjust([0.1], "benjamini")
    with pytest.raises(ValueError, match="between 0 and 1"):
        adjust([1.1])
