"""evalkit in Python."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import evalkit
from evalkit import Metric, Rows, SpecError
from evalkit.core.errors import UnknownName
from evalkit.core.registry import forget


def test_score_gives_an_array_per_part_and_the_corpus_value() -> None:
    scores = evalkit.score("rouge", ["the cat sat", "a dog"], ["the cat sat down", "a dog"])
    assert set(scores) == {"rouge.rouge1", "rouge.rouge2", "rouge.rougeL", "rouge.rougeLsum"}
    assert scores["rouge.rouge1"].tolist() == [pytest.approx(6 / 7), 1.0]
    assert scores.corpus["rouge.rouge1"] == pytest.approx((6 / 7 + 1) / 2)


def test_a_null_is_an_error_and_never_a_number() -> None:
    scores = evalkit.score("exact_match", ["a", None, "b"], ["a", "a", None])
    assert scores["exact_match"][0] == 1
    assert np.isnan(scores["exact_match"][1:]).all()
    assert scores.errors == {1: "no output", 2: "no reference"}
    assert scores.corpus == {"exact_match": 1.0}
    assert scores.to_pandas()["error"].isna().tolist() == [True, False, False]


def test_score_takes_further_columns_and_options_by_name() -> None:
    scores = evalkit.score("hit_rate", ["", ""], retrieved_ids=[["a", "b"], ["c"]], relevant_ids=[["b"], ["x"]], k=[1, 2])
    assert scores["hit_rate.at_2"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: evalkit.score("rogue", ["a"], ["a"]), 'did you mean "rouge"'),
        (lambda: evalkit.score("rouge", ["a"], ["a"], stem=True), 'did you mean "stemmer"'),
        (lambda: evalkit.score("rouge", ["a"]), "rouge needs reference"),
        (lambda: evalkit.score("rouge", ["a"], ["a", "b"]), "1 outputs, but 2 of reference"),
        (lambda: evalkit.score("yes_no", ["a"], question="?"), "asks a model; give backend="),
        (lambda: evalkit.evaluate([], metrics=["rouge"]), "there are no records"),
        (lambda: evalkit.evaluate([{"output": "a"}], metrics=["rouge"]), 'no record has the column "reference"'),
        (lambda: evalkit.evaluate([{"output": "a", "reference": 3.5}], metrics=["exact"]), "did you mean"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(call: Any, message: str) -> None:
    with pytest.raises((SpecError, UnknownName)) as caught:
        call()
    assert message in str(caught.value)


def test_evaluate_takes_a_data_frame_and_gives_one_back() -> None:
    frame = pd.DataFrame({"output": ["a", "b", None], "reference": ["a", "a", "a"], "model": ["x", "x", "y"]})
    run = evalkit.evaluate(frame, metrics=["exact_match"], slices=["model"])
    assert run["exact_match"].mean == 0.5
    assert run["exact_match"].errors == 1
    told = run.to_pandas()
    assert told["exact_match"].tolist()[:2] == [1.0, 0.0]
    assert math.isnan(told["exact_match"][2])
    assert told["exact_match.error"].tolist()[2] == "no output"
    by = {part.by["model"]: part.metrics["exact_match"] for part in run.slices}
    assert by["x"].mean == 0.5
    assert math.isnan(by["y"].mean)


def test_evaluate_leaves_nothing_behind_without_a_store(project: Path) -> None:
    run = evalkit.evaluate([{"output": "a", "reference": "a"}], metrics=["exact_match"])
    folder = run.folder
    assert folder is not None
    assert folder.is_dir()
    del run
    assert not folder.exists()
    assert sorted(path.name for path in project.iterdir()) == ["pyproject.toml"]


def test_evaluate_with_a_store_keeps_the_run(project: Path) -> None:
    run = evalkit.evaluate([{"output": "a", "reference": "a"}], metrics=["exact_match"], store="kept", name="mine")
    assert (project / "kept" / "runs" / run.run_id / "results.json").is_file()


def test_equal_records_give_the_same_digits_again(records: Any) -> None:
    one, other = (evalkit.evaluate(records(300), metrics=["rouge", "bleu", "exact_match"]) for _ in range(2))
    assert one.metrics == other.metrics


def test_a_seed_moves_the_interval_and_nothing_else(records: Any) -> None:
    one, other = (evalkit.evaluate(records(300), metrics=["rouge"], seed=seed) for seed in (1, 2))
    assert one["rouge"].mean == other["rouge"].mean
    assert one["rouge"].ci != other["rouge"].ci


def test_clusters_widen_the_interval(records: Any) -> None:
    alone = records(200)
    doubled = [{**record, "id": f"{record['id']}-{copy}", "cluster": record["id"]} for record in alone for copy in range(3)]
    free = [{key: value for key, value in record.items() if key != "cluster"} for record in doubled]

    def width(run: Any, name: str) -> float:
        low, high = run[name].ci
        return high - low

    clustered, naive, single = (evalkit.evaluate(each, metrics=["rouge", "exact_match"]) for each in (doubled, free, alone))
    for name in ("rouge", "exact_match"):
        assert width(clustered, name) == pytest.approx(width(single, name), rel=0.15)
        assert width(naive, name) < 0.7 * width(single, name)


def test_a_metric_defined_in_a_script_is_used_like_any_other() -> None:
    @evalkit.metric("length_ratio")
    @dataclass(frozen=True)
    class LengthRatio(Metric):
        """Characters of the output per character of the reference."""

        needs = ("output", "reference")

        @property
        def columns(self) -> tuple[str, ...]:
            return ("output", "reference")

        def measure(self, batch: Any) -> Rows:
            return Rows.of(*([len(text) for text in batch.texts(name)] for name in ("output", "reference")))

        def combine(self, totals: Any) -> Any:
            return totals[..., :1] / totals[..., 1:]

    try:
        run = evalkit.evaluate(
            [{"output": "ab", "reference": "a"}, {"output": "a", "reference": "abc"}], metrics=["length_ratio"]
        )
        assert run["length_ratio"].mean == pytest.approx(3 / 4)
    finally:
        forget("metric", "length_ratio")


def test_a_metric_that_raises_on_some_records_loses_only_those() -> None:
    @evalkit.metric("picky")
    @dataclass(frozen=True)
    class Picky(Metric):
        """Refuses to look at the word no."""

        @property
        def columns(self) -> tuple[str, ...]:
            return ("one",)

        def measure(self, batch: Any) -> Rows:
            if "no" in batch.texts("output"):
                raise RuntimeError("I will not")
            return Rows.of(np.ones(len(batch)))

        def combine(self, totals: Any) -> Any:
            return totals

    try:
        scores = evalkit.score("picky", ["yes", "no", "well"])
        assert scores.errors == {1: "RuntimeError: I will not"}
    finally:
        forget("metric", "picky")


def test_assert_passes_raises_with_the_gates_words(project: Path, jsonl: Any) -> None:
    jsonl(project / "d.jsonl", [{"output": "a", "reference": "b"}] * 1 + [{"output": "b", "reference": "b"}])
    (project / "s.yaml").write_text(
        "dataset: {path: d.jsonl}\nmetrics: [exact_match]\ngates: [{metric: exact_match, threshold: 1, every: true}]\n"
    )
    with pytest.raises(AssertionError, match=r"fail: exact_match = 1 in every record: 1 of 2 records: "):
        evalkit.assert_passes("s.yaml")
    (project / "s.yaml").write_text("dataset: {path: d.jsonl}\nmetrics: [exact_match]\n")
    assert evalkit.assert_passes("s.yaml").status == "passed"


def test_everything_that_is_public_can_be_imported() -> None:
    for name in evalkit.__all__:
        assert getattr(evalkit, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        evalkit.nothing  # noqa: B018
