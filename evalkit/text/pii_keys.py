"""Keys of well-known services, told by how they begin, and Bitcoin addresses, told by their checksum."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

Spans = Iterator[tuple[int, int]]

_BODIES = {  # how keys begin → what follows; a first part in brackets is one character of these
    "[spr]k-": "(?:[a-z]{2,8}-)?[A-Za-z0-9_-]{20,}+",  # OpenAI, Anthropic, OpenRouter, Langfuse …
    "[spr]k_": "(?:live|test)_[A-Za-z0-9]{16,}+",  # Stripe
    "whsec_": "[A-Za-z0-9+/=]{24,}+",
    "A[KS]IA": "[0-9A-Z]{16}(?![0-9A-Za-z])",  # AWS
    "AIza": "[0-9A-Za-z_-]{35}",  # Google
    "ya29[.]": "[0-9A-Za-z_-]{30,}+",
    "gh[pousr]_": "[A-Za-z0-9]{36,}+",  # GitHub
    "github_pat_": "[A-Za-z0-9_]{22,}+",
    "glpat-": "[A-Za-z0-9_-]{20,}+",  # GitLab
    "xox[abeprs]-": "[A-Za-z0-9-]{10,}+",  # Slack
    "xapp-": "[0-9]-[A-Za-z0-9-]{20,}+",
    "hf_": "[A-Za-z0-9]{30,}+",  # Hugging Face
    "npm_": "[A-Za-z0-9]{36}",
    "pypi-": "AgE[A-Za-z0-9_-]{40,}+",
    "SG[.]": r"[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}",  # SendGrid
    "key-": "[0-9a-f]{32}(?![0-9A-Za-z])",  # Mailgun
    "shp[ap][ast]_": "[0-9a-f]{32}(?![0-9A-Za-z])",  # Shopify
    "dop_v1_": "[0-9a-f]{64}(?![0-9A-Za-z])",  # DigitalOcean
    "dckr_pat_": "[A-Za-z0-9_-]{20,}+",  # Docker
    "dapi": "[0-9a-f]{32}(?![0-9A-Za-z])",  # Databricks
    "gsk_": "[A-Za-z0-9]{40,}+",  # Groq
    "xai-": "[A-Za-z0-9]{40,}+",
    "pplx-": "[A-Za-z0-9]{40,}+",  # Perplexity
    "r8_": "[A-Za-z0-9]{30,}+",  # Replicate
    "figd_": "[A-Za-z0-9_-]{30,}+",  # Figma
    "lin_api_": "[A-Za-z0-9]{30,}+",  # Linear
    "hvs[.]": "[A-Za-z0-9_-]{24,}+",  # HashiCorp Vault
    "glsa_": "[A-Za-z0-9]{30,}+_[0-9a-f]{8}",  # Grafana
    "eyJ": r"[A-Za-z0-9_-]{10,}+\.eyJ[A-Za-z0-9_-]{10,}+\.[A-Za-z0-9_-]{10,}+",  # JSON web tokens
}
_PRIVATE = (
    r"[A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[^-]{0,20000}+-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?"
)
_BORDER = "(?<![A-Za-z0-9_-])"


def _places(told: str) -> list[str]:
    """A beginning cut into its characters, each a set or a single one."""
    return re.findall(r"\[[^]]*\]|.", told)


def _grouped() -> str:
    """All kinds of keys, by their first character: an engine turns down by one character what it can turn down at all."""
    leads: dict[str, list[str]] = {}
    for beginning, body in _BODIES.items():
        first, *rest = _places(beginning)
        for letter in first.strip("[]"):
            leads.setdefault(letter, []).append(f"{''.join(rest)}(?<={_BORDER}{beginning}){body}")
    leads["B"] = [f"EGIN (?<=-----BEGIN ){_PRIVATE}"]
    return "|".join(f"{letter}(?:{'|'.join(several)})" for letter, several in leads.items())


_KEY = re.compile(_grouped())
_BEARER = re.compile(r"earer (?<=\b[Bb]earer )([A-Za-z0-9._~+/-]{20,}+=*)")
_MIXED = re.compile("(?=[^0-9]*+[0-9])[^A-Za-z]*+[A-Za-z]")
_DIGIT = re.compile("[0-9]")

_STARTS = [re.sub(r"\[\.\]", r"\\.", told) for told in _BODIES]
SIGNS = "|".join([*_STARTS, "PRIVATE KEY", "earer "])  # a text without any of these has no key; for RE2 and for Python


def keys(text: str) -> Spans:
    """Where keys are: of services, JSON web tokens, PEM and PGP blocks, and what follows ``Bearer``."""
    found = [
        (told.start() - 5, told.end()) if text[told.start()] == "B" else told.span()  # a block begins with its five hyphens
        for told in _KEY.finditer(text)
        if text[told.start() + 1 : told.start() + 3] != "k-" or _MIXED.match(text, told.start() + 3, told.end())
    ]  # sk-something-that-is-only-words is a name
    if "earer " in text:
        found += [told.span(1) for told in _BEARER.finditer(text) if _DIGIT.search(text, *told.span(1))]
        found.sort()
    end = 0
    for start, stop in found:
        if start >= end:
            yield start, stop
            end = stop


# --- Bitcoin ---------------------------------------------------------------------------------------------------------

_WALLET = re.compile(
    r"[13b](?:(?<=(?<![A-Za-z0-9])[13])[1-9A-HJ-NP-Za-km-z]{25,34}|c1(?<=(?<![A-Za-z0-9])bc1)[02-9ac-hj-np-z]{39}(?:[02-9ac-hj-np-z]{20})?)(?![A-Za-z0-9])"
)
_BASE58 = {letter: at for at, letter in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}
_BECH32 = {letter: at for at, letter in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def wallets(text: str) -> Spans:
    """Where Bitcoin addresses are whose checksum is right."""
    for told in _WALLET.finditer(text):
        if bech32(told[0]) if told[0][0] == "b" else base58(told[0]):
            yield told.span()


def base58(address: str) -> bool:
    """Whether it is an address of base58check: 25 bytes, of which the last four are the beginning of a double SHA-256."""
    number = 0
    for letter in address:
        number = number * 58 + _BASE58[letter]
    if number >= 1 << 200:
        return False
    raw = number.to_bytes(25, "big")
    zeros = len(address) - len(address.lstrip("1"))
    if raw[0] not in (0, 5) or zeros != len(raw) - len(raw.lstrip(b"\0")):
        return False
    return hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def bech32(address: str) -> bool:
    """Whether it is a ``bc1`` address: BCH code of BIP 173 (version 0) or of BIP 350 (above)."""
    data = [_BECH32[letter] for letter in address[3:]]
    check = 1
    for value in (3, 3, 0, 2, 3, *data):  # "bc", spread as the code wants it
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATOR):
            check ^= generator if top >> place & 1 else 0
    return check == (1 if data[0] == 0 else 0x2BC830A3)
