"""McNemar's exact test against scipy's binomial, statsmodels, and figures that were published."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from statsmodels.stats.contingency_tables import mcnemar

from evalkit.stats.mcnemar import mcnemar_exact


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 400), st.integers(0, 400))
def test_p_is_the_binomial_tests(gains, losses):
    p = mcnemar_exact(gains, losses)
    assert p == pytest.approx(binomtest(gains, gains + losses).pvalue if gains + losses else 1.0, rel=1e-10)
    assert p == mcnemar_exact(losses, gains)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_mid_p_counts_the_observed_split_half(gains, losses):
    n = gains + losses
    chance = binom.pmf(np.arange(n + 1), n, 0.5)
    far = np.isclose(chance, chance[gains], rtol=1e-9, atol=0.0)
    expected = chance[(chance < chance[gains]) & ~far].sum() + 0.5 * chance[far].sum() if n else 1.0
    assert mcnemar_exact(gains, losses, mid_p=True) == pytest.approx(expected, rel=1e-10)


def test_statsmodels_agrees():
    assert mcnemar_exact(9, 4) == pytest.approx(mcnemar(np.array([[20, 9], [4, 30]]), exact=True).pvalue, rel=1e-12)


def test_gsm8ks_verifier_against_the_larger_model():
    assert mcnemar_exact(152, 209) == pytest.approx(0.003151, abs=5e-7)


@pytest.mark.shared_data
def test_gsm8ks_published_p_values_from_its_records(shared_data):
    with (shared_data / "ab_gsm8k_solutions" / "correct.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if {row[name] for row in rows} <= {"0", "1", "True", "False"}]
    right = {name: np.array([row[name] in ("1", "True") for row in rows]) for name in names}
    found = []
    for a in names:
        for b in names:
            gains, losses = int((right[b] & ~right[a]).sum()), int((right[a] & ~right[b]).sum())
            found.append((gains, losses, mcnemar_exact(gains, losses)))
    assert any({g, lost} == {152, 209} and p == pytest.approx(0.003151, abs=5e-7) for g, lost, p in found)
    assert any(p == pytest.approx(2.89e-45, rel=2e-3) for _, _, p in found)


@pytest.mark.parametrize("wrong", [(-1, 2), (1.5, 2), (float("nan"), 1)])
def test_what_is_no_count_is_told(wrong):
    with pytest.raises(ValueError, match="counts of records"):
        mcnemar_exact(*wrong)
