"""Agreement between raters: parity with scikit-learn, statsmodels and krippendorff; what has no value says why."""

from __future__ import annotations

import json
import math
import warnings

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn
from statsmodels.stats import inter_rater

from evalkit.stats.agreement import classification, cohen_kappa, fleiss_kappa, krippendorff_alpha, percent_agreement
from evalkit.stats.categories import MISSING, coded
from evalkit.stats.confusion import PARTS

WEIGHTS = ["none", "linear", "quadratic"]
SCALES = ["nominal", "ordinal", "interval", "ratio"]

# The examples of the krippendorff package.
UNITS_1 = [
    [np.nan, np.nan, np.nan, np.nan, np.nan, 3, 4, 1, 2, 1, 1, 3, 3, np.nan, 3],
    [1, np.nan, 2, 1, 3, 3, 4, 3, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan],
    [np.nan, np.nan, 2, 1, 3, 4, 4, np.nan, 2, 1, 1, 3, 3, np.nan, 4],
]
UNITS_2 = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, np.nan, np.nan, np.nan],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, np.nan, 3],
    [np.nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, np.nan],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, np.nan],
]
# Fleiss (1971), as in statsmodels' own tests and on Wikipedia: 10 subjects, 14 raters, kappa .210.
FLEISS = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


def spelled(counts):
    """Rows of counts as rows of labels."""
    return [[value for value, times in enumerate(row) for _ in range(times)] for row in counts]


def two_raters(n, k=4, seed=0, noise=0.4):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    return [np.where(rng.random(n) < noise, rng.integers(0, k, n), truth) for _ in range(2)]


@pytest.mark.parametrize("weights", WEIGHTS)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(12, 80))
@settings(max_examples=40, deadline=None)
def test_cohen_kappa_is_that_of_scikit_learn_and_its_error_that_of_statsmodels(weights, seed, k, n):
    a, b = two_raters(n, k, seed)
    ours = cohen_kappa(a, b, weights=weights, values=range(k), interval="asymptotic")
    theirs = sklearn.cohen_kappa_score(a, b, labels=range(k), weights=None if weights == "none" else weights)
    table = sklearn.confusion_matrix(a, b, labels=range(k))
    full = inter_rater.cohens_kappa(table, wt=None if weights == "none" else weights)
    assert ours.value == pytest.approx(theirs, abs=1e-12)
    assert ours.stderr == pytest.approx(math.sqrt(full.var_kappa), abs=1e-10)
    if ours.method == "asymptotic":
        assert ours.ci == pytest.approx((full.kappa_low, min(full.kappa_upp, 1.0)), abs=1e-9)


def test_the_worked_example_of_fleiss_cohen_and_everitt():
    """Their table 1: 200 subjects, kappa .429, standard error .0536 (variance .002885)."""
    table = np.array([[106, 10, 4], [22, 28, 10], [2, 12, 6]])
    a, b = np.repeat(np.indices((3, 3)).reshape(2, -1), table.ravel(), axis=1)
    found = cohen_kappa(a, b, interval="asymptotic")
    assert found.value == pytest.approx(0.429, abs=5e-4)
    assert found.stderr**2 == pytest.approx(0.002885, abs=5e-6)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_bootstrap_and_asymptotic_intervals_agree_on_many_records(weights):
    a, b = two_raters(3_000)
    exact = cohen_kappa(a, b, weights=weights, interval="asymptotic")
    drawn = cohen_kappa(a, b, weights=weights, interval="bootstrap", seed=3)
    assert drawn.value == pytest.approx(exact.value, abs=1e-12)
    assert drawn.stderr == pytest.approx(exact.stderr, rel=0.08)
    assert drawn.ci == pytest.approx(exact.ci, abs=0.006)
    assert drawn.method == "bca"


def test_clusters_of_equal_labels_widen_the_interval():
    a, b = two_raters(200)
    plain = cohen_kappa(a, b, interval="bootstrap")
    many = cohen_kappa(np.repeat(a, 5), np.repeat(b, 5), clusters=np.repeat(np.arange(200), 5))
    assert many.stderr == pytest.approx(plain.stderr, rel=0.1)


