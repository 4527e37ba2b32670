"""Runs against a baseline: the right test, an honest verdict, and what is not alike."""

from __future__ import annotations

import csv
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import evalkit
from evalkit import Run, SpecError
from evalkit.comparison.settings import Settings
from evalkit.core.compared import Compared
from evalkit.stats.pairs import paired_share

WORDS = "the server sends a fresh answer when its cached copy is stale".split()


def right(flags: Sequence[int], **columns: Sequence[Any]) -> list[dict[str, Any]]:
    """Records of which those with a flag are right."""
    return [
        {"id": f"r{at}", "output": "a" if flag else "b", "reference": "a", **{name: told[at] for name, told in columns.items()}}
        for at, flag in enumerate(flags)
    ]


def texts(n: int, keep: float, seed: int) -> list[dict[str, Any]]:
    """Outputs that keep a share of the reference's words."""
    order, noise = np.random.default_rng(0), np.random.default_rng(seed)
    records = []
    for at in range(n):
        reference = [WORDS[place] for place in order.integers(0, len(WORDS), 10)]
        output = [word if noise.random() < keep else "x" for word in reference]
        records.append({"id": f"t{at}", "output": " ".join(output), "reference": " ".join(reference)})
    return records


def of(records: list[dict[str, Any]], metrics: Sequence[Any] = ("exact_match",), **suite: Any) -> Run:
    return evalkit.evaluate(records, metrics=list(metrics), **suite)


def flags(n: int, gained: int, lost: int) -> tuple[list[int], list[int]]:
    """Right or wrong in both runs: so many gained, so many lost, the rest half right."""
    a = [0] * gained + [1] * lost + [at % 2 for at in range(n - gained - lost)]
    b = [1] * gained + [0] * lost + [at % 2 for at in range(n - gained - lost)]
    return a, b


class TestTheTestThatSuits:
    def test_shares_take_mcnemar_and_agree_with_the_published_gsm8k_figures(self, shared_data: Path) -> None:
        rows = list(csv.DictReader((shared_data / "ab_gsm8k_solutions" / "correct.csv").open()))
        runs = {
            name: of(right([int(row[name]) for row in rows]))
            for name in ("6b_verification", "175b_finetuning", "175b_verification")
        }
        found = evalkit.compare(runs["6b_verification"], runs["175b_finetuning"])["exact_match"]
        assert (found.test, found.gained, found.lost) == ("McNemar exact", 152, 209)
        assert found.p == pytest.approx(0.003151, abs=5e-7)
        assert found.verdict == "worse"
        other = evalkit.compare(runs["175b_finetuning"], runs["175b_verification"])["exact_match"]
        assert other.p == pytest.approx(2.89e-45, rel=2e-3)

    def test_shares_take_mcnemar_without_the_shared_data_too(self) -> None:
        from scipy.stats import binomtest

        a, b = flags(300, 30, 12)
        found = evalkit.compare(of(right(a)), of(right(b)))["exact_match"]
        assert found.test == "McNemar exact"
        assert found.p == pytest.approx(binomtest(12, 42).pvalue)
        assert found.diff == pytest.approx(18 / 300)
        assert found.ci is not None
        assert found.ci[0] < 18 / 300 < found.ci[1]

    def test_corpus_metrics_are_permuted_through_their_sums_and_means_agree_with_scipy(self) -> None:
        from scipy.stats import permutation_test

        one, two = of(texts(80, 0.8, 1), ["token_f1", "bleu"]), of(texts(80, 0.7, 2), ["token_f1", "bleu"])
        found = evalkit.compare(one, two)
        assert {value.test for value in found.comparisons[0].metrics.values()} == {"paired permutation"}
        assert found["bleu"].diff == pytest.approx(two["bleu"].mean - one["bleu"].mean)
        scores = [np.asarray(run.to_pandas()["token_f1"]) for run in (two, one)]

        def mean_difference(x: Any, y: Any, axis: int) -> Any:
            return x.mean(axis=axis) - y.mean(axis=axis)

        theirs = permutation_test(
            scores,
            mean_difference,
            permutation_type="samples",
            vectorized=True,
            n_resamples=9_999,
            rng=np.random.default_rng(0),
        )
        assert found["token_f1"].p == pytest.approx(theirs.pvalue, abs=4 * math.sqrt(0.25 / 9_999))

    def test_wilcoxon_and_t_on_request_are_scipys(self) -> None:
        from scipy.stats import ttest_rel, wilcoxon

        one, two = of(texts(120, 0.8, 1), ["token_f1"]), of(texts(120, 0.76, 2), ["token_f1"])
        a, b = (np.asarray(run.to_pandas()["token_f1"]) for run in (one, two))
        by_rank = evalkit.compare(one, two, test="wilcoxon")["token_f1"]
        by_t = evalkit.compare(one, two, test="t")["token_f1"]
        assert by_rank.test == "Wilcoxon signed-rank"
        assert by_rank.p == pytest.approx(wilcoxon(b - a, correction=False, method="asymptotic").pvalue)
        assert by_t.p == pytest.approx(ttest_rel(b, a).pvalue)
        assert by_t.ci == pytest.approx(tuple(ttest_rel(b, a).confidence_interval(0.95)))

    def test_clustered_records_are_exchanged_together_and_tell_less(self) -> None:
        a, b = flags(200, 40, 15)
        clusters = [f"c{at // 10}" for at in range(200)]
        alone = evalkit.compare(of(right(a)), of(right(b)))["exact_match"]
        grouped = evalkit.compare(of(right(a, cluster=clusters)), of(right(b, cluster=clusters)))
        found = grouped["exact_match"]
        assert found.test.startswith("paired permutation, clustered")
        assert found.p > alone.p
        assert grouped.comparisons[0].matched.clusters == 20

    def test_a_share_that_is_to_be_bootstrapped_says_which_test_it_got(self) -> None:
        a, b = flags(200, 20, 8)
        found = evalkit.compare(of(right(a)), of(right(b)), test="bootstrap")["exact_match"]
        assert (found.test, found.method) == ("score test", "Tango score interval")
        low, high = paired_share(np.repeat([1.0, -1.0, 0.0], [20, 8, 172]), None, 1.0 - found.p)
        assert min(abs(low), abs(high)) == pytest.approx(0.0, abs=1e-6)

    def test_quantiles_are_compared_too(self) -> None:
        rng = np.random.default_rng(3)
        base = rng.exponential(300.0, 400)
        runs = [
            of([{"id": str(at), "output": "x", "latency_ms": float(x)} for at, x in enumerate(base * scale)], ["latency"])
            for scale in (1.0, 1.3)
        ]
        found = evalkit.compare(*runs)
        assert found["latency.p95"].verdict == "worse"
        assert found["latency.p95"].diff == pytest.approx(0.3 * np.quantile(base, 0.95))
        assert found["latency.mean"].higher_is_better is False


