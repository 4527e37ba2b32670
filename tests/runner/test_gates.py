"""Gates compare the interval, not the mean, and say what they saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from evalkit import evaluate


def outcome(records: list[dict[str, Any]], gate: dict[str, Any], **suite: Any) -> Any:
    run = evaluate(records, metrics=["exact_match", "levenshtein"], gates=[gate], **suite)
    return run.gates[0], run


def answers(right: int, wrong: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"r{i}", "output": "a" if i < right else "b", "reference": "a", **more} for i in range(right + wrong)]


def test_a_minimum_passes_when_the_whole_interval_is_above_it() -> None:
    gate, run = outcome(answers(90, 10), {"metric": "exact_match", "min": 0.8})
    assert (gate.outcome, run.status, run.exit_code) == ("pass", "passed", 0)
    assert gate.reason == "the interval starts at 0.826"


def test_a_minimum_fails_when_the_whole_interval_is_below_it() -> None:
    gate, run = outcome(answers(50, 50), {"metric": "exact_match", "min": 0.8})
    assert (gate.outcome, run.status, run.exit_code) == ("fail", "failed", 1)


def test_a_mean_above_the_minimum_is_inconclusive_while_the_interval_holds_it() -> None:
    gate, run = outcome(answers(84, 16), {"metric": "exact_match", "min": 0.8})
    assert (gate.outcome, run.exit_code) == ("inconclusive", 1)
    assert "more records would tell" in gate.reason


def test_on_inconclusive_pass_lets_the_run_by_and_still_says_so() -> None:
    gate, run = outcome(answers(84, 16), {"metric": "exact_match", "min": 0.8, "on_inconclusive": "pass"})
    assert (gate.outcome, gate.passed, run.exit_code) == ("inconclusive", True, 0)


def test_a_maximum_of_a_lower_is_better_metric_compares_the_upper_bound() -> None:
    gate, _ = outcome(answers(90, 10), {"metric": "levenshtein.distance", "max": 0.3})
    assert gate.outcome == "pass"
    assert gate.reason.startswith("the interval ends at 0.1")


def test_every_names_each_record_that_does_not_reach_the_threshold() -> None:
    records = answers(2, 2, tag="must-pass") + [{"id": "x", "output": "b", "reference": "a", "tag": "other"}]
    gate, _ = outcome(records, {"metric": "exact_match", "where": {"tag": "must-pass"}, "threshold": 1, "every": True})
    assert gate.outcome == "fail"
    assert gate.records == ("r2", "r3")
    assert gate.reason == "2 of 4 records: r2, r3"
    assert gate.title == "exact_match = 1 on tag=must-pass"


def test_a_must_pass_record_that_could_not_be_scored_did_not_pass() -> None:
    records = [{"id": "a", "output": "x", "reference": "x"}, {"id": "b", "output": None, "reference": "x"}]
    gate, _ = outcome(records, {"metric": "exact_match", "threshold": 1, "every": True})
    assert (gate.outcome, gate.records) == ("fail", ("b",))


def test_every_on_a_lower_is_better_metric_means_at_most() -> None:
    gate, _ = outcome(answers(3, 1), {"metric": "levenshtein.distance", "threshold": 0.5, "every": True})
    assert gate.records == ("r3",)


@pytest.mark.parametrize(
    ("told", "title"),
    [
        ({"metric": "exact_match", "threshold": 1}, "exact_match = 1 in every record"),
        ({"metric": "levenshtein.similarity", "threshold": 0.5}, "levenshtein.similarity ≥ 0.5 in every record"),
        ({"metric": "levenshtein.distance", "threshold": 0.5}, "levenshtein.distance ≤ 0.5 in every record"),
        ({"metric": "levenshtein.distance", "threshold": 0}, "levenshtein.distance = 0 in every record"),
    ],
)
def test_a_gate_on_every_record_says_in_which_direction_it_looks(told: dict[str, Any], title: str) -> None:
    gate, _ = outcome(answers(3, 1), {**told, "every": True})
    assert gate.title == title


def test_a_threshold_with_a_minimum_compares_the_share_of_records_that_reach_it() -> None:
    gate, _ = outcome(answers(90, 10), {"metric": "levenshtein.similarity", "threshold": 0.5, "min": 0.8})
    assert (gate.outcome, gate.observed) == ("pass", pytest.approx(0.9))
    assert gate.ci[0] == pytest.approx(0.8256, abs=1e-4)


def test_more_errors_than_the_gate_allows_make_the_run_incomplete() -> None:
    records = answers(8, 0) + [{"id": "n", "output": None, "reference": "a"}]
    gate, run = outcome(records, {"metric": "errors", "max": 0.05})
    assert (gate.outcome, run.status, run.exit_code) == ("fail", "incomplete", 3)
    assert gate.reason == "1 of 9 records have an error"


def test_without_an_errors_gate_a_metric_that_met_only_errors_makes_the_run_incomplete() -> None:
    records = [{"output": "7", "reference": "seven"}, {"output": "8", "reference": "eight"}]
    run = evaluate(records, metrics=["numeric_match", "exact_match"])
    assert (run["numeric_match"].n, run["numeric_match"].errors, run["exact_match"].n) == (0, 2, 2)
    assert (run.status, run.exit_code) == ("incomplete", 3)


def test_where_takes_several_values_and_null() -> None:
    records = [
        {"id": "a", "output": "x", "reference": "x", "tag": None},
        {"id": "b", "output": "y", "reference": "x", "tag": "t"},
        {"id": "c", "output": "x", "reference": "x", "tag": "u"},
    ]
    gate, _ = outcome(records, {"metric": "exact_match", "where": {"tag": [None, "u"]}, "threshold": 1, "every": True})
    assert gate.outcome == "pass"
    assert gate.reason == "all 2 records"


def test_a_where_that_selects_nothing_is_inconclusive_not_a_pass() -> None:
    gate, run = outcome(
        answers(3, 0, tag="t"), {"metric": "exact_match", "where": {"tag": "typo"}, "threshold": 1, "every": True}
    )
    assert (gate.outcome, run.exit_code) == ("inconclusive", 1)
    assert "tag=typo" in gate.reason


class TestAgainstABaseline:
    @pytest.fixture
    def baseline(self, project: Path, records: Any, jsonl: Any, cli: Any) -> Path:
        jsonl(project / "data.jsonl", records(400, right=0.7, seed=1))
        (project / "s.yaml").write_text(
            "dataset: {path: data.jsonl}\nmetrics: [exact_match, levenshtein]\n"
            "gates: [{metric: exact_match, no_worse_than: baseline, margin: 0.05}, "
            "{metric: levenshtein.distance, no_worse_than: baseline, margin: 1}]\n"
        )
        done = cli("run", "s.yaml", "--out", "main")
        assert done.returncode == 0, done.stderr
        return project

    def gates(self, done: Any) -> list[dict[str, Any]]:
        return msgspec.json.decode(done.stdout)["gates"]

    def test_without_a_run_to_compare_with_the_gate_is_skipped(self, baseline: Path, cli: Any) -> None:
        done = cli("run", "s.yaml", "--fresh", "--json", "--baseline", "latest:nothing-yet")
        assert done.returncode == 0, done.stderr
        assert [gate["outcome"] for gate in self.gates(done)] == ["skipped", "skipped"]

    def test_an_equal_run_passes_by_its_committed_files_alone(self, baseline: Path, cli: Any) -> None:
        done = cli("run", "s.yaml", "--json", "--baseline", "main/results.json", "--store", "elsewhere")
        assert done.returncode == 0, done.stderr
        assert [gate["outcome"] for gate in self.gates(done)] == ["pass", "pass"]

    def test_a_clear_loss_fails_and_a_paired_difference_is_told(
        self, baseline: Path, cli: Any, records: Any, jsonl: Any
    ) -> None:
        worse = records(400, right=0.7, seed=1)
        for record in worse[:120]:
            record["output"] = "something else"
        jsonl(baseline / "data.jsonl", worse)
        done = cli("run", "s.yaml", "--json", "--baseline", "main/results.json")
        assert done.returncode == 1
        first, second = self.gates(done)
        assert first["outcome"] == "fail"
        assert first["observed"] < -0.1
        assert first["ci"][1] < -0.05
        assert second["outcome"] == "fail", "a distance that rises is worse"

    def test_a_small_loss_is_inconclusive_with_the_records_still_needed(
        self, baseline: Path, cli: Any, records: Any, jsonl: Any
    ) -> None:
        worse = records(400, right=0.7, seed=1)
        right = [record for record in worse if record["output"] == record["reference"]]
        for record in right[:18]:
            record["output"] += " x"
        jsonl(baseline / "data.jsonl", worse)
        done = cli("run", "s.yaml", "--json", "--baseline", "main/results.json")
        first = self.gates(done)[0]
        assert first["outcome"] == "inconclusive", first
        assert "more records would tell" in first["reason"]

    def test_another_definition_of_the_metric_is_never_compared(self, baseline: Path, cli: Any) -> None:
        text = (
            (baseline / "s.yaml")
            .read_text()
            .replace("[exact_match,", "[exact_match: {ignore_case: true},")
            .replace("[exact_match: {ignore_case: true}, levenshtein]", "[{exact_match: {ignore_case: true}}, levenshtein]")
        )
        (baseline / "s.yaml").write_text(text)
        done = cli("run", "s.yaml", "--json", "--baseline", "main/results.json")
        first = self.gates(done)[0]
        assert first["outcome"] == "inconclusive"
        assert "ignore_case:no" in first["reason"]
        assert "ignore_case:yes" in first["reason"]

    def test_an_unknown_run_is_an_error_before_anything_is_scored(self, baseline: Path, cli: Any) -> None:
        done = cli("run", "s.yaml", "--baseline", "20200101T000000Z-s-000000")
        assert done.returncode == 2
        assert "no run is called" in done.stderr

    def test_the_folder_that_is_written_cannot_be_the_baseline_too(self, baseline: Path, cli: Any) -> None:
        done = cli("run", "s.yaml", "--out", "main", "--baseline", "main/results.json")
        assert done.returncode == 2
        assert "name another folder" in done.stderr
        assert (baseline / "main" / "results.json").is_file()

    def test_runs_that_share_no_records_are_compared_unpaired_and_say_so(
        self, baseline: Path, cli: Any, records: Any, jsonl: Any
    ) -> None:
        other = [{**record, "id": f"new-{record['id']}"} for record in records(400, right=0.2, seed=9)]
        jsonl(baseline / "data.jsonl", other)
        done = cli("run", "s.yaml", "--json", "--baseline", "main/results.json")
        first = self.gates(done)[0]
        assert first["outcome"] == "fail"
        assert "unpaired" in first["reason"]

    def test_a_baseline_without_its_rows_is_compared_unpaired_and_says_so(
        self, baseline: Path, cli: Any, records: Any, jsonl: Any
    ) -> None:
        (baseline / "main" / "rows.parquet").unlink()
        same = self.gates(cli("run", "s.yaml", "--json", "--baseline", "main/results.json"))[0]
        assert same["outcome"] == "inconclusive", "unpaired, 400 records do not tell 0.05"
        assert "unpaired: the baseline has no rows.parquet" in same["reason"]
        jsonl(baseline / "data.jsonl", records(400, right=0.3, seed=1))
        worse = self.gates(cli("run", "s.yaml", "--json", "--baseline", "main/results.json"))[0]
        assert worse["outcome"] == "fail"

    def test_a_gate_on_some_records_compares_the_same_ones_of_the_baseline(
        self, baseline: Path, cli: Any, records: Any, jsonl: Any
    ) -> None:
        worse = records(400, right=0.7, seed=1)
        for record in worse:
            if record["model"] == "a":
                record["output"] = "gone"
        jsonl(baseline / "data.jsonl", worse)
        sets = ["--set", "gates.0.where={model: b}", "--baseline", "main/results.json", "--json"]
        assert self.gates(cli("run", "s.yaml", *sets))[0]["outcome"] == "pass"

    def test_records_that_only_one_run_has_are_left_out_and_counted(
        self, baseline: Path, cli: Any, records: Any, jsonl: Any
    ) -> None:
        jsonl(baseline / "data.jsonl", [*records(400, right=0.7, seed=1)[:300], {"id": "z", "output": "a", "reference": "a"}])
        first = self.gates(cli("run", "s.yaml", "--json", "--baseline", "main/results.json"))[0]
        assert first["outcome"] == "pass"
        assert first["reason"].endswith("(over the 300 records that both runs scored)")
