"""How often gates pass though they should not: with the truth exactly on the bound, 2.5 % should.

Every trial goes through `judge_gates`, so words, intervals and verdict are those of a run. Trials share a seed: they are
the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from evalkit.core.batch import Batch
from evalkit.core.contracts import Metric
from evalkit.core.rows import Floats, Rows
from evalkit.core.run import GateResult, Run, Value
from evalkit.metrics.share import Share
from evalkit.runner.baseline import Baseline, from_values
from evalkit.runner.gate import Evidence, judge_gates
from evalkit.runner.values import Measured, Settings
from evalkit.specs.suite import GateSpec, Suite
from evalkit.stats.ratio import ratio
from evalkit.store.table import Table


class Hit(Share):
    needs = ("output",)

    def measure(self, batch: Batch) -> Rows:
        raise NotImplementedError


class Score(Metric):
    needs = ("output",)
    columns = ("sum", "records")  # type: ignore[assignment]

    def measure(self, batch: Batch) -> Rows:
        raise NotImplementedError

    def combine(self, totals: Floats) -> Floats:
        return ratio(totals[..., 0], totals[..., 1])[..., None]


class Scores:
    """A table of one metric ``m`` in memory; records of a cluster follow one another."""

    attributes = ("cluster",)
    labels = {"m": ["m#hits", "m#records"]}

    def __init__(self, scores: Iterable[float], size: int = 1) -> None:
        column = np.asarray(list(scores), dtype=np.float64)
        self.n = len(column)
        self.rows = np.stack([column, np.where(np.isnan(column), np.nan, 1.0)], axis=1)
        self.ids = [str(index) for index in range(self.n)]
        self.clusters = np.arange(self.n) // size

    def __contains__(self, label: str) -> bool:
        return label == "m"

    def statistics(self, label: str) -> Floats:
        return self.rows

    def codes(self, name: str) -> tuple[Any, list[str]]:
        return self.clusters, [str(code) for code in range(int(self.clusters[-1]) + 1)]


def judged(
    now: Any, gate: dict[str, Any], metric: Metric, *, then: Any = None, size: int = 1, resamples: int = 400, seed: int = 0
) -> GateResult:
    table = Scores(now, size)
    nothing = np.zeros(table.n, dtype=bool)
    one = Measured("m", metric, table.rows, nothing, nothing)

    def baseline(name: str) -> Baseline:
        value = Value(0.0, None, 0.95, 0.0, table.n)
        return Baseline(Run("before", "passed", {}, {}, {"m": value}, folder=Path()), cast(Table, Scores(then, size)))

    suite = cast(Suite, SimpleNamespace(gates=(GateSpec(metric="m", **gate),)))
    settings = Settings(0.95, resamples, seed)
    return judge_gates(suite, Evidence(suite, cast(Table, table), {"m": one}, nothing, settings, baseline))[0]


def no_more_than(share: float, trials: int, passed: int) -> None:
    """Within 3.5 Monte-Carlo standard errors of a share that is put up with."""
    assert passed / trials <= share + 3.5 * np.sqrt(share * (1.0 - share) / trials), f"{passed} of {trials} passed"


def minimum(draw: Callable[[np.random.Generator], Any], bound: float, metric: Metric, trials: int, **more: Any) -> int:
    rng = np.random.default_rng(0)
    gate = {"rule": "min", "bound": bound}
    return sum(judged(draw(rng), gate, metric, seed=trial, **more).outcome == "pass" for trial in range(trials))


def no_worse(draw: Callable[[np.random.Generator], Any], margin: float, metric: Metric, trials: int, **more: Any) -> int:
    """``draw`` gives the differences, -1 to 1."""
    rng = np.random.default_rng(1)
    gate = {"rule": "no_worse_than", "baseline": "baseline", "margin": margin}
    passed = 0
    for trial in range(trials):
        difference = draw(rng)
        before = np.where(difference > 0, 0.0, np.where(difference < 0, 1.0, rng.random(len(difference)) < 0.7))
        passed += judged(before + difference, gate, metric, then=before, seed=trial, **more).outcome == "pass"
    return passed


def changes(n: int, up: float, down: float) -> Callable[[np.random.Generator], Any]:
    return lambda rng: rng.choice([1.0, 0.0, -1.0], n, p=[up, 1.0 - up - down, down])


# --- min -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "share"), [(100, 0.8), (100, 0.95), (400, 0.8), (400, 0.95)])
def test_a_share_that_only_equals_its_minimum_passes_one_time_in_forty(n: int, share: float) -> None:
    passed = minimum(lambda rng: rng.random(n) < share, share, Hit(), 600, resamples=10)  # Wilson's: no resample is read
    no_more_than(0.026, 600, passed)


@pytest.mark.parametrize("n", [100, 400])
def test_a_mean_skewed_to_the_left_that_only_equals_its_minimum_passes_one_time_in_forty(n: int) -> None:
    no_more_than(0.03, 300, minimum(lambda rng: rng.beta(4.0, 1.0, n), 0.8, Score(), 300))


def test_a_mean_skewed_to_the_right_too() -> None:
    no_more_than(0.035, 300, minimum(lambda rng: rng.beta(0.3, 1.2, 100), 0.2, Score(), 300))


def test_ten_records_are_not_passed_for_being_perfect() -> None:
    """Where one record in twenty fails, ten are all right 60 % of the time."""
    for metric in (Hit(), Score()):
        assert minimum(lambda rng: rng.random(10) < 0.95, 0.95, metric, 100) == 0


def test_few_records_and_few_clusters_pass_a_little_too_often_not_far_too_often() -> None:
    no_more_than(0.04, 400, minimum(lambda rng: rng.normal(0.0, 1.0, 10), 0.0, Score(), 400))
    agreed = minimum(lambda rng: np.repeat(rng.normal(0.0, 1.0, 10), 5), 0.0, Score(), 400, size=5)
    no_more_than(0.04, 400, agreed)


# --- no_worse_than ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "up", "down"),
    [(100, 0.01, 0.03), (100, 0.05, 0.10), (100, 0.1, 0.1), (400, 0.01, 0.03), (400, 0.05, 0.1), (400, 0.01, 0.01)],
)
def test_a_paired_share_that_is_worse_by_its_margin_passes_one_time_in_forty(n: int, up: float, down: float) -> None:
    no_more_than(0.03, 500, no_worse(changes(n, up, down), down - up, Hit(), 500, resamples=10))


def test_few_changes_let_a_gate_without_margin_pass_only_where_nothing_changed() -> None:
    """One record in a hundred gains and one loses: 13.4 % of the data sets hold neither, and those runs are the same."""
    passed = no_worse(changes(100, 0.01, 0.01), 0.0, Hit(), 500, resamples=10)
    no_more_than(0.98**100 + 0.02, 500, passed)
    one_gain = np.where(np.arange(100) == 7, 1.0, 0.0)
    for metric in (Hit(), Score()):
        assert no_worse(lambda rng: one_gain, 0.0, metric, 1) == 0
        assert no_worse(lambda rng: one_gain, 0.05, metric, 1) == 1


def test_a_paired_mean_with_few_changes_does_not_pass_more_often() -> None:
    no_more_than(0.98**100 + 0.02, 300, no_worse(changes(100, 0.01, 0.01), 0.0, Score(), 300))
    no_more_than(0.035, 300, no_worse(changes(100, 0.05, 0.15), 0.1, Score(), 300))


def test_paired_shares_in_clusters_that_change_together() -> None:
    def together(rng: np.random.Generator) -> Any:
        return np.repeat(rng.choice([1.0, 0.0, -1.0], 40, p=[0.05, 0.8, 0.15]), 5)

    no_more_than(0.03, 400, no_worse(together, 0.1, Hit(), 400, size=5, resamples=10))
    naive = no_worse(together, 0.1, Hit(), 400, resamples=10)
    assert naive > 40, "without clusters it would pass far too often"


# --- at the edges ----------------------------------------------------------------------------------------------------


def test_an_equal_run_passes_whatever_the_margin_and_the_reason_says_why() -> None:
    scores = np.random.default_rng(0).random(50)
    for metric, column in ((Score(), scores), (Hit(), (scores > 0.3).astype(float))):
        found = judged(column, {"rule": "no_worse_than", "baseline": "baseline", "margin": 0.0}, metric, then=column)
        assert (found.outcome, found.ci) == ("pass", (0.0, 0.0))
        assert found.reason.endswith(": none of 50 records scores differently")


def test_records_that_one_run_did_not_score_make_runs_unequal() -> None:
    scores = np.random.default_rng(0).random(200)
    before = np.where(np.arange(200) < 3, np.nan, scores)
    gate = {"rule": "no_worse_than", "baseline": "baseline", "margin": 0.0}
    found = judged(scores, gate, Score(), then=before)
    assert found.outcome == "inconclusive"
    assert "(over the 197 records that both runs scored)" in found.reason
    assert judged(scores, {**gate, "margin": 0.05}, Score(), then=before).outcome == "pass"


@pytest.mark.parametrize("n", [1, 2, 4])
def test_a_handful_of_scores_decides_no_gate(n: int) -> None:
    found = judged(np.full(n, 0.9), {"rule": "min", "bound": 0.5}, Score())
    assert found.outcome == "inconclusive"
    assert found.reason == f"0.900; {n} record{'s' if n > 1 else ''}: a gate on this metric asks for 5"


@pytest.mark.parametrize("n", [2, 4])
def test_a_handful_of_pairs_decides_no_gate(n: int) -> None:
    """Of two normal differences whose mean is the margin, 15 % would pass, not 2.5 %."""
    scores = np.linspace(0.80, 0.81, n)
    gate = {"rule": "no_worse_than", "baseline": "baseline", "margin": 0.05}
    found = judged(scores + 0.001 * np.arange(n), gate, Score(), then=scores)
    assert found.outcome == "inconclusive"
    assert found.reason == f"{n} records in both runs: a gate on this metric asks for 5"
    grouped = judged(scores.repeat(20) + 0.001 * np.arange(20 * n), gate, Score(), then=scores.repeat(20), size=20)
    assert grouped.reason == f"{n} clusters in both runs: a gate on this metric asks for 5"
    assert judged(scores, gate, Score(), then=scores).outcome == "pass", "nothing changed"


def test_records_of_one_cluster_decide_no_gate() -> None:
    scores = np.random.default_rng(0).random(300)
    mean = judged(scores, {"rule": "min", "bound": 0.1}, Score(), size=300)
    assert (mean.outcome, mean.reason[7:]) == ("inconclusive", "1 cluster: a gate on this metric asks for 5")
    share = judged(scores > 0.1, {"rule": "min", "bound": 0.1}, Hit(), size=300)
    assert (share.outcome, share.ci) == ("inconclusive", None)
    reached = judged(scores, {"rule": "min", "bound": 0.1, "threshold": 0.1}, Score(), size=300)
    assert (reached.outcome, reached.ci) == ("inconclusive", None)
    assert "–" not in reached.reason


def test_ten_right_answers_are_told_how_many_more_there_must_be() -> None:
    found = judged(np.ones(10), {"rule": "min", "bound": 0.8}, Hit())
    assert (found.outcome, found.reason) == ("inconclusive", "1.000, 0.722 to 1.000; about 6 more records would tell")
    assert judged(np.ones(16), {"rule": "min", "bound": 0.8}, Hit()).outcome == "pass"


def test_a_perfect_score_has_an_interval_and_a_constant_cost_has_none() -> None:
    assert judged(np.ones(20), {"rule": "min", "bound": 0.8}, Score()).ci == (pytest.approx(0.8389, abs=1e-4), 1.0)
    assert judged(np.full(20, 0.3), {"rule": "min", "bound": 0.2}, Score()).ci == (0.3, 0.3)


def test_unpaired_values_without_a_failure_still_leave_room() -> None:
    then = Value(1.0, (0.839, 1.0), 0.95, 0.0, 20)
    found = from_values(then, then, 0.95)
    assert found.interval.low[0] == pytest.approx(-0.161)
    assert found.interval.high[0] == pytest.approx(0.161)
    other = from_values(Value(0.5, (0.4, 0.6), 0.9, 0.05, 20), then, 0.95)
    assert other.interval.method == "normal", "bounds of two levels cannot be joined"
