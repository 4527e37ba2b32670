"""Personal data in text that can be told by its shape: addresses, numbers, keys; what has a checksum is checked.

Names of people and places need a model and are not looked for. Every pattern takes time that grows with the text alone: each
begins at the border of a token, and no part of it can give back what it has taken (possessive quantifiers) or more than
a few characters of it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

KINDS = ("API_KEY", "EMAIL", "IBAN", "CARD", "IP", "PHONE")  # in this order: what one has taken, the next ones leave


@dataclass(frozen=True, order=True)
class Found:
    """Characters ``start`` to ``end`` of a text, and what they are."""

    start: int
    end: int
    kind: str


def find(text: str, kinds: Iterable[str] = KINDS) -> list[Found]:
    """What stands in a text, from left to right; nothing overlaps."""
    found: list[Found] = []
    for kind in kinds:
        if not _MAY[kind](text):
            continue
        fresh = [Found(start, end, kind) for start, end in _FINDERS[kind](text)]
        if fresh:
            found = _beside(found, fresh) if found else fresh
    return found


def redact(text: str, kinds: Iterable[str] = KINDS) -> str:
    """The text with ``[EMAIL]`` and the like in place of what `find` finds."""
    found = find(text, kinds)
    if not found:
        return text
    parts, at = [], 0
    for one in found:
        parts += [text[at : one.start], f"[{one.kind}]"]
        at = one.end
    return "".join([*parts, text[at:]])


def luhn(digits: str) -> bool:
    """Whether digits carry a right check digit, as card numbers do (ISO/IEC 7812-1)."""
    padded = digits.zfill(-(-len(digits) // 4) * 4)
    return sum(_SUMS[padded[at : at + 4]] for at in range(0, len(padded), 4)) % 10 == 0


def iban(text: str) -> bool:
    """Whether letters and digits without spaces are an IBAN: the country's length, and 1 modulo 97 (ISO 13616)."""
    if len(text) != _IBAN_LENGTHS.get(text[:2]) or not text[2:4].isdecimal():
        return False
    return int((text[4:] + text[:4]).translate(_LETTERS)) % 97 == 1


# --- finding ---------------------------------------------------------------------------------------------------------


def _beside(before: Sequence[Found], fresh: Sequence[Found]) -> list[Found]:
    """Both, without those of ``fresh`` that overlap one of ``before``; both are sorted."""
    kept, at = [], 0
    for one in fresh:
        while at < len(before) and before[at].end <= one.start:
            at += 1
        if at == len(before) or before[at].start >= one.end:
            kept.append(one)
    return sorted([*before, *kept])


Spans = Iterator[tuple[int, int]]

_LOCAL = r"[\w.+%&'*/=?^{}~-]"
_EMAIL = re.compile(rf"(?<!{_LOCAL}){_LOCAL}++@[\w-]++(?:\.[\w-]++)++")
_NO_TLD = {"png", "jpg", "jpeg", "gif", "svg", "webp", "bmp", "ico", "css", "js", "json", "html"}  # image@2x.png is a file


def _emails(text: str) -> Spans:
    for told in _EMAIL.finditer(text):
        local, _, domain = told[0].rpartition("@")
        last = domain.rpartition(".")[2]
        begin = told.start() + len(local) - len(local.lstrip("./'*=?&{~^-"))
        local = text[begin : told.start() + len(local)]
        if (
            0 < len(local) <= 64
            and local != "git"
            and len(domain) <= 253
            and len(last) >= 2
            and (last.isalpha() or last.startswith("xn--"))
            and last.casefold() not in _NO_TLD
            and ".-" not in domain
            and "_" not in domain
            and domain[0] != "-"
        ):
            yield begin, told.end()


