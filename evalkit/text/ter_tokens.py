"""Tercom's tokenisation: what TER takes for words."""

from __future__ import annotations

import re

_WESTERN = (
    (re.compile(r"([{-~\[-` -&(-+:-@/])"), r" \1 "),
    (re.compile(r"'s "), " 's "),
    (re.compile(r"'s$"), " 's"),
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
_ASIAN_MARKS = "\u3001\u3002\u3008-\u3011\u3014-\u301f\uff61-\uff65\u30fb"
_WIDE_MARKS = "\uff0e\uff0c\uff1f\uff1a\uff1b\uff01\uff02\uff08\uff09"
# sacrebleu's rules as they work, not as their comments say: the fourth range ends at U+3F22 for U+32FF, and each kana
# rule, whose inner "^" was meant as a negation, only matches a line that is kana throughout.
_ASIAN = (
    (re.compile("([\u4e00-\u9fff\u3400-\u4dbf])"), r" \1 "),
    (re.compile("([\u31c0-\u31ef\u2e80-\u2eff])"), r" \1 "),
    (re.compile("([\u3300-\u33ff\uf900-\ufaff\ufe30-\ufe4f])"), r" \1 "),
    (re.compile("([\u3200-\u3f22])"), r" \1 "),
    *(
        (re.compile(f"(^|^[{kana}])([{kana}]+)(?=$|^[{kana}])"), r"\1 \2 ")
        for kana in ("\u3040-\u309f", "\u30a0-\u30ff", "\u31f0-\u31ff")
    ),
    (re.compile(f"([{_ASIAN_MARKS}])"), r" \1 "),
    (re.compile(f"([{_WIDE_MARKS}])"), r" \1 "),
)
_PUNCTUATION = re.compile(r'[.,?:;!"()]')
_ASIAN_PUNCTUATION = re.compile(f"[{_ASIAN_MARKS}{_WIDE_MARKS}]")


def tercom_line(
    line: str, normalized: bool = False, no_punct: bool = False, asian_support: bool = False, case_sensitive: bool = False
) -> str:
    """A line whose white-space words are Tercom's tokens."""
    line = line.rstrip()
    if not case_sensitive:
        line = line.lower()
    if normalized and line:
        line = _normalised(line, asian_support and not line.isascii())
    if no_punct:
        line = _PUNCTUATION.sub("", line)
        if asian_support:
            line = _ASIAN_PUNCTUATION.sub("", line)
    return line


def _normalised(line: str, asian: bool) -> str:
    line = line.replace("\n-", "").replace("\n", " ")
    if "&" in line:
        line = line.replace("&quot;", '"').replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    line = f" {line} "
    for pattern, apart in _WESTERN:
        line = pattern.sub(apart, line)
    if asian:
        for pattern, apart in _ASIAN:
            line = pattern.sub(apart, line)
    return line
