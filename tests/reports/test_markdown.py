"""The Markdown is a pull-request comment: verdict first, bounded, and inert."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.run import GateResult
from evalkit.reports.markdown import code, escape, render_markdown
from evalkit.reports.summary import summarise

TABLE = re.compile(r"^\|.*\|$", re.M)


def cells(line):
    """A table row's cells, as GitHub splits them: at pipes that no backslash precedes."""
    return re.split(r"(?<!\\)\|", line.strip()[1:-1])


def test_the_verdict_is_the_first_line(summary):
    first = render_markdown(summary).splitlines()[0]
    assert first == "**evalkit: quickstart failed: 1 of 6 gates failed, 2 were inconclusive, 1 skipped**"


def test_failed_gates_come_first(summary):
    rows = TABLE.findall(render_markdown(summary))
    assert rows[2] == "| **fail** | exact\\_match = 1 on tag=must-pass | 2 of 12 records: q-017, q-203 |"


def test_metrics_show_their_difference_and_its_interval(summary):
    text = render_markdown(summary).replace("\u00a0", " ")
    assert re.search(
        r"\| `meteor` \| 0\.360 \| 0\.336 – 0\.383 \| −0\.034 \| \*\*worse\*\*, −0\.046 to −0\.023 \| 300 \| 0 \|", text
    )
    assert "Differences are to `20261120T101010Z-quickstart-aa11bb`." in text


def test_flips_name_their_records(summary):
    text = render_markdown(summary)
    part = text[text.index("`exact_match`: ") :]
    assert re.match(r"`exact_match`: \d+ records went from right to wrong, \d+ from wrong to right", part)
    assert "| `q-005` | 1 | 0 | When was the lighthouse" in part


def test_every_table_has_as_many_cells_in_every_row(summary):
    for block in re.findall(r"(?:^\|.*\|\n?)+", render_markdown(summary), re.M):
        assert len({len(cells(line)) for line in block.splitlines()}) == 1


def test_folded_parts_are_balanced(summary):
    text = render_markdown(summary)
    assert text.count("<details>") == text.count("</details>") == text.count("<summary>")
    tags = set(re.findall(r"<(/?\w+)", text))
    assert tags == {"details", "/details", "summary", "/summary", "sub", "/sub"}


@pytest.mark.parametrize("limit", [1_500, 5_000, 60_000])
def test_the_comment_keeps_to_its_limit(big_summary, limit):
    many = [
        GateResult(f"m{i}", "min", 0.5, 0.4, None, "fail", "x" * 500, "|" * 200, tuple(map(str, range(99)))) for i in range(300)
    ]
    run = dataclasses.replace(big_summary.run, gates=many)
    huge = dataclasses.replace(summarise(run), lists=big_summary.lists)
    for told in (huge, big_summary):
        text = render_markdown(told, limit=limit)
        assert len(text) <= limit
        if limit < 60_000:
            assert "left out for length" in text


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=40))
def test_escaped_text_is_one_line_of_literal_text(text):
    told = escape(text)
    told.encode("utf-8")
    assert "\n" not in told
    assert not re.search(r"(?<!\\)[*_`\[\]|~$]", told)
    assert "<" not in told
    assert not re.search(r"@\w", told)
    assert not re.search(r"#\d", re.sub(r"&#\d+;", ".", told))
    assert "://" not in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("@octocat and a@b.example", "@&#8203;octocat and a&#8203;@&#8203;b.example"),
        ("fixes #12 and GH-3", "fixes #&#8203;12 and GH&#8203;-3"),
        ("a|b`c`<b>", "a&#124;b&#96;c&#96;&lt;b&gt;"),
        ("![x](http://y.example)", "\\!\\[x\\]\\(http:&#8203;//y.example\\)"),
        ("two\nlines", "two lines"),
        ("1. one", "&#8203;1. one"),
        ("deadbeef1234", "deadbe&#8203;ef1234"),
    ],
)  # fmt: skip
def test_marks_mentions_links_and_references_become_text(text, said):
    assert escape(text) == said


def test_a_name_is_code_only_where_code_is_safe():
    assert code("rouge.rougeL") == "`rouge.rougeL`"
    assert "`" not in code("a`b")
    assert "|" not in code("a|b").replace("\\|", "")


def test_a_bare_run_is_short(bare):
    text = render_markdown(bare, report="report.html")
    assert "vs baseline" not in text
    assert text.rstrip().endswith("report `report.html` · exit 1: a gate failed</sub>")