_KEY = re.compile(
    r"[sprAghxeSn-](?<![A-Za-z0-9_-][sprAghxeSn-])(?:"
    r"(?<=[spr])k-(?:[a-z]{2,8}-)?[A-Za-z0-9_-]{20,}+"  # OpenAI, Anthropic, Langfuse …
    r"|(?<=[spr])k_(?:live|test)_[A-Za-z0-9]{16,}+"  # Stripe
    r"|(?<=A)(?:KIA|SIA)[0-9A-Z]{16}(?![0-9A-Za-z])"  # AWS
    r"|(?<=g)(?:h[pousr]_[A-Za-z0-9]{36,}+|ithub_pat_[A-Za-z0-9_]{22,}+|lpat-[A-Za-z0-9_-]{20,}+)"
    r"|(?<=x)ox[abeprs]-[A-Za-z0-9-]{10,}+|(?<=A)Iza[0-9A-Za-z_-]{35}|(?<=h)f_[A-Za-z0-9]{30,}+|(?<=n)pm_[A-Za-z0-9]{36}"
    r"|(?<=S)G\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}"  # SendGrid
    r"|(?<=e)yJ[A-Za-z0-9_-]{10,}+\.eyJ[A-Za-z0-9_-]{10,}+\.[A-Za-z0-9_-]{10,}+"  # JSON web tokens
    r"|(?<=-)----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:[A-Za-z0-9+/=\s]{0,20000}+-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
    r")"
)
_BEARER = re.compile(r"\b[Bb]earer ([A-Za-z0-9._~+/-]{20,}+=*)")


def _keys(text: str) -> Spans:
    found = [
        told.span()
        for told in _KEY.finditer(text)
        if not told[0].startswith(("sk-", "pk-", "rk-"))
        or (re.search("[0-9]", told[0][3:]) and re.search("[A-Za-z]", told[0][3:]))
    ]
    if "earer " in text:
        found += [told.span(1) for told in _BEARER.finditer(text) if re.search("[0-9]", told[1])]
        found.sort()
    end = 0
    for start, stop in found:
        if start >= end:
            yield start, stop
            end = stop


_IBAN_REGISTRY = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 "
    "FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 "
    "LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 "
    "RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 "
)
_IBAN_LENGTHS = {told[:2]: int(told[2:]) for told in re.findall("[A-Z]{2}[0-9]{2}", _IBAN_REGISTRY)}
_LETTERS = {ord(letter): str(at) for at, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 10)}
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}[ -]?[A-Za-z0-9]{4}[ -]?[A-Za-z0-9]{1,4}[ -]?[A-Za-z0-9]{3}")


_IBAN_WHOLE = {
    length: re.compile(f"(?:[A-Za-z0-9][ -]?){{{length - 1}}}[A-Za-z0-9](?![A-Za-z0-9])")
    for length in set(_IBAN_LENGTHS.values())
}


def _ibans(text: str) -> Spans:
    for told in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(told[0][:2].upper())
        whole = None if length is None else _IBAN_WHOLE[length].match(text, told.start())
        if whole is not None and iban(whole[0].replace(" ", "").replace("-", "").upper()):
            yield whole.span()


_DOUBLED = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]
_SUMS = {  # four digits → their part of Luhn's sum
    f"{a}{b}{c}{d}": _DOUBLED[a] + b + _DOUBLED[c] + d
    for a in range(10)
    for b in range(10)
    for c in range(10)
    for d in range(10)
}
_CARD = re.compile(
    r"[0-9](?=[0-9]{3})(?<![0-9A-Za-z_.-][0-9])(?:"
    r"(?P<fours>[0-9]{3}(?:[ -][0-9]{4}){3,}+)"
    r"|(?<=4)[0-9]{12}(?:[0-9]{3}(?:[0-9]{3})?)?|(?<=5)[1-5][0-9]{14}|(?<=2)[2-7][0-9]{14}"
    r"|(?<=3)(?:[47][0-9]{13}|(?:0[0-5]|[68][0-9])[0-9]{11}|5[0-9]{14}|[47][0-9]{2}([ -])[0-9]{6}\2[0-9]{5})"
    r"|(?<=6)(?:(?:011|5[0-9]{2})[0-9]{12}|2[0-9]{14,17})"
    r")(?![0-9A-Za-z_]|\.[0-9])"
)


def _cards(text: str) -> Spans:
    for told in _CARD.finditer(text):
        if told["fours"] is None:
            if luhn(told[0].replace(" ", "").replace("-", "")):
                yield told.span()
            continue
        groups = told[0].replace("-", " ").split(" ")
        sums, at = [_SUMS[group] for group in groups], 0
        while at + 4 <= len(groups):  # a card may stand among other groups of four
            if groups[at][0] in "23456" and not (sums[at] + sums[at + 1] + sums[at + 2] + sums[at + 3]) % 10:
                yield told.start() + 5 * at, told.start() + 5 * at + 19
                at += 4
            else:
                at += 1


