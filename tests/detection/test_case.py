"""Cases: one a signal, led by the whole, driven by the slice that moves alone."""

from __future__ import annotations

import json
import math

from evalkit.detection.alarm import Verdict
from evalkit.detection.case import Case, Track, gather

TRACKS = {
    "length": Track("length"),
    "length on model=a": Track("length", slice="model=a"),
    "length on model=b": Track("length", slice="model=b"),
    "length on model=c": Track("length", slice="model=c"),
    "topic 1": Track("topics", "topic 1"),
    "topic 2": Track("topics", "topic 2"),
}


def verdict(z=0.0, *, opened=False, closed=False, open_=False, size=math.nan, since=0.0):
    status = "drifted" if opened or open_ else "ok"
    kind = "jump" if opened or open_ or closed else None
    size = z if (opened or open_) and math.isnan(size) else size
    return Verdict(1.0, 0.0, -1.0, 1.0, 50, z, 0.5, 0.5, status, opened, closed, kind, since, 0.0, 1.0, size)


def window(**given):
    return {name: given.get(name.replace(" ", "_").replace("=", "_"), verdict(0.3)) for name in TRACKS}


def test_calm_windows_make_no_case():
    assert gather({}, 1.0, window(), TRACKS) == ({}, (), ())


def test_tracks_of_one_signal_are_one_case_and_the_whole_leads():
    moved = window(length=verdict(5.0, opened=True), length_on_model_b=verdict(9.0, opened=True))
    found = gather({}, 7.0, moved, TRACKS)
    (case,) = found.opened
    assert (case.signal, case.lead, case.slice, case.found) == ("length", "length", "model=b", 7.0)
    assert case.tracks == case.open == ("length", "length on model=b")


def test_where_all_slices_move_none_drives():
    moved = window(
        length=verdict(9.0, opened=True),
        length_on_model_a=verdict(5.0, opened=True),
        length_on_model_b=verdict(6.0, opened=True),
        length_on_model_c=verdict(4.0),
    )
    assert gather({}, 7.0, moved, TRACKS).opened[0].slice == ""


def test_a_slice_that_raised_no_alarm_itself_can_drive():
    moved = window(length=verdict(5.0, opened=True), length_on_model_c=verdict(4.0))
    assert gather({}, 7.0, moved, TRACKS).opened[0].slice == "model=c"


def test_a_slice_alone_leads_and_is_named():
    (case,) = gather({}, 7.0, window(length_on_model_a=verdict(6.0, opened=True)), TRACKS).opened
    assert (case.lead, case.slice) == ("length on model=a", "model=a")


def test_signals_have_cases_of_their_own_and_parts_of_one_do_not():
    moved = window(length=verdict(5.0, opened=True), topic_1=verdict(5.0, opened=True), topic_2=verdict(-8.0, opened=True))
    found = gather({}, 7.0, moved, TRACKS)
    assert [(case.signal, case.lead) for case in found.opened] == [("length", "length"), ("topics", "topic 2")]
    assert set(found.open) == {"length", "topics"}


def test_what_joins_an_open_case_opens_none_and_the_last_to_close_closes_it():
    first = gather({}, 1.0, window(length=verdict(5.0, opened=True, since=1.0)), TRACKS)
    both = gather(first.open, 2.0, window(length=verdict(5.0, open_=True), length_on_model_b=verdict(7.0, opened=True)), TRACKS)
    assert both.opened == ()
    assert both.open["length"].slice == "model=b"
    one = gather(
        both.open, 3.0, window(length=verdict(closed=True, since=2.5), length_on_model_b=verdict(7.0, open_=True)), TRACKS
    )
    assert one.closed == ()
    assert one.open["length"].open == ("length on model=b",)
    over = gather(one.open, 4.0, window(length_on_model_b=verdict(closed=True, since=3.5)), TRACKS)
    (case,) = over.closed
    assert over.open == {}
    assert (case.found, case.since, case.closed) == (1.0, 1.0, 3.5)
    assert case.tracks == ("length", "length on model=b")


def test_json_gives_back_the_same_case():
    (case,) = gather({}, 7.0, window(length=verdict(5.0, opened=True)), TRACKS).opened
    assert Case.from_json(json.loads(json.dumps(case.to_json()))) == case
