"""A monitor in every report: incidents first, timelines that stay light and lose no excursion, what users wrote stays text."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import time
from xml.etree import ElementTree

import pytest

from evalkit.core.times import moment
from evalkit.core.watched import Point, Timeline
from evalkit.reports.drift_pages import drift_html
from evalkit.reports.plot_timeline import COLUMNS, stretches, strip_plot, time_ticks, timeline_plot
from evalkit.reports.watched import headline, lasting, view
from evalkit.reports.watched_pages import print_watched, watched_html, watched_json, watched_markdown
from tests.reports.drifts import (
    EVIL,
    HOUR,
    START,
    bare,
    hostile,
    hostile_watched,
    incident,
    large,
    printed,
    single,
    timeline,
    watched,
)
from tests.reports.test_drift import Tags
from tests.reports.test_html import browser, dump

SVG = "{http://www.w3.org/2000/svg}"


def test_every_report_tells_the_same_incidents():
    for text in (printed(print_watched, watched()), watched_markdown(watched()), watched_html(watched())):
        text = text.replace("<wbr>", "")
        assert "402.3 → 486.9 characters" in text
        assert "Outputs are longer: 402 characters before, 487 now" in text
        assert "2026-11-16T00:00Z" in text  # since
        assert "2026-11-16T02:00Z" in text  # found
        assert "model=b" in text
        assert "the judge changed, not the product" in text
        assert "400 windows of 1h" in text


def test_the_verdict_is_the_last_line():
    assert printed(print_watched, watched()).splitlines()[-1] == "drifted: 2 incidents open, 1 of them critical"
    assert printed(print_watched, single()).splitlines()[-1] == "no drift: no incident is open"
    assert printed(print_watched, bare()).splitlines()[-1] == "nothing to tell yet: no window is complete"
    assert headline(watched(incidents=(incident(),))) == "drifted: 1 incident open, critical"
    assert headline(watched(incidents=(incident(), incident()))) == "drifted: 2 incidents open, all of them critical"


def test_a_run_says_how_many_windows_it_processed():
    def told(new):
        return printed(lambda console: print_watched(watched(), console, new=new))

    assert "processed  3 windows\n" in told(3)
    assert "processed  no window was due\n" in told(0)
    assert "next window  2026-11-17T16:00Z to 2026-11-17T17:00Z\n" in told(0)


def test_json_has_the_keys_that_scripts_depend_on():
    told = json.loads(watched_json(watched()))
    assert told.keys() >= {"evalkit", "monitor", "windows", "open", "incidents", "signals", "off", "latest"}
    assert [one["name"] for one in told["open"]] == ["output.length", "proxy.consistency"]
    assert told["open"][0]["since"] == "2026-11-16T00:00Z"
    assert "NaN" not in watched_json(hostile_watched())
    json.loads(watched_json(hostile_watched("\ud800")))


def test_open_incidents_stand_first_the_critical_ones_before_warnings():
    found = view(watched())
    assert [row.name for row in found.open] == ["output.length", "proxy.consistency"]
    assert [row.name for row in found.closed] == ["output.refusal", "output.length on model=b"]  # the newest first
    page = watched_html(watched())
    assert page.index("Outputs are longer") < page.index('id="signals"')


def test_a_signal_s_light_tells_its_newest_window_or_its_open_incident():
    words = {line.name: (line.light, line.word) for line in view(watched()).lines}
    assert words["output.length"] == ("fail", "drifted")
    assert words["input.length"] == ("pass", "ok")
    assert words["output.refusal"] == ("pass", "ok")  # its incident is over
    sliced = watched(incidents=(incident(by={"model": "b"}),), timelines=(timeline("output.length"),))
    assert view(sliced).lines[0].word == "drifted on model=b"
    last = timeline("output.length").points[-1]
    for status, word in (("few", "few rows"), ("none", "no rows"), ("learning", "learning")):
        line = Timeline("output.length", "output", "", (dataclasses.replace(last, status=status),))
        assert view(watched(incidents=(), timelines=(line,))).lines[0].word == word


def test_an_incident_of_a_signal_without_a_timeline_still_has_its_light():
    found = view(watched(timelines=(), incidents=(incident("judge.consistency", group="proxy", kind="judge"),)))
    assert [(line.name, line.light) for line in found.lines] == [("judge.consistency", "fail")]
    watched_html(found.watched)


@pytest.mark.parametrize("text", [EVIL, "x" * 100_000, "ﷺ" * 3_000, "\ud800", ""])
def test_what_users_wrote_stays_text_and_is_bounded(text):
    found = hostile_watched(text)
    page, markdown, lines = watched_html(found), watched_markdown(found), printed(print_watched, found, width=80)
    page.encode()
    markdown.encode()
    assert Tags(page).tags.count("script") == 1  # our own
    assert "<script>alert" not in page + markdown
    assert "\x1b" not in page + markdown + lines
    assert "\u202e" not in page + markdown + lines
    assert "nan" not in re.sub(r"<[^>]*>", "", page).lower().replace("finance", "")
    assert len(page) < 150_000
    assert len(markdown) < 30_000
    for rows in re.findall(r"(?:^\|.*\n)+", markdown, re.M):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows.splitlines()}) == 1  # no cell makes a column


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
@pytest.mark.parametrize("make", [watched, single, bare, hostile_watched])
def test_a_narrow_terminal_wraps_nothing_by_accident(width, make):
    for line in printed(print_watched, make(), width=width).splitlines():
        assert len(line) <= width, line


def test_the_page_fetches_nothing_and_its_links_lead_somewhere():
    for found in (watched(), single(), bare(), hostile_watched()):
        tags = Tags(watched_html(found))
        assert all(link.startswith("#") for link in tags.links)
        assert {link[1:] for link in tags.links} <= set(tags.ids)
        assert len(tags.ids) == len(set(tags.ids))


def test_forty_signals_over_two_thousand_windows_are_a_light_page():
    found = large()
    start = time.perf_counter()
    page = watched_html(found)
    assert time.perf_counter() - start < 20
    assert len(page) < 1_000_000


def test_many_incidents_are_folded_and_counted():
    over = tuple(incident(id=str(at), closed=START + HOUR * (at + 9), found=START + HOUR * at, since=START) for at in range(80))
    still = tuple(incident(f"s{at}", id=f"o{at}") for at in range(30))
    found = watched(incidents=over + still)
    page = watched_html(found)
    assert "18 more open" in page
    assert "50 over, and 30 before them" in page
    assert "and 75 incidents before" in printed(print_watched, found)
    assert "and 30 incidents before" in watched_markdown(found)


def test_a_real_browser_shows_both_pages_and_complains_about_nothing(tmp_path):
    if browser() is None:
        pytest.skip("no chromium is installed: the pages were not opened in a real browser; apt-get install chromium")
    for name, page in (("watched", watched_html(watched())), ("drift", drift_html(hostile()))):
        path = tmp_path / f"{name}.html"
        path.write_text(page, "utf-8")
        dom, complaints = dump(path, tmp_path)
        assert complaints == []
        assert 'data-ready="yes"' in dom


# --- timelines -------------------------------------------------------------------------------------------------------


def drawn(line, incidents=(), windows=2_000):
    text = timeline_plot(line, incidents, window=HOUR, span=(START, START + HOUR * windows), title="x <script>", key="k")
    return ElementTree.fromstring(text)


def path(drawing, css):
    return next(node.get("d") for node in drawing.iter(f"{SVG}path") if node.get("class") == css)


def heights(drawing, css):
    return [float(y) for y in re.findall(r"(?:[ V])(\d+\.\d)", path(drawing, css))]


def line_of(values, low=0.9, high=1.1, status="ok"):
    points = [Point(START + HOUR * at, value, 1.0, low, high, 9, 0.5, 0.5, status) for at, value in enumerate(values)]
    return Timeline("x", "output", "", tuple(points))


@pytest.mark.parametrize("place", [0, 1, 777, 1_998, 1_999])
def test_a_single_window_out_of_two_thousand_is_not_lost(place):
    values = [1.0] * 2_000
    values[place] = 1.5
    drawing = drawn(line_of(values))
    assert min(heights(drawing, "course")) < min(heights(drawing, "reference")) - 20
    assert path(drawing, "beyond").count("M") == 1


def test_a_window_far_beyond_all_others_is_told_and_does_not_flatten_them():
    values = [1.0 + 0.05 * math.sin(at) for at in range(2_000)]
    values[50] = 1e6
    drawing = drawn(line_of(values))
    assert "1 window beyond the range drawn" in ElementTree.tostring(drawing, "unicode")
    ys = heights(drawing, "reference")
    assert max(ys) - min(ys) > 10
    assert path(drawing, "beyond").count("M") == 1


def test_windows_without_a_value_leave_a_gap():
    values = [1.0] * 100 + [math.nan] * 100 + [1.0] * 100
    assert path(drawn(line_of(values), windows=300), "course").count("M") == 2
    assert path(drawn(line_of([math.nan] * 10), windows=10), "course") == ""
    assert path(drawn(line_of([1.0, math.nan, 1.0]), windows=3), "course").count("h2") == 2  # lone windows are seen


def test_a_drawing_has_no_more_columns_than_fit():
    assert len(heights(drawn(line_of([1.0] * 2_000)), "expected")) == COLUMNS


def test_drifted_stretches_and_where_changes_began_and_were_found_are_marked():
    told = timeline("output.length", shift=0.2, since=360)
    drawing = drawn(told, [incident()], windows=400)
    assert [node.get("class") for node in drawing.iter(f"{SVG}rect")] == ["learning", "learning", "stretch"]
    assert sum(node.get("class") == "since" for node in drawing.iter(f"{SVG}line")) == 1
    flag = next(node for node in drawing.iter(f"{SVG}path") if node.get("class") == "flag")
    assert "began 2026-11-16T00:00Z, found 2026-11-16T02:00Z" in flag.find(f"{SVG}title").text
    assert "39 windows drifted, 1 incident" in drawing.find(f"{SVG}desc").text
    assert strip_plot(told, window=HOUR, span=(START, START + HOUR * 400)).count("stretch") == 1


def test_stretches_join_neighbouring_windows():
    points = [dataclasses.replace(p, status=s) for p, s in zip(line_of([1.0] * 6).points, "addaad", strict=True)]
    assert list(stretches(points, "d", HOUR)) == [(START + HOUR, START + 3 * HOUR), (START + 5 * HOUR, START + 6 * HOUR)]


@pytest.mark.parametrize("values", [[], [math.inf, -math.inf], [1e308, -1e308], [0.0], [1.0] * 3])
def test_numbers_at_their_limits_are_drawn(values):
    text = ElementTree.tostring(drawn(line_of(values), [incident(since=math.nan, found=math.inf)], windows=3), "unicode")
    assert "nan" not in text
    assert "inf" not in text


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        ("2026-11-01T00:10Z", "2026-11-01T01:00Z", "1 Nov 2026 00:15", "01:00"),
        ("2026-11-01T20:00Z", "2026-11-02T08:00Z", "21:00", "06:00"),
        ("2026-11-01", "2026-11-18", "1 Nov 2026", "17 Nov"),
        ("2026-12-01", "2027-02-01", "7 Dec 2026", "1 Feb"),
        ("2025-03-05", "2027-03-05", "Apr 2025", "Jan 2027"),
        ("1999-01-01", "2031-01-01", "Jan 2000", "Jan 2030"),
    ],
)
def test_ticks_are_round_moments_and_few(start, end, first, last):
    told = time_ticks(moment(start), moment(end))
    assert 3 <= len(told) <= 10
    assert (told[0][1], told[-1][1]) == (first, last)
    assert all(moment(start) <= at <= moment(end) for at, _ in told)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 min"),
        (2_700, "45 min"),
        (18_000, "5 h"),
        (19_800, "5 h 30 min"),
        (273_600, "3 d 4 h"),
        (86_400 * 40, "40 d"),
        (math.nan, "–"),
    ],
)
def test_stretches_of_time_are_told_in_two_units(seconds, text):
    assert lasting(seconds) == text
