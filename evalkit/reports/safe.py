"""Text that others wrote, made fit to show: controls and tricks become visible, length is bounded."""

from __future__ import annotations

import re

# Direction overrides and isolates can reorder what surrounds them; lone surrogates cannot be written as UTF-8.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]")
_XML_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPACES = re.compile(r"\s+")


def visible(text: str) -> str:
    """The text with every control and direction character spelled out; line breaks and tabs stay."""
    text = text.replace("\r\n", "\n")
    found = set(_UNSEEN.findall(text))
    return text.translate({ord(char): f"⟨U+{ord(char):04X}⟩" for char in found}) if found else text


def one_line(text: str, limit: int | None = None) -> str:
    """The text on one line, white space runs as one space, at most ``limit`` characters."""
    if limit is not None:
        text = text[: limit * 4 + 400]  # before the patterns: a text of megabytes costs nothing
    line = _SPACES.sub(" ", visible(text)).strip()
    return shortened(line, limit) if limit is not None else line


def shortened(text: str, limit: int) -> str:
    """The first ``limit`` characters, the last of them an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def xml_safe(text: str) -> str:
    """The text without the characters that XML 1.0 forbids."""
    return _XML_FORBIDDEN.sub("", text)
