"""What an alert says: all of it, in the same words everywhere, and nothing of what others wrote steers anything."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from evalkit.core.watched import Alert, Incident
from evalkit.monitor.sinks.slack import MESSAGE, literal, message
from evalkit.monitor.wording import LONGEST_EXAMPLE, alert_json, html, markdown, plain, told

EVIL = [
    "<!channel> <@U1> <https://evil.example|report>",
    "@everyone @here @channel",
    "\x1b[2J\x1b]0;title\x07\x9b31m",
    "a\u202eb\u2066c",
    "</td></table><script>alert(1)</script><img src=x onerror=alert(2)>",
    "](javascript:alert(1)) ![x](http://evil.example/p.png)",
    "```\n*bold* _it_ ~no~ `code`",
    "a\r\nBcc: everybody@example.org\r\n\r\nbody",
    "x" * 5_000,
    "nul\x00nul",
    "half \ud83d a character",
    "{{7*7}} %s {0} &amp; & \"'",
]
TEXTS = st.one_of(st.sampled_from(EVIL), st.text(st.characters(), max_size=40))


def hostile(text: str, event: Any = "opened") -> Alert:
    incident = Incident(
        text, text, "output", "warning", "slow", 0.0, 0.0, 0.1, 0.2, text, text, 60.0 if event == "closed" else None,
        {text: text}, text, tuple({text: text, f"{text}{row}": text} for row in range(9)),
    )  # fmt: skip
    return Alert(text, text, event, incident, text)


def test_an_alert_says_severity_what_how_much_since_when_which_slice_five_rows_and_where_the_report_is(alert):
    one = told(alert())
    for text in (plain(one), json.dumps(message([alert()]), ensure_ascii=False), html(one), alert_json(alert())["text"]):
        assert "CRITICAL" in text
        assert "output.length on language=en" in text
        assert "312.0 → 405.0 characters (+93.0, +29.8%)" in text
        assert "2026-11-30T01:00Z" in text
        assert "2026-11-30T08:00Z, by one window" in text
        assert "model=b" in text
        assert all(f"question {row} · output: answer {row}" in text for row in range(5))
        assert "https://reports.example.org/shop/index.html" in text
    assert "[report](<https://reports.example.org/shop/index.html>)" in markdown(one)


def test_the_title_is_the_alerts_own_in_every_layout(alert):
    one = alert()
    assert told(one).title == one.title
    for text in (plain(told(one)), html(told(one)), one.title, message([one])["text"], alert_json(one)["title"]):
        assert one.title in text


def test_what_is_over_says_so_and_since_when(alert):
    text = plain(told(alert(event="closed")))
    assert text.startswith("OVER  shop: ")
    assert "over since  2026-11-30T10:00Z" in text


def test_a_change_of_the_judge_is_told_as_that(alert):
    assert "the judge changed, not the product" in plain(told(alert(kind="judge")))


@pytest.mark.parametrize(
    ("before", "after", "unit", "said"),
    [
        (0.05, 0.12, "share", "5% → 12% (+7.0 points)"),
        (0.0, 3.0, "", "0.00 → 3.00 (+3.00)"),
        (10.0, 5.0, "ms", "10.0 → 5.0 ms (−5.0, −50%)"),
        (math.nan, 5.0, "ms", "– → 5.00 ms"),
        (0.2, math.inf, "", "0.200 → ∞"),
    ],
)
def test_how_much_is_told_in_the_signals_own_unit(alert, before, after, unit, said):
    assert dict(told(alert(before=before, after=after, unit=unit)).facts)["how much"].startswith(said)


def test_a_signal_without_a_value_of_its_own_says_nothing_of_how_much(alert):
    assert "how much" not in dict(told(alert(before=math.nan, after=math.nan)).facts)


def test_rows_can_be_kept_at_home(alert):
    for text in (plain(told(alert(), 0)), json.dumps(alert_json(alert(), 0)), json.dumps(message([alert()], 0))):
        assert "question" not in text


def test_a_report_that_is_no_address_of_the_web_is_text_and_no_link(alert):
    for report in ("/srv/evalkit/report.html", "javascript:alert(1)", "http://", "file:///etc/passwd"):
        one = told(replace(alert(), report=report))
        assert one.link is None
        assert "<a " not in html(one)
        assert "](" not in markdown(one).replace("\\](", "")


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.links += [value for name, value in attrs if name == "href"]


@given(TEXTS)
def test_nothing_that_others_wrote_steers_a_terminal_a_page_or_a_reader_of_json(text):
    one = told(hostile(text))
    steering = {char for char in plain(one) if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")} - {"\n"}
    assert not steering | set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") & set(plain(one))
    assert len(one.examples) == 5
    assert max(map(len, one.examples)) <= LONGEST_EXAMPLE
    parser = _Tags()
    parser.feed(html(one))
    assert parser.tags <= {"p", "b", "table", "tr", "td", "ol", "li", "a"}
    assert all(link.startswith(("http://", "https://")) for link in parser.links)
    sent = json.dumps(alert_json(replace(hostile(text), id="1")))
    assert "\\u0000" not in sent
    json.loads(sent)["text"].encode("utf-8")  # no half of a character


def test_megabytes_in_an_alert_are_cut_in_every_layout():
    huge = hostile("y" * 3_000_000)
    assert len(plain(told(huge))) < 10_000
    assert len(html(told(huge))) < 12_000
    assert len(json.dumps(message([huge]))) < 20_000
    assert len(json.dumps(alert_json(replace(huge, id="1")))) < 60_000


@given(st.lists(TEXTS, min_size=1, max_size=8), st.sampled_from(["opened", "closed"]))
def test_slack_takes_every_message_and_nothing_in_it_mentions_or_links(texts, event):
    told_all = message([hostile(text, event) for text in texts])
    assert len(told_all["blocks"]) <= 50
    assert len(told_all["text"]) <= MESSAGE
    for block in Block.parse_all(told_all["blocks"]):  # Slack's own package checks its limits
        assert block is not None
        block.validate_json()
    assert told_all["mrkdwn"] is False
    for text in _texts(told_all):
        bare = text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
        assert "&" not in bare
        assert "<" not in bare or bare.startswith(("<http://", "<https://"))
        assert "<!" not in bare
        assert "@everyone" not in text
        assert text.count("```") in (0, 2)


def _texts(part: Any) -> list[str]:
    if isinstance(part, dict):
        return [
            text
            for key, value in part.items()
            for text in ([value] if key == "text" and isinstance(value, str) else _texts(value))
        ]
    return [text for value in part for text in _texts(value)] if isinstance(part, list) else []


@given(st.text("&<>ab", max_size=200), st.integers(1, 60))
def test_literal_text_is_cut_between_entities(text, limit):
    cut = literal(text, limit)
    assert len(cut) <= limit
    assert "&" not in cut.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")


def test_many_alerts_in_one_message_say_how_many_are_left_out(alert: Callable[..., Alert]):
    text = message([hostile("y" * 900) for _ in range(8)])["text"]
    assert text.endswith(" more")