class TestRecordsThatOneRunCouldNotScore:
    def test_they_are_told_for_a_system_may_fail_where_it_would_be_wrong(self) -> None:
        records = right([at % 2 for at in range(200)])
        lost = [{**one, "output": None} if at % 4 == 0 else one for at, one in enumerate(records)]
        names = ["exact_match", "contains"]
        told = evalkit.compare(of(records, names), of(lost, names)).comparisons[0]
        assert (told.matched.n, told.metrics["exact_match"].n) == (200, 150)
        assert len(told.notes) == 1, "one line for all metrics that lack the same"
        assert told.notes[0].startswith("exact_match, contains: 50 records left out that only one run could score (50 by the ")
        assert evalkit.compare(of(records), of(right([1] * 200))).comparisons[0].notes == []


class TestVerdicts:
    def test_no_record_differs_is_inconclusive_and_within_a_margin_equivalent(self) -> None:
        run = of(right([1, 0] * 50))
        same = of(right([1, 0] * 50))
        assert evalkit.compare(run, same)["exact_match"].verdict == "inconclusive"
        assert evalkit.compare(run, same)["exact_match"].why == "no record differs"
        assert evalkit.compare(run, same, margins={"exact_match": 0.05})["exact_match"].verdict == "equivalent"
        few = of(right([1, 0] * 5)), of(right([1, 0] * 5))
        assert evalkit.compare(*few, margins={"exact_match": 0.05})["exact_match"].verdict == "inconclusive"

    def test_equivalence_is_what_the_ninety_percent_interval_shows(self) -> None:
        a, b = flags(2_000, 20, 20)
        runs = of(right(a)), of(right(b))
        assert evalkit.compare(*runs, margins={"exact_match": 0.02})["exact_match"].verdict == "equivalent"
        assert evalkit.compare(*runs, margins={"exact_match": 0.001})["exact_match"].verdict == "inconclusive"
        assert evalkit.compare(*runs)["exact_match"].verdict == "inconclusive"

    def test_a_handful_of_records_shows_no_equivalence(self) -> None:
        few = [{"id": str(at), "output": "x", "latency_ms": 100.0} for at in range(4)]
        found = evalkit.compare(of(few, ["latency"]), of(few, ["latency"]), margins={"latency.mean": 0.5})["latency.mean"]
        assert found.verdict == "inconclusive"
        assert math.isnan(found.p_equivalent)

    def test_resamples_show_equivalence_no_surer_than_they_can(self) -> None:
        rng = np.random.default_rng(0)
        base = rng.normal(100.0, 5.0, 300)
        runs = [
            of(
                [
                    {"id": str(at), "output": "x", "latency_ms": x}
                    for at, x in enumerate((base + rng.normal(0.0, 1.0, 300)).tolist())
                ],
                ["latency"],
            )
            for _ in range(2)
        ]
        found = evalkit.compare(*runs, margins={"latency.mean": 5.0}, resamples=400)["latency.mean"]
        assert found.verdict == "equivalent"
        assert found.p_equivalent == pytest.approx(1.0 / 401.0)

    def test_lower_is_better_turns_the_verdict(self) -> None:
        found = evalkit.compare(of(texts(200, 0.8, 1), ["levenshtein"]), of(texts(200, 0.5, 2), ["levenshtein"]))
        assert found["levenshtein.distance"].diff > 0
        assert found["levenshtein.distance"].verdict == "worse"
        assert found["levenshtein.similarity"].verdict == "worse"

    def test_a_lucky_one_of_many_is_not_called_a_difference(self) -> None:
        a, b = flags(100, 9, 1)  # p 0.02 alone
        columns = [{"use": "exact_match", "as": f"m{at}"} for at in range(8)]
        found = evalkit.compare(of(right(a), columns), of(right(b), columns))
        assert found["m0"].p < 0.05 < found["m0"].p_adjusted
        assert found["m0"].verdict == "inconclusive"
        assert "one of several tests" in found["m0"].why
        assert evalkit.compare(of(right(a), columns), of(right(b), columns), adjust="none")["m0"].verdict == "better"

    def test_three_records_tell_too_little(self) -> None:
        found = evalkit.compare(of(right([0, 0, 0])), of(right([1, 1, 1])))["exact_match"]
        assert found.verdict == "inconclusive"
        assert found.why == "3 records tell too little"

    def test_it_says_how_many_records_would_tell(self) -> None:
        a, b = flags(100, 12, 8)
        found = evalkit.compare(of(right(a)), of(right(b)))["exact_match"]
        assert found.needed is not None
        assert found.needed > 100
        assert 0.05 < found.mde < 0.3


