"""Text that is not UTF-8: where it breaks, and what it probably is."""

from __future__ import annotations

import codecs

BOM = codecs.BOM_UTF8
_WIDE = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def wide(head: bytes) -> str | None:
    """The encoding of a file whose first bytes are not those of UTF-8 text: UTF-16 or UTF-32, with or without a mark."""
    for mark, name in _WIDE.items():
        if head.startswith(mark):
            return name
    if len(head) >= 4 and head[1::2].count(0) > len(head) // 4 and 0 not in head[0::2]:
        return "utf-16-le"
    if len(head) >= 4 and head[0::2].count(0) > len(head) // 4 and 0 not in head[1::2]:
        return "utf-16-be"
    return None


def undecodable(text: bytes) -> tuple[str, str | None]:
    """What to say of a line that is not UTF-8."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        at, byte = error.start, text[error.start]
    else:
        return "the line is not UTF-8", None
    return (
        f"not UTF-8: byte 0x{byte:02x} at byte {at + 1} of the line",
        f"it looks like {(name := likely(text))}; {recode(name)}",
    )


def likely(text: bytes) -> str:
    """The most likely encoding of text that is not UTF-8."""
    high = [index for index, byte in enumerate(text) if byte >= 0x80]
    paired = sum(index + 1 in set(high) for index in high)
    if len(high) > 3 and paired > 0.6 * len(high):  # bytes above 127 in rows: not Latin letters among ASCII
        for name in ("gb18030", "shift_jis", "euc_kr"):
            if _fits(text, name):
                return name
    return "cp1252" if _fits(text, "cp1252") else "latin-1"


def recode(encoding: str) -> str:
    """The hint to convert a file."""
    return f"convert it: `iconv -f {encoding} -t utf-8 OLD > NEW`"


def _fits(text: bytes, encoding: str) -> bool:
    try:
        text.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
