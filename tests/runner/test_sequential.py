"""Gates that stop early: what is judged, in which order, what is told of it, and what goes on after an interruption."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

import evalkit
from evalkit.core.asking import Reply, Request
from evalkit.core.errors import SpecError
from evalkit.core.registry import backend
from evalkit.runner.sequential_order import Columns, Order

JUDGE = """
backends:
  judge:
    kind: scripted
    replies:
      - {when: 'ANSWER [0-9a-f]+\\nbad', say: '{"reason": "it says bad", "verdict": "no"}'}
      - {when: 'ANSWER [0-9a-f]+\\nodd', say: 'perhaps'}
    otherwise: '{"reason": "fine", "verdict": "yes"}'
"""
METRICS = "metrics: [{use: yes_no, as: good, question: Is it good?, backend: judge}]\n"
SUITE = "name: early\ndataset: {path: d.jsonl}\nslices: [lang]\n" + JUDGE + METRICS


def answers(n: int, share: float, seed: int = 1, **more: Callable[[int], Any]) -> list[dict[str, Any]]:
    """Records of which exactly a share is good, in random order; `more` gives further columns by number."""
    rng = random.Random(seed)
    words = ["good"] * round(n * share) + ["bad"] * (n - round(n * share))
    rng.shuffle(words)
    return [
        {"id": f"r{at}", "input": f"q{at}", "output": f"{word} {at}", "lang": "de" if at % 3 else "en"}
        | {name: of(at) for name, of in more.items()}
        for at, word in enumerate(words)
    ]  # fmt: skip


@pytest.fixture
def ran(project: Path, jsonl: Any) -> Callable[..., dict[str, Any]]:
    """Write records and a suite with some gates, run it, and give results.json with the scores."""

    def run(records: list[dict[str, Any]] | None, gates: str, suite: str = SUITE, more: str = "", **options: Any) -> Any:
        if records is not None:
            jsonl(project / "d.jsonl", records)
        (project / "s.yaml").write_text(f"{suite}{more}gates: {gates}\n")
        told = msgspec.json.decode(msgspec.json.encode(evalkit.run(project / "s.yaml", **options).to_json()))
        folder = project / ".evalkit/runs" / told["run_id"]
        told["scores"] = {row["id"]: row for row in pq.read_table(folder / "scores.parquet").to_pylist()}
        return told

    return run


def judged(told: dict[str, Any], label: str = "good") -> set[str]:
    return {name for name, row in told["scores"].items() if not (row[f"{label}.skipped"] or "").startswith("not judged")}


@pytest.mark.parametrize(("share", "outcome"), [(0.9, "pass"), (0.6, "fail")])
def test_judging_stops_once_the_gate_has_decided_either_way(ran: Any, share: float, outcome: str) -> None:
    told = ran(answers(1_500, share), "[{metric: good, min: 0.75, sequential: true}]")
    (gate,) = told["gates"]
    known = judged(told)
    assert (gate["outcome"], gate["sequential"]) == (outcome, True)
    assert gate["used"] <= len(known) <= gate["used"] + 75
    assert gate["saved"] == 1_500 - len(known) == 1_500 - told["usage"]["calls"]
    assert len(known) < 500
    assert gate["reason"].startswith(
        f"decided after {gate['used']:,} of 1,500 records; about {gate['saved']:,} judge calls saved"
    )
    good = told["metrics"]["good"]
    assert (good["n"], good["errors"], good["skipped"]) == (len(known), 0, 1_500 - len(known))
    assert good["coverage"] == pytest.approx(len(known) / 1_500)
    assert good["mean"] == gate["observed"] == pytest.approx(np.mean([told["scores"][name]["good"] for name in known]))
    assert good["ci"] == gate["ci"], "the metric's interval is the gate's: it holds wherever judging stopped"
    assert f"{len(known):,} of 1,500 records judged, at random" in good["about"]
    left = next(row for name, row in told["scores"].items() if name not in known)
    assert np.isnan(left["good"])
    assert left["good.skipped"] == f"not judged: the gate had decided after {gate['used']:,} records"


def test_a_value_at_the_bound_is_judged_to_the_end_and_undecided(ran: Any) -> None:
    told = ran(answers(300, 0.8), "[{metric: good, min: 0.8, sequential: true}]")
    (gate,) = told["gates"]
    assert (gate["outcome"], gate["used"], gate["saved"]) == ("inconclusive", None, 0)
    assert gate["reason"].startswith("undecided after all 300 records; 0.8")
    assert told["exit_code"] == 1
    assert len(judged(told)) == 300
    low, high = gate["ci"]
    assert low < 0.8 < high


def test_the_order_is_random_the_same_for_a_seed_and_not_the_files(ran: Any) -> None:
    records, gates = answers(1_200, 0.9), "[{metric: good, min: 0.75, sequential: true}]"
    first = ran(sorted(records, key=lambda one: one["output"]), gates)  # all the bad ones come first
    again = ran(records, gates)
    other = ran(None, gates, more="seed: 7\n")
    assert judged(first) == judged(again)
    assert first["gates"] == again["gates"]
    assert first["gates"][0]["outcome"] == "pass"
    assert judged(other) != judged(again)


def test_the_longest_of_two_gates_decides_when_judging_stops(ran: Any) -> None:
    told = ran(
        answers(2_000, 0.88),
        "[{metric: good, min: 0.6, sequential: true}, {metric: good, min: 0.8, where: {lang: en}, sequential: true}]",
    )
    easy, hard = told["gates"]
    assert easy["used"] < hard["used"] <= len(judged(told)) < 2_000
    assert easy["saved"] == hard["saved"] == 2_000 - len(judged(told))
    english = [row["good"] for name, row in told["scores"].items() if int(name[1:]) % 3 == 0]
    assert hard["observed"] == pytest.approx(np.nanmean(english))
    by = {part["by"]["lang"]: part["metrics"]["good"] for part in told["slices"]}
    assert by["en"]["ci"] == hard["ci"], "a slice's interval holds wherever judging stopped, too"


def test_a_band_is_two_gates_that_both_decide(ran: Any) -> None:
    told = ran(answers(1_500, 0.8), "[{metric: good, min: 0.6, max: 0.95, sequential: true}]")
    assert [gate["outcome"] for gate in told["gates"]] == ["pass", "pass"]
    assert len(judged(told)) < 1_000


def test_errors_are_no_evidence_and_counted_among_those_that_were_asked(ran: Any) -> None:
    records = answers(1_500, 0.9)
    for one in records[::10]:
        one["output"] = f"odd {one['id']}"
    told = ran(records, "[{metric: good, min: 0.75, sequential: true}, {metric: errors, max: 0.5}]")
    gate, errors = told["gates"]
    known = judged(told)
    failed = sum(told["scores"][name]["good.error"] is not None for name in known)
    assert failed > 0
    assert errors["observed"] == pytest.approx(failed / len(known)), "not among the records that nobody was asked about"
    assert gate["outcome"] == "pass"
    assert gate["observed"] == pytest.approx(told["metrics"]["good"]["mean"])
    again = ran(None, "[{metric: good, min: 0.75, sequential: true}, {metric: errors, max: 0.5}]", retry_errors=True)
    assert again["gates"][0] | {"reason": ""} == gate | {"reason": ""}
    assert again["usage"]["calls"] == failed, "only what failed was asked again"


def test_what_was_not_judged_is_judged_when_errors_are_measured_again_under_an_ordinary_gate(ran: Any) -> None:
    first = ran(answers(800, 0.9), "[{metric: good, min: 0.7, sequential: true}]")
    told = ran(None, "[{metric: good, min: 0.7}]", retry_errors=True)
    assert len(judged(first)) < 400
    assert told["metrics"]["good"]["n"] == 800
    assert told["usage"]["calls"] == 800 - len(judged(first))
    assert not told["gates"][0]["sequential"]


def test_clusters_are_judged_whole_and_are_the_units(ran: Any) -> None:
    records = answers(1_500, 0.9, cluster=lambda at: f"c{at // 3}")
    told = ran(records, "[{metric: good, min: 0.75, sequential: true}]")
    known = judged(told)
    whole = [all(f"r{3 * c + at}" in known for at in range(3)) for c in range(500)]
    some = [any(f"r{3 * c + at}" in known for at in range(3)) for c in range(500)]
    assert sum(some) - sum(whole) <= 1, "all but the last cluster, in which judging stopped"
    assert told["gates"][0]["outcome"] == "pass"
    assert told["gates"][0]["used"] % 3 == 0


def test_the_order_of_clusters_keeps_them_together_and_those_without_a_name_apart() -> None:
    names = ["a", None, "b", "a", None, "b", "a", "c"]
    order = Order.of(Columns([f"r{at}" for at in range(8)], {"cluster": names}), seed=3)
    assert sorted(order.places.tolist()) == list(range(8))
    units = {int(place): int(unit) for place, unit in zip(order.places, order.units)}
    assert units[0] == units[3] == units[6]
    assert units[2] == units[5]
    assert len(set(units.values())) == 5
    assert (np.diff(order.units) >= 0).all()
    assert order.ends[-1] == 8
    assert [order.complete(int(end)) for end in order.ends] == list(range(1, 6))


class TestAgainstABaseline:
    GATES = "[{metric: good, no_worse_than: baseline, margin: 0.05, sequential: true}]"

    def test_without_one_everything_is_judged_so_that_the_run_can_be_one(self, ran: Any) -> None:
        told = ran(answers(400, 0.8), self.GATES)
        assert told["gates"][0]["outcome"] == "skipped"
        assert len(judged(told)) == 400
        assert "at random" not in told["metrics"]["good"]["about"], "nothing could have stopped it: an ordinary interval"

    def test_a_difference_is_decided_pair_by_pair(self, ran: Any) -> None:
        first = ran(answers(2_000, 0.8), self.GATES)
        better = answers(2_000, 0.8)
        rng = random.Random(5)
        for one in better:
            if rng.random() < 0.3:
                one["output"] = one["output"].replace("bad", "good")
        told = ran(better, self.GATES, baseline=first["run_id"])
        (gate,) = told["gates"]
        assert gate["outcome"] == "pass"
        known = judged(told)
        changed = [told["scores"][name]["good"] - first["scores"][name]["good"] for name in known]
        assert gate["observed"] == pytest.approx(np.mean(changed))
        assert gate["ci"][0] >= -0.05
        assert len(known) < 1_000
        assert "difference +0." in gate["reason"]
        for one in better:
            if rng.random() < 0.3:
                one["output"] = one["output"].replace("good", "bad")
        told = ran(better, self.GATES, baseline=first["run_id"])
        assert told["gates"][0]["outcome"] == "fail"
        assert told["gates"][0]["saved"] > 1_000

    def test_a_baseline_that_stopped_early_itself_is_compared_as_far_as_it_goes(self, ran: Any) -> None:
        first = ran(answers(1_500, 0.9), "[{metric: good, min: 0.75, sequential: true}]")
        shared = len(judged(first))
        told = ran(
            None, "[{metric: good, no_worse_than: baseline, margin: 0.0001, sequential: true}]", baseline=first["run_id"]
        )
        (gate,) = told["gates"]
        assert f"undecided after all {shared} records that both runs have; difference 0" in gate["reason"]
        assert len(judged(told)) <= shared + 75, "further records have nothing to be compared with"
        worse = answers(1_500, 0.8)
        told = ran(worse, "[{metric: good, no_worse_than: baseline, margin: 0.1, sequential: true}]", baseline=first["run_id"])
        assert f"undecided after all {shared} records that both runs have" in told["gates"][0]["reason"]
        assert len(judged(told)) <= shared + 75

    def test_an_equal_run_passes_without_a_margin_once_all_records_are_known_to_be_equal(self, ran: Any) -> None:
        gates = "[{metric: good, no_worse_than: baseline, sequential: true}]"
        first = ran(answers(200, 0.8), gates)
        told = ran(None, gates, baseline=first["run_id"])
        assert told["gates"][0]["outcome"] == "pass"
        assert "none of 200 records scores differently" in told["gates"][0]["reason"]

    def test_runs_that_share_no_records_are_judged_in_full_and_compared_as_ever(self, ran: Any) -> None:
        first = ran(answers(200, 0.8), self.GATES)
        others = [one | {"id": f"s{at}"} for at, one in enumerate(answers(200, 0.9))]
        told = ran(others, self.GATES, baseline=first["run_id"])
        (gate,) = told["gates"]
        assert "unpaired" in gate["reason"]
        assert not gate["sequential"]
        assert len(judged(told)) == 200


def test_a_gate_that_has_had_all_of_its_records_stops_nobody_else(ran: Any) -> None:
    few = answers(1_500, 0.9, lang=lambda at: "fr" if at % 60 == 0 else "en")
    told = ran(
        few, "[{metric: good, min: 0.6, sequential: true}, {metric: good, min: 0.9, where: {lang: fr}, sequential: true}]"
    )
    easy, starved = told["gates"]
    assert easy["outcome"] == "pass"
    assert starved["outcome"] == "inconclusive"
    assert starved["reason"].startswith("undecided after all 25 records that it is about; ")
    known = judged(told)
    assert {f"r{at}" for at in range(0, 1_500, 60)} <= known
    if len(known) < 1_500:
        left = next(row for name, row in told["scores"].items() if name not in known)
        assert left["good.skipped"] == "not judged: no record that the gates could still learn from was left"


def test_draws_of_a_record_are_one_unit_and_pass_k_has_an_interval_for_any_stop(project: Path, jsonl: Any) -> None:
    (project / "ask.md").write_text("{{ input }}")
    jsonl(project / "d.jsonl", [{"id": f"q{at}", "input": f"what is {at}?"} for at in range(300)])
    (project / "s.yaml").write_text(
        'backends:\n  judge: {kind: scripted, replies: [{when: \'^what is\', say: good}], otherwise: \'{"reason": "", "verdict": "yes"}\'}\n'
        "dataset: d.jsonl\ngenerate: {backends: [judge], prompts: [ask.md], repeats: 3, temperature: 1}\n"
        + METRICS
        + "gates: [{metric: good, min: 0.5, sequential: true}]\n"
    )
    run = evalkit.run(project / "s.yaml")
    assert run.gates[0].outcome == "pass", run.gates[0].reason
    assert run.gates[0].used is not None
    assert run.gates[0].used % 3 == 0
    assert run["good"].n < 450
    whole = run["good.pass^3"]
    assert whole.ci is not None
    assert whole.ci[0] < 1.0 == whole.mean
    assert whole.n in (run["good"].n // 3, run["good"].n // 3 + 1)


def test_other_metrics_of_the_suite_are_measured_on_all_records(ran: Any) -> None:
    both = (
        "metrics:\n  - {use: yes_no, as: good, question: Is it good?, backend: judge}\n"
        "  - {use: yes_no, as: polite, question: Is it polite?, backend: judge}\n  - length\n"
    )
    suite = SUITE.replace(METRICS, both.replace("  - length\n", ""))
    told = ran(answers(600, 0.9), "[{metric: good, min: 0.6, sequential: true}]", suite=suite)
    assert told["metrics"]["polite"]["n"] == 600
    assert told["metrics"]["good"]["n"] < 300
    assert told["usage"]["calls"] == 600 + told["metrics"]["good"]["n"]
    calls = pq.read_table(Path(".evalkit/runs") / told["run_id"] / "calls.parquet").to_pylist()
    assert sum(call["metric"] == "good" for call in calls) == told["metrics"]["good"]["n"]


def test_a_threshold_makes_a_share_of_any_score(ran: Any) -> None:
    told = ran(answers(1_500, 0.9), "[{metric: good, threshold: 1, min: 0.75, sequential: true}]")
    assert told["gates"][0]["outcome"] == "pass"
    assert told["gates"][0]["saved"] > 900


def test_a_run_without_a_store_stops_early_too() -> None:
    judge = {
        "kind": "scripted",
        "replies": [{"when": "ANSWER [0-9a-f]+\\nbad", "say": '{"reason": "", "verdict": "no"}'}],
        "otherwise": '{"reason": "", "verdict": "yes"}',
    }
    run = evalkit.evaluate(
        answers(800, 0.9),
        [{"use": "yes_no", "as": "good", "question": "?", "backend": "judge"}],
        backends={"judge": judge},
        gates=[{"metric": "good", "min": 0.7, "sequential": True}],
    )
    assert run.gates[0].outcome == "pass"
    assert run.gates[0].saved is not None
    assert run.gates[0].saved > 500


# --- who replies first does not matter -------------------------------------------------------------------------------


@pytest.fixture
def dawdling(monkeypatch: pytest.MonkeyPatch) -> str:
    """A judge that takes its time, most of all where the answer is bad: those replies come last."""
    from evalkit.core import registry

    monkeypatch.setattr(registry, "_table", dict(registry._table))

    @backend("dawdling")
    @dataclass(frozen=True)
    class Dawdling:
        slow_s: float = 0.0
        identity = "dawdling"
        max_concurrency = 16

        async def complete(self, request: Request) -> Reply:
            told = str(request.messages[-1]["content"])
            bad = "\nbad" in told
            await asyncio.sleep(self.slow_s * (3.0 if bad else random.random()))
            return Reply('{"reason": "", "verdict": "%s"}' % ("no" if bad else "yes"))

    return "dawdling"


def test_which_replies_are_slow_moves_neither_what_is_judged_nor_what_is_decided(dawdling: str) -> None:
    def run(slow_s: float) -> Any:
        return evalkit.evaluate(
            answers(600, 0.85),
            [{"use": "yes_no", "as": "good", "question": "?", "backend": "judge"}],
            backends={"judge": {"kind": dawdling, "slow_s": slow_s}},
            gates=[{"metric": "good", "min": 0.6, "sequential": True}],
        )

    fast, slow = run(0.0), run(0.004)
    assert fast.gates[0].used == slow.gates[0].used
    assert fast.gates[0].ci == slow.gates[0].ci
    assert fast["good"].n == slow["good"].n < 600
    assert fast.to_pandas().equals(slow.to_pandas())


# --- what is wrong is told before anything is asked ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gates", "what"),
    [
        ("[{metric: exact_match, min: 0.5, sequential: true}]", "exact_match asks no model, so there are no calls to save"),
        ("[{metric: errors, max: 0.5, sequential: true}]", "the share of errors is about the records that were judged"),
        ("[{metric: good, every: true, threshold: 1, sequential: true}]", "`every` looks at each record"),
        ("[{metric: good, min: 0.5, sequential: true}, {metric: good, max: 0.9}]", "needs every record of good"),
        ("[{metric: duel, min: 0.5, sequential: true}]", "sequential needs a mean of records; duel is none"),
        ("[{metric: good, min: 0.5, sequential: maybe}]", "gates[0].sequential wants true or false"),
    ],
)
def test_a_gate_that_cannot_stop_early_is_an_error_with_a_way_out(project: Path, jsonl: Any, gates: str, what: str) -> None:
    more = METRICS.replace(
        "}]", "}, exact_match, {use: pairwise, as: duel, against: {column: other}, scale: five, backend: judge}]"
    )
    jsonl(project / "d.jsonl", [one | {"reference": "x", "other": "y"} for one in answers(10, 0.5)])
    (project / "s.yaml").write_text(f"{SUITE.replace(METRICS, more)}gates: {gates}\n")
    with pytest.raises(SpecError, match="gates") as caught:
        evalkit.run(project / "s.yaml")
    assert what in str(caught.value)
    assert not (project / ".evalkit").exists()


def test_compare_gives_no_verdict_on_a_metric_whose_judging_stopped_early(ran: Any, project: Path) -> None:
    whole = ran(answers(600, 0.6), "[{metric: errors, max: 0.5}]")
    early = ran(answers(600, 0.95, seed=2), "[{metric: good, min: 0.7, sequential: true}]")
    assert early["metrics"]["good"]["n"] < 600
    found = evalkit.compare(*(project / ".evalkit/runs" / told["run_id"] for told in (whole, early)))["good"]
    assert found.verdict == "inconclusive"
    assert found.test.startswith("none: judging stopped early")
    assert found.ci is None
