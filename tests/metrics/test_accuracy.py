"""accuracy and what comes of a label's counts, against plain loops over the records."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import score
from evalkit.core.batch import Batch
from evalkit.metrics.accuracy import Accuracy


def batch(outputs, references) -> Batch:
    return Batch({"output": list(outputs), "reference": list(references)})


def corpus(metric: Accuracy, told, gold) -> dict[str, float]:
    rows = metric.score(batch(told, gold))
    return dict(zip(metric.parts, metric.combine(rows.values[rows.scored()].sum(0)).tolist(), strict=True))


def test_white_space_and_case_do_not_count():
    rows = Accuracy().score(batch([" Yes\n", "YES", "yes.", ""], ["yes", " yes", "yes", ""]))
    assert rows.values[:, 0].tolist() == [1, 1, 0, 1]


def test_without_labels_there_is_accuracy_alone_with_wilsons_interval():
    metric = Accuracy()
    assert metric.parts == ("",)
    assert metric.columns == ("hits", "records")
    assert metric.interval_of("") == "wilson"


def test_a_null_is_an_error():
    rows = Accuracy(labels=("a", "b")).score(batch(["a", None, "b"], [None, "a", "b"]))
    assert rows.errors == {0: "no reference", 1: "no output"}
    assert rows.values.shape == (3, 2 + 3 * 3)


def test_with_labels_the_other_parts_are_bootstrapped():
    metric = Accuracy(labels=("a", "b"))
    assert metric.main == ""
    assert {metric.interval_of(part) for part in metric.parts[1:]} == {"bootstrap"}


# The 2x2 table of judge against people of definitions.md, section 11: 30/10 fails and 2/78 passes, kappa .763.
def test_kappa_of_the_published_table():
    told = ["fail"] * 30 + ["pass"] * 10 + ["fail"] * 2 + ["pass"] * 78
    gold = ["fail"] * 40 + ["pass"] * 80
    values = corpus(Accuracy(labels=("fail", "pass")), told, gold)
    assert values[""] == 0.9
    assert round(values["kappa"], 3) == 0.763
    assert values["recall_fail"] == 0.75
    assert values["recall_pass"] == 0.975
    assert values["precision_fail"] == 30 / 32


def expected(told: list[str], gold: list[str], labels: list[str]) -> dict[str, float]:
    """The same figures, counted record by record as scikit-learn defines them."""

    def over(a: float, b: float) -> float:
        return a / b if b else 0.0

    n = len(told)
    figures = {"": sum(t == g for t, g in zip(told, gold, strict=True)) / n}
    rates = {}
    for label in labels:
        both = sum(t == g == label for t, g in zip(told, gold, strict=True))
        said, true = told.count(label), gold.count(label)
        rates[label] = (over(both, said), over(both, true), over(2 * both, said + true)) if said + true else (math.nan,) * 3
    totals = [
        sum(t == g and t in labels for t, g in zip(told, gold, strict=True)),
        sum(t in labels for t in told),
        sum(g in labels for g in gold),
    ]
    both, said, true = totals
    micro = (over(both, said), over(both, true), over(2 * both, said + true)) if said + true else (math.nan,) * 3
    for place, name in enumerate(("precision", "recall", "f1")):
        known = [rate[place] for rate in rates.values() if not math.isnan(rate[place])]
        figures[f"macro_{name}"] = sum(known) / len(known) if known else math.nan
        figures[f"micro_{name}"] = micro[place]
        figures.update({f"{name}_{label}": rate[place] for label, rate in rates.items()})

    def pooled(x: str) -> str:
        return x if x in labels else "other"

    chance = sum([pooled(t) for t in told].count(c) * [pooled(g) for g in gold].count(c) for c in [*labels, "other"]) / n**2
    agreed = sum(pooled(t) == pooled(g) for t, g in zip(told, gold, strict=True)) / n
    figures["kappa"] = (agreed - chance) / (1 - chance) if chance != 1 else math.nan
    return figures


labels = st.sampled_from(["a", "b", "c", "d", "x", "y"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(labels, labels), min_size=1, max_size=12))
def test_all_parts_equal_a_count_record_by_record(pairs):
    told, gold = map(list, zip(*pairs, strict=True))
    wanted = expected(told, gold, ["a", "b", "c"])
    found = corpus(Accuracy(labels=("A", "b ", "c")), told, gold)
    renamed = {name.replace("_A", "_a").replace("_b ", "_b"): value for name, value in found.items()}
    assert renamed == pytest.approx(wanted, abs=1e-12, nan_ok=True)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(labels, labels), min_size=2, max_size=12), st.integers(1, 11))
def test_sums_of_two_batches_are_the_sum_of_one(pairs, cut):
    metric = Accuracy(labels=("a", "b", "c"))
    told, gold = map(list, zip(*pairs, strict=True))
    whole = metric.score(batch(told, gold)).values.sum(0)
    halves = metric.score(batch(told[:cut], gold[:cut])).values.sum(0) + metric.score(batch(told[cut:], gold[cut:])).values.sum(
        0
    )
    assert np.array_equal(whole, halves)


def test_combine_works_over_any_leading_axes():
    metric = Accuracy(labels=("a", "b"))
    rows = metric.score(batch(["a", "b", "x", "a"], ["a", "a", "b", "x"])).values
    stacked = np.stack([rows, rows * 2])  # (2, 4, k)
    assert metric.combine(stacked).shape == (2, 4, len(metric.parts))
    assert np.array_equal(metric.combine(stacked)[0, 1], metric.combine(rows[1]), equal_nan=True)


def test_of_several_references_the_fitting_one_is_the_true_label():
    values = corpus(Accuracy(labels=("a", "b")), ["b", "x"], [["a", "b"], ["a", "b"]])
    assert values[""] == 0.5
    assert values["recall_b"] == 1.0  # the first record was a "b"
    assert values["recall_a"] == 0.0  # the second, fitting none, an "a"


def test_a_label_that_nobody_named_is_wrong_and_not_an_error():
    values = corpus(Accuracy(labels=("yes", "no")), ["yes", "perhaps"], ["yes", "no"])
    assert values[""] == 0.5
    assert values["recall_no"] == 0.0
    assert values["precision_yes"] == 1.0


def test_a_label_that_occurs_nowhere_is_left_out_of_the_averages():
    values = corpus(Accuracy(labels=("a", "b")), ["a", "a"], ["a", "a"])
    assert math.isnan(values["f1_b"])
    assert values["macro_f1"] == 1.0
    assert math.isnan(values["kappa"])  # chance alone agrees


def test_a_label_named_twice_is_refused():
    with pytest.raises(ValueError, match='labels: "yes" is named twice'):
        Accuracy(labels=("yes", "YES "))


def test_labels_outside_the_named_ones_agree_by_pool_so_that_kappa_stays_within_its_range():
    scores = score("accuracy", ["a"] * 9 + ["x"], ["b"] * 9 + ["x"], labels=["x", "y"])
    assert scores.corpus["accuracy"] == pytest.approx(0.1)
    assert scores.corpus["accuracy.kappa"] == pytest.approx(1.0)
    assert math.isnan(score("accuracy", ["a", "b"], ["b", "a"], labels=["x"]).corpus["accuracy.kappa"])
