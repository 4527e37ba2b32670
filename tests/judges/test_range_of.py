"""What judges say of their values' least and greatest: a gate that stops early takes their word for it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from evalkit.core.contracts import Measure
from evalkit.core.rows import Rows
from evalkit.metrics.reward import Reward
from evalkit.specs.single import metric_of

RUBRIC = {"name": "c", "criteria": "Is it consistent?", "steps": ["Read."]}
OPEN = (-math.inf, math.inf)


def duel(**more: Any) -> Measure:
    return metric_of("pairwise", {"against": {"column": "other"}, **more})


@pytest.mark.parametrize(
    ("metric", "ranges"),
    [
        (metric_of("yes_no", {"question": "?"}), {"": (0, 1)}),
        (metric_of("geval", {"rubric": RUBRIC, "mode": "logprob"}), {"": (1, 5), "normalized": (0, 1), "mass": (0, 1)}),
        (
            metric_of("geval", {"rubric": {**RUBRIC, "scale": {"min": 0, "max": 10}}, "mode": "single"}),
            {"": (0, 10), "normalized": (0, 1)},
        ),
        (duel(), {"": (0, 1), "tie": (0, 1), "order_dependent": (0, 1), "length_controlled": None}),
        (duel(scale="five"), {"": None, "tie": (0, 1)}),
        (duel(labels="human"), {"accuracy": (0, 1), "kappa": None, "macro_f1": None}),
        (metric_of("selfcheck", {}), {"": (0, 1), "normalized": (0, 1)}),
        (metric_of("selfcheck", {"variant": "bertscore"}), {"": OPEN}),
        (metric_of("gptscore", {"aspect": "fluency"}), {"": OPEN}),
        (Reward(), {"": OPEN}),
        (Reward(probability=True), {"": (0, 1)}),
        (metric_of("perplexity", {}), {"": None, "bits_per_byte": None}),
        (metric_of("semantic_similarity", {}), {"": (-1, 1)}),
        (metric_of("bertscore", {}), {"f1": (-math.inf, 1)}),
        (metric_of("levenshtein", {}), {"distance": (0, math.inf), "similarity": (0, 1)}),
        (metric_of("latency", {}), {"mean": (0, math.inf), "p50": None, "p95": None, "p99": None}),
        (metric_of("token_f1", {}), {"": None}),
    ],
    ids=lambda value: value.name if isinstance(value, Measure) else "",
)
def test_ranges_are_those_of_the_scale(metric: Measure, ranges: dict[str, Any]) -> None:
    assert {part: metric.range_of(part) for part in ranges} == ranges


def test_a_mean_is_open_ended_where_an_end_of_its_range_is_infinite() -> None:
    told = metric_of("levenshtein", {}), metric_of("latency", {}), metric_of("exact_match", {}), duel()
    assert [[part for part in one.parts if one.open_ended(part)] for one in told] == [["distance"], ["mean"], [], []]


def test_a_dag_has_the_scale_of_its_file() -> None:
    judge = metric_of("dag", {"judge": "judges/support-answer.yaml"})
    assert (judge.range_of(""), judge.range_of("normalized")) == ((0, 10), (0, 1))


def test_a_panel_has_the_widest_range_of_its_judges() -> None:
    votes = [{"use": "yes_no", "as": f"v{at}", "question": f"{at}?"} for at in range(3)]
    told = metric_of("panel", {"judges": votes})
    assert (told.range_of(""), told.range_of("disagreement")) == ((0, 1), (0, 1))
    told = metric_of("panel", {"judges": votes, "by": "majority"})
    assert told.range_of("disagreement") == (0, math.log2(3))


@pytest.mark.parametrize(
    ("metric", "rows"),
    [
        (metric_of("yes_no", {"question": "?"}), [[1, 1], [0, 1], [1, 1]]),
        (metric_of("geval", {"rubric": RUBRIC, "mode": "logprob"}), [[1.5, 1, 0.9], [4, 1, 1], [5, 1, 0.2]]),
        (duel(), [[1, 1, 0, 0, 5, 1], [0.5, 1, 1, 1, -2, 1], [0, 1, 0, 0, 0, 1]]),
        (metric_of("dag", {"judge": "judges/support-answer.yaml"}), [[4, 1], [0, 1], [10, 1]]),
        (Reward(), [[-3.0, 1], [7.5, 1], [0.1, 1]]),
        (metric_of("levenshtein", {}), [[3, 0.2, 1], [0, 1, 1], [40, 0, 1]]),
        (metric_of("latency", {}), [[120.0, 1], [7000.5, 1], [0.0, 1]]),
    ],
    ids=lambda value: value.name if isinstance(value, Measure) else "",
)
def test_what_has_a_range_is_the_plain_mean_of_its_records(metric: Measure, rows: list[list[float]]) -> None:
    values = np.array(rows, dtype=float)
    own, whole = metric.record_values(Rows(values.copy())), metric.combine(values.sum(axis=0))
    for index, part in enumerate(metric.parts):
        if metric.range_of(part) is not None:
            assert whole[index] == pytest.approx(own[:, index].mean())
