"""Plots are well-formed SVG whose text is text and whose shapes stay inside."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from evalkit.reports import plots
from evalkit.reports.plots import Point
from evalkit.reports.spread import histogram

SVG = "{http://www.w3.org/2000/svg}"
ANY = st.floats(allow_nan=True, allow_infinity=True)


def drawn(svg):
    root = ET.fromstring(svg)
    _, _, width, height = map(float, root.get("viewBox").split())
    for element in root.iter():
        for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"):
            if element.get(name) is not None and element is not root:
                number = float(element.get(name))
                assert math.isfinite(number)
                assert -1 <= number <= max(width, height) + 1
    return root


@settings(max_examples=80, deadline=None)
@given(arrays.arrays(float, st.integers(1, 60), elements=ANY), ANY, ANY, ANY)
def test_any_scores_and_any_value_draw_a_well_formed_histogram(scores, mean, low, high):
    spread = histogram(scores)
    if spread is not None:
        drawn(plots.histogram(spread, title="m", mean=mean, low=low, high=high, key="h"))
        ET.fromstring(plots.sparkline(spread))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.builds(Point, st.text(), ANY, ANY, ANY, st.text(), st.booleans()), max_size=6))
def test_any_points_draw_a_well_formed_interval_plot(points):
    drawn(plots.forest(points, title="<m> & co", key="f"))


def test_a_plot_says_in_words_what_it_shows():
    spread = histogram(np.repeat([0.0, 1.0], [30, 10]))
    root = drawn(plots.histogram(spread, title="exact_match", mean=0.25, low=0.14, high=0.4, digits=3, key="h1"))
    assert root.find(f"{SVG}title").text == "Distribution of exact_match"
    assert root.find(f"{SVG}desc").text == "40 records; value 0.250, interval 0.140 – 0.400"
    assert root.get("aria-labelledby") == "h1-t h1-d"
    hints = [bar.find(f"{SVG}title").text for bar in root.findall(f"{SVG}rect[@class='bar']")]
    assert hints == ["0: 30 records", "1: 10 records"]


def test_the_whole_run_is_drawn_apart_from_its_slices():
    root = drawn(
        plots.forest([Point("all", 0.5, 0.4, 0.6, strong=True), Point("a", 0.7), Point("b", math.nan)], title="m", key="f")
    )
    texts = [text.text for text in root.findall(f"{SVG}text")]
    assert texts[:6] == ["all", "0.500", "a", "0.700", "b", "–"]
    assert len(root.findall(f"{SVG}circle")) == 1


def test_far_tails_are_counted_and_said():
    spread = histogram(np.concatenate([np.random.default_rng(0).random(10_000), [1e6, -5e5]]))
    svg = plots.histogram(spread, title="m", key="h")
    assert "not drawn" in svg
    assert "10,002 records" in svg
