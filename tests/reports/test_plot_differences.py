"""The forest plot of differences."""

import math
from xml.etree import ElementTree

from evalkit.reports.plot_differences import Line, differences

LINES = [
    Line("rouge.rougeL", 0.021, 0.004, 0.038, "better"),
    Line("a name <script>&", -0.012, -0.03, 0.006),
    Line("without an interval", 0.0),
    Line("nothing known", math.nan),
]


def test_it_is_well_formed_whatever_the_names_hold_and_tells_each_line_in_words():
    drawing = ElementTree.fromstring(differences(LINES, title="differences", key="d", margin=0.01))
    described = drawing.find("{http://www.w3.org/2000/svg}desc").text
    assert "rouge.rougeL +0.0210 (+0.0040 to +0.0380), better" in described
    assert "a name <script>&" in described


def test_the_axis_always_holds_zero():
    drawing = ElementTree.fromstring(differences([Line("far off", 5.0, 4.9, 5.1, "better")], title="t", key="d"))
    zero = next(node for node in drawing.iter("{http://www.w3.org/2000/svg}line") if "zero" in node.get("class"))
    dot = next(node for node in drawing.iter("{http://www.w3.org/2000/svg}circle"))
    assert float(zero.get("x1")) < float(dot.get("cx"))


def test_a_margin_far_beyond_the_differences_is_not_drawn():
    near = differences([Line("x", 0.01, 0.0, 0.02)], title="t", key="d", margin=0.01)
    far = differences([Line("x", 0.01, 0.0, 0.02)], title="t", key="d", margin=5.0)
    assert 'class="band"' in near
    assert 'class="band"' not in far
