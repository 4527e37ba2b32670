"""Alarms: found when and where they were made, told once, and as rare as the budget says where nothing happens."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.times import MONTH
from evalkit.detection.alarm import Plan, Reading, Watcher
from evalkit.detection.memory import Noise
from evalkit.detection.season import DAY, SHIFTS, WEEK, Expectation, Terms

HOUR = 3_600.0
MONDAY = 1_700_000_000.0 // WEEK * WEEK + 4 * DAY
KNOWN = Expectation(HOUR, 10**6, Terms(), (0.0,), ((0.0,),), Noise(), df=1e6)  # mean 0, and sampling alone


def watched(values, *, expectation=KNOWN, plan=None, floor=0.0, variance=1.0, n=100, start=MONDAY, width=HOUR):
    """Verdicts of one track, window after window; now and then the state goes through JSON."""
    watcher = Watcher(plan or Plan(1, width), {"a": expectation}, {"a": floor})
    state, verdicts = watcher.start(), []
    for at, value in enumerate(values):
        reading = value if isinstance(value, Reading) else Reading(value, variance, n)
        state, found = watcher.step(state, start + at * width, {"a": reading})
        verdicts.append(found["a"])
        if at % 10 == 7:
            state = watcher.start(json.loads(json.dumps(state.to_json())))
    return verdicts


def opened(verdicts):
    return [at for at, one in enumerate(verdicts) if one.opened]


def closed(verdicts):
    return [at for at, one in enumerate(verdicts) if one.closed]


def calm(n, seed=0):
    return list(np.random.default_rng(seed).normal(size=n))


def test_a_jump_is_found_in_its_window_and_told_once():
    verdicts = watched(calm(50) + [6.0 + one for one in calm(40, 1)])
    assert opened(verdicts) == [50]
    one = verdicts[50]
    assert (one.kind, one.status, one.since) == ("jump", "drifted", MONDAY + 50 * HOUR)
    assert one.before == pytest.approx(0.0, abs=1e-9)
    assert one.after == one.value
    assert all(later.status == "drifted" and not later.opened for later in verdicts[51:])
    assert verdicts[-1].after == pytest.approx(6.0, abs=0.6)
    assert verdicts[-1].size == pytest.approx(6.0, abs=0.6)


def test_a_fall_is_found_as_a_rise_is():
    values = calm(50) + [6.0 + one for one in calm(40, 1)] + calm(40, 2)
    up, down = watched(values), watched([-one for one in values])
    assert opened(up) == opened(down)
    assert closed(up) == closed(down)
    assert [one.z for one in up] == pytest.approx([-one.z for one in down], abs=0.05)


def test_when_it_is_over_the_incident_closes_once_at_the_first_calm_window():
    verdicts = watched(calm(30) + [5.0 + one for one in calm(30, 1)] + calm(60, 2))
    assert opened(verdicts) == [30]
    (at,) = closed(verdicts)
    assert 62 <= at <= 66
    assert verdicts[at].since == MONDAY + 60 * HOUR
    assert verdicts[at].status == "ok"
    assert verdicts[at + 1].kind is None


def test_a_single_odd_window_closes_after_three_calm_ones():
    verdicts = watched([0.0] * 10 + [8.0] + [0.0] * 10)
    assert opened(verdicts) == [10]
    assert closed(verdicts) == [13]


def test_the_calm_it_takes_and_the_cooldown_are_the_plans():
    values = [0.0] * 5 + [8.0] + [0.0] * 5 + [8.0] + [0.0] * 20 + [8.0]
    verdicts = watched(values, plan=Plan(1, HOUR, calm=5, cooldown=10))
    assert closed(verdicts)[0] == 10
    assert opened(verdicts) == [5, 32]  # the one at 11 fell into the cool-down


def test_a_shift_that_stays_is_one_incident():
    verdicts = watched(calm(20) + [1.5 + one for one in calm(1_500, 3)])
    assert len(opened(verdicts)) == 1
    assert closed(verdicts) == []


def test_a_ramp_is_found_and_dated_near_its_begin():
    begins, days = 300, 14
    rng = np.random.default_rng(4)
    values = rng.normal(size=1_000) + 2.5 * np.clip((np.arange(1_000) - begins) / (24 * days), 0, 1)
    verdicts = watched(values)
    (at,) = opened(verdicts)
    assert verdicts[at].kind == "slow"
    assert begins < at < begins + 24 * 10
    assert begins - 24 * 3 < (verdicts[at].since - MONDAY) / HOUR < begins + 24 * 6


def test_a_small_shift_is_found_by_many_windows():
    verdicts = watched(calm(300) + [0.8 + one for one in calm(200, 5)])
    (at,) = opened(verdicts)
    assert verdicts[at].kind == "slow"
    assert 300 < at < 360
    assert abs((verdicts[at].since - MONDAY) / HOUR - 300) < 10
    assert verdicts[at].after - verdicts[at].before == pytest.approx(0.8, abs=0.4)


def test_what_is_significant_and_too_small_to_matter_raises_nothing_and_hides_nothing():
    small = [1.5 + one for one in calm(1_000, 6)]
    assert opened(watched(small, floor=2.5)) == []
    later = watched(small + [4.0 + one for one in calm(30, 7)], floor=2.5)
    assert len(opened(later)) == 1
    assert 1_000 <= opened(later)[0] < 1_015


def test_small_shifts_do_not_add_up_to_a_large_one_unseen():
    steps = [0.7 * (at // 200) + one for at, one in enumerate(calm(1_200, 7))]
    (at,) = opened(watched(steps, floor=2.0))
    assert 600 <= at < 700  # the first that lies two from the reference


def test_few_rows_never_alarm_and_change_nothing():
    far = [Reading(50.0, 1.0, 19)] * 30
    verdicts = watched([*calm(5), *far, *calm(5, 1)])
    assert opened(verdicts) == []
    assert {one.status for one in verdicts[5:35]} == {"few"}
    assert verdicts[40 - 1].z == pytest.approx(watched(calm(5) + calm(5, 1))[-1].z)


def test_windows_without_a_value_are_none_and_an_incident_outlasts_them():
    nothing = [Reading()] * 10
    verdicts = watched([0.0] * 5 + [9.0] * 3 + nothing + [9.0] * 3)
    assert opened(verdicts) == [5]
    assert closed(verdicts) == []
    assert {one.status for one in verdicts[8:18]} == {"none"}
    assert all(math.isnan(one.z) and math.isnan(one.value) for one in verdicts[8:18])


def test_a_normal_monday_is_no_alarm_and_one_at_night_is():
    rng = np.random.default_rng(8)
    times = MONDAY + HOUR * np.arange(24 * 7 * 6)

    def truth(at):
        weekend = (np.floor(at / DAY) + 3) % 7 >= 5
        return np.where(weekend, 0.0, 5.0 + 3.0 * np.cos(2 * np.pi * at / DAY - 3.0))

    values = truth(times) + rng.normal(size=len(times)) * 0.5
    learned = 24 * 7 * 4
    expectation = Expectation.fit(times[:learned], values[:learned], np.full(learned, 0.25), HOUR)
    later = watched(values[learned:], expectation=expectation, variance=0.25, start=times[learned], floor=0.5)
    assert opened(later) == []
    flat = Expectation.fit(times[:learned], values[:learned], np.full(learned, 0.25), HOUR, season="none")
    assert abs(float(flat.at(times[0], 0.25)[0]) - 3.5) < 0.3
    swapped = values[learned:].copy()
    swapped[24 * 3 + 2] = truth(times[learned + 24 * 3 + 12])  # noon's value at two at night
    assert 24 * 3 + 2 in opened(watched(swapped, expectation=expectation, variance=0.25, start=times[learned], floor=0.5))


def test_the_band_is_where_a_window_alone_would_alarm():
    plan = Plan(1, HOUR)
    one = watched([0.0], plan=plan)[0]
    assert one.expected == 0.0
    assert one.low == pytest.approx(-one.high, rel=0.01)
    assert opened(watched([one.high * 1.01], plan=plan)) == [0]
    assert opened(watched([one.high * 0.99], plan=plan)) == []


def test_the_band_of_a_rare_rate_is_as_skewed_as_its_counts():
    rare = Expectation(HOUR, 10**6, Terms(), (0.005,), ((0.0,),), Noise(), df=1e6, rate=0.005)
    one = watched([0.005], expectation=rare, variance=0.005 * 0.995 / 400, n=400)[0]
    assert one.low == 0.0
    assert opened(watched([math.ceil(400 * one.high + 1) / 400], expectation=rare, variance=0.005 * 0.995 / 400, n=400)) == [0]
    assert opened(watched([math.floor(400 * one.high - 1) / 400], expectation=rare, variance=0.005 * 0.995 / 400, n=400)) == []


def test_what_was_never_seen_and_is_common_now_is_a_jump():
    never = Expectation.fit(MONDAY + HOUR * np.arange(672), np.zeros(672), np.full(672, 1e-5 / 100), HOUR, rate=1e-5)
    verdicts = watched([0.0] * 5 + [0.01] + [0.0] * 4 + [0.05], expectation=never, variance=1e-5 / 100, floor=0.02)
    assert opened(verdicts) == [10]


def test_p_is_the_normal_ones_and_q_adjusts_it_over_the_tracks():
    names = [f"t{at}" for at in range(10)]
    watcher = Watcher(Plan(10, HOUR), dict.fromkeys(names, KNOWN))
    readings = {name: Reading(3.0 if at == 0 else 0.1 * at, 1.0, 50) for at, name in enumerate(names)}
    _, verdicts = watcher.step(watcher.start(), MONDAY, readings)
    assert verdicts["t0"].p == pytest.approx(0.0027, rel=0.02)
    assert verdicts["t0"].q == pytest.approx(10 * verdicts["t0"].p)


def test_an_open_incident_makes_the_alarms_of_others_no_cheaper():
    names = [f"t{at}" for at in range(10)]
    watcher = Watcher(Plan(10, HOUR), dict.fromkeys(names, KNOWN))
    alone = Watcher(Plan(9, HOUR), dict.fromkeys(names[1:], KNOWN))
    state, _ = watcher.step(watcher.start(), MONDAY, {"t0": Reading(9.0, 1.0, 50)})
    assert state.open == ("t0",)
    readings = {name: Reading(0.3 * at, 1.0, 50) for at, name in enumerate(names)} | {"t0": Reading(9.0, 1.0, 50)}
    _, verdicts = watcher.step(state, MONDAY + HOUR, readings)
    _, theirs = alone.step(alone.start(), MONDAY + HOUR, {name: readings[name] for name in names[1:]})
    assert [verdicts[name].q for name in names[1:]] == [theirs[name].q for name in names[1:]]
    assert verdicts["t0"].q < 1e-9


def test_a_reading_without_an_expectation_is_an_error():
    watcher = Watcher(Plan(1, HOUR), {"a": KNOWN})
    with pytest.raises(KeyError, match="no expectation of b"):
        watcher.step(watcher.start(), MONDAY, {"b": Reading(1.0, 1.0, 10)})


def test_a_new_track_begins_where_others_go_on():
    watcher = Watcher(Plan(1, HOUR), {"a": KNOWN})
    state = watcher.start()
    for at in range(3):
        state, _ = watcher.step(state, MONDAY + at * HOUR, {"a": Reading(9.0, 1.0, 50)})
    wider = Watcher(Plan(2, HOUR), {"b": KNOWN, "a": KNOWN})
    begun = wider.start(state.to_json())
    assert begun.open == ("a",)
    assert begun.to_json()["a"] == state.to_json()["a"]
    assert begun.to_json()["b"] == Watcher(Plan(1, HOUR), {"b": KNOWN}).start().to_json()["b"]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.5, -1.0, 2.0, 7.0, math.nan]), min_size=1, max_size=40),
    st.sampled_from([1e-3, 1.0, 1e4]),
    st.sampled_from([5, 100]),
)
def test_units_do_not_matter(values, factor, n):
    other = Expectation(HOUR, 10**6, Terms(), (0.0,), ((0.0,),), Noise(), df=1e6)
    ours = watched(values, floor=0.5, n=n)
    theirs = watched([one * factor for one in values], floor=0.5 * factor, variance=factor**2, n=n, expectation=other)
    assert opened(ours) == opened(theirs)
    assert closed(ours) == closed(theirs)
    for one, two in zip(ours, theirs):
        assert two.high == pytest.approx(one.high * factor, nan_ok=True)
        assert (two.z, two.p, two.since) == pytest.approx((one.z, one.p, one.since), nan_ok=True)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_state_that_went_through_json_goes_on_the_same(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=60) + 4.0 * (rng.random(60) < 0.1) + 2.0 * (np.arange(60) > 30)
    lasting = Expectation(HOUR, 500, Terms(), (0.0,), ((0.002,),), Noise(0.5, 0.7), df=400.0, tail=7.0)
    watcher = Watcher(Plan(1, HOUR), {"a": lasting})
    state, straight = watcher.start(), []
    for at, value in enumerate(values):
        state, found = watcher.step(state, MONDAY + at * HOUR, {"a": Reading(value, 1.0, 50)})
        straight.append(found["a"])
    assert repr(straight) == repr(watched(values, expectation=lasting, n=50))


def test_noise_that_lasts_is_not_taken_for_a_shift():
    lasting = Expectation(HOUR, 10**6, Terms(), (0.0,), ((0.0,),), Noise(4.0, 0.95), df=1e6)
    rng, value, values = np.random.default_rng(9), 0.0, []
    for _ in range(1_000):
        value = 0.95 * value + rng.normal() * 2.0 * math.sqrt(1 - 0.95**2)
        values.append(value + rng.normal())
    assert len(opened(watched(values, expectation=lasting))) <= 1
    forgetful = Expectation(HOUR, 10**6, Terms(), (0.0,), ((0.0,),), Noise(4.0, 0.0), df=1e6)
    assert len(opened(watched(values, expectation=forgetful))) > 3


@pytest.mark.parametrize("budget", [1.0, 8.0])
@pytest.mark.parametrize("df", [1e6, 60.0])
def test_half_the_budget_is_jumps_and_half_is_slow(budget, df):
    """2,000 tracks of known mean over 300 windows, each against its own share: the run length in control."""
    tracks, windows = 2_000, 300
    plan = Plan(tracks, HOUR, budget * tracks)  # a track's budget is ``budget`` a month
    rng = np.random.default_rng(int(df + budget))
    known = Expectation(HOUR, 10**6, Terms(), (0.0,), ((0.0,),), Noise(), df=df)
    scale = np.sqrt(rng.chisquare(df, size=tracks) / df)  # what a reference would have taken for the deviation
    watcher = Watcher(plan, {str(at): known for at in range(tracks)})
    state, jumps, slow = watcher.start(), 0, 0
    one_alone = budget / 2 * HOUR / MONTH
    for at in range(windows):
        state, verdicts = watcher.judge(
            state, MONDAY + at * HOUR, rng.normal(size=tracks) / scale, np.ones(tracks), np.full(tracks, 50.0)
        )
        jumps += int((verdicts["p"] <= one_alone).sum())  # Benjamini-Hochberg is of one service, these are many
        slow += int((verdicts["opened"] & (verdicts["slow"] == 1.0)).sum())
    wanted = tracks * windows * one_alone
    assert abs(jumps - wanted) < 5 * math.sqrt(wanted)
    assert slow < 1.6 * wanted + 5 * math.sqrt(wanted)
    assert slow > 0.15 * wanted


def test_thresholds_follow_the_run_length():
    assert Plan(40, HOUR, 1.0).level == pytest.approx(0.5 / 720)
    for shift in SHIFTS:
        levels = [Plan(40, HOUR, budget).threshold(shift) for budget in (0.1, 1.0, 10.0)]
        assert levels == sorted(levels, reverse=True)
        assert levels[0] - levels[2] == pytest.approx(math.log(100), rel=0.05)  # log-likelihoods: a factor of 100
        assert Plan(40, HOUR).threshold(shift, 30.0) > Plan(40, HOUR).threshold(shift, 300.0) > Plan(40, HOUR).threshold(shift)
