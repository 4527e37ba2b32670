"""Alerts as messages of Slack, and of those that take its incoming webhooks (Mattermost, Rocket.Chat, Discord's /slack)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.core.registry import sink
from evalkit.core.watched import Alert
from evalkit.monitor.sinks.http import check_address, post
from evalkit.monitor.wording import EXAMPLES, Told, plain, told
from evalkit.reports.safe import one_line, shortened

# Slack's limits, in characters after escaping; a message has 50 blocks, and an alert takes six at most.
HEADER, SECTION, FIELD, MESSAGE = 150, 3_000, 2_000, 4_000
_MENTION = re.compile(r"(?<!\w)@(?=\w)")
_SIGNS = {"critical": "🔴", "warning": "🟠", "over": "🟢"}
_BREAK = "\u200b"  # nothing that is seen: it keeps signs from meaning something


@sink("slack")
@dataclass(frozen=True)
class Slack:
    """A message per batch: severity, what, how much, since when, slice, example rows, and the report's link.

    Whoever understands no blocks shows ``text``, which says the same. Nothing in an alert can mention, link or format.
    """

    at_once: ClassVar[int] = 8

    url_env: str  # the variable that holds the incoming webhook's address
    timeout_s: float = 10.0
    examples: int = EXAMPLES  # rows that an alert shows; 0 keeps them here

    def __post_init__(self) -> None:
        if self.timeout_s <= 0 or not 0 <= self.examples <= EXAMPLES:
            raise ValueError(f"timeout_s is more than 0, and examples are from 0 to {EXAMPLES}")

    def verify(self) -> None:
        """Whether the variable holds an address; raises `ValueError`."""
        check_address(self.url_env)

    async def send(self, alerts: Sequence[Alert]) -> None:
        """All of them in one message."""
        body = json.dumps(message(alerts, self.examples)).encode()
        await post(self, self.url_env, body, {}, self.timeout_s)


def message(alerts: Sequence[Alert], examples: int = EXAMPLES) -> dict[str, Any]:
    """What is posted."""
    pieces = [told(alert, examples) for alert in alerts]
    blocks = [block for alert, one in zip(alerts, pieces) for block in (*_blocks(alert, one), {"type": "divider"})]
    return {"text": _text(pieces), "mrkdwn": False, "unfurl_links": False, "unfurl_media": False, "blocks": blocks[:-1]}


def literal(text: str, limit: int) -> str:
    """Text in which nothing mentions, links or is code, at most ``limit`` characters after escaping."""
    text = _MENTION.sub(f"@{_BREAK}", text).replace("](", f"]{_BREAK}(").replace("`", "ˋ")
    cut = limit
    while True:
        escaped = shortened(text, cut).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        if len(escaped) <= limit:
            return escaped
        cut -= max((len(escaped) - limit) // 5, 1)


def _text(pieces: Sequence[Told]) -> str:
    """All alerts as lines, as many as fit."""
    parts: list[str] = []
    for one in pieces:
        part = literal(plain(one), MESSAGE // 2)
        if sum(map(len, parts)) + len(part) > MESSAGE - 100:
            parts.append(f"… and {len(pieces) - len(parts)} more")
            break
        parts.append(part)
    return "\n\n".join(parts)


def _blocks(alert: Alert, one: Told) -> list[dict[str, Any]]:
    head = one_line(f"{_SIGNS.get(one.state, '')} {one.state.upper()} · {alert.monitor}")
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": literal(head, HEADER), "emoji": False}},
        {"type": "section", "text": _mrkdwn(f"*{_unstyled(literal(one.title, SECTION - 2))}*")},
    ]
    if one.facts:
        blocks.append({"type": "section", "fields": [_mrkdwn(f"*{name}*\n{literal(text, 1_900)}") for name, text in one.facts]})
    if one.examples:
        rows = "\n".join(literal(f"{number}. {row}", SECTION // EXAMPLES - 20) for number, row in enumerate(one.examples, 1))
        blocks.append({"type": "section", "text": _mrkdwn(f"*examples*\n```{rows}```")})
    if one.link is not None:
        link = one.link.replace("|", "%7C").replace("&", "&amp;")
        blocks.append({"type": "context", "elements": [_mrkdwn(f"<{link}|report>")]})
    elif one.report:
        blocks.append({"type": "context", "elements": [_mrkdwn(f"report: {literal(one.report, 1_000)}")]})
    return blocks


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _unstyled(text: str) -> str:
    """Bold text stays bold: no asterisk in it ends it."""
    return text.replace("*", "∗")
