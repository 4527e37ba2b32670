"""An experiment in every report: the same figures, what users wrote stays text, the split's warning stands first."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from evalkit.experiment.analyse import Design, analyse
from evalkit.reports.ab import lift_text, story
from evalkit.reports.ab_pages import ab_html, ab_json, ab_markdown, print_ab

EVIL = "<script>alert(1)</script>|`x`"


def experiment(share=0.5, **options):
    rng = np.random.default_rng(1)
    n = 4_000
    treated = rng.random(n) < share
    frame = pd.DataFrame(
        {
            "user_id": np.arange(n),
            "variant": np.where(treated, EVIL, "old"),
            "won": rng.random(n) < 0.3 + 0.1 * treated,
            EVIL: rng.normal(5, 1, n),
            "latency_ms": rng.lognormal(6, 0.3, n),
            "plan": rng.choice(["free", EVIL], n),
        }
    )
    told = {
        "guardrails": ["latency_ms:p95"], "margins": ["latency_ms:p95=80"], "by": "plan", "cuped": [f"{EVIL}:mean=latency_ms"],
        **options,
    }  # fmt: skip
    return analyse(frame, Design("variant", "old", ["won:proportion", f"{EVIL}:mean"], **told))


def printed(found, width=200):
    import io

    from rich.console import Console

    out = io.StringIO()
    print_ab(
        found, Console(file=out, width=width, force_terminal=width < 200, color_system=None, highlight=False, markup=False)
    )
    return out.getvalue()


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)


def test_every_report_tells_the_same_figures():
    found = experiment()
    row = story(found).metrics[0].rows[1]
    for text in (printed(found), ab_markdown(found), ab_html(found)):
        for piece in (row.value, row.diff, row.interval, row.lift, "better", "pass"):
            assert piece in text
    told = json.loads(ab_json(found))
    effect = told["metrics"]["won:proportion"]["treatments"][EVIL]
    assert effect["diff"] == pytest.approx(found["won:proportion"].treatments[EVIL].diff, rel=1e-9)
    assert told["treatments"][EVIL]["metrics"]["won:proportion"] == effect
    assert set(effect) >= {
        "a",
        "b",
        "diff",
        "ci",
        "p",
        "p_adjusted",
        "test",
        "effect_size",
        "n",
        "mde",
        "verdict",
        "lift",
        "lift_ci",
    }
    assert told["srm"].keys() >= {"p", "ok"}
    assert "NaN" not in ab_json(found)


def test_what_users_wrote_stays_text():
    found = experiment()
    page = ab_html(found)
    assert Tags(page).tags.count("script") == 1  # our own
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    markdown = ab_markdown(found)
    assert "<script>" not in markdown
    assert "\x1b" not in page + markdown
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1  # no cell of theirs makes a column


def test_a_mismatch_is_the_first_thing_said():
    found = experiment(share=0.4)
    text = printed(found)
    assert "WARNING" in text.splitlines()[2]
    assert text.index("WARNING") < text.index("won:proportion")
    assert "no verdict" in text.splitlines()[-1]
    page = ab_html(found)
    assert page.index("Sample-ratio mismatch") < page.index('id="metrics"')
    assert "> **Sample" in ab_markdown(found)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_a_narrow_terminal_wraps_nothing_by_accident(width):
    for line in printed(experiment(), width).splitlines():
        assert len(line) <= max(width, 58), line  # a name of 29 characters is not broken


def test_a_forest_of_lifts_is_drawn_for_each_treatment():
    page = ab_html(experiment())
    assert page.count('class="plot forest"') == 1
    assert "whisker better" in page
    assert "Lift of" in page


def test_lifts_are_percentages():
    assert lift_text(0.0412, 0.012, 0.07) == ("+4.12%", "+1.20% to +7.00%")
    assert lift_text(0.5, float("nan"), float("nan")) == ("+50.0%", "")