def test_the_asymptotic_interval_covers_kappa():
    """95 % of 600 samples of 150 records hold the kappa of the population (binomial error .9 %)."""
    rng = np.random.default_rng(5)
    shares = np.array([[0.35, 0.05, 0.02], [0.06, 0.2, 0.04], [0.03, 0.05, 0.2]])
    expected = shares.sum(0) @ shares.sum(1)
    kappa = (np.trace(shares) - expected) / (1 - expected)
    held = 0
    for _ in range(600):
        cells = rng.choice(9, size=150, p=shares.ravel())
        found = cohen_kappa(cells // 3, cells % 3, interval="asymptotic")
        held += found.low <= kappa <= found.high
    assert 0.93 <= held / 600 <= 0.97


@pytest.mark.parametrize("weights", WEIGHTS)
def test_where_all_agree_the_interval_still_has_width(weights):
    a = np.array(["yes"] * 12 + ["no"] * 8)
    found = cohen_kappa(a, a, weights=weights, values=["no", "yes"])
    assert (found.value, found.high, found.method) == (1.0, 1.0, "wilson")
    assert found.low == pytest.approx(1 - (1 - 0.8389) / 0.48, abs=1e-3)


def test_missing_labels_leave_the_record_out():
    a, b = ["x", "y", None, "x", "y", ""], ["x", "x", "y", None, "y", "y"]
    assert cohen_kappa(a, b).n == 3
    assert percent_agreement(a, b).value == pytest.approx(2 / 3)
    assert percent_agreement([1, np.nan, 3], [1, 2, 4]).n == 2


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: cohen_kappa([1, 1, 1], [1, 1, 1]), "one and the same category"),
        (lambda: cohen_kappa([1, np.nan], [np.nan, 2]), "no record has a label of both"),
        (lambda: percent_agreement([None], [1]), "no record has a label of both"),
        (lambda: fleiss_kappa([[1, None], [None, 2]]), "no record was rated twice"),
        (lambda: fleiss_kappa([[1, 1], [1, 1]]), "one category"),
        (lambda: krippendorff_alpha([[1], [2]]), "no unit was rated twice"),
        (lambda: krippendorff_alpha([[2, 2], [2, 2]]), "one value"),
        (lambda: classification([], [])["kappa"], "no record has both"),
        (lambda: classification(["a"], ["a"])["kappa"], "one and the same category"),
    ],
)
def test_what_has_no_value_says_why(call, why):
    found = call()
    assert math.isnan(found.value)
    assert math.isnan(found.low)
    assert why in found.reason


def test_wrong_calls_say_what_is_wrong():
    with pytest.raises(ValueError, match="give `values`"):
        cohen_kappa(["a", "b"], ["b", "a"], weights="linear")
    with pytest.raises(ValueError, match="'d' is none of the values 'a', 'b'"):
        cohen_kappa(["a", "d"], ["b", "a"], values=["a", "b"])
    with pytest.raises(ValueError, match="partly numbers and partly texts"):
        coded([1, "a"])
    with pytest.raises(ValueError, match="interval scale needs numbers"):
        krippendorff_alpha([["a", "b"]], scale="interval")
    with pytest.raises(ValueError, match="as many labels each"):
        cohen_kappa([1, 2], [1])


def test_codes_follow_the_scale_that_is_given():
    codes, scale = coded([["low", None], ["high", "mid"]], ["low", "mid", "high"])
    assert codes.tolist() == [[0, MISSING], [2, 1]]
    assert scale == ["low", "mid", "high"]
    assert coded([True, False, 1.0])[0].tolist() == [1, 0, 1]
    assert coded([3.0, np.nan, 1.0], [1, 2, 3])[0].tolist() == [2, MISSING, 0]


def test_fleiss_kappa_of_the_published_example():
    found = fleiss_kappa(spelled(FLEISS))
    assert found.value == pytest.approx(inter_rater.fleiss_kappa(np.array(FLEISS)), abs=1e-12)
    assert found.value == pytest.approx(0.210, abs=5e-4)
    assert found.low < found.value < found.high


@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(2, 6), st.integers(5, 40))
@settings(max_examples=40, deadline=None)
def test_fleiss_kappa_is_that_of_statsmodels(seed, k, raters, n):
    ratings = np.random.default_rng(seed).integers(0, k, (n, raters))
    table, _ = inter_rater.aggregate_raters(ratings)
    if len(table[0]) < 2:
        return
    assert fleiss_kappa(ratings, resamples=20).value == pytest.approx(inter_rater.fleiss_kappa(table), abs=1e-10)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("units", [UNITS_1, UNITS_2])
def test_alpha_of_the_krippendorff_packages_examples(units, scale):
    ours = krippendorff_alpha(np.array(units).T, scale=scale)
    assert ours.value == pytest.approx(krippendorff.alpha(units, level_of_measurement=scale), abs=1e-12)
    assert ours.low <= ours.value <= ours.high


@pytest.mark.parametrize("scale", SCALES)
@given(st.integers(0, 10_000), st.integers(2, 7), st.integers(2, 5), st.integers(6, 40), st.floats(0.0, 0.6))
@settings(max_examples=40, deadline=None)
def test_alpha_is_that_of_krippendorff_with_ratings_missing(scale, seed, k, raters, n, gone):
    rng = np.random.default_rng(seed)
    ratings = rng.integers(0, k, (n, raters)).astype(float)
    ratings[rng.random(ratings.shape) < gone] = np.nan
    ours = krippendorff_alpha(ratings, scale=scale, resamples=20)
    pairable = ratings[(~np.isnan(ratings)).sum(1) > 1]
    if len(np.unique(pairable[~np.isnan(pairable)])) < 2:
        assert math.isnan(ours.value)
        assert ours.reason
        return
    theirs = krippendorff.alpha(ratings.T, level_of_measurement=scale)
    assert ours.value == pytest.approx(theirs, abs=1e-9)