class TestWhatIsNotAlike:
    def test_records_that_do_not_match_are_told_and_left_out(self) -> None:
        a, b = right([1, 0, 1, 1, 0, 1] * 5), right([1, 0, 1, 1, 0, 1] * 5)
        found = evalkit.compare(of(a[:-2]), of(b[3:])).comparisons[0]
        assert (found.matched.n, found.matched.only_a, found.matched.only_b) == (25, 3, 2)
        assert found.matched.ids_a == ("r0", "r1", "r2")
        assert found["exact_match"].n == 25

    def test_runs_without_a_shared_record_are_compared_as_samples_and_it_says_so(self) -> None:
        from scipy.stats import ttest_ind

        one = of([{**record, "id": f"a{at}"} for at, record in enumerate(texts(60, 0.8, 1))], ["token_f1"])
        two = of([{**record, "id": f"b{at}"} for at, record in enumerate(texts(70, 0.6, 2))], ["token_f1"])
        found = evalkit.compare(one, two)
        a, b = (np.asarray(run.to_pandas()["token_f1"]) for run in (one, two))
        assert found["token_f1"].test == "Welch t"
        assert found["token_f1"].p == pytest.approx(ttest_ind(b, a, equal_var=False).pvalue)
        assert "share no records" in found.comparisons[0].notes[0]

    def test_a_run_whose_rows_are_gone_is_compared_by_its_values_and_it_says_so(self, tmp_path: Path) -> None:
        one, two = of(texts(200, 0.8, 1), ["token_f1"]), of(texts(200, 0.5, 2), ["token_f1"])
        kept = tmp_path / "kept"
        assert one.folder is not None
        kept.mkdir()
        (kept / "results.json").write_text(msgspec.json.encode(one.to_json()).decode())
        found = evalkit.compare(kept / "results.json", two)
        assert found["token_f1"].test == "unpaired normal, from the recorded values"
        assert found["token_f1"].verdict == "worse"
        assert "no rows.parquet" in found.comparisons[0].notes[0]

    def test_one_shared_record_is_not_called_none(self) -> None:
        one, two = of(right([1])), of(right([0]))
        assert "the runs share one record only" in " ".join(evalkit.compare(one, two).comparisons[0].notes)

    def test_metrics_that_only_one_run_has_are_told(self) -> None:
        one, two = of(texts(20, 0.9, 1), ["token_f1", "bleu"]), of(texts(20, 0.4, 2), ["token_f1", "rouge", "chrf"])
        (told,) = (each for each in evalkit.compare(one, two).comparisons[0].unlike if "only" in each.what)
        assert (told.what, told.a, told.b) == ("metrics of one run only", "bleu", "rouge, chrf")

    def test_a_metric_measured_differently_is_shown_first_and_gets_no_verdict(self) -> None:
        one = of(texts(100, 0.9, 1), ["token_f1", {"bleu": {"smooth_method": "exp"}}])
        two = of(texts(100, 0.4, 2), ["token_f1", {"bleu": {"smooth_method": "none"}}])
        found = evalkit.compare(one, two).comparisons[0]
        assert found.unlike[0].serious
        assert "bleu" in found.unlike[0].what
        assert found["bleu"].verdict == "inconclusive"
        assert found["bleu"].why == "the two runs measure it differently"
        assert found["token_f1"].verdict == "worse"

    def test_errors_on_either_side_leave_the_pair(self) -> None:
        a, b = right([1] * 20), right([0] * 20)
        a[0]["output"] = None
        b[1]["output"] = None
        found = evalkit.compare(of(a), of(b))["exact_match"]
        assert (found.n, found.a, found.b) == (18, 1.0, 0.0)


