"""Personal data in text that can be told by its shape: addresses, numbers, keys; what has a checksum is checked.

Names of people and places need a model and are not looked for. Every pattern takes time that grows with the text alone: each
begins with a few characters that the engine looks for fast, at the border of a token, and no part of it can give back
what it has taken (possessive quantifiers) or more than a few characters of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeVar

from evalkit.text.pii_keys import SIGNS as _KEYISH
from evalkit.text.pii_keys import Spans, keys, wallets

# In this order: what one has taken, the next ones leave.
KINDS = ("API_KEY", "EMAIL", "IBAN", "CARD", "WALLET", "SSN", "IP", "PHONE")


class Found(NamedTuple):
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


S = TypeVar("S", bound=tuple[Any, ...])


def _beside(before: Sequence[S], fresh: Sequence[S]) -> list[S]:
    """Both, without those of ``fresh`` that overlap one of ``before``; both begin with start and end, and are sorted."""
    kept, at = list(before), 0
    for one in fresh:
        while at < len(before) and before[at][1] <= one[0]:
            at += 1
        if at == len(before) or before[at][0] >= one[1]:
            kept.append(one)
    kept.sort()
    return kept


_LOCAL = r"[\w.+%&'*/=?^{}~-]"
_EMAIL = re.compile(  # begins with its rarest character
    r"@[\w-]++\.(?:[\w-]++\.)*?(?:[A-Za-z]{2,}+|[^\W\d_]{2,}+|xn--[a-z0-9-]{2,59}+)(?![\w-]|\.\w)"
)
_NO_LABEL = re.compile("_|[@.]-|-[.]")
_LOCALS = re.compile(f"{_LOCAL}*+")
_QUOTED = re.compile(r'"[^"@\s\\][^"@\n\\]{0,61}"\Z')
_NO_TLD = {"png", "jpg", "jpeg", "gif", "svg", "webp", "bmp", "ico", "css", "js", "json", "html"}  # image@2x.png is a file


def _emails(text: str) -> Spans:
    end = 0
    for told in _EMAIL.finditer(text):
        at = told.start()
        before = text[max(end, at - 70) : at]
        if before[-1:] == '"':
            quoted = _QUOTED.search(before)
            local = quoted[0] if quoted is not None else ""
        else:
            local = before[len(before) - len(_LOCALS.match(before[::-1])[0]) :].lstrip("./'*=?&{~^-")  # type: ignore[index]
        domain = told[0]
        if (
            0 < len(local) <= 64
            and local != "git"
            and len(domain) <= 254
            and domain.rpartition(".")[2].casefold() not in _NO_TLD
            and _NO_LABEL.search(domain) is None
        ):
            end = told.end()
            yield at - len(local), end


_IBAN_REGISTRY = (  # what follows country and check digits: letters, digits or either
    "AD8n12c AE19n AL8n16c AT16n AZ4a20c BA16n BE12n BG4a6n8c BH4a14c BI23n BR8c15n2c BY4c4n16c CH5n12c CR18n CY8n16c CZ20n "
    "DE18n DJ23n DK14n DO4c20n EE16n EG25n ES20n FI14n FK2a12n FO14n FR10n11c2n GB4a14n GE2a16n GI4a15c GL14n GR7n16c GT24c "
    "HN4a20n HR17n HU24n IE4a14n IL19n IQ4a15n IS22n IT1a10n12c JO4a4n18c KW4a22c KZ3n13c LB4n20c LC4a24c LI5n12c LT16n "
    "LU3n13c LV4a13c LY21n MC10n11c2n MD20c ME18n MK3n10c2n MN16n MR23n MT4a5n18c MU4a19n3a NI4a20n NL4a10n NO11n OM3n16c "
    "PK4a16c PL24n PS4a21c PT21n QA4a21c RO4a16c RS18n RU14n15c SA2n18c SC4a20n3a SD14n SE20n SI15n SK20n SM1a10n12c SO19n "
    "ST21n SV4a20n TL19n TN20n TR6n16c UA6n19c VA18n VG4a16n XK16n YE4a4n18c "
)
_IBAN_BODIES = {told[:2]: re.findall("([0-9]+)([anc])", told) for told in _IBAN_REGISTRY.split()}
_IBAN_LENGTHS = {country: 4 + sum(int(count) for count, _ in body) for country, body in _IBAN_BODIES.items()}
_LETTERS = {ord(letter): str(at) for at, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 10)}
_SETS = {"n": "[0-9]", "a": "[A-Za-z]", "c": "[A-Za-z0-9]"}


def _iban_of(country: str) -> str:
    """An IBAN behind the letters of its country; behind its fourth letter or digit blanks or hyphens may stand anywhere."""
    places = "".join(kind * int(count) for count, kind in _IBAN_BODIES[country])
    lead = "".join(f"{_SETS[run[0]]}{{{len(run)}}}" for run in re.findall("n+|a+|c+", places[:4]))
    rest = "".join(f"(?:[ -]?{_SETS[run[0]]}){{{len(run)}}}" for run in re.findall("n+|a+|c+", places[5:]))
    return f"[0-9]{{2}}[ -]?{lead}[ -]?{_SETS[places[4]]}{rest}(?![A-Za-z0-9])"


@cache
def _iban() -> re.Pattern[str]:
    """All of them; made when first wanted, for it takes a while."""
    leads: dict[str, dict[str, str]] = {}
    for country in _IBAN_BODIES:
        leads.setdefault(country[0], {})[country[1]] = _iban_of(country)
    upper = [
        f"{first}(?:{'|'.join(f'{second}{body}' for second, body in several.items())})" for first, several in leads.items()
    ]
    small = "|".join(map(_lowered, upper))
    return re.compile(f"(?<![A-Za-z0-9])(?=..[0-9])(?:(?=[A-Z])(?:{'|'.join(upper)})|{small})")


def _lowered(pattern: str) -> str:
    """The same for a country in small letters."""
    return re.sub(r"(^|\|)([A-Z])|\(\?:([A-Z])", lambda told: told[0].lower(), pattern)


def _ibans(text: str) -> Spans:
    pattern, at = _iban(), 0
    while (told := pattern.search(text, at)) is not None:
        at = told.start() + 4
        if iban(told[0].replace(" ", "").replace("-", "").upper()):
            yield told.span()
            at = told.end()


_DOUBLED = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]
_SUMS = {  # four digits → their part of Luhn's sum
    f"{a}{b}{c}{d}": _DOUBLED[a] + b + _DOUBLED[c] + d
    for a in range(10)
    for b in range(10)
    for c in range(10)
    for d in range(10)
}


def _led(bodies: Mapping[str, str], border: str) -> str:
    """Alternatives that each begin with one character, behind a border: the engine looks for all of these at once, and turns
    an alternative down by its first character."""
    parts = {letter: [body for leads, body in bodies.items() if letter in leads] for leads in bodies for letter in leads}
    return "|".join(
        f"{re.escape(letter)}{'(?=[0-9]{3})' if letter == '(' else ''}(?<!{border}.)(?:{'|'.join(told)})"
        for letter, told in parts.items()
    )


_CARDS = {  # by their first digit
    "0123456789": r"[0-9]{3}(?:[ -][0-9]{4}(?![0-9])){3,}+",
    "4": "[0-9]{12}(?:[0-9]{3}(?:[0-9]{3})?)?",
    "5": "[1-5][0-9]{14}|(?:018|020|038|612|893)[0-9]{12}",
    "2": "[2-7][0-9]{14}|20[0-4][0-9]{12}",
    "3": r"[47][0-9]{13}|(?:0[0-5]|[689][0-9])[0-9]{11}|5[0-9]{14}|[47][0-9]{2}([ -])[0-9]{6}\1[0-9]{5}",
    "6": "(?:011|5[0-9]{2}|4[4-9][0-9]|304|759|76[1-3])[0-9]{12}|2[0-9]{14,17}",
}
_CARD = re.compile(f"(?:{_led(_CARDS, '[0-9A-Za-z_.-]')})(?![0-9A-Za-z_]|[.][0-9])")


def _cards(text: str) -> Spans:
    for told in _CARD.finditer(text):
        found = told[0]
        groups = found.replace("-", " ").split(" ")
        if len(groups) < 4:
            if luhn("".join(groups)):
                yield told.span()
            continue
        sums, at = [_SUMS[group] for group in groups], 0
        while at + 4 <= len(groups):  # a card may stand among other groups of four
            if groups[at][0] in "23456" and not (sums[at] + sums[at + 1] + sums[at + 2] + sums[at + 3]) % 10:
                yield told.start() + 5 * at, told.start() + 5 * at + 19
                at += 4
            else:
                at += 1


_SSN = re.compile(r"[0-8](?<![\w./+-].)(?!00-|66-)[0-9]{2}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![\w/-]|[.,][0-9])")
_SPENT = {"078-05-1120", "219-09-9999", "123-45-6789", "111-11-1111", "333-33-3333"}  # printed in public, or made up


def _ssns(text: str) -> Spans:
    for told in _SSN.finditer(text):
        if told[0][:3] != "000" and told[0][:3] != "666" and told[0] not in _SPENT:
            yield told.span()


_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?![0-9])"
_IPV4 = re.compile(rf"[1-9](?<![\w.-].)[0-9]{{0,2}}+\.{_BYTE}\.{_BYTE}\.{_BYTE}(?![\w-]|\.[0-9])")
_IPV6 = re.compile(  # two colons in a row, or more than five apart
    r"(?<![\w:.+@/-])(?=[0-9A-Fa-f]{0,4}+:(?:[0-9A-Fa-f]{1,4}+:){0,5}+(?::|[0-9A-Fa-f]{1,4}+[:.]))(?=[A-Fa-f:]*+[0-9])"
    r"(?:::1|[0-9A-Fa-f:]{5,39}+)(?:\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})?+(?![\w:]|\.[0-9])"
)
_VERSION = re.compile(r"(?:version|release|build|firmware|v\.?)[ :=]{1,2}$", re.IGNORECASE)


def _ips(text: str) -> Spans:
    long = [told.span() for told in _IPV6.finditer(text) if ipv6(told[0])] if text.count(":") >= 2 else []
    short = [
        told.span()
        for told in _IPV4.finditer(text)
        if int(told[0].partition(".")[0]) < 256
        and not (told.start() and text[told.start() - 1] in " :=" and _is_version(text, told.start()))
    ]
    yield from _beside(long, short) if long else short


def _is_version(text: str, at: int) -> bool:
    return _VERSION.search(text, max(at - 12, 0), at) is not None


def ipv6(text: str) -> bool:
    """Whether it is an IPv6 address, and one that people write: ``1::2`` is rather a slice of a list."""
    head, gap, tail = text.partition("::")
    groups = head.split(":") if head else []
    groups += tail.split(":") if tail else []
    count = len(groups)
    if groups and "." in groups[-1]:
        if any((len(part) > 1 and part[0] == "0") or int(part) > 255 for part in groups.pop().split(".")):
            return False
        count += 1
    if (count > 7 if gap else count != 8) or not all(0 < len(group) <= 4 for group in groups) or _DIGIT.search(text) is None:
        return False
    longest = max(map(len, groups), default=0)
    return count > 2 or longest == 4 or text == "::1" or (longest == 3 and not text.replace(":", "").isdecimal())


_DIGIT = re.compile("[0-9]")
_NO_PHONE = r"[\w.+/=-]"  # what a number does not follow
_ABROAD = r"[1-9][0-9]{0,2}+[ ./-]?+(?:\([0-9]{1,4}\)[ ./-]?+)?+[0-9]++(?:[ ./-][0-9]++){0,8}+"
_AMERICAN = r"(?:([.-])[2-9][0-9]{2}\%d[0-9]{4}| [2-9][0-9]{2}[ -][0-9]{4})"
_PHONES = {  # by their first character
    "+": _ABROAD,
    "0": rf"0(?<![0-9] 00){_ABROAD}|[1-9](?=[0-9]{{0,4}}+[ /-]?[0-9])(?<![0-9]{{4}} 0.)"
    r"(?:(?=[0-9]{0,4}+[ /-][0-9]{3})(?=[0-9 /-]{8})[0-9]{0,4}+[ /-][0-9]{3,8}(?:[ -][0-9]{2,5}){0,2}"
    r"| [0-9]{2} [0-9]{2} [0-9]{2} [0-9]{2}|[0-9]{8,10})",
    "(": r"[2-9][0-9]{2}\) ?[0-9]{3}[ .-][0-9]{4}|0[1-9][0-9]{1,4}\)[ /-]?[0-9]{3,8}(?:[ -][0-9]{2,5}){0,2}",
}
_PHONE = re.compile(
    rf"(?:{_led(_PHONES, _NO_PHONE)}|1(?<!{_NO_PHONE}.)[ .-][2-9][0-9]{{2}}{_AMERICAN % 1}"
    rf"|{'|'.join(f'{digit}(?=[0-9])(?<!{_NO_PHONE}.)[0-9]{{2}}{_AMERICAN % digit}' for digit in range(2, 10))})"
    r"(?![\w/-]|[.,:][0-9])"
)


_NO_DIGITS = dict.fromkeys(map(ord, " ./-()+"))


def _phones(text: str) -> Spans:
    for told in _PHONE.finditer(text):
        lead, end = told[0][:2], told.end()
        least, most = (8, 15) if lead[0] == "+" else (8, 17) if lead == "00" else (9, 15)
        digits = len(told[0].translate(_NO_DIGITS))
        while digits > most and (cut := text.rfind(" ", told.start(), end)) >= 0:  # another number may stand behind it
            end = cut
            digits = len(text[told.start() : end].translate(_NO_DIGITS))
        if least <= digits <= most:
            yield told.start(), end


_FINDERS: dict[str, Callable[[str], Spans]] = {
    "API_KEY": keys, "EMAIL": _emails, "IBAN": _ibans, "CARD": _cards, "WALLET": wallets, "SSN": _ssns, "IP": _ips,
    "PHONE": _phones,
}  # fmt: skip
_SEVEN = re.compile(r"[0-9][0-9 ()./:-]{5}")
_MAY: dict[str, Callable[[str], object]] = {  # what a text needs to hold for a kind to be worth looking for
    "API_KEY": re.compile(_KEYISH).search,
    "EMAIL": lambda text: "@" in text,
    "IBAN": re.compile("[A-Za-z]{2}[0-9]{2}").search,
    "CARD": _SEVEN.search,
    "WALLET": re.compile("bc1|[13][1-9A-HJ-NP-Za-km-z]{25}").search,
    "SSN": re.compile("[0-9]-[0-9]{2}-[0-9]").search,
    "IP": lambda text: text.count(".") >= 3 or text.count(":") >= 2,
    "PHONE": _SEVEN.search,
}
# For columns: a text that has none of these has nothing to find. RE2 reads it, as Python does.
SIGNS = (
    r"@|[0-9][0-9 ()./:-]{5}|[A-Za-z]{2}[0-9]{2}[ -]?[A-Za-z0-9]{4}|:[0-9A-Fa-f]{0,4}:|bc1|[13][1-9A-HJ-NP-Za-km-z]{25}|"
    + _KEYISH
)
