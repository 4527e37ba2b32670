"""Chat messages as logs write them, as what was asked and what was answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

Row = dict[str, Any]
_TEXTS = ("text", "content", "input_text", "output_text", "refusal")


class Unreadable(str):
    """Why a part of a record cannot be read; the others can."""


def decoded(value: Any) -> Any:
    """JSON in a text, decoded where it is an object or a list; anything else as it is."""
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return value
    return value


def json_text(value: Any) -> str:
    """A value as one line of JSON, keys in order."""
    return msgspec.json.encode(value, order="sorted", enc_hook=str).decode()


def text_of(content: Any) -> str | None:
    """The text of a message's content: a text, a part, parts one after the other; a tool call is told as JSON."""
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        kind = content.get("type")
        if kind in ("reasoning", "thinking"):
            return None
        for name in _TEXTS:
            if isinstance(content.get(name), str):
                return str(content[name])
        if isinstance(content.get("content"), (list, dict)):
            return text_of(content["content"])
        if kind in ("image_url", "image", "input_image", "audio", "input_audio", "blob", "file", "uri"):
            return f"[{kind}]"  # what it holds is no text, and may be megabytes
        return json_text(dict(content))
    if isinstance(content, Sequence) and not isinstance(content, bytes):
        told = [text for part in content if (text := text_of(part)) is not None]
        return "\n".join(told) if told else None
    return str(content)


def plain(messages: Any, role: str = "user") -> list[Row]:
    """Messages of any make as ``{"role", "content"}``; a bare text is one message by ``role``."""
    value = decoded(messages)
    if value is None:
        return []
    if isinstance(value, Mapping):
        for name in ("messages", "input", "choices"):
            if isinstance(value.get(name), list):
                return plain(value[name], role)
        value = [value]
    if not isinstance(value, list):
        return [{"role": role, "content": str(value)}]
    return [turn for each in value if (turn := _turn(each, role)) is not None]


def _turn(each: Any, role: str) -> Row | None:
    if not isinstance(each, Mapping):
        text = text_of(each)
        return None if text is None else {"role": role, "content": text}
    if isinstance(each.get("message"), Mapping):  # a choice
        each = each["message"]
    if isinstance(each.get("kwargs"), Mapping) and "content" in each["kwargs"]:  # LangChain's own JSON
        each = each["kwargs"]
    said = each.get("role") or {"human": "user", "ai": "assistant"}.get(str(each.get("type")), each.get("type"))
    text = text_of(each["parts"] if "parts" in each else each.get("content"))
    calls = each.get("tool_calls") or each.get("function_call")
    if text is None and calls:
        text = json_text(calls)
    if text is None and "role" not in each:
        text = text_of(each)
    return {"role": str(said) if isinstance(said, str) and said != "text" else role, "content": text or ""}


def asked(messages: Iterable[Row], system: str | None = None) -> Row:
    """The columns ``input`` (what the user said last) and, where there is more than that, ``messages`` (all, as JSON)."""
    told = list(messages)
    if system and not any(turn["role"] in ("system", "developer") for turn in told):
        told = [{"role": "system", "content": system}, *told]
    if not told:
        return {}
    users = [turn["content"] for turn in told if turn["role"] == "user"]
    row: Row = {"input": users[-1] if users else told[-1]["content"]}
    return row | ({"messages": json_text(told)} if len(told) > 1 else {})


def answered(messages: Any) -> Row:
    """The column ``output``, and ``samples`` where a model gave several answers."""
    texts = [turn["content"] for turn in plain(messages, "assistant")]
    if not texts:
        return {}
    return {"output": texts[0]} | ({"samples": texts[1:]} if len(texts) > 1 else {})


def first(*values: Any) -> Any:
    """The first that is there."""
    return next((value for value in values if value is not None and value != ""), None)


def filled(row: Row) -> Row:
    """Without what is absent."""
    return {name: value for name, value in row.items() if value is not None}