class TestSlicesAndRecords:
    def test_every_slice_is_tested_over_its_records(self) -> None:
        a, b = flags(400, 60, 10)
        tags = ["easy" if at < 200 else "hard" for at in range(400)]
        found = evalkit.compare(of(right(a, tag=tags), slices=["tag"]), of(right(b, tag=tags), slices=["tag"])).comparisons[0]
        by = {part.by["tag"]: part.metrics["exact_match"] for part in found.slices}
        assert by["easy"].verdict == "better"
        assert by["hard"].verdict == "inconclusive"
        assert by["easy"].n == by["hard"].n == 200

    def test_a_column_that_differs_between_the_runs_is_no_slice(self) -> None:
        a, b = flags(40, 10, 2)
        one = of(right(a, model=["m1"] * 20 + ["m2"] * 20), slices=["model"])
        two = of(right(b, model=["m3"] * 20 + ["m4"] * 20), slices=["model"])
        assert evalkit.compare(one, two).comparisons[0].slices == []

    def test_the_records_that_changed_most_come_first(self) -> None:
        one, two = texts(50, 0.9, 1), texts(50, 0.9, 1)
        two[7]["output"] = "nothing alike"
        found = evalkit.compare(of(one, ["token_f1"]), of(two, ["token_f1"])).comparisons[0]
        assert [record.id for record in found.changed["token_f1"]["lost"]] == ["t7"]
        assert found.changed["token_f1"]["gained"] == []


class TestSeveralRuns:
    def test_every_run_is_compared_with_the_first_and_all_tests_are_one_family(self) -> None:
        a, b = flags(300, 25, 8)
        c = [1 - flag if at < 20 else flag for at, flag in enumerate(a)]
        found = evalkit.compare(of(right(a)), of(right(b)), of(right(c)))
        assert len(found.comparisons) == 2
        assert found.families == {"metrics": 2}
        least = min((one["exact_match"] for one in found.comparisons), key=lambda value: value.p)
        assert least.p_adjusted == pytest.approx(2 * least.p)
        told = found.to_json()
        assert told["metrics"] == told["comparisons"][0]["metrics"]

    def test_json_has_the_promised_fields_and_no_nan(self) -> None:
        a, b = flags(100, 12, 8)
        told = msgspec.json.decode(msgspec.json.encode(evalkit.compare(of(right(a)), of(right(b))).to_json()))
        entry = told["metrics"]["exact_match"]
        promised = {"a", "b", "diff", "ci", "p", "p_adjusted", "test", "effect_size", "n", "mde", "verdict"}
        assert promised <= set(entry)

    def test_to_pandas_has_a_row_a_value(self) -> None:
        a, b = flags(100, 12, 8)
        frame = evalkit.compare(of(right(a)), of(right(b))).to_pandas()
        assert frame["metric"].tolist() == ["exact_match"]
        assert frame["low"][0] < frame["diff"][0] < frame["high"][0]


