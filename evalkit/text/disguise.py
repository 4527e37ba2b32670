"""Texts in simple disguises, read: base64, hex, rot13, backwards, letters set apart."""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from collections.abc import Callable, Collection, Iterator

_BASE64 = re.compile(r"(?:[A-Za-z0-9+/_-]{4,}+(?:[\r\n]{1,2}(?=[A-Za-z0-9+/_=-]))?+)++={0,2}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[ :]?+){8,}+")
_APART = re.compile(r"(?<![^\W_])[^\W_](?:[\W_]{1,3}+[^\W_](?![^\W_])){7,}+")
_SHORTEST = 16  # characters of base64 that are worth reading
_LONGEST_WORD = 40


def from_base64(text: str) -> Iterator[str]:
    """What the runs of base64 in a text say, those that say text."""
    for told in _BASE64.finditer(text):
        packed = re.sub(r"\s", "", told[0]).rstrip("=").replace("-", "+").replace("_", "/")
        if len(packed) >= _SHORTEST:
            with_rest = packed[: len(packed) - (len(packed) % 4 == 1)]
            try:
                said = base64.b64decode(with_rest + "=" * (-len(with_rest) % 4)).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                continue
            if _is_text(said):
                yield said


def from_hex(text: str) -> Iterator[str]:
    """What the runs of hexadecimal bytes in a text say, those that say text."""
    for told in _HEX.finditer(text):
        said = bytes.fromhex(re.sub("[ :]", "", told[0])).decode("utf-8", "replace")
        if _is_text(said):
            yield said


def from_rot13(text: str) -> Iterator[str]:
    yield codecs.decode(text, "rot13")


def backwards(text: str) -> Iterator[str]:
    yield text[::-1]


def drawn_together(text: str, words: Collection[str]) -> Iterator[str]:
    """The runs of single letters in a text, put together and cut into the given words, the longest first; in small letters."""
    known = {word.casefold() for word in words}
    longest = min(max(map(len, known), default=1), _LONGEST_WORD)
    for told in _APART.finditer(text):
        letters = re.sub(r"[\W_]", "", told[0]).casefold()
        cut, at = [], 0
        while at < len(letters):
            end = next((at + size for size in range(longest, 0, -1) if letters[at : at + size] in known), at + 1)
            cut.append(letters[at:end])
            at = end
        yield " ".join(cut)


READERS: dict[str, Callable[[str], Iterator[str]]] = {
    "base64": from_base64, "hex": from_hex, "rot13": from_rot13, "reversed": backwards,
}  # fmt: skip


def _is_text(said: str) -> bool:
    """Whether decoded bytes are text: hardly any of it is no character."""
    return sum(letter == "\ufffd" or (letter < " " and letter not in "\n\t\r") for letter in said) * 20 <= len(said)