_IPV4 = re.compile(r"(?<![\w.-])[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?![\w-]|\.[0-9])")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{3,39}+(?:\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})?(?![\w:])")
_VERSION = re.compile(r"(?:version|release|build|v\.?)[ :=]{1,2}$", re.IGNORECASE)


def _ips(text: str) -> Spans:
    long = []
    if text.count(":") >= 2:
        for told in _IPV6.finditer(text):
            address = told[0]
            if ("::" in address or address.count(":") in (6, 7)) and re.search("[0-9]", address) and _is_ipv6(address):
                long.append(Found(*told.span(), "IP"))
    short = []
    for told in _IPV4.finditer(text):
        parts = told[0].split(".")
        if (
            all(len(part) < 2 or part[0] != "0" for part in parts)
            and all(int(part) < 256 for part in parts)
            and parts[0] != "0"
            and not _VERSION.search(text, max(told.start() - 12, 0), told.start())
        ):
            short.append(Found(*told.span(), "IP"))
    for one in _beside(long, short) if long else short:
        yield one.start, one.end


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.IPv6Address(text).packed is not None
    except ValueError:
        return False


_PHONE = re.compile(  # begins with a set of characters, which the engine looks for fast
    r"[+(0-9](?=[0-9 .-])(?<![\w.+/=-][+(0-9])(?:"
    r"(?P<abroad>(?:(?<=\+)|(?<=0)0)[1-9][0-9]{0,2}[ ./-]?(?:\([0-9]{1,4}\)[ ./-]?)?[0-9](?:[ ./-]?[0-9]){5,12})"
    r"|(?<=\()(?:[2-9][0-9]{2}\) ?[0-9]{3}[ .-][0-9]{4}|0[1-9][0-9]{1,4}\)[ /-]?[0-9]{3,8}(?:[ -][0-9]{2,5}){0,2})"
    r"|(?:(?<=1)[ .-][2-9]|(?<=[2-9]))[0-9]{2}(?:([.-])[2-9][0-9]{2}\2[0-9]{4}| [2-9][0-9]{2}[ -][0-9]{4})"
    r"|(?<=0)[1-9](?:[0-9]{1,4}[ /-][0-9]{3,8}(?:[ -][0-9]{2,5}){0,2}|(?: [0-9]{2}){4}|[0-9]{8,10})"
    r")(?![\w/-]|[.,:][0-9])"
)


def _phones(text: str) -> Spans:
    for told in _PHONE.finditer(text):
        digits = sum(map(str.isdecimal, told[0]))
        if (8 if told["abroad"] else 9) <= digits <= (17 if told[0].startswith("00") else 15):
            yield told.span()


_FINDERS: dict[str, Callable[[str], Spans]] = {
    "API_KEY": _keys, "EMAIL": _emails, "IBAN": _ibans, "CARD": _cards, "IP": _ips, "PHONE": _phones,
}  # fmt: skip
_SEVEN = re.compile(r"[0-9][0-9 ()./:-]{5}")
_KEYISH = re.compile(
    r"[srp]k[-_]|AKIA|ASIA|gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|AIza|hf_|npm_|SG\.|eyJ|PRIVATE KEY|earer "
)
_MAY: dict[str, Callable[[str], object]] = {  # what a text needs to hold for a kind to be worth looking for
    "API_KEY": _KEYISH.search,
    "EMAIL": lambda text: "@" in text,
    "IBAN": re.compile("[A-Za-z]{2}[0-9]{2}").search,
    "CARD": _SEVEN.search,
    "IP": lambda text: text.count(".") >= 3 or text.count(":") >= 2,
    "PHONE": _SEVEN.search,
}
# For columns: a text that has none of these has nothing to find. RE2 reads it, as Python does.
SIGNS = (
    r"@|[0-9][0-9 ()./:-]{5}|[A-Za-z]{2}[0-9]{2}[ -]?[A-Za-z0-9]{4}|:[0-9A-Fa-f]{0,4}:|[srp]k[-_]|AKIA|ASIA|gh[pousr]_"
    r"|github_pat_|glpat-|xox[abeprs]-|AIza|hf_|npm_|SG\.|eyJ|PRIVATE KEY|earer "
)
