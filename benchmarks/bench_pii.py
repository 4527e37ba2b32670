"""Personal data: every pattern on the worst of hundreds of hostile megabytes, what a find costs, and what presidio's recognisers find.

A hostile megabyte is one piece repeated: runs of one character, separators, almost-matches of each kind, and a thousand seeded mixtures
of two to five of them. Every piece is tried on 50 kB, the ten slowest on 1 MB, the best of fifteen. First the regular expression alone (its matches,
before any checksum), which is what could be catastrophic; then all of a kind's work on a text in which it finds nothing, checksums
and all; then the time of a find where a text holds nothing else. `presidio-analyzer`'s own recognisers, without a language
model, run in an environment of their own (`make peers`) over the strings of the tests: whether they find what is one, and leave what is none.

    python benchmarks/bench_pii.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import json
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _common import Benchmark, at_most, command

HERE = Path(__file__).resolve().parent
PEER = HERE / ".peers" / "presidio" / "bin" / "python"
sys.path.insert(0, str(HERE.parent / "tests" / "text"))

PIECES = [
    *"azA1409535 -.@:/+()_=\n\t'*?~{%&é٣\U0001f600\x00",
    *("sk-", "sk-a1", "pk-", "rk_live_", "AKIA", "ASIA", "ghp_", "github_pat_", "glpat-", "xoxb-", "AIza", "hf_", "npm_", "SG.", "eyJ", ".eyJ"),
    *("-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "Bearer ", "key-", "dapi", "whsec_", "xn--", "DE89", "DE89 ", "SC18-", "MD12-", "DO12 ", "GB29"),
    *("4444", "4111 ", "1111 1111 1111 1112 ", "4111111111111112 ", "5500-", "1.1.1.1", "1.1.1.", "255.", "256.1.", "::", "fe80:", "2001:db8:"),
    *("12:30:45", "1:", "v1.2.3.4", "+49", "+1 ", "0049", "(415) ", "415-555-", "0171 ", "030/", "01 23 45 67 8", "x@", "@x", "@x.y", "@x.y-", '"@x.yy'),
    *("a.b", "..", "--", "__", "1-1", "1 1", "536-90-", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "bc1q", "a" * 60, "A1B2C3D4", "1234567890", "00000000", "aB1_"),
]  # fmt: skip


def hostile(mixtures: int) -> list[str]:
    rng = random.Random(0)
    return PIECES + ["".join(rng.choice(PIECES) for _ in range(rng.randint(2, 5))) for _ in range(mixtures)]


def patterns() -> dict[str, list[re.Pattern[str]]]:
    """The regular expressions that scan a whole text, by kind."""
    from evalkit.text import pii, pii_keys

    return {
        "API_KEY": [pii_keys._KEY, pii_keys._BEARER], "EMAIL": [pii._EMAIL], "IBAN": [pii._iban()], "CARD": [pii._CARD],
        "WALLET": [pii_keys._WALLET], "SSN": [pii._SSN], "IP": [pii._IPV4, pii._IPV6], "PHONE": [pii._PHONE],
    }  # fmt: skip


def took(work: Callable[[str], Any], piece: str, size: int, repeats: int) -> float:
    """Milliseconds of CPU, the best of some."""
    text = (piece * (size // len(piece) + 1))[:size]
    best = float("inf")
    for _ in range(repeats):
        clock = time.process_time()
        work(text)
        best = min(best, time.process_time() - clock)
    return 1e3 * best


def worst(work: Callable[[str], Any], pieces: list[str], size: int, repeats: int) -> tuple[float, str]:
    """The most that a text of ``size`` takes, and its piece."""
    slow = sorted(pieces, key=lambda piece: took(work, piece, size // 20, 1))[-10:]
    return max((took(work, piece, size, repeats), piece) for piece in slow)


def scan(pattern: re.Pattern[str]) -> Callable[[str], int]:
    return lambda text: sum(1 for _ in pattern.finditer(text))


def quality(find: Callable[[dict[str, list[str]]], dict[str, list[bool]]]) -> tuple[dict[str, float], dict[str, float]]:
    """Per kind, the percentage of its strings that are found, and of those that only look like it and are left alone."""
    from pii_examples import NEAR_MISSES, POSITIVES

    def shares(told: dict[str, list[str]]) -> dict[str, float]:
        return {kind: 100 * sum(found) / len(found) for kind, found in find(told).items()}

    alone = shares({kind.partition(" ")[0]: texts for kind, texts in NEAR_MISSES.items()})
    return shares(POSITIVES), {kind: 100 - share for kind, share in alone.items()}


def ours(told: dict[str, list[str]]) -> dict[str, list[bool]]:
    from evalkit.text.pii import find

    return {kind: [any(one.kind == kind for one in find(f"It is {text} .")) for text in texts] for kind, texts in told.items()}


def theirs(told: dict[str, list[str]]) -> dict[str, list[bool]]:
    asked = json.dumps({kind: [f"It is {text} ." for text in texts] for kind, texts in told.items()})
    path = HERE / ".peers" / "presidio" / "asked.json"
    path.write_text(asked, encoding="utf-8")
    done: dict[str, list[bool]] = json.loads(
        command([str(PEER), str(HERE / "peer_presidio.py"), str(path)]).result.splitlines()[-1]
    )
    return done


def main() -> None:
    from evalkit.text.pii import _FINDERS, find

    bench = Benchmark(__file__, __doc__)
    pieces, size = hostile(bench.size(1000, 20)), bench.size(1_000_000, 20_000)
    repeats = bench.size(15, 1)
    megabyte = f"1 MB, the worst of {len(pieces):,} pieces"
    yardstick = took(scan(re.compile("[aeiou]x")), "a", size, repeats)
    bench.row("For comparison: the pattern [aeiou]x", inputs="1 MB of the letter a", unit="ms", evalkit=yardstick)
    for kind, several in patterns().items():
        for number, pattern in enumerate(several):
            ms, piece = worst(scan(pattern), pieces, size, repeats)
            name = f"{kind}'s pattern" + (f" {number + 1}" if len(several) > 1 else "")
            bench.row(f"{name} alone", inputs=megabyte, unit="ms", evalkit=ms, bar=at_most(50), piece=piece)
    for kind, finder in _FINDERS.items():
        barren = [piece for piece in pieces if not any(True for _ in finder((piece * (4000 // len(piece) + 1))[:4000]))]
        ms, piece = worst(lambda text, finder=finder: sum(1 for _ in finder(text)), barren, size, repeats)
        bench.row(f"{kind}, nothing found, checks and all", inputs=megabyte, unit="ms", evalkit=ms, piece=piece)
    from pii_examples import POSITIVES

    for kind, texts in POSITIVES.items():
        text = (" ".join(texts) + " ") * (size // 10 // (sum(map(len, texts)) + len(texts)) + 1)
        count = sum(one.kind == kind for one in find(text))
        bench.row(
            f"{kind}, nothing else",
            inputs=f"{count:,} finds",
            unit="µs a find",
            evalkit=1e3 * took(find, text, len(text), repeats) / count,
        )
    peer = PEER.exists()
    if not peer:
        print("LEFT OUT: presidio is not installed; `make peers` installs it", file=sys.stderr, flush=True)
    found, missed = quality(ours)
    found_there, missed_there = quality(theirs) if peer else ({}, {})
    for what, values, other in (("found", found, found_there), ("near misses left alone", missed, missed_there)):
        for kind, value in values.items():
            more = (
                {"peer": "presidio-analyzer, its own recognisers", "theirs": other[kind], "equal": "no: both are shares"}
                if kind in other
                else {}
            )
            bench.row(f"{kind}, {what}", inputs="the tests' strings", unit="%", evalkit=value, **more)
    bench.finish("evalkit")


if __name__ == "__main__":
    main()