def test_numbers_of_any_kind_have_an_alpha_and_need_no_table_of_values():
    rng = np.random.default_rng(3)
    truth = rng.normal(size=20_000)
    ratings = truth[:, None] + rng.normal(size=(20_000, 2))
    assert krippendorff_alpha(ratings, scale="interval", resamples=50).value == pytest.approx(0.5, abs=0.02)
    small = ratings[:150]
    theirs = krippendorff.alpha(small.T, level_of_measurement="interval")
    assert krippendorff_alpha(small, scale="interval").value == pytest.approx(theirs, abs=1e-10)
    with pytest.raises(ValueError, match="40,000 different values are no ordinal scale"):
        krippendorff_alpha(ratings, scale="ordinal")


def test_alpha_of_texts_in_an_order():
    names = {1: "very low", 2: "low", 3: "mid", 4: "high", 5: "very high"}
    words = [[names.get(value) for value in row] for row in UNITS_2]
    found = krippendorff_alpha(np.array(words, dtype=object).T, scale="ordinal", values=list(names.values()))
    assert found.value == pytest.approx(0.815, abs=5e-4)


@pytest.mark.parametrize("scale", SCALES)
def test_alphas_bootstrap_resamples_whole_units(scale):
    """Its draws are those of a slow oracle that draws units and asks the krippendorff package again."""
    rng = np.random.default_rng(2)
    truth = rng.integers(1, 6, 60)
    ratings = np.clip(truth[:, None] + rng.integers(-1, 2, (60, 3)), 1, 5).astype(float)
    ratings[rng.random(ratings.shape) < 0.2] = np.nan
    ratings[:, 0] = np.where(np.isnan(ratings).sum(1) > 1, truth, ratings[:, 0])  # every unit is rated twice or more
    ours = krippendorff_alpha(ratings, scale=scale, resamples=200, seed=4)
    draws = np.random.Generator(np.random.PCG64(np.random.SeedSequence(4)))
    kept = ratings[(~np.isnan(ratings)).sum(1) > 1]
    slow = [krippendorff.alpha(kept[draws.integers(0, len(kept), len(kept))].T, level_of_measurement=scale) for _ in range(200)]
    assert ours.stderr == pytest.approx(np.std(slow, ddof=1), rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_classification_is_that_of_scikit_learn(seed):
    true, told = two_raters(80, 3, seed)
    found = classification(true, told)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = [
            sklearn.accuracy_score(true, told),
            sklearn.cohen_kappa_score(true, told),
            sklearn.precision_score(true, told, average="macro", zero_division=0),
            sklearn.recall_score(true, told, average="macro", zero_division=0),
            sklearn.f1_score(true, told, average="macro", zero_division=0),
        ]
    assert [found[part].value for part in PARTS] == pytest.approx(wanted, abs=1e-12)
    assert found["accuracy"].method == "wilson"
    assert all(one.low < one.value < one.high for one in found.values())


def test_the_same_seed_gives_the_same_digits():
    a, b = two_raters(150)
    ratings = np.stack([a, b], axis=1)
    assert cohen_kappa(a, b, interval="bootstrap", seed=7) == cohen_kappa(a, b, interval="bootstrap", seed=7)
    assert krippendorff_alpha(ratings, seed=7) == krippendorff_alpha(ratings, seed=7) != krippendorff_alpha(ratings, seed=8)


@pytest.mark.shared_data
def test_the_published_numbers_of_pandalm(shared_data):
    """Kappas .852 / .879 / .862 between annotators; accuracy, precision, recall and F1 of GPT-3.5 and PandaLM-7B."""
    lines = (shared_data / "pandalm" / "pandalm_testset.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    people = np.array([[record[f"annotator{one}"] for one in (1, 2, 3)] for record in records])
    kappas = sorted(cohen_kappa(people[:, one], people[:, two]).value for one, two in ((0, 1), (0, 2), (1, 2)))
    assert kappas == pytest.approx([0.852, 0.862, 0.879], abs=5e-4)
    majority = [max(set(row), key=row.count) for row in people.tolist()]
    assert np.bincount(majority).tolist() == [105, 422, 472]
    for judge, published in (("gpt35", (71.07, 58.79, 57.36, 57.55)), ("pandalm7b", (66.77, 57.38, 57.50, 57.43))):
        told = [{"1": 1, "2": 2}.get(str(record[judge]), 0) for record in records]
        found = classification(majority, told, resamples=200)
        numbers = [100 * found[part].value for part in ("accuracy", "macro_precision", "macro_recall", "macro_f1")]
        assert numbers == pytest.approx(published, abs=5e-3)
    assert fleiss_kappa(people, resamples=100).value == pytest.approx(krippendorff_alpha(people).value, abs=1e-3)
