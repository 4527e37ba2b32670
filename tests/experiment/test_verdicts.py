"""What may be said of an experiment: the split first, then differences, equivalence and guardrails, peeking or not."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from evalkit.experiment.analyse import Design, analyse


def log(n=4_000, shift=0.0, share=0.0, cost=0.0, b=0.5, seed=0) -> pd.DataFrame:
    """One row a user; ``shift``, ``share`` and ``cost`` move the treatment."""
    rng = np.random.default_rng(seed)
    treated = rng.random(n) < b
    return pd.DataFrame(
        {
            "user_id": np.arange(n),
            "variant": np.where(treated, "new", "old"),
            "score": rng.normal(3.0 + shift * treated, 1.0),
            "won": rng.random(n) < 0.3 + share * treated,
            "latency_ms": rng.lognormal(6.0 + cost * treated, 0.3),
            "plan": rng.choice(["free", "paid"], n),
        }
    )


def verdict(frame, metric, **options):
    found = analyse(frame, Design("variant", "old", [metric] if metric else [], **options))
    return next(iter(found.metrics.values())).treatments["new"]


def test_a_clear_rise_is_better_and_of_a_latency_worse():
    assert verdict(log(shift=0.3), "score:mean").verdict == "better"
    assert verdict(log(shift=-0.3), "score:mean").verdict == "worse"
    assert verdict(log(cost=0.1), "latency_ms:mean").verdict == "worse"
    assert verdict(log(cost=-0.1), "latency_ms:p95").verdict == "better"
    assert verdict(log(shift=0.3), "score:mean:lower").verdict == "worse"
    assert verdict(log(shift=0.3), "score:mean", lower=["score"]).verdict == "worse"
    assert verdict(log(cost=0.1), "latency_ms:mean:higher").verdict == "better"


def test_no_difference_is_inconclusive_and_equivalent_only_within_a_margin():
    frame = log()
    told = verdict(frame, "score:mean")
    assert told.verdict == "inconclusive"
    assert math.isnan(told.p_margin)
    assert verdict(frame, "score:mean", margins=["score:mean=0.2"]).verdict == "equivalent"
    assert verdict(frame, "score:mean", margins=["score=5%"]).verdict == "equivalent"
    assert verdict(frame, "score:mean", margins=["score=0.01"]).verdict == "inconclusive"
    assert verdict(log(shift=0.1, n=40_000), "score:mean", margins=["score=0.3"]).verdict == "equivalent"  # it does not matter


def test_an_inconclusive_difference_says_how_many_units_would_tell():
    told = verdict(log(n=600, share=0.05, seed=3), "won:proportion")
    assert told.verdict == "inconclusive"
    assert "units would find" in told.reason
    assert told.mde > abs(told.diff)


def test_a_split_that_did_not_hold_withholds_every_verdict_and_says_so_first():
    frame = log(n=20_000, shift=1.0, b=0.46)
    found = analyse(frame, Design("variant", "old", ["score:mean"], guardrails=["latency_ms:mean"], by="plan"))
    assert not found.srm.ok
    assert found.notes[0].startswith("Sample-ratio mismatch")
    everywhere = [found.metrics, *(part.metrics for part in found.parts)]
    for metrics in everywhere:
        assert all(effect.verdict == "inconclusive" for one in metrics.values() for effect in one.treatments.values())
    assert "split" in found["score:mean"].treatments["new"].reason
    assert not math.isnan(found["score:mean"].treatments["new"].p)  # figures are shown, nothing is concluded
    told = analyse(frame, Design("variant", "old", ["score:mean"], ignore_srm=True))
    assert not told.srm.ok
    assert told["score:mean"].treatments["new"].verdict == "better"
    assert "only because" in told.notes[0]
    planned = analyse(frame, Design("variant", "old", ["score:mean"], split={"old": 54, "new": 46}))
    assert planned.srm.ok
    assert planned["score:mean"].treatments["new"].verdict == "better"


def test_a_split_that_did_not_hold_in_one_slice_is_named_and_withholds_its_verdicts_only():
    frame = log(n=20_000, shift=1.0, seed=1)
    lost = (frame["plan"] == "paid") & (frame["variant"] == "new") & (frame.index % 14 == 0)
    design = {"metrics": ["score:mean"], "by": "plan"}
    whole = analyse(frame, Design("variant", "old", **design))
    assert all(part.srm.ok for part in whole.parts)
    assert not whole.notes
    found = analyse(frame[~lost], Design("variant", "old", **design))
    assert found.srm.ok
    verdicts = {part.value: part.metrics["score:mean"].treatments["new"].verdict for part in found.parts}
    assert verdicts == {"free": "better", "paid": "inconclusive"}
    assert found["score:mean"].treatments["new"].verdict == "better"
    free, paid = sorted(found.parts, key=lambda part: part.value)
    assert (free.srm.ok, paid.srm.ok) == (True, False)
    assert free.srm.observed.keys() == {"old", "new"}
    assert found.notes[0].startswith("Sample-ratio mismatch in plan = paid: ")
    assert "plan = free" not in found.notes[0]
    assert [part["srm"]["ok"] for part in found.to_json()["slices"]] == [part.srm.ok for part in found.parts]
    told = analyse(frame[~lost], Design("variant", "old", ignore_srm=True, **design))
    assert {part.metrics["score:mean"].treatments["new"].verdict for part in told.parts} == {"better"}
    assert "only because" in told.notes[0]


def test_the_splits_of_twenty_slices_cry_no_oftener_than_the_one_of_the_whole_log():
    cries = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        frame = log(n=4_000, seed=seed).assign(plan=rng.integers(0, 20, 4_000).astype(str))
        found = analyse(frame, Design("variant", "old", ["score:mean"], by="plan"))
        assert len(found.parts) == 20
        assert {part.srm.threshold for part in found.parts} == {0.001 / 20}
        cries += sum(not part.srm.ok for part in found.parts)
    assert not cries


def test_51_to_49_of_100_000_users_is_found():
    variants = ["a"] * 51_000 + ["b"] * 49_000
    frame = pd.DataFrame({"user_id": np.arange(100_000), "variant": variants, "won": np.tile([True, False], 50_000)})
    for sequential in (False, True):
        assert not analyse(frame, Design("variant", "a", ["won:proportion"], sequential=sequential)).srm.ok


@pytest.mark.parametrize(
    ("cost", "margin", "want"),
    [
        (0.0, "latency_ms:mean=20", "pass"),
        (-0.1, "latency_ms:mean=20", "pass"),
        (0.1, "latency_ms:mean=20", "fail"),
        (0.045, "latency_ms:mean=20", "inconclusive"),
        (0.0, "latency_ms:mean=5%", "pass"),
        (0.1, "latency_ms:mean=5%", "fail"),
        (0.1, None, "fail"),
        (-0.1, None, "pass"),
        (0.0, None, "inconclusive"),
    ],
)
@pytest.mark.parametrize("sequential", [False, True])
def test_a_guardrail_passes_fails_or_is_not_clear(cost, margin, want, sequential):
    frame = log(n=20_000, cost=cost)
    margins = [margin] if margin else []
    told = verdict(frame, "", guardrails=["latency_ms:mean"], margins=margins, sequential=sequential)
    assert told.verdict == want, (told.ci, told.reason)


def test_a_guardrail_of_something_good_must_not_fall():
    told = {
        shift: verdict(log(n=20_000, shift=shift), "", guardrails=["score:mean"], margins=["score=0.1"]).verdict
        for shift in (0.0, 0.5, -0.3)
    }
    assert told == {0.0: "pass", 0.5: "pass", -0.3: "fail"}


def test_many_metrics_are_one_family_and_guardrails_are_not_in_it():
    rng = np.random.default_rng(5)
    frame = log()
    for index in range(20):
        frame[f"m{index}"] = rng.normal(size=len(frame))
    metrics = [f"m{index}:mean" for index in range(20)]
    found = analyse(frame, Design("variant", "old", metrics, guardrails=["score:mean"]))
    ps = {name: found[name].treatments["new"] for name in metrics}
    least = min(ps.values(), key=lambda effect: effect.p)
    assert least.p_adjusted == pytest.approx(min(1, 20 * least.p))
    assert found["score:mean"].treatments["new"].p_adjusted == found["score:mean"].treatments["new"].p
    alone = analyse(frame, Design("variant", "old", metrics, adjust="none"))
    assert all(alone[name].treatments["new"].p_adjusted == alone[name].treatments["new"].p for name in metrics)


def test_who_peeks_gets_wider_intervals_and_no_verdict_too_early():
    frame = log(shift=0.5)
    fixed, peeking = (verdict(frame, "score:mean", sequential=sequential) for sequential in (False, True))
    assert peeking.ci[0] < fixed.ci[0] < fixed.ci[1] < peeking.ci[1]
    assert peeking.verdict == "better"
    assert peeking.p > fixed.p
    assert peeking.test == "asymptotic confidence sequence"
    few = verdict(log(n=150, shift=2.0), "score:mean", sequential=True)
    assert few.verdict == "inconclusive"
    assert "100 units" in few.reason
    uneven = verdict(log(n=3_000, shift=2.0, b=0.1), "score:mean", sequential=True, split={"old": 9, "new": 1})
    assert "500 units" in uneven.reason
    three = pd.DataFrame(
        {"user_id": range(8), "variant": ["old", "new"] * 4, "score": [1.0, 9.0, 1.1, 9.1, 1.2, 9.2, 1.3, 9.3]}
    )
    assert verdict(three, "score:mean").p < 0.001
    assert verdict(three, "score:mean").verdict == "inconclusive"


def test_treatments_can_be_chosen_and_are_compared_with_the_control_only():
    frame = log()
    frame.loc[frame.index % 3 == 0, "variant"] = "third"
    found = analyse(frame, Design("variant", "old", ["score:mean"], treatments=["third"], split={"old": 1, "third": 1}))
    assert list(found["score:mean"].treatments) == ["third"]
    assert found.left_out["rows of other variants"] == int((frame["variant"] == "new").sum())


def test_a_metric_without_spread_or_values_says_why_there_is_no_verdict():
    frame = log().assign(same=1.0, empty=np.nan)
    frame["only"] = frame["score"].where(frame["variant"] == "old")
    found = analyse(frame, Design("variant", "old", ["same:mean", "empty:mean", "only:mean", "only:p95", "empty:any"]))
    for name, why in (
        ("same:mean", "same value"),
        ("empty:mean", "few units"),
        ("only:mean", "few units"),
        ("only:p95", "few units"),
    ):
        effect = found[name].treatments["new"]
        assert effect.verdict == "inconclusive"
        assert why in effect.reason
    assert found["empty:mean"].missing == len(frame)
    assert math.isnan(found["empty:any"].treatments["new"].p)
