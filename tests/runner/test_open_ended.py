"""Means without limits: which values get the bootstrap-t, where it is cut off, and what a suite may ask for instead."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

import evalkit


def records(n, seed=0):
    rng = np.random.default_rng(seed)
    return [
        {
            "id": str(at),
            "output": "a" * int(rng.integers(1, 9)),
            "reference": "aaaa",
            "latency_ms": float(rng.lognormal(5, 1.5)),
        }
        for at in range(n)
    ]


METRICS = ["latency", "levenshtein", "token_f1"]


def scored(tmp_path, given, **more):
    suite = {"name": "open", "dataset": {"path": "data.jsonl"}, "metrics": METRICS, **more}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(suite))
    (tmp_path / "pyproject.toml").write_text("")
    import json

    (tmp_path / "data.jsonl").write_text("\n".join(json.dumps(record) for record in given))
    return evalkit.run(tmp_path / "suite.yaml").metrics


@pytest.fixture(scope="module")
def by_method(tmp_path_factory):
    given = records(60)
    ways = {"none": {}, **{way: {"interval": way} for way in ("auto", "bca", "percentile")}}
    return {way: scored(tmp_path_factory.mktemp(way), given, **more) for way, more in ways.items()}


def test_auto_is_the_default(by_method):
    assert {name: one.ci for name, one in by_method["none"].items()} == {
        name: one.ci for name, one in by_method["auto"].items()
    }


def test_only_means_without_limits_differ_from_bca(by_method):
    differing = {name for name, one in by_method["auto"].items() if one.ci != by_method["bca"][name].ci}
    assert differing == {"latency.mean", "levenshtein.distance"}
    assert all(one.mean == by_method["bca"][name].mean for name, one in by_method["auto"].items())


def test_a_skewed_mean_reaches_farther_up_than_bca_and_percentile(by_method):
    assert by_method["auto"]["latency.mean"].ci[1] > by_method["bca"]["latency.mean"].ci[1]
    assert by_method["bca"]["latency.mean"].ci != by_method["percentile"]["latency.mean"].ci


def test_a_run_of_few_records_has_no_latency_below_0_and_a_difference_may_be_negative():
    one, two = (evalkit.evaluate(records(3, seed), ["latency"]) for seed in (1, 2))
    assert one["latency.mean"].ci[0] == 0.0
    assert one["latency.mean"].ci[1] > one["latency.mean"].mean
    found = evalkit.compare(one, two)["latency.mean"]
    assert found.ci[0] < 0.0 < found.ci[1]
    assert found.ci[0] < -one["latency.mean"].mean


def test_a_comparison_says_which_interval_it_made():
    old, new = evalkit.evaluate(records(50), METRICS), evalkit.evaluate(records(50, seed=9), METRICS)
    other = evalkit.evaluate([{**record, "id": f"x{record['id']}"} for record in records(50, seed=9)], METRICS)
    for found in (evalkit.compare(old, new), evalkit.compare(old, other)):
        methods = {name: found[name].method for name in ("latency.mean", "latency.p95", "levenshtein.distance")}
        assert methods == {
            "latency.mean": "bootstrap-t",
            "latency.p95": "BCa bootstrap",
            "levenshtein.distance": "bootstrap-t",
        }
        assert found["levenshtein.similarity"].method == "BCa bootstrap"


def test_slices_are_cut_off_too():
    run = evalkit.evaluate(
        [{**record, "model": "ab"[at % 2]} for at, record in enumerate(records(8))], ["latency"], slices=["model"]
    )
    assert all(part.metrics["latency.mean"].ci[0] >= 0.0 for part in run.slices)
