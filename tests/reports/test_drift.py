"""A comparison of logs in every report: the same figures, what users wrote stays text, the verdict stands where one looks."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from evalkit.core.drift import Shape, Side
from evalkit.reports.drift import amount, amounts, moved_words, slice_words, view
from evalkit.reports.drift_pages import drift_html, drift_json, drift_markdown, print_drift
from evalkit.reports.plot_shape import shape_plot
from tests.reports.drifts import EVIL, drift, finding, hostile, nothing, printed, quiet


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        told = dict(attrs)
        self.links += [told[name] for name in ("href", "src", "action") if told.get(name)]
        self.ids += [told["id"]] if told.get("id") else []


def test_every_report_tells_the_same_figures():
    for text in (printed(print_drift, drift()), drift_markdown(drift()), drift_html(drift())):
        assert "412.2 → 498.7" in text
        assert "wasserstein 0.31" in text
        for name in ("output.length", "input.topics", "proxy.latency_ms", "proxy.feedback"):
            assert name in text.replace("<wbr>", "")
        assert "2026-11-08T23:59Z" in text


def test_the_verdict_is_the_last_line():
    assert printed(print_drift, drift()).splitlines()[-1] == "drifted: 5 of 12 signals"
    assert printed(print_drift, quiet()).splitlines()[-1] == "no drift: 12 signals compared"
    assert printed(print_drift, nothing()).splitlines()[-1] == "no drift can be told: no signal could be compared"


def test_json_has_the_keys_that_scripts_depend_on():
    told = json.loads(drift_json(drift()))
    assert told.keys() >= {"evalkit", "drifted", "signals", "off", "reference", "current"}
    assert told["drifted"] is True
    keys = {"name", "group", "statistic", "value", "p", "q", "threshold", "drifted", "why"}
    assert all(signal.keys() >= keys for signal in told["signals"])
    assert told["off"][0] == {"name": "proxy.feedback", "why": "no column feedback"}
    assert told["reference"]["n"] == 20_000
    assert "NaN" not in drift_json(hostile())
    assert json.loads(drift_json(hostile("\ud800")))["drifted"] is True


def test_each_drifted_signal_has_its_sentence_its_slice_and_its_terms():
    for text in (printed(print_drift, drift()), drift_markdown(drift()).replace("\\", ""), drift_html(drift())):
        assert "Outputs are longer: 412 characters before, 499 now" in text
        assert "ost on model=b (wasserstein 0.61), then language=de (wasserstein 0.33); not on model=a" in text
        assert "refund portal" in text
    assert "new: refund portal 0% → 13%" in printed(print_drift, drift())
    assert "How do I get a refund" in drift_html(drift())  # an example of the topic


def test_drifted_signals_come_first_in_their_group_and_slices_only_where_the_whole_is_calm():
    rows = view(drift()).rows
    assert [row.name for row in rows if row.finding.group == "column"] == ["plan on model=b", "plan"]
    assert not any(row.name.startswith("output.length on") for row in rows)
    assert [row.state for row in rows[:5]] == ["drifted", "drifted", "steady", "slight", "steady"]


def test_what_is_large_but_may_be_chance_is_unclear_and_what_is_sure_but_small_is_slight():
    states = {row.name: row.state for row in view(drift()).rows}
    assert states["output.repetition"] == "unclear"
    assert states["input.embedding"] == "slight"


@pytest.mark.parametrize("text", [EVIL, "x" * 100_000, "ﷺ" * 3_000, "\ud800", ""])
def test_what_users_wrote_stays_text_and_is_bounded(text):
    found = hostile(text)
    page, markdown, lines = drift_html(found), drift_markdown(found), printed(print_drift, found, width=80)
    page.encode()
    markdown.encode()
    assert Tags(page).tags.count("script") == 1  # our own
    assert "<script>alert" not in page + markdown
    assert "\x1b" not in page + markdown + lines
    assert "\u202e" not in page + markdown + lines
    assert len(page) < 120_000
    assert len(markdown) < 20_000
    assert len(lines) < 12_000
    for rows in re.findall(r"(?:^\|.*\n)+", markdown, re.M):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows.splitlines()}) == 1  # no cell makes a column


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
@pytest.mark.parametrize("make", [drift, quiet, nothing, hostile])
def test_a_narrow_terminal_wraps_nothing_by_accident(width, make):
    for line in printed(print_drift, make(), width=width).splitlines():
        assert len(line) <= width, line


def test_the_page_fetches_nothing_and_its_links_lead_somewhere():
    for found in (drift(), quiet(), nothing(), hostile()):
        tags = Tags(drift_html(found))
        assert all(link.startswith("#") for link in tags.links)
        assert {link[1:] for link in tags.links} <= set(tags.ids)
        assert len(tags.ids) == len(set(tags.ids))


def test_a_page_without_drift_says_so_and_opens_its_table():
    page = drift_html(quiet())
    assert 'class="verdict passed"' in page
    assert 'id="drifted"' not in page
    assert '<details class="more" open>' in page
    assert 'class="verdict incomplete"' in drift_html(nothing())


def test_sides_without_times_or_names_are_told_by_what_they_are():
    bare = drift(reference=Side("", 1), current=Side("", 2))
    assert printed(print_drift, bare).startswith("current   2 rows   against reference   1 row\n")
    assert "<bdi>current</bdi>" in drift_html(bare)


def test_amounts_have_the_digits_that_tell_them_apart():
    assert amounts(0.021, 0.023, "share") == ("2.1%", "2.3%")
    assert amounts(0.42, 0.36, "share") == ("42%", "36%")
    assert amounts(0.0, 0.0004, "share") == ("0%", "0.04%")
    assert amounts(812.0, 1_934.0, "ms") == ("812", "1,934")
    assert amounts(1_000.2, 1_000.4, "") == ("1,000.20", "1,000.40")
    assert amounts(math.nan, 3.0, "")[0] == "–"
    assert amount(0.0041, "share") == "0.41%"
    assert amount(0.468, "share") == "46.8%"
    assert amount(0.0, "share") == "0%"
    assert amount(math.nan, "ms") == "–"


def test_a_move_is_told_in_points_or_percent_where_either_says_something():
    assert moved_words(0.02, 0.07, "share") == "+5.0 points"
    assert moved_words(400.0, 500.0, "characters") == "+25%"
    assert moved_words(0.001, 90.0, "ms") == "× 90,000"
    assert moved_words(-0.3, 0.2, "") == ""
    assert moved_words(math.nan, 1.0, "ms") == ""


def test_a_slice_that_stands_for_many_is_cut_short():
    told = slice_words([finding("x", by={"m": str(at)}, drifted=at < 5, value=0.9 - at / 10) for at in range(9)])
    assert (
        told
        == "most on m=0 (wasserstein 0.90), then m=1 (wasserstein 0.80), m=2 (wasserstein 0.70) and 2 more; not on m=5, m=6 and 2 more"
    )


# --- plots -----------------------------------------------------------------------------------------------------------


def drawn(shape, **told):
    return ElementTree.fromstring(shape_plot(shape, title="x <script>", key="k", **told))


def heard(drawing):
    return drawing.find("{http://www.w3.org/2000/svg}desc").text


def test_many_categories_are_drawn_as_the_largest_and_the_others():
    shape = Shape(tuple(f"c{at}" for at in range(40)), (0.025,) * 40, (0.025,) * 39 + (0.025,))
    told = heard(drawn(shape))
    assert "29 others 72.5% → 72.5%" in told
    assert told.count(";") == 11


def test_cells_of_numbers_are_areas_over_their_width():
    shape = Shape(("", ""), (0.5, 0.5), (0.25, 0.75), (0.0, 1.0, 3.0))
    then = next(node for node in drawn(shape, unit="ms").iter() if node.get("class") == "then" and node.get("d"))
    first, second = (float(y) for y in re.findall(r"V([\d.]+)H", then.get("d")))
    assert (148 - first) == pytest.approx(2 * (148 - second), abs=0.2)
    assert "0 – 1 ms: 50% → 25%" in heard(drawn(shape, unit="ms"))


@pytest.mark.parametrize(
    "edges", [(-math.inf, 0.0, math.inf), (0.0, 0.0, 1.0), (1.0, 2.0, 1e9), (-1e308, 0.0, 1e308), (math.nan, 1.0, 2.0)]
)
def test_edges_that_cannot_be_drawn_to_scale_are_drawn_as_equal_cells(edges):
    assert "drawn equal" in ElementTree.tostring(drawn(Shape(("a", "b"), (0.0, 0.0), (0.5, 0.5), edges)), "unicode")