class TestWrongInput:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"margins": {"exact_mach": 0.1}}, 'did you mean "exact_match"'),
            ({"metrics": ["exact_mach"]}, 'did you mean "exact_match"'),
            ({"slices": ["tag"]}, "add it under `slices:` in the suite"),
            ({"test": "wilcox"}, "did you mean wilcoxon"),
            ({"margins": {"exact_match": -1.0}}, "not above 0"),
            ({"confidence": 95.0}, "is no level"),
        ],
    )
    def test_what_is_not_there_is_named_with_the_nearest_right_thing(self, settings: dict[str, Any], message: str) -> None:
        runs = of(right([1, 0] * 10)), of(right([0, 1] * 10))
        with pytest.raises(SpecError, match=message.replace("(", r"\(")):
            evalkit.compare(*runs, **settings)

    def test_a_run_is_not_compared_with_itself(self) -> None:
        run = of(right([1, 0] * 10))
        with pytest.raises(SpecError, match="compared with itself"):
            evalkit.compare(run, run)

    def test_runs_without_a_common_metric_are_told_so(self) -> None:
        with pytest.raises(SpecError, match="shares no metric"):
            evalkit.compare(of(right([1, 0])), of(right([1, 0]), ["token_f1"]))


class TestStoredRuns:
    def test_rows_of_every_kind_are_combined_again_as_recorded(self) -> None:
        metrics = ["exact_match", "bleu", "chrf", "ter", "rouge", "accuracy", "levenshtein", "token_f1"]
        one, two = of(texts(60, 0.8, 1), metrics), of(texts(60, 0.7, 2), metrics)
        found = evalkit.compare(one, two, resamples=200).comparisons[0]
        for name, value in found.metrics.items():
            assert value.a == pytest.approx(one[name].mean, nan_ok=True), name
            assert value.b == pytest.approx(two[name].mean, nan_ok=True), name
        assert not found.notes

    def test_a_metric_that_this_installation_lacks_is_read_from_its_records_scores(self) -> None:
        one, two = of(texts(60, 0.8, 1), ["token_f1"]), of(texts(60, 0.7, 2), ["token_f1"])
        known = evalkit.compare(one, two)["token_f1"]
        for run in (one, two):
            run.uses["token_f1"] = {"metric": "somebody_elses", "options": {}}
        again = evalkit.compare(one, two)["token_f1"]
        assert (again.a, again.b, again.p) == pytest.approx((known.a, known.b, known.p))
        assert again.test == "paired permutation"

    def test_a_strangers_results_cannot_have_a_file_read(self, tmp_path: Path) -> None:
        from evalkit.comparison.revive import built

        secret = tmp_path / "secret.json"
        secret.write_text('{"type": "object"}')
        assert built({"metric": "json_schema", "options": {"schema": str(secret)}}) is None
        assert built({"metric": "evaluate:" + str(tmp_path), "options": {}}) is None
        assert built({"metric": "exact_match", "options": {"ignore_case": "perhaps"}}) is None
        assert built({"metric": "token_f1", "options": {}}) is not None


def test_the_same_seed_gives_the_same_digits() -> None:
    one, two = of(texts(60, 0.8, 1), ["bleu"]), of(texts(60, 0.7, 2), ["bleu"])

    def told(seed: int) -> Compared:
        return evalkit.compare(one, two, seed=seed)["bleu"]

    assert repr(told(1)) == repr(told(1))
    assert told(1).ci != told(2).ci


def test_settings_that_are_wrong_are_all_told_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        Settings(confidence=2.0, resamples=1, adjust="holms")  # type: ignore[arg-type]
    assert len(caught.value.problems) == 3


def test_a_copied_run_folder_is_another_run(tmp_path: Path) -> None:
    run = of(right([1, 0] * 10))
    assert run.folder is not None
    (run.folder / "results.json").write_text(msgspec.json.encode(run.to_json()).decode())
    shutil.copytree(run.folder, tmp_path / "copy")
    found = evalkit.compare(run, tmp_path / "copy")
    assert found["exact_match"].why == "no record differs"
